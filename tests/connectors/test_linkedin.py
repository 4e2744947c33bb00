"""The LinkedIn connector against the strict stand-in, unhappy paths first."""

from __future__ import annotations

import json
import traceback
from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from makers import ORGANISATION

from connectors import linkedin
from connectors.errors import (
    ConnectorError,
    CredentialsRejected,
    RateLimited,
    SetupRejected,
    UnexpectedReply,
    Unreachable,
)
from connectors.linkedin import PLATFORM, LinkedInConnector, Settings
from connectors.linkedin.line import next_start
from connectors.linkedin.nouns import plain_text
from connectors.model import Allowance, Author, Batch, Grant, Kind, Level, Mention
from connectors.standins.linkedin import LinkedInStandIn, Token
from connectors.standins.server import Reply, Server
from connectors.standins.world import Post, World
from connectors.testing import check_connector, check_platform

pytestmark = pytest.mark.real

NOW = datetime(2026, 11, 24, 14, 2, tzinfo=UTC)
MIDNIGHT = datetime(2026, 11, 25, tzinfo=UTC)
TOKEN = "AQX-canary-token"
ERRORS = json.loads((Path(__file__).parents[1] / "specs" / "error-bodies.json").read_text("utf-8"))["linkedin"]
TOLD = "organizationalEntityNotifications"


@dataclass
class House:
    """LinkedIn with one page, and somebody who listens."""

    server: Server
    linkedin: LinkedInStandIn
    world: World
    cursor: str | None = None
    heard: dict[str, Mention] = field(default_factory=dict)
    gone: set[str] = field(default_factory=set)

    def settings(self, **changes: Any) -> Settings:
        values: dict[str, Any] = {
            "organisation_urn": "urn:li:organization:5005",
            "token": TOKEN,
            "base_url": self.server.url,
            "auth_base_url": self.server.url,
            "daily_calls": 10_000,
            "poll_every": timedelta(seconds=1),
        }
        return Settings(**{**values, **changes})

    def connect(self, **changes: Any) -> LinkedInConnector:
        return linkedin.connect(self.settings(**changes), ORGANISATION)

    def allowance(self, notifications: int = 10, posts: int = 3, comments: int = 25, **changes: Any) -> Allowance:
        left = {"notifications": notifications, "posts": posts, "comments": comments}
        return Allowance(self.world.now(), left, **changes)

    def poll(self, allowance: Allowance | None = None, **changes: Any) -> Batch:
        batch = self.connect(**changes).fetch(self.cursor, allowance or self.allowance())
        self.cursor = batch.cursor
        for mention in batch.mentions:
            self.heard[mention.external_id] = mention
        self.gone |= set(batch.gone)
        return batch

    def drain(self, allowance: Allowance | None = None, **changes: Any) -> list[Batch]:
        batches = [self.poll(allowance, **changes)]
        while batches[-1].more:
            batches.append(self.poll(allowance, **changes))
            assert len(batches) < 100
        return batches

    def later(self, **length: float) -> None:
        self.world.move(timedelta(**length))

    def own_post(self, text: str = "Our new film is out", **changes: Any) -> Post:
        return self.world.say("linkedin", Kind.OWN_POST, text, **changes)

    def comment(self, text: str, under: Post, **changes: Any) -> Post:
        return self.world.say("linkedin", Kind.COMMENT, text, parent=under, **changes)

    def refuse(self, status: int, body: object, path: str = "") -> None:
        self.server.trouble("reply", times=1000, path=path, reply=Reply(status, body))

    def asked(self, path: str) -> int:
        return sum(path in request.raw_path for request in self.server.log)


@pytest.fixture
def house() -> Iterator[House]:
    world = World(lambda: NOW)
    standin = LinkedInStandIn(world, token=TOKEN, member_limit=5000, app_limit=5000)
    with Server(standin) as server:
        yield House(server, standin, world)


def failure(house: House, **changes: Any) -> ConnectorError:
    with pytest.raises(ConnectorError) as caught:
        house.connect(**changes).fetch(house.cursor, house.allowance())
    shown = "".join(traceback.format_exception(caught.value)) + repr(vars(caught.value))
    assert TOKEN not in shown
    return caught.value


# ── refusals ────────────────────────────────────────────────────────────────────────────────────────

CLASSES = {
    "auth": CredentialsRejected,
    "permission": CredentialsRejected,
    "config": SetupRejected,
    "version": SetupRejected,
    "rate": RateLimited,
}


@pytest.mark.parametrize("row", ERRORS, ids=lambda row: f"{row['http']}-{row['body'].get('code')}")
def test_every_refusal_of_the_catalogue_becomes_our_class(house: House, row: dict[str, Any]) -> None:
    house.refuse(row["http"], row["body"])

    error = failure(house)

    assert type(error) is CLASSES[row["class"]]
    assert error.what
    assert error.spent
    assert row["body"]["message"] not in error.what + error.do


@pytest.mark.parametrize(
    ("status", "body", "expected"),
    [
        (401, {"status": 401, "serviceErrorCode": 65602, "code": "EXPIRED_ACCESS_TOKEN"}, CredentialsRejected),
        (401, {"status": 401, "serviceErrorCode": 65604, "code": "EMPTY_ACCESS_TOKEN"}, CredentialsRejected),
        (401, b"", CredentialsRejected),
        (
            403,
            {"status": 403, "message": "ADMIN_ONLY VisibilityReduction for urn:li:organization:5005"},
            SetupRejected,
        ),
        (400, {"status": 400, "code": "VERSION_MISSING", "message": "A version must be present"}, SetupRejected),
        (404, {"status": 404, "code": "NOT_FOUND", "message": "Not found"}, SetupRejected),
        (429, {"status": 429, "message": "Too many requests"}, RateLimited),
        (429, b"<html>slow down</html>", RateLimited),
        (302, b"", Unreachable),
        (500, {"status": 500, "message": "Internal"}, Unreachable),
        (502, b"<html>Bad gateway</html>", Unreachable),
        (503, b"", Unreachable),
        (504, b"upstream", Unreachable),
        (200, b"<html>A login page</html>", Unreachable),
        (200, b"", Unreachable),
        (200, b"[1, 2]", UnexpectedReply),
        (200, b'{"elements": 3}', UnexpectedReply),
        (200, b'{"elements": [', UnexpectedReply),
        (200, b'{"paging": {"start": NaN}, "elements": []}', UnexpectedReply),
        (200, b'{"elements": [' + b"1" * 5000 + b"]}", UnexpectedReply),
        (200, b"[" * 100_000, UnexpectedReply),
        (
            200,
            {"status": 401, "serviceErrorCode": 65600, "message": "Invalid access token"},
            CredentialsRejected,
        ),
    ],
    ids=lambda value: value.__name__ if isinstance(value, type) else None,
)
def test_every_other_failure_becomes_our_class(
    house: House, status: int, body: object, expected: type[ConnectorError]
) -> None:
    house.refuse(status, body)

    assert type(failure(house)) is expected


@pytest.mark.parametrize("how", ["drop", "cut", "html", "empty"])
def test_a_broken_line_is_a_failure_in_our_words_and_the_next_poll_hears_all(house: House, how: str) -> None:
    post = house.own_post()
    house.comment("Shame", post)
    house.server.trouble(how, times=1000, status=200 if how == "empty" else 502)

    assert isinstance(failure(house), Unreachable | UnexpectedReply)

    house.server.calm()
    house.drain()
    assert len(house.heard) == 2


def test_a_daily_limit_is_lifted_at_the_next_midnight_utc(house: House) -> None:
    house.linkedin.member_limit = 0

    error = failure(house)

    assert isinstance(error, RateLimited)
    assert error.retry_at == MIDNIGHT


def test_another_limit_leaves_the_time_to_the_daemon(house: House) -> None:
    house.refuse(429, {"status": 429, "message": "Too many requests"})

    assert failure(house).retry_at is None


def test_a_version_that_has_ended_is_said_in_plain_words(house: House) -> None:
    error = failure(house, api_version="202511")

    assert type(error) is SetupRejected
    assert "202511" in error.what
    assert "api_version" in error.do
    assert len(house.server.log) == 1


def test_without_a_token_nothing_is_asked(house: House) -> None:
    assert isinstance(failure(house, token=""), CredentialsRejected)
    assert not house.server.log


# ── one stream fails, the rest goes on ──────────────────────────────────────────────────────────────


def test_notifications_not_granted_is_a_fault_and_the_rest_goes_on(house: House) -> None:
    house.linkedin.tokens[TOKEN] = Token(frozenset({"r_organization_social", "r_organization_social_feed"}))
    post = house.own_post()
    house.comment("Where is my refund?", post)

    batches = house.drain()

    assert {mention.text for mention in house.heard.values()} == {"Our new film is out", "Where is my refund?"}
    (fault,) = batches[-1].coverage.faults
    assert fault.stream == "notifications"
    assert "rw_organization_admin" in fault.do
    assert batches[-1].coverage.suspect is None


def test_answers_under_comments_are_heard_without_notifications(house: House) -> None:
    house.linkedin.tokens[TOKEN] = Token(frozenset({"r_organization_social", "r_organization_social_feed"}))
    first = house.comment("Lovely", house.own_post())
    house.comment("It is not: they hid it from us", first)

    house.drain()

    assert "It is not: they hid it from us" in {mention.text for mention in house.heard.values()}


def test_comments_not_granted_is_a_fault_and_notifications_are_heard(house: House) -> None:
    house.linkedin.tokens[TOKEN] = Token(frozenset({"rw_organization_admin", "r_organization_social"}))
    house.comment("Shame", house.own_post())

    (batch,) = house.drain()

    assert "Shame" in {mention.text for mention in batch.mentions}
    assert [fault.stream for fault in batch.coverage.faults] == ["comments"]


def test_a_fault_of_one_stream_stays_a_fault_when_no_other_is_due(house: House) -> None:
    house.linkedin.tokens[TOKEN] = Token(frozenset({"r_organization_social", "r_organization_social_feed"}))
    house.own_post()
    house.drain()

    batch = house.poll(house.allowance(posts=0, comments=0))

    assert [fault.stream for fault in batch.coverage.faults] == ["notifications"]


def test_history_is_not_news_when_a_permission_comes_late(house: House) -> None:
    house.world.say("linkedin", Kind.MENTION, "Tessellate UK, long ago", at=NOW - timedelta(days=20))
    house.own_post(at=NOW - timedelta(days=2))
    house.linkedin.tokens[TOKEN] = Token(frozenset({"r_organization_social", "r_organization_social_feed"}))
    house.drain()
    house.later(hours=2)
    house.world.say("linkedin", Kind.MENTION, "Tessellate UK, just now")
    house.later(minutes=1)
    house.linkedin.tokens[TOKEN] = Token()

    batch = house.drain()[0]

    assert [mention.text for mention in batch.mentions if mention.kind is Kind.MENTION] == ["Tessellate UK, just now"]


def test_notifications_out_of_order_put_the_platform_in_doubt_while_posts_are_heard(house: House) -> None:
    house.own_post()
    house.server.trouble("html", times=1000, path=TOLD)

    batch = house.poll()

    assert [mention.kind for mention in batch.mentions] == [Kind.OWN_POST]
    assert batch.coverage.suspect is not None
    assert batch.coverage.heard_until is not None
    assert batch.coverage.heard_until <= NOW


def test_a_stream_at_its_daily_limit_rests_until_midnight_and_the_others_go_on(house: House) -> None:
    house.own_post()
    house.refuse(429, next(row["body"] for row in ERRORS if row["http"] == 429), TOLD)
    house.poll()
    house.later(hours=1)
    post = house.own_post("Another one")

    batch = house.poll()

    assert house.asked(TOLD) == 1
    assert post.id in {mention.external_id for mention in batch.mentions}
    assert [fault.stream for fault in batch.coverage.faults] == ["notifications"]

    house.server.calm()
    house.world.say("linkedin", Kind.MENTION, "Tessellate UK is in the news")
    house.later(hours=9)
    batch = house.poll()
    assert "Tessellate UK is in the news" in {mention.text for mention in batch.mentions}
    assert not batch.coverage.faults


def test_what_a_page_brought_is_kept_when_the_next_page_fails(house: House) -> None:
    post = house.own_post()
    comments = [house.comment(f"Number {n}", post) for n in range(150)]
    house.poll(house.allowance(notifications=1, comments=0))
    house.server.trouble("drop", times=1000)
    failure(house)
    house.server.calm()

    house.drain()

    assert {comment.id for comment in comments} <= set(house.heard)


# ── storms, pages, allowances ───────────────────────────────────────────────────────────────────────


def test_a_storm_that_outruns_every_allowance_is_heard_without_a_loss(house: House) -> None:
    post = house.own_post()
    house.drain()
    expected = set()
    for number in range(350):
        house.later(seconds=1)
        expected.add(house.comment(f"Number {number}", post).id)
    for number in range(12):
        house.poll(house.allowance(notifications=number % 2, posts=0, comments=0))
        house.later(seconds=5)
        expected.add(house.comment(f"Late number {number}", post).id)

    house.drain(house.allowance(notifications=1, posts=1, comments=1))

    assert expected <= set(house.heard)


def test_the_high_water_mark_moves_after_the_last_page_only(house: House) -> None:
    post = house.own_post()
    house.drain()
    house.later(hours=1)
    before = house.world.now()
    for number in range(250):
        house.comment(f"Number {number}", post)
    house.later(seconds=1)

    marks = [batch.coverage.heard_until for batch in house.drain(house.allowance(notifications=1))]

    assert len(marks) == 3
    assert marks[0] == marks[1] == NOW
    assert marks[2] is not None
    assert marks[2] >= before


def test_no_fetch_spends_more_than_its_allowance(house: House) -> None:
    post = house.own_post()
    for number in range(250):
        house.comment(f"Number {number}", post)
    for left in ({"notifications": 1, "posts": 0, "comments": 0}, {"notifications": 0, "posts": 1, "comments": 2}):
        asked = len(house.server.log)
        batch = house.poll(Allowance(NOW, left))
        assert all(batch.spent.get(name, 0) <= most for name, most in left.items())
        assert len(house.server.log) - asked == sum(batch.spent.values())


def test_nothing_is_asked_without_an_allowance(house: House) -> None:
    batch = house.poll(house.allowance(0, 0, 0))

    assert not house.server.log
    assert not batch.more


def test_a_day_on_a_hundred_calls_asks_no_more_and_sleeps_no_longer_than_promised(house: House) -> None:
    settings = house.settings(daily_calls=100, poll_every=None)
    plan = linkedin.plan(settings, ORGANISATION)
    left = {bucket.name: bucket.amount for bucket in plan.buckets}
    for number in range(30):
        house.own_post(f"Post {number}", at=NOW - timedelta(days=number, hours=1))
    connector, cursor, polls = linkedin.connect(settings, ORGANISATION), None, 0
    day = house.world.now().date()
    while house.world.now().date() == day or polls < 30:
        reserved = {b.name: min(b.reserve, left[b.name]) for b in plan.buckets}
        batch = connector.fetch(cursor, Allowance(house.world.now(), reserved))
        cursor, polls = batch.cursor, polls + 1
        for name, calls in batch.spent.items():
            left[name] -= calls
        if polls % 4 == 0:
            house.comment(f"Word {polls}", house.own_post(f"New {polls}"))
        house.later(seconds=plan.calm.total_seconds())

    assert sum(house.linkedin.calls.values()) <= 100
    assert all(amount >= 0 for amount in left.values())
    assert plan.calm <= timedelta(minutes=21)
    assert polls >= 30


def test_a_takeover_that_polls_every_thirty_seconds_does_not_use_up_a_small_day(house: House) -> None:
    settings = house.settings(daily_calls=100, poll_every=None)
    left = {bucket.name: bucket.amount for bucket in linkedin.plan(settings, ORGANISATION).buckets}
    connector, cursor = linkedin.connect(settings, ORGANISATION), None
    house.own_post()
    for _ in range(240):
        batch = connector.fetch(cursor, Allowance(house.world.now(), {n: min(4, m) for n, m in left.items()}, True))
        cursor = batch.cursor
        left = {name: amount - batch.spent.get(name, 0) for name, amount in left.items()}
        house.later(seconds=30)

    assert house.asked("posts") >= 4
    assert house.asked(TOLD) >= 10
    assert min(left.values()) > 0


def test_a_person_who_polls_by_hand_hears_what_is_new_also_on_a_small_day(house: House) -> None:
    for number in range(3):
        post = house.own_post(f"Post {number}")
        house.world.say("linkedin", Kind.MENTION, f"Tessellate UK {number}")
        heard = {mention.text for mention in house.poll(daily_calls=100, poll_every=None).mentions}
        house.later(seconds=5)
        assert heard >= {post.text, f"Tessellate UK {number}"}


def test_an_unchanged_page_costs_one_call_a_stream_and_tells_the_newest_own_post_again(house: House) -> None:
    post = house.own_post()
    house.comment("Hello", post)
    house.drain()
    house.later(minutes=2)

    batch = house.poll()

    assert batch.spent == {"notifications": 1, "posts": 1, "comments": 1}
    assert {m.external_id for m in batch.mentions if m.kind is Kind.OWN_POST} == {post.id}


def test_what_arrives_late_is_heard_all_the_same(house: House) -> None:
    house.drain()
    house.world.say("linkedin", Kind.MENTION, "Tessellate UK, held back", visible_at=NOW + timedelta(hours=3))
    house.later(hours=2)
    house.drain()
    house.later(hours=2)
    house.drain()

    assert [mention.text for mention in house.heard.values()] == ["Tessellate UK, held back"]


def test_a_platform_whose_clock_is_ahead_of_ours_is_heard_at_once(house: House) -> None:
    house.world.say("linkedin", Kind.MENTION, "Tessellate UK, from the future")

    batch = house.poll(Allowance(NOW - timedelta(minutes=20), {"notifications": 1, "posts": 1, "comments": 1}))

    assert [mention.text for mention in batch.mentions] == ["Tessellate UK, from the future"]


def test_sixty_days_of_deafness_leave_a_gap_that_is_named(house: House) -> None:
    house.drain()
    house.later(days=90)

    gap = house.poll().coverage.gap

    assert gap is not None
    assert "60 days" in gap


@pytest.mark.parametrize(
    ("paging", "count", "expected"),
    [
        ({"start": 0, "count": 100, "links": [{"rel": "next", "href": "/rest/x?start=100&count=100"}]}, 100, 100),
        ({"start": 0, "count": 100, "links": [{"rel": "next", "href": "/rest/x?count=100&start=100"}]}, 97, 100),
        ({"start": 0, "count": 100, "links": [{"rel": "next", "href": "?"}]}, 40, 40),
        ({"start": 0, "count": 100, "links": [{"rel": "prev", "href": "/rest/x?start=0"}]}, 12, None),
        ({"start": 0, "count": 100, "links": [], "total": 100}, 100, None),
        ({"start": 0, "count": 100, "links": [], "total": 250}, 90, 90),
        ({"start": 0, "count": 50}, 50, 50),
        ({}, 100, 100),
        ({}, 3, None),
        ({"total": 40}, 0, None),
        ({"links": "no list", "total": "many"}, 5, None),
    ],
)
def test_the_next_page_is_found_in_every_form_of_paging(
    paging: dict[str, Any], count: int, expected: int | None
) -> None:
    assert next_start({"paging": paging, "elements": [{}] * count}, 0) == expected


# ── edits, deletions, wordings ──────────────────────────────────────────────────────────────────────


def test_an_edit_is_a_new_wording_of_the_same_mention(house: House) -> None:
    post = house.own_post()
    comment = house.comment("Nice", post)
    house.drain()
    house.later(minutes=5)
    house.world.edit(comment, "They lied to us")
    house.later(minutes=1)
    house.drain()

    mention = house.heard[comment.id]
    assert (mention.text, mention.edited_at) == ("They lied to us", NOW + timedelta(minutes=5))
    assert mention.posted_at == NOW


def test_an_older_wording_on_a_later_page_does_not_come_back(house: House) -> None:
    post = house.own_post()
    house.drain()
    comment = house.comment("First words", post)
    for number in range(120):
        house.later(seconds=1)
        house.comment(f"Number {number}", post)
    house.world.edit(comment, "Second words")
    house.later(minutes=1)

    house.drain(house.allowance(notifications=1, comments=0))

    assert house.heard[comment.id].text == "Second words"


def test_a_deleted_comment_is_gone_and_stays_gone(house: House) -> None:
    post = house.own_post()
    comment = house.comment("Names a child", post)
    house.drain()
    house.later(minutes=5)
    house.world.delete(comment)
    house.later(minutes=1)

    (batch,) = house.drain()
    again = house.drain()

    assert batch.gone == (comment.id,)
    assert comment.id not in {m.external_id for b in (batch, *again) for m in b.mentions}


def test_a_deletion_met_before_the_comment_itself_wins(house: House) -> None:
    post = house.own_post()
    house.drain()
    comment = house.comment("Names a child", post)
    for number in range(120):
        house.later(seconds=1)
        house.comment(f"Number {number}", post)
    house.world.delete(comment)
    house.later(minutes=1)

    house.drain(house.allowance(notifications=1, comments=0))

    assert comment.id in house.gone
    assert comment.id not in house.heard


def test_the_newest_own_post_deleted_is_gone_without_doubt(house: House) -> None:
    house.own_post("Stays", at=NOW - timedelta(hours=1))
    post = house.own_post("A mistake")
    house.drain()
    house.world.delete(post)
    house.later(minutes=1)

    batch = house.poll()

    assert batch.gone == (post.id,)
    assert batch.coverage.suspect is None


def test_an_edited_own_post_is_told_with_its_new_words(house: House) -> None:
    post = house.own_post("Frist words")
    house.drain()
    house.later(hours=30)
    house.world.edit(post, "First words")
    house.later(minutes=1)
    house.drain()

    assert house.heard[post.id].text == "First words"
    assert house.heard[post.id].edited_at == NOW + timedelta(hours=30)


# ── what is heard ───────────────────────────────────────────────────────────────────────────────────


def test_mentions_comments_answers_and_own_posts_come_with_links_and_figures(house: House) -> None:
    post = house.own_post("Our new film")
    comment = house.comment("Where can I see it?", post, likes=3, author=Author(id="urn:li:person:abc"))
    answer = house.world.say("linkedin", Kind.OWN_POST, "Here", parent=comment)
    tag = house.world.say("linkedin", Kind.MENTION, "Thank you, Tessellate UK!")
    house.drain()
    house.later(minutes=2)
    house.drain()

    question = house.heard[comment.id]
    assert (question.kind, question.likes, question.replies) == (Kind.COMMENT, 3, 1)
    assert question.author == Author(id="urn:li:person:abc")
    assert question.parent == post.id
    assert question.thread == LinkedInStandIn.activity(post.id) == house.heard[post.id].thread
    assert question.url.startswith(f"https://www.linkedin.com/feed/update/{question.thread}?commentUrn=urn%3Ali%3A")
    assert (house.heard[answer.id].kind, house.heard[answer.id].parent) == (Kind.OWN_POST, comment.id)
    assert house.heard[tag.id].kind is Kind.MENTION
    assert house.heard[tag.id].posted_at == NOW
    assert house.heard[post.id].replies == 1


def test_a_post_passed_on_with_words_is_addressed_to_us_by_its_place(house: House) -> None:
    post = house.own_post()
    shared = house.world.say("linkedin", Kind.TAG, "Read this nonsense", parent=post, passed_on=True)
    silent = house.world.say("linkedin", Kind.TAG, "", parent=post, passed_on=True)
    house.drain()

    assert house.heard[shared.id].kind is Kind.TAG
    assert silent.id not in house.heard


def test_text_that_a_notification_lacks_is_looked_up(house: House) -> None:
    house.linkedin.decorated = False
    post = house.own_post()
    comments = [house.comment(f"Number {n}", post) for n in range(5)]
    house.drain()

    assert [house.heard[c.id].text for c in comments] == [f"Number {n}" for n in range(5)]
    assert house.asked("socialActions") <= 3


def test_text_that_cannot_be_paid_for_yet_is_told_as_a_link_and_looked_up_later(house: House) -> None:
    house.linkedin.decorated = False
    comment = house.comment("Shame on you", house.own_post())
    first = house.poll(house.allowance(comments=0))
    told = [(m.external_id, m.text) for m in first.mentions if m.kind is Kind.COMMENT]
    house.later(minutes=1)

    second = house.poll()
    house.later(minutes=1)
    third = house.poll()

    assert told == [(comment.id, None)]
    assert [m.text for m in second.mentions if m.external_id == comment.id] == ["Shame on you"]
    assert None not in [m.text for m in third.mentions]


def test_a_members_post_that_we_may_not_read_is_told_as_a_link(house: House) -> None:
    house.linkedin.decorated = False
    house.world.say("linkedin", Kind.MENTION, "Tessellate UK did wrong")

    batches = house.drain()

    ((mention,),) = [batch.mentions for batch in batches]
    assert (mention.kind, mention.text) == (Kind.TAG, None)
    assert mention.url == f"https://www.linkedin.com/feed/update/{mention.external_id}"
    assert not batches[-1].coverage.faults


def test_a_comment_has_one_name_by_whatever_way_it_is_heard(house: House) -> None:
    comment = house.comment("Hello", house.own_post())
    names = set()
    for version, long in (("202601", True), ("202609", False)):
        house.linkedin.long_urns = long
        for streams in (
            {"notifications": 5, "posts": 0, "comments": 0},
            {"notifications": 0, "posts": 3, "comments": 5},
        ):
            batch = house.connect(api_version=version).fetch(None, Allowance(NOW, streams))
            names |= {m.external_id for m in batch.mentions if m.kind is Kind.COMMENT}

    assert names == {comment.id}


@pytest.mark.parametrize(
    ("little", "plain"),
    [
        (r"Thank you @[Tessellate UK](urn:li:organization:5005)\!", r"Thank you @Tessellate UK\!"),
        (r"{hashtag|\#|TrustTalk} on Friday", "#TrustTalk on Friday"),
        (r"\(free\) \[new\] 5 \< 6 \*now\* a\_b \\ c", r"(free) [new] 5 < 6 *now* a_b \ c"),
        ("Nothing special", "Nothing special"),
        (r"A lone \ and @[half", r"A lone \ and @[half"),
    ],
)
def test_little_text_is_read_as_people_see_it(little: str, plain: str) -> None:
    assert plain_text(little, escaped=True) == plain


def test_one_damaged_entry_does_not_drop_its_page(house: House) -> None:
    good = {
        "notificationId": 7,
        "organizationalEntity": "urn:li:organization:5005",
        "action": "COMMENT",
        "sourcePost": "urn:li:activity:1",
        "generatedActivity": "urn:li:comment:(activity:1,2)",
        "decoratedGeneratedActivity": {
            "comment": {"entity": "urn:li:comment:(urn:li:activity:1,2)", "text": "Hi\x00!"}
        },
        "lastModifiedAt": int(NOW.timestamp() * 1000) - 1000,
    }
    secret_words = "words that must not be kept"
    bad = [
        None,
        7,
        {},
        {**good, "notificationId": 8, "lastModifiedAt": "yesterday"},
        {**good, "notificationId": 9, "lastModifiedAt": 1e300},
        {**good, "notificationId": 10, "action": "WAVE", "decoratedGeneratedActivity": {"wave": secret_words}},
        {**good, "notificationId": 11, "generatedActivity": 3, "decoratedGeneratedActivity": None},
        {**good, "notificationId": 12, "sourcePost": "javascript:alert(1)"},
    ]
    house.refuse(200, {"elements": [*bad, good], "paging": {"start": 0, "count": 100}}, TOLD)

    batch = house.poll(house.allowance(posts=0, comments=0))

    assert [(m.external_id, m.text) for m in batch.mentions] == [("urn:li:comment:(urn:li:activity:1,2)", "Hi!")]
    assert batch.dropped == len(bad)
    assert batch.shapes
    assert secret_words not in repr(batch)


def test_a_lone_surrogate_and_a_huge_text_are_cleaned(house: House) -> None:
    post = house.own_post("long " * 20_000)
    body = b'{"elements": [{"notificationId": 1, "action": "SHARE_MENTION", "sourcePost": "urn:li:activity:5", '
    body += b'"decoratedGeneratedActivity": {"share": {"entity": "urn:li:share:4", "text": "a\\ud800b"}}, '
    body += b'"lastModifiedAt": %d}], "paging": {}}' % (NOW.timestamp() * 1000)
    house.refuse(200, body, TOLD)

    house.poll()

    assert house.heard["urn:li:share:4"].text == "ab"
    assert len(house.heard[post.id].text or "") <= 20_000


# ── is quiet quiet? ─────────────────────────────────────────────────────────────────────────────────


def test_an_empty_list_of_own_posts_is_suspect_when_one_is_known(house: House) -> None:
    house.own_post()
    house.drain()
    house.linkedin.blind = {"posts"}
    house.later(minutes=1)

    assert house.poll().coverage.suspect is not None

    house.linkedin.blind = set()
    house.later(minutes=1)
    assert house.poll().coverage.suspect is None


def test_notifications_that_fall_silent_while_comments_stand_are_suspect(house: House) -> None:
    house.own_post()
    house.drain()
    house.linkedin.blind = {TOLD}
    house.later(hours=20)
    house.comment("Nobody hears me", house.own_post("Another"))
    house.later(hours=5)
    batches = house.drain()
    house.later(hours=1)
    batches += house.drain()

    assert "Nobody hears me" in {mention.text for mention in house.heard.values()}
    assert batches[-1].coverage.suspect is not None


def test_comments_that_are_counted_but_not_shown_are_suspect(house: House) -> None:
    post = house.own_post()
    for number in range(3):
        house.comment(f"Number {number}", post)
    house.drain()
    house.refuse(200, {"elements": [], "paging": {"start": 0, "count": 100, "total": 3}}, "/comments")
    house.later(minutes=2)

    assert house.poll().coverage.suspect is not None


def test_a_quiet_page_is_not_suspect(house: House) -> None:
    house.own_post()
    house.drain()
    for _ in range(5):
        house.later(hours=20)
        batch = house.drain()[-1]

    assert batch.coverage.suspect is None
    assert batch.coverage.faults == ()
    assert batch.coverage.heard_until == house.world.now()


# ── how it is asked ─────────────────────────────────────────────────────────────────────────────────


def test_questions_are_encoded_as_rest_li_wants_them(house: House) -> None:
    comment = house.comment("Hello", house.own_post())
    house.comment("Hello back", comment)
    house.drain()

    by_path: dict[str, str] = {request.raw_path: request.raw_query for request in house.server.log}
    query = by_path[f"/rest/{TOLD}"]
    assert query.startswith(
        "q=criteria&organizationalEntity=urn%3Ali%3Aorganization%3A5005&actions=List(SHARE_MENTION,"
    )
    assert "&timeRange=(start:" in query
    assert by_path["/rest/posts"].startswith("q=author&author=urn%3Ali%3Aorganization%3A5005&")
    assert any("comments" in path and "%3Acomment%3A%28urn%3A" in path for path in by_path)
    for request in house.server.log:
        assert request.headers["linkedin-version"] == "202609"
        assert request.headers["x-restli-protocol-version"] == "2.0.0"
        assert request.headers["authorization"] == f"Bearer {TOKEN}"
        assert request.headers.get("x-restli-method") == ("FINDER" if "q=" in request.raw_query else None)
        assert TOKEN not in request.raw_path + request.raw_query


def test_a_finder_without_time_range_is_asked_without_and_remembered(house: House) -> None:
    body = {"status": 400, "code": "QUERY_PARAM_NOT_ALLOWED", "message": "Unpermitted fields: timeRange"}
    house.server.trouble("reply", times=1, path=TOLD, reply=Reply(400, body))
    house.world.say("linkedin", Kind.MENTION, "Tessellate UK again")

    house.drain()
    house.later(minutes=1)
    house.drain()

    assert [m.text for m in house.heard.values()] == ["Tessellate UK again"]
    queries = [request.raw_query for request in house.server.log if TOLD in request.raw_path]
    assert ["timeRange" in query for query in queries] == [True, False, False]


def test_a_prefix_in_base_url_is_kept() -> None:
    world = World(lambda: NOW)
    standin = LinkedInStandIn(world, token=TOKEN)
    with Server({"/gateway/linkedin": standin}) as server:
        house = House(server, standin, world)
        house.own_post()
        batch = house.poll(base_url=f"{server.url}/gateway/linkedin/")

    assert len(batch.mentions) == 1


# ── the contract ────────────────────────────────────────────────────────────────────────────────────


def test_the_connector_keeps_the_contract(house: House) -> None:
    post = house.own_post()
    for number in range(230):
        house.comment(f"Number {number}", post)
    house.world.say("linkedin", Kind.MENTION, "Tessellate UK")

    checked = check_connector(
        house.connect,
        allowance=house.allowance(notifications=1, posts=2, comments=4),
        unreachable=lambda: house.connect(base_url="http://127.0.0.1:9"),
        refused=lambda: house.connect(token="another-token"),
        secrets=(TOKEN,),
    )

    assert len(checked.mentions) == 232


def test_the_platform_keeps_the_contract_and_its_calls_add_up(house: House) -> None:
    for calls in (10, 100, 500, 1000, 100_000):
        plan = check_platform(PLATFORM, house.settings(daily_calls=calls), ORGANISATION)
        assert sum(bucket.amount for bucket in plan.buckets) == calls
        notifications = next(bucket for bucket in plan.buckets if bucket.name == "notifications")
        assert timedelta(days=1) / plan.calm <= notifications.amount
        assert plan.lag


@pytest.mark.parametrize(
    "cursor",
    [
        '{"v":1}',
        '{"v":1,"begun":"x"}',
        "[" * 50_000,
        '{"v":1,"begun":1e999,"settled":true}',
    ],
)
def test_a_damaged_cursor_begins_anew(house: House, cursor: str) -> None:
    post = house.own_post()
    house.cursor = cursor

    assert post.id in {mention.external_id for mention in house.poll().mentions}


def test_a_cursor_with_a_single_wrong_value_begins_anew(house: House) -> None:
    post = house.own_post()
    house.comment("Hello", post)
    house.drain()
    good = json.loads(house.cursor or "")
    for name in good:
        for wrong in ([["x", -1]], {"a": [None]}):
            batch = house.connect().fetch(json.dumps({**good, name: wrong}), house.allowance())
            assert batch.cursor


def test_the_cursor_stays_small_in_a_storm(house: House) -> None:
    house.linkedin.decorated = False
    posts = [house.own_post(f"Post {n}") for n in range(30)]
    for number in range(1500):
        comment = house.comment(f"Number {number}", posts[number % 30])
        if number % 3 == 0:
            house.world.edit(comment, "Other words")

    sizes = [len(batch.cursor or "") for batch in house.drain()]

    assert max(sizes) < 60_000


@pytest.mark.parametrize(
    ("changes", "word"),
    [
        ({"organisation_urn": "tessellate-uk"}, "organisation_urn"),
        ({"organisation_urn": "urn:li:person:1"}, "organisation_urn"),
        ({"api_version": "v26.0"}, "api_version"),
        ({"daily_calls": 3}, "daily_calls"),
        ({"token": "two words"}, "token"),
        ({"base_url": "api.linkedin.com"}, "base_url"),
    ],
)
def test_a_setting_that_cannot_be_used_is_named(changes: dict[str, Any], word: str) -> None:
    with pytest.raises(ValueError, match=word) as caught:
        Settings(**{"organisation_urn": "5005", **changes})
    assert "two words" not in str(caught.value)


def test_secrets_do_not_show() -> None:
    settings = Settings("5005", token="s3cret-a", client_secret="s3cret-b", refresh_token="s3cret-c")

    assert "s3cret" not in repr(settings)
    assert settings.organisation_urn == "urn:li:organization:5005"


# ── looking again ───────────────────────────────────────────────────────────────────────────────────


def test_a_recheck_tells_edits_and_deletions_and_leaves_open_what_it_may_not_see(house: House) -> None:
    post = house.own_post()
    kept, edited, deleted = (house.comment(word, post) for word in ("kept", "edited", "deleted"))
    tag = house.world.say("linkedin", Kind.MENTION, "Tessellate UK")
    old = house.own_post("old")
    house.world.edit(edited, "edited again")
    house.world.delete(deleted)
    house.world.delete(old)
    ids = (kept.id, edited.id, deleted.id, tag.id, old.id, post.id)

    batch = house.connect().recheck(ids, house.allowance())

    assert {m.external_id: m.text for m in batch.mentions} == {
        kept.id: "kept",
        edited.id: "edited again",
        post.id: "Our new film is out",
    }
    assert set(batch.gone) == {deleted.id, old.id}
    assert batch.spent == {"comments": 2, "posts": 3}


def test_a_recheck_stays_within_its_allowance_and_leaves_the_rest_open(house: House) -> None:
    posts = [house.own_post(f"Post {n}") for n in range(4)]
    ids = tuple(house.comment(f"Under {post.id}", post).id for post in posts)

    batch = house.connect().recheck(ids, house.allowance(comments=2))

    assert batch.spent == {"comments": 2}
    assert len(batch.mentions) == 2
    assert not batch.gone


def test_a_recheck_that_hears_nothing_says_so(house: House) -> None:
    comment = house.comment("Hello", house.own_post())
    house.refuse(503, b"")

    with pytest.raises(Unreachable):
        house.connect().recheck((comment.id,), house.allowance())


# ── set-up and tokens ───────────────────────────────────────────────────────────────────────────────

APP = {"client_id": "linkedin-app", "client_secret": "linkedin-secret"}


def test_the_doctor_hears_when_the_token_ends_and_what_is_served(house: House) -> None:
    ends = NOW + timedelta(days=11)
    house.linkedin.tokens[TOKEN] = Token(expires_at=ends)
    house.comment("Hello", house.own_post())

    findings = house.connect(**APP).examine(house.allowance())

    assert [finding.expires_at for finding in findings if finding.expires_at] == [ends]
    assert {finding.level for finding in findings} == {Level.GOOD, Level.NOTE}
    assert any("202609" in finding.what for finding in findings)
    assert any("24 November 2026" in finding.what for finding in findings)


def test_the_doctor_names_the_permission_that_is_missing(house: House) -> None:
    house.linkedin.tokens[TOKEN] = Token(frozenset({"r_organization_social"}))

    bad = [f for f in house.connect(**APP).examine(house.allowance()) if f.level is Level.BAD]

    assert any("rw_organization_admin" in finding.what for finding in bad)
    assert any("r_organization_social_feed" in finding.what for finding in bad)


def test_the_doctor_says_that_a_token_is_dead_and_goes_on(house: House) -> None:
    house.linkedin.tokens[TOKEN] = Token(revoked=True)

    bad = [f for f in house.connect(**APP).examine(house.allowance()) if f.level is Level.BAD]

    assert len(bad) == 2


def test_the_doctor_says_what_it_cannot_know_without_the_apps_secret(house: House) -> None:
    findings = house.connect().examine(house.allowance())

    assert any(f.level is Level.NOTE and "client_secret" in f.what for f in findings)
    assert not house.asked("oauth")


def test_a_wrong_app_secret_is_named_and_shows_nowhere(house: House) -> None:
    findings = house.connect(client_id="linkedin-app", client_secret="wr0ng-secret").examine(house.allowance())

    assert any(f.level is Level.BAD and "client_id" in f.do for f in findings)
    assert "wr0ng-secret" not in repr(findings)


def test_a_token_is_renewed_with_the_refresh_token(house: House) -> None:
    settings = house.settings(**APP, refresh_token="linkedin-refresh")

    grant = linkedin.refresh(settings, Grant(TOKEN))

    assert grant.token != TOKEN
    assert grant.refresh_token == "linkedin-refresh"
    assert grant.expires_at is not None
    assert house.connect(token=grant.token).fetch(None, house.allowance()).spent
    assert all("linkedin-refresh" not in request.raw_query for request in house.server.log)


def test_a_new_token_that_is_called_revoked_at_first_works_a_minute_later(house: House) -> None:
    house.linkedin.fresh_for = timedelta(seconds=30)
    house.linkedin.tokens[TOKEN] = Token(issued_at=NOW)

    error = failure(house)
    house.later(minutes=1)

    assert isinstance(error, CredentialsRejected)
    assert "minute" in error.do
    assert house.poll().spent


@pytest.mark.parametrize(
    ("changes", "expected"),
    [
        ({}, CredentialsRejected),
        ({**APP, "refresh_token": "an-old-one"}, CredentialsRejected),
        ({"client_id": "another", "client_secret": "s3cret", "refresh_token": "linkedin-refresh"}, SetupRejected),
        ({**APP, "refresh_token": "linkedin-refresh", "auth_base_url": "http://127.0.0.1:9"}, Unreachable),
    ],
    ids=["nothing to renew with", "refresh token ended", "unknown app", "not reached"],
)
def test_a_token_that_cannot_be_renewed_is_said_in_our_words(
    house: House, changes: dict[str, Any], expected: type[ConnectorError]
) -> None:
    with pytest.raises(ConnectorError) as caught:
        linkedin.refresh(house.settings(**changes), Grant(TOKEN))

    assert type(caught.value) is expected
    shown = "".join(traceback.format_exception(caught.value))
    assert all(word not in shown for word in ("an-old-one", "s3cret", "linkedin-refresh", TOKEN))
