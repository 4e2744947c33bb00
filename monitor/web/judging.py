"""The rules: try a sentence and see how it would be judged and why; every rule, and how often it was right here."""

from __future__ import annotations

from collections import Counter
from datetime import timedelta
from typing import Any

from flask import Blueprint, make_response, render_template, request
from sqlalchemy import select
from sqlalchemy.orm import Session
from werkzeug.wrappers import Response as BaseResponse

from connectors.model import Kind, Mention, clean_text
from monitor import learning
from monitor.app import rules_folder
from monitor.scoring.rules import Rule, load_rules
from monitor.store.tables import FeedbackRow
from monitor.visibility import Person, feedback_visible_to
from monitor.web.guard import ALL, open_to
from monitor.web.house import House, house_of
from monitor.web.visitor import visitor

pages = Blueprint("judging", __name__)

LATELY = timedelta(days=365)


@pages.get("/rules")
@open_to(ALL)
def look() -> BaseResponse:
    """The box, and all rules."""
    return _page("", "comment", None)


@pages.post("/rules")
@open_to(ALL)
def judge() -> BaseResponse:
    """How a sentence would be judged. Nothing is kept."""
    text = clean_text(request.form.get("text", "")).strip()[:2000]
    kind = request.form.get("kind", "comment")
    house = house_of()
    if not text:
        return _page(text, kind, None)
    mention = Mention(
        platform="facebook",
        external_id="try",
        kind=Kind(kind) if kind in {k.value for k in Kind} else Kind.COMMENT,
        text=text,
        url="https://earshot.invalid/try",
        posted_at=house.now,
    )
    return _page(text, kind, house.app.scorer.assess(mention))


def _page(text: str, kind: str, assessment: Any) -> BaseResponse:
    house, who = house_of(), visitor()
    rules = _rules(house)
    with house.app.database.read() as session:
        missed = _missed(session, house, who)
        told, wrong = learning.rules_measured(session, who)
    return make_response(
        render_template(
            "rules.html",
            text=text,
            kind=kind,
            kinds=[k.value for k in Kind],
            assessment=assessment,
            files=rules,
            told=told,
            wrong=wrong,
            missed=missed,
        )
    )


def _rules(house: House) -> dict[str, list[Rule]]:
    """All rules by file; read once."""
    known: dict[str, list[Rule]] | None = house.kept.get("rules")
    if known is None:
        known = {}
        for rule in load_rules(rules_folder(house.app.settings)).rules:
            known.setdefault(rule.file, []).append(rule)
        house.kept["rules"] = known
    return known


def _missed(session: Session, house: House, who: Person) -> Counter[str]:
    """For each rule, how often people here said "should have told me" of a post on which it spoke."""
    found: Counter[str] = Counter()
    lately = (
        FeedbackRow.at > house.now - LATELY,
        FeedbackRow.verdict == learning.MISSED,
        feedback_visible_to(who),
    )
    for row in session.scalars(select(FeedbackRow).where(*lately).limit(5000)):
        found.update(str(rule) for rule in set(row.rules) if rule)
    return found
