"""Where a Graph connector stands: its note to itself between two fetches, kept as the cursor."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from dataclasses import asdict, dataclass, field, fields
from hashlib import blake2b
from typing import Any, TypeVar

from connectors.model import Mention

T = TypeVar("T")

FORM = 1
MAX_SEEN = 2000
MAX_COUNTS = 400
"""Posts whose number of comments is remembered: four pages of the sweep. With ``MAX_SEEN`` marks of eight
characters a cursor stays under 64 KB."""


@dataclass(slots=True)
class Task:
    """One list that is to be read, and how far that has come. Times are epoch seconds.

    ``what`` is ``list`` (a stream itself), ``thread`` (the comments under ``id``) or ``replies`` (the answers
    to the comment ``id``). Reading ends below ``floor`` (-1: found on the first page), when nothing of
    ``want`` entries is still missed. ``talk_floor`` is the floor for comments met on the way. ``top`` and
    ``talk_top`` are the newest post and comment met so far.
    """

    stream: str
    what: str = "list"
    id: str = ""
    root: str = ""
    link: str = ""
    args: dict[str, str] = field(default_factory=dict)
    limit: int = 0
    floor: int = -1
    want: int = 0
    talk_floor: int = -1
    top: int = 0
    talk_top: int = 0
    pages: int = 0
    rows: int = 0
    failed: int = 0
    restarted: int = 0
    lean: bool = False


@dataclass(slots=True)
class Trouble:
    """Why a stream cannot be heard, how often it failed, and when it is tried again."""

    what: str
    do: str
    failed: int
    again_at: int
    told: bool


@dataclass(slots=True)
class Place:
    """All that a connector must remember.

    ``marks`` hold the newest time met when a stream was last read to its end, and only then do they move;
    ``todo`` is what of the present round is still to be read, so that a storm is gone on with, not begun
    again. ``seen`` are marks of entries already handed over, newest first: an unchanged entry is not handed
    over at every poll.
    """

    of: str = ""
    todo: list[Task] = field(default_factory=list)
    marks: dict[str, int] = field(default_factory=dict)
    read_at: dict[str, int] = field(default_factory=dict)
    counts: dict[str, int] = field(default_factory=dict)
    front: list[str] = field(default_factory=list)
    seen: list[str] = field(default_factory=list)
    troubles: dict[str, Trouble] = field(default_factory=dict)
    began_at: int = 0
    heard_until: int = 0
    rest_until: int = 0
    usage: float = 0.0
    canary: str = ""
    canary_at: int = 0
    canary_met: bool = False
    next_canary: str = ""
    next_canary_at: int = 0
    down_to: int = 0
    rows: int = 0
    heard: list[str] = field(default_factory=list)
    suspect: str = ""
    lean: bool = False
    own_name: str = ""

    def write(self) -> str:
        """This place as a cursor."""
        note = {"v": FORM} | asdict(self)
        note["todo"] = [_filled(task) for task in self.todo]
        note["seen"] = "".join(self.seen)
        return json.dumps(note, separators=(",", ":"))

    @classmethod
    def read(cls, cursor: str | None, of: str) -> Place:
        """The place that ``cursor`` notes; a new one where it is damaged, of an older form or another account."""
        try:
            note = json.loads(cursor or "null")
            if not isinstance(note, dict) or note.pop("v", None) != FORM or note.get("of") != of:
                return cls(of=of)
            seen = note.pop("seen")
            return _checked(
                cls,
                note
                | {
                    "seen": [seen[i : i + 8] for i in range(0, len(seen), 8)],
                    "todo": [_checked(Task, task) for task in note["todo"]],
                    "troubles": {name: _checked(Trouble, trouble) for name, trouble in note["troubles"].items()},
                },
            )
        except (ValueError, TypeError, KeyError, AttributeError, RecursionError):
            return cls(of=of)

    def count(self, post: str, total: int, *, displace: bool = True) -> bool:
        """Remember that ``post`` has ``total`` comments, and say whether that is kept.

        Where there is no room, the post heard of longest ago gives way, or with ``displace`` false this one.
        """
        if not displace and post not in self.counts and len(self.counts) >= MAX_COUNTS:
            return False
        self.counts.pop(post, None)
        self.counts[post] = total
        while len(self.counts) > MAX_COUNTS:
            del self.counts[next(iter(self.counts))]
        return True

    def remember(self, marks: Iterable[str]) -> None:
        """Put ``marks`` in front of those seen before."""
        self.seen = list(dict.fromkeys([*marks, *self.seen]))[:MAX_SEEN]


def mark_of(mention: Mention) -> str:
    """Eight characters that change with the mention's id (five) and its words and figures (three)."""
    content = repr((mention.text, mention.edited_at, mention.likes, mention.shares, mention.replies))
    return _letters(mention.external_id, 5) + _letters(content, 3)


def mark_of_broken(shape: str, content: str) -> str:
    """A mark for an entry that cannot be read, so that it is told of once."""
    return _letters(content, 5) + _letters(shape, 3)


def id_part(mark: str) -> str:
    """The part of a mark that stays when the entry is edited."""
    return mark[:5]


_SIGNS = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_"


def _letters(text: str, length: int) -> str:
    number = int.from_bytes(blake2b(text.encode("utf-8", "replace"), digest_size=8).digest(), "big")
    return "".join(_SIGNS[number >> (6 * i) & 63] for i in range(length))


def _filled(task: Task) -> dict[str, Any]:
    """A task without the fields that have their usual value."""
    usual = Task(task.stream)
    return {f.name: getattr(task, f.name) for f in fields(task) if getattr(task, f.name) != getattr(usual, f.name)} | {
        "stream": task.stream
    }


_TYPES: Mapping[str, tuple[type, ...]] = {"int": (int,), "str": (str,), "bool": (bool,), "float": (int, float)}
_INSIDE = {"list[str]": str, "dict[str, int]": int, "dict[str, str]": str, "list[Task]": Task}


def _checked(kind: type[T], values: Mapping[str, Any]) -> T:
    """``kind`` of ``values``; raises TypeError where a value has another type than the field says."""
    made = kind(**values)
    for f in fields(made):  # type: ignore[arg-type]
        value, wanted = getattr(made, f.name), str(f.type)
        if wanted in _TYPES:
            good = isinstance(value, _TYPES[wanted]) and (wanted == "bool" or not isinstance(value, bool))
        elif wanted in _INSIDE:
            inside = value.values() if isinstance(value, dict) else value
            good = isinstance(value, dict if wanted.startswith("dict") else list)
            good = good and all(isinstance(item, _INSIDE[wanted]) for item in inside)
        else:
            good = isinstance(value, dict)
        if not good:
            raise TypeError(f"{f.name} of a cursor")
    return made
