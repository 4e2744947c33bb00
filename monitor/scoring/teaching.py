"""What people here taught, by nearness: a post is judged after the marked posts that it is most like. Pure.

Nearness is the cosine between the judgement's own vectors. It carries one mark to posts that say the same in other
words, and no further: what is merely written alike (small talk, length, tone) lies below ``NEAR``.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

from alerts.model import Severity
from monitor.model import Assessment, Signal
from monitor.scoring.combine import FLOORED
from monitor.scoring.learned import Place

NEAR, NEAR_TO_LOWER, NEAR_IF_SEVERE = 0.82, 0.86, 0.90
"""Cosine from which a mark counts: to tell more, to tell less, and to tell less where safeguarding, self-harm or a
threat is claimed. No implied disclosure lies so near to any everyday comment (`benchmarks/teaching.py` prints it)."""

MANY = 3
"""Marks, or two people, that are needed before what is severe is made routine."""


@dataclass(frozen=True, slots=True)
class Lesson:
    """A marked post: its vector (unit length, by the model in use), whether it "should have told me" or was "not a
    problem", who said so (a role), and the reason given."""

    vector: Any
    missed: bool
    who: str
    reason: str = ""


def taught(
    judged: Assessment,
    claimed: Severity,
    firm: Severity,
    place: Place,
    lessons: Sequence[Lesson],
    moved: Mapping[int, float],
) -> Assessment:
    """``judged`` after the lessons near it. ``claimed`` is the level of the rules, ``firm`` that of explicit danger:
    nothing taught goes below it. ``moved`` says by how much shipped examples were moved by marks whose words are
    forgotten: below nought towards harmless.
    """
    near = [(float(lesson.vector @ place.vector), lesson) for lesson in lessons]
    to_lower = NEAR_IF_SEVERE if FLOORED & set(judged.categories) else NEAR_TO_LOWER
    missed = [pair for pair in near if pair[1].missed and pair[0] >= NEAR]
    harmless = [pair for pair in near if not pair[1].missed and pair[0] >= to_lower]
    shift = moved.get(place.example, 0.0) if place.likeness >= to_lower else 0.0
    if missed and _nearest(missed) >= _nearest(harmless) or shift >= 1.0 and not harmless:
        return _raised(judged)
    if harmless or shift <= -1.0:
        many = len({lesson.who for _, lesson in harmless}) > 1 or len(harmless) >= MANY
        reason = max(harmless, key=_likeness)[1].reason if harmless else ""
        return _lowered(judged, claimed, firm, many=many, reason=reason)
    return judged


def _likeness(pair: tuple[float, Lesson]) -> float:
    return pair[0]


def _nearest(pairs: Sequence[tuple[float, Lesson]]) -> float:
    return max((likeness for likeness, _ in pairs), default=0.0)


def _raised(judged: Assessment) -> Assessment:
    if judged.severity >= Severity.ALERT:
        return judged
    why = "Like a post of which somebody here said that Earshot should have told them."
    signal = Signal("taught", why, weight=float(Severity.ALERT))
    return replace(judged, severity=Severity.ALERT, signals=(*judged.signals, signal))


def _lowered(judged: Assessment, claimed: Severity, firm: Severity, *, many: bool, reason: str) -> Assessment:
    """By one level, by two where several people or marks say so. A CRISIS that a rule claims stays one; safeguarding,
    self-harm and threats stay listed unless several say so."""
    if judged.severity is Severity.CRISIS and claimed is Severity.CRISIS:
        return judged
    severe = bool(FLOORED & set(judged.categories))
    lowest = max(firm, Severity.WATCH if severe and not many else Severity.ROUTINE)
    severity = Severity(max(judged.severity - (2 if many else 1), lowest))
    if severity >= judged.severity:
        return judged
    why = f"Like a post that was marked as no problem here: {reason or 'no reason was given'}"
    return replace(judged, severity=severity, signals=(*judged.signals, Signal("taught", why, weight=-1.0)))
