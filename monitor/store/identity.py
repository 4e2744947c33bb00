"""Which store this is, and how it is known again: its name stands in the store and in the state folder.

A store that is missing, empty, somebody else's or written with another install key is refused, never begun anew in
silence; an older copy of our own is used, and people are told (docs/adr/0010-a-store-that-is-known.md).
"""

from __future__ import annotations

import json
import os
import secrets
from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path

from sqlalchemy import select
from sqlalchemy.exc import SQLAlchemyError
from sqlalchemy.orm import Session

from monitor.keys import KEY, Keys
from monitor.store import migrate, old_log
from monitor.store.database import Database, DatabaseUnreachable, StoreLost
from monitor.store.place import IDENTITY
from monitor.store.soundness import examine
from monitor.store.tables import IdentityRow, PlatformRow

ADOPT = "If what lies there now shall be used from now on, say `earshot db adopt`."


class Found(StrEnum):
    """What a look at the store says of it."""

    NEW = "new"
    """Neither store nor state folder know anything: the first start."""
    OURS = "ours"
    UNNAMED = "unnamed"
    """Ours, from a version that gave no names; or the state folder's memory of the name was lost, the key not."""
    OLDER = "older"
    """Ours, as it was some time ago."""


@dataclass(frozen=True, slots=True)
class Known:
    """What the state folder remembers of the store."""

    name: str
    beats: int


def recall(state_dir: Path) -> Known | None:
    """What the state folder remembers; None where it remembers nothing that can be read."""
    try:
        raw = json.loads((state_dir / IDENTITY).read_text("ascii"))
        return Known(str(raw["name"]), int(raw["beats"]))
    except (OSError, ValueError, KeyError, TypeError):
        return None


def remember(state_dir: Path, known: Known) -> None:
    """Write it down, synced to disk before this returns. Raises OSError."""
    part = state_dir / f"{IDENTITY}.part"
    descriptor = os.open(part, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
    with os.fdopen(descriptor, "w", encoding="ascii") as file:
        json.dump({"name": known.name, "beats": known.beats}, file)
        file.flush()
        os.fsync(file.fileno())
    os.replace(part, state_dir / IDENTITY)


def recognise(database: Database, state_dir: Path) -> Found:
    """Whether the store is the one that we know. Changes nothing. Raises ``StoreLost``."""
    guard(database, state_dir)
    known, has_key = recall(state_dir), (state_dir / KEY).exists()
    if migrate.is_empty(database):
        if known is not None or has_key:
            raise _nothing_there(database, state_dir)
        return Found.NEW
    row = _row(database)
    if row is None and known is None:
        if not has_key and _was_used(database):
            raise _key_lost(state_dir)
        return Found.UNNAMED
    if row is None or (known is not None and row.name != known.name):
        raise StoreLost(
            f"The database{_at(database)} is not the one that Earshot knows: another installation's, or one from "
            f"before an upgrade. Nothing was changed. Put the right one back, or see [store] url. {ADOPT}",
            "the database is not the one that Earshot knows",
        )
    if not has_key:
        raise _key_lost(state_dir)
    if known is None:
        return Found.UNNAMED
    return Found.OLDER if row.beats < known.beats else Found.OURS


def guard(database: Database, state_dir: Path) -> None:
    """Raise ``StoreLost`` where the file has the log of another one beside it; to be asked before anything opens it."""
    known = recall(state_dir)
    old_log.guard(database, state_dir, known.name if known is not None else None)


def set_aside(database: Database, state_dir: Path) -> None:
    """Put the log of another file out of the way of the one that a person said counts. Raises OSError."""
    known = recall(state_dir)
    old_log.set_aside(database, state_dir, known.name if known is not None else None)


def check_key(database: Database, keys: Keys, state_dir: Path) -> None:
    """Raise ``StoreLost`` where the store was written with another install key."""
    row = _row(database)
    if row is not None and row.key_check and row.key_check != _mark(keys, row.name):
        raise _key_lost(state_dir)


def adopt(database: Database, keys: Keys, state_dir: Path) -> None:
    """From now on this is the store that we know. Raises OSError where the state folder takes nothing."""
    known = recall(state_dir)

    def work(session: Session) -> Known:
        row = session.get(IdentityRow, 1)
        if row is None:
            row = IdentityRow(id=1, name=secrets.token_hex(16), beats=0)
            session.add(row)
        row.beats = max(row.beats, known.beats if known is not None else 0)
        row.key_check = _mark(keys, row.name)
        return Known(row.name, row.beats)

    named = database.in_transaction(work)
    database.fold_log()  # from now on the file itself says its name, without its log
    remember(state_dir, named)


def beat(session: Session) -> Known | None:
    """One more sign of life in the caller's transaction; to be remembered when it is committed."""
    row = session.get(IdentityRow, 1)
    if row is None:
        return None
    row.beats += 1
    return Known(row.name, row.beats)


def watch(session: Session, known: Known | None) -> None:
    """Raise ``StoreLost`` where the store that answers is another than the one that was known at the start: a server
    may be given a new database under the same address."""
    if known is None:
        return
    name = session.scalar(select(IdentityRow.name))
    if name != known.name:
        raise StoreLost(
            f"The database that answers is not the one that Earshot knows. Nothing is written to it. {ADOPT}",
            "the database is not the one that Earshot knows",
        )


def look_at_the_name(database: Database, known: Known | None) -> None:
    """Raise ``StoreLost``, from now on, where SQLite's file itself has another name than the one that was known at the
    start: through our log and our connections it still looks like ours."""
    if known is None or database.file is None:
        return
    name = old_log.name_alone(database.file)
    if name is not None and name != known.name:
        database.lose(
            StoreLost(
                f"The database file {database.file} was overwritten by another store while Earshot ran. Stop Earshot, "
                "then put the right one back, or bring back the newest backup: `earshot db restore FILE`. Nothing is "
                f"written to it. {ADOPT}",
                "the database file was overwritten by another store",
            )
        )
        database.look()


def is_back(lost: Database, state_dir: Path) -> bool:
    """Whether what lies at the path of a lost store is whole and the very store that we know, no older copy."""
    if not old_log.is_same_again(lost):
        return False
    fresh = Database(lost.url)
    try:
        guard(fresh, state_dir)
        fresh.check()
        return not examine(fresh) and recognise(fresh, state_dir) is Found.OURS
    except (SQLAlchemyError, DatabaseUnreachable, OSError):
        return False
    finally:
        fresh.reopen()


def _row(database: Database) -> IdentityRow | None:
    if not migrate.has_table(database, IdentityRow.__tablename__):
        return None
    with database.read() as session:
        return session.get(IdentityRow, 1)


def _was_used(database: Database) -> bool:
    with database.read() as session:
        return session.scalar(select(PlatformRow.name).limit(1)) is not None


def _mark(keys: Keys, name: str) -> str:
    return keys.digest("store", name)


def _at(database: Database) -> str:
    return f" {database.file}" if database.file is not None else ""


def _nothing_there(database: Database, state_dir: Path) -> StoreLost:
    if database.file is None:
        here = "The database is empty"
    elif not database.file.exists():
        here = f"There is no database at {database.file}"
    else:
        here = f"The database {database.file} is empty"
    return StoreLost(
        f"{here}, but there was one: {state_dir} belongs to it. Nothing was begun anew. Put it back, or bring back the "
        "newest backup: `earshot db restore FILE`. To begin anew on purpose, say `earshot db adopt`.",
        "the database is gone or empty",
    )


def _key_lost(state_dir: Path) -> StoreLost:
    return StoreLost(
        f"The install key {state_dir / KEY} is missing, or is not the one that this database was written with. Bring "
        "it back from the backup of the state folder, or see [store] state_dir: with another key, links in mails sent "
        "before are void and people who were erased could be taken in again. To go on without it, say "
        "`earshot db adopt`.",
        "the install key is missing or another one",
    )
