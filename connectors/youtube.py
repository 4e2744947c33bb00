"""YouTube through Google's own client library: comments and replies on our channel, our videos, videos that name us.

Four things about the service shape this module (platform facts, part 2):

* A reply does not lift its thread in the list by time, so threads that are known are looked at again by id.
* ``search.list`` has a bucket of its own, 100 calls a day; when it is empty the rest goes on.
* Nothing is pushed, nothing is told about quota in headers, and a missing entry is how a deletion looks.
* The library returns HTML as if it were an answer, prints the key in its exceptions, and mixes up answers when
  threads share a connection. Here the key travels in a header, answers are read by us, and each connector has a
  transport of its own per thread.
"""

from __future__ import annotations

import base64
import html
import json
import re
import threading
import time
import zlib
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import asdict, astuple, dataclass, field, replace
from datetime import UTC, datetime, timedelta
from functools import lru_cache
from typing import Any, TypeVar
from urllib.parse import quote, urlsplit
from zoneinfo import ZoneInfo

import httplib2
import requests
from googleapiclient.discovery import build
from googleapiclient.model import JsonModel

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
    Kind,
    Level,
    Mention,
    Organisation,
    Period,
    Platform,
    PollPlan,
    clean_text,
    secret,
    utc,
)

NAME = "youtube"
BASE_URL = "https://youtube.googleapis.com"
PACIFIC = ZoneInfo("America/Los_Angeles")

UNITS = "units"
SEARCHES = "searches"

RESERVE = 30
"""The most calls that one ``fetch`` makes outside search."""

CALM = timedelta(seconds=30)
HURRIED = timedelta(seconds=10)

PAGE = 100
"""Comments on a page, the largest that is allowed (facts, 2.1). The platform may give about 20 all the same."""

IDS = 50
"""Ids in one call: an assumption of the facts (2.3)."""

IDS_LENGTH = 1_400
"""Characters of ids in one call: beyond 2,048 of URL the library would turn the GET into a POST (facts, 3.2)."""

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

MAX_THREADS = 2_000
MAX_UPLOADS = 400
MAX_HITS = 300
MAX_PLACES = 40
"""Videos by others whose comments are watched (facts, 2.4)."""

MAX_CURSOR = 60_000
PATIENCE = 35.0
"""Seconds after which a ``fetch`` begins no further call, so that a slow server does not cost what was heard."""

MAX_COUNT = 2_000_000_000

NEVER_SHOWS = (
    "comments under other people's videos, unless the video and the comment both name us",
    "videos that name us only in speech or in pictures",
    "community posts and what is said under them",
    "live chat",
    "comments that are held for review or taken for spam",
)


@dataclass(frozen=True, slots=True)
class Settings:
    """The ``[connectors.youtube]`` table."""

    channel_id: str
    api_key: str = secret()
    base_url: str = BASE_URL
    poll_every: timedelta | None = None
    """The operator's word. All streams keep to it until half of an allowance is used; the rest is spread out."""
    daily_units: int = 10_000
    daily_searches: int = 100
    derived_data_allowed: bool = False
    """Whether YouTube has allowed us in writing to keep and show scores made from its data."""

    def __post_init__(self) -> None:
        if not re.fullmatch(r"[\w-]{1,64}", self.channel_id):
            raise ValueError("channel_id: the channel's id, which begins with UC, not its @handle")
        if not re.fullmatch(r"[!-~]+", self.api_key):
            raise ValueError("api_key: an API key of a Google Cloud project")
        if urlsplit(self.base_url).scheme not in {"http", "https"} or not urlsplit(self.base_url).hostname:
            raise ValueError(f'base_url: an address such as "{BASE_URL}"')
        if self.daily_units < 1 or self.daily_searches < 0:
            raise ValueError("daily_units: at least 1; daily_searches: 0 or more")
        if self.poll_every is not None and self.poll_every < timedelta(seconds=1):
            raise ValueError('poll_every: a duration from "1s" on')


class YouTubeConnector:
    """Hears one channel, and searches for videos that name its organisation."""

    def __init__(self, settings: Settings, organisation: Organisation) -> None:
        self._settings = settings
        self._organisation = organisation
        self._api = _Api(settings.base_url, settings.api_key)

    def fetch(self, cursor: str | None, allowance: Allowance, /) -> Batch:
        """What is new on the channel, in our videos and in search since ``cursor``."""
        meter = _Meter(allowance)
        try:
            return _Poll(self._api, self._settings, self._organisation, cursor, allowance, meter).run()
        except ConnectorError as error:
            raise meter.settle(error) from None

    def recheck(self, ids: tuple[str, ...], allowance: Allowance, /) -> Batch:
        """The present form of comments, replies and videos, and those that are gone."""
        meter = _Meter(allowance)
        try:
            return _Recheck(self._api, self._settings, allowance, meter).run(ids)
        except ConnectorError as error:
            raise meter.settle(error) from None

    def examine(self, allowance: Allowance, /) -> tuple[Finding, ...]:
        """Whether the key works, the channel is there, its comments can be read, and what the quota buys."""
        meter = _Meter(allowance)
        try:
            findings = [*_examine_channel(self._api, self._settings, meter, allowance.now)]
        except Unreachable as error:
            raise meter.settle(error) from None
        except ConnectorError as error:
            findings = [Finding(Level.BAD, error.what, error.do)]
        return (*findings, *_examine_quota(self._settings, self._organisation, allowance.now))


# ── the client ──────────────────────────────────────────────────────────────────────────────────────


class _Refused(Exception):
    """An answer with a status of 300 or more."""

    def __init__(self, status: int, headers: Mapping[str, str], body: bytes) -> None:
        super().__init__(f"status {status}")
        self.status = status
        self.headers = headers
        self.body = body


class _Transport:
    """What the library takes for an ``httplib2.Http``: our own HTTP layer, with the key in a header.

    The library's ``HttpError`` carries the URL and breaks on some bodies, so refusals are raised here.
    """

    def __init__(self, base_url: str, api_key: str) -> None:
        self._session = new_session(base_url)
        self._key = api_key

    def request(
        self, uri: str, method: str = "GET", body: Any = None, headers: Mapping[str, str] | None = None, **_: Any
    ) -> tuple[httplib2.Response, bytes]:
        reply = self._session.request(
            method,
            uri,
            data=body,
            headers={**(headers or {}), "X-Goog-Api-Key": self._key},
            allow_redirects=False,  # a redirect would take the key to another host
        )
        names = {name.lower(): value for name, value in reply.headers.items()}
        if reply.status_code >= 300:
            raise _Refused(reply.status_code, names, reply.content)
        return httplib2.Response({**names, "status": str(reply.status_code)}), reply.content


class _Nowhere:
    """Stands in the shared service, so that nothing is ever sent without a connector's own transport."""

    def request(self, *_: Any, **__: Any) -> Any:
        raise RuntimeError("a request without a transport of its own")

    def close(self) -> None:
        return


class _Model(JsonModel):  # type: ignore[misc]
    """Reads answers strictly, where the library would hand on HTML or half an answer as a text."""

    def response(self, resp: Any, content: bytes) -> Any:
        return read_json("YouTube", int(resp.status), content, resp)


@lru_cache(maxsize=8)
def _service(base_url: str) -> Any:
    """The library's service for an address. Built once in a process: each building keeps memory (facts, 3)."""
    return build(
        "youtube",
        "v3",
        static_discovery=True,
        cache_discovery=False,
        http=_Nowhere(),
        model=_Model(),
        client_options={"api_endpoint": base_url.rstrip("/")},
    )


class _Meter:
    """Counts what a call spends, and says whether there is enough of it and of time."""

    def __init__(self, allowance: Allowance) -> None:
        self._left = {bucket: allowance.of(bucket) for bucket in (UNITS, SEARCHES)}
        self.spent = {UNITS: 0, SEARCHES: 0}
        self._until = time.monotonic() + PATIENCE
        self._halted = False

    def left(self, bucket: str) -> int:
        return self._left[bucket] - self.spent[bucket]

    def can(self, bucket: str = UNITS, leaving: int = 0) -> bool:
        return not self._halted and self.left(bucket) > leaving and time.monotonic() < self._until

    def take(self, bucket: str) -> None:
        self.spent[bucket] += 1

    def halt(self) -> None:
        """No further call in this fetch: the platform does not answer, or does not want to."""
        self._halted = True

    def settle(self, error: ConnectorError) -> ConnectorError:
        error.spent = dict(self.spent)
        return error


class _Api:
    """The list methods that we use. One attempt each; a transport for each thread."""

    def __init__(self, base_url: str, api_key: str) -> None:
        self._base_url = base_url
        self._key = api_key
        self._own = threading.local()

    def list(self, resource: str, meter: _Meter, now: datetime, **parameters: Any) -> dict[str, Any]:
        """The answer of ``resource.list``. Costs a unit, or a search; so does an answer that is an error."""
        given = {name: value for name, value in parameters.items() if value is not None}
        request = getattr(_service(self._base_url), resource)().list(**given)
        meter.take(SEARCHES if resource == "search" else UNITS)
        try:
            answer = request.execute(http=self._transport(), num_retries=0)
        except _Refused as refused:
            raise self._redacted(_error(refused.status, refused.headers, refused.body, now)) from None
        except requests.RequestException as error:
            raise unreachable("YouTube", error) from None
        except ConnectorError as error:
            raise self._redacted(error) from None
        if isinstance(answer, dict) and isinstance(answer.get("error"), dict):
            code = answer["error"].get("code")
            status = code if isinstance(code, int) else 500
            raise self._redacted(_error(status, {}, json.dumps(answer).encode(), now)) from None
        if not isinstance(answer, dict) or not isinstance(answer.get("items", []), list) or not _is_answer(answer):
            raise self._redacted(
                UnexpectedReply(
                    f"YouTube answered {resource}.list in a form that we do not know.",
                    "Earshot tries again by itself. If it lasts, look for a newer version of Earshot.",
                    code="shape",
                    shape=shape_of(answer),
                )
            )
        return answer

    def _transport(self) -> _Transport:
        if not hasattr(self._own, "transport"):
            self._own.transport = _Transport(self._base_url, self._key)
        return self._own.transport  # type: ignore[no-any-return]

    def _redacted(self, error: ConnectorError) -> ConnectorError:
        """``error`` without the key, should an answer repeat it."""
        error.what, error.shape = (text.replace(self._key, "***") for text in (error.what, error.shape))
        error.args = (error.what,)
        error.code = error.code.replace(self._key, "***")
        return error


def _is_answer(answer: Mapping[str, Any]) -> bool:
    return any(key in answer for key in ("items", "kind", "pageInfo", "etag"))


# ── what its errors mean to us (facts, 2.6) ─────────────────────────────────────────────────────────

_LATER = "Earshot tries again by itself."
_CONSOLE = "Open the project in the Google Cloud console (APIs & Services, Credentials)."
_KEY_DO = f"{_CONSOLE} Make or copy the API key and put it into connectors.youtube.api_key."

_OF_THE_KEY = {
    "keyInvalid": ("YouTube does not know the API key.", _KEY_DO),
    "API_KEY_INVALID": ("YouTube does not know the API key.", _KEY_DO),
    "keyExpired": ("The API key has ended.", _KEY_DO),
    "API_KEY_EXPIRED": ("The API key has ended.", _KEY_DO),
    "authError": ("YouTube refused our credentials.", _KEY_DO),
    "accessNotConfigured": (
        "The YouTube Data API is not switched on in the Google Cloud project of the key.",
        "In the Google Cloud console, open APIs & Services, Library, YouTube Data API v3, and press Enable.",
    ),
    "ipRefererBlocked": (
        "The API key's restrictions keep this server out.",
        f"{_CONSOLE} Add this server's address to the key's allowed addresses, and YouTube Data API v3 to its APIs.",
    ),
    "accountSuspended": ("The Google account or project is suspended.", "Read Google's mails to the project's owner."),
    "CONSUMER_SUSPENDED": ("The Google project is suspended.", "Read Google's mails to the project's owner."),
}
_OF_THE_KEY["SERVICE_DISABLED"] = _OF_THE_KEY["accessNotConfigured"]
_SPEAKS_OF_KEY = re.compile(r"(?i)\bAPI key (not valid|expired|not found)|unregistered callers")
_BLOCKED = re.compile(r"API_KEY_\w*BLOCKED|CONSUMER_\w+|BILLING_DISABLED|ACCESS_TOKEN_\w+")

_OF_THE_DAY = frozenset({"quotaExceeded", "dailyLimitExceeded", "dailyLimitExceededUnreg"})
_OF_THE_RATE = frozenset({"rateLimitExceeded", "userRateLimitExceeded", "RATE_LIMIT_EXCEEDED", "RESOURCE_EXHAUSTED"})

_MISSING = frozenset(
    {
        "channelNotFound",
        "videoNotFound",
        "playlistNotFound",
        "commentThreadNotFound",
        "commentNotFound",
        "notFound",
        "parentCommentNotFound",
    }
)
_CLOSED = frozenset({"commentsDisabled", "forbidden", "videoNotFound", "notFound", "http-403", "http-404"})
_PAGE_TOKEN = "invalidPageToken"  # noqa: S105 - the platform's name for a fault


def _error(status: int, headers: Mapping[str, str], body: bytes, now: datetime) -> ConnectorError:
    """The platform's refusal as ours. Decided by reason and status, never by prose where a reason is given."""
    told = _Told.read(body)
    code = told.reason or f"http-{status}"
    for reason in told.reasons:
        if reason in _OF_THE_KEY:
            what, do = _OF_THE_KEY[reason]
            return CredentialsRejected(what, do, code=reason)
        if _BLOCKED.fullmatch(reason):
            what, do = _OF_THE_KEY["ipRefererBlocked"]
            return CredentialsRejected(what, do, code=reason)
    if status == 401 or (status in {400, 403} and _SPEAKS_OF_KEY.search(told.message)):  # older forms: no reason given
        return CredentialsRejected("YouTube refused our credentials.", _KEY_DO, code=code)
    if told.reasons & _OF_THE_DAY or (_is_rate(status, told) and told.is_daily):
        return RateLimited(
            "The day's quota of the Google project is used up.",
            "It fills up at midnight in Los Angeles. Give Earshot a project of its own if other programs share it.",
            code="day",
            retry_at=_next_day(now),
        )
    if _is_rate(status, told):
        return RateLimited("YouTube asks us to slow down.", _LATER, code=code, retry_at=_retry_at(headers, now))
    if status >= 500 or status == 408 or code in {"processingFailure", "backendError", "internalError"}:
        return Unreachable(f"YouTube has a fault of its own (status {status}).", _LATER, code=code)
    if not told.is_json:
        return Unreachable(f"YouTube answered with status {status} and no data.", _LATER, code=code)
    return _fault_of_ours(status, code, told)


def _fault_of_ours(status: int, code: str, told: _Told) -> ConnectorError:
    if status == 404 or code in _MISSING:
        return SetupRejected(
            f"YouTube does not find what we asked for ({code}).",
            "Compare connectors.youtube.channel_id with the id under youtube.com/account_advanced.",
            code=code,
        )
    if code == "commentsDisabled":
        return SetupRejected("Comments are switched off there.", code=code)
    if status == 403:
        return SetupRejected(
            "YouTube does not let us read this: it may be private.",
            "Look whether the channel and its videos are public, and whether channel_id is ours.",
            code=code,
        )
    said = f" It says: {told.message[:160]}" if told.message else ""
    return UnexpectedReply(
        f"YouTube refused a request of ours (status {status}, {code}).{said}",
        "Earshot tries again by itself. If it lasts, look for a newer version of Earshot.",
        code=code,
        shape=told.shape,
    )


@dataclass(frozen=True, slots=True)
class _Told:
    """What an error's body tells: reasons, the first of them, its words without HTML, whether a day is meant."""

    reason: str = ""
    reasons: frozenset[str] = frozenset()
    message: str = ""
    is_daily: bool = False
    is_json: bool = False
    shape: str = ""

    @classmethod
    def read(cls, body: bytes) -> _Told:
        try:
            raw = json.loads(body.decode("utf-8-sig"))
        except (ValueError, RecursionError):
            return cls()
        error = raw.get("error") if isinstance(raw, dict) else None
        if isinstance(error, str):  # the form of the token endpoint
            return cls(error[:60], frozenset({error[:60]}), is_json=True, shape=shape_of(raw))
        if not isinstance(error, dict):
            return cls(is_json=True, shape=shape_of(raw))
        inner, details = _dicts(error.get("errors")), _dicts(error.get("details"))
        found = [_word(entry.get("reason")) for entry in (*inner, *details)] + [_word(error.get("status"))]
        reasons = [reason for reason in found if reason]
        limits = [entry["metadata"] for entry in details if isinstance(entry.get("metadata"), dict)]
        return cls(
            reasons[0] if reasons else "",
            frozenset(reasons),
            strip_html(str(error.get("message", ""))[:2000]),
            any("PerDay" in str(m.get("quota_limit")) or str(m.get("quota_unit")).startswith("1/d") for m in limits),
            True,
            shape_of(raw),
        )


def strip_html(text: str) -> str:
    """``text`` without tags and entities, on one line: the platform's messages are HTML (facts, 2.6)."""
    return " ".join(clean_text(html.unescape(re.sub(r"<[^>]*>", "", text))).split())


def _dicts(value: object) -> list[dict[str, Any]]:
    return [entry for entry in value if isinstance(entry, dict)] if isinstance(value, list) else []


def _word(value: object) -> str:
    return value if isinstance(value, str) and re.fullmatch(r"\w{1,60}", value) else ""


def _is_rate(status: int, told: _Told) -> bool:
    return status == 429 or bool(told.reasons & _OF_THE_RATE)


def _retry_at(headers: Mapping[str, str], now: datetime) -> datetime | None:
    wait = headers.get("retry-after", "")
    return now + timedelta(seconds=min(int(wait), 86_400)) if re.fullmatch(r"\d{1,6}", wait) else None


def _next_day(now: datetime) -> datetime:
    """The next midnight in Los Angeles, in UTC: when the buckets fill up (facts, 2.4)."""
    today = now.astimezone(PACIFIC).replace(hour=0, minute=0, second=0, microsecond=0)
    return (today + timedelta(days=1)).astimezone(UTC)


# ── the platform's shapes turned into ours ──────────────────────────────────────────────────────────


@dataclass(frozen=True, slots=True)
class _Thread:
    """A comment thread as just seen. ``top`` and ``below`` tell a changed comment or changed replies."""

    id: str
    video: str
    channel: str
    mention: Mention
    count: int
    embedded: tuple[Mention, ...]
    top: int
    below: int

    @property
    def posted(self) -> int:
        return _epoch(self.mention.posted_at)


def read_thread(item: Mapping[str, Any], ours: str, channel: str = "") -> _Thread:
    """A ``commentThread``; raises KeyError, TypeError or ValueError where it is none.

    ``channel`` says on which channel it stands where that is known from the question.
    """
    snippet = item["snippet"]
    comment = snippet["topLevelComment"]
    inner = comment["snippet"]
    thread_id = _id(item.get("id") or comment["id"])
    video = _text_of(snippet, "videoId") or _text_of(inner, "videoId")
    channel = channel or _text_of(snippet, "channelId") or _text_of(inner, "channelId")
    count = _count(snippet.get("totalReplyCount")) or 0
    mention = read_comment(comment, ours, thread=thread_id, video=video, channel=channel, replies=count)
    replies = item.get("replies")
    raw = _dicts(replies.get("comments")) if isinstance(replies, dict) else []
    embedded = tuple(_readable(raw, lambda c: read_comment(c, ours, thread=thread_id, video=video, channel=channel)))
    top = _mark(mention.text, mention.edited_at, mention.likes)
    below = _mark(count, sorted((m.external_id, str(m.edited_at), m.text or "") for m in embedded))
    return _Thread(thread_id, video, channel, mention, count, embedded, top, below)


def read_comment(
    item: Mapping[str, Any], ours: str, *, thread: str, video: str, channel: str, replies: int | None = None
) -> Mention:
    """A ``comment``; raises KeyError, TypeError or ValueError where it is none.

    ``thread`` is the id of its top-level comment. ``textDisplay`` is read as plain text, which we ask for.
    """
    snippet = item["snippet"]
    comment_id = _id(item["id"])
    posted, edited = _times(snippet)
    author = _author(snippet)
    text = snippet.get("textDisplay")
    if not isinstance(text, str):
        text = snippet.get("textOriginal")
    channel = channel or _text_of(snippet, "channelId")
    video = video or _text_of(snippet, "videoId")
    if author is not None and author.id == ours:
        kind = Kind.OWN_POST
    else:
        kind = Kind.COMMENT if channel == ours else Kind.MENTION
    is_reply = comment_id != thread
    return Mention(
        NAME,
        comment_id,
        kind,
        clean_text(text) if isinstance(text, str) else None,
        comment_url(comment_id, video, channel),
        posted,
        author=author,
        edited_at=edited,
        parent=thread if is_reply else video or None,
        thread=thread,
        likes=_count(snippet.get("likeCount")),
        replies=replies,
    )


def read_video(item: Mapping[str, Any], ours: str) -> Mention:
    """A ``video``; raises KeyError, TypeError or ValueError where it is none."""
    snippet = item["snippet"]
    video_id = _id(item["id"])
    statistics = item.get("statistics")
    figures: Mapping[str, Any] = statistics if isinstance(statistics, dict) else {}
    channel = _text_of(snippet, "channelId")
    lang = _text_of(snippet, "defaultLanguage") or _text_of(snippet, "defaultAudioLanguage")
    return Mention(
        NAME,
        video_id,
        Kind.OWN_POST if channel == ours else Kind.MENTION,
        clean_text(_title_and_description(_text_of(snippet, "title"), _text_of(snippet, "description"))),
        video_url(video_id),
        _moment(snippet["publishedAt"]),
        author=Author(id=channel) if channel else None,
        thread=video_id,
        lang=lang[:16] or None,
        likes=_count(figures.get("likeCount")),
        replies=_count(figures.get("commentCount")),
    )


def video_url(video_id: str) -> str:
    """The public address of a video."""
    return f"https://www.youtube.com/watch?v={quote(video_id, safe='')}"


def comment_url(comment_id: str, video_id: str, channel_id: str) -> str:
    """The public address of a comment, highlighted under its video."""
    if not video_id:
        return f"https://www.youtube.com/channel/{quote(channel_id, safe='')}/community?lc={quote(comment_id, safe='')}"
    return f"{video_url(video_id)}&lc={quote(comment_id, safe='')}"


def _title_and_description(title: str, description: str) -> str:
    start = title.rstrip(".… ")
    if not description or (start and description.startswith(start)):
        return description or title
    return f"{title}\n\n{description}" if title else description


T = TypeVar("T")
_BROKEN = (KeyError, TypeError, ValueError, AttributeError, OverflowError)


def _readable(items: Iterable[Mapping[str, Any]], read: Callable[[Mapping[str, Any]], T]) -> Iterator[T]:
    for item in items:
        try:
            yield read(item)
        except _BROKEN:
            continue


def _id(value: object) -> str:
    if not isinstance(value, str) or not re.fullmatch(r"[!-~]{1,120}", value):
        raise ValueError("an id")
    return value


def _text_of(snippet: Mapping[str, Any], key: str) -> str:
    value = snippet.get(key)
    return value if isinstance(value, str) else ""


def _count(value: object) -> int | None:
    """A figure, which is a number here and a string of digits there (facts, 2.2)."""
    if isinstance(value, str) and re.fullmatch(r"\d{1,19}", value):
        value = int(value)
    if not isinstance(value, int) or isinstance(value, bool) or value < 0:
        return None
    return min(value, MAX_COUNT)


def _moment(value: object) -> datetime:
    if not isinstance(value, str):
        raise TypeError("a time")
    moment = datetime.fromisoformat(value)
    return utc(moment if moment.tzinfo else moment.replace(tzinfo=UTC))


def _times(snippet: Mapping[str, Any]) -> tuple[datetime, datetime | None]:
    posted = _moment(snippet["publishedAt"])
    updated = _moment(snippet["updatedAt"]) if snippet.get("updatedAt") else posted
    return posted, updated if updated > posted else None


def _author(snippet: Mapping[str, Any]) -> Author | None:
    """The author's channel id and no name: enough to tell accounts apart (settled questions, 4)."""
    channel = snippet.get("authorChannelId")
    found = channel.get("value") if isinstance(channel, dict) else channel
    if not isinstance(found, str) or not found:
        found = _text_of(snippet, "authorChannelUrl").rstrip("/").rpartition("/")[2]
    return Author(id=clean_text(found)[:100]) if found else None


def _epoch(moment: datetime) -> int:
    return int(moment.timestamp())


def _mark(*parts: object) -> int:
    return zlib.crc32(repr(parts).encode("utf-8", "replace")) & 0xFFFF


def _stamp(epoch: int) -> str:
    return f"{datetime.fromtimestamp(epoch, UTC):%Y-%m-%dT%H:%M:%SZ}"


# ── the cursor: our own note to ourselves ───────────────────────────────────────────────────────────


@dataclass(slots=True)
class _Known:
    """A thread that we know. Times are seconds since 1970; ``pending`` says that its replies are still to be read."""

    posted: int
    active: int
    looked: int
    top: int
    below: int
    pending: int = 0


@dataclass(slots=True)
class _Walk:
    """A walk through pages that is not finished: where it goes on, and what it will have reached."""

    token: str = ""
    top: int = 0
    began: int = 0
    until: int = 0
    deep: int = 0
    pages: int = 0


@dataclass(slots=True)
class _Place:
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
class _State:
    """All that a poll needs to know of the polls before it."""

    mark: int = 0
    heard: int = 0
    deep_at: int = 0
    missed: int = 0
    blind_at: int = 0
    walk: _Walk | None = None
    threads: dict[str, _Known] = field(default_factory=dict)
    reading: str = ""
    reading_token: str = ""
    playlist: str = ""
    channel_at: int = 0
    uploads: dict[str, int] = field(default_factory=dict)
    uploads_at: int = 0
    uploads_deep_at: int = 0
    uploads_empty: int = 0
    uploads_walk: _Walk | None = None
    uploads_mark: int = 0
    details_at: int = 0
    hits: dict[str, int] = field(default_factory=dict)
    search_at: int = 0
    search_mark: int = 0
    search_walk: _Walk | None = None
    search_off: int = 0
    places: dict[str, _Place] = field(default_factory=dict)
    day: str = ""
    units: int = 0
    searches: int = 0

    @classmethod
    def read(cls, cursor: str | None) -> _State:
        """The note of an earlier poll; a new one where there is none, or where it is damaged or of another form."""
        try:
            return cls._parse(_unpack(cursor or ""))
        except (*_BROKEN, zlib.error, RecursionError):
            return cls()

    @classmethod
    def _parse(cls, raw: dict[str, Any]) -> _State:
        state = cls()
        for name, value in asdict(state).items():
            if isinstance(value, str | int):
                setattr(state, name, type(value)(raw[name]))
        for name in ("walk", "uploads_walk", "search_walk"):
            setattr(state, name, _Walk(str(raw[name][0]), *map(int, raw[name][1:])) if raw[name] else None)
        ids, columns = raw["threads"][0], raw["threads"][1:]
        rows = zip(*columns, strict=True) if ids else ()
        state.threads = {str(i): _Known(*map(int, row)) for i, row in zip(ids, rows, strict=True)}
        state.uploads = {str(name): int(value) for name, value in raw["uploads"].items()}
        state.hits = {str(name): int(value) for name, value in raw["hits"].items()}
        for name, row in raw["places"].items():
            posted, mark, looked, turn, token, began, closed = row
            state.places[str(name)] = _Place(
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
            "threads": [[i for i, _ in rows], *map(list, zip(*(astuple(known) for _, known in rows), strict=True))],
            "places": {name: astuple(place) for name, place in self.places.items()},
            **{
                name: astuple(walk) if (walk := getattr(self, name)) else None
                for name in ("walk", "uploads_walk", "search_walk")
            },
        }

    def _forget(self, keep: int) -> None:
        def worth(entry: tuple[str, _Known]) -> tuple[int, int]:
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


# ── one poll ────────────────────────────────────────────────────────────────────────────────────────


class _Poll:
    """One ``fetch``. The comments on our channel come first, and their failure is the poll's failure; what fails
    after them is a fault of its stream, told in the coverage."""

    def __init__(
        self,
        api: _Api,
        settings: Settings,
        organisation: Organisation,
        cursor: str | None,
        allowance: Allowance,
        meter: _Meter,
    ) -> None:
        self._api = api
        self._settings = settings
        self._names = names_of(organisation)
        self._query = search_query(organisation)
        self._terms = comment_terms(organisation)
        self._ours = settings.channel_id
        self._state = _State.read(cursor)
        self._hurried = allowance.hurried
        self._meter = meter
        self._now_at = allowance.now
        self._now = _epoch(allowance.now)
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
                retry_at=_next_day(self._now_at),
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
        generous = self._settings.poll_every is not None and self._state.units * 2 < self._settings.daily_units
        return self._hurried or generous

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
                if error.code == _PAGE_TOKEN and walk.token:
                    walk = self._new_walk()  # page tokens are short-lived: begin again, the mark has not moved
                    continue
                self._state.walk = walk
                if not self._mentions:
                    raise
                self._meter.halt()
                self._fault("comments", error)
                return
            threads = self._take_page(page, walk)
            token = _text_of(page, "nextPageToken")
            if not token or token == walk.token or self._is_settled(threads, walk):
                self._finish(walk)
                return
            walk.token, walk.pages = token, walk.pages + 1
            if walk.pages > PAGES_AT_MOST:
                self._suspect = "YouTube's list of comments does not end, so older ones may be missing."
                self._finish(walk)
                return
        self._state.walk, self._more = walk, True

    def _new_walk(self) -> _Walk:
        state = self._state
        deep = self._is_due(state.deep_at, DEEP_EVERY.total_seconds())
        overlap = DEEP_OVERLAP if deep else OVERLAP
        until = state.mark - overlap.total_seconds() if state.mark else self._now - HISTORY.total_seconds()
        return _Walk(began=self._now, until=int(until), deep=int(deep))

    def _page(self, walk: _Walk) -> dict[str, Any]:
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

    def _take_page(self, page: Mapping[str, Any], walk: _Walk) -> list[tuple[_Thread, bool]]:
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

    def _is_settled(self, threads: Sequence[tuple[_Thread, bool]], walk: _Walk) -> bool:
        """Whether nothing new can follow: the page's tail is old, or was heard in an earlier walk.

        Not because the page is short: only a missing token ends the list (facts, 2.3).
        """
        if not threads or threads[0][0].posted < threads[-1][0].posted:
            return False  # not newest first: believe nothing, read on

        def is_old(thread: _Thread, known: bool) -> bool:
            heard = known and thread.posted <= self._state.mark and not walk.deep
            return heard or thread.posted < walk.until

        return all(is_old(thread, known) for thread, known in threads[-5:])

    def _finish(self, walk: _Walk) -> None:
        state = self._state
        state.walk = None
        state.mark = max(state.mark, walk.top)
        state.heard = max(state.heard, walk.began)
        if walk.deep:
            state.deep_at = walk.began

    def _take_thread(self, thread: _Thread) -> None:
        """Deliver what is new in a thread; note it when its replies have to be read by themselves."""
        state, known = self._state, self._state.threads.get(thread.id)
        self._videos[thread.id] = (thread.video, thread.channel)
        if known is None:
            known = _Known(thread.posted, thread.posted, self._now, -1, -1)
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

    def _check_canary(self, page: Mapping[str, Any], threads: Sequence[_Thread]) -> None:
        """Threads that should be on the first page and are not: deleted ones are gone, others make us suspicious."""
        known = self._state.threads
        shown = {thread.id for thread in threads} | _raw_ids(page)
        whole = not _text_of(page, "nextPageToken")
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
            there = self._look(_batches(absent)[0], trusted=bool(threads) or self._may_be_true())
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
                self._look(_batches(pending[number:])[0], trusted=self._sees)
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
                if error.code not in _MISSING | {"http-404"}:
                    raise
                self._lose(thread_id)
                return True
            except UnexpectedReply as error:
                if error.code != _PAGE_TOKEN or not token:
                    raise
                token = ""
                continue
            self._deliver(
                *self._read(
                    page, lambda item: read_comment(item, self._ours, thread=thread_id, video=video, channel=channel)
                )
            )
            following = _text_of(page, "nextPageToken")
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
        """Look again at known threads that the list by time no longer shows: a reply does not lift them."""
        hot = 60 if self._is_quick() else 300

        def is_due(known: _Known) -> bool:
            quiet = self._now - known.active
            every = hot if quiet < 172_800 else 3_600 if quiet < 2_592_000 else 21_600
            return self._is_due(known.looked, every)

        due = sorted((i for i, k in self._state.threads.items() if is_due(k)), key=self._last_look)
        for ids in _batches(due)[:3]:
            if not self._meter.can(leaving=2):
                return
            self._look(ids, trusted=self._sees)

    def _last_look(self, thread_id: str) -> int:
        return self._state.threads[thread_id].looked

    def _look(self, ids: Sequence[str], *, trusted: bool) -> set[str]:
        """Ask for threads by id and take what changed; gives those that are there. The others are gone, unless
        the platform shows nothing at all at present (``trusted``)."""
        items, missing = _by_id(self._api, "commentThreads", self._meter, self._now_at, ids, "snippet,replies")
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
        changed: dict[str, int] = {}
        while self._meter.can(leaving=1):
            page = self._uploads_page(walk)
            if page is None:
                walk = self._new_uploads_walk()
                continue
            token, fresh = _text_of(page, "nextPageToken"), self._changed_uploads(page, walk)
            changed |= fresh
            if not token or token == walk.token or (not fresh and not walk.deep) or walk.pages >= 6:
                state.uploads_walk = None
                state.uploads_deep_at = walk.began if walk.deep else state.uploads_deep_at
                break
            walk.token, walk.pages = token, walk.pages + 1
            state.uploads_walk = walk
        self._more = self._more or state.uploads_walk is not None
        self._detail_uploads(changed)

    def _new_uploads_walk(self) -> _Walk:
        deep = self._is_due(self._state.uploads_deep_at, DEEP_EVERY.total_seconds())
        return _Walk(began=self._now, deep=int(deep))

    def _find_playlist(self) -> bool:
        state = self._state
        if state.playlist and not self._is_due(state.channel_at, 86_400):
            return True
        if not self._meter.can(leaving=1):
            return False
        page = self._api.list("channels", self._meter, self._now_at, part="contentDetails,statistics", id=self._ours)
        state.channel_at = self._now
        for item in _dicts(page.get("items")):
            details = item.get("contentDetails")
            lists = details.get("relatedPlaylists") if isinstance(details, dict) else None
            found = _text_of(lists, "uploads") if isinstance(lists, dict) else ""
            state.playlist = found or state.playlist
        # the uploads playlist is named after the channel (facts, 2.1)
        state.playlist = state.playlist or f"UU{self._ours.removeprefix('UC')}"
        return True

    def _uploads_page(self, walk: _Walk) -> dict[str, Any] | None:
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
            if error.code != _PAGE_TOKEN or not walk.token:
                raise
            return None
        except SetupRejected as error:
            if error.code == "playlistNotFound" and not self._state.uploads:
                return {"items": []}  # a channel that never uploaded has no such playlist
            raise

    def _changed_uploads(self, page: Mapping[str, Any], walk: _Walk) -> dict[str, int]:
        """The videos of a page to look at: new ones, reworded ones, and every hour the recent ones for their figures.

        What is older than ``HISTORY`` when we first see it is noted without being delivered.
        """
        known = self._state.uploads
        listed = [upload for upload in self._read(page, _upload) if upload.mark]
        if not walk.token:
            self._state.uploads_empty = 0 if listed or not known else self._state.uploads_empty + 1
            if self._state.uploads_empty >= 2:
                self._suspect = "YouTube's list of our own videos came back empty, though we know of some."
        hourly = not walk.token and self._is_due(self._state.details_at, 3_600)
        if hourly and listed:
            self._state.details_at = self._now
        recent = self._now - HISTORY.total_seconds()
        changed: dict[str, int] = {}
        for number, upload in reversed(list(enumerate(listed))):
            before = known.pop(upload.video, None)
            if before is None and upload.posted < recent and number:
                before = upload.mark
            if before is not None:
                known[upload.video] = before  # moved to the end: the last to be forgotten
            if before != upload.mark or (hourly and (upload.posted >= recent or not number)):
                changed[upload.video] = upload.mark
        return changed

    def _detail_uploads(self, changed: Mapping[str, int]) -> None:
        for ids in _batches(list(changed)):
            if not self._meter.can():
                self._more = True
                return
            for mention in self._details(ids):
                self._deliver(mention)
                self._state.uploads[mention.external_id] = changed[mention.external_id]

    def _details(self, ids: Sequence[str]) -> list[Mention]:
        items, _ = _by_id(self._api, "videos", self._meter, self._now_at, ids, "snippet,statistics")
        wanted = set(ids)
        found = self._read({"items": items}, lambda item: read_video(item, self._ours))
        return [mention for mention in found if mention.external_id in wanted]

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
            self._search_rests(_epoch(_next_day(self._now_at)))
            return
        if not self._meter.can(SEARCHES) or not self._meter.can(leaving=1):
            return
        walk = state.search_walk or self._new_search_walk()
        state.search_at = self._now
        page = self._search_page(walk)
        if page is None:
            return
        hits = [video for video, channel in self._read(page, _hit) if channel != self._ours]
        new = [video for video in dict.fromkeys(hits) if video not in state.hits]
        if not self._take_hits(new):
            state.search_at, self._more = 0, True  # they are found again by the next search, at once
            return
        token = _text_of(page, "nextPageToken")
        if token and token != walk.token and hits and len(new) == len(set(hits)) and walk.pages < 5:
            walk.token, walk.pages = token, walk.pages + 1
            state.search_walk, self._more = walk, True
        else:
            state.search_walk, state.search_mark = None, walk.began

    def _new_search_walk(self) -> _Walk:
        now, mark = self._now, self._state.search_mark
        overlap, history = int(SEARCH_OVERLAP.total_seconds()), int(HISTORY.total_seconds())
        return _Walk(began=now, until=min(mark, now) - overlap if mark else now - history)

    def _search_every(self) -> float:
        """Seconds between searches: spread over the day, denser after an alert, never so dense that none is left."""
        daily = self._settings.daily_searches
        rest_of_day = (_next_day(self._now_at) - self._now_at).total_seconds()
        spread = rest_of_day / max(1, daily - self._state.searches)
        wish = self._settings.poll_every
        if wish is not None:
            return wish.total_seconds() if self._state.searches * 2 < daily else max(wish.total_seconds(), spread)
        return max(60.0, spread / 4) if self._hurried else max(_search_interval(daily), spread)

    def _search_page(self, walk: _Walk) -> dict[str, Any] | None:
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
                publishedAfter=_stamp(walk.until),
                maxResults=50,
                pageToken=walk.token or None,
            )
        except RateLimited as error:
            wait = error.retry_at or self._now_at + timedelta(minutes=15)
            self._state.search_off = _epoch(wait)
            self._search_rests(self._state.search_off)
            return None
        except UnexpectedReply as error:
            if error.code != _PAGE_TOKEN or not walk.token:
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

    def _take_hits(self, new: Sequence[str]) -> bool:
        """Deliver new videos, which search shows only in part; whether the allowance reached for all of them."""
        for ids in _batches(new):
            if not self._meter.can():
                return False
            there = {mention.external_id: mention for mention in self._details(ids)}
            for video in ids:
                mention = there.get(video)
                self._state.hits[video] = _epoch(mention.posted_at) if mention else self._now
                if mention is None or mention.kind is Kind.OWN_POST:
                    continue
                self._deliver(mention)
                if names_us(mention.text or "", self._names):
                    self._state.places.setdefault(video, _Place(_epoch(mention.posted_at), began=self._now))
        return True

    # ── comments under videos by others ─────────────────────────────────────────────────────────────

    def _elsewhere(self) -> None:
        """Comments that name us under videos by others that name us. One name is asked for at a visit, in turn."""
        every = 600 if self._is_quick() else 1_800
        places = self._state.places
        due = [v for v, p in places.items() if p.token or self._is_due(p.looked, 86_400 if p.closed else every)]
        for video in sorted(due, key=lambda v: places[v].looked)[:3]:
            if not self._meter.can(leaving=1):
                return
            self._visit(video, places[video])

    def _visit(self, video: str, place: _Place) -> None:
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
            token = _text_of(page, "nextPageToken")
            if not token or token == place.token or (threads and threads[-1].posted < since):
                self._leave(place)
                return
            place.token = token

    def _visit_page(self, video: str, place: _Place, term: str) -> dict[str, Any] | None:
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
            if error.code not in _CLOSED:
                raise
            place.closed, place.token, place.looked = 1, "", self._now
            return None
        except UnexpectedReply as error:
            place.looked = self._now
            if error.code != _PAGE_TOKEN or not place.token:
                raise
            place.token = ""
            return None
        place.closed = 0
        return page

    def _leave(self, place: _Place) -> None:
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
            except _BROKEN:
                self._dropped += 1
                self._shapes.append(shape_of(item).replace(self._settings.api_key, "***")[:500])
        return found


@dataclass(frozen=True, slots=True)
class _Upload:
    """An entry of the uploads list. ``mark`` tells a change of its wording; 0 where the video is not public."""

    video: str
    mark: int
    posted: int


def _upload(item: Mapping[str, Any]) -> _Upload:
    snippet = item["snippet"]
    details = item.get("contentDetails")
    resource = snippet.get("resourceId")
    video = _text_of(resource, "videoId") if isinstance(resource, dict) else ""
    published = snippet.get("publishedAt")  # when it was added to the list
    if isinstance(details, dict):
        video, published = video or _text_of(details, "videoId"), details.get("videoPublishedAt")
    status = item.get("status")
    private = isinstance(status, dict) and status.get("privacyStatus") == "private"
    if private or not published:
        return _Upload(_id(video), 0, 0)
    mark = _mark(_text_of(snippet, "title"), _text_of(snippet, "description")) or 1
    return _Upload(_id(video), mark, _epoch(_moment(published)))


def _hit(item: Mapping[str, Any]) -> tuple[str, str]:
    """A search result: the video and its channel. The id is an object here (facts, 2.2)."""
    found = item["id"]
    snippet = item.get("snippet")
    channel = _text_of(snippet, "channelId") if isinstance(snippet, dict) else ""
    return _id(found["videoId"] if isinstance(found, dict) else found), channel


def _raw_ids(page: Mapping[str, Any]) -> set[str]:
    return {item["id"] for item in _dicts(page.get("items")) if isinstance(item.get("id"), str)}


def _batches(ids: Sequence[str]) -> list[list[str]]:
    """``ids`` in calls of at most ``IDS``, short enough to stay a GET."""
    batches: list[list[str]] = []
    length = 0
    for one in ids:
        size = len(quote(one, safe="")) + 3
        if not batches or len(batches[-1]) >= IDS or length + size > IDS_LENGTH:
            batches.append([])
            length = 0
        batches[-1].append(one)
        length += size
    return batches


def _by_id(
    api: _Api, resource: str, meter: _Meter, now: datetime, ids: Sequence[str], part: str
) -> tuple[list[Any], set[str]]:
    """The entries with ``ids`` and those that are missing. Where the service answers 404 instead of leaving one
    out, the ids are asked in halves."""
    text = {} if resource == "videos" else {"textFormat": "plainText"}
    try:
        page = api.list(resource, meter, now, part=part, id=",".join(ids), **text)
    except SetupRejected as error:
        if error.code not in _MISSING | {"http-404"}:
            raise
        if len(ids) == 1:
            return [], set(ids)
        items: list[Any] = []
        missing: set[str] = set()
        for half in (ids[: len(ids) // 2], ids[len(ids) // 2 :]):
            if meter.can():
                found, lost = _by_id(api, resource, meter, now, half, part)
                items, missing = items + found, missing | lost
        return items, missing
    return list(page.get("items", [])), set(ids) - _raw_ids(page)


# ── our names ───────────────────────────────────────────────────────────────────────────────────────


def names_of(organisation: Organisation) -> tuple[str, ...]:
    """What counts as naming us in a video or comment by others, squeezed to letters and digits.

    Short names count only where the context says that it is us, so they are left out here.
    """
    handle = organisation.handles.get(NAME, "")
    words = (organisation.name, *organisation.aliases, handle, *organisation.domains, *organisation.campaigns)
    return tuple(dict.fromkeys(squeezed for word in words if len(squeezed := _squeeze(word)) >= 5))


def names_us(text: str, names: Iterable[str]) -> bool:
    """Whether ``text`` holds one of ``names``."""
    squeezed = _squeeze(text)
    return any(name in squeezed for name in names)


def search_query(organisation: Organisation) -> str:
    """The search for videos that name us: names in quotes, ``|`` for or. It never aims at a person.

    ``-`` means *not* to YouTube, which is why every name is quoted.
    """
    handle = organisation.handles.get(NAME, "")
    words = (organisation.name, *organisation.aliases, handle, *organisation.campaigns)
    chosen: list[str] = []
    for word in words:
        plain = word.replace('"', " ").replace("|", " ").strip()
        quoted = f'"{plain}"'
        if len(_squeeze(plain)) >= 5 and quoted.lower() not in {c.lower() for c in chosen}:
            chosen.append(quoted)
    if not chosen:
        chosen = [f'"{organisation.name}"']
    while len("|".join(chosen)) > 400 and len(chosen) > 1:
        chosen.pop()
    return "|".join(chosen)


def comment_terms(organisation: Organisation) -> tuple[str, ...]:
    """The names to look for in comments by others, at most three: one call each."""
    handle = organisation.handles.get(NAME, "")
    words = [word for word in (organisation.name, handle, *organisation.aliases) if len(_squeeze(word)) >= 5]
    different = {word.lower(): word for word in reversed(words)}
    return tuple(word for word in words if different.get(word.lower()) == word)[:3] or (organisation.name,)


def _squeeze(text: str) -> str:
    return re.sub(r"[\W_]+", "", text.casefold())


# ── looking again ───────────────────────────────────────────────────────────────────────────────────


class _Recheck:
    """The present form of mentions that were delivered before."""

    def __init__(self, api: _Api, settings: Settings, allowance: Allowance, meter: _Meter) -> None:
        self._api = api
        self._ours = settings.channel_id
        self._now = allowance.now
        self._meter = meter
        self._found: dict[str, Mention] = {}
        self._videos: dict[str, tuple[str, str]] = {}

    def run(self, ids: tuple[str, ...]) -> Batch:
        """A batch without a cursor; an id that the allowance does not reach is left open."""
        asked = list(dict.fromkeys(ids))
        missing_videos = self._look_at_videos([i for i in asked if may_be_video(i)])
        comments = [i for i in asked if not is_video(i) and (not may_be_video(i) or i in missing_videos)]
        gone = {i for i in missing_videos if is_video(i)} | self._look_at_comments(comments)
        if gone and not self._found and not self._is_sighted():
            gone = set()
        wanted = {i: self._found[i] for i in asked if i in self._found}
        return Batch(
            tuple(wanted.values()),
            gone=tuple(i for i in asked if i in gone and i not in wanted),
            spent=dict(self._meter.spent),
        )

    def _look_at_videos(self, ids: Sequence[str]) -> set[str]:
        missing: set[str] = set()
        for batch in _batches(ids):
            if not self._meter.can():
                break
            items, lost = _by_id(self._api, "videos", self._meter, self._now, batch, "snippet,statistics")
            missing |= lost
            self._keep(_readable(_dicts(items), lambda item: read_video(item, self._ours)))
        return missing

    def _look_at_comments(self, ids: Sequence[str]) -> set[str]:
        """Threads first, for they alone say which video they are under; then what is left, comment by comment."""
        self._look_at_threads(list(dict.fromkeys(i.split(".")[0] for i in ids)))
        left = [i for i in ids if i not in self._found]
        missing: set[str] = set()
        for batch in _batches(left):
            if not self._meter.can():
                break
            items, lost = _by_id(self._api, "comments", self._meter, self._now, batch, "snippet")
            missing |= lost
            raw = _dicts(items)
            parents = {_parent_of(item) for item in raw} - self._videos.keys() - {""}
            self._look_at_threads([parent for parent in parents if parent not in ids])
            self._keep(_readable(raw, self._read_comment))
        return missing

    def _look_at_threads(self, ids: Sequence[str]) -> None:
        for batch in _batches(ids):
            if not self._meter.can():
                return
            items, _ = _by_id(self._api, "commentThreads", self._meter, self._now, batch, "snippet,replies")
            for thread in _readable(_dicts(items), lambda item: read_thread(item, self._ours)):
                self._videos[thread.id] = (thread.video, thread.channel)
                self._keep((thread.mention, *thread.embedded))

    def _read_comment(self, item: Mapping[str, Any]) -> Mention:
        comment_id = _id(item["id"])
        thread = _parent_of(item) or comment_id
        video, channel = self._videos.get(thread, ("", ""))
        return read_comment(item, self._ours, thread=thread, video=video, channel=channel)

    def _keep(self, mentions: Iterable[Mention]) -> None:
        self._found |= {mention.external_id: mention for mention in mentions}

    def _is_sighted(self) -> bool:
        """Whether the service shows us anything at all: before we believe that everything is gone."""
        if not self._meter.can():
            return False
        page = self._api.list("channels", self._meter, self._now, part="snippet", id=self._ours)
        return bool(page.get("items"))


def _parent_of(item: Mapping[str, Any]) -> str:
    snippet = item.get("snippet")
    found = _text_of(snippet, "parentId") if isinstance(snippet, dict) else ""
    return found or (str(item.get("id")).partition(".")[0] if "." in str(item.get("id")) else "")


def is_video(external_id: str) -> bool:
    """Whether this is surely the id of a video: eleven characters, where a comment's has 26 and more."""
    return re.fullmatch(r"[\w-]{11}", external_id) is not None


def may_be_video(external_id: str) -> bool:
    """Whether this could be the id of a video."""
    return is_video(external_id) or not (external_id.startswith("Ug") or "." in external_id)


# ── for the doctor, and the door ────────────────────────────────────────────────────────────────────


def _examine_channel(api: _Api, settings: Settings, meter: _Meter, now: datetime) -> Iterator[Finding]:
    page = api.list("channels", meter, now, part="snippet,statistics,contentDetails", id=settings.channel_id)
    channels = _dicts(page.get("items"))
    if not channels:
        yield Finding(
            Level.BAD,
            "There is no YouTube channel with the id of the settings.",
            "Look it up under youtube.com/account_advanced and put it into connectors.youtube.channel_id.",
        )
        return
    statistics = channels[0].get("statistics")
    videos = _count(statistics.get("videoCount")) if isinstance(statistics, dict) else None
    yield Finding(Level.GOOD, f"The API key works, and the channel is there with {videos or 0} videos.")
    threads = api.list(
        "commentThreads",
        meter,
        now,
        part="snippet",
        allThreadsRelatedToChannelId=settings.channel_id,
        order="time",
        maxResults=20,
        textFormat="plainText",
    )
    heard = [t.mention.posted_at for t in _readable(_dicts(threads.get("items")), lambda i: read_thread(i, ""))]
    if heard:
        yield Finding(Level.GOOD, f"Its comments can be read; the newest is of {max(heard):%d %B %Y, %H:%M} UTC.")
    else:
        yield Finding(Level.NOTE, "It has no comments yet, or shows none.", "Compare with the channel itself.")


def _examine_quota(settings: Settings, organisation: Organisation, now: datetime) -> Iterator[Finding]:
    full = _next_day(now).astimezone(ZoneInfo(organisation.timezone))
    yield Finding(
        Level.NOTE,
        f"A day's allowance is {settings.daily_units} units and {settings.daily_searches} searches; "
        f"it fills up at {full:%H:%M} ({organisation.timezone}). YouTube does not tell how much is left.",
    )
    yield Finding(
        Level.NOTE,
        "API keys do not end by themselves.",
        "Restrict the key to this server's address and to YouTube Data API v3.",
    )


def connect(settings: Settings, organisation: Organisation) -> YouTubeConnector:
    """A connector of its own: not to be shared."""
    return YouTubeConnector(settings, organisation)


def plan(settings: Settings, organisation: Organisation) -> PollPlan:
    """The lowest lag that the free quota buys (facts, 2.4)."""
    del organisation
    units, searches = settings.daily_units, settings.daily_searches
    calm = settings.poll_every or CALM
    search = f"about every {_search_interval(searches) / 60:.0f} minutes" if searches else "never"
    return PollPlan(
        calm=calm,
        hurried=min(calm, settings.poll_every or HURRIED),
        buckets=(
            Bucket(UNITS, "units", units, Period.PACIFIC_DAY, min(RESERVE, units), min(3, units), recheck_share=0.1),
            # per_poll = 0: an empty search bucket must not stop the rest
            Bucket(SEARCHES, "searches", searches, Period.PACIFIC_DAY, min(1, searches), per_poll=0),
        ),
        lag=f"comments on our channel within about {calm.total_seconds():.0f} seconds, replies in older threads within "
        f"5 to 60 minutes; videos by others are searched {search}, and YouTube's index lags by minutes to hours",
        cost="free of charge, within Google's daily quota",
    )


def _search_interval(daily: int) -> float:
    """Seconds between searches when all is calm; a fifth of the searches is kept for after an alert."""
    return 86_400 / max(1, daily) * 1.25


PLATFORM = Platform(NAME, Settings, connect, plan, token_setting=None, never_shows=NEVER_SHOWS)
