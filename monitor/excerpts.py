"""What of an incident's mentions may be told in a mail: quotes, links, reasons, reach and growth, as the terms allow.

Platform terms decide on quotes and matched words; safeguarding and self-harm carry neither (settled questions, 4).
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from zoneinfo import ZoneInfo

from sqlalchemy import func, select
from sqlalchemy.orm import Session

from alerts.model import Quote, Reason
from connectors.addresses import parts_of
from connectors.model import Organisation
from monitor.addresses import may_be_pressed
from monitor.clock import say_duration, say_moment
from monitor.hearing import say_platform
from monitor.store.tables import IncidentAccountRow, IncidentRow, MentionRow
from monitor.terms import MAX_QUOTE, MINIMISED, Terms
from signs import cut

SHOWN = 5
"""Mentions that a mail shows; the page shows the rest."""

MAX_REASONS = 5

KINDS = {
    "mention": "a post about us",
    "comment": "a comment on our own channel",
    "tag": "a post that tags us",
    "review": "a review of us",
    "own_post": "a post on our own channel",
}

_HANDLE = re.compile(r"(?<![\w.@/])@[\w.]*\w")
_EMAIL = re.compile(r"(?<![\w.+-])[\w.+-]++@[\w-]++\.[\w.-]+")
"""Tried once for each run of signs, not at each sign of it: a post is hostile, and 20,000 signs long."""
_NUMBER = re.compile(r"\+?\d(?:[ ().-]{0,2}\d){6,}")
_PEOPLE_FREE = frozenset(
    {"permalink.php", "story.php", "photo.php", "photo", "watch", "groups", "events", "reel", "pages"}
)
"""First parts of a Facebook address that name no person."""


@dataclass(frozen=True, slots=True)
class Ground:
    """What choosing words needs to know: the terms by platform, who we are, and the moment (aware UTC)."""

    terms: Mapping[str, Terms]
    organisation: Organisation
    zone: ZoneInfo
    now: datetime

    def terms_of(self, platform: str) -> Terms:
        """The platform's terms, or those for strangers."""
        return self.terms.get(platform, self.terms["other"])


def chosen(session: Session, incident_id: str, *, news: int | None = None) -> list[MentionRow]:
    """The mentions to show: the one that is news, then the gravest, then the newest; copies once."""
    rows = session.scalars(
        select(MentionRow)
        .where(MentionRow.incident_id == incident_id)
        .order_by(MentionRow.severity.desc(), MentionRow.posted_at.desc())
        .limit(SHOWN * 8)
    ).all()
    first = session.get(MentionRow, news) if news is not None else None
    ordered = ([first] if first is not None and first.incident_id == incident_id else []) + list(rows)
    shown: list[MentionRow] = []
    for row in ordered:
        if not any(row.id == other.id or (row.text and row.text == other.text) for other in shown):
            shown.append(row)
    return shown[:SHOWN]


def is_minimised(category: str | None, rows: Sequence[MentionRow] = ()) -> bool:
    """Whether no quote, name, handle or matched word may stand in the mail."""
    return category in MINIMISED or any(MINIMISED & set(row.categories) for row in rows)


def quote_of(row: MentionRow, ground: Ground, *, bare: bool = False) -> Quote:
    """A mention as a mail may show it; ``bare`` without its words whatever the terms say."""
    terms = ground.terms_of(row.platform)
    text: str | None = None
    hidden = bare or is_minimised(None, [row]) or row.status != "live"
    if row.text and terms.quote and not hidden:
        text = _cut(_masked(row, ground.organisation), min(terms.quote, MAX_QUOTE))
    place = f"{say_platform(row.platform)}, {KINDS.get(row.kind, 'a post')}"
    when = say_moment(row.posted_at, ground.zone, now=ground.now)
    link = permalink(row.platform, row.external_id, row.url, handles_of(row))
    return Quote(place, when, text, link, reach=_figures(row))


def permalink(platform: str, external_id: str, url: str, names: Sequence[str] = ()) -> str:
    """The post's address without anybody's handle; empty where there is none such (settled questions, 4)."""
    parts = parts_of(url)
    if platform == "x" or parts.hostname in {"x.com", "twitter.com", "www.x.com", "mobile.twitter.com"}:
        return f"https://x.com/i/web/status/{external_id}" if external_id.isdigit() else ""
    first = parts.path.strip("/").partition("/")[0]
    if platform == "facebook" and first and not first.isdigit() and first not in _PEOPLE_FREE:
        url = f"https://www.facebook.com/{external_id}" if re.fullmatch(r"\d+(_\d+)?", external_id) else ""
    if not may_be_pressed(url) or any(name.casefold() in url.casefold() for name in names if name):
        return ""
    return url


def handles_of(row: MentionRow) -> tuple[str, ...]:
    """What must not stand in a link: the writer's handle, and the name written as one."""
    names = [
        row.author_handle or "",
        (row.author_name or "").replace(" ", "."),
        (row.author_name or "").replace(" ", ""),
    ]
    return tuple(name.lstrip("@") for name in names if len(name) > 2)


def reasons_of(rows: Sequence[MentionRow], ground: Ground, *, clause: str) -> tuple[Reason, ...]:
    """Why the mentions alert, the weightiest first: sentence, clause, and words where the terms allow."""
    found: dict[str, tuple[float, Reason]] = {}
    for row in rows:
        quotable = ground.terms_of(row.platform).quote > 0 and not is_minimised(None, [row]) and row.status == "live"
        for signal in row.signals:
            weight = signal.get("weight")
            weight = 1.0 if weight is None else float(weight)
            sentence = str(signal.get("sentence") or "").strip()
            if weight <= 0 or not sentence or sentence in found:
                continue
            words = _cut(" ".join(str(signal.get("words") or "").split()), 80) if quotable else ""
            words = "" if _NUMBER.search(words) or _HANDLE.search(words) or _EMAIL.search(words) else words
            found[sentence] = (weight, Reason(sentence, str(signal.get("clause") or clause), words))
    ranked = sorted(found.values(), key=lambda pair: -pair[0])
    return tuple(reason for _, reason in ranked[:MAX_REASONS])


def where_of(row: IncidentRow, rows: Sequence[MentionRow]) -> str:
    """The platforms of an incident in words, and what kind of post where there is only one."""
    names = [say_platform(name) for name in row.platforms]
    if len(names) == 1 and len(rows) == 1:
        return f"{names[0]} ({KINDS.get(rows[0].kind, 'a post')})"
    return join(names)


def reach_of(session: Session, row: IncidentRow, rows: Sequence[MentionRow], ground: Ground) -> str:
    """How big an incident is. Platforms whose terms ask for it are counted apart."""
    counted = session.execute(
        select(MentionRow.platform, func.count())
        .where(MentionRow.incident_id == row.id)
        .group_by(MentionRow.platform)
        .order_by(func.count().desc(), MentionRow.platform)
    ).all()
    per_platform = {str(found[0]): int(found[1]) for found in counted}
    if not per_platform:
        return ""
    shared = {name: n for name, n in per_platform.items() if ground.terms_of(name).totals != "own"}
    apart = {name: n for name, n in per_platform.items() if name not in shared}
    parts = []
    if shared:
        total = sum(shared.values())
        split = (
            f" ({join([f'{n:,} on {say_platform(name)}' for name, n in shared.items()])})" if len(shared) > 1 else ""
        )
        only = "" if split else f" on {say_platform(next(iter(shared)))}"
        parts.append(f"{count(total, 'post')}{only}{split}{_accounts(session, row.id, tuple(shared))}")
    if apart:
        apart_words = join([f"{count(n, 'post')} on {say_platform(name)}" for name, n in apart.items()])
        parts.append(f"counted apart: {apart_words}" if shared else apart_words)
    top = max(rows, key=lambda r: (r.shares or 0, r.likes or 0), default=None)
    if top is not None and (figures := _figures(top)):
        parts.append(f"the most shared has {figures}" if len(rows) > 1 else figures)
    return "; ".join(parts)


def adds_up(platforms: Sequence[str], terms: Mapping[str, Terms]) -> bool:
    """Whether posts of these platforms may be counted in one number (settled questions, 4)."""
    return len(set(platforms)) < 2 or not any(terms.get(p, terms["other"]).totals == "own" for p in platforms)


def size_of(row: IncidentRow, terms: Mapping[str, Terms]) -> str:
    """How many posts an incident has; empty where they may not be added up."""
    return count(row.mentions, "post") if adds_up(row.platforms, terms) else ""


def counted_together(session: Session, incident_id: str, terms: Mapping[str, Terms]) -> list[tuple[str, ...]]:
    """An incident's platforms in groups whose posts may be added up: the shared ones first, then each other alone."""
    found = session.scalars(
        select(MentionRow.platform)
        .where(MentionRow.incident_id == incident_id)
        .distinct()
        .order_by(MentionRow.platform)
    ).all()
    shared = tuple(name for name in found if terms.get(name, terms["other"]).totals != "own")
    return [*([shared] if shared else []), *((name,) for name in found if name not in shared)]


def growth_of(session: Session, incident_id: str, ground: Ground) -> str:
    """How fast it grows, by the times of posting; empty for a single post. Platforms that ask for it stand apart."""
    total = session.scalar(select(func.count()).where(MentionRow.incident_id == incident_id)) or 0
    if total < 2:
        return ""
    groups = counted_together(session, incident_id, ground.terms)
    hour = timedelta(hours=1)
    lines = []
    for names in groups:
        now_, before = (
            session.scalar(
                select(func.count()).where(
                    MentionRow.incident_id == incident_id,
                    MentionRow.platform.in_(names),
                    MentionRow.posted_at > until - hour,
                    MentionRow.posted_at <= until,
                )
            )
            or 0
            for until in (ground.now, ground.now - hour)
        )
        where = f" on {join([say_platform(name) for name in names])}" if len(groups) > 1 else ""
        lines.append(f"{now_:,} in the last hour{where}, {before:,} in the hour before")
    return "; ".join(lines)


def moment_of(session: Session, row: IncidentRow, ground: Ground) -> str:
    """When its first post was posted, and how long after that it was heard."""
    first = session.scalars(
        select(MentionRow).where(MentionRow.incident_id == row.id).order_by(MentionRow.posted_at).limit(1)
    ).first()
    if first is None:
        return say_moment(row.opened_at, ground.zone, now=ground.now)
    lag = first.first_seen_at - first.posted_at
    heard = f", heard {say_duration(lag)} later" if lag >= timedelta(seconds=1) else ""
    several = "the first was posted" if row.mentions > 1 else "posted"
    return f"{several} {say_moment(first.posted_at, ground.zone, now=ground.now)}{heard}"


def join(words: Sequence[str]) -> str:
    """``a, b and c``."""
    return words[0] if len(words) == 1 else f"{', '.join(words[:-1])} and {words[-1]}" if words else ""


def count(number: int, noun: str, several: str = "") -> str:
    """``1 post``, ``1,200 posts``."""
    return f"{number:,} {noun if number == 1 else several or f'{noun}s'}"


def _accounts(session: Session, incident_id: str, platforms: tuple[str, ...]) -> str:
    number = (
        session.scalar(
            select(func.count()).where(
                IncidentAccountRow.incident_id == incident_id, IncidentAccountRow.platform.in_(platforms)
            )
        )
        or 0
    )
    return f" by {count(number, 'account')}" if number > 1 else ""


def _figures(row: MentionRow) -> str:
    figures = ((row.shares, "share"), (row.likes, "like"), (row.replies, "answer"))
    return ", ".join(count(number, noun) for number, noun in figures if number)


def _masked(row: MentionRow, organisation: Organisation) -> str:
    """The words as written, but without handles other than ours, and without contact details where those leaked."""
    ours = {handle.lstrip("@").casefold() for handle in organisation.handles.values()}

    def handle(match: re.Match[str]) -> str:
        return match[0] if match[0][1:].casefold() in ours else "@…"

    text = row.text or ""
    if "confidentiality" in row.categories:
        text = _NUMBER.sub("[number]", _EMAIL.sub("[e-mail address]", text))
    text = _HANDLE.sub(handle, text)
    for name in (row.author_handle, row.author_name):
        if name and len(name) > 2:
            text = re.sub(rf"(?i)(?<!\w){re.escape(name.lstrip('@'))}(?!\w)", "…", text)
    return text


def _cut(text: str, length: int) -> str:
    return text if len(text) <= length else cut(text, length - 1).rstrip() + "…"
