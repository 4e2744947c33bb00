"""Where the words and numbers that a person edits are found: in the checkout, or inside the installed package."""

from __future__ import annotations

from pathlib import Path

_PLACES = (Path(__file__).parent / "config", Path(__file__).parent.parent / "config")
"""The wheel carries ``config/`` inside ``monitor``; a checkout has it beside ``monitor``."""


def resource(name: str) -> Path:
    """The path of a shipped data file or folder, such as ``"rules"``. Raises FileNotFoundError when it is absent."""
    for place in _PLACES:
        if (path := place / name).exists():
            return path
    raise FileNotFoundError(f"the shipped data file config/{name} is missing; install Earshot again")
