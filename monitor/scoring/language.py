"""Which language a post is in. A few words that tell nothing are *unknown*, which is never taken for *safe*."""

from __future__ import annotations

import re
from collections.abc import Sequence

import pycld2

UNKNOWN = "unknown"

_NOT_WORDS = re.compile(r"(?:https?://|www\.)\S+|[@#]\w+|[^\w\s']|[\d_]")
_LETTERS = re.compile(r"[^\W\d_]")
_ENGLISH = frozenset(
    """
    a about after again all always am an and any are aren't as at away back be because been before being best
    better but by bye can can't come could day did didn't do does doesn't doing don't down even ever every
    everyone first for from fun get go going good got great had happy has have haven't he hello her here hi
    him his how i i'm if i'll in into is isn't it it's its just kids kind know last let like literally little
    lol look lot love loved made make man many me mean mine more most mum my need never new next nice no not
    now of off oh ok omg on one only or our out over part people please pls really right said same saw say see
    she should so some soon still sure ta take thank thanks that that's the their them then there these they
    they're thing think this those thx time to today too u up ur us very want was wasn't watch way we well
    were what what's when where which who why will with won't work would wow yeah yes yet you you're your
    """.split()  # noqa: SIM905 - a list of words is read more easily so
)


class Languages:
    """Names the language of a text among those that the organisation expects."""

    def __init__(self, expected: Sequence[str]) -> None:
        self._expected = frozenset(expected) or frozenset({"en"})

    def of(self, text: str) -> str:
        """An ISO 639-1 code, or ``unknown``: too few words, or a language that nobody expected.

        ``text`` has passed ``readable``; links, handles and hashtags do not count.
        """
        plain = " ".join(_NOT_WORDS.sub(" ", text[:3000]).split())
        if not _LETTERS.search(plain):
            return UNKNOWN
        try:
            reliable, _, found = pycld2.detect(plain, bestEffort=True)
        except (pycld2.error, ValueError):
            return UNKNOWN
        code = str(found[0][1])
        words = plain.casefold().split()
        english = sum(word in _ENGLISH for word in words)
        if code == "en" or code not in self._expected:
            return self._english_or_unknown(words, english, sure=code == "en" and reliable)
        if english >= 3 and english >= 0.3 * len(words):
            return "en"
        if not reliable or (plain.isascii() and len(words) < 3):
            return UNKNOWN
        return code

    def _english_or_unknown(self, words: list[str], english: int, *, sure: bool) -> str:
        if "en" not in self._expected:
            return UNKNOWN
        share = english / len(words)
        if (sure and (len(words) >= 3 or english)) or (english >= 2 and share >= 0.25):
            return "en"
        return UNKNOWN
