"""What the learned scorer reads of a post: a rendering in plain signs, and its words, slots and tokens.

Training and run time use this very code, so that nothing is read otherwise than it was learnt.
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Sequence
from functools import lru_cache
from itertools import pairwise
from zlib import crc32

from connectors.model import Kind, Mention
from monitor.scoring.text import leet, readable

US = "our charity"
"""What stands in a rendering for any name of the organisation, so that the model serves every organisation."""

ANSWERS = " : in answer to : "
"""What stands in a rendering between a post and the words that it answers."""

_HEAD, _TAIL = 900, 600
_PARENT_HEAD, _PARENT_TAIL = 200, 80
_FAR, _VERY_FAR = 10_000, 100_000
_LINK = re.compile(r"(?:https?://|www\.)([^\s/]+)\S*", re.IGNORECASE)
_STARS = re.compile("[★⭐]+")
_RUN = re.compile(r"(.)\1{3,}", re.DOTALL)
_DIGIT_INSIDE = re.compile(
    r"(?<![\w@#./])(?![A-Za-z]{1,4}\d{1,2}s\b)[A-Za-z]+(?:[013457@$!|]{1,2}[A-Za-z]+)+(?![.-]?[\w@#/])"
)
_INVISIBLE = frozenset({"Cf", "Co", "Cs"})
_PICTURES = frozenset({"So", "Sk"})
_EMOJI_NAMED = 6
MAX_TOKENS = 160
SLOTS = 1 << 17
_LONGEST_WORD = 100
_WORDS_REMEMBERED = 20_000
_GLUED = 4
"""Signs other than spaces from which a text without spaces is taken to be words held together by them."""
_SURELY_DISGUISED = 3
"""Words with digits inside from which a post is taken to be written so throughout."""
_DIGIT_ANYWHERE = re.compile(
    r"(?<![\w@#./])(?!\d+(?:st|nd|rd|th|yo|am|pm|k|m|p|x|s|yrs?|hrs?|mins?)\b)(?=\S{0,60}[A-Za-z])"
    r"[A-Za-z013457@$!|]*[A-Za-z013457$|](?![.-]?[\w@#/])"
)
_DIGITS_AS_LETTERS = str.maketrans("013457@$!|", "oieastasil")
_WORD = re.compile(r"[^\W_]+|[^\w\s]|_")


def rendering(post: Mention, names: Sequence[str]) -> str:
    """What a model reads of ``post``: whose it is, how far it carries, its text in plain signs, and what it answers.

    ``names`` are those of the organisation (name, aliases, handles); each is replaced by ``US``. Emoji are
    spelt out, because the vocabulary has none. Length is capped before anything else is done.
    """
    text = f"{place(post, names)} : {plain(post.text or '', names)}"
    return answering(text, answered(post, names))


def answering(text: str, parent: str) -> str:
    """``text``, with the words that it answers behind it, where they are known."""
    return f"{text}{ANSWERS}{parent}" if parent else text


def answered(post: Mention, names: Sequence[str]) -> str:
    """The words that ``post`` answers, in plain signs, cut to head and tail; none of what we answer ourselves."""
    text = "" if post.kind is Kind.OWN_POST else post.parent_text or ""
    head, tail = _PARENT_HEAD, _PARENT_TAIL
    return plain(text if len(text) <= head + tail else f"{text[:head]} ... {text[-tail:]}", names)


def place(post: Mention, names: Sequence[str]) -> str:
    """Whether ``post`` is ours, and its reach, in words.

    Neither platform nor kind: what is said is as grave on one platform as on another, and posts to learn from
    are never spread over them as life spreads them.
    """
    words = ["our own post" if post.kind is Kind.OWN_POST else "post"]
    author = post.author
    followers = (author.followers if author else None) or 0
    shares = post.shares or 0
    if followers >= _VERY_FAR or shares >= 1000:
        words.append("very far reach")
    elif followers >= _FAR or shares >= 100:
        words.append("far reach")
    if post.kind is not Kind.OWN_POST and author and _names_us(f"{author.name or ''} {author.handle or ''}", names):
        words.append("under our name")
    return " ".join(words)


def plain(text: str, names: Sequence[str]) -> str:
    """``text`` as a person reads it, capped to head and tail, our names replaced, its links cut to their hosts."""
    text = _capped(readable(_capped(text, 4)), 1)
    text = _LINK.sub(r"link \1", _spaced(text))
    if not text.isascii():
        text = _emoji_spelt(_STARS.sub(lambda stars: f" {len(stars[0])} stars ", text))
    text = _our_names(tuple(names)).sub(US, text)
    if len(_DIGIT_INSIDE.findall(text)) >= _SURELY_DISGUISED:
        text = _DIGIT_ANYWHERE.sub(lambda found: found[0].translate(_DIGITS_AS_LETTERS), text)
    else:
        text = _DIGIT_INSIDE.sub(_opened, text)
    return " ".join(_RUN.sub(r"\1\1\1", text).split())


def _capped(text: str, times: int) -> str:
    """``text``, or the head and the tail of a long one: before reading it, disguises may have stretched it."""
    head, tail = times * _HEAD, times * _TAIL
    return text if len(text) <= head + tail else f"{text[:head]} ... {text[-tail:]}"


def _spaced(text: str) -> str:
    """A text whose words are held together by some other sign, with spaces in its stead."""
    for sign in "_.-*|~/+":
        if text.count(sign) > _GLUED and text.count(sign) > 3 * text.count(" ") and "://" not in text:
            text = text.replace(sign, " ")
    return text


def _opened(found: re.Match[str]) -> str:
    """A word with digits or signs among its letters, in letters alone where that gives a word."""
    for word in leet(found[0]):
        if word.isalpha():
            return word
    return found[0]


def _names_us(name: str, names: Sequence[str]) -> bool:
    squeezed = re.sub(r"[\W_]+", "", name).casefold()
    return any(len(own) > 3 and own in squeezed for own in (re.sub(r"[\W_]+", "", n).casefold() for n in names))


@lru_cache(maxsize=8)
def _our_names(names: tuple[str, ...]) -> re.Pattern[str]:
    longest_first = sorted({name for name in names if name.strip()}, key=len, reverse=True)
    if not longest_first:
        return re.compile(r"(?!)")
    return re.compile(r"(?<!\w)(?:" + "|".join(re.escape(name) for name in longest_first) + r")(?!\w)", re.IGNORECASE)


def _emoji_spelt(text: str) -> str:
    seen: set[str] = set()
    parts: list[str] = []
    for sign in text:
        kind = unicodedata.category(sign) if sign > "\x7f" else "L"
        if kind in _INVISIBLE or sign == "\ufe0f":
            continue
        if kind not in _PICTURES or sign < "\u2000":
            parts.append(sign)
        elif sign not in seen and len(seen) < _EMOJI_NAMED:
            seen.add(sign)
            parts.append(f" {unicodedata.name(sign, 'sign').lower()} ")
    return "".join(parts)


class WordPieces:
    """The tokens of a BERT vocabulary, uncased: lower case, accents off, longest pieces first.

    Written out because the usual package costs three times the memory and a compiled wheel. Words met before
    are remembered, up to a bound.
    """

    def __init__(self, vocabulary: Sequence[str], most: int = MAX_TOKENS) -> None:
        self._ids = {piece: index for index, piece in enumerate(vocabulary)}
        self._most = most
        self._known: dict[str, tuple[int, ...]] = {}
        self._unknown, self._first, self._last = (self._ids[name] for name in ("[UNK]", "[CLS]", "[SEP]"))

    def ids(self, text: str) -> list[int]:
        """The token ids of ``text`` between the two end tokens; of a long text, the head and the tail."""
        found: list[int] = []
        for word in _WORD.findall(_unaccented(text)):
            found += self._known.get(word) or self._pieces(word)
        room = self._most - 2
        if len(found) > room:
            head = room * 2 // 3
            found = found[:head] + found[head - room :]
        return [self._first, *found, self._last]

    def _pieces(self, word: str) -> tuple[int, ...]:
        pieces = self._split(word)
        if len(self._known) < _WORDS_REMEMBERED:
            self._known[word] = pieces
        return pieces

    def _split(self, word: str) -> tuple[int, ...]:
        if len(word) > _LONGEST_WORD:
            return (self._unknown,)
        pieces: list[int] = []
        start = 0
        while start < len(word):
            prefix = "##" if start else ""
            for end in range(len(word), start, -1):
                piece = self._ids.get(prefix + word[start:end])
                if piece is not None:
                    pieces.append(piece)
                    start = end
                    break
            else:
                return (self._unknown,)
        return tuple(pieces)


def _unaccented(text: str) -> str:
    if text.isascii():
        return text.lower()
    apart = unicodedata.normalize("NFD", text.lower())
    return "".join(sign for sign in apart if unicodedata.category(sign) != "Mn")


def words_of(text: str) -> list[str]:
    """The words and signs of a rendering, lower case, accents off."""
    return _WORD.findall(_unaccented(text))


def slots_of_word(word: str) -> list[int]:
    """Where the parts of ``word`` (three to five signs, with its ends marked) stand in the linear model's table."""
    marked = f"<{word[:_LONGEST_WORD]}>"
    return [
        crc32(marked[at : at + size].encode()) % SLOTS
        for size in (3, 4, 5)
        for at in range(max(1, len(marked) - size + 1))
    ]


def slots_of_phrases(words: Sequence[str]) -> list[int]:
    """Where single words and pairs of neighbours stand in the linear model's table."""
    singles = [crc32(f"w {word}".encode()) % SLOTS for word in words]
    pairs = [crc32(f"{first} {second}".encode()) % SLOTS for first, second in pairwise(words)]
    return singles + pairs
