"""A database that goes away while the first try of a crisis is under way, and comes back: the crisis leaves within the
minute, once, and the log says what happened in two lines (issue bar)."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from pathlib import Path

import pytest
from postgres import PostgreSQL
from relay import Relay
from sqlalchemy import select
from town import CEO, Earshot, Town, eventually, raw_settings, running, store, swept

from alerts.mailbox import Fault, Kept
from monitor.store.database import Database
from monitor.store.tables import AlertRow

pytestmark = [pytest.mark.real, pytest.mark.timeout(300)]


@pytest.fixture(scope="module")
def server() -> Iterator[PostgreSQL]:
    server = PostgreSQL()
    yield server
    server.stop()


class _Held:
    """Keeps the mail server's answer to the first letter back until told, then gives it."""

    def __init__(self, answer: Fault | None) -> None:
        self.asked, self.go = threading.Event(), threading.Event()
        self._answer = answer

    def __call__(self, sender: str, recipient: str) -> Fault | None:
        if self.go.is_set():
            return None
        self.asked.set()
        self.go.wait(120)
        return self._answer


def _alerts(town: Town) -> list[Kept]:
    return [letter for letter in town.mailbox.to(CEO) if letter.message["X-Earshot-Kind"] == "alert"]


def _distress(town: Town) -> list[Kept]:
    return [letter for letter in town.mailbox.letters if letter.message_id.startswith("<distress.")]


def _is_marked(database: Database) -> bool:
    with database.read() as session:
        row = session.scalars(select(AlertRow).where(AlertRow.template == "alert", AlertRow.role == "ceo")).one()
    return row.delivered_at is not None


@pytest.mark.parametrize("answer", [Fault.TRY_LATER, None], ids=["not taken", "taken"])
def test_a_crisis_leaves_within_a_minute_after_a_database_that_was_away_is_back(
    answer: Fault | None, server: PostgreSQL, tmp_path: Path
) -> None:
    url = server.fresh()
    with Town() as town, Relay(server.socket) as relay:
        raw = raw_settings(town, tmp_path, poll_every="1s", url=server.through(relay.port, url))
        raw["connectors"] = {"x": raw["connectors"]["x"]}
        earshot = Earshot.with_settings(tmp_path, raw)
        with running(earshot), store({**raw, "store": {**raw["store"], "url": url}}) as database:
            eventually(lambda: swept(database, ("x",)), 60, "the past to be taken in")
            town.mailbox.choose = held = _Held(answer)
            town.say("x", grave=True)
            assert held.asked.wait(60)

            relay.cut()
            held.go.set()
            eventually(lambda: "cannot be used" in earshot.words(), 60, "the log to say that it is away")
            eventually(lambda: _distress(town), 90, "operator and CEO to hear that it is away")
            relay.mend()

            eventually(lambda: _alerts(town), 60, "the crisis to leave")
            eventually(lambda: _is_marked(database), 60, "it to be marked")
            assert len(_alerts(town)) == 1
            eventually(
                lambda: "the database can be used again" in earshot.words(), 60, "the log to say that it is back"
            )
            lines = earshot.words().splitlines()
            assert len([line for line in lines if "the database cannot be used" in line]) == 1
            assert len([line for line in lines if "the database can be used again" in line]) == 1
            assert [line for line in lines if "broke down" in line or "Traceback" in line] == []
