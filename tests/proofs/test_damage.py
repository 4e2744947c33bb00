"""Whatever happens to the database, its folder or the disk, while Earshot runs or before it starts: operator and CEO
are mailed within a minute, ``/health`` tells the truth, and nothing is quietly begun anew (issue bar)."""

from __future__ import annotations

import contextlib
import os
import shutil
import sqlite3
import subprocess
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest
from bare_house import BareHouse, bare_house
from postgres import PostgreSQL
from town import LONG, OPERATOR, eventually

pytestmark = [pytest.mark.real, pytest.mark.timeout(600)]

PAGE = 4096


@dataclass(frozen=True, slots=True)
class Harm:
    """One kind of damage."""

    name: str
    do: Callable[[BareHouse], None]
    running: bool = True
    """Whether it can befall a running Earshot."""
    starts: bool = False
    """Whether Earshot starts all the same, and tells of it."""
    tried: bool = False
    """Whether it is tried in the short form too."""

    def __str__(self) -> str:
        return self.name


def _overwrite(house: BareHouse, content: bytes, at: int = 0) -> None:
    with house.file.open("r+b") as file:
        file.seek(at)
        file.write(content)


def _truncate(house: BareHouse) -> None:
    os.truncate(house.file, house.file.stat().st_size // 2 // PAGE * PAGE)


def _replace_by(house: BareHouse, make: Callable[[Path], None]) -> None:
    other = house.state / "other"
    make(other)
    for side in (house.file, *house.state.glob("earshot.db-*")):
        side.unlink(missing_ok=True)
    os.replace(other, house.file)


def _plain_sqlite(path: Path) -> None:
    with contextlib.closing(sqlite3.connect(path)) as raw:
        raw.execute("CREATE TABLE recipe (name TEXT)")
        raw.commit()


def _make_anothers(house: BareHouse, path: Path) -> None:
    shutil.copyfile(house.file, path)
    with contextlib.closing(sqlite3.connect(path)) as raw:
        raw.execute("UPDATE store_identity SET name = 'another'")
        raw.commit()
        raw.execute("PRAGMA journal_mode=DELETE")


def _anothers_store(house: BareHouse) -> None:
    _replace_by(house, lambda path: _make_anothers(house, path))


def _anothers_under_our_log(house: BareHouse) -> None:
    _make_anothers(house, house.state / "other")
    os.replace(house.state / "other", house.file)


def _anothers_written_over_ours(house: BareHouse) -> None:
    _make_anothers(house, house.state / "other")
    _overwrite(house, (house.state / "other").read_bytes())


def _drop_table(house: BareHouse) -> None:
    with contextlib.closing(sqlite3.connect(house.file, timeout=30)) as raw:
        raw.execute("DROP TABLE lease")
        raw.commit()


def _older_copy(house: BareHouse) -> None:
    """The state folder remembers more of the store than the store does."""
    with contextlib.closing(sqlite3.connect(house.file)) as raw:
        raw.execute("UPDATE store_identity SET beats = beats - 1")
        raw.commit()


def _folder_in_its_place(house: BareHouse) -> None:
    house.file.unlink()
    house.file.mkdir()


def _remove_all(house: BareHouse) -> None:
    for side in house.state.glob("earshot.db*"):
        side.unlink()


HARMS = (
    Harm("file deleted", lambda h: h.file.unlink(), tried=True),
    Harm("file and log deleted", _remove_all),
    Harm("file emptied", lambda h: os.truncate(h.file, 0)),
    Harm("file zeroed", lambda h: _overwrite(h, bytes(h.file.stat().st_size)), tried=True),
    Harm("file truncated", _truncate),
    Harm("head overwritten", lambda h: _overwrite(h, os.urandom(PAGE))),
    Harm("middle overwritten", lambda h: _overwrite(h, b"\x5a" * PAGE * 20, PAGE * 4), tried=True),
    Harm("text in its place", lambda h: h.file.write_text("no database\n" * 500) and None),
    Harm("folder in its place", _folder_in_its_place),
    Harm("another program's database in its place", lambda h: _replace_by(h, _plain_sqlite)),
    Harm("another installation's store in its place", _anothers_store),
    Harm("another installation's store under our log", _anothers_under_our_log, tried=True),
    Harm("another installation's store written over ours", _anothers_written_over_ours),
    Harm("an older copy in its place", _older_copy, running=False, starts=True, tried=True),
    Harm("table dropped", _drop_table),
    Harm("install key deleted", lambda h: (h.state / "install.key").unlink(), running=False),
    Harm("another install key", lambda h: (h.state / "install.key").write_text("ab" * 32) and None, running=False),
    Harm("state folder deleted", lambda h: shutil.rmtree(h.state)),
)
CHOSEN = [harm for harm in HARMS if LONG or harm.tried]


def _tables(file: Path) -> set[str]:
    """The tables in a file, without making one."""
    if not file.is_file() or not file.stat().st_size:
        return set()
    try:
        with contextlib.closing(sqlite3.connect(f"{file.as_uri()}?mode=ro", uri=True)) as raw:
            return {row[0] for row in raw.execute("SELECT name FROM sqlite_master")}
    except sqlite3.Error:
        return set()


@pytest.fixture
def house(tmp_path: Path) -> Iterator[BareHouse]:
    with bare_house(tmp_path) as house:
        yield house


@pytest.mark.parametrize("harm", [h for h in CHOSEN if h.running], ids=str)
def test_damage_to_a_running_earshot_is_told_and_shown(harm: Harm, house: BareHouse) -> None:
    house.run()
    house.forget_letters()

    harm.do(house)

    house.wait_until_told()
    eventually(lambda: house.health()[0] == 503, 60, "/health to tell the truth")
    assert house.health()[1]["status"] == "unwell"
    assert house.earshot.is_running()


def test_another_store_under_our_log_never_becomes_ours_not_at_the_next_start_either(house: BareHouse) -> None:
    house.run()
    _anothers_under_our_log(house)
    before = house.file.read_bytes()
    house.wait_until_told()
    eventually(lambda: house.health()[0] == 503, 60, "/health to tell the truth")

    house.earshot.end()
    house.forget_letters()
    house.earshot.start()
    house.wait_until_told()
    assert house.earshot.process is not None

    assert house.earshot.process.wait(60) == 4
    assert house.file.read_bytes() == before


@pytest.mark.parametrize("harm", [h for h in CHOSEN if not h.starts and h.name != "state folder deleted"], ids=str)
def test_a_start_on_damage_is_told_once_and_begins_nothing(harm: Harm, house: BareHouse) -> None:
    house.begin()
    harm.do(house)
    before = _tables(house.file)

    house.earshot.start()
    house.wait_until_told()
    assert house.earshot.process is not None
    code = house.earshot.process.wait(60)
    house.forget_letters()
    house.earshot.start()
    again = house.earshot.process.wait(60)

    assert (code, again) == (4, 4), house.earshot.words()
    assert house.told() == set()
    assert _tables(house.file) == before


@pytest.mark.parametrize("harm", [h for h in CHOSEN if h.starts], ids=str)
def test_a_start_on_an_older_copy_goes_on_and_is_told(harm: Harm, house: BareHouse) -> None:
    house.begin()
    harm.do(house)

    house.run()

    house.wait_until_told()
    assert all(subject.startswith("OLDER") for subject in house.subjects())


def test_a_start_with_nothing_left_says_that_it_begins_with_an_empty_memory(house: BareHouse) -> None:
    house.begin()
    shutil.rmtree(house.state)
    house.state.mkdir()

    house.run()

    eventually(lambda: house.told() == {OPERATOR}, 60, "the operator to be told")
    assert house.subjects() == ["FIRST START: Earshot begins with an empty memory"]


# ── PostgreSQL ──────────────────────────────────────────────────────────────────────────────────────


@pytest.fixture(scope="session")
def server() -> Iterator[PostgreSQL]:
    server = PostgreSQL()
    yield server
    server.stop()


def _name_of(house: BareHouse) -> str:
    return str(house.raw["store"]["url"]).partition("?")[0].rpartition("/")[2]


def _away(server: PostgreSQL, house: BareHouse) -> None:
    name = _name_of(house)
    server.run(f"ALTER DATABASE {name} ALLOW_CONNECTIONS false")
    server.run(f"SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname = '{name}'")


def _dropped(server: PostgreSQL, house: BareHouse) -> None:
    server.run(f"DROP DATABASE {_name_of(house)} WITH (FORCE)")


def _begun_anew(server: PostgreSQL, house: BareHouse) -> None:
    _dropped(server, house)
    server.run(f"CREATE DATABASE {_name_of(house)}")


SERVER_HARMS = {"away": _away, "dropped": _dropped, "an empty one in its place": _begun_anew}
SERVER_CHOSEN = SERVER_HARMS if LONG else {"an empty one in its place": _begun_anew}


@pytest.mark.parametrize("harm", SERVER_CHOSEN)
@pytest.mark.parametrize("when", ["running", "at start"] if LONG else ["at start"])
def test_damage_to_a_database_on_a_server_is_told(harm: str, when: str, server: PostgreSQL, tmp_path: Path) -> None:
    with bare_house(tmp_path, url=server.fresh()) as house:
        house.begin()
        if when == "running":
            house.run()
            house.forget_letters()
        SERVER_HARMS[harm](server, house)
        if when == "at start":
            house.earshot.start()

        house.wait_until_told()

        eventually(lambda: house.health()[0] in {0, 503}, 60, "/health to tell the truth")


# ── the state folder and the disk ───────────────────────────────────────────────────────────────────


def test_where_nothing_remembers_that_they_were_told_it_stays_unwell_and_goes_on_by_itself(tmp_path: Path) -> None:
    """The state folder cannot be had, and there is no runtime folder: ended, it would mail at each start."""
    (tmp_path / "taken").write_text("a file where the folder should be")
    store = {"url": f"sqlite:///{tmp_path / 'earshot.db'}", "state_dir": str(tmp_path / "taken" / "state")}
    with bare_house(tmp_path, store=store) as house:
        house.earshot.start()
        house.wait_until_told()
        eventually(lambda: house.health()[0] == 503, 60, "the pages to say so")
        assert house.health()[1]["problems"] == ["Earshot cannot start"]
        told = len(house.box.letters)

        (tmp_path / "taken").unlink()
        eventually(lambda: house.health()[0] == 200, 60, "it to start by itself")

        assert len([s for s in house.subjects() if "cannot start" in s]) == told == 2
        assert house.earshot.end()[0] == 0


def test_a_start_without_its_state_folder_names_the_folder_and_not_the_port(tmp_path: Path) -> None:
    (tmp_path / "taken").write_text("")
    store = {"url": f"sqlite:///{tmp_path / 'earshot.db'}", "state_dir": str(tmp_path / "taken" / "state")}
    with bare_house(tmp_path, store=store) as house:
        house.earshot.start()
        house.wait_until_told()

        letter = house.box.letters[0].message.get_body(("plain",))

        assert letter is not None
        words = " ".join(letter.get_content().split())
        assert str(tmp_path / "taken" / "state") in words
        assert "[web] bind" not in words


@contextlib.contextmanager
def _small_disk(folder: Path) -> Iterator[Path]:
    """A disk of a few megabytes; skips where none may be mounted."""
    folder.mkdir()
    mounted = subprocess.run(
        ["mount", "-t", "tmpfs", "-o", "size=6m", "tmpfs", str(folder)], capture_output=True, check=False
    )
    if mounted.returncode:
        pytest.skip("no disk may be mounted here")
    try:
        yield folder
    finally:
        subprocess.run(["umount", "-l", str(folder)], check=False)


def _fill(folder: Path) -> Path:
    big = folder / "big"
    with contextlib.suppress(OSError), big.open("wb", buffering=0) as file:
        while True:
            file.write(bytes(4096))
    with contextlib.suppress(OSError), big.open("ab", buffering=0) as file:
        while True:
            file.write(b"0")
    return big


@pytest.mark.parametrize("when", ["running", "at start"])
def test_a_full_disk_is_told_and_gone_on_with_when_there_is_room(when: str, tmp_path: Path) -> None:
    with _small_disk(tmp_path / "disk") as disk:
        store = {"url": f"sqlite:///{disk / 'earshot.db'}"}
        with bare_house(tmp_path, store=store) as house:
            house.begin()
            if when == "running":
                house.run()
                house.forget_letters()
            big = _fill(disk)
            if when == "at start":
                house.earshot.start()

            house.wait_until_told()
            text = house.box.letters[-1].message.get_body(("plain",))
            assert text is not None
            assert "The disk is full" in text.get_content()
            eventually(lambda: house.health()[0] in {0, 503}, 60, "/health to tell the truth")
            big.unlink()

            def goes_on() -> bool:
                if not house.earshot.is_running():  # whoever starts it, such as systemd, starts it anew
                    house.earshot.start()
                return house.health()[0] == 200

            eventually(goes_on, 90, "it to go on by itself")
