"""The first page: what is happening, what has been done, what to do next."""

from __future__ import annotations

from flask import Blueprint, make_response, render_template
from sqlalchemy import func, select
from werkzeug.wrappers import Response as BaseResponse

from alerts.model import Severity
from alerts.takeover import State
from monitor import hearing, takeovers
from monitor.model import IncidentState
from monitor.notices import headline_of
from monitor.store.tables import IncidentRow
from monitor.visibility import visible_to
from monitor.web.figures import week_of
from monitor.web.guard import ALL, open_to
from monitor.web.house import house_of
from monitor.web.visitor import visitor

pages = Blueprint("now", __name__)

SHOWN = 30
"""Open incidents on the page, the gravest first; the rest is counted."""


@pages.get("/")
@open_to(ALL)
def look() -> BaseResponse:
    """Now."""
    house, who = house_of(), visitor()
    app, now = house.app, house.now
    with app.database.read() as session:
        wanted = (
            IncidentRow.state != IncidentState.CLOSED.value,
            IncidentRow.severity >= int(Severity.ALERT),
            IncidentRow.history.is_(False),
            visible_to(who),
        )
        total = session.scalar(select(func.count()).select_from(IncidentRow).where(*wanted)) or 0
        rows = session.scalars(
            select(IncidentRow)
            .where(*wanted)
            .order_by(IncidentRow.severity.desc(), IncidentRow.state.desc(), IncidentRow.last_seen_at.desc())
            .limit(SHOWN)
        ).all()
        takeover = takeovers.as_seen_by(session, who)
        coverage = hearing.coverage_lines(session, now, app.settings.zone)
        pictures = week_of(session, house, who)
    incidents = [(row, headline_of(row, app.cards.for_category(row.category, row.source))) for row in rows]
    return make_response(
        render_template(
            "now.html",
            pictures=pictures,
            deaf=any(line.deaf for line in coverage) or not coverage,
            incidents=incidents,
            total=total,
            takeover=takeover,
            proposed=takeover.state is State.PROPOSED,
            coverage_lines=coverage,
            who=who,
        )
    )
