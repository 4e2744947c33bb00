"""The erasure journal beside the database: keyed hashes of what must never come back, replayed when a backup is
restored. It holds nothing that names anybody."""

from __future__ import annotations

import os
from collections.abc import Iterable
from datetime import datetime
from pathlib import Path

NAME = "erasures.journal"


def append(state_dir: Path, keys: Iterable[str], now: datetime) -> None:
    """Add ``keys``, synced to disk before this returns."""
    lines = "".join(f"{now.isoformat()} {key}\n" for key in keys)
    if not lines:
        return
    descriptor = os.open(state_dir / NAME, os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o600)
    with os.fdopen(descriptor, "a", encoding="ascii") as file:
        file.write(f"\n{lines}")  # the line before may have been cut short by a crash
        file.flush()
        os.fsync(file.fileno())


def read(state_dir: Path) -> dict[str, datetime]:
    """All keys with the time at which they were added; a line cut short by a crash is left out."""
    path = state_dir / NAME
    if not path.exists():
        return {}
    found: dict[str, datetime] = {}
    for line in path.read_text("ascii", errors="replace").splitlines():
        moment, _, key = line.partition(" ")
        if len(key) == 64:
            try:
                found[key] = datetime.fromisoformat(moment)
            except ValueError:
                continue
    return found
