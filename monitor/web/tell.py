"""Tell the CEO (policy 4.17): one box, always an alert, for staff who have signed in and for whoever was given the
link."""

from __future__ import annotations

from flask import Blueprint, make_response, render_template, request
from werkzeug.wrappers import Response as BaseResponse

from monitor import actions
from monitor.actions import NotAllowed
from monitor.distress import has_room
from monitor.outbox import ROLE_WORDS
from monitor.web.guard import ALL, form_token, open_to, say
from monitor.web.house import House, house_of
from monitor.web.visitor import visitor

pages = Blueprint("tell", __name__)


@pages.get("/tell")
@open_to(ALL)
def ask() -> BaseResponse:
    """The one box."""
    return offer("/tell", form_token())


@pages.post("/tell")
@open_to(ALL)
def tell() -> BaseResponse:
    """Tell the CEO."""
    who = visitor()
    return receive(
        house_of(),
        by=f"{who.name} ({ROLE_WORDS.get(who.role, who.role)})",
        holds=True,
        again="/tell",
        fresh=form_token(),
    )


def offer(
    action: str, page: str, *, problem: str = "", words: str = "", link: str = "", about_ceo: bool = False
) -> BaseResponse:
    """The form."""
    text = render_template(
        "tell.html",
        action=action,
        page=page,
        problem=problem,
        words=words,
        link=link,
        about_ceo=about_ceo,
        most=actions.MAX_TIP,
    )
    return make_response(text, 400 if problem else 200)


def receive(house: House, *, by: str, holds: bool, again: str, fresh: str) -> BaseResponse:
    """Take a tip in: an incident and alerts owed, in one transaction. None is refused while the disk has room; many in
    a short time leave together (``monitor.dispatch``). ``fresh`` is the token for showing the form once more."""
    if not has_room(house.app.settings):
        return say(
            "This could not be written down",
            "The machine has no room left. Please ring the CEO or the Chair now; nothing was kept of what you wrote.",
            status=507,
        )
    words, link = request.form.get("words", ""), request.form.get("link", "")
    about_ceo = bool(request.form.get("about_ceo"))
    if not holds:
        return offer(
            again,
            fresh,
            problem="This page was open for long. Please press once more.",
            words=words,
            link=link,
            about_ceo=about_ceo,
        )
    name = "" if by else request.form.get("name", "")
    desk = house.app.desk
    try:
        told = house.change(
            lambda session: desk.say_told(
                actions.tip(
                    session,
                    desk,
                    house.app.keys,
                    words=words,
                    link=link,
                    by=by or actions.BY_LINK,
                    now=house.now,
                    gave_name=name,
                    about_ceo=about_ceo,
                )
            )
        )
    except NotAllowed as refusal:
        return offer(again, fresh, problem=str(refusal), about_ceo=about_ceo)
    count = len(words.replace("\r\n", "\n").strip())
    cut = f"Of your {count:,} signs the first {actions.MAX_TIP:,} are kept." if count > actions.MAX_TIP else ""
    return say(
        f"Thank you. {told}",
        cut,
        "You did the right thing. Please do not reply to the post, and do not share or like it.",
        "If somebody is in danger now, ring 999.",
        links={"Tell something else": again},
    )
