"""A text taken apart into words, signs, handles, addresses and links. Linear in the length of the text."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from enum import Enum, auto
from urllib.parse import unquote

from connectors.model import MAX_TEXT
from monitor.scoring.text import fold, hashtag_words, leet, readable

MAX_TOKENS = 6_000
"""Words and signs of one text that are looked at."""


class Sort(Enum):
    """What a token is."""

    WORD = auto()
    MARK = auto()
    TAG = auto()
    EMAIL = auto()
    LINK = auto()


@dataclass(frozen=True, slots=True)
class Token:
    """One word or sign: as written, and in the form in which it is compared, without possessive ending."""

    sort: Sort
    raw: str
    word: str
    owns: bool = False
    """Ends in 's or ' and so has something."""

    @property
    def capital(self) -> bool:
        """Whether the first letter is a capital one."""
        return self.raw[:1].isupper()


_TOKEN = re.compile(
    r"(?P<link>(?:https?://|www\.)[^\s<>\"]{1,2000}|[\w-]{1,63}(?:\.[\w-]{1,63}){1,4}/[^\s<>\"]{1,500})"
    r"|(?P<email>[\w.+'\-]{1,64}@[\w-]{1,63}(?:\.[\w-]{1,63}){1,5})"
    r"|(?P<tag>[@#]\w[\w.\-]{0,80})"
    r"|(?P<number>\d+(?:st|nd|rd|th)?(?![^\W_]))"
    r"|(?P<word>[^\W_](?:[^\W_]|\*+(?=[^\W_]))*(?:'[^\W\d_]+)*'?)"
    r"|(?P<mark>[^\w\s]|_|\n)"
)
_SORTS = {"link": Sort.LINK, "email": Sort.EMAIL, "tag": Sort.TAG, "word": Sort.WORD, "number": Sort.WORD}
_LETTERS = str.maketrans({"æ": "ae", "œ": "oe", "þ": "th", "ð": "d"})
_DOTTED = re.compile(r"\b[Cc][.\-] ?[Ee][.\-] ?[Oo]\b\.?")
_HYPHENED = re.compile(
    r"(?<![\w-])(managing|chief|executive|exec|director|board|general)-(?=director|exec|officer|general|chair)"
    r"|(?<![\w-])(chair)-(?=man\b|woman\b|person\b|of\b)",
    re.IGNORECASE,
)
_RUN_ON = re.compile(
    r"\b(the|your|our|dear|tell|hey|hi)(?=(?:ceo|director|boss|chief|chair(?:man|woman|person)|managing)(?:\b|[A-Z]))"
    r"|\b((?i:the|your|our|dear|tell))(?=(?:CEO|[A-Z][a-z]+)(?:[A-Z]|\b))"
    r"|\b(CEO)(?=[a-rt-z][a-z]+\b)|(?<=[a-z])(Chief|Managing|Executive)(?=Executive|Director|Officer)",
)
_LEADING = ("ceo", "director", "boss", "chief", "chair", "managing")
_HUMP = re.compile("[a-z][A-Z]")
_SPELT_MAIL = re.compile(
    r"\b([\w+-]{1,40}(?:(?:\.| ?[(\[]dot[)\]] ?| dot )[\w+-]{1,40}){0,3})(?: at | ?[(\[]at[)\]] ?)"
    r"([\w-]{1,63}(?:(?:\.| ?[(\[]dot[)\]] ?| dot )[\w-]{2,63}){1,4})",
    re.IGNORECASE,
)
_DOTS = re.compile(r" ?[(\[]dot[)\]] ?| dot ", re.IGNORECASE)
_NUMBERED = re.compile(r"([^\W\d_]{5,40})\d{2,4}")


def plain(word: str) -> str:
    """The form in which words and names are compared: small letters without accents and apostrophes."""
    folded = fold(word)
    return folded if folded.isascii() else folded.translate(_LETTERS)


def tokens_of(text: str) -> list[Token]:
    """The tokens of ``text``, which is capped."""
    found: list[Token] = []
    for match in _TOKEN.finditer(_respelt(readable(text[:MAX_TEXT]))):
        found.append(_token(match))
        if len(found) >= MAX_TOKENS:
            break
    return found


def _respelt(text: str) -> str:
    """``text`` with roles that are run into the word before apart, and a mail address that is spelt out in one."""
    text = _DOTTED.sub("CEO", text)
    small = text.casefold()
    if any(word in small for word in _LEADING) or _HUMP.search(text):
        text = _RUN_ON.sub(lambda found: found[0] + " ", text)
    if "-" in text:
        text = _HYPHENED.sub(lambda found: found[0][:-1] + " ", text)
    if " dot " in small or "dot)" in small or "dot]" in small or "at)" in small or "at]" in small:
        text = _SPELT_MAIL.sub(lambda found: _DOTS.sub(".", f"{found[1]}@{found[2]}"), text)
    return text


def _token(match: re.Match[str]) -> Token:
    raw = match[0]
    sort = _SORTS.get(match.lastgroup or "", Sort.MARK)
    if sort is not Sort.WORD:
        return Token(sort, raw, raw.casefold())
    bare = raw.rstrip("'")
    owns = bare != raw and bare[-1:].casefold() == "s"
    if bare[-2:].casefold() == "'s":
        return Token(sort, raw, plain(bare[:-2]), owns=True)
    return Token(sort, raw, _undisguised(bare), owns)


def _undisguised(word: str) -> str:
    """The word as compared; "R0wan" without the digit that stands for a letter, "rowanashdown89"
    without its number.
    """
    if word.isalpha() or word.isdigit():
        return plain(word)
    if (numbered := _NUMBERED.fullmatch(word)) is not None:
        return plain(numbered[1])
    return plain(next(iter(leet(word)), word))


def letters_at(tokens: Sequence[Token], start: int) -> tuple[int, str]:
    """Capital letters alone, "FW", "F.W." or "KO-A": where they end, and which they are; nothing where none stand."""
    at, seen = start, ""
    while at < len(tokens) and len(seen) < 5 and _are_letters(tokens[at]):
        seen += plain(_bare(tokens[at].raw))
        at += 1
        if tokens[at - 1].owns or at >= len(tokens) or tokens[at].raw not in {".", "-"}:
            break
        at += 1
    if at > start + 1 and tokens[at - 1].raw == "-":
        at -= 1
    return at, seen


def _are_letters(token: Token) -> bool:
    """ "FW", and with a particle's small letter between "JdS"."""
    raw = _bare(token.raw)
    capital = raw[:1].isupper() and raw[-1:].isupper() and raw.isalpha()
    return capital and len(raw) < 5 and (raw.isupper() or raw[1:-1].islower())


def _bare(raw: str) -> str:
    return raw.partition("'")[0]


def pieces_of(tag: str) -> list[str]:
    """The folded pieces of a handle, hashtag, mailbox or link: ``@rowan_ashdown``, ``#RowanAshdown``."""
    return [plain(word) for part in _split(tag) for word in hashtag_words(part)]


def _split(text: str) -> Iterator[str]:
    decoded = unquote(text) if "%" in text else text
    return (part for part in re.split(r"[\W_]+", decoded.replace("'", "")) if part)
