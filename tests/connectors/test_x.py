"""The X connector, over HTTP against the shipped stand-in: what it hears, what it pays, and what goes wrong."""

from __future__ import annotations

import json
import logging
import random
from collections.abc import Iterator
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import Any

import pytest
from makers import ORGANISATION

from connectors.errors import (
    ConnectorError,
    CredentialsRejected,
    RateLimited,
    SetupRejected,
    UnexpectedReply,
    Unreachable,
)
from connectors.model import Allowance, Author, Batch, Kind, Level, Mention, Money
from connectors.standins.server import Reply, Server
from connectors.standins.world import Post, World
from connectors.standins.x import XStandIn, snowflake
from connectors.testing import check_connector, check_platform
from connectors.x import PLATFORM, Settings, XConnector, budget_of, connect, search_query
from connectors.x.poll import reserve_of
from connectors.x.posts import read_post

pytestmark = pytest.mark.real

NOW = datetime(2026, 11, 24, 14, 2, tzinfo=UTC)
TOKEN = "AAAA-t0p-s3cret-t0ken"  # invented
USER = "2244990001"
DOLLAR = 1_000_000
SAM = Author(name="Sam Example", handle="sam_example", id="777")


@dataclass
class House:
    """A stand-in behind a server, and a daemon's ledger: reserve, fetch, settle."""

    world: World
    standin: XStandIn
    server: Server
    settings: Settings
    cursor: str | None = None
    spent: int = 0

    def connector(self, **changes: Any) -> XConnector:
        return connect(replace(self.settings, **changes), ORGANISATION)

    def allowance(self, money: int = 10 * DOLLAR, **changes: Any) -> Allowance:
        return Allowance(self.world.now(), {"money": money}, **changes)

    def fetch(self, money: int = 10 * DOLLAR) -> Batch:
        """One fetch that may spend ``money``; the cursor is kept."""
        batch = self.connector().fetch(self.cursor, self.allowance(money))
        self.cursor = batch.cursor
        return batch

    def hear(self, money: int = 10 * DOLLAR) -> dict[str, Mention]:
        """Fetch until nothing more waits."""
        heard: dict[str, Mention] = {}
        for _ in range(200):
            batch = self.fetch(money)
            heard |= {m.external_id: m for m in batch.mentions}
            if not batch.more:
                return heard
        raise AssertionError("there is always more")

    def paid_fetch(self, budget: int) -> Batch | ConnectorError:
        """As the daemon does it: what is reserved counts as spent until it is settled."""
        money = max(0, min(reserve_of(budget), budget - self.spent))
        self.spent += money
        try:
            batch = self.connector().fetch(self.cursor, self.allowance(money))
        except ConnectorError as error:
            self.spent += (error.spent["money"] if error.spent is not None else money) - money
            return error
        self.spent += batch.spent["money"] - money
        self.cursor = batch.cursor
        return batch

    def say(self, text: str, kind: str = "mention", **extra: Any) -> Post:
        return self.world.say("x", kind, text, author=None if kind == "own_post" else SAM, **extra)


@pytest.fixture
def house() -> Iterator[House]:
    world = World(lambda: NOW)
    standin = XStandIn(world, bearer_token=TOKEN, user_id=USER)
    with Server(standin) as server:
        settings = Settings(bearer_token=TOKEN, user_id=USER, base_url=server.url)
        yield House(world, standin, server, settings)


def error_of(house: House, money: int = 10 * DOLLAR) -> ConnectorError:
    with pytest.raises(ConnectorError) as caught:
        house.connector().fetch(house.cursor, house.allowance(money))
    return caught.value


# ── settings and the search ─────────────────────────────────────────────────────────────────────────


@pytest.mark.parametrize(
    ("changes", "names"),
    [
        ({"bearer_token": ""}, "bearer_token"),
        ({"bearer_token": "two words"}, "bearer_token"),
        ({"bearer_token": "line\nbreak"}, "bearer_token"),
        ({"base_url": "api.x.com"}, "base_url"),
        ({"base_url": "https://api.x.com?key=1"}, "base_url"),
        ({"user_id": "TessellateUK"}, "user_id"),
        ({"terms": (" ",)}, "terms"),
        ({"terms": ("Tessellate UK", "x" * 510)}, "terms"),
        ({"monthly_budget": Money(Decimal(20), "EUR")}, "monthly_budget"),
        ({"monthly_budget": Money(Decimal("0.05"), "USD")}, "monthly_budget"),
        ({"usd_per_gbp": 0.0}, "usd_per_gbp"),
    ],
)
def test_a_setting_that_cannot_work_is_refused_by_name_and_without_the_token(
    changes: dict[str, Any], names: str
) -> None:
    with pytest.raises(ValueError, match=names) as caught:
        Settings(**{"bearer_token": TOKEN, **changes})

    assert TOKEN not in str(caught.value)
    assert "two words" not in str(caught.value)


def test_the_token_is_absent_from_repr() -> None:
    settings = Settings(bearer_token=TOKEN)

    assert TOKEN not in repr(settings)
    assert TOKEN not in repr(connect(settings, ORGANISATION))


def test_pounds_are_turned_into_dollars_at_a_rate_that_never_overspends() -> None:
    pounds = Settings(bearer_token=TOKEN, monthly_budget=Money(Decimal("20"), "GBP"))

    assert budget_of(pounds) == 21 * DOLLAR


def test_the_search_names_us_leaves_ourselves_out_and_skips_short_aliases_and_people() -> None:
    query, left_out = search_query(Settings(bearer_token=TOKEN), ORGANISATION)

    assert query == (
        '("Tessellate UK" OR "TessellateUK" OR "Tessellate-UK" OR url:"tessellateuk.example" OR #TrustTalk) '
        "-from:TessellateUK -@TessellateUK -is:retweet"
    )
    assert left_out == ()


@pytest.mark.parametrize(
    ("terms", "code"),
    [
        (("from:somebody",), "query-aims-at-person"),
        (("Tessellate UK", "@somebody"), "query-aims-at-person"),
        (('"Tessellate UK" OR to:somebody',), "query-aims-at-person"),
        (('"Tessellate UK" list:12',), "query-aims-at-person"),
        (("youth centre", "#knifecrime"), "query-not-about-us"),
        (('-"Tessellate UK" scandal',), "query-not-about-us"),
        (("Tessellate UK", "x" * 480), "query-too-long"),
    ],
)
def test_a_search_that_aims_at_persons_or_is_not_about_us_or_too_long_is_refused_at_the_start(
    terms: tuple[str, ...], code: str
) -> None:
    with pytest.raises(SetupRejected) as caught:
        connect(Settings(bearer_token=TOKEN, terms=terms), ORGANISATION)

    assert caught.value.code == code
    assert caught.value.do


def test_own_terms_may_use_the_operators_of_x() -> None:
    terms = ('("Tessellate UK" OR #TrustTalk) lang:en', "to:TessellateUK", "Tessellate charity")

    query, _ = search_query(Settings(bearer_token=TOKEN, terms=terms), ORGANISATION)

    assert query.startswith('((("Tessellate UK" OR #TrustTalk) lang:en) OR to:TessellateUK OR "Tessellate charity")')


def test_names_that_do_not_fit_are_left_out_and_said_in_the_coverage_and_by_the_doctor(house: House) -> None:
    many = replace(ORGANISATION, aliases=tuple(f"Tessellate Branch Number {n}" for n in range(40)))
    connector = connect(house.settings, many)

    batch = connector.fetch(None, house.allowance())
    findings = connector.examine(house.allowance())

    assert len(search_query(house.settings, many)[0]) <= 512
    assert "do not fit" in batch.coverage.faults[0].what
    assert any(f.level is Level.BAD and "Number 39" in f.what for f in findings)


# ── the contract ────────────────────────────────────────────────────────────────────────────────────


def test_the_connector_keeps_the_contract(house: House) -> None:
    own = house.say("We open at 9 & close at 5", "own_post")
    house.say("@TessellateUK thank you", likes=3)
    house.say("I read about Tessellate UK today")
    house.say("A reply", "comment", parent=own)
    for number in range(30):
        house.say(f"Tessellate UK again {number}")
    hidden = replace(house.settings, bearer_token="another-s3cret")

    checked = check_connector(
        lambda: connect(house.settings, ORGANISATION),
        allowance=house.allowance(DOLLAR // 10),
        unreachable=lambda: house.connector(base_url="http://127.0.0.1:9"),
        refused=lambda: connect(hidden, ORGANISATION),
        secrets=(TOKEN, "another-s3cret"),
    )

    assert len(checked.mentions) == 34
    assert len(checked.batches) > 1


def test_the_platform_keeps_the_contract_and_its_plan_says_what_it_costs() -> None:
    plan = check_platform(PLATFORM, Settings(bearer_token=TOKEN), ORGANISATION)

    assert plan.calm == timedelta(seconds=30)
    assert plan.buckets[0].amount == 20 * DOLLAR
    assert "20 USD" in plan.cost
    assert "seconds" in plan.lag


# ── what is heard ───────────────────────────────────────────────────────────────────────────────────


def test_mentions_hits_replies_and_own_posts_are_told_apart(house: House) -> None:
    own = house.say("Our new film about #TrustTalk", "own_post", likes=7, shares=2)
    reply = house.say("Shame on you", "comment", parent=own)
    answer = house.say("We are sorry, please write to us", "own_post", parent=reply)
    mention = house.say("Well done @TessellateUK")
    hit = house.say("Is the Tessellate UK place open?")
    house.say("Nothing to do with anybody")

    heard = house.hear()

    assert {m.external_id: m.kind for m in heard.values()} == {
        own.id: Kind.OWN_POST,
        reply.id: Kind.COMMENT,
        answer.id: Kind.OWN_POST,
        mention.id: Kind.MENTION,
        hit.id: Kind.MENTION,
    }
    assert heard[own.id].parent is None
    assert heard[answer.id].parent == reply.id
    assert heard[reply.id].parent == heard[reply.id].thread == own.id
    assert (heard[own.id].likes, heard[own.id].shares, heard[own.id].replies) == (7, 2, 2)
    assert heard[hit.id].url == f"https://x.com/i/web/status/{hit.id}"
    assert heard[hit.id].posted_at == NOW
    assert heard[hit.id].author == Author(id="777")
    assert heard[hit.id].lang == "en"


def test_the_whole_of_a_long_post_is_read_links_are_opened_and_entities_undone(house: House) -> None:
    long = house.say("Tessellate UK " + "and on " * 60 + "<the end> & https://tessellateuk.example/film?a=1&b=2")
    short = house.say("Look: https://tessellateuk.example/now")

    heard = house.hear()

    assert heard[long.id].text == long.text
    assert heard[short.id].text == short.text


def test_an_edit_keeps_its_identity_and_brings_the_new_wording(house: House) -> None:
    post = house.say("Tessellate UK is fine")
    house.hear()
    house.world.move(timedelta(minutes=20))
    house.world.edit(post, "Tessellate UK harmed a child")

    heard = house.hear()

    assert heard[post.id].text == "Tessellate UK harmed a child"
    assert heard[post.id].posted_at == NOW
    assert heard[post.id].edited_at == NOW + timedelta(minutes=20)


def test_a_post_that_turns_up_late_below_the_newest_is_heard(house: House) -> None:
    late = house.say("Tessellate UK, late", visible_at=NOW + timedelta(seconds=40))
    house.world.move(timedelta(seconds=15))
    house.say("Tessellate UK, at once")
    house.hear()
    house.world.move(timedelta(seconds=60))

    assert late.id in house.hear()


def test_a_quiet_poll_costs_nothing_and_asks_from_the_mark_on(house: House) -> None:
    house.say("Tessellate UK")
    house.hear()
    house.world.move(timedelta(minutes=11))
    house.hear()

    batch = house.fetch()

    assert batch.mentions == ()
    assert batch.spent == {"money": 0}
    assert house.server.log[-2].one("since_id")
    assert not house.server.log[-2].one("start_time")


def test_only_the_legacy_vocabulary_is_sent_and_no_user_is_expanded(house: House) -> None:
    house.standin.strict_fields = True
    house.say("Tessellate UK")

    house.hear()

    assert {name for r in house.server.log for name in r.query} <= {
        "query", "max_results", "sort_order", "start_time", "since_id", "tweet.fields", "next_token", "pagination_token",
    }  # fmt: skip


def test_a_storm_is_continued_across_small_allowances_without_a_loss(house: House) -> None:
    house.hear()
    posts = [house.say(f"Tessellate UK storm {n}", at=NOW + timedelta(seconds=n)) for n in range(150)]
    named = [house.say(f"@TessellateUK storm {n}", at=NOW + timedelta(seconds=n)) for n in range(60)]
    house.world.move(timedelta(minutes=5))

    heard = house.hear(money=100_000)

    assert {p.id for p in posts + named} <= set(heard)


def test_the_mark_moves_only_after_the_last_page(house: House) -> None:
    posts = [house.say(f"Tessellate UK {n}", at=NOW + timedelta(seconds=n)) for n in range(90)]
    house.world.move(timedelta(minutes=5))
    first = house.fetch(money=100_000)
    assert first.more

    later = house.say("Tessellate UK, said meanwhile")
    heard = {m.external_id for m in first.mentions} | set(house.hear(money=100_000))
    heard |= set(house.hear())

    assert {p.id for p in (*posts, later)} <= heard


def test_pages_that_are_shorter_than_asked_are_followed_to_the_end(house: House) -> None:
    house.standin.page_cap = 3
    posts = [house.say(f"Tessellate UK {n}") for n in range(40)]

    assert {p.id for p in posts} <= set(house.hear())


def test_after_more_than_a_week_of_silence_the_hole_is_named_and_the_rest_is_heard(house: House) -> None:
    house.say("Tessellate UK")
    house.hear()
    house.world.move(timedelta(days=9))
    post = house.say("Tessellate UK is back")

    batch = house.fetch()

    assert post.id in {m.external_id for m in batch.mentions}
    assert batch.coverage.gap is not None
    assert "24 November 2026" in batch.coverage.gap


def test_a_quiet_week_is_no_hole(house: House) -> None:
    house.say("Tessellate UK")
    house.hear()
    for _ in range(9):
        house.world.move(timedelta(days=1))
        batch = house.fetch()

    assert batch.coverage.gap is None


def test_a_mark_that_x_calls_too_old_is_replaced_by_a_time(house: House) -> None:
    stale = house.standin
    house.say("Tessellate UK")
    house.hear()
    house.world.move(timedelta(days=6, hours=22))
    post = house.say("Tessellate UK again")
    refusal = {
        "errors": [{"parameters": {"since_id": ["1"]}, "message": "'since_id' must be a tweet id created after ..."}],
        "title": "Invalid Request",
        "type": "https://api.x.com/2/problems/invalid-request",
    }
    house.server.trouble("reply", path="search/recent", reply=Reply(400, refusal))

    heard = house.hear()

    assert post.id in heard
    assert stale.bill.posts


def test_a_page_token_that_is_refused_begins_the_sweep_again(house: House) -> None:
    posts = [house.say(f"Tessellate UK {n}") for n in range(80)]
    first = house.fetch(money=100_000)
    place = json.loads(str(first.cursor))
    place["streams"]["search"]["token"] = "mzxw6ytboi"
    house.cursor = json.dumps(place)

    heard = {m.external_id for m in first.mentions} | set(house.hear())

    assert {p.id for p in posts} <= heard


def test_a_changed_search_does_not_send_the_token_of_the_old_one(house: House) -> None:
    for number in range(80):
        house.say(f"Tessellate UK {number}")
    house.fetch(money=100_000)
    house.settings = replace(house.settings, terms=("Tessellate UK",))
    house.server.log.clear()

    house.fetch(money=100_000)

    asked = next(r for r in house.server.log if "search" in r.path)
    assert "next_token" not in asked.query


def test_the_number_of_our_account_is_looked_up_once(house: House) -> None:
    house.settings = replace(house.settings, user_id="")
    mention = house.say("@TessellateUK hello")

    assert mention.id in house.hear()
    house.hear()

    assert sum("by/username" in r.path for r in house.server.log) == 1


def test_without_an_account_the_search_goes_on_and_the_coverage_says_what_is_missing(house: House) -> None:
    hit = house.say("Tessellate UK")
    nobody = replace(ORGANISATION, handles={})
    connector = connect(replace(house.settings, user_id=""), nobody)

    batch = connector.fetch(None, house.allowance())

    assert [m.external_id for m in batch.mentions] == [hit.id]
    assert {f.stream for f in batch.coverage.faults} == {"mentions", "own"}


@pytest.mark.parametrize(
    "cursor", ["", "{", "[]", '{"v":1,"streams":{"search":{"mark":"x","paid":{},"token":7}},"turn":5}', "0" * 5000]
)
def test_a_damaged_cursor_begins_anew(house: House, cursor: str) -> None:
    post = house.say("Tessellate UK")
    house.cursor = cursor

    assert post.id in house.hear()


def test_the_first_look_back_stops_at_a_fifth_of_the_months_money_and_says_so(house: House) -> None:
    house.settings = replace(house.settings, monthly_budget=Money(Decimal(1), "USD"))
    for number in range(120):
        house.say(f"Tessellate UK {number}", at=NOW - timedelta(hours=number))

    gaps = []
    while True:
        batch = house.fetch(money=100_000)
        gaps.append(batch.coverage.gap)
        if not batch.more:
            break

    assert any(gap and "save money" in gap for gap in gaps)
    assert house.standin.bill.total <= 300_000


def test_replies_in_the_new_vocabulary_are_read_as_well() -> None:
    mention, version = read_post(
        {
            "id": "1992000000000000200",
            "text": "short",
            "note_post": {"text": "the long one"},
            "edit_history_post_ids": ["1992000000000000100", "1992000000000000200"],
            "author_id": USER,
            "referenced_posts": [{"type": "replied_to", "id": "1991000000000000000"}],
            "public_metrics": {"repost_count": 4, "like_count": 5, "reply_count": 6},
            "created_at": "2026-11-22T10:00:00.000Z",
        },
        own=USER,
        users={},
    )

    assert version == 1992000000000000200
    assert (mention.external_id, mention.text, mention.shares) == ("1992000000000000100", "the long one", 4)
    assert mention.parent == "1991000000000000000"
    assert mention.kind is Kind.OWN_POST


# ── one bad entry, one bad stream ───────────────────────────────────────────────────────────────────


BAD_ITEMS: list[Any] = [
    None, 7, "text", [], {}, {"id": None, "text": "a"}, {"id": "x1", "text": "a"}, {"id": "1" * 25, "text": "a"},
    {"id": "1992000000000000001"}, {"id": "1992000000000000001", "text": ["a"]}, {"id": True, "text": "a"},
    {"id": -4, "text": "a"}, {"id": 1.5, "text": "a"},
]  # fmt: skip

ODD_ITEMS: list[Any] = [
    {"id": "1992000000000000001", "text": "a", "created_at": "yesterday", "edit_history_tweet_ids": "no"},
    {"id": 1992000000000000001, "text": "a\x00\ud800b", "lang": 5, "public_metrics": {"like_count": -3}},
    {"id": "1992000000000000001", "text": "a", "public_metrics": {"like_count": 10**400, "retweet_count": True}},
    {"id": "1992000000000000001", "text": "a", "entities": {"urls": [None, {"url": 3}, {"url": "http://[", "expanded_url": "http://["}]}},
    {"id": "1992000000000000001", "text": "a" * 100_000, "note_tweet": None, "referenced_tweets": {"a": 1}},
    {"id": "1992000000000000001", "text": "a", "created_at": "0001-01-01T00:00:00+23:00", "author_id": {}},
    {"id": "5", "text": "an id from before there were times in ids"},
]  # fmt: skip


@pytest.mark.parametrize("bad", BAD_ITEMS, ids=repr)
def test_an_entry_that_is_no_post_is_counted_with_its_shape_and_its_page_is_kept(house: House, bad: Any) -> None:
    good = {"id": str(snowflake(NOW)), "text": "Tessellate UK", "author_id": "5"}
    body = {"data": [bad, good], "meta": {"result_count": 2, "newest_id": good["id"], "oldest_id": good["id"]}}
    house.server.trouble("reply", path="search/recent", reply=Reply(200, body))

    batch = house.fetch()

    assert [m.external_id for m in batch.mentions] == [good["id"]]
    assert batch.dropped == len(batch.shapes) == 1


@pytest.mark.parametrize("odd", ODD_ITEMS, ids=lambda odd: str(odd)[:40])
def test_odd_values_in_a_post_are_left_out_and_the_post_is_heard(odd: dict[str, Any]) -> None:
    mention, _ = read_post(odd, own=USER, users={})

    assert mention.external_id == str(odd["id"])
    assert mention.likes is None or 0 <= mention.likes <= 2**53


def test_a_number_from_the_far_future_does_not_move_the_mark(house: House) -> None:
    far = {"id": "9" * 19, "text": "Tessellate UK"}
    body = {"data": [far], "meta": {"result_count": 1, "newest_id": far["id"], "oldest_id": far["id"]}}
    house.server.trouble("reply", path="search/recent", reply=Reply(200, body))
    house.fetch()
    post = house.say("Tessellate UK")

    assert post.id in house.hear()


def test_a_stream_that_is_refused_does_not_silence_the_others(house: House) -> None:
    hit, named = house.say("Tessellate UK"), house.say("@TessellateUK hello")
    house.standin.refuse("client_not_enrolled", path="/mentions", times=100)

    batch = house.fetch()
    assert [m.external_id for m in batch.mentions] == [hit.id]
    assert [f.stream for f in batch.coverage.faults] == ["mentions"]
    assert batch.coverage.suspect is None

    house.world.move(timedelta(minutes=30))
    assert "mentions" in str(house.fetch().coverage.suspect)

    house.standin._refusing.clear()
    batch = house.fetch()
    assert named.id in {m.external_id for m in batch.mentions}
    assert batch.coverage.suspect is None
    assert batch.coverage.faults == ()


def test_what_was_heard_before_a_failure_is_kept_and_the_rest_comes_later(house: House) -> None:
    named, hit = house.say("@TessellateUK hello"), house.say("Tessellate UK")
    house.server.trouble("html", path="search/recent", status=503)

    batch = house.fetch()

    assert [m.external_id for m in batch.mentions] == [named.id]
    assert [f.stream for f in batch.coverage.faults] == ["search"]
    assert hit.id in house.hear()


def test_a_search_that_is_out_of_order_does_not_hide_our_own_posts(house: House) -> None:
    own = house.say("From us", "own_post")
    house.server.trouble("html", path="search/recent", status=503)

    assert own.id in {m.external_id for m in house.fetch().mentions}


def test_when_the_money_ends_between_two_streams_it_is_asked_again_at_the_next_poll(house: House) -> None:
    hit = house.say("Tessellate UK")
    house.standin.refuse("credits_depleted", path="search/recent")
    assert [f.stream for f in house.fetch().coverage.faults] == ["search"]

    assert hit.id in house.hear()


# ── the error catalogue ─────────────────────────────────────────────────────────────────────────────


@pytest.mark.parametrize(
    ("name", "expected", "code", "retry_in"),
    [
        ("unauthorized", CredentialsRejected, "unauthorized", None),
        ("credits_depleted", RateLimited, "credits-depleted", timedelta(hours=1)),
        ("credits_depleted_newer", RateLimited, "credits-depleted", timedelta(hours=1)),
        ("spend_cap", RateLimited, "spend-cap", timedelta(days=1)),
        ("client_not_enrolled", CredentialsRejected, "client-forbidden", None),
        ("unsupported_authentication", CredentialsRejected, "unsupported-authentication", None),
        ("rate_limit", RateLimited, "rate-limit", timedelta(minutes=15, seconds=1)),
        ("rate_limit_legacy", RateLimited, "rate-limit", timedelta(minutes=15, seconds=1)),
        ("usage_cap", RateLimited, "usage-cap", timedelta(hours=1)),
        ("unavailable", Unreachable, "http-503", None),
    ],
)
def test_each_refusal_of_the_catalogue_becomes_the_right_class_costs_nothing_and_recovers(
    house: House, name: str, expected: type[ConnectorError], code: str, retry_in: timedelta | None
) -> None:
    post = house.say("Tessellate UK")
    house.standin.refuse(name, times=3)

    error = error_of(house)

    assert type(error) is expected
    assert error.code == code
    assert error.retry_at == (NOW + retry_in if retry_in else None)
    assert error.spent == {"money": 0}
    assert error.what
    assert TOKEN not in f"{error!r} {vars(error)} {error.__context__!r}"
    house.standin._refusing.clear()
    assert post.id in house.hear()


BODIES: list[tuple[str, Reply, type[ConnectorError]]] = [
    ("an HTML page with 200", Reply(200, b"<html>hello</html>", {"content-type": "text/html"}), Unreachable),
    ("an empty 200", Reply(200, b""), Unreachable),
    ("a list", Reply(200, []), UnexpectedReply),
    ("a number", Reply(200, 5), UnexpectedReply),
    ("null", Reply(200, b"null"), UnexpectedReply),
    ("an empty object", Reply(200, {}), UnexpectedReply),
    ("unknown keys", Reply(200, {"posts": []}), UnexpectedReply),
    ("data of another kind", Reply(200, {"data": {"id": "1"}}), UnexpectedReply),
    ("posts that are counted but not shown", Reply(200, {"meta": {"result_count": 3}}), UnexpectedReply),
    ("cut JSON", Reply(200, b'{"data": [{"id": "19'), UnexpectedReply),
    ("deep JSON", Reply(200, b"[" * 100_000), UnexpectedReply),
    ("a huge number", Reply(200, b'{"meta": {"result_count": ' + b"9" * 6000 + b"}}"), UnexpectedReply),
    ("NaN", Reply(200, b'{"meta": {"result_count": NaN}}'), UnexpectedReply),
    ("bytes", Reply(200, b"\xff\xfe\x00"), UnexpectedReply),
    ("an error list at the top", Reply(400, [{"message": "no"}]), SetupRejected),
    ("errors that are a text", Reply(400, {"errors": "no", "title": 5}), SetupRejected),
    ("an odd reset header", Reply(429, {"title": []}, {"x-rate-limit-reset": "soon"}), RateLimited),
    ("a 401 of HTML", Reply(401, b"<html>"), CredentialsRejected),
    ("a 403 of HTML, from the edge", Reply(403, b"<html>blocked"), Unreachable),
    ("an empty 404", Reply(404, b""), SetupRejected),
    ("a teapot", Reply(418, {"title": "Teapot"}), UnexpectedReply),
    ("an empty 500", Reply(500, b""), Unreachable),
    ("a 504 with a list", Reply(504, [1]), Unreachable),
    ("a redirect", Reply(302, b"", {"location": "/elsewhere"}), Unreachable),
]


@pytest.mark.parametrize(("reply", "expected"), [row[1:] for row in BODIES], ids=[row[0] for row in BODIES])
def test_each_odd_body_becomes_the_right_class_and_the_next_poll_hears_everything(
    house: House, reply: Reply, expected: type[ConnectorError]
) -> None:
    post = house.say("Tessellate UK")
    house.server.trouble("reply", times=9, reply=reply)

    error = error_of(house)

    assert type(error) is expected
    assert TOKEN not in f"{error!r} {vars(error)} {error.__context__!r}"
    house.server.calm()
    assert post.id in house.hear()


def test_a_redirect_is_never_followed(house: House) -> None:
    for target in (f"{house.server.url}/2/elsewhere", "/2/elsewhere"):
        house.server.trouble("reply", times=3, reply=Reply(302, b"", {"location": target}))

        assert error_of(house).code == "http-302"

    assert [request for request in house.server.log if "elsewhere" in request.path] == []


@pytest.mark.parametrize(("how", "is_billed"), [("drop", True), ("cut", True), ("html", False), ("empty", False)])
def test_each_fault_of_the_line_is_ours_and_what_may_have_been_billed_counts_as_spent(
    house: House, how: str, is_billed: bool
) -> None:
    house.say("Tessellate UK")
    house.server.trouble(how, times=3, status=200)

    error = error_of(house)

    assert isinstance(error, Unreachable | UnexpectedReply)
    assert error.spent is not None
    assert (error.spent["money"] > 0) is is_billed


def test_where_nothing_listens_nothing_is_spent(house: House) -> None:
    with pytest.raises(Unreachable) as caught:
        house.connector(base_url="http://127.0.0.1:9").fetch(None, house.allowance())

    assert caught.value.spent == {"money": 0}


def test_a_refused_search_is_a_fault_of_the_settings_and_named_so(house: House) -> None:
    house.settings = replace(house.settings, terms=('"Tessellate UK" min_faves:3',))
    named = house.say("@TessellateUK hello")

    batch = house.fetch()

    assert [m.external_id for m in batch.mentions] == [named.id]
    assert "terms" in batch.coverage.faults[0].do


def test_two_hundred_with_errors_only_about_our_account_is_a_fault_of_the_settings(house: House) -> None:
    house.settings = replace(house.settings, user_id="99")
    hit = house.say("Tessellate UK")

    batch = house.fetch()

    assert [m.external_id for m in batch.mentions] == [hit.id]
    assert {f.stream for f in batch.coverage.faults} == {"mentions", "own"}


def test_an_account_that_does_not_exist_leaves_the_search_working(house: House) -> None:
    house.settings = replace(house.settings, user_id="")
    house.say("Tessellate UK")
    connector = connect(house.settings, replace(ORGANISATION, handles={"x": "NobodyAtAll"}))

    batch = connector.fetch(None, house.allowance())

    assert len(batch.mentions) == 1
    assert {f.stream for f in batch.coverage.faults} == {"mentions", "own"}


# ── the rate limit ──────────────────────────────────────────────────────────────────────────────────


def test_after_a_429_the_stream_is_left_alone_until_the_reset_and_the_others_go_on(house: House) -> None:
    house.standin.limits["search"] = 1
    house.hear()
    house.world.move(timedelta(seconds=30))
    named = house.say("@TessellateUK hello")
    searches = [r for r in house.server.log if "search" in r.path]

    assert named.id in house.hear()
    assert [r for r in house.server.log if "search" in r.path] == searches

    house.world.move(timedelta(minutes=16))
    hit = house.say("Tessellate UK")
    assert hit.id in house.hear()


def test_the_last_quarter_of_a_window_is_spread_over_its_rest_instead_of_going_deaf(house: House) -> None:
    house.standin.limits["search"] = 40
    refused = 0
    for _ in range(14 * 60):
        batch = house.fetch()
        refused += any("rate limit" in f.what for f in batch.coverage.faults)
        house.world.move(timedelta(seconds=1))

    searches = sum("search" in r.path for r in house.server.log)
    assert refused == 0
    assert 36 <= searches <= 41


def test_usage_is_the_share_of_the_tightest_window(house: House) -> None:
    house.standin.limits["mentions"] = 10

    assert house.fetch().usage == pytest.approx(0.1)


def test_when_every_stream_must_rest_the_poll_says_until_when(house: House) -> None:
    house.standin.limits |= {"search": 1, "mentions": 1, "timeline": 1}
    house.fetch()

    error = error_of(house)

    assert isinstance(error, RateLimited)
    assert error.retry_at == NOW + timedelta(minutes=15, seconds=1)


# ── money ───────────────────────────────────────────────────────────────────────────────────────────


@pytest.mark.parametrize("seed", range(6))
def test_the_budget_is_never_exceeded_whatever_happens(house: House, seed: int) -> None:
    dice = random.Random(seed)
    budget = dice.choice([100_000, 300_000, 1_000_000])
    house.settings = replace(house.settings, monthly_budget=Money(Decimal(budget) / DOLLAR, "USD"))
    for _ in range(60):
        for _ in range(dice.choice([0, 0, 1, 5, 40])):
            house.say(dice.choice(["Tessellate UK", "@TessellateUK", "#TrustTalk"]) + str(dice.random()))
        if dice.random() < 0.1:
            house.say("From us", "own_post")
        if dice.random() < 0.3:
            house.server.trouble(dice.choice(["drop", "cut", "html", "empty"]), status=dice.choice([200, 502]))
        house.paid_fetch(budget)
        assert house.standin.bill.total <= house.spent <= budget
        house.world.move(timedelta(seconds=dice.choice([1, 30, 600, 40_000])))


@pytest.mark.parametrize("seed", range(4))
def test_whatever_fails_in_between_everything_is_heard_in_its_newest_wording(house: House, seed: int) -> None:
    dice = random.Random(seed)
    posts: list[Post] = []
    heard: dict[str, Mention] = {}
    for _ in range(40):
        for _ in range(dice.choice([0, 0, 1, 3, 25])):
            late = house.world.now() + timedelta(seconds=dice.choice([0, 0, 0, 18]))
            kind = dice.choice(["mention", "mention", "own_post"])
            text = dice.choice(["Tessellate UK", "@TessellateUK", "#TrustTalk"]) + f" {dice.random()}"
            posts.append(house.say(text, kind, visible_at=late))
        if posts and dice.random() < 0.2:
            house.world.edit(dice.choice(posts[-30:]), f"Tessellate UK @TessellateUK, corrected {dice.random()}")
        if dice.random() < 0.4:
            how, path = (
                dice.choice(["drop", "cut", "html", "empty"]),
                dice.choice(["", "search", "mentions", "/tweets"]),
            )
            house.server.trouble(how, path=path, status=dice.choice([200, 502]))
        if dice.random() < 0.1:
            house.standin.refuse(dice.choice(["unavailable", "rate_limit", "unauthorized"]), times=2)
        try:
            batch = house.fetch(money=dice.choice([100_000, 250_000, 600_000]))
            heard |= {m.external_id: m for m in batch.mentions}
        except ConnectorError:
            pass
        house.world.move(timedelta(seconds=dice.choice([1, 5, 15])))
    house.server.calm()
    house.standin._refusing.clear()
    house.world.move(timedelta(minutes=16))
    heard |= house.hear()

    assert {p.id for p in posts} - set(heard) == set()
    assert [p.id for p in posts if not str(heard[p.id].text).endswith(str(p.text))] == []


def test_no_page_is_asked_for_whose_worst_case_the_allowance_does_not_cover(house: House) -> None:
    for number in range(100):
        house.say(f"Tessellate UK {number}")

    batch = house.fetch(money=130_000)

    assert batch.spent["money"] <= 130_000
    asked = [int(r.one("max_results") or 0) for r in house.server.log if r.one("max_results")]
    assert len(asked) >= 3
    assert max(asked) * 5_000 <= 130_000
    assert house.standin.bill.total <= batch.spent["money"]


def test_reading_again_within_the_overlap_is_not_counted_twice(house: House) -> None:
    house.say("Tessellate UK")
    spent = [house.fetch().spent["money"] for _ in range(5)]

    assert spent == [5_000, 0, 0, 0, 0]
    assert house.standin.bill.total == 5_000


def test_around_midnight_what_was_paid_for_counts_again(house: House) -> None:
    house.world.move(timedelta(hours=9, minutes=57, seconds=30))
    house.say("Tessellate UK")
    before = house.fetch().spent["money"]
    house.world.move(timedelta(seconds=60))

    after = house.fetch().spent["money"]

    assert (before, after) == (5_000, 5_000)


def test_with_little_money_left_x_is_asked_to_count_before_posts_are_read(house: House) -> None:
    house.hear()
    house.world.move(timedelta(minutes=5))
    for number in range(70):
        house.say(f"Tessellate UK {number}")
    house.server.log.clear()

    batch = house.fetch(money=60_000)

    paths = [r.path for r in house.server.log]
    assert paths[0] == "/2/tweets/counts/recent"
    assert "/2/tweets/search/recent" in paths
    fault = next(f for f in batch.coverage.faults if f.stream == "search")
    assert "counted 70 posts" in fault.what
    assert batch.spent["money"] <= 60_000


def test_a_used_up_budget_is_said_in_plain_words_until_the_next_month(house: House) -> None:
    error = error_of(house, money=0)

    assert isinstance(error, RateLimited)
    assert error.retry_at == datetime(2026, 12, 1, tzinfo=UTC)
    assert "20.00 US dollars" in error.what
    assert house.server.log == []


def test_with_money_for_a_count_only_the_platform_is_in_doubt_and_says_how_much_there_is(house: House) -> None:
    house.say("Tessellate UK")

    batch = house.fetch(money=12_000)

    assert batch.mentions == ()
    assert "counted 1 post" in str(batch.coverage.suspect)
    assert not batch.more


def test_users_that_come_along_unasked_count_as_billed(house: House) -> None:
    post = {"id": str(snowflake(NOW)), "text": "Tessellate UK", "author_id": "5"}
    body = {
        "data": [post],
        "includes": {
            "users": [{"id": "5", "name": "Kim", "username": "kim", "public_metrics": {"followers_count": 9}}]
        },
        "meta": {"result_count": 1, "newest_id": post["id"], "oldest_id": post["id"]},
    }
    house.server.trouble("reply", path="search", reply=Reply(200, body))

    batch = house.fetch()

    assert batch.spent["money"] == 15_000
    assert batch.mentions[0].author == Author(name="Kim", handle="kim", id="5", followers=9)


# ── an empty answer is not the same as quiet ────────────────────────────────────────────────────────


def test_our_own_newest_post_must_come_back_or_the_silence_is_suspect(house: House) -> None:
    house.say("Hello from us", "own_post")
    house.hear()
    house.world.move(timedelta(minutes=20))
    assert house.fetch().coverage.suspect is None

    house.standin.blind = True
    house.world.move(timedelta(minutes=20))
    assert "newest post" in str(house.fetch().coverage.suspect)
    house.world.move(timedelta(seconds=30))
    assert house.fetch().coverage.suspect

    house.standin.blind = False
    assert house.fetch().coverage.suspect is None


def test_a_canary_that_was_deleted_is_gone_and_no_reason_for_doubt(house: House) -> None:
    own = house.say("Hello from us", "own_post")
    house.hear()
    house.world.delete(own)
    house.world.move(timedelta(minutes=20))

    batch = house.fetch()

    assert batch.gone == (own.id,)
    assert batch.coverage.suspect is None


def test_the_returning_canary_is_no_news(house: House) -> None:
    house.say("Hello from us", "own_post")
    house.hear()
    house.world.move(timedelta(minutes=20))

    assert house.fetch().mentions == ()


def test_coverage_says_until_when_and_what_is_never_shown(house: House) -> None:
    coverage = house.fetch().coverage

    assert coverage.heard_until == NOW
    assert coverage.never_shows
    assert PLATFORM.never_shows == coverage.never_shows


# ── looking again ───────────────────────────────────────────────────────────────────────────────────


def test_a_second_look_finds_edits_fresh_figures_deletions_and_what_is_hidden(house: House) -> None:
    same, edited, gone, hidden = (house.say(f"Tessellate UK {n}") for n in range(4))
    house.world.edit(edited, "Tessellate UK, corrected", at=NOW + timedelta(minutes=3))
    house.world.move(timedelta(minutes=5))
    house.world.delete(gone)
    hidden.hidden, same.likes = True, 40

    batch = house.connector().recheck((same.id, edited.id, gone.id, hidden.id), house.allowance())

    found = {m.external_id: m for m in batch.mentions}
    assert set(found) == {same.id, edited.id}
    assert found[same.id].likes == 40
    assert found[edited.id].text == "Tessellate UK, corrected"
    assert set(batch.gone) == {gone.id, hidden.id}
    assert house.standin.bill.total <= batch.spent["money"] <= 15_000


def test_a_second_look_pays_for_no_more_than_it_is_allowed(house: House) -> None:
    ids = tuple(house.say(f"Tessellate UK {n}").id for n in range(20))

    batch = house.connector().recheck(ids, house.allowance(money=26_000))

    assert len(batch.mentions) == 5
    assert batch.spent == {"money": 25_000}
    assert house.connector().recheck(ids, house.allowance(money=0)) == Batch(spent={"money": 0})


@pytest.mark.parametrize("status", [200, 404])
def test_a_second_look_at_one_post_that_is_gone_may_be_answered_either_way(house: House, status: int) -> None:
    post = house.say("Tessellate UK")
    error = {"value": post.id, "title": "Not Found Error", "resource_type": "tweet", "parameter": "ids",
             "resource_id": post.id, "type": "https://api.x.com/2/problems/resource-not-found"}  # fmt: skip
    house.server.trouble("reply", reply=Reply(status, {"errors": [error]}))

    batch = house.connector().recheck((post.id,), house.allowance())

    assert batch.gone == (post.id,)
    assert batch.spent == {"money": 0}


def test_a_second_look_without_a_number_of_ours_still_knows_an_edit_of_our_own(house: House) -> None:
    own = house.say("We said", "own_post")
    house.world.edit(own, "We said something else")

    batch = house.connector(user_id="").recheck((own.id,), house.allowance())

    assert batch.mentions[0].kind is Kind.OWN_POST


def test_a_second_look_that_fails_is_ours_to_say(house: House) -> None:
    house.standin.refuse("rate_limit")

    with pytest.raises(RateLimited) as caught:
        house.connector().recheck(("1",), house.allowance())

    assert caught.value.spent == {"money": 0}


# ── the doctor ──────────────────────────────────────────────────────────────────────────────────────


def test_the_doctor_hears_that_all_is_well(house: House) -> None:
    house.say("Hello from us", "own_post")

    findings = house.connector().examine(house.allowance())

    assert {f.level for f in findings} == {Level.GOOD}
    text = " ".join(f.what for f in findings)
    for word in ("The token works", "@TessellateUK", USER, "24 November 2026 14:02", "vocabulary", "of 512"):
        assert word in text


def test_the_doctor_says_what_to_do_about_a_wrong_token_a_wrong_number_and_missing_money(house: House) -> None:
    wrong = house.connector(bearer_token="wrong").examine(house.allowance())
    other = house.connector(user_id="55").examine(house.allowance())
    poor = house.connector().examine(house.allowance(money=0))

    assert wrong[-1].level is Level.BAD
    assert "bearer_token" in wrong[-1].do
    assert any(f.level is Level.BAD and USER in f.do for f in other)
    assert {f.level for f in poor} == {Level.GOOD, Level.NOTE}


def test_the_doctor_goes_on_when_x_does_not_tell_what_was_used(house: House) -> None:
    house.say("Hello from us", "own_post")
    house.server.trouble("reply", path="usage", reply=Reply(200, {"data": [{"tweets_consumed": 5}]}))

    assert {f.level for f in house.connector().examine(house.allowance())} == {Level.GOOD}


# ── secrets ─────────────────────────────────────────────────────────────────────────────────────────


def test_neither_token_nor_text_gets_into_the_log_even_at_debug(house: House, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.DEBUG)
    house.say("Tessellate UK did something unspeakable")

    house.hear()
    house.standin.refuse("unauthorized", times=9)
    error_of(house)

    assert TOKEN not in caplog.text
    assert "unspeakable" not in caplog.text


def test_the_token_travels_in_a_header_only(house: House) -> None:
    house.hear()

    assert all(r.headers["authorization"] == f"Bearer {TOKEN}" for r in house.server.log)
    assert all(TOKEN not in r.raw_query + r.raw_path for r in house.server.log)


def test_proxies_of_the_environment_do_not_apply_to_this_machine(house: House, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("http_proxy", "http://127.0.0.1:9")
    post = house.say("Tessellate UK")

    assert post.id in house.hear()


def test_a_base_url_may_have_a_path_of_its_own() -> None:
    world = World(lambda: NOW)
    with Server({"/gateway/x": XStandIn(world, bearer_token=TOKEN, user_id=USER)}) as server:
        post = world.say("x", "mention", "Tessellate UK", author=SAM)
        settings = Settings(bearer_token=TOKEN, user_id=USER, base_url=f"{server.url}/gateway/x/")

        batch = connect(settings, ORGANISATION).fetch(None, Allowance(NOW, {"money": DOLLAR}))

    assert [m.external_id for m in batch.mentions] == [post.id]


def test_a_tag_or_a_reply_to_us_names_us_whatever_its_words_are() -> None:
    plain = {"id": "1992000000000000200", "text": "hello", "author_id": "7", "created_at": "2026-11-22T10:00:00.000Z"}
    tagged = {**plain, "entities": {"mentions": [{"username": "TessellateUK", "id": USER}]}}
    reply = {**plain, "in_reply_to_user_id": USER}
    other = {**plain, "entities": {"mentions": [{"username": "somebody", "id": "8"}, None]}}
    found = [read_post(item, own=USER, users={})[0].names_us for item in (plain, tagged, reply, other)]
    assert found == [False, True, True, False]
