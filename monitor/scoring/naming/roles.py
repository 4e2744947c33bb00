"""Where a text speaks of somebody by what she does here: "the CEO", "your director", "whoever runs this place"."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import replace
from functools import lru_cache

from monitor.scoring.naming.described import Described
from monitor.scoring.naming.forms import Strength, is_slip, pieces_of_name
from monitor.scoring.naming.saying import Finding
from monitor.scoring.naming.tokens import Sort, Token, pieces_of
from monitor.scoring.naming.words import Words, bag, joined
from monitor.scoring.text import readable

_THE = bag(
    """the your yr ur ya this that these their its da tha la el le pani pana pan youre whole mr mrs ms miss mister
    madam madame sir senor senora monsieur yer thy"""
)
_NOT_OURS = bag(
    """a an any another every some each other my his her mine former ex previous old last no which these those first
    one two"""
)
_BETWEEN = bag(
    """very own big main actual current present so called new great good lovely wonderful brave useless wretched bloody
    precious dear beloved esteemed honourable executive acting interim grand shiny fancy top overall"""
)
_JOINTS = bag(
    """, ( ) - : as the our your who is whos own that aka was their its this he she s called – — " and being shes hes
    thats made to call were in a on x / = us tuk """
)
_FIRM = bag("director chairman chairwoman chairperson managing dyrektor chief")
_NO_SLIPS = bag("directory directors directly executives chiefs trustee chairmen thief director")
_WHO_OR_WHERE = bag("who that where why how what . , ! ? ;") | {"\n"}
_ROLE_WORDS = ("executive", "director", "chairman", "chairwoman", "chairperson", "trustees", "chief", "managing")
_PLACED = bag("manager general executive head man woman president")
_OF = bag("@ of at for from over in to de du des del")
_GREETING = bag("dear hi hello hey")
_OUR_PLACE = bag("""this the your here that whole a youth childrens kids local so called entire uk own big board of""")


class Roles:
    """Finds people by their roles. ``present``: those that the settings name; ``names``: what the house is called."""

    def __init__(self, words: Words, present: frozenset[str], names: Iterable[str], everyday: frozenset[str]) -> None:
        self._words = words
        self._everyday = everyday
        self._roles = [role for role in words.plain_roles if role in present]
        self.ours = words.ours | frozenset(_house(names))
        self._mended = lru_cache(maxsize=10_000)(self._mend)
        self._described = Described(words, self.ours)
        self._begins = self._described.begins
        for role in self._roles:
            self._begins |= frozenset((*words.plain_roles[role].by_first, *words.bound_roles[role].by_first))

    def beside(self, tokens: Sequence[Token], named: list[Finding]) -> list[Finding]:
        """The people in ``named`` and those who are spoken of by role, joined where they stand side by side."""
        folded = tuple(self._mended(token.word) for token in tokens)
        taken = {n for finding in named for n in range(finding.start, finding.end)}
        found = list(named)
        at = free = 0
        while at < len(tokens):
            skip = folded[at] not in self._begins or at in taken
            finding = None if skip else self._at(tokens, folded, at, named, free)
            if finding is None:
                free = at + 1 if at in taken else free
                at += 1
            else:
                found.append(finding)
                at = free = finding.end
        found.sort(key=lambda finding: (finding.start, finding.end))
        return [f for f in _side_by_side(tokens, found) if not f.lettered or self._acts(tokens, folded, f)]

    def _acts(self, tokens: Sequence[Token], folded: tuple[str, ...], finding: Finding) -> bool:
        """Whether initials do or have something; without that two capital letters are anything."""
        start, end = finding.start, finding.end
        around = [t.raw for t in (*tokens[max(0, start - 1) : start], *tokens[end : end + 1]) if t.sort is Sort.WORD]
        if any(raw.isupper() and len(raw) > 2 for raw in around):
            return False
        before, after = folded[start - 1] if start else "", folded[end : end + 4]
        if tokens[end - 1].owns or before == "by" or self._words.is_deed(after):
            return True
        if before in {"saw", "heard", "watched", "seen", "caught", "see", "let", "under"}:
            return True
        if folded[max(0, start - 2) : start] == ("according", "to") or {"he", "she"}.intersection(
            folded[end : end + 8]
        ):
            return True
        if before in {"ask", "is", "was", "its"} and (not after or after[0] in _WHO_OR_WHERE):
            return True
        return after[:1] in {("and",), ("&",)} and before in {"", ".", ",", "\n", "so", "that", "because"}

    def _mend(self, word: str) -> str:
        """A slip of the finger in a word for a role, undone."""
        if len(word) < 5 or word in self._everyday or word in _NO_SLIPS or word[0] not in "cdemt":
            return word
        return next((right for right in _ROLE_WORDS if is_slip(word, right)), word)

    def in_tag(self, tag: str) -> str | None:
        """The role that a handle, hashtag, mailbox or link speaks of: ``#SackTheCEO``, ``director@``, ``/tuk-boss``."""
        pieces = tuple(pieces_of(tag)[:30])
        whole = joined(pieces)
        house = any(piece in self.ours or piece in {"the", "our", "your"} for piece in pieces) or self._has_house(whole)
        for role in self._roles:
            plain, bound = self._words.plain_roles[role], self._words.bound_roles[role]
            if any(plain.at(pieces, n) for n in range(len(pieces))) or whole in plain.joined or whole.endswith(role):
                return role
            if whole in bound.joined or house and any(bound.at(pieces, n) for n in range(len(pieces))):
                return role
        return None

    def _has_house(self, whole: str) -> bool:
        return any(len(name) > 5 and name in whole for name in self.ours - self._words.ours)

    def _at(
        self, tokens: Sequence[Token], folded: tuple[str, ...], at: int, named: list[Finding], free: int
    ) -> Finding | None:
        if tokens[at].sort is not Sort.WORD:
            return None
        for role in self._roles:
            length = self._words.plain_roles[role].at(folded, at)
            if length and self._is_ours(tokens, folded, at, at + length, named, bound=False):
                ours = folded[max(0, at - 2) : at]
                return Finding(role, at, at + length, Strength.LAST, Sort.WORD, by_role=True, doubtful="our" in ours)
        plainly = max((self._words.plain_roles[role].at(folded, at) for role in self._roles), default=0)
        for role in self._roles:
            length = self._words.bound_roles[role].at(folded, at)
            if length > plainly and self._is_ours(tokens, folded, at, at + length, named, bound=True):
                of = folded[at + length : at + length + 4]
                if of[:1] == ("of",) and {"board", "trustees"}.intersection(of) and "chair" in self._roles:
                    return Finding("chair", at, at + length, Strength.LAST, Sort.WORD, by_role=True)
                if folded[at] == "chair" and folded[at + 1 : at + 2] and folded[at + 1] in self._words.furniture:
                    continue
                if folded[at] in _PLACED and not self._names_house(tokens, folded, at, at + length):
                    continue
                loose = folded[at] not in _FIRM and self._after(tokens, folded, at + length) != "ours"
                return Finding(
                    role,
                    at,
                    at + length,
                    Strength.LAST,
                    Sort.WORD,
                    by_role=True,
                    loose=loose,
                    doubtful=folded[at - 1 : at] == ("our",),
                )
        return self._by_what_she_does(tokens, folded, at, free)

    # ── whose ──

    def _is_ours(
        self,
        tokens: Sequence[Token],
        folded: tuple[str, ...],
        start: int,
        end: int,
        named: list[Finding],
        *,
        bound: bool,
    ) -> bool:
        if start and folded[start - 1] in self._words.other_before and not tokens[start - 1].owns:
            return False
        if start > 1 and folded[start - 1] == "-" and folded[start - 2] in self._words.other_before:
            return False
        behind_her_back = "behind" in folded[max(0, start - 3) : start]
        if (
            end < len(folded)
            and not behind_her_back
            and (
                folded[end] in self._words.other_after
                or (tokens[end - 1].owns and folded[end] in {"cut", "chair", "chairs"})
            )
        ):
            return False
        beside = any(f.start - end in range(3) or start - f.end in range(4) for f in named)
        after = self._after(tokens, folded, end)
        if after == "other":
            return False
        before = self._before(tokens, folded, start)
        if before == "other":
            return after == "ours"
        if before == "ours" or after == "ours":
            return not self._is_somebody_else(tokens, end, named)
        if beside:
            return True
        return (not bound or self._stands_alone(tokens, start, end)) and not self._is_somebody_else(tokens, end, named)

    def _names_house(self, tokens: Sequence[Token], folded: tuple[str, ...], start: int, end: int) -> bool:
        """Our house is named right before or after: "Tessellate's manager", "manager of the whole charity"."""
        return (start > 0 and self._holds_house(tokens[start - 1])) or self._after(tokens, folded, end) == "ours"

    def _before(self, tokens: Sequence[Token], folded: tuple[str, ...], start: int) -> str:
        at = start - 1
        for _ in range(3):
            if at < 0 or tokens[at].sort is Sort.MARK and tokens[at].raw not in "-'\"":
                return ""
            if tokens[at].owns:
                return "ours" if folded[at] in self.ours or self._holds_house(tokens[at]) else "other"
            if self._holds_house(tokens[at]):
                return "ours"
            if folded[at] in _NOT_OURS:
                return "other"
            if folded[at] in _THE:
                return "ours"
            if folded[at] == "our":
                return "ours"
            if folded[at] not in _BETWEEN and tokens[at].sort is Sort.WORD:
                return ""
            at -= 1
        return ""

    def _after(self, tokens: Sequence[Token], folded: tuple[str, ...], end: int) -> str:
        at = end
        if at < len(folded) and tokens[end - 1].owns:
            return ""
        if folded[end - 1 : end + 1] == ("head", "there"):
            return "ours"
        if at >= len(folded) or folded[at] not in _OF:
            return ""
        word = folded[at]
        for n in range(at + 1, min(at + 6, len(folded))):
            if folded[n] in self.ours or self._holds_house(tokens[n]):
                return "ours"
            if folded[n] in {"you", "here", "us"} and n == at + 1:
                return "ours"
            if folded[n] in self._words.other_places:
                return "other"
            if n == at + 1 and folded[n] in {"my", "our", "his", "her"}:
                return "other"
            if word == "of" and tokens[n].sort is Sort.WORD:
                continue
            if folded[n] not in _OUR_PLACE or tokens[n].sort is Sort.MARK:
                capital = tokens[n].capital and folded[n] not in self._everyday and word != "in"
                return "other" if word == "of" or capital else ""
        return "other" if word == "of" else ""

    def _is_somebody_else(self, tokens: Sequence[Token], end: int, named: list[Finding]) -> bool:
        """ "CEO Jane Smith": a name that is nobody's of ours follows."""
        run = tokens[end : end + 2]
        if len(run) < 2 or any(f.start - end in range(2) for f in named):
            return False
        return all(
            t.sort is Sort.WORD and t.capital and not t.raw.isupper() and t.word not in self._everyday for t in run
        )

    def _stands_alone(self, tokens: Sequence[Token], start: int, end: int) -> bool:
        """ "(director)", or "Dear director,"."""
        before = tokens[start - 1].raw if start else "."
        after = tokens[end].raw if end < len(tokens) else "."
        opens = start == 0 or tokens[start - 1].raw in {".", "!", "?", "\n"}
        accused = after == "," and end + 1 < len(tokens) and tokens[end + 1].word in {"you", "why", "stop", "shame"}
        if opens and accused:
            return True
        greeted = (
            start > 0 and tokens[start - 1].word in _GREETING and after in {",", ":", ".", "-", "you", "please", "why"}
        )
        return greeted or (before == "(" and after == ")")

    def _holds_house(self, token: Token) -> bool:
        if token.sort is Sort.WORD:
            return token.word in self.ours or (token.word[-1:] == "s" and token.word[:-1] in self.ours)
        return token.sort is Sort.TAG and joined(pieces_of(token.raw)) in self.ours

    def _by_what_she_does(self, tokens: Sequence[Token], folded: tuple[str, ...], at: int, free: int) -> Finding | None:
        """Somebody described; ``free``: where the finding before has ended."""
        found = self._described.at(tokens, folded, at) if folded[at] in self._described.begins else None
        if found is None or found[0] not in self._roles:
            return None
        role, start, end = found
        return Finding(role, max(start, free), end, Strength.LAST, Sort.WORD, by_role=True, described=True)


def _house(names: Iterable[str]) -> Iterable[str]:
    for name in names:
        pieces = [piece for word in readable(name).split() for piece in pieces_of_name(word.strip("#@"))]
        yield joined(pieces)
        if len(pieces) > 1 and len(pieces[0]) > 4:
            yield pieces[0]


def _side_by_side(tokens: Sequence[Token], found: list[Finding]) -> list[Finding]:
    """A name and a role with nothing but joints between are one; a role beside somebody else's name is that other's."""
    out: list[Finding] = []
    for finding in found:
        last = out[-1] if out else None
        between = tokens[last.end : finding.start] if last else []
        if last is not None and (last.lettered or finding.lettered) and last.role != finding.role and between == []:
            out[-1:] = [one for one in (last, finding) if not one.lettered]
        elif last is None or last.by_role == finding.by_role or len(between) > 7 or not _are_joints(between):
            out.append(finding)
        elif last.role == finding.role:
            out[-1] = replace(
                last,
                end=finding.end,
                strength=Strength.SURE,
                by_role=False,
                loose=False,
                doubtful=False,
                lettered=False,
                apposed=True,
            )
        elif last.by_role and len(between) < 2:
            out[-1] = replace(finding, start=last.start)
        elif finding.described and not last.by_role:
            continue
        elif not last.by_role:
            out[-1] = replace(last, end=finding.end, strength=max(last.strength, Strength.LAST))
        else:
            out.append(finding)
    return out


def _are_joints(between: Sequence[Token]) -> bool:
    return all(token.word in _JOINTS for token in between)
