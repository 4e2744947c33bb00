"""One poll of YouTube: comments on our channel, replies, our videos, search, older threads, comments elsewhere."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from datetime import UTC, datetime, timedelta
from typing import Any, TypeVar

from connectors.errors import (
    ConnectorError,
    CredentialsRejected,
    RateLimited,
    SetupRejected,
    UnexpectedReply,
    Unreachable,
    shape_of,
)
from connectors.model import Allowance, Batch, Coverage, Fault, Kind, Mention, Organisation
from connectors.youtube import NEVER_SHOWS, SEARCHES, UNITS, Settings, search_interval
from connectors.youtube.line import (
    CLOSED,
    IDS,
    MISSING,
    PACIFIC,
    PAGE_TOKEN,
    Api,
    Meter,
    batches,
    by_id,
    next_day,
    raw_ids,
)
from connectors.youtube.names import comment_terms, names_of, names_us, search_query
from connectors.youtube.place import Known, Place, State, Walk
from connectors.youtube.posts import (
    BROKEN,
    Hit,
    Thread,
    Upload,
    dicts,
    epoch,
    read_comment,
    read_hit,
    read_thread,
    read_upload,
    read_video,
    stamp,
    text_of,
)

T = TypeVar("T")

PAGE = 100
"""Comments on a page, the largest that is allowed (facts, 2.1). The platform may give about 20 all the same."""

PAGES_AT_ONCE = 10
"""Pages of comments that one ``fetch`` reads before it hands over what it has."""

PAGES_AT_MOST = 600
"""Pages of one walk after which we no longer believe that the list ends."""

HISTORY = timedelta(days=28)
"""How far back the first run looks; what is older may not be kept anyway (settled questions, 4)."""

OVERLAP = timedelta(hours=1)
"""Comments that were held for review appear later, with their old time (facts, 2.3)."""

DEEP_OVERLAP = timedelta(hours=24)

DEEP_EVERY = timedelta(hours=6)
"""Every so often the last day is read again as a whole (reliability notes, 2.4)."""

SEARCH_OVERLAP = timedelta(hours=48)
"""YouTube's index lags by minutes to hours, and results flicker (facts, 2.3)."""


class Poll:
    """One ``fetch``. The comments on our channel come first, and their failure is the poll's failure; what fails
    after them is a fault of its stream, told in the coverage."""

    def __init__(
        self,
        api: Api,
        settings: Settings,
        organisation: Organisation,
        cursor: str | None,
        allowance: Allowance,
        meter: Meter,
    ) -> None:
        self._api = api
        self._settings = settings
        self._names = names_of(organisation)
        self._query = search_query(organisation)
        self._terms = comment_terms(organisation)
        self._ours = settings.channel_id
        self._state = State.read(cursor)
        self._hurried = allowance.hurried
        self._meter = meter
        self._now_at = allowance.now
        self._now = epoch(allowance.now)
        self._mentions: dict[str, Mention] = {}
        self._gone: list[str] = []
        self._faults: list[Fault] = []
        self._dropped = 0
        self._shapes: list[str] = []
        self._videos: dict[str, tuple[str, str]] = {}
        self._more = False
        self._leaving = 4 if meter.left(UNITS) > 10 else 1
        self._sees = False
        self._suspect: str | None = None

    def run(self) -> Batch:
        """The batch of this poll."""
        if not self._meter.can():
            raise RateLimited(
                f"The allowance of {self._settings.daily_units} units is used up.",
                "Nothing is broken. It fills up at midnight in Los Angeles.",
                code="allowance",
                retry_at=next_day(self._now_at),
            )
        self._turn_the_day()
        self._comments()
        self._try("replies", self._replies)
        self._try("our own videos", self._uploads)
        self._try("videos by others", self._search)
        self._try("older comment threads", self._sweep)
        self._try("comments under videos by others", self._elsewhere)
        self._try("replies", self._replies)
        state = self._state
        state.units += self._meter.spent[UNITS]
        state.searches += self._meter.spent[SEARCHES]
        return Batch(
            tuple(self._mentions.values()),
            gone=tuple(dict.fromkeys(i for i in self._gone if i not in self._mentions)),
            cursor=state.write(),
            more=self._more and (self._meter.spent[UNITS] > 1 or state.walk is not None),
            spent=dict(self._meter.spent),
            coverage=Coverage(
                heard_until=self._heard_until(),
                never_shows=NEVER_SHOWS,
                faults=tuple(self._faults),
                suspect=self._suspect,
            ),
            dropped=self._dropped,
            shapes=tuple(self._shapes),
        )

    def _heard_until(self) -> datetime:
        reached = self._state.heard or self._now - int(HISTORY.total_seconds())
        return min(datetime.fromtimestamp(reached, UTC), self._now_at)

    def _turn_the_day(self) -> None:
        day = f"{self._now_at.astimezone(PACIFIC):%Y-%m-%d}"
        if self._state.day != day:
            self._state.day, self._state.units, self._state.searches = day, 0, 0

    def _try(self, stream: str, work: Callable[[], None]) -> None:
        """Run a stream that may fail by itself. What the whole service refuses ends this fetch's calls."""
        try:
            work()
        except (RateLimited, CredentialsRejected, Unreachable) as error:
            self._meter.halt()
            self._fault(stream, error)
        except (SetupRejected, UnexpectedReply) as error:
            self._fault(stream, error)

    def _fault(self, stream: str, error: ConnectorError) -> None:
        self._faults.append(Fault(stream, error.what, error.do))

    def _is_due(self, at: int, every: float) -> bool:
        return abs(self._now - at) >= every

    def _is_quick(self) -> bool:
        """Whether the streams beside the comments hurry too."""
        return self._hurried or self._is_generous()

    def _is_generous(self) -> bool:
        """Whether every stream keeps to the operator's ``poll_every``: while half of the day's units is left."""
        return self._settings.poll_every is not None and self._state.units * 2 < self._settings.daily_units

    # ── comments on our own channel ─────────────────────────────────────────────────────────────────

    def _comments(self) -> None:
        """Walk the list of threads, newest first, to where nothing is new. The mark moves after the last page."""
        walk = self._state.walk or self._new_walk()
        for _ in range(PAGES_AT_ONCE):
            if not self._meter.can():
                break
            try:
                page = self._page(walk)
            except ConnectorError as error:
                if error.code == PAGE_TOKEN and walk.token:
                    walk = self._new_walk()  # page tokens are short-lived: begin again, the mark has not moved
                    continue
                if error.code == "commentsDisabled":
                    self._fault("comments", error)  # the rest can be heard all the same
                    self._finish(walk)
                    return
                self._state.walk = walk
                if not self._mentions:
                    raise
                self._meter.halt()
                self._fault("comments", error)
                return
            threads = self._take_page(page, walk)
            token = text_of(page, "nextPageToken")
            if not token or token == walk.token or self._is_settled(threads, walk):
                self._finish(walk)
                return
            walk.token, walk.pages = token, walk.pages + 1
            if walk.pages > PAGES_AT_MOST:
                self._suspect = "YouTube's list of comments does not end, so older ones may be missing."
                self._finish(walk)
                return
        self._state.walk, self._more = walk, True

    def _new_walk(self) -> Walk:
        state = self._state
        deep = self._is_due(state.deep_at, DEEP_EVERY.total_seconds())
        overlap = DEEP_OVERLAP if deep else OVERLAP
        until = state.mark - overlap.total_seconds() if state.mark else self._now - HISTORY.total_seconds()
        return Walk(began=self._now, until=int(until), deep=int(deep))

    def _page(self, walk: Walk) -> dict[str, Any]:
        return self._api.list(
            "commentThreads",
            self._meter,
            self._now_at,
            part="snippet,replies",
            allThreadsRelatedToChannelId=self._ours,
            order="time",
            maxResults=PAGE,
            textFormat="plainText",
            pageToken=walk.token or None,
        )

    def _take_page(self, page: Mapping[str, Any], walk: Walk) -> list[tuple[Thread, bool]]:
        """Deliver a page's threads; gives each with whether it was known before."""
        threads = self._read(page, lambda item: read_thread(item, self._ours, self._ours))
        before = [(thread, thread.id in self._state.threads) for thread in threads]
        if not walk.token:
            self._sees = bool(threads)
            self._check_canary(page, threads)
        for thread in threads:
            self._take_thread(thread)
            walk.top = max(walk.top, min(thread.posted, self._now))
        if not walk.token and threads:
            newest = max(threads, key=lambda thread: thread.posted)
            self._deliver(newest.mention)  # the proof that we hear, even when nothing is new
        return before

    def _is_settled(self, threads: Sequence[tuple[Thread, bool]], walk: Walk) -> bool:
        """Whether nothing new can follow: the page's tail is old, or was heard in an earlier walk.

        Not because the page is short: only a missing token ends the list (facts, 2.3).
        """
        if not threads or threads[0][0].posted < threads[-1][0].posted:
            return False  # not newest first: believe nothing, read on

        def is_old(thread: Thread, known: bool) -> bool:
            dated = thread.posted <= self._state.mark or thread.posted > self._now  # its clock may be ahead of ours
            heard = known and dated and not walk.deep
            return heard or thread.posted < walk.until

        return all(is_old(thread, known) for thread, known in threads[-5:])

    def _finish(self, walk: Walk) -> None:
        state = self._state
        state.walk = None
        state.mark = max(state.mark, walk.top)
        state.heard = max(state.heard, walk.began)
        if walk.deep:
            state.deep_at = walk.began
        self._more = self._more or walk.began < self._now  # the top of the list was read in an earlier poll

    def _take_thread(self, thread: Thread) -> None:
        """Deliver what is new in a thread; note it when its replies have to be read by themselves."""
        state, known = self._state, self._state.threads.get(thread.id)
        self._videos[thread.id] = (thread.video, thread.channel)
        if known is None:
            known = Known(thread.posted, thread.posted, self._now, -1, -1)
            state.threads[thread.id] = known
            if not thread.count:
                known.below = thread.below
        if known.top != thread.top:
            self._deliver(thread.mention)
        if known.below != thread.below:
            self._deliver(*thread.embedded)
            self._deliver(thread.mention)
            known.pending = int(thread.count > len(thread.embedded))
            known.active = self._now
        known.top, known.below, known.looked = thread.top, thread.below, self._now

    def _check_canary(self, page: Mapping[str, Any], threads: Sequence[Thread]) -> None:
        """Threads that should be on the first page and are not: deleted ones are gone, others make us suspicious."""
        known = self._state.threads
        shown = {thread.id for thread in threads} | raw_ids(page)
        whole = not text_of(page, "nextPageToken")
        oldest = min((thread.posted for thread in threads), default=0)
        absent = [i for i, k in known.items() if i not in shown and (whole or k.posted > oldest)]
        absent = sorted((i for i in absent if known[i].looked < self._now), key=lambda i: -known[i].posted)[:IDS]
        state = self._state
        if not absent or not self._meter.can():
            state.missed, state.blind_at = (0, 0) if not absent else (state.missed, state.blind_at)
            return
        newest = max(known, key=lambda i: known[i].posted)
        state.missed += 1
        try:
            there = self._look(batches(absent)[0], trusted=bool(threads) or self._may_be_true())
        except ConnectorError:
            return  # the sweep will meet it again
        if threads and newest not in there:
            state.missed = 0
        if state.missed >= 2 and known:
            self._suspect = "YouTube's list leaves out the newest comment that we know of on our channel."

    def _may_be_true(self) -> bool:
        """Whether a list without anything, and nothing found by id, may be believed: when little was there, or after
        a day. Until then it is more likely that YouTube shows us nothing than that everything was deleted."""
        state = self._state
        state.blind_at = state.blind_at or self._now
        few = len(state.threads) < 5 and state.missed >= 2
        return few or self._now - state.blind_at > 86_400

    # ── replies ─────────────────────────────────────────────────────────────────────────────────────

    def _replies(self) -> None:
        """Read the replies of threads that show only some of them. Leaves some units to the other streams."""
        pending = [i for i, known in self._state.threads.items() if known.pending]
        pending.sort(key=lambda i: (i != self._state.reading, -self._state.threads[i].active))
        for number, thread_id in enumerate(pending):
            if not self._meter.can(leaving=self._leaving):
                self._more = True
                return
            if thread_id not in self._videos:
                self._look(batches(pending[number:])[0], trusted=self._sees)
            if thread_id in self._state.threads and not self._read_replies(thread_id):
                self._more = True
                return

    def _read_replies(self, thread_id: str) -> bool:
        """Whether all replies of a thread were read; else the cursor knows where to go on."""
        state = self._state
        token = state.reading_token if state.reading == thread_id else ""
        video, channel = self._videos.get(thread_id, ("", self._ours))
        while self._meter.can(leaving=self._leaving - 1):
            try:
                page = self._replies_page(thread_id, token)
            except SetupRejected as error:
                if error.code not in MISSING | {"http-404"}:
                    raise
                self._lose(thread_id)
                return True
            except UnexpectedReply as error:
                if error.code != PAGE_TOKEN or not token:
                    raise
                token = ""
                continue
            self._deliver(
                *self._read(
                    page, lambda item: read_comment(item, self._ours, thread=thread_id, video=video, channel=channel)
                )
            )
            following = text_of(page, "nextPageToken")
            if not following or following == token:
                state.threads[thread_id].pending = 0
                state.reading = state.reading_token = ""
                return True
            token = following
        state.reading, state.reading_token = thread_id, token
        return False

    def _replies_page(self, thread_id: str, token: str) -> dict[str, Any]:
        return self._api.list(
            "comments",
            self._meter,
            self._now_at,
            part="snippet",
            parentId=thread_id,
            maxResults=PAGE,
            textFormat="plainText",
            pageToken=token or None,
        )

    # ── known threads ───────────────────────────────────────────────────────────────────────────────

    def _sweep(self) -> None:
        """Look again at known threads that the list by time no longer shows: a reply does not lift them.

        Where the operator has said how often to poll, every poll looks at those that were not looked at longest.
        """
        hot = 60 if self._is_quick() else 300

        def is_due(known: Known) -> bool:
            quiet = self._now - known.active
            every = hot if quiet < 172_800 else 3_600 if quiet < 2_592_000 else 21_600
            return self._is_due(known.looked, every)

        threads = self._state.threads
        due = sorted((i for i, k in threads.items() if is_due(k)), key=self._last_look)
        if len(due) < IDS and self._is_generous():
            idle = (i for i, k in threads.items() if not is_due(k) and k.looked < self._now)
            due += sorted(idle, key=self._last_look)[: IDS - len(due)]
        for ids in batches(due)[:3]:
            if not self._meter.can(leaving=2):
                return
            self._look(ids, trusted=self._sees)

    def _last_look(self, thread_id: str) -> int:
        return self._state.threads[thread_id].looked

    def _look(self, ids: Sequence[str], *, trusted: bool) -> set[str]:
        """Ask for threads by id and take what changed; gives those that are there. The others are gone, unless
        the platform shows nothing at all at present (``trusted``)."""
        items, missing = by_id(self._api, "commentThreads", self._meter, self._now_at, ids, "snippet,replies")
        for thread in self._read({"items": items}, lambda item: read_thread(item, self._ours, self._ours)):
            self._take_thread(thread)
        for thread_id in ids:
            if thread_id in missing and (trusted or len(missing) < len(ids)):
                self._lose(thread_id)
            elif thread_id in self._state.threads:
                self._state.threads[thread_id].looked = self._now
        return set(ids) - missing

    def _lose(self, thread_id: str) -> None:
        self._state.threads.pop(thread_id, None)
        self._gone.append(thread_id)
        if self._state.reading == thread_id:
            self._state.reading = self._state.reading_token = ""

    # ── our own videos ──────────────────────────────────────────────────────────────────────────────

    def _uploads(self) -> None:
        """What we have put on our own channel ourselves, for the breach watch and for what is said below it."""
        state = self._state
        every = 300.0
        if self._is_quick():
            every = 30.0 if self._settings.poll_every is None else 0.0
        if state.uploads_walk is None and not self._is_due(state.uploads_at, every):
            return
        if not self._find_playlist():
            return
        walk = state.uploads_walk or self._new_uploads_walk()
        state.uploads_at = self._now
        changed: dict[str, Upload] = {}
        while self._meter.can(leaving=1):
            page = self._uploads_page(walk)
            if page is None:
                walk = self._new_uploads_walk()
                continue
            token, fresh = text_of(page, "nextPageToken"), self._changed_uploads(page, walk)
            changed |= fresh
            if not token or token == walk.token or (not fresh and not walk.deep) or walk.pages >= 6:
                state.uploads_walk = None
                state.uploads_deep_at = walk.began if walk.deep else state.uploads_deep_at
                break
            walk.token, walk.pages = token, walk.pages + 1
            state.uploads_walk = walk
        self._more = self._more or state.uploads_walk is not None
        self._detail_uploads(changed)

    def _new_uploads_walk(self) -> Walk:
        deep = self._is_due(self._state.uploads_deep_at, DEEP_EVERY.total_seconds())
        return Walk(began=self._now, deep=int(deep))

    def _find_playlist(self) -> bool:
        state = self._state
        if state.playlist and not self._is_due(state.channel_at, 86_400):
            return True
        if not self._meter.can(leaving=1):
            return False
        page = self._api.list("channels", self._meter, self._now_at, part="contentDetails,statistics", id=self._ours)
        state.channel_at = self._now
        for item in dicts(page.get("items")):
            details = item.get("contentDetails")
            lists = details.get("relatedPlaylists") if isinstance(details, dict) else None
            found = text_of(lists, "uploads") if isinstance(lists, dict) else ""
            state.playlist = found or state.playlist
        # the uploads playlist is named after the channel (facts, 2.1)
        state.playlist = state.playlist or f"UU{self._ours.removeprefix('UC')}"
        return True

    def _uploads_page(self, walk: Walk) -> dict[str, Any] | None:
        """A page of our uploads; None where the walk must begin again."""
        try:
            return self._api.list(
                "playlistItems",
                self._meter,
                self._now_at,
                part="snippet,contentDetails,status",
                playlistId=self._state.playlist,
                maxResults=50,
                pageToken=walk.token or None,
            )
        except UnexpectedReply as error:
            if error.code != PAGE_TOKEN or not walk.token:
                raise
            return None
        except SetupRejected as error:
            if error.code == "playlistNotFound" and not self._state.uploads:
                return {"items": []}  # a channel that never uploaded has no such playlist
            raise

    def _changed_uploads(self, page: Mapping[str, Any], walk: Walk) -> dict[str, Upload]:
        """The videos of a page to look at: new ones, reworded ones, and every hour the recent ones for their figures.

        What is older than ``HISTORY`` when we first see it is noted without being delivered.
        """
        known = self._state.uploads
        listed = [upload for upload in self._read(page, lambda item: read_upload(item, self._ours)) if upload.mark]
        if not walk.token:
            self._state.uploads_empty = 0 if listed or not known else self._state.uploads_empty + 1
            if self._state.uploads_empty >= 2:
                self._suspect = "YouTube's list of our own videos came back empty, though we know of some."
        hourly = not walk.token and self._is_due(self._state.details_at, 3_600)
        if hourly and listed:
            self._state.details_at = self._now
        recent = self._now - HISTORY.total_seconds()
        changed: dict[str, Upload] = {}
        for number, upload in reversed(list(enumerate(listed))):
            before = known.pop(upload.video, None)
            if before is None and upload.posted < recent and number:
                before = upload.mark
            if before is not None:
                known[upload.video] = before  # moved to the end: the last to be forgotten
            if before != upload.mark or (hourly and (upload.posted >= recent or not number)):
                changed[upload.video] = upload
        return changed

    def _detail_uploads(self, changed: Mapping[str, Upload]) -> None:
        """Deliver videos with their figures; one that the service does not detail, as the list shows it."""
        for ids in batches(list(changed)):
            if not self._meter.can():
                self._more = True
                return
            detailed = self._details(ids)
            for video in ids:
                mention = detailed.get(video) or changed[video].mention
                if mention is not None:
                    self._deliver(mention)
                self._state.uploads[video] = changed[video].mark

    def _details(self, ids: Sequence[str]) -> dict[str, Mention]:
        items, _ = by_id(self._api, "videos", self._meter, self._now_at, ids, "snippet,statistics")
        found = self._read({"items": items}, lambda item: read_video(item, self._ours))
        return {mention.external_id: mention for mention in found}

    # ── videos by others ────────────────────────────────────────────────────────────────────────────

    def _search(self) -> None:
        """Look for videos that name us, in the bucket that search has for itself."""
        state = self._state
        if state.search_off > self._now:
            self._search_rests(state.search_off)
            return
        if not self._settings.daily_searches:
            self._faults.append(Fault("videos by others", "Search is switched off (daily_searches = 0)."))
            return
        if state.search_walk is None and not self._is_due(state.search_at, self._search_every()):
            return
        if self._meter.left(SEARCHES) <= 0:
            self._search_rests(epoch(next_day(self._now_at)))
            return
        if not self._meter.can(SEARCHES) or not self._meter.can(leaving=1):
            return
        walk = state.search_walk or self._new_search_walk()
        state.search_at = self._now
        page = self._search_page(walk)
        if page is None:
            return
        hits = {hit.video: hit for hit in self._read(page, lambda item: read_hit(item, self._ours))}
        hits = {video: hit for video, hit in hits.items() if hit.channel != self._ours}
        new = [hit for video, hit in hits.items() if video not in state.hits]
        if not self._take_hits(new):
            state.search_at, self._more = 0, True  # they are found again by the next search, at once
            return
        token = text_of(page, "nextPageToken")
        if token and token != walk.token and hits and len(new) == len(hits) and walk.pages < 5:
            walk.token, walk.pages = token, walk.pages + 1
            state.search_walk, self._more = walk, True
        else:
            state.search_walk, state.search_mark = None, walk.began

    def _new_search_walk(self) -> Walk:
        now, mark = self._now, self._state.search_mark
        overlap, history = int(SEARCH_OVERLAP.total_seconds()), int(HISTORY.total_seconds())
        return Walk(began=now, until=min(mark, now) - overlap if mark else now - history)

    def _search_every(self) -> float:
        """Seconds between searches: spread over the day, denser after an alert, never so dense that none is left."""
        daily = self._settings.daily_searches
        rest_of_day = (next_day(self._now_at) - self._now_at).total_seconds()
        spread = rest_of_day / max(1, daily - self._state.searches)
        wish = self._settings.poll_every
        if wish is not None:
            return wish.total_seconds() if self._state.searches * 2 < daily else max(wish.total_seconds(), spread)
        return max(60.0, spread / 4) if self._hurried else max(search_interval(daily), spread)

    def _search_page(self, walk: Walk) -> dict[str, Any] | None:
        """A page of hits; None where search must rest or begin again."""
        try:
            return self._api.list(
                "search",
                self._meter,
                self._now_at,
                part="snippet",
                q=self._query,
                type="video",
                order="date",
                publishedAfter=stamp(walk.until),
                maxResults=50,
                pageToken=walk.token or None,
            )
        except RateLimited as error:
            wait = error.retry_at or self._now_at + timedelta(minutes=15)
            self._state.search_off = epoch(wait)
            self._search_rests(self._state.search_off)
            return None
        except UnexpectedReply as error:
            if error.code != PAGE_TOKEN or not walk.token:
                raise
            self._state.search_walk, self._state.search_at = None, 0
            return None

    def _search_rests(self, until: int) -> None:
        when = datetime.fromtimestamp(until, UTC)
        self._faults.append(
            Fault(
                "videos by others",
                f"Search rests until {when:%d %B %H:%M} UTC: its allowance is used up.",
                "Nothing is broken; comments and our own videos are heard as usual.",
            )
        )

    def _take_hits(self, new: Sequence[Hit]) -> bool:
        """Deliver new videos, which search shows only in part; whether the allowance reached for all of them."""
        shown = {hit.video: hit.mention for hit in new}
        for ids in batches(list(shown)):
            if not self._meter.can():
                return False
            detailed = self._details(ids)
            for video in ids:
                mention = detailed.get(video) if detailed else shown[video]  # one that is missing among others is gone
                self._state.hits[video] = epoch(mention.posted_at) if mention else self._now
                if mention is None or mention.kind is Kind.OWN_POST:
                    continue
                self._deliver(mention)
                if names_us(mention.text or "", self._names):
                    self._state.places.setdefault(video, Place(epoch(mention.posted_at), began=self._now))
        return True

    # ── comments under videos by others ─────────────────────────────────────────────────────────────

    def _elsewhere(self) -> None:
        """Comments that name us under videos by others that name us. One name is asked for at a visit, in turn.

        Where the operator has said how often to poll, every poll visits the video that was not visited longest.
        """
        every = 600 if self._is_quick() else 1_800
        places = self._state.places
        due = [v for v, p in places.items() if p.token or self._is_due(p.looked, 86_400 if p.closed else every)]
        if not due and self._is_generous():
            due = [v for v, p in places.items() if not p.closed]
            due = sorted(due, key=lambda v: places[v].looked)[:1]
        for video in sorted(due, key=lambda v: places[v].looked)[:3]:
            if not self._meter.can(leaving=1):
                return
            self._visit(video, places[video])

    def _visit(self, video: str, place: Place) -> None:
        term = self._terms[place.turn % len(self._terms)]
        since = place.mark - int(OVERLAP.total_seconds())
        for _ in range(3):
            if not self._meter.can(leaving=1):
                return
            page = self._visit_page(video, place, term)
            if page is None:
                return
            threads = self._read(page, lambda item: read_thread(item, self._ours))
            for thread in threads:
                if thread.posted >= since or thread.count:
                    self._deliver(thread.mention)
                self._deliver(*(m for m in thread.embedded if names_us(m.text or "", self._names)))
            token = text_of(page, "nextPageToken")
            if not token or token == place.token or (threads and threads[-1].posted < since):
                self._leave(place)
                return
            place.token = token

    def _visit_page(self, video: str, place: Place, term: str) -> dict[str, Any] | None:
        """A page of comments under a video; None where there are none to read."""
        try:
            page = self._api.list(
                "commentThreads",
                self._meter,
                self._now_at,
                part="snippet,replies",
                videoId=video,
                searchTerms=term,
                order="time",
                maxResults=PAGE,
                textFormat="plainText",
                pageToken=place.token or None,
            )
        except SetupRejected as error:
            if error.code not in CLOSED:
                raise
            place.closed, place.token, place.looked = 1, "", self._now
            return None
        except UnexpectedReply as error:
            place.looked = self._now
            if error.code != PAGE_TOKEN or not place.token:
                raise
            place.token = ""
            return None
        place.closed = 0
        return page

    def _leave(self, place: Place) -> None:
        place.turn += 1
        if place.turn % len(self._terms) == 0:
            place.mark, place.began = place.began, self._now
        place.token, place.looked = "", self._now

    # ── collecting ──────────────────────────────────────────────────────────────────────────────────

    def _deliver(self, *mentions: Mention) -> None:
        for mention in mentions:
            self._mentions[mention.external_id] = mention

    def _read(self, page: Mapping[str, Any], read: Callable[[Mapping[str, Any]], T]) -> list[T]:
        """The entries of a page; one that cannot be read is counted and never costs its page."""
        found: list[T] = []
        for item in page.get("items", []):
            try:
                found.append(read(item))
            except BROKEN:
                self._dropped += 1
                self._shapes.append(shape_of(item).replace(self._settings.api_key, "***")[:500])
        return found
