""" "May I post?" for people and for tools, and whether Earshot itself is well."""

from __future__ import annotations

from datetime import datetime, timedelta
from importlib.metadata import version
from typing import Any

from flask import Blueprint, Response, g, jsonify, make_response, render_template, request
from sqlalchemy import select
from sqlalchemy.exc import SQLAlchemyError
from werkzeug.wrappers import Response as BaseResponse

from alerts.takeover import State, Takeover
from monitor import hearing, reaching, takeovers
from monitor.outbox import ROLE_WORDS
from monitor.store.database import StoreLost
from monitor.store.tables import LeaseRow, PlatformRow, ProgressRow
from monitor.visibility import EVERYBODY
from monitor.web.guard import PUBLIC, open_to, under_any_name
from monitor.web.house import House, house_of
from monitor.web.visitor import Visitor
from monitor.web.words import colours

pages = Blueprint("publishing", __name__)

LOCKED = 423

STALE = timedelta(seconds=90)
"""The watch loop writes its progress every 15 seconds; after this long it stands still."""


@pages.get("/publishing")
@open_to(PUBLIC)
def may_post() -> Response:
    """The answer, big enough to read across a room."""
    house = house_of()
    with house.app.database.read() as session:
        takeover = takeovers.as_seen_by(session, g.visitor or EVERYBODY)
    holder = house.app.people.get(takeover.holder)
    page = render_template(
        "publishing.html",
        takeover=takeover,
        standing_down=takeover.state is State.STANDING_DOWN,
        holder=ROLE_WORDS.get(takeover.holder, takeover.holder),
        holder_name=holder.name if holder is not None and g.visitor is not None else "",
        now=house.now,
    )
    return make_response(page, LOCKED if takeover.is_active else 200)


@pages.get("/publishing.json")
@open_to(PUBLIC)
@under_any_name
def may_post_json() -> Response:
    """The same for tools."""
    house = house_of()
    with house.app.database.read() as session:
        takeover = takeovers.as_seen_by(session, EVERYBODY)
    response = jsonify(publishing_json(house, takeover))
    response.status_code = LOCKED if takeover.is_active else 200
    return response


def publishing_json(house: House, takeover: Takeover) -> dict[str, Any]:
    """What a tool may know without a sign-in: roles, no names; the reason stays inside."""
    running = takeover.state in {State.ACTIVE, State.STANDING_DOWN}
    return {
        "may_post": not takeover.is_active,
        "state": takeover.state.value,
        "since": _stamp(takeover.since) if running else None,
        "holder": takeover.holder if takeover.is_active else None,
        "may_post_meanwhile": list(takeover.allowed_platforms) if takeover.is_active else [],
        "something_stays_on_hold": bool(takeover.on_hold),
        "ends_at": _stamp(takeover.ends_at),
        "contact": f"Questions and press calls go to the {ROLE_WORDS.get(takeover.holder, 'CEO')}.",
        "checked_at": _stamp(house.now),
    }


@pages.get("/health")
@open_to(PUBLIC)
@under_any_name
def health() -> Response:
    """Whether the service does its work: 200, or 503 when alerts may not be reaching anybody.

    ``/health?alive`` asks of the process alone, for what would restart it or take it out of service: where mail or a
    platform is down, these pages may be the only way in.
    """
    house = house_of()
    if "alive" in request.args:
        return _alive(house)
    try:
        body, well = health_json(house)
    except SQLAlchemyError as error:
        why = error.brief if isinstance(error, StoreLost) else f"the database does not answer ({type(error).__name__})"
        body, well = {"status": "unwell", "problems": [why]}, False
    response = jsonify(body)
    response.status_code = 200 if well else 503
    return response


def _alive(house: House) -> Response:
    still = house.app.standing_still
    problems = [f"the {name} loop makes no progress" for name in still()] if still is not None else _standstill(house)
    response = jsonify({"status": "unwell" if problems else "alive", "problems": problems})
    response.status_code = 503 if problems else 200
    return response


def _standstill(house: House) -> list[str]:
    """Whether the daemon's work stands still, as the database knows it."""
    with house.app.database.read() as session:
        watched = session.scalar(select(ProgressRow.at).where(ProgressRow.loop == "watch"))
        lease = session.get(LeaseRow, "daemon")
    problems: list[str] = []
    if watched is None or house.now - watched > STALE:
        problems.append("the watch loop makes no progress")
    if lease is None or not lease.is_held(house.now):
        problems.append("no daemon holds the lease")
    return problems


def health_json(house: House, who: Visitor | None = None) -> tuple[dict[str, Any], bool]:
    """The state of the service without anything of a person, and whether it is well enough to be trusted; for ``who``
    without what is hidden from them."""
    app, now = house.app, house.now
    with app.database.read() as session:
        waiting, oldest = reaching.waiting(session, app.desk, now, who or EVERYBODY)
        problems = reaching.problems(session, app.desk, now, who)
        rows = session.scalars(select(PlatformRow).where(PlatformRow.in_use.is_(True)).order_by(PlatformRow.name)).all()
        progress = {row.loop: row.at for row in session.scalars(select(ProgressRow))}
        lease = session.get(LeaseRow, "daemon")
        takeover = takeovers.as_seen_by(session, EVERYBODY)
    problems = [*_standstill(house), *problems]
    if app.mail_account.trouble:
        problems.append("the mail server does not let us sign in")
    if app.database.damage:
        problems.append(app.database.damage)
    platforms = {row.name: _platform(row, app.limits, now) for row in rows}
    deaf = sorted(name for name, entry in platforms.items() if entry["deaf"])
    status = "unwell" if problems else "deaf" if deaf else "ok"
    body = {
        "status": status,
        "problems": problems,
        "deaf": deaf,
        "platforms": platforms,
        "queue": {"waiting": waiting, "oldest_due_at": _stamp(oldest)},
        "progress": {name: _stamp(at) for name, at in progress.items()},
        "lease": {"until": _stamp(lease.until), "fence": lease.fence} if lease is not None else None,
        "takeover": takeover.state.value,
        "version": version("earshot"),
        "time": _stamp(now),
    }
    return body, not problems


def _platform(row: PlatformRow, limits: hearing.Limits, now: datetime) -> dict[str, Any]:
    deaf = hearing.deafness(row, limits, now)
    return {
        "heard_until": _stamp(row.heard_until),
        "polled_at": _stamp(row.polled_at),
        "due_at": _stamp(row.due_at),
        "deaf": deaf is not None,
        "deaf_since": _stamp(deaf.since) if deaf else None,
        "fault": row.error_class if row.failing_since else "",
        "failures": row.failures,
        "never_shows": list(row.never_shows),
    }


def _stamp(moment: datetime | None) -> str | None:
    return moment.isoformat(timespec="seconds") if moment else None


@pages.get("/static/<path:name>")
@open_to(PUBLIC)
def static_file(name: str) -> BaseResponse:
    """The style sheet and the few lines of script; nothing comes from elsewhere."""
    from flask import current_app, send_from_directory

    folder = f"{current_app.root_path}/static"
    if name == "earshot.css":
        with open(f"{folder}/earshot.css", encoding="utf-8") as file:
            response = make_response(colours() + file.read())
        response.content_type = "text/css; charset=utf-8"
    else:
        response = make_response(send_from_directory(folder, name))
    response.headers["Cache-Control"] = "public, max-age=3600"
    return response
