"""Coming in and going out: a link is mailed to a listed address; a session begins by a button."""

from __future__ import annotations

import re
from dataclasses import replace
from datetime import datetime, timedelta

from flask import Blueprint, Response, abort, current_app, g, make_response, redirect, render_template, request
from sqlalchemy import select
from sqlalchemy.orm import Session
from werkzeug.wrappers import Response as BaseResponse

from alerts.model import MailKind, Recipient
from monitor.links import Purpose, Ticket, number_was_used, use_up
from monitor.notices.writer import link_number
from monitor.store.tables import AlertRow
from monitor.web import kept
from monitor.web.guard import ALL, PUBLIC, cookie_name, drop_cookie, open_to, page_nonce, say, set_cookie
from monitor.web.house import House, house_of
from monitor.web.visitor import IDLE, end_session, open_session, visitor

pages = Blueprint("door", __name__)

MAILS_AN_HOUR = 10
"""Sign-in mails to one address in an hour (reliability notes, 3.1)."""

FRESH = timedelta(minutes=5)
"""Beyond those, one more is always mailed where no unused link is younger than this: whoever asks in somebody's name
can fill an hour with mails, but lock nobody out."""

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
    """Send a link when the address is listed. The answer is the same when it is not, takes the same time, and is never
    refused: what is to be done is done after it, and nothing of it counts strangers."""
    house = house_of()
    address = request.form.get("email", "").strip().casefold()[:320]
    onward = safe_path(request.form.get("next", "/"))
    house.errands.put(address, lambda: _send_to(house, address, onward))
    return say(
        "Look into your mailbox",
        "If this address is on our list, a link to sign in is on its way. It works for 15 minutes, and once.",
        "No mail within a minute or two? Use the newest link that you have, check the spelling and the junk folder, or "
        "ask again after five minutes. The operator can print one on the server: earshot sign-in.",
    )


def _send_to(house: House, address: str, onward: str) -> None:
    person = next((p for p in house.everyone() if p.email.casefold() == address), None)
    if person is not None:
        mail_link(house, person, onward)


def mail_link(house: House, person: Recipient, onward: str) -> bool:
    """Owe a person a sign-in link that leads on to a page of ours. False where they have had enough of them."""
    now = house.now

    def work(session: Session) -> bool:
        if not _may_mail(session, house, person, now):
            return False
        facts = {"subject": safe_path(onward)}
        house.app.desk.owe(session, "sign_in", MailKind.REPORT, person, now, key=now.isoformat(), facts=facts)
        return True

    return house.change(work)


def _may_mail(session: Session, house: House, person: Recipient, now: datetime) -> bool:
    lately = session.scalars(
        select(AlertRow)
        .where(AlertRow.template == "sign_in", AlertRow.made_at > now - timedelta(hours=1))
        .where(AlertRow.role == person.role, AlertRow.address == person.email)
    ).all()
    young = [row for row in lately if row.made_at > now - FRESH]
    return len(lately) < MAILS_AN_HOUR or not any(_is_unused(session, house, row) for row in young)


def _is_unused(session: Session, house: House, row: AlertRow) -> bool:
    number = link_number(house.app.keys, row.id, Purpose.SIGN_IN, str(row.facts.get("subject", "")))
    return not number_was_used(session, number, "sign-in")


def with_mark(ticket: Ticket) -> Ticket:
    """A ticket that says whose it is: in a sign-in link of old the mark stood before the page to go on to."""
    if ticket.mark or ticket.purpose is not Purpose.SIGN_IN:
        return ticket
    return replace(ticket, mark=ticket.subject.partition("|")[0] or "nobody")


def offer(token: str, person: Recipient, button: str, *, over: bool) -> BaseResponse:
    """The page of a sign-in link: who it is for, what they wrote before, and the button."""
    if over:
        return _ended()
    house = house_of()
    with house.app.database.read() as session:
        forms = kept.of_person(session, house, house.person_mark(person))
    return make_response(render_template("enter.html", person=person, action=f"/a/{token}", page=button, forms=forms))


def enter(house: House, ticket: Ticket, person: Recipient, *, holds: bool, over: bool) -> BaseResponse:
    """Begin a session, once for each link, and send on what was kept where that is wished for. The cookie's secret is
    new: nothing can be fixed beforehand."""
    now = house.now
    if over:
        return _ended()
    if not holds:
        abort(403, "This page was open for too long, or in another browser. Open the link in the mail again.")

    def work(session: Session) -> tuple[str, tuple[kept.Kept, ...]] | None:
        if not use_up(session, ticket, "sign-in", now):
            return None
        forms = kept.of_person(session, house, house.person_mark(person))
        kept.let_go(session, forms)
        return open_session(session, house, person, now), forms

    entered = house.change(work)
    if entered is None:
        return _ended()
    secret, forms = entered
    response: BaseResponse = redirect(safe_path(ticket.subject.rpartition("|")[2] or "/"), 303)
    if forms and request.form.get("send") == "yes":
        response = _send_on(house, forms, secret)
    set_cookie(response, "session", secret, int(IDLE.total_seconds()) * 14)
    return response


def _send_on(house: House, forms: tuple[kept.Kept, ...], secret: str) -> BaseResponse:
    """Send each form; the answer to the last one is shown, or what could not be sent on, to be copied."""
    flask = current_app._get_current_object()  # type: ignore[attr-defined]  # noqa: SLF001 - the app itself, not its stand-in
    answers = [kept.send_on(flask, house, form, (cookie_name("session"), secret)) for form in forms]
    lost = [form for form, answer in zip(forms, answers, strict=True) if answer.status_code >= 400]
    if not lost:
        return answers[-1]
    return make_response(render_template("unsent.html", forms=lost, signed_in=True), 409)


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
