"""What waits inside the platforms when a takeover begins: read only, looked up once, never guessed."""

from __future__ import annotations

from collections.abc import Callable
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from house_pages import PagesHouse
from makers import NOW

from connectors.errors import CredentialsRejected
from connectors.model import Scheduled
from monitor import preflight, takeovers
from monitor.store.tables import AlertRow, PreflightRow
from monitor.workers import DeadlineExceeded

CONNECTORS = {"facebook": {"page_id": "1", "page_token": "secret-token", "app_secret": "secret-app"}}


class Answers:
    """A runner that answers with what it was given, or raises it."""

    def __init__(self, answer: Any) -> None:
        self.answer, self.asked = answer, 0

    def run(self, deadline: timedelta, work: Callable[..., Any], *args: Any, **kwargs: Any) -> Any:
        self.asked += 1
        if isinstance(self.answer, Exception):
            raise self.answer
        return self.answer


def looked(tmp_path: Path, answer: Any) -> dict[str, PreflightRow]:
    runner = Answers(answer)
    house = PagesHouse(tmp_path, runner=runner, connectors=CONNECTORS)
    with house.app.database.write() as session:
        takeovers.begin(session, house.app.desk, by="Rowan Ashdown (CEO)", reason="A story", now=house.now)
    preflight.run(house.app, house.now)
    preflight.run(house.app, house.now)
    assert runner.asked == 1
    with house.app.database.read() as session:
        rows = {row.platform: row for row in session.query(PreflightRow)}
    house.close()
    return rows


def test_posts_that_wait_are_counted_with_their_links_and_without_their_words(tmp_path: Path) -> None:
    post = Scheduled("facebook", "9", "Come to our festival!", NOW + timedelta(hours=3), "https://facebook.example/9")

    rows = looked(tmp_path, (post,))

    assert (rows["facebook"].result, rows["facebook"].found) == (
        "found",
        [{"at": "2026-11-24T17:02:00+00:00", "url": "https://facebook.example/9"}],
    )
    assert rows["x"].result == "by hand"


def test_an_empty_queue_is_said_to_be_empty(tmp_path: Path) -> None:
    assert looked(tmp_path, ())["facebook"].result == "empty"


@pytest.mark.parametrize(
    "fault",
    [CredentialsRejected("The token was refused.", "Make a new one."), DeadlineExceeded("60 s"), None],
)
def test_a_queue_that_cannot_be_read_must_be_looked_at_by_hand(tmp_path: Path, fault: Exception | None) -> None:
    assert looked(tmp_path, fault)["facebook"].result == "by hand"


def test_without_a_takeover_nothing_is_looked_at(tmp_path: Path) -> None:
    runner = Answers(())
    house = PagesHouse(tmp_path, runner=runner, connectors=CONNECTORS)

    assert preflight.run(house.app, house.now) == []
    house.close()
    assert runner.asked == 0


def test_the_holder_is_mailed_at_once_that_something_would_still_be_published(tmp_path: Path) -> None:
    post = Scheduled("facebook", "9", "Come to our festival!", NOW + timedelta(hours=3), "https://facebook.example/9")
    house = PagesHouse(tmp_path, runner=Answers((post, post)), connectors=CONNECTORS)
    with house.app.database.write() as session:
        takeovers.begin(session, house.app.desk, by="Rowan Ashdown (CEO)", reason="A story", now=house.now)

    preflight.run(house.app, house.now)
    preflight.run(house.app, house.now)

    with house.app.database.read() as session:
        owed = session.query(AlertRow).filter(AlertRow.template == "situation").all()
        (letter,) = (house.app.dispatcher.letter(session, row, house.now) for row in owed)
    house.close()
    assert owed[0].role == "ceo"
    assert "Facebook has planned posts" in letter.subject
    assert "Facebook: 2 posts, the first on" in letter.text
    assert "festival" not in letter.text
