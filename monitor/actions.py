"""What people do about an incident: acknowledge, say "not a problem", note, close, tip. Shared by the links in mails,
the pages and the command line, so that each is one thing in one place. The caller owns the transaction.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum

from sqlalchemy import select
from sqlalchemy.orm import Session

from alerts.model import MailKind, Severity
from alerts.takeover import State
from connectors.model import clean_text
from monitor import audit, persons, takeovers
from monitor.escalation import may_be_closed_by_link
from monitor.intake import incident_of, new_incident_id
from monitor.keys import Keys
from monitor.model import IncidentState
from monitor.outbox import ROLE_WORDS, Desk, note, supersede
from monitor.store.tables import FeedbackRow, IncidentRow, MentionRow, PersonRow
from monitor.visibility import ACKNOWLEDGED, TOOL, Deed, Person, decides_alone, hidden_from, may_act, may_see
from signs import cut

MAX_WORDS = 2_000
"""Characters of a note or a reason that are kept."""

MAX_TIP = 4_000
"""Signs of a tip that are kept."""

BY_LINK = "Somebody by the handed-out link"
"""Who told by the link that is handed out, in log and audit: what they write into the box for a name stands among the
words."""


TOLD = "Told the CEO about this."
"""How the log of a tip begins; who wrote it may have come by the link that is handed out, under any name."""


class NotAllowed(Exception):
    """This person may not do this to this incident; the message says why and what to do instead."""


@dataclass(frozen=True, slots=True)
class Actor:
    """Who acts: a role (ceo, chair, operator, poster, staff, or ``TOOL``) and a name for the log. Nobody signs in
    ``at_server``: there the name is what somebody wrote, and may be empty."""

    role: str
    name: str
    at_server: bool = False

    def __str__(self) -> str:
        words = ROLE_WORDS.get(self.role, self.role)
        if self.role == TOOL:
            return self.name
        if not self.at_server:
            return f"{self.name} ({words})"
        says = f", who says to be {self.name} ({words})" if self.name else f", for the {words}"
        return audit.AT_THE_SERVER + (says if self.name or self.role in DECIDERS else "")


DECIDERS = frozenset({"ceo", "chair"})
"""Roles that acknowledge, close and begin takeover (policy 4.16, 6.4)."""

RUNG = "I have rung, or am ringing, somebody who decides."
"""The line of the log when whoever stands in says that they are on it."""

_NOT_THEIRS = "This is for others to do. Ring the CEO or the Chair if it cannot wait."
_WHOSE = {
    Deed.ACKNOWLEDGE: "Only the CEO or the Chair does this.",
    Deed.CLOSE: "Only the CEO or the Chair closes an incident.",
    Deed.HAND: "This incident speaks of the Chair, so it cannot be handed there.",
    Deed.FOR_CEO: "This incident speaks of the CEO, so the Chair decides about it.",
    Deed.TAKE_OVER: "Only the CEO or the Chair begins a takeover.",
}
"""Why a deed is not for somebody who may see the incident."""


class Taken(StrEnum):
    """What it did that somebody said they take care."""

    IT = "acknowledged"
    RUNG = "rung"
    """They are asked no more; whoever decides is still reminded."""
    BEFORE = "before"


AT_THE_SERVER = Actor("operator", "", at_server=True)
"""Whoever sits at the command line, where no other role is named."""


def at_server(role: str, name: str = "") -> Actor:
    """Somebody at the command line who says in what role, and perhaps under what name, they act."""
    return Actor(role, one_name(name), at_server=True)


def one_name(text: str) -> str:
    """What somebody gave as a name: one line of at most 80 signs."""
    return " ".join(own_words(text)[:80].split())


def own_words(text: str, *, at_most: int = MAX_WORDS) -> str:
    """A person's own note, made safe and cut to ``at_most`` signs; a line's end counts as one."""
    return cut(clean_text(text.replace("\r\n", "\n")).strip(), at_most)


def incident_row(session: Session, incident_id: str, actor: Actor, deed: Deed) -> IncidentRow:
    """The incident, for ``actor`` to do this to; raises ``NotAllowed`` in plain words when there is none of that name
    for them, or the deed is not theirs. At the command line sits the operator, on whosever word they act."""
    row = session.get(IncidentRow, incident_id)
    if row is None or not may_see(actor, row) or (actor.at_server and not may_see(AT_THE_SERVER, row)):
        raise NotAllowed(f"There is no incident {incident_id[:20]}.")
    if not may_act(actor, row, deed):
        raise NotAllowed(_WHOSE.get(deed, _NOT_THEIRS))
    return row


def take_care(session: Session, desk: Desk, incident_id: str, actor: Actor, now: datetime) -> Taken:
    """ "I am on it". From whoever decides, and from whoever is the only one left, it stops all reminders; from somebody
    who was only asked to ring those who decide, their own. Raises ``NotAllowed``."""
    row = incident_row(session, incident_id, actor, Deed.ACKNOWLEDGE)
    if actor.role in {*DECIDERS, TOOL} or decides_alone(actor, row, desk.people):
        return Taken.IT if acknowledge(session, incident_id, actor, now) else Taken.BEFORE
    if row.state != IncidentState.OPEN.value or row.rung_at is not None:
        return Taken.BEFORE
    row.rung_at = now
    supersede(session, row.id, now, role=actor.role)
    note(session, row.id, now, str(actor), RUNG)
    return Taken.RUNG


def acknowledge(session: Session, incident_id: str, actor: Actor, now: datetime) -> bool:
    """Somebody has seen it and takes care: reminders stop. False when it was acknowledged or closed already."""
    row = incident_row(session, incident_id, actor, Deed.ACKNOWLEDGE)
    if row.state != IncidentState.OPEN.value:
        return False
    row.state = IncidentState.ACKNOWLEDGED.value
    row.acknowledged_at, row.acknowledged_by = now, str(actor)
    row.next_step_at = None
    supersede(session, row.id, now)
    note(session, row.id, now, str(actor), ACKNOWLEDGED)
    return True


def calm(session: Session, desk: Desk, incident_id: str, actor: Actor, reason: str, now: datetime) -> str:
    """ "Not a problem": closes an ALERT; for CRISIS, safeguarding and self-harm it only stops reminders and tells
    the Chair (settled questions, 5). Returns ``closed``, ``quiet`` or ``already``. Raises ``NotAllowed``.
    """
    row = incident_row(session, incident_id, actor, Deed.CALM)
    if row.state == IncidentState.CLOSED.value:
        return "already"
    incident = incident_of(row)
    feedback(session, row, actor, "not a problem", reason, now)
    supersede(session, row.id, now)
    row.next_step_at = None
    row.verdict = "not a problem"
    if may_be_closed_by_link(incident):
        _close(session, row, actor, now, desk)
        note(session, row.id, now, str(actor), f"Not a problem: {own_words(reason) or 'no reason given'}. Closed.")
        return "closed"
    if row.state == IncidentState.OPEN.value:
        row.state = IncidentState.ACKNOWLEDGED.value
        row.acknowledged_at, row.acknowledged_by = now, str(actor)
    note(session, row.id, now, str(actor), f"Not a problem: {own_words(reason) or 'no reason given'}. Stays open.")
    chair = desk.person(session, "chair")
    is_news = desk.is_first_this_hour(session, str(actor), "calm", row.id, now)
    if chair is not None and actor.role != "chair" and is_news and may_see(chair, row):
        row.revision += 1
        facts = {"calmed_by": str(actor), "reason": own_words(reason), "followup": row.revision}
        desk.owe(
            session, "alert_update", MailKind.ALERT, chair, now, incident=incident, revision=row.revision, facts=facts
        )
    return "quiet"


def close(session: Session, desk: Desk, incident_id: str, actor: Actor, reason: str, now: datetime) -> bool:
    """Close an incident with a reason, after the registers were answered (the page sees to that)."""
    row = incident_row(session, incident_id, actor, Deed.CLOSE)
    if row.state == IncidentState.CLOSED.value:
        return False
    supersede(session, row.id, now)
    _close(session, row, actor, now, desk)
    note(session, row.id, now, str(actor), f"Closed: {own_words(reason)}")
    return True


def give_to_ceo(session: Session, desk: Desk, incident_id: str, actor: Actor, now: datetime) -> bool:
    """ "This is for the CEO": it may have spoken of her, and the Chair says that it does not. From now on she sees it
    and is told as of any other. False when that was said before. Raises ``NotAllowed`` where it is clear.
    """
    before = session.get(IncidentRow, incident_id)
    said_before = before is not None and "ceo" in before.cleared_of and "ceo" not in hidden_from(before)
    if said_before and may_see(actor, before):
        return False
    row = incident_row(session, incident_id, actor, Deed.FOR_CEO)
    persons.clear(row, desk, "ceo")
    supersede(session, row.id, now)
    note(session, row.id, now, str(actor), "This is for the CEO: it is not about her. Shown to the CEO from now on.")
    if row.state == IncidentState.CLOSED.value:
        return True
    row.next_step = 0
    desk.advance(session, row, incident_of(row), now)
    if row.state != IncidentState.OPEN.value:
        row.next_step_at = None
    return True


def hand_to_chair(session: Session, desk: Desk, incident_id: str, actor: Actor, now: datetime) -> None:
    """The Chair decides from here (policy 6.4): tells the Chair at once. Raises ``NotAllowed`` without a Chair."""
    row = incident_row(session, incident_id, actor, Deed.HAND)
    chair = desk.person(session, "chair")
    if chair is None:
        raise NotAllowed("The settings name no Chair. Add [people.chair].")
    if desk.is_first_this_hour(session, str(actor), "hand to chair", row.id, now):
        row.revision += 1
        facts = {"handed_by": str(actor), "followup": row.revision - 1}
        desk.owe(
            session, "alert", MailKind.ALERT, chair, now, incident=incident_of(row), revision=row.revision, facts=facts
        )
    note(session, row.id, now, str(actor), f"Handed to {chair.name} ({ROLE_WORDS['chair']}).")


def add_note(session: Session, incident_id: str, actor: Actor, words: str, now: datetime) -> None:
    """Write into the decision log, in our own words. Raises ``NotAllowed`` for an empty note."""
    row = incident_row(session, incident_id, actor, Deed.NOTE)
    text = own_words(words)
    if not text:
        raise NotAllowed("An empty note says nothing; write what was decided or found out.")
    note(session, row.id, now, str(actor), text)


def tip(
    session: Session,
    desk: Desk,
    keys: Keys,
    *,
    words: str,
    link: str,
    by: str,
    now: datetime,
    gave_name: str = "",
    about_ceo: bool = False,
    drill: bool = False,
) -> IncidentRow:
    """Somebody tells the CEO (policy 4.17): always an alert, at once, never waiting for the scorer.

    ``words`` are the tipster's own; whoever they speak of, or may, is not told, but who comes next
    (docs/adr/0012). ``about_ceo``: the tipster says that it is about the CEO. ``by`` is who told as far as we know it,
    ``gave_name`` what somebody unknown wrote into the box for a name.
    Raises ``NotAllowed`` when neither words nor a link were given.
    """
    said, url = own_words(words, at_most=MAX_TIP), own_words(link)[:500]
    if not said and not url:
        raise NotAllowed("Say what worries you, or paste the link of the post; best both.")
    spoken = desk.naming.spoken(said, links=(url,), told=True)
    sure = desk.roster.with_their_others((*spoken.of, "ceo") if about_ceo else spoken.of)
    row = IncidentRow(
        id=new_incident_id(),
        category=None,
        spoken_of=sorted(sure),
        perhaps_of=[role for role in desk.roster.with_their_others(spoken.perhaps) if role not in sure],
        severity=int(Severity.ALERT),
        state=IncidentState.OPEN.value,
        opened_at=now,
        last_seen_at=now,
        mentions=1,
        told=1,
        source="tip",
        summary=said,
        tip_link=url,
        salt=keys.digest("tip", now.isoformat())[:16],
        drill=drill,
    )
    session.add(row)
    session.flush()
    note(session, row.id, now, by or "Somebody", f"{TOLD}{_given(by, gave_name)}")
    desk.advance(session, row, incident_of(row), now)
    return row


def _given(by: str, gave_name: str) -> str:
    name = one_name(gave_name)
    how = "By the handed-out link, who gave" if by == BY_LINK else "They gave"
    return f' {how} the name "{name}".' if name else ""


def allow_post(session: Session, row: MentionRow, actor: Actor, now: datetime) -> None:
    """A post of ours during takeover was in order, on somebody's word; said once."""
    if row.allowed_at is not None:
        return
    row.allowed_at = now
    audit.record(session, actor=str(actor), action="own post allowed", now=now, about=f"{row.platform} {row.id}")
    incident = takeovers.current(session).incident
    if incident and session.get(IncidentRow, incident) is not None:
        note(session, incident, now, str(actor), f"A post of ours on {row.platform} was in order.")


def post_row(session: Session, mention_id: int, actor: Person) -> MentionRow:
    """A post; raises ``NotAllowed`` in the same plain words when it is not kept and when it is not for ``actor``."""
    row = session.get(MentionRow, mention_id)
    about = session.get(IncidentRow, row.incident_id) if row is not None and row.incident_id else None
    if row is None or not may_see(actor, about):
        raise NotAllowed("That post is no longer kept.")
    return row


def missed(session: Session, mention_id: int, actor: Actor, reason: str, now: datetime) -> None:
    """ "You should have told me": kept with the rules that spoke, to measure what is missed here. Raises
    ``NotAllowed``."""
    mention = post_row(session, mention_id, actor)
    if mention.incident_id is not None:
        incident_row(session, mention.incident_id, actor, Deed.MISSED)
    session.add(
        FeedbackRow(
            at=now,
            who=actor.role,
            mention_id=mention_id,
            incident_id=mention.incident_id,
            verdict="should have told me",
            reason=own_words(reason),
            rules=[signal.get("rule") for signal in mention.signals],
        )
    )


def feedback(session: Session, row: IncidentRow, actor: Actor, verdict: str, reason: str, now: datetime) -> None:
    """Keep a verdict on an incident with the rules that had spoken and the marks of its posts (issue of learning)."""
    rules = {
        signal.get("rule")
        for mention in session.scalars(select(MentionRow).where(MentionRow.incident_id == row.id).limit(50))
        for signal in mention.signals
    }
    session.add(
        FeedbackRow(
            at=now,
            who=actor.role,
            incident_id=row.id,
            verdict=verdict,
            reason=own_words(reason),
            rules=sorted(rule for rule in rules if rule),
            fingerprint="\n".join(str(mark) for mark in row.copies)[:20_000],
        )
    )


def set_away(session: Session, role: str, away: bool, now: datetime, *, by: str) -> None:
    """Mark the CEO or the Chair away or back; while the CEO is away the Chair is told at once (policy 6.4)."""
    row = session.get(PersonRow, role)
    if row is None:
        row = PersonRow(role=role, changed_at=now)
        session.add(row)
    row.away, row.changed_at = away, now
    audit.record(session, actor=by, action="away" if away else "back", now=now, about=role)
    if not away:
        row.refused_at = None


def _close(session: Session, row: IncidentRow, actor: Actor, now: datetime, desk: Desk) -> None:
    row.state = IncidentState.CLOSED.value
    row.closed_at, row.closed_by = now, str(actor)
    row.next_step_at = None
    takeover = takeovers.current(session)
    if takeover.state is State.PROPOSED and takeover.incident == row.id:
        takeovers.end(session, desk, by=str(actor), reason=f"Incident {row.id} was closed.", now=now)
