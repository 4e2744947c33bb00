"""The stand-ins of Facebook and Instagram are as strict as the platform, and answer in its shapes."""

from __future__ import annotations

import hashlib
import hmac
import json
from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs, urlsplit

import pytest

from connectors.model import Author, Kind
from connectors.standins.facebook import FacebookStandIn
from connectors.standins.graph import GraphStandIn
from connectors.standins.instagram import InstagramStandIn
from connectors.standins.server import Reply, Request
from connectors.standins.world import World

NOW = datetime(2026, 11, 24, 14, 2, tzinfo=UTC)
SPECS = json.loads((Path(__file__).parents[2] / "specs" / "meta-graph-nodes.json").read_text())
PAGE, ACCOUNT = "100200300400500", "17841400000000001"
SAM = Author(name="Sam Example", handle="sam.example", id="777")
EDGES = {"comments", "reactions", "likes", "replies", "children", "tagged_time", "attachments"}


def fields_of(node: str) -> set[str]:
    return {field["name"] for field in SPECS[node]["fields"]} | EDGES


@pytest.fixture
def world() -> World:
    return World(lambda: NOW)


@pytest.fixture
def page(world: World) -> FacebookStandIn:
    return FacebookStandIn(world, PAGE, "t")


@pytest.fixture
def account(world: World) -> InstagramStandIn:
    return InstagramStandIn(world, ACCOUNT, "t")


def get(standin: GraphStandIn, path: str, *, token: str | None = "t", method: str = "GET", **params: str) -> Reply:
    headers = {"authorization": f"Bearer {token}"} if token else {}
    return standin.answer(Request(method, path, {name: [value] for name, value in params.items()}, headers))


def body(reply: Reply) -> Any:
    assert reply.status == 200, reply.body
    return reply.body


def code(reply: Reply) -> tuple[int, int | None]:
    assert reply.status >= 400
    assert isinstance(reply.body, Mapping)
    error = reply.body["error"]
    assert {"message", "type", "code", "fbtrace_id"} <= set(error)
    return error["code"], error.get("error_subcode")


# ── shapes ──────────────────────────────────────────────────────────────────────────────────────


def test_no_field_is_offered_that_the_specification_does_not_know(
    page: FacebookStandIn, account: InstagramStandIn
) -> None:
    for name, node in (
        ("PagePost", "PagePost"),
        ("TaggedPost", "PagePost"),
        ("Comment", "Comment"),
        ("Recommendation", "Recommendation"),
        ("Page", "Page"),
    ):
        assert set(page.types[name].makers) <= fields_of(node)
    for name, node in (("IGMedia", "IGMedia"), ("TaggedMedia", "IGMedia"), ("IGComment", "IGComment")):
        assert set(account.types[name].makers) <= fields_of(node)
    assert set(account.types["IGUser"].makers) <= fields_of("IGUser") | fields_of("IGUserForIGOnlyAPI")


def test_a_feed_has_the_shape_of_the_facts(world: World, page: FacebookStandIn) -> None:
    own = world.say("facebook", Kind.OWN_POST, "A film", shares=2)
    comment = world.say("facebook", Kind.COMMENT, "Why?", author=SAM, parent=own)
    world.say("facebook", Kind.COMMENT, "Because", author=SAM, parent=comment)

    answer = body(
        get(
            page,
            f"/v26.0/{PAGE}/feed",
            fields="id,created_time,message,from{id,name},shares,"
            "comments.filter(stream).order(reverse_chronological).limit(25).summary(true)"
            "{id,message,from{id,name},parent{id},like_count}",
        )
    )

    (post,) = answer["data"]
    assert post["id"] == own.id
    assert post["created_time"] == "2026-11-24T14:02:00+0000"
    assert post["shares"] == {"count": 2}
    assert post["comments"]["summary"] == {"order": "reverse_chronological", "total_count": 2, "can_comment": True}
    reply, first = post["comments"]["data"]
    assert reply["parent"] == {"id": comment.id}
    assert "parent" not in first
    assert set(answer["paging"]["cursors"]) == {"before", "after"}


def test_an_absent_value_is_an_absent_key(world: World, page: FacebookStandIn) -> None:
    world.say("facebook", Kind.TAG, None, author=SAM)

    (post,) = body(get(page, f"/v26.0/{PAGE}/tagged", fields="id,message,from,shares,permalink_url"))["data"]

    assert set(post) == {"id", "permalink_url"}
    assert post["id"].startswith("777_")


def test_without_fields_a_post_gives_little(world: World, page: FacebookStandIn) -> None:
    world.say("facebook", Kind.OWN_POST, "A film")
    (post,) = body(get(page, f"/v26.0/{PAGE}/feed"))["data"]
    assert set(post) == {"created_time", "message", "id"}


def test_ratings_have_no_id_of_their_own(world: World, page: FacebookStandIn) -> None:
    world.say("facebook", Kind.REVIEW, "Not kind", author=SAM, recommends=False, rating=1)
    fields = "created_time,recommendation_type,has_review,has_rating,review_text,rating,reviewer{id,name},open_graph_story{id}"

    (node,) = body(get(page, f"/v26.0/{PAGE}/ratings", fields=fields))["data"]

    assert node["recommendation_type"] == "negative"
    assert "id" not in node
    assert node["open_graph_story"]["id"]
    assert set(node) <= fields_of("Recommendation")


def test_a_mention_without_a_tag_is_invisible(world: World, page: FacebookStandIn, account: InstagramStandIn) -> None:
    world.say("facebook", Kind.MENTION, "Tessellate UK is in the news", author=SAM)
    world.say("instagram", Kind.MENTION, "Thanks @TessellateUK", author=SAM)
    tagged = world.say("facebook", Kind.MENTION, "With Tessellate UK", author=SAM, tagged=True)

    assert [p["id"] for p in body(get(page, f"/v26.0/{PAGE}/feed"))["data"]] == [tagged.id]
    assert body(get(account, f"/v26.0/{ACCOUNT}/tags"))["data"] == []


def test_instagram_comments_come_newest_first_with_their_replies_inside(
    world: World, account: InstagramStandIn
) -> None:
    own = world.say("instagram", Kind.OWN_POST, "A film")
    first = world.say("instagram", Kind.COMMENT, "One", author=SAM, parent=own)
    world.move(timedelta(seconds=5))
    second = world.say("instagram", Kind.COMMENT, "Two", author=SAM, parent=own)
    reply = world.say("instagram", Kind.COMMENT, "Reply", author=SAM, parent=first)
    fields = "id,text,timestamp,username,from{id,username},like_count,hidden,parent_id,replies{id,text,parent_id}"

    comments = body(get(account, f"/v26.0/{own.id}/comments", fields=fields))["data"]
    (media,) = body(get(account, f"/v26.0/{ACCOUNT}/media", fields="id,comments_count"))["data"]

    assert [node["id"] for node in comments] == [second.id, first.id]
    assert "replies" not in comments[0]
    assert comments[1]["replies"]["data"] == [{"id": reply.id, "text": "Reply", "parent_id": first.id}]
    assert comments[1]["from"] == {"id": "777", "username": "sam.example"}
    assert media["comments_count"] == 3
    assert set(comments[1]) <= fields_of("IGComment")


# ── paging ──────────────────────────────────────────────────────────────────────────────────────


def test_pages_follow_each_other_without_gap_or_repeat_while_new_posts_arrive(
    world: World, page: FacebookStandIn
) -> None:
    said = []
    for number in range(30):
        world.move(timedelta(seconds=1))
        said.append(world.say("facebook", Kind.COMMENT, f"{number}", author=SAM).id)
    seen: list[str] = []
    after: dict[str, str] = {}
    for _ in range(10):
        answer = body(get(page, f"/v26.0/{PAGE}/feed", fields="id", limit="7", **after))
        seen += [post["id"] for post in answer["data"]]
        world.move(timedelta(seconds=1))
        world.say("facebook", Kind.COMMENT, "new", author=SAM)
        if "next" not in answer["paging"]:
            break
        after = {"after": answer["paging"]["cursors"]["after"]}

    assert seen == said[::-1]


def test_the_next_page_carries_the_token_but_not_the_proof(world: World) -> None:
    page = FacebookStandIn(world, PAGE, "t", "secret")
    for _ in range(3):
        world.say("facebook", Kind.OWN_POST, "A film")
    proof = hmac.new(b"secret", b"t", hashlib.sha256).hexdigest()

    answer = body(get(page, f"/v26.0/{PAGE}/feed", limit="2", appsecret_proof=proof))
    asked = parse_qs(urlsplit(answer["paging"]["next"]).query)

    assert asked["access_token"] == ["t"]
    assert "appsecret_proof" not in asked
    assert code(get(page, f"/v26.0/{PAGE}/feed", **{k: v[0] for k, v in asked.items()})) == (100, None)


def test_tags_give_cursors_but_no_next(world: World, account: InstagramStandIn) -> None:
    for _ in range(3):
        world.say("instagram", Kind.TAG, "With them", author=SAM)

    first = body(get(account, f"/v26.0/{ACCOUNT}/tags", limit="2"))
    second = body(get(account, f"/v26.0/{ACCOUNT}/tags", limit="2", after=first["paging"]["cursors"]["after"]))
    third = body(get(account, f"/v26.0/{ACCOUNT}/tags", limit="2", after=second["paging"]["cursors"]["after"]))

    assert "next" not in first["paging"]
    assert (len(first["data"]), len(second["data"]), third) == (2, 1, {"data": []})


def test_a_made_up_cursor_is_refused(page: FacebookStandIn) -> None:
    assert code(get(page, f"/v26.0/{PAGE}/feed", after="made-up")) == (100, None)


# ── strictness ──────────────────────────────────────────────────────────────────────────────────


@pytest.mark.parametrize(
    ("asked", "served"), [("v26.0", "v26.0"), ("v22.0", "v22.0"), ("v2.8", "v21.0"), ("v20.0", "v21.0")]
)
def test_an_ended_version_is_served_by_the_oldest_alive(page: FacebookStandIn, asked: str, served: str) -> None:
    reply = get(page, f"/{asked}/{PAGE}/feed")
    assert reply.headers["facebook-api-version"] == served


def test_a_version_to_come_is_unknown_and_so_is_a_call_without_token(page: FacebookStandIn) -> None:
    assert code(get(page, "/v27.0/me", token=None)) == (2500, None)
    assert code(get(page, "/v26.0/me", token=None)) == (2500, None)


def test_tokens_are_taken_from_header_or_parameter_and_refused_by_their_state(
    world: World, page: FacebookStandIn
) -> None:
    assert get(page, "/v26.0/me", token=None, access_token="t").status == 200
    assert code(get(page, "/v26.0/me", token="wrong")) == (190, None)
    page.tokens["t"].dead_subcode = 460
    assert code(get(page, "/v26.0/me")) == (190, 460)
    page.tokens["t"].expires_at = world.now()
    assert code(get(page, "/v26.0/me")) == (190, 463)


def test_the_proof_is_wanted_and_must_be_of_this_token(world: World) -> None:
    page = FacebookStandIn(world, PAGE, "t", "secret")
    wrong = hmac.new(b"secret", b"other", hashlib.sha256).hexdigest()

    assert code(get(page, "/v26.0/me")) == (100, None)
    assert code(get(page, "/v26.0/me", appsecret_proof=wrong)) == (100, None)


def test_unknown_fields_edges_and_malformed_lists_are_refused(world: World, page: FacebookStandIn) -> None:
    own = world.say("facebook", Kind.OWN_POST, "A film")

    assert code(get(page, f"/v26.0/{PAGE}/feed", fields="id,wrong")) == (100, None)
    assert code(get(page, f"/v26.0/{PAGE}/feed", fields="id,comments{id")) == (2500, None)
    assert code(get(page, f"/v26.0/{PAGE}/nope")) == (2500, None)
    assert code(get(page, f"/v26.0/{own.id}/comments", order="newest")) == (100, None)
    assert code(get(page, f"/v26.0/{PAGE}/feed", limit="many")) == (100, None)
    assert code(get(page, "/v26.0/5_6")) == (100, 33)


def test_one_bad_id_refuses_the_whole_call_for_many(world: World, page: FacebookStandIn) -> None:
    own = world.say("facebook", Kind.OWN_POST, "A film")
    other = world.say("facebook", Kind.OWN_POST, "Another")

    assert set(body(get(page, "/v26.0/", ids=f"{own.id},{other.id}", fields="id"))) == {own.id, other.id}
    assert code(get(page, "/v26.0/", ids=f"{own.id},5_6", fields="id")) == (100, 33)


def test_a_comment_is_found_by_either_spelling(world: World, page: FacebookStandIn) -> None:
    own = world.say("facebook", Kind.OWN_POST, "A film")
    comment = world.say("facebook", Kind.COMMENT, "Why?", author=SAM, parent=own)

    assert body(get(page, f"/v26.0/{comment.id.rpartition('_')[2]}"))["id"] == comment.id


def test_a_deleted_post_and_a_strangers_post_cannot_be_read(world: World, page: FacebookStandIn) -> None:
    own = world.say("facebook", Kind.OWN_POST, "A film")
    tag = world.say("facebook", Kind.TAG, "With them", author=SAM)
    world.delete(own)

    assert code(get(page, f"/v26.0/{own.id}")) == (100, 33)
    assert code(get(page, f"/v26.0/{tag.id}")) == (100, 33)


def test_a_persons_token_reads_an_empty_page_and_missing_scopes_are_refused(
    world: World, page: FacebookStandIn
) -> None:
    world.say("facebook", Kind.OWN_POST, "A film")
    page.user_token("person")
    assert body(get(page, f"/v26.0/{PAGE}/feed", token="person")) == {"data": []}
    page.tokens["t"].scopes = frozenset({"pages_read_engagement"})
    assert get(page, f"/v26.0/{PAGE}/feed").status == 200
    assert code(get(page, f"/v26.0/{PAGE}/tagged")) == (10, None)


def test_usage_rises_with_calls_until_the_limit_and_falls_with_time(world: World, page: FacebookStandIn) -> None:
    page.budget = 20
    replies = [get(page, "/v26.0/me") for _ in range(20)]
    usage = [
        json.loads(r.headers["x-business-use-case-usage"])[PAGE][0]["call_count"]
        for r in replies
        if "x-business-use-case-usage" in r.headers
    ]
    assert len(usage) == 17, "the headers come only after some traffic"
    assert usage == sorted(usage)
    assert usage[-1] == 100

    refused = get(page, "/v26.0/me")
    assert code(refused) == (80001, None)
    entry = json.loads(refused.headers["x-business-use-case-usage"])[PAGE][0]
    assert entry["estimated_time_to_regain_access"] == 5
    world.move(timedelta(minutes=4))
    assert code(get(page, "/v26.0/me")) == (80001, None), "a call while shut out prolongs it"
    world.move(timedelta(hours=25))
    assert get(page, "/v26.0/me").status == 200


def test_debug_token_tells_of_a_token(page: FacebookStandIn) -> None:
    data = body(get(page, "/v26.0/debug_token", input_token="t"))["data"]
    assert (data["type"], data["is_valid"], data["expires_at"], data["profile_id"]) == ("PAGE", True, 0, PAGE)
    assert body(get(page, "/v26.0/debug_token", input_token="x"))["data"]["is_valid"] is False
    assert code(get(page, "/v26.0/debug_token")) == (100, None)


def test_hiding_a_comment_wants_a_permission_and_never_edits_it(world: World, page: FacebookStandIn) -> None:
    own = world.say("facebook", Kind.OWN_POST, "A film")
    comment = world.say("facebook", Kind.COMMENT, "Why?", author=SAM, parent=own)

    assert body(get(page, f"/v26.0/{comment.id}", method="POST", is_hidden="true")) == {"success": True}
    assert body(get(page, f"/v26.0/{comment.id}", fields="is_hidden"))["is_hidden"] is True
    assert code(get(page, f"/v26.0/{comment.id}", method="POST", message="x", is_hidden="true")) == (200, None)
    page.tokens["t"].scopes = frozenset({"pages_read_engagement"})
    assert code(get(page, f"/v26.0/{comment.id}", method="POST", is_hidden="true")) == (10, None)


def test_scheduled_posts_have_their_hour(world: World, page: FacebookStandIn) -> None:
    waiting = page.schedule("Soon", NOW + timedelta(hours=1))

    (post,) = body(get(page, f"/v26.0/{PAGE}/scheduled_posts", fields="id,message,scheduled_publish_time"))["data"]

    assert post == {
        "id": waiting.id,
        "message": "Soon",
        "scheduled_publish_time": int((NOW + timedelta(hours=1)).timestamp()),
    }


def test_an_instagram_token_is_renewed_only_when_it_is_a_day_old(world: World, account: InstagramStandIn) -> None:
    asked = {"grant_type": "ig_refresh_token", "access_token": "t"}
    assert code(get(account, "/refresh_access_token", token=None, **asked)) == (100, None)
    world.move(timedelta(days=2))

    grant = body(get(account, "/refresh_access_token", token=None, **asked))

    assert grant["expires_in"] == 5_184_000
    assert get(account, "/v26.0/me", token=grant["access_token"]).status == 200
