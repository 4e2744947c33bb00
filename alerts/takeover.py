"""CEO takeover as a state machine (policy 4.16). Pure: what a verb makes of a state; the ledger is the monitor's.

normal → proposed → active → standing down → normal. The machine may *propose*; a person *begins* and *ends*. Only
the unattended fall-back of the settings begins without a person, and then it ends after ``UNATTENDED_FOR`` unless a
person confirms it. Begun by a person it never ends by itself.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from enum import StrEnum

UNATTENDED_FOR = timedelta(hours=12)
"""How long a takeover that began by itself lasts without a person's word (settled questions, 5)."""

ITSELF = "Earshot, by itself"


class State(StrEnum):
    """Whether people may publish."""

    NORMAL = "normal"
    PROPOSED = "proposed"
    ACTIVE = "active"
    STANDING_DOWN = "standing down"


class Verb(StrEnum):
    """What was done. ``END`` with something left on hold stands down first; without, it is over at once. A proposal
    that nobody took up is withdrawn, not ended."""

    PROPOSE = "propose"
    BEGIN = "begin"
    CONFIRM = "confirm"
    HAND_OVER = "hand over"
    ALLOW = "allow"
    END = "end"
    WITHDRAW = "withdraw"


class Refused(Exception):
    """A verb that does not fit the state, or that lacks a person or a reason; the message says why, in plain words."""


@dataclass(frozen=True, slots=True)
class Takeover:
    """The state, since when, by whom and why. ``holder`` is the role that decides: ceo or chair.

    ``allowed`` names who may post meanwhile besides the holder, as ``name`` or ``name: x, facebook``.
    ``ends_at`` is set only while it runs unattended. ``on_hold`` says what stays on hold while standing down.
    """

    state: State = State.NORMAL
    since: datetime | None = None
    by: str = ""
    reason: str = ""
    holder: str = "ceo"
    incident: str = ""
    allowed: tuple[str, ...] = ()
    allowed_platforms: tuple[str, ...] = ()
    ends_at: datetime | None = None
    on_hold: str = ""

    @property
    def is_active(self) -> bool:
        """Whether nobody but the holder may publish."""
        return self.state is State.ACTIVE

    @property
    def is_unattended(self) -> bool:
        """Whether it began by itself and no person has confirmed it yet."""
        return self.is_active and self.ends_at is not None


def propose(current: Takeover, *, incident: str, reason: str, now: datetime, by: str = ITSELF) -> Takeover | None:
    """A proposal, or None when there is nothing to propose: one is open already, or takeover has begun."""
    if current.state is not State.NORMAL:
        return None
    return Takeover(State.PROPOSED, now, by, reason, incident=incident)


def begin(
    current: Takeover,
    *,
    by: str,
    reason: str,
    now: datetime,
    holder: str = "ceo",
    incident: str = "",
    allowed: tuple[str, ...] = (),
    allowed_platforms: tuple[str, ...] = (),
    unattended: bool = False,
) -> Takeover | None:
    """Takeover by a person with a reason; None when it is active already. Raises ``Refused`` without either.

    A person who begins what had begun by itself confirms it.
    """
    if not by.strip() or not reason.strip():
        raise Refused("Takeover needs a person and a reason.")
    if current.is_active:
        return confirm(current, by=by) if current.is_unattended and not unattended else None
    return Takeover(
        State.ACTIVE,
        now,
        by.strip(),
        reason.strip(),
        holder,
        incident or current.incident,
        allowed,
        allowed_platforms,
        now + UNATTENDED_FOR if unattended else None,
    )


def confirm(current: Takeover, *, by: str) -> Takeover | None:
    """A takeover that began by itself now stands on a person's word; None when there is nothing to confirm."""
    if not current.is_unattended:
        return None
    return replace(current, by=by, ends_at=None)


def hand_over(current: Takeover, *, by: str, to: str) -> Takeover | None:
    """Another role holds it from now on. Raises ``Refused`` when none is active; None when that role holds it."""
    if not current.is_active:
        raise Refused("There is no takeover to hand over.")
    return None if current.holder == to else replace(current, holder=to, by=by)


def allow(current: Takeover, *, names: tuple[str, ...], platforms: tuple[str, ...]) -> Takeover:
    """Who besides the holder may post, and on which platforms. Raises ``Refused`` when none is active."""
    if not current.is_active:
        raise Refused("There is no takeover to make an exception from.")
    return replace(current, allowed=names, allowed_platforms=platforms)


def end(current: Takeover, *, by: str, reason: str, now: datetime, on_hold: str = "") -> Takeover | None:
    """Back to normal, or standing down while ``on_hold`` names what must still wait; None when all is normal.

    Raises ``Refused`` without a person or a reason.
    """
    if not by.strip() or not reason.strip():
        raise Refused("Ending a takeover needs a person and a reason.")
    if current.state is State.NORMAL:
        return None
    if on_hold.strip() and current.is_active:
        return replace(
            current, state=State.STANDING_DOWN, since=now, by=by, reason=reason, ends_at=None, on_hold=on_hold
        )
    return Takeover(State.NORMAL, now, by, reason)
