"""The YouTube connector against the imitation of the platform, over loopback HTTP with Google's own library."""

from __future__ import annotations

import json
import threading
from collections.abc import Iterator
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from random import Random
from typing import Any

import pytest
from discovery import SPECS
from makers import ORGANISATION

from connectors.errors import (
    ConnectorError,
    CredentialsRejected,
    RateLimited,
    SetupRejected,
    UnexpectedReply,
    Unreachable,
)
from connectors.model import Allowance, Author, Batch, Kind, Level, Mention
from connectors.standins.server import Reply, Server
from connectors.standins.world import Post, World
from connectors.standins.youtube import YouTubeStandIn
from connectors.testing import MAX_CURSOR, check_connector, check_platform
from connectors.youtube import PLATFORM, Settings, plan
from connectors.youtube.hearing import YouTubeConnector
from connectors.youtube.line import Meter, strip_html
from connectors.youtube.names import comment_terms, search_query
from connectors.youtube.place import Known, State
from connectors.youtube.posts import read_comment, read_thread, read_video

pytestmark = pytest.mark.real

NOW = datetime(2026, 11, 24, 14, 2, tzinfo=UTC)
MIDNIGHT = datetime(2026, 11, 25, 8, tzinfo=UTC)
KEY = "AIza-do-not-show-me"
CHANNEL = "UCtessellate0000000000aa"


class House:
    """A connector, the platform that it polls, and what it heard so far."""

    def __init__(self, **options: Any) -> None:
        self.world = World(lambda: NOW)
        self.standin = YouTubeStandIn(self.world, channel_id=CHANNEL, api_key=KEY, **options)
        self.server = Server(self.standin)
        self.cursor: str | None = None
        self.heard: dict[str, Mention] = {}
        self.gone: list[str] = []
        self.film = self.say("own_post", "Our new film", at=NOW - timedelta(days=9))

    def say(self, kind: str, text: str | None, **more: Any) -> Post:
        return self.world.say("youtube", kind, text, **more)

    def comments(self, number: int, *, before: timedelta = timedelta()) -> list[Post]:
        """Comments under our film, a second apart, the last of them ``before`` now."""
        start = self.world.now() - before - timedelta(seconds=number - 1)
        return [
            self.say("comment", f"Comment {n}", parent=self.film, at=start + timedelta(seconds=n))
            for n in range(number)
        ]

    def settings(self, **changes: Any) -> Settings:
        return Settings(**{"channel_id": CHANNEL, "api_key": KEY, "base_url": self.server.url, **changes})

    def connector(self, **changes: Any) -> YouTubeConnector:
        return YouTubeConnector(self.settings(**changes), ORGANISATION)

    def allowance(self, units: int = 30, searches: int = 1, *, hurried: bool = False) -> Allowance:
        return Allowance(self.world.now(), {"units": units, "searches": searches}, hurried)

    def fetch(self, units: int = 30, searches: int = 1, *, hurried: bool = False, **changes: Any) -> Batch:
        batch = self.connector(**changes).fetch(self.cursor, self.allowance(units, searches, hurried=hurried))
        assert batch.spent["units"] <= units
        assert batch.spent["searches"] <= searches
        self.cursor = batch.cursor
        self.heard |= {mention.external_id: mention for mention in batch.mentions}
        self.gone += batch.gone
        return batch

    def drain(self, units: int = 30, searches: int = 1, **changes: Any) -> int:
        """Fetch until nothing more is promised; gives how often."""
        for number in range(1, 400):
            if not self.fetch(units, searches, **changes).more:
                return number
        raise AssertionError("there is always more")

    def wait(self, **time: float) -> None:
        self.world.move(timedelta(**time))

    def asked(self, path: str, **having: str) -> int:
        """How many requests of a path were made with these parameters."""
        return sum(
            1
            for request in self.server.log
            if request.path.endswith(f"/{path}") and all(request.one(k) == v for k, v in having.items())
        )


@pytest.fixture
def house() -> Iterator[House]:
    with (house := House()).server:
        yield house


def with_options(**options: Any) -> House:
    return House(**options)


# ── the contract ────────────────────────────────────────────────────────────────────────────────────


def test_the_connector_keeps_the_contract(house: House) -> None:
    first = house.comments(3)[0]
    house.say("comment", "A reply", parent=first)
    video = house.say("mention", "Tessellate UK, the truth")

    checked = check_connector(
        house.connector,
        allowance=house.allowance(),
        unreachable=lambda: house.connector(base_url="http://127.0.0.1:9"),
        refused=lambda: house.connector(api_key="AIza-wrong"),
        secrets=(KEY, "AIza-wrong"),
    )

    kinds = {mention.external_id: mention.kind for mention in checked.mentions}
    assert (kinds[video.id], kinds[house.film.id], kinds[first.id]) == (Kind.MENTION, Kind.OWN_POST, Kind.COMMENT)
    assert len(kinds) == 6


def test_the_contract_holds_over_many_pages_and_small_allowances() -> None:
    with (house := with_options(page_cap=20)).server:
        house.comments(130)

        checked = check_connector(house.connector, allowance=house.allowance(units=2), secrets=(KEY,))

        assert sum(mention.kind is Kind.COMMENT for mention in checked.mentions) == 130


def test_the_platform_declares_what_it_may() -> None:
    found = check_platform(PLATFORM, Settings(CHANNEL, KEY), ORGANISATION)

    assert {bucket.name: bucket.amount for bucket in found.buckets} == {"units": 10_000, "searches": 100}
    assert (found.calm, found.hurried) == (timedelta(seconds=30), timedelta(seconds=10))
    assert "free of charge" in found.cost


@pytest.mark.parametrize(
    ("changes", "named"),
    [
        ({"channel_id": "@TessellateUK"}, "channel_id"),
        ({"channel_id": ""}, "channel_id"),
        ({"api_key": ""}, "api_key"),
        ({"api_key": "two words"}, "api_key"),
        ({"base_url": "youtube.googleapis.com"}, "base_url"),
        ({"daily_units": 0}, "daily_units"),
        ({"daily_searches": -1}, "daily_searches"),
        ({"poll_every": timedelta(0)}, "poll_every"),
    ],
)
def test_a_wrong_setting_is_named(changes: dict[str, Any], named: str) -> None:
    with pytest.raises(ValueError, match=named):
        Settings(**{"channel_id": CHANNEL, "api_key": KEY, **changes})


def test_the_operator_s_word_is_the_plan() -> None:
    found = plan(Settings(CHANNEL, KEY, poll_every=timedelta(seconds=2), daily_units=2), ORGANISATION)

    assert (found.calm, found.hurried) == (timedelta(seconds=2), timedelta(seconds=2))
    assert found.buckets[0].reserve == 2


# ── errors ──────────────────────────────────────────────────────────────────────────────────────────

RECORDED = {
    entry["name"]: entry for entry in json.loads((SPECS / "x-youtube-error-bodies.json").read_text())["youtube"]
}


def recorded(name: str) -> Reply:
    return Reply(RECORDED[name]["http"], RECORDED[name]["body"])


def general(code: int, reason: str, domain: str = "global", message: str = "No.", **more: Any) -> Reply:
    inner = {"message": message, "domain": domain, "reason": reason}
    return Reply(code, {"error": {"code": code, "message": message, "errors": [inner], **more}})


def detailed(status: int, reason: str) -> Reply:
    return Reply(status, {"error": {"code": status, "message": "No.", "details": [{"reason": reason}]}})


def per_minute() -> Reply:
    metadata = {"quota_limit": "defaultPerMinutePerProject", "quota_unit": "1/min/{project}"}
    details = [{"reason": "RATE_LIMIT_EXCEEDED", "metadata": metadata}]
    return general(429, "rateLimitExceeded", status="RESOURCE_EXHAUSTED", details=details)


REFUSALS: list[tuple[Reply, type[ConnectorError], str]] = [
    (recorded("bad_key"), CredentialsRejected, "API_KEY_INVALID"),
    (general(400, "keyInvalid"), CredentialsRejected, "keyInvalid"),
    (general(400, "badRequest", message="API key not valid. Please pass a valid API key."), CredentialsRejected, ""),
    (detailed(400, "API_KEY_EXPIRED"), CredentialsRejected, "API_KEY_EXPIRED"),
    (recorded("auth_error"), CredentialsRejected, "authError"),
    (general(403, "accessNotConfigured", "usageLimits"), CredentialsRejected, "accessNotConfigured"),
    (detailed(403, "SERVICE_DISABLED"), CredentialsRejected, "SERVICE_DISABLED"),
    (general(403, "ipRefererBlocked", "usageLimits"), CredentialsRejected, "ipRefererBlocked"),
    (detailed(403, "API_KEY_IP_ADDRESS_BLOCKED"), CredentialsRejected, "API_KEY_IP_ADDRESS_BLOCKED"),
    (detailed(403, "CONSUMER_SUSPENDED"), CredentialsRejected, "CONSUMER_SUSPENDED"),
    (general(403, "forbidden", message="Method doesn't allow unregistered callers"), CredentialsRejected, "forbidden"),
    (recorded("quota_exceeded"), RateLimited, "day"),
    (general(403, "dailyLimitExceeded", "usageLimits"), RateLimited, "day"),
    (recorded("search_bucket_exhausted"), RateLimited, "day"),
    (recorded("rate_limit"), RateLimited, "rateLimitExceeded"),
    (general(403, "userRateLimitExceeded", "usageLimits"), RateLimited, "userRateLimitExceeded"),
    (per_minute(), RateLimited, "rateLimitExceeded"),
    (Reply(429, b"<html>Too many</html>", {"content-type": "text/html"}), RateLimited, "http-429"),
    (recorded("channel_not_found"), SetupRejected, "channelNotFound"),
    (recorded("forbidden"), SetupRejected, "forbidden"),
    (general(400, "processingFailure", "youtube.commentThread"), Unreachable, "processingFailure"),
    (general(400, "incompatibleParameters", "youtube.parameter"), UnexpectedReply, "incompatibleParameters"),
    (general(400, "operationNotSupported"), UnexpectedReply, "operationNotSupported"),
    (recorded("backend_error"), Unreachable, "backendError"),
    (general(503, "SERVICE_UNAVAILABLE"), Unreachable, "SERVICE_UNAVAILABLE"),
    (Reply(500, b"", {}), Unreachable, "http-500"),
    (Reply(404, b"<html>no</html>", {"content-type": "text/html"}), Unreachable, "http-404"),
    (Reply(302, b"", {"location": "https://elsewhere.example/"}), Unreachable, "http-302"),
    (Reply(304, b"", {}), Unreachable, "http-304"),
    (Reply(200, b"<html>maintenance</html>", {"content-type": "text/html"}), Unreachable, "http-200"),
    (Reply(200, b"", {}), Unreachable, "http-200"),
    (Reply(200, b'{"items": [', {}), UnexpectedReply, "http-200"),
    (Reply(200, b"[" * 100_000, {}), UnexpectedReply, "http-200"),
    (Reply(200, b"[1, 2]", {}), UnexpectedReply, "shape"),
    (Reply(200, {"items": {"a": 1}}), UnexpectedReply, "shape"),
    (Reply(200, {"something": "else"}), UnexpectedReply, "shape"),
    (Reply(200, RECORDED["quota_exceeded"]["body"]), RateLimited, "day"),
    (Reply(403, b"[" * 100_000, {}), Unreachable, "http-403"),
    (Reply(400, {"error": {"message": 5, "errors": "x", "details": {"a": 1}}}), UnexpectedReply, "http-400"),
    (Reply(400, {"error": "invalid_grant"}), UnexpectedReply, "invalid_grant"),
    (Reply(403, [{"error": {"message": "no"}}]), SetupRejected, "http-403"),
]


@pytest.mark.parametrize(
    ("reply", "kind", "code"),
    REFUSALS,
    ids=[f"{reply.status}-{code or n}" for n, (reply, _, code) in enumerate(REFUSALS)],
)
def test_every_refusal_becomes_the_error_that_says_what_to_do(
    house: House, reply: Reply, kind: type[ConnectorError], code: str
) -> None:
    house.server.trouble("reply", reply=reply)

    with pytest.raises(ConnectorError) as caught:
        house.fetch()

    error = caught.value
    assert type(error) is kind
    assert not code or error.code == code
    assert error.spent == {"units": 1, "searches": 0}
    assert "<" not in error.what
    assert KEY not in f"{error!r} {vars(error)}"
    assert error.__suppress_context__
    if kind is CredentialsRejected:
        assert error.do
    if code == "day":
        assert error.retry_at == MIDNIGHT


@pytest.mark.parametrize("how", ["html", "empty", "drop"])
def test_a_gateway_s_page_an_empty_answer_and_a_dropped_line_are_unreachable(house: House, how: str) -> None:
    house.server.trouble(how)

    with pytest.raises(Unreachable):
        house.fetch()

    house.server.calm()
    assert house.fetch().mentions


def test_half_an_answer_is_unexpected_and_shows_no_words_of_it(house: House) -> None:
    house.say("comment", "Something personal", parent=house.film)
    house.server.trouble("cut")

    with pytest.raises(UnexpectedReply) as caught:
        house.fetch()

    assert "personal" not in f"{caught.value.what} {caught.value.shape}"


def test_a_pause_that_the_platform_names_is_kept(house: House) -> None:
    reply = Reply(429, {"error": {"code": 429, "status": "RESOURCE_EXHAUSTED"}}, {"Retry-After": "90"})
    house.server.trouble("reply", reply=reply)

    with pytest.raises(RateLimited) as caught:
        house.fetch()

    assert caught.value.retry_at == NOW + timedelta(seconds=90)


@pytest.mark.parametrize(
    ("now", "midnight"),
    [
        (datetime(2026, 11, 1, 6, 30, tzinfo=UTC), datetime(2026, 11, 1, 7, tzinfo=UTC)),
        (datetime(2026, 11, 1, 7, 30, tzinfo=UTC), datetime(2026, 11, 2, 8, tzinfo=UTC)),  # a day of 25 hours
        (datetime(2026, 3, 8, 8, 30, tzinfo=UTC), datetime(2026, 3, 9, 7, tzinfo=UTC)),  # a day of 23 hours
    ],
)
def test_the_day_ends_at_midnight_in_los_angeles_also_when_the_clocks_change(
    house: House, now: datetime, midnight: datetime
) -> None:
    house.server.trouble("reply", reply=recorded("quota_exceeded"))

    with pytest.raises(RateLimited) as caught:
        house.connector().fetch(None, Allowance(now, {"units": 30, "searches": 1}))

    assert caught.value.retry_at == midnight


def test_messages_of_the_platform_lose_their_html() -> None:
    assert strip_html('The <code><a href="/x">videoId</a></code> is\n&lt;off&gt;') == "The videoId is <off>"


def test_the_key_is_in_a_header_and_nowhere_else_even_when_the_platform_repeats_it(house: House) -> None:
    house.server.trouble("reply", reply=general(400, "invalidFilters", message=f"Consumer 'api_key:{KEY}' is odd"))

    with pytest.raises(UnexpectedReply) as caught:
        house.fetch()
    house.fetch()

    assert "api_key:***" in caught.value.what
    assert KEY not in f"{caught.value!r} {caught.value.shape}"
    assert all(KEY not in f"{request.raw_path}?{request.raw_query}" for request in house.server.log)
    assert {request.headers["x-goog-api-key"] for request in house.server.log} == {KEY}
    assert KEY not in f"{house.settings()!r} {house.connector()!r} {house.cursor}"


def test_a_redirect_does_not_take_the_key_to_another_host(house: House) -> None:
    with Server(YouTubeStandIn(World(lambda: NOW))) as elsewhere:
        house.server.trouble("reply", reply=Reply(302, b"", {"location": f"{elsewhere.url}/youtube/v3/x"}))

        with pytest.raises(Unreachable):
            house.fetch()

        assert elsewhere.log == []


def test_proxies_of_the_environment_do_not_apply_to_this_machine(house: House, monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("HTTP_PROXY", "http_proxy", "ALL_PROXY"):
        monkeypatch.setenv(name, "http://127.0.0.1:9")
    monkeypatch.delenv("NO_PROXY", raising=False)

    assert house.fetch().mentions


def test_a_path_before_the_api_is_kept() -> None:
    world = World(lambda: NOW)
    standin = YouTubeStandIn(world, channel_id=CHANNEL, api_key=KEY)
    world.say("youtube", "own_post", "Our new film")
    with Server({"/gate/youtube": standin}) as server:
        settings = Settings(CHANNEL, KEY, base_url=f"{server.url}/gate/youtube/")
        batch = PLATFORM.connect(settings, ORGANISATION).fetch(None, Allowance(NOW))

    assert batch.mentions


def test_connectors_in_many_threads_never_get_each_other_s_answers(house: House) -> None:
    posts = house.comments(40)
    wrong: list[str] = []

    def look(connector: YouTubeConnector, own: list[Post]) -> None:
        for post in own:
            batch = connector.recheck((post.id,), house.allowance())
            wrong.extend(post.id for mention in batch.mentions if mention.text != post.text)

    shared = house.connector()
    threads = [threading.Thread(target=look, args=(shared, posts[n::4])) for n in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(30)

    assert wrong == []
    assert not any(thread.is_alive() for thread in threads)


# ── comments ────────────────────────────────────────────────────────────────────────────────────────


def test_a_comment_comes_with_its_place_times_figures_and_no_name(house: House) -> None:
    author = Author(name="Sam Example", handle="sam_example", id="777")
    comment = house.say("comment", "Who is <in charge>?\nTell me", parent=house.film, author=author, likes=7)

    house.fetch()

    heard = house.heard[comment.id]
    assert (heard.kind, heard.text, heard.likes) == (Kind.COMMENT, "Who is <in charge>?\nTell me", 7)
    assert (heard.parent, heard.thread) == (house.film.id, comment.id)
    assert heard.url == f"https://www.youtube.com/watch?v={house.film.id}&lc={comment.id}"
    assert (heard.posted_at, heard.edited_at) == (NOW, None)
    assert heard.author is not None
    assert heard.author.id
    assert (heard.author.name, heard.author.handle) == (None, None)


def test_an_answer_of_ours_is_an_own_post_with_a_parent(house: House) -> None:
    comment = house.comments(1)[0]
    answer = house.say("own_post", "Thank you", parent=comment)

    house.fetch()

    assert (house.heard[answer.id].kind, house.heard[answer.id].parent) == (Kind.OWN_POST, comment.id)


def test_a_quiet_poll_costs_one_unit_and_shows_that_it_hears(house: House) -> None:
    newest = house.comments(150)[-1]
    house.drain()

    house.wait(seconds=30)
    batch = house.fetch()

    assert batch.spent == {"units": 1, "searches": 0}
    assert [mention.external_id for mention in batch.mentions] == [newest.id]
    assert batch.coverage.heard_until == NOW + timedelta(seconds=30)


def test_a_storm_that_outruns_every_allowance_is_continued_and_not_begun_again() -> None:
    with (house := with_options(page_cap=20)).server:
        house.comments(5, before=timedelta(days=2))
        house.drain()
        storm = house.comments(400)
        late: list[Post] = []

        for number in range(200):
            batch = house.fetch(units=3)
            if number < 20:
                late.append(house.say("comment", f"Late {number}", parent=house.film))
            house.wait(seconds=1)
            if not batch.more and number > 25:
                break

        missed = {post.id for post in storm + late} - house.heard.keys()
        assert missed == set()
        assert house.standin.used("units") < 150


def test_page_tokens_that_ended_during_a_storm_begin_the_walk_again_and_nothing_is_lost() -> None:
    with (house := with_options(page_cap=20, daily_units=100_000)).server:
        storm = house.comments(300)
        first = house.fetch(units=3)
        assert first.more

        house.wait(hours=2)
        house.drain(units=6)

        assert {post.id for post in storm} <= house.heard.keys()


def test_what_was_read_before_a_failure_is_handed_over_and_the_rest_follows(house: House) -> None:
    posts = house.comments(250)
    real = house.standin.answer
    house.standin.answer = lambda r: Reply(503, b"") if r.one("pageToken") else real(r)  # type: ignore[method-assign]

    broken = house.fetch()
    house.standin.answer = real  # type: ignore[method-assign]
    house.wait(seconds=30)
    house.drain()
    rest = house.fetch()

    assert [fault.stream for fault in broken.coverage.faults] == ["comments"]
    assert broken.coverage.heard_until == NOW - timedelta(days=28)
    assert {post.id for post in posts} <= house.heard.keys()
    assert rest.coverage.heard_until == NOW + timedelta(seconds=30)


def test_a_channel_whose_comments_are_switched_off_is_still_heard_otherwise(house: House) -> None:
    house.server.trouble("reply", path="commentThreads", reply=recorded("comments_disabled"))
    video = house.say("mention", "Tessellate UK")

    batch = house.fetch()

    assert [fault.stream for fault in batch.coverage.faults] == ["comments"]
    assert {house.film.id, video.id} <= house.heard.keys()


def test_a_platform_whose_clock_is_ahead_of_ours_is_not_read_to_its_end_every_time(house: House) -> None:
    house.world.move(timedelta(hours=5))
    posts = house.comments(300)
    house.world.move(timedelta(hours=-5))
    for post in posts:
        post.visible_at = NOW
    house.drain()

    batch = house.fetch()

    assert {post.id for post in posts} <= house.heard.keys()
    assert batch.spent["units"] == 1
    assert batch.coverage.heard_until == NOW


def test_a_fetch_begins_no_further_call_when_its_patience_is_over() -> None:
    seconds = iter([0.0, 34.0, 36.0])
    meter = Meter(Allowance(NOW, {"units": 30}), lambda: next(seconds))

    assert [meter.can(), meter.can()] == [True, False]


def test_a_comment_that_was_held_appears_late_with_its_old_time(house: House) -> None:
    held = house.say(
        "comment", "Held", parent=house.film, at=NOW - timedelta(minutes=20), visible_at=NOW + timedelta(minutes=5)
    )
    house.comments(30)
    house.drain()
    assert held.id not in house.heard

    house.wait(minutes=6)
    house.drain()

    assert held.id in house.heard


def test_an_edit_is_delivered_again_with_its_time(house: House) -> None:
    comment = house.comments(3)[0]
    house.drain()

    house.wait(seconds=30)
    house.world.edit(comment, "Other words")
    house.fetch()

    assert house.heard[comment.id].text == "Other words"
    assert house.heard[comment.id].edited_at == NOW + timedelta(seconds=30)


def test_a_deleted_comment_is_gone_at_the_next_poll(house: House) -> None:
    posts = house.comments(6)
    house.drain()

    house.wait(seconds=30)
    house.world.delete(posts[2])
    batch = house.fetch()

    assert batch.gone == (posts[2].id,)
    assert batch.coverage.suspect is None


def test_the_only_comment_deleted_is_gone_after_a_second_look(house: House) -> None:
    only = house.comments(1)[0]
    house.drain()
    house.world.delete(only)

    for _ in range(2):
        house.wait(seconds=30)
        house.fetch()

    assert house.gone == [only.id]
    house.wait(seconds=30)
    assert house.fetch().coverage.suspect is None


def test_empty_lists_where_comments_were_known_are_suspect_and_nothing_is_taken_for_gone(house: House) -> None:
    house.comments(10)
    house.drain()
    house.server.trouble("reply", times=9, path="commentThreads", reply=Reply(200, {"kind": "x", "items": []}))

    suspects = []
    for _ in range(3):
        house.wait(seconds=30)
        suspects.append(house.fetch().coverage.suspect)

    assert suspects[0] is None
    assert all(suspects[1:])
    assert house.gone == []
    house.server.calm()
    house.wait(seconds=30)
    assert house.fetch().coverage.suspect is None


def test_a_list_that_leaves_out_its_newest_comment_is_suspect(house: House) -> None:
    newest = house.comments(4)[-1]
    house.drain()
    real = house.standin.answer

    def forgetful(request: Any) -> Reply:
        reply = real(request)
        if request.one("allThreadsRelatedToChannelId") and isinstance(reply.body, dict):
            kept = [item for item in reply.body["items"] if item["id"] != newest.id]
            return Reply(200, {**reply.body, "items": kept})
        return reply

    house.standin.answer = forgetful  # type: ignore[method-assign]
    found = []
    for _ in range(3):
        house.wait(seconds=30)
        found.append(house.fetch().coverage.suspect)

    assert [bool(suspect) for suspect in found] == [False, True, True]
    assert house.gone == []


def test_a_list_that_is_not_newest_first_is_read_to_its_end(house: House) -> None:
    posts = house.comments(250)
    real = house.standin._page

    def turned(method: str, query: Any, listed: Any) -> Any:
        return real(method, query, list(reversed(listed)) if method == "commentThreads" else listed)

    house.standin._page = turned  # type: ignore[method-assign]
    house.drain()
    house.wait(seconds=30)
    news = house.say("comment", "News", parent=house.film)
    house.drain()

    assert {post.id for post in [*posts, news]} <= house.heard.keys()


def test_a_list_without_an_end_is_given_up_and_said(house: House) -> None:
    house.comments(3)
    real = house.standin.answer
    count = iter(range(10_000))

    def endless(request: Any) -> Reply:
        reply = real(replace(request, query={k: v for k, v in request.query.items() if k != "pageToken"}))
        if request.one("allThreadsRelatedToChannelId") and isinstance(reply.body, dict):
            return Reply(200, {**reply.body, "items": [], "nextPageToken": f"t{next(count)}"})
        return reply

    house.standin.answer = endless  # type: ignore[method-assign]

    for _ in range(100):
        batch = house.fetch()
        if not batch.more:
            break

    assert not batch.more
    assert "does not end" in (batch.coverage.suspect or "")


def test_one_broken_entry_never_costs_its_page(house: House) -> None:
    posts = house.comments(3)
    real = house.standin.answer
    broken: list[Any] = [
        None,
        5,
        {},
        {"id": "Ugx1", "snippet": {"topLevelComment": {"id": "Ugx1", "snippet": {"publishedAt": "yesterday"}}}},
        {
            "id": "a b",
            "snippet": {"topLevelComment": {"id": "a b", "snippet": {"publishedAt": "2026-11-24T10:00:00Z"}}},
        },
        {"id": "Ugx2", "snippet": {"topLevelComment": {"snippet": {"textDisplay": "secret words"}}}},
    ]

    def poisoned(request: Any) -> Reply:
        reply = real(request)
        if request.one("allThreadsRelatedToChannelId") and isinstance(reply.body, dict):
            return Reply(200, {**reply.body, "items": [*broken, *reply.body["items"]]})
        return reply

    house.standin.answer = poisoned  # type: ignore[method-assign]
    batch = house.fetch()

    assert {post.id for post in posts} <= house.heard.keys()
    assert batch.dropped == len(broken)
    assert len(batch.shapes) == len(broken)
    assert "secret words" not in "".join(batch.shapes)


def test_texts_and_figures_from_a_hostile_platform_are_made_safe() -> None:
    snippet = {
        "publishedAt": "2026-11-24T10:00:00.123Z",
        "updatedAt": "2026-11-24T09:00:00Z",
        "textDisplay": "a\x00b\ud800" + "x" * 30_000,
        "likeCount": 10**30,
        "authorChannelId": ["odd"],
        "authorChannelUrl": "http://www.youtube.com/channel/UCsomebody",
    }
    item = {"id": "Ugx1", "snippet": {"topLevelComment": {"id": "Ugx1", "snippet": snippet}, "totalReplyCount": "7"}}

    thread = read_thread(item, CHANNEL)

    assert thread.mention.text is not None
    assert thread.mention.text.startswith("abx")
    assert len(thread.mention.text) <= 20_000
    assert (thread.mention.likes, thread.count, thread.mention.edited_at) == (2_000_000_000, 7, None)
    assert thread.mention.author == Author(id="UCsomebody")
    assert thread.mention.url.startswith("https://www.youtube.com/channel/")


def test_the_original_text_is_read_only_where_no_other_is_given() -> None:
    snippet: dict[str, Any] = {"publishedAt": "2026-11-24T10:00:00Z", "textOriginal": "raw"}

    def text_with(**more: Any) -> str | None:
        item = {"id": "Ugx1", "snippet": {**snippet, **more}}
        return read_comment(item, CHANNEL, thread="Ugx1", video="v", channel=CHANNEL).text

    assert (text_with(), text_with(textDisplay="shown"), text_with(textDisplay="")) == ("raw", "shown", "")


# ── replies ─────────────────────────────────────────────────────────────────────────────────────────


@pytest.mark.parametrize("number", [1, 5, 6, 250])
def test_all_replies_are_heard_however_few_the_thread_shows(house: House, number: int) -> None:
    top = house.comments(1)[0]
    house.drain()
    house.wait(seconds=30)
    replies = [house.say("comment", f"Reply {n}", parent=top) for n in range(number)]

    house.drain(units=8)

    assert {reply.id for reply in replies} <= house.heard.keys()
    heard = house.heard[replies[-1].id]
    assert (heard.parent, heard.thread) == (top.id, top.id)
    assert f"v={house.film.id}&" in heard.url


def test_a_long_thread_is_read_on_where_the_allowance_ended_and_in_whichever_order() -> None:
    with (house := with_options(replies_newest_first=True)).server:
        top = house.comments(1)[0]
        replies = [house.say("comment", f"Reply {n}", parent=top) for n in range(450)]

        assert house.drain(units=3) > 2

        assert {reply.id for reply in replies} <= house.heard.keys()


def test_a_reply_in_an_old_thread_is_found_although_it_lifts_nothing(house: House) -> None:
    old = house.comments(1, before=timedelta(days=10))[0]
    house.comments(220)
    house.drain()
    assert old.id in house.heard

    reply = house.say("comment", "A late reply", parent=old)
    house.wait(minutes=30)
    house.drain()
    assert reply.id not in house.heard
    house.wait(minutes=31)
    house.drain()

    assert reply.id in house.heard


def test_the_operator_s_interval_counts_for_replies_in_old_threads_until_half_of_the_day_s_units_are_used(
    house: House,
) -> None:
    often: dict[str, Any] = {"poll_every": timedelta(seconds=2), "daily_units": 200}
    old = house.comments(40, before=timedelta(days=10))[20]
    house.comments(220)
    house.drain(**often)
    for _ in range(8):  # the young threads beyond the first page have their turn too
        house.wait(seconds=2)
        house.fetch(**often)

    reply = house.say("comment", "A late reply", parent=old)
    for _ in range(8):
        house.wait(seconds=2)
        house.fetch(**often)
    assert reply.id in house.heard

    while house.standin.used("units") < 100:
        house.wait(seconds=2)
        house.fetch(**often)
    looks = [request for request in house.server.log if request.one("id")]
    house.wait(seconds=2)
    house.fetch(**often)
    assert [request for request in house.server.log if request.one("id")] == looks


def test_a_reply_in_a_young_thread_beyond_the_first_page_is_found_within_minutes(house: House) -> None:
    young = house.comments(1, before=timedelta(hours=3))[0]
    house.comments(220)
    house.drain()

    reply = house.say("comment", "A reply", parent=young)
    house.wait(minutes=5)
    house.drain()

    assert reply.id in house.heard


def test_a_reply_that_took_the_place_of_a_deleted_one_is_heard(house: House) -> None:
    top = house.comments(1)[0]
    first = house.say("comment", "First", parent=top)
    house.drain()

    house.wait(seconds=30)
    house.world.delete(first)
    second = house.say("comment", "Second", parent=top)
    house.fetch()

    assert second.id in house.heard


def test_an_old_thread_that_was_deleted_is_gone(house: House) -> None:
    old = house.comments(2, before=timedelta(days=10))
    house.comments(220)
    house.drain()

    house.world.delete(old[0])
    house.wait(minutes=61)
    house.drain()

    assert house.gone == [old[0].id]


def test_a_service_that_answers_404_for_one_of_many_ids_loses_only_that_one(house: House) -> None:
    posts = house.comments(8)
    house.drain()
    house.world.delete(posts[3])
    real = house.standin.answer

    def strict(request: Any) -> Reply:
        asked = (request.one("id") or "").split(",")
        if posts[3].id in asked:
            return general(404, "commentThreadNotFound", "youtube.commentThread")
        return real(request)

    house.standin.answer = strict  # type: ignore[method-assign]
    batch = house.connector().recheck(tuple(post.id for post in posts), house.allowance())

    assert batch.gone == (posts[3].id,)
    assert len(batch.mentions) == 7


# ── our own videos ──────────────────────────────────────────────────────────────────────────────────


def test_our_own_videos_are_own_posts_with_title_description_and_figures(house: House) -> None:
    film = house.say("own_post", "Trust, a film\nMade with young people", likes=12)
    house.say("comment", "Great", parent=film)

    house.fetch()

    heard = house.heard[film.id]
    assert (heard.kind, heard.text) == (Kind.OWN_POST, "Trust, a film\n\nMade with young people")
    assert (heard.likes, heard.replies, heard.url) == (12, 1, f"https://www.youtube.com/watch?v={film.id}")


def test_a_new_video_is_heard_within_five_minutes_and_in_a_hurry_at_once(house: House) -> None:
    house.drain()
    first = house.say("own_post", "First")
    house.wait(minutes=4)
    house.fetch()
    assert first.id not in house.heard
    house.wait(minutes=1)
    house.fetch()
    assert first.id in house.heard

    second = house.say("own_post", "Second")
    house.wait(seconds=30)
    house.fetch(hurried=True)
    assert second.id in house.heard


def test_a_video_that_was_uploaded_long_ago_and_published_now_is_heard(house: House) -> None:
    for number in range(120):
        house.say("own_post", f"Film {number}", at=NOW - timedelta(days=40, hours=number))
    late = house.say("own_post", "Published late", private=True, uploaded_at=NOW - timedelta(days=60))
    house.drain()
    assert late.id not in house.heard

    late.extra["private"] = False
    house.wait(hours=6)
    house.drain()

    assert late.id in house.heard


def test_a_new_title_is_an_edit(house: House) -> None:
    house.drain()
    house.world.edit(house.film, "Our new film, corrected")

    house.wait(minutes=5)
    house.fetch()

    assert house.heard[house.film.id].text == "Our new film, corrected"


def test_a_channel_that_never_uploaded_is_no_fault(house: House) -> None:
    house.server.trouble("reply", path="playlistItems", reply=general(404, "playlistNotFound", "youtube.playlistItem"))

    assert house.fetch().coverage.faults == ()


def test_own_videos_that_vanish_from_the_list_as_a_whole_are_suspect(house: House) -> None:
    house.drain()
    house.server.trouble("reply", times=9, path="playlistItems", reply=Reply(200, {"kind": "x", "items": []}))

    found = []
    for _ in range(2):
        house.wait(minutes=5)
        found.append(house.fetch().coverage.suspect)

    assert found[0] is None
    assert "own videos" in (found[1] or "")


def test_a_stream_that_fails_by_itself_is_told_and_the_others_go_on(house: House) -> None:
    comment = house.comments(1)[0]
    video = house.say("mention", "Tessellate UK, a film")
    house.server.trouble("reply", times=9, path="playlistItems", reply=recorded("forbidden"))

    batch = house.fetch()

    assert [fault.stream for fault in batch.coverage.faults] == ["our own videos"]
    assert {comment.id, video.id} <= house.heard.keys()


def test_a_video_that_is_listed_without_details_is_heard_as_listed(house: House) -> None:
    video = house.say("mention", "Tessellate UK &c")
    house.server.trouble("reply", times=9, path="videos", reply=Reply(200, {"kind": "x", "items": []}))

    house.fetch()

    assert (house.heard[house.film.id].text, house.heard[house.film.id].kind) == ("Our new film", Kind.OWN_POST)
    assert (house.heard[video.id].text, house.heard[video.id].kind) == ("Tessellate UK &c", Kind.MENTION)


# ── videos by others ────────────────────────────────────────────────────────────────────────────────


def test_a_video_that_names_us_is_a_mention_and_comments_that_name_us_below_it_too(house: House) -> None:
    video = house.say("mention", "What Tessellate UK did\nIt's all in here", likes=3)
    named = house.say("mention", "Tessellate UK should be ashamed", parent=video)
    house.say("mention", "First!", parent=video)
    ours = house.say("own_post", "Tessellate UK here: please write to us", parent=video)
    house.say("mention", "A film about cats")

    house.fetch()

    assert house.heard[video.id].text == "What Tessellate UK did\n\nIt's all in here"
    assert (house.heard[video.id].kind, house.heard[named.id].kind) == (Kind.MENTION, Kind.MENTION)
    assert house.heard[named.id].parent == video.id
    assert house.heard[ours.id].kind is Kind.OWN_POST
    assert sum(mention.kind is Kind.MENTION for mention in house.heard.values()) == 2


def test_each_of_our_names_is_looked_for_below_a_video_in_turn(house: House) -> None:
    house.drain()
    video = house.say("mention", "What Tessellate UK did")
    house.wait(minutes=20)
    house.drain()
    later = house.say("mention", "@TessellateUK is silent", parent=video)

    for _ in range(3):
        house.wait(minutes=30)
        house.drain()

    assert later.id in house.heard


def test_the_operator_s_interval_counts_for_comments_under_videos_by_others_too(house: House) -> None:
    video = house.say("mention", "What Tessellate UK did")
    house.drain(poll_every=timedelta(seconds=2))
    later = house.say("mention", "Tessellate UK is silent", parent=video)

    for _ in range(4):
        house.wait(seconds=2)
        house.fetch(poll_every=timedelta(seconds=2))

    assert later.id in house.heard


def test_comments_switched_off_below_a_video_are_normal_and_asked_for_once_a_day(house: House) -> None:
    video = house.say("mention", "What Tessellate UK did", comments_disabled=True)

    assert house.fetch().coverage.faults == ()
    for _ in range(10):
        house.wait(minutes=31)
        house.fetch()

    assert house.asked("commentThreads", videoId=video.id) == 1


def test_many_videos_at_once_are_followed_over_their_pages(house: House) -> None:
    videos = [house.say("mention", f"Tessellate UK scandal {n}") for n in range(120)]

    house.drain()

    assert {video.id for video in videos} <= house.heard.keys()
    assert house.asked("search") == 3


def test_a_video_that_the_index_shows_late_is_found(house: House) -> None:
    house.drain()
    late = house.say("mention", "Tessellate UK", indexed_at=NOW + timedelta(hours=20))

    for _ in range(24):
        house.wait(hours=1)
        house.fetch()

    assert late.id in house.heard


def test_a_day_of_calm_polls_stays_within_both_allowances(house: House) -> None:
    house.world.move(MIDNIGHT - NOW)
    for _ in range(24 * 6):
        house.fetch()
        house.wait(minutes=10)

    searches = house.asked("search")
    assert 70 <= searches <= 90


def test_an_alert_makes_search_denser_and_still_leaves_some_for_the_evening(house: House) -> None:
    house.world.move(MIDNIGHT - NOW)
    for _ in range(4 * 60):
        house.fetch(hurried=True, searches=int(house.standin.used("searches") < 100))
        house.wait(minutes=1)
        if house.asked("search") >= 40:
            break

    assert house.world.now() - MIDNIGHT < timedelta(hours=4)
    assert house.standin.used("searches") <= 100


def test_the_operator_s_interval_counts_for_search_until_half_of_the_day_s_is_used(house: House) -> None:
    house.world.move(MIDNIGHT - NOW)
    for _ in range(80):
        house.fetch(poll_every=timedelta(seconds=1), daily_searches=20)
        house.wait(seconds=1)

    assert house.asked("search") == 10


def test_an_empty_search_bucket_stops_search_until_midnight_and_nothing_else() -> None:
    with (house := with_options(daily_searches=0)).server:
        comment = house.comments(1)[0]

        batch = house.fetch()
        assert "Search rests" in batch.coverage.faults[0].what
        assert comment.id in house.heard
        for _ in range(4):
            house.wait(hours=4)
            house.fetch()
        assert house.asked("search") == 1

        house.standin.daily["searches"] = 100
        house.world.move(MIDNIGHT + timedelta(minutes=1) - house.world.now())
        video = house.say("mention", "Tessellate UK")
        assert house.fetch().coverage.faults == ()
        assert video.id in house.heard


def test_our_own_ledger_s_end_of_searches_is_told_and_costs_nothing(house: House) -> None:
    batch = house.fetch(searches=0)

    assert "Search rests" in batch.coverage.faults[0].what
    assert house.asked("search") == 0


def test_a_search_that_must_slow_down_rests_for_a_while(house: House) -> None:
    house.server.trouble("reply", path="search", reply=per_minute())

    assert house.fetch().coverage.faults
    house.wait(minutes=14)
    assert house.fetch().coverage.faults
    house.wait(minutes=5)
    assert not house.fetch().coverage.faults

    assert house.asked("search") == 2


def test_a_quota_that_ends_in_the_middle_of_a_poll_keeps_what_was_heard() -> None:
    with (house := with_options(daily_units=1)).server:
        comment = house.comments(1)[0]

        batch = house.fetch()

        assert comment.id in house.heard
        assert "quota" in batch.coverage.faults[0].what
        with pytest.raises(RateLimited) as caught:
            house.fetch()
        assert caught.value.retry_at == MIDNIGHT


@pytest.mark.parametrize("units", range(1, 9))
def test_no_allowance_is_ever_exceeded(units: int) -> None:
    with (house := with_options(page_cap=20)).server:
        first = house.comments(50)[0]
        for number in range(9):
            house.say("comment", f"Reply {number}", parent=first)
        house.say("mention", "Tessellate UK")

        for _ in range(12):
            house.fetch(units=units, searches=units % 2)


def test_without_an_allowance_nothing_is_asked(house: House) -> None:
    with pytest.raises(RateLimited) as caught:
        house.fetch(units=0, searches=0)

    assert (caught.value.spent, caught.value.retry_at) == ({"units": 0, "searches": 0}, MIDNIGHT)
    assert house.server.log == []


def test_the_search_names_us_and_aims_at_no_person() -> None:
    query = search_query(ORGANISATION)

    assert query == '"Tessellate UK"|"TessellateUK"|"Tessellate-UK"|"#TrustTalk"'
    assert "Ashdown" not in query
    assert comment_terms(ORGANISATION) == ("Tessellate UK", "TessellateUK", "Tessellate-UK")


def test_an_organisation_of_many_long_names_still_makes_a_short_search() -> None:
    long = replace(ORGANISATION, aliases=tuple(f"A long alias of ours {n}" for n in range(60)))

    assert len(search_query(long)) <= 400


def test_requests_are_exact(house: House) -> None:
    house.comments(30)
    house.say("mention", "Tessellate UK")
    house.drain()

    for request in house.server.log:
        assert request.method == "GET"
        assert len(f"{house.server.url}{request.raw_path}?{request.raw_query}") < 2_048
        if request.path.endswith("commentThreads"):
            assert request.one("textFormat") == "plainText"
        if request.one("id"):
            assert request.one("maxResults") is None


# ── the cursor ──────────────────────────────────────────────────────────────────────────────────────


def test_a_damaged_cursor_begins_anew(house: House) -> None:
    comment = house.comments(1)[0]
    house.drain()
    assert house.cursor is not None

    for damaged in (house.cursor[:-7], house.cursor.replace("a", "b"), "youtube-1:", "youtube-1:é", "youtube-0:x"):
        batch = house.connector().fetch(damaged, house.allowance())
        assert comment.id in {mention.external_id for mention in batch.mentions}


def test_the_cursor_forgets_what_was_quiet_longest_and_stays_small() -> None:
    state = State()
    for number in range(5_000):
        name = f"Ug{hash((number, 'a')):020x}{number:04d}"[:26]
        state.threads[name] = Known(1_700_000_000 + number * 977, 1_700_000_000 + number * 977, number, number * 7, 1)
    state.threads["Ugx-pending"] = Known(1, 1, 1, 1, 1, pending=1)

    cursor = state.write()

    assert len(cursor) <= MAX_CURSOR
    again = State.read(cursor)
    assert "Ugx-pending" in again.threads
    assert 1_000 < len(again.threads) <= 2_000
    assert again.threads == state.threads


# ── whatever comes ──────────────────────────────────────────────────────────────────────────────────


def bent(value: Any, dice: Random) -> Any:
    """``value`` with something in it replaced, lost or doubled."""
    if isinstance(value, dict) and value and dice.random() < 0.85:
        key = dice.choice(list(value))
        return {**value, key: bent(value[key], dice)}
    if isinstance(value, list) and value and dice.random() < 0.85:
        place = dice.randrange(len(value))
        return [*value[:place], bent(value[place], dice), *value[place + 1 :]]
    odd = [
        None,
        "",
        "x" * 300,
        -1,
        2**70,
        1e308,
        True,
        [],
        {},
        [[]],
        {"a": {"b": []}},
        "2026-13-45T99:00:00Z",
        "\ud800",
        "\x00",
    ]
    return dice.choice(odd)


@pytest.mark.parametrize("seed", range(60))
def test_whatever_comes_is_read_or_refused_in_our_words(house: House, seed: int) -> None:
    dice = Random(seed)
    top = house.comments(3)[0]
    house.say("comment", "A reply", parent=top)
    house.say("mention", "Tessellate UK")
    real = house.standin.answer

    def answer(request: Any) -> Reply:
        reply = real(request)
        body = bent(reply.body, dice) if dice.random() < 0.6 else reply.body
        return Reply(reply.status, json.dumps(body).encode("ascii"), reply.headers)

    house.standin.answer = answer  # type: ignore[method-assign]
    words: list[str] = []
    for _ in range(4):
        try:
            batch = house.fetch()
            house.connector().recheck(tuple(mention.external_id for mention in batch.mentions), house.allowance())
            house.connector().examine(house.allowance())
        except ConnectorError as error:
            words.append(error.what)
        house.wait(minutes=31)

    assert all(words)


# ── looking again, and the doctor ───────────────────────────────────────────────────────────────────


def test_a_recheck_gives_the_present_form_and_tells_what_is_gone(house: House) -> None:
    kept, edited, deleted = house.comments(3)
    reply = house.say("comment", "A reply", parent=kept)
    others = [house.say("comment", f"Another {n}", parent=kept) for n in range(8)]
    lost_reply = others[0]
    video = house.say("mention", "Tessellate UK")
    lost_video = house.say("mention", "Tessellate UK again")
    house.drain()
    house.world.edit(edited, "Edited")
    for post in (deleted, lost_reply, lost_video):
        house.world.delete(post)
    asked = (kept.id, edited.id, deleted.id, reply.id, lost_reply.id, video.id, lost_video.id, house.film.id)

    batch = house.connector().recheck(asked, house.allowance())

    found = {mention.external_id: mention for mention in batch.mentions}
    assert found.keys() == {kept.id, edited.id, reply.id, video.id, house.film.id}
    assert set(batch.gone) == {deleted.id, lost_reply.id, lost_video.id}
    assert found[edited.id].text == "Edited"
    assert (found[reply.id].thread, found[reply.id].url) == (kept.id, house.heard[reply.id].url)
    assert found[kept.id] == replace(house.heard[kept.id], replies=found[kept.id].replies)


def test_a_recheck_within_too_small_an_allowance_leaves_the_rest_open(house: House) -> None:
    posts = house.comments(200)

    batch = house.connector().recheck(tuple(post.id for post in posts), house.allowance(units=2))

    assert batch.spent["units"] == 2
    assert 90 <= len(batch.mentions) <= 100
    assert batch.gone == ()


def test_a_service_that_shows_nothing_at_all_is_not_believed_to_have_lost_everything(house: House) -> None:
    posts = house.comments(3)
    house.server.trouble("reply", times=9, reply=Reply(200, {"kind": "x", "items": []}))

    batch = house.connector().recheck(tuple(post.id for post in posts), house.allowance())

    assert (batch.mentions, batch.gone) == ((), ())


def test_an_id_of_an_unknown_form_is_looked_for_as_a_video_and_as_a_comment(house: House) -> None:
    def answer(request: Any) -> Reply:
        snippet = {"publishedAt": "2026-11-24T10:00:00Z", "title": "A film", "textDisplay": "Hm", "channelId": CHANNEL}
        asked = (request.one("id") or "").split(",")
        items: list[dict[str, Any]] = []
        if request.path.endswith("videos"):
            items = [{"id": i, "snippet": snippet} for i in asked if i.startswith("video")]
        if request.path.endswith("comments"):
            items = [{"id": i, "snippet": {**snippet, "parentId": "c1"}} for i in asked if i == "c2"]
        return Reply(200, {"kind": "x", "items": items})

    house.standin.answer = answer  # type: ignore[method-assign]
    batch = house.connector().recheck(("video-1", "c2", "c3"), house.allowance())

    assert {mention.external_id: mention.parent for mention in batch.mentions} == {"video-1": None, "c2": "c1"}
    assert batch.gone == ("c3",)


def test_the_doctor_hears_of_the_channel_the_newest_comment_and_the_quota(house: House) -> None:
    house.comments(1)

    findings = house.connector().examine(house.allowance())

    words = " ".join(finding.what for finding in findings)
    assert all(finding.level is not Level.BAD for finding in findings)
    assert "24 November 2026, 14:02 UTC" in words
    assert "10000 units and 100 searches" in words
    assert "08:00 (Europe/London)" in words


def test_the_doctor_says_what_to_do_about_a_wrong_channel_and_a_wrong_key(house: House) -> None:
    wrong_channel = house.connector(channel_id="UCsomebodyelse").examine(house.allowance())[0]
    wrong_key = house.connector(api_key="AIza-wrong").examine(house.allowance())[0]

    assert (wrong_channel.level, wrong_key.level) == (Level.BAD, Level.BAD)
    assert "channel_id" in wrong_channel.do
    assert "api_key" in wrong_key.do


def test_the_doctor_asks_nothing_without_an_allowance(house: House) -> None:
    findings = house.connector().examine(house.allowance(units=1))

    assert "not asked" in findings[0].what
    assert house.server.log == []


def test_a_title_that_the_description_repeats_is_not_said_twice() -> None:
    snippet = {"publishedAt": "2026-11-24T10:00:00Z", "title": "A very long…", "description": "A very long title"}

    assert read_video({"id": "abcdefghijk", "snippet": snippet}, CHANNEL).text == "A very long title"
