"""Takeover in practice: begin, see what is scheduled, who may post, hand over, stand down (policy 4.16)."""

from __future__ import annotations

import hmac
import json
from typing import Any

from flask import Blueprint, abort, make_response, render_template, request
from sqlalchemy import select
from sqlalchemy.orm import Session
from werkzeug.wrappers import Response as BaseResponse

from alerts.model import Severity
from alerts.takeover import State
from monitor import actions, preflight, registers, takeovers
from monitor.actions import NotAllowed
from monitor.hearing import coverage_lines
from monitor.model import IncidentState
from monitor.notices import headline_of
from monitor.outbox import ROLE_WORDS
from monitor.posters import posters_of
from monitor.store.tables import AccountRow, IncidentRow, MentionRow, PreflightRow
from monitor.visibility import KEEPERS, Deed, may_act, may_see, visible_to
from monitor.web.doing import change, change_and_show
from monitor.web.guard import ALL, LEADERS, open_to, say
from monitor.web.house import House, house_of, number_of
from monitor.web.visitor import Visitor, visitor

pages = Blueprint("takeover", __name__)

RUNNING = {State.ACTIVE, State.STANDING_DOWN}


@pages.get("/takeover")
@open_to(ALL)
def look() -> BaseResponse:
    """The state, and all that goes with it."""
    house, who = house_of(), visitor()
    app, now = house.app, house.now
    with app.database.read() as session:
        takeover = takeovers.as_seen_by(session, who)
        since = takeovers.begun_at(session) if takeover.state in RUNNING else None
        until = now if takeover.is_active else takeover.since or now
        posts = takeovers.own_posts_during(session, since, until) if since is not None else []
        waiting = _preflight(session, house, since.isoformat()) if since is not None else []
        known = posters_of(session, since.isoformat()) if since is not None else None
        incidents = [
            (row.id, headline_of(row, app.cards.for_category(row.category, row.source)))
            for row in session.scalars(
                select(IncidentRow)
                .where(
                    IncidentRow.state != IncidentState.CLOSED.value,
                    IncidentRow.severity >= int(Severity.ALERT),
                    IncidentRow.drill.is_(False),
                    visible_to(who),
                )
                .order_by(IncidentRow.severity.desc(), IncidentRow.last_seen_at.desc())
                .limit(20)
            )
        ]
        past = takeovers.turns_for(session, who)
        changes = takeovers.may_change(session, who)
        about = session.get(IncidentRow, takeover.incident) if takeover.incident else None
        needed = since is not None and may_act(who, about, Deed.REGISTER) and registers.needed(about)
        undecided = registers.undecided(session, about.id) if needed and about is not None else ()
        coverage = coverage_lines(session, now, app.settings.zone)
    other = "chair" if takeover.holder == "ceo" else "ceo"
    return make_response(
        render_template(
            "takeover.html",
            takeover=takeover,
            running=takeover.state in RUNNING,
            proposed=takeover.state is State.PROPOSED,
            changes=changes,
            who=who,
            holder=_name(house, takeover.holder),
            other=other if other in app.people else "",
            other_name=_name(house, other),
            posts=posts,
            known=known.sentence if known is not None and takeover.is_active and who.role in KEEPERS else "",
            untold=known is not None and bool(known.untold),
            waiting=waiting,
            incidents=incidents,
            past=past,
            undecided=[registers.BODIES[body] for body in undecided],
            coverage_lines=coverage,
            card=app.cards.takeover,
            passwords=app.cards.passwords,
            posters=app.desk.posters,
            platforms=list(preflight.WHERE),
            every=app.desk.report_every,
        )
    )


def _name(house: House, role: str) -> str:
    person = house.app.people.get(role)
    words = ROLE_WORDS.get(role, role)
    return f"{person.name} ({words})" if person is not None else words


def _preflight(session: Session, house: House, begun: str) -> list[tuple[str, PreflightRow | None, str, str]]:
    """For each channel: what was found, where to look, and who looks after it."""
    known = {row.platform: row for row in session.scalars(select(PreflightRow).where(PreflightRow.takeover == begun))}
    owners: dict[str, list[str]] = {}
    for account in session.scalars(select(AccountRow).where(AccountRow.removed_at.is_(None))):
        owners.setdefault(account.platform, []).append(account.owner)
    for poster in house.app.desk.posters:
        for platform in poster.platforms:
            owners.setdefault(platform, []).append(poster.name)
    names = dict.fromkeys([*preflight.WHERE, *known])
    organisation = house.app.settings.organisation
    return [
        (name, known.get(name), preflight.where(name, organisation), ", ".join(dict.fromkeys(owners.get(name, []))))
        for name in names
    ]


# ── beginning, from this page ───────────────────────────────────────────────────────────────────────


def _asked() -> tuple[str, str, tuple[str, ...], tuple[str, ...]]:
    names = tuple(name[:80] for name in request.form.getlist("allowed") if name.strip())
    platforms = tuple(p for p in request.form.getlist("platform") if p in preflight.WHERE)
    if names and not platforms:  # whoever is named posts on the channels that the settings give them
        known = {p for poster in house_of().app.desk.posters if poster.name in names for p in poster.platforms}
        platforms = tuple(p for p in preflight.WHERE if p in known)
        if not platforms:
            raise NotAllowed("Say also on which channels they may post: tick at least one. Go back to do so.")
    return actions.own_words(request.form.get("reason", "")), request.form.get("incident", "")[:20], names, platforms


def _bound(who: Visitor, *asked: Any) -> str:
    return house_of().app.keys.digest("begin", who.session_id, json.dumps(asked))[:40]


@pages.post("/takeover/ask")
@open_to(LEADERS)
def ask() -> BaseResponse:
    """Ask once more; nothing has changed yet."""
    reason, incident, names, platforms = _asked()
    if not reason:
        abort(400, "Please say in a few words why. Go back, and write it into the box.")
    page = render_template(
        "confirm.html",
        reason=reason,
        action="/takeover/begin",
        page=_bound(visitor(), reason, incident, names, platforms),
        signed_in=True,
        posters=len(house_of().app.desk.posters),
        drill=False,
        extra={"incident": incident},
        allowed=names,
        platforms=platforms,
    )
    return make_response(page)


@pages.post("/takeover/begin")
@open_to(LEADERS)
def begin() -> BaseResponse:
    """ "Yes, begin now", bound to what the question showed."""
    house = house_of()
    reason, incident, names, platforms = _asked()
    bound = _bound(visitor(), reason, incident, names, platforms)
    if not hmac.compare_digest(request.form.get("page", "").encode(), bound.encode()):
        abort(403, "Something was changed after the question. Go back, and press Begin once more.")

    def work(session: Session, now: Any, who: Visitor) -> bool:
        row = session.get(IncidentRow, incident) if incident else None
        if row is not None and (row.drill or not may_see(who, row)):
            raise NotAllowed("A takeover cannot be about this incident.")
        begun = takeovers.begin(
            session, house.app.desk, by=str(who.actor), reason=reason, now=now, role=who.role,
            incident=row.id if row is not None else "", allowed=names, allowed_platforms=platforms,
        )  # fmt: skip
        if row is not None:
            actions.acknowledge(session, row.id, who.actor, now)
        return begun

    begun = change(work)
    return say(
        "Takeover has begun" if begun else "Takeover is on already",
        f"{'Everybody who posts is being told now. ' if begun else ''}See next what is scheduled inside the platforms.",
        links={"See the takeover": "/takeover"},
    )


# ── while it runs ───────────────────────────────────────────────────────────────────────────────────


@pages.post("/takeover/allow")
@open_to(LEADERS)
def allow() -> BaseResponse:
    """Let others post meanwhile, on some platforms."""
    house = house_of()
    _, _, names, platforms = _asked()

    def work(session: Session, now: Any, who: Visitor) -> None:
        takeovers.allow(
            session, house.app.desk, by=str(who.actor), names=names, platforms=platforms, now=now, role=who.role
        )

    return change_and_show("/takeover", work)


@pages.post("/takeover/hand-over")
@open_to(LEADERS)
def hand_over() -> BaseResponse:
    """Give it to the other of CEO and Chair."""
    house, to = house_of(), request.form.get("to", "")
    if to not in LEADERS or to not in house.app.people:
        abort(400, "It can be handed to the CEO or to the Chair only.")
    return change_and_show(
        "/takeover",
        lambda s, now, who: takeovers.hand_over(s, house.app.desk, by=str(who.actor), to=to, now=now, role=who.role),
    )


@pages.post("/takeover/confirm")
@open_to(LEADERS)
def confirm() -> BaseResponse:
    """Let a takeover that began by itself stand on a person's word."""
    return change_and_show(
        "/takeover", lambda s, now, who: takeovers.confirm(s, by=str(who.actor), now=now, role=who.role)
    )


@pages.post("/takeover/allowed-post")
@open_to(LEADERS)
def allowed_post() -> BaseResponse:
    """A post of ours was in order."""
    number = request.form.get("mention", "")

    def work(session: Session, now: Any, who: Visitor) -> None:
        row = session.get(MentionRow, number_of(number))
        if row is None or row.kind != "own_post" or not takeovers.may_change(session, who):
            raise NotAllowed("That post is no longer kept.")
        actions.allow_post(session, row, who.actor, now)

    return change_and_show("/takeover", work)


@pages.post("/takeover/looked")
@open_to(ALL)
def looked() -> BaseResponse:
    """Somebody has looked at a platform's queue by hand."""
    number = request.form.get("channel", "")

    def work(session: Session, now: Any, who: Visitor) -> None:
        row = session.get(PreflightRow, number_of(number))
        if row is None:
            raise NotAllowed("That channel is not on the list.")
        row.done_at, row.done_by = now, str(who.actor)

    return change_and_show("/takeover", work)


@pages.post("/takeover/end")
@open_to(LEADERS)
def end() -> BaseResponse:
    """End it, or stand down while something stays on hold."""
    house = house_of()
    reason, on_hold = (actions.own_words(request.form.get(key, "")) for key in ("reason", "on_hold"))
    return change_and_show(
        "/takeover",
        lambda s, now, who: takeovers.end(
            s, house.app.desk, by=str(who.actor), reason=reason, now=now, on_hold=on_hold, role=who.role
        ),
    )
