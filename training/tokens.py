"""Renderings to token ids, with the very code of the run time, and the small damage that training adds."""

from __future__ import annotations

import random
import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from functools import cache

from posts import Labelled

from connectors.model import Kind
from monitor.scoring.rendering import US, answered, answering, place, plain, rendering

_LETTERS = "abcdefghijklmnopqrstuvwxyz"
_TALK_OF = ("author-n", "author-w", "author-ad", "author-ag", "author-ah")
_TOGETHER = 0.4
"""How often a short post gets small talk before or behind it; two harmless sentences are no plan."""
_SHORT, _PARENT, _ANSWER = 9, 25, 4
"""Words of a small talk that may stand beside a post, and of a post that one may answer, at most; words of a harmless
post from which it says something by itself, at least: "me too" under a disclosure is one more."""


@dataclass(frozen=True)
class Company:
    """What a post may stand beside without being graver or more harmless for it."""

    small_talk: tuple[str, ...]
    our_posts: tuple[str, ...]
    grave: tuple[str, ...] = ()

    @staticmethod
    def among(posts: Iterable[Labelled]) -> Company:
        """The everyday comments, the harmless posts of ours and the grave comments among ``posts``."""
        posts = list(posts)
        calm = [post for post in posts if post.severity == 0 and post.mention.lang == "en"]
        talk = [post for post in calm if post.source in _TALK_OF and _is_small_talk(post)]
        ours = [post for post in calm if post.mention.kind is Kind.OWN_POST and _words(post) <= _PARENT]
        grave = [post for post in posts if post.severity == 3 and _stands_alone(post) and _words(post) <= _PARENT]
        return Company(*(tuple(_text(post) for post in some) for some in (talk, ours, grave)))


def _is_small_talk(post: Labelled) -> bool:
    return _stands_alone(post) and _words(post) <= _SHORT


def _stands_alone(post: Labelled) -> bool:
    """Whether it is an English comment that answers nobody."""
    return post.mention.kind is Kind.COMMENT and post.mention.parent_text is None and post.mention.lang == "en"


def _words(post: Labelled) -> int:
    return len((post.mention.text or "").split())


@cache
def _text(post: Labelled) -> str:
    return plain(post.mention.text or "", post.names)


def as_read(post: Labelled, rng: random.Random | None = None, company: Company = Company((), ())) -> str:
    """The rendering of ``post``; with ``rng``, one of the many ways it might have reached us.

    What is varied says nothing of the level: whether a comment begins with our handle, slips of the finger,
    punctuation left out, the sign at the end, small talk before or behind it, which harmless post of ours or which
    grave comment it stands under.
    """
    if rng is None:
        return rendering(post.mention, post.names)
    where, text, parent = place(post.mention, post.names), _text(post), answered(post.mention, post.names)
    if post.mention.kind is not Kind.OWN_POST:
        text = _beside_small_talk(text, rng, company.small_talk)
        parent = parent or _any_parent(post, rng, company)
    if post.mention.kind in (Kind.COMMENT, Kind.TAG) and rng.random() < 0.15:
        text = text.removeprefix(f"@{US} ") if text.startswith(f"@{US} ") else f"@{US} {text}"
    if rng.random() < 0.15:
        text = " ".join(re.sub(r"[.,;:!?'\"()]+", " ", text).split())
    elif rng.random() < 0.08:
        text = text.rstrip(".!") + rng.choice(("", "!", "!!", "!!!", "..."))
    if rng.random() < 0.2:
        text = mistyped(text, rng)
    return answering(f"{where} : {text}", parent)


def _any_parent(post: Labelled, rng: random.Random, company: Company) -> str:
    """Now and then a post that ``post`` might answer without meaning more or less for it."""
    chance = rng.random()
    if chance < 0.08 and company.our_posts:
        return rng.choice(company.our_posts)
    if chance > 0.9 and company.grave and post.severity in (0, 3) and _words(post) >= _ANSWER:
        return rng.choice(company.grave)
    return ""


def _beside_small_talk(text: str, rng: random.Random, small_talk: Sequence[str]) -> str:
    """``text``, now and then with an everyday sentence before or behind it."""
    if not small_talk or rng.random() >= (_TOGETHER if len(text.split()) <= _PARENT else _TOGETHER / 2):
        return text
    parts = [text, rng.choice(small_talk)]
    rng.shuffle(parts)
    return rng.choice((" ", ". ", "! ", " ... ")).join(parts)


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
