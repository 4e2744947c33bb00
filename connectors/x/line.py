"""The line to X: asks through tweepy, and says in our classes what goes wrong (platform facts, 1.5, 1.8 and 3.1)."""

from __future__ import annotations

import logging
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any

from connectors.errors import (
    ConnectorError,
    CredentialsRejected,
    RateLimited,
    SetupRejected,
    UnexpectedReply,
    Unreachable,
    shape_of,
)
from connectors.x.posts import at, seconds, words

if TYPE_CHECKING:
    import requests

HOST = "https://api.twitter.com"
"""The address that is hard-wired in the client library; the session replaces it by ``base_url``."""


@dataclass(slots=True)
class Purse:
    """What may still be spent. A price is paid in full before the question, and change given after it."""

    left: int
    spent: int = 0

    def pay(self, amount: int) -> None:
        """Take ``amount`` out; a negative one is change."""
        self.left -= amount
        self.spent += amount


@dataclass(frozen=True, slots=True)
class Answer:
    """What X answered, and what its headers say about the rate limit."""

    body: Mapping[str, Any]
    usage: float | None
    rest: int
    """Seconds since 1970 before which this endpoint should be left alone; 0 for none."""
    window: tuple[int, int] | None
    """How many calls are left, of how many."""


class Line:
    """Asks X through tweepy, and says in our classes what goes wrong.

    tweepy and requests are loaded here and not with the module: the daemon's own process reads the settings
    only and need not carry them.
    """

    def __init__(self, token: str, base_url: str, now: datetime) -> None:
        import requests
        import tweepy

        from connectors.http import new_session

        logging.getLogger("tweepy").setLevel(logging.INFO)  # at DEBUG it prints the token (platform facts, 3.1)
        self._now = now
        self._last: requests.Response | None = None
        self._client = tweepy.Client(token, return_type=requests.Response)
        self._client.session.close()
        self._client.session = new_session(base_url, sent_to=HOST)
        self._client.session.hooks["response"].append(self._keep)

    def __enter__(self) -> Line:
        return self

    def __exit__(self, *_: object) -> None:
        self._client.session.close()

    def _keep(self, response: Any, *_: object, **__: object) -> None:
        self._last = response

    def ask(self, call: Callable[[Any], Any]) -> Answer:
        """The answer to ``call``, which is given the client. Raises our classes only.

        An error's ``spent`` is empty where X surely billed nothing, and None where it may have.
        """
        import requests
        import tweepy

        self._last = None
        failure: Exception | None = None
        try:
            call(self._client)
        except (
            tweepy.TweepyException,
            requests.RequestException,
            OSError,
            ValueError,
            AttributeError,
            KeyError,
            TypeError,
            RecursionError,
        ) as error:
            # tweepy stumbles over odd error bodies (platform facts, 3.1): the response itself is judged instead
            failure = error
        response: requests.Response | None = self._last
        if response is not None:
            return self._judged(response.status_code, bytes(response.content), response.headers)
        if isinstance(failure, requests.RequestException | OSError):
            raise _lost(failure)
        raise failure or UnexpectedReply("X was not asked at all.")

    def _judged(self, status: int, content: bytes, headers: Mapping[str, str]) -> Answer:
        from connectors.http import read_json

        usage, rest, window = _windows(headers, self._now)
        if 200 <= status < 300:
            try:
                body = read_json("X", status, content, headers)
            except ConnectorError as error:
                if content.lstrip()[:1] != b"{":
                    error.spent = {}  # not X has answered, but something before it: X bills posts that it returns
                raise
            if not isinstance(body, dict):
                what = "X answered in a form that we do not know."
                raise UnexpectedReply(what, code="form", shape=shape_of(body), spent={})
            return Answer(body, usage, rest, window)
        body = _refused_body(status, content, headers)
        if status == 404 and isinstance(body.get("errors"), list):
            return Answer(body, usage, rest, window)
        refusal = _refusal(status, body, headers, self._now)
        refusal.spent = {}
        raise refusal


def _refused_body(status: int, content: bytes, headers: Mapping[str, str]) -> Mapping[str, Any]:
    """The body of a refusal, empty where there is none. Raises ``Unreachable`` for an edge's page before X."""
    from connectors.http import read_json

    try:
        body = read_json("X", status, content, headers)
    except ConnectorError as error:
        says_enough = status in {401, 402, 429} or (status in {403, 404} and not content.strip())
        if isinstance(error, Unreachable) and not says_enough:
            error.spent = {}
            raise
        return {}
    return body if isinstance(body, dict) else {}


def _lost(error: Exception) -> ConnectorError:
    """``error`` of the transport. What was surely never sent costs nothing; what was sent may have been billed."""
    import requests
    from urllib3.exceptions import NewConnectionError

    from connectors.http import unreachable

    ours = unreachable("X", error)
    reason = getattr(error.args[0] if error.args else None, "reason", None)
    never_sent = requests.ConnectTimeout | requests.exceptions.SSLError | requests.exceptions.ProxyError
    if isinstance(error, never_sent) or isinstance(reason, NewConnectionError):
        ours.spent = {}
    return ours


def _windows(headers: Mapping[str, str], now: datetime) -> tuple[float | None, int, tuple[int, int] | None]:
    """How much of the tightest window is used, until when to rest, and what is left of how many calls.

    The headers are the law, not the table (platform facts, 1.5). The last quarter of a window is spread over
    the time that it still has to last, so that fast polling becomes slower instead of deaf.
    """
    usage: float | None = None
    rest = 0
    window: tuple[int, int] | None = None
    for kind in ("x-rate-limit", "x-app-limit-24hour", "x-user-limit-24hour"):
        raw = [headers.get(f"{kind}-{part}", "") for part in ("limit", "remaining", "reset")]
        if not all(re.fullmatch(r"[0-9]{1,12}", value) for value in raw) or int(raw[0]) == 0:
            continue
        limit, remaining, reset = (int(value) for value in raw)
        window = window or (remaining, limit)
        usage = max(usage or 0.0, min(1.0, max(0.0, 1 - remaining / limit)))
        left = min(max(0, reset - seconds(now)), 86_400)
        if remaining == 0:
            rest = max(rest, seconds(now) + left)
        elif remaining < limit / 4:
            rest = max(rest, seconds(now) + left // remaining)
    return usage, rest if rest > seconds(now) else 0, window


def _refusal(status: int, body: Mapping[str, Any], headers: Mapping[str, str], now: datetime) -> ConnectorError:
    """A refusal by status first, then title, then the last part of the type; never by prose (platform facts, 1.8)."""
    title, problem = words(body.get("title")), words(body.get("type"))
    if status == 402:
        return _no_money("X says that the prepaid credits are used up.", "credits-depleted", now)
    if status == 403 and ("spend-cap" in title or problem in {"credits", "credits-depleted"}):
        return _spend_cap(body, now)
    if status == 429 and (title.startswith("usage-cap") or problem == "usage-capped"):
        return _no_money("X says that this month's number of posts is used up.", "usage-cap", now)
    match status:
        case 401:
            return CredentialsRejected(
                "X refuses our token.",
                "Make a new bearer token in X's developer console and put it into connectors.x.bearer_token.",
                code="unauthorized",
            )
        case 403:
            return _forbidden(title, problem)
        case 404:
            return SetupRejected(
                "X does not know what we ask for.",
                "Check connectors.x.base_url and connectors.x.user_id.",
                code="http-404",
            )
        case 429:
            do = "Nothing is broken: Earshot asks again when X allows it. Where it comes often, poll less often."
            return RateLimited("X's rate limit is used up.", do, code="rate-limit", retry_at=_reset(headers, now))
        case 400 | 422:
            return _invalid(body)
        case 408 | 425:
            return Unreachable("X was too slow.", code=f"http-{status}")
    if status >= 500:
        return Unreachable(f"X is out of order (status {status}).", code=f"http-{status}")
    return UnexpectedReply(f"X answered with status {status}.", code=f"http-{status}", shape=shape_of(dict(body)))


def _no_money(what: str, code: str, now: datetime) -> RateLimited:
    do = "Look into billing in X's developer console; Earshot asks again every hour."
    return RateLimited(what, do, code=code, retry_at=now + timedelta(hours=1))


def _spend_cap(body: Mapping[str, Any], now: datetime) -> RateLimited:
    probe = now + timedelta(days=1)
    try:
        reset = datetime.fromisoformat(str(body.get("reset_date", ""))[:10]).replace(tzinfo=UTC)
    except ValueError:
        reset = probe
    return RateLimited(
        "The spending limit set in X's console is reached, so X answers nothing until the next billing cycle.",
        "Raise the spending limit in X's developer console if X should be heard before that.",
        code="spend-cap",
        retry_at=reset if now < reset < probe else probe,
    )


def _forbidden(title: str, problem: str) -> CredentialsRejected:
    code = problem or title or "forbidden"
    if problem == "client-forbidden" or title == "client-forbidden":
        what, do = "X says that our app is not attached to a project.", "Attach it in X's developer console."
    elif problem == "unsupported-authentication":
        what, do = "X does not accept this kind of token here.", "Use the app's bearer token."
    else:
        what, do = (
            "X forbids us to read this.",
            "Look in X's developer console whether the app or account is suspended.",
        )
    return CredentialsRejected(what, do, code=code)


def _invalid(body: Mapping[str, Any]) -> SetupRejected:
    names: set[str] = set()
    errors = body.get("errors")
    for entry in errors if isinstance(errors, list) else []:
        parameters = entry.get("parameters") if isinstance(entry, dict) else None
        names |= {str(name)[:30] for name in parameters} if isinstance(parameters, dict) else set()
        if isinstance(entry, dict) and isinstance(entry.get("parameter"), str):
            names.add(entry["parameter"][:30])
    named = ",".join(sorted(re.sub(r"[^a-z_.]", "", name) for name in names))
    if "query" in names:
        what, do = "X does not accept the search.", "Check connectors.x.terms for brackets, quotes and operators."
    elif "id" in names:
        what, do = "X does not accept the number of our account.", "Check connectors.x.user_id."
    else:
        what, do = "X does not accept what we ask.", "Run `earshot doctor`; if it lasts, update Earshot."
    return SetupRejected(what, do, code=f"invalid-request:{named}")


def _reset(headers: Mapping[str, str], now: datetime) -> datetime | None:
    """When the window opens again; None where X does not say, or names a moment that is past."""
    raw = headers.get("x-rate-limit-reset", "")
    if not re.fullmatch(r"[0-9]{1,12}", raw) or int(raw) <= seconds(now):
        return None
    return min(at(min(int(raw), seconds(now) + 86_400)), now + timedelta(days=1))


def is_wide(error: ConnectorError) -> bool:
    """Whether ``error`` concerns all of X, so that it is idle to ask the other streams: the line, the token, money."""
    if isinstance(error, Unreachable):
        return not error.code.startswith("http-")
    return error.code in {"unauthorized", "credits-depleted", "spend-cap", "usage-cap"}
