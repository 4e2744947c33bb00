"""What X shows, read in both of its vocabularies: posts, pages, partial errors (platform facts, 1.3 and 1.8)."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from datetime import UTC, datetime
from typing import Any

from connectors.addresses import parts_of
from connectors.errors import ConnectorError, CredentialsRejected, SetupRejected, UnexpectedReply, shape_of
from connectors.model import Author, Kind, Mention, clean_text

NAME = "x"

POST, USER, COUNT = 5_000, 10_000, 5_000
"""Prices in millionths of a dollar: a post read, a user read, one counts request (platform facts, 1.6).

The cheaper owned read (1,000) is never assumed: nothing in an answer tells whether it applies."""

ID = re.compile(r"[0-9]{1,19}")
_EPOCH = 1_288_834_974_657
_NO_LANGUAGE = frozenset({"und", "zxx", "qam", "qct", "qht", "qme", "qst", "art"})


def whole(value: object) -> int:
    """A number of a cursor or a reply as a whole number that makes sense; 0 otherwise."""
    if isinstance(value, str) and ID.fullmatch(value):
        value = int(value)
    if isinstance(value, int) and not isinstance(value, bool) and 0 <= value < 10**19:
        return value
    return 0


def words(value: object) -> str:
    """A title or a problem's type as a short plain code."""
    text = value.rstrip("/").rsplit("/", 1)[-1] if isinstance(value, str) else ""
    return "-".join(re.findall(r"[a-z]+|[A-Z][a-z]*", text)).lower()[:40]


def id_at(moment: datetime) -> int:
    """The lowest id that X can give at ``moment`` (platform facts, 1.3)."""
    return max(0, int(moment.timestamp() * 1000) - _EPOCH) << 22


def time_of(post_id: int) -> datetime:
    """When a post with this id was made, aware UTC."""
    return datetime.fromtimestamp(((post_id >> 22) + _EPOCH) / 1000, UTC)


def seconds(moment: datetime) -> int:
    return int(moment.timestamp())


def at(seconds: int) -> datetime:
    return datetime.fromtimestamp(seconds, UTC)


def rfc3339(moment: datetime) -> str:
    return f"{moment.astimezone(UTC):%Y-%m-%dT%H:%M:%SZ}"


def read_post(item: object, *, own: str, users: Mapping[str, Author]) -> tuple[Mention, int]:
    """A post as a mention, and the number of the version that was shown. Raises ValueError for what is no post.

    ``own`` is the number of our account. A mention keeps the id of its first version; it is written as the
    newest one says (platform facts, 1.4).
    """
    if not isinstance(item, dict) or not (version := whole(item.get("id"))):
        raise ValueError("no post")
    first = _first_version(item, version)
    shown = _moment(item.get("created_at")) or time_of(version)
    author = str(whole(item.get("author_id")) or "")
    is_own = bool(own) and author == own
    parent = _referenced(item, "replied_to")
    answers_us = bool(own) and str(whole(item.get("in_reply_to_user_id")) or "") == own
    figures = item.get("public_metrics")
    figures = figures if isinstance(figures, dict) else {}
    lang = item.get("lang")
    mention = Mention(
        NAME,
        str(first),
        Kind.OWN_POST if is_own else Kind.COMMENT if answers_us else Kind.MENTION,
        _text(item),
        f"https://x.com/i/web/status/{version}",
        time_of(first) if first != version else shown,
        author=users.get(author, Author(id=author)) if author else None,
        edited_at=shown if first != version else None,
        parent=parent,
        thread=str(whole(item.get("conversation_id")) or "") or None,
        lang=lang if isinstance(lang, str) and re.fullmatch(r"[a-z]{2,3}", lang) and lang not in _NO_LANGUAGE else None,
        likes=_figure(figures, "like_count"),
        shares=_figure(figures, "retweet_count", "repost_count"),
        replies=_figure(figures, "reply_count"),
        names_us=not is_own and (answers_us or _tags(item, own)),
    )
    return mention, version


def _first_version(item: Mapping[str, Any], version: int) -> int:
    for key in ("edit_history_tweet_ids", "edit_history_post_ids"):
        history = item.get(key)
        if isinstance(history, list) and (ids := [i for i in map(whole, history) if i]):
            return min(*ids, version)
    return version


def newest_version(item: Mapping[str, Any], version: int) -> int:
    for key in ("edit_history_tweet_ids", "edit_history_post_ids"):
        history = item.get(key)
        if isinstance(history, list) and (ids := [i for i in map(whole, history) if i]):
            return max(*ids, version)
    return version


def _text(item: Mapping[str, Any]) -> str:
    """The full text: a long post's own is cut at 280 characters, and the crisis may sit behind (facts, 1.3).

    X writes & < > as entities and hides links behind t.co: both are undone, for the words are read, not shown.
    """
    note = item.get("note_tweet") or item.get("note_post")
    source = note if isinstance(note, dict) and isinstance(note.get("text"), str) and note["text"] else item
    text = source.get("text")
    if not isinstance(text, str):
        raise ValueError("no text")
    for short, full in _links(source if "entities" in source else item):
        text = text.replace(short, full)
    return clean_text(text.replace("&lt;", "<").replace("&gt;", ">").replace("&amp;", "&"))


def _links(source: Mapping[str, Any]) -> Iterable[tuple[str, str]]:
    entities = source.get("entities")
    urls = entities.get("urls") if isinstance(entities, dict) else None
    for entry in urls[:20] if isinstance(urls, list) else []:
        short, full = (entry.get("url"), entry.get("expanded_url")) if isinstance(entry, dict) else (None, None)
        if isinstance(short, str) and short.startswith("http") and isinstance(full, str) and len(full) <= 300:
            parts = parts_of(full)
            if parts.scheme and (parts.hostname or "").removeprefix("www.") not in {
                "x.com",
                "twitter.com",
                "pic.x.com",
            }:  # such a link holds a handle
                yield short, full


def _tags(item: Mapping[str, Any], own: str) -> bool:
    """Whether X itself says that the post mentions our account."""
    entities = item.get("entities")
    tagged = entities.get("mentions") if isinstance(entities, dict) else None
    numbers = (entry.get("id") for entry in tagged if isinstance(entry, dict)) if isinstance(tagged, list) else ()
    return bool(own) and any(str(whole(number) or "") == own for number in numbers)


def _referenced(item: Mapping[str, Any], kind: str) -> str | None:
    for key in ("referenced_tweets", "referenced_posts"):
        entries = item.get(key)
        for entry in entries if isinstance(entries, list) else []:
            if isinstance(entry, dict) and entry.get("type") == kind and whole(entry.get("id")):
                return str(whole(entry["id"]))
    return None


def _moment(value: object) -> datetime | None:
    if not isinstance(value, str):
        return None
    try:
        moment = datetime.fromisoformat(value)
        return moment.astimezone(UTC) if moment.tzinfo else None
    except (ValueError, OverflowError):
        return None


def _figure(figures: Mapping[str, Any], *names: str) -> int | None:
    for name in names:
        value = figures.get(name)
        if isinstance(value, int) and not isinstance(value, bool):
            return min(max(0, value), 2**53)
    return None


def users_of(body: Mapping[str, Any]) -> dict[str, Author]:
    """Authors that came along unasked, by number."""
    includes = body.get("includes")
    entries = includes.get("users") if isinstance(includes, dict) else None
    found: dict[str, Author] = {}
    for entry in entries if isinstance(entries, list) else []:
        if isinstance(entry, dict) and (number := str(whole(entry.get("id")) or "")):
            figures = entry.get("public_metrics")
            found[number] = Author(
                name=_short(entry.get("name")),
                handle=_short(entry.get("username")),
                id=number,
                followers=_figure(figures, "followers_count") if isinstance(figures, dict) else None,
                verified=entry["verified"] if isinstance(entry.get("verified"), bool) else None,
            )
    return found


def _short(value: object) -> str | None:
    return clean_text(value)[:200] or None if isinstance(value, str) else None


def included(body: Mapping[str, Any]) -> int:
    """The price of what came along: we ask for none of it, and count it as billed if it comes (facts, 1.6)."""
    includes = body.get("includes")
    if not isinstance(includes, dict):
        return 0
    prices = {"users": USER, "tweets": POST, "posts": POST}
    return sum(len(includes[name]) * price for name, price in prices.items() if isinstance(includes.get(name), list))


def page_of(body: Mapping[str, Any]) -> tuple[list[Any], Mapping[str, Any]]:
    """The posts and the ``meta`` of a page. Raises for a page that is none: nothing heard is not quiet."""
    data, meta = body.get("data"), body.get("meta")
    meta = meta if isinstance(meta, dict) else {}
    if isinstance(data, list) and data:
        return data, meta
    if data not in (None, []) or (data is None and not meta and not body.get("errors")):
        billed: dict[str, int] | None = {} if data is None else None
        what = "X answered in a form that we do not know."
        raise UnexpectedReply(what, code="form", shape=shape_of(dict(body)), spent=billed)
    if whole(meta.get("result_count")):
        raise UnexpectedReply("X says that there are posts but shows none.", code="none-shown", shape=shape_of(meta))
    if not meta and body.get("errors"):
        raise _only_errors(body)
    return [], meta


def _only_errors(body: Mapping[str, Any]) -> ConnectorError:
    """A page of status 200 that holds nothing but errors."""
    errors = body["errors"]
    first = errors[0] if isinstance(errors, list) and errors else None
    code = (words(first.get("type")) or words(first.get("title"))) if isinstance(first, dict) else ""
    if code == "resource-not-found" or code.startswith("not-found"):
        return SetupRejected(
            "X does not know our account.",
            "Check organisation.handles.x and connectors.x.user_id.",
            code=code,
            spent={},
        )
    if code.startswith(("not-authorized", "authorization")):
        return CredentialsRejected(
            "X does not let us see our account: it may be protected or suspended.",
            "Look at the account on X itself.",
            code=code,
            spent={},
        )
    what = "X answered with errors only."
    return UnexpectedReply(what, code=code or "errors-only", shape=shape_of(dict(body)), spent={})


def told_of(body: Mapping[str, Any]) -> Iterable[tuple[str, str]]:
    """Posts that the errors of an answer tell of, with "gone" or "hidden" (platform facts, 1.8)."""
    errors = body.get("errors")
    for entry in errors if isinstance(errors, list) else []:
        if not isinstance(entry, dict) or entry.get("resource_type", "tweet") not in {"tweet", "post"}:
            continue
        post_id = str(whole(entry.get("resource_id")) or whole(entry.get("value")) or "")
        problem, title = words(entry.get("type")), words(entry.get("title"))
        if not post_id:
            continue
        if problem == "resource-not-found" or title.startswith("not-found"):
            yield post_id, "gone"
        elif problem == "not-authorized-for-resource" or title.startswith("authorization"):
            yield post_id, "hidden"


def total_of(body: Mapping[str, Any]) -> int:
    meta, data = body.get("meta"), body.get("data")
    for name in ("total_tweet_count", "total_post_count"):
        if isinstance(meta, dict) and whole(meta.get(name)):
            return whole(meta[name])
    entries = [entry for entry in data if isinstance(entry, dict)] if isinstance(data, list) else []
    return sum(whole(entry.get("tweet_count")) or whole(entry.get("post_count")) for entry in entries)
