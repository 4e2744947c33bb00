"""The drill: begin one, and see what was measured."""

from __future__ import annotations

from flask import Blueprint, make_response, redirect, render_template
from werkzeug.wrappers import Response as BaseResponse

from monitor import drill
from monitor.web.doing import change
from monitor.web.guard import KEEPERS, open_to
from monitor.web.house import house_of

pages = Blueprint("drills", __name__)


@pages.get("/drill")
@open_to(KEEPERS)
def look() -> BaseResponse:
    """Past drills and the button for the next."""
    with house_of().app.database.read() as session:
        past, running = drill.past(session), drill.open_drill(session)
    return make_response(render_template("drill.html", past=past, running=running, story=drill.STORY))


@pages.post("/drill")
@open_to(KEEPERS)
def begin() -> BaseResponse:
    """Begin a drill: the whole chain, to the real mailboxes."""
    desk = house_of().app.desk
    number = change(lambda s, now, who: drill.begin(s, desk, who.actor, now).id)
    return redirect(f"/incidents/{number}", 303)
