"""A temporary installation and a way to run commands on it."""

from __future__ import annotations

import json
import logging
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner, Result

from monitor.app import App
from monitor.cli import main
from monitor.settings import load

Earshot = Callable[..., Result]

SETTINGS: dict[str, Any] = {
    "organisation": {"name": "Tessellate UK", "aliases": ["TUK"], "handles": {"x": "TessellateUK"}},
    "people.ceo": {"name": "Rowan Ashdown", "email": "rowan@tessellateuk.example"},
    "people.chair": {"name": "Imogen Vale", "email": "chair@tessellateuk.example"},
    "people.operator": {"name": "Kit Marlow", "email": "it@tessellateuk.example"},
    "mail": {"host": "127.0.0.1", "port": 1, "security": "none", "from": "Earshot <earshot@tessellateuk.example>"},
    "privacy": {"assessment_date": "2026-10-01", "dpia_date": "2026-10-01", "contact": "dp@tessellateuk.example",
                "policy_review": "2999-01-01"},
    "judgement": {"model": "rules"},
}  # fmt: skip


class Installation:
    """A folder with settings, a database and a key."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.config = folder / "earshot.toml"
        self.write()

    def write(self, **tables: dict[str, Any]) -> None:
        """Write the settings, with ``tables`` added (two underscores stand for a dot)."""
        known = {**SETTINGS, "store": {"url": f"sqlite:///{self.folder / 'earshot.db'}"}}
        known.update({name.replace("__", "."): table for name, table in tables.items()})
        lines = []
        for name, table in known.items():
            lines.append(f"[{name}]")
            lines += [f"{key} = {_toml(value)}" for key, value in table.items()]
        self.config.write_text("\n".join(lines))

    def begin(self) -> None:
        """Make its database, as the first start does: commands that only ask make none."""
        assert self.run("db", "upgrade").exit_code == 0

    def run(self, *words: str, stdin: str | None = None) -> Result:
        """Run a command; ``--config`` is added where the command takes it."""
        given = [*words] if words[0] in {"score", "evaluate"} or "--config" in words else [*words, "--config", str(self.config)]  # fmt: skip
        result = CliRunner().invoke(main, given, input=stdin)
        if result.exception is not None and not isinstance(result.exception, SystemExit):
            raise result.exception
        return result

    def app(self) -> App:
        """The parts of it, to look behind the commands. The caller closes its database."""
        return App(load(self.config))


def _toml(value: Any) -> str:
    if isinstance(value, dict):
        return "{ " + ", ".join(f"{key} = {_toml(entry)}" for key, entry in value.items()) + " }"
    return json.dumps(value)


@pytest.fixture
def installation(tmp_path: Path) -> Iterator[Installation]:
    """An installation without a platform; logging is put back as it was afterwards."""
    root = logging.getLogger()
    handlers, level = root.handlers[:], root.level
    yield Installation(tmp_path)
    root.handlers[:], root.level = handlers, level
    for name in ("monitor", "connectors", "alerts"):
        logging.getLogger(name).setLevel(logging.NOTSET)
