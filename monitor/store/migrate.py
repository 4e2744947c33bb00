"""Brings a database to the form that this version needs: Alembic migrations, from the first table on."""

from __future__ import annotations

from pathlib import Path

from alembic import command
from alembic.config import Config
from alembic.runtime.migration import MigrationContext
from alembic.script import ScriptDirectory
from sqlalchemy import inspect

from monitor.store.database import Database


class SchemaTooNew(Exception):
    """The database was written by a newer Earshot; the message says what to do."""


def upgrade(database: Database) -> bool:
    """Bring ``database`` up to date; False when it was already. Raises ``SchemaTooNew``."""
    config = _config()
    script = ScriptDirectory.from_config(config)
    with database.engine.connect() as connection:
        version = MigrationContext.configure(connection).get_current_revision()
        connection.rollback()
    known = {revision.revision for revision in script.walk_revisions()}
    if version is not None and version not in known:
        raise SchemaTooNew(
            f"The database is of a newer Earshot (its version is {version}). Install that version again, "
            "or restore a backup made before the upgrade."
        )
    if version == script.get_current_head():
        return False
    with database.engine.begin() as connection:
        config.attributes["connection"] = connection
        command.upgrade(config, "head")
    return True


def is_current(database: Database) -> bool:
    """Whether ``database`` has the form that this version needs."""
    head = ScriptDirectory.from_config(_config()).get_current_head()
    with database.engine.connect() as connection:
        return MigrationContext.configure(connection).get_current_revision() == head


def is_empty(database: Database) -> bool:
    """Whether there is no table of ours at all."""
    return "mention" not in inspect(database.engine).get_table_names()


def _config() -> Config:
    config = Config()
    config.set_main_option("script_location", str(Path(__file__).parent.parent / "migrations"))
    return config
