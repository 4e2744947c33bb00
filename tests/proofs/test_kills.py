"""No crash at any instant loses a mention or an alert (issue bar: 300 SIGKILLs, 2,000 mentions, mail failing 30 %)."""

from __future__ import annotations

import contextlib
import json
import random
import threading
import time
from collections import Counter, defaultdict
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from itertools import pairwise
from pathlib import Path

import pytest
from sqlalchemy import func, select, text, update
from sqlalchemy.orm import Session
from town import (
    LONG,
    PLATFORMS,
    Earshot,
    Said,
    Town,
    Unsteady,
    eventually,
    heard_marks,
    incidents_told,
    mark_of,
    now,
    raw_settings,
    running,
    store,
    swept,
)

from alerts.mailbox import Mailbox
from monitor import audit
from monitor.store.database import Database
from monitor.store.tables import AlertRow, MentionRow

pytestmark = [pytest.mark.real, pytest.mark.timeout(14_400 if LONG else 600)]

RUNS = {"sqlite": (300, 2000), "postgresql": (300, 2000)} if LONG else {"sqlite": (10, 100), "postgresql": (4, 40)}
"""By database: kills, and mentions that flow meanwhile."""
AT_REST = 1.5
"""Seconds that a start takes on a machine that does nothing else; the kills keep pace with what it takes here."""
SLOWEST = 20.0 if LONG else 3.0
"""Times slower than at rest at which the kills keep pace no more, so that the proof comes to an end."""
PATIENCE = 1800 if LONG else 150
"""Seconds until all must be heard and told at the end, however busy the machine is."""


@pytest.mark.parametrize("url", ["sqlite", "postgresql"], indirect=True)
def test_no_kill_loses_or_doubles_anything(url: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    mail = Unsteady(0.3)
    kills, mentions = RUNS["sqlite" if url.startswith("sqlite") else "postgresql"]
    with Town(mail) as town:
        chain = {"again": "12h", "chair": "20h"}
        raw = raw_settings(
            town, tmp_path, poll_every="1s", url=url,
            alerts={"crisis": chain, "alert": chain, "deaf_after": "6h"},
        )  # fmt: skip
        earshot = Earshot.with_settings(tmp_path, raw)
        with running(earshot), store(raw) as database:
            eventually(lambda: swept(database), 60, "the past to be taken in")
            begun = earshot.call("takeover", "begin", "--reason", "A proof.")
            assert begun.returncode == 0, begun.stderr
            began = time.monotonic()
            _live_through_kills(earshot, town, kills, mentions)
            eventually(lambda: not _unheard(database, town.said), PATIENCE, "every mention to be heard", pause=0.5)
            eventually(lambda: not _owed_as_time_passes(database), PATIENCE, "every alert to leave", pause=1)
            code, _ = earshot.end()
            lasted = time.monotonic() - began

            assert code == 0
            copies = _copies(mail, earshot)
            _print_figures(capsys, url, earshot, town, mail, copies, lasted)
            _check_mentions(database, town.said)
            _check_alerts(database, town.said, mail)
            assert copies["unexplained"] == 0
            assert mail.violations == []
            _check_store(database)


def _live_through_kills(earshot: Earshot, town: Town, kills: int, mentions: int) -> None:
    """Mentions flow evenly while the daemon is killed and started again, at random moments of its life."""
    rng, pace = random.Random(41), _pace(earshot)
    over = threading.Event()
    between = kills * 2.6 * pace / mentions
    talk = threading.Thread(target=_talk, args=(town, mentions, between, over), daemon=True)
    talk.start()
    while len(earshot.kills) < kills:
        _wait_a_while(rng, town.mailbox, pace)
        earshot.kill()
        if len(earshot.kills) == kills:
            over.set()
        earshot.start()
    talk.join(60)


def _pace(earshot: Earshot) -> float:
    """How much longer a start takes here and now than on a machine at rest: killed sooner, it would have no life."""
    lives = _lives(earshot)
    began = time.monotonic()
    earshot.kill()
    earshot.start()
    eventually(lambda: _lives(earshot) > lives, 120, "the daemon to listen again")
    return min(max(1.0, (time.monotonic() - began) / AT_REST), SLOWEST)


def _lives(earshot: Earshot) -> int:
    """How often it came so far as to listen."""
    return earshot.words().count('"listening"')


def _wait_a_while(rng: random.Random, mail: Mailbox, pace: float) -> None:
    """A random time; every third time on until a letter is on its way, the moment at which most could go wrong."""
    dice = rng.random()
    time.sleep(pace * (rng.uniform(0.05, 1.5) if dice < 0.25 else rng.uniform(1.5, 4.0)))
    if dice > 0.66:
        until, before = time.monotonic() + 3 * pace, mail.conversations
        while mail.conversations == before and time.monotonic() < until:
            time.sleep(0.002)
        time.sleep(rng.uniform(0, 0.03))


def _talk(town: Town, mentions: int, pause: float, over: threading.Event) -> None:
    """Chatter, disclosures that somebody must be told, and posts of our own that break the takeover. What is left
    when the kills are over is said at once."""
    rng = random.Random(43)
    for _ in range(mentions):
        over.wait(pause * rng.uniform(0, 2))
        platform = rng.choice(PLATFORMS)
        dice = rng.random()
        if dice < 0.15:
            town.post_ourselves(platform)
        else:
            town.say(platform, grave=dice < 0.45)


def _unheard(database: Database, said: list[Said]) -> set[str]:
    return {s.mark for s in said} - set(heard_marks(database))


def _owed_as_time_passes(database: Database) -> int:
    """How many alerts are owed still; spares us the minutes between tries and between round-ups."""
    waits = (AlertRow.delivered_at.is_(None), AlertRow.superseded_at.is_(None), AlertRow.refused_at.is_(None))
    long_ago = now() - timedelta(hours=1)

    def work(session: Session) -> int:
        session.execute(update(AlertRow).where(AlertRow.delivered_at > long_ago).values(delivered_at=long_ago))
        session.execute(update(AlertRow).where(*waits, AlertRow.claimed.is_(False)).values(retry_at=now()))
        return session.scalar(select(func.count()).select_from(AlertRow).where(*waits)) or 0

    return database.in_transaction(work)  # the daemon writes too: begun again where they meet


# ── what must be true ───────────────────────────────────────────────────────────────────────────────


def _check_mentions(database: Database, said: list[Said]) -> None:
    heard = heard_marks(database)
    assert {s.mark for s in said} - set(heard) == set(), "mentions were lost"
    assert {mark: count for mark, count in heard.items() if count > 1} == {}, "mentions were doubled"


def _check_alerts(database: Database, said: list[Said], mail: Unsteady) -> None:
    # what leaves straight from memory, such as the word on a first start, stands in no outbox
    letters = {e.message_id: e.message for e in mail.letters if not e.message_id.startswith("<distress.")}
    with database.read() as session:
        alerts = session.scalars(select(AlertRow)).all()
        rows = {mark_of(row.text or ""): row for row in session.scalars(select(MentionRow))}
    single = [row for row in alerts if row.channel == "mail" and not row.bundle]
    assert [row.id for row in alerts if row.delivered_at is None] == []
    identities = {row.id: next((key for key in letters if key.startswith(f"<{row.id}@")), None) for row in single}
    assert [row.template for row in single if identities[row.id] is None] == [], "marked as sent, but never sent"
    assert len(letters) == len(single), "one alert, one Message-ID"
    told = incidents_told(letters.values())
    silent = [s.mark for s in said if s.grave and rows[s.mark].incident_id not in told]
    assert silent == [], "alerts were lost"
    breaches = {row.facts.get("mention") for row in alerts if row.template == "breach"}
    ours = [s for s in said if s.post.kind.value == "own_post"]
    assert [s.mark for s in ours if rows[s.mark].id not in breaches] == [], "breaches were lost"


@dataclass(frozen=True, slots=True)
class Journal:
    """What the daemon's log says of its lives: when each began to work, and when each letter was marked."""

    began: tuple[float, ...]
    marked: Mapping[str, tuple[float, ...]]
    """By the beginning of the alert's id."""

    @classmethod
    def read(cls, words: str) -> Journal:
        """From the log; a kill may have cut a line off."""
        began: list[float] = []
        marked: dict[str, list[float]] = defaultdict(list)
        for line in words.splitlines():
            with contextlib.suppress(ValueError):
                said = json.loads(line)
                at = datetime.fromisoformat(said["at"]).timestamp()
                if said["what"] == "Earshot starts":
                    began.append(at)
                elif said["what"] == "delivered":
                    marked[said["alert"]].append(at)
        return cls(tuple(began), {alert: tuple(moments) for alert, moments in marked.items()})


def _copies(mail: Unsteady, earshot: Earshot) -> Counter[str]:
    """Letters beyond the first of each Message-ID, by what made them."""
    journal = Journal.read(earshot.words())
    times: dict[str, list[float]] = defaultdict(list)
    for letter in mail.letters:
        times[letter.message_id].append(letter.at.timestamp())
    return Counter(
        "after a cut reply" if before in mail.cut.get(identity, ()) else _why(identity, before, after, journal, earshot)
        for identity, moments in times.items()
        for before, after in pairwise(sorted(moments))
    )


def _why(identity: str, before: float, after: float, journal: Journal, earshot: Earshot) -> str:
    """What made a letter leave twice, by the log and not by how near a kill was. A life that marked a letter never
    sends it again; one that had not begun to work sent nothing: that was a helper which outlived its daemon by the
    letter that it had begun."""
    kill = next((kill for kill in earshot.kills if before < kill < after), None)
    if any(before < at < (kill or after) for at in journal.marked.get(identity[1:13], ())):
        return "unexplained"
    if kill is not None:
        return "after a kill"
    died = max((kill for kill in earshot.kills if kill <= before), default=0.0)
    life = next((at for at in journal.began if at > died), before)
    return "by a helper that outlived its daemon" if died and before < life else "unexplained"


def _check_store(database: Database) -> None:
    with database.read() as session:
        assert audit.verify(session) == []
        assert session.scalar(text("SELECT count(*) FROM takeover WHERE verb = 'begin'")) == 1
        if database.is_sqlite:
            assert session.scalar(text("PRAGMA integrity_check")) == "ok"


def _print_figures(
    capsys: pytest.CaptureFixture[str], url: str, earshot: Earshot, town: Town, mail: Unsteady,
    copies: Counter[str], lasted: float,
) -> None:  # fmt: skip
    letters = mail.letters
    with capsys.disabled():
        print(
            f"\n  kills on {url.split(':')[0]}: {len(earshot.kills)} SIGKILLs in {lasted:.0f} s, "
            f"{_lives(earshot)} lives that listened, {len(town.said)} mentions "
            f"({sum(s.grave for s in town.said)} grave, {sum(s.post.kind.value == 'own_post' for s in town.said)} breaches); "
            f"{mail.conversations} conversations of which {sum(mail.faults.values())} failed; {len(letters)} letters, "
            f"{len({letter.message_id for letter in letters})} Message-IDs; copies: {dict(copies)}"
        )
