"""The first-hour cards, reasons and holding statements of ``config/first_hour.toml``, read once and checked."""

from __future__ import annotations

import tomllib
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NoReturn

from alerts.model import Card
from monitor.data import resource
from monitor.model import Category
from monitor.plain import NotText, read_text

EXTRA = ("volume", "mood", "tip", "other")
"""Cards beside those of the categories: rising volume, falling mood, a tip, and anything else."""


class CardsError(Exception):
    """The file of cards is faulty; the message names the key and what was expected."""


@dataclass(frozen=True, slots=True)
class Statement:
    """A holding statement with blanks in square brackets."""

    title: str
    text: str


@dataclass(frozen=True, slots=True)
class Advice:
    """What one category brings: the title of its headlines, the clause, why we tell, the card, the statements."""

    title: str
    clause: str
    why: str
    card: Card
    statements: tuple[Statement, ...]

    @property
    def headline(self) -> str:
        """The title with a capital, as a headline begins."""
        return self.title[:1].upper() + self.title[1:]


@dataclass(frozen=True, slots=True)
class Cards:
    """All cards. Every category has its advice; ``for_category`` never fails."""

    advice: Mapping[str, Advice]
    takeover: Card
    posters: Card
    allowed: Card
    passwords: Card

    def for_category(self, category: str | None, source: str = "mention") -> Advice:
        """The advice for a category; for none, that of what opened the incident (tip, volume, mood), or ``other``.

        A drill tells of a false story, so that its card is rehearsed too.
        """
        opened_by = Category.MISINFORMATION if source == "drill" else source
        return self.advice.get(category or opened_by, self.advice["other"])


def load_cards(path: Path | None = None) -> Cards:
    """The shipped cards, or those of ``path``. Raises ``CardsError`` with key and reason."""
    where = path or resource("first_hour.toml")
    try:
        raw = tomllib.loads(read_text(where))
    except NotText as error:
        raise CardsError(f"{error}.") from None
    except (OSError, RecursionError) as error:
        raise CardsError(f"{where.name}: the file cannot be read ({type(error).__name__}).") from None
    except tomllib.TOMLDecodeError as error:
        raise CardsError(f"{where.name}: not TOML: {error}.") from None
    return _Reader(where.name).read(raw)


class _Reader:
    def __init__(self, file: str) -> None:
        self._file = file

    def read(self, raw: Mapping[str, Any]) -> Cards:
        self._keys(raw, "", {"category", "takeover", "posters", "allowed", "passwords"})
        categories = self._table(raw["category"], "category")
        self._keys(categories, "category.", {*(c.value for c in Category), *EXTRA})
        advice = {name: self._advice(entry, f"category.{name}") for name, entry in categories.items()}
        return Cards(
            advice,
            *(self._own_card(raw[name], name) for name in ("takeover", "posters", "allowed", "passwords")),
        )

    def _advice(self, raw: object, path: str) -> Advice:
        entry = self._table(raw, path)
        self._keys(entry, f"{path}.", {"title", "clause", "why", "do", "dont", "statements"})
        title = self._line(entry["title"], f"{path}.title", at_most=60)
        card = Card("What to do now", self._list(entry, path, "do"), self._list(entry, path, "dont"))
        statements = entry["statements"]
        if not isinstance(statements, list) or not statements:
            self._wrong(f"{path}.statements", "a list of tables with title and text")
        return Advice(
            title,
            self._line(entry["clause"], f"{path}.clause", at_most=20),
            self._line(entry["why"], f"{path}.why", at_most=300),
            card,
            tuple(self._statement(s, f"{path}.statements[{n}]") for n, s in enumerate(statements)),
        )

    def _statement(self, raw: object, path: str) -> Statement:
        entry = self._table(raw, path)
        self._keys(entry, f"{path}.", {"title", "text"})
        text = self._line(entry["text"], f"{path}.text", at_most=1500)
        if "[" not in text or text.count("[") != text.count("]"):
            self._wrong(f"{path}.text", "blanks in square brackets, such as [day and time]")
        return Statement(self._line(entry["title"], f"{path}.title", at_most=80), text)

    def _own_card(self, raw: object, path: str) -> Card:
        entry = self._table(raw, path)
        self._keys(entry, f"{path}.", {"title", "do", "dont"})
        title = self._line(entry["title"], f"{path}.title", at_most=80)
        return Card(title, self._list(entry, path, "do"), self._list(entry, path, "dont"))

    def _list(self, entry: Mapping[str, Any], path: str, key: str) -> tuple[str, ...]:
        lines = entry[key]
        if not isinstance(lines, list) or not lines or len(lines) > 10:
            self._wrong(f"{path}.{key}", "a list of one to ten sentences")
        return tuple(self._line(line, f"{path}.{key}[{n}]", at_most=300) for n, line in enumerate(lines))

    def _line(self, value: object, path: str, *, at_most: int) -> str:
        if not isinstance(value, str) or not value.strip() or len(value) > at_most or not value.isprintable():
            self._wrong(path, f"one line of text of at most {at_most} characters")
        return str(value).strip()

    def _table(self, raw: object, path: str) -> Mapping[str, Any]:
        if not isinstance(raw, Mapping):
            self._wrong(path, "a table")
        return raw

    def _keys(self, entry: Mapping[str, Any], prefix: str, known: set[str]) -> None:
        for key in sorted(known - set(entry)):
            self._wrong(f"{prefix}{key}", "a value, but it is missing")
        for key in sorted(set(entry) - known):
            self._wrong(f"{prefix}{key}", f"one of {', '.join(sorted(known))}")

    def _wrong(self, path: str, expected: str) -> NoReturn:
        raise CardsError(f"{self._file}: {path}: expected {expected}.")
