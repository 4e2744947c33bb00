"""Finds the platforms that are installed: our five and a stranger's sixth come in by the same door."""

from __future__ import annotations

from importlib.metadata import EntryPoint, entry_points

from connectors.model import AnyPlatform, Platform

GROUP = "earshot.connectors"


class UnknownPlatform(LookupError):
    """No installed package offers a platform of that name. The message names those that there are."""


def names() -> tuple[str, ...]:
    """The names of all platforms that are installed, without loading any of them."""
    return tuple(sorted({entry.name for entry in entry_points(group=GROUP)}))


def load(name: str) -> AnyPlatform:
    """The platform ``name``; only this one's client library is imported.

    Raises ``UnknownPlatform``, and ``TypeError`` where the entry point names something else than a ``Platform``.
    """
    found: list[EntryPoint] = list(entry_points(group=GROUP, name=name))
    if not found:
        raise UnknownPlatform(f"no platform {name!r} is installed; there are: {', '.join(names()) or 'none'}")
    platform = found[0].load()
    if not isinstance(platform, Platform):
        raise TypeError(f"the entry point {found[0].value} is not a connectors.model.Platform")
    return platform
