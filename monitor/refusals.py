"""What a mail server's no means: is the address dead, and was the person reached? Pure, two decisions apart.

A refusal with a 5xx is no dead address: most speak of us, of the letter or of a mailbox that is full, and are mended.
The words that mean a dead one stand in ``config/refusals.toml``.
"""

from __future__ import annotations

import re
import tomllib
from dataclasses import dataclass
from datetime import timedelta
from enum import StrEnum
from functools import cache

from alerts.model import DeliveryFailed, Refusal, Stage
from monitor.data import resource

_ADDRESS = re.compile(r"(?<!\S)[^\s@]*+@\S*+")
"""An address in a reply holds words that nobody said: ``policy@`` speaks of no policy."""

_CODE = re.compile(r"(?<![\d.])[245]\.\d{1,3}\.\d{1,3}(?!\.?\d)")
"""An enhanced status code anywhere in a reply: a gateway puts that of the server behind it into its words."""

ABOUT_A_MAILBOX = frozenset({Stage.RECIPIENT, Stage.LETTER})
"""A server has heard of the recipient only from RCPT on: what it says before speaks of nobody's mailbox."""


class Outcome(StrEnum):
    """How the last try of a letter ended, as the outbox keeps it; empty while none has ended."""

    DEAD = "dead"
    FINAL = "final"
    """A 5xx: this person was not reached, and trying again soon will not change it."""
    TEMPORARY = "temporary"
    UNANSWERED = "unanswered"
    """No mail server could be talked to at all."""

    @property
    def is_final(self) -> bool:
        """Whether the person counts as not reached at once."""
        return self in {Outcome.DEAD, Outcome.FINAL}


@dataclass(frozen=True, slots=True)
class Words:
    """The lists by which a dead address is known."""

    dead_codes: frozenset[str]
    bare_replies: frozenset[int]
    dead: tuple[str, ...]
    not_dead: tuple[str, ...]


@cache
def load_words() -> Words:
    """The lists of ``config/refusals.toml``."""
    raw = tomllib.loads(resource("refusals.toml").read_text("utf-8"))
    dead = tuple(words.replace("<mailbox>", mailbox) for words in raw["dead_words"] for mailbox in raw["mailbox"])
    not_dead = tuple(raw["not_dead_words"])
    return Words(frozenset(raw["dead_codes"]), frozenset(raw["bare_replies"]), dead, not_dead)


def is_dead(refusal: Refusal | None, words: Words, *, everybody: bool = False) -> bool:
    """Whether the server said that there is no such mailbox, and nothing beside it. Where ``everybody`` is refused it
    is our fault, whatever the server says of each of them."""
    if refusal is None or everybody or not is_final(refusal) or refusal.stage not in ABOUT_A_MAILBOX:
        return False
    if not words.dead_codes.issuperset(_CODE.findall(refusal.words)):
        return False
    if refusal.enhanced:
        return refusal.enhanced in words.dead_codes
    if refusal.stage is not Stage.RECIPIENT or refusal.code not in words.bare_replies:
        return False
    said = " ".join(_ADDRESS.sub(" ", refusal.words.casefold().replace("’", "'")).split())
    return any(word in said for word in words.dead) and not any(word in said for word in words.not_dead)


def is_final(refusal: Refusal | None) -> bool:
    """Whether the server refused for good (RFC 5321, 4.2.1): the person counts as not reached at once."""
    return refusal is not None and 500 <= refusal.code < 600


def outcome_of(failure: DeliveryFailed, words: Words, *, everybody: bool = False) -> Outcome:
    """What is kept of a try that failed."""
    if is_dead(failure.refusal, words, everybody=everybody):
        return Outcome.DEAD
    for_the_operator = failure.operator and failure.refusal is None
    if is_final(failure.refusal) or failure.permanent or for_the_operator:
        return Outcome.FINAL
    return Outcome.UNANSWERED if failure.unanswered else Outcome.TEMPORARY


# ── trying again ────────────────────────────────────────────────────────────────────────────────────

_SECONDS = {
    Outcome.UNANSWERED: (10, 30, 60),
    Outcome.TEMPORARY: (10, 30, 60, 120, 300, 600, 900),
    Outcome.FINAL: (60, 120, 300, 600, 900, 1800),
    Outcome.DEAD: (1800, 3600),
}
"""Waiting times between tries; the last one repeats (reliability notes, 2.3; RFC 5321, 4.5.4.1). A server that cannot
be talked to costs nothing to ask, and must be used within a minute once it is back."""

_REST = {Outcome.DEAD: timedelta(minutes=30)}
"""How long a letter rests at least after a refusal, though mail leaves again for others."""


def gap_after(outcome: Outcome, attempts: int) -> timedelta:
    """How long to wait after the ``attempts``-th try."""
    gaps = _SECONDS[outcome]
    return timedelta(seconds=gaps[min(max(attempts, 1), len(gaps)) - 1])


def rest_after(outcome: Outcome) -> timedelta:
    """The shortest wait after a try, when mail has left for somebody else meanwhile."""
    return _REST.get(outcome, timedelta(minutes=5))
