"""Which mentions belong together. Pure: no session, no clock, no network."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import replace
from datetime import datetime, timedelta

from alerts.model import Severity
from connectors.model import Kind, Mention
from monitor.model import Assessment, Category, Incident, IncidentState
from monitor.scoring.copies import is_copy

DISTINCT = frozenset({Category.SAFEGUARDING, Category.SELF_HARM, Category.THREAT, Category.SAFETY})
"""Categories in which another grave post may be about another person: never absorbed by category alone."""

KEPT_MARKS = 40
"""Threads and copies remembered per incident; the newest ones."""

_GRAVITY = (
    Category.SAFEGUARDING,
    Category.SELF_HARM,
    Category.THREAT,
    Category.SAFETY,
    Category.ACCOUNT_COMPROMISE,
    Category.CONFIDENTIALITY,
    Category.STAFF_CONDUCT,
    Category.HARASSMENT,
    Category.DISCRIMINATION,
    Category.FINANCE,
    Category.LEGAL,
    Category.IMPERSONATION,
    Category.MISINFORMATION,
    Category.PRESS,
    Category.POLITICAL,
    Category.COMPLAINT,
)


def gravest(categories: Iterable[Category]) -> Category | None:
    """The category that an incident is named after when a mention has several."""
    found = set(categories)
    return next((category for category in _GRAVITY if category in found), None)


def thread_key(mention: Mention) -> str:
    """Names the conversation that a mention stands in, across platforms.

    Under a post of ours each comment begins a conversation of its own, with its replies: a disclosure there is about
    another person than the one above it, and must not be absorbed into it.
    """
    if mention.kind is Kind.COMMENT:
        begins = mention.parent is None or mention.parent == mention.thread
        return f"{mention.platform}:{mention.external_id if begins else mention.parent}"
    return f"{mention.platform}:{mention.thread or mention.external_id}"


def find_home(
    open_incidents: Iterable[Incident],
    mention: Mention,
    assessment: Assessment,
    copy_mark: str,
    *,
    quiet_time: timedelta,
) -> Incident | None:
    """The open incident that a mention belongs to: a copy, the same thread, or the same category and recent.

    A comment thread under one of our own popular posts is one conversation only for the same category: else a
    disclosure there would be absorbed into a grumble.
    """
    category = gravest(assessment.categories)
    recent = [i for i in open_incidents if abs(mention.posted_at - i.last_seen_at) <= _reach(i, quiet_time)]
    for incident in recent:
        if copy_mark and any(is_copy(copy_mark, known) for known in incident.copies):
            return incident
    recent = [i for i in recent if i.state is not IncidentState.CLOSED]  # a closed one takes in copies only
    for incident in recent:
        if thread_key(mention) in incident.threads and incident.category in (category, *assessment.categories):
            return incident
    for incident in recent:
        within = abs(mention.posted_at - incident.last_seen_at) <= quiet_time
        alone = assessment.severity is Severity.CRISIS and category in DISTINCT
        if within and category is not None and incident.category is category and not alone:
            return incident
    return None


def _reach(incident: Incident, quiet_time: timedelta) -> timedelta:
    """Copies and threads hold an incident together for longer than the category alone: three days."""
    return max(quiet_time, timedelta(days=3))


def matters(assessment: Assessment) -> bool:
    """Whether a mention by itself opens or feeds an incident."""
    return assessment.severity >= Severity.ALERT


def absorb(
    home: Incident | None,
    mention: Mention,
    assessment: Assessment,
    copy_mark: str,
    *,
    new_id: str,
    new_account: bool,
    now: datetime,
) -> Incident:
    """``home`` grown by ``mention``, or a new incident.

    A mention graver than its incident raises it, and an incident is named after the gravest thing in it: that name
    decides what its mails may quote and who may close it. A mention of CRISIS level that joins an acknowledged
    incident opens it again: nothing grave is absorbed in silence (settled questions, 5).
    """
    category = gravest(assessment.categories)
    thread = thread_key(mention)
    if home is None:
        return Incident(
            id=new_id,
            category=category,
            severity=assessment.severity,
            state=IncidentState.OPEN,
            opened_at=now,
            last_seen_at=mention.posted_at,
            mentions=1,
            accounts=1 if new_account else 0,
            platforms=(mention.platform,),
            threads=(thread,),
            copies=(copy_mark,) if copy_mark else (),
            spoken_of=assessment.spoken_of,
            perhaps_of=assessment.perhaps_of,
        )
    is_repeat = copy_mark and any(is_copy(copy_mark, known) for known in home.copies)
    worse = assessment.severity > home.severity
    grave_news = assessment.severity is Severity.CRISIS and not is_repeat and thread not in home.threads
    return replace(
        home,
        severity=max(home.severity, assessment.severity),
        category=gravest(c for c in (home.category, category) if c is not None),
        state=IncidentState.OPEN if worse or grave_news else home.state,
        last_seen_at=max(home.last_seen_at, mention.posted_at),
        mentions=home.mentions + 1,
        accounts=home.accounts + (1 if new_account else 0),
        platforms=_with(home.platforms, mention.platform),
        threads=_with(home.threads, thread)[-KEPT_MARKS:],
        copies=home.copies if is_repeat or not copy_mark else (*home.copies, copy_mark)[-KEPT_MARKS:],
        spoken_of=_with_all(home.spoken_of, assessment.spoken_of),
        perhaps_of=_with_all(home.perhaps_of, (r for r in assessment.perhaps_of if r not in home.cleared_of)),
    )


def _with_all(known: tuple[str, ...], new: Iterable[str]) -> tuple[str, ...]:
    return tuple(dict.fromkeys((*known, *new)))


def _with(known: tuple[str, ...], new: str) -> tuple[str, ...]:
    return known if new in known else (*known, new)
