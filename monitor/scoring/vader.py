"""VADER's compound score, bit for bit that of vaderSentiment 3.3.2, in linear time and several times faster.

The lexicon and the constants are read from the installed package. The steps follow its logic, which stands under
this notice:

    The MIT License (MIT). Copyright (c) 2016 C.J. Hutto.

    Permission is hereby granted, free of charge, to any person obtaining a copy of this software and associated
    documentation files (the "Software"), to deal in the Software without restriction, including without limitation
    the rights to use, copy, modify, merge, publish, distribute, sublicense, and/or sell copies of the Software, and
    to permit persons to whom the Software is furnished to do so, subject to the following conditions:

    The above copyright notice and this permission notice shall be included in all copies or substantial portions of
    the Software.

    THE SOFTWARE IS PROVIDED "AS IS", WITHOUT WARRANTY OF ANY KIND, EXPRESS OR IMPLIED, INCLUDING BUT NOT LIMITED TO
    THE WARRANTIES OF MERCHANTABILITY, FITNESS FOR A PARTICULAR PURPOSE AND NONINFRINGEMENT. IN NO EVENT SHALL THE
    AUTHORS OR COPYRIGHT HOLDERS BE LIABLE FOR ANY CLAIM, DAMAGES OR OTHER LIABILITY, WHETHER IN AN ACTION OF
    CONTRACT, TORT OR OTHERWISE, ARISING FROM, OUT OF OR IN CONNECTION WITH THE SOFTWARE OR THE USE OR OTHER DEALINGS
    IN THE SOFTWARE.

Where the original repeats work for each word (lower-casing the whole post, searching a list for its own element), the
work is done once; nothing else differs. The tests compare both on generated and on real texts.
"""

from __future__ import annotations

import heapq
import math
import string
from collections.abc import Sequence
from functools import cache

from vaderSentiment import vaderSentiment as stock  # noqa: N813 - the package's own spelling

_PUNCTUATION = string.punctuation
_NEGATED = frozenset(stock.NEGATE)
_BOOSTERS: dict[str, float] = stock.BOOSTER_DICT
_SPECIAL: dict[str, float] = stock.SPECIAL_CASES
_TURN: float = stock.N_SCALAR
_SHOUT: float = stock.C_INCR
_SHORT = 40
"""Words up to which the original's search through a list is the faster one."""


class Vader:
    """The analyser with its lexicon. Holds no state between posts."""

    def __init__(self) -> None:
        original = stock.SentimentIntensityAnalyzer()
        self._lexicon: dict[str, float] = original.lexicon
        self._emojis: dict[str, str] = {sign: text for sign, text in original.emojis.items() if len(sign) == 1}
        self._signs = frozenset(self._emojis)

    @property
    def words(self) -> tuple[str, ...]:
        """The words of the lexicon, without its signs and emoticons."""
        return tuple(word for word in self._lexicon if word.isalpha())

    def compound(self, text: str) -> float:
        """The compound score of ``text``, -1 to 1, rounded to four places as the original rounds it."""
        if not text.isascii() and not self._signs.isdisjoint(text):
            text = self._spelled_out(text)
        text = text.strip()
        words = [_without_punctuation(token) for token in text.split()]
        if not words:
            return 0.0
        lowered = [word.lower() for word in words]
        sentiments = self._sentiments(words, lowered)
        if "but" in lowered:
            _weigh_but(sentiments, lowered.index("but"))
        total = float(sum(sentiments))
        if total > 0:
            total += _emphasis(text)
        elif total < 0:
            total -= _emphasis(text)
        return round(_normalised(total), 4)

    def _spelled_out(self, text: str) -> str:
        parts: list[str] = []
        after_space = True
        emojis = self._emojis
        for sign in text:
            description = emojis.get(sign)
            if description is None:
                parts.append(sign)
                after_space = sign == " "
                continue
            if not after_space:
                parts.append(" ")
            parts.append(description)
            after_space = False
        return "".join(parts)

    def _sentiments(self, words: list[str], lowered: list[str]) -> list[float]:
        lexicon = self._lexicon
        sentiments: list[float] = [0] * len(words)
        differs: bool | None = None
        last = len(words) - 1
        for i, word in enumerate(lowered):
            if word not in lexicon or word in _BOOSTERS or (word == "kind" and i < last and lowered[i + 1] == "of"):
                continue
            if differs is None:
                shouted = sum(map(str.isupper, words))
                differs = 0 < shouted < len(words)
            sentiments[i] = self._valence(words, lowered, i, differs)
        return sentiments

    def _valence(self, words: list[str], lowered: list[str], i: int, differs: bool) -> float:
        lexicon = self._lexicon
        word = lowered[i]
        valence = lexicon[word]
        if word == "no" and i != len(words) - 1 and lowered[i + 1] in lexicon:
            valence = 0.0
        if i > 0 and _after_no(lowered, i):
            valence = lexicon[word] * _TURN
        if differs and words[i].isupper():
            valence += _SHOUT if valence > 0 else -_SHOUT
        for back in range(min(i, 3)):
            before = lowered[i - back - 1]
            if before in lexicon:
                continue
            if before in _BOOSTERS:
                step = _step(words[i - back - 1], before, valence, differs)
                if step != 0:
                    step *= (1, 0.95, 0.9)[back]
                valence = valence + step
            valence = _negation(valence, lowered, back, i)
            if back == 2:
                valence = _idioms(valence, lowered, i)
        least = i > 0 and lowered[i - 1] == "least" and "least" not in lexicon
        if least and (i == 1 or lowered[i - 2] not in ("at", "very")):
            valence = valence * _TURN
        return valence


@cache
def vader() -> Vader:
    """The one analyser of this process; reading its lexicon takes a tenth of a second."""
    return Vader()


def _without_punctuation(token: str) -> str:
    stripped = token.strip(_PUNCTUATION)
    return token if len(stripped) <= 2 else stripped


def _after_no(lowered: Sequence[str], i: int) -> bool:
    return (
        lowered[i - 1] == "no"
        or (i > 1 and lowered[i - 2] == "no")
        or (i > 2 and lowered[i - 3] == "no" and lowered[i - 1] in ("or", "nor"))
    )


def _step(word: str, lowered: str, valence: float, differs: bool) -> float:
    step = _BOOSTERS[lowered]
    if valence < 0:
        step *= -1
    if differs and word.isupper():
        step += _SHOUT if valence > 0 else -_SHOUT
    return step


def _is_negation(word: str) -> bool:
    return word in _NEGATED or "n't" in word


def _negation(valence: float, lowered: Sequence[str], back: int, i: int) -> float:
    one = lowered[i - 1]
    if back == 0:
        return valence * _TURN if _is_negation(one) else valence
    two = lowered[i - 2]
    if back == 1:
        if two == "never" and one in ("so", "this"):
            return valence * 1.25
        if two == "without" and one == "doubt":
            return valence
        return valence * _TURN if _is_negation(two) else valence
    three = lowered[i - 3]
    if (three == "never" and two in ("so", "this")) or one in ("so", "this"):
        return valence * 1.25
    if three == "without" and "doubt" in (two, one):
        return valence
    return valence * _TURN if _is_negation(three) else valence


def _idioms(valence: float, lowered: Sequence[str], i: int) -> float:
    three, two, one, zero = lowered[i - 3], lowered[i - 2], lowered[i - 1], lowered[i]
    two_one, three_two, three_two_one = f"{two} {one}", f"{three} {two}", f"{three} {two} {one}"
    for phrase in (f"{one} {zero}", f"{two_one} {zero}", two_one, three_two_one, three_two):
        if phrase in _SPECIAL:
            valence = _SPECIAL[phrase]
            break
    if len(lowered) - 1 > i:
        ahead = f"{zero} {lowered[i + 1]}"
        valence = _SPECIAL.get(ahead, valence)
        if len(lowered) - 1 > i + 1:
            valence = _SPECIAL.get(f"{ahead} {lowered[i + 2]}", valence)
    for phrase in (three_two_one, three_two, two_one):
        if phrase in _BOOSTERS:
            valence = valence + _BOOSTERS[phrase]
    return valence


def _weigh_but(sentiments: list[float], turn: int) -> None:
    """Halve what stands before "but", raise what follows: for each value, at the first place that holds an equal one.

    The original looks that place up by searching the list, once for each word. Equal values are kept in heaps of
    places here, which gives the same place in logarithmic time.
    """
    if len(sentiments) <= _SHORT:
        for value in sentiments:
            _scale(sentiments, sentiments.index(value), turn)
        return
    places: dict[float, list[int]] = {}
    for place, value in enumerate(sentiments):
        places.setdefault(value, []).append(place)
    for k in range(len(sentiments)):
        value = sentiments[k]
        heap = places[value]
        while sentiments[heap[0]] != value:
            heapq.heappop(heap)
        place = heap[0]
        _scale(sentiments, place, turn)
        if (changed := sentiments[place]) != value:
            heapq.heappush(places.setdefault(changed, []), place)


def _scale(sentiments: list[float], place: int, turn: int) -> None:
    if place < turn:
        sentiments[place] = sentiments[place] * 0.5
    elif place > turn:
        sentiments[place] = sentiments[place] * 1.5


def _emphasis(text: str) -> float:
    asked = text.count("?")
    question = 0.0 if asked <= 1 else asked * 0.18 if asked <= 3 else 0.96
    return min(text.count("!"), 4) * 0.292 + question


def _normalised(total: float) -> float:
    return max(-1.0, min(1.0, total / math.sqrt(total * total + 15)))
