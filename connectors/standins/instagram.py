"""A stand-in for an Instagram professional account: own media, comments, replies and ``/tags``, over the world.

In the world, an ``own_post`` without a parent is one of our media and with one our reply; a ``comment`` has a
parent; a ``tag`` is a stranger's post with us tagged on the picture. A ``mention`` in a caption or comment is
invisible here, as on the platform, which tells it by webhook only.
"""

from __future__ import annotations

from collections.abc import Mapping
from datetime import timedelta
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
from connectors.standins.world import Post, World

SCOPES = frozenset({"instagram_basic", "instagram_manage_comments", "pages_read_engagement", "pages_show_list"})
LIFE = timedelta(days=60)
REPLIES_SHOWN = 25
COMMENTS_AT_MOST = 50


class InstagramStandIn(GraphStandIn):
    """One professional account, for both kinds of login."""

    def __init__(
        self,
        world: World,
        account_id: str = "17841400000000001",
        token: str = "instagram-token",  # noqa: S107 - invented
        app_secret: str = "",
        *,
        app_id: str = "700800900",
        username: str = "TessellateUK",
    ) -> None:
        super().__init__(world, "instagram", app_id=app_id, app_secret=app_secret, bucket="instagram", limit_code=80002)
        self.account = self.account_id = account_id
        self.username = username
        self.give(token)
        world.namers["instagram"] = self._name
        world.own.setdefault("instagram", Author(name=username, handle=username, id=account_id))
        self.types = _node_types(self)

    def give(self, token: str) -> None:
        """Give out a token of 60 days."""
        now = self.world.now()
        self.tokens[token] = Token(
            "USER", self.account_id, SCOPES, now + LIFE, data_access_expires_at=now + timedelta(days=90), issued_at=now
        )

    def _name(self, world: World, post: Post) -> str:
        return f"{17_900_000_000_000_000 + next(world.count)}"

    # ── what there is ───────────────────────────────────────────────────────────────────────────

    def media(self) -> list[Post]:
        """Our own posts, newest first."""
        return [p for p in self.shelf.posts if p.kind is Kind.OWN_POST and p.parent is None]

    def tags(self) -> list[Post]:
        """Posts with us tagged on the picture, newest first; those of private accounts never."""
        return [p for p in self.shelf.posts if p.kind is Kind.TAG and not p.extra.get("private")]

    def comments(self, media: str) -> list[Post]:
        """The first-level comments under a post, newest first."""
        return self.shelf.by_parent.get(media, [])

    def replies(self, comment: str) -> list[Post]:
        """What hangs under a first-level comment, deeper answers too; oldest first."""
        return self.shelf.below(comment)[::-1]

    def count(self, media: str) -> int:
        """All comments and replies under a post; with a comment its replies go."""
        return len(self.shelf.below(media))

    def _find(self, object_id: str) -> Post | None:
        return self.shelf.by_id.get(object_id)

    # ── calls ───────────────────────────────────────────────────────────────────────────────────

    def without_token(self, method: str, path: str, params: Mapping[str, str]) -> Any:
        """The two exchanges of a token for a fresh one."""
        if path == "refresh_access_token":
            if params.get("grant_type") != "ig_refresh_token":
                raise GraphError(400, 100, "(#100) Param grant_type must be ig_refresh_token")
            return self._renew(params.get("access_token"), timedelta(hours=24))
        if path == "oauth/access_token":
            if params.get("grant_type") != "fb_exchange_token":
                raise GraphError(400, 100, "(#100) Missing grant_type")
            if (params.get("client_id"), params.get("client_secret")) != (self.app_id, self.app_secret):
                raise GraphError(400, 1, "Error validating client secret.")
            return self._renew(params.get("fb_exchange_token"), timedelta(0))
        return None

    def _renew(self, token: str | None, age: timedelta) -> dict[str, Any]:
        known = self.tokens.get(token or "")
        now = self.world.now()
        if known is None or token is None or (known.expires_at and known.expires_at <= now):
            raise GraphError(400, 190, "Invalid OAuth access token.", subcode=463)
        if age and known.issued_at and now - known.issued_at < age:
            raise GraphError(400, 100, "The token is too new to be refreshed.")
        fresh = f"{token.partition('~')[0]}~{next(self.world.count)}"
        self.give(fresh)
        return {"access_token": fresh, "token_type": "bearer", "expires_in": int(LIFE.total_seconds())}

    def route(self, call: Call, method: str, path: str) -> Any:
        """An object, one of its edges, or hiding a comment."""
        object_id, _, name = path.partition("/")
        if object_id == "me":
            object_id = self.account_id
        if method == "POST" and not name:
            return self._hide(call, object_id)
        if method != "GET":
            words = f"Unsupported {method.lower()} request."
            raise GraphError(400, 100, words, kind="GraphMethodException", subcode=33)
        if not name:
            return self.node(call, object_id, call.params.get("fields"))
        call.needs("instagram_basic")
        if object_id == self.account_id:
            return self._account_edge(call, name)
        return self._media_edge(call, object_id, name)

    def _account_edge(self, call: Call, name: str) -> Any:
        path = f"{self.account_id}/{name}"
        if name == "media":
            return call.page(self.media(), self.types["IGMedia"], path=path)
        if name == "tags":
            call.needs("instagram_manage_comments")
            return call.page(self.tags(), self.types["TaggedMedia"], path=path, with_next=False)
        raise GraphError(400, 2500, f"Unknown path components: /{name}")

    def _media_edge(self, call: Call, object_id: str, name: str) -> Any:
        post = self._find(object_id)
        if post is None:
            raise gone(object_id)
        call.needs("instagram_manage_comments")
        path = f"{object_id}/{name}"
        if name == "comments" and post.parent is None:
            found = self.comments(object_id)
            return call.page(found, self.types["IGComment"], path=path, usual_limit=50, most=COMMENTS_AT_MOST)
        if name == "replies" and post.parent is not None:
            found = self.replies(object_id)
            return call.page(found, self.types["IGComment"], path=path, usual_limit=50, most=COMMENTS_AT_MOST)
        raise GraphError(400, 2500, f"Unknown path components: /{name}")

    def node(self, call: Call, object_id: str, fields: str | None) -> Any:
        """The account, one of our media, or a comment under it."""
        asked = parse_fields(fields) if fields else ()
        if object_id == self.account_id:
            own = Post("instagram", object_id, Kind.OWN_POST, Author(self.username), self.world.now(), [])
            return render(own, self.types["IGUser"], asked)
        post = self._find(object_id)
        if post is None or post.kind in {Kind.TAG, Kind.MENTION, Kind.REVIEW}:
            raise gone(object_id)
        call.needs("instagram_basic")
        return render(post, self.types["IGMedia" if post.parent is None else "IGComment"], asked)

    def _hide(self, call: Call, object_id: str) -> dict[str, Any]:
        call.needs("instagram_manage_comments")
        post = self._find(object_id)
        if post is None or post.parent is None:
            raise gone(object_id)
        if call.params.get("hide") not in {"true", "false"}:
            raise GraphError(400, 100, "(#100) The parameter hide is required")
        post.hidden = call.params["hide"] == "true"
        return {"success": True}


def _shortcode(post: Post) -> str:
    return f"C{int(post.id) % 10**10:010d}"


def _node_types(standin: InstagramStandIn) -> dict[str, NodeType]:
    def comments(post: Post, f: Field) -> dict[str, Any] | None:
        found = standin.comments(post.id)
        if not found:
            return None
        return edge(
            found, types["IGComment"], f.inside, limit=nested_limit(f, 25, 50), next_url=_next(post, "comments")
        )

    def replies(post: Post, f: Field) -> dict[str, Any] | None:
        found = standin.replies(post.id)
        if not found:
            return None
        limit = nested_limit(f, REPLIES_SHOWN, 50)
        return edge(found, types["IGComment"], f.inside, limit=limit, next_url=_next(post, "replies"))

    def sender(post: Post, f: Field) -> dict[str, Any]:
        return {"id": post.author.id or "0", "username": post.author.handle or "somebody"}

    def parent_id(post: Post, f: Field) -> str | None:
        if post.parent == post.thread:
            return None
        above = post.parent
        while above is not None:
            parent = standin.world.get("instagram", above)
            if parent is None or parent.parent == post.thread:
                return above
            above = parent.parent
        return None

    def media_of(post: Post, f: Field) -> dict[str, Any] | None:
        media = standin.world.get("instagram", post.thread or "")
        return render(media, types["IGMedia"], f.inside or (Field("id"),)) if media else None

    def children(post: Post, f: Field) -> None:
        return None

    media_makers = {
        "id": lambda p, f: p.id,
        "caption": lambda p, f: p.text or None,
        "media_type": lambda p, f: "IMAGE",
        "media_product_type": lambda p, f: "FEED",
        "media_url": lambda p, f: f"https://scontent.example/{p.id}.jpg",
        "permalink": lambda p, f: f"https://www.instagram.com/p/{_shortcode(p)}/",
        "shortcode": lambda p, f: _shortcode(p),
        "timestamp": lambda p, f: stamp(p.posted_at),
        "username": lambda p, f: p.author.handle,
        "like_count": lambda p, f: p.likes,
        "comments_count": lambda p, f: standin.count(p.id),
        "is_comment_enabled": lambda p, f: True,
        "children": children,
        "comments": comments,
        "owner": lambda p, f: {"id": standin.account_id},
    }
    tagged_makers = {name: made for name, made in media_makers.items() if name not in {"owner", "comments"}}
    comment_makers = {
        "id": lambda p, f: p.id,
        "text": lambda p, f: p.text or "",
        "timestamp": lambda p, f: stamp(p.posted_at),
        "username": lambda p, f: p.author.handle,
        "from": sender,
        "like_count": lambda p, f: p.likes,
        "hidden": lambda p, f: p.hidden,
        "parent_id": parent_id,
        "media": media_of,
        "replies": replies,
    }
    user_makers = {
        "id": lambda p, f: standin.account_id,
        "user_id": lambda p, f: standin.account_id,
        "username": lambda p, f: standin.username,
        "name": lambda p, f: "Tessellate UK",
        "media_count": lambda p, f: len(standin.media()),
        "followers_count": lambda p, f: 2105,
    }
    usual_comment = ("timestamp", "text", "id")
    types = {
        "IGMedia": NodeType("IGMedia", media_makers, ("id",)),
        "TaggedMedia": NodeType("IGMedia", tagged_makers, ("id",)),
        "IGComment": NodeType("IGComment", comment_makers, usual_comment),
        "IGUser": NodeType("IGUser", user_makers, ("id",)),
    }
    return types


def _next(post: Post, name: str) -> Any:
    def url(after: str, limit: int) -> str:
        return f"https://graph.facebook.com/v26.0/{post.id}/{name}?limit={limit}&after={after}"

    return url
