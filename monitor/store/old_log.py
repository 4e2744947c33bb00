"""A write-ahead log belongs to one file, but SQLite lays it over whatever lies at the path: another store under our
log would read as ours, and the log would be folded into it.

So the name is read from the file alone before anything opens it, and a file that was replaced while its log stayed
behind is noted in the state folder until the right one is back or a person says `earshot db adopt`.
"""

from __future__ import annotations

import contextlib
import json
import os
import sqlite3
from dataclasses import asdict, dataclass
from pathlib import Path

from monitor.store.database import Database, StoreLost, digest_of
from monitor.store.place import LOST

ASIDE = ".aside"
"""The end of the name of a log that a person had set aside."""


@dataclass(frozen=True, slots=True)
class Mark:
    """The file that was lost: where it lay on the disk, and its content. An empty ``digest``: it was overwritten, so
    that nothing can be the same any more."""

    device: int
    inode: int
    digest: str


def name_alone(file: Path) -> str | None:
    """The store's name as the file has it without its log; None where it has none or cannot be read."""
    try:
        with contextlib.closing(sqlite3.connect(f"{file.as_uri()}?mode=ro&immutable=1", uri=True)) as raw:
            row = raw.execute("SELECT name FROM store_identity WHERE id = 1").fetchone()
    except sqlite3.Error:
        return None
    return str(row[0]) if row is not None else None


def guard(database: Database, state_dir: Path, name: str | None) -> None:
    """Raise ``StoreLost`` where SQLite's log lies beside a file that it is not of. ``name`` is the store's, as far as
    it is known. Opens nothing and changes nothing but a note that is done with."""
    file = database.file
    if file is None or not _has_log(file) or database.is_absent():
        return
    if name is not None and name_alone(file) != name:
        raise _foreign(file)
    mark = _read(state_dir)
    if mark is None:
        return
    if not _is_of(mark, file):
        raise _foreign(file)
    forget(state_dir)


def note(database: Database, state_dir: Path) -> None:
    """Remember which file was lost where its log stays behind, for whoever looks next. Raises OSError."""
    file = database.file
    if file is None or not _has_log(file) or _read(state_dir) is not None:
        return
    status, digest = database.lost_file()
    mark = Mark(status.st_dev, status.st_ino, digest)
    (state_dir / LOST).write_text(json.dumps(asdict(mark)), "ascii")


def forget(state_dir: Path) -> None:
    """Nothing is missed any more. Raises OSError."""
    (state_dir / LOST).unlink(missing_ok=True)


def is_same_again(lost: Database) -> bool:
    """Whether what lies at a lost file's path goes with the log beside it: the same file, or one with the same
    content. Without a log any file does."""
    if lost.file is None or not _has_log(lost.file):
        return True
    status, digest = lost.lost_file()
    return _is_of(Mark(status.st_dev, status.st_ino, digest), lost.file)


def set_aside(database: Database, state_dir: Path, name: str | None) -> None:
    """Put a log that is not of the file beside it out of SQLite's way, for a person said that the file counts. Raises
    OSError."""
    try:
        guard(database, state_dir, name)
    except StoreLost:
        log, index = (Path(f"{database.file}{ending}") for ending in ("-wal", "-shm"))
        index.unlink(missing_ok=True)
        os.replace(log, log.with_name(f"{log.name}{ASIDE}"))
    forget(state_dir)


def _is_of(mark: Mark, file: Path) -> bool:
    try:
        here = file.stat()
        if not mark.digest:
            return False
        if (here.st_dev, here.st_ino) == (mark.device, mark.inode):
            return True
        with file.open("rb") as opened:  # not the file that our connections hold: no lock of theirs goes with it
            return digest_of(opened.fileno()) == mark.digest
    except OSError:
        return False


def _has_log(file: Path) -> bool:
    try:
        return Path(f"{file}-wal").stat().st_size > 0
    except OSError:
        return False


def _read(state_dir: Path) -> Mark | None:
    try:
        return Mark(**json.loads((state_dir / LOST).read_text("ascii")))
    except FileNotFoundError:
        return None
    except (OSError, ValueError, TypeError):
        return Mark(0, 0, "")


def _foreign(file: Path) -> StoreLost:
    return StoreLost(
        f"The database file {file} is not the one that Earshot knows: it was replaced while the log of another one "
        f"({file.name}-wal) lay beside it. Nothing was opened and nothing was changed. Stop Earshot and put the right "
        f"file back beside its log. If the file there is a copy of ours from a backup, move {file.name}-wal and "
        f"{file.name}-shm away. If what lies there now shall be used from now on, say `earshot db adopt`.",
        "the database file was replaced beside the log of another one",
    )
