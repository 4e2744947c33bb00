"""The Instagram connector against the strict stand-in."""

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
from connectors.instagram import InstagramConnector, Settings, connect, refresh
from connectors.model import Allowance, Author, Batch, Grant, Kind, Level, Mention
from connectors.standins.instagram import InstagramStandIn
from connectors.standins.server import Reply, Request, Server
from connectors.standins.world import World
from connectors.testing import check_connector, check_platform

pytestmark = pytest.mark.real

NOW = datetime(2026, 11, 24, 14, 2, tzinfo=UTC)
ACCOUNT = "17841400000000001"
TOKEN = "EAAB-the-token"
SECRET = "0123456789abcdef-app"
APP = "700800900"
SAM = Author(name="Sam Example", handle="sam.example", id="777")
KIM = Author(name="Kim Example", handle="kim_example", id="778")


@dataclass
class House:
    """One account, its stand-in on loopback, and a listener that remembers its cursor."""

    world: World
    account: InstagramStandIn
    server: Server
    cursor: str | None = None
    heard: dict[str, Mention] = field(default_factory=dict)
    last: Batch = field(default_factory=Batch)

    def settings(self, **changes: object) -> Settings:
        values = {"account_id": ACCOUNT, "token": TOKEN, "app_secret": SECRET, "base_url": self.server.url}
        return Settings(**(values | changes))  # type: ignore[arg-type]

    def connect(self, **changes: object) -> InstagramConnector:
        return connect(self.settings(**changes), ORGANISATION)

    def allowance(self, **left: int) -> Allowance:
        return Allowance(self.world.now(), left)

    def listen(self, **changes: object) -> list[Mention]:
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


@pytest.fixture
def house() -> Iterator[House]:
    world = World(lambda: NOW)
    account = InstagramStandIn(world, ACCOUNT, TOKEN, SECRET, app_id=APP)
    world.move(timedelta(days=-1))
    world.say("instagram", Kind.OWN_POST, "Our new film is out")
    world.move(timedelta(days=1, minutes=-1))
    with Server(account) as server:
        yield House(world, account, server)


def test_posts_comments_replies_and_tags_are_heard_with_place_and_figures(house: House) -> None:
    own = house.world.say("instagram", Kind.OWN_POST, "What do you think?", likes=9)
    comment = house.world.say("instagram", Kind.COMMENT, "A question", author=SAM, parent=own, likes=4)
    reply = house.world.say("instagram", Kind.COMMENT, "Me too", author=KIM, parent=comment)
    answer = house.world.say("instagram", Kind.OWN_POST, "Thank you", parent=reply)
    tag = house.world.say("instagram", Kind.TAG, "With them today", author=KIM, likes=2)

    house.listen()

    heard = house.heard
    assert heard[own.id].kind is Kind.OWN_POST
    assert (heard[own.id].likes, heard[own.id].replies) == (9, 3)
    assert (heard[comment.id].kind, heard[comment.id].parent, heard[comment.id].thread) == (
        Kind.COMMENT,
        own.id,
        own.id,
    )
    assert heard[comment.id].author == Author(handle="sam.example", id="777")
    assert heard[comment.id].url == f"{heard[own.id].url.rstrip('/')}/c/{comment.id}/"
    assert (heard[reply.id].parent, heard[reply.id].thread) == (comment.id, own.id)
    assert (heard[answer.id].kind, heard[answer.id].parent) == (Kind.OWN_POST, comment.id)
    assert (heard[tag.id].kind, heard[tag.id].likes) == (Kind.TAG, 2)
    assert heard[tag.id].author == Author(handle="kim_example")
    assert heard[tag.id].posted_at == tag.posted_at.replace(microsecond=0)


def test_the_contract_is_kept(house: House) -> None:
    own = house.world.say("instagram", Kind.OWN_POST, "What do you think?")
    for number in range(5):
        house.world.say("instagram", Kind.COMMENT, f"Answer {number}", author=SAM, parent=own)
    house.world.say("instagram", Kind.TAG, "With Tessellate UK today", author=KIM)

    checked = check_connector(
        house.connect,
        allowance=house.allowance(calls=50),
        unreachable=lambda: house.connect(base_url="http://127.0.0.1:9"),
        refused=lambda: house.connect(token="EAAB-wrong"),
        secrets=(TOKEN, SECRET, "EAAB-wrong"),
    )

    assert len(checked.mentions) == 8


def test_the_platform_declares_itself(house: House) -> None:
    made = check_platform(registry.load("instagram"), house.settings(), ORGANISATION)

    assert (made.calm, made.hurried) == (timedelta(seconds=60), timedelta(seconds=20))
    assert any("webhook" in line for line in registry.load("instagram").never_shows)


@pytest.mark.parametrize("wrong", [{"account_id": "@us"}, {"graph_version": "26"}, {"base_url": "instagram.com"}])
def test_settings_that_cannot_be_right_are_refused_by_name(house: House, wrong: dict[str, str]) -> None:
    with pytest.raises(ValueError, match=next(iter(wrong))):
        house.settings(**wrong)


# ── nothing is missed ───────────────────────────────────────────────────────────────────────────


def test_a_storm_of_comments_and_replies_is_read_to_its_end(house: House) -> None:
    own = house.world.say("instagram", Kind.OWN_POST, "Our new film")
    house.listen()
    said = set()
    for number in range(260):
        house.pass_time(seconds=1)
        comment = house.world.say("instagram", Kind.COMMENT, f"Comment {number}", author=SAM, parent=own)
        said.add(comment.id)
        if number in (3, 200):
            said |= {
                house.world.say("instagram", Kind.COMMENT, f"Reply {n}", author=KIM, parent=comment).id
                for n in range(120)
            }

    house.listen()

    assert said <= set(house.heard)
    assert len(house.cursor or "") < 64 * 1024


def test_a_reply_to_a_comment_far_down_a_long_thread_is_heard(house: House) -> None:
    own = house.world.say("instagram", Kind.OWN_POST, "Our new film")
    first = house.world.say("instagram", Kind.COMMENT, "The first", author=SAM, parent=own)
    for number in range(140):
        house.pass_time(minutes=3)
        house.world.say("instagram", Kind.COMMENT, f"Comment {number}", author=SAM, parent=own)
    house.listen()
    house.pass_time(minutes=1)
    reply = house.world.say("instagram", Kind.COMMENT, "I must tell you something", author=KIM, parent=first)

    house.listen()

    assert reply.id in house.heard
    assert house.heard[reply.id].url.startswith("https://www.instagram.com/p/")


def test_a_late_comment_on_a_post_far_below_the_front_is_heard_by_the_sweep(house: House) -> None:
    old = house.world.say("instagram", Kind.OWN_POST, "An old film")
    for number in range(80):
        house.pass_time(hours=1)
        house.world.say("instagram", Kind.OWN_POST, f"Post {number}")
    house.listen()
    house.pass_time(minutes=11)
    late = house.world.say("instagram", Kind.COMMENT, "Only now I saw this", author=SAM, parent=old)

    new = house.listen()

    assert [mention.external_id for mention in new] == [late.id]
    assert "/c/" in new[0].url


def test_tags_are_followed_over_pages_that_name_no_next(house: House) -> None:
    house.listen()
    said = set()
    for number in range(80):
        house.pass_time(seconds=30)
        said.add(house.world.say("instagram", Kind.TAG, f"With them {number}", author=SAM).id)

    house.listen()

    assert said <= set(house.heard)


def test_lists_that_give_cursors_but_no_next_page_are_read_to_their_end(house: House) -> None:
    said = set()
    for number in range(40):
        house.pass_time(minutes=30)
        said.add(house.world.say("instagram", Kind.OWN_POST, f"Film {number}").id)
    own = house.world.say("instagram", Kind.OWN_POST, "What do you think?")
    for number in range(120):
        house.pass_time(seconds=20)
        said.add(house.world.say("instagram", Kind.COMMENT, f"Answer {number}", author=SAM, parent=own).id)
    true = house.account.answer

    def curt(request: Request) -> Reply:
        """Pages of seven at most, and never a next one."""
        short = {"limit": ["7"]} if request.path.endswith(("/media", "/comments")) else {}
        reply = true(replace(request, query={**request.query, **short}))
        without_next(reply.body)
        return reply

    house.account.answer = curt  # type: ignore[method-assign]

    house.listen()

    assert said <= set(house.heard)


def without_next(node: object) -> None:
    """Take ``next`` out of every paging object."""
    if isinstance(node, dict):
        node.pop("next", None)
        for inner in node.values():
            without_next(inner)
    elif isinstance(node, list):
        for inner in node:
            without_next(inner)


def test_a_quiet_poll_costs_two_calls_and_hands_over_nothing_again(house: House) -> None:
    house.listen()
    house.pass_time(seconds=60)

    assert house.listen() == []
    assert house.last.spent == {"calls": 2}


def test_our_own_answers_are_known_by_our_name_where_the_id_is_a_scoped_one(house: House) -> None:
    own = house.world.say("instagram", Kind.OWN_POST, "Our new film")
    comment = house.world.say("instagram", Kind.COMMENT, "A question", author=SAM, parent=own)
    us = Author(handle="tessellateuk", id="9988776655")
    answer = house.world.say("instagram", Kind.OWN_POST, "Thank you", author=us, parent=comment)

    house.listen()

    assert house.heard[answer.id].kind is Kind.OWN_POST


# ── what goes wrong ─────────────────────────────────────────────────────────────────────────────


def error(code: int, subcode: int = 0, message: str = "Something", **more: object) -> dict[str, object]:
    body: dict[str, object] = {"message": message, "type": "IGApiException", "code": code, "fbtrace_id": "Atrace"}
    if subcode:
        body["error_subcode"] = subcode
    return {"error": body | more}


@pytest.mark.parametrize(
    ("status", "body", "expected"),
    [
        *[(401, error(190, sub), CredentialsRejected) for sub in (0, 458, 459, 460, 463, 464, 467, 492)],
        (403, error(10), CredentialsRejected),
        (403, error(200), CredentialsRejected),
        (400, error(368), CredentialsRejected),
        (400, error(100, 33), SetupRejected),
        (400, error(100, message="Invalid appsecret_proof provided in the API argument"), SetupRejected),
        (400, error(100, message="(#100) Tried accessing nonexisting field (x)"), SetupRejected),
        (400, error(2500), SetupRejected),
        (404, error(803), SetupRejected),
        (500, error(1), Unreachable),
        (500, error(1, message="Please reduce the amount of data"), Unreachable),
        (503, error(2), Unreachable),
        (403, error(4), RateLimited),
        (400, error(80002), RateLimited),
        (429, {"nothing": 1}, RateLimited),
        (400, error(24, 2207024), UnexpectedReply),
        (200, {"data": None}, UnexpectedReply),
    ],
    ids=lambda value: json.dumps(value)[:60] if isinstance(value, dict) else None,
)
def test_each_refusal_becomes_the_error_that_says_what_to_do(
    house: House, status: int, body: dict[str, object], expected: type[ConnectorError]
) -> None:
    house.server.trouble("reply", times=99, reply=Reply(status, body))

    with pytest.raises(ConnectorError) as caught:
        house.connect().fetch(None, house.allowance())

    assert type(caught.value) is expected


def test_tags_without_permission_are_a_fault_and_comments_are_still_heard(house: House) -> None:
    own = house.world.say("instagram", Kind.OWN_POST, "Our new film")
    comment = house.world.say("instagram", Kind.COMMENT, "A question", author=SAM, parent=own)
    house.server.trouble("reply", times=99, path="/tags", reply=Reply(403, error(10)))

    house.listen()

    assert comment.id in house.heard
    (fault,) = house.last.coverage.faults
    assert fault.stream == "posts that tag us"


def test_one_broken_reply_drops_neither_its_comment_nor_the_others(house: House) -> None:
    own = house.world.say("instagram", Kind.OWN_POST, "Our new film")
    comment = house.world.say("instagram", Kind.COMMENT, "A question", author=SAM, parent=own)
    reply = house.world.say("instagram", Kind.COMMENT, "Me too", author=KIM, parent=comment)
    true = house.account.answer

    def spoilt(request: object) -> Reply:
        reply = true(request)  # type: ignore[arg-type]
        if isinstance(reply.body, dict) and reply.body["data"] and "comments" in reply.body["data"][0]:
            replies = reply.body["data"][0]["comments"]["data"][0]["replies"]["data"]
            replies += [7, {"id": "5", "text": "secret words", "timestamp": "1e999"}]
        return reply

    house.account.answer = spoilt  # type: ignore[method-assign]
    house.listen()

    assert {own.id, comment.id, reply.id} <= set(house.heard)
    assert house.last.dropped == 2
    assert "secret words" not in repr(house.last)


def test_an_account_that_says_it_has_posts_and_shows_none_is_suspect(house: House) -> None:
    house.server.trouble("reply", times=99, path="/media", reply=Reply(200, {"data": []}))

    house.listen()

    assert house.last.coverage.suspect is not None


def test_our_newest_post_that_stays_away_is_suspect_and_one_taken_down_is_gone(house: House) -> None:
    own = house.world.say("instagram", Kind.OWN_POST, "A mistake")
    house.listen()
    house.pass_time(minutes=1)
    house.server.trouble("reply", times=1, path="/media", reply=Reply(200, {"data": []}))
    house.listen()
    assert house.last.coverage.suspect is not None
    house.pass_time(minutes=1)
    house.world.delete(own)

    house.listen()

    assert house.last.gone == (own.id,)
    assert house.last.coverage.suspect is None


# ── looking again ───────────────────────────────────────────────────────────────────────────────


def test_a_recheck_tells_comments_posts_and_tags_apart_by_itself(house: House) -> None:
    say = house.world.say
    own = say("instagram", Kind.OWN_POST, "Our new film")
    kept = say("instagram", Kind.COMMENT, "Fine", author=SAM, parent=own)
    reply = say("instagram", Kind.COMMENT, "Really?", author=KIM, parent=kept)
    lost = say("instagram", Kind.COMMENT, "Bad", author=SAM, parent=own)
    tag, lost_tag = (say("instagram", Kind.TAG, "With them", author=KIM) for _ in range(2))
    kept.likes = 12
    house.world.delete(lost)
    house.world.delete(lost_tag)

    batch = house.connect().recheck((own.id, kept.id, reply.id, lost.id, tag.id, lost_tag.id), house.allowance())

    found = {mention.external_id: mention for mention in batch.mentions}
    assert {i: m.kind for i, m in found.items()} == {
        own.id: Kind.OWN_POST,
        kept.id: Kind.COMMENT,
        reply.id: Kind.COMMENT,
        tag.id: Kind.TAG,
    }
    assert (found[kept.id].likes, found[kept.id].thread) == (12, own.id)
    assert found[reply.id].parent == kept.id
    assert set(batch.gone) == {lost.id, lost_tag.id}


def test_a_recheck_keeps_to_its_allowance(house: House) -> None:
    own = house.world.say("instagram", Kind.OWN_POST, "Our new film")
    posts = [house.world.say("instagram", Kind.COMMENT, f"Comment {n}", author=SAM, parent=own) for n in range(60)]

    batch = house.connect().recheck(tuple(post.id for post in posts), house.allowance(calls=20))

    assert len(batch.mentions) == 18
    assert batch.spent == {"calls": 20}
    assert batch.gone == ()


# ── the doctor, tokens, secrets ─────────────────────────────────────────────────────────────────


def test_the_doctor_tells_until_when_the_token_is_good(house: House) -> None:
    findings = house.connect(app_id=APP).examine(house.allowance())

    assert any(f.expires_at == house.account.tokens[TOKEN].expires_at for f in findings)
    assert all(f.level is not Level.BAD for f in findings)


def test_the_doctor_says_what_is_missing(house: House) -> None:
    house.account.tokens[TOKEN].scopes = frozenset({"instagram_basic", "pages_read_engagement"})

    findings = house.connect().examine(house.allowance())

    assert any("instagram_manage_comments" in f.what and f.level is Level.BAD for f in findings)


def test_a_token_of_instagram_login_is_renewed_once_it_is_a_day_old(house: House) -> None:
    with pytest.raises(SetupRejected):
        refresh(house.settings(), Grant(TOKEN))
    house.pass_time(days=2)

    grant = refresh(house.settings(), Grant(TOKEN))

    assert grant.token in house.account.tokens
    assert grant.token != TOKEN
    assert grant.expires_at is not None
    assert house.connect(token=grant.token).fetch(None, house.allowance()).mentions


def test_a_token_of_facebook_login_is_exchanged_without_a_secret_in_the_address(house: House) -> None:
    grant = refresh(house.settings(app_id=APP), Grant(TOKEN))

    assert grant.token in house.account.tokens
    for request in house.server.log:
        assert SECRET not in request.raw_query
        assert TOKEN not in request.raw_query


def test_a_token_that_has_ended_cannot_be_renewed(house: House) -> None:
    house.pass_time(days=61)
    with pytest.raises(CredentialsRejected):
        refresh(house.settings(app_id=APP), Grant(TOKEN))


def test_a_token_of_facebook_login_needs_the_apps_id_to_be_renewed() -> None:
    settings = Settings(ACCOUNT, TOKEN, SECRET)
    with pytest.raises(SetupRejected, match="app_id"):
        refresh(settings, Grant(TOKEN))


def test_no_token_and_no_secret_stands_in_an_address_of_a_poll(house: House) -> None:
    own = house.world.say("instagram", Kind.OWN_POST, "Our new film")
    for number in range(130):
        house.world.say("instagram", Kind.COMMENT, f"Comment {number}", author=SAM, parent=own)

    house.listen()
    house.connect().recheck((own.id, "12"), house.allowance())

    for request in house.server.log:
        assert TOKEN not in request.raw_query
        assert SECRET not in request.raw_query
        assert len(request.one("appsecret_proof") or "") == 64


def test_the_doctor_asks_nothing_more_when_instagram_shuts_us_out(house: House) -> None:
    house.server.trouble("reply", times=99, reply=Reply(400, error(80002)))
    connector = house.connect()

    findings = connector.examine(house.allowance())

    assert [finding.level for finding in findings] == [Level.BAD]
    assert connector._graph.calls == 1
