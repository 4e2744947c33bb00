"""The audit chain: whatever is changed, cut or put in another order is found; erased words leave it whole."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from sqlalchemy import delete, select, text
from sqlalchemy.orm import Session

from monitor import audit
from monitor.store import migrate
from monitor.store.database import Database
from monitor.store.tables import AuditHeadRow, AuditRow

NOW = datetime(2026, 11, 24, 14, 0, tzinfo=UTC)


@pytest.fixture
def database(tmp_path: Path) -> Iterator[Database]:
    database = Database(f"sqlite:///{tmp_path / 'e.db'}")
    migrate.upgrade(database)
    for number in range(8):
        database.in_transaction(
            lambda s, n=number: audit.record(
                s,
                actor=f"a{n}",
                action="noted",
                now=NOW + timedelta(minutes=n),
                about=f"i{n}",
                words=f"Sigrid said {n}",
            )
        )
    yield database
    database.close()


def _faults(database: Database, witnessed: str = "") -> list[str]:
    with database.read() as session:
        return audit.verify(session, witnessed=witnessed)


def _head(database: Database) -> str:
    with database.read() as session:
        return audit.head(session)


def test_an_untouched_chain_is_whole_and_its_head_counts_it(database: Database) -> None:
    assert _faults(database) == []
    assert _head(database).startswith("8:")


def test_an_empty_chain_is_whole_and_has_no_head(tmp_path: Path) -> None:
    empty = Database(f"sqlite:///{tmp_path / 'empty.db'}")
    migrate.upgrade(empty)

    assert _faults(empty) == []
    assert _head(empty) == ""
    empty.close()


@pytest.mark.parametrize(
    "statement",
    [
        "UPDATE audit SET actor = 'somebody else' WHERE id = 3",
        "UPDATE audit SET action = 'other' WHERE id = 3",
        "UPDATE audit SET about = 'i9' WHERE id = 3",
        "UPDATE audit SET words = 'Sigrid said nothing' WHERE id = 3",
        "UPDATE audit SET at = '2026-11-24 15:00:00.000000' WHERE id = 3",
        "UPDATE audit SET content = replace(content, 'a', 'b') WHERE id > 0",
        "UPDATE audit SET chain = '0' WHERE id = 8",
        "DELETE FROM audit WHERE id = 1",
        "DELETE FROM audit WHERE id = 4",
        "DELETE FROM audit WHERE id = 8",
        "DELETE FROM audit WHERE id > 5",
        "DELETE FROM audit_head",
        "UPDATE audit SET id = id + 100 WHERE id = 8",
        "UPDATE audit_head SET count = 7",
    ],
)
def test_every_change_is_found(database: Database, statement: str) -> None:
    with database.write() as session:
        session.execute(text(statement))

    assert _faults(database) != []


def test_two_rows_in_another_order_are_found(database: Database) -> None:
    with database.write() as session:
        for old, new in ((3, 99), (4, 3), (99, 4)):
            session.execute(text("UPDATE audit SET id = :new WHERE id = :old"), {"old": old, "new": new})

    assert _faults(database) != []


def _written_anew(session: Session) -> None:
    """What somebody with the database and our code could do: a whole new chain."""
    rows = list(session.scalars(select(AuditRow).order_by(AuditRow.id)))
    before = audit.START
    rows[2].actor = "somebody else"
    for row in rows:
        row.chain = before = audit.chain_of(before, row)
    session.get_one(AuditHeadRow, 1).chain = before


def _cut(session: Session) -> None:
    session.execute(delete(AuditRow).where(AuditRow.id > 5))
    last = session.get_one(AuditRow, 5)
    head = session.get_one(AuditHeadRow, 1)
    head.count, head.chain = 5, last.chain


@pytest.mark.parametrize(("change", "said"), [(_written_anew, "written anew"), (_cut, "was cut")])
def test_a_chain_made_anew_from_end_to_end_is_found_by_the_head_that_was_mailed(
    database: Database, change: Callable[[Session], None], said: str
) -> None:
    mailed = _head(database)
    database.in_transaction(change)

    assert _faults(database) == []
    assert any(said in fault for fault in _faults(database, mailed))


def test_a_chain_that_has_grown_since_still_holds_the_head_that_was_mailed(database: Database) -> None:
    mailed = _head(database)
    database.in_transaction(lambda s: audit.record(s, actor="a", action="noted", now=NOW))

    assert _faults(database, mailed) == []


@pytest.mark.parametrize("mailed", ["nonsense", "8", "8:", "8:abc", ":0123456789abcdef"])
def test_a_head_that_was_typed_wrongly_is_said_to_be_so(database: Database, mailed: str) -> None:
    assert "written as" in _faults(database, mailed)[0]


def test_erasing_words_leaves_the_chain_whole(database: Database) -> None:
    mailed = _head(database)
    erased = database.in_transaction(lambda s: audit.erase_naming(s, "SIGRID", actor="operator", now=NOW))

    assert erased == 8
    assert _faults(database, mailed) == []
    with database.read() as session:
        kept = [row.words for row in audit.newest(session)]
    assert kept == ["Rows 1, 2, 3, 4, 5, 6, 7, 8", *[None] * 8]


def test_erasing_nobody_erases_nothing(database: Database) -> None:
    assert database.in_transaction(lambda s: audit.erase_naming(s, "  ", actor="operator", now=NOW)) == 0
