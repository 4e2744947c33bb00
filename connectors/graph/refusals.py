"""How Meta's Graph API says no, and which of our errors that is (platform facts, 6).

Decided by code and subcode: the HTTP status is not reliable there. The wording of a refusal is looked at to
tell a few forms of code 100 and 1 apart and is then thrown away, because it can repeat the token.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from datetime import datetime, timedelta
from enum import Enum, auto

from connectors.errors import (
    ConnectorError,
    CredentialsRejected,
    RateLimited,
    SetupRejected,
    UnexpectedReply,
    Unreachable,
    shape_of,
)


class Reason(Enum):
    """What a refusal means to us."""

    TOKEN = auto()
    WRONG_TOKEN_TYPE = auto()
    PERMISSION = auto()
    BLOCKED = auto()
    LIMIT = auto()
    GONE = auto()
    CURSOR = auto()
    PROOF = auto()
    PARAMETER = auto()
    ADDRESS = auto()
    TOO_MUCH = auto()
    DOWN = auto()
    UNKNOWN = auto()


_LIMITS = {4, 17, 32, 341, 613, *range(80000, 80015)}
_TOKENS = {
    458: "The person who gave it has removed the app.",
    459: "The person who gave it must first clear a check on facebook.com.",
    460: "The person who gave it has changed the password.",
    463: "It has ended.",
    464: "The person who gave it must first clear a check on facebook.com.",
    467: "It is no longer valid.",
    492: "The person who gave it has lost the role on the Page.",
}


class Refused(Exception):
    """A refusal by the Graph API: its code and what it means, never its wording.

    ``regain`` is how long the platform says that we must rest, zero where it does not say.
    """

    def __init__(
        self,
        platform: str,
        reason: Reason,
        *,
        code: str,
        subcode: int = 0,
        trace: str = "",
        shape: str = "",
        regain: timedelta = timedelta(0),
    ) -> None:
        super().__init__(f"{platform} refuses ({code})")
        self.platform = platform
        self.reason = reason
        self.code = code
        self.subcode = subcode
        self.trace = trace
        self.shape = shape
        self.regain = regain

    def ours(self, now: datetime) -> ConnectorError:
        """This refusal as the error whose class says what to do next."""
        name, code = self.platform, self.code
        shape = f"fbtrace_id={self.trace} {self.shape}".strip() if self.trace else self.shape
        match self.reason:
            case Reason.TOKEN:
                return CredentialsRejected(
                    f"{name} refuses our token. {_TOKENS.get(self.subcode, '')}".strip(),
                    "Sign in again as an administrator of the Page and put the new token into the settings.",
                    code=code,
                    shape=shape,
                )
            case Reason.WRONG_TOKEN_TYPE:
                return SetupRejected(
                    f"{name} wants the token of the Page; the one in the settings is a person's.",
                    "Put the Page's own token into the settings (`GET /me/accounts` shows it).",
                    code=code,
                    shape=shape,
                )
            case Reason.PERMISSION:
                return CredentialsRejected(
                    f"{name} says that our token may not read this: a permission is missing or has lapsed.",
                    "Sign in again with the app and grant all permissions that the guide lists.",
                    code=code,
                    shape=shape,
                )
            case Reason.BLOCKED:
                return CredentialsRejected(
                    f"{name} has blocked our calls as abusive.",
                    "Look at the app's dashboard. Earshot asks again in 24 hours.",
                    code=code,
                    shape=shape,
                    retry_at=now + timedelta(hours=24),
                )
            case Reason.LIMIT:
                return RateLimited(
                    f"{name} says that we have called too often.",
                    "Nothing is broken. If it happens often, poll more rarely.",
                    code=code,
                    shape=shape,
                    retry_at=now + self.regain if self.regain else None,
                )
            case Reason.PROOF:
                return SetupRejected(
                    f"{name} refuses the proof made with app_secret: it is missing, or of another app.",
                    "Put the secret of the app that the token belongs to into app_secret.",
                    code=code,
                    shape=shape,
                )
            case Reason.GONE | Reason.ADDRESS:
                return SetupRejected(
                    f"{name} does not know what we ask for: an id or the version in the settings is wrong.",
                    "Compare the id and graph_version in the settings with the platform's own pages.",
                    code=code,
                    shape=shape,
                )
            case Reason.PARAMETER | Reason.CURSOR:
                return SetupRejected(
                    f"{name} does not accept a parameter of our call.",
                    "Set graph_version to a version that Earshot knows, or update Earshot.",
                    code=code,
                    shape=shape,
                )
            case Reason.DOWN | Reason.TOO_MUCH:
                return Unreachable(f"{name} answers that it is out of order.", code=code, shape=shape)
            case Reason.UNKNOWN:
                return UnexpectedReply(
                    f"{name} refuses in a way that Earshot does not know.",
                    "Earshot tries again by itself. If it lasts, report the code.",
                    code=code,
                    shape=shape,
                )


def judge(platform: str, status: int, body: object, regain: timedelta) -> Refused:
    """What a reply means that has ``error`` in it or a status of 300 and more."""
    error = body.get("error") if isinstance(body, Mapping) else None
    if not isinstance(error, Mapping):
        reason = _by_status(status)
        return Refused(platform, reason, code=f"http-{status}", shape=shape_of(body), regain=regain)
    code, subcode = _number(error.get("code")), _number(error.get("error_subcode"))
    words = str(error.get("message", ""))[:500].lower()
    reason = _reason(code, subcode, words, transient=error.get("is_transient") is True)
    if code == 0 and reason is Reason.UNKNOWN:
        reason = _by_status(status)
    trace = str(error.get("fbtrace_id", ""))
    return Refused(
        platform,
        reason,
        code=f"{code}/{subcode}" if subcode else str(code),
        subcode=subcode,
        trace=trace if re.fullmatch(r"[\w-]{1,40}", trace) else "",
        shape=shape_of(body) if reason is Reason.UNKNOWN else "",
        regain=regain,
    )


def _reason(code: int, subcode: int, words: str, *, transient: bool) -> Reason:
    if code in _LIMITS:
        return Reason.LIMIT
    if code == 1 and "reduce" in words:
        return Reason.TOO_MUCH
    if transient or code in {1, 2}:
        return Reason.DOWN
    if code in {210, 1705} or (code == 190 and subcode == 2069032):
        return Reason.WRONG_TOKEN_TYPE
    if code in {190, 102, 104}:
        return Reason.TOKEN
    if code in {3, 10} or 200 <= code <= 299:
        return Reason.PERMISSION
    if code == 368:
        return Reason.BLOCKED
    if code == 100:
        return _of_parameters(subcode, words)
    if code == 803:
        return Reason.GONE
    return Reason.ADDRESS if code == 2500 else Reason.UNKNOWN


def _of_parameters(subcode: int, words: str) -> Reason:
    if subcode == 33:
        return Reason.GONE
    if "appsecret_proof" in words:
        return Reason.PROOF
    return Reason.CURSOR if "cursor" in words else Reason.PARAMETER


def _by_status(status: int) -> Reason:
    if status >= 500:
        return Reason.DOWN
    return {401: Reason.TOKEN, 403: Reason.PERMISSION, 429: Reason.LIMIT}.get(status, Reason.UNKNOWN)


def _number(value: object) -> int:
    if isinstance(value, bool) or not isinstance(value, int | str):
        return 0
    try:
        return int(value)
    except ValueError:
        return 0
