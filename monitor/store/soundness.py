"""Whether an SQLite file is whole: a look at all of it with fresh eyes, past what connections keep in memory."""

from __future__ import annotations

import contextlib
import sqlite3

from monitor.store.database import Database


def examine(database: Database) -> str:
    """What is broken, in words for people; empty when nothing is, and for a database server, which looks after
    itself. A file that is busy or away is not called broken."""
    if database.file is None:
        return ""
    try:
        with contextlib.closing(
            sqlite3.connect(f"{database.file.as_uri()}?mode=ro", uri=True, timeout=10)
        ) as connection:
            found = connection.execute("PRAGMA quick_check(1)").fetchone()[0]
    except sqlite3.OperationalError as error:
        is_broken = error.sqlite_errorcode & 0xFF == sqlite3.SQLITE_IOERR
        return "the disk cannot read the database file" if is_broken else ""
    except sqlite3.DatabaseError:
        return "the database file is damaged"
    return "" if found == "ok" else "the database file is damaged"
