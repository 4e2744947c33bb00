"""Which signs of a text a mail may carry: what a person can see, and what words and emoji are joined by."""

from __future__ import annotations

import re
import unicodedata

_JOINERS = frozenset("\u200c\u200d")
"""Invisible, yet part of words in Persian and Hindi, and of emoji."""
_TAGS = {letter: chr(0xE0000 + ord(letter)) for letter in "abcdefghijklmnopqrstuvwxyz"}
_FLAGS = re.compile(
    "\U0001f3f4(?:" + "|".join("".join(_TAGS[x] for x in name) for name in ("gbeng", "gbsct", "gbwls")) + ")\U000e007f"
)
"""The flags of England, Scotland and Wales: a black flag and tags that say which. Other tags could hide words."""
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
