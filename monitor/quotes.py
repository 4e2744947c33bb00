"""What a mail may quote of a mention: as much as the platform's terms and its category allow (settled questions, 4)."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from zoneinfo import ZoneInfo

from alerts.model import Quote
from monitor.clock import say_moment
from monitor.hearing import say_platform
from monitor.store.tables import MentionRow
from monitor.terms import MAX_QUOTE, MINIMISED, Terms

PLACES = {"mention": "post", "comment": "comment", "tag": "post that tags us", "review": "review", "own_post": "our own post"}


def say_place(row: MentionRow) -> str:
    """Where it stands, in words: ``a comment on Facebook``."""
    return f"{PLACES.get(row.kind, row.kind)} on {say_platform(row.platform)}"


def may_quote(row: MentionRow, terms: Mapping[str, Terms]) -> bool:
    """Whether a mail may carry any of its words."""
    allowed = terms.get(row.platform, terms["other"]).quote
    return allowed > 0 and not MINIMISED.intersection(row.categories)


def quote_of(row: MentionRow, terms: Mapping[str, Terms], zone: ZoneInfo, now: datetime) -> Quote:
    """The mention as a mail may show it; ``text`` is None where nothing may be quoted or nothing is kept."""
    limit = min(MAX_QUOTE, terms.get(row.platform, terms["other"]).quote)
    words = row.text if may_quote(row, terms) and row.text else None
    if words is not None and len(words) > limit:
        words = words[: limit - 1].rstrip() + "…"
    return Quote(say_place(row), say_moment(row.posted_at, zone, now=now), words, row.url, reach_of(row))


def reach_of(row: MentionRow) -> str:
    """Its figures in words, empty where the platform gave none or they are all nought."""
    parts = [
        f"{count:,} {noun}" for count, noun in ((row.likes, "likes"), (row.shares, "shares"), (row.replies, "replies")) if count
    ]
    return ", ".join(parts)
