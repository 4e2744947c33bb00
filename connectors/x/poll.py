"""One poll of X: pages of three streams in turn, as far as time and money reach."""

from __future__ import annotations

import re
import time
from collections.abc import Callable, Iterable, Mapping
from datetime import UTC, datetime, timedelta
from typing import Any

from connectors.errors import ConnectorError, RateLimited, SetupRejected, UnexpectedReply, shape_of
from connectors.model import Allowance, Batch, Coverage, Fault, Mention
from connectors.x.line import Answer, Line, Purse, is_wide
from connectors.x.place import SMALLEST, Place, Stream
from connectors.x.posts import (
    COUNT,
    POST,
    USER,
    at,
    id_at,
    included,
    page_of,
    read_post,
    rfc3339,
    seconds,
    time_of,
    told_of,
    total_of,
    users_of,
    whole,
)

MONEY = "money"
HANDLE = re.compile(r"[A-Za-z0-9_]{1,15}")
PAGE = 100
WINDOW = timedelta(days=6, hours=23)
"""How far recent search remembers, with an hour in hand (platform facts, 1.4)."""

OVERLAP, OVERLAP_IN_STORM = timedelta(seconds=120), timedelta(seconds=30)
"""Ids are only roughly ordered: some have turned up 20 s below the newest one (platform facts, 1.4)."""

SETTLED = timedelta(minutes=10)
"""The age at which the mark's surroundings are settled; leaves room for clocks that disagree."""

CANARY_EVERY = timedelta(minutes=15)
"""How often our own newest post must come back (reliability notes, 2.4)."""

SUSPECT_AFTER = timedelta(minutes=20)
"""How long one stream may fail before an empty answer of the others is no longer taken for quiet."""

COUNT_EVERY = timedelta(hours=1)
TURN = timedelta(seconds=30)
ROUNDS = 4
ENOUGH = 20.0
"""Seconds after which a fetch asks for no further page; the daemon's total deadline lies well beyond."""

REMEMBERED = 300
"""Ids per stream that are remembered as paid for today."""

FIELDS = [
    "created_at",
    "author_id",
    "conversation_id",
    "in_reply_to_user_id",
    "lang",
    "public_metrics",
    "referenced_tweets",
    "edit_history_tweet_ids",
    "entities",
    "note_tweet",
]

NEVER_SHOWS = (
    "posts of protected accounts and direct messages",
    "posts that name us only in a picture, a video, a profile or the post that they quote",
    "plain reposts of what others say",
    "posts that mean us without a name, handle, link or hashtag of ours",
)

LEAST = sum(SMALLEST.values()) * POST


def reserve_of(budget: int) -> int:
    """What one ``fetch`` may cost at most: a hundredth of the month, at least one small page of every stream.

    A worker that is killed loses its reservation for good, so this stays small; a storm is read in many fetches.
    """
    return min(budget, max(LEAST, min(1_000_000, budget // 100)))


class _Poor(Exception):
    """The allowance does not cover the worst case of the smallest page."""


class Poll:
    """One ``fetch``: pages of the three streams in turn, as far as time and money reach."""

    def __init__(
        self, query: str, *, handle: str, user_id: str, budget: int, line: Line, place: Place, allowance: Allowance
    ) -> None:
        self._query = query
        self._handle = handle
        self._user_id = user_id
        self._line = line
        self._place = place
        self._now = allowance.now
        self._left_at_first = allowance.of(MONEY)
        self.purse = Purse(allowance.of(MONEY))
        self._budget = budget
        self._mentions: dict[str, Mention] = {}
        self._gone: list[str] = []
        self._shapes: list[str] = []
        self._dropped = 0
        self._faults: dict[str, Fault] = {}
        self._failures: list[ConnectorError] = []
        self._gap: str | None = None
        self._usage: float | None = None
        self._answered = 0
        self._poor: set[str] = set()
        self._read: set[str] = set()
        self._until = time.monotonic() + ENOUGH

    def run(self) -> Batch:
        self._forget_paid_before_today()
        waiting = self._whose_turn()
        user = self._user() if waiting else ""
        if not user:
            waiting = [name for name in waiting if name == "search"]
        if self._has_little() and "search" in waiting:
            self._count()
        if not self._stopped():
            waiting = self._rounds(waiting, user)
        self._say_what_is_unread()
        if not self._answered:
            self._explain_nothing()
        return self._batch(waiting)

    # whose turn it is

    def _whose_turn(self) -> list[str]:
        place, now = self._place, seconds(self._now)
        awake = [name for name in SMALLEST if place.streams[name].rest <= now]
        for name in SMALLEST:
            if name not in awake and place.streams[name].began:
                self._faults[name] = Fault(
                    name, f"X's rate limit lets us read on at {at(place.streams[name].rest):%H:%M} UTC."
                )
        begun = [name for name in place.turn if name in awake]
        if begun and not self._has_little() and abs(now - place.turn_at) <= TURN.total_seconds():
            return begun
        place.turn_at = now
        return awake

    def _rounds(self, waiting: list[str], user: str) -> list[str]:
        """Read a page of each stream in turn; returns the streams that are not at their end."""
        idle: list[str] = []
        for _ in range(ROUNDS):
            for name in tuple(waiting):
                if self._answered and time.monotonic() > self._until:
                    return waiting + idle
                try:
                    ended = self._page(name, user, others=waiting[waiting.index(name) + 1 :])
                except _Poor:
                    self._poor.add(name)
                    waiting.remove(name)
                    idle.append(name)
                    continue
                except ConnectorError as error:
                    waiting.remove(name)
                    self._failed(name, error)
                    if is_wide(error):
                        return idle + waiting
                    continue
                if ended or self._place.streams[name].rest > seconds(self._now):
                    waiting.remove(name)
        return waiting + idle

    def _failed(self, name: str, error: ConnectorError) -> None:
        stream = self._place.streams[name]
        self._failures.append(error)
        self._faults[name] = Fault(name, error.what, error.do)
        stream.failing = stream.failing or seconds(self._now)
        if isinstance(error, RateLimited) and not is_wide(error):
            stream.rest = seconds(error.retry_at or self._now + timedelta(seconds=60))

    def _stopped(self) -> bool:
        return any(is_wide(error) for error in self._failures)

    # money

    def _forget_paid_before_today(self) -> None:
        """X bills a resource once in a UTC day (platform facts, 1.6); two minutes around midnight bill twice."""
        slack = timedelta(minutes=2)
        days = {f"{moment.astimezone(UTC):%Y-%m-%d}" for moment in (self._now - slack, self._now + slack)}
        if days != {self._place.day}:
            for stream in self._place.streams.values():
                stream.paid = []
        self._place.day = days.pop() if len(days) == 1 else ""

    def _size(self, name: str, others: Iterable[str]) -> int:
        """How many posts may be asked for, so that the others can still have their smallest page."""
        stream = self._place.streams[name]
        wanted = stream.size if stream.began and stream.size else PAGE
        aside = sum(SMALLEST[other] for other in others) * POST
        for room in (self.purse.left - aside, self.purse.left):
            size = min(wanted, room // POST)
            if size >= SMALLEST[name]:
                return size
        raise _Poor

    def _paying(self, at_worst: int, call: Callable[[Any], Any]) -> Answer:
        """Ask with the worst case paid beforehand. What X surely did not bill is given back."""
        self.purse.pay(at_worst)
        try:
            answer = self._line.ask(call)
        except ConnectorError as error:
            if error.spent is not None:
                self.purse.pay(-at_worst)
            raise
        if answer.usage is not None:
            self._usage = max(self._usage or 0.0, answer.usage)
        return answer

    def _has_little(self) -> bool:
        return self._left_at_first < reserve_of(self._budget)

    # who we are

    def _user(self) -> str:
        """The number of our account, looked up once and then kept with the cursor; empty while it is not known."""
        place = self._place
        if self._user_id or place.user:
            return self._user_id or place.user
        if place.ask_user_at > seconds(self._now):
            self._without_account("X does not tell the number of our account.", "Check organisation.handles.x.")
            return ""
        if not HANDLE.fullmatch(self._handle):
            what = "Our account on X is not set." if not self._handle else "Our handle on X is not one that X allows."
            for name in ("mentions", "own"):
                self._faults[name] = Fault(name, what, "Set organisation.handles.x or connectors.x.user_id.")
            return ""
        if self.purse.left < USER:
            self._poor |= {"mentions", "own"}
            return ""
        try:
            place.user = look_up(lambda call: self._paying(USER, call), self._handle)
        except ConnectorError as error:
            place.ask_user_at = seconds(self._now) + 60
            for name in ("mentions", "own"):
                self._failed(name, error)
                place.streams[name].rest = 0
        return place.user

    def _without_account(self, what: str, do: str) -> None:
        for name in ("mentions", "own"):
            self._faults[name] = Fault(name, what, do)
            stream = self._place.streams[name]
            stream.failing = stream.failing or seconds(self._now)

    # one page

    def _page(self, name: str, user: str, others: list[str]) -> bool:
        """Read one page; whether it was the last. A sweep that began in an earlier fetch is followed by a new one."""
        stream = self._place.streams[name]
        size = self._size(name, others)
        if not stream.began:
            self._begin(name, stream, size)
        for _ in range(4):
            sent = stream.token
            try:
                answer = self._paying(size * POST, self._question(name, user, stream, size))
            except SetupRejected as error:
                if not self._mend(name, stream, error):
                    raise
                continue
            return self._take(name, user, stream, size, sent, answer)
        raise UnexpectedReply("X refuses each way to ask for what is new.", code="no-way")

    def _begin(self, name: str, stream: Stream, size: int) -> None:
        floor = self._now - WINDOW
        stream.began, stream.size = seconds(self._now), size
        if stream.mark:
            stream.since = _since(stream)
        if name == "own":
            self._ask_canary(stream)
        elif not stream.mark or (name == "search" and time_of(stream.since) < floor):
            stream.since, stream.start = 0, rfc3339(floor)
            if stream.heard and at(stream.heard) < floor:
                self._lost_days(stream)

    def _ask_canary(self, stream: Stream) -> None:
        place = self._place
        due = place.suspect or self._canary_is_due()
        place.canary_asked = place.canary_seen = 0
        if place.canary and stream.since and due:
            stream.since = min(stream.since, place.canary_version - 1)
            place.canary_asked = 1

    def _canary_is_due(self) -> bool:
        return seconds(self._now) - self._place.canary_at >= CANARY_EVERY.total_seconds()

    def _lost_days(self, stream: Stream) -> None:
        since = f"{at(stream.heard):%d %B %Y %H:%M} UTC" if stream.heard else "the last look"
        self._gap = (
            f"X's search remembers seven days only: what was posted between {since} and "
            f"{self._now - WINDOW:%d %B %Y %H:%M} UTC cannot be searched any more."
        )

    def _question(self, name: str, user: str, stream: Stream, size: int) -> Callable[[Any], Any]:
        asked: dict[str, Any] = {"max_results": size, "tweet_fields": FIELDS}
        if stream.since:
            asked["since_id"] = str(stream.since)
        elif stream.start:
            asked["start_time"] = stream.start
        if stream.token:
            asked["next_token" if name == "search" else "pagination_token"] = stream.token
        match name:
            case "search":
                return lambda client: client.search_recent_tweets(self._query, sort_order="recency", **asked)
            case "mentions":
                return lambda client: client.get_users_mentions(user, **asked)
            case _:
                return lambda client: client.get_users_tweets(user, **asked)

    def _mend(self, name: str, stream: Stream, error: SetupRejected) -> bool:
        """Ask otherwise where X refuses a token or a time that it will not take back; whether that is possible."""
        named = error.code.partition(":")[2].split(",")
        if stream.token and {"next_token", "pagination_token"} & set(named):
            stream.restarts += 1
            stream.begin_again()
            return stream.restarts <= 3
        if stream.since and "since_id" in named:
            if name == "own":
                self._place.canary_asked = 0
            stream.begin_again()
            stream.since, stream.start = 0, rfc3339(self._now - WINDOW)
            if name == "search" and stream.mark and time_of(stream.mark) < self._now - WINDOW:
                self._lost_days(stream)
            return True
        if stream.start and "start_time" in named:
            stream.begin_again()
            stream.start = ""
            return True
        return False

    def _take(self, name: str, user: str, stream: Stream, size: int, sent: str, answer: Answer) -> bool:
        data, meta = self._page_of(answer, size)
        paid = set(stream.paid)
        ids = [whole(item.get("id")) if isinstance(item, dict) else 0 for item in data]
        fresh = sum(1 for post_id in ids if not post_id or post_id not in paid)
        price = fresh * POST + included(answer.body)
        self.purse.pay(price - size * POST)
        stream.cost += price
        stream.rest, stream.failing = answer.rest, 0
        stream.paid = sorted({*paid, *filter(None, ids)})[-REMEMBERED:]
        stream.read += len(data)
        self._answered += 1
        self._read.add(name)
        self._read_items(name, user, data, answer.body)
        self._read_errors(answer.body)
        plausible = [i for i in (*ids, whole(meta.get("newest_id"))) if i and self._is_plausible(i)]
        if not sent:
            stream.top = max([stream.top, *plausible])
        token = meta.get("next_token")
        stream.token = token if isinstance(token, str) and len(token) < 2000 else ""
        if stream.token and stream.token == sent:
            stream.begin_again()
            raise UnexpectedReply("X gives the same page again and again.", code="same-page")
        if stream.token and not self._is_far_enough(name, stream, plausible):
            return False
        is_fresh = stream.began == seconds(self._now)
        self._swept(name, stream)
        return is_fresh

    def _page_of(self, answer: Answer, size: int) -> tuple[list[Any], Mapping[str, Any]]:
        try:
            return page_of(answer.body)
        except ConnectorError as error:
            if error.spent is not None:
                self.purse.pay(-size * POST)
            raise

    def _is_plausible(self, post_id: int) -> bool:
        return time_of(post_id) < self._now + timedelta(days=1)

    def _is_far_enough(self, name: str, stream: Stream, ids: list[int]) -> bool:
        """Whether a first look back ends here: own posts after a week, the rest when it costs a fifth of a month."""
        if stream.mark:
            return False
        if name == "own":
            return bool(ids) and time_of(min(ids)) < self._now - WINDOW
        if stream.cost > self._budget // 5:
            reached = f" {time_of(min(ids)):%d %B %Y %H:%M} UTC" if ids else " then"
            self._gap = f"To save money, posts on X from before{reached} were not read when Earshot was new."
            return True
        return False

    def _swept(self, name: str, stream: Stream) -> None:
        if name == "mentions" and stream.mark and stream.since and stream.read >= 800:
            self._gap = "X lists the newest 800 mentions only; older ones of this storm may be missing."
        stream.end()
        if name == "own":
            self._judge_canary()

    # what stands on a page

    def _read_items(self, name: str, user: str, data: list[Any], body: Mapping[str, Any]) -> None:
        users = users_of(body)
        for item in data:
            try:
                mention, version = read_post(item, own=user, users=users)
            except ValueError:
                self._dropped += 1
                self._shapes.append(shape_of(item)[:500])
                continue
            first = int(mention.external_id)
            if name == "own" and self._see_own(first, version):
                continue
            known = self._mentions.get(mention.external_id)
            if known is None or (mention.edited_at or mention.posted_at) >= (known.edited_at or known.posted_at):
                self._mentions[mention.external_id] = mention

    def _see_own(self, first: int, version: int) -> bool:
        """Note our own newest post; whether this is only the canary, back unchanged."""
        place = self._place
        if first == place.canary:
            place.canary_seen = 1
            unchanged = version == place.canary_version
            place.canary_version = max(version, place.canary_version)
            return unchanged and bool(place.canary_asked)
        if first > place.canary and self._is_plausible(first):
            # a newer one shows as well as the old one that we can hear
            place.canary, place.canary_version, place.canary_seen = first, version, 1
        return False

    def _read_errors(self, body: Mapping[str, Any]) -> None:
        for post_id, found in told_of(body):
            if found == "gone" and post_id not in self._mentions:
                self._gone.append(post_id)

    def _judge_canary(self) -> None:
        """Our own newest post did not come back: either it was deleted, or we hear less than there is."""
        place = self._place
        if not place.canary_asked:
            return
        if place.canary_seen:
            place.canary_at, place.suspect = seconds(self._now), 0
        elif self.purse.left >= POST and (not place.suspect or self._canary_is_due()):
            self._look_for_canary()

    def _look_for_canary(self) -> None:
        place = self._place
        wanted = str(place.canary_version)
        try:
            answer = self._paying(POST, lambda client: client.get_tweets([wanted], tweet_fields=["created_at"]))
        except ConnectorError:
            return
        self.purse.pay(-POST if not answer.body.get("data") else 0)
        place.canary_at = seconds(self._now)
        if any(post_id == wanted for post_id, _ in told_of(answer.body)):
            self._gone.append(str(place.canary))
            place.canary = place.canary_version = place.suspect = 0
        else:
            place.suspect = place.suspect or seconds(self._now)

    # the end

    def _count(self) -> None:
        """Little money is left: a count costs as much as one post, and tells how many there would be to read."""
        place, now = self._place, seconds(self._now)
        if now - place.counted_at < COUNT_EVERY.total_seconds() or self.purse.left < COUNT:
            return
        try:
            answer = self._paying(COUNT, self._counting(place.streams["search"]))
        except ConnectorError as error:
            if is_wide(error):
                self._failed("search", error)
            return
        place.counted_at, place.counted = now, total_of(answer.body)

    def _say_what_is_unread(self) -> None:
        place = self._place
        behind = place.streams["search"].began or "search" in self._poor
        if self._has_little() and behind and place.counted_at and "search" not in self._faults:
            self._faults["search"] = Fault(
                "search",
                f"The month's budget for X is nearly used up. At {at(place.counted_at):%H:%M} UTC X counted "
                f"{place.counted} {'post' if place.counted == 1 else 'posts'} about us since the last full look; "
                "not all of them could be read.",
                "Raise connectors.x.monthly_budget to hear them.",
            )

    def _counting(self, stream: Stream) -> Callable[[Any], Any]:
        floor = self._now - WINDOW
        asked: dict[str, Any] = {"granularity": "hour"}
        if stream.mark and time_of(stream.mark) > floor:
            asked["since_id"] = str(stream.mark)
        else:
            asked["start_time"] = rfc3339(floor)
        return lambda client: client.get_recent_tweets_count(self._query, **asked)

    def _explain_nothing(self) -> None:
        """Nothing was read. Raises the reason, unless a count says at least how much there would be."""
        if self._failures:
            raise next((error for error in self._failures if is_wide(error)), self._failures[0])
        if self._poor:
            if "search" in self._faults and self._place.counted_at and self.purse.left >= COUNT:
                return
            raise RateLimited(
                f"The month's budget for X, {self._budget / 1_000_000:.2f} US dollars, is used up.",
                "Nothing is broken. To hear more, raise connectors.x.monthly_budget.",
                code="allowance",
                retry_at=_next_month(self._now),
            )
        rests = [stream.rest for stream in self._place.streams.values() if stream.rest > seconds(self._now)]
        raise RateLimited("X's rate limit is used up.", code="rate-limit", retry_at=at(min(rests)) if rests else None)

    def _batch(self, waiting: list[str]) -> Batch:
        place = self._place
        place.turn = [name for name in waiting if self._goes_on(name)] if self._answered else []
        more = bool(place.turn)
        return Batch(
            tuple(self._mentions.values()),
            gone=tuple(dict.fromkeys(i for i in self._gone if i not in self._mentions)),
            cursor=place.written(),
            more=more,
            spent={MONEY: self.purse.spent},
            coverage=self._coverage(),
            usage=self._usage,
            dropped=self._dropped,
            shapes=tuple(self._shapes[:10]),
        )

    def _goes_on(self, name: str) -> bool:
        """Whether asking for ``name`` again at once would bring something."""
        is_poor = name in self._poor and name not in self._read and self._has_little()
        return self._place.streams[name].rest <= seconds(self._now) and not is_poor and not self._stopped()

    def _coverage(self) -> Coverage:
        heard = [s.heard or s.failing for s in self._place.streams.values() if s.heard or s.failing]
        until = min(self._now, at(min(heard))) if heard else None
        return Coverage(until, NEVER_SHOWS, tuple(self._faults.values()), self._suspicion(), self._gap)

    def _suspicion(self) -> str | None:
        if self._place.suspect:
            return "Our own newest post no longer comes back from X, so an empty answer may not mean quiet."
        if not self._answered:
            return self._faults["search"].what if "search" in self._faults else None
        for name, fault in self._faults.items():
            since = self._place.streams[name].failing
            if since and seconds(self._now) - since >= SUSPECT_AFTER.total_seconds():
                return f"A part of X ({name}) cannot be heard: {fault.what}"
        return None


def _since(stream: Stream) -> int:
    """From where to ask on: a little before the mark, until it is so old that nothing can turn up there any more."""
    if stream.heard > seconds(time_of(stream.mark) + SETTLED):
        return stream.mark
    return id_at(time_of(stream.mark) - (OVERLAP_IN_STORM if stream.storm else OVERLAP))


def _next_month(now: datetime) -> datetime:
    first = now.astimezone(UTC).replace(day=1, hour=0, minute=0, second=0, microsecond=0)
    return (first + timedelta(days=32)).replace(day=1)


def look_up(paying: Callable[[Callable[[Any], Any]], Answer], handle: str) -> str:
    """The number of the account ``handle``. Raises ``SetupRejected`` where X knows none."""
    answer = paying(lambda client: client.get_user(username=handle))
    data = answer.body.get("data")
    number = str(whole(data.get("id")) or "") if isinstance(data, dict) else ""
    if not number:
        raise SetupRejected(
            "X knows no account with our handle, or does not show it.",
            "Check organisation.handles.x.",
            code="no-account",
        )
    return number
