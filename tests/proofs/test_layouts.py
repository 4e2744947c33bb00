"""The documented ways to install Earshot, with the content of a version from before stores had names: a new version finds
it, brings it up to date and loses nothing; commands run elsewhere find it too."""

from __future__ import annotations

import contextlib
import os
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest
from alembic import command
from bare_house import bare_settings
from sqlalchemy import text
from town import ROOT, as_toml, eventually

from alerts.mailbox import Mailbox
from monitor.keys import make_keys
from monitor.store import migrate
from monitor.store.database import Database

pytestmark = [pytest.mark.real, pytest.mark.timeout(240)]

FIRST = "0001"
"""The database's form in the first version that had one."""

CONTENT = (
    "INSERT INTO incident (id, severity, state, opened_at, last_seen_at, mentions, platforms, threads, copies, told, "
    "revision, names_ceo, history, drill, source, summary, tip_link, next_step, acknowledged_by, closed_by, verdict, "
    "salt, category) VALUES ('kept1', 3, 'open', '2026-11-24 14:02:00', '2026-11-24 14:02:00', 1, '[]', '[]', '[]', 1, "
    "1, false, false, false, 'tip', '', '', 1, '', '', '', '', 'complaint')",
    "INSERT INTO incident_log (incident_id, at, who, what) VALUES ('kept1', '2026-11-24 14:02:00', 'Imogen', 'Rung.')",
    "INSERT INTO platform (name, due_at, failures, error, suspect, gap, never_shows, faults, in_use, cursor, error_class, "
    "error_do) VALUES ('x', '2026-11-24 14:02:00', 0, '', '', '', '[]', '[]', true, 'where we were', '', '')",
    "INSERT INTO told (key, at) VALUES ('first run', '2026-11-24 14:02:00')",
)


@dataclass(frozen=True, slots=True)
class Layout:
    """Where the settings lie, where Earshot is started, where its store lies, and what the supervisor sets."""

    name: str
    settings: str
    started_in: str
    store: str
    supervised: bool = False
    url: str = "sqlite:///earshot.db"

    def __str__(self) -> str:
        return self.name


LAYOUTS = (
    Layout("unit", "etc/earshot", "var/lib/earshot", "var/lib/earshot", supervised=True),
    Layout("container", "etc/earshot", "var/lib/earshot", "var/lib/earshot", supervised=True),
    Layout("by hand in one folder", "home/earshot", "home/earshot", "home/earshot"),
    Layout("by hand from another folder", "home/conf", "home/earshot", "home/earshot"),
)


class Installed:
    """A layout with the content of an old version."""

    def __init__(self, root: Path, layout: Layout, box: Mailbox) -> None:
        self.root, self.layout = root, layout
        self.config = root / layout.settings / "earshot.toml"
        self.store = root / layout.store / "earshot.db"
        for folder in (self.config.parent, self.store.parent, root / "elsewhere"):
            folder.mkdir(parents=True, exist_ok=True)
        self.config.write_text(as_toml(bare_settings(box, store={"url": layout.url})), "utf-8")
        self._fill()

    def _fill(self) -> None:
        database = Database(f"sqlite:///{self.store}")
        database.make()
        config = migrate._config()  # noqa: SLF001 - an older version's database is made as that version made it
        with database.engine.begin() as connection:
            config.attributes["connection"] = connection
            command.upgrade(config, FIRST)
        with database.write() as session:
            for statement in CONTENT:
                session.execute(text(statement))
        database.close()
        make_keys(self.store.parent)

    def start(self, log: Path) -> subprocess.Popen[bytes]:
        """The daemon, as the layout starts it."""
        with log.open("ab") as out:
            return subprocess.Popen(
                self._command("run"), cwd=self.root / self.layout.started_in, stderr=out, env=self._environment()
            )

    def ask(self, folder: str, *words: str) -> subprocess.CompletedProcess[str]:
        """A command, run in some folder; under a supervisor in its own environment (``earshot-here``)."""
        return subprocess.run(
            self._command(*words),
            cwd=self.root / folder, env=self._environment(), capture_output=True, text=True, timeout=60, check=False,
        )  # fmt: skip

    def _command(self, *words: str) -> list[str]:
        return [sys.executable, "-c", "from monitor.cli import main; main()", *words, "--config", str(self.config)]

    def _environment(self) -> dict[str, str]:
        kept = {k: v for k, v in os.environ.items() if not k.startswith(("EARSHOT_", "NOTIFY_", "STATE_", "XDG_"))}
        state = {"STATE_DIRECTORY": str(self.store.parent)} if self.layout.supervised else {}
        return {**kept, **state, "PYTHONPATH": str(ROOT)}


@pytest.fixture
def box() -> Iterator[Mailbox]:
    with Mailbox() as box:
        yield box


@contextlib.contextmanager
def _running(installed: Installed, log: Path) -> Iterator[None]:
    began = log.stat().st_size if log.exists() else 0
    process = installed.start(log)
    try:
        eventually(lambda: '"listening"' in log.read_text("utf-8")[began:], 90, f"the daemon to listen: {log}")
        yield
    finally:
        process.terminate()
        process.wait(30)


@pytest.mark.parametrize("layout", LAYOUTS, ids=str)
def test_an_upgrade_finds_the_store_and_loses_nothing(layout: Layout, tmp_path: Path, box: Mailbox) -> None:
    installed, log = Installed(tmp_path, layout, box), tmp_path / "log"

    with _running(installed, log):
        pass
    first = log.read_text("utf-8")
    with _running(installed, log):
        pass

    for folder in (layout.started_in, layout.settings, "elsewhere"):
        listed = installed.ask(folder, "incidents", "--json")
        assert '"kept1"' in listed.stdout, (folder, listed.stderr)
    moved = layout.name == "by hand from another folder"
    assert ("found where the working folder had it" in first) == moved
    assert log.read_text("utf-8").count("found where the working folder had it") == moved
    assert sorted(p.name for p in tmp_path.rglob("earshot.db")) == ["earshot.db"]
    assert sorted(p.name for p in tmp_path.rglob("install.key")) == ["install.key"]
    assert not any("empty memory" in str(letter.message["Subject"]) for letter in box.letters)


def test_before_the_first_start_a_command_elsewhere_says_that_it_finds_nothing(tmp_path: Path, box: Mailbox) -> None:
    installed = Installed(tmp_path, LAYOUTS[3], box)

    asked = installed.ask("elsewhere", "takeover", "status")

    assert asked.returncode == 4
    assert "There is no database at" in asked.stderr
    assert "may publish" not in asked.stdout
    assert sorted(tmp_path.rglob("earshot.db")) == [installed.store]


@pytest.mark.parametrize("words", [("incidents",), ("run",), ("doctor", "--offline"), ("tip", "--text", "x")], ids=str)
def test_two_stores_are_refused_with_both_paths(words: tuple[str, ...], tmp_path: Path, box: Mailbox) -> None:
    installed = Installed(tmp_path, LAYOUTS[3], box)
    second = installed.config.parent / "earshot.db"
    second.write_bytes(installed.store.read_bytes())

    refused = installed.ask(LAYOUTS[3].started_in, *words)

    assert refused.returncode == 2
    assert str(second) in refused.stderr
    assert str(installed.store) in refused.stderr
