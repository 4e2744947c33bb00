"""10,000 posts in ten minutes: nobody gets more than 12 e-mails, and no distinct incident is hidden (issue bar)."""

from __future__ import annotations

import random
import time
from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path

import pytest
from makers import a_mention
from sqlalchemy import func, select
from town import LONG, PLATFORMS, chatter_text, crisis_text, mark_of

from connectors.model import Author, Kind
from monitor.model import Named
from monitor.scoring import build_scorer
from monitor.store.tables import MentionRow
from monitor.testing import House, story_settings

pytestmark = [pytest.mark.real, pytest.mark.timeout(600)]

POSTS, DISTINCT = (10_000 if LONG else 3_000), 25
LASTS = timedelta(minutes=10)
MOST_MAILS = 12
RUMOUR = (
    "Hearing that someone who works at @TessellateUK has been messaging a girl of 14 at night and told her to keep it "
    "secret. Is anyone going to answer the mum?"
)
ENDINGS = (
    "",
    " Disgusting.",
    " Shame on you!!",
    " Please share",
    " 😡",
    " So they knew?",
    " Answer her",
    " #TrustTalk",
)


@pytest.fixture
def house(tmp_path: Path) -> Iterator[House]:
    settings = story_settings(tmp_path)
    scorer = build_scorer(settings.organisation, model="linear", people=(Named("ceo", "Rowan Ashdown"),))
    made = House(settings, PLATFORMS, scorer=scorer)
    made.tick()
    made.fast_forward(minutes=2)
    made.mailer.letters.clear()
    yield made
    made.app.close()


def test_a_storm_hides_nothing_and_floods_nobody(house: House, capsys: pytest.CaptureFixture[str]) -> None:
    distinct = _rage(house)
    began, worked = time.monotonic(), time.process_time()

    house.fast_forward(minutes=10, step=timedelta(seconds=5))

    lasted, work = time.monotonic() - began, time.process_time() - worked
    in_time = len(house.mailer.letters)
    most = {role: len(house.inbox(role)) for role in ("ceo", "chair", "operator")}
    house.fast_forward(minutes=4, step=timedelta(seconds=5))
    with house.app.database.read() as session:
        rows = {mark_of(r.text or ""): r.incident_id for r in session.scalars(select(MentionRow)) if r.text}
        stored = session.scalar(select(func.count()).select_from(MentionRow))
    told = "\n".join(f"{letter.incident} {letter.text}" for letter in house.inbox("ceo"))
    hidden = [mark for mark in distinct if not rows.get(mark) or rows[mark] not in told]
    with capsys.disabled():
        print(
            f"\n  storm: {stored} posts taken in, {stored / lasted:.0f} a second ({stored / work:.0f} a second of one "
            f"core); {in_time} mails in ten minutes, at most {max(most.values())} to one person; "
            f"{len(distinct) - len(hidden)} of {len(distinct)} distinct incidents told"
        )
    assert stored == POSTS
    assert max(most.values()) <= MOST_MAILS
    assert hidden == []


def test_outside_a_storm_each_of_many_crises_is_told_within_seconds_of_being_heard(house: House) -> None:
    for number in range(15):
        told_before = len(house.inbox("ceo"))
        mark = f"mark{number:05d}"
        house.say(a_mention(crisis_text(mark), platform="x", external_id=mark, kind=Kind.MENTION))

        house.fast_forward(seconds=40, step=timedelta(seconds=2))

        with house.app.database.read() as session:
            home = session.scalars(select(MentionRow.incident_id).where(MentionRow.external_id == mark)).one()
        news = house.inbox("ceo")[told_before:]
        assert home is not None
        assert any(home in f"{letter.incident} {letter.text}" for letter in news), number


def _rage(house: House) -> list[str]:
    """Copies of one rumour, everyday talk, and between them disclosures that have nothing to do with it."""
    rng = random.Random(17)
    places = set(rng.sample(range(200, POSTS), DISTINCT))
    distinct = []
    for number in range(POSTS):
        mark = f"mark{number:05d}"
        platform = rng.choice(PLATFORMS)
        if number in places:
            text = crisis_text(mark)
            distinct.append(mark)
        elif rng.random() < 0.6:
            text = RUMOUR + rng.choice(ENDINGS)
        else:
            text = chatter_text(mark)
        writer = f"person_{rng.randrange(6000)}"
        house.say(
            a_mention(
                text, platform=platform, external_id=f"{platform}-{number}", kind=Kind.MENTION,
                author=Author(name=writer, handle=writer, id=writer),
            ),
            after=LASTS * number / POSTS,
        )  # fmt: skip
    return distinct
