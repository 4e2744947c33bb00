"""The word lists of ``config/naming.toml``, made ready once."""

from __future__ import annotations

import re
import tomllib
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from functools import cache, cached_property
from pathlib import Path

from monitor.data import resource

Phrase = tuple[str, ...]


@dataclass(frozen=True)
class Phrases:
    """Runs of words, found from their first word; the longest wins."""

    by_first: Mapping[str, tuple[Phrase, ...]]

    def at(self, words: tuple[str, ...], start: int) -> int:
        """How many words from ``start`` make a phrase of the list; 0 where none does."""
        for phrase in self.by_first.get(words[start], ()):
            if words[start : start + len(phrase)] == phrase:
                return len(phrase)
        return 0

    @cached_property
    def joined(self) -> frozenset[str]:
        """The phrases without spaces."""
        return frozenset(joined(phrase) for phrases in self.by_first.values() for phrase in phrases)

    def count(self, words: tuple[str, ...]) -> int:
        """How many of the phrases stand in ``words``."""
        return sum(bool(self.at(words, n)) for n in range(len(words)))

    def ends(self, words: tuple[str, ...], end: int) -> int:
        """How many words before ``end`` make a phrase of the list; 0 where none does."""
        for length in range(min(5, end), 0, -1):
            if self.at(words[:end], end - length) == length:
                return length
        return 0


@dataclass(frozen=True, slots=True)
class Words:
    """Everything of ``config/naming.toml``."""

    titles: frozenset[str]
    plain_roles: Mapping[str, Phrases]
    bound_roles: Mapping[str, Phrases]
    other_before: frozenset[str]
    other_after: frozenset[str]
    furniture: frozenset[str]
    other_places: frozenset[str]
    ours: frozenset[str]
    call: Phrases
    called: Phrases
    failed: Phrases
    spoken_to: Phrases
    spoken_at_once: Phrases
    personal: frozenset[str]
    belongings: frozenset[str]
    first_names: frozenset[str]
    thanks: Phrases
    grave: frozenset[str]
    odd: frozenset[str]
    deeds: frozenset[str]
    namesake_after: frozenset[str]
    namesake_before: frozenset[str]
    jobs: frozenset[str]
    apposed: Phrases
    is_word: Phrases
    elsewhere: frozenset[str]
    nicknames: Mapping[str, frozenset[str]]
    words_too: frozenset[str]
    particles: frozenset[str]
    letters: Mapping[str, str]


@cache
def load_words(path: Path | None = None) -> Words:
    """The shipped lists, or those of ``path``. Raises ValueError or KeyError where the file is not as it should be."""
    data = tomllib.loads((path or resource("naming.toml")).read_text("utf-8"))
    other, address, namesake = data["other"], data["address"], data["namesake"]
    return Words(
        titles=_set(data["titles"]),
        plain_roles={role: _phrases(lists["plain"]) for role, lists in data["roles"].items()},
        bound_roles={role: _phrases(lists["bound"]) for role, lists in data["roles"].items()},
        other_before=_set(other["before"]),
        other_after=_set(other["after"]),
        furniture=_set(other["furniture"]),
        other_places=_set(other["places"]),
        ours=_set(data["ours"]["words"]),
        call=_phrases(address["call"]),
        called=_phrases(address["called"]),
        failed=_phrases(address["failed"]),
        spoken_to=_phrases(address["spoken_to"]),
        spoken_at_once=_phrases(address["spoken_at_once"]),
        personal=_set(address["personal"]),
        first_names=_set(address["first_names"]),
        belongings=_set(address["belongings"]),
        thanks=_phrases(data["tone"]["thanks"]),
        odd=_set(data["tone"]["odd"]),
        grave=_set(data["tone"]["grave"]),
        deeds=_set(data["plain"]["deeds"]),
        namesake_after=_set(namesake["after"]),
        namesake_before=_set(namesake["before"]),
        jobs=_set(namesake["jobs"]),
        apposed=_phrases(", ".join(namesake["apposed"].split()).replace("_", " ")),
        elsewhere=_set(namesake["elsewhere"]),
        is_word=_phrases(", ".join(namesake["is_word"].split()).replace("_", " ")),
        nicknames=_nicknames(data["short"]["names"]),
        words_too=_set(data["short"]["words_too"]),
        particles=_set(data["short"]["particles"]),
        letters=dict(reversed(pair.split()) for pair in data["short"]["letters"].split(",")),
    )


def bag(text: str) -> frozenset[str]:
    """The words and signs of ``text``."""
    return frozenset(text.split())


def _set(text: str) -> frozenset[str]:
    return frozenset(re.sub(r"['’]", "", text).split())


def _phrases(text: str) -> Phrases:
    found: dict[str, set[Phrase]] = {}
    for item in re.sub(r"['’]", "", text).split(","):
        if words := tuple(item.split()):
            found.setdefault(words[0], set()).add(words)
    return Phrases({first: tuple(sorted(runs, key=lambda run: (-len(run), run))) for first, runs in found.items()})


def _nicknames(text: str) -> dict[str, frozenset[str]]:
    """Each first name with the forms it is also known under, in both directions but not across two short forms."""
    known: dict[str, set[str]] = {}
    for group in text.split(","):
        long, *short = group.split() or [""]
        for name in short:
            known.setdefault(long, set()).add(name)
            known.setdefault(name, set()).add(long)
    return {name: frozenset(others) for name, others in known.items()}


def joined(parts: Iterable[str]) -> str:
    """Parts of a name without anything between."""
    return "".join(parts)
