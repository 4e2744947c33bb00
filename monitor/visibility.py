"""Who may know of an incident, who may read its words, and who may act on it (docs/adr/0011).

One place: pages, links, mails, the JSON interface and the command line all ask here. For somebody from whom an
incident is hidden it does not exist, its posts, counts and times included.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable
from dataclasses import dataclass
from enum import StrEnum
from typing import Protocol

from sqlalchemy import ColumnElement, String, and_, cast, or_, select

from alerts.model import Severity
from alerts.takeover import Verb
from connectors.model import Kind
from monitor.audit_check import LEDGER, OF_INCIDENTS
from monitor.model import Category, Incident, IncidentState
from monitor.store.tables import AlertRow, AuditRow, FeedbackRow, IncidentRow, LogRow, MentionRow
from monitor.terms import MINIMISED

LEADERS = frozenset({"ceo", "chair"})
"""Roles that acknowledge, close and begin takeover (policy 4.16, 6.4)."""

KEEPERS = LEADERS | {"operator"}
"""Roles that are told of every incident, be it without a word of it, unless it speaks of them."""

IN_TURN = ("ceo", "chair")
"""Who is told of an incident and decides about it, the first one first."""

STAND_IN = "operator"
"""Who is told, without any words, to ring somebody when an incident speaks of CEO and Chair. A safeguarding lead will
stand here once there is one."""

TOOL = "tool"
"""The role of a program that holds a token."""


class Person(Protocol):
    """Somebody of a role: a visitor, a recipient, an actor, whoever holds a link."""

    @property
    def role(self) -> str:
        """ceo, chair, operator, poster, staff, or ``TOOL``."""
        ...


@dataclass(frozen=True, slots=True)
class Someone:
    """A person of whom nothing but the role matters."""

    role: str


AT_THE_SERVER = Someone(STAND_IN)
"""Whoever sits at the command line: the operator."""


EVERYBODY = Someone("")
"""What is made for everybody, or for whoever passes by: it knows nothing of incidents that are hidden from anybody."""


class Deed(StrEnum):
    """What can be done to an incident."""

    ACKNOWLEDGE = "acknowledge"
    CALM = "calm"
    CLOSE = "close"
    HAND = "hand"
    FOR_CEO = "for-ceo"
    NOTE = "note"
    TICK = "tick"
    REGISTER = "register"
    DRAFT = "draft"
    APPROVE = "approve"
    MISSED = "missed"
    PROPOSE = "propose"
    TAKE_OVER = "take over"
    REPORT = "report"


_MILD = frozenset({Deed.NOTE, Deed.DRAFT, Deed.MISSED, Deed.PROPOSE, Deed.TICK})
_DEEDS = {
    "ceo": frozenset(Deed),
    "chair": frozenset(Deed) - {Deed.HAND},
    "operator": _MILD | {Deed.REGISTER, Deed.REPORT},
    "poster": _MILD,
    "staff": _MILD,
    TOOL: frozenset({Deed.ACKNOWLEDGE, Deed.NOTE}),
}
"""What a role does to an incident that it may see."""

_WITH_WORDS = frozenset({Deed.REGISTER, Deed.DRAFT, Deed.APPROVE, Deed.REPORT})
"""Deeds that show or ask for words of the incident: not for whoever may not read those."""


# ── seeing ──────────────────────────────────────────────────────────────────────────────────────────


def hidden_from(incident: Incident | IncidentRow) -> frozenset[str]:
    """The roles that must not know of an incident because it speaks of them, or may do so."""
    return frozenset((*incident.spoken_of, *incident.perhaps_of))


def is_unclear(incident: Incident | IncidentRow, role: str) -> bool:
    """Whether it is hidden from a role only because it may speak of her."""
    return role in incident.perhaps_of and role not in incident.spoken_of


def may_see(person: Person, incident: Incident | IncidentRow | None) -> bool:
    """Whether ``person`` may know that the incident exists. What is about no incident hides nothing.

    One that speaks of anybody is for CEO, Chair and operator only, but for those of whom it speaks.
    """
    if incident is None:
        return True
    hidden = hidden_from(incident)
    return not hidden or (person.role in KEEPERS and person.role not in hidden)


def visible_to(person: Person) -> ColumnElement[bool]:
    """``may_see`` as a condition on incidents for a query."""
    marks = (IncidentRow.spoken_of, IncidentRow.perhaps_of)
    if person.role not in KEEPERS:
        return and_(*(cast(column, String) == "[]" for column in marks))
    return and_(*(cast(column, String).not_like(f'%"{person.role}"%') for column in marks))


def posts_visible_to(person: Person) -> ColumnElement[bool]:
    """``may_see`` as a condition on posts: those of a hidden incident are hidden with it."""
    hidden = select(IncidentRow.id).where(~visible_to(person))
    return or_(MentionRow.incident_id.is_(None), MentionRow.incident_id.not_in(hidden))


def is_closed(categories: Iterable[str | Category | None]) -> bool:
    """Whether words of these categories are read by CEO and Chair only, after signing in (policy 6.5)."""
    return not MINIMISED.isdisjoint(categories)


def may_read(person: Person, incident: Incident | IncidentRow | None, *, signed_in: bool = True) -> bool:
    """Whether ``person`` may read the words of an incident, and not only know that there is one.

    The words of safeguarding and of tips, which may name a young person, are for CEO and Chair, once signed in; those
    of what speaks of CEO or Chair are for the other one of them.
    """
    if incident is None:
        return True
    decides = person.role in LEADERS
    if not may_see(person, incident) or (not decides and hidden_from(incident) & LEADERS):
        return False
    told = isinstance(incident, IncidentRow) and incident.source == "tip"
    closed = told or is_closed([incident.category])
    return not closed or (signed_in and decides)


def may_read_post(person: Person, post: MentionRow, incident: IncidentRow | None, *, signed_in: bool = True) -> bool:
    """Whether ``person`` may read a post and follow the link to it: neither it nor its incident is closed to them."""
    closed = is_closed(post.categories)
    return may_read(person, incident, signed_in=signed_in) and (not closed or (signed_in and person.role in LEADERS))


def posts_readable_by(person: Person) -> ColumnElement[bool]:
    """The same as a condition on posts for a query."""
    if person.role in LEADERS:
        return posts_visible_to(person)
    marks = (IncidentRow.spoken_of, IncidentRow.perhaps_of)
    of_leaders = (cast(column, String).like(f'%"{role}"%') for column in marks for role in sorted(LEADERS))
    closed = select(IncidentRow.id).where(
        or_(IncidentRow.category.in_(sorted(MINIMISED)), IncidentRow.source == "tip", *of_leaders)
    )
    return and_(
        posts_visible_to(person),
        or_(MentionRow.incident_id.is_(None), MentionRow.incident_id.not_in(closed)),
        *(cast(MentionRow.categories, String).not_like(f'%"{category}"%') for category in sorted(MINIMISED)),
    )


def may_read_entry(person: Person, name: str, incident: IncidentRow, entry: LogRow, *, signed_in: bool = True) -> bool:
    """Whether ``person``, called ``name`` in the log, may read a line of it: reasons of a takeover and answers of the
    registers are for ``KEEPERS``, what people wrote about a closed matter is for CEO and Chair. Earshot's own lines and
    one's own are for everybody who may see the incident.
    """
    if entry.for_keepers and person.role not in KEEPERS:
        return False
    return (
        may_read(person, incident, signed_in=signed_in) or entry.who in {"Earshot", name} or entry.what == ACKNOWLEDGED
    )


ACKNOWLEDGED = "Acknowledged."
"""The line of the log that says only that somebody takes care."""


def waits_for_answer() -> ColumnElement[bool]:
    """As a condition on posts: those that anybody may be asked to answer (policy 4.7). Never a grave one or a closed
    one, and none whose incident is open: there the card says "do not reply".
    """
    running = select(IncidentRow.id).where(IncidentRow.state != IncidentState.CLOSED.value)
    return and_(
        MentionRow.answered_at.is_(None),
        MentionRow.status == "live",
        MentionRow.history.is_(False),
        MentionRow.kind != Kind.OWN_POST.value,
        MentionRow.severity < int(Severity.CRISIS),
        or_(MentionRow.incident_id.is_(None), MentionRow.incident_id.not_in(running)),
        *(cast(MentionRow.categories, String).not_like(f'%"{category}"%') for category in sorted(MINIMISED)),
    )


def alerts_visible_to(person: Person) -> ColumnElement[bool]:
    """As a condition on what is owed: without messages about an incident that ``person`` may not see, and without those
    to others that name theirs only in their facts.
    """
    visible = select(IncidentRow.id).where(visible_to(person))
    if person.role == STAND_IN:
        return or_(AlertRow.incident_id.is_(None), AlertRow.incident_id.in_(visible))
    plain = or_(AlertRow.template.not_in(_NAMED_WITHIN), AlertRow.role == person.role)
    return or_(and_(AlertRow.incident_id.is_(None), plain), AlertRow.incident_id.in_(visible))


_NAMED_WITHIN = ("fresh_link", "roundup", "takeover_proposed")


def feedback_visible_to(person: Person) -> ColumnElement[bool]:
    """As a condition on verdicts: without those on an incident that ``person`` may not see, or on a post of one."""
    incidents = select(IncidentRow.id).where(visible_to(person))
    posts = select(MentionRow.id).where(~posts_visible_to(person))
    return and_(
        or_(FeedbackRow.incident_id.is_(None), FeedbackRow.incident_id.in_(incidents)),
        or_(FeedbackRow.mention_id.is_(None), FeedbackRow.mention_id.not_in(posts)),
    )


def audit_visible_to(person: Person) -> ColumnElement[bool]:
    """As a condition on rows of the audit: without those about an incident that ``person`` may not see or that was
    forgotten, and without proposals of takeover because of one.
    """
    takeover = AuditRow.action.like(f"{LEDGER}%")
    proposal = AuditRow.action.in_([f"{LEDGER}{verb}" for verb in (Verb.PROPOSE, Verb.WITHDRAW)])
    return or_(
        and_(AuditRow.action.not_in(OF_INCIDENTS), ~proposal),
        and_(takeover, AuditRow.about == ""),
        AuditRow.about.in_(select(IncidentRow.id).where(visible_to(person))),
    )


# ── acting ──────────────────────────────────────────────────────────────────────────────────────────


def may_act(person: Person, incident: Incident | IncidentRow | None, deed: Deed) -> bool:
    """Whether ``person`` may do this to the incident: never where they may not even see it.

    Whoever stands in acknowledges what they were asked to ring about, so that they are not asked again.
    """
    if not may_see(person, incident) or (deed in _WITH_WORDS and not may_read(person, incident)):
        return False
    hidden = hidden_from(incident) if incident is not None else frozenset()
    if deed is Deed.ACKNOWLEDGE and person.role == STAND_IN:
        return hidden >= LEADERS or (isinstance(incident, IncidentRow) and incident.asked_at is not None)
    if deed is Deed.HAND and "chair" in hidden:
        return False
    if deed is Deed.FOR_CEO and (incident is None or not is_unclear(incident, "ceo")):
        return False
    return deed in _DEEDS.get(person.role, frozenset())


def may_know_why(person: Person, incident: Incident | IncidentRow | None, *, signed_in: bool = True) -> bool:
    """Whether ``person`` may read why takeover was begun over an incident (None: over none), and when it ended, why."""
    return person.role in KEEPERS | {TOOL} and may_read(person, incident, signed_in=signed_in)


def may_hold(person: Person, incident: Incident | IncidentRow | None) -> bool:
    """Whether ``person`` may begin, change and end a takeover over an incident: a leader of whom it does not speak."""
    return person.role in LEADERS and may_see(person, incident)


def guardian(incident: IncidentRow | None, present: Collection[str]) -> str:
    """The role that watches over what is erased of an incident, or over erasures at all (None): the Chair, or the CEO
    where there is no Chair or it speaks of the Chair. Empty where nobody is left."""
    hidden = hidden_from(incident) if incident is not None else frozenset()
    return next((role for role in ("chair", "ceo") if role in present and role not in hidden), "")


def may_erase(person: Person, incident: IncidentRow | None, present: Collection[str]) -> bool:
    """Whether ``person`` may erase what belongs to an incident. Where it speaks of one of us, or is a closed matter
    that is not over, only its guardian may.
    """
    if incident is None:
        return person.role in KEEPERS
    running = incident.state != IncidentState.CLOSED.value and is_closed([incident.category])
    if hidden_from(incident) or running:
        return person.role == guardian(incident, present)
    return person.role in KEEPERS


def in_reserve(incident: Incident | IncidentRow, present: Collection[str]) -> str:
    """Who is told, without any words, when the Chair does not act on a CRISIS hidden from the CEO; empty for nobody."""
    hidden = hidden_from(incident)
    fits = "ceo" in hidden and STAND_IN in present and STAND_IN not in hidden
    return STAND_IN if fits and in_turn(incident, present) != (STAND_IN,) else ""


def decides_alone(person: Person, incident: Incident | IncidentRow, present: Collection[str]) -> bool:
    """Whether nobody but whoever stands in is left to take care of an incident: then their word stops all reminders."""
    return person.role == STAND_IN and in_turn(incident, present) == (STAND_IN,)


def in_turn(incident: Incident | IncidentRow | None, present: Collection[str]) -> tuple[str, ...]:
    """The roles that are told of an incident and decide about it, the first one first, of those that the settings name.

    CEO, then Chair, but nobody of whom it speaks. Where it speaks of both, or of the only one there is, ``STAND_IN``
    is told to ring somebody. Empty where nobody is left.
    """
    hidden = hidden_from(incident) if incident is not None else frozenset()
    left = tuple(role for role in IN_TURN if role in present and role not in hidden)
    if left:
        return left
    return (STAND_IN,) if STAND_IN in present and STAND_IN not in hidden else ()
