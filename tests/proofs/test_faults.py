"""Each fault of the error catalogues, one at a time, on each platform: the others go on, the right person is told in
plain words, recovery is by itself, nothing is lost or doubled (issue bar)."""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from quick_town import QuickHouse
from sqlalchemy import func, select
from town import LONG, OPERATOR, PLATFORMS, SECRETS, heard_marks, mark_of

from alerts.model import Letter, MailKind
from connectors.standins.server import Reply, Server
from monitor.hearing import say_platform
from monitor.store.tables import AlertRow, MentionRow
from monitor.workers import Workers

pytestmark = [pytest.mark.real, pytest.mark.timeout(1800 if LONG else 240)]

SPECS = Path(__file__).parents[1] / "specs"
STEP = timedelta(minutes=5)
DEAF_AFTER, LASTS = "10m", timedelta(minutes=25)
NEEDS_A_PERSON = {"auth", "permission", "config", "version"}


@dataclass(frozen=True, slots=True)
class Fault:
    """How a platform goes wrong: an answer of the catalogues, or a line that breaks."""

    name: str
    begin: Callable[[Server, str, int], None]
    """Given the server, the platform's path and the time of a reset."""

    def __str__(self) -> str:
        return self.name


def _answers(file: str, key: str) -> Iterator[Fault]:
    for number, entry in enumerate(json.loads((SPECS / file).read_text("utf-8"))[key]):
        name = entry.get("name") or f"{entry['body'].get('error', entry['body']).get('code')}-{number}"
        yield Fault(f"{key}-{name}", _begin_answer(entry))


def _begin_answer(entry: dict[str, Any]) -> Callable[[Server, str, int], None]:
    def begin(server: Server, path: str, reset: int) -> None:
        values = {"x-rate-limit-limit": "450", "x-rate-limit-remaining": "0", "x-rate-limit-reset": str(reset)}
        headers = {"content-type": "application/json", **{name: values[name] for name in entry.get("headers", ())}}
        server.trouble("reply", times=10**9, path=path, reply=Reply(entry["http"], entry["body"], headers))

    return begin


def _line(how: str, status: int = 502) -> Fault:
    def begin(server: Server, path: str, reset: int) -> None:
        del reset
        server.trouble(how, times=10**9, path=path, status=status)

    return Fault(f"{how}-{status}" if how in {"html", "empty"} else how, begin)


LINES = [_line("html"), _line("html", 200), _line("empty"), _line("empty", 200), _line("cut"), _line("drop")]
GRAPH = list(_answers("error-bodies.json", "graph"))
CATALOGUE = {
    "x": list(_answers("x-youtube-error-bodies.json", "x")),
    "facebook": GRAPH,
    "instagram": GRAPH,
    "linkedin": list(_answers("error-bodies.json", "linkedin")),
    "youtube": list(_answers("x-youtube-error-bodies.json", "youtube")),
}


def faults_of(platform: str) -> list[Fault]:
    """All of them in the long form; every third, and the broken lines, in the short one."""
    known = [*CATALOGUE[platform], *LINES]
    return known if LONG else [*CATALOGUE[platform][::3], *LINES[::3]]


@pytest.fixture
def house(tmp_path: Path) -> Iterator[QuickHouse]:
    made = QuickHouse(tmp_path, alerts={"deaf_after": DEAF_AFTER})
    made.pass_time(timedelta(seconds=30), lambda: False, timedelta(minutes=2))
    yield made
    made.close()


@pytest.mark.parametrize("platform", PLATFORMS)
def test_a_platform_that_goes_wrong_is_told_and_comes_back_by_itself(
    platform: str, house: QuickHouse, capsys: pytest.CaptureFixture[str]
) -> None:
    told, slowest = 0, timedelta()
    for fault in faults_of(platform):
        outcome = _live_through(house, platform, fault)
        told += outcome.told
        slowest = max(slowest, outcome.recovery)
    with capsys.disabled():
        print(
            f"\n  faults on {platform}: {len(faults_of(platform))} one at a time, {told} told to the operator; "
            f"after the longest the platform was heard again within {slowest}"
        )


@pytest.mark.parametrize(("how", "one"), [("hang", "x"), ("drip", "facebook")])
def test_a_line_that_keeps_us_waiting_is_cut_and_the_others_go_on(how: str, one: str, tmp_path: Path) -> None:
    platforms = PLATFORMS if LONG else (one,)
    workers = Workers(["monitor.asking", "connectors.graph.client", "tweepy", "connectors.youtube.hearing"])
    house = QuickHouse(tmp_path, runner=workers, alerts={"deaf_after": DEAF_AFTER}, service={"poll_deadline": "2s"})
    try:
        house.pass_time(timedelta(seconds=30), lambda: False, timedelta(minutes=2))
        for platform in platforms:
            _live_through(house, platform, _line(how), step=timedelta(minutes=12))
    finally:
        house.close()


@dataclass(frozen=True, slots=True)
class Outcome:
    told: bool
    recovery: timedelta


def _live_through(house: QuickHouse, platform: str, fault: Fault, step: timedelta = STEP) -> Outcome:
    town, database = house.town, house.app.database
    heard = lambda mark: heard_marks(database)[mark] > 0  # noqa: E731
    before = len(house.hands.letters)
    reset = int((house.now + timedelta(minutes=10)).timestamp())
    fault.begin(town.server, f"/{platform}/", reset)
    grave = town.say(platform, grave=True)
    others = [town.say(name) for name in PLATFORMS if name != platform]
    house.pass_time(step, lambda: False, LASTS)

    said = f"{platform}, {fault}"
    assert [s.platform for s in others if not heard(s.mark)] == [], f"{said}: the others did not go on"
    assert [n for n in PLATFORMS if n != platform and house.platform(n).failing_since] == [], f"{said}: others failed"
    was_heard = heard(grave.mark)
    letters = [x for x in house.hands.letters[before:] if x.kind is MailKind.DEAF]
    if not was_heard:
        _check_words(letters, platform, said)
    town.server.calm()
    recovery = house.pass_time(step, lambda: heard(grave.mark), timedelta(days=2), leap=platform)
    assert heard(grave.mark), f"{said}: lost ({house.platform(platform).error})"
    house.pass_time(step, lambda: _is_well(house, platform), timedelta(days=1))
    assert _is_well(house, platform), f"{said}: never well again ({house.platform(platform).error})"
    assert {mark: n for mark, n in heard_marks(database).items() if n > 1} == {}, f"{said}: doubled"
    _check_told_once(house, grave.mark, said)
    if any(f"cannot hear {say_platform(platform)}" in x.subject for x in letters) and not was_heard:
        again = lambda: [x for x in house.hands.letters[before:] if "HEARD AGAIN" in x.subject]  # noqa: E731
        house.pass_time(step, again, timedelta(hours=3))
        assert again(), f"{said}: nobody was told that it is heard again"
    return Outcome(bool(letters), recovery)


def _is_well(house: QuickHouse, platform: str) -> bool:
    row = house.platform(platform)
    return row.failing_since is None and not row.suspect


_TECHNICAL = re.compile(r"[{}]|Traceback|Exception|\w+Error\b|OAuth|HTTP/|\bJSON\b|\bNone\b|_[a-z]+_|/\w+/\w+\?")


def _check_words(letters: list[Letter], platform: str, said: str) -> None:
    """The operator is told, by the platform's name, in words that need no manual."""
    mine = [x for x in letters if x.recipient_address == OPERATOR and say_platform(platform) in x.subject]
    assert mine, f"{said}: the operator was not told"
    lines = mine[0].text.splitlines()
    wrong = next((line for line in lines if line.startswith("What is wrong:")), "")
    assert len(wrong) > 30, f"{said}: {wrong!r} says nothing"
    for line in lines:
        if line.startswith("What is wrong:"):  # what to do may name permissions and settings
            assert not _TECHNICAL.search(line), f"{said}: not plain: {line}"
    for letter in letters:
        assert not any(secret in letter.text or secret in letter.html for secret in SECRETS.values())


def _check_told_once(house: QuickHouse, mark: str, said: str) -> None:
    with house.app.database.read() as session:
        rows = {mark_of(row.text or ""): row for row in session.scalars(select(MentionRow))}
        incident = rows[mark].incident_id
        first = session.scalar(
            select(func.count())
            .select_from(AlertRow)
            .where(AlertRow.incident_id == incident, AlertRow.template == "alert", AlertRow.role == "ceo",
                   AlertRow.revision == 1, AlertRow.delivered_at.is_not(None))
        )  # fmt: skip
    assert incident, f"{said}: no incident"
    assert first == 1, f"{said}: told {first} times"
