"""The incident page for those who have signed in, and all that can be done on it."""

from __future__ import annotations

import hmac
from collections.abc import Collection
from typing import Any

from flask import Blueprint, abort, make_response, render_template, request
from sqlalchemy import and_, or_, select
from sqlalchemy.orm import Session
from werkzeug.wrappers import Response as BaseResponse

from alerts.model import MailKind, Severity
from monitor import actions, audit, drill, registers, report, takeovers
from monitor.actions import NotAllowed
from monitor.outbox import HANDFUL, note
from monitor.store.tables import CardTickRow, IncidentRow, RegisterRow, StatementRow
from monitor.visibility import Deed, may_act, may_see, visible_to
from monitor.web.doing import change, change_and_show
from monitor.web.figures import growth_picture
from monitor.web.guard import ALL, KEEPERS, LEADERS, form_token, open_to, say
from monitor.web.house import house_of, number_of
from monitor.web.incident_view import IncidentView, view_of
from monitor.web.visitor import Visitor, visitor

pages = Blueprint("incident", __name__)

CHECKS = (
    "Spelling and names are read by a second person (policy 4.8).",
    "Every fact has a source (policy 4.13).",
    "Nobody is named or shown without permission; for under-18s their parents agreed (policy 4.11, 4.12).",
    "It takes no side in party politics (policy 4.15).",
    "It says when we will say more.",
)
"""What is checked before a statement is approved."""


@pages.get("/incidents/<incident_id>")
@open_to(ALL)
def look(incident_id: str) -> BaseResponse:
    """One incident."""
    house, who = house_of(), visitor()
    with house.app.database.read() as session:
        row = row_of(session, incident_id, who)
        view = view_of(session, house, row, who.actor, signed_in=True)
        picture = growth_picture(session, house, row.id)
        ticks = {t.line: t for t in session.scalars(select(CardTickRow).where(CardTickRow.incident_id == row.id))}
        known = registers.answers(session, row.id)
        lines = house.app.cards.for_category(row.category, row.source).card.do
        can = frozenset(deed for deed in Deed if may_act(who, row, deed))
        can -= frozenset() if _may_tick(who, lines) else {Deed.TICK}
        kept = select(StatementRow).where(StatementRow.incident_id == row.id).order_by(StatementRow.id.desc())
        statements = session.scalars(kept).all() if Deed.DRAFT in can else []
    return make_response(
        render_template(
            "incident_console.html",
            incident=view,
            signed_in=True,
            who=who,
            action=f"/incidents/{view.id}",
            used=False,
            reason=f"{view.headline} (incident {view.id})",
            offers=_offers(view, can),
            can=can,
            begins=Deed.TAKE_OVER in can and not view.takeover.is_active,
            proposes=not who.decides and view.takeover.state.value == "normal",
            picture=picture,
            ticks=ticks,
            registers=_register_lines(known),
            registers_needed=Deed.REGISTER in can and registers.needed(row),
            registers_due=Deed.REGISTER in can
            and registers.needed(row)
            and registers.is_due_again(row, known, house.now),
            statements=statements,
            checks=CHECKS,
        )
    )


def _may_tick(who: Visitor, lines: Collection[str]) -> bool:
    """Where the card asks for the safeguarding lead to be rung, its ticks are the word of those who do so."""
    return who.role in KEEPERS or not any("safeguarding lead" in line for line in lines)


def _register_lines(known: dict[str, RegisterRow]) -> list[tuple[str, str, RegisterRow | None]]:
    return [(body, name, known.get(body)) for body, name in registers.BODIES.items()]


def _offers(view: IncidentView, can: Collection[Deed]) -> dict[str, str]:
    offers: dict[str, str] = {}
    if view.is_open and Deed.ACKNOWLEDGE in can and not view.has_rung:
        offers["acknowledge"] = form_token()
    if not view.is_closed and Deed.CALM in can:
        offers["calm"] = form_token()
    if view.may_be_for_ceo and not view.is_closed:
        offers["for-ceo"] = form_token()
    return offers


def row_of(session: Session, incident_id: str, who: Visitor, deed: Deed | None = None) -> IncidentRow:
    """The incident, when this visitor may see it; with ``deed``, when they may also do that to it."""
    row = session.get(IncidentRow, incident_id)
    if row is None or not may_see(who, row):
        abort(404, "There is no incident of this name, or it is no longer kept.")
    if deed is not None and not may_act(who, row, deed):
        abort(403, "This is for others to do. Ring the CEO or the Chair if it cannot wait.")
    return row


def _change(incident_id: str, deed: Deed, work: Any) -> BaseResponse:
    def checked(session: Session, now: Any, who: Visitor) -> None:
        row_of(session, incident_id, who, deed)
        work(session, now, who)

    return change_and_show(f"/incidents/{incident_id}", checked)


# ── what can be done ────────────────────────────────────────────────────────────────────────────────


@pages.post("/incidents/<incident_id>/acknowledge")
@open_to(KEEPERS)
def acknowledge(incident_id: str) -> BaseResponse:
    """Somebody takes care of it."""
    desk = house_of().app.desk
    return _change(
        incident_id, Deed.ACKNOWLEDGE, lambda s, now, who: actions.take_care(s, desk, incident_id, who.actor, now)
    )


@pages.post("/incidents/<incident_id>/calm")
@open_to(LEADERS)
def calm(incident_id: str) -> BaseResponse:
    """ "Not a problem"."""
    desk, reason = house_of().app.desk, request.form.get("reason", "")
    return _change(
        incident_id, Deed.CALM, lambda s, now, who: actions.calm(s, desk, incident_id, who.actor, reason, now)
    )


@pages.post("/incidents/<incident_id>/note")
@open_to(ALL)
def add_note(incident_id: str) -> BaseResponse:
    """Write into the decision log."""
    words = request.form.get("words", "")
    return _change(incident_id, Deed.NOTE, lambda s, now, who: actions.add_note(s, incident_id, who.actor, words, now))


@pages.post("/incidents/<incident_id>/hand")
@open_to(LEADERS)
def hand(incident_id: str) -> BaseResponse:
    """The Chair decides from here (policy 6.4)."""
    desk = house_of().app.desk
    return _change(
        incident_id, Deed.HAND, lambda s, now, who: actions.hand_to_chair(s, desk, incident_id, who.actor, now)
    )


@pages.post("/incidents/<incident_id>/for-ceo")
@open_to(LEADERS)
def give_to_ceo(incident_id: str) -> BaseResponse:
    """It is not about the CEO after all: she is told, and sees it from now on."""
    desk = house_of().app.desk
    return _change(
        incident_id, Deed.FOR_CEO, lambda s, now, who: actions.give_to_ceo(s, desk, incident_id, who.actor, now)
    )


@pages.post("/incidents/<incident_id>/close")
@open_to(LEADERS)
def close(incident_id: str) -> BaseResponse:
    """Close it, with a reason, once the registers of a severe one are answered."""
    desk, reason = house_of().app.desk, actions.own_words(request.form.get("reason", ""))

    def work(session: Session, now: Any, who: Visitor) -> None:
        if not reason:
            raise NotAllowed("Say in a few words how it ended.")
        registers.must_be_answered(session, row_of(session, incident_id, who))
        actions.close(session, desk, incident_id, who.actor, reason, now)

    return _change(incident_id, Deed.CLOSE, work)


@pages.post("/incidents/<incident_id>/tick")
@open_to(ALL)
def tick(incident_id: str) -> BaseResponse:
    """A line of the first-hour card is done, or was not after all."""
    house, line = house_of(), number_of(request.form.get("line", ""))

    def work(session: Session, now: Any, who: Visitor) -> None:
        row = row_of(session, incident_id, who)
        lines = house.app.cards.for_category(row.category, row.source).card.do
        if not 0 <= line < len(lines):
            raise NotAllowed("The card has no such line.")
        if not _may_tick(who, lines):
            raise NotAllowed("Who was rung is ticked by the CEO, the Chair or the operator.")
        done = session.get(CardTickRow, (incident_id, line))
        if done is None:
            session.add(CardTickRow(incident_id=incident_id, line=line, at=now, who=str(who.actor)))
            note(session, incident_id, now, str(who.actor), f"Done: {lines[line]}")
        else:
            session.delete(done)
            note(session, incident_id, now, str(who.actor), f"Not done after all: {lines[line]}")

    return _change(incident_id, Deed.TICK, work)


@pages.post("/incidents/<incident_id>/register")
@open_to(KEEPERS)
def register(incident_id: str) -> BaseResponse:
    """Who was told of it, or why not. All six are answered on one form; what is unchanged is left alone."""
    given = {body: request.form.get(f"answer-{body}", "") for body in registers.BODIES}
    reasons = {body: actions.own_words(request.form.get(f"reason-{body}", "")) for body in registers.BODIES}

    def work(session: Session, now: Any, who: Visitor) -> None:
        row = row_of(session, incident_id, who)
        known = registers.answers(session, incident_id)
        again = registers.is_due_again(row, known, now)
        for body, answer in given.items():
            before = known.get(body)
            same = before is not None and (before.answer, before.reason) == (answer, reasons[body])
            if answer and (not same or again):
                registers.answer(session, incident_id, body, answer, reasons[body], who.actor, now)

    return _change(incident_id, Deed.REGISTER, work)


@pages.post("/incidents/<incident_id>/statement")
@open_to(ALL)
def statement(incident_id: str) -> BaseResponse:
    """Keep a holding statement, not yet approved. Earshot publishes nothing."""
    text = actions.own_words(request.form.get("text", ""))

    def work(session: Session, now: Any, who: Visitor) -> None:
        if not text:
            raise NotAllowed("Write the statement first.")
        session.add(
            StatementRow(
                incident_id=incident_id, text=text, made_at=now, made_by=str(who.actor), checked=[], approved_by=""
            )
        )
        note(session, incident_id, now, str(who.actor), "A holding statement was drafted.")

    return _change(incident_id, Deed.DRAFT, work)


@pages.post("/incidents/<incident_id>/approve")
@open_to(LEADERS)
def approve(incident_id: str) -> BaseResponse:
    """Approve a statement, after the checks, with no blank left in it."""
    number, ticked = request.form.get("statement", ""), request.form.getlist("check")

    def work(session: Session, now: Any, who: Visitor) -> None:
        row = session.get(StatementRow, number_of(number))
        if row is None or row.incident_id != incident_id:
            raise NotAllowed("That statement is no longer here.")
        if len(set(ticked)) < len(CHECKS):
            raise NotAllowed("Go through all checks first, and tick each one.")
        if "[" in row.text:
            raise NotAllowed("There is still a blank in square brackets. Fill it in, and draft it anew.")
        row.checked, row.approved_at, row.approved_by = list(CHECKS), now, str(who.actor)
        note(session, incident_id, now, str(who.actor), f"Statement {row.id} approved.")
        audit.record(session, actor=str(who.actor), action="statement approved", now=now, about=incident_id)

    return _change(incident_id, Deed.APPROVE, work)


@pages.post("/incidents/<incident_id>/missed")
@open_to(ALL)
def missed(incident_id: str) -> BaseResponse:
    """ "You should have told me": a mention that ought to have alerted."""
    number, reason = request.form.get("mention", ""), request.form.get("reason", "")

    def work(session: Session, now: Any, who: Visitor) -> None:
        actions.missed(session, number_of(number), who.actor, reason, now)

    return _change(incident_id, Deed.MISSED, work)


@pages.post("/incidents/<incident_id>/propose")
@open_to(ALL)
def propose(incident_id: str) -> BaseResponse:
    """Ask the one who decides to take over: told at once, by mail."""
    house, reason = house_of(), actions.own_words(request.form.get("reason", ""))

    def work(session: Session, now: Any, who: Visitor) -> None:
        row = row_of(session, incident_id, who)
        if not reason:
            raise NotAllowed("Say in a few words why.")
        if row.drill:
            note(session, row.id, now, str(who.actor), f"DRILL: takeover proposed: {reason}", for_keepers=True)
            return
        desk, over_since = house.app.desk, takeovers.over_since(session)
        head, what = desk.head_of(session, row), f"propose since {over_since}"
        place = 0
        if desk.is_first_this_hour(session, who.mark, what, row.id, now):
            place = desk.place_this_hour(session, who.mark, what, head.role, now)
        if place:
            goes_on = str(who.actor) if place > HANDFUL else ""
            facts = {"incident": row.id, "reason": f"{who.actor}: {reason}", "goes_on": goes_on}
            desk.owe(
                session, "takeover_proposed", MailKind.TAKEOVER, head, now,
                key=f"{row.id}:{who.mark}:{over_since}:{now.isoformat()}", severity=Severity.CRISIS, facts=facts,
            )  # fmt: skip
        takeovers.propose(session, row.id, now, by=str(who.actor), reason=reason)
        note(session, row.id, now, str(who.actor), f"Proposed takeover: {reason}", for_keepers=True)

    return _change(incident_id, Deed.PROPOSE, work)


@pages.post("/incidents/<incident_id>/takeover")
@open_to(LEADERS)
def ask_takeover(incident_id: str) -> BaseResponse:
    """Ask once more before takeover begins; nothing has changed yet."""
    house, who = house_of(), visitor()
    reason = actions.own_words(request.form.get("reason", ""))
    if not reason:
        abort(400, "Please say in a few words why. Go back, and write it into the box.")
    with house.app.database.read() as session:
        row = row_of(session, incident_id, who, Deed.TAKE_OVER)
    return make_response(
        render_template(
            "confirm.html",
            reason=reason,
            action=f"/incidents/{incident_id}/begin",
            page=_bound(who, incident_id, reason),
            signed_in=True,
            posters=len(house.app.desk.posters),
            drill=row.drill,
        )
    )


def _bound(who: Visitor, incident_id: str, reason: str) -> str:
    return house_of().app.keys.digest("begin", who.session_id, incident_id, reason)[:40]


@pages.post("/incidents/<incident_id>/begin")
@open_to(LEADERS)
def begin(incident_id: str) -> BaseResponse:
    """ "Yes, begin now", bound to the page and to the reason."""
    house = house_of()
    reason = actions.own_words(request.form.get("reason", ""))
    if not hmac.compare_digest(request.form.get("page", "").encode(), _bound(visitor(), incident_id, reason).encode()):
        abort(403, "The reason was changed after the question. Go back, and press Begin once more.")

    def work(session: Session, now: Any, who: Visitor) -> str:
        row = row_of(session, incident_id, who, Deed.TAKE_OVER)
        if row.drill:
            note(session, row.id, now, str(who.actor), f"{drill.WOULD_BEGIN}: {reason}", for_keepers=True)
            return "DRILL: takeover would have begun now"
        begun = takeovers.begin(
            session, house.app.desk, by=str(who.actor), reason=reason, now=now, role=who.role, incident=row.id
        )
        actions.acknowledge(session, row.id, who.actor, now)
        return "Takeover has begun" if begun else "Takeover is on already"

    title = change(work)
    return say(
        title,
        "" if title.startswith("DRILL") else "Nobody but the holder may publish. The CEO and the Chair can undo it.",
        links={
            "See the takeover: what is scheduled, who may post": "/takeover",
            "Back to the incident": f"/incidents/{incident_id}",
        },
    )


@pages.get("/incidents/<incident_id>/report")
@open_to(KEEPERS)
def after_action(incident_id: str) -> BaseResponse:
    """The after-action report, to be printed."""
    house, who = house_of(), visitor()
    with house.app.database.read() as session:
        row = row_of(session, incident_id, who, Deed.REPORT)
        found = report.after_action(session, house.app.cards, row, house.now, house.app.settings.zone)
    return make_response(render_template("report.html", report=found))


@pages.get("/incidents")
@open_to(ALL)
def all_of_them() -> BaseResponse:
    """Every incident, the newest first."""
    house, who = house_of(), visitor()
    before = request.args.get("before", "")
    query = select(IncidentRow).where(visible_to(who))
    query = query.order_by(IncidentRow.opened_at.desc(), IncidentRow.id.desc()).limit(51)
    with house.app.database.read() as session:
        edge = session.get(IncidentRow, before) if before else None
        if edge is not None and may_see(who, edge):
            same = and_(IncidentRow.opened_at == edge.opened_at, IncidentRow.id < edge.id)
            query = query.where(or_(IncidentRow.opened_at < edge.opened_at, same))
        rows = session.scalars(query).all()
    return make_response(render_template("incidents.html", rows=rows[:50], more=rows[49].id if len(rows) > 50 else ""))
