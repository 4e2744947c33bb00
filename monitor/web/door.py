"""Coming in and going out: a link is mailed to a listed address; a session begins by a button."""

from __future__ import annotations

import re
from dataclasses import replace
from datetime import timedelta

from flask import Blueprint, Response, abort, g, make_response, redirect, render_template, request
from sqlalchemy import func, select
from sqlalchemy.orm import Session
from werkzeug.wrappers import Response as BaseResponse

from alerts.model import MailKind, Recipient
from monitor.links import Purpose, Ticket, use_up
from monitor.store.tables import SignInRow
from monitor.web.guard import ALL, PUBLIC, drop_cookie, open_to, page_nonce, say, set_cookie
from monitor.web.house import House, house_of
from monitor.web.visitor import IDLE, end_session, open_session, visitor

pages = Blueprint("door", __name__)

MAILS_AN_HOUR = 10
"""Sign-in mails to one address in an hour (reliability notes, 3.1)."""

TRIES_AN_HOUR = 20
"""Requests from one computer in an hour (reliability notes, 3.1)."""

TRIES_OF_ALL = 200

_PATH = re.compile(r"/[A-Za-z0-9/_-]{0,100}")


def safe_path(path: str) -> str:
    """A page of our own to go on to; the start page for anything else."""
    return path if _PATH.fullmatch(path) and not path.startswith("//") else "/"


@pages.get("/sign-in")
@open_to(PUBLIC)
def ask() -> BaseResponse:
    """Ask for the address."""
    if g.visitor is not None:
        return redirect(safe_path(request.args.get("next", "/")), 303)
    page_nonce()
    links = bool(house_of().app.settings.public_url)
    return make_response(
        render_template("sign_in.html", onward=safe_path(request.args.get("next", "/")), has_links=links)
    )


@pages.post("/sign-in")
@open_to(PUBLIC)
def send() -> Response:
    """Send a link when the address is listed; the answer is the same when it is not."""
    house, now = house_of(), house_of().now
    hour = timedelta(hours=1)
    here = f"sign-in:{request.remote_addr}"
    if not (
        house.limiter.allows(here, TRIES_AN_HOUR, hour, now)
        and house.limiter.allows("sign-in", TRIES_OF_ALL, hour, now)
    ):
        abort(429)
    address = request.form.get("email", "").strip().casefold()[:320]
    onward = safe_path(request.form.get("next", "/"))
    person = next((p for p in house.everyone() if p.email.casefold() == address), None)

    def work(session: Session) -> None:
        key = house.app.keys.digest("sign-in", address)
        lately = session.scalar(
            select(func.count()).select_from(SignInRow).where(SignInRow.address == key, SignInRow.at > now - hour)
        )
        session.add(SignInRow(address=key, at=now))
        session.flush()
        if person is not None and (lately or 0) < MAILS_AN_HOUR:
            house.app.desk.owe(
                session, "sign_in", MailKind.REPORT, person, now, key=f"{now.isoformat()}", facts={"subject": onward}
            )

    house.change(work)
    return say(
        "Look into your mailbox",
        "If this address is on our list, a link to sign in is on its way. It works for 15 minutes, and once.",
        "No mail? Check the spelling and the junk folder. The operator can print one on the server: earshot sign-in.",
    )


def with_mark(ticket: Ticket) -> Ticket:
    """A ticket that says whose it is: in a sign-in link of old the mark stood before the page to go on to."""
    if ticket.mark or ticket.purpose is not Purpose.SIGN_IN:
        return ticket
    return replace(ticket, mark=ticket.subject.partition("|")[0] or "nobody")


def offer(token: str, person: Recipient, button: str, *, over: bool) -> BaseResponse:
    """The page of a sign-in link: who it is for, and the button."""
    if over:
        return _ended()
    return make_response(render_template("enter.html", person=person, action=f"/a/{token}", page=button))


def enter(house: House, ticket: Ticket, person: Recipient, *, holds: bool, over: bool) -> BaseResponse:
    """Begin a session, once for each link. The cookie's secret is new: nothing can be fixed beforehand."""
    now = house.now
    if over:
        return _ended()
    if not holds:
        abort(403, "This page was open for too long, or in another browser. Open the link in the mail again.")

    def work(session: Session) -> str | None:
        return open_session(session, house, person, now) if use_up(session, ticket, "sign-in", now) else None

    secret = house.change(work)
    if secret is None:
        return _ended()
    response = redirect(safe_path(ticket.subject.rpartition("|")[2] or "/"), 303)
    set_cookie(response, "session", secret, int(IDLE.total_seconds()) * 14)
    return response


def _ended() -> Response:
    return say(
        "This link has ended",
        "A link to sign in works for 15 minutes, and once. Ask for a new one.",
        status=410,
        links={"Sign in": "/sign-in"},
    )


@pages.post("/sign-out")
@open_to(ALL)
def leave() -> BaseResponse:
    """End the session."""
    house, number = house_of(), visitor().session_id
    house.change(lambda session: end_session(session, number, house.now))
    response = redirect("/sign-in", 303)
    drop_cookie(response, "session")
    return response
