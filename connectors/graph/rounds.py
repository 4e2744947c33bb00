"""Reading the streams of a Graph account round by round, without losing the place.

A *round* reads every stream that is due, newest entries first, down to what is known, with an overlap. What
is found to go on longer (a thread with more comments than its post shows, a further page) becomes a task,
and tasks survive in the cursor. One ``fetch`` makes a few calls; ``more`` asks for the next.

``since`` is not trusted for completeness and the documented order is not relied upon alone (platform facts,
1.3): pages overlap, and the number of comments under a post is compared with the number that was known.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta
from typing import Any, Protocol

from connectors.errors import (
    ConnectorError,
    RateLimited,
    UnexpectedReply,
    shape_of,
)
from connectors.graph.place import Place, Task, Trouble, id_part, mark_of, mark_of_broken
from connectors.graph.refusals import Reason, Refused
from connectors.graph.values import UNREADABLE, epoch, onward, rows
from connectors.model import Allowance, Batch, Coverage, Fault, Kind, Mention

CALLS = 8
"""Calls that one fetch makes at most; a poll has a deadline, and what it read is lost when it is missed."""
SECONDS = 20.0
"""After this long a fetch hands over what it has."""
OVERLAP = int(timedelta(hours=1).total_seconds())
DEEP_OVERLAP = int(timedelta(hours=24).total_seconds())
DEEP_EVERY = int(timedelta(minutes=10).total_seconds())
"""How often the overlap is a whole day, for what arrives late (reliability notes, 2.4)."""
FAR_EVERY = int(timedelta(hours=1).total_seconds())
FAR_PAGES = 50
"""How often, and how far, the sweep goes beyond the newest hundred posts."""
SWEEP_PAGE = 100
"""Posts that make a page of the sweep, however few the platform gives in one answer."""
SWEEP_LEAST = 10
"""What an answer of the sweep counts as at least, so that very short answers do not cost without end."""
HISTORY = int(timedelta(days=30).total_seconds())
"""How far back the first round reads: as long as the words may be kept."""
SKEW = int(timedelta(minutes=10).total_seconds())
RETRY_AT_LEAST = 10
RETRY_AT_MOST = int(timedelta(minutes=15).total_seconds())
GIVE_UP_AFTER = 6
TELL_AFTER = 3
REST_WHEN_FULL = 60


@dataclass(frozen=True, slots=True)
class Stream:
    """One list of the platform, for a person in ``what``, and how often it is worth a call (platform facts, 5.1).

    ``busy`` holds from 60 % of the rate budget, ``scarce`` from 80 %; None means not at all. A ``sweep`` looks
    for posts whose comments have become more. ``without_next`` lists give cursors but never a next page.
    """

    name: str
    what: str
    calm: timedelta
    hurried: timedelta
    busy: timedelta
    scarce: timedelta | None
    sweep: bool = False
    without_next: bool = False


@dataclass(slots=True)
class Talk:
    """The comments under a post, or the replies to a comment, as far as they were shown with it.

    ``rest`` asks for those not shown: None when all were shown, empty to begin from the head.
    """

    id: str
    total: int | None
    entries: list[Entry] = field(default_factory=list)
    rest: dict[str, str] | None = None
    link: str = ""
    moved_at: int = 0


@dataclass(slots=True)
class Entry:
    """One row of a list: the time that the list is ordered by, the mention it is, the talk under it."""

    at: int
    mention: Mention | None = None
    talk: Talk | None = None


class Client(Protocol):
    """What we need of ``graph.Graph``."""

    platform: str
    version: str
    calls: int
    heaviest: float | None

    @property
    def footing(self) -> Any: ...

    def ask(self, path: str, args: Mapping[str, Any]) -> Mapping[str, Any]: ...


Each = Callable[[Iterable[Any], Callable[[Any], Entry]], list[Entry]]
"""Reads rows one by one; one that cannot be read is set aside without its neighbours."""


class Listener(Protocol):
    """What one platform's module knows: its streams, the call a task makes, and what a row of the answer says.

    The first stream is the one without which the platform counts as unheard.
    """

    platform: str
    account: str
    streams: tuple[Stream, ...]
    never_shows: tuple[str, ...]
    own_name: str

    def call(self, task: Task, *, lean: bool) -> tuple[str, dict[str, str]]:
        """Path and parameters. ``lean`` leaves out the fields that can be missed."""
        ...

    def read(self, task: Task, row: Any, each: Each) -> Entry:
        """A row of the task's list; raises one of ``UNREADABLE``."""
        ...

    def why_empty(self, client: Client) -> str | None:
        """Called when nothing at all was heard: why that is suspect, or None. Raises ``SetupRejected``."""
        ...


class Rounds:
    """One fetch of one account."""

    def __init__(
        self, client: Client, listener: Listener, cursor: str | None, allowance: Allowance, *, every_poll: bool
    ) -> None:
        self._client = client
        self._listener = listener
        self._place = Place.read(cursor, listener.account)
        self._allowance = allowance
        self._now = epoch(allowance.now)
        self._every_poll = every_poll
        self._most = min(CALLS, allowance.of("calls"))
        self._until = time.monotonic() + SECONDS
        self._mentions: dict[str, Mention] = {}
        self._gone: list[str] = []
        self._touched: list[str] = []
        self._known = set(self._place.seen)
        self._known_ids = {id_part(mark) for mark in self._place.seen}
        self._dropped = 0
        self._shapes: list[str] = []
        self._stop = False
        self._later: list[Task] = []
        self._stumbled: ConnectorError | None = None
        self._refusal: ConnectorError | None = None
        self._progress = False
        self._served = ""
        if self._place.own_name:
            listener.own_name = self._place.own_name

    def run(self) -> Batch:
        """The next few pages. Raises the classes of ``connectors.errors``, each with what was spent."""
        try:
            return self._run()
        except Refused as refused:
            error = refused.ours(self._allowance.now)
            error.spent = {"calls": self._client.calls}
            raise error from None
        except ConnectorError as error:
            error.spent = {"calls": self._client.calls}
            raise

    def _run(self) -> Batch:
        place = self._place
        self._heed_rest()
        if all(task.failed for task in place.todo):
            self._begin()
        while place.todo and self._goes_on():
            self._step(place.todo.pop(0))
        if all(task.failed for task in place.todo):
            self._finish()
        if self._stumbled is not None and not self._progress:
            raise self._stumbled
        if self._refusal is not None and not place.todo and not self._hears_something():
            raise self._refusal
        return self._batch()

    def _hears_something(self) -> bool:
        place = self._place
        return any(s.name in place.read_at and s.name not in place.troubles for s in self._listener.streams)

    def _heed_rest(self) -> None:
        """Not a single call while the platform shuts us out: each would prolong it (platform facts, 5.1)."""
        place = self._place
        if place.rest_until > self._now and place.rest_until - self._now < 8 * 86400:
            raise RateLimited(
                f"{self._listener.platform} has shut us out for a while because we called too often.",
                "Nothing is broken. If it happens often, poll more rarely.",
                code="usage",
                retry_at=datetime.fromtimestamp(place.rest_until, UTC),
            )
        if self._most < 1:
            raise RateLimited(f"Nothing may be spent on {self._listener.platform} now.", code="allowance")

    # ── a round ─────────────────────────────────────────────────────────────────────────────────

    def _begin(self) -> None:
        place, now = self._place, self._now
        place.began_at, place.canary_met, place.rows, place.down_to, place.heard = now, False, 0, 0, []
        place.next_canary, place.next_canary_at = "", 0
        deep = now - place.read_at.get("deep", 0) >= DEEP_EVERY
        fresh = []
        for number, stream in enumerate(self._listener.streams):
            if not self._is_due(stream, always=number == 0):
                continue
            task = Task(stream.name)
            mark = place.marks.get(stream.name)
            if stream.sweep:
                task.pages = FAR_PAGES if now - place.read_at.get("far", 0) >= FAR_EVERY else 1
                talk = place.marks.get("sweep-talk")
            else:
                task.floor = mark - (DEEP_OVERLAP if deep else OVERLAP) if mark is not None else -1
                talk = place.marks.get("talk")
            task.talk_floor = talk - OVERLAP if talk is not None else -1
            fresh.append(task)
        if deep:
            place.read_at["deep"] = now
        place.todo = fresh + place.todo

    def _is_due(self, stream: Stream, *, always: bool) -> bool:
        place, now = self._place, self._now
        trouble = place.troubles.get(stream.name)
        if trouble is not None and 0 < trouble.again_at - now <= RETRY_AT_MOST:
            return False
        last = place.read_at.get(stream.name)
        if always or last is None or last > now:
            return True
        every = self._cadence(stream)
        # polls come up to a tenth early
        return every is not None and now - last >= 0.85 * every.total_seconds()

    def _cadence(self, stream: Stream) -> timedelta | None:
        if self._place.usage > 0.8:
            return stream.scarce
        if self._place.usage > 0.6:
            return stream.busy
        if self._every_poll:
            return timedelta(0)
        return stream.hurried if self._allowance.hurried else stream.calm

    def _goes_on(self) -> bool:
        return not self._stop and self._client.calls < self._most and time.monotonic() < self._until

    def _step(self, task: Task) -> None:
        lean = self._place.lean or task.lean
        path, args = self._listener.call(task, lean=lean)
        try:
            answer = self._client.ask(path, args | task.args)
            try:
                found = rows(answer)
            except ValueError:
                raise UnexpectedReply(
                    f"{self._listener.platform} answered in a form that Earshot does not know.", shape=shape_of(answer)
                ) from None
        except Refused as refused:
            self._note_footing(failed=True)
            self._refused(task, refused, lean=lean)
        except ConnectorError as error:
            self._note_footing(failed=True)
            self._failed(task, error)
        else:
            self._note_footing(failed=False)
            self._progress = True
            task.failed = 0
            is_full = len(found) >= _limit(args) or (self._stream(task).without_next and bool(found))
            rest = onward(answer, used=task.args, full=is_full)
            entries = self._each(found, lambda row: self._listener.read(task, row, self._each))
            self._take(task, entries, rest, sure=onward(answer) is not None)

    def _note_footing(self, *, failed: bool) -> None:
        footing, place = self._client.footing, self._place
        if footing.served:
            self._served = footing.served
        if footing.usage is not None or not failed:
            place.usage = footing.usage or 0.0
        wait = int(footing.regain.total_seconds()) or (REST_WHEN_FULL if place.usage >= 1 else 0)
        if wait:
            place.rest_until = self._now + wait
            self._stop = True

    # ── what an answer says ─────────────────────────────────────────────────────────────────────

    def _each(self, found: Iterable[Any], read: Callable[[Any], Entry]) -> list[Entry]:
        entries = []
        for row in found:
            try:
                entries.append(read(row))
            except UNREADABLE:
                self._set_aside(row)
        return entries

    def _set_aside(self, row: Any) -> None:
        shape = shape_of(row)
        mark = mark_of_broken(shape, repr(row)[:20_000])
        if mark not in self._known:
            self._dropped += 1
            self._shapes.append(shape)
        self._known.add(mark)
        self._touched.append(mark)

    def _take(self, task: Task, entries: list[Entry], rest: dict[str, str] | None, *, sure: bool) -> None:
        """``sure`` where the platform itself says that ``rest`` leads to a further page."""
        if task.what == "list":
            self._take_list(task, entries, rest, sure=sure)
        else:
            self._take_talk(task, entries, rest)

    def _take_list(self, task: Task, entries: list[Entry], rest: dict[str, str] | None, *, sure: bool) -> None:
        place = self._place
        stream = self._stream(task)
        is_first = stream is self._listener.streams[0]
        newest = max((entry.at for entry in entries), default=0)
        if task.floor < 0 and entries and not stream.sweep:
            task.floor = max(0, min(newest, self._now + SKEW) - HISTORY)
        if is_first and not task.args:
            place.front = []
        spawned: list[Task] = []
        task.top = max(task.top, newest)
        is_front = is_first and not task.args
        new = 0
        for entry in entries:
            if entry.mention is not None:
                self._note_canary(entry, met=is_first)
                new += self._emit(entry.mention)
            if entry.talk is not None and is_front:
                place.front.append(entry.talk.id)
            if entry.talk is not None and stream.sweep:
                spawned += self._follow_sweep(task, entry, entry.talk)
            elif entry.talk is not None:
                spawned += self._follow(task, entry.talk)
        task.rows += max(len(entries), SWEEP_LEAST) if stream.sweep else len(entries)
        place.rows += len(entries)
        if is_first and not (sure or new):
            rest = None  # a page of known posts that names no next one: not worth a call at every poll
        on = rest is not None and self._reads_on(task, stream, entries)
        if is_first:
            place.down_to = 0 if rest is None else (entries[-1].at if entries else place.down_to)
        if on and rest is not None:
            spawned.append(replace(task, args=rest))
        else:
            self._end_of(task, stream, whole=rest is None)
        place.todo = spawned + place.todo

    def _reads_on(self, task: Task, stream: Stream, entries: list[Entry]) -> bool:
        if stream.sweep:
            return task.rows < task.pages * SWEEP_PAGE
        return not entries or any(entry.at >= task.floor for entry in entries)

    def _end_of(self, task: Task, stream: Stream, *, whole: bool) -> None:
        """A list was read as far as it needed: only now its mark moves."""
        place, now = self._place, self._now
        place.read_at[stream.name] = now
        place.troubles.pop(stream.name, None)
        place.heard.append(stream.name)
        if stream.sweep:
            if whole or now - place.read_at.get("far", 0) >= FAR_EVERY:
                place.read_at["far"] = now
            self._mark(stream.name, task.top)
            place.marks["sweep-talk"] = place.marks.get("talk", 0)
            return
        self._mark(stream.name, task.top)
        if stream is self._listener.streams[0]:
            self._mark("talk", task.talk_top)

    def _mark(self, name: str, newest: int) -> None:
        marks = self._place.marks
        marks[name] = max(marks.get(name, 0), min(newest, self._now + SKEW))

    def _follow(self, task: Task, talk: Talk) -> list[Task]:
        """Hand over the comments shown with a post, and owe the reading of those that are not shown."""
        place = self._place
        known = place.counts.get(talk.id)
        new = self._emit_all(task, talk)
        moved = known is None or talk.total is None or talk.total != known
        if talk.total is not None:
            place.count(talk.id, talk.total)
        if not moved:
            return []
        floor = task.talk_floor if known is not None else self._history(task)
        want = max(0, talk.total - known - new) if known is not None and talk.total is not None else 0
        owed = self._owed_replies(task, talk)
        if talk.rest is not None and self._hides_news(talk, floor, want):
            owed.append(_thread(task, talk, floor, want))
        return owed

    def _history(self, task: Task) -> int:
        """How far back a thread is read that we see for the first time: by the platform's clock, where it lags."""
        return min(self._now, task.top or self._now) - HISTORY

    def _hides_news(self, talk: Talk, floor: int, want: int) -> bool:
        if not talk.entries:
            return bool(talk.total)
        return want > 0 or min(entry.at for entry in talk.entries) >= floor

    def _follow_sweep(self, task: Task, entry: Entry, talk: Talk) -> list[Task]:
        """A post whose comments have become more, or that was touched, is read anew; the front was read already.

        Of posts so old that their numbers are not kept, only those that were touched are.
        """
        place = self._place
        known, total = place.counts.get(talk.id), talk.total or 0
        last = place.marks.get(task.stream)
        task.top = max(task.top, talk.moved_at)
        if not place.canary:
            self._note_next_canary(talk.id, entry.at)
        if talk.id in place.front:
            return []
        is_kept = place.count(talk.id, total, displace=False)
        if not is_kept:
            is_news = last is not None and talk.moved_at > last
        elif known is None:
            is_news = total > 0 and (last is not None or talk.moved_at >= self._now - HISTORY)
        else:
            is_news = total > known or (last is not None and talk.moved_at > last)
        if not is_news:
            return []
        floor = task.talk_floor if known is not None else self._history(task)
        return [_thread(task, replace(talk, rest={}), floor, max(0, total - known) if known is not None else 0)]

    def _take_talk(self, task: Task, entries: list[Entry], rest: dict[str, str] | None) -> None:
        talk = Talk(task.id, None, entries, rest)
        new = self._emit_all(task, talk)
        task.want = max(0, task.want - new)
        spawned = self._owed_replies(task, talk)
        if rest is not None and (
            task.what == "replies" or not entries or self._hides_news(talk, task.floor, task.want)
        ):
            spawned.append(replace(task, args=rest))
        self._place.todo = spawned + self._place.todo

    def _owed_replies(self, task: Task, talk: Talk) -> list[Task]:
        return [
            Task(
                task.stream,
                "replies",
                entry.talk.id,
                root=task.root or talk.id,
                link=task.link or talk.link,
                args=entry.talk.rest,
            )
            for entry in talk.entries
            if entry.talk is not None and entry.talk.rest is not None
        ]

    def _emit_all(self, task: Task, talk: Talk) -> int:
        """Hand over all entries of ``talk`` and the replies under them; how many ids were new."""
        new = 0
        for entry in talk.entries:
            if entry.mention is not None:
                new += self._emit(entry.mention)
                task.talk_top = max(task.talk_top, entry.at)
            if entry.talk is not None:
                new += self._emit_all(task, entry.talk)
        return new

    def _emit(self, mention: Mention) -> bool:
        """Hand over ``mention`` unless it was handed over just so before; whether its id is new."""
        mark = mark_of(mention)
        is_new = id_part(mark) not in self._known_ids
        if mark not in self._known:
            self._mentions[mention.external_id] = mention
        self._known.add(mark)
        self._known_ids.add(id_part(mark))
        self._touched.append(mark)
        return is_new

    # ── what goes wrong ─────────────────────────────────────────────────────────────────────────

    def _refused(self, task: Task, refused: Refused, *, lean: bool) -> None:
        now = self._allowance.now
        match refused.reason:
            case Reason.LIMIT:
                self._place.todo.insert(0, task)
                if not self._progress:
                    raise refused
                self._place.rest_until = self._now + (int(refused.regain.total_seconds()) or REST_WHEN_FULL)
                self._stop = True
            case Reason.TOO_MUCH if not lean:
                self._place.todo.insert(0, replace(task, lean=True))
            case Reason.TOO_MUCH if (limit := _limit(self._listener.call(task, lean=True)[1])) > 1:
                self._place.todo.insert(0, replace(task, lean=True, limit=limit // 2))
            case Reason.CURSOR | Reason.PARAMETER if task.args and task.restarted < 2:
                self._place.todo.insert(0, replace(task, args={}, restarted=task.restarted + 1))
            case Reason.PARAMETER if not lean:
                self._place.lean = True
                self._place.todo.insert(0, task)
            case Reason.GONE if task.what != "list":
                self._progress = True
            case Reason.PERMISSION:
                self._stream_refused(task, refused.ours(now))
            case Reason.PARAMETER | Reason.CURSOR | Reason.ADDRESS | Reason.GONE if not self._is_essential(task):
                self._stream_refused(task, refused.ours(now))
            case Reason.DOWN | Reason.TOO_MUCH | Reason.UNKNOWN:
                self._failed(task, refused.ours(now))
            case _:
                raise refused

    def _is_essential(self, task: Task) -> bool:
        return task.what == "list" and task.stream == self._listener.streams[0].name

    def _stream_refused(self, task: Task, error: ConnectorError) -> None:
        """One stream is not for us: say so, ask again rarely, and hear the rest."""
        self._refusal = self._refusal or error
        self._trouble(task.stream, error, tell=True)
        if task.stream == self._listener.streams[0].name:
            self._place.front = []
        self._place.todo = [other for other in self._place.todo if other.stream != task.stream or other.what != "list"]

    def _failed(self, task: Task, error: ConnectorError) -> None:
        """An answer that did not come or could not be read. The stream that all hangs on fails the poll."""
        if self._is_essential(task):
            self._place.todo.insert(0, task)
            if not self._progress:
                raise error
            self._stop = True
        elif task.what == "list":
            self._trouble(
                task.stream, error, tell=not isinstance(error, RateLimited) and self._fails(task) >= TELL_AFTER
            )
        else:
            self._set_back(task, error)

    def _fails(self, task: Task) -> int:
        trouble = self._place.troubles.get(task.stream)
        return (trouble.failed if trouble else 0) + 1

    def _set_back(self, task: Task, error: ConnectorError) -> None:
        """A thread that fails goes to the end of the line, once a round; a poisoned one is given up and told of."""
        self._stumbled = error
        task = replace(task, failed=task.failed + 1)
        if task.failed <= GIVE_UP_AFTER:
            self._later.append(task)
            return
        self._progress = True
        self._dropped += 1
        self._shapes.append(f"the comments of one post: {error.code} {error.shape}".strip())

    def _trouble(self, stream: str, error: ConnectorError, *, tell: bool) -> None:
        before = self._place.troubles.get(stream)
        failed = (before.failed if before else 0) + 1
        wait = min(RETRY_AT_LEAST * 2 ** min(failed, 10), RETRY_AT_MOST)
        self._place.troubles[stream] = Trouble(error.what, error.do, failed, self._now + wait, tell)

    # ── the end of a round ──────────────────────────────────────────────────────────────────────

    def _note_canary(self, entry: Entry, *, met: bool) -> None:
        mention = entry.mention
        if mention is None or mention.kind is not Kind.OWN_POST or mention.parent is not None:
            return
        if met:
            self._place.canary_met = self._place.canary_met or mention.external_id == self._place.canary
        self._note_next_canary(mention.external_id, entry.at)

    def _note_next_canary(self, post: str, at: int) -> None:
        place = self._place
        if at >= place.next_canary_at and at <= self._now + SKEW:
            place.next_canary, place.next_canary_at = post, at

    def _finish(self) -> None:
        """All of a round was read: how far we have heard, and whether the silence can be believed."""
        place = self._place
        first = self._listener.streams[0].name
        if first not in place.heard:
            return
        if not place.todo and not self._later:
            place.heard_until = max(place.heard_until, place.began_at)
        if place.canary and not place.canary_met and place.canary_at > place.down_to:
            self._look_for_canary()
        elif place.canary_met or place.rows:
            place.suspect = ""
        if not place.canary and not place.rows and self._client.calls < self._most:
            place.suspect = self._listener.why_empty(self._client) or ""
        if place.next_canary and place.next_canary_at >= place.canary_at:
            place.canary, place.canary_at = place.next_canary, place.next_canary_at

    def _look_for_canary(self) -> None:
        """Our newest post did not come back with the others: was it taken down, or are we blind?"""
        place = self._place
        if self._client.calls >= self._most:
            return
        try:
            self._client.ask(place.canary, {"fields": "id"})
        except Refused as refused:
            if refused.reason is Reason.GONE:
                self._gone.append(place.canary)
                place.canary, place.canary_at, place.suspect = "", 0, ""
            return
        except ConnectorError:
            return
        place.suspect = "Our own newest post exists, but it does not come back with the others."

    def _batch(self) -> Batch:
        place = self._place
        place.todo += self._later
        place.remember(reversed(self._touched))
        place.own_name = self._listener.own_name
        return Batch(
            tuple(self._mentions.values()),
            gone=tuple(i for i in self._gone if i not in self._mentions),
            cursor=place.write(),
            more=any(not task.failed for task in place.todo),
            spent={"calls": self._client.calls},
            coverage=self._coverage(),
            usage=self._client.heaviest,
            dropped=self._dropped,
            shapes=tuple(self._shapes[:50]),
        )

    def _coverage(self) -> Coverage:
        place = self._place
        until = min(place.heard_until, self._now)
        faults = [
            Fault(self._stream(Task(name)).what, trouble.what, trouble.do)
            for name, trouble in place.troubles.items()
            if trouble.told and any(stream.name == name for stream in self._listener.streams)
        ]
        if self._served and self._served.lstrip("v") != self._client.version.lstrip("v"):
            faults.append(version_fault(self._listener.platform, self._client.version, self._served))
        return Coverage(
            datetime.fromtimestamp(until, UTC) if until else None,
            self._listener.never_shows,
            tuple(faults),
            place.suspect or None,
        )

    def _stream(self, task: Task) -> Stream:
        for stream in self._listener.streams:
            if stream.name == task.stream:
                return stream
        return self._listener.streams[0]


def version_fault(platform: str, asked: str, served: str) -> Fault:
    """A version that has ended is answered by the oldest one alive, without a word (platform facts, 1.6)."""
    return Fault(
        "version",
        f"{platform} answered as version {served}, not as {asked} of the settings.",
        "Set graph_version to a version that is alive.",
    )


def _thread(task: Task, talk: Talk, floor: int, want: int) -> Task:
    return Task(task.stream, "thread", talk.id, link=talk.link, args=talk.rest or {}, floor=floor, want=want)


def _limit(args: Mapping[str, str]) -> int:
    return int(args.get("limit", "25"))
