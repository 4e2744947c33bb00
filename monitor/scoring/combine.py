"""From what the rules found and what the learned part reads to one assessment. Pure: no state, no clock."""

from __future__ import annotations

import math
import tomllib
from dataclasses import dataclass, fields, replace
from pathlib import Path
from typing import Any

from alerts.model import Severity
from connectors.model import Mention
from monitor.model import Assessment, Category, Signal
from monitor.plain import read_text
from monitor.scoring.language import UNKNOWN
from monitor.scoring.learned import Reading


@dataclass(frozen=True, slots=True)
class Reach:
    """How far a post is carried: one of these figures is enough."""

    followers: int
    shares: int
    likes: int

    def reached_by(self, mention: Mention) -> bool:
        """Whether the post is carried this far."""
        followers = (mention.author.followers if mention.author else None) or 0
        return followers >= self.followers or (mention.shares or 0) >= self.shares or (mention.likes or 0) >= self.likes


@dataclass(frozen=True, slots=True)
class Lines:
    """The numbers of ``config/judgement.toml``."""

    alert: float = 0.5
    alert_apart: float = 0.5
    alert_other_language: float = 0.5
    crisis: float = 0.5
    crisis_extra: float = 0.6
    watch: float = 0.5
    watch_apart: float = 0.5
    with_rule: float = 0.25
    calm: float = 0.06
    category: float = 0.4
    beside: float = 0.5
    surely_crisis: float = 0.35
    answer: float = 0.0
    answer_middle: float = 0.5
    raise_watch: Reach = Reach(50_000, 300, 5_000)
    raise_alert: Reach = Reach(150_000, 1_000, 20_000)
    short_name: int = 4


def load_lines(path: Path, reader: str = "") -> Lines:
    """Read the file, with the numbers of one reader (``linear``, ``transformer``) over the common ones.

    Raises ValueError in words for the operator.
    """
    raw = tomllib.loads(read_text(path))
    common = dict(raw.get("reader", {}))
    own = {name: common.pop(name) for name in list(common) if isinstance(common[name], dict)}
    values: dict[str, Any] = {**common, **own.get(reader, {}), **raw.get("us", {})}
    for name, limits in raw.get("reach", {}).items():
        values[name] = Reach(**limits)
    known = {f.name for f in fields(Lines)}
    for name in (*values, *(name for table in own.values() for name in table)):
        if name not in known:
            raise ValueError(f"{path.name}: {name} is not known; known are {', '.join(sorted(known))}")
    return Lines(**values)


@dataclass(frozen=True, slots=True)
class RuleResult:
    """What the rules found, with reach and counter-evidence weighed in.

    ``firm`` is the highest level that a firm rule claims; nothing lowers a post below it.
    """

    severity: Severity = Severity.ROUTINE
    firm: Severity = Severity.ROUTINE
    categories: tuple[Category, ...] = ()
    signals: tuple[Signal, ...] = ()
    calmed: int = 0
    """How many levels the counter-evidence argues for."""
    addressed: bool = True
    """Stands on our own channel, or names us: else it cannot matter."""
    near: bool = True
    """Stands on our own channel, or holds a word of our world besides our name."""
    of_our_politics: bool = True
    """Our own post, or one that says that we take a side: else party talk beside our name is none of ours."""
    far: int = 0
    """0, or 1 and 2 where reach passes the lines of ``raise_watch`` and ``raise_alert``."""
    sentiment: float | None = None
    language: str = "unknown"
    judged: bool = True
    question: bool = False
    thanks: bool = False
    spoken_of: tuple[str, ...] = ()
    perhaps_of: tuple[str, ...] = ()


FLOORED = frozenset({Category.SAFEGUARDING, Category.SELF_HARM, Category.THREAT})
"""Categories under which no tuning lowers an alert (issue of trust: a person marks them harmless, not a number)."""

_RUMOURS = frozenset(
    {
        Category.MISINFORMATION,
        Category.PRESS,
        Category.STAFF_CONDUCT,
        Category.SAFEGUARDING,
        Category.FINANCE,
        Category.HARASSMENT,
        Category.CONFIDENTIALITY,
        Category.DISCRIMINATION,
    }
)


def combine(found: RuleResult, reading: Reading | None, lines: Lines) -> Assessment:
    """One assessment. The learned part raises when it is sure, and lowers only what no firm rule has claimed."""
    if not found.addressed:
        return _assessment(found, Severity.ROUTINE, (), found.signals)
    if reading is None:
        return _assessment(found, found.severity, _of_level(found, found.severity), found.signals)
    severity = _weighed(found, reading, lines)
    categories = _categories(found, reading, severity, lines)
    signals = found.signals
    if severity > found.severity or (severity >= Severity.ALERT and not signals):
        signals = (*signals, _reads_like(reading, severity, categories))
    elif severity < found.severity:
        signals = (*signals, Signal("reader.calm", _calm_words(reading), weight=-1.0))
    return _assessment(found, severity, categories, signals)


_LEAST = 1e-4
"""Added to a belief so that its odds are finite."""


def what_it_adds(reply: Reading, parent: Reading, lines: Lines) -> Reading:
    """The reading of a reply, which was read together with the words that it answers, without what these say by
    themselves: comfort under a disclosure is none, and what is grave under a calm post is the reply's own doing.

    The odds of *alert or worse* are divided by the share ``lines.answer`` (an exponent) of the parent's own odds,
    taken from ``lines.answer_middle`` on, the belief at which nothing changes.
    """
    before = _alert(reply)
    shift = lines.answer * (_log_odds(_alert(parent)) - _log_odds(lines.answer_middle))
    after = 1.0 / (1.0 + math.exp(shift - _log_odds(before)))
    calm, grave = (1.0 - after) / max(1.0 - before, _LEAST), after / max(before, _LEAST)
    a, b, c, d = reply.levels
    return replace(reply, levels=(a * calm, b * calm, c * grave, d * grave))


def _log_odds(belief: float) -> float:
    return math.log((belief + _LEAST) / (1.0 - belief + _LEAST))


def _alert(reading: Reading) -> float:
    """The belief that the post is alert or worse."""
    return reading.levels[2] + reading.levels[3]


def _worry(found: RuleResult, reading: Reading, lines: Lines) -> float:
    """The belief in an alert, with that in a crisis counted more where the post speaks of our world: a missed crisis
    costs more than a needless mail."""
    return _alert(reading) + (lines.crisis_extra * reading.levels[3] if found.near else 0.0)


def _alert_line(found: RuleResult, lines: Lines) -> float:
    """The worry from which the learned part alerts by itself."""
    if not found.near:
        return lines.alert_apart
    return lines.alert if found.language in {"en", UNKNOWN} else lines.alert_other_language


def _is_party_talk(found: RuleResult, reading: Reading) -> bool:
    """Whether what the learned part fears is party politics that nobody says we take part in."""
    leading = max(reading.categories, key=reading.categories.__getitem__, default=None)
    return leading is Category.POLITICAL and not found.of_our_politics


def _weighed(found: RuleResult, reading: Reading, lines: Lines) -> Severity:
    severity = found.severity
    if severity >= Severity.ALERT:
        alerts = _alert(reading) >= lines.with_rule
    else:
        alerts = _worry(found, reading, lines) >= _alert_line(found, lines)
    if alerts and severity < Severity.ALERT and _is_party_talk(found, reading):
        return max(severity, Severity.WATCH, found.firm)
    if alerts:
        crisis_from = lines.crisis if severity < Severity.CRISIS else lines.surely_crisis
        sure = reading.levels[3] >= crisis_from * _alert(reading)
        severity = max(Severity.CRISIS if sure else Severity.ALERT, min(severity, Severity.ALERT))
    elif severity >= Severity.ALERT:
        severity = Severity.WATCH if _alert(reading) < lines.calm else Severity.ALERT
    elif 1 - reading.levels[0] >= (lines.watch if found.near else lines.watch_apart):
        severity = max(severity, Severity.WATCH)
    elif severity is Severity.WATCH and reading.levels[0] > 1 - lines.calm:
        severity = Severity.ROUTINE
    return max(severity, found.firm)


def _categories(found: RuleResult, reading: Reading, severity: Severity, lines: Lines) -> tuple[Category, ...]:
    if severity is Severity.ROUTINE:
        return ()
    from_belief = min(lines.category, lines.beside * max(reading.categories.values(), default=1.0))
    named = {category for category, belief in reading.categories.items() if belief >= from_belief}
    named |= set(_of_level(found, severity))
    return tuple(category for category in Category if category in named)


def _of_level(found: RuleResult, severity: Severity) -> tuple[Category, ...]:
    return found.categories if severity > Severity.ROUTINE else ()


def _reads_like(reading: Reading, severity: Severity, categories: tuple[Category, ...]) -> Signal:
    likes = "; ".join(reading.nearest[:2]) or ", ".join(category.value.replace("_", " ") for category in categories)
    return Signal(
        "reader",
        f"Reads like: {likes}." if likes else "Reads like posts that were labelled as worrying.",
        category=categories[0] if categories else None,
        weight=float(severity),
    )


def _calm_words(reading: Reading) -> str:
    return f"Reads like: {reading.nearest[0]}." if reading.nearest else "Reads like posts that were labelled harmless."


def _assessment(
    found: RuleResult, severity: Severity, categories: tuple[Category, ...], signals: tuple[Signal, ...]
) -> Assessment:
    return Assessment(
        severity=severity,
        categories=categories,
        sentiment=found.sentiment,
        language=found.language,
        signals=signals,
        judged=found.judged,
        question=found.question,
        thanks=found.thanks,
        spoken_of=found.spoken_of,
        perhaps_of=found.perhaps_of,
    )
