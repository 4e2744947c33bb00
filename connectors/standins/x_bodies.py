"""What X writes: refusals, posts with their entities, users, errors within an answer (platform facts, 1.3 and 1.8)."""

from __future__ import annotations

import hashlib
import re
from collections.abc import Iterable, Mapping
from datetime import UTC, datetime
from typing import Any

from connectors.model import Author
from connectors.standins.world import Post
from connectors.standins.x_search import FOUND_LINK

PROBLEMS = "https://api.twitter.com/2/problems/"
REFUSALS: dict[str, tuple[int, dict[str, Any]]] = {
    "unauthorized": (
        401,
        {"title": "Unauthorized", "type": "about:blank", "status": 401, "detail": "Unauthorized"},
    ),
    "credits_depleted": (
        402,
        {
            "title": "CreditsDepleted",
            "detail": "Your enrolled account [1] does not have any credits to fulfill this request.",
            "type": f"{PROBLEMS}credits",
        },
    ),
    "credits_depleted_newer": (
        402,
        {
            "detail": "credits depleted",
            "status": 402,
            "title": "Payment Required",
            "type": "https://api.x.com/2/problems/credits-depleted",
        },
    ),
    "spend_cap": (
        403,
        {
            "title": "SpendCapReached",
            "detail": "Your enrolled account [1] has reached its billing cycle spend cap. API requests will be "
            "blocked until the next cycle begins on {reset}.",
            "reset_date": "{reset}",
            "type": f"{PROBLEMS}credits",
        },
    ),
    "client_not_enrolled": (
        403,
        {
            "client_id": "1",
            "title": "Client Forbidden",
            "reason": "client-not-enrolled",
            "required_enrollment": "Appropriate Level of API Access",
            "detail": "When authenticating requests to the Twitter API v2 endpoints, you must use keys and tokens "
            "from a Twitter developer App that is attached to a Project. You can create a project via the "
            "developer portal.",
            "registration_url": "https://developer.twitter.com/en/docs/projects/overview",
            "type": f"{PROBLEMS}client-forbidden",
        },
    ),
    "unsupported_authentication": (
        403,
        {
            "title": "Unsupported Authentication",
            "detail": "Authenticating with OAuth 2.0 Application-Only is forbidden for this endpoint. Supported "
            "authentication types are [OAuth 1.0a User Context, OAuth 2.0 User Context].",
            "type": f"{PROBLEMS}unsupported-authentication",
            "status": 403,
        },
    ),
    "rate_limit": (
        429,
        {"title": "Too Many Requests", "detail": "Too Many Requests", "type": "about:blank", "status": 429},
    ),
    "rate_limit_legacy": (429, {"errors": [{"code": 88, "message": "Rate limit exceeded"}]}),
    "usage_cap": (
        429,
        {
            "account_id": "1",
            "product_name": "standard-basic",
            "title": "UsageCapExceeded",
            "period": "Monthly",
            "scope": "Product",
            "detail": "Usage cap exceeded: Monthly product cap",
            "type": f"{PROBLEMS}usage-capped",
        },
    ),
    "unavailable": (
        503,
        {"title": "Service Unavailable", "detail": "Service Unavailable", "type": "about:blank", "status": 503},
    ),
}
"""What X answers when it refuses: status and body. ``{reset}`` becomes the first day of the next month."""

LEGACY_FIELDS = frozenset(
    [
        "id",
        "text",
        "edit_history_tweet_ids",
        "created_at",
        "author_id",
        "conversation_id",
        "in_reply_to_user_id",
        "lang",
        "public_metrics",
        "referenced_tweets",
        "edit_controls",
        "entities",
        "note_tweet",
        "possibly_sensitive",
        "reply_settings",
        "withheld",
        "attachments",
        "context_annotations",
        "source",
        "geo",
        "display_text_range",
    ]
)
NEW_FIELDS = frozenset(
    [
        "id",
        "text",
        "created_at",
        "conversation_id",
        "lang",
        "public_metrics",
        "edit_controls",
        "entities",
        "note_post",
        "possibly_sensitive",
        "reply_settings",
        "withheld",
        "attachments",
        "context_annotations",
        "source",
        "geo",
        "display_text_range",
    ]
)
USER_FIELDS = frozenset(
    [
        "id",
        "name",
        "username",
        "created_at",
        "description",
        "protected",
        "public_metrics",
        "verified",
        "location",
        "url",
        "profile_image_url",
    ]
)


def stamp(moment: datetime) -> str:
    """As X writes a time: to the second, with .000."""
    return f"{moment.astimezone(UTC):%Y-%m-%dT%H:%M:%S}.000Z"


def short_hash(text: str) -> str:
    return hashlib.sha256(text.encode()).hexdigest()[:10]


def as_written(text: str) -> tuple[str, dict[str, object]]:
    """The text as X writes it: links behind t.co, & < > as entities; and the list of what stands in it."""
    links: list[tuple[str, str]] = []

    def shorten(found: re.Match[str]) -> str:
        links.append((f"https://t.co/{short_hash(found[0])}", found[0]))
        return links[-1][0]

    written = FOUND_LINK.sub(shorten, text).replace("&", "&amp;").replace("<", "&lt;").replace(">", "&gt;")
    entities: dict[str, object] = {}
    urls, after = [], 0
    for short, full in links:
        start = written.index(short, after)
        after = start + len(short)
        display = full.split("://", 1)[-1][:30]
        urls.append({"start": start, "end": after, "url": short, "expanded_url": full, "display_url": display})
    mentions = [
        {"start": m.start(), "end": m.end(), "username": m[1], "id": str(int(short_hash(m[1].casefold()), 16))[:12]}
        for m in re.finditer(r"(?<![\w@])@(\w{1,15})", written)
    ]
    tags = [
        {"start": m.start(), "end": m.end(), "tag": m[1]} for m in re.finditer(r"(?<![\w&])#(\w*[^\W\d]\w*)", written)
    ]
    for name, found in (("urls", urls), ("mentions", mentions), ("hashtags", tags)):
        if found:
            entities[name] = found
    return written, entities


def references(post: Post) -> list[dict[str, str]]:
    found = [{"type": "replied_to", "id": post.parent}] if post.parent else []
    for key, kind in (("quotes", "quoted"), ("retweets", "retweeted")):
        if key in post.extra:
            found.append({"type": kind, "id": str(post.extra[key])})
    return found


def in_new_words(whole: Mapping[str, object], expansions: list[str]) -> dict[str, object]:
    """A post in the new vocabulary, where some fields come by expansion only."""
    names = {
        "edit_history_tweet_ids": "edit_history_post_ids",
        "referenced_tweets": "referenced_posts",
        "note_tweet": "note_post",
    }
    by_expansion = {"author_id", "in_reply_to_user_id", "referenced_posts", "edit_history_post_ids"}
    new = {names.get(key, key): value for key, value in whole.items()}
    figures = dict(new["public_metrics"])  # type: ignore[call-overload]
    figures["repost_count"] = figures.pop("retweet_count")
    new["public_metrics"] = figures
    return {key: value for key, value in new.items() if key not in by_expansion or key in expansions}


def user_body(person: Author, fields: Iterable[str]) -> dict[str, object]:
    whole: dict[str, object] = {
        "id": person.id or "0",
        "name": person.name or person.handle or "",
        "username": person.handle or "",
        "verified": bool(person.verified),
        "protected": False,
        "created_at": "2012-03-04T05:06:07.000Z",
        "public_metrics": {
            "followers_count": person.followers or 0,
            "following_count": 0,
            "tweet_count": 0,
            "listed_count": 0,
        },
    }
    wanted = {"id", "name", "username", *fields}
    return {key: value for key, value in whole.items() if key in wanted & USER_FIELDS}


def partial_error(post_id: str, parameter: str, *, hidden: bool) -> dict[str, Any]:
    """An error within an answer: one post that is gone, or that we may not see."""
    if hidden:
        detail = f"Sorry, you are not authorized to see the Tweet with {parameter}: [{post_id}]."
        title, problem = "Authorization Error", "not-authorized-for-resource"
    else:
        detail = f"Could not find tweet with {parameter}: [{post_id}]."
        title, problem = "Not Found Error", "resource-not-found"
    return {
        "value": post_id,
        "detail": detail,
        "title": title,
        "resource_type": "tweet",
        "parameter": parameter,
        "resource_id": post_id,
        "type": f"{PROBLEMS}{problem}",
    }


def no_user(key: str, parameter: str) -> dict[str, str]:
    return {
        "value": key,
        "detail": f"Could not find user with {parameter}: [{key}].",
        "title": "Not Found Error",
        "resource_type": "user",
        "parameter": parameter,
        "resource_id": key,
        "type": f"{PROBLEMS}resource-not-found",
    }


def with_new_problems(body: object) -> object:
    """``body`` with the addresses of problems as the new vocabulary writes them."""
    if not isinstance(body, dict) or "errors" not in body:
        return body
    errors = [{**e, "type": e["type"].replace("api.twitter.com", "api.x.com")} for e in body["errors"]]
    return {**body, "errors": errors}
