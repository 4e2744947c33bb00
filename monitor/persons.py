"""Of which persons an incident speaks, whatever role they come to hold (docs/adr/0011).

What may be seen is asked by role; an incident keeps the persons beside the roles. Whenever people change, its roles are
made anew from its persons, so that one question by role stays enough.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import TYPE_CHECKING, Any

from sqlalchemy import ColumnElement, String, cast, or_, select
from sqlalchemy.orm import Session

from monitor import people, visibility
from monitor.intake import incident_of
from monitor.keys import Keys
from monitor.model import IncidentState, Named
from monitor.outbox import Desk, note, supersede
from monitor.people import LEADING, Holders, Roster
from monitor.scoring.naming import Naming, Spoken
from monitor.settings import People, Person
from monitor.store.tables import IncidentRow, MentionRow

if TYPE_CHECKING:
    from monitor.app import App


@dataclass(frozen=True, slots=True)
class _Now:
    """Whom an incident was hidden from, and who decided about it, before people changed."""

    hidden: frozenset[str]
    decider: str


def begin(app: App) -> int:
    """At the start: bring the memory into line with the people of the settings. Returns how many changed."""
    return _change(app, app.roster)


def take(app: App, fresh: People) -> int:
    """From now on these are the people. What speaks of somebody stays hidden from them at every instant of the change;
    whoever decides now in their stead is told. Returns how many changed."""
    app.database.in_transaction(lambda s: _settle_first(s, app))
    return _change(app, Roster(fresh), fresh)


def _settle_first(session: Session, app: App) -> None:
    if people.is_unsettled(session):
        people.settle(session, app.keys, app.roster, app.clock())


def _change(app: App, roster: Roster, fresh: People | None = None) -> int:
    with app.database.read() as session:
        new = people.newcomers(session, app.keys, roster)
        named = _named_in_kept_words(session, app.naming, new)
    before: dict[str, _Now] = {}

    def enter(session: Session) -> int:
        first, holders = people.is_unsettled(session), people.holders_of(app.keys, roster)
        before.update(_as_it_stands(session, named))
        if not first:
            keep(session, people.present_holders(session))
        count = people.settle(session, app.keys, roster, app.clock())
        if first:
            keep(session, holders)
        _note_found(session, app.keys, new, named)
        align(session, holders, before, cautiously=True)
        return count

    changed = app.database.in_transaction(enter)
    if fresh is not None:
        app.list_people(fresh)

    def settle(session: Session) -> None:
        align(session, people.holders_of(app.keys, roster), before)
        _tell(session, app.desk, before, app.clock())

    app.database.in_transaction(settle)
    return changed


# ── the persons of an incident ──────────────────────────────────────────────────────────────────────


def keep(session: Session, holders: Holders) -> None:
    """Note in each incident that speaks of a role who holds it, where that is not known yet."""
    for row in session.scalars(select(IncidentRow).where(_speaks_of_somebody())):
        sure, perhaps = _roles(row, holders)
        known = {str(kept["role"]) for kept in row.persons if kept["role"] not in LEADING}
        new = [(role, False) for role in row.spoken_of if role not in sure | known]
        new += [(role, True) for role in row.perhaps_of if role not in sure | perhaps | known]
        if new:
            row.persons = [*row.persons, *(kept for role, unclear in new for kept in _of(role, unclear, holders))]
    session.flush()


def clear(row: IncidentRow, desk: Desk, role: str) -> None:
    """Somebody says that it does not speak of who holds this role, of whom it may have spoken."""
    holder, hers = desk.people.get(role), desk.roster.with_their_others((role,))
    who = people.identity_of(desk.keys, holder.name, holder.email) if holder is not None else ("", "")
    row.perhaps_of = [kept for kept in row.perhaps_of if kept not in hers]
    row.cleared_of = [*row.cleared_of, *(kept for kept in hers if kept not in row.cleared_of)]
    row.persons = [
        k for k in row.persons if not k["unclear"] or not (k["role"] in hers or people.is_same(_who(k), who))
    ]


def _of(role: str, unclear: bool, holders: Holders) -> list[dict[str, Any]]:
    """Of several posters any may be meant. A role that nobody held is kept too: whoever comes to it later was not
    meant."""
    them = holders.get(role, ())
    sure = not unclear and len(them) < 2
    return [_kept(role, *one, unclear=not sure) for one in them] or [_kept(role, "", "", unclear=unclear)]


def _who(kept: Mapping[str, Any]) -> people.Identity:
    return str(kept["mailbox"]), str(kept["named"])


def _kept(role: str, mailbox: str, named: str, *, unclear: bool) -> dict[str, Any]:
    return {"role": role, "mailbox": mailbox, "named": named, "unclear": unclear}


def align(session: Session, holders: Holders, incidents: Iterable[str], *, cautiously: bool = False) -> None:
    """Make the roles of incidents anew from their persons. ``cautiously``: what was hidden stays so as well, for as
    long as people of before may still act."""
    for row in session.scalars(select(IncidentRow).where(IncidentRow.id.in_(list(incidents)))):
        sure, perhaps = _roles(row, holders)
        if cautiously:
            sure |= set(row.spoken_of)
            perhaps |= set(row.perhaps_of)
        row.spoken_of = _in_order(sure)
        row.perhaps_of = _in_order(perhaps - sure)
    session.flush()


def _roles(row: IncidentRow, holders: Holders) -> tuple[set[str], set[str]]:
    """The roles of whom the incident speaks now, and of whom it may.

    A role that has passed to somebody else stays unclear, so that the Chair may hand it over; but not where neither
    CEO nor Chair would be left to decide.
    """
    sure = {role for role in row.spoken_of if role not in LEADING}
    perhaps = {role for role in row.perhaps_of if role not in LEADING}
    passed: set[str] = set()
    for kept in row.persons:
        mine = _who(kept)
        held = {
            role for role, them in holders.items() if role in LEADING and any(people.is_same(mine, one) for one in them)
        }
        (perhaps if kept["unclear"] else sure).update(held)
        if kept["role"] in LEADING and kept["role"] not in held:
            passed.add(str(kept["role"]))
    passed -= set(row.cleared_of)
    if {role for role in visibility.LEADERS if holders.get(role)} <= sure | perhaps | passed:
        passed = set()
    return sure, (perhaps | passed) - sure


def _in_order(roles: Iterable[str]) -> list[str]:
    return sorted(roles, key=people.ROLES.index)


def _speaks_of_somebody() -> ColumnElement[bool]:
    columns = (IncidentRow.spoken_of, IncidentRow.perhaps_of, IncidentRow.persons)
    return or_(*(cast(column, String) != "[]" for column in columns))


# ── who newly has a role, and was named before ──────────────────────────────────────────────────────


def _named_in_kept_words(session: Session, naming: Naming, new: Sequence[tuple[str, Person]]) -> dict[str, Spoken]:
    """The incidents whose words, as far as they are kept, name somebody who newly has a role. The title of a role names
    nobody here: it meant whoever held it then. The answers are places in ``new``."""
    if not new:
        return {}
    only = naming.of_others([Named(f"{at}", p.name, p.email, p.known_as) for at, (_, p) in enumerate(new)])
    found: dict[str, tuple[set[str], set[str]]] = {}
    for incident, answer in _answers(session, only):
        sure, perhaps = found.setdefault(incident, (set(), set()))
        sure.update(place for place in answer.of if place.isdigit())
        perhaps.update(place for place in answer.perhaps if place.isdigit())
    return {key: Spoken(tuple(sure), tuple(perhaps - sure)) for key, (sure, perhaps) in found.items() if sure | perhaps}


def _answers(session: Session, naming: Naming) -> Iterable[tuple[str, Spoken]]:
    tips = select(IncidentRow.id, IncidentRow.summary, IncidentRow.tip_link).where(IncidentRow.source == "tip")
    for incident, words, link in session.execute(tips):
        yield incident, naming.spoken(words, links=(link,) if link else (), told=True)
    columns = (MentionRow.incident_id, MentionRow.text, MentionRow.author_name, MentionRow.author_handle)
    for about, text, name, handle in session.execute(select(*columns).where(MentionRow.incident_id.is_not(None))):
        if about and (text or name or handle):
            yield about, naming.spoken(text or "", author=f"{name or ''} , @{handle or ''}")


def _note_found(session: Session, keys: Keys, new: Sequence[tuple[str, Person]], named: Mapping[str, Spoken]) -> None:
    for incident, spoken in named.items():
        row = session.get(IncidentRow, incident)
        if row is None:
            continue
        for place in (*spoken.of, *spoken.perhaps):
            role, person = new[int(place)]
            _note_one(row, role, people.identity_of(keys, person.name, person.email), unclear=place in spoken.perhaps)
    session.flush()


def _note_one(row: IncidentRow, role: str, who: people.Identity, *, unclear: bool) -> None:
    kept = _kept(role, *who, unclear=unclear)
    if kept in row.persons or (unclear and role in row.cleared_of):
        return
    row.persons = [*row.persons, kept]
    if role not in LEADING and role not in visibility.hidden_from(row):
        row.spoken_of = [*row.spoken_of, role]


# ── who decides now is told ─────────────────────────────────────────────────────────────────────────


def _as_it_stands(session: Session, named: Mapping[str, Spoken]) -> dict[str, _Now]:
    present = people.present_roles(session)
    rows = session.scalars(select(IncidentRow).where(or_(_speaks_of_somebody(), IncidentRow.id.in_(list(named)))))
    return {row.id: _now(row, present) for row in rows}


def _now(row: IncidentRow, present: Iterable[str]) -> _Now:
    heads = visibility.in_turn(row, frozenset(present))
    return _Now(visibility.hidden_from(row), heads[0] if heads else "")


def _tell(session: Session, desk: Desk, before: Mapping[str, _Now], now: datetime) -> None:
    """Withdraw what is owed to whom it speaks of; where somebody else decides now, they are told as of a new one."""
    for incident, was in before.items():
        row = session.get(IncidentRow, incident)
        if row is None:
            continue
        after = _now(row, desk.people)
        for role in after.hidden:
            supersede(session, row.id, now, role=role)
        if after.decider in ("", was.decider) or row.state == IncidentState.CLOSED.value or row.history:
            continue
        note(session, row.id, now, "Earshot", "People in the settings changed: somebody else decides about this now.")
        row.next_step, row.rung_at = 0, None
        desk.advance(session, row, incident_of(row), now)
        if row.state != IncidentState.OPEN.value:
            row.next_step_at = None
