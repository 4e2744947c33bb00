"""The imitation of YouTube behaves as the platform facts and the discovery document say."""

from __future__ import annotations

import json
from datetime import UTC, datetime, timedelta
from typing import Any
from urllib.parse import urlencode

import pytest
from discovery import SPECS, document, faults

from connectors.model import Author
from connectors.standins.server import Reply, Request
from connectors.standins.world import Post, World
from connectors.standins.youtube import METHODS, YouTubeStandIn

NOW = datetime(2026, 11, 24, 14, 2, tzinfo=UTC)
KEY = "AIza-of-the-stand-in"
CHANNEL = "UCtessellate0000000000aa"


class Place:
    """A stand-in that is asked without a network, and a few posts to ask for."""

    def __init__(self, **options: Any) -> None:
        self.world = World(lambda: NOW)
        self.standin = YouTubeStandIn(self.world, channel_id=CHANNEL, api_key=KEY, **options)
        self.film = self.say("own_post", "Our new film\nAbout trust & hope", at=NOW - timedelta(days=9), likes=3)

    def say(self, kind: str, text: str | None, **more: Any) -> Post:
        return self.world.say("youtube", kind, text, **more)

    def comments(self, number: int) -> list[Post]:
        start = NOW - timedelta(minutes=number)
        return [
            self.say("comment", f"Comment {n}", parent=self.film, at=start + timedelta(minutes=n))
            for n in range(number)
        ]

    def ask(self, path: str, headers: dict[str, str] | None = None, method: str = "GET", **query: Any) -> Reply:
        given = {name: [str(value)] for name, value in query.items() if value is not None}
        sent = {"x-goog-api-key": KEY} if headers is None else headers
        return self.standin.answer(Request(method, f"/youtube/v3/{path}", given, sent))

    def body(self, path: str, **query: Any) -> dict[str, Any]:
        reply = self.ask(path, **query)
        assert reply.status == 200, reply.body
        assert isinstance(reply.body, dict)
        return reply.body

    def threads(self, **query: Any) -> dict[str, Any]:
        fixed = {"part": "snippet,replies", "allThreadsRelatedToChannelId": CHANNEL, "textFormat": "plainText"}
        return self.body("commentThreads", **fixed, **query)


def reason_of(reply: Reply) -> str:
    assert isinstance(reply.body, dict)
    return str(reply.body["error"]["errors"][0]["reason"])


def ids_of(body: dict[str, Any]) -> list[str]:
    return [item["id"] for item in body["items"]]


# ── refusals ────────────────────────────────────────────────────────────────────────────────────────


@pytest.mark.parametrize(
    ("path", "query", "status", "reason"),
    [
        ("commentThreads", {"allThreadsRelatedToChannelId": CHANNEL}, 400, "missingRequiredParameter"),
        ("commentThreads", {"part": "snippet"}, 400, "missingRequiredParameter"),
        ("commentThreads", {"part": "snippet", "videoId": "a", "id": "b"}, 400, "incompatibleParameters"),
        ("commentThreads", {"part": "snippet", "id": "b", "maxResults": 5}, 400, "incompatibleParameters"),
        ("commentThreads", {"part": "snippet", "id": "b", "order": "time"}, 400, "incompatibleParameters"),
        ("commentThreads", {"part": "statistics", "id": "b"}, 400, "unknownPart"),
        ("commentThreads", {"part": "snippet", "videoId": "a", "maxResults": 101}, 400, "invalidParameter"),
        ("commentThreads", {"part": "snippet", "videoId": "a", "maxResults": 0}, 400, "invalidParameter"),
        ("commentThreads", {"part": "snippet", "videoId": "a", "textFormat": "plain"}, 400, "badRequest"),
        ("commentThreads", {"part": "snippet", "videoId": "a", "text_format": "html"}, 400, "badRequest"),
        ("commentThreads", {"part": "snippet", "videoId": "nosuchvideo"}, 404, "videoNotFound"),
        ("commentThreads", {"part": "snippet", "allThreadsRelatedToChannelId": "UCx"}, 404, "channelNotFound"),
        ("commentThreads", {"part": "snippet", "channelId": CHANNEL}, 404, "channelNotFound"),
        (
            "commentThreads",
            {"part": "snippet", "allThreadsRelatedToChannelId": CHANNEL, "moderationStatus": "heldForReview"},
            403,
            "forbidden",
        ),
        (
            "commentThreads",
            {"part": "snippet", "allThreadsRelatedToChannelId": CHANNEL, "pageToken": "x"},
            400,
            "invalidPageToken",
        ),
        ("comments", {"part": "snippet", "parentId": "Ugx"}, 404, "commentNotFound"),
        ("playlistItems", {"part": "snippet", "playlistId": "UUx"}, 404, "playlistNotFound"),
        ("playlistItems", {"part": "snippet", "playlistId": "UUx", "maxResults": 51}, 400, "invalidParameter"),
        ("videos", {"part": "snippet", "myRating": "like"}, 401, "required"),
        ("channels", {"part": "snippet", "mine": "true"}, 401, "authError"),
        ("search", {"part": "snippet", "q": "x", "publishedAfter": "yesterday"}, 400, "badRequest"),
        ("search", {"part": "snippet", "q": "x", "maxResults": 51}, 400, "invalidParameter"),
    ],
)
def test_what_the_api_refuses_is_refused(path: str, query: dict[str, Any], status: int, reason: str) -> None:
    reply = Place().ask(path, **query)

    assert (reply.status, reason_of(reply)) == (status, reason)


def test_a_missing_key_a_wrong_key_and_a_token_are_refused_each_in_its_own_way() -> None:
    place = Place()
    query = {"part": "snippet", "id": CHANNEL}

    assert place.ask("channels", headers={}, **query).status == 403
    wrong = place.ask("channels", headers={"x-goog-api-key": "other"}, **query)
    assert (wrong.status, wrong.body["error"]["details"][0]["reason"]) == (400, "API_KEY_INVALID")  # type: ignore[index]
    assert place.ask("channels", headers={"authorization": "Bearer x"}, **query).status == 401
    assert place.ask("channels", headers={}, key=KEY, **query).status == 200


def test_an_unknown_path_is_a_page_and_another_verb_is_refused() -> None:
    place = Place()

    assert b"<html" in place.ask("captions", part="snippet").payload()
    assert place.ask("channels", method="DELETE", part="snippet", id=CHANNEL).status == 403


def test_a_video_without_comments_refuses_them_in_html_words_and_hides_their_count() -> None:
    place = Place()
    closed = place.say("own_post", "Quiet film", comments_disabled=True)

    reply = place.ask("commentThreads", part="snippet", videoId=closed.id)

    assert (reply.status, reason_of(reply)) == (403, "commentsDisabled")
    assert "<code>" in reply.body["error"]["message"]  # type: ignore[index]
    statistics = place.body("videos", part="statistics", id=closed.id)["items"][0]["statistics"]
    assert "commentCount" not in statistics


@pytest.mark.parametrize("name", ["comments_disabled", "quota_exceeded", "bad_key", "channel_not_found", "rate_limit"])
def test_refusals_have_the_recorded_form(name: str) -> None:
    recorded = next(
        entry
        for entry in json.loads((SPECS / "x-youtube-error-bodies.json").read_text())["youtube"]
        if entry["name"] == name
    )
    place = Place(daily_units=0) if name == "quota_exceeded" else Place()
    place.film.extra["comments_disabled"] = True
    place.standin.slow_down = int(name == "rate_limit")
    asked: dict[str, Any] = {"videoId": place.film.id} if name == "comments_disabled" else {}
    asked = asked or {"allThreadsRelatedToChannelId": "UCx" if name == "channel_not_found" else CHANNEL}
    headers = {"x-goog-api-key": "wrong"} if name == "bad_key" else None

    reply = place.ask("commentThreads", headers, part="snippet", **asked)

    assert (reply.status, reply.body) == (recorded["http"], recorded["body"])


# ── buckets ─────────────────────────────────────────────────────────────────────────────────────────


def test_search_has_a_bucket_of_its_own_and_both_fill_up_at_midnight_in_los_angeles() -> None:
    place = Place(daily_searches=1, daily_units=2)
    for _ in range(2):
        place.body("channels", part="snippet", id=CHANNEL)
    place.body("search", part="snippet", q="x", type="video")

    assert reason_of(place.ask("channels", part="snippet", id=CHANNEL)) == "quotaExceeded"
    empty = place.ask("search", part="snippet", q="x", type="video")
    assert empty.status == 429
    metadata = empty.body["error"]["details"][0]["metadata"]  # type: ignore[index]
    assert (metadata["quota_limit"], metadata["quota_unit"]) == ("defaultSearchListPerDayPerProject", "1/d/{project}")

    place.world.move(datetime(2026, 11, 25, 7, 59, tzinfo=UTC) - NOW)
    assert place.ask("channels", part="snippet", id=CHANNEL).status == 403
    place.world.move(timedelta(minutes=1))
    assert place.ask("channels", part="snippet", id=CHANNEL).status == 200
    assert place.ask("search", part="snippet", q="x", type="video").status == 200


def test_a_refused_request_costs_too_and_figures_have_a_bucket_of_their_own() -> None:
    place = Place()

    place.ask("commentThreads", part="snippet")
    place.body("videos:batchGetStats", id=place.film.id, part="statistics")

    assert (place.standin.used("units"), place.standin.used("stats")) == (1, 1)


# ── comments ────────────────────────────────────────────────────────────────────────────────────────


def test_threads_are_ordered_by_their_top_level_comment_and_a_reply_lifts_none() -> None:
    place = Place()
    first, second = place.comments(2)

    place.say("comment", "A reply", parent=first)

    body = place.threads()
    assert ids_of(body) == [second.id, first.id]
    assert body["items"][1]["snippet"]["totalReplyCount"] == 1
    assert "replies" not in body["items"][0]


def test_a_thread_embeds_five_replies_at_most_and_the_list_of_replies_has_all() -> None:
    place = Place()
    top = place.comments(1)[0]
    replies = [place.say("comment", f"Reply {n}", parent=top, at=NOW + timedelta(0, n)) for n in range(-7, 0)]
    deeper = place.say("comment", "An answer to a reply", parent=replies[0])

    thread = place.threads()["items"][0]
    listed = place.body("comments", part="snippet", parentId=top.id, textFormat="plainText")

    assert thread["snippet"]["totalReplyCount"] == 8
    assert len(thread["replies"]["comments"]) == 5
    assert sorted(ids_of(listed)) == sorted([*(r.id for r in replies), deeper.id])
    assert all(reply["id"].startswith(f"{top.id}.") for reply in listed["items"])
    assert {reply["snippet"]["parentId"] for reply in listed["items"]} == {top.id}
    assert all("videoId" not in reply["snippet"] for reply in listed["items"])


def test_pages_are_followed_by_a_token_that_goes_with_its_question_only_and_for_a_while() -> None:
    place = Place()
    comments = place.comments(5)
    page = place.threads(maxResults=2)
    token = page["nextPageToken"]
    place.say("comment", "A newcomer", parent=place.film)
    place.world.delete(comments[3])  # the last one of page one

    second = place.threads(maxResults=2, pageToken=token)
    assert ids_of(second) == [comments[2].id, comments[1].id]
    assert "nextPageToken" not in place.threads(maxResults=2, pageToken=second["nextPageToken"])
    refused = place.ask("commentThreads", part="snippet", allThreadsRelatedToChannelId=CHANNEL, pageToken=token)
    assert reason_of(refused) == "invalidPageToken"
    place.world.move(timedelta(hours=2))
    with pytest.raises(AssertionError, match="invalidPageToken"):
        place.threads(maxResults=2, pageToken=token)


def test_pages_may_be_short_and_go_on_all_the_same() -> None:
    place = Place(page_cap=20)
    place.comments(45)

    page = place.threads(maxResults=100)

    assert len(page["items"]) == 20
    assert page["nextPageToken"]


def test_an_edit_keeps_the_id_and_changes_text_time_and_etag() -> None:
    place = Place()
    top = place.comments(1)[0]
    before = place.threads()["items"][0]

    place.world.move(timedelta(minutes=1))
    place.world.edit(top, "Other words")

    after = place.threads()["items"][0]
    inner = after["snippet"]["topLevelComment"]["snippet"]
    assert after["id"] == before["id"]
    assert (inner["textDisplay"], inner["updatedAt"] > inner["publishedAt"]) == ("Other words", True)
    assert after["etag"] != before["etag"]


def test_what_is_deleted_hidden_or_unknown_is_missing_without_an_error() -> None:
    place = Place()
    gone, hidden, here = place.comments(3)
    place.world.delete(gone)
    hidden.hidden = True

    asked = ",".join([gone.id, hidden.id, here.id, "Ugx_unknown"])

    assert ids_of(place.body("commentThreads", part="snippet", id=asked)) == [here.id]
    assert ids_of(place.body("comments", part="snippet", id=asked)) == [here.id]
    assert ids_of(place.body("videos", part="snippet", id=f"{place.film.id},abcdefghijk")) == [place.film.id]
    assert "items" not in place.body("channels", part="snippet", id="UCx")


def test_text_is_html_unless_plain_text_is_asked_for() -> None:
    place = Place()
    place.say("comment", "1 < 2\n& so on", parent=place.film)

    def shown(text_format: str | None) -> str:
        query = {"part": "snippet", "videoId": place.film.id, "textFormat": text_format}
        item = place.body("commentThreads", **query)["items"][0]
        return str(item["snippet"]["topLevelComment"]["snippet"]["textDisplay"])

    assert shown(None) == "1 &lt; 2<br>&amp; so on"
    assert shown("plainText") == "1 < 2\n& so on"


def test_comments_under_a_video_can_be_narrowed_to_words() -> None:
    place = Place()
    video = place.say("mention", "A talk about charities")
    hit = place.say("mention", "I think tessellate  uk lied", parent=video)
    place.say("mention", "Nice talk", parent=video)

    body = place.body("commentThreads", part="snippet", videoId=video.id, searchTerms="Tessellate UK")

    assert ids_of(body) == [hit.id]
    assert body["items"][0]["snippet"]["channelId"] != CHANNEL


def test_a_comment_of_nobody_known_stands_under_our_newest_video_and_a_review_is_refused() -> None:
    place = Place()

    comment = place.say("comment", "Hello")

    assert comment.parent == place.film.id
    with pytest.raises(ValueError, match="reviews"):
        place.say("review", "Five stars")


# ── videos, search, channel ─────────────────────────────────────────────────────────────────────────


@pytest.mark.parametrize(
    ("q", "hits"),
    [
        ("tessellate", True),
        ("uk tessellate", True),
        ('"Tessellate UK"', True),
        ('"UK Tessellate"', False),
        ("nothing|tessellate", True),
        ("tessellate -film", False),
        ('"Tessellate-UK"', True),
        ("tess", False),
    ],
)
def test_search_knows_or_not_and_quotes(q: str, hits: bool) -> None:
    place = Place()
    video = place.say("mention", "The truth about Tessellate UK\nA film")

    found = place.body("search", part="snippet", q=q, type="video", order="date")["items"]

    assert [item["id"] for item in found] == [{"kind": "youtube#video", "videoId": video.id}] * hits


def test_search_titles_are_escaped_descriptions_cut_and_totals_wild() -> None:
    place = Place()
    place.say("mention", "Tessellate UK & the boy's story\n" + "word " * 60)

    body = place.body("search", part="snippet", q="Tessellate", type="video")

    snippet = body["items"][0]["snippet"]
    assert snippet["title"] == "Tessellate UK &amp; the boy&#39;s story"
    assert snippet["description"].endswith("...")
    assert body["pageInfo"]["totalResults"] > 1000


def test_search_shows_what_is_indexed_and_published_since_a_moment_that_counts_itself() -> None:
    place = Place(index_lag=timedelta(minutes=10))
    video = place.say("mention", "Tessellate UK")
    query = {"part": "snippet", "q": "Tessellate", "type": "video", "publishedAfter": "2026-11-24T14:02:00Z"}

    assert place.body("search", **query)["items"] == []
    place.world.move(timedelta(minutes=10))
    assert [item["id"]["videoId"] for item in place.body("search", **query)["items"]] == [video.id]
    assert place.body("search", **{**query, "publishedAfter": "2026-11-24T14:02:01Z"})["items"] == []


def test_uploads_are_listed_by_their_upload_and_private_ones_are_not_shown() -> None:
    place = Place()
    late = place.say("own_post", "Published late", uploaded_at=NOW - timedelta(days=30))
    place.say("own_post", "Not yet", private=True)
    channel = place.body("channels", part="contentDetails", forHandle="@tessellateuk")["items"][0]
    uploads = channel["contentDetails"]["relatedPlaylists"]["uploads"]

    body = place.body("playlistItems", part="snippet,contentDetails", playlistId=uploads, maxResults=50)

    assert [item["contentDetails"]["videoId"] for item in body["items"]] == [place.film.id, late.id]
    assert body["items"][1]["contentDetails"]["videoPublishedAt"] == "2026-11-24T14:02:00Z"


def test_figures_of_videos_are_strings_and_those_of_comments_numbers() -> None:
    place = Place()
    top = place.say("comment", "Well", parent=place.film, likes=4)
    place.say("comment", "Yes", parent=top)

    statistics = place.body("videos", part="statistics", id=place.film.id)["items"][0]["statistics"]

    assert (statistics["likeCount"], statistics["commentCount"]) == ("3", "2")
    assert place.threads()["items"][0]["snippet"]["topLevelComment"]["snippet"]["likeCount"] == 4


def test_an_etag_that_still_holds_is_answered_without_a_body_and_costs_all_the_same() -> None:
    place = Place()
    first = place.ask("channels", part="snippet", id=CHANNEL)

    again = place.ask(
        "channels", {"x-goog-api-key": KEY, "if-none-match": first.headers["etag"]}, part="snippet", id=CHANNEL
    )

    assert (again.status, again.payload()) == (304, b"")
    assert place.standin.used("units") == 2


def test_a_long_question_may_come_as_a_post() -> None:
    place = Place()
    form = urlencode({"part": "snippet", "id": place.film.id, "alt": "json"}).encode()
    headers = {"x-goog-api-key": KEY, "x-http-method-override": "GET"}

    reply = place.standin.answer(Request("POST", "/youtube/v3/videos", {}, headers, form))

    assert (reply.status, len(reply.body["items"])) == (200, 1)  # type: ignore[index, arg-type]


# ── against the discovery document ──────────────────────────────────────────────────────────────────


def test_every_answer_fits_its_schema_and_has_no_key_that_the_document_does_not_know() -> None:
    place = Place()
    top = place.say("comment", "Hello <b>", parent=place.film, author=Author(name="No Channel"))
    place.say("comment", "Yes", parent=top)
    place.say("own_post", "Thank you", parent=top)
    place.say("mention", "Tessellate UK, a film")

    answers = {
        "CommentThreadListResponse": place.threads(maxResults=1),
        "CommentListResponse": place.body("comments", part="id,snippet", parentId=top.id),
        "SearchListResponse": place.body("search", part="id,snippet", q="Tessellate", type="video"),
        "VideoListResponse": place.body("videos", part="snippet,statistics,status,contentDetails", id=place.film.id),
        "BatchGetStatsResponse": place.body("videos:batchGetStats", part="statistics", id=place.film.id),
        "ChannelListResponse": place.body("channels", part="snippet,contentDetails,statistics,status", id=CHANNEL),
        "PlaylistItemListResponse": place.body(
            "playlistItems", part="snippet,contentDetails,status", playlistId=place.standin.uploads
        ),
    }

    assert {name: faults(name, body) for name, body in answers.items()} == dict.fromkeys(answers, [])
    assert all(body["items"] for body in answers.values())


def test_the_schemas_find_a_fault() -> None:
    assert faults("PageInfo", {"totalResults": "5"})
    assert faults("VideoStatistics", {"viewCount": 5})
    assert faults("Comment", {"id": 5, "unknown": 1})


@pytest.mark.parametrize("method", sorted(METHODS))
def test_only_parameters_of_the_document_are_taken(method: str) -> None:
    resource, _, verb = method.partition(":")
    described = document()["resources"][resource]["methods"][verb or "list"]["parameters"]
    form = METHODS[method]

    assert {*form.filters, *form.others} <= described.keys()
    if not verb:
        sizes = described.get("maxResults", {})
        assert str(form.largest) == sizes.get("maximum", str(form.largest))
        assert str(form.usual) == sizes.get("default", str(form.usual))
