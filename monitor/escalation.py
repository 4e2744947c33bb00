"""Who must be told what, and when. Pure: the sums behind the chain of alerts (policy 4.16, 6.4)."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, time, timedelta
from enum import StrEnum
from zoneinfo import ZoneInfo

from alerts.model import Severity
from monitor.model import Category, Incident
from monitor.visibility import hidden_from

GROWTH_STEPS = (5, 20, 100, 500, 2_000, 10_000, 50_000)
"""Mentions at which a growing incident is told again: a storm is one incident, not 400 e-mails."""

LOUD_EVERY = timedelta(hours=1)
"""How often a CRISIS that nobody acknowledged is repeated to both (reliability notes, 2.3)."""

LOUD_FOR = timedelta(hours=24)

SERIOUS = frozenset({Category.SAFEGUARDING, Category.SELF_HARM})
"""Categories that a link in a mail cannot close, whatever their level (settled questions, 5)."""


HIDDEN_FOR = timedelta(minutes=15)
"""How long the Chair alone knows of a CRISIS that is hidden from the CEO, before the next person is told."""

PATIENCE = {Severity.CRISIS: timedelta(minutes=5)}
OTHERWISE = timedelta(minutes=30)
"""How long temporary answers of a mail server are borne before the person counts as not reached."""


class Step(StrEnum):
    """What is owed for an incident now."""

    TELL = "tell"
    UPDATE = "update"
    BEGIN_TAKEOVER = "begin takeover"
    PROPOSE_TAKEOVER = "propose takeover"


@dataclass(frozen=True, slots=True)
class ChainPolicy:
    """The times of the chain for one severity, and the night in which an ALERT's chain and phones wait."""

    crisis_again: timedelta
    crisis_chair: timedelta
    alert_again: timedelta
    alert_chair: timedelta
    night_from: time
    night_until: time
    zone: ZoneInfo


def decide(before: Incident | None, after: Incident) -> tuple[Step, ...]:
    """The steps owed now. An incident that has grown no worse owes nothing, or an update at a growth step."""
    if after.history:
        return ()
    if before is None or after.severity > before.severity:
        propose = (Step.PROPOSE_TAKEOVER,) if after.severity is Severity.CRISIS else ()
        return (Step.TELL, *propose)
    if hidden_from(after) - hidden_from(before):
        return (Step.TELL,)  # whoever decides now that somebody must not know of it has perhaps heard nothing so far
    if after.severity is Severity.CRISIS and (
        before.state is not after.state or after.threads[-1:] != before.threads[-1:] and _new_copy(before, after)
    ):
        return (Step.UPDATE,)
    if next_growth_step(before.told) <= after.mentions:
        return (Step.UPDATE,)
    return ()


def _new_copy(before: Incident, after: Incident) -> bool:
    return after.copies != before.copies


def next_growth_step(told: int) -> int:
    """The number of mentions at which an incident that was told at ``told`` is told again."""
    return next((step for step in GROWTH_STEPS if step > told), told * 5)


@dataclass(frozen=True, slots=True)
class Owed:
    """One message owed to a role: by mail, and by phone where ``phones``."""

    role: str
    phones: bool


@dataclass(frozen=True, slots=True)
class ChainStep:
    """What one step of the chain owes, and when the next one is due (None: the chain has ended)."""

    owed: tuple[Owed, ...]
    next_at: datetime | None


def chain_step(
    step: int,
    severity: Severity,
    *,
    opened_at: datetime,
    now: datetime,
    ceo_away: bool,
    heads: tuple[str, ...],
    policy: ChainPolicy,
    reserve: str = "",
) -> ChainStep:
    """Step 0 tells first, 1 tells again, 2 tells the Chair, later ones repeat a CRISIS hourly to both.

    ``heads`` are the roles that may be told, in their turn (``visibility.in_turn``): never somebody of whom it speaks.
    CEO away: the Chair at once, the CEO by mail only. ALERT: the chain and the phones wait for the morning; the first
    mail does not. ``reserve``: who is told too, from the second step on, where a CRISIS is hidden from the CEO
    (``visibility.in_reserve``).
    """
    crisis = severity is Severity.CRISIS
    again = policy.crisis_again if crisis else policy.alert_again
    chair = policy.crisis_chair if crisis else policy.alert_chair
    loud_phones = crisis or not is_night(now, policy)
    first = _first(heads, ceo_away=ceo_away, phones=loud_phones)
    if crisis and reserve:
        again = min(again, HIDDEN_FOR)
        first += (Owed(reserve, loud_phones),) if step else ()
    if step == 0:
        return ChainStep(first, _by_day(now + again, crisis, policy))
    if step == 1:
        return ChainStep(first, _by_day(max(now, now + chair - again), crisis, policy))
    everyone = _both(first, heads, phones=loud_phones)
    if step == 2:
        owed = everyone if crisis else tuple(o for o in everyone if o.role == "chair") or first
        return ChainStep(owed, now + LOUD_EVERY if crisis else None)
    return ChainStep(everyone, now + LOUD_EVERY if crisis and now - opened_at < LOUD_FOR else None)


def _first(heads: tuple[str, ...], *, ceo_away: bool, phones: bool) -> tuple[Owed, ...]:
    if ceo_away and heads == ("ceo", "chair"):
        return (Owed("chair", phones), Owed("ceo", False))
    return tuple(Owed(role, phones) for role in heads[:1])


def _both(first: tuple[Owed, ...], heads: tuple[str, ...], *, phones: bool) -> tuple[Owed, ...]:
    if heads != ("ceo", "chair"):
        return first
    return (Owed("chair", phones), *(o for o in first if o.role != "chair"))


def not_reached_at(
    severity: Severity, *, is_final: bool, tried_at: datetime, failed_at: datetime, policy: ChainPolicy
) -> datetime:
    """When somebody whose letter has failed counts as not reached, and the next in the chain is told: a final refusal
    at once, temporary answers when they have lasted, an ALERT by day."""
    borne = PATIENCE.get(severity, OTHERWISE)
    return _by_day(failed_at if is_final else tried_at + borne, severity is Severity.CRISIS, policy)


def phones_ring_at(now: datetime, severity: Severity, policy: ChainPolicy) -> datetime:
    """When phones may ring for what is of this ``severity``: a CRISIS at any hour, anything else by day."""
    return _by_day(now, severity is Severity.CRISIS, policy)


def is_night(moment: datetime, policy: ChainPolicy) -> bool:
    """Whether the organisation's wall clock shows a time in the night of the settings."""
    clock = moment.astimezone(policy.zone).time()
    if policy.night_from <= policy.night_until:
        return policy.night_from <= clock < policy.night_until
    return clock >= policy.night_from or clock < policy.night_until


def _by_day(moment: datetime, crisis: bool, policy: ChainPolicy) -> datetime:
    """``moment``, or for an ALERT in the night the morning after."""
    if crisis or not is_night(moment, policy):
        return moment
    local = moment.astimezone(policy.zone)
    morning = local.replace(
        hour=policy.night_until.hour, minute=policy.night_until.minute, second=0, microsecond=0, fold=0
    )
    if morning <= local:
        morning += timedelta(days=1)  # wall-clock arithmetic, on purpose
    return morning.astimezone(moment.tzinfo)


def may_be_closed_by_link(incident: Incident) -> bool:
    """Whether "not a problem" in a mail closes it: an ALERT that is neither safeguarding nor self-harm."""
    return incident.severity < Severity.CRISIS and incident.category not in SERIOUS
