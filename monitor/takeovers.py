"""The takeover ledger: append-only rows, the newest of which is the state, and what is owed to whom at each turn."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from datetime import datetime, timedelta
from itertools import zip_longest
from typing import Any

from sqlalchemy import ColumnElement, func, select
from sqlalchemy.orm import Session

from alerts import takeover as machine
from alerts.model import MailKind, Recipient, Severity
from alerts.takeover import State, Takeover, Verb
from connectors.model import Kind, Mention
from monitor import audit
from monitor.audit_check import LEDGER, proof_of_turn
from monitor.model import Category, Incident, IncidentState
from monitor.outbox import ROLE_WORDS, Desk, is_owed, note
from monitor.store.tables import AlertRow, IncidentAccountRow, IncidentRow, MentionRow, TakeoverRow
from monitor.visibility import (
    AT_THE_SERVER,
    LEADERS,
    Deed,
    Person,
    Someone,
    hidden_from,
    may_act,
    may_hold,
    may_know_why,
    may_see,
)

ACCOUNTS, PLATFORMS = 3, 2
"""Distinct accounts and platforms from which a CRISIS may begin takeover by itself (settled questions, 5)."""

UNANSWERED_FOR = timedelta(hours=1)
"""How long a CRISIS stays unacknowledged before takeover may begin by itself (settled questions, 5)."""

SETTLES = timedelta(minutes=1)
"""How long a takeover that one person begins anew within the hour must stand before everybody is told."""

REMIND_EVERY = timedelta(days=1)
STILL_ON_HOLD = 7
"""After so many days, and again, the holder is reminded of what was kept on hold when a takeover stood down."""


def current(session: Session) -> Takeover:
    """The state now."""
    row = newest(session)
    return _read(row) if row else Takeover()


def newest(session: Session) -> TakeoverRow | None:
    """The newest row of the ledger, or None."""
    return session.scalar(select(TakeoverRow).order_by(TakeoverRow.id.desc()).limit(1))


def history(session: Session, limit: int = 200) -> list[TakeoverRow]:
    """The ledger, newest first."""
    return list(session.scalars(select(TakeoverRow).order_by(TakeoverRow.id.desc()).limit(limit)))


@dataclass(frozen=True, slots=True)
class Turn:
    """One turn of the ledger as somebody may know it; the reason is empty where it is not for them."""

    at: datetime
    verb: str
    by: str
    reason: str


def turns_for(session: Session, person: Person, limit: int = 30) -> list[Turn]:
    """The newest turns of the ledger, as far as ``person`` may know of them."""
    turns = [
        Turn(row.at, row.verb, row.by, row.reason if may_know_why(person, about) else "")
        for row, about in _turns(session)
        if not _is_secret(person, row, about)
    ]
    return turns[:limit]


def as_seen_by(session: Session, person: Person, *, signed_in: bool = True) -> Takeover:
    """The state as ``person`` may know it: that it is on and who holds it, for everybody; the reason and the incident
    only where they may know of those. A proposal because of an incident that they may not see does not exist.
    """
    state = _state_for(session, person)
    about = _about(session, state)
    return replace(
        state,
        reason=state.reason if may_know_why(person, about, signed_in=signed_in) else "",
        incident=state.incident if may_see(person, about) else "",
    )


def may_change(session: Session, person: Person) -> bool:
    """Whether ``person`` may begin a takeover now, or change and end the one that runs."""
    return may_hold(person, _about(session, _state_for(session, person)))


def _state_for(session: Session, person: Person) -> Takeover:
    """The state that ``person`` acts on: proposals that they may not see left out."""
    for row, about in _turns(session):
        if not _is_secret(person, row, about):
            return _read(row)
    return Takeover()


def _state_of(session: Session, role: str) -> Takeover:
    """The same for a role; empty for Earshot itself, which knows everything."""
    return _state_for(session, Someone(role)) if role else current(session)


def _turns(session: Session) -> Iterator[tuple[TakeoverRow, IncidentRow | None]]:
    """The ledger, newest first, each turn with the incident that it is about."""
    rows = history(session)
    for row, before in zip_longest(rows, rows[1:]):
        name = row.facts.get("about") or row.facts.get("incident")
        if not name and row.verb in _OVER and before is not None:  # written before the ledger named it
            name = before.facts.get("incident")
        yield row, session.get(IncidentRow, str(name)) if name else None


_OVER = frozenset({Verb.END.value, Verb.WITHDRAW.value})


def _is_secret(person: Person, row: TakeoverRow, about: IncidentRow | None) -> bool:
    return row.verb in {Verb.PROPOSE.value, Verb.WITHDRAW.value} and not may_see(person, about)


def _about(session: Session, takeover: Takeover) -> IncidentRow | None:
    return session.get(IncidentRow, takeover.incident) if takeover.incident else None


def _must_be_theirs(session: Session, takeover: Takeover, role: str) -> None:
    """Raises ``Refused`` where a takeover runs over an incident that somebody of ``role`` may not know of. ``role`` is
    empty for Earshot itself."""
    running = takeover.state in {State.ACTIVE, State.STANDING_DOWN}
    if role and running and not may_see(Someone(role), _about(session, takeover)):
        raise machine.Refused(f"This takeover is in the hands of the {ROLE_WORDS[takeover.holder]} alone.")


def is_active(session: Session) -> bool:
    """Whether nobody but the holder may publish."""
    return current(session).is_active


def begun_at(session: Session) -> datetime | None:
    """When the newest takeover began, however far it has come since; None where there was none."""
    row = session.scalar(
        select(TakeoverRow).where(TakeoverRow.verb == Verb.BEGIN.value).order_by(TakeoverRow.id.desc()).limit(1)
    )
    return _read(row).since if row else None


def over_since(session: Session) -> str:
    """What names the time since the last takeover or proposal was over: the same proposal counts once in it."""
    return str(session.scalar(select(func.max(TakeoverRow.id)).where(TakeoverRow.state == State.NORMAL.value)) or "")


def alerted_since(session: Session, moment: datetime) -> bool:
    """Whether an incident that alerts had news since ``moment``: polling stays fast for a while."""
    return (
        session.scalar(
            select(IncidentRow.id)
            .where(
                IncidentRow.severity >= int(Severity.ALERT),
                IncidentRow.history.is_(False),
                IncidentRow.drill.is_(False),
                IncidentRow.last_seen_at >= moment,
            )
            .limit(1)
        )
        is not None
    )


def is_breach(takeover: Takeover, mention: Mention) -> bool:
    """Whether a post of ours was made during a takeover without being allowed (policy 4.16).

    We cannot see which person posted; where the holder allowed somebody to post on a platform, posts there pass.
    """
    return (
        takeover.is_active
        and takeover.since is not None
        and mention.kind is Kind.OWN_POST
        and mention.posted_at >= takeover.since
        and mention.platform not in takeover.allowed_platforms
    )


# ── the verbs ───────────────────────────────────────────────────────────────────────────────────────


def propose(session: Session, incident_id: str, now: datetime, *, by: str = machine.ITSELF, reason: str = "") -> bool:
    """Note that takeover is proposed because of an incident, by the machine (whose alert mails carry the offer) or by a
    person. False when one is proposed already or takeover has begun."""
    why = reason or f"Incident {incident_id} is a crisis."
    before = current(session)
    if before.state is State.PROPOSED and _hides_less(session, incident_id, before.incident):
        before = Takeover()  # those who do not know of the one must see the other
    after = machine.propose(before, incident=incident_id, reason=why, now=now, by=by)
    return _record(session, Verb.PROPOSE, after, now)


def _hides_less(session: Session, one: str, other: str) -> bool:
    rows = [session.get(IncidentRow, name) for name in (one, other)]
    marks = [hidden_from(row) if row is not None else frozenset() for row in rows]
    return marks[0] < marks[1]


def begin(
    session: Session,
    desk: Desk,
    *,
    by: str,
    reason: str,
    now: datetime,
    role: str = "",
    incident: str = "",
    allowed: tuple[str, ...] = (),
    allowed_platforms: tuple[str, ...] = (),
    unattended: bool = False,
) -> bool:
    """Begin takeover and owe the notices; False when it is active already. Raises ``alerts.takeover.Refused``.

    The holder is the Chair where the Chair begins it or the CEO is away or named; else the CEO.
    """
    before = _state_of(session, role)
    row = session.get(IncidentRow, incident) if incident else None
    if incident and (row is None or (role and not may_see(Someone(role), row))):
        raise machine.Refused(f"There is no incident {incident[:20]}.")
    if role and not may_act(Someone(role), row, Deed.TAKE_OVER):
        raise machine.Refused("Only the CEO or the Chair begins a takeover.")
    if before.is_active and role and not may_see(Someone(role), _about(session, before)):
        return False
    row = row or _about(session, before)
    head = desk.head_of(session, row).role
    after = machine.begin(
        before,
        by=by,
        reason=reason,
        now=now,
        holder=next((r for r in (role, head) if r in LEADERS), desk.head(session).role),
        incident=incident,
        allowed=allowed,
        allowed_platforms=allowed_platforms,
        unattended=unattended,
    )
    verb = Verb.CONFIRM if before.is_active else Verb.BEGIN
    if not _record(session, verb, after, now) or after is None:
        return False
    if verb is Verb.BEGIN:
        again = by != machine.ITSELF and not desk.is_first_this_hour(session, by, "begin takeover", "", now)
        _owe_begun(session, desk, after, now, due=now + SETTLES if again else now)
        if row is not None:
            note(session, row.id, now, by, f"Takeover begun: {reason}", for_keepers=True)
    return True


def decider(session: Session, desk: Desk, incident: str = "") -> str:
    """The role on whose word a takeover is begun, over an incident or over none, where nobody says on whose. Raises
    ``alerts.takeover.Refused`` where whoever sits at the server may not know of the incident."""
    row = session.get(IncidentRow, incident) if incident else None
    if incident and (row is None or not may_see(AT_THE_SERVER, row)):
        raise machine.Refused(f"There is no incident {incident[:20]}.")
    return desk.head_of(session, row).role


def confirm(session: Session, *, by: str, now: datetime, role: str = "") -> bool:
    """Let a takeover that began by itself stand on a person's word. Raises ``alerts.takeover.Refused``."""
    before = _state_of(session, role)
    _must_be_theirs(session, before, role)
    return _record(session, Verb.CONFIRM, machine.confirm(before, by=by), now)


def hand_over(session: Session, desk: Desk, *, by: str, to: str, now: datetime, role: str = "") -> bool:
    """Give the takeover to the other role; tell both, and the posters. Raises ``alerts.takeover.Refused``."""
    before = _state_of(session, role)
    _must_be_theirs(session, before, role)
    if not may_see(Someone(to), _about(session, before)):
        raise machine.Refused(
            f"This takeover cannot be handed to the {ROLE_WORDS[to]}: they may not know why it is on."
        )
    after = machine.hand_over(before, by=by, to=to)
    if not _record(session, Verb.HAND_OVER, after, now) or after is None:
        return False
    due = desk.next_word_at(session, by, "hand over takeover", _key(after), now)
    _owe_leaders(session, desk, after, now, due=due, handed=now.isoformat())
    _owe_posters(session, desk, after, now, due=due, handed=now.isoformat())
    return True


def allow(
    session: Session,
    desk: Desk,
    *,
    by: str,
    names: tuple[str, ...],
    platforms: tuple[str, ...],
    now: datetime,
    role: str = "",
) -> bool:
    """Let others post meanwhile, on some platforms, and tell those for whom that changes something.

    Raises ``alerts.takeover.Refused``.
    """
    before = _state_of(session, role)
    _must_be_theirs(session, before, role)
    after = machine.allow(before, names=names, platforms=platforms)
    changed = [poster for poster in desk.posters if _may_post(poster, before) != _may_post(poster, after)]
    losing = [poster for poster in changed if not set(_may_post(poster, before)) <= set(_may_post(poster, after))]
    gaining = [poster for poster in changed if poster not in losing]
    if losing:  # whoever goes on posting where they may no more must hear of it soon
        first = desk.is_first_this_hour(session, by, "allow no more", _key(after), now)
        due = now if first else now + SETTLES
        _owe_posters(session, desk, after, now, due=due, to=losing, again=now.isoformat())
    if gaining:
        due = desk.next_word_at(session, by, "allow posts", _key(after), now)
        _owe_posters(session, desk, after, now, due=due, to=gaining, again=now.isoformat())
    return _record(session, Verb.ALLOW, after, now, by=by)


def end(
    session: Session, desk: Desk, *, by: str, reason: str, now: datetime, on_hold: str = "", role: str = ""
) -> bool:
    """End takeover (or stand down while something stays on hold) and owe the notices and the report.

    Raises ``alerts.takeover.Refused``, also where the takeover is over an incident that ``role`` may not know of.
    """
    before = _state_of(session, role)
    _must_be_theirs(session, before, role)
    after = machine.end(before, by=by, reason=reason, now=now, on_hold=on_hold)
    verb = Verb.WITHDRAW if before.state is State.PROPOSED else Verb.END
    if not _record(session, verb, after, now, about=before.incident) or after is None:
        return False
    if before.state in {State.ACTIVE, State.STANDING_DOWN}:
        due = now if by == machine.ITSELF else desk.next_word_at(session, by, f"takeover to {after.state}", "", now)
        _owe_ended(session, desk, before, after, now, due=due)
        if before.incident and session.get(IncidentRow, before.incident) is not None:
            note(session, before.incident, now, by, f"Takeover ended: {reason}", for_keepers=True)
    return True


# ── by itself ───────────────────────────────────────────────────────────────────────────────────────


def consider(session: Session, desk: Desk, incident: Incident, now: datetime, *, is_own: bool) -> None:
    """After ``incident`` took something in: propose takeover, or begin it where the settings let it begin by itself.

    One account's word or a score alone never begins it (settled questions, 5).
    """
    if incident.severity is not Severity.CRISIS or incident.history or incident.drill:
        return
    propose(session, incident.id, now)
    if not desk.begins_by_itself or is_active(session):
        return
    if is_own and incident.category is Category.ACCOUNT_COMPROMISE:
        begin_by_itself(session, desk, incident.id, "One of our own accounts looks taken over.", now)
        return
    accounts, platforms = _accounts(session, incident.id)
    if accounts >= ACCOUNTS and platforms >= PLATFORMS and not _was_begun_for(session, incident.id):
        why = f"A crisis is carried by several accounts on {platforms} platforms."
        begin_by_itself(session, desk, incident.id, why, now)


def _was_begun_for(session: Session, incident_id: str) -> bool:
    """Whether a takeover because of this incident was begun before: a storm that goes on must not undo a person's
    word that it has ended."""
    begun = session.scalars(select(TakeoverRow.facts).where(TakeoverRow.verb == Verb.BEGIN.value))
    return any(facts.get("incident") == incident_id for facts in begun)


def begin_by_itself(session: Session, desk: Desk, incident: str, why: str, now: datetime) -> bool:
    """The unattended fall-back: time-boxed, and every notice says so."""
    return begin(session, desk, by=machine.ITSELF, reason=why, now=now, incident=incident, unattended=True)


def tick(session: Session, desk: Desk, now: datetime) -> None:
    """What time alone brings: the end of an unattended takeover, the daily reminder, a CRISIS nobody answers."""
    takeover = current(session)
    if takeover.is_unattended and takeover.ends_at is not None and takeover.ends_at <= now:
        end(session, desk, by=machine.ITSELF, reason="Begun by itself, and no person confirmed it.", now=now)
        return
    if takeover.is_active and takeover.since is not None:
        _remind(session, desk, takeover, now)
        _situation(session, desk, takeover, now)
        return
    if takeover.state is State.STANDING_DOWN and takeover.since is not None:
        _remind(session, desk, takeover, now)
    if desk.begins_by_itself:
        _begin_unanswered(session, desk, now)


def _begin_unanswered(session: Session, desk: Desk, now: datetime) -> None:
    ended = session.scalar(select(func.max(TakeoverRow.at)).where(TakeoverRow.verb == Verb.END.value))
    unanswered = session.scalars(
        select(IncidentRow).where(
            IncidentRow.severity == int(Severity.CRISIS),
            IncidentRow.state == IncidentState.OPEN.value,
            IncidentRow.history.is_(False),
            IncidentRow.drill.is_(False),
            IncidentRow.opened_at <= now - UNANSWERED_FOR,
        )
    )
    for row in unanswered:
        since = _told_as_crisis_at(session, row)
        if since is None or since > now - UNANSWERED_FOR:
            continue  # nobody can answer what did not reach them: the hour counts from the first mail taken
        if ended is not None and since <= ended:
            continue  # a takeover because of it was already ended: not again without news
        begin_by_itself(session, desk, row.id, "A crisis was not acknowledged for an hour.", now)
        return


def _told_as_crisis_at(session: Session, row: IncidentRow) -> datetime | None:
    """When a mail server first took a mail that called it a CRISIS; None while none has."""
    return session.scalar(
        select(func.min(AlertRow.delivered_at)).where(
            AlertRow.incident_id == row.id, AlertRow.severity == int(Severity.CRISIS), AlertRow.channel == "mail"
        )
    )


def _remind(session: Session, desk: Desk, takeover: Takeover, now: datetime) -> None:
    assert takeover.since is not None
    days = int((now - takeover.since) / REMIND_EVERY)
    if not takeover.is_active:
        days -= days % STILL_ON_HOLD
    if days < 1:
        return
    holder = desk.person(session, takeover.holder) or desk.head(session)
    facts = {**_facts(takeover), "days": days}
    desk.owe(session, "takeover_reminder", MailKind.TAKEOVER, holder, now, key=f"{_key(takeover)}:{days}", facts=facts)


def _situation(session: Session, desk: Desk, takeover: Takeover, now: datetime) -> None:
    every = desk.report_every
    assert takeover.since is not None
    if not every or (count := int((now - takeover.since) / every)) < 1:
        return
    holder = desk.person(session, takeover.holder) or desk.head(session)
    desk.owe(
        session,
        "situation",
        MailKind.REPORT,
        holder,
        now,
        key=f"{_key(takeover)}:{count}",
        facts={**_facts(takeover), "from": (now - every).isoformat(), "until": now.isoformat()},
    )


def owe_planned(session: Session, desk: Desk, platform: str, now: datetime) -> None:
    """Owe the holder a report at once: something waits inside a platform and would be published by itself."""
    takeover = current(session)
    if not takeover.is_active or takeover.since is None:
        return
    holder = desk.person(session, takeover.holder) or desk.head(session)
    facts = {**_facts(takeover), "from": takeover.since.isoformat(), "until": now.isoformat(), "planned": platform}
    desk.owe(
        session, "situation", MailKind.REPORT, holder, now, key=f"{_key(takeover)}:planned:{platform}", facts=facts
    )  # fmt: skip


def _accounts(session: Session, incident_id: str) -> tuple[int, int]:
    row = session.execute(
        select(func.count(), func.count(func.distinct(IncidentAccountRow.platform))).where(
            IncidentAccountRow.incident_id == incident_id
        )
    ).one()
    return int(row[0]), int(row[1])


# ── what is owed ────────────────────────────────────────────────────────────────────────────────────


_TURNS = ("takeover_begun", "takeover_posters", "takeover_allowed", "takeover_ended")
"""What tells somebody how a takeover stands."""


def _owe_turn(
    session: Session, desk: Desk, template: str, person: Recipient, now: datetime, *, due: datetime, key: str,
    severity: Severity, facts: Mapping[str, Any],
) -> datetime | None:  # fmt: skip
    """Owe somebody the word of how a takeover stands now, in place of what they were still to hear. Returns when it is
    due; None where that is what they have heard already."""
    planned = session.scalars(
        select(AlertRow).where(
            *_to(person), AlertRow.template.in_([*_TURNS, "takeover_report"]), AlertRow.made_at > now
        )
    ).all()
    for row in planned:
        row.superseded_at = now
    if planned and _has_heard(session, person, template, facts, now):
        return None
    due = min([due, *(row.made_at for row in planned if row.template != "takeover_report")])
    desk.owe(
        session, template, MailKind.TAKEOVER, person, now, key=key, severity=severity, facts=facts, due_at=due
    )  # fmt: skip
    return due


def _to(person: Recipient) -> tuple[ColumnElement[bool], ...]:
    return (
        AlertRow.role == person.role, AlertRow.address == person.email, AlertRow.channel == "mail", is_owed(),
        AlertRow.claimed.is_(False),
    )  # fmt: skip


def _has_heard(session: Session, person: Recipient, template: str, facts: Mapping[str, Any], now: datetime) -> bool:
    """Whether the last that somebody heard, or is just hearing, is how things stand."""
    last = session.scalar(
        select(AlertRow)
        .where(AlertRow.role == person.role, AlertRow.address == person.email, AlertRow.template.in_(_TURNS))
        .where(AlertRow.superseded_at.is_(None), AlertRow.refused_at.is_(None), AlertRow.made_at <= now)
        .order_by(AlertRow.made_at.desc())
        .limit(1)
    )
    if last is None or last.template != template:
        return last is None and template == "takeover_ended"
    same = ("on_hold",) if template == "takeover_ended" else ("since", "holder", "mine")
    return all(last.facts.get(name) == facts.get(name) for name in same)


def _owe_begun(session: Session, desk: Desk, takeover: Takeover, now: datetime, *, due: datetime) -> None:
    _owe_leaders(session, desk, takeover, now, due=due)
    _owe_posters(session, desk, takeover, now, due=due)


def _owe_posters(
    session: Session,
    desk: Desk,
    takeover: Takeover,
    now: datetime,
    *,
    due: datetime,
    to: Sequence[Recipient] | None = None,
    again: str = "",
    handed: str = "",
) -> None:
    """Owe everybody who publishes (or ``to``) the word that it stops, or where they may go on."""
    for poster in desk.posters if to is None else to:
        mine = _may_post(poster, takeover)
        _owe_turn(
            session, desk, "takeover_allowed" if mine else "takeover_posters", poster, now, due=due,
            key=_key(takeover) + handed + again, severity=Severity.CRISIS,
            facts={**_facts(takeover), "handed": handed, "mine": list(mine)},
        )  # fmt: skip


def _may_post(poster: Recipient, takeover: Takeover) -> tuple[str, ...]:
    """The platforms on which ``poster`` may post during ``takeover``. Platforms without names are everybody's."""
    if takeover.allowed and poster.name not in takeover.allowed:
        return ()
    return takeover.allowed_platforms


def _owe_leaders(
    session: Session, desk: Desk, takeover: Takeover, now: datetime, *, due: datetime, **more: Any
) -> None:  # fmt: skip
    for role in ("ceo", "chair"):
        person = desk.person(session, role)
        if person is not None:
            key = f"{_key(takeover)}:{takeover.holder}:{takeover.by}:{more.get('handed', '')}"
            facts = {**_facts(takeover), **more}
            _owe_turn(
                session, desk, "takeover_begun", person, now, due=due, key=key, severity=Severity.CRISIS, facts=facts
            )  # fmt: skip


def _owe_ended(
    session: Session, desk: Desk, before: Takeover, after: Takeover, now: datetime, *, due: datetime
) -> None:  # fmt: skip
    facts = {
        **_facts(before),
        "ended_at": now.isoformat(),
        "ended_by": after.by,
        "end_reason": after.reason,
        "on_hold": after.on_hold,
    }
    everyone = [p for p in (desk.person(session, "ceo"), desk.person(session, "chair")) if p is not None]
    for person in (*everyone, *desk.posters):
        told_at = _owe_turn(
            session, desk, "takeover_ended", person, now, due=due, key=f"{_key(before)}:{after.state}",
            severity=Severity.ROUTINE, facts=facts,
        )  # fmt: skip
        if told_at is not None and before.is_active and person in everyone:
            # what was locked is over, even where something stays on hold
            desk.owe(
                session, "takeover_report", MailKind.REPORT, person, now, key=_key(before), facts=facts, due_at=told_at
            )  # fmt: skip


def _key(takeover: Takeover) -> str:
    return takeover.since.isoformat() if takeover.since else ""


def _facts(takeover: Takeover) -> dict[str, Any]:
    facts = {name: value for name, value in asdict(takeover).items() if name not in {"since", "ends_at", "state"}}
    facts["state"] = takeover.state.value
    facts["since"] = takeover.since.isoformat() if takeover.since else None
    facts["ends_at"] = takeover.ends_at.isoformat() if takeover.ends_at else None
    facts["allowed"], facts["allowed_platforms"] = list(takeover.allowed), list(takeover.allowed_platforms)
    return facts


def own_posts_during(session: Session, since: datetime, until: datetime) -> list[MentionRow]:
    """What our own accounts published between two moments, oldest first: the proof of silence or of its breach."""
    return list(
        session.scalars(
            select(MentionRow)
            .where(MentionRow.kind == Kind.OWN_POST.value, MentionRow.posted_at >= since, MentionRow.posted_at <= until)
            .order_by(MentionRow.posted_at)
        )
    )


# ── the ledger ──────────────────────────────────────────────────────────────────────────────────────


def _record(
    session: Session, verb: Verb, after: Takeover | None, now: datetime, *, by: str = "", about: str = ""
) -> bool:
    """Write a turn down as done by ``by``; without it, by the one on whose word the takeover stands. ``about`` is the
    incident behind a takeover that is over."""
    if after is None:
        return False
    who, incident = by or after.by, after.incident or about
    facts = {**_facts(after), "about": incident}
    row = TakeoverRow(at=now, verb=verb.value, state=after.state.value, by=who, reason=after.reason, facts=facts)
    session.add(row)
    audit.record(
        session,
        actor=who,
        action=f"{LEDGER}{verb.value}",
        now=now,
        about=incident,
        words=after.reason,
        proof=proof_of_turn(row),
    )
    return True


def _read(row: TakeoverRow) -> Takeover:
    facts: Mapping[str, Any] = row.facts
    return Takeover(
        State(row.state),
        _moment(facts.get("since")),
        facts.get("by", row.by),
        row.reason,
        facts.get("holder", "ceo"),
        facts.get("incident", ""),
        tuple(facts.get("allowed", ())),
        tuple(facts.get("allowed_platforms", ())),
        _moment(facts.get("ends_at")),
        facts.get("on_hold", ""),
    )


def _moment(text: str | None) -> datetime | None:
    return datetime.fromisoformat(text) if text else None
