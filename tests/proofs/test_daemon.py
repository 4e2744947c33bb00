"""The daemon as a process: small when idle, ended within ten seconds, alone on its store, watched from outside."""

from __future__ import annotations

import resource
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest
from sqlalchemy import select
from town import (
    CEO,
    LONG,
    ROOT,
    Earshot,
    Town,
    cpu_seconds,
    eventually,
    family,
    heard_marks,
    pss,
    raw_settings,
    running,
    store,
    swept,
)

from alerts.mailbox import Fault
from monitor.store.tables import AlertRow

pytestmark = [pytest.mark.real, pytest.mark.timeout(1800 if LONG else 150)]

WARM_UP, WINDOW = (60.0, 300.0) if LONG else (6.0, 15.0)
MOST_CPU = 1.0 if LONG else 2.0
"""Per cent of a core. The short window may hold one more poll than its share, on a machine that tests beside it."""


@pytest.mark.parametrize(("model", "most"), [("linear", 150.0), ("transformer", 350.0)])
def test_an_idle_daemon_is_small(model: str, most: float, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    if model == "transformer":
        if not LONG:
            pytest.skip("the transformer is weighed in the long form")
        pytest.importorskip("onnxruntime", reason="no onnxruntime here: only the linear model can judge")
    with Town() as town:
        raw = raw_settings(town, tmp_path, poll_every=None, judgement={"model": model})
        with running(Earshot.with_settings(tmp_path, raw)) as earshot, store(raw) as database:
            eventually(lambda: swept(database), 60, "the past to be taken in")
            time.sleep(WARM_UP)
            began, used = time.monotonic(), cpu_seconds(earshot.pid)
            weights = []
            while time.monotonic() - began < WINDOW:
                weights.append(sum(pss(earshot.pid).values()))
                time.sleep(1)
            share = 100 * (cpu_seconds(earshot.pid) - used) / (time.monotonic() - began)
            processes = len(pss(earshot.pid))
    between_polls = sorted(weights)[len(weights) // 2]
    with capsys.disabled():
        print(
            f"\n  idle with {model}: {between_polls:.0f} MB in {processes} processes between polls, at most "
            f"{max(weights):.0f} MB; {share:.2f} % of a core over {WINDOW:.0f} s"
        )
    if LONG:
        assert between_polls <= most
        assert share < MOST_CPU


def test_help_is_there_at_once(capsys: pytest.CaptureFixture[str]) -> None:
    command = [sys.executable, "-c", "from monitor.cli import main; main()", "--help"]
    waits, work = [], []
    for _ in range(7):
        began, before = time.monotonic(), resource.getrusage(resource.RUSAGE_CHILDREN)
        subprocess.run(command, cwd=ROOT, check=True, capture_output=True)
        after = resource.getrusage(resource.RUSAGE_CHILDREN)
        waits.append(time.monotonic() - began)
        work.append(after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime)
    with capsys.disabled():
        print(f"\n  earshot --help: {min(waits):.2f} s at best, {min(work):.2f} s of work")
    assert min(work) < 0.3


@pytest.mark.parametrize("trouble", ["a poll that hangs", "a mail server that drips"])
def test_it_ends_within_ten_seconds_and_loses_nothing(trouble: str, tmp_path: Path) -> None:
    with Town() as town:
        raw = raw_settings(town, tmp_path, poll_every="1s")
        with running(Earshot.with_settings(tmp_path, raw)) as earshot, store(raw) as database:
            eventually(lambda: swept(database), 60, "the past to be taken in")
            said = town.say("x", grave=True)
            if trouble == "a poll that hangs":
                town.server.trouble("hang", times=10**6)
                time.sleep(2)
            else:
                town.mailbox.choose = lambda sender, recipient: Fault.DRIP
                before = town.mailbox.conversations
                eventually(lambda: town.mailbox.conversations > before, 30, "the mail server to be asked")
                time.sleep(1)

            code, seconds = earshot.end(20)

            assert code == 0, earshot.words()[-2000:]
            assert seconds < 10
            eventually(lambda: not family(earshot.pid), 5, "its helpers to end with it")
            town.server.calm()
            town.mailbox.choose = None
            earshot.start()
            eventually(lambda: heard_marks(database)[said.mark] == 1, 30, "what was said meanwhile to be heard")
            eventually(lambda: len(town.mailbox.to(CEO)) > 1, 30, "the alert to leave")
            assert len({x.message_id for x in town.mailbox.to(CEO) if x.message["X-Earshot-Kind"] == "alert"}) == 1
            with database.read() as session:
                alert = session.scalars(select(AlertRow).where(AlertRow.template == "alert")).one()
            assert alert.attempts <= 2


def test_a_second_instance_says_who_holds_the_lock(tmp_path: Path) -> None:
    with Town() as town:
        raw = raw_settings(town, tmp_path, poll_every="5s")
        with running(Earshot.with_settings(tmp_path, raw)) as earshot:
            second = earshot.call("run")

            assert second.returncode == 3
            assert f"process {earshot.pid}" in second.stderr
            assert earshot.is_running()


@pytest.mark.skipif(not LONG, reason="a stop of half a minute is lived through in the long form")
def test_one_that_was_stopped_for_long_finds_the_store_taken_and_ends(tmp_path: Path) -> None:
    """SIGSTOP, the lease runs out, another takes over, SIGCONT: the old one neither polls nor sends again."""
    with Town() as town:
        chain = {"again": "12h", "chair": "20h"}
        raw = raw_settings(town, tmp_path, poll_every="1s", alerts={"crisis": chain})
        elsewhere = tmp_path / "elsewhere"
        elsewhere.mkdir()
        other = raw_settings(town, elsewhere, poll_every="1s", url=raw["store"]["url"], alerts={"crisis": chain})
        with running(Earshot.with_settings(tmp_path, raw)) as old, store(raw) as database:
            eventually(lambda: swept(database), 60, "the past to be taken in")
            (elsewhere / "install.key").write_bytes((tmp_path / "install.key").read_bytes())
            (elsewhere / "install.key").chmod(0o600)
            refused = Earshot.with_settings(elsewhere, other).call("run")
            assert refused.returncode == 3, refused.stderr
            assert f"process {old.pid}" in refused.stderr
            old.signal(signal.SIGSTOP)
            time.sleep(31)
            with running(Earshot.with_settings(elsewhere, other)) as new:
                town.say("x", grave=True)
                eventually(lambda: _kinds(town).count("alert") == 1, 30, "the new one to tell of it")
                old.signal(signal.SIGCONT)
                eventually(lambda: not old.is_running(), 30, "the old one to end")
                assert old.process is not None
                assert old.process.returncode == 3
                assert new.is_running()
                time.sleep(2)
                assert _kinds(town).count("alert") == 1


def _kinds(town: Town) -> list[str]:
    return [str(letter.message["X-Earshot-Kind"]) for letter in town.mailbox.to(CEO)]
