"""The linear reader: one row of weights for each slot, added up in plain Python, fast enough to read a storm.

A row holds one byte for each output. Python adds rows fastest when a row is one long integer with a lane of
32 bits for each output; no lane can overflow, because a rendering is capped far below 2**24 slots.
"""

from __future__ import annotations

import math
import zlib
from array import array
from bisect import bisect_left
from collections import Counter
from collections.abc import Sequence
from functools import lru_cache
from pathlib import Path
from zlib import crc32

from connectors.model import Mention
from monitor.model import Category
from monitor.scoring.learned import Levels, ModelRefused, Reading, numbers, shipped
from monitor.scoring.rendering import SLOTS, rendering, slots_of_word, words_of

CATEGORIES = tuple(Category)
OUTPUTS = 4 + len(CATEGORIES)
MIDDLE = 128
"""The byte that stands for a weight of nought."""

WORTH_EXPLAINING = 0.15
"""Chance of alert or worse from which the nearest examples are looked for."""

_WORDS_REMEMBERED = 8_000
_TOO_COMMON, _NEVER_TOO_COMMON = 0.024, 120
"""A word in more than this share of the examples, and in more than so many, says nothing of what a post is about."""


class Examples:
    """The labelled posts, by the rare words they hold: what a post reads like, and why that was labelled so."""

    def __init__(self, data: bytes) -> None:
        head, _, body = data.partition(b"\n")
        counts = [int(part) for part in head.split()]
        slots, starts, posts, lengths, whys = _cut(body, counts[:4])
        self._slots, self._starts, self._posts = array("I", slots), array("I", starts), array("H", posts)
        self._lengths = array("f", lengths)
        self.reasons = tuple(whys.decode().split("\n"))

    def nearest(self, words: Sequence[str], most: int = 2) -> tuple[str, ...]:
        """The reasons of the examples that share most with ``words``; none that shares next to nothing."""
        shared: Counter[int] = Counter()
        scores: dict[int, float] = {}
        for slot in {crc32(word.encode()) % SLOTS for word in words}:
            at = bisect_left(self._slots, slot)
            if at == len(self._slots) or self._slots[at] != slot:
                continue
            with_it = self._posts[self._starts[at] : self._starts[at + 1]]
            rarity = math.log(len(self._lengths) / len(with_it))
            for post in with_it:
                shared[post] += 1
                scores[post] = scores.get(post, 0.0) + rarity * rarity
        ranked = sorted(
            ((score / self._lengths[post], -post) for post, score in scores.items() if shared[post] >= 2), reverse=True
        )
        return tuple(dict.fromkeys(self.reasons[-post] for _, post in ranked[:most]))


class LinearReader:
    """Reads posts by the words, pairs of words and parts of words that they hold."""

    name = "linear"

    def __init__(
        self,
        table: bytes,
        scales: Sequence[float],
        bias: Sequence[float],
        *,
        parts_share: float,
        temperature: float,
        examples: Examples,
    ) -> None:
        self._table = table
        self._scales, self._bias = tuple(scales), tuple(bias)
        self._parts_share, self._temperature = parts_share, temperature
        self._examples = examples
        self._of_word = lru_cache(maxsize=_WORDS_REMEMBERED)(self._read_word)

    def read(self, posts: Sequence[Mention], names: Sequence[str]) -> list[Reading]:
        """A reading of each post, in order."""
        return [self.read_rendering(rendering(post, names)) for post in posts]

    def read_rendering(self, text: str) -> Reading:
        """The reading of a rendering."""
        words = words_of(text)
        logits = self.logits(words)
        levels = self.levels(logits)
        categories = {category: _chance(x) for category, x in zip(CATEGORIES, logits[4:], strict=True)}
        near = self._examples.nearest(words) if levels[2] + levels[3] >= WORTH_EXPLAINING else ()
        return Reading(levels, categories, near)

    def logits(self, words: Sequence[str]) -> list[float]:
        """The raw outputs for the words of a rendering: four levels, then the categories."""
        phrases = parts = parts_met = 0
        for word in words:
            single, of_parts, count = self._of_word(word)
            phrases += single
            parts += of_parts
            parts_met += count
        for first, second in zip(words, words[1:], strict=False):
            phrases += self._row(crc32(f"{first} {second}".encode()) % SLOTS)
        met = max(0, 2 * len(words) - 1)
        a, b = 1.0 / (met + 1) ** 0.5, self._parts_share / (parts_met + 1) ** 0.5
        middle = MIDDLE * (a * met + b * parts_met)
        lanes = zip(_lanes(phrases), _lanes(parts), self._scales, self._bias, strict=True)
        return [bias + scale * (a * x + b * y - middle) for x, y, scale, bias in lanes]

    def levels(self, logits: Sequence[float]) -> Levels:
        """The calibrated probabilities of the levels."""
        raised = [math.exp((x - max(logits[:4])) / self._temperature) for x in logits[:4]]
        total = sum(raised)
        return raised[0] / total, raised[1] / total, raised[2] / total, raised[3] / total

    def _read_word(self, word: str) -> tuple[int, int, int]:
        parts = slots_of_word(word)
        return self._row(crc32(f"w {word}".encode()) % SLOTS), sum(map(self._row, parts)), len(parts)

    def _row(self, slot: int) -> int:
        wide = bytearray(4 * OUTPUTS)
        wide[::4] = self._table[slot * OUTPUTS : (slot + 1) * OUTPUTS]
        return int.from_bytes(wide, "little")


def load_linear(folder: Path) -> LinearReader:
    """The linear reader of ``folder``. Raises ModelRefused."""
    settings = numbers(folder)["linear"]
    table = zlib.decompress(shipped(folder, "linear.bin"))
    if len(table) != SLOTS * OUTPUTS:
        raise ModelRefused("model file linear.bin has another shape than this version reads; install Earshot again")
    return LinearReader(
        table,
        settings["scales"],
        settings["bias"],
        parts_share=settings["parts_share"],
        temperature=settings["temperature"],
        examples=Examples(zlib.decompress(shipped(folder, "examples.bin"))),
    )


def packed_examples(words: Sequence[Sequence[str]], whys: Sequence[str]) -> bytes:
    """The bytes that ``Examples`` reads, of labelled posts given as their words and the reasons of their labels."""
    found: dict[int, set[int]] = {}
    for post, own in enumerate(words):
        for word in own:
            found.setdefault(crc32(word.encode()) % SLOTS, set()).add(post)
    most = max(_NEVER_TOO_COMMON, round(len(words) * _TOO_COMMON))
    rare = {slot: sorted(posts) for slot, posts in found.items() if 2 <= len(posts) <= most}
    slots, starts, posts, squares = array("I"), array("I", [0]), array("H"), [0.0] * len(words)
    for slot in sorted(rare):
        slots.append(slot)
        posts.extend(rare[slot])
        starts.append(len(posts))
        rarity = math.log(len(words) / len(rare[slot]))
        for post in rare[slot]:
            squares[post] += rarity * rarity
    # A little is added, so that an example of two words does not win by its shortness.
    lengths = array("f", [math.sqrt(square) + 5.0 for square in squares])
    parts = [part.tobytes() for part in (slots, starts, posts, lengths)] + ["\n".join(whys).encode()]
    return " ".join(str(len(part)) for part in parts).encode() + b"\n" + b"".join(parts)


def _cut(body: bytes, sizes: Sequence[int]) -> list[bytes]:
    parts, at = [], 0
    for size in sizes:
        parts.append(body[at : at + size])
        at += size
    return [*parts, body[at:]]


def _lanes(total: int) -> array[int]:
    return array("I", total.to_bytes(4 * OUTPUTS, "little"))


def _chance(logit: float) -> float:
    return 1.0 / (1.0 + math.exp(-max(-40.0, min(40.0, logit))))
