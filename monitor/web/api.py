"""The JSON interface for tools: tokens with scopes, no cookies, nothing that a mail might not say."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from functools import wraps
from typing import Any, TypeVar

from flask import Blueprint, Response, abort, g, jsonify, request
from sqlalchemy import Select, and_, or_, select
from sqlalchemy.orm import Session
from werkzeug.exceptions import HTTPException

from alerts.model import Severity
from monitor import actions, takeovers
from monitor.actions import Actor, NotAllowed
from monitor.excerpts import adds_up, handles_of, permalink
from monitor.hearing import coverage_lines
from monitor.intake import count_accounts
from monitor.model import IncidentState
from monitor.notices import headline_of
from monitor.store.tables import IncidentRow, LogRow, MentionRow, PlatformRow, ToolTokenRow
from monitor.visibility import TOOL, Someone, may_read_entry, may_see, posts_visible_to, visible_to
from monitor.web.guard import PUBLIC, open_to, proves_itself
from monitor.web.house import House, house_of
from monitor.web.incident_view import entry_of, readable_ids
from monitor.web.openapi import DESCRIPTION
from monitor.web.publishing import publishing_json

pages = Blueprint("api", __name__, url_prefix="/api")
View = TypeVar("View", bound=Callable[..., Any])

MOST = 200
"""Entries of one answer; the next page begins where this one ends."""

MOST_AT_ONCE = 5_000
"""Entries of one and the same second."""

TOOLS = Someone(TOOL)

CALLS_A_MINUTE = 600
_MINUTE = timedelta(minutes=1)


def for_tools(scope: str) -> Callable[[View], View]:
    """A route for tools that hold a token with ``scope``; without a scope it is for everybody."""

    def mark(view: View) -> View:
        @wraps(view)
        def checked(*args: Any, **kwargs: Any) -> Any:
            g.tool = _tool(scope) if scope else None
            return view(*args, **kwargs)

        checked.for_tools = True  # type: ignore[attr-defined]
        return proves_itself(open_to(PUBLIC)(checked))  # type: ignore[return-value]

    return mark


def _tool(scope: str) -> ToolTokenRow:
    house = house_of()
    kind, _, token = request.headers.get("Authorization", "").partition(" ")
    if kind.casefold() != "bearer" or not token:
        abort(401, "Send a token: Authorization: Bearer earshot_...")
    with house.app.database.read() as session:
        row = session.get(ToolTokenRow, house.app.keys.digest("tool", token.strip()))
    if row is None or row.ended_at is not None:
        abort(401, "This token is not known, or was ended.")
    if not house.limiter.allows(f"tool:{row.id}", CALLS_A_MINUTE, _MINUTE, house.now):
        abort(429, f"At most {CALLS_A_MINUTE} calls a minute.")
    if scope not in row.scopes:
        abort(403, f"This token may not do that: it lacks the scope {scope}.")
    return row


@pages.get("/openapi.json")
@for_tools("")
def describe() -> Response:
    """What this interface offers."""
    return jsonify(DESCRIPTION)


@pages.get("/publishing")
@for_tools("")
def publishing() -> Response:
    """May I post? Here always 200; ``/publishing.json`` answers 423 during a takeover."""
    house = house_of()
    with house.app.database.read() as session:
        return jsonify(publishing_json(house, takeovers.as_seen_by(session, TOOLS)))


@pages.get("/takeover")
@for_tools("takeover:read")
def takeover() -> Response:
    """The state with names and reasons."""
    house = house_of()
    with house.app.database.read() as session:
        state = takeovers.as_seen_by(session, TOOLS)
    return jsonify(
        {
            **publishing_json(house, state),
            "by": state.by or None,
            "reason": state.reason or None,
            "incident": state.incident or None,
            "allowed": list(state.allowed),
            "on_hold": state.on_hold or None,
        }
    )


@pages.get("/coverage")
@for_tools("coverage:read")
def coverage() -> Response:
    """How far each platform was heard."""
    house = house_of()
    with house.app.database.read() as session:
        lines = {line.platform: line for line in coverage_lines(session, house.now, house.app.settings.zone)}
        rows = session.scalars(select(PlatformRow).where(PlatformRow.in_use.is_(True)).order_by(PlatformRow.name)).all()
    entries = []
    for row, line in zip(rows, lines.values(), strict=False):
        entries.append(
            {
                "platform": row.name,
                "heard_until": _stamp(row.heard_until),
                "deaf": line.deaf,
                "words": line.text,
                "never_shows": list(row.never_shows),
            }
        )
    return jsonify({"coverage": entries})


@pages.get("/incidents")
@for_tools("incidents:read")
def incidents() -> Response:
    """Incidents, the newest first. Those that speak of one of our own people are not for tools."""
    house = house_of()
    state, limit, before = request.args.get("state"), _limit(), _moment("before")
    if state is not None and state not in {s.value for s in IncidentState}:
        abort(400, "state is open, acknowledged or closed.")
    query = select(IncidentRow).where(visible_to(TOOLS))
    if state:
        query = query.where(IncidentRow.state == state)
    if before:
        query = query.where(IncidentRow.opened_at < before)
    with house.app.database.read() as session:
        rows = _page(session, query, IncidentRow.opened_at, IncidentRow.id, limit)
        return jsonify({"incidents": [_incident(session, house, row) for row in rows]})


@pages.get("/incidents/<incident_id>")
@for_tools("incidents:read")
def incident(incident_id: str) -> Response:
    """One incident with its decision log."""
    house = house_of()
    with house.app.database.read() as session:
        row = _row(session, incident_id)
        log = session.scalars(select(LogRow).where(LogRow.incident_id == row.id).order_by(LogRow.id).limit(500)).all()
        known = [entry_of(e, readable=may_read_entry(TOOLS, "", row, e)) for e in log]
        entries = [{"at": _stamp(e.at), "who": e.who, "what": e.what} for e in known]
        return jsonify({**_incident(session, house, row), "log": entries})


@pages.post("/incidents/<incident_id>/acknowledge")
@for_tools("incidents:act")
def acknowledge(incident_id: str) -> Response:
    """Somebody takes care of it; the tool's name stands in the log."""
    body = _body({"who"})
    who = _text(body, "who", 80, needed=True)

    def work(session: Session) -> bool:
        row = _row(session, incident_id)
        return actions.acknowledge(session, row.id, _actor(who), house_of().now)

    return jsonify({"acknowledged": house_of().change(work)})


@pages.post("/incidents/<incident_id>/notes")
@for_tools("incidents:act")
def add_note(incident_id: str) -> Response:
    """Write into the decision log."""
    body = _body({"who", "words"})
    who, words = _text(body, "who", 80, needed=True), _text(body, "words", actions.MAX_WORDS, needed=True)

    def work(session: Session) -> None:
        row = _row(session, incident_id)
        actions.add_note(session, row.id, _actor(who), words, house_of().now)

    house_of().change(work)
    return _made({"noted": True})


@pages.get("/mentions")
@for_tools("mentions:read")
def mentions() -> Response:
    """Mentions, the newest first: words only where the platform's terms let a tool have them."""
    house = house_of()
    limit, before, platform = _limit(), _moment("before"), request.args.get("platform")
    level = request.args.get("level")
    if level is not None and level not in {s.level for s in Severity}:
        abort(400, "level is routine, watch, alert or crisis.")
    query = select(MentionRow).where(posts_visible_to(TOOLS))
    if platform:
        query = query.where(MentionRow.platform == platform[:40])
    if level:
        query = query.where(MentionRow.severity == int(Severity[level.upper()]))
    if before:
        query = query.where(MentionRow.posted_at < before)
    with house.app.database.read() as session:
        rows = _page(session, query, MentionRow.posted_at, MentionRow.id, limit)
        readable = readable_ids(session, rows, TOOLS)
        return jsonify({"mentions": [_mention(house, row, readable=row.id in readable) for row in rows]})


@pages.post("/tips")
@for_tools("tips:write")
def tip() -> Response:
    """Tell the CEO: always an alert."""
    house = house_of()
    body = _body({"words", "link", "by", "about_ceo"})
    about_ceo = _flag(body, "about_ceo")
    words, link, by = _text(body, "words", actions.MAX_TIP), _text(body, "link", 500), _text(body, "by", 80)

    def work(session: Session) -> str:
        desk, who = house.app.desk, f"The program {g.tool.name}"
        row = actions.tip(
            session, desk, house.app.keys, words=words, link=link, by=who, gave_name=by, now=house.now,
            about_ceo=about_ceo,
        )  # fmt: skip
        return row.id

    try:
        return _made({"incident": house.change(work)})
    except NotAllowed as refusal:
        abort(400, str(refusal))


def _page(session: Session, query: Select[Any], moment: Any, number: Any, limit: int) -> list[Any]:
    """The newest rows, with all of the last one's second: the next page begins before that second."""
    order = (moment.desc(), number.desc())
    rows = list(session.scalars(query.order_by(*order).limit(limit)))
    if len(rows) == limit:
        edge, last = getattr(rows[-1], moment.key), rows[-1].id
        rest = or_(moment < edge, and_(moment == edge, number < last))
        rows += session.scalars(
            query.where(moment >= edge.replace(microsecond=0), rest).order_by(*order).limit(MOST_AT_ONCE)
        )
    return rows


# ── in and out ──────────────────────────────────────────────────────────────────────────────────────


def _incident(session: Session, house: House, row: IncidentRow) -> dict[str, Any]:
    countable = adds_up(row.platforms, house.app.terms)
    return {
        "id": row.id,
        "headline": headline_of(row, house.app.cards.for_category(row.category, row.source)),
        "severity": row.severity,
        "level": Severity(row.severity).level,
        "category": row.category,
        "state": row.state,
        "source": row.source,
        "mentions": row.mentions if countable else None,
        "accounts": count_accounts(session, row.id) if countable else None,
        "platforms": list(row.platforms),
        "opened_at": _stamp(row.opened_at),
        "last_seen_at": _stamp(row.last_seen_at),
        "acknowledged_at": _stamp(row.acknowledged_at),
        "acknowledged_by": row.acknowledged_by or None,
        "closed_at": _stamp(row.closed_at),
        "drill": row.drill,
        "history": row.history,
    }


def _mention(house: House, row: MentionRow, *, readable: bool) -> dict[str, Any]:
    terms = house.app.terms.get(row.platform, house.app.terms["other"])
    open_to_tools = terms.in_backups and readable and row.status == "live"
    return {
        "id": row.id,
        "platform": row.platform,
        "kind": row.kind,
        "posted_at": _stamp(row.posted_at),
        "severity": row.severity,
        "level": Severity(row.severity).level,
        "categories": [str(c) for c in row.categories],
        "language": row.language,
        "sentiment": row.sentiment if terms.scores and readable else None,
        "text": row.text if open_to_tools else None,
        "text_until": _stamp(row.text_until) if open_to_tools else None,
        "url": (permalink(row.platform, row.external_id, row.url, handles_of(row)) or None) if readable else None,
        "incident": row.incident_id,
        "question": row.question,
        "answered_at": _stamp(row.answered_at),
    }


def _row(session: Session, incident_id: str) -> IncidentRow:
    row = session.get(IncidentRow, incident_id) if incident_id.isprintable() else None
    if row is None or not may_see(TOOLS, row):
        abort(404, "There is no such incident, or it is not for tools.")
    return row


def _actor(who: str) -> Actor:
    return Actor(TOOL, f"The program {g.tool.name}, which gave the name {actions.one_name(who)}")


def _body(known: set[str]) -> dict[str, Any]:
    if request.mimetype != "application/json":
        abort(415, "Send JSON: Content-Type: application/json.")
    try:
        body = request.get_json()
    except (HTTPException, RecursionError):
        abort(400, "The body is not JSON, or nested too deep.")
    if not isinstance(body, dict) or not set(body) <= known:
        abort(400, f"The body is an object with these keys only: {', '.join(sorted(known))}.")
    return body


def _text(body: dict[str, Any], key: str, at_most: int, *, needed: bool = False) -> str:
    value = body.get(key, "")
    if not isinstance(value, str) or len(value) > at_most:
        abort(400, f"{key} is a text of at most {at_most} characters.")
    text = actions.own_words(value)
    if needed and not text:
        abort(400, f"{key} is missing.")
    return text


def _flag(body: dict[str, Any], key: str) -> bool:
    value = body.get(key, False)
    if not isinstance(value, bool):
        abort(400, f"{key} is true or false.")
    return value


def _limit() -> int:
    value = request.args.get("limit", "50")
    if not (value.isascii() and value.isdigit() and 1 <= int(value[:6]) <= MOST and len(value) <= 6):
        abort(400, f"limit is a number from 1 to {MOST}.")
    return int(value)


def _moment(key: str) -> datetime | None:
    value = request.args.get(key)
    if value is None:
        return None
    try:
        moment = datetime.fromisoformat(value.replace(" ", "+"))
        if moment.tzinfo is None:
            raise ValueError
        return moment.astimezone(UTC)
    except (ValueError, OverflowError):
        abort(400, f"{key} is a time with its zone, such as 2026-11-24T14:02:00+00:00.")


def _made(body: dict[str, Any]) -> Response:
    response = jsonify(body)
    response.status_code = 201
    return response


def _stamp(moment: datetime | None) -> str | None:
    return moment.isoformat(timespec="seconds") if moment else None
