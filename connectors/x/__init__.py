"""X: posts that name us, posts that mention our handle, and our own posts.

X bills every post that it returns, so this connector never asks for a page whose worst case the allowance
does not cover, and looks into empty pages as often as the rate limit lets it: those are free (platform facts,
1.6). It sends the legacy vocabulary only and reads both (1.3). The client library has no setting for the host
and no time-outs: the session of ``connectors.http`` brings both (3.1).
"""

from __future__ import annotations

import hashlib
import re
from collections.abc import Callable
from dataclasses import dataclass, replace
from datetime import timedelta
from decimal import Decimal
from typing import Any

from connectors.addresses import parts_of
from connectors.errors import ConnectorError, CredentialsRejected, SetupRejected, UnexpectedReply, Unreachable, shape_of
from connectors.model import (
    Allowance,
    Author,
    Batch,
    Bucket,
    Fault,
    Finding,
    Level,
    Mention,
    Money,
    Organisation,
    Period,
    Platform,
    PollPlan,
    secret,
)
from connectors.x.line import Answer, Line, Purse, is_wide
from connectors.x.place import SMALLEST, Place
from connectors.x.poll import FIELDS, HANDLE, LEAST, MONEY, NEVER_SHOWS, Poll, look_up, reserve_of
from connectors.x.posts import (
    ID,
    NAME,
    POST,
    USER,
    included,
    newest_version,
    page_of,
    read_post,
    time_of,
    told_of,
    users_of,
    whole,
)

QUERY_LIMIT = 512
"""Characters of a search query on self-serve access; the specification's 4,096 is Enterprise (platform facts, 1.2)."""

_TOKEN = re.compile(r'-?"[^"]*"|[()]|[^\s()]+')


@dataclass(frozen=True, slots=True)
class Settings:
    """The table ``[connectors.x]``."""

    bearer_token: str = secret()
    user_id: str = ""
    """The number of our account; empty looks it up once by ``organisation.handles.x``."""
    terms: tuple[str, ...] = ()
    """Search terms instead of those that follow from ``[organisation]``; operators of X are allowed."""
    base_url: str = "https://api.x.com"
    poll_every: timedelta | None = None
    recheck_every: timedelta = timedelta(hours=12)
    """How old the last look at a kept post may be; a fifth of the budget pays for it. X wants deletions honoured
    within 24 hours."""
    monthly_budget: Money = Money(Decimal(20), "USD")
    """The most that X may cost in a calendar month (UTC), in USD or GBP, before tax."""
    usd_per_gbp: float = 1.05
    """Turns a budget in pounds into dollars; the pound has never been worth less in living memory."""

    def __post_init__(self) -> None:
        if not self.bearer_token or not self.bearer_token.isascii() or not self.bearer_token.isprintable():
            raise ValueError("bearer_token: the bearer token of your app, on one line, from X's developer console")
        if any(c.isspace() for c in self.bearer_token):
            raise ValueError("bearer_token: a token without spaces")
        parts = parts_of(self.base_url)
        if parts.scheme not in {"http", "https"} or not parts.hostname or parts.query or parts.username:
            raise ValueError('base_url: an address such as "https://api.x.com"')
        if self.user_id and not ID.fullmatch(self.user_id):
            raise ValueError("user_id: the number of the account, up to 19 digits")
        if any(not term.strip() for term in self.terms):
            raise ValueError("terms: terms that are not empty")
        if (length := len(" OR ".join(self.terms))) > QUERY_LIMIT:
            raise ValueError(f"terms: a search of at most {QUERY_LIMIT} characters (this one has {length})")
        if self.monthly_budget.currency not in {"USD", "GBP"}:
            raise ValueError('monthly_budget: dollars or pounds, such as "20 USD" or "15 GBP"')
        if not 0.5 <= self.usd_per_gbp <= 3:
            raise ValueError("usd_per_gbp: how many dollars a pound is worth, at the least")
        if self.recheck_every < timedelta(seconds=1):
            raise ValueError('recheck_every: a duration from "1s" on')
        if budget_of(self) < LEAST:
            raise ValueError('monthly_budget: at least "0.10 USD", the price of one look at every stream')


def budget_of(settings: Settings) -> int:
    """The monthly budget in millionths of a dollar, rounded down."""
    rate = Decimal(str(settings.usd_per_gbp)) if settings.monthly_budget.currency == "GBP" else Decimal(1)
    return int(settings.monthly_budget.amount * rate * 1_000_000)


def plan(settings: Settings, organisation: Organisation) -> PollPlan:
    """Every 30 seconds: an empty poll is free and the rate limit allows one search in two seconds (facts, 1.5, 1.6)."""
    budget = budget_of(settings)
    money = Bucket(
        MONEY,
        "millionths of a dollar",
        budget,
        Period.MONTH,
        reserve=reserve_of(budget),
        per_poll=0,
        recheck_share=0.2,
        per_look=min(reserve_of(budget), USER + SMALLEST["own"] * POST),
    )
    return PollPlan(
        calm=timedelta(seconds=30),
        hurried=timedelta(seconds=15),
        buckets=(money,),
        at_usage=((0.75, timedelta(seconds=60)), (0.9, timedelta(minutes=3))),
        lag="20 to 60 seconds",
        cost=f"half a US cent for each post read, at most {settings.monthly_budget} a month "
        f"({budget // POST:,} posts, before tax)",
    )


def search_query(settings: Settings, organisation: Organisation) -> tuple[str, tuple[str, ...]]:
    """What we search for, and the terms of ours that do not fit into X's 512 characters.

    Raises ``SetupRejected`` for a query that is too long, does not name us, or aims at persons: X forbids to
    track people (policy notes, R-X5).
    """
    own = _handle_of(organisation)
    tail = [f"-from:{own or settings.user_id}"] if own or settings.user_id else []
    tail += [f"-@{own}"] if own else []
    tail.append("-is:retweet")
    if settings.terms:
        query = _joined([_term(term) for term in settings.terms], tail)
        left_out: tuple[str, ...] = ()
    else:
        query, left_out = _fitting(_terms_of(organisation), tail)
    if len(query) > QUERY_LIMIT:
        raise SetupRejected(
            f"The search for X is {len(query)} characters long; X allows {QUERY_LIMIT}.",
            "Shorten connectors.x.terms.",
            code="query-too-long",
        )
    _refuse_persons(query, {own.casefold(), settings.user_id} - {""})
    if not _names_us(query, organisation, own):
        raise SetupRejected(
            "The search for X does not contain a name or handle of ours.",
            "Put the organisation's name, an alias, its handle or its web domain into connectors.x.terms.",
            code="query-not-about-us",
        )
    return query, left_out


def connect(settings: Settings, organisation: Organisation) -> XConnector:
    """A connector to X. Raises ``SetupRejected`` when the search cannot be sent as it is."""
    query, left_out = search_query(settings, organisation)
    return XConnector(settings, organisation, query, left_out)


class XConnector:
    """Hears three streams, each with a high-water mark of its own that moves only after a sweep's last page."""

    def __init__(
        self, settings: Settings, organisation: Organisation, query: str, left_out: tuple[str, ...] = ()
    ) -> None:
        self._settings = settings
        self._query = query
        self._left_out = left_out
        self._handle = _handle_of(organisation)

    def __repr__(self) -> str:
        return f"XConnector({len(self._query)} characters of search)"

    def fetch(self, cursor: str | None, allowance: Allowance, /) -> Batch:
        """New mentions, search hits and own posts since ``cursor``; see ``connectors.model.Connector``."""
        place = Place.read(cursor)
        place.turn_to(hashlib.sha256(self._query.encode()).hexdigest()[:16], self._handle.casefold())
        with self._line(allowance) as line:
            poll = Poll(
                self._query,
                handle=self._handle,
                user_id=self._settings.user_id,
                budget=budget_of(self._settings),
                line=line,
                place=place,
                allowance=allowance,
            )
            try:
                batch = poll.run()
            except ConnectorError as error:
                error.spent = {MONEY: poll.purse.spent}
                raise
        return self._with_left_out(batch)

    def _line(self, allowance: Allowance) -> Line:
        return Line(self._settings.bearer_token, self._settings.base_url, allowance.now)

    def _with_left_out(self, batch: Batch) -> Batch:
        if not self._left_out:
            return batch
        what = f"{len(self._left_out)} of our names do not fit into X's {QUERY_LIMIT} characters."
        fault = Fault("search", what, "Choose the most telling ones in connectors.x.terms.")
        return replace(batch, coverage=replace(batch.coverage, faults=(*batch.coverage.faults, fault)))

    def recheck(self, ids: tuple[str, ...], allowance: Allowance, /) -> Batch:
        """The present form of ``ids`` and those that are gone, as far as the allowance pays for."""
        with self._line(allowance) as line:
            purse = Purse(allowance.of(MONEY))
            look = _Look(line, purse, self._settings.user_id, self._handle)
            try:
                return look.at(ids)
            except ConnectorError as error:
                error.spent = {MONEY: purse.spent}
                raise

    def examine(self, allowance: Allowance, /) -> tuple[Finding, ...]:
        """Whether the token works, who we are, what was used, what is left and the newest thing heard."""
        with self._line(allowance) as line:
            return _Examination(self._settings, self._query, self._left_out, self._handle, line, allowance).findings()


# ── the search query ────────────────────────────────────────────────────────────────────────────────


def _handle_of(organisation: Organisation) -> str:
    return organisation.handles.get(NAME, "").lstrip("@").strip()


def _terms_of(organisation: Organisation) -> list[str]:
    """Our names, the surest first. Short aliases and people's names would buy posts that mean somebody else."""
    aliases = [alias for alias in organisation.aliases if len(alias) > 4]
    links = [f'url:"{domain}"' for domain in organisation.domains]
    names = [_term(name) for name in (organisation.name, *aliases)]
    campaigns = [_term(campaign) for campaign in organisation.campaigns]
    kept: dict[str, str] = {}
    for term in (*names, *links, *campaigns):
        kept.setdefault(term.casefold(), term)
    return list(kept.values())


def _term(term: str) -> str:
    """A phrase in quotes; what already uses X's operators stays as it is, bracketed where it has several parts."""
    term = " ".join(term.split())
    if re.search(r'["():]|(^|\s)[-#@$]|\sOR\s', term):
        return f"({term})" if " " in term and not re.fullmatch(r'\A(?:(\w++:)?"[^"]*+"|\([^()]*+\))', term) else term
    return f'"{term}"'


def _joined(terms: list[str], tail: list[str]) -> str:
    head = f"({' OR '.join(terms)})" if len(terms) > 1 else terms[0]
    return " ".join([head, *(part for part in tail if part.casefold() not in head.casefold().split())])


def _fitting(terms: list[str], tail: list[str]) -> tuple[str, tuple[str, ...]]:
    taken: list[str] = []
    left_out: list[str] = []
    for term in terms:
        fits = len(_joined([*taken, term], tail)) <= QUERY_LIMIT
        (taken if fits or not taken else left_out).append(term)
    return _joined(taken, tail), tuple(left_out)


def _refuse_persons(query: str, own: set[str]) -> None:
    for token in _TOKEN.findall(query):
        word = token.casefold()
        operator, colon, value = word.partition(":")
        aims = colon and operator in {"from", "to", "retweets_of", "list", "retweets_of_user"}
        who = value if aims else word
        if (aims or (word.startswith("@") and len(word) > 1)) and who.strip('"@') not in own:
            raise SetupRejected(
                "The search for X aims at a person's account; Earshot listens for an organisation, not to people.",
                "Take from:, to:, list: and @names other than our own out of connectors.x.terms.",
                code="query-aims-at-person",
            )


def _names_us(query: str, organisation: Organisation, own: str) -> bool:
    said = " ".join(token for token in _TOKEN.findall(query) if not token.startswith("-"))
    names = [organisation.name, *(a for a in organisation.aliases if len(a) > 3), own, *organisation.domains]
    return any(_plain(name) in _plain(said) for name in names if _plain(name).strip())


def _plain(text: str) -> str:
    words = " ".join(re.findall(r"[^\W_]+", text.casefold()))
    return f" {words} "


# ── looking again ───────────────────────────────────────────────────────────────────────────────────


class _Look:
    """Looks at posts by their ids, up to a hundred, and at the newest version of those that were edited."""

    def __init__(self, line: Line, purse: Purse, own: str, handle: str) -> None:
        self._line = line
        self._purse = purse
        self._own = own
        self._handle = handle
        self._seen: list[tuple[object, str, dict[str, Author]]] = []
        self._gone: list[str] = []
        self._shapes: list[str] = []
        self._usage: float | None = None

    def at(self, ids: tuple[str, ...]) -> Batch:
        """The batch of one re-check: what there is of ``ids``, and what is gone."""
        wanted = [i for i in dict.fromkeys(ids) if ID.fullmatch(i)][: min(100, self._purse.left // POST)]
        newer = self._ask({post_id: post_id for post_id in wanted})
        self._ask(dict(list(newer.items())[: self._purse.left // POST]))
        if newer:
            self._find_out_who_we_are()
        found = self._mentions()
        return Batch(
            tuple(mention for post_id, mention in found.items() if post_id not in self._gone),
            gone=tuple(dict.fromkeys(self._gone)),
            spent={MONEY: self._purse.spent},
            usage=self._usage,
            dropped=len(self._shapes),
            shapes=tuple(self._shapes[:10]),
        )

    def _ask(self, versions: dict[str, str]) -> dict[str, str]:
        """Ask for ``versions`` (the number to ask for, and the id that we know the post by); returns newer ones."""
        if not versions:
            return {}
        answer = self._paying(len(versions), lambda client: client.get_tweets(list(versions), tweet_fields=FIELDS))
        data = answer.body.get("data")
        data = data if isinstance(data, list) else []
        if not data and not isinstance(answer.body.get("errors"), list):
            raise UnexpectedReply("X says nothing about the posts that we asked for.", code="form")
        self._purse.pay((len(data) - len(versions)) * POST + included(answer.body))
        self._usage = answer.usage
        # what X no longer shows us must go, deleted and hidden alike (policy notes, R-X1)
        self._gone += [versions[post_id] for post_id, _ in told_of(answer.body) if post_id in versions]
        newer: dict[str, str] = {}
        for item in data:
            version = whole(item.get("id")) if isinstance(item, dict) else 0
            known = versions.get(str(version), "")
            self._seen.append((item, known, users_of(answer.body)))
            if known and (newest := newest_version(item, version)) != version:
                newer[str(newest)] = known
        return newer

    def _paying(self, posts: int, call: Callable[[Any], Any]) -> Answer:
        self._purse.pay(posts * POST)
        try:
            return self._line.ask(call)
        except ConnectorError as error:
            if error.spent is not None:
                self._purse.pay(-posts * POST)
            raise

    def _find_out_who_we_are(self) -> None:
        """An edit is judged anew, and for that it matters whether it is ours: worth a look at the account."""
        if not self._own and HANDLE.fullmatch(self._handle) and self._purse.left >= USER:
            try:
                self._own = look_up(lambda call: self._paying(USER // POST, call), self._handle)
            except SetupRejected:
                return

    def _mentions(self) -> dict[str, Mention]:
        found: dict[str, Mention] = {}
        for item, known, users in self._seen:
            try:
                mention, _ = read_post(item, own=self._own, users=users)
            except ValueError:
                self._shapes.append(shape_of(item)[:500])
                continue
            if known:
                found[known] = replace(mention, external_id=known)
        return found


# ── the doctor ──────────────────────────────────────────────────────────────────────────────────────


class _Examination:
    """Looks at the set-up; each look is a finding of its own, whatever becomes of the others."""

    def __init__(
        self,
        settings: Settings,
        query: str,
        left_out: tuple[str, ...],
        handle: str,
        line: Line,
        allowance: Allowance,
    ) -> None:
        self._settings = settings
        self._query = query
        self._left_out = left_out
        self._handle = handle
        self._line = line
        self._now = allowance.now
        self._purse = Purse(allowance.of(MONEY))
        self._user = settings.user_id

    def findings(self) -> tuple[Finding, ...]:
        found: list[Finding] = []
        for look in (self._search, self._token, self._account, self._newest):
            try:
                found += look()
            except ConnectorError as error:
                away = isinstance(error, Unreachable)
                found.append(Finding(Level.BAD, error.what, error.do, unreachable=away))
                if is_wide(error):
                    break
        return tuple(found)

    def _search(self) -> list[Finding]:
        found = [Finding(Level.GOOD, f"The search has {len(self._query)} of {QUERY_LIMIT} characters: {self._query}")]
        if self._left_out:
            what = f"These names of ours do not fit into it: {', '.join(self._left_out)}"
            found.append(Finding(Level.BAD, what, "Choose the most telling ones in connectors.x.terms."))
        return found

    def _token(self) -> list[Finding]:
        """Our consumption; it costs nothing and needs a token that works."""
        try:
            answer = self._line.ask(lambda client: client.request("GET", "/2/usage/tweets", params={"days": 7}))
        except CredentialsRejected as error:
            if error.code != "unsupported-authentication":
                raise
            return [Finding(Level.NOTE, "The token is a person's, not the app's: X does not tell what was used.")]
        data = answer.body.get("data")
        data = data if isinstance(data, dict) else {}
        used, cap = whole(data.get("project_usage")), whole(data.get("project_cap"))
        told = f" X has counted {used:,} posts of {cap:,} in this cycle." if cap else ""
        if cap and used >= cap * 0.9:
            return [Finding(Level.BAD, f"The token works.{told}", "Raise the cap in X's developer console.")]
        return [Finding(Level.GOOD, f"The token works. It does not expire.{told}")]

    def _account(self) -> list[Finding]:
        if not self._handle:
            level = Level.GOOD if self._user else Level.BAD
            return [Finding(level, f"Our account is number {self._user or 'unknown'}.", "Set organisation.handles.x.")]
        if self._purse.left < USER:
            return [Finding(Level.NOTE, "Our account was not looked up: the allowance does not cover it.")]
        number = look_up(self._paying_user, self._handle)
        if self._user and self._user != number:
            what = f"connectors.x.user_id is not the account @{self._handle}, which is number {number}."
            return [Finding(Level.BAD, what, f'Set user_id = "{number}" or leave it out.')]
        self._user = number
        return [Finding(Level.GOOD, f"We listen as @{self._handle}, account number {number}.")]

    def _paying_user(self, call: Callable[[Any], Any]) -> Answer:
        self._purse.pay(USER)
        return self._line.ask(call)

    def _newest(self) -> list[Finding]:
        size = SMALLEST["own"]
        if not self._user:
            return []
        if self._purse.left < size * POST:
            return [Finding(Level.NOTE, "Our newest post was not asked for: the allowance does not cover it.")]
        self._purse.pay(size * POST)
        answer = self._line.ask(
            lambda client: client.get_users_tweets(self._user, max_results=size, tweet_fields=FIELDS)
        )
        data, _ = page_of(answer.body)
        times = [time_of(i) for i in (whole(item.get("id")) for item in data if isinstance(item, dict)) if i]
        heard = f"The newest post of ours that X shows is of {max(times):%d %B %Y %H:%M} UTC." if times else ""
        found = [Finding(Level.GOOD if heard else Level.NOTE, heard or "X shows no post of ours.")]
        if answer.window is not None:
            remaining, limit = answer.window
            found.append(
                Finding(Level.GOOD, f"X grants {remaining:,} more of {limit:,} such calls in this quarter hour.")
            )
        return found + _vocabulary(data)


def _vocabulary(data: list[Any]) -> list[Finding]:
    keys = {key for item in data if isinstance(item, dict) for key in item}
    if keys & {"edit_history_post_ids", "referenced_posts", "note_post"} and "edit_history_tweet_ids" not in keys:
        return [
            Finding(
                Level.NOTE,
                "X answers in its new vocabulary, which Earshot reads but does not ask in.",
                "Update Earshot.",
            )
        ]
    return [Finding(Level.GOOD, "X answers in the vocabulary that we ask in.")] if keys else []


PLATFORM = Platform(
    NAME,
    Settings,
    connect,
    plan,
    never_shows=NEVER_SHOWS,
    preload=("tweepy", "connectors.http"),
    check=search_query,
)
