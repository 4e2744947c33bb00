"""The cursor of YouTube: our own note to ourselves, packed, and forgetting what was quiet longest."""

from __future__ import annotations

import base64
import json
import zlib
from collections.abc import Mapping
from dataclasses import asdict, astuple, dataclass, field, replace
from typing import Any

from connectors.youtube.posts import BROKEN

MAX_THREADS = 2_000
MAX_UPLOADS = 400
MAX_HITS = 300
MAX_PLACES = 40
"""Videos by others whose comments are watched (facts, 2.4)."""

MAX_CURSOR = 60_000


@dataclass(slots=True)
class Known:
    """A thread that we know. Times are seconds since 1970; ``pending`` says that its replies are still to be read."""

    posted: int
    active: int
    looked: int
    top: int
    below: int
    pending: int = 0

    def row(self) -> tuple[int, ...]:
        """The fields in their order; ``astuple`` takes ten times as long for two thousand of them."""
        return self.posted, self.active, self.looked, self.top, self.below, self.pending


@dataclass(slots=True)
class Walk:
    """A walk through pages that is not finished: where it goes on, and what it will have reached."""

    token: str = ""
    top: int = 0
    began: int = 0
    until: int = 0
    deep: int = 0
    pages: int = 0


@dataclass(slots=True)
class Place:
    """A video by others that names us, whose comments are watched. Our names are asked for in turn: ``mark`` is when
    the last whole round began, ``began`` when this one did. A walk is under way while ``token`` is set."""

    posted: int
    mark: int = 0
    looked: int = 0
    turn: int = 0
    token: str = ""
    began: int = 0
    closed: int = 0


@dataclass(slots=True)
class State:
    """All that a poll needs to know of the polls before it."""

    mark: int = 0
    heard: int = 0
    deep_at: int = 0
    missed: int = 0
    blind_at: int = 0
    walk: Walk | None = None
    threads: dict[str, Known] = field(default_factory=dict)
    reading: str = ""
    reading_token: str = ""
    playlist: str = ""
    channel_at: int = 0
    uploads: dict[str, int] = field(default_factory=dict)
    uploads_at: int = 0
    uploads_deep_at: int = 0
    uploads_empty: int = 0
    uploads_walk: Walk | None = None
    details_at: int = 0
    hits: dict[str, int] = field(default_factory=dict)
    search_at: int = 0
    search_mark: int = 0
    search_walk: Walk | None = None
    search_off: int = 0
    places: dict[str, Place] = field(default_factory=dict)
    day: str = ""
    units: int = 0
    searches: int = 0

    @classmethod
    def read(cls, cursor: str | None) -> State:
        """The note of an earlier poll; a new one where there is none, or where it is damaged or of another form."""
        try:
            return cls._parse(_unpack(cursor or ""))
        except (*BROKEN, zlib.error, RecursionError):
            return cls()

    @classmethod
    def _parse(cls, raw: dict[str, Any]) -> State:
        state = cls()
        for name, value in asdict(state).items():
            if isinstance(value, str | int):
                setattr(state, name, type(value)(raw[name]))
        for name in ("walk", "uploads_walk", "search_walk"):
            setattr(state, name, Walk(str(raw[name][0]), *map(int, raw[name][1:])) if raw[name] else None)
        ids, columns = raw["threads"][0], raw["threads"][1:]
        rows = zip(*columns, strict=True) if ids else ()
        state.threads = {str(i): Known(*map(int, row)) for i, row in zip(ids, rows, strict=True)}
        state.uploads = {str(name): int(value) for name, value in raw["uploads"].items()}
        state.hits = {str(name): int(value) for name, value in raw["hits"].items()}
        for name, row in raw["places"].items():
            posted, mark, looked, turn, token, began, closed = row
            state.places[str(name)] = Place(
                int(posted), int(mark), int(looked), int(turn), str(token), int(began), int(closed)
            )
        return state

    def write(self) -> str:
        """This note as text, at most ``MAX_CURSOR`` characters: what was quiet longest is forgotten first."""
        self._forget(MAX_THREADS)
        while len(text := _pack(self._plain())) > MAX_CURSOR and self.threads:
            self._forget(len(self.threads) * 9 // 10)
        return text

    def _plain(self) -> dict[str, Any]:
        rows = sorted(self.threads.items(), key=lambda entry: entry[1].posted)
        return {
            **{name: value for name, value in asdict(replace(self, threads={})).items() if name != "threads"},
            "threads": [[i for i, _ in rows], *map(list, zip(*(known.row() for _, known in rows), strict=True))],
            "places": {name: astuple(place) for name, place in self.places.items()},
            **{
                name: astuple(walk) if (walk := getattr(self, name)) else None
                for name in ("walk", "uploads_walk", "search_walk")
            },
        }

    def _forget(self, keep: int) -> None:
        def worth(entry: tuple[str, Known]) -> tuple[int, int]:
            return entry[1].pending, entry[1].active

        if len(self.threads) > keep:
            self.threads = dict(sorted(self.threads.items(), key=worth, reverse=True)[:keep])
        self.hits = dict(sorted(self.hits.items(), key=lambda entry: entry[1], reverse=True)[:MAX_HITS])
        self.uploads = dict(list(self.uploads.items())[-MAX_UPLOADS:])
        self.places = dict(sorted(self.places.items(), key=lambda p: p[1].posted, reverse=True)[:MAX_PLACES])


_FORM = "youtube-1:"


def _pack(plain: Mapping[str, Any]) -> str:
    packed = zlib.compress(json.dumps(plain, separators=(",", ":")).encode("utf-8", "replace"))
    return _FORM + base64.b85encode(packed).decode("ascii")


def _unpack(cursor: str) -> dict[str, Any]:
    if not cursor.startswith(_FORM):
        raise ValueError("another form")
    unpacker = zlib.decompressobj()
    text = unpacker.decompress(base64.b85decode(cursor.removeprefix(_FORM)), 4_000_000)
    plain = json.loads(text)
    if not isinstance(plain, dict):
        raise TypeError("not a note")
    return plain
