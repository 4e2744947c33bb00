"""Whoever can write to the database, but has no install key, changes nothing unseen."""

from __future__ import annotations

import sqlite3
from contextlib import closing
from pathlib import Path

import pytest
from makers import a_mention
from sqlalchemy import select

from alerts.model import Severity
from monitor import actions, audit, takeovers
from monitor.actions import Actor
from monitor.app import App
from monitor.audit_check import UNNAMED, check
from monitor.model import Assessment, Category
from monitor.store.tables import AuditHeadRow, AuditRow, IncidentRow
from monitor.testing import House, a_house

CEO = Actor("ceo", "Rowan Ashdown")
GRAVE = Assessment(Severity.CRISIS, (Category.SAFEGUARDING,))


@pytest.fixture
def house(tmp_path: Path) -> House:
    """A house with a takeover that runs, an acknowledged incident and one that is open."""
    house = a_house(tmp_path)
    house.app.key_audit()
    house.fast_forward(minutes=2)
    for number in range(2):
        house.say(a_mention(f"grave {number}"), GRAVE)
    house.fast_forward(minutes=2)
    with house.app.database.read() as session:
        first, _ = session.scalars(select(IncidentRow).order_by(IncidentRow.opened_at)).all()[:2]

    def work(session):  # type: ignore[no-untyped-def]
        actions.acknowledge(session, first.id, CEO, house.now)
        actions.add_note(session, first.id, CEO, "Rang the lead.", house.now)
        takeovers.begin(session, house.app.desk, by=str(CEO), reason="It grows.", now=house.now, role="ceo")

    house.app.database.in_transaction(work)
    return house


def faults(app: App, *, witnessed: str = "") -> list[str]:
    with app.database.read() as session:
        return check(session, lambda _: True, witnessed=witnessed, keyed=app.audit_is_keyed)


def forge(house: House, *statements: str) -> None:
    """What somebody does who has the database file, but not our key."""
    house.app.database.fold_log()
    path = house.app.settings.store.url.removeprefix("sqlite:///")
    with closing(sqlite3.connect(path)) as raw:
        for statement in statements:
            assert raw.execute(statement).rowcount, statement
        raw.commit()


def test_what_nobody_touched_tells_one_story(house: House) -> None:
    assert faults(house.app) == []


@pytest.mark.parametrize(
    "statement",
    [
        "INSERT INTO takeover (at, verb, state, \"by\", reason, facts) SELECT at, 'end', 'normal', \"by\", '', '{}' FROM takeover LIMIT 1",
        "DELETE FROM takeover",
        "UPDATE takeover SET facts = replace(facts, 'ceo', 'chair')",
        "UPDATE takeover SET state = 'normal'",
        "DELETE FROM incident_log WHERE what = 'Rang the lead.'",
        "DELETE FROM incident_log",
        "UPDATE incident_log SET what = 'Did nothing.' WHERE what = 'Rang the lead.'",
        "UPDATE incident_log SET who = 'Somebody' WHERE what = 'Rang the lead.'",
        "UPDATE incident SET acknowledged_at = opened_at, acknowledged_by = 'Rowan Ashdown (CEO)' WHERE acknowledged_at IS NULL",
        "UPDATE incident SET closed_at = opened_at, closed_by = 'Rowan Ashdown (CEO)'",
        "UPDATE audit SET words = NULL, salt = ''",
        "UPDATE audit_head SET keyed = 0",
    ],
)  # fmt: skip
def test_a_change_beside_the_chain_is_found(house: House, statement: str) -> None:
    forge(house, statement)

    assert faults(house.app) != []


@pytest.mark.parametrize("keyed", [False, True])
def test_a_chain_that_is_made_anew_without_the_key_is_found(house: House, keyed: bool) -> None:
    def work(session):  # type: ignore[no-untyped-def]
        rows = sorted(session.scalars(select(AuditRow)), key=lambda row: row.id)
        before = audit.START
        rows[1].actor = "somebody else"
        for row in rows:
            row.chain = before = audit.chain_of(before, row)
        head = session.get_one(AuditHeadRow, 1)
        head.chain, head.keyed = before, keyed

    house.app.database.in_transaction(work)

    assert faults(house.app) != []


def test_a_head_that_was_mailed_before_the_chain_was_keyed_still_holds(tmp_path: Path) -> None:
    house = a_house(tmp_path)
    plain = audit.KEY, None
    house.app.database._sessions.configure(info=dict([plain]))  # as a main from before the key wrote it
    house.app.database.in_transaction(lambda s: audit.record(s, actor="a", action="noted", now=house.now, words="x"))
    with house.app.database.read() as session:
        mailed = audit.head(session)
    house.app.close()
    upgraded = App(house.app.settings, clock=lambda: house.now)

    upgraded.key_audit()

    assert faults(upgraded, witnessed=mailed) == []
    with upgraded.database.read() as session:
        assert [row.action for row in audit.newest(session)] == [audit.KEYED, "noted"]
        assert audit.head(session) != mailed
    upgraded.key_audit()
    with upgraded.database.read() as session:
        assert len(audit.newest(session)) == 2
    upgraded.close()


def test_every_mail_carries_the_head_of_the_audit(house: House) -> None:
    house.fast_forward(minutes=2)
    letters = [letter for letter in house.inbox("ceo") if letter.audit_head]
    assert letters
    assert all(audit.is_head(letter.audit_head) for letter in letters)
    assert faults(house.app, witnessed=letters[-1].audit_head) == []


def test_what_may_not_be_named_is_found_all_the_same_and_named_nowhere(house: House) -> None:
    forge(house, "UPDATE incident_log SET what = 'Did nothing.' WHERE what = 'Rang the lead.'")
    with house.app.database.read() as session:
        found = check(session, lambda _: False, keyed=house.app.audit_is_keyed)
        names = list(session.scalars(select(IncidentRow.id)))

    assert found == [UNNAMED]
    assert not [name for name in names if name in "".join(found)]
