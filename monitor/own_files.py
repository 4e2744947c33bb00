"""Files of Earshot's own, which nothing that a command writes may take the place of."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from pathlib import Path

from monitor import journal, told, whom_to_tell
from monitor.app import AUDIT_KEYED, App
from monitor.daemon import LOCK
from monitor.keys import KEY
from monitor.store.place import IDENTITY, LOST, POINTER

STATE = (KEY, IDENTITY, LOST, LOCK, AUDIT_KEYED, journal.NAME, told.NAME, whom_to_tell.NAME)
"""What lies in the state folder beside the database."""


class OwnFile(Exception):
    """A command was told to write over a file of Earshot's own; the message says which."""


def refuse(app: App, *targets: Path) -> None:
    """Raise ``OwnFile`` where one of ``targets``, by whatever way it is named, is a file of our own."""
    own = list(_own(app))
    for target in targets:
        if any(_is_same(target, file) for file in own):
            raise OwnFile(f"{target} is Earshot's own file. Nothing was written; choose another name.")


def _own(app: App) -> Iterator[Path]:
    settings = app.settings
    state = (settings.state_dir / name for name in STATE)
    for file in (*app.database.sides(), settings.path, *settings.files, *state):
        yield file
        yield file.with_name(f"{file.name}{POINTER}")


def _is_same(target: Path, file: Path) -> bool:
    """By name, or as one file with two names."""
    with contextlib.suppress(OSError):
        if target.samefile(file):
            return True
    return target.resolve() == file.resolve()
