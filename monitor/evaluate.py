"""`earshot evaluate`: how well the judgement does on labelled posts, in figures and row by row."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from alerts.model import Severity
from connectors.model import Mention
from monitor.model import Assessment, Category
from monitor.score import BATCH, RowFaulty, mention_of
from monitor.scoring import Scorer


@dataclass(frozen=True, slots=True)
class Verdict:
    """A labelled post and what became of it."""

    id: str
    mention: Mention
    right: Severity
    right_categories: frozenset[Category]
    given: Assessment


@dataclass(frozen=True, slots=True)
class Bar:
    """A figure that the judgement is held to: the aim, and the floor below which it is not fit to be used."""

    name: str
    aim: float
    floor: float
    at_most: bool = False

    def holds(self, value: float, limit: float) -> bool:
        """Whether ``value`` is on the right side of ``limit``."""
        return value <= limit if self.at_most else value >= limit


BARS = (
    Bar("crisis caught as alert or worse", 0.97, 0.92),
    Bar("alert or worse: recall", 0.90, 0.82),
    Bar("routine posts that alert", 0.02, 0.04, at_most=True),
    Bar("alert or worse: precision", 0.85, 0.80),
    Bar("crisis caught as crisis", 0.80, 0.0),
    Bar("macro-F1 over the four levels", 0.75, 0.0),
    Bar("right category on alert or worse", 0.85, 0.0),
)
"""In the order in which they count where they pull against each other."""


def judge_rows(rows: Iterable[Mapping[str, Any]], scorer: Scorer) -> list[Verdict]:
    """Judge labelled rows of the corpus form. Raises ``RowFaulty`` on one that is no labelled post."""
    labelled = [(_label(row), mention_of(row), str(row["id"])) for row in rows]
    verdicts: list[Verdict] = []
    for start in range(0, len(labelled), BATCH):
        part = labelled[start : start + BATCH]
        for (label, mention, id_), given in zip(part, scorer.assess_many([m for _, m, _ in part]), strict=True):
            verdicts.append(Verdict(id_, mention, label[0], label[1], given))
    return verdicts


def figures(verdicts: Sequence[Verdict]) -> dict[str, float]:
    """The figures of ``BARS``; one whose posts are absent is left out."""
    should = [v for v in verdicts if v.right >= Severity.ALERT]
    alerted = [v for v in verdicts if v.given.severity >= Severity.ALERT]
    crises = [v for v in verdicts if v.right is Severity.CRISIS]
    routine = [v for v in verdicts if v.right is Severity.ROUTINE]
    found = [v for v in should if v.given.severity >= Severity.ALERT]
    named = [v for v in found if v.right_categories]
    shares = {
        "crisis caught as alert or worse": ([v.given.severity >= Severity.ALERT for v in crises]),
        "alert or worse: recall": [v.given.severity >= Severity.ALERT for v in should],
        "routine posts that alert": [v.given.severity >= Severity.ALERT for v in routine],
        "alert or worse: precision": [v.right >= Severity.ALERT for v in alerted],
        "crisis caught as crisis": [v.given.severity is Severity.CRISIS for v in crises],
        "right category on alert or worse": [bool(v.right_categories & set(v.given.categories)) for v in named],
    }
    numbers = {name: sum(hits) / len(hits) for name, hits in shares.items() if hits}
    if verdicts:
        numbers["macro-F1 over the four levels"] = sum(_f1(verdicts, level) for level in Severity) / len(Severity)
    return {bar.name: numbers[bar.name] for bar in BARS if bar.name in numbers}


def evaluate(rows: Iterable[Mapping[str, Any]], scorer: Scorer) -> str:
    """The report: bars, levels, categories, confusions, and each post that was judged wrongly.

    Raises ``RowFaulty`` on a row that is no labelled post.
    """
    return report(judge_rows(rows, scorer))


def report(verdicts: Sequence[Verdict]) -> str:
    """The report on posts already judged. It quotes the posts: keep it where they may be kept."""
    parts = [f"{len(verdicts)} labelled posts", _bars(verdicts), _levels(verdicts), _categories(verdicts)]
    return "\n\n".join([*parts, _confusions(verdicts), _wrong(verdicts)]) + "\n"


def meets_floors(verdicts: Sequence[Verdict]) -> bool:
    """Whether every figure stands on the right side of its floor."""
    numbers = figures(verdicts)
    return all(bar.holds(numbers[bar.name], bar.floor) for bar in BARS if bar.name in numbers)


def _label(row: Mapping[str, Any]) -> tuple[Severity, frozenset[Category]]:
    try:
        expected = row["expected"]
        return Severity(expected["severity"]), frozenset(map(Category, expected.get("categories", ())))
    except (KeyError, TypeError, ValueError, AttributeError):
        raise RowFaulty('a labelled row has "expected": {"severity": 0 to 3, "categories": [...]}') from None


def _f1(verdicts: Sequence[Verdict], level: Severity) -> float:
    both = sum(v.right is level and v.given.severity is level for v in verdicts)
    either = sum(v.right is level for v in verdicts) + sum(v.given.severity is level for v in verdicts)
    return 2 * both / either if either else 0.0


def _bars(verdicts: Sequence[Verdict]) -> str:
    numbers = figures(verdicts)
    rows = [f"{'figure':<36} {'here':>6} {'aim':>6} {'floor':>6}"]
    for bar in BARS:
        if bar.name not in numbers:
            continue
        value = numbers[bar.name]
        mark = "" if bar.holds(value, bar.aim) else "  short of the aim"
        mark = mark if bar.holds(value, bar.floor) else "  BELOW THE FLOOR"
        rows.append(f"{bar.name:<36} {value:>6.3f} {bar.aim:>6.2f} {bar.floor:>6.2f}{mark}")
    return "\n".join(rows)


def _levels(verdicts: Sequence[Verdict]) -> str:
    pairs = [
        (level.level, _rates([(v.right is level, v.given.severity is level) for v in verdicts])) for level in Severity
    ]
    return "\n".join([f"{'level':<20} precision recall posts", *(f"{name:<20} {rates}" for name, rates in pairs)])


def _categories(verdicts: Sequence[Verdict]) -> str:
    rows = [f"{'category':<20} precision recall posts"]
    for category in Category:
        pairs = [(category in v.right_categories, category in v.given.categories) for v in verdicts]
        if any(right or given for right, given in pairs):
            rows.append(f"{category.value:<20} {_rates(pairs)}")
    return "\n".join(rows)


def _rates(pairs: Sequence[tuple[bool, bool]]) -> str:
    both = sum(right and given for right, given in pairs)
    right, given = sum(right for right, _ in pairs), sum(given for _, given in pairs)
    precision = f"{both / given:>9.3f}" if given else f"{'-':>9}"
    recall = f"{both / right:>6.3f}" if right else f"{'-':>6}"
    return f"{precision} {recall} {right:>5}"


def _confusions(verdicts: Sequence[Verdict]) -> str:
    counts = Counter((v.right, v.given.severity) for v in verdicts)
    rows = [f"{'should be, was given':<20} " + " ".join(f"{level.level:>8}" for level in Severity)]
    for right in Severity:
        rows.append(f"{right.level:<20} " + " ".join(f"{counts[right, given]:>8}" for given in Severity))
    return "\n".join(rows)


def _wrong(verdicts: Sequence[Verdict]) -> str:
    wrong = [v for v in verdicts if v.right is not v.given.severity]
    wrong.sort(key=lambda v: (-int(v.right), int(v.given.severity), v.id))
    rows = [f"{len(wrong)} posts were given another level:"]
    for v in wrong:
        rules = ", ".join(signal.rule for signal in v.given.signals[:3]) or "no rule"
        text = " ".join((v.mention.text or "").split())
        rows.append(f"  {v.id}: {v.right.level}, given {v.given.severity.level} ({rules}): {text[:240]}")
    return "\n".join(rows)
