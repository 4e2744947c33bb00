"""The place in LinkedIn's streams: what the cursor notes from one fetch to the next."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any

from connectors.linkedin.nouns import length_ms, moment_of, ms_of, urn_of

WATCHED = 20
"""Own posts whose comments are read as a cross-check (platform facts, 5.2)."""


@dataclass(slots=True)
class Place:
    """Where we are in every stream. Times are milliseconds since 1970, UTC; a mark moves after the last page only.

    ``sweep`` is [since, until, start] and ``own_sweep`` [until, start] of a look that is not at its end; ``visits``
    are [urn, start, since] of threads to read; ``watch`` maps an own post to [published, visited, comments,
    activity]; ``todo`` holds what was notified without its text, by its time; ``words`` says from when
    the newest wording of an edited or deleted comment is; ``purse`` spreads the day's calls of a stream evenly.
    """

    begun: int
    settled: bool = False
    going: bool = False
    heard: int | None = None
    sweep: list[int] | None = None
    busy: int = 0
    unranged: bool = False
    told_at: int | None = None
    untold: int = 0
    own: int | None = None
    own_sweep: list[int] | None = None
    newest: str = ""
    seen: dict[str, int] = field(default_factory=dict)
    words: dict[str, int] = field(default_factory=dict)
    todo: dict[str, int] = field(default_factory=dict)
    watch: dict[str, list[Any]] = field(default_factory=dict)
    visits: list[list[Any]] = field(default_factory=list)
    answers: dict[str, int] = field(default_factory=dict)
    purse: dict[str, list[float]] = field(default_factory=dict)
    resting: dict[str, list[int]] = field(default_factory=dict)
    faults: dict[str, list[str]] = field(default_factory=dict)

    @classmethod
    def read(cls, cursor: str | None, now: datetime) -> Place:
        """The place that ``cursor`` notes; a new one where there is none, or it is damaged or of another version."""
        try:
            raw = json.loads(cursor) if cursor else None
            return cls._from(raw) if isinstance(raw, dict) and raw.get("v") == 1 else cls(ms_of(now))
        except (ValueError, TypeError, KeyError, AttributeError, OverflowError, RecursionError):
            return cls(ms_of(now))

    @classmethod
    def _from(cls, raw: Mapping[str, Any]) -> Place:
        place = cls(
            begun=_time(raw["begun"]),
            settled=bool(raw["settled"]),
            going=bool(raw["going"]),
            heard=_maybe_time(raw["heard"]),
            sweep=_times(raw["sweep"], 3),
            busy=_whole_or_raise(raw["busy"]),
            unranged=bool(raw["unranged"]),
            told_at=_maybe_time(raw["told_at"]),
            untold=_whole_or_raise(raw["untold"]),
            own=_maybe_time(raw["own"]),
            own_sweep=_times(raw["own_sweep"], 2),
            newest=urn_of(raw["newest"]) if raw["newest"] else "",
        )
        place.seen = {str(key): _whole_or_raise(minute) for key, minute in raw["seen"].items()}
        place.words = {urn_of(key): _time(at) for key, at in raw["words"].items()}
        place.todo = {urn_of(key): _time(at) for key, at in raw["todo"].items()}
        place.watch = {
            urn_of(key): [_time(published), _whole_or_raise(visited), _whole_or_raise(total), str(activity)]
            for key, (published, visited, total, activity) in raw["watch"].items()
        }
        place.visits = [
            [urn_of(urn), _whole_or_raise(start), _whole_or_raise(since)] for urn, start, since in raw["visits"]
        ]
        place.answers = {urn_of(key): _whole_or_raise(count) for key, count in raw["answers"].items()}
        place.purse = {str(k): [float(coins), float(_time(at))] for k, (coins, at) in raw["purse"].items()}
        place.faults = {str(k): [str(what), str(do), str(doubt)] for k, (what, do, doubt) in raw["faults"].items()}
        place.resting = {str(k): [_time(until), _whole_or_raise(n)] for k, (until, n) in raw["resting"].items()}
        return place

    def write(self, at: int) -> str:
        """The cursor, kept well under the size that the store expects. What is no longer needed is left out."""
        self.todo = {key: told for key, told in self.todo.items() if told > at - length_ms(timedelta(hours=48))}
        full = self._write(seen=600, words=150, todo=50, visits=30, answers=60)
        return full if len(full) < 60_000 else self._write(seen=200, words=40, todo=20, visits=20, answers=10)

    def _write(self, *, seen: int, words: int, todo: int, visits: int, answers: int) -> str:
        plain = ["begun", "settled", "going", "heard", "sweep", "busy", "unranged", "told_at", "untold", "own"]
        plain += ["own_sweep", "newest", "watch", "resting", "faults"]
        note: dict[str, Any] = {name: getattr(self, name) for name in plain}
        note["v"] = 1
        note["seen"] = _latest(self.seen, seen)
        note["words"] = _latest(self.words, words)
        note["todo"] = _latest(self.todo, todo)
        note["visits"] = self.visits[:visits]
        note["answers"] = dict(list(self.answers.items())[-answers:])
        note["purse"] = {name: [round(coins, 3), int(at)] for name, (coins, at) in self.purse.items()}
        return json.dumps(note, separators=(",", ":"))

    def affords(self, stream: str, a_day: int, full: float, kept: float, at: int) -> int:
        """How many of a stream's calls are due when a day's are spread evenly: those saved up, ``full`` at most,
        less those that are ``kept`` for a crisis."""
        coins, since = self.purse.get(stream, [full, float(at)])
        coins = min(full, coins + max(0.0, at - since) / length_ms(timedelta(days=1)) * a_day)
        self.purse[stream] = [coins, float(at)]
        return max(0, int(coins - kept + 1e-6))

    def pay(self, spent: Mapping[str, int]) -> None:
        """Take what was used out of the purse."""
        for stream, calls in spent.items():
            if stream in self.purse:
                self.purse[stream][0] = max(0.0, self.purse[stream][0] - calls)

    def rest(self, stream: str, until: datetime | None, at: int) -> datetime:
        """Leave a throttled stream alone until then; 1, 2, 4 … 30 minutes where LinkedIn does not say."""
        tries = self.resting.get(stream, [0, 0])[1]
        if until is None:
            until = moment_of(at + length_ms(timedelta(minutes=min(30, 2**tries))))
        self.resting[stream] = [ms_of(until), min(tries + 1, 5)]
        return until

    def watch_post(self, urn: str, published: int) -> None:
        """Watch the comments of an own post while it is one of the newest."""
        if urn in self.watch:
            return
        self.watch[urn] = [published, 0, 0, ""]
        for old in sorted(self.watch, key=lambda key: int(self.watch[key][0]))[: max(0, len(self.watch) - WATCHED)]:
            del self.watch[old]

    def forget_post(self, urn: str) -> None:
        """An own post is gone."""
        self.watch.pop(urn, None)
        self.visits = [visit for visit in self.visits if visit[0] != urn]
        self.newest = "" if self.newest == urn else self.newest

    def visited(self, urn: str, at: int) -> None:
        """A thread was read to its end."""
        if urn in self.watch:
            self.watch[urn][1] = at

    def activity_of(self, urn: str) -> str:
        """The activity under which comments of an own post stand; empty where that is not known yet."""
        return str(self.watch[urn][3]) if urn in self.watch else ""

    def post_of(self, activity: str) -> str | None:
        """The own post that belongs to ``activity``, or the activity itself."""
        return next((urn for urn, known in self.watch.items() if known[3] == activity), activity) or None

    def total_of(self, urn: str) -> int | None:
        """How many comments an own post has, where they were counted."""
        return int(self.watch[urn][2]) if urn in self.watch and self.watch[urn][1] else None


def _whole_or_raise(value: object) -> int:
    if isinstance(value, bool) or not isinstance(value, int) or not 0 <= value < 2**53:
        raise ValueError("no whole number")
    return value


def _time(value: object) -> int:
    return ms_of(moment_of(value))


def _latest(times: Mapping[str, int], count: int) -> dict[str, int]:
    """The ``count`` entries with the latest times."""
    return dict(sorted(times.items(), key=lambda entry: entry[1])[-count:])


def _maybe_time(value: object) -> int | None:
    return None if value is None else _time(value)


def _times(value: object, count: int) -> list[int] | None:
    if value is None:
        return None
    if not isinstance(value, list) or len(value) != count:
        raise ValueError("not so many times")
    return [_whole_or_raise(entry) for entry in value]
