"""Where a text speaks of somebody by what she does, without a word for it: "the man who heads the organisation"."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from monitor.scoring.naming.tokens import Sort, Token, pieces_of
from monitor.scoring.naming.words import Words, bag, joined

_OF = bag("@ of at for from over in to")
_AROUND = bag("""this the your here that whole a youth childrens kids local so called entire uk own big very""")
_BOARD = bag("board boards trustees trustee")
_OF_BOARD = bag("meeting meetings them all others other of")
_US = bag("you us here there")
_EVERYTHING = bag("everything everybody everyone all lot")
_BEFORE_THIRD = bag("who that is was he she whos hes shes whoever actually what wot person one now really currently")
_LINKS = bag("who that whos is was are s actually currently now really which supposedly claims to be - , been being")
_ALL = bag("everybody everyone all you they staff managers workers whole we us")
_ARTICLES = bag("the your that this our a an whole entire whole")


@dataclass(frozen=True, slots=True)
class Place:
    """Where the mention of our house ends, and whether it is the board that is named."""

    end: int
    board: bool


class Described:
    """Finds whoever leads our house or its board by a description. ``ours``: what the house is called."""

    def __init__(self, words: Words, ours: frozenset[str]) -> None:
        self._words = words
        self._ours = ours
        lists = words.described
        self.begins = lists.leads | lists.leading | lists.chairs | lists.best
        self.begins |= frozenset({*lists.top.by_first, *lists.answers.by_first})

    def at(self, tokens: Sequence[Token], folded: tuple[str, ...], at: int) -> tuple[str, int, int] | None:
        """Whose role the words at ``at`` describe, and from where to where."""
        found = (
            self._chairing(tokens, folded, at)
            or self._leading(tokens, folded, at)
            or self._at_the_top(tokens, folded, at)
            or self._highest(tokens, folded, at)
            or self._answered_to(folded, at)
        )
        return None if found is None else (found[0], self._start(folded, at), found[1])

    # ── the ways ──

    def _chairing(self, tokens: Sequence[Token], folded: tuple[str, ...], at: int) -> tuple[str, int] | None:
        if folded[at] not in self._words.described.chairs:
            return None
        place = self._place(tokens, folded, at + 1, us=True)
        said = at + 2 if folded[at + 1 : at + 2] in {("your",), ("the",)} else at + 1
        if place is None and self._has_person(folded, at) and folded[said : said + 1] in {("it",), ("meetings",)}:
            place = Place(said + 1, board=True)
        return None if place is None else ("chair", place.end)

    def _leading(self, tokens: Sequence[Token], folded: tuple[str, ...], at: int) -> tuple[str, int] | None:
        lists = self._words.described
        leads = folded[at] in lists.leads
        if not leads and folded[at] not in lists.leading:
            return None
        before = folded[at - 1] if at else ""
        third = leads or before in _BEFORE_THIRD or (folded[at].endswith("ing") and before in lists.person)
        third = third or (before == "to" and "whose" in folded[max(0, at - 7) : at])
        first = at + 2 if folded[at + 1 : at + 2] == ("up",) else at + 1
        place = self._place(tokens, folded, first) if third else None
        if folded[at : at + 2] == ("heads", "up") and not self._has_person(folded, at):
            return None
        if place is None and leads and self._has_person(folded, at):
            place = self._all_of_it(folded, first)
        return None if place is None else (_role(place), place.end)

    def _at_the_top(self, tokens: Sequence[Token], folded: tuple[str, ...], at: int) -> tuple[str, int] | None:
        length = self._words.described.top.at(folded, at)
        if not length:
            return None
        end = at + length
        if folded[end : end + 1] and folded[end] in _OF:
            place = self._place(tokens, folded, end + 1, us=True) or self._all_of_it(folded, end + 1)
            if place is None and folded[end] not in {"at", "to", "for", "in"}:
                return None
            if place is not None:
                return _role(place), place.end
        named = self._has_person(folded, at) or self._is_person(folded[end : end + 3])
        return ("ceo", end + (folded[end : end + 1] in {("there",), ("here",)})) if named else None

    def _highest(self, tokens: Sequence[Token], folded: tuple[str, ...], at: int) -> tuple[str, int] | None:
        """ "Your most senior person", "the top job at the charity", "your main trustee"."""
        lists = self._words.described
        if folded[at] not in lists.best:
            return None
        end = at + 1
        while end < min(at + 3, len(folded)) and folded[end] in lists.ranks:
            end += 1
        if end >= len(folded) or folded[end] not in lists.holds | _BOARD:
            return None
        if folded[end] in _BOARD:
            return "chair", end + 1
        place = (
            self._place(tokens, folded, end + 2, us=True)
            if folded[end + 1 : end + 2] and folded[end + 1] in _OF
            else None
        )
        if place is not None:
            return _role(place), place.end
        whose = at and (folded[at - 1] in {"your", "yr", "ur"} or self._holds_house(tokens[at - 1]))
        return ("ceo", end + 1) if whose or folded[end + 1 : end + 2] in {("there",), ("here",)} else None

    def _answered_to(self, folded: tuple[str, ...], at: int) -> tuple[str, int] | None:
        """ "The one everybody answers to", "whoever you all report to"."""
        length = self._words.described.answers.at(folded, at)
        if not length or not _ALL.intersection(folded[max(0, at - 3) : at]) or not self._has_person(folded, at, 7):
            return None
        return "ceo", at + length

    # ── whose ──

    def _place(self, tokens: Sequence[Token], folded: tuple[str, ...], at: int, *, us: bool = False) -> Place | None:
        """Our house, named from ``at`` on within a few words."""
        for n in range(at, min(at + 6, len(folded))):
            if folded[n] in _BOARD:
                while folded[n + 1 : n + 2] and folded[n + 1] in _OF_BOARD | _BOARD | {"the", "your"}:
                    n += 1
                return Place(n + 1, board=True)
            here = folded[n] in self._words.described.show or (us and n < at + 3 and folded[n] in _US)
            if here or folded[n] in self._ours or self._holds_house(tokens[n]):
                after = folded[n + 1] if n + 1 < len(folded) else ""
                if after in _BOARD:
                    return Place(n + 2, board=True)
                return (
                    None
                    if after in self._words.other_places or after in self._words.described.parts
                    else Place(n + 1, board=False)
                )
            if folded[n] not in _AROUND and folded[n] not in _EVERYTHING | {"of", "up"}:
                return None
        return None

    def _all_of_it(self, folded: tuple[str, ...], at: int) -> Place | None:
        """ "It all", "everything there", "the whole lot", "it" of which the text has spoken."""
        end = at
        while end < min(at + 4, len(folded)) and folded[end] in _EVERYTHING | {
            "it",
            "the",
            "whole",
            "up",
            "of",
            "you",
            "there",
            "here",
        }:
            end += 1
        if not {"it", *_EVERYTHING}.intersection(folded[at:end]):
            return None
        board = folded[end : end + 1] and folded[end] in {"others", "other"}
        return Place(end, board=bool(board and "trustee" in folded[max(0, at - 8) : at]))

    def _has_person(self, folded: tuple[str, ...], at: int, within: int = 4) -> bool:
        return any(word in self._words.described.person for word in folded[max(0, at - within) : at])

    def _is_person(self, words: tuple[str, ...]) -> bool:
        return any(word in self._words.described.person for word in words)

    def _start(self, folded: tuple[str, ...], at: int) -> int:
        """Where the description begins: at the person, before "who" and "that"."""
        n = at
        while n and at - n < 6 and (folded[n - 1] in _LINKS or folded[n - 1] in _ALL | _ARTICLES):
            n -= 1
        if n and folded[n - 1] in self._words.described.person:
            return n - 1
        return at

    def _holds_house(self, token: Token) -> bool:
        if token.sort is Sort.WORD:
            return token.word in self._ours or (token.word[-1:] == "s" and token.word[:-1] in self._ours)
        return token.sort is Sort.TAG and joined(pieces_of(token.raw)) in self._ours


def _role(place: Place) -> str:
    return "chair" if place.board else "ceo"
