"""Paths as people write them into the settings: one rule for all of them."""

from __future__ import annotations

from pathlib import Path


def whole(written: str, folder: Path) -> Path:
    """``written`` as a whole path: ``~`` is a home folder, and what is relative counts from ``folder``, never from the
    folder that a command happens to run in. Raises ``ValueError`` with what was expected."""
    path = at_home(written)
    return path if path.is_absolute() else folder.absolute() / path


def at_home(written: str) -> Path:
    """``written`` with ``~`` taken for the home folder. Raises ``ValueError`` with what was expected."""
    if not written.isprintable():
        raise ValueError("a path, on one line")
    try:
        return Path(written).expanduser()
    except RuntimeError:
        raise ValueError("a path; nobody of the name after ~ has a home folder here") from None
