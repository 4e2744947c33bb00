"""From the outbox to the inbox: claim, compose, send, then mark. No crash at any instant loses an alert.

Claiming pushes ``retry_at`` ahead in a short transaction; composing and sending run outside any. A second copy
can only come where a reply or a mark was cut off, and then it carries the same Message-ID.
"""

from __future__ import annotations

import logging
import random
from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime, timedelta

from sqlalchemy import ColumnElement, func, select, update
from sqlalchemy.orm import Session

from alerts import phone
from alerts.model import DeliveryFailed, Letter, MailKind, Severity
from monitor import ringing, visibility
from monitor.clock import Clock
from monitor.intake import incident_of
from monitor.mail_account import MailAccount
from monitor.model import IncidentState
from monitor.outbox import CHAIN, ROLE_WORDS, Desk, note
from monitor.poll import Runner
from monitor.store.database import Database
from monitor.store.tables import AlertRow, IncidentRow, MentionRow, PersonRow
from monitor.workers import DeadlineExceeded, Interrupted, WorkFailed

log = logging.getLogger(__name__)

DEADLINE = timedelta(seconds=690)
"""Total time of one delivery: 600 s for the reply after the final dot (RFC 5321), and the verbs before it."""

RUNG_WITHIN = timedelta(seconds=60)

LEASE = DEADLINE + timedelta(seconds=30)
"""A claimed alert falls due again by itself after this, should the sender die without the daemon noticing."""

GAPS = tuple(timedelta(seconds=s) for s in (10, 30, 60, 120, 300, 600, 900))
"""Waiting times between tries; the last one repeats (reliability notes, 2.3)."""

GIVE_UP_AFTER = timedelta(days=5)
"""How long delivery is tried (RFC 5321, 4.5.4.1)."""

WINDOW = timedelta(minutes=10)
SINGLES, GRAVE_SINGLES = 5, 7
"""Mails to one person within ``WINDOW`` after which further alerts leave together in a round-up; a CRISIS has two
more."""

SOON = timedelta(seconds=4)
"""Beyond the singles a person gets one mail in this time, with all that has gathered: still within ten seconds of the
poll that heard it (issue bar)."""

STORM = (timedelta(minutes=1), 150), (WINDOW, 500)
"""So many new mentions within so long are a storm, in which mails are counted."""

ROUNDUP_EVERY = timedelta(seconds=150)
STORM_MAILS = 11
"""In a storm a person gets one mail in ``ROUNDUP_EVERY``, and no more than these within ``WINDOW`` (issue bar: at most
12 mails to a person for 10,000 posts in ten minutes)."""

_OF_ONE = frozenset({"takeover_proposed"})
"""Messages that stand and fall with the incident of their facts."""

TIPS = frozenset({"tip"})
BUNDLED = frozenset({"alert", "alert_update", "unscored"}) | TIPS


@dataclass(frozen=True, slots=True)
class Dispatcher:
    """Delivers what the outbox owes. Each method opens and closes its own transactions."""

    database: Database
    desk: Desk
    letter: Callable[[Session, AlertRow, datetime], Letter]
    """Composes the mail that a row stands for, from what the store holds at that moment."""
    mail: MailAccount
    runner: Runner
    clock: Clock

    def free(self) -> int:
        """At the start: what a dead daemon had claimed falls due at once. Only the holder of the lock may call it."""

        def work(session: Session) -> int:
            result = session.execute(
                update(AlertRow)
                .where(_is_open(), AlertRow.claimed.is_(True))
                .values(claimed=False, retry_at=self.clock(), unclear=True)
            )
            self.readdress(session)
            return int(result.rowcount)  # type: ignore[attr-defined]

        return self.database.in_transaction(work)

    def readdress(self, session: Session) -> None:
        """What still waits goes to the address of the present settings, not to the one it was owed to; what is owed to
        somebody who has left, and whose role nobody holds, falls away."""
        for role, address in session.execute(select(AlertRow.role, AlertRow.address).where(_is_open()).distinct()):
            if role not in self.desk.people and not self.desk.roster.is_listed(role, address):
                session.execute(
                    update(AlertRow)
                    .where(_is_open(), AlertRow.role == role, AlertRow.address == address)
                    .values(superseded_at=self.clock())
                )
        for role in ("ceo", "chair", "operator"):
            person = self.desk.person(session, role)
            if person is not None:
                session.execute(
                    update(AlertRow)
                    .where(_is_open(), AlertRow.role == role, AlertRow.address != person.email)
                    .values(name=person.name, address=person.email, retry_at=self.clock())
                )

    def deliver_next(self) -> bool:
        """Deliver the worst overdue alert; False when nothing is due. Never raises for a delivery that failed;
        ``Interrupted`` for one that the end of the house broke off."""
        claimed = self.database.in_transaction(self._claim)
        if claimed is None:
            return False
        failure = self._try(claimed)
        if failure is None:
            self.database.in_transaction(lambda s: self._settle(s, claimed))
        else:
            self.database.in_transaction(lambda s: self._settle_failure(s, claimed, failure))
        return True

    def _try(self, alert_id: str) -> DeliveryFailed | None:
        """Send one alert; what went wrong, or None."""
        try:
            self._send(alert_id)
        except DeliveryFailed as failure:
            return failure
        except Interrupted:
            raise  # it stays claimed, and whoever starts next sends it at once
        except Exception as error:  # bulkhead: a channel
            log.exception("an alert could not be delivered", extra={"alert": alert_id[:12]})
            return DeliveryFailed(f"delivery broke down ({type(error).__name__})")
        return None

    def is_due(self) -> bool:
        """Whether any alert is overdue now: a cheap look before a transaction that writes."""
        with self.database.read() as session:
            due = (
                select(AlertRow.id).where(_is_open(), AlertRow.retry_at <= self.clock(), AlertRow.bundle == "").limit(1)
            )
            return session.scalar(due) is not None

    def waiting(self) -> tuple[int, datetime | None]:
        """How many alerts are owed and open, and when the oldest of them was made."""
        with self.database.read() as session:
            owed = select(func.count(), func.min(AlertRow.made_at)).where(
                _is_open(), ~ringing.is_held(self.desk, self.clock())
            )
            row = session.execute(owed).one()
            return int(row[0]), row[1]

    # ── claim ───────────────────────────────────────────────────────────────────────────────────

    def _claim(self, session: Session) -> str | None:
        now = self.clock()
        busy: set[tuple[str, str]] = set()
        for _ in range(20):
            due = session.scalars(
                select(AlertRow)
                .where(_is_open(), AlertRow.retry_at <= now, AlertRow.bundle == "")
                .order_by(AlertRow.severity.desc(), AlertRow.retry_at)
                .limit(1)
                .with_for_update(skip_locked=True)
            ).first()
            if due is None:
                return None
            if self._is_void(session, due):
                due.superseded_at = now
                continue
            if due.channel == "phone" and not ringing.may_leave(session, self.desk, due, now):
                continue
            due.unclear = due.unclear or due.claimed  # its sender was never heard of again
            if (
                due.template in BUNDLED
                and due.channel == "mail"
                and not due.unclear
                and (due.role, due.address) not in busy
            ):
                until = self._hold_until(session, due, now)
                if until is not None:
                    busy.add((due.role, due.address))
                    due = self._bundle(session, due, now, until)
                    if due is None:
                        continue
            due.retry_at = now + LEASE
            due.claimed = True
            due.attempts += 1
            return due.id
        return None

    def _is_void(self, session: Session, due: AlertRow) -> bool:
        """Whether a message must not leave any more: its incident has turned out to speak of whom it was owed to."""
        about = due.incident_id or (str(due.facts.get("incident") or "") if due.template in _OF_ONE else "")
        incident = session.get(IncidentRow, about) if about else None
        return not visibility.may_see(visibility.Someone(due.role), incident)

    def _hold_until(self, session: Session, due: AlertRow, now: datetime) -> datetime | None:
        """None when ``due`` may leave by itself; else from when a round-up to this person may leave."""
        mine = (AlertRow.address == due.address, AlertRow.channel == "mail", AlertRow.bundle == "", _counts(due))
        left = session.scalars(select(AlertRow.delivered_at).where(*mine, AlertRow.delivered_at > now - WINDOW)).all()
        under_way = session.scalars(
            select(AlertRow.retry_at).where(*mine, AlertRow.claimed.is_(True), _is_open(), AlertRow.retry_at > now)
        ).all()
        moments = sorted([*(at for at in left if at is not None), *(until - LEASE for until in under_way)])
        room = (GRAVE_SINGLES if due.severity >= int(Severity.CRISIS) else SINGLES) - len(moments)
        if room > 0:
            waiting = session.scalar(
                select(func.count()).where(*self._bundled_with(due), _is_open(), AlertRow.retry_at <= now)
            )
            return None if (waiting or 0) <= room else now  # else the first few would leave and the rest wait
        if due.template not in TIPS and not _is_storm(session, now):
            return max(now, moments[-1] + SOON)
        until = moments[-1] + ROUNDUP_EVERY
        if len(moments) >= STORM_MAILS:
            until = max(until, moments[-STORM_MAILS] + WINDOW)
        return max(now, until)

    def _bundle(self, session: Session, due: AlertRow, now: datetime, until: datetime) -> AlertRow | None:
        """Put everything that waits for this person into one round-up, or let it wait for the next one."""
        mine = self._bundled_with(due)
        if until > now:
            session.execute(update(AlertRow).where(_is_open(), *mine, AlertRow.retry_at <= now).values(retry_at=until))
            return None
        rows = session.scalars(select(AlertRow).where(_is_open(), *mine, AlertRow.retry_at <= now)).all()
        recipient = self.desk.person(session, due.role)
        if recipient is None or len(rows) < 2:
            return due
        roundup_id = self.desk.owe(
            session,
            "roundup",
            MailKind.ALERT,
            recipient,
            now,
            key=due.id,
            severity=Severity(max(row.severity for row in rows)),
            facts={"alerts": [row.id for row in rows]},
        )
        for row in rows:
            row.bundle = roundup_id
        return session.get_one(AlertRow, roundup_id)

    def _bundled_with(self, due: AlertRow) -> tuple[ColumnElement[bool], ...]:
        """What would leave in one round-up with ``due``. What may have arrived already does not: a copy is known as
        one only by its Message-ID."""
        return (
            AlertRow.address == due.address,
            AlertRow.role == due.role,
            AlertRow.channel == "mail",
            AlertRow.bundle == "",
            AlertRow.claimed.is_(False),
            AlertRow.unclear.is_(False),
            AlertRow.template.in_(_kind_of(due)),
        )

    # ── send ────────────────────────────────────────────────────────────────────────────────────

    def _send(self, alert_id: str) -> None:
        now = self.clock()
        with self.database.read() as session:
            row = session.get_one(AlertRow, alert_id)
            channel = row.channel
            letter = self.letter(session, row, now)
            phones = ringing.phones(session, self.desk, row) if channel == "phone" else ()
        try:
            if channel == "phone":
                self._ring(letter, phones)
            else:
                self.mail.send(letter, DEADLINE)
        except DeadlineExceeded:
            whose = "phone" if channel == "phone" else "mail server"
            raise DeliveryFailed(f"the {whose} kept us waiting and was given up", unclear=True) from None
        except WorkFailed as error:
            raise DeliveryFailed(f"sending broke down ({error})", unclear=True) from None

    def _ring(self, letter: Letter, urls: tuple[str, ...]) -> None:
        """Send a short text to each; one that took it is enough, for else those would ring again and again."""
        failures: list[DeliveryFailed] = []
        for url in urls:
            try:
                self.runner.run(RUNG_WITHIN, phone.ring, url, letter.subject, letter.text, letter.link)
            except DeliveryFailed as failure:
                failures.append(failure)
        if failures and len(failures) == len(urls):
            raise failures[-1]

    # ── settle ──────────────────────────────────────────────────────────────────────────────────

    def _settle(self, session: Session, alert_id: str) -> None:
        now = self.clock()
        row = session.get_one(AlertRow, alert_id)
        row.delivered_at, row.claimed, row.last_error = now, False, ""
        person = session.get(PersonRow, row.role)
        if person is not None and person.refused_at is not None and row.channel == "mail":
            person.refused_at = None  # the address takes mail again
        if row.template == "roundup":
            session.execute(
                update(AlertRow).where(AlertRow.bundle == row.id, _is_open()).values(delivered_at=now, claimed=False)
            )
        if row.incident_id and row.template in {*CHAIN, "phone"}:
            words = "E-mailed" if row.channel == "mail" else "Rung"
            note(
                session, row.incident_id, now, "Earshot", f"{words} {row.name} ({ROLE_WORDS.get(row.role, row.role)})."
            )
        log.info(
            "delivered",
            extra={"alert": row.id[:12], "template": row.template, "role": row.role, "attempts": row.attempts},
        )

    def _settle_failure(self, session: Session, alert_id: str, failure: DeliveryFailed) -> None:
        now = self.clock()
        row = session.get_one(AlertRow, alert_id)
        row.claimed, row.unclear, row.last_error = False, row.unclear or failure.unclear, failure.why[:300]
        log.warning(
            "not delivered",
            extra={"alert": row.id[:12], "template": row.template, "role": row.role, "permanent": failure.permanent},
        )
        if row.channel == "phone":
            ringing.failed(session, self.desk, row, failure, now)
        if failure.permanent:
            self._refuse(session, row, failure, now)
            return
        gap = GAPS[min(row.attempts - 1, len(GAPS) - 1)]
        row.retry_at = now + gap * random.uniform(0.9, 1.1)  # noqa: S311 - spreads the tries, no secret
        if now - row.made_at > GIVE_UP_AFTER:
            self._refuse(session, row, failure, now)

    def _refuse(self, session: Session, row: AlertRow, failure: DeliveryFailed, now: datetime) -> None:
        """This address takes no mail: remember it, and tell the next in the chain at once (policy 6.4)."""
        row.refused_at = now
        if row.channel == "mail" and row.role in {"ceo", "chair", "operator"}:
            person = session.get(PersonRow, row.role) or PersonRow(role=row.role, changed_at=now)
            person.refused_at = person.refused_at or now
            person.changed_at = now
            session.merge(person)
        session.flush()
        if row.channel == "phone":
            return
        self._tell_next(session, row, failure, now)
        if row.template == "roundup":
            for bundled in session.scalars(select(AlertRow).where(AlertRow.bundle == row.id, _is_open())).all():
                bundled.refused_at, bundled.last_error = now, row.last_error
                self._tell_next(session, bundled, failure, now)

    def _tell_next(self, session: Session, row: AlertRow, failure: DeliveryFailed, now: datetime) -> None:
        for role in {"ceo": ("chair", "operator"), "chair": ("ceo", "operator")}.get(row.role, ()):
            recipient = self.desk.person(session, role)
            if recipient is None or self.desk.is_refused(session, role) or row.template == "refused":
                continue
            facts = {"refused": row.role, "name": row.name, "why": failure.why[:300]}
            if role == "operator":
                self.desk.owe(
                    session, "refused", MailKind.ALERT, recipient, now, key=f"{row.role}:{now:%Y-%m-%d}", facts=facts
                )
                continue
            incident = session.get(IncidentRow, row.incident_id) if row.incident_id else None
            if incident is not None and row.template in CHAIN and incident.state == IncidentState.OPEN.value:
                if role in visibility.hidden_from(incident):
                    continue
                incident.revision += 1
                more = {**row.facts, "instead_of": row.name}
                self.desk.owe(
                    session, row.template, MailKind(row.kind), recipient, now,
                    incident=incident_of(incident), revision=incident.revision, facts=more,
                )  # fmt: skip
                note(
                    session, incident.id, now, "Earshot", f"{row.name}'s address was refused; owed to {recipient.name}."
                )
            elif row.template in {
                "breach",
                "takeover_begun",
                "takeover_proposed",
                "unscored",
                "digest",
                "takeover_report",
            }:
                about = session.get(IncidentRow, str(row.facts.get("incident") or ""))
                if row.template == "takeover_proposed" and not visibility.may_see(recipient, about):
                    continue
                self.desk.owe(
                    session, row.template, MailKind(row.kind), recipient, now, key=f"instead:{row.id}",
                    severity=Severity(row.severity), facts={**row.facts, "instead_of": row.name},
                )  # fmt: skip


def _counts(due: AlertRow) -> ColumnElement[bool]:
    """The mails that count against what a person can read in ten minutes."""
    return AlertRow.template.in_([*_kind_of(due), "roundup"])


def _kind_of(due: AlertRow) -> frozenset[str]:
    """What counts and leaves together with an alert: tips, which anybody with the link can send, are counted apart, so
    that many of them hold up nothing else."""
    return TIPS if due.template in TIPS else BUNDLED - TIPS


def _is_storm(session: Session, now: datetime) -> bool:
    for length, enough in STORM:
        heard = select(func.count()).where(MentionRow.first_seen_at > now - length, MentionRow.history.is_(False))
        if (session.scalar(heard) or 0) >= enough:
            return True
    return False


def _is_open() -> ColumnElement[bool]:
    return AlertRow.delivered_at.is_(None) & AlertRow.superseded_at.is_(None) & AlertRow.refused_at.is_(None)
