"""`python training/held_out.py`: what the held-out authors and the blind part give at one line and another.

The readings are those of the training that did not see these authors, kept in ``held-out.jsonl`` so that rules and
lines can be measured on them at any time. Posts of other organisations are judged under their own names.
"""

from __future__ import annotations

import json
import sys
import tomllib
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parent.parent))

from posts import HELD, Labelled, blind, read_all

from alerts.model import Severity
from connectors.model import Organisation
from monitor.data import resource
from monitor.model import Category
from monitor.scoring import Scorer, build_scorer
from monitor.scoring.combine import Lines, RuleResult, combine, load_lines
from monitor.scoring.learned import Reading

RECORD = Path(__file__).parent / "held-out.jsonl"
_ORGANISATION = Path(__file__).parent.parent / "config" / "corpus-organisation.toml"
_LITTLE = 0.02
"""Beliefs in a category below this are not kept: no line asks for so little."""


FIGURES = (
    "recall",
    "crises that alert",
    "crises as crisis",
    "routine that alert",
    "alerts at least watch",
    "routine at watch",
)


@dataclass(frozen=True, slots=True)
class Found:
    """A labelled post, what the rules find in it today, and what the learned part read in it."""

    post: Labelled
    result: RuleResult
    reading: Reading | None

    def level(self, lines: Lines) -> Severity:
        """The level at ``lines``."""
        return combine(self.result, self.reading, lines).severity


def record(folder: Path, held: Sequence[Labelled], blind_part: Sequence[Labelled]) -> None:
    """Keep what the model of ``folder`` reads in posts that it has not learnt from."""
    scorer = scorer_of(folder)
    posts = [*held, *blind_part]
    with RECORD.open("w", encoding="utf-8") as out:
        for post, (_, reading) in zip(posts, scorer.read([post.mention for post in posts]), strict=True):
            out.write(json.dumps(_row(post.id, reading)) + "\n")


def _row(id_: str, reading: Reading | None) -> dict[str, object]:
    if reading is None:
        return {"id": id_}
    categories = {c.value: round(x, 3) for c, x in reading.categories.items() if x >= _LITTLE}
    return {"id": id_, "levels": [round(x, 4) for x in reading.levels], "categories": categories}


def found(posts: Sequence[Labelled], scorer: Scorer) -> Iterator[Found]:
    """Each of ``posts`` that is on record, with what the rules of ``scorer`` find in it."""
    kept = {row["id"]: row for row in map(json.loads, RECORD.read_text("utf-8").splitlines())}
    for post in posts:
        row = kept.get(post.id)
        if row is not None:
            yield Found(post, scorer.read_rules(post.mention), _reading(row))


def _reading(row: dict[str, object]) -> Reading | None:
    levels, categories = row.get("levels"), row.get("categories")
    if not isinstance(levels, list) or not isinstance(categories, dict):
        return None
    a, b, c, d = levels
    return Reading((a, b, c, d), {category: categories.get(category.value, 0.0) for category in Category})


def scorer_of(folder: Path | None = None) -> Scorer:
    """The scorer of the organisation that the posts speak of, with the model of ``folder``, or by rules alone."""
    raw = tomllib.loads(_ORGANISATION.read_text("utf-8"))["organisation"]
    ours = Organisation(**{key: tuple(value) if isinstance(value, list) else value for key, value in raw.items()})
    return build_scorer(ours, model="rules" if folder is None else "auto", model_folder=folder)


def main() -> None:
    """Print recall, crises and routine alarms of each part for a ladder of lines, the others as shipped."""
    posts, blind_part = blind(read_all())
    everything = list(found([*(post for post in posts if post.source in HELD), *blind_part], scorer_of()))
    parts = {source: [f for f in everything if f.post.source == source] for source in HELD}
    parts |= {"held out": [f for f in everything if f.post.source in HELD]}
    parts |= {"blind part": [f for f in everything if f.post.source not in HELD]}
    shipped = load_lines(resource("judgement.toml"), "transformer")
    for name, part in parts.items():
        print(f"{name}: {len(part)} posts")
        print(f"  alert extra watch | {', '.join(FIGURES)}")
        for lines in ladder(shipped):
            figures = "  ".join(told(part, lines))
            print(f"  {lines.alert:.2f}  {lines.crisis_extra:.2f}  {lines.watch:.2f}  | {figures}")


def ladder(shipped: Lines) -> Iterator[Lines]:
    """The shipped lines, and others around them."""
    yield shipped
    for alert in (0.3, 0.4, 0.5, 0.6, 0.7, 0.8, 0.9):
        for extra in (0.0, 0.3):
            yield replace(shipped, alert=alert, crisis_extra=extra)


def told(part: Sequence[Found], lines: Lines) -> list[str]:
    """The ``FIGURES`` of ``part`` at ``lines``."""
    given = [(f.post.severity, f.level(lines)) for f in part]
    return [
        f"{sum(hits) / len(hits):.3f}" if hits else "  -  "
        for hits in (
            [g >= Severity.ALERT for right, g in given if right >= Severity.ALERT],
            [g >= Severity.ALERT for right, g in given if right == Severity.CRISIS],
            [g == Severity.CRISIS for right, g in given if right == Severity.CRISIS],
            [g >= Severity.ALERT for right, g in given if right == Severity.ROUTINE],
            [g >= Severity.WATCH for right, g in given if right >= Severity.ALERT],
            [g >= Severity.WATCH for right, g in given if right == Severity.ROUTINE],
        )
    ]


if __name__ == "__main__":
    main()
