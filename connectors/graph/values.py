"""Reading single values out of Graph nodes: liberal in form, never trusting in size."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any
from urllib.parse import parse_qs

from connectors.addresses import parts_of
from connectors.model import Author, clean_text

Node = Mapping[str, Any]

UNREADABLE = (KeyError, TypeError, ValueError, AttributeError, OverflowError)
"""What reading a malformed node may raise; the node is then set aside, and its neighbours are kept."""

MAX_FIGURE = 2**53
_ONWARD = ("after", "until", "__paging_token", "offset", "pagination_token")


def moment(value: object) -> datetime:
    """A time in UTC from ``2026-11-22T10:15:00+0000``, its ISO forms or epoch seconds; raises ValueError."""
    if isinstance(value, bool) or not isinstance(value, str | int | float):
        raise ValueError("no time")
    if not isinstance(value, str) or value.isdigit():
        try:
            return datetime.fromtimestamp(float(value), UTC)
        except (OverflowError, OSError):
            raise ValueError("no time of this world") from None
    read = datetime.fromisoformat(value)
    return read.replace(tzinfo=UTC) if read.tzinfo is None else read.astimezone(UTC)


def epoch(at: datetime) -> int:
    """Whole seconds since 1970."""
    return int(at.timestamp())


def figure(value: object) -> int | None:
    """A count that is not negative and not absurdly large; None where none is given."""
    if isinstance(value, str) and value.isdigit() and len(value) < 20:
        value = int(value)
    if isinstance(value, bool) or not isinstance(value, int) or value < 0:
        return None
    return min(value, MAX_FIGURE)


def identity(value: object) -> str:
    """An id as text; raises ValueError for anything that cannot be one."""
    if isinstance(value, int) and not isinstance(value, bool):
        value = str(value)
    if not isinstance(value, str) or not 0 < len(value) <= 200 or not value.isascii() or not value.isprintable():
        raise ValueError("no id")
    if any(sign in value for sign in "/?#&, "):
        raise ValueError("no id")
    return value


def words(value: object) -> str | None:
    """Somebody's text, cleaned; None where there is none."""
    return clean_text(value) if isinstance(value, str) and value else None


def name(value: object) -> str | None:
    """A name or handle in one line of at most 200 characters."""
    text = words(value)
    return " ".join(text.split())[:200] or None if text else None


def author(node: object, *, handle: object = None) -> Author | None:
    """Who wrote it, from ``from`` and perhaps a bare user name; None where the platform does not say."""
    who: Node = node if isinstance(node, Mapping) else {}
    known_id = who.get("id")
    found = Author(
        name=name(who.get("name")),
        handle=name(who.get("username")) or name(handle),
        id=str(known_id)[:200] if isinstance(known_id, str | int) and not isinstance(known_id, bool) else None,
    )
    return found if found != Author() else None


def link(value: object, site: str, otherwise: str) -> str:
    """A permalink: as given, or made whole where it is relative, or ``otherwise``."""
    if isinstance(value, str) and value.isprintable() and " " not in value and len(value) <= 2000:
        if value.startswith(("https://", "http://")):
            return value
        if value.startswith("/") and not value.startswith("//"):
            return site + value
    return otherwise


def rows(node: object) -> list[Any]:
    """The entries of an edge; raises ValueError where it is no list."""
    data = node.get("data") if isinstance(node, Mapping) else None
    if not isinstance(data, list):
        raise ValueError("no list")
    return data


def onward(node: object, *, used: Mapping[str, str] | None = None, full: bool = False) -> dict[str, str] | None:
    """The parameters that ask for the next page, or None at the end.

    ``paging.next`` is never followed as an address: it can name another host, and it carries our token. Only
    its paging parameters are taken. Some edges give cursors without ``next`` (Instagram's ``/tags``); with
    ``full`` those are followed too. ``used`` is what asked for this page: the same again would never end.
    """
    paging = node.get("paging") if isinstance(node, Mapping) else None
    if not isinstance(paging, Mapping):
        return None
    cursors = paging.get("cursors")
    after = cursors.get("after") if isinstance(cursors, Mapping) else None
    following = paging.get("next")
    found: dict[str, str] = {}
    if isinstance(following, str):
        asked = parse_qs(parts_of(following).query)
        found = {key: asked[key][-1] for key in _ONWARD if key in asked}
    if isinstance(after, str) and after and (full or isinstance(following, str)):
        found = {"after": after}
    found = {key: value for key, value in found.items() if len(value) <= 2000}
    return found if found and found != dict(used or {}) else None
