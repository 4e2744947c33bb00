"""From a post that can be seen to a mail that was accepted: one poll interval and ten seconds (issue bar, p99)."""

from __future__ import annotations

import random
import time
from pathlib import Path

import pytest
from sqlalchemy import select
from town import (
    LONG,
    PLATFORMS,
    Earshot,
    Said,
    Town,
    eventually,
    heard_marks,
    incidents_told,
    mark_of,
    raw_settings,
    running,
    store,
    swept,
)

from monitor.store.database import Database
from monitor.store.tables import MentionRow

pytestmark = [pytest.mark.real, pytest.mark.timeout(1200 if LONG else 120)]

POSTS, PAUSE = (200, 2.0) if LONG else (25, 0.6)
INTERVAL = 2.0
"""Seconds between polls."""
MORE = 10.0


def test_a_mail_is_accepted_within_one_poll_and_ten_seconds(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    with Town() as town:
        raw = raw_settings(town, tmp_path, poll_every=f"{INTERVAL:.0f}s", judgement={"model": "linear"})
        with running(Earshot.with_settings(tmp_path, raw)) as earshot, store(raw) as database:
            eventually(lambda: swept(database), 60, "the past to be taken in")
            rng = random.Random(3)
            for number in range(POSTS):
                town.say(PLATFORMS[number % len(PLATFORMS)], grave=True)
                time.sleep(PAUSE * rng.uniform(0.5, 1.5))
            eventually(lambda: len(heard_marks(database)) >= POSTS, 60, "every post to be heard")
            eventually(lambda: not _untold(database, town), 60, "every post to be told")
            lags = sorted(_lags(database, town).values())
            earshot.end()

    p50, p99 = (lags[min(len(lags) - 1, round(share * len(lags)))] for share in (0.5, 0.99))
    with capsys.disabled():
        print(
            f"\n  latency: {len(lags)} posts on {len(PLATFORMS)} platforms polled every {INTERVAL:.0f} s: "
            f"p50 {p50:.1f} s, p99 {p99:.1f} s, longest {lags[-1]:.1f} s; {len(town.mailbox.letters)} letters"
        )
    assert len(lags) == POSTS
    assert p99 <= INTERVAL + MORE


def _lags(database: Database, town: Town) -> dict[str, float]:
    """Seconds from each post's being visible to the first letter that names its incident, by mark."""
    told: dict[str, float] = {}
    for letter in town.mailbox.letters:
        for incident in incidents_told([letter.message]):
            told.setdefault(incident, letter.at.timestamp())
    with database.read() as session:
        rows = {mark_of(row.text or ""): row.incident_id for row in session.scalars(select(MentionRow))}
    return {s.mark: told[home] - s.at for s in town.said if (home := rows.get(s.mark)) and home in told}


def _untold(database: Database, town: Town) -> list[Said]:
    lags = _lags(database, town)
    return [s for s in town.said if s.mark not in lags]
