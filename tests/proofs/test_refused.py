"""A mail server that refuses everything, beside a real daemon: it says so to monitoring, its pages stay, and what it owes
leaves once that is mended."""

from __future__ import annotations

from pathlib import Path

import pytest
from bare_house import ask_health
from town import CEO, CHAIR, Earshot, Town, eventually, raw_settings, running, store, swept

pytestmark = [pytest.mark.real, pytest.mark.timeout(300)]

POLICY = "550 5.7.1 not by our policy"


def _incidents_told(town: Town, address: str) -> set[str]:
    letters = [letter.message for letter in town.mailbox.to(address)]
    return {str(m["X-Earshot-Incident"]) for m in letters if m["X-Earshot-Kind"] == "alert"} - {"none"}


def test_what_is_refused_turns_health_red_leaves_the_pages_and_is_sent_when_mended(tmp_path: Path) -> None:
    with Town() as town:
        raw = raw_settings(town, tmp_path, poll_every="1s")
        raw["connectors"] = {"x": raw["connectors"]["x"]}
        with running(Earshot.with_settings(tmp_path, raw)) as earshot, store(raw) as database:
            eventually(lambda: swept(database, ("x",)), 60, "the past to be taken in")
            eventually(lambda: ask_health(raw)[0] == 200, 60, "health to be well")
            town.mailbox.answer("RCPT", POLICY)
            town.say("x", grave=True)

            eventually(lambda: ask_health(raw)[0] == 503, 90, "health to tell the truth")
            told = {"mail reaches nobody", "something that somebody must know has reached nobody"}
            eventually(lambda: told <= set(ask_health(raw)[1]["problems"]), 90, "health to say what is wrong")
            assert ask_health(raw, "?alive") == (200, {"status": "alive", "problems": []})
            assert _incidents_told(town, CEO) | _incidents_told(town, CHAIR) == set()

            town.mailbox.answer_as_usual()
            town.say("x", grave=True)  # the first mail that is taken brings after it what was refused
            eventually(lambda: len(_incidents_told(town, CEO)) == 2, 120, "what was refused to leave")
            eventually(lambda: _incidents_told(town, CHAIR), 120, "the Chair's to leave too")
            eventually(lambda: ask_health(raw)[0] == 200, 120, "health to be well again")
            assert earshot.is_running()
