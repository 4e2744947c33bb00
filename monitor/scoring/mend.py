"""Words in disguise put back into plain spelling, for the learned part, which knows words and not their disguises."""

from __future__ import annotations

import re
from collections.abc import Callable
from functools import lru_cache
from pathlib import Path

from monitor.plain import read_text
from monitor.scoring.text import fold, leet, squeezed
from monitor.scoring.vader import vader

_WORD = re.compile(r"#?[\w@$!|+£€*]++(?:'\w++)*+")
_TAGS_ARE_DISGUISE = 3
"""Hashtags that are everyday words; from so many on they are no hashtags."""
_VOWELS = "aeiou"
_ENDINGS = frozenset({"s", "d", "r", "n"})


def load_words(path: Path) -> frozenset[str]:
    """The everyday words of ``path`` and of VADER's lexicon, folded."""
    listed = (line.strip() for line in read_text(path).splitlines() if not line.startswith("#"))
    return frozenset(fold(word) for word in (*listed, *vader().words) if word)


class Mender:
    """Undoes digits and signs for letters, stars for vowels, drawn-out letters, hashed words and slips of the key.

    ``correct`` gives the word that a misspelt one stands for, or None. Only what gives an everyday word is undone.
    """

    def __init__(self, words: frozenset[str], correct: Callable[[str], str | None]) -> None:
        self._words = words
        self._correct = correct
        self._plain = lru_cache(maxsize=30_000)(self._find_plain)

    def mended(self, text: str) -> str:
        """``text``, which has passed ``readable``, its disguised words in plain spelling; mostly ``text`` itself."""
        hashed = text.count("#") >= _TAGS_ARE_DISGUISE and self._are_disguise(text)
        parts: list[str] = []
        done = 0
        for found in _WORD.finditer(text):
            word = found[0]
            plain = self._plain(word)
            if plain is None and hashed and word[0] == "#" and fold(word[1:]) in self._words:
                plain = word[1:]
            if plain is not None:
                parts += (text[done : found.start()], plain)
                done = found.end()
        return "".join((*parts, text[done:])) if parts else text

    def _are_disguise(self, text: str) -> bool:
        tags: list[str] = re.findall(r"#(\w+)", text)
        everyday = [tag for tag in tags if tag.islower() and fold(tag) in self._words]
        return len(everyday) >= _TAGS_ARE_DISGUISE

    def _find_plain(self, word: str) -> str | None:
        bare = word.rstrip("!|+").lstrip("#")
        folded = fold(bare)
        if len(bare) < 4 or len(bare) > 40 or folded in self._words:
            return None
        tail = word[len(word.rstrip("!|+")) :]
        for view in (*leet(bare), *_with_vowels(bare), *squeezed(bare)):
            if view != bare and fold(view) in self._words:
                return view + tail
        right = self._correct(folded) if bare.isalpha() else None
        return None if right is None or _is_form(folded, right) else right + tail


def _is_form(word: str, other: str) -> bool:
    """Whether ``other`` is the same word in another number or tense: "pocket" is no slip of "pockets"."""
    return other.startswith(word) and other[len(word) :] in _ENDINGS


def _with_vowels(word: str) -> tuple[str, ...]:
    if "*" not in word.strip("*") or word.count("*") > 1:
        return ()
    return tuple(word.replace("*", vowel) for vowel in _VOWELS)
