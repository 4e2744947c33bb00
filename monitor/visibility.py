"""Who may know of an incident, who may read its words, and who may act on it (docs/adr/0010).

One place: pages, links, mails, the JSON interface and the command line all ask here. For somebody from whom an
incident is hidden it does not exist, its posts, counts and times included.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable
from dataclasses import dataclass
from enum import StrEnum
from typing import Protocol

from sqlalchemy import ColumnElement, String, and_, cast, false, or_, select

from monitor.model import Category, Incident
from monitor.store.tables import IncidentRow, MentionRow
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
    ANSWER = "answer"


_MILD = frozenset({Deed.NOTE, Deed.DRAFT, Deed.MISSED, Deed.PROPOSE, Deed.ANSWER})
_DEEDS = {
    "ceo": frozenset(Deed),
    "chair": frozenset(Deed) - {Deed.HAND},
    "operator": _MILD | {Deed.ACKNOWLEDGE, Deed.TICK, Deed.REGISTER, Deed.REPORT},
    "poster": _MILD | {Deed.TICK},
    "staff": _MILD | {Deed.TICK},
    TOOL: frozenset({Deed.ACKNOWLEDGE, Deed.NOTE}),
}
"""What a role does to an incident that it may see."""


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


def is_minimised(categories: Iterable[str | Category | None]) -> bool:
    """Whether something of these categories is read by CEO and Chair only, after signing in (policy 6.5)."""
    return not MINIMISED.isdisjoint(categories)


def may_read(person: Person, incident: Incident | IncidentRow | None) -> bool:
    """Whether ``person``, signed in, may read the words of an incident, and not only that there is one.

    The words of safeguarding and of tips, which may name a young person, are for CEO and Chair.
    """
    if incident is None:
        return True
    if not may_see(person, incident):
        return False
    told = isinstance(incident, IncidentRow) and incident.source == "tip"
    return person.role in LEADERS or not (told or is_minimised([incident.category]))


def words_readable_by(person: Person) -> ColumnElement[bool]:
    """As a condition on posts: those that ``person`` may both see and read."""
    if person.role in LEADERS:
        return posts_visible_to(person)
    closed = (cast(MentionRow.categories, String).like(f'%"{category}"%') for category in sorted(MINIMISED))
    return and_(posts_visible_to(person), ~or_(false(), *closed))


# ── acting ──────────────────────────────────────────────────────────────────────────────────────────


def may_act(person: Person, incident: Incident | IncidentRow | None, deed: Deed) -> bool:
    """Whether ``person`` may do this to the incident: never where they may not even see it."""
    if deed is Deed.FOR_CEO and (incident is None or not is_unclear(incident, "ceo")):
        return False
    return may_see(person, incident) and deed in _DEEDS.get(person.role, frozenset())


def in_reserve(incident: Incident | IncidentRow, present: Collection[str]) -> str:
    """Who is told, without any words, when the Chair does not act on a CRISIS hidden from the CEO; empty for nobody."""
    hidden = hidden_from(incident)
    fits = "ceo" in hidden and STAND_IN in present and STAND_IN not in hidden
    return STAND_IN if fits and in_turn(incident, present) != (STAND_IN,) else ""


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
