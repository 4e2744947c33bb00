"""Tell the CEO (policy 4.17): one box, always an alert, for staff who have signed in and for whoever was given the
link."""

from __future__ import annotations

from datetime import timedelta

from flask import Blueprint, abort, make_response, render_template, request
from werkzeug.wrappers import Response as BaseResponse

from monitor import actions
from monitor.actions import NotAllowed
from monitor.outbox import ROLE_WORDS
from monitor.web.guard import ALL, form_token, open_to, say
from monitor.web.house import House, house_of
from monitor.web.visitor import visitor

pages = Blueprint("tell", __name__)

TIPS_FROM_ONE, TIPS_OF_ALL = 10, 60
"""Tips in an hour from one computer, and from all: each one alerts somebody."""


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
    return receive(house_of(), by=f"{who.name} ({ROLE_WORDS.get(who.role, who.role)})", holds=True, again="/tell")


def offer(
    action: str, page: str, *, problem: str = "", words: str = "", link: str = "", about_ceo: bool = False
) -> BaseResponse:
    """The form."""
    text = render_template(
        "tell.html", action=action, page=page, problem=problem, words=words, link=link, about_ceo=about_ceo
    )
    return make_response(text, 400 if problem else 200)


def receive(house: House, *, by: str, holds: bool, again: str) -> BaseResponse:
    """Take a tip in: an incident and alerts owed, in one transaction."""
    if not holds:
        abort(403, "This page was open for too long, or in another browser. Go back, copy your words, load it again.")
    now, hour = house.now, timedelta(hours=1)
    if not (
        house.limiter.allows(f"tip:{request.remote_addr}", TIPS_FROM_ONE, hour, now)
        and house.limiter.allows("tip", TIPS_OF_ALL, hour, now)
    ):
        abort(429, "Many messages came in within this hour. If it is urgent, please ring the CEO now.")
    words, link = request.form.get("words", ""), request.form.get("link", "")
    about_ceo = bool(request.form.get("about_ceo"))
    name = by or actions.own_words(request.form.get("name", ""))[:80]
    desk = house.app.desk
    try:
        told = house.change(
            lambda session: desk.say_told(
                actions.tip(
                    session, desk, house.app.keys, words=words, link=link, by=name, now=now, about_ceo=about_ceo
                )
            )
        )
    except NotAllowed as refusal:
        return offer(again, request.form.get("page", "") or form_token(), problem=str(refusal), about_ceo=about_ceo)
    return say(
        f"Thank you. {told}",
        "You did the right thing. Please do not reply to the post, and do not share or like it.",
        "If somebody is in danger now, ring 999.",
        links={"Tell something else": again},
    )
