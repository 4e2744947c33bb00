"""One fetch of LinkedIn: the streams in turn, what each gave, and the place to go on from."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import replace
from datetime import datetime, timedelta
from typing import TYPE_CHECKING, Any

from connectors.errors import ConnectorError, CredentialsRejected, RateLimited, SetupRejected
from connectors.linkedin.eye import Eye, Take
from connectors.linkedin.line import (
    COMMENTS,
    MISSED,
    NOTIFICATIONS,
    PAGE,
    PER_FETCH,
    POSTS,
    Gone,
    Line,
    RangeRefused,
    elements_of,
    is_refused,
    is_whole,
    next_start,
    notifications_query,
    own_posts_query,
)
from connectors.linkedin.nouns import (
    DAMAGED,
    encoded,
    length_ms,
    moment_of,
    ms_of,
    read_comment,
    read_post,
    table_of,
    thread_root,
    whole_number,
)
from connectors.linkedin.place import Place
from connectors.model import Allowance, Batch, Coverage, Fault, Kind, Mention

if TYPE_CHECKING:
    from connectors.linkedin import Settings

MEMORY = timedelta(days=60)
"""How long LinkedIn keeps notifications (platform facts, 4.2)."""

OVERLAP = timedelta(hours=24)
"""How far each look goes back behind the last one, for what arrives late (reliability notes, 2.4)."""

BUSY_OVERLAP = timedelta(minutes=30)
"""The same while a look fills more than one page (platform facts, 5.2)."""

CLOCKS = timedelta(hours=1)
"""How far LinkedIn's clock may be ahead of ours without our missing the newest."""

NEVER_SHOWS = (
    "posts that name the organisation without tagging its page",
    "mentions of it inside comments under other people's posts",
    "posts that are not public",
    "the names of the people who write",
)


class Round:
    """One fetch: the streams in turn, what they gave, and the place to go on from."""

    def __init__(self, settings: Settings, api: Line, place: Place, allowance: Allowance) -> None:
        self._settings = settings
        self._api = api
        self._place = place
        self._now = allowance.now
        self._at = ms_of(allowance.now)
        self._urn = settings.organisation_urn
        self._take = Take()
        self._eye = Eye(api, self._urn, self._take, place)
        self._hurried = allowance.hurried
        self._eager = allowance.hurried or settings.poll_every is not None or not place.settled
        self._share = shares(settings.daily_calls)
        self._worked: set[str] = set()
        self._failed: dict[str, ConnectorError] = {}
        self._stopped = False
        left = {name: min(allowance.of(name), cap) for name, cap in PER_FETCH.items()}
        for name in (POSTS, COMMENTS):
            left[name] = min(left[name], self._due(name))
        api.begin(left, allowance.now)

    def run(self) -> Batch:
        """The batch; raises where nothing at all could be heard."""
        self._listen(NOTIFICATIONS, self._notifications)
        self._listen(POSTS, self._own_posts)
        self._listen(COMMENTS, self._comments)
        if self._failed and not self._worked and not self._others_go_on():
            raise self._worst() from None
        return self._batch()

    def _listen(self, stream: str, work: Callable[[], None]) -> None:
        """Run one stream. What fails for the whole platform ends the round, anything else only the stream."""
        if self._stopped:
            return
        rest = self._place.resting.get(stream)
        if rest is not None and self._at < rest[0]:
            self._failed[stream] = _resting(moment_of(rest[0]))
            return
        before = self._api.answered
        try:
            work()
        except ConnectorError as error:
            self._failed[stream] = failed = _public(error)
            self._place.faults[stream] = _fault(stream, failed)
            if isinstance(error, RateLimited):
                self._place.rest(stream, error.retry_at, self._at)
            self._stopped = is_whole(error)
        if self._api.answered > before:
            self._worked.add(stream)  # at least in part: what was read is kept, and the place to go on from
            if stream not in self._failed:
                self._place.resting.pop(stream, None)
                self._place.faults.pop(stream, None)

    def _others_go_on(self) -> bool:
        """Whether a stream that was not due now is known to be heard: then one failure is not the platform's."""
        own = self._place.own
        heard = own is not None and self._at - own < length_ms(timedelta(hours=36))
        return heard and not self._stopped and POSTS not in self._failed

    def _worst(self) -> ConnectorError:
        """The error to raise: the first stream's; of several limits the one that ends first says when."""
        error = next(iter(self._failed.values()))
        limits = [e.retry_at for e in self._failed.values() if isinstance(e, RateLimited)]
        if isinstance(error, RateLimited):
            error.retry_at = min((moment for moment in limits if moment is not None), default=None)
        error.spent = dict(self._api.spent)
        return error

    def _batch(self) -> Batch:
        place, spent = self._place, dict(self._api.spent)
        place.pay(spent)
        unfinished = {
            NOTIFICATIONS: place.sweep is not None,
            POSTS: place.own_sweep is not None and self._due(POSTS) > 0,
            COMMENTS: bool(place.visits) and self._due(COMMENTS) > 0,
        }
        place.going = not self._stopped and any(
            waits and stream not in self._failed and spent.get(stream, 0) > 0 for stream, waits in unfinished.items()
        )
        place.settled = place.settled or not place.going
        return self._take.batch(place.write(self._at), spent, self._coverage(), more=place.going)

    def _due(self, stream: str) -> int:
        """Calls of a stream that are due now. ``poll_every`` is the operator's word: then a whole day's are."""
        a_day = self._share[stream]
        full = float(a_day) if self._settings.poll_every is not None else max(6.0, a_day / 8)
        kept = 0.0 if self._eager or stream == NOTIFICATIONS else full / 2
        return self._place.affords(stream, a_day, full, kept, self._at)

    def _is_early(self, stream: str, last: int | None) -> bool:
        """Whether a stream was read so lately that the next look would soon use up the day's calls in a hurry."""
        if last is None or self._settings.poll_every is not None or not self._hurried:
            return False
        return 0 <= self._at - last < length_ms(timedelta(days=1)) / self._share[stream] / 8

    def _coverage(self) -> Coverage:
        """How far we hear. A fault stands until its stream was read again, also in rounds where it was not due."""
        place = self._place
        heard, doubt = place.heard, ""
        if NOTIFICATIONS in place.faults:
            _, _, doubt = place.faults[NOTIFICATIONS]
            heard = heard if doubt else place.own  # where it was refused, the rest is what we can hear
        return Coverage(
            heard_until=min(self._now, moment_of(heard if heard is not None else place.begun)),
            never_shows=NEVER_SHOWS,
            faults=tuple(Fault(stream, what, do) for stream, (what, do, _) in place.faults.items()),
            suspect=doubt or self._take.suspect or self._blind(),
            gap=self._take.gap,
        )

    def _blind(self) -> str | None:
        """The second look disagrees with the first: comments stand there that no notification told of."""
        place = self._place
        if NOTIFICATIONS in self._failed or not place.untold:
            return None
        if self._at - max(place.told_at or 0, place.begun) < length_ms(OVERLAP):
            return None
        return "Comments stand under the page's posts, but for a day LinkedIn has told the page of none."

    # ── notifications ──

    def _notifications(self) -> None:
        place = self._place
        if place.sweep is None or place.sweep[2] == 0:
            if self._is_just_done(place.heard) or self._is_early(NOTIFICATIONS, place.heard):
                return
            if not self._due(NOTIFICATIONS):
                return  # takeover polls every 30 seconds: a small day's allowance would be gone within the hour
            place.sweep = self._new_sweep()
        while place.sweep is not None and self._api.can(NOTIFICATIONS):
            since, until, start = place.sweep
            page = self._notifications_page(since, until, start)
            if page is None:
                continue
            times = [at for at in (self._hear(item, since) for item in elements_of(page)) if at is not None]
            following = next_start(page, start)
            if following is None or (times and max(times) < since):
                place.sweep, place.heard = None, until
                if start > 0:
                    place.busy = until + length_ms(OVERLAP)
            else:
                place.sweep = [since, until, following]

    def _is_just_done(self, heard: int | None) -> bool:
        """Whether this round only goes on with other streams, and this one was read to its end a moment ago."""
        return self._place.going and heard is not None and 0 <= self._at - heard < 60_000

    def _new_sweep(self) -> list[int]:
        place, memory = self._place, length_ms(MEMORY)
        if place.heard is None:
            since = place.begun if place.settled else self._at - memory
        else:
            since = place.heard - length_ms(BUSY_OVERLAP if self._at < place.busy else OVERLAP)
            if self._at - place.heard > memory:
                self._take.gap = (
                    f"LinkedIn forgets its notifications after 60 days; those between "
                    f"{moment_of(place.heard):%d %B} and {self._now - MEMORY:%d %B %Y} were never seen."
                )
        return [max(since, self._at - memory), self._at, 0]

    def _notifications_page(self, since: int, until: int, start: int) -> dict[str, Any] | None:
        """One page, or None where it has to be asked for in another form."""
        ranged = None if self._place.unranged else since
        query = notifications_query(self._urn, ranged, until + length_ms(CLOCKS), start)
        try:
            return self._api.page(NOTIFICATIONS, "organizationalEntityNotifications", query)
        except RangeRefused:
            # that this finder takes a time range is not confirmed (platform facts, 4.2): ask without it
            if ranged is None:
                raise
            self._place.unranged = True
            return None

    def _hear(self, item: Any, since: int) -> int | None:
        """Take in one notification; its time, or None where it has none that can be read."""
        place, take = self._place, self._take
        key = str(item.get("notificationId", "")) if isinstance(item, dict) else ""
        at: int | None = None
        try:
            at = ms_of(moment_of(item["lastModifiedAt"]))
            if at < since or (key and key in place.seen):
                return at
            self._eye.notification(item, at)
        except DAMAGED:
            take.odd(item)
        if key:
            place.seen[key] = (at or self._at) // 60_000
            place.told_at = max(place.told_at or 0, at or self._at)
            place.untold = 0
        return at

    # ── own posts ──

    def _own_posts(self) -> None:
        place = self._place
        if not self._api.can(POSTS):
            return
        if place.own_sweep is None and (self._is_just_done(place.own) or self._is_early(POSTS, place.own)):
            return
        if place.own_sweep is None or place.own_sweep[1] == 0:
            place.own_sweep = [self._at, 0]
        if place.own is not None:
            since = place.own - length_ms(OVERLAP)
        else:
            since = place.begun if place.settled else self._at - length_ms(MEMORY)
        while place.own_sweep is not None and self._api.can(POSTS):
            until, start = place.own_sweep
            page = self._api.page(POSTS, "posts", own_posts_query(self._urn, start, PAGE))
            changed = self._hear_posts(page, since, first=start == 0)
            following = next_start(page, start)
            if following is None or (changed and max(changed) < since):
                place.own_sweep, place.own = None, until
            else:
                place.own_sweep = [until, following]

    def _hear_posts(self, page: dict[str, Any], since: int, *, first: bool) -> list[int]:
        changed: list[int] = []
        heard: dict[str, tuple[int, Mention]] = {}
        for item in elements_of(page):
            try:
                mention = read_post(item, self._place.activity_of(str(item.get("id"))), self._urn)
                at = ms_of(moment_of(item.get("lastModifiedAt") or ms_of(mention.posted_at)))
            except DAMAGED:
                self._take.odd(item)
                continue
            changed.append(at)
            if item.get("lifecycleState", "PUBLISHED") != "PUBLISHED":
                continue
            heard[mention.external_id] = (at, mention)
            self._place.watch_post(mention.external_id, ms_of(mention.posted_at))
        newest = max(heard.values(), key=lambda pair: pair[1].posted_at, default=None)
        for at, mention in heard.values():
            if at >= since or (first and newest is not None and mention is newest[1]):
                self._take.add(replace(mention, replies=self._place.total_of(mention.external_id)))
        if first:
            self._canary(heard)
        return changed

    def _canary(self, heard: Mapping[str, tuple[int, Mention]]) -> None:
        """The newest own post that we know must come back, unless it was deleted (reliability notes, 2.4)."""
        place = self._place
        if place.newest and place.newest not in heard and self._api.can(POSTS):
            try:
                self._api.get(POSTS, f"posts/{encoded(place.newest)}")
            except Gone:
                self._take.gone[place.newest] = None
                place.forget_post(place.newest)
            except (CredentialsRejected, SetupRejected) as error:
                if is_whole(error):
                    raise
            else:
                self._take.suspect = "The page's newest post is there, but LinkedIn's list of its posts lacks it."
                return
        if heard:
            place.newest = max(heard, key=lambda urn: heard[urn][1].posted_at)

    # ── comments ──

    def _comments(self) -> None:
        place = self._place
        if place.todo:
            self._eye.look_at(tuple(place.todo), about=place.todo)
        if not place.visits:
            place.visits = self._due_visits()
        while place.visits and self._api.can(COMMENTS):
            urn, start, since = place.visits[0]
            try:
                following = self._visit(urn, start, since)
            except Gone:
                following = None
            if following is None:
                place.visits.pop(0)
                place.visited(urn, self._at)
            else:
                place.visits[0] = [urn, following, since]

    def _due_visits(self) -> list[list[Any]]:
        """The watched posts that have waited longest; what is young waits a quarter as long."""
        place = self._place
        gap = length_ms(timedelta(minutes=1 if self._eager else 10))
        if NOTIFICATIONS in self._failed:  # then this is all that we hear of comments
            gap = length_ms(timedelta(seconds=5 if self._eager else 60))
        young = self._at - length_ms(timedelta(days=2))
        waiting = {
            urn: (self._at - visited) * (4 if published > young else 1)
            for urn, (published, visited, _, _) in place.watch.items()
            if self._at - visited >= gap or visited == 0
        }
        due = sorted(waiting, key=lambda urn: waiting[urn], reverse=True)
        return [[urn, 0, self._since(place.watch[urn][1])] for urn in due[: self._api.left(COMMENTS)]]

    def _since(self, visited: int) -> int:
        """From when on comments are news: two days of history at the very first, LinkedIn's own limit."""
        if visited:
            return visited - length_ms(OVERLAP)
        return self._place.begun - (0 if self._place.settled else length_ms(timedelta(hours=48)))

    def _visit(self, urn: str, start: int, since: int) -> int | None:
        """One page of a thread; where to go on, or None at its end."""
        place = self._place
        page = self._api.comments(urn, start)
        created: list[int] = []
        changed: list[int] = []
        for item in elements_of(page):
            try:
                mention = read_comment(item, self._urn, thread_root(urn))
            except DAMAGED:
                self._take.odd(item)
                continue
            created.append(ms_of(mention.posted_at))
            changed.append(max(created[-1], ms_of(mention.edited_at or mention.posted_at)))
            if urn in place.watch and not place.watch[urn][3]:
                place.watch[urn][3] = mention.thread or ""
            wanted = place.todo.pop(mention.external_id, None) is not None
            if wanted or changed[-1] >= since:
                self._eye.present(mention)
                self._note_untold(mention)
            self._note_answers(mention, since)
        self._check_emptiness(urn, page, start)
        following = next_start(page, start)
        newest_first = len(created) > 1 and created == sorted(created, reverse=True) and created[0] > created[-1]
        return None if newest_first and max(changed) < since else following

    def _note_answers(self, mention: Mention, since: int) -> None:
        """A comment with more answers than before is visited too."""
        count, key = mention.replies or 0, mention.external_id
        known = self._place.answers.get(key)
        if not count or count == known or len(self._place.visits) > 40:
            return
        self._place.answers[key] = count
        if known is not None or ms_of(mention.posted_at) >= since:
            self._place.visits.append([key, 0, since])

    def _note_untold(self, mention: Mention) -> None:
        """Count top-level comments by others that have stood for ten minutes in the time we listened to."""
        place, at = self._place, ms_of(mention.posted_at)
        if mention.kind is not Kind.COMMENT or place.heard is None or ":comment:" in (mention.parent or ""):
            return
        if max(place.told_at or 0, place.begun) < at < place.heard - length_ms(timedelta(minutes=10)):
            place.untold += 1

    def _check_emptiness(self, urn: str, page: dict[str, Any], start: int) -> None:
        """A list that was not empty before, or says that it is not, but shows nothing (platform facts, 6)."""
        place = self._place
        total = whole_number(table_of(page.get("paging")).get("total"))
        shown = len(elements_of(page))
        known = place.watch[urn][2] if urn in place.watch else 0
        lost = start == 0 and not shown and ((total or 0) > 0 or (total is None and known > 1))
        if lost:
            self._take.suspect = "LinkedIn says that there are comments under the page's posts but shows none of them."
        if urn in place.watch:
            place.watch[urn][2] = 0 if lost else total if total is not None else max(known, start + shown)


def _public(error: ConnectorError) -> ConnectorError:
    """``error`` in one of the classes that others know, as it is meant for a whole stream."""
    match error:
        case Gone():
            return SetupRejected(error.what, error.do, code=error.code)
        case RangeRefused():
            return SetupRejected(error.what, error.do, code=error.code)
        case _:
            return error


def _resting(until: datetime) -> RateLimited:
    return RateLimited("LinkedIn's allowance of calls is used up.", code="resting", retry_at=until)


def _fault(stream: str, error: ConnectorError) -> list[str]:
    """What to say of a stream that failed, what to do, and why the platform is in doubt unless it was refused."""
    if isinstance(error, CredentialsRejected):
        return [error.what, error.do, "" if is_refused(error) else error.what]
    return [f"{MISSED[stream]}: {error.what}", error.do, error.what]


def shares(daily_calls: int) -> dict[str, int]:
    """The day's calls by stream. Few calls go to the notifications, which tell most (platform facts, 5.2)."""
    posts, comments = (0.12, 0.1) if daily_calls < 1000 else (0.2, 0.3)
    share = {POSTS: max(1, int(daily_calls * posts)), COMMENTS: max(1, int(daily_calls * comments))}
    return {NOTIFICATIONS: daily_calls - sum(share.values()), **share}
