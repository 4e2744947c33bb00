"""The labelled posts: read, corrected, split by author and situation."""

from __future__ import annotations

import hashlib
import json
import re
import tomllib
from collections import defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from connectors.model import Author, Kind, Mention, Organisation, clean_text
from monitor.model import Category
from monitor.scoring.rules import names_of

DATA = Path(__file__).parent / "data"
CATEGORIES = tuple(Category)
OUR_NAMES = ("Tessellate UK", "TessellateUK", "Tessellate-UK", "TUK")
OLD_AUTHORS = frozenset(f"author-{letter}" for letter in "cdefghijkl")
"""Those who wrote cleverly: harm in witty small talk, plain danger words in campaigns."""
HELD = ("author-am", "author-an")
"""Whole authors that one of the two trainings does not see: everyday comments, sadness and despair, two ordinary
months of everything, replies and slang. Temperatures, share and lines are set on these."""
DANGER = re.compile(
    r"(?i)\b(?:abus\w*|attack\w*|beat\w*|bomb\w*|burn\w*|cut(?:ting)?|dead|die[ds]?|dying|fgm|fire|grab\w*|groom\w*|gun|"
    r"hate\w*|hit(?:s|ting)?|hurt\w*|kill\w*|knife|knives|overdos\w*|pills|police|rap(?:e|ed|ist)|scared|"
    r"self[- ]?harm\w*|slap\w*|stab\w*|suicid\w*|threat\w*|touch\w*|unsafe|weapon\w*)\b"
)
"""Words that mean danger in life more often than not."""
_PLAINLY_SHORT = 25
"""Words up to which an older routine post with a word of danger is left out: such posts taught that plain words mean
nothing."""
_A_TIME = datetime(2026, 1, 1, tzinfo=UTC)


@dataclass(frozen=True, slots=True)
class Labelled:
    """A post, what should happen with it, and what keeps it apart from its near-twins.

    ``source`` is the file it stands in, that is its author; ``situation`` is unique across files.
    """

    id: str
    mention: Mention
    severity: int
    categories: frozenset[Category]
    why: str
    source: str
    situation: str
    names: tuple[str, ...] = OUR_NAMES

    @property
    def is_old(self) -> bool:
        """Whether it was written before plain speech was asked for."""
        return self.source.startswith("own-") or self.source in OLD_AUTHORS


def read_all(folder: Path = DATA) -> list[Labelled]:
    """Every labelled post of ``folder``, with the settled corrections applied, in a fixed order.

    Raises ValueError on two posts of one id, and on a correction that names no post.
    """
    patches = {row["id"]: row for row in _rows(folder / "relabels.jsonl")}
    names = _names_by_organisation(folder)
    posts: dict[str, Labelled] = {}
    for path in sorted(folder.glob("*.jsonl")):
        if path.stem == "relabels":
            continue
        for row in _rows(path):
            post = _labelled(row, path.stem, names)
            if post.id in posts:
                raise ValueError(f"two posts are called {post.id} ({path.name})")
            posts[post.id] = post
    for id_, patch in patches.items():
        if id_ not in posts:
            raise ValueError(f"a correction names {id_}, which is no post")
        if patch.get("drop"):
            del posts[id_]
            continue
        expected = patch["expected"]
        posts[id_] = replace(
            posts[id_],
            severity=int(expected["severity"]),
            categories=frozenset(Category(name) for name in expected["categories"]),
            why=patch.get("why") or posts[id_].why,
        )
    return list(posts.values())


def mention_of(row: dict[str, Any]) -> Mention:
    """The mention that a row of the corpus form stands for; its time and address say nothing."""
    author = row.get("author") or {}
    return Mention(
        platform=row["platform"],
        external_id=str(row["id"]),
        kind=Kind(row["kind"]),
        text=clean_text(row["text"]),
        url="https://social.example/post",
        posted_at=_A_TIME,
        author=Author(
            name=author.get("name"), handle=author.get("handle"),
            followers=author.get("followers"), verified=author.get("verified"),
        ),
        lang=row.get("lang"),
        likes=row.get("likes"),
        shares=row.get("shares"),
        replies=row.get("replies"),
        parent_text=clean_text(row["parent_text"]) if row.get("parent_text") else None,
    )  # fmt: skip


def folds(posts: Sequence[Labelled], count: int) -> list[int]:
    """A fold for each post: whole authors stay together, and posts without a situation are dealt out one by one.

    The posts of ``dev.jsonl`` carry no situation and were written by the authors of the judging set; they
    were drawn at random from it, so that dealing them out singly is the split that the judging set sees.
    """
    sources = sorted({post.source for post in posts if post.source != "dev"})
    by_source = {source: index % count for index, source in enumerate(sources)}
    return [_share(post.id, count) if post.source == "dev" else by_source[post.source] for post in posts]


def blind(posts: Iterable[Labelled], parts: int = 10) -> tuple[list[Labelled], list[Labelled]]:
    """The posts to learn from, and a part of our own that is never tuned on (whole situations, one in ``parts``)."""
    kept, held = [], []
    for post in posts:
        own = post.source.startswith("own-")
        (held if own and _share(post.situation, parts) == 0 else kept).append(post)
    return kept, held


def thinned(posts: Iterable[Labelled]) -> list[Labelled]:
    """``posts`` with the older ones thinned: one whole situation of three, and of these no short routine post with a
    word of danger. What is left of them still teaches what only they hold."""
    return [post for post in posts if not post.is_old or (_share(post.situation, 3) == 1 and not _misleads(post))]


def is_one_in(post: Labelled, parts: int) -> bool:
    """Whether ``post`` is of a part drawn once for all, one post in ``parts``."""
    return _share(post.id, parts) == 0


def _misleads(post: Labelled) -> bool:
    text = post.mention.text or ""
    return post.severity == 0 and len(text.split()) <= _PLAINLY_SHORT and DANGER.search(text) is not None


def by_situation(posts: Iterable[Labelled]) -> dict[str, list[Labelled]]:
    """The posts of each situation."""
    groups: dict[str, list[Labelled]] = defaultdict(list)
    for post in posts:
        groups[post.situation].append(post)
    return dict(groups)


def _share(name: str, parts: int) -> int:
    return int.from_bytes(hashlib.sha256(name.encode()).digest()[:4]) % parts


def _rows(path: Path) -> Iterable[dict[str, Any]]:
    if not path.exists():
        return
    for number, line in enumerate(path.read_text("utf-8").split("\n"), 1):
        if not line.strip():
            continue
        try:
            yield json.loads(line)
        except ValueError as error:
            raise ValueError(f"{path.name}, line {number}: {error}") from None


def _names_by_organisation(folder: Path) -> dict[str, tuple[str, ...]]:
    """The names of each organisation that posts speak of, by the name that their rows give."""
    tables = [table for path in folder.glob("organisations*.toml") for table in _organisations(path)]
    return {table["name"]: tuple(names_of(_organisation(table))) for table in tables}


def _organisations(path: Path) -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = tomllib.loads(path.read_text("utf-8"))["organisation"]
    return found


def _organisation(table: dict[str, Any]) -> Organisation:
    return Organisation(
        name=table["name"],
        aliases=tuple(table["aliases"]),
        handles=table["handles"],
        people=tuple(table["people"]),
        campaigns=tuple(table["campaigns"]),
    )


def _labelled(row: dict[str, Any], source: str, names: dict[str, tuple[str, ...]]) -> Labelled:
    expected = row["expected"]
    severity = int(expected["severity"])
    if not 0 <= severity <= 3:
        raise ValueError(f"{row['id']}: severity {severity}")
    return Labelled(
        id=str(row["id"]),
        mention=mention_of(row),
        severity=severity,
        categories=frozenset(Category(name) for name in expected["categories"]),
        why=str(row.get("why", "")),
        source=source,
        situation=f"{source}/{row.get('situation') or row['id']}",
        names=names[row["organisation"]] if "organisation" in row else OUR_NAMES,
    )
