"""LinkedIn: what is said to and about the organisation's page, by the versioned REST interface.

Three streams, each with its own daily count of calls (platform facts, 4 and 5.2): the page's *notifications*
(posts that tag it, comments, answers, edits and deletions, most of them with their text), its own *posts*, and
the *comments* under them as a cross-check of the first. One that fails is a fault; the others go on.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

from connectors.addresses import host_of
from connectors.errors import ConnectorError, CredentialsRejected, UnexpectedReply, Unreachable, shape_of
from connectors.linkedin.eye import Eye, Take
from connectors.linkedin.line import (
    COMMENTS,
    NOTIFICATIONS,
    PER_FETCH,
    POSTS,
    SCOPES,
    Line,
    elements_of,
    notifications_query,
    own_posts_query,
    sign_in,
)
from connectors.linkedin.nouns import DAMAGED, moment_of, ms_of, table_of, urn_of, when_of
from connectors.linkedin.place import Place
from connectors.linkedin.rounds import MEMORY, NEVER_SHOWS, Round, shares
from connectors.model import (
    Allowance,
    Batch,
    Bucket,
    Coverage,
    Finding,
    Grant,
    Level,
    Organisation,
    Period,
    Platform,
    PollPlan,
    secret,
)


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
            if not url.startswith(("https://", "http://")) or not host_of(url):
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
    share = shares(settings.daily_calls)
    day = timedelta(days=1)
    calm = max(timedelta(seconds=30), day / (share[NOTIFICATIONS] * 11 / 12))
    heard = settings.poll_every or calm
    own = settings.poll_every or max(calm, day / max(1, share[POSTS]))
    return PollPlan(
        calm=calm,
        hurried=max(timedelta(seconds=10), calm / 4),
        buckets=(
            _bucket(NOTIFICATIONS, share, per_poll=1, recheck_share=0.0),
            _bucket(POSTS, share, per_poll=0, recheck_share=0.25),
            _bucket(COMMENTS, share, per_poll=0, recheck_share=0.4),
        ),
        lag=f"posts that tag the page, and comments: {_say(heard / 2)} on average, {_say(heard)} at worst; "
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
    answer = sign_in(
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
        self._api = Line(settings)

    def fetch(self, cursor: str | None, allowance: Allowance, /) -> Batch:
        """A page or a few of every stream that is due. See ``Connector.fetch``."""
        return Round(self._settings, self._api, Place.read(cursor, allowance.now), allowance).run()

    def recheck(self, ids: tuple[str, ...], allowance: Allowance, /) -> Batch:
        """The present form of comments and posts. Several comments of one thread are read in one call."""
        caps = {POSTS: 20, COMMENTS: 50}
        self._api.begin({name: min(allowance.of(name), cap) for name, cap in caps.items()}, allowance.now)
        take = Take()
        try:
            Eye(self._api, self._settings.organisation_urn, take).look_at(ids)
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
        share = ", ".join(f"{count} for {name}" for name, count in shares(self._settings.daily_calls).items())
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
        state = sign_in(settings, "introspectToken", {"token": settings.token}, "looking at the token")
        ends = state.get("expires_at")
        ends_at = moment_of(ends * 1000) if isinstance(ends, int) and 0 < ends < 4_000_000_000 else None
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
        missing = [scope for scope in SCOPES.values() if scope not in granted]
        if missing:
            yield Finding(
                Level.BAD,
                f"The LinkedIn token lacks the permission {', '.join(missing)}.",
                "Ask for all three permissions at once when you sign in: changing the set ends older tokens.",
            )

    def _stream_findings(self) -> Iterable[Finding]:
        api, urn = self._api, self._settings.organisation_urn
        posts = api.page(POSTS, "posts", own_posts_query(urn, 0, 10))
        yield Finding(Level.GOOD, f"LinkedIn serves version {self._settings.api_version}.")
        newest = max((when_of(post) for post in elements_of(posts)), default=None)
        yield (
            Finding(Level.GOOD, f"The page's newest post is from {newest:%d %B %Y, %H:%M} UTC.")
            if newest
            else Finding(Level.NOTE, "LinkedIn shows no post by the page itself.")
        )
        now = datetime.now(UTC)
        yield from _findings(lambda: self._newest_notification(now))
        if elements_of(posts):
            first = urn_of(table_of(elements_of(posts)[0]).get("id"))
            yield from _findings(lambda: self._comments_of(first))

    def _newest_notification(self, now: datetime) -> Iterable[Finding]:
        query = notifications_query(self._settings.organisation_urn, ms_of(now - MEMORY), ms_of(now), 0)
        page = self._api.page(NOTIFICATIONS, "organizationalEntityNotifications", query)
        times = [moment_of(item.get("lastModifiedAt")) for item in elements_of(page)]
        said = f"the newest is from {max(times):%d %B %Y, %H:%M} UTC" if times else "there is none in 60 days"
        yield Finding(Level.GOOD, f"The page's notifications can be read; {said}.")

    def _comments_of(self, urn: str) -> Iterable[Finding]:
        self._api.comments(urn, 0, 10)
        yield Finding(Level.GOOD, "Comments under the page's posts can be read.")


def _bucket(name: str, share: Mapping[str, int], *, per_poll: int, recheck_share: float) -> Bucket:
    reserve = min(PER_FETCH[name], max(2, share[name] // 10), share[name])
    return Bucket(
        name, f"calls for {name} a day", share[name], Period.UTC_DAY, reserve, per_poll, recheck_share, min(2, reserve)
    )


def _say(length: timedelta) -> str:
    seconds = max(1, round(length.total_seconds()))
    if seconds < 120:
        return f"{seconds} second{'' if seconds == 1 else 's'}"
    return f"{round(seconds / 60)} minutes" if seconds < 7200 else f"{round(seconds / 3600)} hours"


def _findings(part: Callable[[], Iterable[Finding]]) -> list[Finding]:
    """What a part of the examination found; where it was refused, that is the finding."""
    found: list[Finding] = []
    try:
        for finding in part():
            found.append(finding)
    except ConnectorError as error:
        level = Level.NOTE if error.code == "allowance" else Level.BAD
        found.append(Finding(level, error.what, error.do, unreachable=isinstance(error, Unreachable)))
    except DAMAGED:
        found.append(Finding(Level.BAD, "LinkedIn answered in a form that we do not know.", "Update Earshot."))
    return found


PLATFORM = Platform("linkedin", Settings, connect, plan, refresh, "token", NEVER_SHOWS, preload=("connectors.http",))
