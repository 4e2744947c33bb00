"""Nothing leaves the machine that nobody sent: no name looked up, no other machine reached, no file made outside our
folders, by the daemon, by commands and by the demo. Watched at the kernel's border, so that it holds for every library.
"""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest
from town import ROOT, Earshot, Town, eventually, raw_settings, store, swept
from watching import can_watch, seen, surroundings, watched

pytestmark = [
    pytest.mark.real,
    pytest.mark.skipif(
        not can_watch(), reason="strace is not installed: NOT TRIED whether anything leaves this machine"
    ),
]

START = [sys.executable, "-c", "from monitor.cli import main; main()"]


@pytest.fixture
def scratch() -> Iterator[Path]:
    """The folder for scratch files; short, for the sockets of our own processes lie in it."""
    folder = Path(tempfile.mkdtemp(prefix="es"))
    yield folder
    shutil.rmtree(folder, ignore_errors=True)


def run_watched(arguments: list[str], folder: Path, scratch: Path, stdin: str = "") -> subprocess.CompletedProcess[str]:
    """Run a command of ``earshot`` under watch and check that nothing left."""
    trace = folder / f"{arguments[0]}.trace"
    done = subprocess.run(
        watched([*START, *arguments], trace), cwd=folder, env={**surroundings(folder, scratch), "PYTHONPATH": str(ROOT)},
        capture_output=True, text=True, input=stdin, check=False,
    )  # fmt: skip
    assert_nothing_left(trace, folder, scratch)
    return done


def assert_nothing_left(trace: Path, *ours: Path) -> None:
    """No look-up, no other machine, no file outside ``ours``, and nothing at all in the home folder."""
    found = seen(trace, ours, ours[0])
    assert (found.lookups, found.addresses, found.files) == ((), (), ())
    assert list((ours[0] / "home").iterdir()) == []


def test_the_daemon_reaches_only_what_its_settings_name(tmp_path: Path, scratch: Path) -> None:
    pytest.importorskip("onnxruntime", reason="no onnxruntime here: the transformer is not tried")
    with Town() as town:
        raw = raw_settings(town, tmp_path, poll_every="1s", judgement={"model": "auto"})
        earshot = Earshot.with_settings(tmp_path, raw)
        trace = tmp_path / "run.trace"
        with (tmp_path / "run.log").open("wb") as log:
            process = subprocess.Popen(
                watched(earshot.command("run"), trace), cwd=ROOT, stdout=log, stderr=log, start_new_session=True,
                env={**surroundings(tmp_path, scratch), "PYTHONPATH": str(ROOT)},
            )  # fmt: skip
        try:
            with store_when_there(tmp_path, raw) as database:
                eventually(lambda: swept(database), 100, "the past to be taken in")
                town.say("x", grave=True)
                eventually(lambda: town.mailbox.letters, 60, "a mail to leave")
        finally:
            os.killpg(process.pid, signal.SIGTERM)
            process.wait(60)
    assert_nothing_left(trace, tmp_path, scratch)


def store_when_there(folder: Path, raw: dict[str, object]):  # type: ignore[no-untyped-def]
    """The daemon's store, once the daemon has made it."""
    eventually((folder / "earshot.db").exists, 60, "the store to be made")
    return store(raw)  # type: ignore[arg-type]


POST = '{"id": "1", "platform": "x", "kind": "mention", "text": "Thank you Tessellate UK for tonight"}\n'


def test_commands_reach_nobody(tmp_path: Path, scratch: Path) -> None:
    with Town() as town:
        raw = raw_settings(town, tmp_path, poll_every="1s", judgement={"model": "auto"})
        config = str(Earshot.with_settings(tmp_path, raw).config)
        assert run_watched(["score"], tmp_path, scratch, POST).returncode == 0
        assert run_watched(["db", "upgrade", "--config", config], tmp_path, scratch).returncode == 0
        for words in (["doctor"], ["poll", "x"], ["incidents"], ["takeover", "status"], ["digest", "preview"],
                      ["subject", "find", "sam_example"], ["config", "check"], ["db", "backup", str(tmp_path / "b")]):  # fmt: skip
            done = run_watched([*words, "--config", config], tmp_path, scratch)
            assert "Traceback" not in done.stderr, words


def test_the_demo_stays_on_this_machine(tmp_path: Path, scratch: Path) -> None:
    trace = tmp_path / "demo.trace"
    with (tmp_path / "demo.log").open("wb") as log:
        process = subprocess.Popen(
            watched([*START, "demo"], trace), cwd=tmp_path, stdout=log, stderr=log, start_new_session=True,
            env={**surroundings(tmp_path, scratch), "PYTHONPATH": str(ROOT)},
        )  # fmt: skip
    try:
        eventually(
            lambda: b"ALERT" in (tmp_path / "demo.log").read_bytes() or b"CRISIS" in (tmp_path / "demo.log").read_bytes(),
            100, "the demo's first alert",
        )  # fmt: skip
    finally:
        os.killpg(process.pid, signal.SIGINT)
        process.wait(60)
    assert_nothing_left(trace, tmp_path, scratch)
