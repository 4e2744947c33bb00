"""YouTube's threads, comments, videos and search results, read as mentions: liberally, and one by one."""

from __future__ import annotations

import html
import re
import zlib
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any, TypeVar
from urllib.parse import quote

from connectors.model import Author, Kind, Mention, clean_text, utc
from connectors.youtube import NAME

MAX_COUNT = 2_000_000_000


@dataclass(frozen=True, slots=True)
class Thread:
    """A comment thread as just seen. ``top`` and ``below`` tell a changed comment or changed replies."""

    id: str
    video: str
    channel: str
    mention: Mention
    count: int
    embedded: tuple[Mention, ...]
    top: int
    below: int

    @property
    def posted(self) -> int:
        """When the top-level comment was written, in seconds since 1970."""
        return epoch(self.mention.posted_at)


def read_thread(item: Mapping[str, Any], ours: str, channel: str = "") -> Thread:
    """A ``commentThread``; raises KeyError, TypeError or ValueError where it is none.

    ``channel`` says on which channel it stands where that is known from the question.
    """
    snippet = item["snippet"]
    comment = snippet["topLevelComment"]
    inner = comment["snippet"]
    thread_id = checked_id(item.get("id") or comment["id"])
    video = text_of(snippet, "videoId") or text_of(inner, "videoId")
    channel = channel or text_of(snippet, "channelId") or text_of(inner, "channelId")
    count = count_of(snippet.get("totalReplyCount")) or 0
    top_level = {**comment, "id": thread_id}  # the two ids are equal (facts, 2.2)
    mention = read_comment(top_level, ours, thread=thread_id, video=video, channel=channel, replies=count)
    replies = item.get("replies")
    raw = dicts(replies.get("comments")) if isinstance(replies, dict) else []
    embedded = tuple(readable(raw, lambda c: read_comment(c, ours, thread=thread_id, video=video, channel=channel)))
    top = _mark(mention.text, mention.edited_at, mention.likes)
    below = _mark(count, sorted((m.external_id, str(m.edited_at), m.text or "") for m in embedded))
    return Thread(thread_id, video, channel, mention, count, embedded, top, below)


def read_comment(
    item: Mapping[str, Any], ours: str, *, thread: str, video: str, channel: str, replies: int | None = None
) -> Mention:
    """A ``comment``; raises KeyError, TypeError or ValueError where it is none.

    ``thread`` is the id of its top-level comment. ``textDisplay`` is read as plain text, which we ask for.
    """
    snippet = item["snippet"]
    comment_id = checked_id(item["id"])
    posted, edited = _times(snippet)
    author = _author(snippet)
    text = snippet.get("textDisplay")
    if not isinstance(text, str):
        text = snippet.get("textOriginal")
    channel = channel or text_of(snippet, "channelId")
    video = video or text_of(snippet, "videoId")
    if author is not None and author.id == ours:
        kind = Kind.OWN_POST
    else:
        kind = Kind.COMMENT if channel == ours else Kind.MENTION
    is_reply = comment_id != thread
    return Mention(
        NAME,
        comment_id,
        kind,
        clean_text(text) if isinstance(text, str) else None,
        comment_url(comment_id, video, channel),
        posted,
        author=author,
        edited_at=edited,
        parent=thread if is_reply else video or None,
        thread=thread,
        likes=count_of(snippet.get("likeCount")),
        replies=replies,
    )


def read_video(item: Mapping[str, Any], ours: str) -> Mention:
    """A ``video``; raises KeyError, TypeError or ValueError where it is none."""
    snippet = item["snippet"]
    video_id = checked_id(item["id"])
    statistics = item.get("statistics")
    figures: Mapping[str, Any] = statistics if isinstance(statistics, dict) else {}
    channel = text_of(snippet, "channelId")
    lang = text_of(snippet, "defaultLanguage") or text_of(snippet, "defaultAudioLanguage")
    return Mention(
        NAME,
        video_id,
        Kind.OWN_POST if channel == ours else Kind.MENTION,
        clean_text(_title_and_description(text_of(snippet, "title"), text_of(snippet, "description"))),
        video_url(video_id),
        _moment(snippet["publishedAt"]),
        author=Author(id=channel) if channel else None,
        thread=video_id,
        lang=lang[:16] or None,
        likes=count_of(figures.get("likeCount")),
        replies=count_of(figures.get("commentCount")),
    )


def video_url(video_id: str) -> str:
    """The public address of a video."""
    return f"https://www.youtube.com/watch?v={quote(video_id, safe='')}"


def comment_url(comment_id: str, video_id: str, channel_id: str) -> str:
    """The public address of a comment, highlighted under its video."""
    if not video_id:
        return f"https://www.youtube.com/channel/{quote(channel_id, safe='')}/community?lc={quote(comment_id, safe='')}"
    return f"{video_url(video_id)}&lc={quote(comment_id, safe='')}"


def _title_and_description(title: str, description: str) -> str:
    start = title.rstrip(".… ")
    if not description or (start and description.startswith(start)):
        return description or title
    return f"{title}\n\n{description}" if title else description


T = TypeVar("T")
BROKEN = (KeyError, TypeError, ValueError, AttributeError, OverflowError)


def readable(items: Iterable[Mapping[str, Any]], read: Callable[[Mapping[str, Any]], T]) -> Iterator[T]:
    """What ``read`` makes of ``items``; those that it cannot read are left out."""
    for item in items:
        try:
            yield read(item)
        except BROKEN:
            continue


def checked_id(value: object) -> str:
    """``value`` as an id; raises ValueError where it cannot be one."""
    if not isinstance(value, str) or not re.fullmatch(r"[!-~]{1,120}", value):
        raise ValueError("an id")
    return value


def text_of(snippet: Mapping[str, Any], key: str) -> str:
    """The text under ``key``, or an empty one."""
    value = snippet.get(key)
    return value if isinstance(value, str) else ""


def count_of(value: object) -> int | None:
    """A figure, which is a number here and a string of digits there (facts, 2.2)."""
    if isinstance(value, str) and re.fullmatch(r"\d{1,19}", value):
        value = int(value)
    if not isinstance(value, int) or isinstance(value, bool) or value < 0:
        return None
    return min(value, MAX_COUNT)


def _moment(value: object) -> datetime:
    if not isinstance(value, str):
        raise TypeError("a time")
    moment = datetime.fromisoformat(value)
    return utc(moment if moment.tzinfo else moment.replace(tzinfo=UTC))


def _times(snippet: Mapping[str, Any]) -> tuple[datetime, datetime | None]:
    posted = _moment(snippet["publishedAt"])
    updated = _moment(snippet["updatedAt"]) if snippet.get("updatedAt") else posted
    return posted, updated if updated > posted else None


def _author(snippet: Mapping[str, Any]) -> Author | None:
    """The author's channel id and no name: enough to tell accounts apart (settled questions, 4)."""
    channel = snippet.get("authorChannelId")
    found = channel.get("value") if isinstance(channel, dict) else channel
    if not isinstance(found, str) or not found:
        found = text_of(snippet, "authorChannelUrl").rstrip("/").rpartition("/")[2]
    return Author(id=clean_text(found)[:100]) if found else None


def epoch(moment: datetime) -> int:
    """Seconds since 1970."""
    return int(moment.timestamp())


def _mark(*parts: object) -> int:
    return zlib.crc32(repr(parts).encode("utf-8", "replace")) & 0xFFFF


def stamp(epoch: int) -> str:
    """A moment as the service wants it: RFC 3339, whole seconds, UTC."""
    return f"{datetime.fromtimestamp(epoch, UTC):%Y-%m-%dT%H:%M:%SZ}"


def dicts(value: object) -> list[dict[str, Any]]:
    """The objects in a list, if it is one."""
    return [entry for entry in value if isinstance(entry, dict)] if isinstance(value, list) else []


@dataclass(frozen=True, slots=True)
class Upload:
    """An entry of the uploads list. ``mark`` tells a change of its wording; 0 where the video is not public."""

    video: str
    mark: int
    posted: int
    mention: Mention | None


def read_upload(item: Mapping[str, Any], ours: str) -> Upload:
    """A ``playlistItem`` of our uploads; raises KeyError, TypeError or ValueError where it is none."""
    snippet = item["snippet"]
    details = item.get("contentDetails")
    resource = snippet.get("resourceId")
    video = text_of(resource, "videoId") if isinstance(resource, dict) else ""
    published = snippet.get("publishedAt")  # when it was added to the list
    if isinstance(details, dict):
        video, published = video or text_of(details, "videoId"), details.get("videoPublishedAt")
    status = item.get("status")
    private = isinstance(status, dict) and status.get("privacyStatus") == "private"
    if private or not published:
        return Upload(checked_id(video), 0, 0, None)
    mention = read_video({"id": video, "snippet": {**snippet, "channelId": ours, "publishedAt": published}}, ours)
    return Upload(video, _mark(mention.text) or 1, epoch(mention.posted_at), mention)


@dataclass(frozen=True, slots=True)
class Hit:
    """A search result: the video, its channel, and what search itself shows of it."""

    video: str
    channel: str
    mention: Mention | None


def read_hit(item: Mapping[str, Any], ours: str) -> Hit:
    """A ``searchResult``; raises KeyError, TypeError or ValueError where it is none.

    The id is an object here, titles are HTML and descriptions are cut (facts, 2.2).
    """
    found = item["id"]
    video = checked_id(found["videoId"] if isinstance(found, dict) else found)
    snippet = item.get("snippet")
    if not isinstance(snippet, dict):
        return Hit(video, "", None)
    plain = {key: html.unescape(text_of(snippet, key)) for key in ("title", "description")}
    shown = next(readable([{"id": video, "snippet": {**snippet, **plain}}], lambda one: read_video(one, ours)), None)
    return Hit(video, text_of(snippet, "channelId"), shown)
