"""What the stand-ins of Facebook and Instagram share: a strict imitation of Meta's Graph API over the world.

Imitated: versions (an ended one is served by the oldest alive, one to come is unknown), the token by header or
parameter, ``appsecret_proof``, ``fields`` with nesting and modifiers, opaque cursors, ``next`` with the token but
without the proof, usage headers that rise with each call and fall with time, absent keys instead of null, and the
error bodies. Sources: platform facts 1, 2, 5.1 and 6, and the machine specs of Meta's own code generator.
"""

from __future__ import annotations

import base64
import hashlib
import hmac
import json
import re
from collections import deque
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from typing import Any
from urllib.parse import parse_qs, urlencode

from connectors.standins.server import Reply, Request
from connectors.standins.world import Post, World

ALIVE = ("v21.0", "v22.0", "v23.0", "v24.0", "v25.0", "v26.0")
"""Versions that answer on 2026-11-22; the first serves all that have ended (platform facts, 1.6)."""

_TRACE = "A7xEarshotStandInTrace"


class GraphError(Exception):
    """A refusal, with the HTTP status that usually comes with it."""

    def __init__(
        self, status: int, code: int, message: str, *, kind: str = "OAuthException", subcode: int = 0, **more: object
    ) -> None:
        super().__init__(message)
        self.status = status
        self.body: dict[str, Any] = {"message": message, "type": kind, "code": code}
        if subcode:
            self.body["error_subcode"] = subcode
        self.body |= {**more, "fbtrace_id": _TRACE}


@dataclass(frozen=True, slots=True)
class Field:
    """One field of a ``fields`` parameter: its name, its modifiers and the fields inside its braces."""

    name: str
    modifiers: Mapping[str, str] = field(default_factory=dict)
    inside: tuple[Field, ...] = ()


def parse_fields(text: str) -> tuple[Field, ...]:
    """Read ``id,comments.limit(5){id,message}``; raises ``GraphError`` for anything malformed."""
    found, rest = _fields(text.strip())
    if rest:
        raise _syntax(rest)
    return found


_NAME = re.compile(r"\s*([a-z_][a-z0-9_]*)")
_MODIFIER = re.compile(r"\.([a-z_]+)\(([^()]*)\)")


def _fields(text: str) -> tuple[tuple[Field, ...], str]:
    found = []
    while True:
        match = _NAME.match(text)
        if not match:
            raise _syntax(text)
        name, text = match[1], text[match.end() :]
        modifiers = {}
        while match := _MODIFIER.match(text):
            modifiers[match[1]] = match[2]
            text = text[match.end() :]
        inside: tuple[Field, ...] = ()
        if text.startswith("{"):
            inside, text = _fields(text[1:])
            if not text.startswith("}"):
                raise _syntax(text)
            text = text[1:].lstrip()
        found.append(Field(name, modifiers, inside))
        if not text.startswith(","):
            return tuple(found), text
        text = text[1:]


def _syntax(rest: str) -> GraphError:
    return GraphError(400, 2500, f'Syntax error "Expected name." at character {len(rest)}: {rest[:10]}')


Maker = Callable[[Post, Field], Any]
"""Makes the value of one field of a node; None leaves the key out."""


@dataclass(frozen=True, slots=True)
class NodeType:
    """A kind of node: the fields it can give, and those that it gives when none are asked for."""

    name: str
    makers: Mapping[str, Maker]
    usual: tuple[str, ...]


@dataclass(slots=True)
class Token:
    """A token that the platform has given: its type, whose it is, what it may, and until when."""

    kind: str = "PAGE"
    owner: str = ""
    scopes: frozenset[str] = frozenset()
    expires_at: datetime | None = None
    data_access_expires_at: datetime | None = None
    dead_subcode: int = 0
    """Set to play a token that is refused: 458, 459, 460, 463, 464, 467, 492 ..."""
    issued_at: datetime | None = None


class Shelf:
    """What can be seen at one moment, sorted once: a request asks for the comments of many posts."""

    def __init__(self, posts: Sequence[Post]) -> None:
        self.posts = newest_first(posts)
        self.by_id = {post.id: post for post in self.posts}
        self.by_parent: dict[str, list[Post]] = {}
        self.by_thread: dict[str, list[Post]] = {}
        for post in self.posts:
            if post.parent is not None:
                self.by_parent.setdefault(post.parent, []).append(post)
                self.by_thread.setdefault(post.thread or post.parent, []).append(post)

    def below(self, post_id: str) -> list[Post]:
        """Everything that hangs under a post, however deep; newest first."""
        found, waiting = [], [post_id]
        while waiting:
            children = self.by_parent.get(waiting.pop(), [])
            found += children
            waiting += [child.id for child in children]
        return newest_first(found)


class GraphStandIn:
    """The part of an imitation that all Graph hosts share. Safe to use from many threads."""

    def __init__(self, world: World, name: str, *, app_id: str, app_secret: str, bucket: str, limit_code: int) -> None:
        self.world = world
        self.name = name
        self.app_id = app_id
        self.app_secret = app_secret
        self.tokens: dict[str, Token] = {}
        self.budget = 480_000
        """Calls in 24 hours; 4,800 for each person who engaged (platform facts, 5.1)."""
        self.quiet_calls = 3
        """Usage headers come only after some traffic."""
        self.account = ""
        self._bucket = bucket
        self._limit_code = limit_code
        self._calls: deque[datetime] = deque()
        self._shut_until: datetime | None = None
        self._shelf: Shelf | None = None

    @property
    def shelf(self) -> Shelf:
        """The posts of this platform as this request sees them."""
        if self._shelf is None:
            self._shelf = Shelf(list(self.world.posts(self.name)))
        return self._shelf

    # ── one request ─────────────────────────────────────────────────────────────────────────────

    def answer(self, request: Request) -> Reply:
        """The platform's answer."""
        with self.world.lock:
            served, self._shelf = ALIVE[0], None
            try:
                served, path = self._version(request.path)
                body = self._answer(request, served, path)
                return Reply(200, body, self._headers(served))
            except GraphError as error:
                return Reply(error.status, {"error": error.body}, self._headers(served))

    def _answer(self, request: Request, served: str, path: str) -> Any:
        params = {name: values[-1] for name, values in request.query.items()}
        if request.method == "POST":
            params |= {name: values[-1] for name, values in parse_qs(request.body.decode("utf-8", "replace")).items()}
        open_answer = self.without_token(request.method, path, params)
        if open_answer is not None:
            return open_answer
        token = self._token(request, params, path)
        self._prove(token, params)
        self._count()
        call = Call(self, served, token, params)
        if path == "debug_token":
            return self._debug_token(call)
        if not path and "ids" in params:
            return self._many(call)
        if not path:
            raise GraphError(400, 100, "Unsupported get request.", kind="GraphMethodException", subcode=33)
        return self.route(call, request.method, path)

    def route(self, call: Call, method: str, path: str) -> Any:
        """The answer for one object or edge; each platform knows its own."""
        raise NotImplementedError

    def without_token(self, method: str, path: str, params: Mapping[str, str]) -> Any:
        """What is answered without the header: the exchange of tokens."""
        return None

    def node(self, call: Call, object_id: str, fields: str | None) -> Any:
        """One object by id; raises the refusal 100/33 where there is none."""
        raise NotImplementedError

    def _many(self, call: Call) -> dict[str, Any]:
        ids = [one for one in call.params["ids"].split(",") if one]
        if not ids or len(ids) > 50:
            raise GraphError(400, 100, "(#100) Too many IDs. Maximum: 50.")
        for _ in ids[1:]:
            self._count()
        return {one: self.node(call, one, call.params.get("fields")) for one in ids}

    def _version(self, path: str) -> tuple[str, str]:
        match = re.match(r"^/v(\d+)\.(\d+)(?:/|$)", path)
        if not match:
            return ALIVE[0], path.strip("/")
        asked = (int(match[1]), int(match[2]))
        alive = {_numbers(version): version for version in ALIVE}
        rest = path[match.end() :].strip("/")
        if asked > max(alive):
            raise GraphError(400, 2500, f"Unknown path components: /{rest}")
        return alive.get(asked, ALIVE[0]), rest

    def _token(self, request: Request, params: Mapping[str, str], path: str) -> str:
        scheme, _, given = request.headers.get("authorization", "").partition(" ")
        token = params.get("access_token") or (given.strip() if scheme.lower() in {"bearer", "oauth"} else "")
        if not token:
            raise GraphError(
                400, 2500, "An active access token must be used to query information about the current user."
            )
        if token == f"{self.app_id}|{self.app_secret}" and path == "debug_token":
            return token
        known = self.tokens.get(token)
        if known is None:
            raise GraphError(401, 190, "Invalid OAuth access token - Cannot parse access token")
        if known.expires_at is not None and known.expires_at <= self.world.now():
            raise GraphError(400, 190, "Error validating access token: Session has expired.", subcode=463)
        if known.dead_subcode:
            raise GraphError(400, 190, "Error validating access token.", subcode=known.dead_subcode)
        return token

    def _prove(self, token: str, params: Mapping[str, str]) -> None:
        if not self.app_secret:
            return
        given = params.get("appsecret_proof")
        if given is None:
            raise GraphError(
                400, 100, "API calls from the server require an appsecret_proof argument", kind="GraphMethodException"
            )
        true = hmac.new(self.app_secret.encode(), token.encode(), hashlib.sha256).hexdigest()
        if not hmac.compare_digest(given, true):
            raise GraphError(
                400, 100, "Invalid appsecret_proof provided in the API argument", kind="GraphMethodException"
            )

    # ── limits ──────────────────────────────────────────────────────────────────────────────────

    def _used(self) -> float:
        now = self.world.now()
        while self._calls and self._calls[0] <= now - timedelta(hours=24):
            self._calls.popleft()
        return 100 * len(self._calls) / max(1, self.budget)

    def _count(self) -> None:
        """Count a call; one made while shut out prolongs that."""
        now = self.world.now()
        shut = self._shut_until is not None and now < self._shut_until
        if shut or self._used() >= 100:
            self._shut_until = now + timedelta(minutes=5)
            raise GraphError(
                400,
                self._limit_code,
                f"(#{self._limit_code}) There have been too many calls to this {self._bucket} account. "
                "Wait a bit and try again.",
            )
        self._shut_until = None
        self._calls.append(now)

    def _headers(self, served: str) -> dict[str, str]:
        headers = {
            "content-type": "application/json; charset=UTF-8",
            "facebook-api-version": served,
            "x-fb-trace-id": _TRACE,
        }
        if len(self._calls) <= self.quiet_calls:
            return headers
        used = int(self._used())
        now = self.world.now()
        wait = (self._shut_until - now) / timedelta(minutes=1) if self._shut_until and self._shut_until > now else 0
        usage = {"call_count": used, "total_cputime": used // 4, "total_time": used // 4}
        headers["x-app-usage"] = json.dumps({"call_count": used // 2, "total_time": 1, "total_cputime": 1})
        headers["x-business-use-case-usage"] = json.dumps(
            {self.account: [{"type": self._bucket, **usage, "estimated_time_to_regain_access": int(wait)}]}
        )
        return headers

    def _debug_token(self, call: Call) -> dict[str, Any]:
        wanted = self.tokens.get(call.params.get("input_token", ""))
        if "input_token" not in call.params:
            raise GraphError(400, 100, "(#100) The parameter input_token is required")
        if wanted is None:
            return {"data": {"is_valid": False, "scopes": [], "error": {"code": 190, "message": "Invalid token"}}}
        ended = wanted.expires_at is not None and wanted.expires_at <= self.world.now()
        data = {
            "app_id": self.app_id,
            "type": wanted.kind,
            "application": "Earshot",
            "expires_at": _epoch(wanted.expires_at),
            "data_access_expires_at": _epoch(wanted.data_access_expires_at),
            "is_valid": not ended and not wanted.dead_subcode,
            "issued_at": _epoch(wanted.issued_at),
            "profile_id": wanted.owner,
            "scopes": sorted(wanted.scopes),
            "user_id": "10150000000000001",
        }
        return {"data": data}


@dataclass(frozen=True, slots=True)
class Call:
    """One authenticated call: the version served, the token and the parameters."""

    standin: GraphStandIn
    served: str
    token: str
    params: Mapping[str, str]

    @property
    def grant(self) -> Token:
        """What the token may."""
        return self.standin.tokens[self.token]

    def needs(self, scope: str) -> None:
        """Raise the refusal 10 unless the token has ``scope``."""
        if scope not in self.grant.scopes:
            raise GraphError(
                403, 10, f"(#10) This endpoint requires the '{scope}' permission to be granted to the app."
            )

    def page(
        self,
        posts: Sequence[Post],
        kind: NodeType,
        *,
        path: str,
        usual_limit: int = 25,
        most: int = 100,
        with_next: bool = True,
    ) -> dict[str, Any]:
        """One page of ``posts`` (already in the edge's order), after the cursor in the parameters."""
        return edge(
            posts,
            kind,
            parse_fields(self.params["fields"]) if "fields" in self.params else (),
            limit=_limit(self.params.get("limit"), usual_limit, most),
            after=self.params.get("after"),
            next_url=self._next_url(path) if with_next else None,
        )

    def _next_url(self, path: str) -> Callable[[str, int], str]:
        def url(after: str, limit: int) -> str:
            kept = {k: v for k, v in self.params.items() if k in {"fields", "filter", "order", "since", "until"}}
            query = urlencode({"access_token": self.token, **kept, "limit": str(limit), "after": after})
            return f"https://graph.facebook.com/{self.served}/{path}?{query}"

        return url


def render(post: Post, kind: NodeType, fields: tuple[Field, ...]) -> dict[str, Any]:
    """A node with the ``fields`` asked for, always with its id where it has one; absent keys for absent values."""
    wanted = list(fields) or [Field(name) for name in kind.usual]
    if "id" in kind.makers and all(f.name != "id" for f in wanted):
        wanted.append(Field("id"))
    node: dict[str, Any] = {}
    for f in wanted:
        maker = kind.makers.get(f.name)
        if maker is None:
            raise GraphError(
                400, 100, f"(#100) Tried accessing nonexisting field ({f.name}) on node type ({kind.name})"
            )
        value = maker(post, f)
        if value is not None:
            node[f.name] = value
    return node


def edge(
    posts: Sequence[Post],
    kind: NodeType,
    fields: tuple[Field, ...],
    *,
    limit: int,
    after: str | None = None,
    next_url: Callable[[str, int], str] | None = None,
) -> dict[str, Any]:
    """A list of nodes with its paging."""
    start = _position(posts, after) if after else 0
    shown = list(posts[start : start + limit]) if limit else []
    body: dict[str, Any] = {"data": [render(post, kind, fields) for post in shown]}
    if shown:
        last = _cursor(shown[-1])
        body["paging"] = {"cursors": {"before": _cursor(shown[0]), "after": last}}
        if next_url is not None and start + limit < len(posts):
            body["paging"]["next"] = next_url(last, limit)
    return body


def _cursor(post: Post) -> str:
    place = f"{post.posted_at.timestamp():.3f} {post.id}"
    return base64.urlsafe_b64encode(place.encode()).decode().rstrip("=")


def _position(posts: Sequence[Post], after: str) -> int:
    """Where the page after a cursor begins; the entry itself may be gone meanwhile."""
    try:
        at, _, post_id = base64.urlsafe_b64decode(after + "=" * (-len(after) % 4)).decode().partition(" ")
        moment = float(at)
    except ValueError:
        raise GraphError(
            400, 100, "(#100) The After Cursor specified exceeds the max limit supported by this endpoint"
        ) from None
    for number, post in enumerate(posts):
        if post.id == post_id:
            return number + 1
    newest_first = len(posts) < 2 or posts[0].posted_at >= posts[-1].posted_at
    for number, post in enumerate(posts):
        stamp = post.posted_at.timestamp()
        if (stamp < moment) if newest_first else (stamp > moment):
            return number
    return len(posts)


def newest_first(posts: Sequence[Post]) -> list[Post]:
    """``posts`` with the newest first."""
    return sorted(posts, key=lambda post: (post.posted_at, post.id), reverse=True)


def stamp(at: datetime) -> str:
    """A time as Graph writes it: ``2026-11-22T10:15:00+0000``."""
    return f"{at:%Y-%m-%dT%H:%M:%S}+0000"


def gone(object_id: str) -> GraphError:
    """The refusal for an object that is not there, or not for us."""
    return GraphError(
        400,
        100,
        f"Unsupported get request. Object with ID '{object_id}' does not exist, cannot be loaded due to missing "
        "permissions, or does not support this operation.",
        kind="GraphMethodException",
        subcode=33,
    )


def nested_limit(f: Field, usual: int = 25, most: int = 100) -> int:
    """The number in ``.limit(n)``."""
    return _limit(f.modifiers.get("limit"), usual, most)


def _limit(text: str | None, usual: int, most: int) -> int:
    if text is None:
        return usual
    if not text.isdigit():
        raise GraphError(400, 100, "(#100) Param limit must be an integer greater than or equal to 0")
    return min(int(text), most)


def with_id(post: Post, new_id: str) -> Post:
    """``post`` under another id, for what the platform shows under an id of its own."""
    return replace(post, id=new_id)


def _numbers(version: str) -> tuple[int, int]:
    whole, _, part = version.removeprefix("v").partition(".")
    return int(whole), int(part)


def _epoch(at: datetime | None) -> int:
    return int(at.timestamp()) if at else 0
