"""The gist of a post in another language, word by word in English, for the learned part, which reads English."""

from __future__ import annotations

import re
import tomllib
from collections.abc import Mapping
from pathlib import Path

from monitor.plain import read_text
from monitor.scoring.text import fold

_TOKEN = re.compile(r"[^\W\d_]+(?:'[^\W\d_]+)*|\d+|[^\s]")
_SHORTEST_STEM = 2
_LONGEST_PHRASE = 5


class Glossary:
    """Words of several languages with their meaning."""

    def __init__(self, languages: Mapping[str, Mapping[str, str]]) -> None:
        self._words: dict[str, dict[tuple[str, ...], str]] = {}
        self._stems: dict[str, dict[str, str]] = {}
        self._open: dict[str, dict[tuple[str, ...], list[tuple[str, str]]]] = {}
        for code, entries in languages.items():
            words, stems = self._words.setdefault(code, {}), self._stems.setdefault(code, {})
            phrases = self._open.setdefault(code, {})
            for entry, meaning in entries.items():
                parts = tuple(fold(part.rstrip("*")) for part in _TOKEN.findall(entry) if part != "*")
                if entry.endswith("*") and len(parts) == 1:
                    stems[parts[0]] = meaning
                elif entry.endswith("*"):
                    phrases.setdefault(parts[:-1], []).append((parts[-1], meaning))
                else:
                    words[parts] = meaning

    def __contains__(self, language: str) -> bool:
        return language in self._words

    def gist(self, text: str, language: str) -> str:
        """``text`` with the words that are known replaced by their meaning; names, numbers and signs stay."""
        tokens = _TOKEN.findall(text)
        plain = [fold(token) for token in tokens]
        out: list[str] = []
        at = 0
        while at < len(tokens):
            for length in range(min(_LONGEST_PHRASE, len(tokens) - at), 0, -1):
                meaning = self._phrase(tuple(plain[at : at + length]), language)
                if meaning is not None:
                    out.append(meaning)
                    at += length
                    break
            else:
                out.append(self._by_stem(plain[at], language) or tokens[at])
                at += 1
        return " ".join(out)

    def _phrase(self, words: tuple[str, ...], language: str) -> str | None:
        meaning = self._words[language].get(words)
        if meaning is None and len(words) > 1:
            for stem, found in self._open[language].get(words[:-1], ()):
                if words[-1].startswith(stem):
                    return found
        return meaning

    def _by_stem(self, word: str, language: str) -> str | None:
        stems = self._stems[language]
        for size in range(len(word), _SHORTEST_STEM - 1, -1):
            if (meaning := stems.get(word[:size])) is not None:
                return meaning
        return None


def load_glossary(path: Path) -> Glossary:
    """The glossary of ``path``. Raises ValueError when it is not a table of texts for each language."""
    raw = tomllib.loads(read_text(path))
    for code, entries in raw.items():
        if not isinstance(entries, dict) or not all(isinstance(meaning, str) for meaning in entries.values()):
            raise ValueError(f"{path.name}: [{code}] is a table of words and their meaning")
    return Glossary(raw)
