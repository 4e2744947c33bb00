"""Whom to tell when the settings file cannot be used: what it still says, else what the last good one said."""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path

import pytest

from monitor import whom_to_tell
from monitor.keys import make_keys
from monitor.settings import Settings, SettingsError, load

PASSWORD = "quokkafeather-at-the-mail-server"
GOOD = """
[organisation]
name = "Tessellate UK"
timezone = "Europe/London"

[people.ceo]
name = "Rowan Ashdown"
email = "rowan@tessellateuk.example"

[people.operator]
name = "Kit Marlow"
email = "it@tessellateuk.example"

[mail]
host = "smtp.tessellateuk.example"
from = "Earshot <earshot@tessellateuk.example>"
username = "earshot"
password_file = "mail-password"

[web]
bind = "127.0.0.1:8123"
"""

Fault = Callable[[Path], object]
FAULTS: dict[str, Fault] = {
    "not TOML in a table of no matter": lambda f: f.write_text(GOOD + "[alerts]\ncrisis = {{\n"),
    "not TOML at its end": lambda f: f.write_text(GOOD + "\n???\n"),
    "a quote too many": lambda f: f.write_text(GOOD.replace("8123\"", "8123\"\"")),
    "a key twice": lambda f: f.write_text(GOOD + 'bind = "127.0.0.1:1"\n'),
    "a table twice": lambda f: f.write_text(GOOD + "[organisation]\n"),
    "nested too deep": lambda f: f.write_text(GOOD + f"x = {'[' * 10_000}{']' * 10_000}\n"),
    "another encoding": lambda f: f.write_bytes((GOOD + "# naïve\n").encode("latin-1")),
    "a key that is none": lambda f: f.write_text(GOOD + '[alerts]\ncrises = "5m"\n'),
    "a value that is none": lambda f: f.write_text(GOOD + '[alerts]\ndeaf_after = "soon"\n'),
    "a platform that is none": lambda f: f.write_text(GOOD + "[connectors.gopher]\n"),
    "no time zone": lambda f: f.write_text(GOOD.replace("Europe/London", "Mars/Base")),
    "an operator without an address": lambda f: f.write_text(GOOD.replace("it@tessellateuk.example", "it@")),
    "a CEO without an address": lambda f: f.write_text(GOOD.replace("rowan@tessellateuk.example", "rowan@")),
    "pages nowhere": lambda f: f.write_text(GOOD.replace("127.0.0.1:8123", "everywhere")),
    "a store of no kind": lambda f: f.write_text(GOOD + '[store]\nurl = "mysql://x/y"\n'),
}  # fmt: skip
"""Faults that leave enough to read, so that somebody is told even at the very first start."""

GONE: dict[str, Fault] = {
    "file deleted": lambda f: f.unlink(),
    "file emptied": lambda f: f.write_text(""),
    "rubbish": lambda f: f.write_bytes(os.urandom(3000)),
    "zeroed": lambda f: f.write_bytes(bytes(3000)),
    "folder in its place": lambda f: (f.unlink(), f.mkdir()),
    "link to nowhere": lambda f: (f.unlink(), f.symlink_to("nowhere")),
    "mail server taken out": lambda f: f.write_text(GOOD.replace("host =", "# host =")),
    "people taken out": lambda f: f.write_text(GOOD[: GOOD.index("[people.ceo]")] + GOOD[GOOD.index("[mail]") :]),
    "password file deleted": lambda f: (f.parent / "mail-password").unlink(),
}  # fmt: skip
"""Faults after which only what is remembered helps."""


@pytest.fixture
def file(tmp_path: Path) -> Path:
    (tmp_path / "etc").mkdir()
    (tmp_path / "etc" / "mail-password").write_text(PASSWORD)
    file = tmp_path / "etc" / "earshot.toml"
    file.write_text(GOOD)
    return file


def begun(file: Path, environ: dict[str, str] | None = None, state: str = "") -> Settings:
    """A start that went well."""
    if state:
        file.write_text(f'{GOOD}\n[store]\nurl = "sqlite:///{state}/earshot.db"\n')
    settings = load(file, environ or {})
    whom_to_tell.remember(settings, make_keys(settings.state_dir), environ or {})
    return settings


def told(settings: Settings | None) -> dict[str, str]:
    assert settings is not None
    people = settings.people
    return {"ceo": people.ceo.email} | ({"operator": people.operator.email} if people.operator else {})


BOTH = {"ceo": "rowan@tessellateuk.example", "operator": "it@tessellateuk.example"}


@pytest.mark.parametrize("fault", FAULTS)
def test_what_a_faulty_file_still_says_is_enough_to_tell_somebody_at_the_very_first_start(
    fault: str, file: Path
) -> None:
    FAULTS[fault](file)
    with pytest.raises(SettingsError):
        load(file, {})

    known = whom_to_tell.known(file, {})

    assert known is not None
    assert set(told(known).values()) <= set(BOTH.values())
    assert (known.mail.host, known.mail.password) == ("smtp.tessellateuk.example", PASSWORD)
    assert PASSWORD in known.secrets


@pytest.mark.parametrize("fault", [*FAULTS, *GONE])
@pytest.mark.parametrize("layout", ["beside", "systemd", "elsewhere", "read-only and elsewhere"])
def test_both_are_told_after_any_fault_where_earshot_once_started(fault: str, layout: str, file: Path) -> None:
    state = file.parent.parent / "state"
    state.mkdir()
    environ = {"systemd": {"STATE_DIRECTORY": str(state)}}.get(layout, {})
    if layout == "read-only and elsewhere":
        (file.parent.parent / "run").mkdir()
        environ = {"RUNTIME_DIRECTORY": str(file.parent.parent / "run")}
        (file.parent / "earshot.toml.place").mkdir()  # nothing can be written there
    begun(file, environ, str(state) if "elsewhere" in layout else "")
    (FAULTS | GONE)[fault](file)

    known = whom_to_tell.known(file, environ)

    assert told(known) == BOTH
    assert known is not None
    assert (known.mail.host, known.mail.password) == ("smtp.tessellateuk.example", PASSWORD)


def test_a_file_that_may_not_be_read_is_no_hindrance(file: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    begun(file)
    real = Path.read_bytes

    def refusing(path: Path) -> bytes:
        if path == file:
            raise PermissionError(13, "Permission denied")
        return real(path)

    monkeypatch.setattr(Path, "read_bytes", refusing)

    assert told(whom_to_tell.known(file, {})) == BOTH


def test_where_nothing_was_ever_known_nobody_can_be_told(file: Path) -> None:
    for fault in GONE.values():
        (file.parent / "mail-password").write_text(PASSWORD)
        if file.is_dir():
            file.rmdir()
        else:
            file.unlink(missing_ok=True)
        file.write_text(GOOD)
        fault(file)
        assert whom_to_tell.known(file, {}) is None


def test_what_the_file_says_now_goes_before_what_is_remembered(file: Path) -> None:
    begun(file)
    file.write_text(GOOD.replace("rowan@", "robin@") + '[alerts]\ndeaf_after = "soon"\n')

    assert told(whom_to_tell.known(file, {}))["ceo"] == "robin@tessellateuk.example"


def test_no_more_is_remembered_than_a_mail_needs_and_nobody_can_read_it(file: Path) -> None:
    settings = begun(file)
    kept = settings.state_dir / whom_to_tell.NAME

    assert kept.stat().st_mode & 0o777 == 0o600
    assert not any(word.encode() in kept.read_bytes() for word in (PASSWORD, "Rowan", "rowan@", "smtp"))
    (settings.state_dir / "install.key").write_text("ab" * 32)
    file.unlink()
    assert whom_to_tell.known(file, {}) is None


def test_it_is_written_only_when_it_changed(file: Path) -> None:
    settings = begun(file)
    kept = settings.state_dir / whom_to_tell.NAME
    before = kept.read_bytes()

    begun(file)
    assert kept.read_bytes() == before
    file.write_text(GOOD.replace("rowan@", "robin@"))
    begun(file)
    assert kept.read_bytes() != before


def test_a_folder_that_takes_nothing_is_no_fault_of_the_start(file: Path) -> None:
    settings = load(file, {})
    keys = make_keys(settings.state_dir)
    (settings.state_dir / f"{whom_to_tell.NAME}.part").mkdir()

    whom_to_tell.remember(settings, keys, {})

    assert not (settings.state_dir / whom_to_tell.NAME).exists()
