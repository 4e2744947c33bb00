"""The Facebook connector against the strict stand-in: what it hears, what it survives, what it never lets out."""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta

import pytest
from makers import ORGANISATION

from connectors import registry
from connectors.errors import (
    ConnectorError,
    CredentialsRejected,
    RateLimited,
    SetupRejected,
    UnexpectedReply,
    Unreachable,
)
from connectors.facebook import FacebookConnector, Settings, connect, plan
from connectors.model import Allowance, Author, Batch, Kind, Level, Mention, Schedules
from connectors.standins.facebook import FacebookStandIn
from connectors.standins.server import Reply, Server
from connectors.standins.world import World
from connectors.testing import check_connector, check_platform

pytestmark = pytest.mark.real

NOW = datetime(2026, 11, 24, 14, 2, tzinfo=UTC)
PAGE = "100200300400500"
TOKEN = "EAAB-the-page-token"
SECRET = "0123456789abcdef-app"
SAM = Author(name="Sam Example", id="777")
KIM = Author(name="Kim Example", id="778")


@dataclass
class House:
    """One Page, its stand-in on loopback, and a listener that remembers its cursor."""

    world: World
    page: FacebookStandIn
    server: Server
    cursor: str | None = None
    heard: dict[str, Mention] = field(default_factory=dict)
    last: Batch = field(default_factory=Batch)

    def settings(self, **changes: object) -> Settings:
        values = {
            "page_id": PAGE,
            "page_token": TOKEN,
            "app_secret": SECRET,
            "base_url": self.server.url,
            "app_id": "700800900",
        }
        return Settings(**(values | changes))  # type: ignore[arg-type]

    def connect(self, **changes: object) -> FacebookConnector:
        return connect(self.settings(**changes), ORGANISATION)

    def allowance(self, **left: int) -> Allowance:
        return Allowance(self.world.now(), left)

    def listen(self, **changes: object) -> list[Mention]:
        """Fetch to the end, each time with a new connector; what was handed over, and remember the cursor."""
        new = []
        for _ in range(200):
            self.last = self.connect(**changes).fetch(self.cursor, self.allowance())
            self.cursor = self.last.cursor
            new += self.last.mentions
            self.heard.update({mention.external_id: mention for mention in self.last.mentions})
            if not self.last.more:
                return new
        raise AssertionError("never ends")

    def pass_time(self, **by: float) -> None:
        self.world.move(timedelta(**by))

    def paths(self) -> list[str]:
        return [request.path for request in self.server.log]


@pytest.fixture
def house() -> Iterator[House]:
    world = World(lambda: NOW)
    page = FacebookStandIn(world, PAGE, TOKEN, SECRET)
    world.move(timedelta(days=-1))
    world.say("facebook", Kind.OWN_POST, "Our new film is out")
    world.move(timedelta(days=1, minutes=-1))
    with Server(page) as server:
        yield House(world, page, server)


def test_everything_on_the_page_is_heard_with_its_place_and_figures(house: House) -> None:
    own = house.world.say("facebook", Kind.OWN_POST, "What do you think?", likes=3, shares=2)
    comment = house.world.say("facebook", Kind.COMMENT, "A question", author=SAM, parent=own, likes=4)
    answer = house.world.say("facebook", Kind.OWN_POST, "Thank you", parent=comment)
    visitor = house.world.say("facebook", Kind.COMMENT, "Hello Page", author=KIM)
    tag = house.world.say("facebook", Kind.TAG, "With Tessellate UK today", author=KIM)
    review = house.world.say("facebook", Kind.REVIEW, "Kind people", author=SAM, recommends=True)

    house.listen()

    heard = house.heard
    assert heard[own.id].kind is Kind.OWN_POST
    assert (heard[own.id].likes, heard[own.id].shares, heard[own.id].replies) == (3, 2, 2)
    assert heard[comment.id].kind is Kind.COMMENT
    assert (heard[comment.id].parent, heard[comment.id].thread, heard[comment.id].likes) == (own.id, own.id, 4)
    assert heard[comment.id].author == SAM
    assert heard[comment.id].posted_at == comment.posted_at.replace(microsecond=0)
    assert heard[comment.id].url.startswith("https://www.facebook.com/")
    assert heard[answer.id].kind is Kind.OWN_POST
    assert (heard[answer.id].parent, heard[answer.id].thread) == (comment.id, own.id)
    assert heard[visitor.id].kind is Kind.COMMENT
    assert heard[visitor.id].parent is None
    assert heard[tag.id].kind is Kind.TAG
    assert heard[tag.id].author is None
    assert heard[f"rating:{review.id}"].kind is Kind.REVIEW
    assert heard[f"rating:{review.id}"].text == "Kind people"


def test_the_contract_is_kept(house: House) -> None:
    own = house.world.say("facebook", Kind.OWN_POST, "What do you think?")
    for number in range(5):
        house.world.say("facebook", Kind.COMMENT, f"Answer {number}", author=SAM, parent=own)
    house.world.say("facebook", Kind.TAG, "With Tessellate UK today", author=KIM)

    checked = check_connector(
        house.connect,
        allowance=house.allowance(calls=50),
        unreachable=lambda: house.connect(base_url="http://127.0.0.1:9"),
        refused=lambda: house.connect(page_token="EAAB-wrong"),
        secrets=(TOKEN, SECRET, "EAAB-wrong"),
    )

    assert len(checked.mentions) == 8


def test_the_platform_declares_itself_and_plans_by_the_facts(house: House) -> None:
    made = check_platform(registry.load("facebook"), house.settings(), ORGANISATION)

    assert (made.calm, made.hurried) == (timedelta(seconds=60), timedelta(seconds=20))
    assert made.at_usage == ((0.6, timedelta(seconds=120)), (0.8, timedelta(seconds=300)))
    assert plan(house.settings(poll_every=timedelta(seconds=5)), ORGANISATION).calm == timedelta(seconds=5)


@pytest.mark.parametrize(
    "wrong", [{"page_id": "the page"}, {"graph_version": "newest"}, {"base_url": "graph.facebook.com"}]
)
def test_settings_that_cannot_be_right_are_refused_by_name(house: House, wrong: dict[str, str]) -> None:
    with pytest.raises(ValueError, match=next(iter(wrong))):
        house.settings(**wrong)


# ── nothing is missed ───────────────────────────────────────────────────────────────────────────


def test_a_late_comment_on_a_post_far_below_the_front_is_heard_by_the_sweep(house: House) -> None:
    old = house.world.say("facebook", Kind.OWN_POST, "An old film")
    for number in range(80):
        house.pass_time(hours=1)
        house.world.say("facebook", Kind.OWN_POST, f"Post {number}")
    house.listen()
    house.pass_time(minutes=11)
    late = house.world.say("facebook", Kind.COMMENT, "Only now I saw this", author=SAM, parent=old)

    new = house.listen()

    assert [mention.external_id for mention in new] == [late.id]


def test_the_sweep_sees_a_hundred_posts_however_short_the_pages_are(house: House) -> None:
    true = house.page.answer
    old = house.world.say("facebook", Kind.OWN_POST, "An old film")
    for number in range(45):
        house.pass_time(hours=1)
        house.world.say("facebook", Kind.OWN_POST, f"Post {number}")
    house.page.answer = lambda request: true(  # type: ignore[method-assign]
        replace(request, query={**request.query, "limit": ["7"]}) if "/feed" in request.path else request
    )
    house.listen()
    house.pass_time(minutes=11)
    late = house.world.say("facebook", Kind.COMMENT, "Only now I saw this", author=SAM, parent=old)

    new = house.listen()

    assert late.id in {mention.external_id for mention in new}


def test_with_an_interval_of_the_operators_own_every_stream_is_asked_at_every_poll(house: House) -> None:
    house.listen(poll_every=timedelta(seconds=1))
    house.pass_time(seconds=1)
    review = house.world.say("facebook", Kind.REVIEW, "I was not treated well", author=SAM, recommends=False)

    new = house.listen(poll_every=timedelta(seconds=1))

    assert [mention.external_id for mention in new] == [f"rating:{review.id}"]


def test_a_quiet_poll_costs_two_calls_and_hands_over_nothing_again(house: House) -> None:
    house.listen()
    house.pass_time(seconds=60)

    assert house.listen() == []
    assert house.last.spent == {"calls": 2}


def test_a_storm_of_comments_is_read_to_its_end_over_many_fetches(house: House) -> None:
    own = house.world.say("facebook", Kind.OWN_POST, "Our new film")
    house.listen()
    said = set()
    for number in range(1250):
        house.pass_time(seconds=1)
        said.add(house.world.say("facebook", Kind.COMMENT, f"Comment {number}", author=SAM, parent=own).id)

    new = house.listen()

    assert said <= {mention.external_id for mention in new}
    assert house.last.coverage.heard_until == house.world.now().replace(microsecond=0)
    assert len(house.cursor or "") < 64 * 1024


def test_a_storm_of_posts_and_tags_is_followed_over_pages(house: House) -> None:
    house.listen()
    said = set()
    for number in range(90):
        house.pass_time(seconds=20)
        kind = Kind.TAG if number % 3 == 0 else Kind.COMMENT
        said.add(house.world.say("facebook", kind, f"Post {number}", author=SAM).id)

    house.listen()

    assert said <= set(house.heard)


def test_while_a_storm_is_being_read_the_platform_does_not_count_as_heard(house: House) -> None:
    own = house.world.say("facebook", Kind.OWN_POST, "Our new film")
    house.listen()
    before = house.last.coverage.heard_until
    for number in range(1250):
        house.pass_time(seconds=1)
        house.world.say("facebook", Kind.COMMENT, f"Comment {number}", author=SAM, parent=own)

    batch = house.connect().fetch(house.cursor, house.allowance())

    assert batch.more
    assert batch.coverage.heard_until == before


def test_comments_that_arrive_while_a_storm_is_read_are_heard_in_the_next_round(house: House) -> None:
    own = house.world.say("facebook", Kind.OWN_POST, "Our new film")
    said = [house.world.say("facebook", Kind.COMMENT, f"Comment {n}", author=SAM, parent=own).id for n in range(900)]
    cursor, heard = None, set()
    for number in range(40):
        batch = house.connect().fetch(cursor, house.allowance(calls=2))
        cursor = batch.cursor
        heard |= {mention.external_id for mention in batch.mentions}
        if number < 10:
            house.pass_time(seconds=7)
            said.append(house.world.say("facebook", Kind.COMMENT, f"Late {number}", author=KIM, parent=own).id)

    assert set(said) <= heard


def test_a_comment_that_becomes_visible_late_is_heard_although_it_bears_an_old_time(house: House) -> None:
    own = house.world.say("facebook", Kind.OWN_POST, "Our new film")
    start = house.world.now()
    for number in range(60):
        house.pass_time(minutes=10)
        house.world.say("facebook", Kind.COMMENT, f"Comment {number}", author=SAM, parent=own)
    late = house.world.say(
        "facebook",
        Kind.COMMENT,
        "Held back",
        author=KIM,
        parent=own,
        at=start,
        visible_at=house.world.now() + timedelta(minutes=5),
    )
    house.listen()
    assert late.id not in house.heard
    house.pass_time(minutes=6)

    house.listen()

    assert late.id in house.heard


def test_the_first_round_reads_a_month_back(house: House) -> None:
    ids = {}
    for days in range(100, 0, -1):
        at = NOW - timedelta(days=days)
        ids[days] = house.world.say("facebook", Kind.OWN_POST, f"{days} days ago", at=at).id

    house.listen()

    assert all(ids[days] in house.heard for days in range(1, 30))
    assert ids[100] not in house.heard


def test_an_edit_is_handed_over_with_its_new_words_under_the_same_id(house: House) -> None:
    own = house.world.say("facebook", Kind.OWN_POST, "Our new film")
    comment = house.world.say("facebook", Kind.COMMENT, "Fine", author=SAM, parent=own)
    house.listen()
    house.pass_time(minutes=1)
    house.world.edit(comment, "Not fine at all")

    (new,) = house.listen()

    assert (new.external_id, new.text) == (comment.id, "Not fine at all")


def test_a_comment_spelt_with_its_short_id_is_the_same_comment(house: House) -> None:
    own = house.world.say("facebook", Kind.OWN_POST, "Our new film")
    comment = house.world.say("facebook", Kind.COMMENT, "Fine", author=SAM, parent=own)
    reply = house.world.say("facebook", Kind.COMMENT, "Really?", author=KIM, parent=comment)
    house.listen()
    true = house.server._standins[""].answer

    def short(request: object) -> Reply:
        reply = true(request)  # type: ignore[arg-type]
        for post in reply.body.get("data", ()) if isinstance(reply.body, dict) else ():
            for node in post.get("comments", {}).get("data", ()):
                node["id"] = node["id"].rpartition("_")[2]
                if "parent" in node:
                    node["parent"]["id"] = node["parent"]["id"].rpartition("_")[2]
        return reply

    house.page.answer = short  # type: ignore[method-assign]
    house.cursor = None
    again = {mention.external_id: mention for mention in house.listen()}

    assert set(house.heard) == set(again)
    assert again[reply.id].parent == comment.id


# ── what goes wrong ─────────────────────────────────────────────────────────────────────────────


def error(code: int, subcode: int = 0, message: str = "Something", **more: object) -> dict[str, object]:
    body: dict[str, object] = {"message": message, "type": "OAuthException", "code": code, "fbtrace_id": "Atrace_1-x"}
    if subcode:
        body["error_subcode"] = subcode
    return {"error": body | more}


ROWS: list[tuple[int, dict[str, object], type[ConnectorError]]] = [
    *[(400, error(190, sub), CredentialsRejected) for sub in (458, 459, 464, 460, 463, 467, 492, 0)],
    (400, error(190, 2069032), SetupRejected),
    (400, error(210), SetupRejected),
    (400, error(1705), SetupRejected),
    (400, error(102), CredentialsRejected),
    (400, error(368), CredentialsRejected),
    (400, error(100, message="API calls from the server require an appsecret_proof argument"), SetupRejected),
    (400, error(100, 33), SetupRejected),
    (404, error(803), SetupRejected),
    (400, error(2500, message="Unknown path components: /nope"), SetupRejected),
    (500, error(1), Unreachable),
    (500, error(2), Unreachable),
    (503, error(2), Unreachable),
    (400, error(1357045, is_transient=True), Unreachable),
    *[(status, error(code), RateLimited) for code in (4, 17, 32, 341, 613, 80001, 80002) for status in (400, 403, 429)],
    (200, error(190, 463), CredentialsRejected),
    (403, error(4, is_transient=True), RateLimited),
    (400, error(999), UnexpectedReply),
    (500, {"nothing": 1}, Unreachable),
    (404, {"nothing": 1}, UnexpectedReply),
    (302, {"nothing": 1}, UnexpectedReply),
    (200, {"nothing": 1}, UnexpectedReply),
    (200, {"data": "text"}, UnexpectedReply),
]


@pytest.mark.parametrize(("status", "body", "expected"), ROWS, ids=[f"{s} {json.dumps(b)[:70]}" for s, b, _ in ROWS])
def test_each_refusal_becomes_the_error_that_says_what_to_do(
    house: House, status: int, body: dict[str, object], expected: type[ConnectorError]
) -> None:
    house.server.trouble("reply", times=99, reply=Reply(status, body))

    with pytest.raises(ConnectorError) as caught:
        house.connect().fetch(None, house.allowance())

    assert type(caught.value) is expected
    assert caught.value.spent == {"calls": caught.value.spent["calls"]}
    assert "Something" not in str(caught.value)


@pytest.mark.parametrize("code", [10, 200, 283, 3, 299])
def test_a_token_that_may_read_nothing_at_all_is_refused(house: House, code: int) -> None:
    house.server.trouble("reply", times=99, reply=Reply(403, error(code)))

    with pytest.raises(CredentialsRejected) as caught:
        house.connect().fetch(None, house.allowance())

    assert type(caught.value) is CredentialsRejected


@pytest.mark.parametrize(
    ("how", "status", "expected"),
    [
        ("html", 502, Unreachable),
        ("html", 200, Unreachable),
        ("empty", 503, Unreachable),
        ("empty", 200, Unreachable),
        ("cut", 200, UnexpectedReply),
        ("drop", 200, Unreachable),
    ],
)
def test_broken_answers_become_errors_of_ours_and_the_next_poll_recovers(
    house: House, how: str, status: int, expected: type[ConnectorError]
) -> None:
    house.listen()
    before = house.cursor
    house.pass_time(minutes=1)
    comment = house.world.say("facebook", Kind.COMMENT, "Hello", author=SAM)
    house.server.trouble(how, status=status, times=1)

    with pytest.raises(expected):
        house.listen()
    assert house.cursor == before
    house.listen()

    assert comment.id in house.heard


@pytest.mark.parametrize(
    "body",
    [
        b"[" * 100_000,
        b'{"data": [{"id": ' + b"9" * 5000 + b"}]}",
        b'{"data": NaN}',
        b"null",
        b"[]",
        b'"text"',
        b"\xff\xfe{}",
    ],
)
def test_hostile_json_is_an_unexpected_reply(house: House, body: bytes) -> None:
    house.server.trouble("reply", times=99, reply=Reply(200, body))

    with pytest.raises(UnexpectedReply):
        house.connect().fetch(None, house.allowance())


def test_a_limit_says_until_when_and_not_a_call_is_made_before(house: House) -> None:
    house.listen()
    usage = {PAGE: [{"type": "pages", "call_count": 100, "estimated_time_to_regain_access": 12}]}
    house.server.trouble("reply", reply=Reply(400, error(80001), {"x-business-use-case-usage": json.dumps(usage)}))

    with pytest.raises(RateLimited) as caught:
        house.listen()

    assert caught.value.retry_at == house.world.now() + timedelta(minutes=12)
    assert caught.value.spent == {"calls": 1}


def test_a_limit_in_the_middle_keeps_what_was_heard_and_then_rests(house: House) -> None:
    house.world.say("facebook", Kind.COMMENT, "Hello", author=SAM)
    usage = {PAGE: [{"type": "pages", "call_count": 100, "estimated_time_to_regain_access": 3}]}
    house.server.trouble(
        "reply", path="/tagged", reply=Reply(400, error(80001), {"x-business-use-case-usage": json.dumps(usage)})
    )

    first = house.connect().fetch(None, house.allowance())
    calls = len(house.server.log)
    with pytest.raises(RateLimited) as caught:
        house.connect().fetch(first.cursor, house.allowance())

    assert first.mentions
    assert first.usage == 1.0
    assert len(house.server.log) == calls
    assert caught.value.retry_at == (house.world.now() + timedelta(minutes=3)).replace(microsecond=0)
    house.pass_time(minutes=4)
    house.cursor = first.cursor
    house.listen()
    assert f"/v26.0/{PAGE}/ratings" in house.paths()


def test_the_usage_figure_is_the_largest_of_all_headers_and_slows_the_lesser_streams(house: House) -> None:
    house.page.budget = 10
    house.page.quiet_calls = 0
    for _ in range(2):
        house.listen(poll_every=timedelta(seconds=1))
        house.pass_time(seconds=1)
    assert house.last.usage is not None
    assert house.last.usage >= 0.7
    before = len(house.server.log)

    house.listen(poll_every=timedelta(seconds=1))

    assert [path.rpartition("/")[2] for path in house.paths()[before:]] == ["feed"]


def test_a_stream_that_is_not_permitted_is_a_fault_and_the_rest_is_heard(house: House) -> None:
    comment = house.world.say("facebook", Kind.COMMENT, "Hello", author=SAM)
    house.server.trouble("reply", times=1, path="/ratings", reply=Reply(403, error(10)))

    house.listen()

    assert comment.id in house.heard
    (fault,) = house.last.coverage.faults
    assert "reviews" in fault.stream
    assert "permission" in fault.what
    assert fault.do
    house.pass_time(seconds=5)
    house.listen()
    assert house.last.coverage.faults == (fault,), "the fault stays told while the stream rests"
    house.pass_time(minutes=16)
    house.listen()
    assert house.last.coverage.faults == ()


def test_a_lesser_stream_that_stumbles_now_and_then_is_not_told_but_asked_again(house: House) -> None:
    house.server.trouble("html", times=1, path="/tagged")
    tag = house.world.say("facebook", Kind.TAG, "With Tessellate UK", author=SAM)
    house.world.say("facebook", Kind.COMMENT, "Hello", author=SAM)
    house.listen()
    assert house.last.coverage.faults == ()

    house.pass_time(seconds=61)
    house.listen()

    assert "tagged" in house.paths()[-1] + house.paths()[-2]
    assert tag.id in house.heard


def test_a_list_that_is_too_large_for_the_platform_is_asked_for_in_smaller_parts(house: House) -> None:
    said = {house.world.say("facebook", Kind.COMMENT, f"Post {n}", author=SAM).id for n in range(20)}
    heavy = error(1, message="Please reduce the amount of data you're asking for, then retry your request")
    house.server.trouble("reply", times=3, path="/feed", reply=Reply(500, heavy))

    house.listen()

    assert said <= set(house.heard)
    limits = [request.one("limit") for request in house.server.log if request.path.endswith("/feed")]
    assert limits[:4] == ["25", "25", "12", "6"]


def test_a_field_that_the_platform_does_not_know_is_left_out(house: House) -> None:
    comment = house.world.say("facebook", Kind.COMMENT, "Hello", author=SAM)
    del house.page.types["PagePost"].makers["reactions"]  # type: ignore[attr-defined]

    house.listen()

    assert comment.id in house.heard
    assert house.last.coverage.faults == ()


def test_a_cursor_that_has_grown_too_old_begins_at_the_head_again(house: House) -> None:
    said = {house.world.say("facebook", Kind.COMMENT, f"Post {n}", author=SAM).id for n in range(60)}
    first = house.connect().fetch(None, house.allowance(calls=1))
    old = error(100, message="(#100) The After Cursor specified exceeds the max limit supported by this endpoint")
    house.server.trouble("reply", path="/feed", reply=Reply(400, old))
    house.cursor = first.cursor
    house.heard.update({mention.external_id: mention for mention in first.mentions})

    house.listen()

    assert said <= set(house.heard)


def test_the_next_page_is_never_asked_of_another_host(house: House) -> None:
    said = {house.world.say("facebook", Kind.COMMENT, f"Post {n}", author=SAM).id for n in range(60)}

    house.listen()

    assert said <= set(house.heard)
    assert any(request.one("after") for request in house.server.log)


def test_one_broken_post_or_comment_drops_neither_its_page_nor_its_post(house: House) -> None:
    own = house.world.say("facebook", Kind.OWN_POST, "Our new film")
    good = house.world.say("facebook", Kind.COMMENT, "Good", author=SAM, parent=own)
    true = house.page.answer

    def spoilt(request: object) -> Reply:
        reply = true(request)  # type: ignore[arg-type]
        if isinstance(reply.body, dict) and "/feed" in request.path:  # type: ignore[attr-defined]
            reply.body["data"][0]["comments"]["data"] += [None, {"id": "5_6", "message": "secret words"}, {"id": {}}]
            reply.body["data"] += ["text", {"id": "1", "created_time": "yesterday", "message": "secret words"}]
        return reply

    house.page.answer = spoilt  # type: ignore[method-assign]
    house.listen()

    assert good.id in house.heard
    assert own.id in house.heard
    assert house.last.dropped == 5
    assert len(house.last.shapes) == 5
    assert "secret words" not in repr(house.last)
    house.pass_time(minutes=1)
    house.listen()
    assert house.last.dropped == 0, "told once, not at every poll"


def test_a_thread_that_never_answers_does_not_stop_the_rest_and_is_told_of_in_the_end(house: House) -> None:
    own = house.world.say("facebook", Kind.OWN_POST, "Our new film")
    for number in range(120):
        house.world.say("facebook", Kind.COMMENT, f"Comment {number}", author=SAM, parent=own)
    house.server.trouble("html", times=99, path="/comments")
    dropped = 0
    for number in range(8):
        house.pass_time(minutes=1)
        comment = house.world.say("facebook", Kind.COMMENT, f"Post {number}", author=SAM)
        house.listen()
        dropped += house.last.dropped
        assert comment.id in house.heard

    assert dropped >= 1


def test_a_damaged_cursor_or_one_of_another_page_begins_anew(house: House) -> None:
    house.listen()
    other = (house.cursor or "").replace(PAGE, "999", 1)
    for cursor in (other, (house.cursor or "")[:-5], (house.cursor or "").replace('"todo":[]', '"todo":[{"x":1}]')):
        batch = house.connect().fetch(cursor, house.allowance())
        assert batch.mentions


def test_the_version_that_really_answers_is_compared_with_the_one_asked_for(house: House) -> None:
    house.listen(graph_version="v19.0")

    (fault,) = house.last.coverage.faults
    assert "v21.0" in fault.what
    house.listen()
    assert house.last.coverage.faults == ()


# ── blindness ───────────────────────────────────────────────────────────────────────────────────


def test_our_newest_post_that_stays_away_makes_the_silence_suspect(house: House) -> None:
    house.listen()
    house.pass_time(minutes=1)
    house.server.trouble("reply", times=1, path="/feed", reply=Reply(200, {"data": []}))

    house.listen()
    assert house.last.coverage.suspect is not None

    house.pass_time(minutes=1)
    house.listen()
    assert house.last.coverage.suspect is None


def test_our_newest_post_that_was_taken_down_is_gone_and_no_cause_for_alarm(house: House) -> None:
    own = house.world.say("facebook", Kind.OWN_POST, "A mistake")
    house.listen()
    house.pass_time(minutes=1)
    house.world.delete(own)

    house.listen()

    assert house.last.gone == (own.id,)
    assert house.last.coverage.suspect is None


def test_a_persons_token_with_which_everything_reads_as_empty_is_found_out(house: House) -> None:
    house.page.user_token("EAAB-a-person")

    with pytest.raises(SetupRejected, match="not that of the Page"):
        house.listen(page_token="EAAB-a-person")


def test_a_page_without_any_post_is_quiet_and_not_suspect() -> None:
    world = World(lambda: NOW)
    with Server(FacebookStandIn(world, PAGE, TOKEN, SECRET)) as server:
        house = House(world, server._standins[""], server)  # type: ignore[arg-type]
        assert house.listen() == []
        assert house.last.coverage.suspect is None
        assert house.last.coverage.heard_until == NOW


# ── looking again ───────────────────────────────────────────────────────────────────────────────


def test_a_recheck_shows_edits_and_figures_and_what_is_gone(house: House) -> None:
    say = house.world.say
    own = say("facebook", Kind.OWN_POST, "Our new film")
    kept = say("facebook", Kind.COMMENT, "Fine", author=SAM, parent=own)
    deleted = say("facebook", Kind.COMMENT, "Bad", author=SAM, parent=own)
    reply = say("facebook", Kind.COMMENT, "Really?", author=KIM, parent=kept)
    tag, lost_tag = (say("facebook", Kind.TAG, "With Tessellate UK", author=KIM) for _ in range(2))
    review, lost_review = (say("facebook", Kind.REVIEW, "Kind", author=SAM) for _ in range(2))
    house.listen()
    house.world.edit(kept, "Not fine")
    for post in (deleted, lost_tag, lost_review):
        house.world.delete(post)
    ids = (
        own.id,
        kept.id,
        deleted.id,
        reply.id,
        tag.id,
        lost_tag.id,
        f"rating:{review.id}",
        f"rating:{lost_review.id}",
    )

    batch = house.connect().recheck(ids, house.allowance())

    found = {mention.external_id: mention for mention in batch.mentions}
    assert set(found) == {own.id, kept.id, reply.id, tag.id, f"rating:{review.id}"}
    assert found[kept.id].text == "Not fine"
    assert (found[kept.id].parent, found[kept.id].thread) == (own.id, own.id)
    assert (found[reply.id].parent, found[reply.id].thread) == (kept.id, own.id)
    assert found[tag.id].kind is Kind.TAG
    assert set(batch.gone) == {deleted.id, lost_tag.id, f"rating:{lost_review.id}"}


def test_nothing_is_called_gone_when_everything_seems_gone_or_the_page_cannot_be_read(house: House) -> None:
    own = house.world.say("facebook", Kind.OWN_POST, "Our new film")
    posts = [house.world.say("facebook", Kind.COMMENT, f"Comment {n}", author=SAM, parent=own) for n in range(12)]
    house.listen()
    for post in posts:
        house.world.delete(post)

    assert house.connect().recheck(tuple(post.id for post in posts), house.allowance()).gone == ()
    assert set(house.connect().recheck((posts[0].id, own.id), house.allowance()).gone) == {posts[0].id}


def test_a_recheck_keeps_to_its_allowance_and_leaves_the_rest_open(house: House) -> None:
    own = house.world.say("facebook", Kind.OWN_POST, "Our new film")
    posts = [house.world.say("facebook", Kind.COMMENT, f"Comment {n}", author=SAM, parent=own) for n in range(60)]

    batch = house.connect().recheck(tuple(post.id for post in posts), house.allowance(calls=30))

    assert len(batch.mentions) == 30
    assert batch.gone == ()
    assert batch.spent["calls"] <= 30


# ── the doctor, scheduled posts, secrets ────────────────────────────────────────────────────────


def test_the_doctor_tells_of_type_scopes_version_and_the_newest_post(house: House) -> None:
    findings = house.connect().examine(house.allowance())

    text = " ".join(finding.what for finding in findings)
    assert all(finding.level is not Level.BAD for finding in findings)
    assert "type PAGE" in text
    assert "v26.0" in text
    assert "newest post" in text
    assert any(finding.expires_at == house.page.tokens[TOKEN].data_access_expires_at for finding in findings)


def test_the_doctor_finds_a_missing_permission_and_a_wrong_type(house: House) -> None:
    house.page.tokens[TOKEN].scopes = frozenset({"pages_read_engagement"})
    findings = house.connect(app_id="").examine(house.allowance())
    assert any("pages_read_user_content" in f.what and f.level is Level.BAD and f.do for f in findings)

    house.page.user_token("EAAB-a-person")
    findings = house.connect(page_token="EAAB-a-person").examine(house.allowance())
    assert any("type USER" in f.what and f.level is Level.BAD for f in findings)


def test_scheduled_posts_are_listed_soonest_first_and_appear_in_their_hour(house: House) -> None:
    later = house.page.schedule("Later", house.world.now() + timedelta(hours=5))
    sooner = house.page.schedule("Sooner", house.world.now() + timedelta(hours=1))
    connector = house.connect()
    assert isinstance(connector, Schedules)

    posts = connector.scheduled()

    assert [(post.external_id, post.text) for post in posts] == [(sooner.id, "Sooner"), (later.id, "Later")]
    assert posts[0].publish_at == sooner.publish_at.replace(microsecond=0)
    house.pass_time(hours=2)
    house.listen()
    assert "Sooner" in {mention.text for mention in house.heard.values()}


def test_a_scheduled_post_that_cannot_be_read_is_no_silence(house: House) -> None:
    house.server.trouble("reply", path="/scheduled_posts", reply=Reply(200, {"data": [{"message": "secret words"}]}))
    with pytest.raises(UnexpectedReply) as caught:
        house.connect().scheduled()
    assert "secret words" not in f"{caught.value!r} {vars(caught.value)}"

    house.server.trouble("reply", path="/scheduled_posts", reply=Reply(403, error(10)))
    with pytest.raises(CredentialsRejected):
        house.connect().scheduled()


def test_a_list_in_an_unknown_form_makes_a_recheck_fail_and_calls_nothing_gone(house: House) -> None:
    review = house.world.say("facebook", Kind.REVIEW, "Kind", author=SAM)
    house.server.trouble("reply", path="/ratings", reply=Reply(200, {"data": {}}))
    with pytest.raises(UnexpectedReply):
        house.connect().recheck((f"rating:{review.id}",), house.allowance())

    house.server.trouble(
        "reply", path="/ratings", reply=Reply(200, {"data": [{"open_graph_story": {"id": review.id}}]})
    )
    assert house.connect().recheck((f"rating:{review.id}",), house.allowance()).gone == ()


def test_a_tag_that_stands_in_two_lists_is_not_handed_over_again_at_every_poll(house: House) -> None:
    house.world.say("facebook", Kind.TAG, "With Tessellate UK", author=SAM)
    house.listen()
    house.pass_time(minutes=1)
    assert house.listen() == []


def test_a_late_comment_under_an_old_post_of_a_visitor_is_heard(house: House) -> None:
    old = house.world.say("facebook", Kind.COMMENT, "Hello Page", author=KIM)
    for number in range(80):
        house.pass_time(hours=1)
        house.world.say("facebook", Kind.OWN_POST, f"Post {number}")
    house.listen()
    house.pass_time(minutes=11)
    late = house.world.say("facebook", Kind.COMMENT, "Only now I saw this", author=SAM, parent=old)

    house.listen()

    assert late.id in house.heard


def test_no_token_and_no_secret_stands_in_an_address_of_a_poll_and_every_call_is_proved(house: House) -> None:
    own = house.world.say("facebook", Kind.OWN_POST, "Our new film")
    for number in range(130):
        house.world.say("facebook", Kind.COMMENT, f"Comment {number}", author=SAM, parent=own)

    house.listen()
    house.connect().recheck((own.id, "1_2"), house.allowance())

    for request in house.server.log:
        assert TOKEN not in request.raw_query
        assert SECRET not in request.raw_query
        assert len(request.one("appsecret_proof") or "") == 64
        assert request.headers["authorization"] == f"Bearer {TOKEN}"


def test_a_refusal_that_repeats_the_token_does_not_let_it_out(house: House) -> None:
    house.server.trouble("reply", reply=Reply(400, error(190, message=f"Malformed access token {TOKEN}")))

    with pytest.raises(CredentialsRejected) as caught:
        house.connect().fetch(None, house.allowance())

    link: BaseException | None = caught.value
    while link is not None:
        assert TOKEN not in f"{link!r} {vars(link)}"
        link = link.__context__


def test_without_a_token_nothing_is_asked(house: House) -> None:
    with pytest.raises(CredentialsRejected, match="no token"):
        house.connect(page_token="").fetch(None, house.allowance())
    assert house.server.log == []


def test_an_allowance_that_is_used_up_costs_no_call(house: House) -> None:
    with pytest.raises(RateLimited) as caught:
        house.connect().fetch(None, replace(house.allowance(), left={"calls": 0}))
    assert caught.value.spent == {"calls": 0}
    assert house.server.log == []


def test_the_doctor_asks_nothing_more_when_facebook_shuts_us_out(house: House) -> None:
    house.server.trouble("reply", times=99, reply=Reply(400, error(80001)))
    connector = house.connect()

    findings = connector.examine(house.allowance())

    assert [finding.level for finding in findings] == [Level.BAD]
    assert connector._graph.calls == 1
