"""A strict imitation of LinkedIn's versioned REST interface over the invented world (platform facts, 4, 6 and 8).

It refuses what LinkedIn refuses: a missing version or protocol header, a version that has ended, values that are
not encoded as Rest.li wants them, a scope that the token lacks, and calls beyond the day's allowance of an endpoint.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any
from urllib.parse import parse_qs, quote, unquote

from connectors.model import Author, Kind
from connectors.standins.server import Reply, Request
from connectors.standins.world import Post, World

SCOPES = frozenset({"rw_organization_admin", "r_organization_social", "r_organization_social_feed"})
VERSIONS = frozenset(f"2026{month:02}" for month in range(1, 11))
"""Versions that are served at the end of 2026; 202511 has ended and 202512 never was (platform facts, 4.5)."""

MEMORY = timedelta(days=60)
ACTIONS = {"LIKE", "COMMENT", "SHARE", "SHARE_MENTION", "ADMIN_COMMENT", "COMMENT_EDIT", "COMMENT_DELETE"}
MAX_COUNT = 100

_RESERVED = re.compile(r"([\\|{}@\[\]()<>#*_~])")
_COMMENT = re.compile(r"urn:li:comment:\(urn:li:activity:(\d+),(\d+)\)")
_CLASSES = {
    "organizationalEntityNotifications": "organizationalEntityNotifications",
    "posts": "partnerApiPostsExternal",
    "socialActions": "socialActionsV2",
    "socialMetadata": "socialMetadata",
    "organizationAcls": "organizationAcls",
    "organizations": "organizations",
}
_NEEDS = {
    "organizationalEntityNotifications": "rw_organization_admin",
    "posts": "r_organization_social",
    "socialActions": "r_organization_social_feed",
    "socialMetadata": "r_organization_social_feed",
    "organizationAcls": "rw_organization_admin",
    "organizations": "rw_organization_admin",
}


@dataclass(slots=True)
class Token:
    """A token and what it may do. ``issued_at`` None means long ago."""

    scopes: frozenset[str] = SCOPES
    issued_at: datetime | None = None
    expires_at: datetime | None = None
    revoked: bool = False


class _Refused(Exception):
    """An answer that is an error."""

    def __init__(self, status: int, message: str, code: str | None = None, number: int | None = None) -> None:
        super().__init__(message)
        body: dict[str, object] = {"status": status}
        if number is not None:
            body["serviceErrorCode"] = number
        if code is not None:
            body["code"] = code
        self.reply = Reply(status, {**body, "message": message})


class LinkedInStandIn:
    """LinkedIn for one organisation's page. Switches may be turned while it runs.

    ``member_limit`` and ``app_limit`` are calls to one endpoint in one UTC day. ``decorated`` says whether
    notifications bring their text along, ``long_urns`` whether ``generatedActivity`` names a comment in full,
    ``readable_posts`` whether members' posts can be read one by one, ``blind`` names endpoints that answer 200
    with empty lists.
    """

    name = "linkedin"

    def __init__(
        self,
        world: World,
        *,
        organisation_urn: str = "urn:li:organization:5005",
        token: str = "linkedin-token",  # noqa: S107 - a stand-in's
        organisation_name: str = "Tessellate UK",
        client_id: str = "linkedin-app",
        client_secret: str = "linkedin-secret",  # noqa: S107
        refresh_token: str = "linkedin-refresh",  # noqa: S107
        member_limit: int = 100,
        app_limit: int = 500,
    ) -> None:
        self.world = world
        self.organisation_urn = organisation_urn
        self.organisation_name = organisation_name
        self.client_id = client_id
        self.client_secret = client_secret
        self.refresh_token = refresh_token
        self.tokens = {token: Token()}
        self.member_limit = member_limit
        self.app_limit = app_limit
        self.versions = VERSIONS
        self.decorated = True
        self.long_urns = False
        self.readable_posts = False
        self.batch_get = False
        self.fresh_for = timedelta(0)
        """How long a new token is called revoked, as is seen for some seconds."""
        self.blind: set[str] = set()
        self.calls: Counter[tuple[str, str]] = Counter()
        """Calls by UTC day and endpoint."""
        self._ids: list[str] = []
        world.namers["linkedin"] = self._name_post
        world.own.setdefault("linkedin", Author(name=organisation_name, id=organisation_urn))

    # ── names ──

    def _name_post(self, world: World, post: Post) -> str:
        """A share's or a comment's URN. A comment without a place is put under the page's newest post."""
        number = (round(post.posted_at.timestamp() * 1000) << 22) | (next(world.count) * 2 % (1 << 22))
        if post.kind is Kind.COMMENT and post.parent is None:
            own = [p for p in world.posts("linkedin") if self._is_own_post(p)]
            if not own:
                raise ValueError("a comment on LinkedIn needs a post of ours to stand under")
            post.parent = post.thread = own[-1].id
        if post.parent is not None and "passed_on" not in post.extra:
            urn = f"urn:li:comment:({self.activity(post.thread or post.parent)},{number})"
        else:
            urn = f"urn:li:{'ugcPost' if post.extra.get('ugc') else 'share'}:{number}"
        self._ids.append(urn)
        return urn

    @staticmethod
    def activity(urn: str) -> str:
        """The activity under which a share's comments stand; its number is another than the share's."""
        return f"urn:li:activity:{int(urn.rsplit(':', 1)[1]) + 1}"

    def _everything(self) -> list[Post]:
        """All posts that were ever seen, deleted ones too."""
        with self.world.lock:
            found = [self.world.get("linkedin", urn) for urn in self._ids]
        now = self.world.now()
        return [post for post in found if post is not None and (post.visible_at or post.posted_at) <= now]

    def _present(self) -> list[Post]:
        return [post for post in self._everything() if post.deleted_at is None and not post.hidden]

    def _is_there(self, post: Post) -> bool:
        return post.deleted_at is None and not post.hidden and (post.visible_at or post.posted_at) <= self.world.now()

    def _is_ours(self, post: Post) -> bool:
        return post.kind is Kind.OWN_POST

    def _is_own_post(self, post: Post) -> bool:
        return self._is_ours(post) and post.parent is None

    def _person(self, post: Post) -> str:
        if self._is_ours(post):
            return self.organisation_urn
        word = post.author.id or post.author.handle or post.author.name or "someone"
        return word if word.startswith("urn:li:") else f"urn:li:person:{re.sub(r'[^A-Za-z0-9_-]', '', word) or 'x'}"

    # ── answering ──

    def answer(self, request: Request) -> Reply:
        """LinkedIn's answer."""
        try:
            if request.raw_path.startswith("/oauth/v2/"):
                return self._sign_in(request)
            return self._rest(request)
        except _Refused as refused:
            return refused.reply

    def _rest(self, request: Request) -> Reply:
        steps = request.raw_path.strip("/").split("/")
        if steps[0] != "rest" or len(steps) < 2:
            raise _Refused(404, "No virtual resource found", "RESOURCE_NOT_FOUND", 0)
        resource = steps[1]
        token = self._token(request)
        version = self._version(request)
        if resource not in _CLASSES:
            raise _Refused(404, f"No virtual resource found for: /{resource}", "RESOURCE_NOT_FOUND", 0)
        raw_query = self._tunnelled(request)
        if request.headers.get("x-restli-protocol-version") != "2.0.0":
            raise _illegal("Resource method could not be resolved from request parameters.")
        keys = [_key(step) for step in steps[2:]]
        query = _query(raw_query)
        method = self._method(resource, keys, query)
        wished = request.headers.get("x-restli-method", "").upper()
        if wished and wished != method.split("-")[0]:
            raise _illegal("Resource method could not be resolved from request parameters.")
        if _NEEDS[resource] not in token.scopes:
            raise _denied(resource, method, version)
        self._count(resource)
        return Reply(
            200, self._dispatch(resource, method, keys, query, version), {"x-restli-protocol-version": "2.0.0"}
        )

    def _token(self, request: Request) -> Token:
        scheme, _, word = request.headers.get("authorization", "").partition(" ")
        if not word or scheme.lower() != "bearer":
            raise _Refused(401, "Empty oauth2 access token", "EMPTY_ACCESS_TOKEN", 65604)
        token = self.tokens.get(word)
        if token is None:
            raise _Refused(401, "Invalid access token", "INVALID_ACCESS_TOKEN", 65600)
        now = self.world.now()
        if token.revoked or (token.issued_at is not None and now < token.issued_at + self.fresh_for):
            raise _Refused(
                401, "The token used in the request has been revoked by the user", "REVOKED_ACCESS_TOKEN", 65601
            )
        if token.expires_at is not None and token.expires_at <= now:
            raise _Refused(401, "The token used in the request has expired", "EXPIRED_ACCESS_TOKEN", 65602)
        return token

    def _version(self, request: Request) -> str:
        version = request.headers.get("linkedin-version", "")
        if not version:
            raise _Refused(400, "A version must be present: add the LinkedIn-Version header.", "VERSION_MISSING")
        if version not in self.versions:
            digits = re.sub(r"\D", "", version)[:6]
            raise _Refused(426, f"Requested version {digits}01 is not active", "NONEXISTENT_VERSION")
        return version

    def _tunnelled(self, request: Request) -> str:
        """The query, which a POST that stands for a GET carries in its body."""
        if request.method == "GET":
            return request.raw_query
        if request.method == "POST" and request.headers.get("x-http-method-override", "").upper() == "GET":
            return request.body.decode("utf-8", "replace")
        raise _Refused(405, "Method not allowed", "METHOD_NOT_ALLOWED")

    def _method(self, resource: str, keys: list[str], query: Mapping[str, Any]) -> str:
        match resource, keys:
            case (("organizationalEntityNotifications" | "posts" | "organizationAcls"), []):
                if resource == "posts" and "ids" in query:
                    return "BATCH_GET"
                finder = query.get("q")
                if finder not in {"criteria", "author", "roleAssignee"}:
                    raise _illegal("Resource method could not be resolved from request parameters.")
                return f"FINDER-{finder}"
            case (("posts" | "socialMetadata" | "organizations"), [_]):
                return "GET"
            case "socialActions", [_, "comments"]:
                return "GET_ALL"
            case "socialActions", [_, "comments", _]:
                return "GET"
        raise _illegal("Resource method could not be resolved from request parameters.")

    def _count(self, resource: str) -> None:
        day = f"{self.world.now().astimezone(UTC):%Y-%m-%d}"
        with self.world.lock:
            self.calls[day, resource] += 1
            made = self.calls[day, resource]
        for limit, who in ((self.member_limit, "MEMBER"), (self.app_limit, "APPLICATION")):
            if made > limit:
                raise _Refused(
                    429,
                    f"Resource level throttle {who} DAY limit for calls to this resource is reached.",
                    "TOO_MANY_REQUESTS",
                    101,
                )

    def _dispatch(self, resource: str, method: str, keys: list[str], query: Mapping[str, Any], version: str) -> object:
        match resource, method:
            case "organizationalEntityNotifications", "FINDER-criteria":
                return self._notifications(query)
            case "posts", "FINDER-author":
                return self._own_posts(query)
            case "posts", "BATCH_GET":
                return self._several_posts(query, version)
            case "posts", "GET":
                return self._post(keys[0], version)
            case "socialActions", "GET_ALL":
                return self._comments(keys[0], query, version)
            case "socialActions", "GET":
                return self._one_comment(keys[0], keys[2], version)
            case "socialMetadata", "GET":
                return self._metadata(keys[0])
            case "organizationAcls", "FINDER-roleAssignee":
                return self._acls(query)
            case "organizations", "GET":
                return self._organisation(keys[0])
        raise _illegal("Resource method could not be resolved from request parameters.")

    # ── notifications ──

    def _notifications(self, query: Mapping[str, Any]) -> object:
        _only(query, {"q", "organizationalEntity", "actions", "timeRange", "start", "count"})
        if query.get("organizationalEntity") != self.organisation_urn:
            raise _Refused(
                403,
                f"Viewer does not have ADMIN_ONLY VisibilityReduction for {query.get('organizationalEntity')}",
                "ACCESS_DENIED",
                100,
            )
        actions = query.get("actions", sorted(ACTIONS))
        if not isinstance(actions, list) or not set(actions) <= ACTIONS:
            raise _illegal("Invalid value for parameter: actions")
        since, until = _range(query.get("timeRange"))
        since = max(since, _ms(self.world.now() - MEMORY))
        found = [
            entry
            for post in self._everything()
            for entry in self._told_of(post)
            if entry["action"] in actions and since <= entry["lastModifiedAt"] <= until
        ]
        found.sort(key=lambda entry: (entry["lastModifiedAt"], entry["notificationId"]), reverse=True)
        path = "/rest/organizationalEntityNotifications"
        return self._page(found, query, path, _Args(query), blind="organizationalEntityNotifications")

    def _told_of(self, post: Post) -> Iterable[dict[str, Any]]:
        """The notifications that ``post`` gave rise to: public ones only."""
        root = self.world.get("linkedin", post.thread or "") if post.thread else None
        if any(p is not None and p.extra.get("visibility", "PUBLIC") != "PUBLIC" for p in (post, root)):
            return
        first = post.visible_at or post.posted_at
        if _COMMENT.fullmatch(post.id):
            yield self._entry(post, 0, "ADMIN_COMMENT" if self._is_ours(post) else "COMMENT", first, root)
            for number, version in enumerate(post.versions[1:], start=1):
                yield self._entry(post, number, "COMMENT_EDIT", version.at, root, number)
            if post.deleted_at is not None:
                yield self._entry(post, 0, "COMMENT_DELETE", post.deleted_at, root)
        elif "passed_on" in post.extra:
            yield self._entry(post, 0, "SHARE", first, root)
        elif post.kind in {Kind.MENTION, Kind.TAG} and post.extra.get("tagged", True):
            yield self._entry(post, 0, "SHARE_MENTION", first, None)

    def _entry(
        self, post: Post, number: int, action: str, at: datetime, root: Post | None, version: int = 0
    ) -> dict[str, Any]:
        code = {"COMMENT": 0, "ADMIN_COMMENT": 0, "SHARE": 1, "SHARE_MENTION": 2, "COMMENT_DELETE": 3}.get(action, 4)
        digits = int(re.findall(r"\d+", post.id)[-1])
        entry: dict[str, Any] = {
            "notificationId": (digits & (1 << 46) - 1) * 16 + code + number,
            "organizationalEntity": self.organisation_urn,
            "action": action,
            "sourcePost": self.activity(root.id if root else post.id),
            "generatedActivity": self._generated(post),
            "lastModifiedAt": _ms(at),
            "subscriber": "urn:li:person:operator",
        }
        if root is not None:
            entry["decoratedSourcePost"] = {
                "entity": root.id,
                "owner": self.organisation_urn,
                "text": root.text or "",
                "mediaCategory": "NONE",
            }
        if self.decorated and post.deleted_at is None:
            entry["decoratedGeneratedActivity"] = self._decoration(post, version)
        return entry

    def _generated(self, post: Post) -> str:
        if not _COMMENT.fullmatch(post.id):
            return self.activity(post.id)
        return post.id if self.long_urns else post.id.replace("(urn:li:activity:", "(activity:")

    def _decoration(self, post: Post, version: int) -> dict[str, Any]:
        text = post.versions[version].text or ""
        common = {"entity": post.id, "owner": self._person(post), "text": text}
        parts = _COMMENT.fullmatch(post.id)
        if parts:
            return {"comment": {**common, "object": f"urn:li:activity:{parts[1]}"}}
        return {"share": {**common, "mediaCategory": "NONE"}}

    # ── posts ──

    def _own_posts(self, query: Mapping[str, Any]) -> object:
        _only(query, {"q", "author", "start", "count", "sortBy", "isDsc", "viewContext"})
        if query.get("author") != self.organisation_urn:
            raise _denied("posts", "FINDER-author", max(self.versions))
        order = query.get("sortBy", "LAST_MODIFIED")
        if order not in {"LAST_MODIFIED", "CREATED"}:
            raise _illegal("Invalid value for parameter: sortBy")
        found = [self._post_form(post) for post in self._present() if self._is_own_post(post)]
        key = "lastModifiedAt" if order == "LAST_MODIFIED" else "createdAt"
        found.sort(key=lambda entry: (entry[key], entry["id"]), reverse=True)
        return self._page(found, query, "/rest/posts", _Args(query), blind="posts")

    def _post(self, urn: str, version: str) -> object:
        post = self.world.get("linkedin", urn)
        if post is None or not self._is_there(post) or _COMMENT.fullmatch(urn):
            raise _Refused(404, f"Post {urn} not found", "NOT_FOUND")
        if not self._is_own_post(post) and not self.readable_posts:
            raise _denied("posts", "GET", version)
        return self._post_form(post)

    def _several_posts(self, query: Mapping[str, Any], version: str) -> object:
        urns = query["ids"]
        if not self.batch_get or not isinstance(urns, list):
            raise _denied("posts", "BATCH_GET", version)
        results, errors, statuses = {}, {}, {}
        for urn in urns:
            try:
                results[urn], statuses[urn] = self._post(urn, version), 200
            except _Refused as refused:
                errors[urn], statuses[urn] = refused.reply.body, refused.reply.status
        return {"results": results, "statuses": statuses, "errors": errors}

    def _post_form(self, post: Post) -> dict[str, Any]:
        edited = post.versions[-1].at if post.edited else post.posted_at
        form: dict[str, Any] = {
            "id": post.id,
            "author": self._person(post),
            "commentary": self._little_text(post.text or ""),
            "visibility": post.extra.get("visibility", "PUBLIC"),
            "lifecycleState": post.extra.get("state", "PUBLISHED"),
            "lifecycleStateInfo": {"isEditedByAuthor": post.edited},
            "createdAt": _ms(post.posted_at),
            "publishedAt": _ms(post.posted_at),
            "lastModifiedAt": _ms(edited),
            "isReshareDisabledByAuthor": False,
            "distribution": {"feedDistribution": "MAIN_FEED", "thirdPartyDistributionChannels": []},
        }
        if "passed_on" in post.extra and post.parent:
            form["reshareContext"] = {"parent": post.parent, "root": post.thread or post.parent}
        return form

    def _little_text(self, text: str) -> str:
        """``text`` with hashtags and tags of the page as templates, and reserved signs escaped."""
        out: list[str] = []
        for part in re.split(rf"(#\w+|@{re.escape(self.organisation_name)})", text):
            if part.startswith("#") and len(part) > 1:
                out.append(rf"{{hashtag|\#|{part[1:]}}}")
            elif part == f"@{self.organisation_name}":
                out.append(f"@[{self.organisation_name}]({self.organisation_urn})")
            else:
                out.append(_RESERVED.sub(r"\\\1", part))
        return "".join(out)

    # ── comments ──

    def _comments(self, urn: str, query: Mapping[str, Any], version: str) -> object:
        _only(query, {"start", "count"})
        root, parent = self._place(urn, "GET_ALL", version)
        present = self._present()
        answers = Counter(post.parent for post in present)
        under = parent.id if parent else root.id
        found = [
            self._comment_form(post, version, answers[post.id])
            for post in sorted(present, key=lambda p: (p.posted_at, p.id), reverse=True)
            if post.parent == under and post.thread == root.id and _COMMENT.fullmatch(post.id)
        ]
        path = f"/rest/socialActions/{quote(urn, safe='')}/comments"
        return self._page(found, query, path, _Args(query), blind="socialActions", total=True)

    def _one_comment(self, urn: str, number: str, version: str) -> object:
        root, _ = self._place(urn, "GET", version)
        post = self.world.get("linkedin", f"urn:li:comment:({self.activity(root.id)},{number})")
        if post is not None and self._is_there(post):
            answers = sum(1 for other in self._present() if other.parent == post.id)
            return self._comment_form(post, version, answers)
        raise _Refused(404, f"Comment {number} not found", "NOT_FOUND")

    def _place(self, urn: str, method: str, version: str) -> tuple[Post, Post | None]:
        """The own post that ``urn`` names in one of its ways, and the comment where it names one."""
        comment = self.world.get("linkedin", urn) if _COMMENT.fullmatch(urn) else None
        parts = _COMMENT.fullmatch(urn)
        activity = f"urn:li:activity:{parts[1]}" if parts else urn
        for post in self._everything():
            if _COMMENT.fullmatch(post.id) or activity not in (post.id, self.activity(post.id)):
                continue
            if post.deleted_at is not None or (parts and (comment is None or comment.deleted_at is not None)):
                break
            if not self._is_own_post(post):
                raise _denied("socialActions", method, version)
            return post, comment
        raise _Refused(404, "Not found", "NOT_FOUND")

    def _comment_form(self, post: Post, version: str, replies: int) -> dict[str, Any]:
        parts = _COMMENT.fullmatch(post.id)
        assert parts is not None
        who = self._person(post)
        form: dict[str, Any] = {
            "id": parts[2],
            "commentUrn" if version >= "202604" else "$URN": post.id,
            "actor": who,
            "object": f"urn:li:activity:{parts[1]}",
            "message": {"text": post.text or "", "attributes": []},
            "created": {"actor": who, "time": _ms(post.posted_at)},
            "lastModified": {"actor": who, "time": _ms(post.versions[-1].at)},
            "likesSummary": {
                "selectedLikes": [],
                "aggregatedTotalLikes": post.likes,
                "likedByCurrentUser": False,
                "totalLikes": post.likes,
            },
        }
        if self._is_ours(post):
            form["agent"] = "urn:li:person:operator"
            form["created"]["impersonator"] = form["lastModified"]["impersonator"] = "urn:li:person:operator"
        if post.parent != post.thread:
            form["parentComment"] = post.parent
        if replies:
            form["commentsSummary"] = {
                "selectedComments": [],
                "totalFirstLevelComments": replies,
                "aggregatedTotalComments": replies,
            }
        return form

    # ── the rest ──

    def _metadata(self, urn: str) -> object:
        root, _ = self._place(urn, "GET", max(self.versions))
        under = [p for p in self._present() if _COMMENT.fullmatch(p.id) and p.thread == root.id]
        top = sum(1 for p in under if p.parent == root.id)
        return {
            "entity": urn,
            "commentsState": "OPEN",
            "commentSummary": {"count": len(under), "topLevelCount": top},
            "reactionSummaries": {"LIKE": {"reactionType": "LIKE", "count": root.likes}} if root.likes else {},
        }

    def _acls(self, query: Mapping[str, Any]) -> object:
        _only(query, {"q", "role", "state", "start", "count"})
        acl = {
            "organization": self.organisation_urn,
            "role": "ADMINISTRATOR",
            "roleAssignee": "urn:li:person:operator",
            "state": "APPROVED",
        }
        return self._page([acl], query, "/rest/organizationAcls", _Args(query))

    def _organisation(self, number: str) -> object:
        if number != self.organisation_urn.rsplit(":", 1)[1]:
            raise _Refused(404, "Organization not found", "NOT_FOUND")
        return {
            "id": int(number),
            "localizedName": self.organisation_name,
            "vanityName": re.sub(r"\W+", "-", self.organisation_name.lower()),
        }

    def _page(
        self,
        found: list[dict[str, Any]],
        query: Mapping[str, Any],
        path: str,
        args: _Args,
        *,
        blind: str = "",
        total: bool = False,
    ) -> object:
        """A collection: the part of ``found`` that was asked for, and links to what lies before and behind."""
        if blind in self.blind:
            found = []
        start, count = _number(query, "start", 0), _number(query, "count", 10)
        if count < 1 or count > MAX_COUNT:
            raise _illegal(f"Invalid value for parameter: count (1 to {MAX_COUNT})")
        links = []
        if start > 0:
            links.append(_link("prev", f"{path}?{args.text(max(0, start - count), count)}"))
        if start + count < len(found):
            links.append(_link("next", f"{path}?{args.text(start + count, count)}"))
        paging: dict[str, Any] = {"start": start, "count": count, "links": links}
        if total:
            paging["total"] = len(found)
        return {"paging": paging, "elements": found[start : start + count]}

    # ── signing in ──

    def _sign_in(self, request: Request) -> Reply:
        form = {name: values[-1] for name, values in parse_qs(request.body.decode("utf-8", "replace")).items()}
        if request.method != "POST":
            return Reply(405, {"error": "invalid_request", "error_description": "Method not allowed"})
        if form.get("client_id") != self.client_id or form.get("client_secret") != self.client_secret:
            return Reply(401, {"error": "invalid_client", "error_description": "Client authentication failed"})
        if request.path == "/oauth/v2/introspectToken":
            return self._introspect(form.get("token", ""))
        if request.path == "/oauth/v2/accessToken":
            return self._renew(form)
        return Reply(404, {"error": "invalid_request", "error_description": "No such address"})

    def _introspect(self, word: str) -> Reply:
        token, now = self.tokens.get(word), self.world.now()
        if token is None or token.revoked:
            return Reply(200, {"active": False, "status": "revoked" if token else "invalid"})
        issued = token.issued_at or now - timedelta(days=1)
        ends = token.expires_at or issued + timedelta(days=60)
        return Reply(
            200,
            {
                "active": ends > now,
                "status": "active" if ends > now else "expired",
                "client_id": self.client_id,
                "authorized_at": int(issued.timestamp()),
                "created_at": int(issued.timestamp()),
                "expires_at": int(ends.timestamp()),
                "scope": ",".join(sorted(token.scopes)),
                "auth_type": "3L",
            },
        )

    def _renew(self, form: Mapping[str, str]) -> Reply:
        if form.get("grant_type") != "refresh_token":
            return Reply(400, {"error": "unsupported_grant_type", "error_description": "Unsupported grant type"})
        if form.get("refresh_token") != self.refresh_token:
            return Reply(400, {"error": "invalid_grant", "error_description": "The provided refresh token is invalid"})
        now = self.world.now()
        word = f"{next(iter(self.tokens))}-{len(self.tokens)}"
        self.tokens[word] = Token(issued_at=now, expires_at=now + timedelta(days=60))
        return Reply(
            200,
            {
                "access_token": word,
                "expires_in": 5_184_000,
                "refresh_token": self.refresh_token,
                "refresh_token_expires_in": 25_920_000,
                "scope": ",".join(sorted(SCOPES)),
                "token_type": "Bearer",
            },
        )


# ── Rest.li ─────────────────────────────────────────────────────────────────────────────────────────


def _illegal(message: str) -> _Refused:
    return _Refused(400, message, "ILLEGAL_ARGUMENT")


def _denied(resource: str, method: str, version: str) -> _Refused:
    return _Refused(
        403, f"Not enough permissions to access: {_CLASSES[resource]}.{method}.{version}01", "ACCESS_DENIED", 100
    )


def _key(raw: str) -> str:
    """A path key: structural signs in it must be percent-encoded."""
    if re.search(r"[(),:']", raw):
        raise _illegal("Invalid key: reserved characters must be encoded")
    return unquote(raw)


def _query(raw: str) -> dict[str, Any]:
    """The parameters of a query by the rules of Rest.li 2.0: structure literal, values percent-encoded."""
    found: dict[str, Any] = {}
    for pair in filter(None, raw.split("&")):
        name, sign, text = pair.partition("=")
        if not sign:
            raise _illegal("Invalid query parameters passed to request")
        value, rest = _value(text)
        if rest:
            raise _illegal("Invalid query parameters passed to request")
        found[unquote(name)] = value
    return found


def _value(text: str) -> tuple[Any, str]:
    """One value at the head of ``text``, and what follows it."""
    if text.startswith("List("):
        return _list(text[5:])
    if text.startswith("("):
        return _record(text[1:])
    match = re.match(r"[^(),:']*", text)
    word = match[0] if match else ""
    if re.match(r"List%28|%28", word, re.IGNORECASE):
        raise _illegal("Invalid query parameters passed to request")
    return unquote(word), text[len(word) :]


def _list(text: str) -> tuple[list[Any], str]:
    items: list[Any] = []
    while not text.startswith(")"):
        item, text = _value(text)
        items.append(item)
        if text.startswith(","):
            text = text[1:]
        elif not text.startswith(")"):
            raise _illegal("Invalid query parameters passed to request")
    return items, text[1:]


def _record(text: str) -> tuple[dict[str, Any], str]:
    fields: dict[str, Any] = {}
    while not text.startswith(")"):
        name, sign, text = text.partition(":")
        if not sign or not re.fullmatch(r"\w+", name):
            raise _illegal("Invalid query parameters passed to request")
        fields[name], text = _value(text)
        if text.startswith(","):
            text = text[1:]
        elif not text.startswith(")"):
            raise _illegal("Invalid query parameters passed to request")
    return fields, text[1:]


class _Args:
    """The query of a question, to be written again with another start."""

    def __init__(self, query: Mapping[str, Any]) -> None:
        self._query = query

    def text(self, start: int, count: int) -> str:
        """The query as LinkedIn writes it into a link."""
        values = {**self._query, "start": str(start), "count": str(count)}
        return "&".join(f"{name}={_written(value)}" for name, value in values.items())


def _written(value: object) -> str:
    match value:
        case list():
            return f"List({','.join(map(_written, value))})"
        case dict():
            return f"({','.join(f'{name}:{_written(item)}' for name, item in value.items())})"
        case _:
            return quote(str(value), safe="")


def _link(rel: str, href: str) -> dict[str, str]:
    return {"rel": rel, "type": "application/json", "href": href}


def _only(query: Mapping[str, Any], known: set[str]) -> None:
    for name in query:
        if name not in known:
            raise _Refused(400, f"Unpermitted fields present in QUERY_PARAM: {name}", "QUERY_PARAM_NOT_ALLOWED")


def _number(query: Mapping[str, Any], name: str, default: int) -> int:
    value = query.get(name, str(default))
    if not isinstance(value, str) or not value.isdigit() or len(value) > 9:
        raise _illegal(f"Invalid value for parameter: {name}")
    return int(value)


def _range(value: object) -> tuple[int, int]:
    if value is None:
        return 0, 2**62
    match value:
        case {"start": str(start), "end": str(end)} if start.isdigit() and end.isdigit():
            return int(start), int(end)
        case {"start": str(start)} if start.isdigit():
            return int(start), 2**62
    raise _illegal("Invalid value for parameter: timeRange")


def _ms(moment: datetime) -> int:
    return round(moment.timestamp() * 1000)
