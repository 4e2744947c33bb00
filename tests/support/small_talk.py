"""Harmless words and sentences around plain danger, and around everyday comments: neither may change its level."""

from __future__ import annotations

import random
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path

from monitor.scoring.rules import Rule

CORPUS = Path(__file__).parent.parent / "corpus"
SEED = 10


def small_talk() -> list[str]:
    """Harmless words and sentences."""
    return (CORPUS / "small-talk.txt").read_text("utf-8").splitlines()


def everyday_comments() -> list[str]:
    """What people write under a post on an ordinary day."""
    return (CORPUS / "everyday-comments.txt").read_text("utf-8").splitlines()


def around(text: str, words: str, other: str) -> tuple[str, ...]:
    """``text`` with small talk before, after and around it, as sentences of their own and run together."""
    return (
        f"{words}. {text}",
        f"{words} {text}",
        f"{text}. {words}",
        f"{text} {words}",
        f"{words}. {text}\n{other}",
    )


def wrapped(texts: Iterable[str]) -> Iterator[str]:
    """Every text in every wrapper."""
    talk = small_talk()
    for text in texts:
        for n, words in enumerate(talk):
            yield from around(text, words, talk[-1 - n])


def drawn(texts: Sequence[str], share: int) -> list[str]:
    """One in ``share`` of all wrapped texts, the same at every run."""
    return [text for text in wrapped(texts) if random.Random(f"{SEED} {text}").randrange(share) == 0]


def grave_examples(rules: Iterable[Rule], *, own: bool) -> list[str]:
    """What the rules that nothing may silence say they must find."""
    return [text for rule in rules if (rule.firm or rule.floor) and rule.own is own for text in rule.matches]
