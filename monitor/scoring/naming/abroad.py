"""Roles in other languages people write in, and names of the settings in other scripts: never more than unclear."""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from monitor.scoring.naming.forms import bare_name, is_slip
from monitor.scoring.naming.tokens import plain
from monitor.scoring.naming.words import Language, Script, Stems, Words, bag

Run = tuple[str, ...]

_STOPS = bag(". ! ? ; : …") | {"\n", "؟", "۔", "،"}
_OBJECT = {("کو",)}
"""Behind the role: she is told, or it is done to her."""
_BEFORE, _AFTER = 5, 9
"""Words before and after a role among which its deed is looked for."""
_OTHER_SCRIPT = re.compile("[\u0400-\u04ff]{2,40}|[\u0620-\u065f\u066e-\u06d3]{2,40}|[\u0900-\u0963]{2,40}")
_DIGRAPHS = (
    ("sh", "s"),
    ("ch", "s"),
    ("th", "t"),
    ("kh", "k"),
    ("gh", "g"),
    ("ph", "f"),
    ("zh", "s"),
    ("ck", "k"),
    ("x", "ks"),
)
_SOUNDS = str.maketrans("cqzpvjy", "kksbfg" + "i")
_ENOUGH, _PAIR = 3, 4
"""Consonants of a family name alone, and of first and family name together, that make it hers."""


class Abroad:
    """Finds who is spoken of in another language. Holds no state but its lists."""

    def __init__(self, words: Words) -> None:
        self._by_beginning: dict[str, list[tuple[Language, str, Stems]]] = {}
        for language in words.abroad:
            for role, stems in language.roles.items():
                for begins in stems.begins:
                    self._by_beginning.setdefault(begins, []).append((language, role, stems))

    def spoken_of(self, words: Run) -> set[str]:
        """The roles of which something bad is said in a sentence of their own language."""
        found: set[str] = set()
        if self._by_beginning.keys().isdisjoint([word[:3] for word in words]):
            return found
        for n, word in enumerate(words):
            for language, role, stems in self._by_beginning.get(word[:3], ()):
                if stems.hold(word) and _is_said_of(language, words, n, word):
                    found.add(role)
        return found


def _is_said_of(language: Language, words: Run, at: int, word: str) -> bool:
    before = _clause(words[max(0, at - _BEFORE) : at][::-1], frozenset())[::-1]
    after = _clause(words[at + 1 : at + 1 + _AFTER], language.who)
    if language.bound.hold(word) and not language.articles.intersection(before[-2:]):
        return False
    called = (*before[-3:], *(after[1:3] if after[:1] in _OBJECT else ()))
    if any(map(language.call.hold, called)) or any(map(language.elsewhere.hold, after[:2])):
        return False
    return any(map(language.deeds.hold, (*before, *after)))


def _clause(words: Run, who: frozenset[str]) -> Run:
    """``words`` up to the first stop; a comma before one of ``who`` is none."""
    for n, word in enumerate(words):
        if word in _STOPS or (word == "," and not who.intersection(words[n + 1 : n + 2])):
            return words[:n]
    return words


@dataclass(frozen=True, slots=True)
class _Heard:
    """A name as it is heard in any script."""

    role: str
    first: str
    last: str


class Scripts:
    """Finds names of the settings in Cyrillic, Arabic and Devanagari letters. ``people``: role and name of each."""

    def __init__(self, people: Iterable[tuple[str, str]], words: Words) -> None:
        self._script: Script = words.script
        self._others = words.first_names | words.nicknames.keys()
        self._names = []
        for role, name in people:
            parts = [plain(part) for part in bare_name(name, words)]
            if parts:
                self._names.append(_Heard(role, parts[0] if len(parts) > 1 else "", parts[-1]))

    def named(self, text: str, *, told: bool) -> set[str]:
        """Whose names stand in ``text``; in a post only first and family name side by side."""
        if text.isascii():
            return set()
        heard = [self._latin(found[0]) for found in _OTHER_SCRIPT.finditer(text)]
        return {name.role for name in self._names if self._is_named(name, heard, told=told)}

    def _is_named(self, name: _Heard, heard: Sequence[str], *, told: bool) -> bool:
        first, last = _consonants(name.first), _consonants(name.last)
        bones = [_consonants(word) for word in heard]
        if first and len(first) + len(last) >= _PAIR and (first, last) in zip(bones, bones[1:], strict=False):
            return True
        if not told:
            return False
        if len(last) >= _ENOUGH and last in bones:
            return True
        spoken = [one.replace("w", "v") for one in (name.first, name.last) if len(one) > 3]
        return any(
            len(word) > 3 and word not in self._others and is_slip(word.replace("w", "v"), one)
            for word in heard
            for one in spoken
        )

    def _latin(self, word: str) -> str:
        """ "रोवन" is "rovan"."""
        script, out = self._script, []
        for n, sign in enumerate(word):
            if (sound := script.consonants.get(sign)) is not None:
                follows = word[n + 1 : n + 2]
                out.append(sound + ("a" if follows in script.consonants else ""))
            else:
                out.append(script.letters.get(sign, ""))
        return "".join(out)


def _consonants(word: str) -> str:
    """What is left of a name in a script that writes no vowels: "ashdown" is "sdn"."""
    for letters, letter in _DIGRAPHS:
        word = word.replace(letters, letter)
    bones = [sign for sign in word.translate(_SOUNDS) if sign not in "aeiouwh"]
    return "".join(sign for n, sign in enumerate(bones) if not n or bones[n - 1] != sign)
