"""The line to YouTube: Google's client library over our own HTTP layer, and what its errors mean to us."""

from __future__ import annotations

import html
import json
import re
import threading
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from functools import lru_cache
from typing import Any
from urllib.parse import quote
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
from connectors.model import Allowance, clean_text
from connectors.youtube import SEARCHES, UNITS
from connectors.youtube.posts import dicts

PACIFIC = ZoneInfo("America/Los_Angeles")


IDS = 50
"""Ids in one call: an assumption of the facts (2.3)."""

IDS_LENGTH = 1_400
"""Characters of ids in one call: beyond 2,048 of URL the library would turn the GET into a POST (facts, 3.2)."""

PATIENCE = 35.0
"""Seconds after which a ``fetch`` begins no further call, so that a slow server does not cost what was heard."""


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


class Meter:
    """Counts what a call spends, and says whether there is enough of it and of time."""

    def __init__(self, allowance: Allowance, seconds: Callable[[], float] = time.monotonic) -> None:
        self._left = {bucket: allowance.of(bucket) for bucket in (UNITS, SEARCHES)}
        self.spent = {UNITS: 0, SEARCHES: 0}
        self._seconds = seconds
        self._until = seconds() + PATIENCE
        self._halted = False

    def left(self, bucket: str) -> int:
        """What may still be spent of ``bucket``."""
        return self._left[bucket] - self.spent[bucket]

    def can(self, bucket: str = UNITS, leaving: int = 0) -> bool:
        """Whether one more call may be made that leaves ``leaving`` to others."""
        return not self._halted and self.left(bucket) > leaving and self._seconds() < self._until

    def take(self, bucket: str) -> None:
        """Count a call before it is made, whatever comes of it."""
        self.spent[bucket] += 1

    def halt(self) -> None:
        """No further call in this fetch: the platform does not answer, or does not want to."""
        self._halted = True

    def settle(self, error: ConnectorError) -> ConnectorError:
        """``error`` with what was spent all the same."""
        error.spent = dict(self.spent)
        return error


class Api:
    """The list methods that we use. One attempt each; a transport for each thread."""

    def __init__(self, base_url: str, api_key: str) -> None:
        self._base_url = base_url
        self._key = api_key
        self._own = threading.local()

    def list(self, resource: str, meter: Meter, now: datetime, **parameters: Any) -> dict[str, Any]:
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


def raw_ids(page: Mapping[str, Any]) -> set[str]:
    """The ids on a page, also of entries that cannot be read."""
    return {item["id"] for item in dicts(page.get("items")) if isinstance(item.get("id"), str)}


def batches(ids: Sequence[str]) -> list[list[str]]:
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


def by_id(
    api: Api, resource: str, meter: Meter, now: datetime, ids: Sequence[str], part: str
) -> tuple[list[Any], set[str]]:
    """The entries with ``ids`` and those that are missing. Where the service answers 404 instead of leaving one
    out, the ids are asked in halves."""
    text = {} if resource == "videos" else {"textFormat": "plainText"}
    try:
        page = api.list(resource, meter, now, part=part, id=",".join(ids), **text)
    except SetupRejected as error:
        if error.code not in MISSING | {"http-404"}:
            raise
        if len(ids) == 1:
            return [], set(ids)
        items: list[Any] = []
        missing: set[str] = set()
        for half in (ids[: len(ids) // 2], ids[len(ids) // 2 :]):
            if meter.can():
                found, lost = by_id(api, resource, meter, now, half, part)
                items, missing = items + found, missing | lost
        return items, missing
    return list(page.get("items", [])), set(ids) - raw_ids(page)


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

MISSING = frozenset(
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
CLOSED = frozenset({"commentsDisabled", "forbidden", "videoNotFound", "notFound", "http-403", "http-404"})
PAGE_TOKEN = "invalidPageToken"  # noqa: S105 - the platform's name for a fault


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
            retry_at=next_day(now),
        )
    if _is_rate(status, told):
        return RateLimited("YouTube asks us to slow down.", _LATER, code=code, retry_at=_retry_at(headers, now))
    if status >= 500 or status == 408 or code in {"processingFailure", "backendError", "internalError"}:
        return Unreachable(f"YouTube has a fault of its own (status {status}).", _LATER, code=code)
    if not told.is_json:
        return Unreachable(f"YouTube answered with status {status} and no data.", _LATER, code=code)
    return _fault_of_ours(status, code, told)


def _fault_of_ours(status: int, code: str, told: _Told) -> ConnectorError:
    if status == 404 or code in MISSING:
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
        inner, details = dicts(error.get("errors")), dicts(error.get("details"))
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
    return " ".join(clean_text(html.unescape(re.sub(r"<[^<>]*>", "", text))).split())


def _word(value: object) -> str:
    return value if isinstance(value, str) and re.fullmatch(r"\w{1,60}", value) else ""


def _is_rate(status: int, told: _Told) -> bool:
    return status == 429 or bool(told.reasons & _OF_THE_RATE)


def _retry_at(headers: Mapping[str, str], now: datetime) -> datetime | None:
    wait = headers.get("retry-after", "")
    return now + timedelta(seconds=min(int(wait), 86_400)) if re.fullmatch(r"\d{1,6}", wait) else None


def next_day(now: datetime) -> datetime:
    """The next midnight in Los Angeles, in UTC: when the buckets fill up (facts, 2.4)."""
    today = now.astimezone(PACIFIC).replace(hour=0, minute=0, second=0, microsecond=0)
    return (today + timedelta(days=1)).astimezone(UTC)
