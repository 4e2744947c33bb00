"""The incident page for those who have signed in."""

from __future__ import annotations

from flask import Blueprint, abort, make_response, redirect, render_template, request
from sqlalchemy.orm import Session
from werkzeug.wrappers import Response as BaseResponse

from monitor import actions, takeovers
from monitor.outbox import note
from monitor.store.tables import IncidentRow
from monitor.web.guard import ALL, KEEPERS, LEADERS, form_token, open_to, say
from monitor.web.house import house_of
from monitor.web.incident_view import may_see, view_of
from monitor.web.visitor import Visitor, lengthen, visitor

pages = Blueprint("incident", __name__)


@pages.get("/incidents/<incident_id>")
@open_to(ALL)
def look(incident_id: str) -> BaseResponse:
    """One incident."""
    house, who = house_of(), visitor()
    with house.app.database.read() as session:
        row = _row(session, incident_id, who)
        view = view_of(session, house, row, role=who.role, signed_in=True)
    return make_response(
        render_template(
            "incident.html", incident=view, signed_in=True, who=who, action=f"/incidents/{view.id}", used=False,
            reason=f"{view.headline} (incident {view.id})", offers=_offers(view.is_open, view.is_closed, who),
            begins=who.decides and not view.takeover.is_active,
        )
    )  # fmt: skip


def _offers(is_open: bool, is_closed: bool, who: Visitor) -> dict[str, str]:
    offers: dict[str, str] = {}
    if is_open and who.role in KEEPERS:
        offers["acknowledge"] = form_token()
    if not is_closed and who.decides:
        offers["calm"] = form_token()
    return offers


def _row(session: Session, incident_id: str, who: Visitor) -> IncidentRow:
    row = session.get(IncidentRow, incident_id)
    if row is None:
        abort(404, "There is no incident of this name, or it is no longer kept.")
    if not may_see(row, who.role):
        abort(403, "This incident names the CEO, so the Chair decides about it.")
    return row


@pages.post("/incidents/<incident_id>/acknowledge")
@open_to(KEEPERS)
def acknowledge(incident_id: str) -> BaseResponse:
    """Somebody takes care of it."""
    return _change(incident_id, lambda s, now, who: actions.acknowledge(s, incident_id, who.actor, now))


@pages.post("/incidents/<incident_id>/calm")
@open_to(LEADERS)
def calm(incident_id: str) -> BaseResponse:
    """ "Not a problem"."""
    desk, reason = house_of().app.desk, request.form.get("reason", "")
    return _change(incident_id, lambda s, now, who: actions.calm(s, desk, incident_id, who.actor, reason, now))


@pages.post("/incidents/<incident_id>/note")
@open_to(ALL)
def add_note(incident_id: str) -> BaseResponse:
    """Write into the decision log."""
    words = request.form.get("words", "")
    return _change(incident_id, lambda s, now, who: actions.add_note(s, incident_id, who.actor, words, now))


@pages.post("/incidents/<incident_id>/hand")
@open_to(LEADERS)
def hand(incident_id: str) -> BaseResponse:
    """The Chair decides from here (policy 6.4)."""
    desk = house_of().app.desk
    return _change(incident_id, lambda s, now, who: actions.hand_to_chair(s, desk, incident_id, who.actor, now))


@pages.post("/incidents/<incident_id>/takeover")
@open_to(LEADERS)
def ask_takeover(incident_id: str) -> BaseResponse:
    """Ask once more before takeover begins; nothing has changed yet."""
    house, who = house_of(), visitor()
    reason = actions.own_words(request.form.get("reason", ""))
    if not reason:
        abort(400, "Please say in a few words why. Go back, and write it into the box.")
    with house.app.database.read() as session:
        row = _row(session, incident_id, who)
    bound = house.app.keys.digest("begin", who.session_id, incident_id, reason)[:40]
    return make_response(
        render_template(
            "confirm.html", reason=reason, action=f"/incidents/{incident_id}/begin", page=bound, signed_in=True,
            posters=len(house.app.desk.posters), drill=row.drill,
        )
    )  # fmt: skip


@pages.post("/incidents/<incident_id>/begin")
@open_to(LEADERS)
def begin(incident_id: str) -> BaseResponse:
    """ "Yes, begin now", bound to the page and to the reason."""
    house, who = house_of(), visitor()
    reason = actions.own_words(request.form.get("reason", ""))
    if request.form.get("page", "") != house.app.keys.digest("begin", who.session_id, incident_id, reason)[:40]:
        abort(403, "The reason was changed after the question. Go back, and press Begin once more.")

    def work(session: Session) -> str:
        now = house.now
        row = _row(session, incident_id, who)
        lengthen(session, who.session_id, now)
        if row.drill:
            note(session, row.id, now, str(who.actor), f"DRILL: takeover would have begun: {reason}")
            return "DRILL: takeover would have begun now"
        begun = takeovers.begin(
            session, house.app.desk, by=str(who.actor), reason=reason, now=now, role=who.role, incident=row.id
        )
        actions.acknowledge(session, row.id, who.actor, now)
        return "Takeover has begun" if begun else "Takeover is on already"

    title = house.change(work)
    return say(
        title,
        "Nobody but the holder may publish. The CEO and the Chair have a link in their mail that undoes it.",
        links={"Back to the incident": f"/incidents/{incident_id}", "May we post?": "/publishing"},
    )


def _change(incident_id: str, work: object) -> BaseResponse:
    house, who = house_of(), visitor()
    assert callable(work)

    def all_of_it(session: Session) -> None:
        now = house.now
        _row(session, incident_id, who)
        lengthen(session, who.session_id, now)
        work(session, now, who)

    house.change(all_of_it)
    return redirect(f"/incidents/{incident_id}", 303)
