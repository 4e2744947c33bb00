"""The word lists of ``config/naming.toml``, made ready once."""

from __future__ import annotations

import re
import tomllib
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from functools import cache, cached_property
from pathlib import Path

from monitor.data import resource
from monitor.plain import read_text
from monitor.scoring.text import fold

Phrase = tuple[str, ...]


def bag(text: str) -> frozenset[str]:
    """The words and signs of ``text``."""
    return frozenset(text.split())


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
class Describing:
    """What describes somebody who leads, without a word for her role."""

    person: frozenset[str]
    leads: frozenset[str]
    leading: frozenset[str]
    chairs: frozenset[str]
    top: Phrases
    best: frozenset[str]
    ranks: frozenset[str]
    holds: frozenset[str]
    answers: Phrases
    show: frozenset[str]
    parts: frozenset[str]


@dataclass(frozen=True, slots=True)
class Well:
    """What is told of somebody that is nothing bad."""

    deeds: Phrases
    shut: Phrases
    advises: Phrases
    advised: frozenset[str]
    advised_with: frozenset[str]
    to_whom: frozenset[str]
    kind: frozenset[str]
    met: Phrases
    met_at: Phrases


@dataclass(frozen=True, slots=True)
class Plea:
    """What asks that somebody shall not know, and what is said to her of her own deeds."""

    no: frozenset[str]
    idle: frozenset[str]
    tells: frozenset[str]
    objects: frozenset[str]
    hides: frozenset[str]
    hears: frozenset[str]
    superiors: frozenset[str]
    above: frozenset[str]
    managers: frozenset[str]
    did: frozenset[str]
    did_to: frozenset[str]


@dataclass(frozen=True, slots=True)
class Stems:
    """Words, and beginnings of words; ``begins``: the first three letters of each."""

    whole: frozenset[str]
    stems: tuple[str, ...]
    begins: frozenset[str]

    def hold(self, word: str) -> bool:
        """Whether ``word`` is one of them."""
        return word in self.whole or word.startswith(self.stems)


@dataclass(frozen=True, slots=True)
class Language:
    """Words for those who lead and for what they did, in one language."""

    roles: Mapping[str, Stems]
    bound: Stems
    articles: frozenset[str]
    who: frozenset[str]
    deeds: Stems
    call: Stems
    elsewhere: Stems


@dataclass(frozen=True, slots=True)
class Script:
    """How the letters of other scripts sound; behind one of ``consonants`` an "a" is heard where no vowel follows."""

    letters: Mapping[str, str]
    consonants: Mapping[str, str]


@dataclass(frozen=True, slots=True)
class Words:
    """Everything of ``config/naming.toml``."""

    titles: frozenset[str]
    titles_behind: frozenset[str]
    titles_of_names: frozenset[str]
    letters_behind: frozenset[str]
    plain_roles: Mapping[str, Phrases]
    bound_roles: Mapping[str, Phrases]
    other_before: frozenset[str]
    other_after: frozenset[str]
    other_house: Phrases
    furniture: frozenset[str]
    other_places: frozenset[str]
    ours: frozenset[str]
    described: Describing
    call: Phrases
    called: Phrases
    kept_from: Phrases
    plea: Plea
    well: Well
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
    verbs: frozenset[str]
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
    abbreviations: frozenset[str]
    abroad: tuple[Language, ...]
    script: Script

    def is_deed(self, words: Phrase) -> bool:
        """Whether ``words``, which follow a name, begin with something that its bearer does: "owns the", "is a"."""
        word, after = (*words, "", "")[:2]
        if word in self.deeds or word in self.verbs or word in _CANNOT or (word.endswith("ed") and len(word) > 4):
            return True
        if word == "and":
            return after in {"his", "her", "their"}
        if word in {"out", "who"}:
            return word == "who" or after in {"", "now", ".", "!", "\n"}
        verb = word.endswith(("s", "ing")) and len(word) > 3
        return verb and (after in _OBJECTS or (word.endswith("ing") and word in self.grave))


_CANNOT = bag("""doesnt didnt isnt wasnt hasnt hadnt couldnt wouldnt shouldnt wont cant aint werent mustnt owns shouldve
    couldve wouldve never knew lied steals hits""")
_OBJECTS = bag("""the a an my our your his her their its us me him them it this that these those everyone everybody
    people kids children girls boys staff volunteers every all both no nothing money women men
    lads""")


@cache
def load_words(path: Path | None = None) -> Words:
    """The shipped lists, or those of ``path``. Raises ValueError or KeyError where the file is not as it should be."""
    data = tomllib.loads(read_text(path or resource("naming.toml")))
    other, address, namesake = data["other"], data["address"], data["namesake"]
    return Words(
        titles=_set(data["titles"]),
        titles_behind=_set(data["titles_behind"]),
        titles_of_names=_set(data["titles"]) | _set(data["titles_of_names"]),
        letters_behind=_set(data["letters_behind"]),
        plain_roles={role: _phrases(lists["plain"]) for role, lists in data["roles"].items()},
        bound_roles={role: _phrases(lists["bound"]) for role, lists in data["roles"].items()},
        other_before=_set(other["before"]),
        other_after=_set(other["after"]),
        other_house=_phrases(other["elsewhere"]),
        furniture=_set(other["furniture"]),
        other_places=_set(other["places"]),
        ours=_set(data["ours"]["words"]),
        described=_describing(data["described"]),
        call=_phrases(address["call"]),
        called=_phrases(address["called"]),
        kept_from=_phrases(address["kept_from"]),
        plea=Plea(**{name: _set(text) for name, text in data["plea"].items()}),
        well=_well(data["well"]),
        failed=_phrases(address["failed"]),
        spoken_to=_phrases(address["spoken_to"]),
        spoken_at_once=_phrases(address["spoken_at_once"]),
        personal=_set(address["personal"]),
        first_names=_set(address["first_names"]) | _set(data["short"]["others"]),
        belongings=_set(address["belongings"]),
        thanks=_phrases(data["tone"]["thanks"]),
        odd=_set(data["tone"]["odd"]),
        grave=_set(data["tone"]["grave"]),
        deeds=_set(data["plain"]["deeds"]),
        verbs=_set(data["plain"]["verbs"]),
        namesake_after=_set(namesake["after"]),
        namesake_before=_set(namesake["before"]),
        jobs=_set(namesake["jobs"]),
        apposed=_phrases(", ".join(namesake["apposed"].split()).replace("_", " ")),
        elsewhere=_set(namesake["elsewhere"]),
        is_word=_phrases(", ".join(namesake["is_word"].split()).replace("_", " ")),
        nicknames=_nicknames(data["short"]["names"]),
        words_too=_set(data["short"]["words_too"]),
        particles=_set(data["short"]["particles"]),
        abbreviations=_set(data["short"]["abbreviations"]),
        abroad=tuple(_language(code, lists) for code, lists in data["abroad"].items()),
        script=Script(
            {**_pairs(data["script"]["letters"]), **_pairs(data["script"]["vowels"])},
            _pairs(data["script"]["consonants"]),
        ),
        letters=dict(reversed(pair.split()) for pair in data["short"]["letters"].split(",")),
    )


def _language(code: str, data: Mapping[str, str]) -> Language:
    bound, definite = data.get("bound", ""), ("ال", "وال", "") if code == "ar" else ("",)
    roles = {"ceo": f"{data['ceo']} {bound}", "chair": data["chair"]}
    return Language(
        roles={role: _stems(text, definite) for role, text in roles.items()},
        bound=_stems(bound),
        articles=_folded(data.get("articles", "")),
        who=_folded(data["who"]),
        deeds=_stems(data["deeds"]),
        call=_stems(data["call"]),
        elsewhere=_stems(data["elsewhere"]),
    )


def _folded(text: str) -> frozenset[str]:
    return frozenset(fold(word) for word in text.split())


def _stems(text: str, prefixes: Iterable[str] = ("",)) -> Stems:
    words = [prefix + word for prefix in prefixes for word in text.split()]
    whole = frozenset(fold(word) for word in words if not word.endswith("*"))
    stems = tuple(sorted({fold(word[:-1]) for word in words if word.endswith("*")}))
    return Stems(whole, stems, frozenset(word[:3] for word in (*whole, *stems)))


def _pairs(text: str) -> dict[str, str]:
    return {sign: sound for sign, _, sound in (pair.strip().partition(" ") for pair in text.split(","))}


def _describing(data: Mapping[str, str]) -> Describing:
    return Describing(
        person=_set(data["person"]),
        leads=_set(data["leads"]),
        leading=_set(data["leading"]),
        chairs=_set(data["chairs"]),
        top=_phrases(data["top"]),
        best=_set(data["best"]),
        ranks=_set(data["ranks"]),
        holds=_set(data["holds"]),
        answers=_phrases(data["answers"]),
        show=_set(data["show"]),
        parts=_set(data["parts"]),
    )


def _well(data: Mapping[str, str]) -> Well:
    return Well(
        deeds=_phrases(data["deeds"]),
        shut=_phrases(data["shut"]),
        advises=_phrases(data["advises"]),
        advised=_set(data["advised"]),
        advised_with=_set(data["advised_with"]),
        to_whom=_set(data["to_whom"]),
        kind=_set(data["kind"]),
        met=_phrases(data["met"]),
        met_at=_phrases(data["met_at"]),
    )


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
