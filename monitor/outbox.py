"""What is owed to whom: every alert is a row before it is a mail, written in the transaction that found it due."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any

from sqlalchemy import ColumnElement, select, true, update
from sqlalchemy.orm import Session

from alerts.model import MailKind, Recipient, Severity
from monitor import audit, visibility
from monitor.audit_check import LOG
from monitor.escalation import ChainPolicy, Step, chain_step
from monitor.keys import Keys
from monitor.model import Incident, IncidentState
from monitor.people import Roster
from monitor.scoring.naming import Naming
from monitor.store.tables import AlertRow, IncidentRow, LogRow, PersonRow, ToldRow

CHAIN = frozenset({"alert", "alert_update", "tip", "ring", "roundup"})
"""Templates whose alerts fall away when the incident is acknowledged or closed."""


REPEATED_AFTER = timedelta(hours=1)
"""What one person does again is mailed again after this."""

HANDFUL = 5
"""What one person does over so many incidents within ``REPEATED_AFTER`` is mailed for each; beyond that one mail more
says that it goes on."""


@dataclass(frozen=True, slots=True)
class Desk:
    """Where alerts are owed. Every method writes into the caller's transaction and commits nothing."""

    roster: Roster
    policy: ChainPolicy
    keys: Keys
    begins_by_itself: bool = False
    """Whether takeover may begin without a person (``[takeover] begin_by_itself``)."""
    naming: Naming = field(default_factory=lambda: Naming(()))
    """Tells of whom a tip speaks."""
    report_every: timedelta = timedelta()
    """How often the holder of a takeover gets a situation report; 0 for never."""

    # ── who ─────────────────────────────────────────────────────────────────────────────────────

    @property
    def people(self) -> Mapping[str, Recipient]:
        """Who is told, by role."""
        return self.roster.by_role

    @property
    def posters(self) -> tuple[Recipient, ...]:
        """Whom a takeover concerns."""
        return self.roster.posters

    def person(self, session: Session, role: str) -> Recipient | None:
        """The person in a role with what changed since the settings were written, or None."""
        settled = self.people.get(role)
        row = session.get(PersonRow, role)
        if settled is None or row is None or row.away is None:
            return settled
        return Recipient(role, settled.name, settled.email, settled.phones, row.away, settled.platforms)

    def is_refused(self, session: Session, role: str) -> bool:
        """Whether a mail server says that there is no such mailbox as this person's present address."""
        row, person = session.get(PersonRow, role), self.people.get(role)
        return (
            row is not None
            and row.refused_at is not None
            and person is not None
            and row.refused_address == person.email
        )

    def head(self, session: Session) -> Recipient:
        """Who decides now: the CEO, or the Chair while the CEO is away (policy 6.4)."""
        ceo, chair = self.person(session, "ceo"), self.person(session, "chair")
        if ceo is None or (chair is not None and (ceo.away or self.is_refused(session, "ceo"))):
            assert chair is not None
            return chair
        return ceo

    def head_of(self, session: Session, row: IncidentRow | None) -> Recipient:
        """Who decides about an incident now: the head, or whoever comes next where it speaks of the head."""
        head, heads = self.head(session), visibility.in_turn(row, self.people)
        return head if not heads or head.role in heads else self.people[heads[0]]

    def say_told(self, row: IncidentRow) -> str:
        """Who is told of an incident first, in a sentence for whoever told of it."""
        heads = visibility.in_turn(row, self.people)
        if not heads:
            return "Earshot has nobody who could be told of this: please ring a trustee now"
        return f"The {ROLE_WORDS[heads[0]]} is being told now"

    def is_first_this_hour(self, session: Session, who: str, what: str, incident: str, now: datetime) -> bool:
        """Whether ``who`` has not done this here within the last hour. What one person repeats is mailed once in it,
        and stands in the log each time."""
        key = f"by:{self.keys.digest('repeats', who, what, incident)[:40]}"
        row = session.get(ToldRow, key)
        if row is not None and row.at > now - REPEATED_AFTER:
            return False
        session.merge(ToldRow(key=key, at=now))
        return True

    def place_this_hour(self, session: Session, who: str, what: str, to: str, now: datetime) -> int:
        """The how-manieth mail in an hour this would be to the role ``to`` of what ``who`` did, from 1 on; 0 beyond
        ``HANDFUL`` and the one that says that it goes on."""
        for place in range(1, HANDFUL + 2):
            if self.is_first_this_hour(session, who, f"{what} {place}", to, now):
                return place
        return 0

    def next_word_at(self, session: Session, who: str, what: str, about: str, now: datetime) -> datetime:
        """When it may be told that ``who`` did this: now, or when an hour is over since it was told last."""
        key = f"by:{self.keys.digest('repeats', who, what, about)[:40]}"
        row = session.get(ToldRow, key)
        at = now if row is None else max(now, row.at if row.at > now else row.at + REPEATED_AFTER)
        session.merge(ToldRow(key=key, at=at))
        return at

    # ── what ────────────────────────────────────────────────────────────────────────────────────

    def owe(
        self,
        session: Session,
        template: str,
        kind: MailKind,
        recipient: Recipient,
        now: datetime,
        *,
        key: str = "",
        incident: Incident | None = None,
        severity: Severity = Severity.ROUTINE,
        revision: int = 0,
        facts: Mapping[str, Any] | None = None,
        channel: str = "mail",
        due_at: datetime | None = None,
    ) -> str:
        """Owe one message to one person, from ``due_at`` on; owing it twice is owing it once. Returns its id."""
        incident_id = incident.id if incident else ""
        alert_id = self.keys.digest(
            "alert", template, incident_id, str(revision), recipient.role, recipient.email, channel, key
        )[:40]
        if incident is not None and recipient.role == visibility.STAND_IN:
            _asked(session, incident_id, now)
        if session.get(AlertRow, alert_id) is None:
            session.add(
                AlertRow(
                    id=alert_id,
                    incident_id=incident_id or None,
                    template=template,
                    kind=kind.value,
                    role=recipient.role,
                    name=recipient.name,
                    address=recipient.email,
                    channel=channel,
                    severity=int(incident.severity if incident else severity),
                    revision=revision,
                    facts={**_as_it_is(incident), **(facts or {})},
                    made_at=due_at or now,
                    retry_at=due_at or now,
                )
            )
            session.flush()
        return alert_id

    def take_step(
        self, session: Session, step: Step, incident: Incident, now: datetime, *, news: int | None = None
    ) -> None:
        """Carry out what ``escalation.decide`` found owed (takeover is the ledger's: ``monitor.takeovers``)."""
        row = session.get_one(IncidentRow, incident.id)
        if step is Step.TELL:
            for role in visibility.hidden_from(incident):
                supersede(session, incident.id, now, role=role)  # what waits for them must not leave any more
            row.next_step, row.rung_at = 0, None
            self.advance(session, row, incident, now, news=news)
        elif step is Step.UPDATE:
            row.revision += 1
            facts = {"told": incident.told, "news": news, "followup": row.revision}
            for recipient, _ in self._chain(session, row, incident, now, step=0)[0]:
                self.owe(
                    session,
                    written_as("alert_update", recipient),
                    MailKind.ALERT,
                    recipient,
                    now,
                    incident=incident,
                    revision=row.revision,
                    facts=facts,
                )
            if incident.state is IncidentState.OPEN and row.next_step_at is None:
                row.next_step = 1
                row.next_step_at = self._chain(session, row, incident, now, step=0)[1]

    def advance(
        self, session: Session, row: IncidentRow, incident: Incident, now: datetime, *, news: int | None = None
    ) -> None:
        """Take the chain's next step for an open incident: tell, tell again, tell the Chair, be loud."""
        owed, next_at = self._chain(session, row, incident, now, step=row.next_step)
        row.revision += 1
        template = "tip" if row.source == "tip" else "alert"
        facts = {"step": row.next_step, "news": news, "followup": row.revision - 1}
        for recipient, phones in owed:
            self.owe(
                session,
                written_as(template, recipient),
                MailKind.ALERT,
                recipient,
                now,
                incident=incident,
                revision=row.revision,
                facts=facts,
            )
            if phones:
                self.ring(session, incident, recipient, now, revision=row.revision, facts=facts)
            note(session, incident.id, now, "Earshot", f"Owed to {recipient.name} ({ROLE_WORDS[recipient.role]}).")
        row.next_step += 1
        row.next_step_at = next_at

    def ring(
        self,
        session: Session,
        incident: Incident,
        recipient: Recipient,
        now: datetime,
        *,
        revision: int,
        facts: Mapping[str, Any],
    ) -> None:
        """Owe a ring to each phone of a person, each with tries of its own. It says how things stand when it leaves, so
        what still waits for that phone about this incident falls away."""
        for number in self.phones_of(recipient):
            older = select(AlertRow).where(
                is_owed(), AlertRow.incident_id == incident.id, AlertRow.channel == "phone",
                AlertRow.role == recipient.role, AlertRow.claimed.is_(False),
            )  # fmt: skip
            for row in session.scalars(older).all():
                if row.facts.get("phone") == number:
                    row.superseded_at = now
            self.owe(
                session, "phone", MailKind.ALERT, recipient, now,
                key=number, incident=incident, revision=revision, facts={**facts, "phone": number}, channel="phone",
            )  # fmt: skip

    def phones_of(self, recipient: Recipient) -> dict[str, str]:
        """A person's phones by what stands for each in the outbox, for their addresses hold secrets."""
        return {self.keys.digest("phone", url)[:16]: url for url in recipient.phones}

    def _chain(
        self, session: Session, row: IncidentRow, incident: Incident, now: datetime, *, step: int
    ) -> tuple[list[tuple[Recipient, bool]], datetime | None]:
        ceo = self.person(session, "ceo")
        present = [role for role in self.people if self.person(session, role)]
        plan = chain_step(
            step,
            incident.severity,
            opened_at=row.opened_at,
            now=now,
            ceo_away=ceo is None or ceo.away or self.is_refused(session, "ceo"),
            heads=visibility.in_turn(incident, present),
            policy=self.policy,
            reserve="" if row.rung_at is not None else visibility.in_reserve(incident, present),
        )
        found = [(self.person(session, o.role), o.phones) for o in plan.owed]
        return [(person, phones) for person, phones in found if person is not None], plan.next_at

    def run_chains(self, session: Session, now: datetime) -> int:
        """Take every step that has fallen due for incidents nobody has acknowledged. Returns how many."""
        from monitor.intake import incident_of

        due = session.scalars(
            select(IncidentRow).where(
                IncidentRow.next_step_at <= now,
                IncidentRow.state == IncidentState.OPEN.value,
                IncidentRow.history.is_(False),
            )
        ).all()
        for row in due:
            self.advance(session, row, incident_of(row), now)
        return len(due)

    def owe_breach(self, session: Session, mention_id: int, platform: str, holder: str, now: datetime) -> None:
        """Tell the CEO, and the Chair where the Chair holds it, that our account posted in a takeover (policy 4.16)."""
        for role in ("ceo", "chair"):
            recipient = self.person(session, role)
            if recipient is not None and role in ("ceo", holder):
                self.owe(
                    session,
                    "breach",
                    MailKind.BREACH,
                    recipient,
                    now,
                    key=str(mention_id),
                    severity=Severity.CRISIS,
                    facts={"mention": mention_id, "platform": platform},
                )

    def owe_unscored(
        self, session: Session, platform: str, external_id: str, url: str, error: str, now: datetime
    ) -> None:
        """Tell the CEO and the operator that a mention could not be scored (reliability notes, 2.1)."""
        post = self.keys.digest("post", platform, external_id)[:8]
        facts = {"platform": platform, "url": url, "error": error, "post": post}
        for role in ("ceo", "operator"):
            recipient = self.person(session, role)
            if recipient is not None:
                self.owe(
                    session,
                    "unscored",
                    MailKind.ALERT,
                    recipient,
                    now,
                    key=f"{platform}:{external_id}",
                    severity=Severity.ALERT,
                    facts=facts,
                )

    def owe_to_operator(
        self,
        session: Session,
        template: str,
        kind: MailKind,
        now: datetime,
        *,
        key: str,
        facts: Mapping[str, Any],
        ceo_too: bool = False,
    ) -> None:
        """Owe something to the operator, or to the CEO where there is none."""
        roles = ["operator", *(["ceo"] if ceo_too or "operator" not in self.people else [])]
        for role in roles:
            recipient = self.person(session, role)
            if recipient is not None:
                self.owe(session, template, kind, recipient, now, key=key, facts=facts)


def _asked(session: Session, incident_id: str, now: datetime) -> None:
    """Whoever is asked to ring may say that they have: ``visibility.may_act`` looks at it."""
    row = session.get_one(IncidentRow, incident_id)
    row.asked_at = row.asked_at or now


def _as_it_is(incident: Incident | None) -> dict[str, Any]:
    """What later mails of the conversation must know of the first."""
    return {"category": incident.category.value if incident.category else None} if incident is not None else {}


def written_as(template: str, recipient: Recipient) -> str:
    """The template of an alert to somebody: whoever stands in is asked to ring, and reads no word of it."""
    return "ring" if recipient.role == visibility.STAND_IN else template


ROLE_WORDS = {
    "ceo": "CEO",
    "chair": "Chair of trustees",
    "operator": "operator",
    "poster": "poster",
    "staff": "staff",
}


def note(session: Session, incident_id: str, now: datetime, who: str, what: str, *, for_keepers: bool = False) -> None:
    """Write into an incident's decision log. Our own words only; what is ``for_keepers``, no poster reads."""
    session.add(LogRow(incident_id=incident_id, at=now, who=who, what=what, for_keepers=for_keepers))
    audit.record(session, actor=who, action=LOG, now=now, about=incident_id, words=what)


def supersede(session: Session, incident_id: str, now: datetime, *, role: str = "") -> int:
    """Let open chain alerts of an incident fall away (those to one ``role``, if named): somebody has answered, or
    they must not be told. Returns how many."""
    result = session.execute(
        update(AlertRow)
        .where(
            AlertRow.incident_id == incident_id,
            AlertRow.template.in_([*CHAIN, "phone"]),
            AlertRow.role == role if role else true(),
            is_owed(),
        )
        .values(superseded_at=now)
    )
    return int(result.rowcount)  # type: ignore[attr-defined]


def is_owed() -> ColumnElement[bool]:
    """Rows of the outbox that are owed still."""
    return AlertRow.delivered_at.is_(None) & AlertRow.superseded_at.is_(None) & AlertRow.refused_at.is_(None)


def say_once(session: Session, key: str, now: datetime) -> bool:
    """True the first time a key is used: for what must be said once."""
    if session.get(ToldRow, key) is not None:
        return False
    session.add(ToldRow(key=key, at=now))
    session.flush()
    return True
