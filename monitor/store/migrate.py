"""Brings a database to the form that this version needs: Alembic migrations, from the first table on.

Alembic is loaded only where there is something to bring up to date: it costs the daemon 8 MB for good.
"""

from __future__ import annotations

import re
from pathlib import Path
from typing import TYPE_CHECKING

from sqlalchemy import inspect, text

from monitor.store.database import Database

if TYPE_CHECKING:
    from alembic.config import Config

MIGRATIONS = Path(__file__).parent.parent / "migrations"
_REVISION = re.compile(r'^(revision|down_revision)(?:: [^=]+)? = "(\w+)"', re.MULTILINE)


class SchemaTooNew(Exception):
    """The database was written by a newer Earshot; the message says what to do."""


def upgrade(database: Database) -> bool:
    """Bring ``database`` up to date, making it where there is none; False when it was already. Raises
    ``SchemaTooNew``."""
    database.make()
    if is_current(database):
        return False
    from alembic import command

    config = _config()
    with database.engine.begin() as connection:
        config.attributes["connection"] = connection
        command.upgrade(config, "head")
    return True


def upgrade_at(url: str) -> None:
    """The same by URL, for a process of its own."""
    database = Database(url)
    try:
        upgrade(database)
    finally:
        database.close()


def is_current(database: Database) -> bool:
    """Whether ``database`` has the form that this version needs. Raises ``SchemaTooNew``."""
    known, head = _revisions()
    version = _version_of(database)
    if version is not None and version not in known:
        raise SchemaTooNew(
            f"The database is of a newer Earshot (its version is {version}). Install that version again, "
            "or restore a backup made before the upgrade."
        )
    return version == head


def is_empty(database: Database) -> bool:
    """Whether there is no table of ours at all, or nothing in the file."""
    return database.is_absent() or "mention" not in inspect(database.engine).get_table_names()


def has_table(database: Database, name: str) -> bool:
    """Whether the database has a table of this name."""
    return inspect(database.engine).has_table(name)


def _version_of(database: Database) -> str | None:
    with database.engine.connect() as connection:
        if not inspect(connection).has_table("alembic_version"):
            return None
        version = connection.scalar(text("SELECT version_num FROM alembic_version"))
        connection.rollback()
    return None if version is None else str(version)


def _revisions() -> tuple[frozenset[str], str]:
    """All revisions that this version knows, and the newest: the one that no other builds on."""
    found = [
        dict(_REVISION.findall(file.read_text("utf-8"))) for file in sorted((MIGRATIONS / "versions").glob("0*.py"))
    ]
    known = frozenset(names["revision"] for names in found)
    (head,) = known - {names.get("down_revision") for names in found}
    return known, head


def _config() -> Config:
    from alembic.config import Config

    config = Config()
    config.set_main_option("script_location", str(MIGRATIONS))
    return config
