"""Where a pattern stands in a post, and what stands at that place: the words beside it may show that it isn't meant."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field

from monitor.scoring.sheet import Sheet

AT_HIT = -1
"""The number of the group <hit>: the words that a rule has just found."""
_WORDS_SHOWN = 14
_TOGETHER = 40
"""Words that are about one thing: parts in different sentences stand within so many, or in neighbouring sentences."""

Item = tuple[int, int]
"""A group, and how many words may stand between it and the item before."""


@dataclass(frozen=True, slots=True)
class Pattern:
    """Parts that stand in any order, each of them items in order. ``needed``: the groups without which it can't be."""

    parts: tuple[tuple[Item, ...], ...]
    needed: frozenset[int]


@dataclass(slots=True)
class Situation:
    """What a rule looks for: ``unless`` silences it from anywhere, ``unless_here`` and ``doubt_here`` at the hit."""

    patterns: list[Pattern] = field(default_factory=list)
    unless: list[Pattern] = field(default_factory=list)
    unless_here: list[Pattern] = field(default_factory=list)
    doubt_here: list[Pattern] = field(default_factory=list)
    anywhere: bool = False
    """The parts may stand in different sentences near each other, and ``unless`` looks at the whole post."""


@dataclass(frozen=True, slots=True)
class Found:
    """The words that were found. ``doubted``: what stands there leaves open whether they are meant."""

    words: str
    doubted: bool = False


def find(sheet: Sheet, pattern: Pattern, situation: Situation) -> Found | None:
    """The clearest place of ``pattern`` in the post, or None where it stands nowhere or is not meant."""
    trails = []
    for part in pattern.parts:
        trail = _follow(sheet, part)
        if not trail[-1]:
            return None
        trails.append(trail)
    doubted = None
    for mask in _regions(sheet, situation):
        ends = [trail[-1] & mask for trail in trails]
        if not _enough(ends) or _stands(sheet, situation.unless, -1 if situation.anywhere else mask):
            continue
        ends = _meant(sheet, pattern, trails, ends, situation.unless_here)
        if not _enough(ends):
            continue
        sure = _meant(sheet, pattern, trails, ends, situation.doubt_here)
        if _enough(sure):
            return Found(_shown(sheet, pattern, trails, sure))
        doubted = doubted or Found(_shown(sheet, pattern, trails, ends), doubted=True)
    return doubted


def _regions(sheet: Sheet, situation: Situation) -> Iterator[int]:
    """The places that are looked at together, as bits: each sentence, or each run of sentences about one thing."""
    sentences = sheet.sentences
    end = 0
    for n, (first, last) in enumerate(sentences):
        if not situation.anywhere:
            yield _places(first, last)
            continue
        if end == len(sentences):
            return
        stop, words = n, 0
        while stop < len(sentences):
            words += sentences[stop][1] - sentences[stop][0] + 1
            if words > _TOGETHER and stop - n >= 2:
                break
            stop += 1
        if stop > end:
            end = stop
            yield _places(first, sentences[stop - 1][1])


def _places(first: int, last: int) -> int:
    return ((1 << (last - first + 1)) - 1) << first


def _enough(ends: Sequence[int]) -> bool:
    """Whether every part stands somewhere, each at a place of its own: one word is never two parts of a situation."""
    union = 0
    for places in ends:
        if not places:
            return False
        union |= places
    return len(ends) == 1 or union.bit_count() >= len(ends)


def _stands(sheet: Sheet, patterns: Iterable[Pattern], mask: int) -> bool:
    """Whether one of ``patterns`` stands within ``mask``."""
    return any(all(_follow(sheet, part)[-1] & mask for part in pattern.parts) for pattern in patterns)


def _meant(
    sheet: Sheet, pattern: Pattern, trails: Sequence[list[int]], ends: list[int], here: Sequence[Pattern]
) -> list[int]:
    """``ends`` without the occurrences at which one of ``here`` stands."""
    if not here:
        return ends
    kept = []
    for part, trail, places in zip(pattern.parts, trails, ends, strict=True):
        for last in _bits(places):
            first = _begin(sheet, part, trail, last)
            if any(_stands_at(sheet, silence, first, last) for silence in here):
                places &= ~(1 << last)
        kept.append(places)
    return kept


def _stands_at(sheet: Sheet, silence: Pattern, first: int, last: int) -> bool:
    """Whether ``silence`` stands at the words from ``first`` to ``last``: shares one of them, or lies between them;
    with <hit>, before or after them as it says. Its other parts stand in the same sentence."""
    sentence = _sentence(sheet, first)
    touched = False
    with_hit = AT_HIT in silence.needed
    if with_hit:
        sheet.longer[AT_HIT] = {last - first + 1: 1 << first}
    for part in silence.parts:
        trail = _follow(sheet, part)
        if not trail[-1] & sentence:
            touched = False
            break
        if with_hit:
            touched = True
        elif not touched:
            touched = any(
                end >= first and _begin(sheet, part, trail, end) <= last for end in _bits(trail[-1] & sentence)
            )
    sheet.longer.pop(AT_HIT, None)
    return touched


def _sentence(sheet: Sheet, place: int) -> int:
    """The places of the sentence that holds ``place``, as bits."""
    for first, last in sheet.sentences:
        if first <= place <= last:
            return _places(first, last)
    return 0


def _bits(places: int) -> Iterator[int]:
    while places:
        low = places & -places
        yield low.bit_length() - 1
        places ^= low


def _follow(sheet: Sheet, part: Sequence[Item]) -> list[int]:
    """Where each step of a part can end: one number of bits for each item."""
    ends = sheet.ends(part[0][0])
    trail = [ends]
    for group, gap in part[1:]:
        if not ends:
            break
        reach = 0
        for _ in range(gap + 1):
            ends <<= 1
            reach |= ends
        ends = sheet.ends(group, reach)
        trail.append(ends)
    return trail if len(trail) == len(part) else [*trail, 0]


def _shown(sheet: Sheet, pattern: Pattern, trails: Sequence[list[int]], ends: Sequence[int]) -> str:
    pieces = []
    for part, trail, places in zip(pattern.parts, trails, ends, strict=True):
        last = (places & -places).bit_length() - 1
        pieces.append(sheet.text(_begin(sheet, part, trail, last), last))
    text = " … ".join(dict.fromkeys(pieces))
    words = text.split()
    return text if len(words) <= _WORDS_SHOWN else " ".join(words[:_WORDS_SHOWN]) + " …"


def _begin(sheet: Sheet, part: Sequence[Item], trail: list[int], last: int) -> int:
    """The first place of the occurrence of ``part`` that ends at ``last``, found backwards."""
    end = last
    for n in range(len(part) - 1, -1, -1):
        group, gap = part[n]
        starts = sheet.begins(group, end)
        if n == 0:
            return min(starts, default=end)
        for start in starts:
            before = next((p for p in range(start - 1, start - 2 - gap, -1) if p >= 0 and trail[n - 1] >> p & 1), None)
            if before is not None:
                end = before
                break
    return end
