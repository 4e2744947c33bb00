"""Whether those who publish know that a takeover is on: one reading of the outbox, for mails and pages."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import select
from sqlalchemy.orm import Session

from monitor.excerpts import join
from monitor.store.tables import AlertRow

WORD = ("takeover_posters", "takeover_allowed")
"""What tells somebody who publishes how a takeover stands for them."""


@dataclass(frozen=True, slots=True)
class Posters:
    """Names: who was told, whose mail is under way, and whom mail does not reach."""

    told: tuple[str, ...] = ()
    waiting: tuple[str, ...] = ()
    untold: tuple[str, ...] = ()

    @property
    def sentence(self) -> str:
        """How that stands, and what to do about it."""
        if self.untold:
            one = len(self.untold) == 1
            return (
                f"{join(list(self.untold))} {'has' if one else 'have'} not been told: mail to them does not arrive. "
                "Ring them now: until then they may go on posting."
            )
        if self.waiting:
            return f"{join(list(self.waiting))} {'is' if len(self.waiting) == 1 else 'are'} being told now."
        return "The posters have been told." if self.told else "The settings name nobody who would have to be told."


def posters_of(session: Session, since: str) -> Posters:
    """Of the takeover that began at ``since`` (ISO 8601). Of several words to one person the last counts."""
    if not since:
        return Posters()
    rows = session.scalars(
        select(AlertRow)
        .where(AlertRow.template.in_(WORD), AlertRow.channel == "mail", AlertRow.superseded_at.is_(None))
        .where(AlertRow.made_at >= datetime.fromisoformat(since))
        .order_by(AlertRow.made_at)
    )
    last = {row.address: row for row in rows if row.facts.get("since") == since}
    told = tuple(row.name for row in last.values() if row.delivered_at is not None)
    untold = tuple(row.name for row in last.values() if is_unreached(row))
    return Posters(told, tuple(row.name for row in last.values() if row.name not in {*told, *untold}), untold)


def is_unreached(row: AlertRow) -> bool:
    """Whether its person counts as not reached by it."""
    return row.delivered_at is None and (row.unreached_at is not None or row.refused_at is not None)
