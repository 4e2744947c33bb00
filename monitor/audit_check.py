"""Whether the audit chain, the takeover ledger, the incidents' logs and the incidents tell the same story.

Whoever changes only one of them is found, and to change all of them the install key is needed.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Iterator

from sqlalchemy import select
from sqlalchemy.orm import Session

from monitor import audit
from monitor.store.tables import AuditRow, IncidentRow, LogRow, TakeoverRow

LEDGER, LOG = "takeover: ", "incident log"
"""How actions begin that stand for a line of the takeover ledger, and of an incident's log."""

OF_INCIDENTS = (LOG, "statement approved", "drill begun")
"""Actions whose rows are about an incident by its name."""

MOST = 20


MayName = Callable[[IncidentRow], bool]


def check(session: Session, may_name: MayName, *, witnessed: str = "", keyed: bool = False) -> list[str]:
    """What is wrong, in words; empty when everything tells the same story. Incidents are named that ``may_name``. See
    ``audit.verify`` for the other arguments."""
    problems = audit.verify(session, witnessed=witnessed, keyed=keyed)
    found = list(dict.fromkeys([*problems, *_ledger(session), *_logs(session, may_name)]))
    return found if len(found) <= MOST else [*found[:MOST], "And more."]


def proof_of_turn(row: TakeoverRow) -> str:
    """What a line of the ledger decides; without names and reasons, which may be erased."""
    facts = row.facts
    decides = [facts.get(name) for name in ("since", "holder", "incident", "allowed_platforms", "ends_at")]
    return audit.proof_of(row.at.isoformat(), row.verb, row.state, *decides)


def _ledger(session: Session) -> Iterator[str]:
    query = select(AuditRow).where(AuditRow.action.startswith(LEDGER)).order_by(AuditRow.id)
    audited = list(session.scalars(query))
    turns = list(session.scalars(select(TakeoverRow).order_by(TakeoverRow.id)))
    if len(turns) > len(audited):
        yield f"The takeover ledger holds {len(turns) - len(audited)} lines that the audit knows nothing of."
    if len(turns) < len(audited):
        yield f"{len(audited) - len(turns)} lines of the takeover ledger are missing."
    for turn, row in zip(turns, audited, strict=False):
        same = (row.at, row.action) == (turn.at, f"{LEDGER}{turn.verb}")
        if not same or (row.proof and row.proof != proof_of_turn(turn)):
            yield f"Line {turn.id} of the takeover ledger is not what row {row.id} of the audit says."
            return


UNNAMED = "Something that the audit speaks of is not what it says."
"""What is said of an incident that may not be named."""


def _logs(session: Session, may_name: MayName) -> Iterator[str]:
    for incident, fault in _faults(session):
        yield fault if may_name(incident) else UNNAMED


def _faults(session: Session) -> Iterator[tuple[IncidentRow, str]]:
    audited: dict[str, list[AuditRow]] = defaultdict(list)
    for row in session.scalars(select(AuditRow).where(AuditRow.action == LOG).order_by(AuditRow.id)):
        audited[row.about].append(row)
    lines: dict[str, list[LogRow]] = defaultdict(list)
    for line in session.scalars(select(LogRow).order_by(LogRow.id)):
        lines[line.incident_id].append(line)
    for incident in session.scalars(select(IncidentRow).order_by(IncidentRow.id)):
        if not _same(lines[incident.id], audited[incident.id]):
            yield incident, f"The log of incident {incident.id} is not what the audit says."
        done = {(row.at, row.actor) for row in audited[incident.id]}
        for what, at, by in (
            ("acknowledged", incident.acknowledged_at, incident.acknowledged_by),
            ("closed", incident.closed_at, incident.closed_by),
        ):
            if at is not None and by and (at, by) not in done:
                yield incident, f"Incident {incident.id} stands as {what}, and the audit knows nothing of it."


def _same(lines: list[LogRow], audited: list[AuditRow]) -> bool:
    """Whether a log's lines are those that were audited; words that were erased are not compared."""
    return len(lines) == len(audited) and all(
        line.at == row.at and (row.words is None or (line.who, line.what) == (row.actor, row.words))
        for line, row in zip(lines, audited, strict=True)
    )
