"""Whatever people do, in whatever order it becomes visible, and however calls fail: nothing is missed for good."""

from __future__ import annotations

import random
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Any
from urllib.parse import parse_qs, urlsplit

import pytest
import requests
from makers import ORGANISATION
from requests.adapters import BaseAdapter

from connectors import facebook, instagram
from connectors.errors import RateLimited, Unreachable
from connectors.model import Allowance, Author, Kind
from connectors.standins.facebook import FacebookStandIn
from connectors.standins.graph import GraphStandIn
from connectors.standins.instagram import InstagramStandIn
from connectors.standins.server import Request
from connectors.standins.world import Post, World

NOW = datetime(2026, 11, 24, 14, 2, tzinfo=UTC)


class Wire(BaseAdapter):
    """Leads a session straight to a stand-in, and drops some of the calls."""

    def __init__(self, standin: GraphStandIn, rng: random.Random, fails: float) -> None:
        super().__init__()
        self.standin, self.rng, self.fails = standin, rng, fails

    def send(self, request: requests.PreparedRequest, *args: Any, **kwargs: Any) -> requests.Response:  # type: ignore[override]
        if self.rng.random() < self.fails:
            raise requests.ConnectionError
        parts = urlsplit(str(request.url))
        headers = {name.lower(): value for name, value in request.headers.items()}
        reply = self.standin.answer(Request("GET", parts.path, parse_qs(parts.query), headers))
        response = requests.Response()
        response.status_code = reply.status
        response._content = reply.payload()
        response.headers.update(reply.headers)
        return response

    def close(self) -> None:
        return


@dataclass
class Town:
    """Some people, one platform, and a listener."""

    platform: str
    rng: random.Random
    fails: float
    every_poll: bool
    world: World = field(default_factory=lambda: World(lambda: NOW))
    roots: list[Post] = field(default_factory=list)
    comments: list[Post] = field(default_factory=list)
    said: dict[str, Post] = field(default_factory=dict)
    heard: set[str] = field(default_factory=set)
    cursor: str | None = None
    is_over: bool = False

    def __post_init__(self) -> None:
        poll_every = timedelta(seconds=5) if self.every_poll else None
        if self.platform == "facebook":
            self.wire = Wire(FacebookStandIn(self.world, "100", "t"), self.rng, self.fails)
            self.settings: Any = facebook.Settings("100", "t", poll_every=poll_every)
        else:
            self.wire = Wire(InstagramStandIn(self.world, "178", "t"), self.rng, self.fails)
            self.settings = instagram.Settings("178", "t", poll_every=poll_every)

    def say(self) -> None:
        dice, rng = self.rng.random(), self.rng
        author = Author(name="S", handle=f"s{rng.randrange(9)}", id=str(700 + rng.randrange(9)))
        late = self.world.now() + timedelta(minutes=rng.choice([1, 20, 300])) if rng.random() < 0.05 else None
        kind, parent = Kind.COMMENT, None
        if dice < 0.1 or not self.roots:
            kind = Kind.OWN_POST
        elif dice < 0.15:
            kind = Kind.TAG
        elif dice < 0.2 and self.platform == "facebook":
            kind = Kind.REVIEW if dice < 0.17 else Kind.COMMENT
        elif dice < 0.6 or not self.comments:
            parent = rng.choice(self.roots[-5:] if rng.random() < 0.8 else self.roots)
        else:
            parent = rng.choice(self.comments[-50:] if rng.random() < 0.8 else self.comments)
        who = None if kind is Kind.OWN_POST else author
        post = self.world.say(self.platform, kind, "Hello", author=who, parent=parent, visible_at=late)
        if parent is not None:
            self.comments.append(post)
        elif kind in {Kind.OWN_POST, Kind.COMMENT}:
            self.roots.append(post)
        self.said[f"rating:{post.id}" if kind is Kind.REVIEW else post.id] = post
        if self.comments and rng.random() < 0.05:
            self.world.delete(rng.choice(self.comments))

    def poll(self, calls: int | None = None) -> None:
        for _ in range(100):
            if not self.is_over and self.rng.random() < 0.3:
                self.world.move(timedelta(seconds=1))
                self.say()
            module = facebook if self.platform == "facebook" else instagram
            connector: Any = module.connect(self.settings, ORGANISATION)
            connector._graph.session.mount("https://", self.wire)
            left = {"calls": calls} if calls else {}
            try:
                batch = connector.fetch(self.cursor, Allowance(self.world.now(), left, hurried=self.rng.random() < 0.3))
            except (Unreachable, RateLimited):
                return
            self.cursor = batch.cursor
            assert len(self.cursor or "") < 64 * 1024
            self.heard |= {mention.external_id for mention in batch.mentions}
            if not batch.more:
                return

    def is_there(self, post: Post | None) -> bool:
        while post is not None:
            if post.deleted_at is not None or (post.visible_at or NOW) > self.world.now():
                return False
            post = self.world.get(self.platform, post.parent) if post.parent else None
        return True


@pytest.mark.parametrize("seed", range(4))
@pytest.mark.parametrize("fails", [0.0, 0.15])
@pytest.mark.parametrize("platform", ["facebook", "instagram"])
def test_all_that_is_said_and_stays_is_heard_in_the_end(platform: str, fails: float, seed: int) -> None:
    rng = random.Random(f"{platform} {fails} {seed}")
    town = Town(platform, rng, fails, every_poll=bool(seed % 2))
    for _ in range(rng.randrange(8, 20)):
        for _ in range(rng.choice([0, 1, 1, 2, 5, 30, 90])):
            town.world.move(timedelta(seconds=rng.choice([0, 1, 30])))
            town.say()
        town.world.move(timedelta(minutes=rng.choice([1, 1, 1, 5, 20, 60, 600])))
        for _ in range(rng.choice([0, 1, 1, 2])):
            town.poll(rng.choice([None, 1, 2, 5]))
    town.wire.fails, town.is_over = 0.0, True
    town.world.move(timedelta(hours=7))
    for _ in range(5):
        town.poll()
        town.world.move(timedelta(minutes=16))

    missed = [post for key, post in town.said.items() if key not in town.heard and town.is_there(post)]

    assert missed == []
