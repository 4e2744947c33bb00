"""The engine room: health, privacy, audit."""

from __future__ import annotations

import sys
import tempfile
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from functools import partial
from importlib.metadata import version
from pathlib import Path
from typing import Any

from flask import Blueprint, Response, abort, make_response, render_template, request
from sqlalchemy import func, select
from sqlalchemy.orm import Session
from werkzeug.wrappers import Response as BaseResponse

from monitor import audit, backup, digest, outbox, reaching, subjects
from monitor.actions import NotAllowed, own_words
from monitor.audit_check import LEDGER, OF_INCIDENTS, check
from monitor.clock import say_ago, say_duration
from monitor.forgetting import say as say_forgotten
from monitor.hearing import coverage_lines
from monitor.store.tables import (
    AlertRow,
    AuditRow,
    ErasureRow,
    IncidentRow,
    MentionRow,
    PlatformRow,
    QuarantineRow,
    ReportRow,
)
from monitor.visibility import alerts_visible_to, audit_visible_to, may_read, may_see, posts_visible_to
from monitor.web.guard import KEEPERS, open_to, say
from monitor.web.house import House, house_of, number_of
from monitor.web.publishing import health_json
from monitor.web.visitor import Visitor, visitor

pages = Blueprint("engine", __name__)

LISTS_KEPT = 1000

DOCUMENTS: Mapping[str, str] = {
    "notice": "Monitoring notice",
    "assessment": "Legitimate-interests assessment",
    "dpia": "Data protection impact assessment",
}
"""Drafts filled from the settings; a person reads, changes and signs them."""


@pages.get("/engine")
@open_to(KEEPERS)
def engine() -> BaseResponse:
    """Connectors, queue, lag, budget, cost, database, versions."""
    house = house_of()
    body, well = health_json(house, visitor())
    with house.app.database.read() as session:
        coverage = coverage_lines(session, house.now, house.app.settings.zone)
        spending = digest.spending_lines(session, house.app, house.now)
        rows = session.scalars(select(PlatformRow).order_by(PlatformRow.name)).all()
        stuck = session.scalars(
            select(AlertRow)
            .where(
                outbox.is_owed(),
                reaching.owed_as_seen_by(visitor()),
                AlertRow.last_error != "",
                alerts_visible_to(visitor()),
            )
            .order_by(AlertRow.retry_at)
            .limit(20)
        ).all()
        quarantined = session.scalar(select(func.count()).select_from(QuarantineRow)) or 0
    return make_response(
        render_template(
            "engine.html",
            body=body,
            well=well,
            coverage_lines=coverage,
            spending=spending,
            rows=[(row, *_plan(house, row.name)) for row in rows],
            stuck=stuck,
            quarantined=quarantined,
            notes=digest.setup_notes(house.app, house.now),
            facts={**_facts(house), "Newest backup": _backup(house)},
        )
    )


def _plan(house: House, name: str) -> tuple[str, str]:
    station = house.app.stations.get(name)
    if station is None:
        return "not in use", ""
    plan = station.plan()
    return plan.lag or say_duration(plan.calm), plan.cost


def _backup(house: House) -> str:
    with house.app.database.read() as session:
        made_at = backup.last_made(session)
    return say_ago(made_at, house.now, house.app.settings.zone) if made_at is not None else "none yet"


def _facts(house: House) -> dict[str, str]:
    database = house.app.database
    facts = {
        "Earshot": version("earshot"),
        "Python": sys.version.split()[0],
        "Database": "SQLite" if database.is_sqlite else "PostgreSQL",
    }
    if database.file is not None and database.file.exists():
        facts["Size of the database"] = f"{database.file.stat().st_size / 1e6:,.1f} MB"
    reader = house.kept.get("reader") or "rules and the learned part, as set in [judgement]"
    facts["Judged by"] = str(reader)
    return facts


# ── privacy ─────────────────────────────────────────────────────────────────────────────────────────


@pages.get("/privacy")
@open_to(KEEPERS)
def privacy() -> BaseResponse:
    """What is kept and until when, the last forgetting report, and a person's rights."""
    house = house_of()
    with house.app.database.read() as session:
        kept = dict(
            session.execute(
                select(MentionRow.platform, func.count())
                .where(MentionRow.text_until.is_not(None), posts_visible_to(visitor()))
                .group_by(MentionRow.platform)
            ).all()
        )
        reports = session.scalars(select(ReportRow).order_by(ReportRow.id.desc()).limit(10)).all()
        erased = session.scalar(select(func.count()).select_from(ErasureRow)) or 0
    return make_response(
        render_template(
            "privacy.html",
            terms=house.app.terms,
            kept=kept,
            reports=[(row.at, say_forgotten(row.counts)) for row in reports],
            erased=erased,
            settings=house.app.settings.privacy,
            documents=DOCUMENTS,
            notes=digest.setup_notes(house.app, house.now),
        )
    )


@pages.post("/privacy/find")
@open_to(KEEPERS)
def find_person() -> BaseResponse:
    """What is kept about a person, in lines without anybody's words."""
    house, who, by = house_of(), _who(), visitor().actor
    lines = subjects.find(house.app, who, by)
    return _list(who, subjects.about_to_erase(house.app, who, by), lines)


def _shown() -> dict[str, str]:
    """The list that each session was shown last; a restart forgets them, and then it is shown once more."""
    shown: dict[str, str] = house_of().kept.setdefault("erasures", {})
    return shown


def _list(who: str, erasure: subjects.Erasure, lines: Sequence[str], problem: str = "") -> BaseResponse:
    shown = _shown()
    if len(shown) > LISTS_KEPT:
        shown.clear()
    shown[visitor().session_id] = erasure.mark
    page = render_template("subject.html", about=who, lines=lines, erasure=erasure, problem=problem)
    return make_response(page, 409 if problem else 200)


@pages.post("/privacy/export")
@open_to(KEEPERS)
def export_person() -> Response:
    """What is kept about a person, for that person: a readable page with other people's names masked."""
    house, who = house_of(), _who()
    with tempfile.TemporaryDirectory() as folder:
        subjects.export(house.app, who, Path(folder), visitor().actor)
        name = "subject.json" if request.form.get("form") == "json" else "subject.html"
        response = make_response((Path(folder) / name).read_text("utf-8"))
    response.content_type = "application/json" if name.endswith("json") else "text/html; charset=utf-8"
    response.headers["Content-Disposition"] = f'attachment; filename="{name}"'
    return response


@pages.post("/privacy/erase")
@open_to(KEEPERS)
def erase_person() -> BaseResponse:
    """Erase a person, for good, once the list of what goes was shown."""
    house, who, by = house_of(), _who(), visitor().actor
    if request.form.get("sure", "").strip().casefold() != "erase":
        raise NotAllowed('To erase a person for good, write the word "erase" into the second box.')
    erasure = subjects.about_to_erase(house.app, who, by)
    if _shown().get(visitor().session_id) != erasure.mark:
        why = "Nothing was erased yet. Read the list first, and then write the word once more."
        return _list(who, erasure, erasure.lines, why)
    done = subjects.erase(house.app, who, by)
    return say("Erased", done, links={"Back to privacy": "/privacy"})


def _who() -> str:
    who = own_words(request.form.get("who", ""))[:300]
    if not who:
        raise NotAllowed("Write the person's handle, name, or the link of a post.")
    return who


@pages.get("/privacy/<document>")
@open_to(KEEPERS)
def document(document: str) -> BaseResponse:
    """A draft, filled from the settings."""
    if document not in DOCUMENTS:
        abort(404)
    house = house_of()
    settings = house.app.settings
    values: dict[str, Any] = {
        "title": DOCUMENTS[document],
        "settings": settings,
        "organisation": settings.organisation,
        "privacy": settings.privacy,
        "terms": house.app.terms,
        "platforms": sorted(house.app.stations) or sorted(name for name in house.app.terms if name != "other"),
        "now": house.now,
        "ceo": settings.people.ceo,
        "begins_by_itself": settings.takeover.begin_by_itself == "crisis",
    }
    return make_response(render_template(f"documents/{document}.html", **values))


# ── audit ───────────────────────────────────────────────────────────────────────────────────────────


@dataclass(frozen=True, slots=True)
class Entry:
    """A row of the audit as somebody may read it. Without its number: a gap would tell of what is not shown."""

    at: datetime
    actor: str
    action: str
    about: str
    words: str


def _entry(session: Session, row: AuditRow, who: Visitor) -> Entry:
    of_incident = row.action in OF_INCIDENTS or row.action.startswith(LEDGER)
    about = session.get(IncidentRow, row.about) if of_incident and row.about else None
    if of_incident and row.about and not may_see(who, about):  # a takeover that is on for a reason not for them
        return Entry(row.at, row.actor, row.action, "", "")
    words = "erased" if row.words is None else row.words
    if row.words and not may_read(who, about) and row.actor not in {"Earshot", str(who.actor)}:
        words = "for the CEO and the Chair"
    return Entry(row.at, row.actor, row.action, row.about, words)


@pages.get("/audit")
@open_to(KEEPERS)
def look_at_audit() -> BaseResponse:
    """Who did what, newest first; and on request, whether the chain is whole."""
    house = house_of()
    mailed = request.args.get("head", "").strip()[:80]
    who, skip = visitor(), max(0, number_of(request.args.get("skip", "")))
    with house.app.database.read() as session:
        rows = audit.newest(session, 101, skip=skip, where=audit_visible_to(who))
        entries = [_entry(session, row, who) for row in rows[:100]]
        faulty = bool(mailed) and not audit.is_head(mailed)
        asked = "check" in request.args and not faulty
        may_name = partial(may_see, visitor())
        problems = check(session, may_name, witnessed=mailed, keyed=house.app.audit_is_keyed) if asked else None
        head = audit.head(session)
    return make_response(
        render_template(
            "audit.html",
            rows=entries,
            more=skip + 100 if len(rows) > 100 else 0,
            problems=problems,
            faulty=audit.HEAD_FORM if faulty else "",
            head=head,
            mailed=mailed,
        )
    )
