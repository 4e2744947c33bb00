"""Engines and transactions: WAL and BEGIN IMMEDIATE on SQLite, row locks and time-outs on PostgreSQL.

The settings are those of the reliability notes, section 4; each was measured there.
"""

from __future__ import annotations

import hashlib
import logging
import os
import random
import sqlite3
import threading
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any, TypeVar

from sqlalchemy import Connection, Engine, create_engine, event, text
from sqlalchemy.exc import (
    DatabaseError,
    DataError,
    DBAPIError,
    DisconnectionError,
    IntegrityError,
    InterfaceError,
    OperationalError,
    ProgrammingError,
    SQLAlchemyError,
)
from sqlalchemy.exc import TimeoutError as NoConnectionFree
from sqlalchemy.orm import Session, sessionmaker

from monitor.store.address import Address

T = TypeVar("T")
log = logging.getLogger(__name__)

BUSY_TIMEOUT_MS = 10_000
CONFLICTS = 40
"""How often a transaction that others overtook is begun again; in each round at least one gets through."""

PATIENCE = 12.0
"""Seconds for which a database that is busy or away is asked again (reliability notes, 2.1)."""


class DatabaseUnreachable(Exception):
    """The database did not answer; the message says what to look at, without the URL's password.

    ``passing``: waiting may mend it, as a server that is being started anew.
    """

    def __init__(self, what: str, *, passing: bool = False) -> None:
        super().__init__(what)
        self.passing = passing


class StoreLost(SQLAlchemyError):
    """The store is gone, emptied, or not the one that we know. Nothing is read from what lies there now, and nothing
    written. The message says what to do; ``brief`` is the same without a path, for the pages."""

    def __init__(self, what: str, brief: str) -> None:
        super().__init__(what)
        self.brief = brief


def is_away(error: BaseException) -> bool:
    """Whether the database itself is the trouble (away, busy, full, damaged, lost), and not what was asked of it."""
    if isinstance(error, IntegrityError | DataError | ProgrammingError):
        return False
    return isinstance(error, DatabaseError | InterfaceError | DisconnectionError | NoConnectionFree | StoreLost)


class Database:
    """One database with one way to write and one way to read. Safe to share between threads. A file that is not there
    is never made by the way: ``make`` does that."""

    def __init__(self, url: str, *, info: Mapping[str, Any] | None = None) -> None:
        """``info`` is what every session carries (``Session.info``), such as the giver of the audit's key."""
        address = Address.read(url)
        self.url = url
        self.file = address.file.resolve() if address.file is not None else None
        self.is_sqlite = self.file is not None
        self.damage = ""
        """What the last look at the whole file found broken (``monitor.store.soundness``), in words for the pages."""
        self._opened = OpenedFile(self.file) if self.file is not None else None
        self.engine = _sqlite_engine(self._opened) if self._opened is not None else _server_engine(url)
        self._sessions = sessionmaker(self.engine, expire_on_commit=False, info=dict(info or {}))

    def make(self) -> None:
        """Make SQLite's file where there is none."""
        if self.file is not None:
            self.file.parent.mkdir(parents=True, exist_ok=True)
            self.file.touch()

    def is_absent(self) -> bool:
        """Whether there is no SQLite file, or nothing in it. A server's database is never called absent."""
        try:
            return self.file is not None and self.file.stat().st_size == 0
        except FileNotFoundError:
            return True
        except OSError:
            return False

    def raw(self) -> Iterator[bytes]:
        """What SQLite's files hold, byte by byte: what is forgotten must not be found there."""
        if self._opened is not None:
            yield self._opened.content()
            for ending in ("-wal", "-journal"):  # never -shm, where SQLite's locks lie
                side = Path(f"{self.file}{ending}")
                if side.exists():
                    yield side.read_bytes()

    def sides(self) -> tuple[Path, ...]:
        """SQLite's file and the files that it keeps beside; nothing for a server."""
        return tuple(Path(f"{self.file}{ending}") for ending in ("", *SIDES)) if self.file is not None else ()

    def reopen(self) -> None:
        """Let go of every connection; the next one opens what lies at the path then."""
        self.engine.dispose()
        if self._opened is not None:
            self._opened.forget()

    def look(self) -> None:
        """Raise ``StoreLost`` where SQLite's file is no longer the one that was opened: what is written to a file
        that was deleted or replaced is lost with this process, and what is read from it is no longer so."""
        if self._opened is not None:
            self._opened.look()

    @contextmanager
    def write(self) -> Iterator[Session]:
        """One transaction that writes: begun at once, committed at the end, rolled back on any error. Raises
        ``StoreLost``."""
        self.look()
        with self._sessions() as session, session.begin():
            yield session

    @contextmanager
    def read(self) -> Iterator[Session]:
        """A transaction that only reads; whatever was changed is rolled back. Raises ``StoreLost``."""
        self.look()
        with self._sessions() as session:
            session.connection(execution_options={"earshot_reads": True})
            try:
                yield session
            finally:
                session.expunge_all()  # what was read stays readable after the transaction
                session.rollback()

    def in_transaction(self, work: Callable[[Session], T]) -> T:
        """Do ``work`` in one transaction, and the whole of it again when others overtook it, or when the database
        was busy or away."""
        began, conflicts, attempt = time.monotonic(), 0, 0
        while True:
            try:
                with self.write() as session:
                    return work(session)
            except DBAPIError as error:
                if _is_conflict(error):
                    conflicts += 1
                    if conflicts > CONFLICTS:
                        raise
                    time.sleep(random.uniform(0.002, 0.02) * min(conflicts, 10))  # noqa: S311
                    continue
                attempt += 1
                if not _passing(error) or time.monotonic() - began > PATIENCE:
                    raise
                log.debug("database busy, transaction begun again", extra={"attempt": attempt})
                time.sleep(random.uniform(0.05, 0.2) * attempt)  # noqa: S311

    def check(self) -> None:
        """Raise ``DatabaseUnreachable`` when no answer comes."""
        if self.is_absent():
            raise DatabaseUnreachable(f"There is no database at {self.file}.")
        try:
            with self.engine.connect() as connection:
                connection.execute(text("select 1"))
        except (DBAPIError, sqlite3.Error) as error:
            raise self._unreachable(error) from None

    def _unreachable(self, error: Exception) -> DatabaseUnreachable:
        cause = error.orig if isinstance(error, DBAPIError) else error
        passing = isinstance(error, DBAPIError) and _passing(error)
        if not self.is_sqlite:
            return DatabaseUnreachable(
                f"The database did not answer ({type(cause).__name__}). Check [store] url, and that the server runs.",
                passing=passing,
            )
        if not isinstance(cause, sqlite3.OperationalError):
            return DatabaseUnreachable(
                f"The database file {self.file} is damaged, or is none ({type(cause).__name__}). Nothing was changed. "
                "Restore the newest backup: `earshot db restore`."
            )
        return DatabaseUnreachable(
            f"The database file {self.file} did not answer ({cause}). "
            "Check that the file can be read, that the folder is writable and that the disk has room.",
            passing=passing,
        )

    def lost_file(self) -> tuple[os.stat_result, str]:
        """Where the file that was opened lies on the disk, and a hash of its content; an empty one where the file was
        overwritten in its place. Call it only once ``look`` raised."""
        assert self._opened is not None
        return self._opened.lost_file()

    def lose(self, error: StoreLost) -> None:
        """From now on ``look`` raises ``error``: what lies at the path is not what was opened."""
        if self._opened is not None:
            self._opened.lose(error)

    def is_lost(self) -> bool:
        """Whether ``look`` raises."""
        try:
            self.look()
        except StoreLost:
            return True
        return False

    def fold_log(self) -> None:
        """Fold SQLite's write-ahead log into the file and empty it: what was deleted must not linger there."""
        if not self.is_sqlite or self.is_lost() or self.is_absent():
            return
        try:
            raw = self.engine.raw_connection()
            try:
                raw.cursor().execute("PRAGMA wal_checkpoint(TRUNCATE)").fetchall()
            finally:
                raw.close()
        except Exception as error:  # a reader is at work, or the disk is full: the next round does it
            log.warning("the write-ahead log was not folded in", extra={"error": type(error).__name__})

    def compact(self) -> None:
        """Rewrite SQLite's file without the pages that were freed, so that nothing deleted is left in it."""
        if self.is_sqlite:
            raw = self.engine.raw_connection()
            try:
                raw.cursor().execute("VACUUM")
            finally:
                raw.close()
            self.fold_log()

    def close(self) -> None:
        """Close every connection; on SQLite after folding the write-ahead log into the file, where we opened it: what
        lies there once we let go of it may be another one."""
        if self._opened is None or self._opened.is_known():
            self.fold_log()
        self.reopen()


def _is_conflict(error: DBAPIError) -> bool:
    """Whether another transaction was faster: PostgreSQL's serialization failure, deadlock, or a row just added."""
    return (getattr(error.orig, "sqlstate", None) or "") in {"40001", "40P01", "23505"}


_SQLITE_PASSING = frozenset({sqlite3.SQLITE_BUSY, sqlite3.SQLITE_LOCKED, sqlite3.SQLITE_PROTOCOL, sqlite3.SQLITE_IOERR})


def _passing(error: DBAPIError) -> bool:
    """Whether waiting may mend it. A full disk is not waited for: the caller stops and says so."""
    code = getattr(error.orig, "sqlite_errorcode", None)
    if code is not None:
        return code & 0xFF in _SQLITE_PASSING
    if error.connection_invalidated or isinstance(error, OperationalError):
        return True
    state = getattr(error.orig, "sqlstate", None) or ""
    return state in {"55P03", "57P01", "57P02", "57P03"}


SIDES = ("-wal", "-shm", "-journal")
"""What SQLite keeps beside its file, by the end of the name."""

_MAGIC = b"SQLite format 3\0"


class OpenedFile:
    """SQLite's file as it was when this process first opened it.

    One descriptor is kept for as long as we know the file: closing one takes away the locks that SQLite holds on it
    in this process (https://www.sqlite.org/howtocorrupt.html, 2.2), so the file is never opened just for a look.
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        self._lock = threading.Lock()
        self._descriptor: int | None = None
        self._lost: StoreLost | None = None
        self._is_overwritten = False

    def connect(self) -> sqlite3.Connection:
        """A connection to the file, which must be there, and the one that was opened before: another one would get
        the log of ours. Raises ``StoreLost``."""
        self.look()
        return sqlite3.connect(
            f"{self.path.as_uri()}?mode=rw", uri=True, check_same_thread=False, timeout=BUSY_TIMEOUT_MS / 1000
        )

    def remember(self) -> None:
        """Know the file from now on by what lies at its path."""
        with self._lock:
            if self._descriptor is None:
                self._descriptor = os.open(self.path, os.O_RDONLY | os.O_CLOEXEC)

    def forget(self) -> None:
        """Know nothing of the file any more; call it only when no connection is left."""
        with self._lock:
            self._lost, self._is_overwritten = None, False
            if self._descriptor is not None:
                os.close(self._descriptor)
                self._descriptor = None

    def content(self) -> bytes:
        """The bytes of the file that was opened; none where none was."""
        with self._lock:
            if self._descriptor is None:
                return b""
            return os.pread(self._descriptor, os.fstat(self._descriptor).st_size, 0)

    def is_known(self) -> bool:
        """Whether it was opened and not let go of since."""
        with self._lock:
            return self._descriptor is not None

    def lost_file(self) -> tuple[os.stat_result, str]:
        """The file that was opened, and a hash of its content; empty where it was overwritten."""
        with self._lock:
            if self._descriptor is None:
                return os.stat(self.path), ""
            status = os.fstat(self._descriptor)
            if self._is_overwritten or os.pread(self._descriptor, len(_MAGIC), 0) != _MAGIC:
                return status, ""
            return status, digest_of(self._descriptor)

    def lose(self, error: StoreLost) -> None:
        """Call the file lost: its content is another's now."""
        with self._lock:
            self._lost, self._is_overwritten = error, True

    def look(self) -> None:
        """Raise ``StoreLost`` where the file that was opened is gone, replaced or emptied. Once lost it stays so until
        it is forgotten: what our connections remember of it may be of before."""
        with self._lock:
            if self._lost is None and self._descriptor is not None:
                self._lost = self._loss(self._descriptor)
            if self._lost is not None:
                raise StoreLost(str(self._lost), self._lost.brief)

    def _loss(self, descriptor: int) -> StoreLost | None:
        known, head = os.fstat(descriptor), os.pread(descriptor, len(_MAGIC), 0)
        try:
            here = os.stat(self.path)
        except FileNotFoundError:
            return _loss(self.path, "disappeared")
        except OSError as error:
            return _loss(self.path, f"cannot be reached ({error.strerror})")
        if (here.st_dev, here.st_ino) != (known.st_dev, known.st_ino):
            return _loss(self.path, "was replaced by another file")
        if head == _MAGIC:
            return None
        self._is_overwritten = True
        return _loss(self.path, "was emptied or overwritten")


def digest_of(descriptor: int) -> str:
    """A hash of all of an open file."""
    found, at = hashlib.blake2b(digest_size=32), 0
    while chunk := os.pread(descriptor, 1 << 20, at):
        found.update(chunk)
        at += len(chunk)
    return found.hexdigest()


def _loss(path: Path, why: str) -> StoreLost:
    return StoreLost(f"The database file {path} {why} while Earshot ran. {_PUT_BACK}", f"the database file {why}")


_PUT_BACK = (
    "Stop Earshot, then put the file back where it was, or bring back the newest backup: `earshot db restore FILE`. "
    "Nothing was begun anew."
)


def _sqlite_engine(opened: OpenedFile) -> Engine:
    def set_up(connection: Any, _record: object) -> None:
        try:
            _prepare(connection)
            opened.remember()
        except (sqlite3.Error, OSError):
            connection.close()  # nobody else knows of it yet
            raise

    address = Address.of_file(opened.path)
    engine = create_engine(address.url, creator=opened.connect, hide_parameters=True)
    event.listen(engine, "connect", set_up)
    event.listen(engine, "begin", _begin_sqlite)
    return engine


def _server_engine(url: str) -> Engine:
    options = "-c statement_timeout=30000 -c lock_timeout=10000 -c idle_in_transaction_session_timeout=60000"
    return create_engine(
        url,
        pool_pre_ping=True,
        pool_size=5,
        max_overflow=10,
        isolation_level="REPEATABLE READ",
        hide_parameters=True,  # an error's text would hold words of posts
        connect_args={"options": options, "connect_timeout": 10},
    )


def _prepare(connection: Any) -> None:
    connection.isolation_level = None  # we say BEGIN ourselves (reliability notes, 0.2)
    # SQLite's own knows ASCII only, and a person must be found whatever letters their name has
    connection.create_function("lower", 1, _lower, deterministic=True)
    cursor = connection.cursor()
    for pragma in (
        "journal_mode=WAL",
        "synchronous=FULL",
        f"busy_timeout={BUSY_TIMEOUT_MS}",
        "foreign_keys=ON",
        "secure_delete=ON",
        "trusted_schema=OFF",
        "journal_size_limit=67108864",
        "mmap_size=0",
        "cache_size=-4000",
    ):
        cursor.execute(f"PRAGMA {pragma}")
    cursor.close()


def _lower(value: object) -> object:
    return value.lower() if isinstance(value, str) else value


def _begin_sqlite(connection: Connection) -> None:
    reads = connection.get_execution_options().get("earshot_reads")
    connection.exec_driver_sql("BEGIN" if reads else "BEGIN IMMEDIATE")
