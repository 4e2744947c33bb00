"""A stand-in for a Facebook Page: ``/feed``, ``/tagged``, ``/ratings``, comments and the rest, over the world.

In the world, an ``own_post`` without a parent is a post of the Page and with one its answer; a ``comment``
without a parent is a visitor's post; a ``tag`` is a stranger's post that tags the Page. A ``mention`` that does
not tag it (``tagged=True`` in its extras) is invisible here, as on the platform. A ``review`` may carry
``recommends=False``, ``rating=1`` in its extras.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from connectors.model import Author, Kind
from connectors.standins.graph import (
    Call,
    Field,
    GraphError,
    GraphStandIn,
    NodeType,
    Token,
    edge,
    gone,
    nested_limit,
    parse_fields,
    render,
    stamp,
)
from connectors.standins.world import Post, Version, World

SCOPES = frozenset(
    {
        "pages_show_list",
        "pages_read_engagement",
        "pages_read_user_content",
        "pages_manage_metadata",
        "pages_manage_engagement",
    }
)


@dataclass(slots=True)
class Waiting:
    """A post of the Page that waits for its hour."""

    id: str
    text: str
    publish_at: datetime
    made_at: datetime


class FacebookStandIn(GraphStandIn):
    """One Page on graph.facebook.com."""

    def __init__(
        self,
        world: World,
        page_id: str = "100200300400500",
        page_token: str = "page-token",  # noqa: S107 - invented
        app_secret: str = "",
        *,
        app_id: str = "700800900",
        page_name: str = "Tessellate UK",
        instagram_id: str = "17841400000000001",
    ) -> None:
        super().__init__(world, "facebook", app_id=app_id, app_secret=app_secret, bucket="pages", limit_code=80001)
        self.account = self.page_id = page_id
        self.page_name = page_name
        self.instagram_id = instagram_id
        self.waiting: list[Waiting] = []
        now = world.now()
        self.tokens[page_token] = Token(
            "PAGE", page_id, SCOPES, data_access_expires_at=now + timedelta(days=90), issued_at=now
        )
        world.namers["facebook"] = self._name
        world.own.setdefault("facebook", Author(name=page_name, handle="tessellateuk", id=page_id))
        self.types = _node_types(self)

    def user_token(self, token: str) -> None:
        """Give out a person's token: with it a Page reads as empty, without an error."""
        self.tokens[token] = Token("USER", "10150000000000001", SCOPES, self.world.now() + timedelta(days=60))

    def schedule(self, text: str, publish_at: datetime) -> Waiting:
        """Let the Page plan a post; it is said in the world when its hour has come and somebody looks."""
        with self.world.lock:
            post = Waiting(f"{self.page_id}_{self._number()}", text, publish_at, self.world.now())
            self.waiting.append(post)
            return post

    def _publish_due(self) -> None:
        for post in [post for post in self.waiting if post.publish_at <= self.world.now()]:
            self.waiting.remove(post)
            self.world.say("facebook", Kind.OWN_POST, post.text, at=post.publish_at)

    def _number(self) -> str:
        return f"{1_220_000_000_000_000 + next(self.world.count)}"

    def _name(self, world: World, post: Post) -> str:
        number = self._number()
        if post.parent is not None:
            return f"{(post.thread or post.parent).rpartition('_')[2]}_{number}"
        is_elsewhere = post.kind in {Kind.TAG, Kind.MENTION, Kind.REVIEW}
        return f"{(post.author.id or '90') if is_elsewhere else self.page_id}_{number}"

    # ── what there is ───────────────────────────────────────────────────────────────────────────

    def roots(self) -> list[Post]:
        """All posts of the feed: the Page's, its visitors', and those that tag it; newest first."""
        if any(post.publish_at <= self.world.now() for post in self.waiting):
            self._publish_due()
            self._shelf = None
        return [p for p in self.shelf.posts if p.parent is None and self._in_feed(p)]

    @staticmethod
    def _in_feed(post: Post) -> bool:
        return post.kind in {Kind.OWN_POST, Kind.COMMENT} or _tags(post)

    def comments(self, root: str) -> list[Post]:
        """All comments and replies under a post, newest first."""
        return self.shelf.by_thread.get(root, [])

    def replies(self, comment: str) -> list[Post]:
        """What is attached to a first-level comment; deeper answers hang there too."""
        return self.shelf.below(comment)

    def first_level(self, post: Post) -> str | None:
        """The first-level comment that a reply is attached to; None for a first-level comment itself."""
        above = post.parent
        while above is not None and above != post.thread:
            parent = self.world.get("facebook", above)
            if parent is None or parent.parent == post.thread or parent.parent is None:
                return above
            above = parent.parent
        return None

    def _find(self, object_id: str) -> Post | None:
        known = self.shelf.by_id.get(object_id)
        if known is not None or "_" in object_id:
            return known
        return next((p for p in self.shelf.posts if p.parent and object_id == p.id.rpartition("_")[2]), None)

    # ── calls ───────────────────────────────────────────────────────────────────────────────────

    def route(self, call: Call, method: str, path: str) -> Any:
        """An object, one of its edges, or hiding a comment."""
        object_id, _, name = path.partition("/")
        if object_id == "me":
            object_id = call.grant.owner
        if method == "POST" and not name:
            return self._hide(call, object_id)
        if method != "GET":
            raise GraphError(
                400, 100, f"Unsupported {method.lower()} request.", kind="GraphMethodException", subcode=33
            )
        if not name:
            return self.node(call, object_id, call.params.get("fields"))
        if object_id == self.page_id:
            return self._page_edge(call, name)
        return self._comments_edge(call, object_id, name)

    def _page_edge(self, call: Call, name: str) -> Any:
        if name not in {"feed", "posts", "published_posts", "visitor_posts", "tagged", "ratings", "scheduled_posts"}:
            raise GraphError(400, 2500, f"Unknown path components: /{name}")
        if call.grant.kind != "PAGE":
            return {"data": []}
        call.needs("pages_read_engagement")
        if name in {"tagged", "ratings", "visitor_posts"}:
            call.needs("pages_read_user_content")
        path = f"{self.page_id}/{name}"
        if name == "ratings":
            reviews = [p for p in self.shelf.posts if p.kind is Kind.REVIEW]
            return call.page(reviews, self.types["Recommendation"], path=path)
        if name == "scheduled_posts":
            posts = [_as_post(post, self) for post in sorted(self.waiting, key=lambda p: p.publish_at)]
            return call.page(posts, self.types["PagePost"], path=path)
        kind = self.types["TaggedPost"] if name == "tagged" else self.types["PagePost"]
        return call.page([p for p in self.roots() if _belongs(p, name)], kind, path=path)

    def _comments_edge(self, call: Call, object_id: str, name: str) -> Any:
        post = self._find(object_id)
        if post is None:
            raise gone(object_id)
        if name != "comments":
            raise GraphError(400, 2500, f"Unknown path components: /{name}")
        call.needs("pages_read_engagement")
        call.needs("pages_read_user_content")
        found = self.ordered(post, call.params)
        body = call.page(found, self.types["Comment"], path=f"{object_id}/comments")
        if call.params.get("summary") in {"true", "1"}:
            body["summary"] = self.summary(post, call.params)
        return body

    def ordered(self, post: Post, modifiers: Mapping[str, str]) -> list[Post]:
        """The comments of a post or comment, as ``filter`` and ``order`` ask for them."""
        wanted, order = modifiers.get("filter", "toplevel"), modifiers.get("order", "chronological")
        if wanted not in {"toplevel", "stream"}:
            raise GraphError(400, 100, "(#100) Param filter must be one of {TOPLEVEL, STREAM}")
        if order not in {"chronological", "reverse_chronological"}:
            raise GraphError(400, 100, "(#100) Param order must be one of {CHRONOLOGICAL, REVERSE_CHRONOLOGICAL}")
        found = self.comments(post.id) if post.parent is None else self.replies(post.id)
        if wanted == "toplevel" and post.parent is None:
            found = [p for p in found if self.first_level(p) is None]
        return found if order == "reverse_chronological" else found[::-1]

    def summary(self, post: Post, modifiers: Mapping[str, str]) -> dict[str, Any]:
        """The summary of a list of comments."""
        return {
            "order": modifiers.get("order", "ranked"),
            "total_count": len(self.ordered(post, modifiers)),
            "can_comment": True,
        }

    def node(self, call: Call, object_id: str, fields: str | None) -> Any:
        """The Page, a person, a post or a comment."""
        asked = parse_fields(fields) if fields else ()
        if object_id == self.page_id:
            return render(self._page_post(), self.types["Page"], asked)
        if object_id == call.grant.owner:
            return {"id": object_id, "name": "Alex Example"}
        post = self._find(object_id)
        if post is None or call.grant.kind != "PAGE" or post.kind is Kind.REVIEW:
            raise gone(object_id)
        if post.parent is None and (_tags(post) or not self._in_feed(post)):
            raise gone(object_id)  # a stranger's own post is not ours to read
        call.needs("pages_read_engagement")
        return render(post, self.types["Comment" if post.parent else "PagePost"], asked)

    def _page_post(self) -> Post:
        return Post("facebook", self.page_id, Kind.OWN_POST, Author(self.page_name), self.world.now(), [])

    def _hide(self, call: Call, object_id: str) -> dict[str, Any]:
        call.needs("pages_manage_engagement")
        post = self._find(object_id)
        if post is None or post.parent is None:
            raise gone(object_id)
        if "message" in call.params:
            raise GraphError(403, 200, "(#200) Permissions error")
        if call.params.get("is_hidden") not in {"true", "false"}:
            raise GraphError(400, 100, "(#100) Param is_hidden must be a boolean")
        post.hidden = call.params["is_hidden"] == "true"
        return {"success": True}


def _tags(post: Post) -> bool:
    return post.kind is Kind.TAG or (post.kind is Kind.MENTION and bool(post.extra.get("tagged")))


def _belongs(post: Post, name: str) -> bool:
    match name:
        case "posts" | "published_posts":
            return post.kind is Kind.OWN_POST
        case "visitor_posts":
            return post.kind is Kind.COMMENT
        case "tagged":
            return _tags(post)
        case _:
            return True


def _as_post(waiting: Waiting, standin: FacebookStandIn) -> Post:
    return Post(
        "facebook",
        waiting.id,
        Kind.OWN_POST,
        Author(standin.page_name, id=standin.page_id),
        waiting.made_at,
        [Version(waiting.text, waiting.made_at)],
        extra={"publish_at": waiting.publish_at},
    )


def _from(post: Post, f: Field) -> dict[str, Any] | None:
    """Who wrote it. For a stranger's post that tags us it is left out (platform facts, 1.1)."""
    if _tags(post) or post.author.id is None:
        return None
    return {"id": post.author.id, "name": post.author.name or "Somebody"}


def _publish_time(post: Post, f: Field) -> int | None:
    at = post.extra.get("publish_at")
    return int(at.timestamp()) if isinstance(at, datetime) else None


def _permalink(post: Post, f: Field) -> str:
    owner, _, number = post.id.partition("_")
    if post.parent is not None:
        root = (post.thread or "").rpartition("_")[2]
        return f"https://www.facebook.com/permalink.php?story_fbid={root}&comment_id={post.id.rpartition('_')[2]}"
    return f"https://www.facebook.com/permalink.php?story_fbid={number}&id={owner}"


def _node_types(standin: FacebookStandIn) -> dict[str, NodeType]:
    def comments(post: Post, f: Field) -> dict[str, Any]:
        found = standin.ordered(post, f.modifiers)
        body = edge(
            found,
            types["Comment"],
            f.inside,
            limit=nested_limit(f),
            next_url=lambda after, limit: (
                f"https://graph.facebook.com/v26.0/{post.id}/comments?limit={limit}&after={after}"
            ),
        )
        if f.modifiers.get("summary") in {"true", "1"}:
            body["summary"] = standin.summary(post, f.modifiers)
        return body

    def reactions(post: Post, f: Field) -> dict[str, Any]:
        body: dict[str, Any] = {"data": []}
        if f.modifiers.get("summary"):
            body["summary"] = {"total_count": post.likes, "viewer_reaction": "NONE"}
        return body

    def parent(post: Post, f: Field) -> dict[str, Any] | None:
        above = standin.first_level(post)
        known = standin.world.get("facebook", above) if above else None
        if known is None or known.deleted_at is not None:
            return None
        return render(known, types["Comment"], f.inside)

    post_makers = {
        "id": lambda p, f: p.id,
        "created_time": lambda p, f: stamp(p.posted_at),
        "updated_time": lambda p, f: stamp(p.changed_at or p.posted_at),
        "message": lambda p, f: p.text or None,
        "story": lambda p, f: None,
        "from": _from,
        "permalink_url": _permalink,
        "status_type": lambda p, f: "mobile_status_update" if p.kind is Kind.OWN_POST else "wall_post",
        "is_hidden": lambda p, f: p.hidden,
        "is_published": lambda p, f: "publish_at" not in p.extra,
        "parent_id": lambda p, f: p.extra.get("shared_from"),
        "shares": lambda p, f: {"count": p.shares} if p.shares else None,
        "attachments": lambda p, f: None,
        "message_tags": lambda p, f: None,
        "scheduled_publish_time": _publish_time,
        "comments": comments,
        "reactions": reactions,
        "likes": reactions,
    }
    comment_makers = {
        "id": lambda p, f: p.id,
        "created_time": lambda p, f: stamp(p.posted_at),
        "message": lambda p, f: p.text or "",
        "from": _from,
        "parent": parent,
        "permalink_url": _permalink,
        "like_count": lambda p, f: p.likes,
        "comment_count": lambda p, f: len(standin.replies(p.id)),
        "is_hidden": lambda p, f: p.hidden,
        "is_private": lambda p, f: False,
        "can_hide": lambda p, f: p.kind is not Kind.OWN_POST,
        "can_comment": lambda p, f: True,
        "attachment": lambda p, f: None,
        "message_tags": lambda p, f: None,
        "object": lambda p, f: {"id": (p.thread or "").rpartition("_")[2]},
        "user_likes": lambda p, f: False,
        "comments": comments,
        "reactions": reactions,
        "likes": reactions,
    }
    rating_makers = {
        "created_time": lambda p, f: stamp(p.posted_at),
        "recommendation_type": lambda p, f: "positive" if p.extra.get("recommends", True) else "negative",
        "has_review": lambda p, f: bool(p.text),
        "has_rating": lambda p, f: "rating" in p.extra,
        "review_text": lambda p, f: p.text or None,
        "rating": lambda p, f: p.extra.get("rating"),
        "reviewer": lambda p, f: {"id": p.author.id, "name": p.author.name} if p.author.id else None,
        "open_graph_story": lambda p, f: {"id": p.id},
    }
    page_makers = {
        "id": lambda p, f: standin.page_id,
        "name": lambda p, f: standin.page_name,
        "username": lambda p, f: "tessellateuk",
        "link": lambda p, f: f"https://www.facebook.com/{standin.page_id}",
        "fan_count": lambda p, f: 1203,
        "followers_count": lambda p, f: 1240,
        "is_published": lambda p, f: True,
        "has_transitioned_to_new_page_experience": lambda p, f: True,
        "instagram_business_account": lambda p, f: {"id": standin.instagram_id},
    }
    types = {
        "PagePost": NodeType("Post", post_makers, ("created_time", "message", "id")),
        "TaggedPost": NodeType(
            "Post",
            {**post_makers, "tagged_time": lambda p, f: stamp(p.posted_at)},
            ("created_time", "message", "tagged_time", "id"),
        ),
        "Comment": NodeType("Comment", comment_makers, ("created_time", "from", "message", "id")),
        "Recommendation": NodeType(
            "Recommendation", rating_makers, ("created_time", "recommendation_type", "review_text", "reviewer")
        ),
        "Page": NodeType("Page", page_makers, ("name", "id")),
    }
    return types
