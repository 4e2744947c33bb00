"""From the outbox to the inbox: claim, compose, send, then mark. No crash at any instant loses an alert.

Claiming pushes ``retry_at`` ahead in a short transaction; composing and sending run outside any. A second copy
can only come where a reply or a mark was cut off, and then it carries the same Message-ID. What follows for the
person and the chain is ``monitor.reaching``.
"""

from __future__ import annotations

import logging
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from functools import partial

from sqlalchemy import ColumnElement, func, select, update
from sqlalchemy.exc import SQLAlchemyError
from sqlalchemy.orm import Session

from alerts import phone
from alerts.model import DeliveryFailed, Letter, MailKind, Severity
from monitor import ringing, visibility
from monitor.clock import Clock
from monitor.mail_account import MailAccount
from monitor.outbox import CHAIN, ROLE_WORDS, Desk, is_owed, note
from monitor.poll import Runner
from monitor.reaching import Reach, out_since, waiting
from monitor.store.database import Database, is_away
from monitor.store.tables import AlertRow, IncidentRow, MentionRow
from monitor.workers import DeadlineExceeded, Interrupted, WorkFailed

log = logging.getLogger(__name__)

DEADLINE = timedelta(seconds=690)
"""Total time of one delivery: 600 s for the reply after the final dot (RFC 5321), and the verbs before it."""

RUNG_WITHIN = timedelta(seconds=60)

LEASE = DEADLINE + timedelta(seconds=30)
"""A claimed alert falls due again by itself after this, should the sender die without the daemon noticing."""

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
RINGS = frozenset({"ring"})
BUNDLED = frozenset({"alert", "alert_update", "unscored"}) | TIPS | RINGS


@dataclass(frozen=True, slots=True)
class Ending:
    """How a try ended: taken (by the second mail server where ``by_relay``), failed, or never begun."""

    failure: DeliveryFailed | None = None
    by_relay: bool = False
    untried: bool = False


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
    second: MailAccount | None = None
    """The second mail server, used while the first takes mail for nobody."""
    _held: set[str] = field(default_factory=set)
    """Claims of ours whose sender is at work. A claim in the store that is not among them has lost its sender."""
    _unsettled: dict[str, Ending] = field(default_factory=dict)
    """Endings that could not be written down, kept until the database takes them."""

    @property
    def reach(self) -> Reach:
        """What follows for persons."""
        return Reach(self.desk, second_server=self.second is not None)

    def free(self) -> int:
        """At the start: what a dead daemon had claimed, and what could not leave before, falls due at once. Only the
        holder of the lock may call it."""

        def work(session: Session) -> int:
            now = self.clock()
            freed = self._free_orphans(session, now)
            session.execute(
                update(AlertRow)
                .where(is_owed(), AlertRow.outcome != "", AlertRow.claimed.is_(False), AlertRow.retry_at > now)
                .values(retry_at=now)
            )
            self.reach.readdress(session, now)
            return freed

        return self.database.in_transaction(work)

    def readdress(self, session: Session) -> None:
        """What still waits goes to the people of the present settings."""
        self.reach.readdress(session, self.clock())

    def look(self, session: Session, now: datetime) -> None:
        """The watch's part: claims that lost their sender fall due, and whoever was not reached has the next told."""
        self._free_orphans(session, now)
        self.reach.look(session, now)

    def _free_orphans(self, session: Session, now: datetime) -> int:
        claimed = session.scalars(select(AlertRow).where(is_owed(), AlertRow.claimed.is_(True))).all()
        # looked at after the store was: a sender holds its claim before it is committed
        lost = [row for row in claimed if row.id not in self._held and row.id not in self._unsettled]
        for row in lost:
            row.claimed, row.retry_at, row.unclear = False, now, True
            row.tried_at = row.tried_at if row.outcome else None
        return len(lost)

    def deliver_next(self) -> bool:
        """Deliver the worst overdue alert; False when nothing is due. Never raises for a delivery that failed;
        ``Interrupted`` for one that the end of the house broke off."""
        self._settle_late()
        claimed = self._claimed()
        if claimed is None:
            return False
        try:
            self._unsettled[claimed] = self._try(claimed)
        finally:
            self._held.discard(claimed)
        self._settle_one(claimed)
        return True

    def _claimed(self) -> str | None:
        held: list[str] = []

        def work(session: Session) -> str | None:
            claimed = self._claim(session)
            if claimed is not None:
                held.append(claimed)
                self._held.add(claimed)
            return claimed

        try:
            return self.database.in_transaction(work)
        except BaseException:
            self._held.difference_update(held)  # whether it was committed or not: the watch frees what is claimed
            raise

    def _settle_late(self) -> None:
        """Write down endings that the database did not take before. Raises where it still takes nothing."""
        for alert_id in tuple(self._unsettled):
            self._settle_one(alert_id)

    def _settle_one(self, alert_id: str) -> None:
        ending = self._unsettled.get(alert_id)
        if ending is None:
            return
        try:
            row = self.database.in_transaction(partial(self._settle, alert_id=alert_id, ending=ending))
        except Exception as error:  # bulkhead: a channel
            if is_away(error):
                raise  # kept for later
            self._settle_plainly(alert_id, ending)
        else:
            _log_ending(row, ending)
        self._unsettled.pop(alert_id, None)

    def _settle_plainly(self, alert_id: str, ending: Ending) -> None:
        """Whatever else breaks: a letter that was taken does not leave again and again, and stops no other."""
        log.exception("what follows from a delivery could not be done", extra={"alert": alert_id[:12]})

        def work(session: Session) -> None:
            now, taken = self.clock(), ending.failure is None and not ending.untried
            values = {"delivered_at": now} if taken else {"retry_at": now + timedelta(minutes=15)}
            session.execute(update(AlertRow).where(AlertRow.id == alert_id).values(claimed=False, **values))

        self.database.in_transaction(work)

    def _try(self, alert_id: str) -> Ending:
        """Send one alert; how that ended."""
        try:
            return Ending(by_relay=self._send(alert_id))
        except DeliveryFailed as failure:
            return Ending(failure)
        except Interrupted:
            raise  # it stays claimed, and whoever starts next sends it at once
        except SQLAlchemyError as error:  # the database's fault says nothing of the mail
            log.error("an alert could not be read", extra={"alert": alert_id[:12], "error": type(error).__name__})
            return Ending(untried=True)
        except Exception as error:  # bulkhead: a channel
            log.exception("an alert could not be delivered", extra={"alert": alert_id[:12]})
            return Ending(DeliveryFailed(f"delivery broke down ({type(error).__name__})"))

    def is_due(self) -> bool:
        """Whether there is anything to send or to write down: a cheap look before a transaction that writes."""
        if self._unsettled:
            return True
        with self.database.read() as session:
            due = (
                select(AlertRow.id).where(is_owed(), AlertRow.retry_at <= self.clock(), AlertRow.bundle == "").limit(1)
            )
            return session.scalar(due) is not None

    def waiting(self) -> tuple[int, datetime | None]:
        """How many alerts are owed and due, and when the oldest of them was made."""
        with self.database.read() as session:
            return waiting(session, self.desk, self.clock())

    # ── claim ───────────────────────────────────────────────────────────────────────────────────

    def _claim(self, session: Session) -> str | None:
        now = self.clock()
        busy: set[tuple[str, str]] = set()
        for _ in range(20):
            due = session.scalars(
                select(AlertRow)
                .where(is_owed(), AlertRow.retry_at <= now, AlertRow.bundle == "")
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
            due.tried_at = due.tried_at or now
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
            select(AlertRow.retry_at).where(*mine, AlertRow.claimed.is_(True), is_owed(), AlertRow.retry_at > now)
        ).all()
        moments = sorted([*(at for at in left if at is not None), *(until - LEASE for until in under_way)])
        room = (GRAVE_SINGLES if due.severity >= int(Severity.CRISIS) else SINGLES) - len(moments)
        if room > 0:
            waiting = session.scalar(
                select(func.count()).where(*self._bundled_with(due), is_owed(), AlertRow.retry_at <= now)
            )
            return None if (waiting or 0) <= room else now  # else the first few would leave and the rest wait
        if due.template not in TIPS | RINGS and not _is_storm(session, now):
            return max(now, moments[-1] + SOON)
        until = moments[-1] + ROUNDUP_EVERY
        if len(moments) >= STORM_MAILS:
            until = max(until, moments[-STORM_MAILS] + WINDOW)
        return max(now, until)

    def _bundle(self, session: Session, due: AlertRow, now: datetime, until: datetime) -> AlertRow | None:
        """Put everything that waits for this person into one round-up, or let it wait for the next one."""
        mine = self._bundled_with(due)
        if until > now:
            session.execute(update(AlertRow).where(is_owed(), *mine, AlertRow.retry_at <= now).values(retry_at=until))
            return None
        rows = session.scalars(select(AlertRow).where(is_owed(), *mine, AlertRow.retry_at <= now)).all()
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

    def _send(self, alert_id: str) -> bool:
        """Send one alert; True where the second mail server took it in place of the first."""
        now = self.clock()
        with self.database.read() as session:
            row = session.get_one(AlertRow, alert_id)
            channel = row.channel
            letter = self.letter(session, row, now)
            phones = ringing.phones(session, self.desk, row) if channel == "phone" else ()
            second = self.second if channel == "relay" or out_since(session) is not None else None
        try:
            if channel == "phone":
                self._ring(letter, phones)
                return False
            if channel == "relay":
                (second or self.mail).send(letter, DEADLINE)
                return True
            return self._mail(letter, second)
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

    def _mail(self, letter: Letter, second: MailAccount | None) -> bool:
        """Hand it to the mail server, and while that takes mail for nobody to the second one."""
        try:
            self.mail.send(letter, DEADLINE)
        except DeliveryFailed as failure:
            if second is None:
                raise
            try:
                second.send(letter, DEADLINE)
            except DeliveryFailed:
                raise failure from None
            return True
        return False

    # ── settle ──────────────────────────────────────────────────────────────────────────────────

    def _settle(self, session: Session, *, alert_id: str, ending: Ending) -> AlertRow:
        now = self.clock()
        row = session.get_one(AlertRow, alert_id)
        if not row.claimed:
            return row  # written down before, though the answer to the commit was lost
        row.claimed = False
        if ending.untried:
            row.retry_at, row.attempts = now, row.attempts - 1
            row.tried_at = row.tried_at if row.outcome else None
        elif ending.failure is None:
            self._settle_taken(session, row, now, by_relay=ending.by_relay)
        else:
            self._settle_failure(session, row, ending.failure, now)
        return row

    def _settle_taken(self, session: Session, row: AlertRow, now: datetime, *, by_relay: bool) -> None:
        row.delivered_at, row.last_error = now, ""
        if row.channel == "mail" and not by_relay:
            row.outcome = ""
            self.reach.taken(session, row, now)
        taken = [row]
        if row.template == "roundup":
            taken += session.scalars(select(AlertRow).where(AlertRow.bundle == row.id, is_owed())).all()
        for told in taken:
            told.delivered_at, told.claimed = now, False
            incident = session.get(IncidentRow, told.incident_id) if told.incident_id else None
            if incident is not None and told.template in {*CHAIN, "phone"}:
                incident.reached_at = incident.reached_at or now
        if row.incident_id and row.template in {*CHAIN, "phone"}:
            words = "E-mailed" if row.channel == "mail" else "Rung"
            note(
                session, row.incident_id, now, "Earshot", f"{words} {row.name} ({ROLE_WORDS.get(row.role, row.role)})."
            )

    def _settle_failure(self, session: Session, row: AlertRow, failure: DeliveryFailed, now: datetime) -> None:
        row.unclear, row.last_error = row.unclear or failure.unclear, failure.why[:300]
        self.reach.failed(session, row, failure, now)
        if row.channel == "phone":
            ringing.failed(session, self.desk, row, failure, now)


def _log_ending(row: AlertRow, ending: Ending) -> None:
    """One line a try, after it was written down: a line that says *delivered* is proof of the mark."""
    what = {"alert": row.id[:12], "template": row.template, "role": row.role}
    if ending.failure is not None:
        log.warning("not delivered", extra={**what, "outcome": row.outcome})
    elif not ending.untried:
        log.info("delivered", extra={**what, "attempts": row.attempts})


def _counts(due: AlertRow) -> ColumnElement[bool]:
    """The mails that count against what a person can read in ten minutes."""
    return AlertRow.template.in_([*_kind_of(due), "roundup"])


def _kind_of(due: AlertRow) -> frozenset[str]:
    """What counts and leaves together with an alert: tips, which anybody with the link can send, are counted apart, so
    that many of them hold up nothing else; and so is what asks to ring somebody, which tips bring about too."""
    return next((kind for kind in (TIPS, RINGS) if due.template in kind), BUNDLED - TIPS - RINGS)


def _is_storm(session: Session, now: datetime) -> bool:
    for length, enough in STORM:
        heard = select(func.count()).where(MentionRow.first_seen_at > now - length, MentionRow.history.is_(False))
        if (session.scalar(heard) or 0) >= enough:
            return True
    return False
