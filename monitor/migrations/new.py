"""Writes a migration: the difference between the tables and what the migrations make so far (``make migration``)."""

from __future__ import annotations

import sys
import tempfile
from pathlib import Path

from alembic import command

from monitor.store.database import Database
from monitor.store.migrate import _config, upgrade


def main() -> None:
    """Make an empty database, bring it up to the newest migration, compare, and write the next one."""
    words = " ".join(sys.argv[1:]).strip()
    if not words:
        raise SystemExit('say what changed: make migration m="..."')
    with tempfile.TemporaryDirectory() as folder:
        database = Database(f"sqlite:///{Path(folder) / 'new.db'}")
        upgrade(database)
        config = _config()
        number = len(list((Path(__file__).parent / "versions").glob("0*.py"))) + 1
        with database.engine.begin() as connection:
            config.attributes["connection"] = connection
            command.revision(config, words, autogenerate=True, rev_id=f"{number:04d}")
        database.close()


if __name__ == "__main__":
    main()
