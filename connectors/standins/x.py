"""X as it answers over HTTP: version 2, both vocabularies, rate limits, prices and refusals (platform facts, part 1).

Strict where the platform is strict: an answer that would be refused or billed there is refused or billed here.
The search language is in ``connectors.standins.x_search``.
"""

from __future__ import annotations

import base64
import hashlib
import json
import re
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Any

from connectors.model import Author
from connectors.standins.server import Reply, Request
from connectors.standins.world import Post, World
from connectors.standins.x_bodies import (
    LEGACY_FIELDS,
    NEW_FIELDS,
    PROBLEMS,
    REFUSALS,
    USER_FIELDS,
    as_written,
    in_new_words,
    no_user,
    partial_error,
    references,
    short_hash,
    stamp,
    user_body,
    with_new_problems,
)
from connectors.standins.x_search import FOUND_LINK, QueryError, Seen, parse

EPOCH = 1_288_834_974_657
WINDOW = timedelta(minutes=15)
MEMORY = timedelta(days=7)
QUERY_LIMIT = 512
LONG = 280
POST, OWNED, USER, COUNT = 5_000, 1_000, 10_000, 5_000
"""Prices in millionths of a dollar (platform facts, 1.6)."""

LIMITS = {
    "search": 450,
    "mentions": 450,
    "timeline": 10_000,
    "lookup": 3_500,
    "quotes": 75,
    "counts": 300,
    "user": 300,
    "me": 75,
    "usage": 50,
}
"""Calls of an app in fifteen minutes (platform facts, 1.5)."""

SHARED_PARAMETERS = frozenset(
    ["expansions", "tweet.fields", "post.fields", "user.fields", "media.fields", "place.fields", "poll.fields"]
)
PAGING = frozenset(["max_results", "since_id", "until_id", "start_time", "end_time", "pagination_token"])


class Refused(Exception):
    """The request is answered with an error."""

    def __init__(self, status: int, body: object) -> None:
        super().__init__(status)
        self.reply = Reply(status, body, {"content-type": "application/problem+json"})


def invalid(parameter: str, value: object, message: str) -> Refused:
    """A refusal of family B, which names the parameter."""
    return Refused(
        400,
        {
            "errors": [{"parameters": {parameter: [str(value)]}, "message": message}],
            "title": "Invalid Request",
            "detail": "One or more parameters to your request was invalid.",
            "type": f"{PROBLEMS}invalid-request",
        },
    )


def snowflake(moment: datetime, sequence: int = 0) -> int:
    """An id of X for ``moment``."""
    return max(0, int(moment.timestamp() * 1000) - EPOCH) << 22 | (sequence & 0x3FFFFF)


def moment_of(post_id: int) -> datetime:
    """The time in an id, aware UTC."""
    return datetime.fromtimestamp(((post_id >> 22) + EPOCH) / 1000, UTC)


@dataclass(slots=True)
class Bill:
    """What was billed, in millionths of a dollar: each resource once in a UTC day, each count request."""

    total: int = 0
    posts: int = 0
    resources: set[tuple[str, str, str]] = field(default_factory=set)

    def resource(self, day: str, kind: str, number: str, price: int) -> None:
        """Bill a post or a user, unless it was billed today."""
        if (day, kind, number) not in self.resources:
            self.resources.add((day, kind, number))
            self.total += price
            self.posts += kind == "post"


@dataclass(slots=True)
class _Window:
    """Fifteen minutes of one endpoint."""

    began: datetime
    used: int = 0


class XStandIn:
    """X over ``world``. The attributes may be changed at any time; see each.

    ``credits`` and ``spend_cap`` (millionths of a dollar) and ``post_cap`` (posts) say where the money ends, None
    for never. ``limits`` holds the calls per window by endpoint. ``index_lag`` is how long a post takes to be
    found. ``strict_fields`` refuses unknown field names instead of ignoring them. ``page_cap`` makes pages
    smaller than asked. ``blind`` answers every list as empty: success without anything.
    """

    name = "x"

    def __init__(
        self,
        world: World,
        bearer_token: str = "x-app-token",  # noqa: S107 - an invented one, of an invented platform
        user_id: str = "2244990001",
        handle: str = "TessellateUK",
        *,
        user_token: str | None = None,
    ) -> None:
        self.world = world
        self.bearer_token = bearer_token
        self.user_token = user_token
        self.user_id = user_id
        self.handle = handle
        self.bill = Bill()
        self.credits: int | None = None
        self.spend_cap: int | None = None
        self.post_cap: int | None = None
        self.limits = dict(LIMITS)
        self.index_lag = timedelta()
        self.strict_fields = False
        self.page_cap = 100
        self.blind = False
        self._windows: dict[tuple[str, str], _Window] = {}
        self._refusing: list[tuple[str, str, int]] = []
        world.namers[self.name] = _new_id
        world.own.setdefault(self.name, Author(name=handle, handle=handle, id=user_id))

    def refuse(self, name: str, *, path: str = "", times: int = 1) -> None:
        """Answer the next ``times`` requests whose path contains ``path`` with one of ``REFUSALS``."""
        self._refusing.append((name, path, times))

    def answer(self, request: Request) -> Reply:
        """What X answers."""
        with self.world.lock:
            endpoint, work = self._route(request)
            headers: dict[str, str] = {}
            try:
                context = self._context(request)
                if work is None:
                    return Reply(404, b"")
                headers = self._count_call(endpoint, context)
                self._play_refusal(request.path)
                self._check_money()
                if request.method != "GET":
                    raise Refused(405, {"title": "Method Not Allowed", "type": "about:blank", "status": 405})
                asked = _Asked(request, self.world.now(), context, self.strict_fields)
                body = work(asked)
                return Reply(200, with_new_problems(body) if asked.is_new else body, headers)
            except Refused as refused:
                return Reply(refused.reply.status, refused.reply.body, {**refused.reply.headers, **headers})

    # who may ask, how often, and for how much

    def _context(self, request: Request) -> str:
        scheme, _, token = request.headers.get("authorization", "").partition(" ")
        if scheme.lower() == "bearer" and token == self.bearer_token:
            return "app"
        if scheme.lower() == "bearer" and self.user_token is not None and token == self.user_token:
            return "user"
        raise Refused(*self._refusal("unauthorized"))

    def _count_call(self, endpoint: str, context: str) -> dict[str, str]:
        now, limit = self.world.now(), self.limits[endpoint]
        window = self._windows.get((endpoint, context))
        if window is None or now >= window.began + WINDOW or now < window.began:
            window = self._windows[endpoint, context] = _Window(now)
        window.used += 1
        headers = {
            "x-rate-limit-limit": str(limit),
            "x-rate-limit-remaining": str(max(0, limit - window.used)),
            "x-rate-limit-reset": str(int((window.began + WINDOW).timestamp()) + 1),
        }
        if window.used > limit:
            status, body = self._refusal("rate_limit")
            refused = Refused(status, body)
            refused.reply = Reply(status, body, headers)
            raise refused
        return headers

    def _play_refusal(self, path: str) -> None:
        for number, (name, where, times) in enumerate(self._refusing):
            if where in path and times > 0:
                self._refusing[number] = (name, where, times - 1)
                raise Refused(*self._refusal(name))

    def _refusal(self, name: str) -> tuple[int, dict[str, Any]]:
        status, body = REFUSALS[name]
        first = (self.world.now().replace(day=1) + timedelta(days=32)).replace(day=1)
        return status, {
            key: value.replace("{reset}", f"{first:%Y-%m-%d}") if isinstance(value, str) else value
            for key, value in body.items()
        }

    def _check_money(self) -> None:
        if self.credits is not None and self.bill.total >= self.credits:
            raise Refused(*self._refusal("credits_depleted"))
        if self.spend_cap is not None and self.bill.total >= self.spend_cap:
            raise Refused(*self._refusal("spend_cap"))
        if self.post_cap is not None and self.bill.posts >= self.post_cap:
            raise Refused(*self._refusal("usage_cap"))

    def _charge(self, kind: str, numbers: Iterable[str], price: int) -> None:
        day = f"{self.world.now():%Y-%m-%d}"
        for number in numbers:
            self.bill.resource(day, kind, number, price)

    # where a request goes

    def _route(self, request: Request) -> tuple[str, Callable[[_Asked], object] | None]:
        path = request.path
        fixed: dict[str, tuple[str, Callable[[_Asked], object]]] = {
            "/2/tweets/search/recent": ("search", self._search),
            "/2/tweets/counts/recent": ("counts", self._counts),
            "/2/tweets": ("lookup", self._lookup),
            "/2/usage/tweets": ("usage", self._usage),
            "/2/users/me": ("me", self._me),
            "/2/users": ("user", self._users_by_id),
            "/2/users/by": ("user", self._users_by_name),
        }
        if path in fixed:
            return fixed[path]
        for pattern, endpoint, work in (
            (r"/2/users/by/username/([^/]+)", "user", self._user_by_name),
            (r"/2/users/([^/]+)/mentions", "mentions", self._mentions),
            (r"/2/users/([^/]+)/tweets", "timeline", self._timeline),
            (r"/2/users/([^/]+)", "user", self._user_by_id),
            (r"/2/tweets/([^/]+)/quote_tweets", "quotes", self._quotes),
            (r"/2/tweets/([^/]+)", "lookup", self._one),
        ):
            if found := re.fullmatch(pattern, path):
                return endpoint, lambda asked, work=work, found=found: work(asked, found[1])
        return "lookup", None

    # posts in lists

    def _search(self, asked: _Asked) -> object:
        asked.only({"query", "next_token", "sort_order"} | PAGING | SHARED_PARAMETERS)
        matches = self._query(asked)
        page = asked.page(smallest=10, usual=10, token_names=("next_token", "pagination_token"), memory=MEMORY)
        newest = asked.now - self.index_lag
        found = (v for v in self._versions() if page.covers(v) and v.post.posted_at <= newest)
        found = (v for v in found if "retweets" not in v.post.extra)
        return self._list(asked, page, (v for v in found if matches(self._seen(v))))

    def _counts(self, asked: _Asked) -> object:
        asked.only({"query", "granularity", "next_token", "search_count.fields"} | PAGING - {"max_results"})
        matches = self._query(asked)
        steps = {"minute": timedelta(minutes=1), "hour": timedelta(hours=1), "day": timedelta(days=1)}
        name = asked.request.one("granularity") or "hour"
        if name not in steps:
            raise invalid("granularity", name, f"The `granularity` query parameter value [{name}] is not valid")
        page = asked.page(smallest=10, usual=10, token_names=("next_token", "pagination_token"), memory=MEMORY)
        self.bill.total += COUNT
        found = [v for v in self._versions() if page.covers(v) and matches(self._seen(v))]
        start = page.start or (moment_of(page.since) if page.since else asked.now - MEMORY)
        data: list[dict[str, object]] = []
        edge = start
        key = "post_count" if asked.is_new else "tweet_count"
        while edge < asked.now:
            following = min(asked.now, edge.replace(second=0, microsecond=0) + steps[name])
            number = sum(edge <= v.at and (v.at < following or following == asked.now) for v in found)
            data.append({"start": stamp(edge), "end": stamp(following), key: number})
            edge = following
        return {"data": data, "meta": {f"total_{key}": sum(int(str(d[key])) for d in data)}}

    def _mentions(self, asked: _Asked, user_id: str) -> object:
        asked.only(PAGING | SHARED_PARAMETERS)
        user = self._user_of(user_id)
        page = asked.page(smallest=5, usual=10, token_names=("pagination_token",))
        if isinstance(user, dict):
            return user
        named = [v for v in self._versions() if v.post.author.id != user.id and self._names(v, user)]
        return self._list(asked, page, sorted(named, key=lambda v: -v.number)[:800], owned=user_id)

    def _timeline(self, asked: _Asked, user_id: str) -> object:
        asked.only({"exclude"} | PAGING | SHARED_PARAMETERS)
        user = self._user_of(user_id)
        page = asked.page(smallest=5, usual=10, token_names=("pagination_token",))
        exclude = set(asked.words("exclude"))
        if exclude - {"replies", "retweets"}:
            raise invalid("exclude", ",".join(exclude), "The `exclude` query parameter value is not valid")
        if isinstance(user, dict):
            return user
        own = [v for v in self._versions() if v.post.author.id == user_id]
        own = [v for v in own if not ("replies" in exclude and v.post.parent)]
        own = [v for v in own if not ("retweets" in exclude and "retweets" in v.post.extra)]
        return self._list(asked, page, own, owned=user_id)

    def _quotes(self, asked: _Asked, post_id: str) -> object:
        asked.only({"exclude"} | PAGING | SHARED_PARAMETERS)
        page = asked.page(smallest=10, usual=10, token_names=("pagination_token",))
        return self._list(asked, page, (v for v in self._versions() if str(v.post.extra.get("quotes", "")) == post_id))

    def _list(self, asked: _Asked, page: _Page, found: Iterable[_Version], owned: str = "") -> object:
        """A page, newest first, with its price; ``data`` is absent when there is nothing."""
        rows = sorted((v for v in found if page.covers(v)), key=lambda v: -v.number) if not self.blind else []
        size = min(page.size, self.page_cap)
        shown, more = rows[:size], len(rows) > size
        meta: dict[str, object] = {"result_count": len(shown)}
        if not shown:
            return {"meta": meta}
        meta |= {"newest_id": shown[0].id, "oldest_id": shown[-1].id}
        if more:
            meta["next_token"] = page.token_after(shown[-1])
        is_owned = owned == self.user_id and asked.context == "user"
        self._charge("post", (v.id for v in shown), OWNED if is_owned else POST)
        return {"data": [self._shown(asked, v) for v in shown], **self._included(asked, shown), "meta": meta}

    # posts by their ids

    def _lookup(self, asked: _Asked) -> object:
        asked.only({"ids"} | SHARED_PARAMETERS)
        ids = asked.words("ids")
        if not ids:
            raise invalid("ids", "", "The `ids` query parameter can not be empty")
        if len(ids) > 100:
            raise invalid(
                "ids",
                len(ids),
                f"The number of values in the `ids` query parameter list [{len(ids)}] is not between 1 and 100",
            )
        for post_id in ids:
            if not re.fullmatch(r"[0-9]{1,19}", post_id):
                raise invalid("ids", post_id, f"The `ids` query parameter value [{post_id}] is not valid")
        return self._these(asked, ids, "ids")

    def _one(self, asked: _Asked, post_id: str) -> object:
        asked.only(SHARED_PARAMETERS)
        if not re.fullmatch(r"[0-9]{1,19}", post_id):
            raise invalid("id", post_id, f"The `id` query parameter value [{post_id}] is not valid")
        body = self._these(asked, [post_id], "id")
        return {**body, "data": body["data"][0]} if "data" in body else body

    def _these(self, asked: _Asked, ids: list[str], parameter: str) -> dict[str, Any]:
        known = {v.id: v for v in self._versions(all_of_them=True, hidden_too=True)}
        shown = [known[i] for i in dict.fromkeys(ids) if i in known and not known[i].post.hidden]
        errors = [
            partial_error(i, parameter, hidden=i in known)
            for i in dict.fromkeys(ids)
            if i not in known or known[i].post.hidden
        ]
        self._charge("post", (v.id for v in shown), POST)
        body: dict[str, Any] = {"data": [self._shown(asked, v) for v in shown]} if shown else {}
        body |= self._included(asked, shown)
        errors = [*body.pop("errors", []), *errors]
        return {**body, **({"errors": errors} if errors else {})}

    # people, and what was used

    def _me(self, asked: _Asked) -> object:
        if asked.context != "user":
            raise Refused(*self._refusal("unsupported_authentication"))
        return self._people(asked, [self.user_id], "id", self._person_by_id, one=True)

    def _user_by_id(self, asked: _Asked, user_id: str) -> object:
        if not re.fullmatch(r"[0-9]{1,19}", user_id):
            raise invalid("id", user_id, f"The `id` query parameter value [{user_id}] is not valid")
        return self._people(asked, [user_id], "id", self._person_by_id, one=True)

    def _users_by_id(self, asked: _Asked) -> object:
        return self._people(asked, asked.words("ids"), "ids", self._person_by_id)

    def _user_by_name(self, asked: _Asked, name: str) -> object:
        return self._people(asked, [self._checked_name(name, "username")], "username", self._person_by_name, one=True)

    def _users_by_name(self, asked: _Asked) -> object:
        names = [self._checked_name(name, "usernames") for name in asked.words("usernames")]
        return self._people(asked, names, "usernames", self._person_by_name)

    @staticmethod
    def _checked_name(name: str, parameter: str) -> str:
        if not re.fullmatch(r"[A-Za-z0-9_]{1,15}", name):
            message = f"The `{parameter}` query parameter value [{name}] does not match ^[A-Za-z0-9_]{{1,15}}$"
            raise invalid(parameter, name, message)
        return name

    def _people(
        self, asked: _Asked, keys: list[str], parameter: str, find: Callable[[str], Author | None], *, one: bool = False
    ) -> object:
        asked.only({"ids", "usernames"} | SHARED_PARAMETERS)
        if not keys:
            raise invalid(parameter, "", f"The `{parameter}` query parameter can not be empty")
        found = {key: find(key) for key in keys}
        people = [person for person in found.values() if person is not None]
        self._charge("user", (str(person.id) for person in people), USER)
        errors = [no_user(key, parameter) for key, person in found.items() if person is None]
        data = [user_body(person, asked.words("user.fields")) for person in people]
        body: dict[str, object] = {"data": data[0] if one else data} if data else {}
        return {**body, **({"errors": errors} if errors else {})}

    def _usage(self, asked: _Asked) -> object:
        asked.only({"days", "usage.fields"})
        if asked.context != "app":
            raise Refused(*self._refusal("unsupported_authentication"))
        first = (asked.now.replace(day=1) + timedelta(days=32)).replace(day=1)
        return {
            "data": {
                "project_id": "1",
                "project_cap": str(self.post_cap or 3_000_000),
                "project_usage": str(self.bill.posts),
                "cap_reset_day": (first.date() - asked.now.date()).days,
            }
        }

    # the world as X sees it

    def _versions(self, *, all_of_them: bool = False, hidden_too: bool = False) -> list[_Version]:
        """Every post that can be seen, in its newest wording, or in all of them."""
        found: list[_Version] = []
        for post in self.world.posts(self.name):
            if post.hidden and not hidden_too:
                continue
            ids = [version.id or post.id for version in post.versions]
            for number, version in enumerate(post.versions):
                if all_of_them or number == len(post.versions) - 1:
                    found.append(_Version(post, ids[number], version.text or "", version.at, ids))
        return found

    def _query(self, asked: _Asked) -> Callable[[Seen], bool]:
        query = asked.request.one("query")
        if not query:
            raise invalid("query", "", "The `query` query parameter can not be empty")
        if len(query) > QUERY_LIMIT:
            raise invalid("query", query, f"The query is longer than {QUERY_LIMIT} characters.")
        try:
            return parse(query)
        except QueryError as error:
            raise invalid("query", query, f"There were errors processing your request: {error}") from None

    def _seen(self, version: _Version) -> Seen:
        post = version.post
        parent = self.world.get(self.name, post.parent) if post.parent else None
        return Seen(
            text=self._full_text(version),
            author=post.author.handle or "",
            author_id=post.author.id or "",
            to=(parent.author.handle or "", parent.author.id or "") if parent else ("", ""),
            links=tuple(FOUND_LINK.findall(version.text)),
            lang=str(post.extra.get("lang", "en")),
            is_reply=bool(post.parent),
            is_quote="quotes" in post.extra,
            is_retweet="retweets" in post.extra,
            is_verified=bool(post.author.verified),
            has_media=bool(post.extra.get("media")),
            conversation=post.thread or post.id,
            parent=post.parent or "",
            quotes=str(post.extra.get("quotes", "")),
            likes=post.likes,
            replies=post.replies,
            reposts=post.shares,
        )

    def _names(self, version: _Version, user: Author) -> bool:
        handle = re.escape(user.handle or "")
        return re.search(rf"(?<![\w@])@{handle}(?!\w)", self._full_text(version), re.IGNORECASE) is not None

    def _full_text(self, version: _Version) -> str:
        """The wording, led in a reply by the names of those whom it answers, as X writes it."""
        lead = ""
        post: Post | None = version.post
        for _ in range(10):
            post = self.world.get(self.name, post.parent) if post and post.parent else None
            if post is None:
                break
            name = f"@{post.author.handle} "
            spoken = f" {lead}{version.text}".casefold()
            if post.author.id != version.post.author.id and name.strip().casefold() not in spoken:
                lead += name
        return lead + version.text

    def _shown(self, asked: _Asked, version: _Version) -> dict[str, object]:
        whole = self._whole_post(version)
        if asked.is_new:
            whole = in_new_words(whole, asked.words("expansions"))
            wanted = {"id", "text", *asked.words("post.fields")}
            loose = {"author_id", "in_reply_to_user_id", "referenced_posts", "edit_history_post_ids"}
            return {key: value for key, value in whole.items() if key in wanted & NEW_FIELDS or key in loose}
        wanted = {"id", "text", "edit_history_tweet_ids", *asked.words("tweet.fields")}
        return {key: value for key, value in whole.items() if key in wanted & LEGACY_FIELDS}

    def _whole_post(self, version: _Version) -> dict[str, object]:
        post = version.post
        text, entities = as_written(self._full_text(version))
        parent = self.world.get(self.name, post.parent) if post.parent else None
        edits = len(version.history) - 1
        whole: dict[str, object] = {
            "id": version.id,
            "text": text,
            "edit_history_tweet_ids": version.history,
            "author_id": post.author.id or "0",
            "conversation_id": post.thread or post.id,
            "created_at": stamp(version.at),
            "lang": str(post.extra.get("lang", "en")),
            "public_metrics": {
                "retweet_count": post.shares,
                "reply_count": post.replies,
                "like_count": post.likes,
                "quote_count": 0,
                "bookmark_count": 0,
                "impression_count": post.likes * 30,
            },
            "edit_controls": {
                "is_edit_eligible": post.parent is None,
                "editable_until": stamp(post.posted_at + timedelta(hours=1)),
                "edits_remaining": max(0, 5 - edits),
            },
            "possibly_sensitive": False,
            "reply_settings": "everyone",
        }
        if len(text) > LONG:
            short = f"{text[: LONG - 26]}… https://t.co/{short_hash(version.id)}"
            whole |= {"text": short, "note_tweet": {"text": text, **({"entities": entities} if entities else {})}}
        elif entities:
            whole["entities"] = entities
        if parent is not None:
            whole["in_reply_to_user_id"] = parent.author.id or "0"
        if refers := references(post):
            whole["referenced_tweets"] = refers
        return whole

    def _included(self, asked: _Asked, shown: list[_Version]) -> dict[str, Any]:
        """Users and posts that came by expansion, each once and each billed, and errors for those that are gone."""
        wanted = set(asked.words("expansions"))
        includes: dict[str, list[Any]] = {}
        errors: list[dict[str, Any]] = []
        if "author_id" in wanted:
            people = {str(v.post.author.id): v.post.author for v in shown}
            self._charge("user", people, USER)
            includes["users"] = [user_body(person, asked.words("user.fields")) for person in people.values()]
        if wanted & {"referenced_tweets.id", "referenced_posts"}:
            known = {v.id: v for v in self._versions(all_of_them=True)}
            ids = list(dict.fromkeys(str(r["id"]) for v in shown for r in references(v.post)))
            there = [known[i] for i in ids if i in known]
            self._charge("post", (v.id for v in there), POST)
            if there:
                includes["posts" if asked.is_new else "tweets"] = [self._shown(asked, v) for v in there]
            for i in ids:
                if i not in known:
                    errors.append({**partial_error(i, "referenced_tweets.id", hidden=False), "section": "includes"})
        return {**({"includes": includes} if includes else {}), **({"errors": errors} if errors else {})}

    def _user_of(self, user_id: str) -> Author | dict[str, object]:
        if not re.fullmatch(r"[0-9]{1,19}", user_id):
            raise invalid("id", user_id, f"The `id` query parameter value [{user_id}] is not valid")
        found = self._person_by_id(user_id)
        return found if found is not None else {"errors": [no_user(user_id, "id")]}

    def _person_by_id(self, user_id: str) -> Author | None:
        return next((person for person in self._everybody() if person.id == user_id), None)

    def _person_by_name(self, name: str) -> Author | None:
        return next((p for p in self._everybody() if (p.handle or "").casefold() == name.casefold()), None)

    def _everybody(self) -> Iterable[Author]:
        yield Author(name=self.handle, handle=self.handle, id=self.user_id)
        for post in self.world.posts(self.name):
            yield post.author


# ── requests ────────────────────────────────────────────────────────────────────────────────────────


@dataclass(frozen=True, slots=True)
class _Version:
    """One wording of a post, with the ids of all of them, oldest first."""

    post: Post
    id: str
    text: str
    at: datetime
    history: list[str]

    @property
    def number(self) -> int:
        return int(self.id)


@dataclass(frozen=True, slots=True)
class _Page:
    """Which part of a list is asked for."""

    size: int
    since: int
    until: int
    start: datetime | None
    end: datetime | None
    tied_to: str

    def covers(self, version: _Version) -> bool:
        return (
            version.number > self.since
            and (not self.until or version.number < self.until)
            and (self.start is None or version.at >= self.start)
            and (self.end is None or version.at < self.end)
        )

    def token_after(self, version: _Version) -> str:
        """A continuation that is good for this query only."""
        raw = f"{self.tied_to}:{version.id}".encode()
        return base64.b32encode(raw).decode().rstrip("=").lower()


class _Asked:
    """A request with its vocabulary and its checked parameters."""

    def __init__(self, request: Request, now: datetime, context: str, strict: bool) -> None:
        self.request = request
        self.now = now
        self.context = context
        self.is_new = "post.fields" in request.query or bool(
            {"referenced_posts", "edit_history_post_ids"} & set(self.words("expansions"))
        )
        if strict:
            self._refuse_unknown_fields()

    def words(self, name: str) -> list[str]:
        """A comma list."""
        return [word for word in (self.request.one(name) or "").split(",") if word]

    def only(self, known: Iterable[str]) -> None:
        """Refuse a parameter that the endpoint does not have, and one that is given twice."""
        names = sorted(known)
        for name, values in self.request.query.items():
            if name not in names:
                raise invalid(name, values[0], f"The query parameter [{name}] is not one of [{','.join(names)}]")
            if len(values) > 1:
                raise invalid(name, values[0], f"The query parameter [{name}] is given more than once")

    def _refuse_unknown_fields(self) -> None:
        for name, known in (
            ("tweet.fields", LEGACY_FIELDS),
            ("post.fields", NEW_FIELDS),
            ("user.fields", USER_FIELDS),
        ):
            for word in self.words(name):
                if word not in known:
                    message = f"The `{name}` query parameter value [{word}] is not one of [{','.join(sorted(known))}]"
                    raise invalid(name, word, message)

    def page(
        self, *, smallest: int, usual: int, token_names: tuple[str, ...], memory: timedelta | None = None
    ) -> _Page:
        """The page asked for. ``memory`` is how far back the endpoint looks."""
        size = self._whole("max_results", usual)
        if not smallest <= size <= 100:
            message = f"The `max_results` query parameter value [{size}] is not between {smallest} and 100"
            raise invalid("max_results", size, message)
        since, until = self._id("since_id"), self._id("until_id")
        start, end = self._time("start_time"), self._time("end_time")
        if (since or until) and (start or end):
            name = "since_id" if since else "until_id"
            message = "Invalid use of 'since_id' or 'until_id' in conjunction with 'start_time' or 'end_time'."
            raise invalid(name, since or until, message)
        if memory is not None:
            self._check_memory(since, start, self.now - memory)
            start = start or (None if since else self.now - memory)
        if end is not None and end > self.now - timedelta(seconds=10):
            raise invalid(
                "end_time", stamp(end), "'end_time' must be a minimum of 10 seconds prior to the request time."
            )
        tied_to = self._tie()
        token = next((v for name in token_names if (v := self.request.one(name))), None)
        if token is not None:
            until = self._open(token, tied_to, token_names)
        return _Page(size, since, until, start, end, tied_to)

    def _check_memory(self, since: int, start: datetime | None, floor: datetime) -> None:
        if since and moment_of(since) < floor:
            least = snowflake(floor)
            message = (
                f"'since_id' must be a tweet id created after {floor:%Y-%m-%dT%H:%MZ}. "
                f"Please use a 'since_id' that is larger than {least}"
            )
            raise invalid("since_id", since, message)
        if start is not None and start < floor:
            message = f"'start_time' must be on or after {floor:%Y-%m-%dT%H:%MZ}."
            raise invalid("start_time", stamp(start), message)

    def _tie(self) -> str:
        """What a token belongs to: path, query and stretch of time, not the size of the page."""
        names = ("query", "since_id", "until_id", "start_time", "end_time", "sort_order", "exclude")
        told = [self.request.path, *(self.request.one(name) or "" for name in names)]
        return hashlib.sha256(json.dumps(told).encode()).hexdigest()[:12]

    def _open(self, token: str, tied_to: str, names: tuple[str, ...]) -> int:
        name = next(name for name in names if self.request.one(name))
        try:
            raw = base64.b32decode(token.upper() + "=" * (-len(token) % 8)).decode()
            tie, _, number = raw.partition(":")
            if tie == tied_to and number.isdigit():
                return int(number)
        except ValueError:
            pass
        raise invalid(name, token, f"The `{name}` query parameter value [{token}] is not valid")

    def _whole(self, name: str, usual: int) -> int:
        raw = self.request.one(name)
        if raw is None:
            return usual
        if not re.fullmatch(r"[0-9]{1,9}", raw):
            raise invalid(name, raw, f"The `{name}` query parameter value [{raw}] is not a number")
        return int(raw)

    def _id(self, name: str) -> int:
        raw = self.request.one(name)
        if raw is None:
            return 0
        if not re.fullmatch(r"[0-9]{1,19}", raw):
            raise invalid(name, raw, f"The `{name}` query parameter value [{raw}] does not match ^[0-9]{{1,19}}$")
        return int(raw)

    def _time(self, name: str) -> datetime | None:
        raw = self.request.one(name)
        if raw is None:
            return None
        if not re.fullmatch(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(\.\d{1,3})?Z", raw):
            message = f"The `{name}` query parameter value [{raw}] is not a valid RFC3339 timestamp"
            raise invalid(name, raw, message)
        try:
            return datetime.fromisoformat(raw)
        except ValueError:
            raise invalid(name, raw, f"The `{name}` query parameter value [{raw}] is no time") from None


def _new_id(world: World, post: Post) -> str:
    return str(snowflake(post.posted_at, next(world.count)))
