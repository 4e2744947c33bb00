"""Who was reached, and what follows when somebody was not: the letter stays owed, the next in the chain is told, and
where nobody at all can be reached the house says so in every other way that it has.

All of it works in the caller's transaction. The sums are ``monitor.refusals`` and ``monitor.escalation``.
"""

from __future__ import annotations

import logging
import random
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any
from zoneinfo import ZoneInfo

from sqlalchemy import ColumnElement, and_, exists, func, or_, select, true, update
from sqlalchemy.orm import Session

from alerts.model import DeliveryFailed, MailKind, Recipient, Severity
from monitor import posters, ringing, takeovers, visibility
from monitor.clock import say_moment
from monitor.escalation import not_reached_at, phones_ring_at
from monitor.intake import incident_of
from monitor.links import LIFE, Purpose
from monitor.model import IncidentState
from monitor.outbox import CHAIN, ROLE_WORDS, Desk, is_owed, note, written_as
from monitor.refusals import Outcome, gap_after, load_words, outcome_of, rest_after
from monitor.store.tables import AlertRow, IncidentRow, PersonRow, ToldRow

log = logging.getLogger(__name__)

LEADERS = ("ceo", "chair", "operator")
NEXT: Mapping[str, str] = {"ceo": "chair", "chair": "ceo", "operator": "ceo"}
"""Who is told in whose stead (policy 6.4)."""

URGENT = frozenset({"breach", "deaf", "takeover_begun", "takeover_proposed", "token_ends", "unscored"})
PATIENT = frozenset({"digest", "situation", "takeover_reminder", "takeover_report"})
"""What goes to the next person too: at once, or only where the address is dead."""

ABOUT_MAIL = frozenset({"refused", "mail_out"})

GIVE_UP_AFTER = timedelta(days=5)
"""How long delivery is tried (RFC 5321, 4.5.4.1)."""

SOONER = {"sign_in": LIFE[Purpose.SIGN_IN], "fresh_link": LIFE[Purpose.TAKEOVER]}
"""What is worth nothing once its link has ended; whoever still wants one asks again."""

LAST_TRY = timedelta(seconds=30)
"""So long before somebody else is told a letter is tried once more, and so long after it may its next try take where
mail has left for the same person meanwhile."""

WAITS_TOO_LONG = timedelta(minutes=10)
"""How long something may be owed and due before that is a fault of ours."""

RING_AGAIN = timedelta(hours=6)
"""How often phones are rung while mail reaches nobody."""

_OUT = "mail reaches nobody"


def out_since(session: Session) -> datetime | None:
    """Since when the mail server takes mail for nobody; None while it does."""
    row = session.get(ToldRow, _OUT)
    return row.at if row is not None else None


@dataclass(frozen=True, slots=True)
class Reach:
    """What the outbox does about persons. ``second_server`` says whether the settings name one."""

    desk: Desk
    second_server: bool = False

    # ── a letter was taken ──────────────────────────────────────────────────────────────────────

    def taken(self, session: Session, row: AlertRow, now: datetime) -> None:
        """The mail server took a letter: it works, and the address is alive. What was refused falls due again."""
        person = session.get(PersonRow, row.role)
        if person is not None and person.refused_address == row.address:
            person.refused_at, person.refused_address = None, ""
        out = session.get(ToldRow, _OUT)
        if out is not None:
            session.delete(out)
            log.warning("mail leaves again", extra={"out_since": out.at.isoformat(timespec="seconds")})
        failing = select(AlertRow).where(
            is_owed(), AlertRow.channel == "mail", AlertRow.outcome != "", AlertRow.claimed.is_(False),
            AlertRow.retry_at > now, AlertRow.id != row.id,
        )  # fmt: skip
        for other in session.scalars(failing):
            same = out is not None or other.address == row.address or other.outcome == Outcome.UNANSWERED
            rest = timedelta() if same else rest_after(Outcome(other.outcome))
            other.retry_at = min(other.retry_at, max(now, (other.failed_at or now) + rest))
        self._leave_out_others(session, row, now)

    def _leave_out_others(self, session: Session, row: AlertRow, now: datetime) -> None:
        """Of several reminders of one incident that could not leave one is enough: it says how things stand now."""
        if row.incident_id and row.template in {"alert", "tip"}:
            session.execute(
                update(AlertRow)
                .where(
                    is_owed(), AlertRow.incident_id == row.incident_id, AlertRow.template == row.template,
                    AlertRow.channel == row.channel, AlertRow.role == row.role, AlertRow.id != row.id,
                    AlertRow.outcome != "", AlertRow.claimed.is_(False), AlertRow.bundle == "",
                )
                .values(superseded_at=now)
            )  # fmt: skip

    # ── a letter was not taken ──────────────────────────────────────────────────────────────────

    def failed(self, session: Session, row: AlertRow, failure: DeliveryFailed, now: datetime) -> None:
        """Note how a try ended, and when to try again; whoever counts as not reached has the next one told."""
        outcome = outcome_of(failure, load_words(), everybody=out_since(session) is not None)
        row.outcome, row.failed_at = outcome.value, now
        row.tried_at = row.tried_at or now
        gap = gap_after(outcome, row.attempts) * random.uniform(0.9, 1.1)  # noqa: S311 - spreads the tries, no secret
        row.retry_at = now + gap
        if now - row.made_at > SOONER.get(row.template, GIVE_UP_AFTER) or failure.permanent:
            self._give_up(session, row, now)
        if row.channel == "mail":
            self._mail_failed(session, row, outcome, now)

    def _mail_failed(self, session: Session, row: AlertRow, outcome: Outcome, now: datetime) -> None:
        once_more = self._borne_until(row, now) - LAST_TRY
        if row.unreached_at is None and now < once_more:
            row.retry_at = min(row.retry_at, once_more)
        if outcome is Outcome.DEAD:
            self._mark_dead(session, row, now)
        if outcome is Outcome.UNANSWERED:
            self._wait_behind(session, row)
        session.flush()
        if self._has_borne(session, row, now) or row.refused_at is not None:
            self.pass_on(session, row, now)
        self._see_whether_anybody(session, now)

    def _give_up(self, session: Session, row: AlertRow, now: datetime) -> None:
        row.refused_at = now
        if row.template == "roundup":
            session.execute(update(AlertRow).where(AlertRow.bundle == row.id, is_owed()).values(refused_at=now))

    def _mark_dead(self, session: Session, row: AlertRow, now: datetime) -> None:
        person = session.get(PersonRow, row.role)
        settled = self.desk.people.get(row.role)
        if settled is None or settled.email != row.address:
            return  # a poster's, or one that the settings no longer have
        if person is None:
            person = PersonRow(role=row.role, changed_at=now)
            session.add(person)
        if person.refused_address != row.address or person.refused_at is None:
            person.refused_at, person.refused_address, person.changed_at = now, row.address, now

    def _wait_behind(self, session: Session, row: AlertRow) -> None:
        """While no server answers one letter knocks for all, the gravest."""
        session.execute(
            update(AlertRow)
            .where(
                is_owed(), AlertRow.channel == "mail", AlertRow.outcome == Outcome.UNANSWERED, AlertRow.id != row.id,
                AlertRow.claimed.is_(False), AlertRow.severity <= row.severity, AlertRow.retry_at <= row.retry_at,
            )
            .values(retry_at=row.retry_at + timedelta(seconds=1))
        )  # fmt: skip

    # ── the next in the chain ───────────────────────────────────────────────────────────────────

    def look(self, session: Session, now: datetime) -> None:
        """What time alone brings: addresses that changed, people who count as not reached by now, nobody at all."""
        self.readdress(session, now)
        waiting = select(AlertRow).where(
            is_owed(), AlertRow.channel == "mail", AlertRow.unreached_at.is_(None), AlertRow.tried_at.is_not(None),
        )  # fmt: skip
        for row in session.scalars(waiting).all():  # what was tried alone before a round-up took it up has its own time
            if self._has_borne(session, row, now):
                self.pass_on(session, row, now)
        self._see_whether_anybody(session, now)

    def readdress(self, session: Session, now: datetime) -> None:
        """What still waits goes to the address of the present settings, and not at all to who left them."""
        people, waits = self.desk.people, (is_owed(), AlertRow.claimed.is_(False))
        for role, address in session.execute(select(AlertRow.role, AlertRow.address).where(*waits).distinct()).all():
            person = people.get(role)
            if person is None and not self.desk.roster.is_listed(role, address):
                values: dict[str, Any] = {"superseded_at": now}
            elif person is not None and person.email != address:
                values = {
                    "name": person.name, "address": person.email, "retry_at": now, "attempts": 0, "outcome": "",
                    "tried_at": None, "failed_at": None, "unreached_at": None,
                }  # fmt: skip
            else:
                continue
            session.execute(
                update(AlertRow).where(*waits, AlertRow.role == role, AlertRow.address == address).values(**values)
            )

    def _has_borne(self, session: Session, row: AlertRow, now: datetime) -> bool:
        """Whether the person of an open letter counts as not reached by now, however long its next try is ahead.

        Where mail has left for the same person since its last failure, that try is due at once and waited for.
        """
        at = self._borne_until(row, now)
        if row.unreached_at is not None or at > now:
            return False
        if _is_final(row) or now >= at + LAST_TRY:
            return True
        return not self._took(session, row, row.failed_at or row.tried_at or now)

    def _borne_until(self, row: AlertRow, now: datetime) -> datetime:
        return not_reached_at(
            Severity(row.severity), is_final=_is_final(row), tried_at=row.tried_at or now,
            failed_at=row.failed_at or now, policy=self.desk.policy,
        )  # fmt: skip

    def _took(self, session: Session, row: AlertRow, since: datetime) -> bool:
        return (
            session.scalar(
                select(AlertRow.id)
                .where(_by_mail_server(), AlertRow.address == row.address, AlertRow.delivered_at >= since)
                .limit(1)
            )
            is not None
        )

    def pass_on(self, session: Session, row: AlertRow, now: datetime) -> None:
        """This letter did not reach its person: tell the operator, and the next in the chain in their stead."""
        if row.unreached_at is not None:
            return
        row.unreached_at = now
        if row.template in ABOUT_MAIL:
            return
        self._tell_operator(session, row, now)
        rows: Iterable[AlertRow] = [row]
        if row.template == "roundup":
            rows = session.scalars(
                select(AlertRow).where(
                    AlertRow.bundle == row.id, AlertRow.delivered_at.is_(None), AlertRow.superseded_at.is_(None),
                    AlertRow.unreached_at.is_(None),
                )
            ).all()  # fmt: skip
        for owed in rows:
            owed.unreached_at = now
            self._tell_next(session, owed, now, dead=row.outcome == Outcome.DEAD)
        session.flush()

    def _tell_operator(self, session: Session, row: AlertRow, now: datetime) -> None:
        role = "ceo" if row.role == "operator" or "operator" not in self.desk.people else "operator"
        recipient = self.desk.person(session, role)
        if recipient is None or role == row.role:
            return
        facts = {"refused": row.role, "name": row.name, "why": row.last_error, "dead": row.outcome == Outcome.DEAD}
        self.desk.owe(
            session, "refused", MailKind.ALERT, recipient, now,
            key=f"{row.role}:{row.address}:{now:%Y-%m-%d}", severity=Severity.ALERT, facts=facts,
        )  # fmt: skip

    def _say_untold(self, session: Session, row: AlertRow, now: datetime) -> None:
        """Somebody who publishes does not know that takeover is on: whoever leads can ring them."""
        takeover = takeovers.current(session)
        since = takeover.since.isoformat() if takeover.since is not None else ""
        if not takeover.is_active or row.facts.get("since") != since:
            return
        facts = {name: row.facts.get(name) for name in ("since", "platforms")}
        for role in ("ceo", "chair"):
            person = self.desk.person(session, role)
            if person is not None and person.email != row.address:
                self.desk.owe(
                    session, "poster_untold", MailKind.TAKEOVER, person, now,
                    key=row.id, severity=Severity.CRISIS, facts={**facts, "who": row.name},
                )  # fmt: skip

    def _tell_next(self, session: Session, row: AlertRow, now: datetime, *, dead: bool) -> None:
        if row.template in posters.WORD:
            self._say_untold(session, row, now)
            return
        incident = session.get(IncidentRow, row.incident_id) if row.incident_id else None
        recipient = self._next(session, row, incident)
        if recipient is None:
            return
        facts = {**row.facts, "instead_of": row.name, "instead_role": row.role}
        if incident is not None and row.template in CHAIN:
            if incident.state != IncidentState.OPEN.value or self._is_told(session, recipient, row):
                return
            incident.revision += 1
            self.desk.owe(
                session, written_as(row.template, recipient), MailKind(row.kind), recipient, now,
                incident=incident_of(incident), revision=incident.revision, facts=facts,
            )  # fmt: skip
            note(session, incident.id, now, "Earshot", f"{row.name} was not reached; owed to {recipient.name}.")
        elif row.template in URGENT or (row.template in PATIENT and (dead or row.refused_at is not None)):
            self.desk.owe(
                session, row.template, MailKind(row.kind), recipient, now,
                key=f"instead:{row.id}", severity=Severity(row.severity), facts=facts,
            )  # fmt: skip

    def _next(self, session: Session, row: AlertRow, incident: IncidentRow | None) -> Recipient | None:
        """Who is told in place of this letter's person: nobody who must not hear of it, nor whom it stands in for."""
        about = incident or session.get(IncidentRow, str(row.facts.get("incident") or ""))
        asks = incident is not None and incident.rung_at is None
        roles = (NEXT.get(row.role, ""), visibility.STAND_IN if asks else "")
        for role in roles:
            person = self.desk.person(session, role) if role in self.desk.people and role != row.role else None
            if person is not None and role != row.facts.get("instead_role") and visibility.may_see(person, about):
                return person
        return None

    def _is_told(self, session: Session, recipient: Recipient, row: AlertRow) -> bool:
        """Whether the next person is owed a letter about it already, or was told of it as lately."""
        known = select(AlertRow.id).where(
            AlertRow.incident_id == row.incident_id, AlertRow.role == recipient.role, AlertRow.channel == "mail",
            AlertRow.template.in_(CHAIN), AlertRow.superseded_at.is_(None), AlertRow.refused_at.is_(None),
            or_(AlertRow.delivered_at.is_(None), AlertRow.made_at >= row.made_at),
        )  # fmt: skip
        return session.scalar(known.limit(1)) is not None

    # ── nobody at all ───────────────────────────────────────────────────────────────────────────

    def _see_whether_anybody(self, session: Session, now: datetime) -> None:
        """Where nobody at all can be reached it is our fault: tell operator and CEO by phone and second server, and
        call no address dead."""
        failing = or_(AlertRow.outcome != "", AlertRow.unreached_at.is_not(None))
        if session.scalar(select(AlertRow.id).where(is_owed(), AlertRow.channel == "mail", failing).limit(1)) is None:
            return
        since = out_since(session)
        if since is None:
            since = _reaches_nobody_since(session, self.desk.people, now)
            if since is None:
                return
            session.add(ToldRow(key=_OUT, at=since))
            self._call_nobody_dead(session)
            log.critical("mail reaches nobody", extra={"since": since.isoformat(timespec="seconds")})
            self._owe_alarm(session, since, now, channels=("mail", "relay") if self.second_server else ("mail",))
        self._ring(session, since, now)

    def _call_nobody_dead(self, session: Session) -> None:
        session.execute(update(PersonRow).values(refused_at=None, refused_address=""))
        dead = AlertRow.outcome == Outcome.DEAD
        session.execute(update(AlertRow).where(is_owed(), dead).values(outcome=Outcome.FINAL.value))

    def _ring(self, session: Session, since: datetime, now: datetime) -> None:
        failing = select(func.max(AlertRow.severity)).where(is_owed(), AlertRow.outcome != "")
        severity = Severity(session.scalar(failing.where(AlertRow.template.not_in(ABOUT_MAIL))) or 0)
        someone = any(person.phones for person in self.desk.people.values())
        if someone and phones_ring_at(now, severity, self.desk.policy) <= now:
            self._owe_alarm(session, since, now, channels=("phone",), again=(now - since) // RING_AGAIN)

    def _owe_alarm(
        self, session: Session, since: datetime, now: datetime, *, channels: tuple[str, ...], again: int = 0
    ) -> None:
        why = session.scalar(
            select(AlertRow.last_error)
            .where(is_owed(), AlertRow.channel == "mail", AlertRow.outcome != "")
            .order_by(AlertRow.failed_at.desc())
            .limit(1)
        )
        for role in ("operator", "ceo"):
            recipient = self.desk.person(session, role)
            if recipient is None:
                continue
            for channel in channels:
                for number in self.desk.phones_of(recipient) if channel == "phone" else ("",):
                    self.desk.owe(
                        session, "mail_out", MailKind.DEAF, recipient, now,
                        key=f"{since.isoformat()}:{again}:{number}", severity=Severity.CRISIS, channel=channel,
                        facts={"since": since.isoformat(), "why": why or "", "phone": number},
                    )  # fmt: skip


def _is_final(row: AlertRow) -> bool:
    return row.outcome in {Outcome.DEAD, Outcome.FINAL}


def _reaches_nobody_since(session: Session, people: Mapping[str, Recipient], now: datetime) -> datetime | None:
    """Since when mail fails for everybody who leads: somebody counts as not reached, as many as were tried fail,
    nobody is left untried, and nothing was taken since. None while that is not so."""
    last = session.scalar(select(func.max(AlertRow.delivered_at)).where(_by_mail_server()))
    letters = session.scalars(
        select(AlertRow).where(
            is_owed(), AlertRow.channel == "mail", AlertRow.bundle == "", AlertRow.role.in_(LEADERS),
            or_(AlertRow.tried_at.is_not(None), AlertRow.retry_at <= now),
        )
    ).all()  # fmt: skip
    since = [row for row in letters if last is None or row.tried_at is None or row.tried_at > last]
    if any(not row.outcome and row.unreached_at is None for row in since):
        return None
    moments = [row.tried_at for row in since if row.unreached_at is not None and row.tried_at is not None]
    enough = min(2, len({person.email for person in people.values()}))
    return min(moments) if moments and len({row.address for row in since}) >= enough else None


def _by_mail_server() -> ColumnElement[bool]:
    """Letters that the mail server of the settings took, not the second one."""
    return AlertRow.delivered_at.is_not(None) & (AlertRow.channel == "mail") & (AlertRow.outcome == "")


# ── the truth ───────────────────────────────────────────────────────────────────────────────────────


LATE = "mail that is owed does not leave as it should"
"""What everybody is told of late mail about no incident, and about one that is hidden from anybody."""


def problems(session: Session, desk: Desk, now: datetime, who: visibility.Person | None = None) -> list[str]:
    """What is wrong with telling people right now. Health, ping, doctor and console say the same.

    The words name no incident, and no person but by role. For ``who`` what is hidden from them does not exist. For
    everybody (None) all of it counts, and where it is about what is hidden from anybody, in the words of any late mail.
    """
    found: list[str] = []
    if out_since(session) is not None:
        found.append("mail reaches nobody")
    seen = visibility.visible_to(who or visibility.EVERYBODY)
    untold = select(IncidentRow.id).where(is_untold(now))
    if session.scalar(untold.where(seen).limit(1)) is not None:
        found.append("something that somebody must know has reached nobody")
    late = select(func.count()).where(*_waits(desk, now), AlertRow.made_at <= now - WAITS_TOO_LONG)
    named = owed_as_seen_by(who)
    if who is None:
        named = and_(AlertRow.incident_id.in_(select(IncidentRow.id).where(seen)))
        others = or_(AlertRow.incident_id.is_(None), ~named)
        if session.scalar(untold.where(~seen).limit(1)) is not None or session.scalar(late.where(others)):
            found.append(LATE)
    if waiting := session.scalar(late.where(named)):
        found.append(f"{waiting} alert{'s wait' if waiting > 1 else ' waits'} for more than ten minutes")
    dead = [role for role in desk.people if desk.is_refused(session, role)]
    return [*found, *(f"the address of the {ROLE_WORDS.get(role, role)} takes no mail" for role in dead)]


def refusals(session: Session, zone: ZoneInfo) -> list[str]:
    """Who is not reached by mail now, by role, since when, and what the mail server says (numbers, no words)."""
    rows = session.execute(
        select(AlertRow.role, func.min(AlertRow.tried_at), func.max(AlertRow.last_error))
        .where(is_owed(), AlertRow.channel == "mail", AlertRow.outcome != "")
        .group_by(AlertRow.role)
        .order_by(AlertRow.role)
    ).all()
    return [
        f"Mail to the {ROLE_WORDS.get(role, role)} has not arrived since {say_moment(since, zone)}: {why}"
        for role, since, why in rows
        if since is not None
    ]


def waiting(
    session: Session, desk: Desk, now: datetime, who: visibility.Person | None = None
) -> tuple[int, datetime | None]:
    """How much is owed and due, and when the oldest of it was made."""
    owed = select(func.count(), func.min(AlertRow.made_at)).where(*_waits(desk, now), owed_as_seen_by(who))
    row = session.execute(owed).one()
    return int(row[0]), row[1]


def _waits(desk: Desk, now: datetime) -> tuple[ColumnElement[bool], ...]:
    return is_owed(), AlertRow.made_at <= now, ~ringing.is_held(desk, now)


def owed_as_seen_by(who: visibility.Person | None) -> ColumnElement[bool]:
    """Rows of the outbox that tell ``who`` of no incident that is hidden from them."""
    if who is None:
        return true()
    seen = select(IncidentRow.id).where(visibility.visible_to(who))
    return or_(AlertRow.incident_id.is_(None), AlertRow.incident_id.in_(seen))


def is_untold(now: datetime) -> ColumnElement[bool]:
    """Open incidents that nobody at all has been told of: refused for good, or owed for too long."""
    refused = exists().where(
        AlertRow.incident_id == IncidentRow.id, AlertRow.outcome.in_([Outcome.DEAD.value, Outcome.FINAL.value])
    )
    return (
        (IncidentRow.state == IncidentState.OPEN.value)
        & (IncidentRow.severity >= int(Severity.ALERT))
        & IncidentRow.history.is_(False)
        & IncidentRow.drill.is_(False)
        & IncidentRow.reached_at.is_(None)
        & or_(refused, IncidentRow.opened_at <= now - WAITS_TOO_LONG)
    )
