"""A store is known by its name: what is missing, empty, older or somebody else's is never taken for a first start."""

from __future__ import annotations

import os
import shutil
import sqlite3
from collections.abc import Iterator
from contextlib import closing
from datetime import UTC, datetime
from pathlib import Path

import pytest
from sqlalchemy.exc import OperationalError

from monitor.keys import KEY, Keys, make_keys
from monitor.store import identity, migrate, old_log
from monitor.store.database import Database, DatabaseUnreachable, StoreLost
from monitor.store.identity import Found
from monitor.store.place import IDENTITY, LOST
from monitor.store.soundness import examine
from monitor.store.tables import PlatformRow, ToldRow

NOW = datetime(2026, 11, 24, 14, 0, tzinfo=UTC)


class Kept:
    """A state folder with its store, as a first start leaves them."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.file = folder / "earshot.db"
        self.database = Database(f"sqlite:///{self.file}")

    def begin(self) -> Kept:
        migrate.upgrade(self.database)
        identity.adopt(self.database, self.keys, self.folder)
        return self

    @property
    def keys(self) -> Keys:
        return make_keys(self.folder)

    def beat(self, times: int = 1) -> None:
        for _ in range(times):
            known = self.database.in_transaction(identity.beat)
            assert known is not None
            identity.remember(self.folder, known)

    def look(self) -> Found:
        """What a new process finds."""
        fresh = Database(f"sqlite:///{self.file}")
        try:
            return identity.recognise(fresh, self.folder)
        finally:
            fresh.reopen()


@pytest.fixture
def kept(tmp_path: Path) -> Iterator[Kept]:
    kept = Kept(tmp_path)
    yield kept
    kept.database.reopen()


# ── at a start ──────────────────────────────────────────────────────────────────────────────────────


def test_only_where_nothing_remembers_a_store_it_is_a_first_start(kept: Kept) -> None:
    assert kept.look() is Found.NEW
    assert not kept.file.exists()

    kept.begin()

    assert kept.look() is Found.OURS


@pytest.mark.parametrize("how", ["deleted", "emptied"])
def test_a_store_that_is_gone_or_empty_is_missed_and_left_as_it_is(kept: Kept, how: str) -> None:
    kept.begin().database.close()
    if how == "deleted":
        kept.file.unlink()
    else:
        os.truncate(kept.file, 0)

    with pytest.raises(StoreLost, match="there was one"):
        kept.look()

    assert kept.file.exists() == (how == "emptied")


def test_a_store_is_missed_too_when_only_the_install_key_remembers_it(kept: Kept) -> None:
    make_keys(kept.folder)

    with pytest.raises(StoreLost, match="there was one"):
        kept.look()


def test_another_installations_store_is_refused(kept: Kept, tmp_path: Path) -> None:
    kept.begin().database.close()
    (tmp_path / "other").mkdir()
    other = Kept(tmp_path / "other").begin()
    other.database.close()
    shutil.copyfile(other.file, kept.file)

    with pytest.raises(StoreLost, match="not the one that Earshot knows"):
        kept.look()


def test_a_store_from_before_it_had_a_name_is_not_the_one_that_is_known(kept: Kept) -> None:
    kept.begin().database.close()
    with closing(sqlite3.connect(kept.file)) as raw:
        raw.execute("DELETE FROM store_identity")
        raw.commit()

    with pytest.raises(StoreLost, match="before an upgrade"):
        kept.look()


def test_a_store_from_before_names_is_taken_as_it_is_where_its_key_lies(kept: Kept) -> None:
    migrate.upgrade(kept.database)
    make_keys(kept.folder)

    assert kept.look() is Found.UNNAMED


def test_a_store_that_was_used_is_refused_without_its_install_key(kept: Kept) -> None:
    kept.begin()
    kept.database.in_transaction(lambda s: s.add(PlatformRow(name="x", due_at=NOW, failures=0)))
    (kept.folder / KEY).unlink()

    with pytest.raises(StoreLost, match="install key"):
        kept.look()
    (kept.folder / IDENTITY).unlink()
    with pytest.raises(StoreLost, match="install key"):
        kept.look()

    assert not (kept.folder / KEY).exists()


def test_another_install_key_is_noticed(kept: Kept) -> None:
    kept.begin()
    (kept.folder / KEY).write_text("00" * 32)

    with pytest.raises(StoreLost, match="not the one that this database was written with"):
        identity.check_key(kept.database, kept.keys, kept.folder)


def test_an_older_copy_of_the_store_is_known_as_one(kept: Kept) -> None:
    kept.begin().beat(2)
    kept.database.close()
    shutil.copyfile(kept.file, kept.folder / "yesterday")
    kept.beat()
    kept.database.close()
    os.replace(kept.folder / "yesterday", kept.file)

    assert kept.look() is Found.OLDER


def test_a_store_whose_last_writes_were_lost_with_its_log_is_an_older_one(kept: Kept) -> None:
    """SIGKILL, and somebody tidies the folder before the next start: what was in the log is gone."""
    kept.begin().database.close()
    kept.beat(3)
    for name in ("earshot.db", IDENTITY, KEY):
        (kept.folder / "copy").mkdir(exist_ok=True)
        shutil.copyfile(kept.folder / name, kept.folder / "copy" / name)
    left = Kept(kept.folder / "copy")

    assert left.look() is Found.OLDER


def test_a_folder_that_lost_its_memory_but_not_its_key_is_believed(kept: Kept) -> None:
    kept.begin().beat()
    (kept.folder / IDENTITY).write_text("rubbish")

    assert kept.look() is Found.UNNAMED


def test_adopting_makes_what_lies_there_the_store_that_is_known(kept: Kept, tmp_path: Path) -> None:
    kept.begin().beat(5)
    kept.database.close()
    (tmp_path / "other").mkdir()
    other = Kept(tmp_path / "other").begin()
    other.database.close()
    shutil.copyfile(other.file, kept.file)

    identity.adopt(kept.database, kept.keys, kept.folder)

    assert kept.look() is Found.OURS


# ── while it is open ────────────────────────────────────────────────────────────────────────────────


def _delete(kept: Kept) -> None:
    kept.file.unlink()


def _replace(kept: Kept) -> None:
    shutil.copyfile(kept.file, kept.folder / "copy")
    os.replace(kept.folder / "copy", kept.file)


def _zero(kept: Kept) -> None:
    with kept.file.open("r+b") as file:
        file.write(bytes(kept.file.stat().st_size))


def _empty(kept: Kept) -> None:
    os.truncate(kept.file, 0)


def _overwrite(kept: Kept) -> None:
    kept.file.write_text("no database\n" * 100)


@pytest.mark.parametrize("harm", [_delete, _replace, _zero, _empty, _overwrite])
def test_a_file_that_is_no_longer_the_one_that_was_opened_is_neither_read_nor_written(kept: Kept, harm: object) -> None:
    kept.begin()
    harm(kept)  # type: ignore[operator]
    before = kept.file.read_bytes() if kept.file.exists() else None

    with pytest.raises(StoreLost, match="Nothing was begun anew"):
        kept.database.in_transaction(lambda s: s.add(ToldRow(key="k", at=NOW)))
    with pytest.raises(StoreLost), kept.database.read():
        pass
    kept.database.fold_log()

    assert (kept.file.read_bytes() if kept.file.exists() else None) == before


def test_what_is_lost_stays_lost_until_it_is_opened_anew(kept: Kept) -> None:
    """What our connections remember may be of before, so that a file put back is not gone on with in passing."""
    kept.begin()
    os.replace(kept.file, kept.folder / "aside")
    assert kept.database.is_lost()
    os.replace(kept.folder / "aside", kept.file)
    assert kept.database.is_lost()

    assert identity.is_back(kept.database, kept.folder)
    kept.database.reopen()

    kept.database.in_transaction(lambda s: s.add(ToldRow(key="k", at=NOW)))


def test_an_older_copy_put_in_the_place_of_a_lost_store_is_not_gone_on_with(kept: Kept) -> None:
    kept.begin().database.close()
    shutil.copyfile(kept.file, kept.folder / "yesterday")
    kept.beat()
    for side in kept.database.sides():
        side.unlink(missing_ok=True)
    assert kept.database.is_lost()
    os.replace(kept.folder / "yesterday", kept.file)

    assert not identity.is_back(kept.database, kept.folder)


def test_damage_within_the_file_is_found_though_no_query_met_it(kept: Kept) -> None:
    kept.begin().database.close()
    assert examine(kept.database) == ""
    with kept.file.open("r+b") as file:
        file.seek(4096 * 3)
        file.write(b"\x5a" * 4096 * 4)

    assert "damaged" in examine(kept.database)


def test_a_file_that_is_not_there_is_not_made_by_asking(tmp_path: Path) -> None:
    database = Database(f"sqlite:///{tmp_path / 'none' / 'earshot.db'}")

    with pytest.raises(DatabaseUnreachable, match="There is no database at"):
        database.check()
    with pytest.raises(OperationalError, match="unable to open"), database.read():
        pass

    assert not (tmp_path / "none").exists()


# ── another file beside the log of ours ─────────────────────────────────────────────────────────────


def _another_store(tmp_path: Path) -> Path:
    (tmp_path / "other").mkdir()
    other = Kept(tmp_path / "other").begin()
    other.database.in_transaction(lambda s: s.add(ToldRow(key="foreign", at=NOW)))
    other.database.close()
    return other.file


def _an_older_copy(kept: Kept) -> Path:
    kept.database.fold_log()
    shutil.copyfile(kept.file, kept.folder / "yesterday")
    kept.beat()
    kept.database.fold_log()
    return kept.folder / "yesterday"


@pytest.mark.parametrize("which", ["another store", "an older copy"])
def test_a_file_under_the_log_of_another_one_is_never_the_store_that_is_back(
    kept: Kept, tmp_path: Path, which: str
) -> None:
    kept.begin()
    other = _another_store(tmp_path) if which == "another store" else _an_older_copy(kept)
    kept.beat(3)
    os.replace(other, kept.file)
    before = kept.file.read_bytes()

    assert kept.database.is_lost()
    assert not identity.is_back(kept.database, kept.folder)
    old_log.note(kept.database, kept.folder)
    kept.database.close()
    with pytest.raises(StoreLost, match=r"the log of another one \(earshot.db-wal\)"):
        kept.look()
    with pytest.raises(StoreLost, match="earshot db adopt"):
        kept.look()

    assert kept.file.read_bytes() == before


def test_the_right_file_put_back_beside_its_log_is_the_store_that_is_known(kept: Kept, tmp_path: Path) -> None:
    kept.begin().beat(3)
    os.replace(kept.file, kept.folder / "aside")
    os.replace(_another_store(tmp_path), kept.file)
    assert kept.database.is_lost()
    old_log.note(kept.database, kept.folder)
    kept.database.close()

    os.replace(kept.folder / "aside", kept.file)

    assert kept.look() is Found.OURS
    assert not (kept.folder / LOST).exists()


def test_an_exact_copy_put_back_while_it_runs_is_the_store_that_is_back(kept: Kept) -> None:
    kept.begin().beat(3)
    shutil.copyfile(kept.file, kept.folder / "copy")
    os.replace(kept.folder / "copy", kept.file)

    assert kept.database.is_lost()
    assert identity.is_back(kept.database, kept.folder)


def test_a_file_overwritten_by_another_store_is_lost_though_the_log_answers_for_it(kept: Kept, tmp_path: Path) -> None:
    kept.begin().beat(3)
    known = identity.recall(kept.folder)
    with kept.file.open("r+b") as file:
        file.write(_another_store(tmp_path).read_bytes())

    with pytest.raises(StoreLost, match="overwritten by another store"):
        identity.look_at_the_name(kept.database, known)

    assert kept.database.is_lost()
    assert not identity.is_back(kept.database, kept.folder)


def test_adopting_another_store_puts_the_old_log_out_of_its_way(kept: Kept, tmp_path: Path) -> None:
    kept.begin().beat(3)
    os.replace(_another_store(tmp_path), kept.file)
    assert kept.database.is_lost()
    old_log.note(kept.database, kept.folder)
    kept.database.close()

    identity.set_aside(kept.database, kept.folder)
    identity.adopt(kept.database, kept.keys, kept.folder)

    assert kept.look() is Found.OURS
    with kept.database.read() as session:
        assert session.get(ToldRow, "foreign") is not None
    assert (kept.folder / "earshot.db-wal.aside").exists()
