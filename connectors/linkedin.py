"""LinkedIn: what is said to and about the organisation's page, by the versioned REST interface.

Three streams, each with its own daily count of calls (platform facts, 4 and 5.2): the page's *notifications*
(posts that tag it, comments, answers, edits and deletions, most of them with their text), its own *posts*, and
the *comments* under them as a cross-check of the first. One that fails is a fault; the others go on.
"""

from __future__ import annotations

import json
import re
import time
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta
from typing import Any
from urllib.parse import quote, unquote

import requests

from connectors.errors import (
    ConnectorError,
    CredentialsRejected,
    RateLimited,
    SetupRejected,
    UnexpectedReply,
    Unreachable,
    shape_of,
)
from connectors.http import new_session, read_json, unreachable
from connectors.model import (
    Allowance,
    Author,
    Batch,
    Bucket,
    Coverage,
    Fault,
    Finding,
    Grant,
    Kind,
    Level,
    Mention,
    Organisation,
    Period,
    Platform,
    PollPlan,
    clean_text,
    secret,
)

NOTIFICATIONS, POSTS, COMMENTS = "notifications", "posts", "comments"

MEMORY = timedelta(days=60)
"""How long LinkedIn keeps notifications (platform facts, 4.2)."""

OVERLAP = timedelta(hours=24)
"""How far each look goes back behind the last one, for what arrives late (reliability notes, 2.4)."""

BUSY_OVERLAP = timedelta(minutes=30)
"""The same while a look fills more than one page (platform facts, 5.2)."""

WATCHED = 20
"""Own posts whose comments are read as a cross-check (platform facts, 5.2)."""

PAGE = 100
PER_FETCH = {NOTIFICATIONS: 10, POSTS: 3, COMMENTS: 25}
"""The most calls that one fetch makes of each kind."""

ENOUGH_TIME = 20.0
"""Seconds after which a fetch begins no further call and asks to be called again: the daemon kills one at 60."""

NEVER_SHOWS = (
    "posts that name the organisation without tagging its page",
    "mentions of it inside comments under other people's posts",
    "posts that are not public",
    "the names of the people who write",
)

_SCOPES = {
    NOTIFICATIONS: "rw_organization_admin",
    POSTS: "r_organization_social",
    COMMENTS: "r_organization_social_feed",
}
_MISSED = {
    NOTIFICATIONS: "posts that tag the page, and comments as they come",
    POSTS: "the page's own posts",
    COMMENTS: "comments that no notification tells of, and late answers",
}
_ACTIONS = "List(SHARE_MENTION,COMMENT,COMMENT_EDIT,COMMENT_DELETE,SHARE,ADMIN_COMMENT)"
_URN = re.compile(r"urn:li:[A-Za-z]+:[\w:(),.~=+-]{1,90}")
_COMMENT = re.compile(r"urn:li:comment:\((?:urn:li:)?([A-Za-z]+):([\w-]+),([\w-]+)\)")


@dataclass(frozen=True, slots=True)
class Settings:
    """The table ``[connectors.linkedin]``."""

    organisation_urn: str
    """The page: ``urn:li:organization:1234``, or its number alone."""
    token: str = secret()
    base_url: str = "https://api.linkedin.com"
    auth_base_url: str = "https://www.linkedin.com"
    """Where tokens are looked at and renewed."""
    api_version: str = "202609"
    poll_every: timedelta | None = None
    daily_calls: int = 100
    """Calls that Earshot may make in one UTC day, over all streams. 100 is what the first access tier grants."""
    client_id: str = ""
    client_secret: str = secret()
    refresh_token: str = secret()

    def __post_init__(self) -> None:
        if self.organisation_urn.isdigit():
            object.__setattr__(self, "organisation_urn", f"urn:li:organization:{self.organisation_urn}")
        if not re.fullmatch(r"urn:li:organization(Brand)?:\d+", self.organisation_urn):
            raise ValueError('organisation_urn: the page\'s number, such as "urn:li:organization:1234"')
        if not re.fullmatch(r"20\d{2}(0[1-9]|1[0-2])", self.api_version):
            raise ValueError('api_version: a year and month such as "202609"')
        if self.daily_calls < 10:
            raise ValueError("daily_calls: a whole number from 10 up")
        if not all(word.isascii() and word.isprintable() and " " not in word for word in (self.token, self.client_id)):
            raise ValueError("token and client_id: letters, digits and signs without spaces")
        for url in (self.base_url, self.auth_base_url):
            if not url.startswith(("https://", "http://")):
                raise ValueError("base_url and auth_base_url: scheme and host such as https://api.linkedin.com")


def connect(settings: Settings, organisation: Organisation) -> LinkedInConnector:
    """A connector that asks LinkedIn in the name of the page."""
    del organisation  # LinkedIn offers no search by words
    return LinkedInConnector(settings)


def plan(settings: Settings, organisation: Organisation) -> PollPlan:
    """The lowest lag that the calls buy. A twelfth of the notifications' calls is kept back for a crisis.

    LinkedIn counts calls by endpoint; whether the first tier's 100 are meant for each or for all together is not
    said (platform facts, 9.3), so the shares add up to ``daily_calls`` and keep to either reading.
    """
    del organisation
    share = _shares(settings.daily_calls)
    day = timedelta(days=1)
    calm = max(timedelta(seconds=30), day / (share[NOTIFICATIONS] * 11 / 12))
    own = max(calm, day / max(1, share[POSTS]))
    return PollPlan(
        calm=calm,
        hurried=max(timedelta(seconds=10), calm / 4),
        buckets=(
            _bucket(NOTIFICATIONS, share, per_poll=1, recheck_share=0.0),
            _bucket(POSTS, share, per_poll=0, recheck_share=0.25),
            _bucket(COMMENTS, share, per_poll=0, recheck_share=0.4),
        ),
        lag=f"posts that tag the page, and comments: {_say(calm / 2)} on average, {_say(calm)} at worst; "
        f"own posts: {_say(own)} at worst",
    )


def refresh(settings: Settings, grant: Grant) -> Grant:
    """A new token for the refresh token of ``grant`` or of the settings. Raises ``CredentialsRejected`` where
    LinkedIn refuses, or never gave one: it gives them to approved partners only (platform facts, 4.5)."""
    refresh_token = grant.refresh_token or settings.refresh_token
    if not (refresh_token and settings.client_id and settings.client_secret):
        raise CredentialsRejected(
            "The LinkedIn token cannot be renewed by itself: there is no refresh token or no client id and secret.",
            "Sign in at LinkedIn again every 60 days and put the new token into the settings.",
            code="no-refresh-token",
        )
    answer = _sign_in(
        settings, "accessToken", {"grant_type": "refresh_token", "refresh_token": refresh_token}, "renewing the token"
    )
    token, seconds = answer.get("access_token"), answer.get("expires_in")
    if not isinstance(token, str) or not token or not isinstance(seconds, int):
        raise UnexpectedReply("LinkedIn renewed the token without giving one.", shape=shape_of(answer))
    renewed = answer.get("refresh_token")
    ends = datetime.now(UTC) + timedelta(seconds=max(0, min(seconds, 10**9)))
    return Grant(token, ends, renewed if isinstance(renewed, str) and renewed else refresh_token)


class LinkedInConnector:
    """Reads the three streams in the order of their worth: notifications, own posts, comments."""

    def __init__(self, settings: Settings) -> None:
        self._settings = settings
        self._api = _Api(settings)

    def fetch(self, cursor: str | None, allowance: Allowance, /) -> Batch:
        """A page or a few of every stream that is due. See ``Connector.fetch``."""
        return _Round(self._settings, self._api, _Place.read(cursor, allowance.now), allowance).run()

    def recheck(self, ids: tuple[str, ...], allowance: Allowance, /) -> Batch:
        """The present form of comments and posts. Several comments of one thread are read in one call."""
        caps = {POSTS: 20, COMMENTS: 50}
        self._api.begin({name: min(allowance.of(name), cap) for name, cap in caps.items()}, allowance.now)
        take = _Take()
        try:
            _Eye(self._api, self._settings.organisation_urn, take).look_at(ids)
        except ConnectorError as error:
            if not (take.mentions or take.gone):
                error.spent = dict(self._api.spent)
                raise
        asked = set(ids)
        take.mentions = {name: mention for name, mention in take.mentions.items() if name in asked}
        return take.batch(None, self._api.spent, Coverage(), more=False)

    def examine(self, allowance: Allowance, /) -> tuple[Finding, ...]:
        """The token, the version, each stream's permission, the newest thing heard and the calls left."""
        self._api.begin({name: min(allowance.of(name), 2) for name in PER_FETCH}, allowance.now)
        findings = [*_findings(self._token_findings), *_findings(self._stream_findings)]
        share = ", ".join(f"{count} for {name}" for name, count in _shares(self._settings.daily_calls).items())
        findings.append(Finding(Level.NOTE, f"Earshot asks LinkedIn at most so often in a day (UTC): {share}."))
        return tuple(findings)

    def _token_findings(self) -> Iterable[Finding]:
        settings = self._settings
        if not (settings.client_id and settings.client_secret):
            yield Finding(
                Level.NOTE,
                "When the LinkedIn token ends cannot be asked without client_id and client_secret.",
                "A token lives 60 days. Set both, and Earshot warns you in time.",
            )
            return
        state = _sign_in(settings, "introspectToken", {"token": settings.token}, "looking at the token")
        ends = state.get("expires_at")
        ends_at = _moment(ends * 1000) if isinstance(ends, int) and 0 < ends < 4_000_000_000 else None
        if state.get("active") is not True:
            yield Finding(
                Level.BAD,
                "The LinkedIn token is no longer valid.",
                "Sign in at LinkedIn again and put the new token into the settings.",
                ends_at,
            )
            return
        until = f" until {ends_at:%d %B %Y, %H:%M} UTC" if ends_at else ""
        yield Finding(Level.GOOD, f"The LinkedIn token is valid{until}.", expires_at=ends_at)
        granted = set(re.split(r"[\s,]+", str(state.get("scope", ""))))
        missing = [scope for scope in _SCOPES.values() if scope not in granted]
        if missing:
            yield Finding(
                Level.BAD,
                f"The LinkedIn token lacks the permission {', '.join(missing)}.",
                "Ask for all three permissions at once when you sign in: changing the set ends older tokens.",
            )

    def _stream_findings(self) -> Iterable[Finding]:
        api, urn = self._api, self._settings.organisation_urn
        posts = api.page(POSTS, "posts", _own_posts_query(urn, 0, 10))
        yield Finding(Level.GOOD, f"LinkedIn serves version {self._settings.api_version}.")
        newest = max((_when_of(post) for post in _elements(posts)), default=None)
        yield (
            Finding(Level.GOOD, f"The page's newest post is from {newest:%d %B %Y, %H:%M} UTC.")
            if newest
            else Finding(Level.NOTE, "LinkedIn shows no post by the page itself.")
        )
        now = datetime.now(UTC)
        yield from _findings(lambda: self._newest_notification(now))
        if _elements(posts):
            first = _urn(_dict(_elements(posts)[0]).get("id"))
            yield from _findings(lambda: self._comments_of(first))

    def _newest_notification(self, now: datetime) -> Iterable[Finding]:
        query = _notifications_query(self._settings.organisation_urn, _ms(now - MEMORY), _ms(now), 0)
        page = self._api.page(NOTIFICATIONS, "organizationalEntityNotifications", query)
        times = [_moment(item.get("lastModifiedAt")) for item in _elements(page)]
        said = f"the newest is from {max(times):%d %B %Y, %H:%M} UTC" if times else "there is none in 60 days"
        yield Finding(Level.GOOD, f"The page's notifications can be read; {said}.")

    def _comments_of(self, urn: str) -> Iterable[Finding]:
        self._api.comments(urn, 0, 10)
        yield Finding(Level.GOOD, "Comments under the page's posts can be read.")


# ── one fetch ───────────────────────────────────────────────────────────────────────────────────────


class _Round:
    """One fetch: the streams in turn, what they gave, and the place to go on from."""

    def __init__(self, settings: Settings, api: _Api, place: _Place, allowance: Allowance) -> None:
        self._settings = settings
        self._api = api
        self._place = place
        self._now = allowance.now
        self._at = _ms(allowance.now)
        self._urn = settings.organisation_urn
        self._take = _Take()
        self._eye = _Eye(api, self._urn, self._take, place)
        self._eager = allowance.hurried or settings.poll_every is not None or not place.settled
        self._share = _shares(settings.daily_calls)
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
            self._failed[stream] = _resting(_moment(rest[0]))
            return
        before = self._api.answered
        try:
            work()
        except ConnectorError as error:
            self._failed[stream] = failed = _public(error)
            self._place.faults[stream] = _fault(stream, failed)
            if isinstance(error, RateLimited):
                self._place.rest(stream, error.retry_at, self._at)
            self._stopped = _is_whole(error)
        if self._api.answered > before:
            self._worked.add(stream)  # at least in part: what was read is kept, and the place to go on from
            if stream not in self._failed:
                self._place.resting.pop(stream, None)
                self._place.faults.pop(stream, None)

    def _others_go_on(self) -> bool:
        """Whether a stream that was not due now is known to be heard: then one failure is not the platform's."""
        own = self._place.own
        heard = own is not None and self._at - own < _ms_of(timedelta(hours=36))
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
        full = float(a_day) if self._settings.poll_every is not None else max(4.0, a_day / 8)
        kept = 0.0 if self._eager or stream == NOTIFICATIONS else full / 2
        return self._place.affords(stream, a_day, full, kept, self._at)

    def _is_early(self, stream: str, last: int | None) -> bool:
        """Whether a stream was read so lately that the next look would soon use up the day's calls in a hurry."""
        if last is None or self._settings.poll_every is not None or not self._place.settled:
            return False
        return 0 <= self._at - last < _ms_of(timedelta(days=1)) / self._share[stream] / 8

    def _coverage(self) -> Coverage:
        """How far we hear. A fault stands until its stream was read again, also in rounds where it was not due."""
        place = self._place
        heard, doubt = place.heard, ""
        if NOTIFICATIONS in place.faults:
            _, _, doubt = place.faults[NOTIFICATIONS]
            heard = heard if doubt else place.own  # where it was refused, the rest is what we can hear
        return Coverage(
            heard_until=min(self._now, _moment(heard if heard is not None else place.begun)),
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
        if self._at - max(place.told_at or 0, place.begun) < _ms_of(OVERLAP):
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
            times = [at for at in (self._hear(item, since) for item in _elements(page)) if at is not None]
            following = _following(page, start)
            if following is None or (times and max(times) < since):
                place.sweep, place.heard = None, until
                if start > 0:
                    place.busy = until + _ms_of(OVERLAP)
            else:
                place.sweep = [since, until, following]

    def _is_just_done(self, heard: int | None) -> bool:
        """Whether this round only goes on with other streams, and this one was read to its end a moment ago."""
        return self._place.going and heard is not None and 0 <= self._at - heard < 60_000

    def _new_sweep(self) -> list[int]:
        place, memory = self._place, _ms_of(MEMORY)
        if place.heard is None:
            since = place.begun if place.settled else self._at - memory
        else:
            since = place.heard - _ms_of(BUSY_OVERLAP if self._at < place.busy else OVERLAP)
            if self._at - place.heard > memory:
                self._take.gap = (
                    f"LinkedIn forgets its notifications after 60 days; those between "
                    f"{_moment(place.heard):%d %B} and {self._now - MEMORY:%d %B %Y} were never seen."
                )
        return [max(since, self._at - memory), self._at, 0]

    def _notifications_page(self, since: int, until: int, start: int) -> dict[str, Any] | None:
        """One page, or None where it has to be asked for in another form."""
        ranged = None if self._place.unranged else since
        query = _notifications_query(self._urn, ranged, until, start)
        try:
            return self._api.page(NOTIFICATIONS, "organizationalEntityNotifications", query)
        except _RangeRefused:
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
            at = _ms(_moment(item["lastModifiedAt"]))
            if at < since or (key and key in place.seen):
                return at
            self._eye.notification(item, at)
        except _ODD:
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
            since = place.own - _ms_of(OVERLAP)
        else:
            since = place.begun if place.settled else self._at - _ms_of(MEMORY)
        while place.own_sweep is not None and self._api.can(POSTS):
            until, start = place.own_sweep
            page = self._api.page(POSTS, "posts", _own_posts_query(self._urn, start, PAGE))
            changed = self._hear_posts(page, since, first=start == 0)
            following = _following(page, start)
            if following is None or (changed and max(changed) < since):
                place.own_sweep, place.own = None, until
            else:
                place.own_sweep = [until, following]

    def _hear_posts(self, page: dict[str, Any], since: int, *, first: bool) -> list[int]:
        changed: list[int] = []
        heard: dict[str, tuple[int, Mention]] = {}
        for item in _elements(page):
            try:
                mention = _own_post(item, self._place.activity_of(str(item.get("id"))), self._urn)
                at = _ms(_moment(item.get("lastModifiedAt") or _ms(mention.posted_at)))
            except _ODD:
                self._take.odd(item)
                continue
            changed.append(at)
            if item.get("lifecycleState", "PUBLISHED") != "PUBLISHED":
                continue
            heard[mention.external_id] = (at, mention)
            self._place.watch_post(mention.external_id, _ms(mention.posted_at))
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
                self._api.get(POSTS, f"posts/{_encode(place.newest)}")
            except _Gone:
                self._take.gone[place.newest] = None
                place.forget_post(place.newest)
            except (CredentialsRejected, SetupRejected) as error:
                if _is_whole(error):
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
            except _Gone:
                following = None
            if following is None:
                place.visits.pop(0)
                place.visited(urn, self._at)
            else:
                place.visits[0] = [urn, following, since]

    def _due_visits(self) -> list[list[Any]]:
        """The watched posts that have waited longest; what is young waits a quarter as long."""
        place = self._place
        gap = _ms_of(timedelta(minutes=1 if self._eager else 10))
        if NOTIFICATIONS in self._failed:  # then this is all that we hear of comments
            gap = _ms_of(timedelta(seconds=5 if self._eager else 60))
        young = self._at - _ms_of(timedelta(days=2))
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
            return visited - _ms_of(OVERLAP)
        return self._place.begun - (0 if self._place.settled else _ms_of(timedelta(hours=48)))

    def _visit(self, urn: str, start: int, since: int) -> int | None:
        """One page of a thread; where to go on, or None at its end."""
        place = self._place
        page = self._api.comments(urn, start)
        created: list[int] = []
        changed: list[int] = []
        for item in _elements(page):
            try:
                mention = _comment(item, self._urn, _thread_root(urn))
            except _ODD:
                self._take.odd(item)
                continue
            created.append(_ms(mention.posted_at))
            changed.append(max(created[-1], _ms(mention.edited_at or mention.posted_at)))
            if urn in place.watch and not place.watch[urn][3]:
                place.watch[urn][3] = mention.thread or ""
            wanted = place.todo.pop(mention.external_id, None) is not None
            if wanted or changed[-1] >= since:
                self._eye.present(mention)
                self._note_untold(mention)
            self._note_answers(mention, since)
        self._check_emptiness(urn, page, start)
        following = _following(page, start)
        newest_first = len(created) > 1 and created == sorted(created, reverse=True) and created[0] > created[-1]
        return None if newest_first and max(changed) < since else following

    def _note_answers(self, mention: Mention, since: int) -> None:
        """A comment with more answers than before is visited too."""
        count, key = mention.replies or 0, mention.external_id
        known = self._place.answers.get(key)
        if not count or count == known or len(self._place.visits) > 40:
            return
        self._place.answers[key] = count
        if known is not None or _ms(mention.posted_at) >= since:
            self._place.visits.append([key, 0, since])

    def _note_untold(self, mention: Mention) -> None:
        """Count top-level comments by others that have stood for ten minutes in the time we listened to."""
        place, at = self._place, _ms(mention.posted_at)
        if mention.kind is not Kind.COMMENT or place.heard is None or ":comment:" in (mention.parent or ""):
            return
        if max(place.told_at or 0, place.begun) < at < place.heard - _ms_of(timedelta(minutes=10)):
            place.untold += 1

    def _check_emptiness(self, urn: str, page: dict[str, Any], start: int) -> None:
        """A list that was not empty before, or says that it is not, but shows nothing (platform facts, 6)."""
        place = self._place
        total = _whole(_dict(page.get("paging")).get("total"))
        shown = len(_elements(page))
        known = place.watch[urn][2] if urn in place.watch else 0
        lost = start == 0 and not shown and ((total or 0) > 0 or (total is None and known > 1))
        if lost:
            self._take.suspect = "LinkedIn says that there are comments under the page's posts but shows none of them."
        if urn in place.watch:
            place.watch[urn][2] = 0 if lost else total if total is not None else max(known, start + shown)


class _Eye:
    """Turns LinkedIn's nouns into ours and looks single ones up."""

    def __init__(self, api: _Api, own: str, take: _Take, place: _Place | None = None) -> None:
        self._api = api
        self._own = own
        self._take = take
        self._place = place or _Place(0)
        self._first_look = place is not None

    def notification(self, item: Mapping[str, Any], at: int) -> None:
        """Take in one notification (``at`` is its time); raises one of ``_ODD`` where it cannot be read."""
        action = str(item["action"])
        decorated = _dict(item.get("decoratedGeneratedActivity"))
        comment, share = _dict(decorated.get("comment")), _dict(decorated.get("share"))
        if action == "LIKE":
            return
        self._note_source(item)
        if action in {"COMMENT", "COMMENT_EDIT", "COMMENT_DELETE", "ADMIN_COMMENT"} or (comment and not share):
            self._comment(item, action, comment, at)
        elif action in {"SHARE", "SHARE_MENTION"} or share:
            self._share(item, action, share, at)
        else:
            raise ValueError("an action that we do not know")

    def _note_source(self, item: Mapping[str, Any]) -> None:
        """Learn which activity belongs to which of our posts."""
        source, entity = item.get("sourcePost"), _dict(item.get("decoratedSourcePost")).get("entity")
        if isinstance(source, str) and isinstance(entity, str) and entity in self._place.watch:
            self._place.watch[entity][3] = source if ":activity:" in source and _URN.fullmatch(source) else ""

    def _comment(self, item: Mapping[str, Any], action: str, comment: Mapping[str, Any], at: int) -> None:
        place, take = self._place, self._take
        source = _urn(item["sourcePost"]) if item.get("sourcePost") else ""
        key = _comment_urn(comment.get("entity")) or _comment_urn(item.get("generatedActivity"))
        if key is None:
            key = _urn(item.get("generatedActivity") or comment.get("entity"))
        known = place.words.get(key, 0)
        if known > at or (known == at and action != "COMMENT_EDIT"):  # a later wording, or the deletion, is known
            take.date_back(key, _moment(at))
            return
        if action == "COMMENT_DELETE":
            place.words[key] = at
            place.todo.pop(key, None)
            take.forget(key)
            return
        if action == "COMMENT_EDIT":
            place.words[key] = at
        thread = _urn(comment["object"]) if comment.get("object") else _thread_of(key) or source
        text = _text(comment.get("text"))
        owner = _actor(comment.get("owner"))
        own = action == "ADMIN_COMMENT" or owner == self._own
        if text is None or own:
            place.todo[key] = at  # its text; and of an answer by us, what it answers
        if text is None and action == "COMMENT_EDIT":
            return
        take.add(
            Mention(
                platform="linkedin",
                external_id=key,
                kind=Kind.OWN_POST if own else Kind.COMMENT,
                text=text,
                url=_comment_link(thread, key),
                posted_at=_moment(at),
                author=_author(owner or (self._own if own else None)),
                edited_at=_moment(at) if action == "COMMENT_EDIT" else None,
                parent=place.post_of(thread),
                thread=thread,
            )
        )

    def _share(self, item: Mapping[str, Any], action: str, share: Mapping[str, Any], at: int) -> None:
        place = self._place
        key = _urn(share.get("entity") or item.get("generatedActivity") or item.get("sourcePost"))
        text = _text(share.get("text"))
        if action == "SHARE" and share and text is None:
            return  # our post passed on without a word
        if not share:
            place.todo[key] = at
        owner = _actor(share.get("owner"))
        source = _urn(item["sourcePost"]) if item.get("sourcePost") else ""
        self._take.add(
            Mention(
                platform="linkedin",
                external_id=key,
                # a post that tags us names us; one passed on, or without words, is about us by its place
                kind=Kind.MENTION if action == "SHARE_MENTION" and text else Kind.TAG,
                text=_plain(text) if text else None,
                url=_link(key),
                posted_at=_moment(at),
                author=_author(owner),
                parent=place.post_of(source) if action == "SHARE" and source != key else None,
            )
        )

    def present(self, mention: Mention) -> None:
        """Take in the present form of a comment that was read whole, and remember how new the wording is."""
        if mention.edited_at is not None:
            words = self._place.words
            words[mention.external_id] = max(words.get(mention.external_id, 0), _ms(mention.edited_at))
        if mention.parent == mention.thread:
            mention = replace(mention, parent=self._place.post_of(mention.thread or ""))
        self._take.add(mention, whole=True)

    def look_at(self, ids: tuple[str, ...], *, about: dict[str, int] | None = None) -> None:
        """Look up posts and comments, several of one thread in one call. Takes those that are settled out of ``about``.

        Ends quietly where the allowance does; raises what concerns the whole stream.
        """
        about = about if about is not None else {}
        threads: dict[str, list[str]] = {}
        for key in ids:
            threads.setdefault(_thread_of(key) or "", []).append(key)
        for key in threads.pop("", []):
            self._look_at_post(key, about)
        for thread, keys in threads.items():
            if len(keys) > 1 and self._api.can(COMMENTS):
                self._look_at_thread(thread, keys, about)
            for key in keys:
                if key not in self._take.looked:
                    self._look_at_comment(key, about)

    def _look_at_thread(self, thread: str, keys: list[str], about: dict[str, int]) -> None:
        try:
            page = self._api.comments(thread, 0)
        except _Gone:
            return
        wanted = set(keys)
        for item in _elements(page):
            try:
                mention = _comment(item, self._own, thread)
            except _ODD:
                self._take.odd(item)
                continue
            if mention.external_id in wanted:
                self._settle(mention, about)

    def _look_at_comment(self, key: str, about: dict[str, int]) -> None:
        parts = _COMMENT.fullmatch(key)
        if parts is None or not self._api.can(COMMENTS):
            return
        thread = f"urn:li:{parts[1]}:{parts[2]}"
        try:
            item = self._api.get(COMMENTS, f"socialActions/{_encode(thread)}/comments/{_encode(parts[3])}")
            self._settle(replace(_comment(item, self._own, thread), external_id=key), about)
        except _Gone:
            about.pop(key, None)
            self._take.forget(key)
        except _ODD:
            about.pop(key, None)
            self._take.odd(item)

    def _look_at_post(self, key: str, about: dict[str, int]) -> None:
        if not self._api.can(POSTS) or not _URN.fullmatch(key):
            return
        try:
            item = self._api.get(POSTS, f"posts/{_encode(key)}")
        except (_Gone, CredentialsRejected, SetupRejected) as error:
            if _is_whole(error):
                raise
            about.pop(key, None)
            # at the first look, a member's post that we may not read: the link is what we have (platform facts, 4.2)
            if isinstance(error, _Gone) and not self._first_look:
                self._take.forget(key)
            return
        about.pop(key, None)
        try:
            mention = replace(_own_post(item, self._place.activity_of(key), self._own), external_id=key)
            self._take.add(mention, whole=True)
        except _ODD:
            self._take.odd(item)

    def _settle(self, mention: Mention, about: dict[str, int]) -> None:
        about.pop(mention.external_id, None)
        self.present(mention)


@dataclass(slots=True)
class _Take:
    """What one fetch gathered: each id once, with its newest wording."""

    mentions: dict[str, Mention] = field(default_factory=dict)
    gone: dict[str, None] = field(default_factory=dict)
    looked: set[str] = field(default_factory=set)
    dropped: int = 0
    shapes: list[str] = field(default_factory=list)
    suspect: str | None = None
    gap: str | None = None

    def add(self, mention: Mention, *, whole: bool = False) -> None:
        """Add ``mention`` unless a newer wording, or the same read ``whole``, is there."""
        key = mention.external_id
        known = self.mentions.get(key)
        if key in self.gone or (known is not None and not whole and self._is_poorer(mention, known)):
            return
        if whole:
            self.looked.add(key)
        elif known is not None:
            mention = replace(mention, posted_at=min(known.posted_at, mention.posted_at))
        self.mentions[key] = mention

    def _is_poorer(self, mention: Mention, known: Mention) -> bool:
        if known.external_id in self.looked or (mention.text is None and known.text is not None):
            return True
        return known.text is not None and _wording(known) > _wording(mention)

    def date_back(self, key: str, posted_at: datetime) -> None:
        """An edited comment turns out to have been written earlier."""
        known = self.mentions.get(key)
        if known is not None and posted_at < known.posted_at and key not in self.looked:
            self.mentions[key] = replace(known, posted_at=posted_at)

    def forget(self, key: str) -> None:
        """``key`` was deleted."""
        self.mentions.pop(key, None)
        self.gone[key] = None

    def odd(self, item: object) -> None:
        """An entry that cannot be read is counted by its shape; the rest of its page goes on."""
        self.dropped += 1
        if len(self.shapes) < 10:
            self.shapes.append(shape_of(item))

    def batch(self, cursor: str | None, spent: Mapping[str, int], coverage: Coverage, *, more: bool) -> Batch:
        """All of it as the daemon takes it, oldest first."""
        mentions = sorted(self.mentions.values(), key=lambda m: (m.posted_at, m.external_id))
        return Batch(
            tuple(mentions),
            gone=tuple(self.gone),
            cursor=cursor,
            more=more,
            spent=dict(spent),
            coverage=coverage,
            dropped=self.dropped,
            shapes=tuple(self.shapes),
        )


# ── the cursor ──────────────────────────────────────────────────────────────────────────────────────


@dataclass(slots=True)
class _Place:
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
    def read(cls, cursor: str | None, now: datetime) -> _Place:
        """The place that ``cursor`` notes; a new one where there is none, or it is damaged or of another version."""
        try:
            raw = json.loads(cursor) if cursor else None
            return cls._from(raw) if isinstance(raw, dict) and raw.get("v") == 1 else cls(_ms(now))
        except (ValueError, TypeError, KeyError, AttributeError, OverflowError, RecursionError):
            return cls(_ms(now))

    @classmethod
    def _from(cls, raw: Mapping[str, Any]) -> _Place:
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
            newest=_urn(raw["newest"]) if raw["newest"] else "",
        )
        place.seen = {str(key): _whole_or_raise(minute) for key, minute in raw["seen"].items()}
        place.words = {_urn(key): _time(at) for key, at in raw["words"].items()}
        place.todo = {_urn(key): _time(at) for key, at in raw["todo"].items()}
        place.watch = {
            _urn(key): [_time(published), _whole_or_raise(visited), _whole_or_raise(total), str(activity)]
            for key, (published, visited, total, activity) in raw["watch"].items()
        }
        place.visits = [[_urn(u), _whole_or_raise(start), _whole_or_raise(since)] for u, start, since in raw["visits"]]
        place.answers = {_urn(key): _whole_or_raise(count) for key, count in raw["answers"].items()}
        place.purse = {str(k): [float(coins), float(_time(at))] for k, (coins, at) in raw["purse"].items()}
        place.faults = {str(k): [str(what), str(do), str(doubt)] for k, (what, do, doubt) in raw["faults"].items()}
        place.resting = {str(k): [_time(until), _whole_or_raise(n)] for k, (until, n) in raw["resting"].items()}
        return place

    def write(self, at: int) -> str:
        """The cursor, kept well under the size that the store expects. What is no longer needed is left out."""
        self.todo = {key: told for key, told in self.todo.items() if told > at - _ms_of(timedelta(hours=48))}
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
        coins = min(full, coins + max(0.0, at - since) / _ms_of(timedelta(days=1)) * a_day)
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
            until = _moment(at + _ms_of(timedelta(minutes=min(30, 2**tries))))
        self.resting[stream] = [_ms(until), min(tries + 1, 5)]
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


# ── asking LinkedIn ─────────────────────────────────────────────────────────────────────────────────

_VERSION_ENDED = "NONEXISTENT_VERSION"


class _Gone(UnexpectedReply):
    """There is nothing (any more) under this name, or we may not see it."""


class _RangeRefused(SetupRejected):
    """The finder takes no time range."""


class _Api:
    """GET with LinkedIn's headers, a count of calls, and errors in our words."""

    def __init__(self, settings: Settings) -> None:
        self._settings = settings
        self._session = new_session(settings.base_url)
        self._left: dict[str, int] = {}
        self._until = 0.0
        self._now = datetime.now(UTC)
        self.spent: dict[str, int] = {}
        self.answered = 0
        """Questions that were answered since the connector was made."""

    def begin(self, left: Mapping[str, int], now: datetime) -> None:
        """A new round with so many calls of each kind."""
        self._left = dict(left)
        self._now = now
        self._until = time.monotonic() + ENOUGH_TIME
        self.spent = {}

    def can(self, bucket: str) -> bool:
        """Whether another call is affordable, in number and in time."""
        return self._left.get(bucket, 0) > 0 and (not self.spent or time.monotonic() < self._until)

    def left(self, bucket: str) -> int:
        """Calls of a kind that this round may still make."""
        return self._left.get(bucket, 0)

    def page(self, bucket: str, path: str, query: str) -> dict[str, Any]:
        """One page of a list; raises ``UnexpectedReply`` where there is no list in it."""
        return self._ask(bucket, path, query, _with_list)

    def comments(self, urn: str, start: int, count: int = PAGE) -> dict[str, Any]:
        """One page of the comments under a post, or of the answers under a comment."""
        return self.page(COMMENTS, f"socialActions/{_encode(urn)}/comments", f"start={start}&count={count}")

    def get(self, bucket: str, path: str) -> dict[str, Any]:
        """One thing by its name."""
        return self._ask(bucket, path, "", lambda body: body)

    def _ask(
        self, bucket: str, path: str, query: str, read: Callable[[dict[str, Any]], dict[str, Any]]
    ) -> dict[str, Any]:
        """The answer to one question. ``path`` and ``query`` are encoded already: ``requests`` would encode the
        brackets of ``List(…)`` in ``params`` and break them (platform facts, 4.1)."""
        if self._left.get(bucket, 0) < 1:
            raise RateLimited("No call of this kind is left in this round.", code="allowance")
        if not self._settings.token:
            raise CredentialsRejected(
                "There is no LinkedIn token in the settings.", "Sign in at LinkedIn and set token.", code="no-token"
            )
        self._left[bucket] -= 1
        self.spent[bucket] = self.spent.get(bucket, 0) + 1
        headers = {
            "Authorization": f"Bearer {self._settings.token}",
            "LinkedIn-Version": self._settings.api_version,
            "X-Restli-Protocol-Version": "2.0.0",
            "Accept": "application/json",
        }
        if query.startswith("q="):
            headers["X-RestLi-Method"] = "FINDER"
        url = f"{self._settings.base_url.rstrip('/')}/rest/{path}{'?' + query if query else ''}"
        try:
            response = self._session.get(url, headers=headers, allow_redirects=False)
        except (requests.RequestException, UnicodeError) as error:
            raise unreachable("LinkedIn", error) from None
        body = read(self._read(response, bucket))
        self.answered += 1
        return body

    def _read(self, response: requests.Response, stream: str) -> dict[str, Any]:
        status, body = response.status_code, _body_of(response)
        refused = isinstance(body, dict) and "elements" not in body and (_whole(body.get("status")) or 0) >= 400
        if refused and status < 400:
            status = int(body["status"])  # an error in the clothes of an answer
        if 200 <= status < 300:
            if not isinstance(body, dict):
                raise UnexpectedReply(
                    "LinkedIn answered in a form that we do not know.", code="form", shape=shape_of(body)
                )
            return body
        raise _refusal(status, body if isinstance(body, dict) else {}, stream, self._settings, self._now)


def _body_of(response: requests.Response) -> Any:
    status = response.status_code
    try:
        return read_json("LinkedIn", status, response.content, response.headers)
    except ConnectorError:
        if 200 <= status < 300 or status >= 500 or status in {301, 302, 303, 307, 308, 404}:
            raise
        return None


def _refusal(status: int, body: Mapping[str, Any], stream: str, settings: Settings, now: datetime) -> ConnectorError:
    """The error table of LinkedIn (platform facts, 6). Its messages are read for two words, never repeated."""
    name, number = body.get("code"), _whole(body.get("serviceErrorCode"))
    message = str(body.get("message", ""))
    code = name if isinstance(name, str) and re.fullmatch(r"\w{1,60}", name) else str(number or f"http-{status}")
    match status:
        case 401:
            return CredentialsRejected(*_AUTH.get(number or 0, _AUTH[65600]), code=code)
        case 403 if "ADMIN_ONLY" in message or "VisibilityReduction" in message:
            return SetupRejected(
                f"LinkedIn says that the token's member does not administer {settings.organisation_urn}.",
                "Check organisation_urn, and make the member who signed in an administrator of the page.",
                code="ADMIN_ONLY",
            )
        case 403:
            return CredentialsRejected(
                f"LinkedIn does not let us read {_MISSED.get(stream, stream)}: a permission or the role is missing.",
                f"The app needs the product Community Management API, the token the permission "
                f"{_SCOPES.get(stream, '')}, and the member who signed in must administer the page.",
                code="ACCESS_DENIED",
            )
        case 404:
            return _Gone(
                "LinkedIn knows nothing under this name.", "Check organisation_urn and base_url.", code="NOT_FOUND"
            )
        case 426:
            return SetupRejected(
                f"LinkedIn no longer serves version {settings.api_version} of its interface, or not yet.",
                "Set api_version to one that LinkedIn serves now; each lives for about a year.",
                code=_VERSION_ENDED,
            )
        case 429:
            daily = " DAY " in f" {message.upper()} "
            return RateLimited(
                "LinkedIn's daily allowance of calls is used up."
                if daily
                else "LinkedIn asks us to ask less often for a while.",
                "Nothing is broken. Lower daily_calls to what LinkedIn's developer portal says." if daily else "",
                code="DAY" if daily else "TOO_MANY_REQUESTS",
                retry_at=_midnight(now) if daily else None,
            )
        case 408 | 425:
            return Unreachable(f"LinkedIn answered with status {status}.", code=f"http-{status}")
        case _ if status >= 500:
            return Unreachable(f"LinkedIn is out of order (status {status}).", code=f"http-{status}")
        case _ if 400 <= status < 500:
            kind = _RangeRefused if "timerange" in message.lower() else SetupRejected
            return kind(
                f"LinkedIn refused the form of our question (status {status}, {code}).",
                "Check organisation_urn and api_version. If they are right, update Earshot.",
                code=code,
            )
        case _:
            return Unreachable(f"LinkedIn answered with status {status}.", code=f"http-{status}")


_SIGN_IN = "Sign in at LinkedIn again (`earshot connect linkedin`) or put a new token into the settings."
_AUTH: Mapping[int, tuple[str, str]] = {
    65600: ("LinkedIn does not accept the token.", _SIGN_IN),
    65601: ("The LinkedIn token was revoked.", f"A new token may need a minute. If this lasts: {_SIGN_IN}"),
    65602: ("The LinkedIn token has ended: it lives 60 days.", _SIGN_IN),
    65604: ("LinkedIn saw no token.", "Check that nothing between Earshot and LinkedIn drops the header."),
}


def _midnight(now: datetime) -> datetime:
    """The next midnight UTC, when LinkedIn's counters begin anew (platform facts, 5.2)."""
    return now.replace(hour=0, minute=0, second=0, microsecond=0) + timedelta(days=1)


def _sign_in(settings: Settings, what: str, form: Mapping[str, str], doing: str) -> dict[str, Any]:
    """POST to LinkedIn's sign-in host; secrets go in the body, never in the address."""
    form = {**form, "client_id": settings.client_id, "client_secret": settings.client_secret}
    try:
        response = new_session(settings.auth_base_url).post(
            f"{settings.auth_base_url.rstrip('/')}/oauth/v2/{what}", data=form, allow_redirects=False
        )
    except (requests.RequestException, UnicodeError) as error:
        raise unreachable("LinkedIn", error) from None
    body = read_json("LinkedIn", response.status_code, response.content, response.headers)
    if not isinstance(body, dict):
        raise UnexpectedReply(f"LinkedIn answered {doing} in a form that we do not know.", shape=shape_of(body))
    if 200 <= response.status_code < 300 and "error" not in body:
        return body
    name = str(body.get("error", ""))
    match response.status_code:
        case 429:
            raise RateLimited(f"LinkedIn asks us to wait with {doing}.", code="TOO_MANY_REQUESTS")
        case status if status >= 500:
            raise Unreachable(f"LinkedIn is out of order (status {status}).", code=f"http-{status}")
    if name in {"invalid_client", "unauthorized_client"} or (response.status_code == 401 and not name):
        raise SetupRejected(
            f"LinkedIn does not know the app ({doing}).",
            "Check client_id and client_secret against the developer portal.",
            code="invalid_client",
        )
    raise CredentialsRejected(f"LinkedIn refused {doing}.", _SIGN_IN, code=name if name.isidentifier() else "refused")


def _encode(urn: str) -> str:
    """A value for a Rest.li path or query: everything but letters, digits and ``-._~`` percent-encoded."""
    return quote(urn, safe="")


def _notifications_query(urn: str, since: int | None, until: int, start: int) -> str:
    ranged = "" if since is None else f"&timeRange=(start:{since},end:{until})"
    return f"q=criteria&organizationalEntity={_encode(urn)}&actions={_ACTIONS}{ranged}&start={start}&count={PAGE}"


def _own_posts_query(urn: str, start: int, count: int) -> str:
    return f"q=author&author={_encode(urn)}&count={count}&start={start}&sortBy=LAST_MODIFIED"


def _following(page: Mapping[str, Any], start: int) -> int | None:
    """Where the next page begins, or None at the end: fewer than asked, and no link to a next page.

    A full page without any link is followed once more: a call is cheaper than a post that was missed.
    """
    paging = _dict(page.get("paging"))
    count = len(_elements(page))
    links = paging.get("links")
    links = links if isinstance(links, list) else []
    following = next((link for link in links if _dict(link).get("rel") == "next"), None)
    if following is not None and (count or start < 5000):
        found = re.search(r"[?&]start=(\d{1,9})(?:&|$)", str(following.get("href", "")))
        named = int(found[1]) if found else 0
        return named if named > start else start + max(count, 1)
    total = _whole(paging.get("total"))
    if not count:
        return None
    if total is not None:
        return start + count if start + count < total else None
    return start + count if count >= min(PAGE, _whole(paging.get("count")) or PAGE) else None


def _is_whole(error: ConnectorError) -> bool:
    """Whether an error concerns the platform as a whole: the token, the version, the line."""
    match error:
        case CredentialsRejected():
            return error.code != "ACCESS_DENIED"
        case SetupRejected():
            return error.code in {_VERSION_ENDED, "VERSION_MISSING"}
        case Unreachable():
            return not error.code.startswith("http-")
        case _:
            return False


def _is_refused(error: ConnectorError) -> bool:
    return isinstance(error, _Gone) or (isinstance(error, CredentialsRejected) and error.code == "ACCESS_DENIED")


def _public(error: ConnectorError) -> ConnectorError:
    """``error`` in one of the classes that others know, as it is meant for a whole stream."""
    match error:
        case _Gone():
            return SetupRejected(error.what, error.do, code=error.code)
        case _RangeRefused():
            return SetupRejected(error.what, error.do, code=error.code)
        case _:
            return error


def _resting(until: datetime) -> RateLimited:
    return RateLimited("LinkedIn's allowance of calls is used up.", code="resting", retry_at=until)


def _fault(stream: str, error: ConnectorError) -> list[str]:
    """What to say of a stream that failed, what to do, and why the platform is in doubt unless it was refused."""
    if isinstance(error, CredentialsRejected):
        return [error.what, error.do, "" if _is_refused(error) else error.what]
    return [f"{_MISSED[stream]}: {error.what}", error.do, error.what]


# ── reading LinkedIn's nouns ────────────────────────────────────────────────────────────────────────

_ODD = (ValueError, TypeError, KeyError, AttributeError, OverflowError)
"""What reading a damaged entry raises: it alone is set aside."""


def _own_post(item: Mapping[str, Any], activity: str, own: str) -> Mention:
    """A post, ours or a member's."""
    key, author = _urn(item["id"]), _actor(item.get("author"))
    posted = _moment(item.get("publishedAt") or item["createdAt"])
    changed = _moment(item.get("lastModifiedAt") or _ms(posted))
    edited = _dict(item.get("lifecycleStateInfo")).get("isEditedByAuthor") is True
    text = _text(item.get("commentary"))
    return Mention(
        platform="linkedin",
        external_id=key,
        kind=Kind.OWN_POST if author in {own, None} else Kind.MENTION if text else Kind.TAG,
        text=_plain(text, escaped=True) if text else None,
        url=_link(key),
        posted_at=posted,
        author=_author(author),
        edited_at=max(changed, posted) if edited else None,
        thread=activity or None,
    )


def _comment(item: Mapping[str, Any], own: str, thread: str) -> Mention:
    """A comment or an answer to one, read whole."""
    created = _dict(item.get("created"))
    posted = _moment(created["time"])
    changed = _dict(item.get("lastModified")).get("time")
    edited = _moment(changed) if changed is not None and _moment(changed) > posted else None
    key = _comment_urn(item.get("commentUrn")) or _comment_urn(item.get("$URN"))
    root = _urn(item["object"]) if item.get("object") else _thread_of(key or "") or thread
    if key is None:
        key = f"urn:li:comment:({root},{_identifier(item['id'])})"
    actor = _actor(item.get("actor")) or _actor(created.get("actor"))
    likes, answers = _dict(item.get("likesSummary")), _dict(item.get("commentsSummary"))
    return Mention(
        platform="linkedin",
        external_id=key,
        kind=Kind.OWN_POST if actor == own else Kind.COMMENT,
        text=_text(_dict(item.get("message")).get("text")),
        url=_comment_link(root, key),
        posted_at=posted,
        author=_author(actor),
        edited_at=edited,
        parent=_comment_urn(item.get("parentComment")) or root,
        thread=root,
        likes=_first_whole(likes, "aggregatedTotalLikes", "totalLikes"),
        replies=_first_whole(answers, "aggregatedTotalComments", "totalFirstLevelComments"),
    )


def _comment_urn(value: object) -> str | None:
    """The full name of a comment, its inner one completed where LinkedIn shortens it (platform facts, 4.2)."""
    parts = _COMMENT.fullmatch(unquote(value)) if isinstance(value, str) and len(value) < 300 else None
    return f"urn:li:comment:(urn:li:{parts[1]}:{parts[2]},{parts[3]})" if parts else None


def _thread_of(comment: str) -> str | None:
    parts = _COMMENT.fullmatch(comment)
    return f"urn:li:{parts[1]}:{parts[2]}" if parts else None


def _thread_root(urn: str) -> str:
    return _thread_of(urn) or urn


def _link(urn: str) -> str:
    return f"https://www.linkedin.com/feed/update/{urn}"


def _comment_link(thread: str, comment: str) -> str:
    return f"{_link(thread or comment)}?commentUrn={_encode(comment)}" if thread else _link(comment)


def _author(urn: str | None) -> Author | None:
    return Author(id=urn) if urn else None


def _actor(value: object) -> str | None:
    return value if isinstance(value, str) and _URN.fullmatch(value) else None


def _urn(value: object) -> str:
    if not isinstance(value, str) or not _URN.fullmatch(value):
        raise ValueError("no URN")
    return value


def _identifier(value: object) -> str:
    if isinstance(value, int) and not isinstance(value, bool):
        value = str(value)
    if not isinstance(value, str) or not re.fullmatch(r"[\w-]{1,40}", value):
        raise ValueError("no identifier")
    return value


def _text(value: object) -> str | None:
    return (clean_text(value) or None) if isinstance(value, str) and value.strip() else None


def _plain(text: str, *, escaped: bool = False) -> str:
    """LinkedIn's 'little text' as people see it: tags by their names, hashtags with their sign, no escapes."""
    text = re.sub(r"@\[((?:[^\]\\]|\\.){0,200})\]\(urn:li:[^)]{0,100}\)", r"@\1", text)
    text = re.sub(r"\{hashtag\|\\?#\|([^|{}]{0,200})\}", r"#\1", text)
    return re.sub(r"\\([\\|{}@\[\]()<>#*_~])", r"\1", text) if escaped else text


def _moment(value: object) -> datetime:
    """Milliseconds since 1970 as aware UTC; raises ValueError for anything that is no date of our time."""
    if isinstance(value, str) and value.isascii() and value.isdigit() and len(value) < 15:
        value = int(value)
    if isinstance(value, bool) or not isinstance(value, int | float) or not 1e12 <= value < 4.2e12:
        raise ValueError("no time")
    return datetime.fromtimestamp(int(value) / 1000, UTC)


def _when_of(post: Any) -> datetime:
    try:
        return _moment(post.get("publishedAt") or post.get("createdAt"))
    except _ODD:
        return datetime(2003, 5, 5, tzinfo=UTC)


def _ms(moment: datetime) -> int:
    return round(moment.timestamp() * 1000)


def _ms_of(length: timedelta) -> int:
    return round(length.total_seconds() * 1000)


def _wording(mention: Mention) -> datetime:
    return mention.edited_at or mention.posted_at


def _whole(value: object) -> int | None:
    if isinstance(value, bool) or not isinstance(value, int | float) or not 0 <= value < 2**31:
        return None
    return int(value)


def _first_whole(table: Mapping[str, Any], *names: str) -> int | None:
    return next((n for n in (_whole(table.get(name)) for name in names) if n is not None), None)


def _dict(value: object) -> dict[str, Any]:
    return value if isinstance(value, dict) else {}


def _with_list(page: dict[str, Any]) -> dict[str, Any]:
    """``page``, which has a list of entries; raises ``UnexpectedReply`` where it has not."""
    if not isinstance(page.get("elements"), list):
        raise UnexpectedReply("LinkedIn answered without a list of entries.", code="form", shape=shape_of(page))
    return page


def _elements(page: Mapping[str, Any]) -> list[Any]:
    found = page["elements"]
    return found if isinstance(found, list) else []


# ── reading the cursor: raises ValueError or TypeError where it is damaged ──────────────────────────


def _whole_or_raise(value: object) -> int:
    if isinstance(value, bool) or not isinstance(value, int) or not 0 <= value < 2**53:
        raise ValueError("no whole number")
    return value


def _time(value: object) -> int:
    return _ms(_moment(value))


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


# ── the plan ────────────────────────────────────────────────────────────────────────────────────────


def _shares(daily_calls: int) -> dict[str, int]:
    """The day's calls by stream. Few calls go to the notifications, which tell most (platform facts, 5.2)."""
    posts, comments = (0.12, 0.1) if daily_calls < 1000 else (0.2, 0.3)
    share = {POSTS: max(1, int(daily_calls * posts)), COMMENTS: max(1, int(daily_calls * comments))}
    return {NOTIFICATIONS: daily_calls - sum(share.values()), **share}


def _bucket(name: str, share: Mapping[str, int], *, per_poll: int, recheck_share: float) -> Bucket:
    reserve = min(PER_FETCH[name], max(2, share[name] // 10), share[name])
    return Bucket(name, f"calls for {name} a day", share[name], Period.UTC_DAY, reserve, per_poll, recheck_share)


def _say(length: timedelta) -> str:
    seconds = round(length.total_seconds())
    if seconds < 120:
        return f"{seconds} seconds"
    return f"{round(seconds / 60)} minutes" if seconds < 7200 else f"{round(seconds / 3600)} hours"


def _findings(part: Callable[[], Iterable[Finding]]) -> list[Finding]:
    """What a part of the examination found; where it was refused, that is the finding."""
    found: list[Finding] = []
    try:
        for finding in part():
            found.append(finding)
    except ConnectorError as error:
        level = Level.NOTE if error.code == "allowance" else Level.BAD
        found.append(Finding(level, error.what, error.do))
    except _ODD:
        found.append(Finding(Level.BAD, "LinkedIn answered in a form that we do not know.", "Update Earshot."))
    return found


PLATFORM = Platform("linkedin", Settings, connect, plan, refresh, "token", NEVER_SHOWS)
