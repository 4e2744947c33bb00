"""What the command line lists: incidents and the state of takeover."""

from __future__ import annotations

import json
from collections.abc import Iterator

from sqlalchemy import select

from alerts.model import Severity
from monitor import takeovers
from monitor.app import App
from monitor.clock import say_ago, say_moment
from monitor.excerpts import adds_up
from monitor.intake import count_accounts
from monitor.model import IncidentState
from monitor.store.tables import IncidentRow
from monitor.visibility import AT_THE_SERVER, visible_to


def incidents(app: App, *, everything: bool, as_json: bool) -> Iterator[str]:
    """One line for each incident, the most urgent first."""
    now, zone = app.clock(), app.settings.zone
    order = (
        IncidentRow.state == IncidentState.CLOSED.value,
        IncidentRow.severity.desc(),
        IncidentRow.last_seen_at.desc(),
    )
    query = select(IncidentRow).where(visible_to(AT_THE_SERVER)).order_by(*order).limit(500)
    if not everything:
        query = query.where(IncidentRow.state != IncidentState.CLOSED.value)
    with app.database.read() as session:
        rows = session.scalars(query).all()
        for row in rows:
            level = Severity(row.severity).level
            countable = adds_up(row.platforms, app.terms)
            if as_json:
                yield json.dumps(
                    {
                        "id": row.id,
                        "severity": row.severity,
                        "level": level,
                        "category": row.category,
                        "state": row.state,
                        "source": row.source,
                        "mentions": row.mentions,
                        "accounts": count_accounts(session, row.id),
                        "platforms": row.platforms,
                        "opened_at": row.opened_at.isoformat(),
                        "last_seen_at": row.last_seen_at.isoformat(),
                        "acknowledged_by": row.acknowledged_by or None,
                        "history": row.history,
                        "drill": row.drill,
                    }
                )
                continue
            subject = (row.category or row.source).replace("_", " ")
            drill = "DRILL " if row.drill else ""
            where = ", ".join(row.platforms) or "no platform"
            size = f"{row.mentions} mentions" if countable else "counted apart"
            yield (
                f"{row.id}  {drill}{level.upper():8} {subject:20} {row.state:13} {size:>14}  "
                f"{where}  opened {say_ago(row.opened_at, now, zone)}"
            )
    if not rows and not as_json:
        yield "No open incident." if not everything else "No incident."


def takeover(app: App, *, as_json: bool) -> tuple[str, bool]:
    """The state in one sentence (or as JSON), and whether takeover is active."""
    with app.database.read() as session:
        state = takeovers.as_seen_by(session, AT_THE_SERVER)
    if as_json:
        body = {
            "state": state.state.value,
            "since": state.since.isoformat() if state.since else None,
            "by": state.by or None,
            "reason": state.reason or None,
            "holder": state.holder if state.is_active else None,
            "incident": state.incident or None,
            "ends_at": state.ends_at.isoformat() if state.ends_at else None,
        }
        return json.dumps(body), state.is_active
    if state.since is None or state.state.value == "normal":
        return "Normal: people may publish as usual.", False
    since = say_moment(state.since, app.settings.zone, now=app.clock())
    why = f": {state.reason}" if state.reason else "."
    words = f"{state.state.value.capitalize()} since {since}, by {state.by}{why}"
    if state.ends_at is not None:
        words += f" It ends by itself at {say_moment(state.ends_at, app.settings.zone)} unless a person confirms it."
    return words, state.is_active
