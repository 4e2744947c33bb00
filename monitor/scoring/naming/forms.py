"""The forms in which a person's name is written, and where they stand in a text."""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Sequence
from enum import IntEnum
from functools import lru_cache

from monitor.model import Named
from monitor.scoring.naming.tokens import Sort, Token, pieces_of, plain
from monitor.scoring.naming.words import Words, bag, joined
from monitor.scoring.text import readable


class Strength(IntEnum):
    """How surely a form of a name means this person."""

    FIRST = 1
    LAST = 2
    SURE = 3


class _Fit(IntEnum):
    """How well a word fits a part of a name."""

    NONE = 0
    INITIAL = 1
    HALF = 2
    FAR = 3
    SHORT = 4
    NEAR = 5
    EXACT = 6


_SPELLINGS = (("ö", "oe"), ("ä", "ae"), ("ü", "ue"), ("å", "aa"), ("ø", "oe"))
_PERSONAL = bag("""told said says knew knows lied lies sold stole hit touched sacked must should
    needs wants thinks blocked resigned hid shouted lets owns refused ignored threatened bullied u""")
"""What only a person does: before it a name that is a word needs no capital."""
AT_THE_TOP = bag("head hq headquarters office offices management leadership top upstairs")
"""Where somebody works who is ours, after her first name."""
_HUMP = re.compile("[a-z][A-Z]")
_TELL = bag("tell telling told inform informing warn warning")
_TO = bag("to with from 2")
_VERBS = bag("will may hope mark can do so an in to he she long no on ho rob sue")
_MINE = bag("your my our off out away me us")
_THIS = bag("this it that anything everything them not secret these")
_SHUT = bag(". , ! ? ; : please pls or and because as but - ) so until") | {"\n"}
_JOINS = bag("what that because how when why if where said think know saw heard")
_OPENS = bag(". ! ? hey hi hello dear oh please pls") | {"\n", '"', "'"}
_CALLED_UPON = bag("please pls plz why stop dont cannot cant")
_LONG = 8
"""Letters from which a family name may be written with two slips beside the right first name; one fewer where the
length is about kept ("Ó Briain", "O'Brien")."""
_PARTS = 5
"""Words over which one part of a name is looked for, as "Ní Bhriain" is two."""


class Forms:
    """One name in all its forms. ``everyday``: words that are never taken for a slip of the finger."""

    def __init__(self, person: Named, name: str, words: Words, everyday: frozenset[str]) -> None:
        self.role = person.role
        self._words = words
        self._everyday = everyday | words.deeds
        parts = bare_name(name, words)
        given, middle, last = _taken_apart(parts, words)
        self.single = not given
        self._pieces = [pieces_of_name(part) for part in (*given, *middle, *last)]
        given_pieces = [piece for part in given for piece in pieces_of_name(part)]
        middle_pieces = [piece for part in middle for piece in pieces_of_name(part)]
        last_pieces = [piece for part in last for piece in pieces_of_name(part)]
        bare = [piece for piece in last_pieces if piece not in words.particles] or last_pieces
        self.last = _spelt(last) | {joined(last_pieces), joined([*middle_pieces, *last_pieces])}
        if len(bare) > 1 or len(bare) < len(last_pieces):
            self.halves = frozenset(p for p in (*bare, joined(bare)) if len(p) > 2) - self.last
        else:
            self.halves = frozenset()
        self.middles = frozenset(p for p in middle_pieces if len(p) > 2)
        first = _spelt(given) | {joined(given_pieces), joined([*given_pieces, *middle_pieces])}
        if given_pieces and "-" not in "".join(given):
            first |= {given_pieces[0]}
        self.first = frozenset(name for name in first if len(name) > 1)
        self.shorts = frozenset(s for f in self.first for s in words.nicknames.get(f, ())) - self.first
        letters = [piece[0] for piece in (*given_pieces, *middle_pieces)]
        self.initials = frozenset({joined(letters), *letters[:1], joined(p[0] for p in given_pieces)}) - {""}
        self.last_initials = frozenset({last_pieces[0][0], bare[0][0], joined(p[0] for p in last_pieces)})
        capitals = joined(plain(sign) for part in last for sign in part if sign.isupper())
        self.last_initials |= frozenset(capitals[-1:])
        self.all_initials = joined([*letters, *(p[0] for p in last_pieces)])
        irish = joined(
            [*letters, *(p[0] + ("s" if "'" in readable(name) and p[:2] == "os" else "") for p in last_pieces)]
        )
        self._letter_runs = frozenset({self.all_initials, irish})
        by_last = ([p[0] for p in bare], bare[-1][0], capitals, capitals[-1:])
        runs = self._letter_runs | {joined((*begun, *family)) for begun in (letters, letters[:1]) for family in by_last}
        self.letters = frozenset(run for run in runs if 1 < len(run) < 5) - words.abbreviations
        if letters and all(len(piece) == 1 for piece in given_pieces):
            said = {letter: sound for sound, letter in words.letters.items()}
            self.first |= {joined(letters), joined(said.get(letter, letter) for letter in letters)}
        wordlike = words.words_too | everyday
        self.wordlike = all(piece in wordlike for piece in (*given_pieces, *last_pieces))
        self._words_too = (self.first | self.last) & wordlike
        self._sure, self._long = self._in_one_word()
        pieces = frozenset((*given_pieces, *middle_pieces, *last_pieces))
        self._begins = self.first | self.last | self.shorts | self.halves | self.initials | self._letter_runs | pieces
        self._first_fit = lru_cache(maxsize=4_000)(self._fit_first)
        self._last_fit = lru_cache(maxsize=4_000)(self._fit_last)

    def _in_one_word(self) -> tuple[frozenset[str], frozenset[str]]:
        """What makes up a handle by itself, and what is long enough to be looked for inside one."""
        lasts = self.last | {half for half in self.halves if len(half) > 3}
        names = self.first | self.shorts
        sure = {first + last for first in names | self.initials for last in lasts}
        sure |= {last + first for first in self.first for last in lasts}
        sure |= {first + letters for first in self.first for letters in self.last_initials if len(letters) > 1}
        if len(self.all_initials) > 3:
            sure.add(self.all_initials)
        return frozenset(sure), frozenset(first + last for first in names for last in self.last)

    # ── in running text ──

    def at(self, tokens: Sequence[Token], start: int) -> tuple[int, Strength] | None:
        """Whether the name begins at ``start``: where it ends, and how sure it is."""
        return (
            self._titled(tokens, start)
            or self._full(tokens, start)
            or self._honoured(tokens, start)
            or self._alone(tokens, start)
        )

    def may_begin(self, word: str) -> bool:
        """Whether the name could begin with ``word``: nobody else's words need the long look of ``at``."""
        if word in self._words.titles or word in self._begins or word in self._sure:
            return True
        begun = any(name.startswith(word) for name in self._begins)
        if len(word) < 3:
            return begun and word in self._words.particles
        if begun or self._is_everyday(word):
            return begun or (word[-1] == "s" and word[:-1] in self._begins)
        slipped = len(word) > 3 and any(_begins_like(name, word) for name in self._begins)
        return slipped or (len(word) > 7 and any(is_slip(word, form) for form in self._long))

    def _titled(self, tokens: Sequence[Token], start: int) -> tuple[int, Strength] | None:
        if tokens[start].word not in self._words.titles:
            return None
        at = _skip(tokens, start + 1, ".")
        if at < len(tokens) and tokens[at].word in self._words.titles:
            at = _skip(tokens, at + 1, ".")
        full = self._full(tokens, at)
        if full is not None:
            return full[0], Strength.SURE
        end, fit = self._longest(tokens, at, last=True)
        if fit in {_Fit.EXACT, _Fit.NEAR, _Fit.HALF}:
            return end, Strength.SURE
        end, fit = self._longest(tokens, at, last=False)
        if fit is _Fit.EXACT or (fit is _Fit.NEAR and self.single):
            return end, Strength.SURE
        if at < len(tokens) and tokens[at].word in self.middles:
            return at + 1, Strength.SURE
        dotted = at + 1 < len(tokens) and tokens[at + 1].raw == "."
        if at < len(tokens) and tokens[at].word in self.last_initials and tokens[at].capital and dotted:
            return at + 2, Strength.LAST
        return None

    def _full(self, tokens: Sequence[Token], start: int) -> tuple[int, Strength] | None:
        if self.single or start >= len(tokens):
            return None
        for length in range(min(_PARTS, len(tokens) - start), 0, -1):
            first = self._run(tokens, start, length, last=False)
            if first is _Fit.NONE:
                continue
            at = self._past_middle(tokens, _skip(tokens, start + length, ".-_"))
            end, last = self._longest(tokens, at, last=True)
            if _make_a_name(first, last) and self._is_no_word(tokens[start:end], first, tokens[end : end + 4]):
                return end, Strength.SURE
            if (letter := self._first_and_letter(tokens, start + length, first)) is not None:
                return letter, Strength.SURE
        return self._reversed(tokens, start) or self._letters(tokens, start)

    def _first_and_letter(self, tokens: Sequence[Token], at: int, first: _Fit) -> int | None:
        """ "Rowan A." and "ruth f, chair": the first name with the letter of the last."""
        if first not in {_Fit.EXACT, _Fit.NEAR} or at >= len(tokens) or tokens[at].word not in self.last_initials:
            return None
        follows = tokens[at + 1].raw if at + 1 < len(tokens) else ""
        then = tokens[at + 2].raw if at + 2 < len(tokens) else ""
        plainly = tokens[at].word in {"a", "i"} and not (follows == "." and (tokens[at].capital or then[:1].islower()))
        dotted = follows in {".", ",", ""} or (tokens[at].capital and len(tokens[at].raw) == 1)
        dotted = dotted or (tokens[at].word not in {"a", "i"} and self._acts(tokens, at + 1))
        return None if plainly or not dotted else at + (2 if follows == "." else 1)

    def _reversed(self, tokens: Sequence[Token], start: int) -> tuple[int, Strength] | None:
        end, last = self._longest(tokens, start, last=True)
        if last is not _Fit.EXACT:
            return None
        at, first = self._longest(tokens, _skip(tokens, end, ","), last=False)
        return (at, Strength.SURE) if first is _Fit.EXACT else None

    def _letters(self, tokens: Sequence[Token], start: int) -> tuple[int, Strength] | None:
        """ "T. B-L" and "M.-K. O'S.-R.": capital letters alone, with signs between."""
        at, seen = start, ""
        while at < len(tokens) and len(seen) < 8:
            raw = tokens[at].raw.replace("'", "")
            if not (raw.isupper() and raw.isalpha() and len(raw) <= 2):
                break
            seen += plain(raw)
            at = _skip(tokens, at + 1, ".-")
        signed = at - start > len(seen)
        return (at, Strength.SURE) if signed and len(seen) > 2 and seen in self._letter_runs else None

    def _alone(self, tokens: Sequence[Token], start: int) -> tuple[int, Strength] | None:
        word = tokens[start].word
        if len(word) > 7 and (word in self._sure or any(is_slip(word, form) for form in self._long)):
            return start + 1, Strength.SURE
        if word in self._sure and self._is_run_together(tokens[start]):
            return start + 1, Strength.SURE
        end, last = self._longest(tokens, start, last=True)
        word = joined_words(tokens[start:end])
        half = last is _Fit.HALF and len(word) > 3
        half = half and (not self._is_everyday(word) or (tokens[start].capital and self._is_personal(tokens, end)))
        if last is _Fit.EXACT or half or (last is _Fit.NEAR and len(word) > 5):
            return (end, Strength.LAST) if self._stands_out(tokens, start, end) else None
        end, first = self._longest(tokens, start, last=False)
        listed = first is _Fit.SHORT and tokens[start].word in self.shorts and not self._is_everyday(tokens[start].word)
        near = first is _Fit.NEAR and (len(tokens[start].word) > 5 or self._is_slip_that_acts(tokens, start, end))
        if first is _Fit.EXACT or listed or near:
            return (end, Strength.FIRST) if self._stands_out(tokens, start, end) else None
        return None

    def _is_personal(self, tokens: Sequence[Token], at: int) -> bool:
        return at < len(tokens) and (tokens[at].word in _PERSONAL or tokens[at].word in self._words.personal)

    def _is_slip_that_acts(self, tokens: Sequence[Token], start: int, end: int) -> bool:
        """ "Rowam hit him", not "Ronan hit him": a slip in a short first name that gives nobody else's name."""
        word, first = tokens[start].word, any(len(name) > 4 for name in self.first)
        others = self._words.first_names | self._words.nicknames.keys()
        return first and len(word) > 3 and word not in others and self._is_personal(tokens, end)

    def _is_run_together(self, token: Token) -> bool:
        """ "JoyKing", and "alikhan" where that is no word."""
        return _HUMP.search(token.raw) is not None or (token.word in self._long and not self._is_everyday(token.word))

    def _honoured(self, tokens: Sequence[Token], start: int) -> tuple[int, Strength] | None:
        """ "Zeynep Hanım", "Singh sahib": a title that stands behind."""
        end, first = self._longest(tokens, start, last=False)
        if first is not _Fit.EXACT:
            end, first = self._longest(tokens, start, last=True)
        honoured = end < len(tokens) and tokens[end].word in self._words.titles_behind
        return (end + 1, Strength.SURE) if first is _Fit.EXACT and honoured else None

    def _stands_out(self, tokens: Sequence[Token], start: int, end: int) -> bool:
        """A name that is a word too needs its capital, and at the start of a sentence something that she did or has."""
        token = tokens[start]
        if token.word not in self._words_too or (token.word in self.first and self._is_called_upon(tokens, start, end)):
            return True
        if not token.capital and (not start or tokens[start - 1].raw in {".", "!", "?", "\n"}):
            return end < len(tokens) and tokens[end].word in _PERSONAL
        if not token.capital or (start and tokens[start - 1].raw not in ".!?\n\"'" and tokens[start - 1].raw.isupper()):
            return token.capital and self._acts(tokens, end)
        opens = not start or tokens[start - 1].raw in {".", "!", "?", "\n", '"', "'"}
        return not opens or token.owns or self._acts(tokens, end)

    def _is_called_upon(self, tokens: Sequence[Token], start: int, end: int) -> bool:
        """ "Don't tell grace", "keep this from mark", "Hope please stop", "will's boss": a name, however written."""
        after = tokens[end].word if end < len(tokens) else ""
        if tokens[start].owns and after in self._words.plea.superiors:
            return True
        before = [token.word for token in tokens[max(0, start - 2) : start]]
        if before[-1:] and before[-1] in _TELL or (before[-1:] == ["let"] and after in self._words.plea.hears):
            return True
        does = after == "posted" or after in _PERSONAL
        if does and before[-1:] and before[-1] in _JOINS:
            return True
        if before[-1:] and before[-1] in _TO and len(before) > 1 and before[0] in _THIS:
            return not after or after in _SHUT
        opens = tokens[start].capital and (not before or before[-1] in _OPENS)
        you = [token.word for token in tokens[end : end + 4]]
        if opens and after in {"from", "at", "in"} and AT_THE_TOP.intersection(you):
            return True
        greeted = before[-1:] and before[-1] in {"dear", "hi", "hello", "hey"}
        opens_or_greeted = (opens and self._is_said_to(tokens, _skip(tokens, end, ":-!"))) or bool(greeted)
        if opens_or_greeted and tokens[start].word not in _VERBS:
            return True
        accused = you[:1] == ["you"] and (len(you) > 1 and you[1] in self._words.personal and you[1].endswith("ed"))
        return opens and (after in _CALLED_UPON or bool(accused))

    @staticmethod
    def _is_said_to(tokens: Sequence[Token], at: int) -> bool:
        """ "Rowan you ...", "Rowan I ...", "Rowan get your hands off", "Rowan when are you going to stop"."""
        words = [token.word for token in tokens[at : at + 9]]
        if words[:1] and words[0] in {"get", "keep", "leave"}:
            return bool(_MINE.intersection(words[1:2]))
        if words[:1] and words[0] in {"when", "how"}:
            return "stop" in words
        if at and tokens[at - 1].sort is Sort.MARK and words[:1] and words[0] in _CALLED_UPON:
            return True
        return words[:1] in (["you"], ["u"], ["i"])

    def _acts(self, tokens: Sequence[Token], at: int) -> bool:
        if at >= len(tokens):
            return False
        return tokens[at].word in {",", "("} or self._words.is_deed(tuple(token.word for token in tokens[at : at + 4]))

    def _is_no_word(self, tokens: Sequence[Token], first: _Fit, beyond: Sequence[Token]) -> bool:
        """Not "playing will field", nor "a dhaliwal": what could be something else needs a capital or a deed behind."""
        capital = any(token.capital for token in tokens) or (first > _Fit.INITIAL and self._acts(beyond, 0))
        if first is _Fit.INITIAL and tokens[0].word in {"a", "i"}:
            return tokens[0].capital and any(token.raw == "." for token in tokens[1:2])
        return capital or not self.wordlike

    def _past_middle(self, tokens: Sequence[Token], at: int) -> int:
        for _ in range(3):
            if at >= len(tokens) or tokens[at].sort is not Sort.WORD:
                break
            word = tokens[at].word
            unknown = len(word) > 1 and not tokens[at].capital
            if word not in self.middles and (unknown or len(word) == 1 and not tokens[at].capital):
                break
            if self._run(tokens, at, 1, last=True) and not self._longest(tokens, at + 1, last=True)[1]:
                break
            at = _skip(tokens, at + 1, ".-_")
        return at

    def _longest(self, tokens: Sequence[Token], start: int, *, last: bool) -> tuple[int, _Fit]:
        best, end = _Fit.NONE, start
        for length in range(1, min(_PARTS, len(tokens) - start) + 1):
            fit = self._run(tokens, start, length, last=last)
            if fit > best:
                best, end = fit, start + length
        return end, best

    def _run(self, tokens: Sequence[Token], start: int, length: int, *, last: bool) -> _Fit:
        run = tokens[start : start + length]
        if run[0].sort is not Sort.WORD or run[-1].sort is not Sort.WORD:
            return _Fit.NONE
        if any(token.sort is not Sort.WORD and token.raw not in "-_.'" for token in run):
            return _Fit.NONE
        word = joined_words(run)
        if len(word) > 40:
            return _Fit.NONE
        fit = self._last_fit(word) if last else self._first_fit(word)
        if length > 1 and fit not in {_Fit.EXACT, _Fit.INITIAL} and any(self._is_everyday(t.word) for t in run):
            return _Fit.NONE
        if length > 1 and not self._is_split_name(run) and not run[-1].capital:
            return _Fit.NONE
        return fit

    def _is_split_name(self, run: Sequence[Token]) -> bool:
        """Not "fair weather": the words of the run are no everyday ones, or a part of the name each."""
        return not all(self._is_everyday(token.word) for token in run if token.sort is Sort.WORD)

    def _fit_first(self, word: str) -> _Fit:
        if word in self.first or (len(word) > 4 and word[-1] == "s" and word[:-1] in self.first):
            return _Fit.EXACT
        if word in self.initials:
            return _Fit.INITIAL
        if word in self.shorts:
            return _Fit.SHORT
        if self._is_everyday(word):
            return _Fit.NONE
        if len(word) > 3 and any(is_slip(word, name) for name in self.first):
            return _Fit.NEAR
        if len(word) > 2 and any(name.startswith(word) for name in self.first):
            return _Fit.SHORT
        if len(word) > 4 and any(is_slip(word, name, 2) and word[0] == name[0] for name in self.first):
            return _Fit.SHORT
        return _Fit.NONE

    def _fit_last(self, word: str) -> _Fit:
        stem = word[:-1] if word.endswith("s") else word
        if word in self.last or (len(stem) > 3 and stem in self.last):
            return _Fit.EXACT
        if word in self.halves or (len(stem) > 3 and stem in self.halves):
            return _Fit.HALF
        if self._is_everyday(word) or len(word) < 4:
            return _Fit.NONE
        if any(len(name) > 3 and (is_slip(word, name) or is_slip(stem, name)) for name in self.last):
            return _Fit.NEAR
        if any(len(name) >= _LONG - (abs(len(word) - len(name)) < 2) and is_slip(word, name, 2) for name in self.last):
            return _Fit.FAR
        if any(len(name) > 4 and is_slip(word, name) for name in self.halves):
            return _Fit.HALF
        return _Fit.NONE

    def _is_everyday(self, word: str) -> bool:
        return word in self._everyday and word not in self.last and word not in self.first

    # ── in handles, hashtags, mailboxes and links ──

    def in_tag(self, tag: str, *, ours: bool = False) -> Strength | None:
        """Whether a handle, hashtag, mailbox or link holds the name; ``ours``: a mailbox of our own domain."""
        pieces = pieces_of(tag)[:40]
        best: Strength | None = None
        for start in range(len(pieces)):
            if self._is_pair(pieces[start : start + 3]):
                return Strength.SURE
            if pieces[start + 1 : start + 2] and pieces[start + 1] in self._words.namesake_after:
                continue
            for end in range(start + 1, min(start + 6, len(pieces)) + 1):
                found = self._in_piece(joined(pieces[start:end]), whole=end - start == len(pieces), ours=ours)
                if found is not None and (best is None or found > best):
                    best = found
        return best

    def _is_pair(self, pieces: Sequence[str]) -> bool:
        """First and family name, a slip in each, with perhaps a middle one between."""
        if len(pieces) < 2 or self.single or self._fit_first(pieces[0]) in {_Fit.NONE, _Fit.HALF}:
            return False
        fit = max(self._last_fit(joined(pieces[1:])), self._last_fit(pieces[1]))
        return _make_a_name(self._fit_first(pieces[0]), fit)

    def _in_piece(self, piece: str, *, whole: bool, ours: bool) -> Strength | None:
        if len(piece) < 2 or len(piece) > 60:
            return None
        if piece in self._sure or any(len(form) > 7 and form in piece for form in self._long):
            return Strength.SURE
        if len(piece) > 7 and any(is_slip(piece, form) for form in self._long):
            return Strength.SURE
        if ours and whole and (piece in self.first or piece in self.shorts or piece in self._letter_runs):
            return Strength.SURE
        if self._is_last(piece) or (whole and self._is_shortened(piece, 2 if ours else 4)):
            return Strength.SURE if ours or self.single else Strength.LAST
        return Strength.FIRST if piece in self.first and piece not in self._words_too else None

    def _is_last(self, piece: str) -> bool:
        """The family name, perhaps with a word run into it: ``#sackashdown``, but not ``#ashdownforest``."""
        if piece in self.last or (len(piece) > 4 and piece in self.halves):
            return True
        if len(piece) > 5 and piece not in self._everyday and any(len(n) > 5 and is_slip(piece, n) for n in self.last):
            return True
        for name in self.last:
            if len(name) < 5 or name in self._words_too or name not in piece:
                continue
            around = piece.replace(name, " ", 1).split()
            if not any(part in self._words.namesake_after for part in around):
                return True
        return False

    def _is_shortened(self, piece: str, letters: int) -> bool:
        """A whole handle of the first name or its letters and the beginning of the last: ``rowana``, ``rowan_ash``."""
        for first in self.first | self.shorts | self.initials:
            rest = piece.removeprefix(first).rstrip("0123456789")
            if rest == piece or not rest or rest in self._everyday:
                continue
            enough = 1 if len(first) > 3 else letters
            if len(rest) >= enough and any(name.startswith(rest) for name in self.last):
                return True
        return any(piece == name + letter for name in self.last for letter in self.initials if len(name) > 3)


def _make_a_name(first: _Fit, last: _Fit) -> bool:
    """Whether two parts that fit so well are together this person's name."""
    if last in {_Fit.EXACT, _Fit.NEAR, _Fit.HALF}:
        return True
    return last is _Fit.FAR and first in {_Fit.EXACT, _Fit.NEAR, _Fit.SHORT}


def _begins_like(name: str, word: str) -> bool:
    """Whether ``word`` is the beginning of ``name`` or all of it, with the slips that a name of its length may have."""
    slips = 2 if len(name) >= _LONG - 1 or (word[0] == name[0] and len(name) > 4) else 1
    if len(name) < 4 or len(word) > len(name) + slips:
        return False
    if slips == 1 and word[0] not in name[:2] and word[1] not in name[:2]:
        return False
    lengths = range(max(1, len(word) - slips), min(len(name), len(word) + slips) + 1)
    return any(is_slip(word, name[:length], slips) for length in lengths)


def bare_name(name: str, words: Words) -> list[str]:
    """The parts of a name without titles, letters behind it, and what stands in brackets: "Dr Priya Raman MBE"."""
    parts = re.sub(r"\([^()]{0,60}\)|\[[^\[\]]{0,60}\]|[\".]", " ", readable(name)).split(",")[0].split()
    while len(parts) > 1 and plain(parts[0]) in words.titles_of_names:
        parts = parts[1:]
    while len(parts) > 2 and plain(parts[-1]) in words.letters_behind and _is_written_so(parts[-1]):
        parts = parts[:-1]
    return parts


def _is_written_so(letters: str) -> bool:
    """ "MA" behind a name, and "Esq"; "Ma" is a family name."""
    return not letters.istitle() or plain(letters) in {"esq", "jr", "jnr", "snr", "rtd"}


def joined_words(tokens: Sequence[Token]) -> str:
    """The words of ``tokens`` without what stands between them."""
    return joined(token.word for token in tokens if token.sort is Sort.WORD)


def pieces_of_name(part: str) -> list[str]:
    """The folded pieces of one word of a name: ``Ofori-Atta`` has two."""
    return [plain(piece) for piece in readable(part).replace("'", "").split("-") if piece]


def _taken_apart(parts: Sequence[str], words: Words) -> tuple[list[str], list[str], list[str]]:
    """First, middle and family name. A name of one word is a family name."""
    if len(parts) < 2:
        return [], [], list(parts)
    at = len(parts) - 1
    while at > 1 and plain(parts[at - 1]) in words.particles:
        at -= 1
    return [parts[0]], list(parts[1:at]), list(parts[at:])


def _spelt(parts: Sequence[str]) -> frozenset[str]:
    """``parts`` as one word, also with "oe" for "ö" and the like."""
    whole = readable("".join(parts).replace("-", ""))
    spelt = unicodedata.normalize("NFC", "".join(parts).replace("-", "").casefold())
    for letter, letters in _SPELLINGS:
        spelt = spelt.replace(letter, letters)
    return frozenset({plain(whole), plain(readable(spelt))}) - {""}


def _skip(tokens: Sequence[Token], at: int, signs: str) -> int:
    """Past at most two of ``signs``."""
    for _ in range(2):
        if at < len(tokens) and tokens[at].sort is Sort.MARK and tokens[at].raw in signs:
            at += 1
    return at


def is_slip(word: str, name: str, slips: int = 1) -> bool:
    """Whether ``word`` is ``name`` with at most ``slips`` letters added, left out, changed, or two exchanged."""
    if abs(len(word) - len(name)) > slips or not word:
        return False
    if word == name:
        return True
    at = next((n for n, (one, other) in enumerate(zip(word, name, strict=False)) if one != other), None)
    if at is None:
        return slips > 0
    one, other = word[at:], name[at:]
    swapped = one[:2] == other[1::-1] and len(other) > 1
    rests = [(one[1:], other[1:]), (one[1:], other), (one, other[1:]), *([(one[2:], other[2:])] if swapped else [])]
    if slips == 1:
        return any(left == right for left, right in rests)
    return any(left == right or is_slip(left, right, slips - 1) for left, right in rests)
