"""LinkedIn's posts and comments as ours. Whatever cannot be read raises one of ``DAMAGED``."""

from __future__ import annotations

import re
from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from typing import Any
from urllib.parse import quote, unquote

from connectors.model import Author, Kind, Mention, clean_text

URN = re.compile(r"urn:li:[A-Za-z]+:[\w:(),.~=+-]{1,90}")
COMMENT = re.compile(r"urn:li:comment:\((?:urn:li:)?([A-Za-z]+):([\w-]+),([\w-]+)\)")


def encoded(urn: str) -> str:
    """A value for a Rest.li path or query: everything but letters, digits and ``-._~`` percent-encoded."""
    return quote(urn, safe="")


DAMAGED = (ValueError, TypeError, KeyError, AttributeError, OverflowError)
"""What reading a damaged entry raises: it alone is set aside."""


def read_post(item: Mapping[str, Any], activity: str, own: str) -> Mention:
    """A post, ours or a member's."""
    key, author = urn_of(item["id"]), actor_of(item.get("author"))
    posted = moment_of(item.get("publishedAt") or item["createdAt"])
    changed = moment_of(item.get("lastModifiedAt") or ms_of(posted))
    edited = table_of(item.get("lifecycleStateInfo")).get("isEditedByAuthor") is True
    text = text_of(item.get("commentary"))
    return Mention(
        platform="linkedin",
        external_id=key,
        kind=Kind.OWN_POST if author in {own, None} else Kind.MENTION if text else Kind.TAG,
        text=plain_text(text, escaped=True) if text else None,
        url=link_to(key),
        posted_at=posted,
        author=author_of(author),
        edited_at=max(changed, posted) if edited else None,
        thread=activity or None,
        names_us=author not in {own, None},  # a member's post is read only where LinkedIn told us of it
    )


def read_comment(item: Mapping[str, Any], own: str, thread: str) -> Mention:
    """A comment or an answer to one, read whole."""
    created = table_of(item.get("created"))
    posted = moment_of(created["time"])
    changed = table_of(item.get("lastModified")).get("time")
    edited = moment_of(changed) if changed is not None and moment_of(changed) > posted else None
    key = comment_urn(item.get("commentUrn")) or comment_urn(item.get("$URN"))
    root = urn_of(item["object"]) if item.get("object") else thread_of(key or "") or thread
    if key is None:
        key = f"urn:li:comment:({root},{_identifier(item['id'])})"
    actor = actor_of(item.get("actor")) or actor_of(created.get("actor"))
    likes, answers = table_of(item.get("likesSummary")), table_of(item.get("commentsSummary"))
    return Mention(
        platform="linkedin",
        external_id=key,
        kind=Kind.OWN_POST if actor == own else Kind.COMMENT,
        text=text_of(table_of(item.get("message")).get("text")),
        url=comment_link(root, key),
        posted_at=posted,
        author=author_of(actor),
        edited_at=edited,
        parent=comment_urn(item.get("parentComment")) or root,
        thread=root,
        likes=_first_whole(likes, "aggregatedTotalLikes", "totalLikes"),
        replies=_first_whole(answers, "aggregatedTotalComments", "totalFirstLevelComments"),
    )


def comment_urn(value: object) -> str | None:
    """The full name of a comment, its inner one completed where LinkedIn shortens it (platform facts, 4.2)."""
    parts = COMMENT.fullmatch(unquote(value)) if isinstance(value, str) and len(value) < 300 else None
    return f"urn:li:comment:(urn:li:{parts[1]}:{parts[2]},{parts[3]})" if parts else None


def thread_of(comment: str) -> str | None:
    """The post or activity that a comment stands under; None where ``comment`` is no comment's URN."""
    parts = COMMENT.fullmatch(comment)
    return f"urn:li:{parts[1]}:{parts[2]}" if parts else None


def thread_root(urn: str) -> str:
    """The post or activity at the root of ``urn``, a comment or already the root."""
    return thread_of(urn) or urn


def link_to(urn: str) -> str:
    """Where a person can look at a post."""
    return f"https://www.linkedin.com/feed/update/{urn}"


def comment_link(thread: str, comment: str) -> str:
    """Where a person can look at a comment."""
    return f"{link_to(thread or comment)}?commentUrn={encoded(comment)}" if thread else link_to(comment)


def author_of(urn: str | None) -> Author | None:
    """The author by URN alone: LinkedIn gives no names of other members."""
    return Author(id=urn) if urn else None


def actor_of(value: object) -> str | None:
    """Who acted, or None where that is not said."""
    return value if isinstance(value, str) and URN.fullmatch(value) else None


def urn_of(value: object) -> str:
    """``value`` as a URN; raises ValueError where it is none."""
    if not isinstance(value, str) or not URN.fullmatch(value):
        raise ValueError("no URN")
    return value


def _identifier(value: object) -> str:
    if isinstance(value, int) and not isinstance(value, bool):
        value = str(value)
    if not isinstance(value, str) or not re.fullmatch(r"[\w-]{1,40}", value):
        raise ValueError("no identifier")
    return value


def text_of(value: object) -> str | None:
    """``value`` as clean text; None where there is none."""
    return (clean_text(value) or None) if isinstance(value, str) and value.strip() else None


def plain_text(text: str, *, escaped: bool = False) -> str:
    """LinkedIn's 'little text' as people see it: tags by their names, hashtags with their sign, no escapes."""
    text = re.sub(r"@\[((?:[^\]\\]|\\.){0,200})\]\(urn:li:[^)]{0,100}\)", r"@\1", text)
    text = re.sub(r"\{hashtag\|\\?#\|([^|{}]{0,200})\}", r"#\1", text)
    return re.sub(r"\\([\\|{}@\[\]()<>#*_~])", r"\1", text) if escaped else text


def moment_of(value: object) -> datetime:
    """Milliseconds since 1970 as aware UTC; raises ValueError for anything that is no date of our time."""
    if isinstance(value, str) and value.isascii() and value.isdigit() and len(value) < 15:
        value = int(value)
    if isinstance(value, bool) or not isinstance(value, int | float) or not 1e12 <= value < 4.2e12:
        raise ValueError("no time")
    return datetime.fromtimestamp(int(value) / 1000, UTC)


def when_of(post: Any) -> datetime:
    """When a post was published; long ago where that cannot be read."""
    try:
        return moment_of(post.get("publishedAt") or post.get("createdAt"))
    except DAMAGED:
        return datetime(2003, 5, 5, tzinfo=UTC)


def ms_of(moment: datetime) -> int:
    """Milliseconds since 1970."""
    return round(moment.timestamp() * 1000)


def length_ms(length: timedelta) -> int:
    """A length of time in milliseconds."""
    return round(length.total_seconds() * 1000)


def wording(mention: Mention) -> datetime:
    """From when the wording of ``mention`` is."""
    return mention.edited_at or mention.posted_at


def whole_number(value: object) -> int | None:
    """``value`` as a whole number from 0 up; None where it is none."""
    if isinstance(value, bool) or not isinstance(value, int | float) or not 0 <= value < 2**31:
        return None
    return int(value)


def _first_whole(table: Mapping[str, Any], *names: str) -> int | None:
    return next((n for n in (whole_number(table.get(name)) for name in names) if n is not None), None)


def table_of(value: object) -> dict[str, Any]:
    """``value`` where it is a table, else an empty one."""
    return value if isinstance(value, dict) else {}
