"""The client for Meta's Graph API: facebook-sdk 3.1.0 with its transport replaced (platform facts, 7.1).

The library gives the object model; it knows no current version, no time-out and no proof, puts the token
into addresses and throws the answer's headers away. All that is mended in ``request``, through which every
method of the library goes. ``get_all_connections``, ``search`` and ``get_version`` go round it: not used.
"""

from __future__ import annotations

import hashlib
import hmac
import json
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from email.utils import parsedate_to_datetime
from typing import Any

import facebook
import requests

from connectors import http
from connectors.errors import CredentialsRejected, UnexpectedReply, shape_of
from connectors.graph.refusals import Refused, judge

_USAGE = ("x-app-usage", "x-page-usage", "x-ad-account-usage")
_BUSINESS_USAGE = "x-business-use-case-usage"
_PERCENT = ("call_count", "total_time", "total_cputime")


@dataclass(frozen=True, slots=True)
class Footing:
    """What the headers of an answer say. ``usage`` is the largest share of any budget, 0 to 1 and beyond;
    ``regain`` how long we are shut out; ``served`` the version that answered."""

    usage: float | None = None
    regain: timedelta = timedelta(0)
    served: str = ""
    at: datetime | None = None
    """The platform's own time, where it tells."""


class GraphRefused(facebook.GraphAPIError, Refused):  # type: ignore[misc]
    """The library's own error, made ours: without the platform's wording, which may repeat the token."""

    def __init__(self, refused: Refused) -> None:
        facebook.GraphAPIError.__init__(self, {"error": {"message": str(refused), "code": refused.code}})
        self.__dict__.update(vars(refused))


class Graph(facebook.GraphAPI):  # type: ignore[misc]
    """One account's client. ``calls`` counts what was asked; ``footing`` is of the last answer."""

    def __init__(self, platform: str, *, base_url: str, version: str, token: str, app_secret: str = "") -> None:
        super().__init__(access_token=token, session=http.new_session(base_url))
        self.platform = platform
        self.base_url = base_url.rstrip("/")
        self.version = version if version.startswith("v") else f"v{version}"
        self.calls = 0
        self.footing = Footing()
        self.heaviest: float | None = None
        self._app_secret = app_secret

    def __repr__(self) -> str:
        return f"Graph({self.platform!r}, {self.version!r})"

    def request(
        self,
        path: str,
        args: Mapping[str, Any] | None = None,
        post_args: Mapping[str, Any] | None = None,
        files: object = None,
        method: str | None = None,
        *,
        token_in_address: bool = False,
    ) -> Any:
        """What ``path`` answers, as JSON; ``access_token`` in ``args`` wins over the account's own token.

        Raises ``GraphRefused`` for a refusal, ``Unreachable`` and ``UnexpectedReply``; none of them holds an
        address, a token or words of the answer.
        """
        given = dict(args or {})
        token = str(given.pop("access_token", "") or self.access_token or "")
        self.footing = Footing()
        if not token:
            raise CredentialsRejected(
                f"There is no token for {self.platform}.", "Put one into the settings, or into a file named there."
            )
        self.calls += 1
        try:
            response = self.session.request(
                method or ("GET" if post_args is None else "POST"),
                f"{self.base_url}/{path.lstrip('/')}",
                params=given | self._proof(token) | ({"access_token": token} if token_in_address else {}),
                data=post_args,
                headers={"Authorization": f"Bearer {token}", "Accept": "application/json"},
                allow_redirects=False,
            )
        except requests.RequestException as error:
            raise http.unreachable(self.platform, error) from None
        return self._answer(response)

    def ask(self, path: str, args: Mapping[str, Any]) -> Mapping[str, Any]:
        """A versioned read whose answer is an object; anything else is ``UnexpectedReply``."""
        answer = self.request(f"{self.version}/{path}", args)
        if not isinstance(answer, Mapping):
            raise UnexpectedReply(
                f"{self.platform} answered in a form that Earshot does not know.", shape=shape_of(answer)
            )
        return answer

    def exchange(self, app_id: str, app_secret: str) -> tuple[Mapping[str, Any], datetime]:
        """A new long-lived token of Facebook Login for ours, and the platform's time. Sent as a form, so that
        neither token nor secret stands in an address."""
        form = {
            "grant_type": "fb_exchange_token",
            "client_id": app_id,
            "client_secret": app_secret,
            "fb_exchange_token": self.access_token,
        }
        return self._granted(self.request(f"{self.version}/oauth/access_token", post_args=form))

    def renew(self) -> tuple[Mapping[str, Any], datetime]:
        """A new token of Instagram Login for ours, and the platform's time. Instagram takes the old one only as
        a parameter; the path has no version (platform facts, 2.1)."""
        args = {"grant_type": "ig_refresh_token"}
        return self._granted(self.request("refresh_access_token", args, token_in_address=True))

    def _granted(self, answer: Any) -> tuple[Mapping[str, Any], datetime]:
        if not isinstance(answer, Mapping):
            raise UnexpectedReply(f"{self.platform} gave no new token.", shape=shape_of(answer))
        return answer, self.footing.at or datetime.now(UTC)

    def _proof(self, token: str) -> dict[str, str]:
        if not self._app_secret:
            return {}
        return {"appsecret_proof": proof(self._app_secret, token)}

    def _answer(self, response: requests.Response) -> Any:
        self.footing = _footing(response.headers)
        if self.footing.usage is not None:
            self.heaviest = max(self.heaviest or 0.0, self.footing.usage)
        body = http.read_json(self.platform, response.status_code, response.content, response.headers)
        if response.status_code >= 300 or (isinstance(body, Mapping) and body.get("error")):
            refused = judge(self.platform, response.status_code, body, self._regain(response.headers))
            raise GraphRefused(refused) from None
        return body

    def _regain(self, headers: Mapping[str, str]) -> timedelta:
        wait = headers.get("retry-after", "")
        seconds = int(wait) if wait.isdigit() and len(wait) < 7 else 0
        return max(self.footing.regain, timedelta(seconds=seconds))


def proof(app_secret: str, token: str) -> str:
    """``appsecret_proof``: that whoever holds ``token`` also knows the app's secret (platform facts, 1.4)."""
    return hmac.new(app_secret.encode(), token.encode(), hashlib.sha256).hexdigest()


def _footing(headers: Mapping[str, str]) -> Footing:
    shares: list[float] = []
    minutes: list[float] = []
    for name in _USAGE:
        _note(_read(headers.get(name)), shares, minutes)
    business = _read(headers.get(_BUSINESS_USAGE))
    for entries in business.values() if isinstance(business, Mapping) else ():
        for entry in entries if isinstance(entries, list) else [entries]:
            _note(entry, shares, minutes)
    return Footing(
        max(shares) / 100 if shares else None,
        timedelta(minutes=min(max(minutes, default=0), 60 * 24 * 7)),
        str(headers.get("facebook-api-version", ""))[:10],
        _date(headers.get("date")),
    )


def _date(header: str | None) -> datetime | None:
    try:
        at = parsedate_to_datetime(header or "")
    except (ValueError, TypeError, IndexError):
        return None
    return at.astimezone(UTC) if at.tzinfo else None


def _note(entry: object, shares: list[float], minutes: list[float]) -> None:
    if not isinstance(entry, Mapping):
        return
    shares += [share for key in _PERCENT if (share := _number(entry.get(key))) is not None]
    wait = _number(entry.get("estimated_time_to_regain_access"))
    if wait is not None:
        minutes.append(wait)


def _number(value: object) -> float | None:
    if isinstance(value, int | float) and not isinstance(value, bool) and 0 <= value <= 1e6:
        return float(value)
    return None


def _read(header: str | None) -> Any:
    try:
        return json.loads(header or "null")
    except (ValueError, RecursionError):
        return None
