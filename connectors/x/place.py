"""The cursor of the X connector: how far each stream was heard, and the sweep in progress."""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass, field

from connectors.x.posts import ID, whole

SMALLEST = {"mentions": 5, "search": 10, "own": 5}
"""The least ``max_results`` of each endpoint (platform facts, 1.1). Also the order in which they are read."""

STORM = 200
"""Posts in one sweep from which the shorter overlap is used, so that re-reading does not eat the rate limit."""


@dataclass(slots=True)
class Stream:
    """How far one stream was heard, and the sweep in progress. Times are whole seconds since 1970, ids numbers."""

    mark: int = 0
    """The highest id below which everything was heard."""
    heard: int = 0
    began: int = 0
    """When the sweep in progress began; 0 when none is."""
    since: int = 0
    start: str = ""
    token: str = ""
    top: int = 0
    read: int = 0
    cost: int = 0
    size: int = 0
    restarts: int = 0
    storm: int = 0
    rest: int = 0
    """Not to be asked before then: X's word."""
    failing: int = 0
    paid: list[int] = field(default_factory=list)

    @classmethod
    def read_from(cls, raw: object) -> Stream:
        if not isinstance(raw, dict):
            return cls()
        stream, paid = cls(), raw.get("paid")
        for name in cls.__slots__:
            setattr(stream, name, whole(raw.get(name)))
        for name in ("start", "token"):
            setattr(stream, name, raw[name] if isinstance(raw.get(name), str) else "")
        stream.paid = [whole(i) for i in paid] if isinstance(paid, list) else []
        return stream

    def begin_again(self) -> None:
        """From the first page, for the same stretch of time."""
        self.token, self.top, self.read = "", 0, 0

    def end(self) -> None:
        """The last page was read: only now does the mark move."""
        self.mark = max(self.mark, self.top)
        self.heard = self.began
        self.storm = int(self.read > STORM)
        self.began = self.since = self.top = self.read = self.cost = self.size = self.restarts = 0
        self.start = self.token = ""

    def written(self) -> dict[str, object]:
        return {name: value for name, value in asdict(self).items() if value}


@dataclass(slots=True)
class Place:
    """The cursor: one ``Stream`` each, whose turn it is, and the canary."""

    streams: dict[str, Stream]
    query: str = ""
    handle: str = ""
    user: str = ""
    ask_user_at: int = 0
    turn: list[str] = field(default_factory=list)
    turn_at: int = 0
    day: str = ""
    canary: int = 0
    """The first id of our own newest post."""
    canary_version: int = 0
    canary_at: int = 0
    canary_asked: int = 0
    canary_seen: int = 0
    suspect: int = 0
    counted_at: int = 0
    counted: int = 0

    @classmethod
    def read(cls, cursor: str | None) -> Place:
        """The place that ``cursor`` names; a damaged or older one begins anew."""
        try:
            raw = json.loads(cursor or "{}")
        except (ValueError, RecursionError):
            raw = {}
        if not isinstance(raw, dict) or raw.get("v") != 1:
            raw = {}
        streams = raw.get("streams")
        streams = streams if isinstance(streams, dict) else {}
        place = cls({name: Stream.read_from(streams.get(name)) for name in SMALLEST})
        for name in ("query", "handle", "user", "day"):
            value = raw.get(name)
            setattr(place, name, value if isinstance(value, str) else "")
        for name in cls.__slots__[cls.__slots__.index("canary") :] + ("ask_user_at", "turn_at"):
            setattr(place, name, whole(raw.get(name)))
        turn = raw.get("turn")
        place.turn = [name for name in SMALLEST if name in turn] if isinstance(turn, list) else []
        place.user = place.user if ID.fullmatch(place.user) else ""
        return place

    def turn_to(self, query: str, handle: str) -> None:
        """Page tokens belong to a query, and an account's number to a handle: forget those of another."""
        if query != self.query:
            self.streams["search"].begin_again()
        if handle != self.handle:
            self.user, self.ask_user_at, self.canary, self.canary_version, self.suspect = "", 0, 0, 0, 0
        self.query, self.handle = query, handle

    def written(self) -> str:
        raw: dict[str, object] = {name: getattr(self, name) for name in self.__slots__ if name != "streams"}
        raw = {name: value for name, value in raw.items() if value}
        streams = {name: stream.written() for name, stream in self.streams.items()}
        return json.dumps({"v": 1, **raw, "streams": streams}, separators=(",", ":"))
