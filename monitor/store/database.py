"""Engines and transactions: WAL and BEGIN IMMEDIATE on SQLite, row locks and time-outs on PostgreSQL.

The settings are those of the reliability notes, section 4; each was measured there.
"""

from __future__ import annotations

import logging
import random
import sqlite3
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any, TypeVar

from sqlalchemy import Connection, Engine, create_engine, event, text
from sqlalchemy.exc import DBAPIError, OperationalError
from sqlalchemy.orm import Session, sessionmaker

T = TypeVar("T")
log = logging.getLogger(__name__)

BUSY_TIMEOUT_MS = 10_000
CONFLICTS = 40
"""How often a transaction that others overtook is begun again; in each round at least one gets through."""

PATIENCE = 12.0
"""Seconds for which a database that is busy or away is asked again (reliability notes, 2.1)."""


class DatabaseUnreachable(Exception):
    """The database did not answer; the message says what to look at, without the URL's password."""


class Database:
    """One database with one way to write and one way to read. Safe to share between threads."""

    def __init__(self, url: str, *, info: Mapping[str, Any] | None = None) -> None:
        """``info`` is what every session carries (``Session.info``), such as the giver of the audit's key."""
        self.url = url
        self.is_sqlite = url.startswith("sqlite")
        if self.is_sqlite:
            Path(url.removeprefix("sqlite:///")).resolve().parent.mkdir(parents=True, exist_ok=True)
        self.engine = _engine(url)
        self._sessions = sessionmaker(self.engine, expire_on_commit=False, info=dict(info or {}))

    @contextmanager
    def write(self) -> Iterator[Session]:
        """One transaction that writes: begun at once, committed at the end, rolled back on any error."""
        with self._sessions() as session, session.begin():
            yield session

    @contextmanager
    def read(self) -> Iterator[Session]:
        """A transaction that only reads; whatever was changed is rolled back."""
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
                log.warning("database busy, transaction begun again", extra={"attempt": attempt})
                time.sleep(random.uniform(0.05, 0.2) * attempt)  # noqa: S311

    def check(self) -> None:
        """Raise ``DatabaseUnreachable`` when no answer comes."""
        try:
            with self.engine.connect() as connection:
                connection.execute(text("select 1"))
        except (DBAPIError, sqlite3.Error) as error:
            cause = error.orig if isinstance(error, DBAPIError) else error
            if self.is_sqlite and not isinstance(cause, sqlite3.OperationalError):
                raise DatabaseUnreachable(
                    f"The database file is damaged, or is none ({type(cause).__name__}). Nothing was changed. "
                    "Restore the newest backup: `earshot db restore`."
                ) from None
            raise DatabaseUnreachable(
                f"The database did not answer ({type(cause).__name__}). "
                "Check [store] url, and that the server runs or the folder is writable."
            ) from None

    def fold_log(self) -> None:
        """Fold SQLite's write-ahead log into the file and empty it: what was deleted must not linger there."""
        if not self.is_sqlite:
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
        """Close every connection; on SQLite after folding the write-ahead log into the file."""
        self.fold_log()
        self.engine.dispose()


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


def _engine(url: str) -> Engine:
    if url.startswith("sqlite"):
        arguments = {"check_same_thread": False, "timeout": BUSY_TIMEOUT_MS / 1000}
        engine = create_engine(url, connect_args=arguments, hide_parameters=True)
        event.listen(engine, "connect", _set_up_sqlite)
        event.listen(engine, "begin", _begin_sqlite)
        return engine
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


def _set_up_sqlite(connection: Any, _record: object) -> None:
    try:
        _prepare(connection)
    except sqlite3.Error:
        connection.close()  # nobody else knows of it yet
        raise


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
