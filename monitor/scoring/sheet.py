"""A post laid out for the rules: its words in order, sentence by sentence, and what each word may stand for.

Every place of a word is one bit of a whole number, so that "A, then within eight words B" is a shift and an *and*:
the time is linear in the length of the post, whatever the rule and whatever the post.
"""

from __future__ import annotations

import re
from collections.abc import Container, Iterable, Mapping, Sequence
from dataclasses import dataclass, field

from monitor.scoring.text import fold, hashtag_words, leet, squeezed

MOST_WORDS = 1_200
"""Words of a post that rules read: the first two thirds and the last third of a longer one."""
APART = 16
"""Empty places between two sentences, more than any gap inside a pattern."""
_LONGEST_WORD = 60
_LONG_ENOUGH = 6
"""Letters of a word from which a slip of the key is forgiven: one in a shorter word makes another word too easily."""

_TOKEN = re.compile(
    r"(?:https?://|www\.)\S+"
    r"|[\w.+-]{1,64}@[\w-]{1,63}\.[\w.-]{0,80}\w"
    r"|\+?\d[\d ]{8,16}\d"
    r"|[£$€]?\d{1,20}(?:[.,:]\d{1,20}){0,6}(?=\W|_|$)"
    r"|[@#$*]{0,2}\w(?:[\w'@$£€*]*[\w$@])?"
    r"|[.!?…؟۔।]++|\n\s*\n"
    r"|[^\w\s]"
)
_PART = re.compile(r"[^\W_]+(?:'[^\W_]+)*")
_END = frozenset(".!?…؟۔।\n")
_ADDRESS = re.compile(r"\A[^\s@]++@[^\s@][^\s@.]*+\.[^\s@]++")
_POSTCODE = re.compile(r"[a-z]{1,2}\d{1,2}[a-z]?")


@dataclass(frozen=True, slots=True)
class Meaning:
    """What one written word may stand for: entries of word groups, their groups, those of them that a pattern is looked
    up by, and phrases that it may begin."""

    groups: frozenset[int] = frozenset()
    keys: tuple[int, ...] = ()
    starts: Mapping[int, tuple[tuple[tuple[int, ...], tuple[int, ...]], ...]] = field(default_factory=dict)
    """By the entry of a second word: the entries that follow it, and the groups of the whole phrase."""
    entries: frozenset[int] = frozenset()


@dataclass(slots=True)
class Sheet:
    """Where each word group stands in a post: ``written`` holds the places of each entry, ``shaped`` those of groups
    that take in a form, ``longer`` the first places of phrases; ``entries_of`` says which entries a group has.

    Where a group stands is counted when a rule asks: a common word is in hundreds of groups, and few are asked for.
    """

    entries_of: Mapping[int, frozenset[int]] = field(default_factory=dict)
    words: list[str] = field(default_factory=list)
    places: list[int] = field(default_factory=list)
    sentences: list[tuple[int, int]] = field(default_factory=list)
    written: dict[int, int] = field(default_factory=dict)
    shaped: dict[int, int] = field(default_factory=dict)
    longer: dict[int, dict[int, int]] = field(default_factory=dict)
    present: set[int] = field(default_factory=set)
    """The groups that stand anywhere."""
    keys: dict[int, None] = field(default_factory=dict)
    """The groups standing here that a pattern is looked up by, in the order in which they were found."""
    _single: dict[int, int] = field(default_factory=dict)

    def has(self, group: int) -> bool:
        """Whether the group stands anywhere."""
        return group in self.present

    def single(self, group: int) -> int:
        """The places where a single word is of the group."""
        places = self._single.get(group)
        if places is None:
            places = self.shaped.get(group, 0)
            written = self.written
            for entry in self.entries_of.get(group, frozenset()).intersection(written):
                places |= written[entry]
            self._single[group] = places
        return places

    def ends(self, group: int, reach: int = -1) -> int:
        """The last places of the group's occurrences that begin within ``reach``."""
        ends = self.single(group) & reach
        for length, starts in self.longer.get(group, {}).items():
            ends |= (starts & reach) << (length - 1)
        return ends

    def begins(self, group: int, end: int) -> list[int]:
        """The first places of the group's occurrences that end at ``end``."""
        found = [end] if self.single(group) >> end & 1 else []
        for length, starts in self.longer.get(group, {}).items():
            first = end - length + 1
            if first >= 0 and starts >> first & 1:
                found.append(first)
        return found

    def text(self, first: int, last: int) -> str:
        """The words from one place to another, as they were written."""
        return " ".join(word for word, place in zip(self.words, self.places, strict=True) if first <= place <= last)


def lay_out(text: str, lexicon: Lexicon, shapes: Mapping[str, Sequence[int]]) -> Sheet:
    """The sheet of ``text``, which has passed ``readable``. ``shapes`` numbers the groups that take in a form."""
    sheet = Sheet(lexicon.entries_of)
    meaning, written, shaped = lexicon.meaning, sheet.written, sheet.shaped
    infos: list[Meaning] = []
    place = 0
    begin = 0
    fresh = True
    for token in _shortened(_TOKEN.findall(text)):
        sign = token[0]
        if sign in _END and token not in shapes:
            if place > begin:
                sheet.sentences.append((begin, place - 1))
                place = begin = place + APART
                fresh = True
            continue
        for word in _words_of(token):
            info = meaning(word)
            if not (info.entries or word[0].isalnum() or word[0] in "@#£$€+*"):
                continue
            bit = 1 << place
            for entry in info.entries:
                written[entry] = written.get(entry, 0) | bit
            sheet.present.update(info.groups)
            sheet.keys.update(dict.fromkeys(info.keys))
            for shape in _shapes_of(word, fresh):
                for group in shapes[shape]:
                    shaped[group] = shaped.get(group, 0) | bit
                    sheet.present.add(group)
                    sheet.keys[group] = None
            sheet.words.append(word)
            sheet.places.append(place)
            infos.append(info)
            place += 1
            fresh = False
    if place > begin:
        sheet.sentences.append((begin, place - 1))
    _find_phrases(sheet, infos)
    return sheet


def _shortened(tokens: list[str]) -> list[str]:
    if len(tokens) <= MOST_WORDS:
        return tokens
    head = MOST_WORDS * 2 // 3
    return [*tokens[:head], "\n", *tokens[head - MOST_WORDS :]]


def _words_of(token: str) -> Sequence[str]:
    """A token as words: hashtags opened, everything else as it is."""
    if token[0] == "#" and len(token) > 1:
        return hashtag_words(token) or (token,)
    return (token,)


def _find_phrases(sheet: Sheet, infos: list[Meaning]) -> None:
    places = sheet.places
    count = len(infos)
    for n in range(count - 1):
        starts = infos[n].starts
        if not starts or places[n + 1] != places[n] + 1:
            continue
        for second in infos[n + 1].entries:
            for rest, groups in starts.get(second, ()):
                end = n + 1 + len(rest)
                fits = end < count and places[end] == places[n] + 1 + len(rest)
                if fits and all(entry in infos[n + 2 + k].entries for k, entry in enumerate(rest)):
                    _put_phrase(sheet, groups, len(rest) + 2, 1 << places[n])


def _put_phrase(sheet: Sheet, groups: Iterable[int], length: int, bit: int) -> None:
    for group in groups:
        sheet.present.add(group)
        sheet.keys[group] = None
        starts = sheet.longer.setdefault(group, {})
        starts[length] = starts.get(length, 0) | bit


SHAPES = ("number", "child_age", "grown_age", "handle", "link", "email", "phone", "postcode", "money", "name")
"""Groups known by the form of the word: ages 2 to 17 and 18 to 99, a capital inside a sentence for a name."""


_CALENDAR = frozenset(
    word
    for line in (
        "monday tuesday wednesday thursday friday saturday sunday mon tue tues wed weds thu thurs fri sat sun",
        "january february march april may june july august september october november december easter christmas",
        "jan feb mar apr jun jul aug sep sept oct nov dec",
    )
    for word in line.split()
)
"""Written with a capital, and no names."""


def _shapes_of(word: str, fresh: bool) -> Iterable[str]:
    first = word[0]
    if first.isalpha():
        if word.startswith(("http://", "https://", "www.")):
            return ("link",)
        if first.isupper() and len(word) > 2 and not fresh and not word.isupper():
            return () if word.lower() in _CALENDAR else ("name",)
        if "@" in word and _ADDRESS.fullmatch(word):
            return ("email",)
        if len(word) <= 5 and word[-1].isdigit() or (len(word) <= 5 and word[-2:-1].isdigit()):
            return ("postcode",) if _POSTCODE.fullmatch(word.lower()) else ()
        return ()
    if first == "@":
        return ("handle",)
    if first in "£$€":
        return ("money", "number")
    if first.isdigit() or first == "+":
        return _number_shapes(word)
    return ()


def _number_shapes(word: str) -> Iterable[str]:
    digits = sum(sign.isdigit() for sign in word)
    if digits >= 10:
        return ("phone",)
    if "@" in word and _ADDRESS.fullmatch(word):
        return ("email",)
    if word.isdecimal() and len(word) <= 2:
        value = int(word)
        return ("number", "child_age") if 2 <= value <= 17 else ("number", "grown_age") if value >= 18 else ("number",)
    return ("number",) if word.replace(",", "").replace(".", "").isdecimal() else ()


class Lexicon:
    """All words that any rule knows, and the forms under which they are found again in a post."""

    def __init__(self, known: frozenset[str] = frozenset()) -> None:
        self._exact: dict[str, int] = {}
        self._stems: dict[str, int] = {}
        self._groups: dict[int, list[int]] = {}
        self._keys: Container[int] = ()
        self.entries_of: dict[int, frozenset[int]] = {}
        """By group: the single words that are of it."""
        self._starts: dict[int, dict[int, dict[tuple[int, ...], list[int]]]] = {}
        self._misspelt: dict[str, str] = {}
        self._known = known
        self._seen: dict[str, Meaning] = {}

    def add(self, words: Sequence[str], group: int) -> None:
        """One entry of a group: a word, ``stem*``, or a phrase of these."""
        entries = [self._entry(word) for word in words]
        if len(entries) == 1:
            self._groups.setdefault(entries[0], []).append(group)
        else:
            seconds = self._starts.setdefault(entries[0], {}).setdefault(entries[1], {})
            seconds.setdefault(tuple(entries[2:]), []).append(group)

    def look_up_by(self, keys: Container[int]) -> None:
        """All is added: ``keys`` are the groups that a pattern is looked up by."""
        self._keys = keys
        entries: dict[int, set[int]] = {}
        for entry, groups in self._groups.items():
            for group in groups:
                entries.setdefault(group, set()).add(entry)
        self.entries_of = {group: frozenset(found) for group, found in entries.items()}

    def forgive(self) -> None:
        """Let every longer word be found with one letter dropped, doubled or two letters swapped."""
        for word in self._exact:
            if len(word) >= _LONG_ENOUGH and word.isascii() and word.isalpha():
                for wrong in _slips(word):
                    self._misspelt.setdefault(wrong, word)

    def corrected(self, plain: str) -> str | None:
        """The word of a rule that ``plain`` is a slip of; None for everyday words and words nobody knows."""
        return None if plain in self._known else self._misspelt.get(plain)

    def meaning(self, word: str) -> Meaning:
        """What ``word`` may stand for, with its disguises opened. Remembered, up to a bound."""
        info = self._seen.get(word)
        if info is None:
            info = self._meaning(word[:_LONGEST_WORD])
            if len(self._seen) > 50_000:
                self._seen.clear()
            self._seen[word] = info
        return info

    def _entry(self, word: str) -> int:
        is_stem = word.endswith("*") and len(word) > 1
        table, key = (self._stems, fold(word[:-1])) if is_stem else (self._exact, fold(word))
        return table.setdefault(key, len(self._exact) + len(self._stems))

    def _meaning(self, word: str) -> Meaning:
        entries = self._entries(word)
        groups = dict.fromkeys(group for entry in entries for group in self._groups.get(entry, ()))
        keys = tuple(group for group in groups if group in self._keys)
        starts: dict[int, list[tuple[tuple[int, ...], tuple[int, ...]]]] = {}
        for entry in entries:
            for second, phrases in self._starts.get(entry, {}).items():
                starts.setdefault(second, []).extend((rest, tuple(found)) for rest, found in phrases.items())
        return Meaning(
            frozenset(groups), keys, {second: tuple(found) for second, found in starts.items()}, frozenset(entries)
        )

    def _entries(self, word: str) -> list[int]:
        plain = fold(word.lstrip("#"))
        found = self._lookup(plain)
        if found or plain in self._known:
            return found
        return list(dict.fromkeys(entry for other in self._disguises(word, plain) for entry in self._lookup(other)))

    def _disguises(self, word: str, plain: str) -> Iterable[str]:
        yield from (fold(view) for view in leet(word))
        yield from squeezed(plain)
        if "*" in word:
            yield from (plain.replace("*", vowel) for vowel in ("", "a", "e", "i", "o", "u"))
        parts = _PART.findall(word)
        if len(parts) > 1:
            yield from (fold(part) for part in parts)
        if plain in self._misspelt:
            yield self._misspelt[plain]

    def _lookup(self, plain: str) -> list[int]:
        found = []
        if (entry := self._exact.get(plain)) is not None:
            found.append(entry)
        stems = self._stems
        for size in range(3, min(len(plain), 14) + 1):
            if (entry := stems.get(plain[:size])) is not None:
                found.append(entry)
        return found


def _slips(word: str) -> Iterable[str]:
    for at in range(1, len(word)):
        yield word[:at] + word[at + 1 :]
        yield word[:at] + word[at - 1] + word[at:]
        if at + 1 < len(word):
            yield word[:at] + word[at + 1] + word[at] + word[at + 2 :]
