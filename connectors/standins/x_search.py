"""The search language of X, as far as a charity would use it: brackets, OR, negation and the usual operators."""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Callable
from dataclasses import dataclass
from functools import lru_cache

_WORD = re.compile(r"\w+")
FOUND_LINK = re.compile(r"https?://[^\s<>\"]+")

Match = Callable[["Seen"], bool]


@dataclass(frozen=True, slots=True)
class Seen:
    """All of a post that a query can ask about. ``to`` is the handle and the number of whom it answers."""

    text: str
    author: str
    author_id: str
    to: tuple[str, str] = ("", "")
    links: tuple[str, ...] = ()
    lang: str = "en"
    is_reply: bool = False
    is_quote: bool = False
    is_retweet: bool = False
    is_verified: bool = False
    has_media: bool = False
    conversation: str = ""
    parent: str = ""
    quotes: str = ""
    likes: int = 0
    replies: int = 0
    reposts: int = 0

    def words(self) -> str:
        """The words of the text, as the index keeps them: one blank before, between and after."""
        return words_of(self.text)


class QueryError(ValueError):
    """The query is refused. The message is worded as X does, with a position that counts from 1."""


@lru_cache(maxsize=20_000)
def words_of(text: str) -> str:
    """Words without case, accents and punctuation, with one blank before, between and after."""
    bare = "".join(c for c in unicodedata.normalize("NFKD", text.casefold()) if not unicodedata.combining(c))
    return f" {' '.join(_WORD.findall(bare))} "


def parse(query: str) -> Match:
    """A function that says whether a post answers ``query``. Raises ``QueryError``."""
    reader = _Reader(query)
    match = reader.either()
    if reader.here is not None:
        raise QueryError(f"no viable alternative at character ')' (at position {reader.here.position})")
    if not reader.stands_alone:
        raise QueryError("Rules must contain at least one positive, non-stopword clause (at position 1)")
    return match


@dataclass(frozen=True, slots=True)
class _Token:
    text: str
    position: int
    negative: bool = False


_TOKEN = re.compile(r'(?P<open>-?\()|(?P<close>\))|(?P<word>-?(?:[A-Za-z_]+:)?(?:"[^"]*"?|[^\s()"]+))')

_NEEDS_COMPANY = frozenset({"is", "has", "lang", "min_likes", "min_replies", "min_reposts", "sample"})
_NUMBERS = {"min_likes": "likes", "min_replies": "replies", "min_reposts": "reposts"}
_KINDS: dict[str, Match] = {
    "reply": lambda p: p.is_reply,
    "quote": lambda p: p.is_quote,
    "retweet": lambda p: p.is_retweet,
    "verified": lambda p: p.is_verified,
}
_PARTS: dict[str, Match] = {
    "links": lambda p: bool(p.links),
    "hashtags": lambda p: "#" in p.text,
    "mentions": lambda p: "@" in p.text,
    "media": lambda p: p.has_media,
    "images": lambda p: p.has_media,
}


class _Reader:
    """Reads a query from left to right: AND binds tighter than OR."""

    def __init__(self, query: str) -> None:
        self._tokens = [
            _Token(found[0].lstrip("-") if found[0] != "-" else "-", found.start() + 1, found[0].startswith("-"))
            for found in _TOKEN.finditer(query)
        ]
        self._length = len(query)
        self._place = 0
        self.stands_alone = False

    @property
    def here(self) -> _Token | None:
        return self._tokens[self._place] if self._place < len(self._tokens) else None

    def either(self) -> Match:
        branches = [self._all()]
        while self.here is not None and self.here.text == "OR":
            self._place += 1
            branches.append(self._all())
        return lambda post: any(branch(post) for branch in branches)

    def _all(self) -> Match:
        parts: list[Match] = []
        while self.here is not None and self.here.text not in {"OR", ")"}:
            parts.append(self._one(self.here))
        if not parts:
            where = self.here.position if self.here else self._length + 1
            raise QueryError(f"missing EOF at '{self.here.text if self.here else '<EOF>'}' (at position {where})")
        return lambda post: all(part(post) for part in parts)

    def _one(self, token: _Token) -> Match:
        self._place += 1
        if token.text == "(":
            if token.negative:
                raise QueryError(f"Negating a group is not supported (at position {token.position})")
            inner = self.either()
            if self.here is None or self.here.text != ")":
                raise QueryError(f"Missing closing parenthesis (at position {self._length + 1})")
            self._place += 1
            return inner
        match = self._term(token)
        return (lambda post: not match(post)) if token.negative else match

    def _term(self, token: _Token) -> Match:
        text = token.text
        if text in {"and", "or", "AND"}:
            raise QueryError(
                f'Ambiguous use of {text} as a keyword. Use a space to logically join two clauses, or "{text}" to '
                f"find occurrences of {text} in text (at position {token.position})"
            )
        operator, colon, value = text.partition(":")
        if colon and not text.startswith(('"', "#", "@")) and not text.startswith("http"):
            if operator not in _NEEDS_COMPANY and not token.negative:
                self.stands_alone = True
            return self._operator(operator, value, token)
        if not token.negative:
            self.stands_alone = True
        if text.startswith('"'):
            if len(text) < 2 or not text.endswith('"'):
                raise QueryError(f"Missing closing quote (at position {token.position})")
            return _phrase(text.strip('"'), token)
        if text.startswith("#"):
            tag = re.compile(rf"(?<![\w&])#{re.escape(text[1:])}(?!\w)", re.IGNORECASE)
            return lambda post: tag.search(post.text) is not None
        if text.startswith("@"):
            name = re.compile(rf"(?<![\w@])@{re.escape(text[1:])}(?!\w)", re.IGNORECASE)
            return lambda post: name.search(post.text) is not None
        return _phrase(text, token)

    def _operator(self, operator: str, value: str, token: _Token) -> Match:
        bare = value.strip('"')
        who = bare.lstrip("@").casefold()
        if not bare:
            raise QueryError(f"Operator `{operator}:` needs a value (at position {token.position})")
        match operator:
            case "from":
                return lambda post: who in {post.author.casefold(), post.author_id}
            case "to":
                return lambda post: bool(post.to[1]) and who in {post.to[0].casefold(), post.to[1]}
            case "url":
                words = words_of(bare)
                return lambda post: any(words in words_of(link) for link in post.links)
            case "is" if bare in _KINDS:
                return _KINDS[bare]
            case "has" if bare in _PARTS:
                return _PARTS[bare]
            case "lang":
                return lambda post: post.lang == bare
            case "conversation_id":
                return lambda post: post.conversation == bare
            case "in_reply_to_tweet_id":
                return lambda post: post.parent == bare
            case "quotes_of_tweet_id":
                return lambda post: post.quotes == bare
            case "retweets_of":
                return lambda post: False
            case "min_likes" | "min_replies" | "min_reposts" if bare.isdigit():
                return lambda post: int(getattr(post, _NUMBERS[operator])) >= int(bare)
        raise QueryError(f"Reference to invalid operator '{operator}' (at position {token.position})")


def _phrase(text: str, token: _Token) -> Match:
    wanted = words_of(text)
    if not wanted.strip():
        raise QueryError(f"The clause `{text[:20]}` has no words (at position {token.position})")
    return lambda post: wanted in post.words()
