"""Web addresses as strangers write them: taking one apart never raises."""

from __future__ import annotations

from urllib.parse import SplitResult, urlsplit

_NONE = SplitResult("", "", "", "", "")


def parts_of(url: str) -> SplitResult:
    """The parts of an address; all empty for one that cannot be one, such as ``https://[``.

    Python finds out late: a port such as ``:x`` fails only when it is asked for.
    """
    try:
        parts = urlsplit(url)
        _ = parts.hostname, parts.port
    except ValueError:
        return _NONE
    return parts


def host_of(url: str) -> str:
    """The host of an address, in small letters; empty where there is none."""
    return parts_of(url).hostname or ""
