"""Who stands in the settings: the roster that everything asks, and what ties links and sessions to a person.

A role passes from one person to the next; a link must not. So a person has a *mark* (a keyed hash of role and address)
and an *epoch*, which is renewed whenever their table in the settings changes, they leave, or they are signed out
everywhere. A link or a session of an earlier epoch opens nothing any more.
"""

from __future__ import annotations

import json
import secrets
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, fields
from datetime import datetime

from sqlalchemy import func, select, update
from sqlalchemy.orm import Session

from alerts.addresses import mailbox_of
from alerts.model import Recipient
from monitor import audit
from monitor.keys import Keys
from monitor.links import LIFE, Holder, Purpose, Ticket
from monitor.scoring.naming.words import load_words
from monitor.scoring.text import fold
from monitor.settings import People, Person
from monitor.store.tables import AlertRow, PersonRow, SessionRow, StandingRow

LEADING = ("ceo", "chair", "operator")
"""Roles that one person holds."""

ROLES = (*LEADING, "poster", "staff")

Identity = tuple[str, str]
"""What stands for a person whatever their role: keyed hashes of mailbox and name. Empty ones are nobody's."""

Holders = Mapping[str, Sequence[Identity]]
"""Who holds each role."""

_LONGEST = max(life for purpose, life in LIFE.items() if purpose is not Purpose.TIP)
"""The link that is handed out is nobody's, so its life does not count."""


@dataclass(frozen=True, slots=True)
class _Listed:
    by_role: Mapping[str, Recipient]
    posters: tuple[Recipient, ...]
    all: tuple[Recipient, ...]
    tables: tuple[tuple[str, Person], ...]


class Roster:
    """The people of the settings as they are now. Whoever needs to know keeps the roster and asks it each time, so that
    a change of the settings reaches everybody at once. Safe between threads: it is swapped as a whole."""

    def __init__(self, people: People) -> None:
        self._now = _listed(people)

    def take(self, people: People) -> None:
        """From now on these are the people."""
        self._now = _listed(people)

    @property
    def by_role(self) -> Mapping[str, Recipient]:
        """CEO, Chair and operator."""
        return self._now.by_role

    @property
    def posters(self) -> tuple[Recipient, ...]:
        """Whom a takeover concerns: posters, and staff who are not posters too."""
        return self._now.posters

    @property
    def all(self) -> tuple[Recipient, ...]:
        """Everybody in every role; one person may stand here twice."""
        return self._now.all

    @property
    def tables(self) -> tuple[tuple[str, Person], ...]:
        """Each person's table in the settings, with the role that it gives them."""
        return self._now.tables

    @property
    def everyone(self) -> tuple[Recipient, ...]:
        """Who may sign in, the leaders first; each address once."""
        first: dict[str, Recipient] = {}
        for person in self.all:
            first.setdefault(person.email.casefold(), person)
        return tuple(first.values())

    def with_their_others(self, roles: Sequence[str]) -> tuple[str, ...]:
        """``roles``, and what else their holders are of CEO, Chair and operator. One mailbox or one name is one
        person."""
        held = [(role, (mailbox_of(p.email), folded(p.name))) for role, p in self.by_role.items()]
        meant = [who for role, who in held if role in roles]
        return tuple(dict.fromkeys((*roles, *(r for r, who in held if any(is_same(who, one) for one in meant)))))

    def is_listed(self, role: str, email: str) -> bool:
        """Whether somebody with this address stands in this role."""
        return any((p.role, p.email.casefold()) == (role, email.casefold()) for p in self.all)

    def with_mark(self, keys: Keys, mark: str) -> Recipient | None:
        """The person of a mark; None once they have left the settings."""
        return next((person for person in self.all if mark_of(keys, person.role, person.email) == mark), None)


def _listed(people: People) -> _Listed:
    leading = [(role, getattr(people, role)) for role in LEADING]
    tables = [(role, person) for role, person in leading if person is not None]
    tables += [("poster", person) for person in people.poster] + [("staff", person) for person in people.staff]
    everybody = [person.recipient(role) for role, person in tables]
    by_role = {person.role: person for person in everybody if person.role in LEADING}
    posters = [person for person in everybody if person.role == "poster"]
    known = {poster.email.casefold() for poster in posters}
    posters += [p for p in everybody if p.role == "staff" and p.email.casefold() not in known]
    return _Listed(by_role, tuple(posters), tuple(everybody), tuple(tables))


def is_same(one: Identity, other: Identity) -> bool:
    """Whether two are one person: one mailbox, or one name."""
    return any(mine and mine == theirs for mine, theirs in zip(one, other, strict=True))


def folded(name: str) -> str:
    """A name as it is compared: without titles, case, accents and the like."""
    parts = [fold(part.strip(".,")) for part in name.replace("\u2019", "'").split()]
    while len(parts) > 1 and parts[0] in load_words().titles:
        parts = parts[1:]
    return " ".join(parts)


def identity_of(keys: Keys, name: str, email: str) -> Identity:
    """What stands for a person whatever their role; it tells nothing of them."""
    return keys.digest("mailbox", mailbox_of(email)), _named(keys, name)


def holders_of(keys: Keys, roster: Roster) -> dict[str, list[Identity]]:
    """Who holds each role by the settings."""
    found: dict[str, list[Identity]] = {}
    for role, person in roster.tables:
        found.setdefault(role, []).append(identity_of(keys, person.name, person.email))
    return found


def present_holders(session: Session) -> dict[str, list[Identity]]:
    """Who holds each role by the memory: as the settings were when last looked at."""
    found: dict[str, list[Identity]] = {}
    listed = StandingRow.left_at.is_(None) & (StandingRow.named != "")
    for row in session.scalars(select(StandingRow).where(listed)):
        found.setdefault(row.role, []).append((row.mailbox, row.named))
    return found


def present_roles(session: Session) -> frozenset[str]:
    """CEO, Chair and operator, as far as the memory knows of one."""
    return frozenset(role for role in present_holders(session) if role in LEADING)


def is_unsettled(session: Session) -> bool:
    """Whether nobody of the settings was ever looked at."""
    return not session.scalar(select(func.count()).where(StandingRow.stated != ""))


def newcomers(session: Session, keys: Keys, roster: Roster) -> list[tuple[str, Person]]:
    """Whoever newly has a role in ``roster``, or is called or written otherwise than when last looked at. Nobody the
    first time of all."""
    if is_unsettled(session):
        return []
    rows = session.scalars(select(StandingRow).where(StandingRow.left_at.is_(None), StandingRow.named != ""))
    known, listed = {row.mark: row.stated for row in rows}, _by_mark(keys, roster)
    marks = ((role, person, mark_of(keys, role, person.email)) for role, person in roster.tables)
    return [(role, person) for role, person, mark in marks if known.get(mark) != _stated(keys, listed[mark])]


def mark_of(keys: Keys, role: str, email: str) -> str:
    """What stands for a person in links and sessions; it tells nothing of them."""
    return keys.digest("person", role, email.casefold())[:20]


def epoch_of(session: Session, mark: str) -> str:
    """A person's present epoch. Empty for those who stood in the settings before epochs were kept."""
    row = session.get(StandingRow, mark)
    return row.epoch if row is not None else ""


def holder_of(session: Session, keys: Keys, role: str, email: str) -> Holder:
    """Whose a link is that goes to this address for this role."""
    mark = mark_of(keys, role, email)
    return Holder(role, mark, epoch_of(session, mark))


def owner_of(session: Session, keys: Keys, roster: Roster, ticket: Ticket) -> tuple[Recipient | None, bool]:
    """The person whom a link was made for, or None once they have left; and whether it is of their present epoch.

    A link from before marks were kept names a role alone: it is its holder's for as long as nothing about them has
    changed since.
    """
    person = roster.with_mark(keys, ticket.mark) if ticket.mark else roster.by_role.get(ticket.role)
    if person is None:
        return None, False
    return person, epoch_of(session, mark_of(keys, person.role, person.email)) == ticket.epoch


def marks_known(session: Session, keys: Keys, roster: Roster, email: str) -> tuple[str, ...]:
    """The marks of an address in every role that it has in the settings, or had."""
    marks = (mark_of(keys, role, email) for role in ROLES)
    return tuple(m for m in marks if roster.with_mark(keys, m) or session.get(StandingRow, m) is not None)


def renew(session: Session, mark: str, now: datetime) -> int:
    """Give a person a new epoch: no link and no session from before holds. Returns how many sessions that ended."""
    epoch = secrets.token_hex(4)
    row = session.get(StandingRow, mark)
    if row is None:
        session.add(StandingRow(mark=mark, epoch=epoch, since=now))
    else:
        row.epoch, row.since = epoch, now
    session.flush()
    open_sessions = update(SessionRow).where(SessionRow.person == mark, SessionRow.ended_at.is_(None))
    return int(session.execute(open_sessions.values(ended_at=now)).rowcount)  # type: ignore[attr-defined]


# ── bringing the memory into line with the settings ─────────────────────────────────────────────────


def settle(session: Session, keys: Keys, roster: Roster, now: datetime) -> int:
    """Remember the people of the settings; renew the epoch of everybody whose table changed or who left or came back.

    Returns how many changed. The first time of all nobody's does: links made before must go on for those who hold
    the role.
    """
    known = {row.mark: row for row in session.scalars(select(StandingRow))}
    first_time = not any(row.stated for row in known.values())
    before = {
        row.role: row.named for row in known.values() if row.left_at is None and row.role in LEADING and row.named
    }
    listed = _by_mark(keys, roster)
    changed = sum(
        _enter(session, keys, known.get(mark), mark, person, first_time, now) for mark, person in listed.items()
    )
    for mark, row in known.items():
        if mark not in listed and row.left_at is None:
            row.left_at = now
            renew(session, mark, now)
            audit.record(session, actor="Earshot", action="person left", now=now, about=mark, words=row.role)
            changed += 1
    for role, named in before.items():
        _start_afresh(session, keys, roster, role, named)
    return changed


def introduce(session: Session, keys: Keys, roster: Roster, person: Recipient, now: datetime) -> Holder:
    """Whose a link is that is made for a person of the settings just read, whom the daemon may not know of yet."""
    mark = mark_of(keys, person.role, person.email)
    if not is_unsettled(session):
        row = session.get(StandingRow, mark)
        was = (row.mailbox, row.named) if row is not None else ("", "")
        _enter(session, keys, row, mark, _by_mark(keys, roster)[mark], False, now)
        session.flush()
        session.get_one(StandingRow, mark).mailbox, session.get_one(StandingRow, mark).named = (
            was  # the daemon's to say
        )
    return Holder(person.role, mark, epoch_of(session, mark))


@dataclass(slots=True)
class _Stated:
    """What the settings say of a person in a role; a poster may stand there twice."""

    role: str
    name: str
    email: str
    tables: list[str]


def _by_mark(keys: Keys, roster: Roster) -> dict[str, _Stated]:
    found: dict[str, _Stated] = {}
    for role, person in roster.tables:
        stated = found.setdefault(mark_of(keys, role, person.email), _Stated(role, person.name, person.email, []))
        stated.tables.append(_written(person))
    return found


def _written(person: Person) -> str:
    """A person's table as one text; what stands at its default is left out, so that a setting which a later version
    brings is no change of anybody's."""
    said = {f.name: getattr(person, f.name) for f in fields(person)}
    return json.dumps({f.name: said[f.name] for f in fields(person) if said[f.name] != f.default}, sort_keys=True)


def _enter(
    session: Session,
    keys: Keys,
    row: StandingRow | None,
    mark: str,
    person: _Stated,
    first_time: bool,
    now: datetime,
) -> bool:
    """Remember what the settings say of one person. True where that is news."""
    stated = _stated(keys, person)
    mailbox, named = identity_of(keys, person.name, person.email)
    if row is not None and row.stated == stated and row.left_at is None:
        row.mailbox, row.named = mailbox, named
        return False
    was_known = row is not None and bool(row.stated)
    if row is None:
        row = StandingRow(mark=mark, epoch="", since=now)
        session.add(row)
    row.role, row.stated, row.mailbox, row.named, row.left_at = person.role, stated, mailbox, named, None
    if first_time and not _changed_hands(session, person, now):
        return False
    renew(session, mark, now)
    action = "person changed" if was_known else "person added"
    audit.record(session, actor="Earshot", action=action, now=now, about=mark, words=person.role)
    return True


def _stated(keys: Keys, person: _Stated) -> str:
    return keys.digest("person-table", *sorted(person.tables))


def _named(keys: Keys, name: str) -> str:
    return keys.digest("person-name", folded(name)) if folded(name) else ""


def _changed_hands(session: Session, person: _Stated, now: datetime) -> bool:
    """Whether a link that still lives may have been mailed to somebody else in this role."""
    if person.role not in LEADING:
        return False
    lately = select(AlertRow.address).where(AlertRow.role == person.role, AlertRow.made_at > now - _LONGEST)
    return any(address.casefold() != person.email.casefold() for address in session.scalars(lately.distinct()))


def _start_afresh(session: Session, keys: Keys, roster: Roster, role: str, named: str) -> None:
    """What was noted of the one who held a role (away, no mail taken) is not said of the next one."""
    person, row = roster.by_role.get(role), session.get(PersonRow, role)
    if row is None or (person is not None and _named(keys, person.name) == named):
        return
    row.away, row.refused_at = None, None
