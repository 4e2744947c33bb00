"""Renderings to token ids, with the very code of the run time, and the small damage that training adds."""

from __future__ import annotations

import random
import re
from collections.abc import Sequence

from posts import OUR_NAMES, Labelled

from connectors.model import Kind
from monitor.scoring.rendering import US, place, plain

_LETTERS = "abcdefghijklmnopqrstuvwxyz"


def as_read(post: Labelled, rng: random.Random | None = None) -> str:
    """The rendering of ``post``; with ``rng``, one of the many ways it might have reached us.

    What is varied says nothing of the level: whether figures of reach are known, whether a comment begins
    with our handle, slips of the finger, punctuation left out, the sign at the end.
    """
    where, text = place(post.mention, OUR_NAMES), plain(post.mention.text or "", OUR_NAMES)
    if rng is None:
        return f"{where} : {text}"
    if rng.random() < 0.15 and "reach" not in where:
        where = where.split()[1] if rng.random() < 0.5 else where.split()[0]
    if post.mention.kind in (Kind.COMMENT, Kind.TAG) and rng.random() < 0.15:
        text = text.removeprefix(f"@{US} ") if text.startswith(f"@{US} ") else f"@{US} {text}"
    if rng.random() < 0.15:
        text = " ".join(re.sub(r"[.,;:!?'\"()]+", " ", text).split())
    elif rng.random() < 0.08:
        text = text.rstrip(".!") + rng.choice(("", "!", "!!", "!!!", "..."))
    if rng.random() < 0.2:
        text = mistyped(text, rng)
    return f"{where} : {text}"


def mistyped(text: str, rng: random.Random) -> str:
    """``text`` with a slip in one to three of its longer words."""
    words = text.split(" ")
    long = [index for index, word in enumerate(words) if len(word) > 3 and word.isalpha()]
    for index in rng.sample(long, min(len(long), rng.choice((1, 1, 2, 2, 3)))):
        word, at = words[index], rng.randrange(1, len(words[index]) - 1)
        words[index] = rng.choice(
            (
                word[:at] + word[at + 1 :],
                word[:at] + word[at + 1] + word[at] + word[at + 2 :],
                word[:at] + word[at] + word[at:],
                word[:at] + rng.choice(_LETTERS) + word[at + 1 :],
            )
        )
    return " ".join(words)


def batches(lengths: Sequence[int], size: int, rng: random.Random) -> list[list[int]]:
    """Indexes in batches of like length, in random order."""
    order = list(range(len(lengths)))
    rng.shuffle(order)
    out = []
    for start in range(0, len(order), size * 20):
        chunk = sorted(order[start : start + size * 20], key=lengths.__getitem__)
        out += [chunk[at : at + size] for at in range(0, len(chunk), size)]
    rng.shuffle(out)
    return out
