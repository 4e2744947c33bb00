"""Facebook: a Page's own posts, what visitors write, tags, ratings and all comments, through the Graph API.

Facts: one compound call shows the newest posts with their newest comments; a sweep over the newest hundred
posts finds late comments on old ones (platform facts, 1.2 and 1.3). The sweep goes over ``/feed``, not over
``/published_posts``: visitors' posts are answered late too.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from hashlib import blake2b
from typing import TYPE_CHECKING, Any

from connectors.errors import ConnectorError, SetupRejected, UnexpectedReply, shape_of
from connectors.graph import again
from connectors.graph.place import Task
from connectors.graph.refusals import Refused
from connectors.graph.rounds import Client, Each, Entry, Rounds, Stream, Talk
from connectors.graph.settings import check_graph_settings
from connectors.graph.values import UNREADABLE, author, epoch, figure, identity, link, moment, onward, rows, words
from connectors.model import (
    Allowance,
    Batch,
    Finding,
    Kind,
    Level,
    Mention,
    Organisation,
    Platform,
    PollPlan,
    Scheduled,
    secret,
)

if TYPE_CHECKING:
    from connectors.graph.client import Graph

NAME = "facebook"
SITE = "https://www.facebook.com"

NEVER_SHOWS = (
    "Posts that write our name without tagging the Page: Facebook lets nobody search for them.",
    "Mentions of the Page in comments under other people's posts.",
    "As a rule, who wrote a post that tags the Page.",
    "Posts that are not public, stories, groups and private messages.",
)
NEEDED = ("pages_read_engagement", "pages_read_user_content")

_COMMENT = "id,created_time,message,from{id,name},parent{id},permalink_url,like_count,comment_count,is_hidden"
_POST = "id,created_time,updated_time,message,from{id,name},permalink_url,status_type,is_hidden,parent_id,shares"
_COMMENTS = f"comments.filter(stream).order(reverse_chronological).limit(25).summary(true){{{_COMMENT}}}"
_REACTIONS = "reactions.limit(0).summary(true)"
_SWEEP = "id,created_time,updated_time,comments.filter(stream).limit(0).summary(true)"
_RATING = (
    "created_time,recommendation_type,has_review,has_rating,review_text,rating,reviewer{id,name},open_graph_story{id}"
)
_SCHEDULED = "id,created_time,message,scheduled_publish_time,permalink_url"

STREAMS = (
    Stream(
        "feed",
        "posts on the Page and the comments under them",
        timedelta(seconds=60),
        timedelta(seconds=20),
        timedelta(seconds=120),
        timedelta(seconds=300),
    ),
    Stream(
        "tagged",
        "posts that tag the Page",
        timedelta(seconds=60),
        timedelta(seconds=30),
        timedelta(seconds=180),
        timedelta(seconds=600),
    ),
    Stream(
        "sweep",
        "late comments on old posts",
        timedelta(minutes=10),
        timedelta(minutes=5),
        timedelta(minutes=20),
        None,
        sweep=True,
    ),
    Stream(
        "ratings",
        "recommendations and reviews",
        timedelta(minutes=15),
        timedelta(minutes=15),
        timedelta(minutes=60),
        None,
    ),
)
_EDGES = {"feed": "feed", "tagged": "tagged", "sweep": "feed", "ratings": "ratings"}
_REVIEW = "rating:"
"""Before the id of a review, which has none of its own: that of its story."""


@dataclass(frozen=True, slots=True)
class Settings:
    """The table ``[connectors.facebook]``. ``app_id`` is needed by nothing but the doctor's look at the token."""

    page_id: str
    page_token: str = secret()
    app_secret: str = secret()
    app_id: str = ""
    graph_version: str = "v26.0"
    base_url: str = "https://graph.facebook.com"
    poll_every: timedelta | None = None

    def __post_init__(self) -> None:
        check_graph_settings(self.base_url, self.graph_version)
        if not self.page_id.isalnum():
            raise ValueError("page_id: the number of the Page, as its settings on Facebook show it")


class FacebookConnector:
    """Hears one Page."""

    def __init__(self, graph: Graph, settings: Settings) -> None:
        self._graph = graph
        self._page = settings.page_id
        self._settings = settings

    def __repr__(self) -> str:
        return f"FacebookConnector({self._page!r})"

    def fetch(self, cursor: str | None, allowance: Allowance, /) -> Batch:
        """The next few pages of posts, comments, tags and reviews."""
        every_poll = self._settings.poll_every is not None
        return Rounds(self._graph, _Page(self._page), cursor, allowance, every_poll=every_poll).run()

    def recheck(self, ids: tuple[str, ...], allowance: Allowance, /) -> Batch:
        """The present form of ``ids``, and those that are gone. Each id costs a call of the rate budget."""
        try:
            return _Recheck(self._graph, self._page, allowance).of(ids)
        except Refused as refused:
            raise refused.ours(allowance.now) from None

    def scheduled(self, now: datetime | None = None, /) -> tuple[Scheduled, ...]:
        """The posts that wait for their hour on the Page, soonest first; nothing is changed.

        ``now`` (aware UTC) only serves to say until when a rate limit lasts.
        """
        try:
            found, _ = again.listing(
                self._graph, again.Purse(again.LISTING_PAGES), f"{self._page}/scheduled_posts", _SCHEDULED
            )
        except Refused as refused:
            error = refused.ours(now or moment(0))
            error.retry_at = error.retry_at if now else None
            raise error from None
        try:
            return tuple(sorted((_scheduled(row) for row in found), key=lambda post: post.publish_at))
        except UNREADABLE:
            raise UnexpectedReply(
                "Facebook tells of a scheduled post in a form that Earshot does not know.",
                "Look at the planned posts on the Page itself.",
                shape=shape_of(found),
            ) from None

    def examine(self, allowance: Allowance, /) -> tuple[Finding, ...]:
        """Token, permissions, version, budget, the newest thing heard, and each list that may be closed to us."""
        graph, page, now = self._graph, self._page, allowance.now
        if allowance.of("calls") < 5:
            return (Finding(Level.NOTE, "Facebook was not asked: the allowance is used up."),)
        settings = self._settings
        app_token = f"{settings.app_id}|{settings.app_secret}" if settings.app_id and settings.app_secret else ""

        def token() -> list[Finding]:
            return again.token_findings(
                graph,
                token=settings.page_token,
                app_token=app_token,
                needed=NEEDED,
                kind="PAGE",
                allowance=allowance,
            )

        def newest() -> list[Finding]:
            found = rows(graph.ask(f"{page}/feed", {"fields": "id,created_time", "limit": "1"}))
            findings = again.version_finding(graph, "Facebook") + again.usage_finding(graph)
            if not found:
                return [*findings, Finding(Level.NOTE, "The Page shows no post at all.", "Check page_id and token.")]
            at = moment(found[0]["created_time"])
            return [*findings, Finding(Level.GOOD, f"The newest post heard is of {at:%d %B %Y, %H:%M} UTC.")]

        def may_read(edge: str) -> list[Finding]:
            rows(graph.ask(f"{page}/{edge}", {"fields": "created_time", "limit": "1"}))
            return []

        questions = (
            ("The token could not be looked at", token),
            ("The Page's posts cannot be read", newest),
            ("Posts that tag the Page cannot be read", lambda: may_read("tagged")),
            ("Reviews cannot be read", lambda: may_read("ratings")),
        )
        return again.examination(now, questions)


@dataclass(slots=True)
class _Page:
    """What the rounds must know of a Page."""

    account: str
    own_name: str = ""
    platform: str = "Facebook"
    streams: tuple[Stream, ...] = STREAMS
    never_shows: tuple[str, ...] = NEVER_SHOWS

    def call(self, task: Task, *, lean: bool) -> tuple[str, dict[str, str]]:
        if task.what != "list":
            return f"{task.id}/comments", {
                "fields": _COMMENT,
                "filter": "stream",
                "order": "reverse_chronological",
                "limit": str(task.limit or 100),
            }
        extra = "" if lean else f",{_REACTIONS}"
        fields, limit = {
            "feed": (f"{_POST}{extra},{_COMMENTS}", 25),
            "tagged": (_POST + extra if lean else f"{_POST},tagged_time{extra}", 25),
            "sweep": (_SWEEP, 100),
            "ratings": (_RATING, 25),
        }[task.stream]
        return f"{self.account}/{_EDGES[task.stream]}", {"fields": fields, "limit": str(task.limit or limit)}

    def read(self, task: Task, row: Any, each: Each) -> Entry:
        if task.what != "list":
            return _comment_entry(row, task.id, self.account)
        match task.stream:
            case "ratings":
                review = _review(row, self.account)
                return Entry(epoch(review.posted_at), review)
            case "sweep":
                return self._swept(row)
            case "tagged":
                post = _post(row, self.account, tagged=True)
                return Entry(epoch(moment(row.get("tagged_time") or row["created_time"])), post)
            case _:
                return self._posted(row, each)

    def _posted(self, row: Any, each: Each) -> Entry:
        post = _post(row, self.account)
        comments = row.get("comments") or {"data": [], "summary": {"total_count": 0}}
        found = rows(comments)
        talk = Talk(
            post.external_id,
            _total(comments),
            each(found, lambda comment: _comment_entry(comment, post.external_id, self.account)),
            onward(comments, full=len(found) >= 25 or (bool(found) and len(found) < (_total(comments) or 0))),
        )
        return Entry(epoch(post.posted_at), post, talk)

    def _swept(self, row: Any) -> Entry:
        at = epoch(moment(row["created_time"]))
        moved_at = epoch(moment(row["updated_time"])) if row.get("updated_time") else at
        talk = Talk(identity(row["id"]), _total(row.get("comments")) or 0, moved_at=moved_at)
        return Entry(at, talk=talk)

    def why_empty(self, client: Client) -> str | None:
        """A person's token reads a Page as empty, without an error: whose token is it? And does another list agree?"""
        try:
            me = client.ask("me", {"fields": "id"})
        except (Refused, ConnectorError):
            return None
        if str(me.get("id", self.account)) != self.account:
            raise SetupRejected(
                "The token is not that of the Page in the settings, so Facebook shows nothing.",
                "Put the Page's own token into page_token (`GET /me/accounts` shows it), or mend page_id.",
                code="wrong-token",
            )
        try:
            published = client.ask(f"{self.account}/published_posts", {"fields": "id", "limit": "1"}).get("data")
        except (Refused, ConnectorError):
            return None
        return "The Page has published posts, but its feed comes back empty." if published else None


class _Recheck:
    """One re-check: posts and comments by id, reviews and tags by their lists, for those cannot be asked singly."""

    def __init__(self, graph: Graph, page: str, allowance: Allowance) -> None:
        self._graph = graph
        self._page = page
        self._purse = again.Purse(allowance.of("calls"))
        self._mentions: list[Mention] = []
        self._gone: list[str] = []

    def of(self, ids: tuple[str, ...]) -> Batch:
        reviews = [i for i in ids if i.startswith(_REVIEW)]
        posts = [i for i in ids if i.startswith(f"{self._page}_")]
        others = [i for i in ids if i not in {*reviews, *posts}]
        self._look(posts, f"{_POST},comments.filter(stream).limit(0).summary(true)", self._as_post)
        strangers = self._comments(others)
        if strangers:
            self._by_list(strangers, "tagged", _POST, lambda row: _post(row, self._page, tagged=True))
        if reviews:
            self._by_list(reviews, "ratings", _RATING, lambda row: _review(row, self._page))
        gone = again.believable(self._graph, self._purse, self._page, self._gone, len(ids))
        return Batch(
            tuple(self._mentions),
            gone=gone,
            spent={"calls": self._purse.spent},
            usage=self._graph.heaviest,
        )

    def _look(self, ids: list[str], fields: str, read: Any) -> None:
        looked = again.look(self._graph, self._purse, ids, fields)
        self._mentions += again.read_all(looked.nodes, read)
        self._gone += looked.refused

    def _comments(self, ids: list[str]) -> list[str]:
        """Read comments by either spelling of their id; what is none comes back."""
        looked = again.look(self._graph, self._purse, ids, _COMMENT)
        self._mentions += again.read_all(looked.nodes, self._as_comment)
        short = {i.rpartition("_")[2]: i for i in looked.refused if "_" in i}
        by_short = again.look(self._graph, self._purse, short, _COMMENT)
        self._mentions += again.read_all(by_short.nodes, lambda key, node: self._as_comment(short[key], node))
        return [i for i in looked.refused if i not in {short[key] for key in by_short.nodes}]

    def _by_list(self, ids: list[str], edge: str, fields: str, read: Any) -> None:
        """Find ``ids`` in a list that was read to its end; only then is a missing one gone."""
        found, whole = again.listing(self._graph, self._purse, f"{self._page}/{edge}", fields)
        wanted = set(ids)
        there = again.read_all({str(n): row for n, row in enumerate(found)}, lambda _, row: read(row))
        self._mentions += [mention for mention in there if mention.external_id in wanted]
        if whole and len(there) == len(found):
            present = {mention.external_id for mention in there}
            self._gone += [i for i in ids if i not in present]

    def _as_post(self, key: str, node: Mapping[str, Any]) -> Mention:
        return _post({**node, "id": key}, self._page)

    def _as_comment(self, key: str, node: Mapping[str, Any]) -> Mention:
        root = f"{self._page}_{key.rpartition('_')[0].rpartition('_')[2]}"
        return _comment({**node, "id": key}, root, self._page)


# ── from Facebook's nodes to ours ───────────────────────────────────────────────────────────────


def _post(node: Any, page: str, *, tagged: bool = False) -> Mention:
    post = identity(node["id"])
    is_ours = _is_from(node, page)
    on_our_page = post.startswith(f"{page}_") or "_" not in post
    kind = Kind.OWN_POST if is_ours else Kind.COMMENT if on_our_page and not tagged else Kind.TAG
    shares = node.get("shares")
    return Mention(
        NAME,
        post,
        kind,
        words(node.get("message")),
        link(node.get("permalink_url"), SITE, f"{SITE}/{post}"),
        moment(node["created_time"]),
        author=author(node.get("from")),
        thread=post,
        likes=_total(node.get("reactions")),
        shares=figure(shares.get("count")) if isinstance(shares, Mapping) else None,
        replies=_total(node.get("comments")),
        names_us=kind is Kind.TAG,
    )


def _comment_entry(node: Any, post: str, page: str) -> Entry:
    comment = _comment(node, post, page)
    return Entry(epoch(comment.posted_at), comment)


def _comment(node: Any, post: str, page: str) -> Mention:
    comment = _whole(identity(node["id"]), post)
    parent = node.get("parent")
    answered = _whole(identity(parent["id"]), post) if isinstance(parent, Mapping) and parent.get("id") else post
    on_our_page = post.startswith(f"{page}_") or "_" not in post
    kind = Kind.OWN_POST if _is_from(node, page) else Kind.COMMENT if on_our_page else Kind.MENTION
    return Mention(
        NAME,
        comment,
        kind,
        words(node.get("message")),
        link(node.get("permalink_url"), SITE, f"{SITE}/{comment}"),
        moment(node["created_time"]),
        author=author(node.get("from")),
        parent=answered,
        thread=post,
        likes=figure(node.get("like_count")),
        replies=figure(node.get("comment_count")),
    )


def _whole(comment: str, post: str) -> str:
    """The long spelling of a comment's id, ``{post}_{comment}``; both occur for one comment (facts, 1.3)."""
    parts = comment.split("_")
    return "_".join(parts[-2:]) if len(parts) > 1 else f"{post.rpartition('_')[2]}_{comment}"


def _review(node: Any, page: str) -> Mention:
    posted_at = moment(node["created_time"])
    story = node.get("open_graph_story")
    reviewer = node.get("reviewer")
    if isinstance(story, Mapping) and story.get("id"):
        name = identity(story["id"])
        url = f"{SITE}/{name}"
    else:
        who = reviewer.get("id", "") if isinstance(reviewer, Mapping) else ""
        name = blake2b(f"{epoch(posted_at)} {who}".encode(), digest_size=8).hexdigest()
        url = f"{SITE}/{page}/reviews"
    return Mention(
        NAME,
        f"{_REVIEW}{name}",
        Kind.REVIEW,
        words(node.get("review_text")),
        url,
        posted_at,
        author=author(reviewer),
    )


def _scheduled(node: Any) -> Scheduled:
    post = identity(node["id"])
    return Scheduled(
        NAME,
        post,
        words(node.get("message")),
        moment(node.get("scheduled_publish_time") or node["created_time"]),
        link(node.get("permalink_url"), SITE, f"{SITE}/{post}"),
    )


def _is_from(node: Mapping[str, Any], page: str) -> bool:
    who = node.get("from")
    return isinstance(who, Mapping) and str(who.get("id")) == page


def _total(edge: Any) -> int | None:
    summary = edge.get("summary") if isinstance(edge, Mapping) else None
    return figure(summary.get("total_count")) if isinstance(summary, Mapping) else None


def plan(settings: Settings, organisation: Organisation) -> PollPlan:
    """Once a minute, three times as often after an alert, slower as Facebook's own usage figure rises."""
    every = settings.poll_every or timedelta(seconds=60)
    late = "with every poll" if settings.poll_every else "within 10 minutes"
    reviews = "with every poll" if settings.poll_every else "within 15 minutes"
    return PollPlan(
        calm=every,
        hurried=min(every, timedelta(seconds=20)),
        at_usage=((0.6, timedelta(seconds=120)), (0.8, timedelta(seconds=300))),
        lag=(
            f"posts, comments and tags within {every.total_seconds():.0f} s, on average half of that; "
            f"late comments on old posts {late}, reviews {reviews}"
        ),
        cost="free of charge",
    )


def connect(settings: Settings, organisation: Organisation) -> FacebookConnector:
    """A connector with a client of its own."""
    from connectors.graph.client import Graph  # only the process that polls loads the library

    graph = Graph(
        "Facebook",
        base_url=settings.base_url,
        version=settings.graph_version,
        token=settings.page_token,
        app_secret=settings.app_secret,
    )
    return FacebookConnector(graph, settings)


PLATFORM = Platform(NAME, Settings, connect, plan, never_shows=NEVER_SHOWS, preload=("connectors.graph.client",))
