"""Looking again at single Graph objects, and at the set-up itself: re-checks and the doctor's questions."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any

from connectors.errors import ConnectorError, UnexpectedReply, Unreachable, shape_of
from connectors.graph.refusals import Reason, Refused
from connectors.graph.rounds import Client, version_fault
from connectors.graph.values import UNREADABLE, moment, onward, rows
from connectors.model import Allowance, Finding, Level, Mention

AT_ONCE = 25
"""Ids in one ``ids=`` call. Each of them counts as a call (platform facts, 5.1)."""
LISTING_PAGES = 5
MASS = 10
"""When this many objects are asked for and all are gone, it is rather our token that has lost its sight."""

_BESIDE_THE_POINT = (Reason.PARAMETER, Reason.GONE, Reason.ADDRESS, Reason.UNKNOWN, Reason.PERMISSION)


@dataclass(slots=True)
class Purse:
    """What may still be spent, in calls."""

    left: int
    spent: int = 0

    def pay(self, calls: int) -> bool:
        """Whether ``calls`` can be paid; they are then taken off."""
        if calls > self.left:
            return False
        self.left -= calls
        self.spent += calls
        return True


@dataclass(slots=True)
class Looked:
    """What a second look found: nodes by the id that was asked for, and those that could not be read."""

    nodes: dict[str, Mapping[str, Any]] = field(default_factory=dict)
    refused: list[str] = field(default_factory=list)


def look(client: Client, purse: Purse, ids: Iterable[str], fields: str) -> Looked:
    """Read ``ids`` with ``fields``, many at once. One bad id refuses its whole call, so such a call is halved.

    Ids that cannot be paid for are in neither part. Raises ``Refused`` for what concerns all (token, limits, and
    a missing permission when it closes everything to us; a stranger's post may be closed singly).
    """
    found = Looked()
    closed: list[Refused] = []
    every = list(ids)
    waiting = [every[i : i + AT_ONCE] for i in range(0, len(every), AT_ONCE)]
    while waiting and purse.left:
        some = waiting.pop(0)[: purse.left]
        purse.pay(len(some))
        try:
            answer = client.ask("", {"ids": ",".join(some), "fields": fields})
        except Refused as refused:
            if refused.reason not in _BESIDE_THE_POINT:
                raise
            if len(some) == 1:
                found.refused += some
                closed += [refused] if refused.reason is Reason.PERMISSION else []
            else:
                waiting += [some[: len(some) // 2], some[len(some) // 2 :]]
            continue
        for one in some:
            node = answer.get(one)
            if isinstance(node, Mapping) and "error" not in node:
                found.nodes[one] = node
            else:
                found.refused.append(one)
    if closed and len(closed) == len(every) >= MASS:
        raise closed[-1]
    return found


def listing(client: Client, purse: Purse, path: str, fields: str) -> tuple[list[Any], bool]:
    """All rows of an edge, and whether its end was reached within ``LISTING_PAGES`` and the purse."""
    found: list[Any] = []
    args: dict[str, str] = {}
    for _ in range(LISTING_PAGES):
        if not purse.pay(1):
            return found, False
        answer = client.ask(path, {"fields": fields, "limit": "100"} | args)
        page = entries(client, answer)
        found += page
        following = onward(answer, used=args, full=bool(page))
        if following is None:
            return found, True
        args = following
    return found, False


def entries(client: Client, answer: Mapping[str, Any]) -> list[Any]:
    """The rows of an answer; raises ``UnexpectedReply`` where there is no list of them."""
    try:
        return rows(answer)
    except ValueError:
        raise UnexpectedReply(
            f"{client.platform} answered in a form that Earshot does not know.", shape=shape_of(answer)
        ) from None


def read_all(nodes: Mapping[str, Any], read: Callable[[str, Any], Mention | None]) -> tuple[Mention, ...]:
    """The mentions in ``nodes``; a node that cannot be read is left out."""
    mentions = []
    for key, node in nodes.items():
        try:
            mention = read(key, node)
        except UNREADABLE:
            continue
        if mention is not None:
            mentions.append(mention)
    return tuple(mentions)


def believable(client: Client, purse: Purse, account: str, gone: list[str], asked: int) -> tuple[str, ...]:
    """``gone``, unless the account itself cannot be read or everything is gone at once: nothing is erased then."""
    if not gone or (asked >= MASS and len(gone) == asked) or not purse.pay(1):
        return ()
    try:
        client.ask(account, {"fields": "id"})
    except (Refused, ConnectorError):
        return ()
    return tuple(gone)


# ── the doctor ──────────────────────────────────────────────────────────────────────────────────


def finding_of(error: ConnectorError, what: str) -> Finding:
    """A failed question as a finding."""
    return Finding(Level.BAD, f"{what}: {error.what}", error.do, unreachable=isinstance(error, Unreachable))


Question = tuple[str, Callable[[], list[Finding]]]
"""What it means when a question of the doctor is refused, and the question."""


def examination(now: datetime, questions: Iterable[Question]) -> tuple[Finding, ...]:
    """The answers, one after the other; what goes wrong becomes a finding.

    After a refusal that holds for every call nothing more is asked: each would prolong it (platform facts, 5.1).
    """
    found: list[Finding] = []
    for what, question in questions:
        try:
            found += question()
        except Refused as refused:
            found.append(finding_of(refused.ours(now), what))
            if refused.reason in (Reason.LIMIT, Reason.BLOCKED):
                break
        except ConnectorError as error:
            found.append(finding_of(error, what))
        except UNREADABLE:
            found.append(Finding(Level.BAD, f"{what}: the answer has a form that Earshot does not know."))
    return tuple(found)


def token_findings(
    client: Client,
    *,
    token: str,
    app_token: str,
    needed: tuple[str, ...],
    kind: str | None,
    allowance: Allowance,
) -> list[Finding]:
    """What ``debug_token`` says: type, validity, scopes and both clocks of the token (platform facts, 1.5).

    The call has the token in its address, for the platform offers no other way; nothing here repeats it.
    """
    data = client.ask("debug_token", {"input_token": token, "access_token": app_token or token})["data"]
    found = []
    if data.get("is_valid") is False:
        found.append(Finding(Level.BAD, "The token is no longer valid.", "Sign in again and put in the new token."))
    said = str(data.get("type", ""))[:20]
    if kind and said and said.upper() != kind:
        found.append(
            Finding(
                Level.BAD,
                f"The token is of type {said}, not {kind}: much would come back empty without an error.",
                "Put the Page's own token into the settings (`GET /me/accounts` shows it).",
            )
        )
    elif said:
        found.append(Finding(Level.GOOD, f"The token is of type {said}."))
    scopes = {str(scope) for scope in data.get("scopes") or ()}
    missing = [scope for scope in needed if scope not in scopes]
    if missing:
        found.append(
            Finding(
                Level.BAD,
                f"The token lacks permissions: {', '.join(missing)}.",
                "Sign in again with the app and grant them.",
            )
        )
    else:
        found.append(Finding(Level.GOOD, f"The token has the permissions needed: {', '.join(needed)}."))
    return found + _clocks(data, allowance.now)


def _clocks(data: Mapping[str, Any], now: datetime) -> list[Finding]:
    found = []
    for key, what in (("expires_at", "The token"), ("data_access_expires_at", "The app's access to data")):
        ends = data.get(key)
        if not isinstance(ends, int) or isinstance(ends, bool):
            continue
        if ends == 0:
            found.append(Finding(Level.GOOD, f"{what} has no end."))
            continue
        at = moment(ends).astimezone(UTC)
        level = Level.BAD if at <= now else Level.NOTE
        found.append(
            Finding(
                level,
                f"{what} {'ended' if at <= now else 'ends'} on {at:%d %B %Y}.",
                "Sign in again before then and put in the new token.",
                expires_at=at,
            )
        )
    return found


def version_finding(client: Client, platform: str) -> list[Finding]:
    """Whether the version asked for is the one that answered."""
    served, asked = client.footing.served, client.version
    if served and served.lstrip("v") != asked.lstrip("v"):
        fault = version_fault(platform, asked, served)
        return [Finding(Level.BAD, fault.what, fault.do)]
    return [Finding(Level.GOOD, f"Version {asked} answers.")] if served else []


def usage_finding(client: Client) -> list[Finding]:
    """How much of the platform's rate budget is used."""
    usage = client.footing.usage
    if usage is None:
        return [Finding(Level.NOTE, "The platform does not say how much of the rate budget is used.")]
    level = Level.NOTE if usage > 0.8 else Level.GOOD
    return [Finding(level, f"{usage:.0%} of the rate budget is used.")]
