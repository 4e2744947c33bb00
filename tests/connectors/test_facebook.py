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
            "page_id": PAGE, "page_token": TOKEN, "app_secret": SECRET, "base_url": self.server.url, "app_id": "700800900",
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
