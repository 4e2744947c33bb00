"""The LinkedIn stand-in answers in the shapes of the specification and refuses what LinkedIn refuses."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs, unquote, urlencode

import pytest

from connectors.model import Author, Kind
from connectors.standins.linkedin import LinkedInStandIn, Token
from connectors.standins.server import Reply, Request
from connectors.standins.world import World

SPECS = Path(__file__).parents[2] / "specs"
SHAPES = json.loads((SPECS / "linkedin-shapes.json").read_text("utf-8"))
ERRORS = json.loads((SPECS / "error-bodies.json").read_text("utf-8"))["linkedin"]
NOW = datetime(2026, 11, 24, 14, 2, tzinfo=UTC)
ORGANISATION = "urn%3Ali%3Aorganization%3A5005"
GOOD = {
    "authorization": "Bearer t0ken",
    "linkedin-version": "202609",
    "x-restli-protocol-version": "2.0.0",
}
TOLD = "/rest/organizationalEntityNotifications"
CRITERIA = f"q=criteria&organizationalEntity={ORGANISATION}&actions=List(COMMENT,SHARE_MENTION)"
AUTHOR = f"q=author&author={ORGANISATION}"


@pytest.fixture
def linkedin() -> LinkedInStandIn:
    return LinkedInStandIn(World(lambda: NOW), token="t0ken")


def ask(linkedin: LinkedInStandIn, path: str, query: str = "", **headers: str) -> Reply:
    sent = {**GOOD, **{name.replace("_", "-"): value for name, value in headers.items()}}
    return linkedin.answer(
        Request(
            "GET",
            unquote(path),
            parse_qs(query, keep_blank_values=True),
            {name: value for name, value in sent.items() if value},
            b"",
            path,
            query,
        )
    )


def body(reply: Reply) -> dict[str, Any]:
    assert reply.status == 200, reply.body
    assert isinstance(reply.body, dict)
    return reply.body


def elements(reply: Reply) -> list[dict[str, Any]]:
    fits(body(reply), SHAPES["Collection"], "Collection")
    return list(body(reply)["elements"])


def fits(value: object, shape: object, where: str) -> None:
    """Whether ``value`` has the ``shape`` of the specification: no key too many, none too few, types right."""
    match shape:
        case dict():
            assert isinstance(value, dict), where
            names = {name.rstrip("?"): inner for name, inner in shape.items()}
            assert set(value) <= set(names), f"{where}: unknown {set(value) - set(names)}"
            for name, inner in shape.items():
                if name.endswith("?") and name[:-1] not in value:
                    continue
                assert name.rstrip("?") in value, f"{where} lacks {name}"
                fits(value[name.rstrip("?")], inner, f"{where}.{name}")
        case [dict() as inner]:
            assert isinstance(value, list), where
            for number, item in enumerate(value):
                fits(item, inner, f"{where}[{number}]")
        case list():
            assert value in shape, where
        case str():
            _fits_words(value, shape, where)


def _fits_words(value: object, shape: str, where: str) -> None:
    first = re.split(r"[ ,;]", shape)[0]
    if re.fullmatch(r"[A-Z_]+( \| [A-Z_]+)+", shape):
        assert value in shape.split(" | "), where
    elif first == "'next'":
        assert value in {"next", "prev"}, where
    elif first in {"int", "ms"}:
        assert isinstance(value, int), where
        assert not isinstance(value, bool), where
        assert first == "int" or 1e12 < value < 4e12, where
    elif first in {"string", "urn", "same"}:
        assert isinstance(value, str), where
        assert first == "string" or value.startswith("urn:li:"), where
    else:
        assert isinstance(value, {"bool": bool, "array": list, "object": dict}[first]), where


def a_town(linkedin: LinkedInStandIn) -> dict[str, Any]:
    """A post with a comment, an answer, a mention and a post passed on."""
    world = linkedin.world
    post = world.say("linkedin", Kind.OWN_POST, "A film (free) #TrustTalk", at=NOW - timedelta(hours=3), likes=2)
    comment = world.say("linkedin", Kind.COMMENT, "Where?", parent=post, at=NOW - timedelta(hours=2), likes=1)
    answer = world.say("linkedin", Kind.OWN_POST, "Here", parent=comment, at=NOW - timedelta(hours=1))
    tag = world.say("linkedin", Kind.MENTION, "Thank you Tessellate UK", author=Author(name="Sam", id="abc"))
    shared = world.say("linkedin", Kind.TAG, "See this", parent=post, passed_on=True)
    world.edit(comment, "Where, please?", at=NOW - timedelta(minutes=90))
    return {"post": post, "comment": comment, "answer": answer, "tag": tag, "shared": shared}


# ── refusals ────────────────────────────────────────────────────────────────────────────────────────


def refusal(linkedin: LinkedInStandIn, row: Mapping[str, Any]) -> Reply:
    """Provoke the refusal of one row of the catalogue."""
    match row["http"], row["body"].get("serviceErrorCode"):
        case 401, 65600:
            return ask(linkedin, "/rest/posts", AUTHOR, authorization="Bearer another")
        case 401, _:
            linkedin.tokens["t0ken"] = Token(revoked=True)
            return ask(linkedin, "/rest/posts", AUTHOR)
        case 403, _:
            linkedin.tokens["t0ken"] = Token(frozenset({"r_organization_social"}))
            return ask(linkedin, "/rest/socialActions/urn%3Ali%3Ashare%3A1/comments")
        case 400, _:
            return ask(linkedin, "/rest/posts", f"author={ORGANISATION}")
        case 426, _:
            return ask(linkedin, "/rest/posts", AUTHOR, linkedin_version="202504")
        case _:
            linkedin.app_limit = 0
            linkedin.member_limit = 10
            return ask(linkedin, "/rest/posts", AUTHOR)


@pytest.mark.parametrize("row", ERRORS, ids=lambda row: f"{row['http']}-{row['body'].get('code')}")
def test_every_refusal_of_the_catalogue_is_answered_as_it_stands_there(
    linkedin: LinkedInStandIn, row: dict[str, Any]
) -> None:
    reply = refusal(linkedin, row)

    assert reply.status == row["http"]
    assert isinstance(reply.body, dict)
    fits(reply.body, SHAPES["Error"], "Error")
    changing = r"\d{8}|: .*\.\d{8}$"
    assert {**reply.body, "message": re.sub(changing, "", reply.body["message"])} == {
        **row["body"],
        "message": re.sub(changing, "", row["body"]["message"]),
    }


@pytest.mark.parametrize(
    ("path", "query", "headers", "status"),
    [
        (TOLD, CRITERIA, {"linkedin_version": ""}, 400),
        (TOLD, CRITERIA, {"linkedin_version": "2026-09"}, 426),
        (TOLD, CRITERIA, {"x_restli_protocol_version": ""}, 400),
        (TOLD, CRITERIA, {"x_restli_method": "BATCH_GET"}, 400),
        (TOLD, CRITERIA, {"authorization": ""}, 401),
        (TOLD, CRITERIA.replace("%3A", ":"), {}, 400),
        (TOLD, CRITERIA.replace("List(", "List%28").replace(")", "%29"), {}, 400),
        (TOLD, CRITERIA.replace("COMMENT", "COMMENT_MENTION"), {}, 400),
        (TOLD, CRITERIA + "&timeRange=1", {}, 400),
        (TOLD, CRITERIA + "&timeRange=(start:1,end:2", {}, 400),
        (TOLD, CRITERIA + "&count=101", {}, 400),
        (TOLD, CRITERIA + "&start=-1", {}, 400),
        (TOLD, CRITERIA + "&surprise=1", {}, 400),
        (TOLD, CRITERIA.replace("5005", "6"), {}, 403),
        ("/rest/posts", AUTHOR.replace("5005", "6"), {}, 403),
        ("/rest/posts", "ids=List(urn%3Ali%3Ashare%3A1)", {}, 403),
        ("/rest/posts/urn:li:share:1", "", {}, 400),
        ("/rest/posts/urn%3Ali%3Ashare%3A1", "", {}, 404),
        ("/rest/socialActions/urn%3Ali%3Aactivity%3A1/comments", "", {}, 404),
        ("/rest/socialActions/urn%3Ali%3Aactivity%3A1", "", {}, 400),
        ("/rest/somethingElse", "", {}, 404),
        ("/v2/posts", AUTHOR, {}, 404),
    ],
)
def test_what_linkedin_refuses_is_refused(
    linkedin: LinkedInStandIn, path: str, query: str, headers: dict[str, str], status: int
) -> None:
    reply = ask(linkedin, path, query, **headers)

    assert reply.status == status
    fits(reply.body, SHAPES["Error"], "Error")


def test_each_endpoint_has_its_own_count_that_begins_anew_at_midnight_utc(linkedin: LinkedInStandIn) -> None:
    linkedin.member_limit = 2
    statuses = [ask(linkedin, "/rest/posts", AUTHOR).status for _ in range(3)]
    reply = ask(linkedin, "/rest/posts", AUTHOR)
    other = ask(linkedin, TOLD, CRITERIA).status
    linkedin.world.move(timedelta(hours=9, minutes=58))
    after = ask(linkedin, "/rest/posts", AUTHOR).status

    assert statuses == [200, 200, 429]
    assert "MEMBER DAY" in str(reply.body)
    assert "retry-after" not in {name.lower() for name in reply.headers}
    assert (other, after) == (200, 200)


def test_a_new_token_is_called_revoked_for_its_first_seconds(linkedin: LinkedInStandIn) -> None:
    linkedin.fresh_for = timedelta(seconds=20)
    linkedin.tokens["t0ken"] = Token(issued_at=NOW)
    first = ask(linkedin, "/rest/posts", AUTHOR)
    linkedin.world.move(timedelta(seconds=20))

    assert isinstance(first.body, dict)
    assert (first.status, first.body["serviceErrorCode"]) == (401, 65601)
    assert ask(linkedin, "/rest/posts", AUTHOR).status == 200


def test_a_token_ends_after_its_time(linkedin: LinkedInStandIn) -> None:
    linkedin.tokens["t0ken"] = Token(expires_at=NOW)

    reply = ask(linkedin, "/rest/posts", AUTHOR)

    assert isinstance(reply.body, dict)
    assert (reply.status, reply.body["serviceErrorCode"]) == (401, 65602)


def test_a_members_post_cannot_be_read_unless_it_is_allowed(linkedin: LinkedInStandIn) -> None:
    tag = a_town(linkedin)["tag"]
    path = f"/rest/posts/{tag.id.replace(':', '%3A')}"

    assert ask(linkedin, path).status == 403
    linkedin.readable_posts = True
    fits(body(ask(linkedin, path)), SHAPES["Post"], "Post")


# ── answers in the shapes of the specification ──────────────────────────────────────────────────────


@pytest.mark.parametrize("decorated", [True, False])
def test_notifications_have_their_shape(linkedin: LinkedInStandIn, decorated: bool) -> None:
    town = a_town(linkedin)
    linkedin.decorated = decorated
    linkedin.world.delete(town["answer"])

    told = elements(ask(linkedin, TOLD, f"q=criteria&organizationalEntity={ORGANISATION}&count=100"))

    for entry in told:
        fits(entry, SHAPES["OrganizationalEntityNotification"], "Notification")
        assert ("decoratedGeneratedActivity" in entry) == (
            decorated and entry["action"] not in {"COMMENT_DELETE", "ADMIN_COMMENT"}
        )
    assert {entry["action"] for entry in told} == {
        *("COMMENT", "COMMENT_EDIT", "COMMENT_DELETE", "ADMIN_COMMENT", "SHARE_MENTION", "SHARE")
    }
    assert len({entry["notificationId"] for entry in told}) == len(told)
    times = [entry["lastModifiedAt"] for entry in told]
    assert times == sorted(times, reverse=True)


def test_a_comments_activity_is_named_without_its_inner_prefix(linkedin: LinkedInStandIn) -> None:
    a_town(linkedin)

    entry = elements(ask(linkedin, TOLD, CRITERIA.replace("COMMENT,SHARE_MENTION", "COMMENT")))[0]

    assert re.fullmatch(r"urn:li:comment:\(activity:\d+,\d+\)", entry["generatedActivity"])
    assert entry["sourcePost"].startswith("urn:li:activity:")


def test_notifications_are_asked_for_by_action_and_time(linkedin: LinkedInStandIn) -> None:
    a_town(linkedin)
    start, end = (int((NOW - timedelta(minutes=minutes)).timestamp() * 1000) for minutes in (130, 100))

    told = elements(ask(linkedin, TOLD, f"{CRITERIA}&timeRange=(start:{start},end:{end})"))

    assert [entry["action"] for entry in told] == ["COMMENT"]


def test_notifications_are_forgotten_after_sixty_days_and_only_public_posts_give_any(
    linkedin: LinkedInStandIn,
) -> None:
    linkedin.world.say("linkedin", Kind.MENTION, "Tessellate UK", at=NOW - timedelta(days=61))
    linkedin.world.say("linkedin", Kind.MENTION, "Tessellate UK", visibility="CONNECTIONS")

    assert elements(ask(linkedin, TOLD, CRITERIA)) == []


def test_own_posts_have_their_shape_and_stand_by_their_last_change(linkedin: LinkedInStandIn) -> None:
    town = a_town(linkedin)
    newer = linkedin.world.say("linkedin", Kind.OWN_POST, "Another", at=NOW - timedelta(hours=1))
    linkedin.world.edit(town["post"], "A film, free #TrustTalk")

    posts = elements(ask(linkedin, "/rest/posts", f"{AUTHOR}&sortBy=LAST_MODIFIED", x_restli_method="FINDER"))

    for post in posts:
        fits(post, SHAPES["Post"], "Post")
    assert [post["id"] for post in posts] == [town["post"].id, newer.id]
    assert posts[0]["lifecycleStateInfo"]["isEditedByAuthor"] is True


def test_commentary_is_little_text(linkedin: LinkedInStandIn) -> None:
    linkedin.world.say("linkedin", Kind.OWN_POST, "Us (new): @Tessellate UK #TrustTalk")

    (post,) = elements(ask(linkedin, "/rest/posts", AUTHOR))

    assert post["commentary"] == r"Us \(new\): @[Tessellate UK](urn:li:organization:5005) {hashtag|\#|TrustTalk}"


@pytest.mark.parametrize(("version", "name"), [("202601", "$URN"), ("202609", "commentUrn")])
def test_comments_have_their_shape_by_every_name_of_their_post(
    linkedin: LinkedInStandIn, version: str, name: str
) -> None:
    town = a_town(linkedin)
    share = town["post"].id
    found = []
    for urn in (share, linkedin.activity(share)):
        path = f"/rest/socialActions/{urn.replace(':', '%3A')}/comments"
        (comment,) = elements(ask(linkedin, path, linkedin_version=version))
        fits(comment, SHAPES["Comment"], "Comment")
        assert comment[name] == town["comment"].id
        found.append(comment)

    assert found[0] == found[1]
    assert found[0]["object"] == linkedin.activity(share)
    assert found[0]["lastModified"]["time"] > found[0]["created"]["time"]
    assert found[0]["commentsSummary"]["aggregatedTotalComments"] == 1


def test_answers_are_read_under_the_comment_and_one_by_one(linkedin: LinkedInStandIn) -> None:
    town = a_town(linkedin)
    encoded = town["comment"].id.translate({ord(c): f"%{ord(c):02X}" for c in ":(),"})

    (answer,) = elements(ask(linkedin, f"/rest/socialActions/{encoded}/comments"))
    activity = linkedin.activity(town["post"].id).replace(":", "%3A")
    alone = body(ask(linkedin, f"/rest/socialActions/{activity}/comments/{answer['id']}"))

    fits(answer, SHAPES["Comment"], "Comment")
    assert alone == answer
    assert answer["parentComment"] == town["comment"].id
    assert answer["actor"] == "urn:li:organization:5005"


def test_the_counters_know_comments_and_likes(linkedin: LinkedInStandIn) -> None:
    share = a_town(linkedin)["post"].id

    counted = body(ask(linkedin, f"/rest/socialMetadata/{share.replace(':', '%3A')}"))

    assert counted["commentSummary"] == {"count": 2, "topLevelCount": 1}
    assert counted["reactionSummaries"]["LIKE"]["count"] == 2


def test_pages_are_linked_to_the_end(linkedin: LinkedInStandIn) -> None:
    post = linkedin.world.say("linkedin", Kind.OWN_POST, "A film")
    for number in range(25):
        linkedin.world.say("linkedin", Kind.COMMENT, f"Number {number}", parent=post)
    path, query, ids = TOLD, CRITERIA, []
    for _ in range(3):
        reply = ask(linkedin, path, query)
        ids += [entry["notificationId"] for entry in elements(reply)]
        links = {link["rel"]: link["href"] for link in body(reply)["paging"]["links"]}
        path, _, query = links.get("next", "").partition("?")

    assert len(set(ids)) == 25
    assert path == ""


def test_several_posts_at_once_where_the_tier_allows(linkedin: LinkedInStandIn) -> None:
    linkedin.batch_get = True
    share = a_town(linkedin)["post"].id

    found = body(ask(linkedin, "/rest/posts", f"ids=List({share.replace(':', '%3A')},urn%3Ali%3Ashare%3A1)"))

    assert list(found["results"]) == [share]
    assert found["statuses"]["urn:li:share:1"] == 404


def test_the_page_and_its_administrators_can_be_asked(linkedin: LinkedInStandIn) -> None:
    (acl,) = elements(ask(linkedin, "/rest/organizationAcls", "q=roleAssignee&role=ADMINISTRATOR&state=APPROVED"))

    assert acl["organization"] == "urn:li:organization:5005"
    assert body(ask(linkedin, "/rest/organizations/5005"))["localizedName"] == "Tessellate UK"


def test_a_long_question_may_come_in_the_body(linkedin: LinkedInStandIn) -> None:
    headers = {**GOOD, "x-http-method-override": "GET", "content-type": "application/x-www-form-urlencoded"}

    reply = linkedin.answer(Request("POST", "/rest/posts", {}, headers, AUTHOR.encode(), "/rest/posts", ""))

    assert elements(reply) == []


def test_a_post_that_is_not_a_question_is_refused(linkedin: LinkedInStandIn) -> None:
    reply = linkedin.answer(Request("POST", "/rest/posts", {}, GOOD, b"{}", "/rest/posts", ""))

    assert reply.status == 405


def test_a_comment_said_nowhere_stands_under_the_newest_own_post(linkedin: LinkedInStandIn) -> None:
    with pytest.raises(ValueError, match="a post of ours"):
        linkedin.world.say("linkedin", Kind.COMMENT, "Hello")
    post = linkedin.world.say("linkedin", Kind.OWN_POST, "A film")

    comment = linkedin.world.say("linkedin", Kind.COMMENT, "Hello")

    assert (comment.parent, comment.thread) == (post.id, post.id)


def test_a_deleted_post_takes_its_comments_along(linkedin: LinkedInStandIn) -> None:
    town = a_town(linkedin)
    linkedin.world.delete(town["post"])
    path = f"/rest/socialActions/{town['post'].id.replace(':', '%3A')}/comments"

    assert ask(linkedin, path).status == 404
    assert elements(ask(linkedin, "/rest/posts", AUTHOR)) == []


# ── signing in ──────────────────────────────────────────────────────────────────────────────────────

APP = {"client_id": "linkedin-app", "client_secret": "linkedin-secret"}


def sign_in(linkedin: LinkedInStandIn, what: str, form: dict[str, str]) -> Reply:
    path = f"/oauth/v2/{what}"
    return linkedin.answer(Request("POST", path, {}, {}, urlencode(form).encode(), path, ""))


def test_a_token_can_be_looked_at(linkedin: LinkedInStandIn) -> None:
    linkedin.tokens["t0ken"] = Token(frozenset({"r_organization_social"}), expires_at=NOW + timedelta(days=3))

    state = body(sign_in(linkedin, "introspectToken", {**APP, "token": "t0ken"}))

    assert state["active"] is True
    assert state["scope"] == "r_organization_social"
    assert state["expires_at"] == int((NOW + timedelta(days=3)).timestamp())
    assert body(sign_in(linkedin, "introspectToken", {**APP, "token": "x"}))["active"] is False


def test_a_token_is_renewed_only_with_the_right_words(linkedin: LinkedInStandIn) -> None:
    good = {**APP, "grant_type": "refresh_token", "refresh_token": "linkedin-refresh"}

    fresh = body(sign_in(linkedin, "accessToken", good))

    assert fresh["expires_in"] == 60 * 86400
    assert ask(linkedin, "/rest/posts", AUTHOR, authorization=f"Bearer {fresh['access_token']}").status == 200
    assert sign_in(linkedin, "accessToken", {**good, "refresh_token": "x"}).status == 400
    assert sign_in(linkedin, "accessToken", {**good, "grant_type": "password"}).status == 400
    assert sign_in(linkedin, "accessToken", {**good, "client_secret": "x"}).status == 401
