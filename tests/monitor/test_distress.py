"""When nothing can be written down any more, one mail leaves all the same, and hearing goes on by itself."""

from __future__ import annotations

import time
from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path

import pytest
from makers import a_mention, an_assessment
from sqlalchemy import event, select, text
from sqlalchemy.exc import IntegrityError, OperationalError

from alerts.model import DeliveryFailed, MailKind, Severity
from monitor import distress
from monitor.daemon import Daemon
from monitor.distress import Alarm, Distress
from monitor.model import Category
from monitor.store import database as store
from monitor.store.database import StoreLost
from monitor.store.tables import MentionRow, PlatformRow
from monitor.testing import START, House, a_house
from monitor.told import Told

AT_ONCE = timedelta()
BROKEN = OperationalError("UPDATE x", {}, Exception("disk"))
ALERT = an_assessment(Severity.ALERT, Category.COMPLAINT)


@pytest.fixture
def house(tmp_path: Path) -> Iterator[House]:
    house = a_house(tmp_path)
    house.tick()
    house.fast_forward(minutes=2)
    house.mailer.letters.clear()
    yield house
    house.app.close()


@pytest.fixture
def impatient(monkeypatch: pytest.MonkeyPatch) -> None:
    """A test does not wait for a disk to become free by itself."""
    monkeypatch.setattr(store, "PATIENCE", 0.0)


def _fill_disk(house: House) -> None:
    """Let the database not grow any more, as a full disk does."""

    def full(connection: object, _record: object) -> None:
        pages = connection.execute("PRAGMA page_count").fetchone()[0]  # type: ignore[attr-defined]
        connection.execute(f"PRAGMA max_page_count = {pages}")  # type: ignore[attr-defined]

    house.app.database.engine.dispose()
    event.listen(house.app.database.engine, "connect", full)
    house.on_free = lambda: event.remove(house.app.database.engine, "connect", full)  # type: ignore[attr-defined]


def _free_disk(house: House) -> None:
    house.on_free()  # type: ignore[attr-defined]
    house.app.database.engine.dispose()


def test_a_passing_trouble_is_nobodys_business(house: House) -> None:
    distress = Distress(house.app)
    distress.failed(BROKEN)
    distress.worked()
    distress.failed(BROKEN)
    distress.wait(5)

    assert house.mailer.letters == []


def test_one_that_lasts_is_mailed_once_to_operator_and_ceo_in_plain_words(house: House) -> None:
    distress = Distress(house.app, after=AT_ONCE)
    for _ in range(5):
        distress.failed(BROKEN)
        distress.wait(5)

    assert [letter.kind for letter in house.inbox("operator")] == [MailKind.DEAF]
    assert [letter.kind for letter in house.inbox("ceo")] == [MailKind.DEAF]
    assert house.inbox("chair") == []
    assert "earshot doctor --offline" in house.inbox("operator")[0].text


def test_a_mail_that_could_not_leave_is_tried_again_at_the_next_failure(house: House) -> None:
    distress = Distress(house.app, after=AT_ONCE)
    house.mailer.fail_next(DeliveryFailed("no"), DeliveryFailed("no"))
    for _ in range(2):
        distress.failed(BROKEN)
        distress.wait(5)

    assert len(house.inbox("operator")) == 1


def test_a_fault_of_our_own_is_no_distress(house: House) -> None:
    distress = Distress(house.app, after=AT_ONCE)
    distress.failed(ValueError("ours"))
    distress.wait(5)

    assert house.mailer.letters == []


@pytest.mark.usefixtures("impatient")
def test_a_full_disk_moves_no_cursor_loses_nothing_and_heals_by_itself(house: House) -> None:
    daemon = Daemon(house.app)
    for number in range(300):
        said = f"a complaint number {number} {'about the very long queue ' * 20}"
        house.say(a_mention(said, external_id=f"c{number}"), ALERT)
    _fill_disk(house)
    house.now += timedelta(minutes=1)

    house.app.poller.poll(house.app.stations["facebook"])
    with house.app.database.read() as session:
        assert "could not be stored" in session.get_one(PlatformRow, "facebook").error
    said = {m.external_id for m in house._shown["facebook"].values()}
    _free_disk(house)
    with house.app.database.read() as session:
        assert session.scalars(select(MentionRow)).all() == []
    for mention in house._shown["facebook"].values():  # the cursor did not move, so they are shown again
        house.say(mention, ALERT)
    house.fast_forward(minutes=6)

    with house.app.database.read() as session:
        assert set(session.scalars(select(MentionRow.external_id))) == said
    daemon._end()


@pytest.mark.usefixtures("impatient")
def test_a_watch_that_cannot_write_tries_an_alarm_mail_and_is_not_taken_for_stuck(house: House) -> None:
    daemon = Daemon(house.app)
    daemon._distress = Distress(house.app, after=AT_ONCE)
    with house.app.database.write() as session:
        session.execute(text("ALTER TABLE lease RENAME TO lost"))

    daemon._progress = {"watch": 0.0}
    daemon._tick("watch", daemon._watch_tick)
    daemon._distress.wait(5)

    assert daemon._progress["watch"] > 0
    assert [letter.kind for letter in house.inbox("operator")] == [MailKind.DEAF]
    daemon._end()


@pytest.mark.usefixtures("impatient")
def test_what_cannot_be_stored_is_asked_for_in_growing_gaps_and_paid_for_once(house: House) -> None:
    with house.app.database.write() as session:
        session.execute(text("CREATE TRIGGER broken BEFORE INSERT ON mention BEGIN SELECT RAISE(ABORT, 'no'); END"))
    gaps = []
    for number in range(8):
        house.say(a_mention(f"a complaint {number}"), ALERT)
        with house.app.database.read() as session:
            house.now = session.get_one(PlatformRow, "facebook").due_at + timedelta(seconds=1)
        house.app.poller.poll(house.app.stations["facebook"])
        with house.app.database.read() as session:
            gaps.append(session.get_one(PlatformRow, "facebook").due_at - house.now)
    house.tick()

    assert gaps == sorted(gaps)
    assert gaps[-1] >= timedelta(minutes=4)
    assert any("could not be stored" in letter.text for letter in house.inbox("operator"))


@pytest.mark.usefixtures("impatient")
def test_what_was_said_while_the_disk_was_full_is_told_as_soon_as_there_is_room(
    house: House, monkeypatch: pytest.MonkeyPatch
) -> None:
    free = [distress.FULL]
    monkeypatch.setattr("monitor.daemon.free_space", lambda settings: free[0])
    daemon = Daemon(house.app)
    daemon.prepare()
    daemon._watch_tick()
    with house.app.database.write() as session:
        session.execute(text("CREATE TRIGGER full BEFORE INSERT ON mention BEGIN SELECT RAISE(ABORT, 'no'); END"))
    free[0] = 4096
    for _ in range(8):  # hours of it: the gaps have grown
        house.say(a_mention("They left her alone", external_id="c1"), ALERT)
        with house.app.database.read() as session:
            house.now = session.get_one(PlatformRow, "facebook").due_at + timedelta(seconds=1)
        daemon._poll("facebook")
        daemon._resting["x"] = (9, time.monotonic() + 300)
        daemon._watch_tick()
    assert "facebook" not in house.app.poller.due(house.now)

    with house.app.database.write() as session:
        session.execute(text("DROP TRIGGER full"))
    free[0] = distress.FULL
    daemon._watch_tick()

    assert "facebook" in house.app.poller.due(house.now)
    assert daemon._resting == {}
    house.say(a_mention("They left her alone", external_id="c1"), ALERT)
    house.tick()
    assert [letter.kind for letter in house.inbox("ceo")] == [MailKind.ALERT]
    daemon._end()


@pytest.mark.usefixtures("impatient")
def test_what_was_said_while_the_database_was_away_is_asked_for_as_soon_as_it_is_back(house: House) -> None:
    daemon = Daemon(house.app)
    daemon.prepare()
    daemon._tick("watch", daemon._watch_tick)
    with house.app.database.write() as session:
        session.execute(text("ALTER TABLE lease RENAME TO lost"))
    daemon._tick("watch", daemon._watch_tick)
    daemon._resting["facebook"] = (9, time.monotonic() + 300)
    with house.app.database.write() as session:
        session.execute(text("ALTER TABLE lost RENAME TO lease"))

    for _ in range(2):
        daemon._tick("watch", daemon._watch_tick)

    assert daemon._resting == {}
    daemon._end()


def test_one_part_that_cannot_write_is_told_though_the_others_can(house: House) -> None:
    watching = Distress(house.app, after=AT_ONCE)
    watching.failed(BROKEN, "outbox")
    watching.wait(5)

    assert [letter.kind for letter in house.inbox("operator")] == [MailKind.DEAF]
    assert not watching.worked("watch")
    assert watching.worked("outbox")


def test_a_database_that_goes_and_comes_back_is_one_line_each_whatever_part_meets_it(
    house: House, caplog: pytest.LogCaptureFixture
) -> None:
    watching = Distress(house.app)

    def lines() -> list[str]:
        found = [record.message for record in caplog.records if record.name == "monitor.distress"]
        caplog.clear()
        return found

    for part in ("poll", "outbox", "senders", "poll", "outbox"):
        watching.failed(BROKEN, part)
    assert lines() == ["the database cannot be used"]
    for part in ("digest", "outbox", "poll", "senders"):
        watching.worked(part)
    assert lines() == ["the database can be used again"]
    watching.failed(IntegrityError("insert", {}, Exception("a fault of ours")), "poll")
    watching.worked("poll")
    assert lines() == []


def test_a_store_that_is_lost_is_told_at_once_and_another_trouble_too(house: House) -> None:
    watching = Distress(house.app)
    watching.failed(StoreLost("The file is gone. Put it back.", "the file is gone"))
    watching.wait(5)
    watching.failed(StoreLost("Another one is there. See [store].", "another one is there"))
    watching.wait(5)

    told = [letter.text for letter in house.inbox("ceo")]
    assert [("The file is gone." in text, "Another one is there." in text) for text in told] == [
        (True, False), (False, True),
    ]  # fmt: skip
    assert "look at the platforms yourself" in told[0]


def test_the_same_trouble_is_told_again_after_an_hour_of_peace_and_else_after_six(house: House) -> None:
    def spell() -> None:
        watching.failed(BROKEN)
        watching.wait(5)

    watching = Distress(house.app, after=AT_ONCE)
    spell()
    house.now += timedelta(hours=2)
    spell()
    assert len(house.inbox("ceo")) == 1
    watching.worked()
    spell()
    assert len(house.inbox("ceo")) == 2
    house.now += timedelta(minutes=30)
    watching.worked()
    spell()
    assert len(house.inbox("ceo")) == 2
    house.now += timedelta(hours=6)
    spell()
    assert len(house.inbox("ceo")) == 3


def test_who_was_told_is_remembered_by_the_next_process(house: House) -> None:
    trouble = distress.cannot_start(StoreLost("Gone.", "gone"), house.app.settings)
    house.mailer.fail_next(DeliveryFailed("no"))  # the operator's

    for _ in range(3):
        Alarm(house.app).tell(trouble, again=distress.ANEW)

    assert len(house.inbox("operator")) == len(house.inbox("ceo")) == 1
    house.now += timedelta(hours=1)
    Alarm(house.app).tell(trouble, again=distress.ANEW)
    assert len(house.inbox("operator")) == len(house.inbox("ceo")) == 2
    house.now -= timedelta(days=3)  # a clock that was set back must not silence it
    Alarm(house.app).tell(trouble, again=distress.ANEW)
    assert len(house.inbox("operator")) == 3


def test_where_nothing_can_be_written_only_this_process_remembers(tmp_path: Path) -> None:
    (tmp_path / "taken").write_text("")
    nowhere, runtime = tmp_path / "taken" / "state", tmp_path / "runtime"

    assert not Told((nowhere,)).is_kept()
    assert Told((nowhere, runtime)).is_kept()
    told = Told((nowhere, runtime))
    told.remember("ceo", "the disk is full", START)

    assert Told((nowhere, runtime)).last("ceo", "the disk is full") == START
    assert Told((nowhere, runtime)).last("operator", "the disk is full") is None
    (runtime / "told.json").write_text("rubbish")
    assert Told((runtime,)).last("ceo", "the disk is full") is None


def test_a_poll_that_breaks_down_rests_longer_each_time(house: House) -> None:
    daemon = Daemon(house.app)
    rests = []
    for _ in range(3):
        daemon._poll("missing")
        rests.append(daemon._resting["missing"])

    assert [times for times, _ in rests] == [1, 2, 3]
    assert rests[0][1] < rests[1][1] < rests[2][1]
    daemon._end()
