"""An imitation of the YouTube Data API v3: the list methods that can be read with an API key.

It imitates the platform and not our connector (platform facts, part 2 and 3.3): threads ordered by their top-level
comment whatever is replied, at most five embedded replies, figures as strings, HTML in messages, missing ids as
missing entries, two buckets that fill up at midnight in Los Angeles, ETags, the POST form of long requests.
Not imitated: OAuth, writing, ``fields``, ``activities``, the per-minute limit (``slow_down`` plays it on demand).
"""

from __future__ import annotations

import base64
import hashlib
import html
import json
import re
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any
from urllib.parse import parse_qs
from zoneinfo import ZoneInfo

from connectors.model import Author, Kind
from connectors.standins.server import Reply, Request
from connectors.standins.world import Post, World

PACIFIC = ZoneInfo("America/Los_Angeles")
PREFIX = "/youtube/v3/"
EMBEDDED = 5
"""Replies that a thread shows by itself (facts, 2.1)."""

_EVERYWHERE = frozenset({"part", "key", "alt", "prettyPrint", "quotaUser", "$.xgafv", "access_token", "userIp"})
_PAGED = frozenset({"maxResults", "pageToken"})


@dataclass(frozen=True, slots=True)
class _Method:
    """What a list method takes. ``filters``: exactly one of them. ``largest`` and ``usual`` are page sizes."""

    parts: frozenset[str]
    filters: tuple[str, ...]
    others: frozenset[str] = frozenset()
    largest: int = 50
    usual: int = 5
    smallest: int = 0
    needs_part: bool = True


_COMMENT_OPTIONS = frozenset({"textFormat"})
METHODS: Mapping[str, _Method] = {
    "commentThreads": _Method(
        frozenset({"id", "snippet", "replies"}),
        ("allThreadsRelatedToChannelId", "videoId", "id", "channelId"),
        _PAGED | _COMMENT_OPTIONS | {"order", "searchTerms", "moderationStatus"},
        largest=100,
        usual=20,
        smallest=1,
    ),
    "comments": _Method(
        frozenset({"id", "snippet"}), ("parentId", "id"), _PAGED | _COMMENT_OPTIONS, largest=100, usual=20, smallest=1
    ),
    "search": _Method(
        frozenset({"id", "snippet"}),
        (),
        _PAGED
        | {"q", "type", "order", "publishedAfter", "publishedBefore", "channelId", "regionCode", "relevanceLanguage"}
        | {"safeSearch", "eventType", "videoCaption", "videoDuration", "videoEmbeddable", "videoType"},
    ),
    "videos": _Method(
        frozenset({"id", "snippet", "statistics", "status", "contentDetails", "topicDetails", "localizations"}),
        ("id", "chart", "myRating"),
        _PAGED | {"hl", "regionCode", "videoCategoryId", "maxWidth", "maxHeight"},
    ),
    "videos:batchGetStats": _Method(
        frozenset({"id", "snippet", "statistics", "contentDetails"}), ("id",), needs_part=False
    ),
    "channels": _Method(
        frozenset({"id", "snippet", "contentDetails", "statistics", "status", "topicDetails", "brandingSettings"}),
        ("id", "forHandle", "forUsername", "mine", "managedByMe"),
        _PAGED | {"hl"},
    ),
    "playlistItems": _Method(
        frozenset({"id", "snippet", "contentDetails", "status"}), ("playlistId", "id"), _PAGED | {"videoId"}
    ),
}

_CHOICES: Mapping[tuple[str, str], frozenset[str]] = {
    ("commentThreads", "order"): frozenset({"time", "relevance", "orderUnspecified"}),
    ("commentThreads", "moderationStatus"): frozenset({"published", "heldForReview", "likelySpam", "rejected"}),
    ("commentThreads", "textFormat"): frozenset({"html", "plainText", "textFormatUnspecified"}),
    ("comments", "textFormat"): frozenset({"html", "plainText", "textFormatUnspecified"}),
    ("search", "order"): frozenset({"date", "rating", "relevance", "title", "videoCount", "viewCount"}),
}


class _Refuse(Exception):
    """Ends the answering of a request with an error body."""

    def __init__(self, reply: Reply) -> None:
        super().__init__(reply.status)
        self.reply = reply


class YouTubeStandIn:
    """Shows the world's posts of the platform ``youtube`` as YouTube would.

    An ``own_post`` without a parent is a video of ours, a ``mention`` without one a video by somebody else; whatever
    has a parent is a comment or a reply, and a ``comment`` without one stands under our newest video. What a post's
    ``extra`` may hold: ``title``, ``private``, ``comments_disabled``, ``uploaded_at``, ``views``, ``indexed_at``.
    """

    name = "youtube"

    def __init__(
        self,
        world: World,
        *,
        channel_id: str = "UCtessellate0000000000aa",
        api_key: str = "AIzaStandInKeyForTheTests00000000000000",
        handle: str = "TessellateUK",
        title: str = "Tessellate UK",
        daily_units: int = 10_000,
        daily_searches: int = 100,
        page_cap: int | None = None,
        replies_newest_first: bool = False,
        token_life: timedelta = timedelta(hours=1),
        index_lag: timedelta = timedelta(),
    ) -> None:
        self.world = world
        self.channel_id = channel_id
        self.api_key = api_key
        self.handle = handle
        self.title = title
        self.daily = {"units": daily_units, "searches": daily_searches, "stats": 10_000}
        self.page_cap = page_cap
        self.replies_newest_first = replies_newest_first
        self.token_life = token_life
        self.index_lag = index_lag
        self.spent: Counter[tuple[str, str]] = Counter()
        self.slow_down = 0
        self._fixed = False
        world.own[self.name] = Author(name=title, handle=handle, id=channel_id)
        world.namers[self.name] = self._name

    # ── the world, seen as YouTube ──────────────────────────────────────────────────────────────────

    def _name(self, world: World, post: Post) -> str:
        """The id of a new post; a comment without a place is put under our newest video first."""
        if post.kind is Kind.REVIEW:
            raise ValueError("YouTube knows no reviews")
        if post.kind is Kind.COMMENT and post.parent is None:
            post.parent = post.thread = self._newest_own_video()
        digest = hashlib.sha256(f"{self.channel_id}/{next(world.count)}".encode()).digest()
        name = base64.urlsafe_b64encode(digest).decode()
        parent = world.get(self.name, post.parent) if post.parent else None
        if parent is None:
            return name[:11]
        if _is_video(parent):
            return f"Ugx{name[:15]}_4AaABAg"[:26]
        return f"{self._top(parent).id}.9{name[:21]}"

    def _newest_own_video(self) -> str:
        own = [p for p in self.world.posts(self.name) if _is_video(p) and p.kind is Kind.OWN_POST]
        if own:
            return own[-1].id
        first = self.world.now() - timedelta(days=400)
        return self.world.say(self.name, Kind.OWN_POST, "Welcome to our channel", at=first).id

    def _top(self, post: Post) -> Post:
        """The top-level comment of the thread that ``post`` stands in: YouTube knows two levels."""
        while post.parent is not None:
            parent = self.world.get(self.name, post.parent)
            if parent is None or _is_video(parent):
                return post
            post = parent
        return post

    def _video_of(self, post: Post) -> Post | None:
        top = self._top(post)
        return self.world.get(self.name, top.parent) if top.parent else None

    def _seen(self) -> _Seen:
        """All that can be seen now, sorted out."""
        videos: dict[str, Post] = {}
        threads: dict[str, Post] = {}
        replies: dict[str, list[Post]] = {}
        posts = [post for post in self.world.posts(self.name) if not post.hidden]
        for post in posts:
            if _is_video(post):
                videos[post.id] = post
        public = {name: video for name, video in videos.items() if not video.extra.get("private")}
        for post in posts:
            if not _is_video(post) and self._top(post) is post and (post.parent or "") in public:
                threads[post.id] = post
        for post in posts:
            top = None if _is_video(post) else self._top(post)
            if top is not None and top is not post and top.id in threads:
                replies.setdefault(top.id, []).append(post)
        return _Seen(public, threads, replies)

    def _channel_of(self, video: Post) -> str:
        return self.channel_id if video.kind is Kind.OWN_POST else channel_of(video.author)

    # ── answering ───────────────────────────────────────────────────────────────────────────────────

    def answer(self, request: Request) -> Reply:
        """The API's answer. Every request to a method costs, also one that is refused (facts, 2.3)."""
        with self.world.lock:
            try:
                return self._answer(request)
            except _Refuse as refused:
                return refused.reply

    def _answer(self, request: Request) -> Reply:
        query = self._query(request)
        method = request.path.removeprefix(PREFIX)
        if not request.path.startswith(PREFIX) or method not in METHODS:
            return Reply(404, _NOT_FOUND, {"content-type": "text/html; charset=UTF-8"})
        self._check_key(request, query)
        self._charge(method)
        self._check(method, query)
        body = self._methods()[method](query)
        etag = base64.urlsafe_b64encode(hashlib.sha1(json.dumps(body).encode()).digest()).decode()[:27]  # noqa: S324
        if request.headers.get("if-none-match", "").strip('"') == etag:
            return Reply(304, b"", {"etag": etag})
        body = {"kind": body["kind"], "etag": etag, **body}
        return Reply(200, body, {"content-type": "application/json; charset=UTF-8", "etag": etag})

    def _methods(self) -> dict[str, Callable[[Mapping[str, str]], dict[str, Any]]]:
        return {
            "commentThreads": self._comment_threads,
            "comments": self._comments,
            "search": self._search,
            "videos": self._videos,
            "videos:batchGetStats": self._stats,
            "channels": self._channels,
            "playlistItems": self._playlist_items,
        }

    @staticmethod
    def _query(request: Request) -> dict[str, str]:
        """The parameters: of the URL, or of the body where a long GET was sent as a POST. Repeated ones are joined."""
        given = dict(request.query)
        if request.method == "POST" and request.headers.get("x-http-method-override", "").upper() == "GET":
            given |= parse_qs(request.body.decode("utf-8", "replace"), keep_blank_values=True)
        elif request.method != "GET":
            raise _Refuse(error(403, "forbidden", "The request is not properly authorized.", "global"))
        return {name: ",".join(values) for name, values in given.items()}

    def _check_key(self, request: Request, query: Mapping[str, str]) -> None:
        if "authorization" in request.headers or "access_token" in query:
            raise _Refuse(
                error(
                    401,
                    "authError",
                    "Invalid Credentials",
                    "global",
                    status="UNAUTHENTICATED",
                    location="Authorization",
                )
            )
        key = query.get("key") or request.headers.get("x-goog-api-key")
        if not key:
            message = (
                "Method doesn't allow unregistered callers (callers without established identity). "
                "Please use API Key or other form of API consumer identity to call this API."
            )
            raise _Refuse(error(403, "forbidden", message, "global", status="PERMISSION_DENIED"))
        if key != self.api_key:
            details = [_detail("API_KEY_INVALID", {"service": "youtube.googleapis.com"})]
            message = "API key not valid. Please pass a valid API key."
            raise _Refuse(error(400, "badRequest", message, "global", status="INVALID_ARGUMENT", details=details))

    def _charge(self, method: str) -> None:
        bucket = {"search": "searches", "videos:batchGetStats": "stats"}.get(method, "units")
        if self.slow_down > 0:
            self.slow_down -= 1
            raise _Refuse(error(403, "rateLimitExceeded", "Rate Limit Exceeded", "usageLimits"))
        if self.used(bucket) >= self.daily[bucket]:
            raise _Refuse(self._search_is_empty() if bucket == "searches" else _quota_is_empty())
        self.spent[self._today(), bucket] += 1

    def used(self, bucket: str) -> int:
        """What was spent today of ``units``, ``searches`` or ``stats``."""
        return self.spent[self._today(), bucket]

    def _today(self) -> str:
        return f"{self.world.now().astimezone(PACIFIC):%Y-%m-%d}"

    def _search_is_empty(self) -> Reply:
        midnight = self.world.now().astimezone(PACIFIC).replace(hour=0, minute=0, second=0, microsecond=0)
        message = (
            "Quota exceeded for quota metric 'Search Queries' and limit 'Search Queries per day' of service "
            "'youtube.googleapis.com' for consumer 'project_number:1'."
        )
        metadata = {
            "quota_location": "global",
            "window_start_time": str(int(midnight.timestamp())),
            "quota_limit": "defaultSearchListPerDayPerProject",
            "consumer": "projects/1",
            "quota_unit": "1/d/{project}",
            "quota_metric": "youtube.googleapis.com/search_list_requests",
            "service": "youtube.googleapis.com",
            "quota_limit_value": str(self.daily["searches"]),
        }
        details = [_detail("RATE_LIMIT_EXCEEDED", metadata)]
        return error(429, "rateLimitExceeded", message, "global", status="RESOURCE_EXHAUSTED", details=details)

    @staticmethod
    def _check(method: str, query: Mapping[str, str]) -> None:
        """Refuse what the API refuses: unknown names and values, a missing part, none or several filters."""
        form = METHODS[method]
        for name in query:
            if name not in _EVERYWHERE | form.others | set(form.filters):
                message = (
                    f'Invalid JSON payload received. Unknown name "{name}": Cannot bind query parameter. '
                    f"Field '{name}' could not be found in request message."
                )
                raise _Refuse(error(400, "badRequest", message, "global", status="INVALID_ARGUMENT"))
        if query.get("alt", "json") != "json":
            raise _Refuse(_invalid("alt", query["alt"]))
        _check_parts(form, query)
        for (where, name), choices in _CHOICES.items():
            if where == method and name in query and query[name] not in choices:
                raise _Refuse(_invalid(name, query[name]))
        _check_filters(method, form, query)
        if "maxResults" in query:
            size = query["maxResults"]
            if not re.fullmatch(r"-?\d+", size) or not form.smallest <= int(size) <= form.largest:
                message = f"Invalid value '{size}'. Values must be within the range: [{form.smallest}, {form.largest}]"
                raise _Refuse(
                    error(400, "invalidParameter", message, "global", location="maxResults", status="INVALID_ARGUMENT")
                )

    # ── the methods ─────────────────────────────────────────────────────────────────────────────────

    def _comment_threads(self, query: Mapping[str, str]) -> dict[str, Any]:
        if query.get("moderationStatus", "published") != "published":
            raise _Refuse(error(403, "forbidden", _FORBIDDEN, "youtube.commentThread"))
        seen = self._seen()
        kind = "youtube#commentThreadListResponse"
        if "id" in query:
            found = [seen.threads[i] for i in _ids(query["id"]) if i in seen.threads]
            items = [self._thread(post, seen, query) for post in found]
            return {"kind": kind, "pageInfo": _page_info(len(items), len(items)), "items": items}
        posts = self._threads_of(query, seen)
        if "searchTerms" in query:
            posts = [post for post in posts if _holds(post.text or "", query["searchTerms"])]
        newest_first = sorted(posts, key=_order, reverse=True)
        page, info = self._page("commentThreads", query, newest_first)
        return {"kind": kind, **info, "items": [self._thread(post, seen, query) for post in page]}

    def _threads_of(self, query: Mapping[str, str], seen: _Seen) -> list[Post]:
        if "videoId" in query:
            video = seen.videos.get(query["videoId"])
            if video is None:
                message = _not_found_message("commentThreads", "videoId")
                raise _Refuse(error(404, "videoNotFound", message, "youtube.commentThread", location="videoId"))
            if video.extra.get("comments_disabled"):
                message = (
                    'The video identified by the <code><a href="/youtube/v3/docs/commentThreads/list#videoId">videoId'
                    "</a></code> parameter has disabled comments."
                )
                raise _Refuse(error(403, "commentsDisabled", message, "youtube.commentThread", location="videoId"))
            return [post for post in seen.threads.values() if post.parent == video.id]
        channel = query.get("allThreadsRelatedToChannelId") or query.get("channelId")
        channels = {self._channel_of(video) for video in seen.videos.values()} | {self.channel_id}
        if channel not in channels or "channelId" in query:  # channel discussions ended in 2024
            message = _not_found_message("commentThreads", "allThreadsRelatedToChannelId")
            raise _Refuse(error(404, "channelNotFound", message, "youtube.commentThread", location="channelId"))
        ours = {
            name
            for name, video in seen.videos.items()
            if self._channel_of(video) == channel and not video.extra.get("comments_disabled")
        }
        return [post for post in seen.threads.values() if post.parent in ours]

    def _comments(self, query: Mapping[str, str]) -> dict[str, Any]:
        seen = self._seen()
        kind = "youtube#commentListResponse"
        if "id" in query:
            everything = {post.id: post for replies in seen.replies.values() for post in replies} | dict(seen.threads)
            found = [everything[i] for i in _ids(query["id"]) if i in everything]
            items = [self._comment(post, query) for post in found]
            return {"kind": kind, "pageInfo": _page_info(len(items), len(items)), "items": items}
        thread = query["parentId"]
        if thread not in seen.threads:
            message = _not_found_message("comments", "parentId")
            raise _Refuse(error(404, "commentNotFound", message, "youtube.comment", location="parentId"))
        replies = sorted(seen.replies.get(thread, []), key=_order, reverse=self.replies_newest_first)
        page, info = self._page("comments", query, replies)
        return {"kind": kind, **info, "items": [self._comment(post, query) for post in page]}

    def _search(self, query: Mapping[str, str]) -> dict[str, Any]:
        now = self.world.now()
        kinds = set(query.get("type", "video,channel,playlist").split(","))
        videos = list(self._seen().videos.values()) if "video" in kinds else []
        if "channelId" in query:
            videos = [video for video in videos if self._channel_of(video) == query["channelId"]]
        after, before = _bound(query, "publishedAfter"), _bound(query, "publishedBefore")
        hits = [
            video
            for video in videos
            if self._is_indexed(video, now)
            and (after is None or video.posted_at >= after)
            and (before is None or video.posted_at < before)
            and matches(query.get("q", ""), video.text or "")
        ]
        page, info = self._page("search", query, sorted(hits, key=_order, reverse=True))
        info["pageInfo"]["totalResults"] = len(hits) * 37 + 1_000_000  # a wild estimate, as theirs is
        return {
            "kind": "youtube#searchListResponse",
            **info,
            "regionCode": "GB",
            "items": [self._hit(video, query) for video in page],
        }

    def _is_indexed(self, video: Post, now: datetime) -> bool:
        indexed = video.extra.get("indexed_at")
        moment = indexed if isinstance(indexed, datetime) else video.posted_at + self.index_lag
        return moment <= now

    def _videos(self, query: Mapping[str, str]) -> dict[str, Any]:
        if "id" not in query:
            raise _Refuse(error(401, "required", "Login Required.", "global", location="Authorization"))
        seen = self._seen()
        found = [seen.videos[i] for i in _ids(query["id"]) if i in seen.videos]
        items = [self._video(video, seen, query) for video in found]
        return {"kind": "youtube#videoListResponse", "items": items, "pageInfo": _page_info(len(items), len(items))}

    def _stats(self, query: Mapping[str, str]) -> dict[str, Any]:
        seen = self._seen()
        items = []
        for name in (i for i in _ids(query["id"]) if i in seen.videos):
            figures = self._statistics(seen.videos[name], seen)
            figures.pop("favoriteCount")
            items.append({"kind": "youtube#videoStat", "etag": _etag(name, figures), "id": name, "statistics": figures})
        return {"kind": "youtube#batchGetStatsResponse", "items": items}

    def _channels(self, query: Mapping[str, str]) -> dict[str, Any]:
        if "mine" in query or "managedByMe" in query:
            raise _Refuse(error(401, "authError", "Login Required.", "global", status="UNAUTHENTICATED"))
        handle = query.get("forHandle", "").lstrip("@").lower()
        ours = self.channel_id in _ids(query.get("id", "")) or (bool(handle) and handle == self.handle.lower())
        items = [self._channel(query)] if ours else []
        body: dict[str, Any] = {"kind": "youtube#channelListResponse", "pageInfo": _page_info(len(items), 5)}
        return {**body, "items": items} if items else body  # an empty list of channels is left out

    def _playlist_items(self, query: Mapping[str, str]) -> dict[str, Any]:
        seen = self._seen()
        own = [video for video in seen.videos.values() if video.kind is Kind.OWN_POST]
        kind = "youtube#playlistItemListResponse"
        if "id" in query:
            wanted = set(_ids(query["id"]))
            items = [self._playlist_item(v, 0, query) for v in own if _item_id(v) in wanted]
            return {"kind": kind, "items": items, "pageInfo": _page_info(len(items), len(items))}
        if query["playlistId"] != self.uploads:
            message = _not_found_message("playlistItems", "playlistId")
            raise _Refuse(error(404, "playlistNotFound", message, "youtube.playlistItem", location="playlistId"))
        if "videoId" in query:
            own = [video for video in own if video.id == query["videoId"]]
        by_upload = sorted(own, key=lambda video: (_uploaded(video), video.id), reverse=True)
        page, info = self._page("playlistItems", query, by_upload)
        first = by_upload.index(page[0]) if page else 0
        items = [self._playlist_item(video, first + number, query) for number, video in enumerate(page)]
        return {"kind": kind, **info, "items": items}

    @property
    def uploads(self) -> str:
        """The id of the uploads playlist."""
        return f"UU{self.channel_id.removeprefix('UC')}"

    # ── pages ───────────────────────────────────────────────────────────────────────────────────────

    def _page(self, method: str, query: Mapping[str, str], posts: Sequence[Post]) -> tuple[list[Post], dict[str, Any]]:
        """One page and what is said about it. The token names the last entry, so that news shifts nothing; it goes
        with identical parameters only, and for a while."""
        form = METHODS[method]
        size = int(query.get("maxResults", form.usual)) or form.usual
        capped = min(size, self.page_cap) if self.page_cap and method == "commentThreads" else size
        start = self._start(method, query, posts)
        page = list(posts[start : start + capped])
        info: dict[str, Any] = {}
        if page and start + len(page) < len(posts):
            info["nextPageToken"] = self._token(method, query, page[-1])
        total = len(page) if method in {"commentThreads", "comments"} else len(posts)
        info["pageInfo"] = _page_info(total, size)
        return page, info

    def _token(self, method: str, query: Mapping[str, str], last: Post) -> str:
        plain = json.dumps([_fingerprint(method, query), last.id, int(self.world.now().timestamp())])
        return base64.urlsafe_b64encode(plain.encode()).decode().rstrip("=")

    def _start(self, method: str, query: Mapping[str, str], posts: Sequence[Post]) -> int:
        token = query.get("pageToken")
        if not token:
            return 0
        try:
            plain = base64.urlsafe_b64decode(token + "=" * (-len(token) % 4)).decode()
            fingerprint, last, made = json.loads(plain)
            age = self.world.now() - datetime.fromtimestamp(made, UTC)
        except (ValueError, TypeError, UnicodeDecodeError):
            raise _Refuse(_bad_token()) from None
        if fingerprint != _fingerprint(method, query) or age > self.token_life:
            raise _Refuse(_bad_token())
        names = [post.id for post in posts]
        if last in names:
            return names.index(last) + 1
        gone = self.world.get(self.name, last)  # deleted meanwhile: go on where it stood
        reverse = method != "comments" or self.replies_newest_first
        return sum(1 for post in posts if gone and (_order(post) > _order(gone)) == reverse)

    # ── the resources ───────────────────────────────────────────────────────────────────────────────

    def _thread(self, post: Post, seen: _Seen, query: Mapping[str, str]) -> dict[str, Any]:
        video = seen.videos[post.parent or ""]
        replies = sorted(seen.replies.get(post.id, []), key=_order)
        item: dict[str, Any] = {"kind": "youtube#commentThread", "id": post.id}
        parts = _ids(query["part"])
        if "snippet" in parts:
            item["snippet"] = {
                "channelId": self._channel_of(video),
                "videoId": video.id,
                "topLevelComment": self._comment(post, query, video),
                "canReply": True,
                "totalReplyCount": len(replies),
                "isPublic": True,
            }
        if "replies" in parts and replies:
            item["replies"] = {"comments": [self._comment(reply, query, video) for reply in replies[-EMBEDDED:]]}
        return {**item, "etag": _etag(post.id, item)}

    def _comment(self, post: Post, query: Mapping[str, str], video: Post | None = None) -> dict[str, Any]:
        """A comment. Under ``comments.list`` it does not say which video it is under."""
        plain = query.get("textFormat", "html") == "plainText"
        text = post.text or ""
        about = video or self._video_of(post)
        snippet: dict[str, Any] = {"channelId": self._channel_of(about)} if about else {}
        if video is not None:
            snippet["videoId"] = video.id
        snippet |= {
            "textDisplay": text if plain else html.escape(text).replace("\n", "<br>"),
            "textOriginal": text,
            **_author_of(post.author),
            "canRate": True,
            "viewerRating": "none",
            "likeCount": post.likes,
            "publishedAt": stamp(post.posted_at),
            "updatedAt": stamp(post.versions[-1].at if post.edited else post.posted_at),
        }
        top = self._top(post)
        if top is not post:
            snippet["parentId"] = top.id
        return {"kind": "youtube#comment", "etag": _etag(post.id, snippet), "id": post.id, "snippet": snippet}

    def _hit(self, video: Post, query: Mapping[str, str]) -> dict[str, Any]:
        item: dict[str, Any] = {
            "kind": "youtube#searchResult",
            "etag": _etag(video.id, video.text),
            "id": {"kind": "youtube#video", "videoId": video.id},
        }
        if "snippet" in _ids(query["part"]):
            description = describe(video)
            item["snippet"] = {
                "publishedAt": stamp(video.posted_at),
                "channelId": self._channel_of(video),
                "title": html.escape(title_of(video)).replace("&#x27;", "&#39;"),
                "description": html.escape(description if len(description) <= 120 else f"{description[:117]} ..."),
                "thumbnails": _thumbnails(video.id),
                "channelTitle": video.author.name or "",
                "liveBroadcastContent": "none",
                "publishTime": stamp(video.posted_at),
            }
        return item

    def _video(self, video: Post, seen: _Seen, query: Mapping[str, str]) -> dict[str, Any]:
        resources: dict[str, Callable[[], dict[str, Any]]] = {
            "snippet": lambda: {
                "publishedAt": stamp(video.posted_at),
                "channelId": self._channel_of(video),
                "title": title_of(video),
                "description": describe(video),
                "thumbnails": _thumbnails(video.id),
                "channelTitle": video.author.name or "",
                "categoryId": "29",
                "liveBroadcastContent": "none",
            },
            "statistics": lambda: self._statistics(video, seen),
            "status": lambda: {
                "uploadStatus": "processed",
                "privacyStatus": "public",
                "license": "youtube",
                "embeddable": True,
                "publicStatsViewable": True,
                "madeForKids": False,
            },
            "contentDetails": lambda: {
                "duration": "PT3M12S",
                "dimension": "2d",
                "definition": "hd",
                "caption": "false",
            },
        }
        item = {"kind": "youtube#video", "etag": _etag(video.id, video.text, video.likes), "id": video.id}
        return item | {part: make() for part, make in resources.items() if part in _ids(query["part"])}

    def _statistics(self, video: Post, seen: _Seen) -> dict[str, Any]:
        views = video.extra.get("views")
        figures = {
            "viewCount": str(views if isinstance(views, int) else video.likes * 40 + 12),
            "likeCount": str(video.likes),
            "favoriteCount": "0",
        }
        if not video.extra.get("comments_disabled"):
            threads = [post for post in seen.threads.values() if post.parent == video.id]
            figures["commentCount"] = str(sum(1 + len(seen.replies.get(post.id, [])) for post in threads))
        return figures

    def _channel(self, query: Mapping[str, str]) -> dict[str, Any]:
        own = sum(1 for video in self._seen().videos.values() if video.kind is Kind.OWN_POST)
        resources: dict[str, dict[str, Any]] = {
            "snippet": {
                "title": self.title,
                "description": "",
                "customUrl": f"@{self.handle.lower()}",
                "publishedAt": "2015-03-02T09:00:00Z",
                "thumbnails": _thumbnails(self.channel_id),
                "country": "GB",
            },
            "contentDetails": {"relatedPlaylists": {"likes": "", "uploads": self.uploads}},
            "statistics": {
                "viewCount": "48210",
                "subscriberCount": "1240",
                "hiddenSubscriberCount": False,
                "videoCount": str(own),
            },
            "status": {"privacyStatus": "public", "isLinked": True, "longUploadsStatus": "longUploadsUnspecified"},
        }
        item = {"kind": "youtube#channel", "etag": _etag(self.channel_id, own), "id": self.channel_id}
        return item | {part: value for part, value in resources.items() if part in _ids(query["part"])}

    def _playlist_item(self, video: Post, position: int, query: Mapping[str, str]) -> dict[str, Any]:
        resources: dict[str, dict[str, Any]] = {
            "snippet": {
                "publishedAt": stamp(_uploaded(video)),
                "channelId": self.channel_id,
                "title": title_of(video),
                "description": describe(video),
                "thumbnails": _thumbnails(video.id),
                "channelTitle": self.title,
                "playlistId": self.uploads,
                "position": position,
                "resourceId": {"kind": "youtube#video", "videoId": video.id},
                "videoOwnerChannelTitle": self.title,
                "videoOwnerChannelId": self.channel_id,
            },
            "contentDetails": {"videoId": video.id, "videoPublishedAt": stamp(video.posted_at)},
            "status": {"privacyStatus": "public"},
        }
        item = {"kind": "youtube#playlistItem", "etag": _etag(video.id, position), "id": _item_id(video)}
        return item | {part: value for part, value in resources.items() if part in _ids(query["part"])}


@dataclass(frozen=True, slots=True)
class _Seen:
    """What can be seen: public videos, top-level comments and their replies."""

    videos: Mapping[str, Post]
    threads: Mapping[str, Post]
    replies: Mapping[str, list[Post]]


# ── the words of videos and searches ────────────────────────────────────────────────────────────────


def title_of(video: Post) -> str:
    """The first line of a video's text, at most 100 characters; ``extra["title"]`` where there is one."""
    given = video.extra.get("title")
    first = given if isinstance(given, str) else (video.text or "").partition("\n")[0]
    return first if len(first) <= 100 else f"{first[:99]}…"


def describe(video: Post) -> str:
    """The text that the title does not hold."""
    text = video.text or ""
    if isinstance(video.extra.get("title"), str) or len(text.partition("\n")[0]) > 100:
        return text
    return text.partition("\n")[2].strip("\n")


def matches(query: str, text: str) -> bool:
    """Whether ``text`` answers a search: ``|`` is or, ``-`` is not, quotes hold words together."""
    if not query.strip():
        return True
    return any(_matches_all(choice, text) for choice in re.split(r"\|(?=(?:[^\"]*\"[^\"]*\")*[^\"]*$)", query))


def _matches_all(choice: str, text: str) -> bool:
    words = re.findall(r'(-?)(?:"([^"]*)"|(\S+))', choice)
    return bool(words) and all(_holds(text, quoted or plain) != bool(minus) for minus, quoted, plain in words)


def _holds(text: str, words: str) -> bool:
    """Whether the words stand in ``text`` one after the other, whatever stands between them and in which case."""
    pattern = r"\W+".join(re.escape(word) for word in re.findall(r"\w+", words))
    return bool(pattern) and re.search(rf"(?i)(?<!\w){pattern}(?!\w)", text) is not None


# ── small shapes ────────────────────────────────────────────────────────────────────────────────────


def stamp(moment: datetime) -> str:
    """A time as the API writes it: whole seconds, Z."""
    return f"{moment.astimezone(UTC):%Y-%m-%dT%H:%M:%SZ}"


def channel_of(author: Author) -> str:
    """The channel id of an invented author: stable, and in the platform's form."""
    if author.id and author.id.startswith("UC"):
        return author.id
    digest = hashlib.sha256(f"{author.id}/{author.handle}/{author.name}".encode()).digest()
    return f"UC{base64.urlsafe_b64encode(digest).decode()[:22]}"


def _author_of(author: Author) -> dict[str, Any]:
    channel = channel_of(author)
    about: dict[str, Any] = {
        "authorDisplayName": f"@{author.handle}" if author.handle else author.name or "",
        "authorProfileImageUrl": "https://yt3.example/profile.jpg",
        "authorChannelUrl": f"http://www.youtube.com/@{author.handle}" if author.handle else "",
    }
    return {**about, "authorChannelId": {"value": channel}} if author.id else about


def _is_video(post: Post) -> bool:
    return post.parent is None


def _order(post: Post) -> tuple[datetime, str]:
    return post.posted_at, post.id


def _uploaded(video: Post) -> datetime:
    uploaded = video.extra.get("uploaded_at")
    return uploaded if isinstance(uploaded, datetime) else video.posted_at


def _item_id(video: Post) -> str:
    return base64.urlsafe_b64encode(f"UU.{video.id}".encode()).decode().rstrip("=")


def _thumbnails(name: str) -> dict[str, Any]:
    return {"default": {"url": f"https://i.ytimg.example/vi/{name}/default.jpg", "width": 120, "height": 90}}


def _ids(text: str) -> list[str]:
    return list(dict.fromkeys(part.strip() for part in text.split(",") if part.strip()))


def _page_info(total: int, size: int) -> dict[str, Any]:
    return {"totalResults": total, "resultsPerPage": size}


def _etag(*parts: object) -> str:
    return base64.urlsafe_b64encode(hashlib.sha1(repr(parts).encode("utf-8", "replace")).digest()).decode()[:27]  # noqa: S324


def _fingerprint(method: str, query: Mapping[str, str]) -> str:
    fixed = sorted((name, value) for name, value in query.items() if name not in {"pageToken", "key", "prettyPrint"})
    return hashlib.sha256(json.dumps([method, fixed]).encode()).hexdigest()[:16]


def _bound(query: Mapping[str, str], name: str) -> datetime | None:
    text = query.get(name)
    if text is None:
        return None
    if not re.fullmatch(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(\.\d+)?(Z|[+-]\d\d:\d\d)", text):
        raise _Refuse(_invalid(name, text))
    return datetime.fromisoformat(text)


# ── errors (specs/x-youtube-error-bodies.json; facts, 2.6) ──────────────────────────────────────────

_FORBIDDEN = "Access forbidden. The request may not be properly authorized."
_NOT_FOUND = b"<!DOCTYPE html><html lang=en><title>Error 404 (Not Found)!!1</title><p><b>404.</b> That's an error."


def error(
    code: int,
    reason: str,
    message: str,
    domain: str,
    *,
    location: str = "",
    status: str = "",
    details: Sequence[Mapping[str, Any]] = (),
) -> Reply:
    """An error in the API's general form; ``status`` and ``details`` stand on newer answers only."""
    inner: dict[str, Any] = {"message": message, "domain": domain, "reason": reason}
    if location:
        inner |= {"location": location, "locationType": "header" if location == "Authorization" else "parameter"}
    body: dict[str, Any] = {"code": code, "message": message, "errors": [inner]}
    if status:
        body["status"] = status
    if details:
        body["details"] = list(details)
    return Reply(code, {"error": body}, {"content-type": "application/json; charset=UTF-8"})


def _detail(reason: str, metadata: Mapping[str, str]) -> dict[str, Any]:
    return {
        "@type": "type.googleapis.com/google.rpc.ErrorInfo",
        "reason": reason,
        "domain": "googleapis.com",
        "metadata": dict(metadata),
    }


def _quota_is_empty() -> Reply:
    message = (
        "The request cannot be completed because you have exceeded your "
        '<a href="/youtube/v3/getting-started#quota">quota</a>.'
    )
    return error(403, "quotaExceeded", message, "youtube.quota")


def _invalid(name: str, value: str) -> Reply:
    message = f"Invalid value at '{name}': {value}"
    return error(400, "badRequest", message, "global", location=name, status="INVALID_ARGUMENT")


def _bad_token() -> Reply:
    message = "The request specifies an invalid page token."
    return error(400, "invalidPageToken", message, "youtube.parameter", location="pageToken")


def _not_found_message(resource: str, name: str) -> str:
    kind = {"videoId": "video", "parentId": "comment", "playlistId": "playlist"}.get(name, "channel")
    link = f'<code><a href="/youtube/v3/docs/{resource}/list#{name}">{name}</a></code>'
    return f"The {kind} identified by the {link} parameter could not be found."


def _check_parts(form: _Method, query: Mapping[str, str]) -> None:
    parts = _ids(query.get("part", ""))
    if form.needs_part and not parts:
        message = "No value was given for the required parameter <code>part</code>."
        raise _Refuse(error(400, "missingRequiredParameter", message, "youtube.parameter", location="part"))
    for part in parts:
        if part not in form.parts:
            raise _Refuse(error(400, "unknownPart", f"'{part}'", "youtube.part", location="part"))


def _check_filters(method: str, form: _Method, query: Mapping[str, str]) -> None:
    given = [name for name in form.filters if name in query]
    if form.filters and not given:
        message = f"No filter selected. Expected one of: {', '.join(form.filters)}"
        raise _Refuse(error(400, "missingRequiredParameter", message, "youtube.parameter", location="parameters."))
    if len(given) > 1:
        message = f"Incompatible parameters specified in the request: {', '.join(given)}"
        raise _Refuse(error(400, "incompatibleParameters", message, "youtube.parameter", location="parameters."))
    ids = _ids(query.get("id", ""))
    if given == ["id"] and len(ids) > 50:
        message = f"Too many values were given for <code>id</code>: {len(ids)}"
        raise _Refuse(error(400, "invalidFilters", message, "youtube.parameter", location="id"))
    if given == ["id"] and method != "channels":
        wrong = (_PAGED | {"order", "searchTerms", "moderationStatus"}) & query.keys()
        if wrong:
            message = f"<code>{sorted(wrong)[0]}</code> is not supported for use in conjunction with <code>id</code>."
            raise _Refuse(error(400, "incompatibleParameters", message, "youtube.parameter", location="id"))
