"""What people say: search and filters, the questions that wait for an answer, and an export for named roles."""

from __future__ import annotations

import csv
import io
from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from typing import Any
from urllib.parse import urlencode

from flask import Blueprint, Response, make_response, render_template, request
from sqlalchemy import ColumnElement, String, and_, cast, or_, select
from sqlalchemy.orm import Session
from werkzeug.wrappers import Response as BaseResponse

from alerts.model import Severity
from connectors.model import Kind
from monitor import actions, audit
from monitor.actions import NotAllowed
from monitor.hearing import coverage_lines
from monitor.model import Category
from monitor.store import search
from monitor.store.tables import MentionRow
from monitor.visibility import posts_readable_by, posts_visible_to, waits_for_answer
from monitor.web.doing import change, change_and_show
from monitor.web.guard import ALL, KEEPERS, open_to
from monitor.web.house import House, house_of, number_of
from monitor.web.incident_view import Post, post_of, readable_ids
from monitor.web.visitor import Visitor, visitor

pages = Blueprint("mentions", __name__)

AT_ONCE = 40
"""Mentions on a page."""

FOUND_AT_MOST = 1000
"""Hits of a search that are looked through, the newest."""

EXPORTED = 5000


@dataclass(frozen=True, slots=True)
class Wanted:
    """What somebody looks for. Empty texts ask for everything."""

    words: str = ""
    platform: str = ""
    level: str = ""
    category: str = ""
    language: str = ""
    kind: str = ""
    unanswered: bool = False
    before: str = ""

    @classmethod
    def read(cls, values: Any) -> Wanted:
        """From a query or a form; what cannot be meant is left out."""
        text = {key: str(values.get(key, ""))[:100].strip() for key in ("q", "platform", "level", "category")}
        level = text["level"] if text["level"] in {s.level for s in Severity} else ""
        category = text["category"] if text["category"] in {c.value for c in Category} else ""
        kind = values.get("kind", "")
        return cls(
            actions.own_words(text["q"]),
            text["platform"] if text["platform"].isidentifier() else "",
            level,
            category,
            str(values.get("language", ""))[:8] if str(values.get("language", "")).isalpha() else "",
            kind if kind in {k.value for k in Kind} else "",
            values.get("unanswered", "") == "yes",
            str(values.get("before", ""))[:60],
        )

    def query(self, **changes: str) -> str:
        """As a query string."""
        values = {
            "q": self.words,
            "platform": self.platform,
            "level": self.level,
            "category": self.category,
            "language": self.language,
            "kind": self.kind,
            "unanswered": "yes" if self.unanswered else "",
            **changes,
        }
        return urlencode({key: value for key, value in values.items() if value})


@pages.get("/mentions")
@open_to(ALL)
def look() -> BaseResponse:
    """Mentions, the newest first."""
    house, who = house_of(), visitor()
    wanted = Wanted.read(request.args)
    with house.app.database.read() as session:
        rows = find(session, wanted, who, AT_ONCE + 1)
        posts = shown(session, rows[:AT_ONCE], who)
        coverage = coverage_lines(session, house.now, house.app.settings.zone)
    more = ""
    if len(rows) > AT_ONCE:
        last = rows[AT_ONCE - 1]
        more = wanted.query(before=f"{last.posted_at.isoformat()}_{last.id}")
    return make_response(
        render_template(
            "mentions.html",
            wanted=wanted,
            posts=posts,
            more=more,
            coverage_lines=coverage,
            platforms=sorted({*house.app.stations, *(["x"] if not house.app.stations else [])}),
            levels=[s.level for s in reversed(Severity)],
            categories=[c.value for c in Category],
            languages=house.app.settings.organisation.languages,
            kinds=[k.value for k in Kind],
            exports=who.role in KEEPERS,
        )
    )


def find(session: Session, wanted: Wanted, who: Visitor, at_most: int) -> list[MentionRow]:
    """The rows that fit, newest first. Words of a closed matter are not searched for those who may not read them: that
    something matched would tell them what it says."""
    may = posts_readable_by(who) if wanted.words else posts_visible_to(who)
    query = select(MentionRow).where(may).order_by(MentionRow.posted_at.desc(), MentionRow.id.desc())
    for condition in _conditions(wanted):
        query = query.where(condition)
    if not wanted.words:
        return list(session.scalars(query.limit(at_most)))
    ids = search.find(session, wanted.words, FOUND_AT_MOST)
    rows: list[MentionRow] = []
    for start in range(0, len(ids), 200):
        rows += session.scalars(query.where(MentionRow.id.in_(ids[start : start + 200]))).all()
    rows.sort(key=lambda row: (row.posted_at, row.id), reverse=True)
    return rows[:at_most]


def _conditions(wanted: Wanted) -> list[ColumnElement[bool]]:
    found: list[ColumnElement[bool]] = []
    if wanted.platform:
        found.append(MentionRow.platform == wanted.platform)
    if wanted.level:
        found.append(MentionRow.severity == int(Severity[wanted.level.upper()]))
    if wanted.category:
        found.append(cast(MentionRow.categories, String).like(f'%"{wanted.category}"%'))
    if wanted.language:
        found.append(MentionRow.language == wanted.language)
    if wanted.kind:
        found.append(MentionRow.kind == wanted.kind)
    if wanted.unanswered:
        found.append(and_(MentionRow.question.is_(True), waits_for_answer()))
    moment, _, number = wanted.before.partition("_")
    try:
        edge = datetime.fromisoformat(moment).astimezone(UTC) if number_of(number) > 0 else None
    except (ValueError, OverflowError):
        edge = None
    if edge is not None:
        found.append(
            or_(MentionRow.posted_at < edge, and_(MentionRow.posted_at == edge, MentionRow.id < number_of(number)))
        )
    return found


def shown(session: Session, rows: Sequence[MentionRow], who: Visitor) -> list[Post]:
    """The rows, which this visitor may see, with their words as far as they may read them."""
    readable = readable_ids(session, rows, who)
    return [post_of(row, readable=row.id in readable, signed_in=True) for row in rows]


@pages.post("/mentions/missed")
@open_to(ALL)
def missed() -> BaseResponse:
    """ "You should have told me": Earshot learns from it."""
    number, reason = request.form.get("mention", ""), request.form.get("reason", "")

    def work(session: Session, now: datetime, who: Visitor) -> None:
        actions.missed(session, number_of(number), who.actor, reason, now)

    return change_and_show("/mentions", work)


# ── answers ─────────────────────────────────────────────────────────────────────────────────────────


@pages.get("/unanswered")
@open_to(ALL)
def unanswered() -> BaseResponse:
    """Questions and thanks without an answer by us, the oldest first (policy 4.7)."""
    house, who = house_of(), visitor()
    with house.app.database.read() as session:
        questions, thanks = (_waiting(session, column, who) for column in (MentionRow.question, MentionRow.thanks))
        return make_response(
            render_template(
                "unanswered.html",
                questions=shown(session, questions[:AT_ONCE], who),
                more_questions=len(questions) > AT_ONCE,
                thanks=shown(session, [t for t in thanks if not t.question][:AT_ONCE], who),
                coverage_lines=coverage_lines(session, house.now, house.app.settings.zone),
            )
        )


def _waiting(session: Session, column: Any, who: Visitor) -> list[MentionRow]:
    return list(
        session.scalars(
            select(MentionRow)
            .where(column.is_(True), waits_for_answer(), posts_readable_by(who))
            .order_by(MentionRow.posted_at)
            .limit(AT_ONCE + 1)
        )
    )


@pages.post("/unanswered")
@open_to(ALL)
def answered() -> BaseResponse:
    """It was answered, or needs no answer."""
    number = request.form.get("mention", "")

    def work(session: Session, now: datetime, who: Visitor) -> None:
        row = actions.post_row(session, number_of(number), who)
        offered = select(MentionRow.id).where(MentionRow.id == row.id, waits_for_answer(), posts_readable_by(who))
        if row.answered_at is None and session.scalar(offered) is None:
            raise NotAllowed("Nobody is asked to answer that post: look at its incident first.")
        row.answered_at = row.answered_at or now

    return change_and_show("/unanswered", work)


# ── export ──────────────────────────────────────────────────────────────────────────────────────────


@pages.post("/mentions/export")
@open_to(KEEPERS)
def export() -> Response:
    """A table for a spreadsheet, for named roles only. Platforms whose terms forbid copies are left out."""
    wanted = Wanted.read(request.form)

    def work(session: Session, now: datetime, who: Visitor) -> str:
        rows = find(session, wanted, who, EXPORTED)
        filters = replace(wanted, words="").query() + (" (words)" if wanted.words else "")
        audit.record(session, actor=str(who.actor), action="mentions exported", now=now, words=filters)
        return as_csv(house_of(), rows, shown(session, rows, who))

    response = make_response(change(work))
    response.content_type = "text/csv; charset=utf-8"
    response.headers["Content-Disposition"] = 'attachment; filename="mentions.csv"'
    return response


def as_csv(house: House, rows: Sequence[MentionRow], posts: Sequence[Post]) -> str:
    """Rows as CSV, every cell defused (reliability notes, 3.1: a cell that begins with = runs in a spreadsheet)."""
    out = io.StringIO()
    writer = csv.writer(out)
    writer.writerow(["posted_at", "platform", "kind", "level", "categories", "language", "text", "link"])
    for row, post in zip(rows, posts, strict=True):
        terms = house.app.terms.get(row.platform, house.app.terms["other"])
        if not terms.in_backups:
            continue  # LinkedIn forbids exports (R-L2)
        level = Severity(row.severity).level
        cells = [row.posted_at.isoformat(), row.platform, row.kind, level, " ".join(post.categories), row.language]
        writer.writerow([defused(cell) for cell in (*cells, post.text or "", post.url)])
    return out.getvalue()


def defused(cell: str) -> str:
    """A cell that no spreadsheet takes for a formula."""
    return f"'{cell}" if cell[:1] in {"=", "+", "-", "@", "\t", "\r", "\n", "\x00", "|", "%"} else cell
