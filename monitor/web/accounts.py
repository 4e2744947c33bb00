"""The register of our own accounts (policy 4.2 to 4.4), the policy's review date, and who may come in."""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import Any

from flask import Blueprint, make_response, redirect, render_template, request
from sqlalchemy import func, select
from sqlalchemy.orm import Session
from werkzeug.wrappers import Response as BaseResponse

from monitor import audit, digest, doors, people
from monitor.actions import NotAllowed, own_words, set_away
from monitor.store.tables import AccountRow, PersonRow, PlatformRow, SessionRow, ToolTokenRow
from monitor.web.doing import change, change_and_show
from monitor.web.guard import KEEPERS, LEADERS, open_to
from monitor.web.house import House, house_of
from monitor.web.visitor import Visitor, visitor
from monitor.web.words import safe_url

pages = Blueprint("accounts", __name__)

REVIEW_EVERY = timedelta(days=182)
"""How often an account is looked at again: twice a year."""


@pages.get("/accounts")
@open_to(KEEPERS)
def look() -> BaseResponse:
    """The register."""
    house = house_of()
    with house.app.database.read() as session:
        rows = session.scalars(
            select(AccountRow).where(AccountRow.removed_at.is_(None)).order_by(AccountRow.platform, AccountRow.id)
        ).all()
        tokens = session.scalars(
            select(PlatformRow).where(PlatformRow.in_use.is_(True)).order_by(PlatformRow.name)
        ).all()
    return make_response(
        render_template(
            "accounts.html",
            rows=[(row, flags(row, house)) for row in rows],
            tokens=tokens,
            policy=digest.policy_overdue(house.app.settings.privacy.policy_review, house.now),
            review=house.app.settings.privacy.policy_review,
            platforms=sorted({"x", "facebook", "instagram", "linkedin", "youtube", *house.app.stations}),
        )
    )


def flags(row: AccountRow, house: House) -> tuple[str, ...]:
    """What is not as the policy asks."""
    domains = {domain.casefold() for domain in house.app.settings.organisation.domains}
    domain = row.email.rpartition("@")[2].casefold()
    found = []
    if row.email and domains and domain not in domains:
        found.append("belongs to a personal or foreign address (policy 4.4)")
    if not row.two_step:
        found.append("has no two-step sign-in (policy 4.4)")
    if not row.approved:
        found.append("was not approved by the CEO (policy 4.3)")
    if row.reviewed_at is None or house.now - row.reviewed_at > REVIEW_EVERY:
        found.append("was not reviewed for half a year")
    return tuple(found)


@pages.post("/accounts")
@open_to(KEEPERS)
def add() -> BaseResponse:
    """Add an account."""
    form = request.form

    def work(session: Session, now: datetime, who: Visitor) -> None:
        url, owner = own_words(form.get("url", ""))[:300], own_words(form.get("owner", ""))[:80]
        platform = form.get("platform", "")
        if not safe_url(url) or not owner or not platform.isidentifier():
            raise NotAllowed("An account needs its channel, its address (https://...) and a person who looks after it.")
        session.add(
            AccountRow(
                platform=platform[:40],
                url=url,
                owner=owner,
                email=own_words(form.get("email", ""))[:200],
                two_step=form.get("two_step") == "yes",
                approved=form.get("approved") == "yes" and who.role == "ceo",
                reviewed_at=now,
                changed_at=now,
                changed_by=str(who.actor),
            )
        )
        audit.record(session, actor=str(who.actor), action="account added", now=now, about=platform, words=url)

    return change_and_show("/accounts", work)


@pages.post("/accounts/<int(max=999999999):number>")
@open_to(KEEPERS)
def alter(number: int) -> BaseResponse:
    """Reviewed, two-step switched on, approved, or taken out."""
    do = request.form.get("do", "")

    def work(session: Session, now: datetime, who: Visitor) -> None:
        row = session.get(AccountRow, number)
        if row is None or row.removed_at is not None:
            raise NotAllowed("That account is no longer in the register.")
        match do:
            case "reviewed":
                row.reviewed_at = now
            case "two-step":
                row.two_step = not row.two_step
            case "approve" if who.role == "ceo":
                row.approved = True
            case "approve":
                raise NotAllowed("Only the CEO approves an account (policy 4.3).")
            case "remove":
                row.removed_at = now
            case _:
                raise NotAllowed("Choose what to change.")
        row.changed_at, row.changed_by = now, str(who.actor)
        audit.record(session, actor=str(who.actor), action=f"account: {do}", now=now, about=row.platform, words=row.url)

    return change_and_show("/accounts", work)


# ── who may come in ─────────────────────────────────────────────────────────────────────────────────


@pages.get("/access")
@open_to(KEEPERS)
def access() -> BaseResponse:
    """People, their sessions, the tip link, and tokens for tools."""
    house, now = house_of(), house_of().now
    with house.app.database.read() as session:
        counts = dict(
            session.execute(
                select(SessionRow.person, func.count())
                .where(SessionRow.ended_at.is_(None), SessionRow.until > now)
                .group_by(SessionRow.person)
            ).all()
        )
        away = {row.role: bool(row.away) for row in session.scalars(select(PersonRow)) if row.away is not None}
        tools = session.scalars(
            select(ToolTokenRow).where(ToolTokenRow.ended_at.is_(None)).order_by(ToolTokenRow.made_at)
        ).all()
        tips = doors.current_tip_link(session, house.app)
    persons = [
        (
            person,
            house.person_mark(person),
            counts.get(house.person_mark(person), 0),
            away.get(person.role, person.away),
        )
        for person in house.everyone()
    ]
    return make_response(
        render_template("access.html", people=persons, tools=tools, tips=tips, scopes=doors.SCOPES, who=visitor())
    )


@pages.post("/access/sign-out")
@open_to(KEEPERS)
def sign_out() -> BaseResponse:
    """End all sessions and all links of a person, at once."""
    house, mark = house_of(), request.form.get("person", "")[:40]

    def work(session: Session, now: datetime, who: Visitor) -> None:
        if house.person_of(mark) is None:
            raise NotAllowed("That person is no longer in the settings, so nothing of theirs opens anything.")
        people.renew(session, mark, now)
        audit.record(session, actor=str(who.actor), action="signed out everywhere", now=now, about=mark)

    change(work)
    return redirect("/access" if visitor().mark != mark else "/sign-in", 303)


@pages.post("/access/away")
@open_to(KEEPERS)
def away() -> BaseResponse:
    """Mark the CEO or the Chair away or back (policy 6.4)."""
    role, gone = request.form.get("role", ""), request.form.get("away") == "yes"

    def work(session: Session, now: datetime, who: Visitor) -> None:
        if role not in LEADERS:
            raise NotAllowed("Only the CEO and the Chair are marked away.")
        set_away(session, role, gone, now, by=str(who.actor))

    return change_and_show("/access", work)


@pages.post("/access/tip-link")
@open_to(KEEPERS)
def renew_tip_link() -> BaseResponse:
    """Make a new link to "Tell the CEO"; the one before ends."""
    house = house_of()
    return change_and_show(
        "/access", lambda s, now, who: doors.tip_link(s, house.app, now, by=str(who.actor), renew=True)
    )


@pages.post("/access/tools")
@open_to(KEEPERS)
def make_tool() -> BaseResponse:
    """A token for a tool, shown once."""
    house, form = house_of(), request.form

    def work(session: Session, now: datetime, who: Visitor) -> str:
        name = own_words(form.get("name", ""))
        if "incidents:act" in form.getlist("scope") and not who.decides:
            raise NotAllowed("Acknowledging stops the chain of alerts, so only the CEO or the Chair lets a tool do it.")
        return doors.make_tool_token(session, house.app, name, form.getlist("scope"), who.actor, now)

    return make_response(render_template("token.html", secret=change(work)))


@pages.post("/access/tools/end")
@open_to(KEEPERS)
def end_tool() -> BaseResponse:
    """Revoke a tool's token, at once."""
    number = request.form.get("tool", "")[:64]

    def work(session: Session, now: datetime, who: Visitor) -> None:
        row: Any = session.get(ToolTokenRow, number)
        if row is None:
            raise NotAllowed("There is no such token.")
        row.ended_at = row.ended_at or now
        audit.record(session, actor=str(who.actor), action="tool token ended", now=now, words=row.name)

    return change_and_show("/access", work)
