"""Which signs of a text a person can see, what words and emoji are joined by, and where a text may be cut. Stands below
everything else and knows nothing of it."""

from __future__ import annotations

import re
import unicodedata

_JOINERS = frozenset("\u200c\u200d")
"""Invisible, yet part of words in Persian and Hindi, and of emoji."""
_FLAGS = re.compile("\U0001f3f4[\U000e0061-\U000e007a]{2}[\U000e0030-\U000e0039\U000e0061-\U000e007a]{1,4}\U000e007f")
"""The flags of England, Scotland, Wales and other parts of countries: a black flag and tags that say which. Other tags
could hide words."""
_ADDED = frozenset("\u200c\u200d\U000e007f") | {chr(n) for n in (*range(0x1F3FB, 0x1F400), *range(0xE0020, 0xE007F))}
_LONGEST = 64
"""Signs that may make up one letter or emoji; a letter with hundreds of accents is cut through."""
_UNSEEN = frozenset({"Cc", "Cf", "Cs"})


def visible(text: str, *, kept: str = "", unseen: frozenset[str] = _UNSEEN) -> str:
    """``text`` without control, direction and invisible signs (Unicode categories ``unseen``), but for ``kept``."""
    if text.isascii() and text.isprintable():
        return text
    pieces, end = [], 0
    for flag in _FLAGS.finditer(text):
        pieces += [_without(text[end : flag.start()], kept, unseen), flag[0]]
        end = flag.end()
    return "".join([*pieces, _without(text[end:], kept, unseen)])


def _without(text: str, kept: str, unseen: frozenset[str]) -> str:
    return "".join(c for c in text if c in kept or c in _JOINERS or unicodedata.category(c) not in unseen)


def cut(text: str, most: int) -> str:
    """The first ``most`` signs of ``text``, fewer where the last letter or emoji would be cut through: what is left of
    a flag or a family would be something else."""
    at = most
    while 0 < at < len(text) and most - at < _LONGEST and _is_within(text, at):
        at -= 1
    return text[:at] if at and most - at < _LONGEST else text[:most]


def cut_front(text: str, most: int) -> str:
    """The last ``most`` signs of ``text``, as ``cut`` takes the first."""
    at = start = max(0, len(text) - most)
    while 0 < at < len(text) and at - start < _LONGEST and _is_within(text, at):
        at += 1
    return text[at:] if at < len(text) and at - start < _LONGEST else text[start:]


def _is_within(text: str, at: int) -> bool:
    """Whether what a person takes for one sign goes on at ``at``."""
    here, before = text[at], text[at - 1]
    if here in _ADDED or before == "\u200d" or unicodedata.category(here) in {"Mn", "Me", "Mc"}:
        return True
    start = at
    while start > 0 and "\U0001f1e6" <= text[start - 1] <= "\U0001f1ff":  # however many flags stand in a row
        start -= 1
    return "\U0001f1e6" <= here <= "\U0001f1ff" and (at - start) % 2 == 1
