"""The line to LinkedIn: its headers, Rest.li's encoding, a count of calls, and its refusals in our words."""

from __future__ import annotations

import re
import time
from collections.abc import Callable, Mapping
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
from connectors.linkedin.nouns import encoded, table_of, whole_number

if TYPE_CHECKING:
    import requests

    from connectors.linkedin import Settings

NOTIFICATIONS, POSTS, COMMENTS = "notifications", "posts", "comments"
PAGE = 100
PER_FETCH = {NOTIFICATIONS: 10, POSTS: 3, COMMENTS: 25}
"""The most calls that one fetch makes of each kind."""

ENOUGH_TIME = 20.0
"""Seconds after which a fetch begins no further call and asks to be called again: the daemon kills one at 60."""

SCOPES = {
    NOTIFICATIONS: "rw_organization_admin",
    POSTS: "r_organization_social",
    COMMENTS: "r_organization_social_feed",
}
MISSED = {
    NOTIFICATIONS: "posts that tag the page, and comments as they come",
    POSTS: "the page's own posts",
    COMMENTS: "comments that no notification tells of, and late answers",
}
_ACTIONS = "List(SHARE_MENTION,COMMENT,COMMENT_EDIT,COMMENT_DELETE,SHARE,ADMIN_COMMENT)"
VERSION_ENDED = "NONEXISTENT_VERSION"


class Gone(UnexpectedReply):
    """There is nothing (any more) under this name, or we may not see it."""


class RangeRefused(SetupRejected):
    """The finder takes no time range."""


class Line:
    """GET with LinkedIn's headers, a count of calls, and errors in our words."""

    def __init__(self, settings: Settings) -> None:
        from connectors.http import new_session  # the library is loaded only where LinkedIn is asked

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
        return self.page(COMMENTS, f"socialActions/{encoded(urn)}/comments", f"start={start}&count={count}")

    def get(self, bucket: str, path: str) -> dict[str, Any]:
        """One thing by its name."""
        return self._ask(bucket, path, "", lambda body: body)

    def _ask(
        self, bucket: str, path: str, query: str, read: Callable[[dict[str, Any]], dict[str, Any]]
    ) -> dict[str, Any]:
        """The answer to one question. ``path`` and ``query`` are encoded already: ``requests`` would encode the
        brackets of ``List(…)`` in ``params`` and break them (platform facts, 4.1)."""
        import requests

        from connectors.http import unreachable

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
        refused = isinstance(body, dict) and "elements" not in body and (whole_number(body.get("status")) or 0) >= 400
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
    from connectors.http import read_json

    status = response.status_code
    try:
        return read_json("LinkedIn", status, response.content, response.headers)
    except ConnectorError:
        if 200 <= status < 300 or status >= 500 or status in {301, 302, 303, 307, 308, 404}:
            raise
        return None


def _refusal(status: int, body: Mapping[str, Any], stream: str, settings: Settings, now: datetime) -> ConnectorError:
    """The error table of LinkedIn (platform facts, 6). Its messages are read for two words, never repeated."""
    name, number = body.get("code"), whole_number(body.get("serviceErrorCode"))
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
                f"LinkedIn does not let us read {MISSED.get(stream, stream)}: a permission or the role is missing.",
                f"The app needs the product Community Management API, the token the permission "
                f"{SCOPES.get(stream, '')}, and the member who signed in must administer the page.",
                code="ACCESS_DENIED",
            )
        case 404:
            return Gone(
                "LinkedIn knows nothing under this name.", "Check organisation_urn and base_url.", code="NOT_FOUND"
            )
        case 426:
            return SetupRejected(
                f"LinkedIn no longer serves version {settings.api_version} of its interface, or not yet.",
                "Set api_version to one that LinkedIn serves now; each lives for about a year.",
                code=VERSION_ENDED,
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
            kind = RangeRefused if "timerange" in message.lower() else SetupRejected
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


def sign_in(settings: Settings, what: str, form: Mapping[str, str], doing: str) -> dict[str, Any]:
    """POST to LinkedIn's sign-in host; secrets go in the body, never in the address."""
    import requests

    from connectors.http import new_session, read_json, unreachable

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


def notifications_query(urn: str, since: int | None, until: int, start: int) -> str:
    """The question for a page of notifications; times in milliseconds, ``since`` None for all."""
    ranged = "" if since is None else f"&timeRange=(start:{since},end:{until})"
    return f"q=criteria&organizationalEntity={encoded(urn)}&actions={_ACTIONS}{ranged}&start={start}&count={PAGE}"


def own_posts_query(urn: str, start: int, count: int) -> str:
    """The question for a page of the page's own posts, the latest changed first."""
    return f"q=author&author={encoded(urn)}&count={count}&start={start}&sortBy=LAST_MODIFIED"


def next_start(page: Mapping[str, Any], start: int) -> int | None:
    """Where the next page begins, or None at the end: fewer than asked, and no link to a next page.

    A full page without any link is followed once more: a call is cheaper than a post that was missed.
    """
    paging = table_of(page.get("paging"))
    count = len(elements_of(page))
    links = paging.get("links")
    links = links if isinstance(links, list) else []
    following = next((link for link in links if table_of(link).get("rel") == "next"), None)
    if following is not None and (count or start < 5000):
        found = re.search(r"[?&]start=(\d{1,9})(?:&|$)", str(following.get("href", "")))
        named = int(found[1]) if found else 0
        return named if named > start else start + max(count, 1)
    total = whole_number(paging.get("total"))
    if not count:
        return None
    if total is not None:
        return start + count if start + count < total else None
    return start + count if count >= min(PAGE, whole_number(paging.get("count")) or PAGE) else None


def is_whole(error: ConnectorError) -> bool:
    """Whether an error concerns the platform as a whole: the token, the version, the line."""
    match error:
        case CredentialsRejected():
            return error.code != "ACCESS_DENIED"
        case SetupRejected():
            return error.code in {VERSION_ENDED, "VERSION_MISSING"}
        case Unreachable():
            return not error.code.startswith("http-")
        case _:
            return False


def is_refused(error: ConnectorError) -> bool:
    """Whether a permission is missing, or there is nothing: no waiting mends it, and the rest may work."""
    return isinstance(error, Gone) or (isinstance(error, CredentialsRejected) and error.code == "ACCESS_DENIED")


def _with_list(page: dict[str, Any]) -> dict[str, Any]:
    """``page``, which has a list of entries; raises ``UnexpectedReply`` where it has not."""
    if not isinstance(page.get("elements"), list):
        raise UnexpectedReply("LinkedIn answered without a list of entries.", code="form", shape=shape_of(page))
    return page


def elements_of(page: Mapping[str, Any]) -> list[Any]:
    """The entries of a page that ``Line.page`` gave."""
    found = page["elements"]
    return found if isinstance(found, list) else []
