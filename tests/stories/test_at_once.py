"""Several at the same moment, on both databases: nothing is told twice, begun twice or lost."""

from __future__ import annotations

import threading
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor

from makers import a_mention, an_assessment
from sqlalchemy import func, select

from alerts.model import Severity
from monitor import actions, audit, digest, takeovers
from monitor.model import Category
from monitor.store.tables import AlertRow, DigestRow, IncidentRow, MentionRow, TakeoverRow, TallyRow
from monitor.testing import House

MakeHouse = Callable[..., House]
ALERT = an_assessment(Severity.ALERT, Category.COMPLAINT)
CEO = actions.Actor("ceo", "Rowan Ashdown")


def _together(work: Callable[[int], object], count: int) -> list[object]:
    barrier = threading.Barrier(count)

    def begin(number: int) -> object:
        barrier.wait()
        return work(number)

    with ThreadPoolExecutor(count) as pool:
        return list(pool.map(begin, range(count)))


def test_takeover_begun_by_six_at_once_begins_once(make_house: MakeHouse) -> None:
    house = make_house("facebook")
    app = house.app

    done = _together(
        lambda n: app.database.in_transaction(
            lambda s: takeovers.begin(s, app.desk, by=f"Person {n}", reason="A leak", now=house.now)
        ),
        6,
    )

    assert done.count(True) == 1
    with app.database.read() as session:
        assert session.scalar(select(func.count()).where(TakeoverRow.verb == "begin")) == 1
        assert session.scalar(select(func.count()).where(AlertRow.template == "takeover_posters")) == 1
        assert audit.verify(session) == []


def test_an_incident_acknowledged_by_six_at_once_is_acknowledged_once(make_house: MakeHouse) -> None:
    house = make_house("facebook")
    house.say(a_mention("a complaint"), ALERT)
    house.fast_forward(minutes=1)
    with house.app.database.read() as session:
        incident = session.scalars(select(IncidentRow.id)).one()

    done = _together(
        lambda _: house.app.database.in_transaction(lambda s: actions.acknowledge(s, incident, CEO, house.now)), 6
    )

    assert done.count(True) == 1


def test_six_senders_deliver_each_alert_once(make_house: MakeHouse) -> None:
    house = make_house("facebook")
    app = house.app
    for number in range(12):
        app.database.in_transaction(
            lambda s, n=number: app.desk.owe_to_operator(
                s, "token_ends", actions.MailKind.DEAF, house.now, key=str(n),
                facts={"platform": "x", "ends_at": house.now.isoformat(), "days": n + 1},
            )
        )  # fmt: skip

    def send(_: int) -> None:
        while app.dispatcher.deliver_next():
            pass

    _together(send, 6)

    identities = [letter.message_id for letter in house.inbox("operator")]
    assert len(identities) == len(set(identities)) == 12


def test_five_platforms_that_bring_copies_at_once_open_one_count_each(make_house: MakeHouse) -> None:
    house = make_house("facebook", "x", "instagram", "linkedin", "youtube")
    app = house.app
    names = list(app.stations)
    for name in names:
        for number in range(6):
            house.say(a_mention(f"a complaint {number}", platform=name, external_id=f"{name}{number}"), ALERT)

    _together(lambda n: app.poller.poll(app.stations[names[n]]), len(names))

    with app.database.read() as session:
        assert session.scalar(select(func.count()).select_from(MentionRow)) == 30
        assert session.scalar(select(func.sum(TallyRow.count)).where(TallyRow.category == "*")) == 30
        assert session.scalar(select(func.sum(IncidentRow.mentions))) == 30
        assert audit.verify(session) == []


def test_a_digest_owed_by_four_at_once_is_owed_once(make_house: MakeHouse) -> None:
    from datetime import timedelta

    house = make_house("facebook")
    house.now += timedelta(days=7)

    done = _together(lambda _: digest.send_when_due(house.app, house.now), 4)

    assert done.count(True) == 1
    with house.app.database.read() as session:
        assert session.scalar(select(func.count()).select_from(DigestRow)) == 1
        assert session.scalar(select(func.count()).where(AlertRow.template == "digest")) == 1
