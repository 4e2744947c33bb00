"""Instagram: comments and replies under our own posts, posts that tag us, and those posts themselves.

Facts: one compound call shows the newest media with their newest comments and replies; a sweep over the newest
hundred media finds late comments on old ones. ``/tags`` pages by cursor alone (platform facts, 2.2).
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import timedelta
from typing import TYPE_CHECKING, Any

from connectors.addresses import host_of
from connectors.errors import ConnectorError, SetupRejected, UnexpectedReply, shape_of
from connectors.graph import again
from connectors.graph.place import Task
from connectors.graph.refusals import Refused
from connectors.graph.rounds import Client, Each, Entry, Rounds, Stream, Talk
from connectors.graph.settings import check_graph_settings
from connectors.graph.values import author, epoch, figure, identity, link, moment, onward, rows, words
from connectors.model import (
    Allowance,
    Batch,
    Finding,
    Grant,
    Kind,
    Level,
    Mention,
    Organisation,
    Platform,
    PollPlan,
    secret,
)

if TYPE_CHECKING:
    from connectors.graph.client import Graph

NAME = "instagram"
SITE = "https://www.instagram.com"

NEVER_SHOWS = (
    "@mentions of us in other people's captions and comments: Instagram tells them by webhook only.",
    "Posts that write our name, or use a hashtag of ours, without tagging us on the picture.",
    "Stories, private accounts, direct messages.",
    "Comments on advertisements, and on live videos after their end.",
)
NEEDED = ("instagram_basic", "instagram_manage_comments", "pages_read_engagement")

_REPLY = "id,text,timestamp,username,from{id,username},like_count,parent_id"
_LEAN_REPLY = "id,text,timestamp,username,from,parent_id"
_COMMENT = "id,text,timestamp,username,from{id,username},like_count,hidden,parent_id"
_COMMENT_AND_REPLIES = f"{_COMMENT},replies.limit(50){{{_REPLY}}}"
_LEAN_COMMENT = f"{_COMMENT},replies{{{_LEAN_REPLY}}}"
_MEDIA = "id,caption,permalink,timestamp,comments_count"
_FIGURES = "username,like_count"
_TAG = "id,caption,media_type,permalink,timestamp,username,like_count,comments_count"
_SWEEP = "id,timestamp,permalink,comments_count"
_REPLIES_SHOWN = 25
"""The platform's usual page, where we did not or could not ask for another."""

STREAMS = (
    Stream(
        "media",
        "our posts and the comments under them",
        timedelta(seconds=60),
        timedelta(seconds=20),
        timedelta(seconds=120),
        timedelta(seconds=300),
        without_next=True,
    ),
    Stream(
        "tags",
        "posts that tag us",
        timedelta(seconds=60),
        timedelta(seconds=30),
        timedelta(seconds=180),
        timedelta(seconds=600),
        without_next=True,
    ),
    Stream(
        "sweep",
        "late comments on old posts",
        timedelta(minutes=10),
        timedelta(minutes=5),
        timedelta(minutes=20),
        None,
        sweep=True,
        without_next=True,
    ),
)


@dataclass(frozen=True, slots=True)
class Settings:
    """The table ``[connectors.instagram]``. With ``base_url`` on graph.instagram.com the token is one of
    Instagram Login, else of Facebook Login; ``app_id`` is needed to renew the latter."""

    account_id: str
    token: str = secret()
    app_secret: str = secret()
    app_id: str = ""
    graph_version: str = "v26.0"
    base_url: str = "https://graph.facebook.com"
    poll_every: timedelta | None = None

    def __post_init__(self) -> None:
        check_graph_settings(self.base_url, self.graph_version)
        if not self.account_id.isalnum():
            raise ValueError("account_id: the number of the professional account, such as 17841400000000001")

    @property
    def by_instagram_login(self) -> bool:
        """Whether the token is one of Instagram's own login, which knows no proof (platform facts, 2.1)."""
        return host_of(self.base_url).startswith("graph.instagram.")


class InstagramConnector:
    """Hears one professional account."""

    def __init__(self, graph: Graph, settings: Settings, own_name: str) -> None:
        self._graph = graph
        self._settings = settings
        self._account = _Account(settings.account_id, own_name)

    def __repr__(self) -> str:
        return f"InstagramConnector({self._settings.account_id!r})"

    def fetch(self, cursor: str | None, allowance: Allowance, /) -> Batch:
        """The next few pages of own posts, comments, replies and tags."""
        every_poll = self._settings.poll_every is not None
        return Rounds(self._graph, self._account, cursor, allowance, every_poll=every_poll).run()

    def recheck(self, ids: tuple[str, ...], allowance: Allowance, /) -> Batch:
        """The present form of ``ids``, and those that are gone. Each id costs a call of the rate budget."""
        try:
            return _Recheck(self._graph, self._account, allowance).of(ids)
        except Refused as refused:
            raise refused.ours(allowance.now) from None

    def examine(self, allowance: Allowance, /) -> tuple[Finding, ...]:
        """Token, permissions, version, budget, the newest thing heard, and whether tags can be read."""
        graph, account, settings, now = self._graph, self._account.account, self._settings, allowance.now
        if allowance.of("calls") < 4:
            return (Finding(Level.NOTE, "Instagram was not asked: the allowance is used up."),)
        app_token = f"{settings.app_id}|{settings.app_secret}" if settings.app_id and settings.app_secret else ""

        def token() -> list[Finding]:
            if settings.by_instagram_login:
                return [Finding(Level.NOTE, "Instagram's own login does not tell until when the token is good.")]
            return again.token_findings(
                graph, token=settings.token, app_token=app_token, needed=NEEDED, kind=None, allowance=allowance
            )

        def newest() -> list[Finding]:
            found = rows(graph.ask(f"{account}/media", {"fields": "id,timestamp", "limit": "1"}))
            findings = again.version_finding(graph, "Instagram") + again.usage_finding(graph)
            if not found:
                return [*findings, Finding(Level.NOTE, "The account shows no post at all.", "Check account_id.")]
            at = moment(found[0]["timestamp"])
            return [*findings, Finding(Level.GOOD, f"The newest post heard is of {at:%d %B %Y, %H:%M} UTC.")]

        def tags() -> list[Finding]:
            rows(graph.ask(f"{account}/tags", {"fields": "id,timestamp", "limit": "1"}))
            return []

        questions = (
            ("The token could not be looked at", token),
            ("Our posts cannot be read", newest),
            ("Posts that tag us cannot be read", tags),
        )
        return again.examination(now, questions)


@dataclass(slots=True)
class _Account:
    """What the rounds must know of an account."""

    account: str
    own_name: str = ""
    platform: str = "Instagram"
    streams: tuple[Stream, ...] = STREAMS
    never_shows: tuple[str, ...] = NEVER_SHOWS

    def call(self, task: Task, *, lean: bool) -> tuple[str, dict[str, str]]:
        comment = _LEAN_COMMENT if lean else _COMMENT_AND_REPLIES
        if task.what == "thread":
            return f"{task.id}/comments", {"fields": comment, "limit": str(task.limit or 50)}
        if task.what == "replies":
            return f"{task.id}/replies", {"fields": _LEAN_REPLY if lean else _REPLY, "limit": str(task.limit or 50)}
        edge, fields, limit = {
            "media": ("media", f"{_MEDIA}{'' if lean else f',{_FIGURES}'},comments.limit(50){{{comment}}}", 25),
            "tags": ("tags", _TAG, 25),
            "sweep": ("media", _SWEEP, 100),
        }[task.stream]
        return f"{self.account}/{edge}", {"fields": fields, "limit": str(task.limit or limit)}

    def read(self, task: Task, row: Any, each: Each) -> Entry:
        if task.what == "thread":
            return self.commented(row, task.id, task.link, each)
        if task.what == "replies":
            return self.replied(row, task.root, task.id, task.link)
        match task.stream:
            case "tags":
                tag = self.tag(row)
                return Entry(epoch(tag.posted_at), tag)
            case "sweep":
                return self._swept(row)
            case _:
                return self._posted(row, each)

    def _posted(self, row: Any, each: Each) -> Entry:
        media = self.media(row)
        comments = row.get("comments") or {"data": []}
        found = rows(comments)
        entries = each(found, lambda comment: self.commented(comment, media.external_id, media.url, each))
        shown = len(entries) + sum(len(entry.talk.entries) for entry in entries if entry.talk)
        is_part = len(found) >= 50 or (bool(found) and shown < (media.replies or 0))
        rest = onward(comments, full=is_part)  # an edge may end its page early and give no next page (facts, 0.5)
        talk = Talk(media.external_id, media.replies, entries, rest, media.url)
        return Entry(epoch(media.posted_at), media, talk)

    def _swept(self, row: Any) -> Entry:
        talk = Talk(identity(row["id"]), figure(row.get("comments_count")) or 0, link=_permalink(row))
        return Entry(epoch(moment(row["timestamp"])), talk=talk)

    def media(self, row: Any) -> Mention:
        """One of our own posts."""
        media = identity(row["id"])
        if isinstance(row.get("username"), str) and row["username"]:
            self.own_name = row["username"][:100]
        return Mention(
            NAME,
            media,
            Kind.OWN_POST,
            words(row.get("caption")),
            _permalink(row),
            moment(row["timestamp"]),
            author=author({"id": self.account}, handle=self.own_name or None),
            thread=media,
            likes=figure(row.get("like_count")),
            replies=figure(row.get("comments_count")),
        )

    def tag(self, row: Any) -> Mention:
        """Somebody's post in which we are tagged on the picture."""
        media = identity(row["id"])
        return Mention(
            NAME,
            media,
            Kind.TAG,
            words(row.get("caption")),
            _permalink(row),
            moment(row["timestamp"]),
            author=author(None, handle=row.get("username")),
            thread=media,
            likes=figure(row.get("like_count")),
            replies=figure(row.get("comments_count")),
            names_us=True,
        )

    def commented(self, row: Any, media: str, url: str, each: Each) -> Entry:
        """A comment under one of our posts, with the replies shown with it."""
        comment = self.comment(row, media, None, url)
        replies = row.get("replies") or {"data": []}
        found = rows(replies)
        talk = Talk(
            comment.external_id,
            None,
            each(found, lambda reply: self.replied(reply, media, comment.external_id, url)),
            onward(replies, full=len(found) >= _REPLIES_SHOWN),
        )
        return Entry(epoch(comment.posted_at), comment, talk if found or talk.rest else None)

    def replied(self, row: Any, media: str, parent: str, url: str) -> Entry:
        """A reply to a comment."""
        reply = self.comment(row, media, parent, url)
        return Entry(epoch(reply.posted_at), reply)

    def comment(self, row: Any, media: str, parent: str | None, url: str) -> Mention:
        """A comment or reply as a mention; ``parent`` where the row does not name it."""
        comment = identity(row["id"])
        above = row.get("parent_id")
        who = author(row.get("from"), handle=row.get("username"))
        is_ours = who is not None and (
            who.id == self.account or (bool(self.own_name) and _same(who.handle, self.own_name))
        )
        return Mention(
            NAME,
            comment,
            Kind.OWN_POST if is_ours else Kind.COMMENT,
            words(row.get("text")),
            _comment_link(url, comment),
            moment(row["timestamp"]),
            author=who,
            parent=identity(above) if above else parent or media or None,
            thread=media or None,
            likes=figure(row.get("like_count")),
        )

    def why_empty(self, client: Client) -> str | None:
        """Whether the account itself says that it has posts."""
        try:
            count = figure(client.ask(self.account, {"fields": "id,media_count"}).get("media_count"))
        except (Refused, ConnectorError):
            return None
        return "The account says that it has posts, but none of them comes back." if count else None


class _Recheck:
    """One re-check. An id does not say what it names, so the lists of posts and tags are read first."""

    def __init__(self, graph: Graph, account: _Account, allowance: Allowance) -> None:
        self._graph = graph
        self._account = account
        self._purse = again.Purse(allowance.of("calls"))

    def of(self, ids: tuple[str, ...]) -> Batch:
        wanted = dict.fromkeys(ids)
        media, tags = self._list("media", f"{_MEDIA},{_FIGURES}"), self._list("tags", _TAG)
        mentions = list(again.read_all(media, lambda _, row: self._account.media(row)))
        mentions += again.read_all(tags, lambda _, row: self._account.tag(row))
        found = {mention.external_id: mention for mention in mentions if mention.external_id in wanted}
        rest = [i for i in wanted if i not in found]
        looked = again.look(self._graph, self._purse, rest, f"{_COMMENT},media{{id,permalink}}")
        found |= {m.external_id: m for m in again.read_all(looked.nodes, self._as_comment)}
        posts = again.look(self._graph, self._purse, looked.refused, f"{_MEDIA},{_FIGURES}")
        found |= {m.external_id: m for m in again.read_all(posts.nodes, self._as_media)}
        gone = again.believable(self._graph, self._purse, self._account.account, posts.refused, len(wanted))
        return Batch(tuple(found.values()), gone=gone, spent={"calls": self._purse.spent}, usage=self._graph.heaviest)

    def _list(self, edge: str, fields: str) -> Mapping[str, Any]:
        """The newest hundred of an edge; older ones are asked for singly."""
        if not self._purse.pay(1):
            return {}
        answer = self._graph.ask(f"{self._account.account}/{edge}", {"fields": fields, "limit": "100"})
        return {str(number): row for number, row in enumerate(again.entries(self._graph, answer))}

    def _as_comment(self, key: str, node: Mapping[str, Any]) -> Mention:
        media = node.get("media")
        under = media if isinstance(media, Mapping) else {}
        return self._account.comment({**node, "id": key}, str(under.get("id", "")), None, _permalink(under))

    def _as_media(self, key: str, node: Mapping[str, Any]) -> Mention:
        return self._account.media({**node, "id": key})


def _permalink(row: Mapping[str, Any]) -> str:
    return link(row.get("permalink"), SITE, f"{SITE}/")


def _comment_link(url: str, comment: str) -> str:
    """The comment's own address, made as Instagram's notifications make it; a comment has no permalink field."""
    if re.fullmatch(r"https://www\.instagram\.com/(?:[\w.]+/)?(?:p|reel|tv)/[\w-]+/?", url):
        return f"{url.rstrip('/')}/c/{comment}/"
    return url or f"{SITE}/"


def _same(handle: str | None, other: str) -> bool:
    return handle is not None and handle.lstrip("@").casefold() == other.lstrip("@").casefold()


def plan(settings: Settings, organisation: Organisation) -> PollPlan:
    """Once a minute, three times as often after an alert, slower as Meta's own usage figure rises."""
    every = settings.poll_every or timedelta(seconds=60)
    late = "with every poll" if settings.poll_every else "within 10 minutes"
    return PollPlan(
        calm=every,
        hurried=min(every, timedelta(seconds=20)),
        at_usage=((0.6, timedelta(seconds=120)), (0.8, timedelta(seconds=300))),
        lag=(
            f"comments and tags within {every.total_seconds():.0f} s, on average half of that; "
            f"late comments on old posts {late}"
        ),
        cost="free of charge",
    )


def connect(settings: Settings, organisation: Organisation) -> InstagramConnector:
    """A connector with a client of its own."""
    return InstagramConnector(
        _client(settings, settings.token), settings, organisation.handles.get(NAME, "").lstrip("@")
    )


def refresh(settings: Settings, grant: Grant) -> Grant:
    """A new token of 60 days for ``grant``, which must be a day old and not yet ended (platform facts, 2.1).

    Raises ``SetupRejected`` where a token of Facebook Login cannot be exchanged for want of ``app_id``.
    """
    graph = _client(settings, grant.token)
    try:
        if settings.app_id and settings.app_secret and not settings.by_instagram_login:
            answer, at = graph.exchange(settings.app_id, settings.app_secret)
        elif host_of(settings.base_url).startswith("graph.facebook."):
            raise SetupRejected(
                "The token cannot be renewed without app_id and app_secret.",
                "Put both into the settings, or put in a new token by hand before this one ends.",
            )
        else:
            answer, at = graph.renew()
    except Refused as refused:
        error = refused.ours(moment(0))
        error.retry_at = None
        raise error from None
    token, lasts = answer.get("access_token"), figure(answer.get("expires_in"))
    if not isinstance(token, str) or not token:
        raise UnexpectedReply("Instagram gave no new token.", shape=shape_of(answer))
    return Grant(token, at + timedelta(seconds=min(lasts, 10**9)) if lasts else None)


def _client(settings: Settings, token: str) -> Graph:
    from connectors.graph.client import Graph  # only the process that polls loads the library

    return Graph(
        "Instagram",
        base_url=settings.base_url,
        version=settings.graph_version,
        token=token,
        app_secret="" if settings.by_instagram_login else settings.app_secret,
    )


PLATFORM = Platform(
    NAME,
    Settings,
    connect,
    plan,
    refresh=refresh,
    token_setting="token",  # noqa: S106 - the name of a setting
    never_shows=NEVER_SHOWS,
    preload=("connectors.graph.client",),
)
