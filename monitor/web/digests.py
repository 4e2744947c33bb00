"""Digests: past ones as far as the terms allow, and a preview of the next."""

from __future__ import annotations

from datetime import timedelta

from flask import Blueprint, abort, make_response, render_template
from sqlalchemy import select
from werkzeug.wrappers import Response as BaseResponse

from monitor import digest
from monitor.store.tables import DigestRow
from monitor.web.guard import ALL, open_to
from monitor.web.house import house_of
from monitor.web.visitor import visitor

pages = Blueprint("digests", __name__)


@pages.get("/digests")
@open_to(ALL)
def look() -> BaseResponse:
    """The list of weeks."""
    with house_of().app.database.read() as session:
        rows = session.scalars(select(DigestRow).order_by(DigestRow.week.desc()).limit(60)).all()
    return make_response(render_template("digests.html", rows=rows))


@pages.get("/digests/<week>")
@open_to(ALL)
def read(week: str) -> BaseResponse:
    """One week's digest, made anew from what may still be kept; ``next`` is the one that comes."""
    house, who = house_of(), visitor()
    now = house.now
    with house.app.database.read() as session:
        since, until, name = now - timedelta(days=7), now, "the next one"
        if week == "next":
            last = session.scalar(select(DigestRow).order_by(DigestRow.until.desc()).limit(1))
            since = max(last.until, now - timedelta(days=35)) if last is not None else since
        else:
            row = session.get(DigestRow, week[:10])
            if row is None:
                abort(404, "There was no digest for that week.")
            since, until, name = row.since, row.until, row.week
        bulletin = digest.bulletin_for(
            session, house.app, since=since, until=until, week=name, folded=(), reader=who.role
        )
    return make_response(render_template("digest.html", bulletin=bulletin, preview=week == "next", until=until))
