"""What operator and CEO were told straight from memory, and when: it must outlive the process, and need no database.

It is kept in the state folder, or where that takes nothing in the runtime folder.
"""

from __future__ import annotations

import contextlib
import hashlib
import json
import os
import threading
from collections.abc import Sequence
from datetime import datetime, timedelta
from pathlib import Path

NAME = "told.json"
KEPT = timedelta(days=7)


class Told:
    """When which role was last told of which trouble. Safe between threads."""

    def __init__(self, folders: Sequence[Path]) -> None:
        self._folders = tuple(folders)
        self._lock = threading.Lock()
        self._here: dict[str, datetime] = {}

    def last(self, role: str, trouble: str) -> datetime | None:
        """When, as far as anything remembers; None for never."""
        with self._lock:
            return self._all().get(_key(role, trouble))

    def remember(self, role: str, trouble: str, now: datetime) -> None:
        """Write down that ``role`` was told now."""
        with self._lock:
            known = {key: at for key, at in self._all().items() if now - KEPT < at <= now}
            self._here = {**known, _key(role, trouble): now}
            self._write()

    def is_kept(self) -> bool:
        """Whether what this process knows is remembered outside it: False where no folder takes it."""
        with self._lock:
            self._here = self._all()
            return self._write()

    def _write(self) -> bool:
        return any(_written(folder, self._here) for folder in self._folders)

    def _all(self) -> dict[str, datetime]:
        known = dict(self._here)
        for folder in self._folders:
            for key, at in _read(folder).items():
                known[key] = max(at, known.get(key, at))
        return known


def _key(role: str, trouble: str) -> str:
    return f"{role} {hashlib.blake2b(trouble.encode('utf-8', 'replace'), digest_size=8).hexdigest()}"


def _read(folder: Path) -> dict[str, datetime]:
    try:
        raw = json.loads((folder / NAME).read_text("ascii"))
        return {str(key): _aware(at) for key, at in raw.items()}
    except (OSError, ValueError, TypeError, AttributeError, RecursionError):
        return {}


def _aware(text: str) -> datetime:
    moment = datetime.fromisoformat(text)
    if moment.utcoffset() is None:
        raise ValueError("a naive time")
    return moment


def _written(folder: Path, known: dict[str, datetime]) -> bool:
    part = folder / f"{NAME}.part"
    try:
        folder.mkdir(mode=0o700, exist_ok=True)
        descriptor = os.open(part, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
        with os.fdopen(descriptor, "w", encoding="ascii") as file:
            json.dump({key: at.isoformat() for key, at in known.items()}, file)
            file.flush()
            os.fsync(file.fileno())
        os.replace(part, folder / NAME)
    except OSError:
        with contextlib.suppress(OSError):
            part.unlink()
        return False
    return True
