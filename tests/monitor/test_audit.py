"""The audit chain: any change inside it is found, and any cut before the last head that was mailed."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from datetime import timedelta
from pathlib import Path

import pytest
from makers import NOW
from sqlalchemy import delete, update
from sqlalchemy.orm import Session

from monitor import audit
from monitor.store.database import Database
from monitor.store.tables import AuditHeadRow, AuditRow, Base


@pytest.fixture
def database(tmp_path: Path) -> Iterator[Database]:
    made = Database(f"sqlite:///{tmp_path / 'audit.db'}")
    Base.metadata.create_all(made.engine)
    with made.write() as session:
        for n in range(1, 8):
            audit.record(
                session, actor="Rowan Ashdown (CEO)", action="note", now=NOW + timedelta(minutes=n), about="i1",
                words=f"Decision {n}",
            )  # fmt: skip
    yield made
    made.close()


def test_an_untouched_chain_is_whole(database: Database) -> None:
    with database.read() as session:
        head = audit.head(session)
        assert audit.verify(session, witnessed=head) == []
        assert head.startswith("7:")


def _set(**values: object) -> Callable[[Session], object]:
    return lambda s: s.execute(update(AuditRow).where(AuditRow.id == 4).values(**values))


@pytest.mark.parametrize(
    "harm",
    [
        _set(words="Another decision"),
        _set(actor="Imogen Vale (Chair of trustees)"),
        _set(action="close"),
        _set(about="i2"),
        _set(at=NOW),
        _set(content="0" * 64),
        _set(chain="0" * 64),
        _set(words=""),
        lambda s: s.execute(delete(AuditRow).where(AuditRow.id == 4)),
        lambda s: s.execute(delete(AuditRow).where(AuditRow.id == 1)),
        lambda s: s.execute(delete(AuditRow).where(AuditRow.id == 7)),
        lambda s: s.execute(delete(AuditHeadRow)),
        lambda s: s.execute(update(AuditHeadRow).values(count=6)),
        lambda s: [
            s.execute(update(AuditRow).where(AuditRow.id == a).values(id=b)) for a, b in ((3, 99), (4, 3), (99, 4))
        ],
    ],
)
def test_any_change_inside_the_chain_is_found(database: Database, harm: Callable[[Session], object]) -> None:
    with database.write() as session:
        harm(session)

    with database.read() as session:
        assert audit.verify(session)


def test_a_chain_cut_and_written_anew_is_found_by_the_head_that_was_mailed(database: Database) -> None:
    with database.write() as session:
        mailed = audit.head(session)
        session.execute(delete(AuditRow).where(AuditRow.id > 3))
        last = session.get_one(AuditRow, 3)
        session.execute(update(AuditHeadRow).values(count=3, chain=last.chain))
        session.expire_all()
        for _ in range(6):
            audit.record(session, actor="Mallory", action="note", now=NOW, words="All was well")

    with database.read() as session:
        assert audit.verify(session) == []
        assert audit.verify(session, witnessed=mailed)


def test_erasing_words_keeps_the_chain_whole(database: Database) -> None:
    with database.write() as session:
        assert audit.erase_naming(session, "decision 5") == 1

    with database.read() as session:
        assert audit.verify(session) == []
        assert (session.get_one(AuditRow, 5).words, session.get_one(AuditRow, 5).salt) == (None, "")


@pytest.mark.parametrize("head", ["57", "x:abc", "5:12"])
def test_a_head_that_was_copied_wrongly_is_said_to_be_so(database: Database, head: str) -> None:
    with database.read() as session:
        assert "written as a number" in audit.verify(session, witnessed=head)[0]
