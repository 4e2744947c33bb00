"""`earshot score`: posts in as JSON Lines, judgements out as JSON Lines, in the same order."""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator, Mapping, Sequence
from datetime import UTC, datetime
from itertools import islice
from typing import Any

from connectors.model import Author, Kind, Mention, clean_text
from monitor.model import Assessment
from monitor.plain import json_line, one_value
from monitor.scoring import Scorer

BATCH = 64
"""Rows that are judged together; the learned part is faster so."""

WITHOUT_SCORES = frozenset({"youtube"})
"""Platforms whose terms forbid numbers derived from their posts (settled questions, 4)."""

_A_TIME = datetime(2026, 1, 1, tzinfo=UTC)


class RowFaulty(ValueError):
    """A row that is no post; the message says what it lacks, and holds nothing of its text."""


def score_lines(lines: Iterable[str], scorer: Scorer, *, derived_data_allowed: bool = False) -> Iterator[str]:
    """One line of JSON for each line of JSON, in order. A bad row gets ``{"id", "error"}`` and the rest goes on.

    ``derived_data_allowed``: YouTube has granted numbers derived from its posts. Blank lines are skipped.
    """
    rows = (line for line in map(one_value, lines) if line)
    while batch := list(islice(rows, BATCH)):
        for answer in _answers(batch, scorer, derived_data_allowed):
            yield json_line(answer)


def as_rows(texts: Iterable[str]) -> Iterator[str]:
    """One row for each line of plain text: a comment on a channel of ours, numbered from 1. Blank lines are skipped."""
    for number, text in enumerate((one_value(text) for text in texts), 1):
        if text:
            row = {"id": str(number), "platform": "facebook", "kind": Kind.COMMENT.value, "text": text}
            yield json.dumps(row)


def is_fault(answer: str) -> bool:
    """Whether an answer of ``score_lines`` says that its row could not be read or judged."""
    return "error" in json.loads(answer)


def mention_of(row: Mapping[str, Any]) -> Mention:
    """The post of a row of the corpus form. Raises ``RowFaulty``."""
    for name in ("id", "platform", "kind", "text"):
        if name not in row:
            raise RowFaulty(f"the row lacks {name}")
    text = row["text"]
    if text is not None and not isinstance(text, str):
        raise RowFaulty("text is a string")
    parent_text = row.get("parent_text")
    if parent_text is not None and not isinstance(parent_text, str):
        raise RowFaulty("parent_text is a string: the words that the post answers")
    platform = row["platform"]
    if not isinstance(platform, str) or not platform:
        raise RowFaulty("platform is a string such as x, facebook, instagram, linkedin or youtube")
    try:
        kind = Kind(row["kind"])
    except ValueError:
        raise RowFaulty(f"kind is one of {', '.join(Kind)}") from None
    return Mention(
        platform=platform,
        external_id=clean_text(str(row["id"])) or "-",
        kind=kind,
        text=None if text is None else clean_text(text),
        url="https://post.example/",
        posted_at=_A_TIME,
        author=_author(row.get("author")),
        likes=_count(row.get("likes")),
        shares=_count(row.get("shares")),
        replies=_count(row.get("replies")),
        names_us=row.get("names_us") is True,
        parent_text=None if parent_text is None else clean_text(parent_text),
    )


def answer_of(row_id: object, platform: str, assessment: Assessment, *, with_scores: bool) -> dict[str, Any]:
    """What is said of one post, in the form that other programs rely on (settled questions, 1)."""
    return {
        "id": row_id,
        "severity": int(assessment.severity),
        "level": assessment.severity.level,
        "categories": [category.value for category in assessment.categories],
        "sentiment": assessment.sentiment if with_scores else None,
        "language": assessment.language,
        "reasons": [
            {
                "rule": signal.rule,
                "category": signal.category.value if signal.category else None,
                "clause": signal.clause,
                "words": signal.words,
                "weight": signal.weight if with_scores else None,
            }
            for signal in assessment.signals
        ],
    }


def _answers(batch: Sequence[str], scorer: Scorer, allowed: bool) -> list[dict[str, Any]]:
    answers: list[dict[str, Any]] = []
    posts: list[tuple[int, Mention]] = []
    for line in batch:
        row_id: object = None
        try:
            row = _parsed(line)
            row_id = row.get("id")
            posts.append((len(answers), mention_of(row)))
            answers.append({"id": row_id})
        except ValueError as error:
            answers.append({"id": row_id if isinstance(row_id, str | int) else None, "error": str(error)})
    for (place, mention), judged in zip(posts, _judged([mention for _, mention in posts], scorer), strict=True):
        row_id = answers[place]["id"]
        if isinstance(judged, Exception):
            answers[place] = {"id": row_id, "error": f"could not be judged ({type(judged).__name__})"}
        else:
            with_scores = allowed or mention.platform not in WITHOUT_SCORES
            answers[place] = answer_of(row_id, mention.platform, judged, with_scores=with_scores)
    return answers


def _parsed(line: str) -> Mapping[str, Any]:
    try:
        row = json.loads(line)
    except (ValueError, RecursionError):
        raise RowFaulty("the line is not JSON") from None
    if not isinstance(row, dict):
        raise RowFaulty("the line is not a JSON object")
    return row


def _judged(posts: Sequence[Mention], scorer: Scorer) -> Sequence[Assessment | Exception]:
    try:
        return scorer.assess_many(posts)
    except Exception:  # bulkhead: a mention; find out which
        return [_judged_alone(post, scorer) for post in posts]


def _judged_alone(post: Mention, scorer: Scorer) -> Assessment | Exception:
    try:
        return scorer.assess(post)
    except Exception as broken:  # bulkhead: a mention
        return broken


def _author(raw: object) -> Author | None:
    if not isinstance(raw, Mapping):
        return None
    name, handle = raw.get("name"), raw.get("handle")
    return Author(
        name=clean_text(name) if isinstance(name, str) else None,
        handle=clean_text(handle) if isinstance(handle, str) else None,
        followers=_count(raw.get("followers")),
        verified=raw.get("verified") if isinstance(raw.get("verified"), bool) else None,
    )


def _count(raw: object) -> int | None:
    return raw if isinstance(raw, int) and not isinstance(raw, bool) and raw >= 0 else None
