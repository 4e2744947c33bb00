"""Copies of one another: the mark of a text that betrays nothing of it, and the grouping of copies in a storm.

Incidents remember marks, not texts. A mark is a hash of the whole text and a sample of short hashes of its pieces;
with a key (``monitor.keys``) nobody else can compute it, and without one it still holds no readable text.
"""

from __future__ import annotations

import base64
import binascii
import hashlib
import heapq
import re
import struct
from collections import defaultdict
from collections.abc import Iterator, Sequence
from functools import lru_cache
from itertools import pairwise
from zlib import crc32

from rapidfuzz import fuzz
from rapidfuzz.distance import Levenshtein

from monitor.scoring.text import fold, readable

_SAMPLE = 48
"""Pieces sampled of each text: the likeness of two texts is known to within 0.07."""
_PIECE = 5
_ENOUGH = 12
"""Texts with fewer pieces (two or three words) are copies only when they are equal."""
_ALIKE = 0.6
"""The share of pieces in common from which a text is a copy. Two posts on one matter by two people have 0.1 to 0.3."""
_DROPPED = re.compile(r"(?:https?://|www\.)\S+|@\w+|^\s*RT\b:?|\bvia\b\s*$", re.IGNORECASE)
_WORD = re.compile(r"[^\W_]+(?:'[^\W_]+)*")


def copy_mark(text: str, key: bytes = b"") -> str:
    """The mark of ``text``; empty when it has no words. At most 150 signs, no readable text in it.

    Links, handles, case, accents and signs do not count. ``key`` (at most 64 bytes) makes the mark useless to
    everyone who does not hold it; marks made with different keys are never alike.
    """
    return _mark_of(comparable(text), key)


def comparable(text: str) -> str:
    """The words of ``text`` as copies are compared: folded, without links and handles."""
    return " ".join(fold(word) for word in _WORD.findall(_DROPPED.sub(" ", readable(text))))


def is_copy(mark: str, known: str) -> bool:
    """Whether two marks are of one text, but for small changes. Never true of an empty or broken mark."""
    if not mark or not known:
        return False
    one, other = _parts(mark), _parts(known)
    if one is None or other is None:
        return False
    if one[0] == other[0]:
        return True
    if min(one[1], other[1]) < _ENOUGH or not _may_be_alike(one[3], other[3]):
        return False
    return _likeness(one[2], other[2]) >= _ALIKE


def _mark_of(plain: str, key: bytes) -> str:
    if not plain:
        return ""
    whole = hashlib.blake2b(plain.encode(), digest_size=8, key=key).digest()
    seed = int.from_bytes(hashlib.blake2b(b"pieces", digest_size=8, key=key).digest(), "big")
    pieces = {_scrambled(crc32(piece.encode()), seed) for piece in _pieces(plain)}
    sample = heapq.nsmallest(_SAMPLE, pieces)
    packed = whole + struct.pack(f">H{len(sample)}H", min(len(pieces), 0xFFFF), *sample)
    return base64.urlsafe_b64encode(packed).decode().rstrip("=")


def _pieces(plain: str) -> Iterator[str]:
    for at in range(max(1, len(plain) - _PIECE + 1)):
        yield plain[at : at + _PIECE]


def _scrambled(number: int, seed: int) -> int:
    """Sixteen bits of ``number`` mixed with the seed: too few to find the piece again."""
    number = (number ^ seed) * 0x9E3779B97F4A7C15 & 0xFFFFFFFFFFFFFFFF
    number = (number ^ (number >> 29) ^ (seed >> 17)) * 0xBF58476D1CE4E5B9 & 0xFFFFFFFFFFFFFFFF
    return (number >> 40) & 0xFFFF


@lru_cache(maxsize=4096)
def _parts(mark: str) -> tuple[bytes, int, tuple[int, ...], frozenset[int]] | None:
    try:
        packed = base64.urlsafe_b64decode(mark + "=" * (-len(mark) % 4))
    except (ValueError, binascii.Error):
        return None
    if len(packed) < 12 or len(packed) % 2:
        return None
    count, *sample = struct.unpack(f">{len(packed) // 2 - 4}H", packed[8:])
    return packed[:8], count, tuple(sample), frozenset(sample)


def _may_be_alike(one: frozenset[int], other: frozenset[int]) -> bool:
    """A bound on ``_likeness`` that costs a twentieth of it: in a storm most pairs have nothing in common."""
    common = len(one & other)
    return common >= _ALIKE * min(_SAMPLE, len(one) + len(other) - common)


def _likeness(one: tuple[int, ...], other: tuple[int, ...]) -> float:
    """The share of pieces in common, estimated from the smallest of both samples together."""
    together = set(heapq.nsmallest(_SAMPLE, {*one, *other}))
    return len(together & set(one) & set(other)) / max(1, len(together))


# ── storms: many texts at once, with the texts at hand ─────────────────────────────────────────────

_RARE = 5
"""Words of each text under which it is looked up; the rarest of all texts together."""
_CROWD = 60
"""A word that stands in more texts than this leads to too many candidates."""
_SHARED = 0.25
"""The share of words and pairs of words in common below which two texts are not compared at all."""
_SAME = 84.0
"""rapidfuzz's ratio from which two texts are copies."""
_CARRIED = 94.0
"""Its partial ratio from which a long text is carried whole inside another."""
_CARRIED_FROM = 60


def group_copies(texts: Sequence[str]) -> list[list[int]]:
    """The places of ``texts`` in groups of copies, each text in one group, in order of first appearance.

    Equal texts are found by their key; near ones by comparing only texts that share rare words.
    """
    plain = [comparable(text) for text in texts]
    first: dict[str, int] = {}
    parent = list(range(len(texts)))
    for place, words in enumerate(plain):
        if words and (same := first.setdefault(words, place)) != place:
            _join(parent, place, same)
    distinct = sorted(first.values())
    for one, other in _candidates(plain, distinct):
        if _root(parent, one) != _root(parent, other) and _are_copies(plain[one], plain[other]):
            _join(parent, one, other)
    groups: dict[int, list[int]] = {}
    for place in range(len(texts)):
        groups.setdefault(_root(parent, place), []).append(place)
    return list(groups.values())


def _candidates(plain: Sequence[str], places: Sequence[int]) -> Iterator[tuple[int, int]]:
    """Pairs that share a rare word, or a rare run of signs where words were misspelt."""
    homes: dict[str, list[int]] = defaultdict(list)
    keys = {place: _keys(plain[place]) for place in places}
    for place, found in keys.items():
        for key in found:
            homes[key].append(place)
    told: set[tuple[int, int]] = set()
    for place, found in keys.items():
        rare = sorted((key for key in found if 1 < len(homes[key]) <= _CROWD), key=lambda key: (len(homes[key]), key))
        for key in rare[: 2 * _RARE]:
            for other in homes[key]:
                pair = (min(place, other), max(place, other))
                if other == place or pair in told:
                    continue
                told.add(pair)
                if len(found & keys[other]) >= _SHARED * min(len(found), len(keys[other])):
                    yield pair


def _keys(plain: str) -> set[str]:
    words = plain.split()
    return {*words, *(f"{a} {b}" for a, b in pairwise(words))}


def _are_copies(one: str, other: str) -> bool:
    short, long = sorted((one, other), key=len)
    if len(short) < _ENOUGH:
        return False
    if len(short) < 40 and Levenshtein.distance(one, other, score_cutoff=3) > 3:
        return False
    if fuzz.ratio(one, other, score_cutoff=_SAME) or fuzz.token_sort_ratio(one, other, score_cutoff=_SAME + 8):
        return True
    return len(short) >= _CARRIED_FROM and len(long) <= 3 * len(short) and fuzz.partial_ratio(short, long) >= _CARRIED


def _root(parent: list[int], place: int) -> int:
    while parent[place] != place:
        parent[place] = parent[parent[place]]
        place = parent[place]
    return place


def _join(parent: list[int], one: int, other: int) -> None:
    first, second = sorted((_root(parent, one), _root(parent, other)))
    parent[second] = first
