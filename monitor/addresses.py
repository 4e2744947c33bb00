"""Which web addresses may be pressed, in a mail or on a page.

An address from the tip page is a stranger's, on whatever host it lies: the great platforms all have pages that lead on
to anywhere (``youtube.com/redirect?q=...``). So a post's address is made anew from the few forms that posts have, and
an address of any other form is shown but not pressable.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from urllib.parse import SplitResult, parse_qs, unquote

from connectors.addresses import parts_of

_NUMBER = r"\d{1,25}"
_POST = rf"(?:{_NUMBER}|pfbid[A-Za-z0-9]{{10,90}})"
_CODE = r"[A-Za-z0-9_-]{5,40}"
_VIDEO = r"[A-Za-z0-9_-]{11}"

PLATFORMS: Mapping[str, str] = {
    "x.com": "x",
    "twitter.com": "x",
    "facebook.com": "facebook",
    "instagram.com": "instagram",
    "linkedin.com": "linkedin",
    "youtube.com": "youtube",
    "youtu.be": "youtu.be",
}

_PATHS: Mapping[str, tuple[tuple[str, str], ...]] = {
    "x": ((rf"/(?:i/web|i|\w{{1,20}})/status/({_NUMBER})(?:/(?:photo|video)/\d)?", "https://x.com/i/web/status/{0}"),),
    "facebook": (
        (rf"/[^/]+/(?:posts|videos|photos)/(?:[^/]+/)?({_NUMBER})", "https://www.facebook.com/{0}"),
        (rf"/reel/({_NUMBER})", "https://www.facebook.com/reel/{0}"),
        (rf"/events/({_NUMBER})", "https://www.facebook.com/events/{0}"),
        (
            rf"/groups/({_NUMBER})/(?:posts|permalink)/({_NUMBER})",
            "https://www.facebook.com/groups/{0}/permalink/{1}",
        ),
        (r"/share/([pvr])/([A-Za-z0-9]{5,40})", "https://www.facebook.com/share/{0}/{1}/"),
    ),
    "instagram": ((rf"/(?:[\w.]+/)?(p|reel|tv)/({_CODE})(?:/c/{_NUMBER})?", "https://www.instagram.com/{0}/{1}/"),),
    "linkedin": (
        (
            rf"/feed/update/(urn:li:(?:activity|share|ugcPost):{_NUMBER})",
            "https://www.linkedin.com/feed/update/{0}/",
        ),
        (
            rf"/posts/[^/]*?-(activity|share|ugcPost)-({_NUMBER})(?:-[\w-]{{1,20}})?",
            "https://www.linkedin.com/feed/update/urn:li:{0}:{1}/",
        ),
    ),
    "youtube": (
        (rf"/(shorts|live)/({_VIDEO})", "https://www.youtube.com/{0}/{1}"),
        (r"/post/([\w-]{20,60})", "https://www.youtube.com/post/{0}"),
    ),
    "youtu.be": ((rf"/({_VIDEO})", "https://www.youtube.com/watch?v={0}"),),
}
"""The forms of a post's path on each platform, and the address that is made of it. None holds a person's name."""

_QUERIES: Mapping[str, tuple[tuple[str, Mapping[str, str], str], ...]] = {
    "facebook": (
        (
            "/permalink.php",
            {"story_fbid": _POST, "id": _NUMBER},
            "https://www.facebook.com/permalink.php?story_fbid={story_fbid}&id={id}",
        ),
        (
            "/story.php",
            {"story_fbid": _POST, "id": _NUMBER},
            "https://www.facebook.com/permalink.php?story_fbid={story_fbid}&id={id}",
        ),
        ("/photo.php", {"fbid": _NUMBER}, "https://www.facebook.com/photo.php?fbid={fbid}"),
        ("/photo", {"fbid": _NUMBER}, "https://www.facebook.com/photo.php?fbid={fbid}"),
        ("/watch", {"v": _NUMBER}, "https://www.facebook.com/watch/?v={v}"),
    ),
    "youtube": (
        (
            "/watch",
            {"v": _VIDEO, "lc": r"[A-Za-z0-9_.-]{10,80}"},
            "https://www.youtube.com/watch?v={v}&lc={lc}",
        ),
        ("/watch", {"v": _VIDEO}, "https://www.youtube.com/watch?v={v}"),
    ),
}
"""The same where the post stands in the query: path, the parameters that are taken over, and the address."""


def post_address(url: str) -> str:
    """The address of a post on one of the known platforms, made anew and without a handle; empty for any other."""
    parts = parts_of(url.strip())
    platform = PLATFORMS.get(_bare_host(parts))
    if platform is None or parts.scheme != "https":
        return ""
    path = unquote(parts.path).rstrip("/")
    for form, made in _PATHS[platform]:
        if found := re.fullmatch(form, path, re.ASCII):
            return made.format(*found.groups())
    return _by_query(platform, path, parts.query)


def _by_query(platform: str, path: str, query: str) -> str:
    try:
        given = {name: values[0] for name, values in parse_qs(query, max_num_fields=50).items()}
    except ValueError:
        return ""
    for where, wanted, made in _QUERIES.get(platform, ()):
        if path == where and all(re.fullmatch(form, given.get(name, ""), re.ASCII) for name, form in wanted.items()):
            return made.format(**{name: given[name] for name in wanted})
    return ""


def _bare_host(parts: SplitResult) -> str:
    host = (parts.hostname or "").rstrip(".")
    for front in ("www.", "m.", "mobile.", "web.", "mbasic.", "uk."):
        host = host.removeprefix(front)
    return host


# ── addresses that a platform gives ─────────────────────────────────────────────────────────────────

_LEADS_ON = re.compile(
    r"/(?:l|lm|flx|sharer|shareArticle|redir|redirect|safety/go|linkshim|i/redirect|i/flow|url|attribution_link|intent"
    r"|login|logout|signin|ServiceLogin|accounts|checkpoint|authwall|uas|dialog|oauth|away)(?:[/.]|$)",
    re.IGNORECASE,
)
"""Paths of pages that lead on to another address."""

_SHORTENERS = frozenset({"t.co", "lnkd.in", "fb.me", "l.facebook.com", "lm.facebook.com", "l.instagram.com", "goo.gl"})


def may_be_pressed(url: str) -> bool:
    """Whether an address that came with a post may be pressable: a page of the web, not one that leads on elsewhere."""
    parts = parts_of(url)
    if parts.scheme not in {"https", "http"} or not parts.hostname or parts.username is not None:
        return False
    if not url.isprintable() or any(sign in url for sign in "\\<>\"' "):
        return False
    return parts.hostname not in _SHORTENERS and not _leads_on(parts)


def _leads_on(parts: SplitResult) -> bool:
    """Whether a page on a known platform passes visitors on to an address that it is given."""
    inside = _plain(f"{parts.path}?{parts.query}#{parts.fragment}")
    if "//" in inside.lstrip("/") or "\\" in inside:
        return True
    return _bare_host(parts) in PLATFORMS and _LEADS_ON.match(parts.path) is not None


def _plain(text: str) -> str:
    """Percent signs taken away, also where they were put on several times."""
    for _ in range(4):
        plain = unquote(text)
        if plain == text:
            break
        text = plain
    return text
