"""Who may know of an incident, who may read its words, and who may act on it."""

from __future__ import annotations

import itertools
from collections.abc import Iterator

import pytest
from makers import NOW
from sqlalchemy import create_engine, select
from sqlalchemy.orm import Session

from monitor.store.tables import Base, IncidentRow, MentionRow
from monitor.visibility import (
    LEADERS,
    TOOL,
    Deed,
    Someone,
    hidden_from,
    in_turn,
    may_act,
    may_read,
    may_see,
    posts_readable_by,
    posts_visible_to,
    visible_to,
)

ROLES = ("ceo", "chair", "operator", "poster", "staff", TOOL)
MARKS = ("ceo", "chair", "operator", "poster")


def _incident(**values: object) -> IncidentRow:
    plain = {
        "id": "i1", "category": "complaint", "severity": 2, "state": "open", "opened_at": NOW, "last_seen_at": NOW,
        "source": "mention", "spoken_of": [], "perhaps_of": [],
    }  # fmt: skip
    return IncidentRow(**{**plain, **values})


def _every_incident() -> Iterator[IncidentRow]:
    sets = [list(marks) for size in range(3) for marks in itertools.combinations(MARKS, size)]
    for number, (sure, perhaps, category, source) in enumerate(
        itertools.product(sets, sets, ("complaint", "safeguarding", None), ("mention", "tip"))
    ):
        yield _incident(id=f"i{number}", spoken_of=sure, perhaps_of=perhaps, category=category, source=source)


def test_nobody_sees_what_speaks_of_them_or_may_do_so() -> None:
    for row in _every_incident():
        for role in hidden_from(row):
            assert not may_see(Someone(role), row)


def test_whoever_may_not_see_may_neither_read_nor_act() -> None:
    for row, role, deed in itertools.product(_every_incident(), ROLES, Deed):
        if not may_see(Someone(role), row):
            assert not may_read(Someone(role), row)
            assert not may_act(Someone(role), row, deed)


def test_what_speaks_of_one_of_us_is_for_the_leaders_and_the_operator_only() -> None:
    for row, role in itertools.product(_every_incident(), ("poster", "staff", TOOL)):
        assert may_see(Someone(role), row) == (not hidden_from(row))


def test_an_incident_about_the_chair_stays_with_the_ceo() -> None:
    row = _incident(spoken_of=["chair"])

    assert may_see(Someone("ceo"), row)
    assert not may_see(Someone("chair"), row)
    assert in_turn(row, ("ceo", "chair", "operator")) == ("ceo",)


@pytest.mark.parametrize(
    ("row", "present", "told"),
    [
        (None, ("ceo", "chair", "operator"), ("ceo", "chair")),
        ({}, ("ceo", "chair", "operator"), ("ceo", "chair")),
        ({}, ("ceo",), ("ceo",)),
        ({"spoken_of": ["ceo"]}, ("ceo", "chair", "operator"), ("chair",)),
        ({"perhaps_of": ["ceo"]}, ("ceo", "chair", "operator"), ("chair",)),
        ({"spoken_of": ["ceo"]}, ("ceo", "operator"), ("operator",)),
        ({"spoken_of": ["ceo"], "perhaps_of": ["chair"]}, ("ceo", "chair", "operator"), ("operator",)),
        ({"spoken_of": ["ceo", "chair", "operator"]}, ("ceo", "chair", "operator"), ()),
        ({"spoken_of": ["ceo"]}, ("ceo",), ()),
    ],
)
def test_the_next_of_whom_it_does_not_speak_is_told(
    row: dict[str, list[str]] | None, present: tuple[str, ...], told: tuple[str, ...]
) -> None:
    assert in_turn(None if row is None else _incident(**row), present) == told


def test_the_words_of_safeguarding_and_of_tips_are_for_the_ceo_and_the_chair() -> None:
    for row, role in itertools.product(_every_incident(), ROLES):
        closed = row.category == "safeguarding" or row.source == "tip" or bool(hidden_from(row) & LEADERS)
        if may_see(Someone(role), row):
            assert may_read(Someone(role), row) == (role in {"ceo", "chair"} or not closed)


def test_a_query_finds_exactly_what_may_be_seen() -> None:
    engine = create_engine("sqlite://")
    Base.metadata.create_all(engine)
    with Session(engine) as session:
        session.add_all(_every_incident())
        session.flush()
        rows = session.scalars(select(IncidentRow)).all()
        for number, row in enumerate(rows):
            categories = [row.category] if row.category else []
            session.add(_post(number, incident_id=row.id, categories=categories))
        session.add(_post(len(rows), incident_id=None, categories=[]))
        session.flush()
        for role in ROLES:
            seen = {row.id for row in rows if may_see(Someone(role), row)}
            assert set(session.scalars(select(IncidentRow.id).where(visible_to(Someone(role))))) == seen
            posts = set(session.scalars(select(MentionRow.incident_id).where(posts_visible_to(Someone(role)))))
            assert posts == seen | {None}
            words = set(session.scalars(select(MentionRow.incident_id).where(posts_readable_by(Someone(role)))))
            assert words == {None} | {row.id for row in rows if may_read(Someone(role), row)}


def _post(number: int, **values: object) -> MentionRow:
    return MentionRow(
        id=number + 1, platform="x", external_id=str(number), kind="mention", url="", posted_at=NOW, first_seen_at=NOW,
        verified_at=NOW, text_key="", **values,
    )  # fmt: skip
