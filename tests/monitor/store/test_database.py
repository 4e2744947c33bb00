"""Transactions: nothing is lost between writers, readers change nothing, and faults are said without anybody's words."""

from __future__ import annotations

import sqlite3
import threading
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from alembic import command
from alembic.autogenerate import compare_metadata
from alembic.runtime.migration import MigrationContext
from sqlalchemy import bindparam, func, select, text
from sqlalchemy.exc import SQLAlchemyError
from sqlalchemy.orm import Session

from connectors.model import Bucket, Period, PollPlan
from monitor import audit, ledger
from monitor.keys import Keys
from monitor.links import Holder, Links, Purpose, use_up
from monitor.outbox import is_owed, say_once
from monitor.store import migrate, search
from monitor.store.database import Database, DatabaseUnreachable
from monitor.store.tables import (
    AlertRow,
    AuditRow,
    Base,
    IncidentAccountRow,
    IncidentRow,
    LogRow,
    MentionRow,
    PersonRow,
    SpendingRow,
    TakeoverRow,
    ToldRow,
    UtcDateTime,
)
from monitor.visibility import Someone, visible_to

NOW = datetime(2026, 11, 24, 14, 0, tzinfo=UTC)
WRITERS = 8


def _together(work: Callable[[int], object], writers: int = WRITERS) -> list[object]:
    """Let ``work`` be done by several threads that begin at the same moment."""
    barrier = threading.Barrier(writers)

    def begin(number: int) -> object:
        barrier.wait()
        return work(number)

    with ThreadPoolExecutor(writers) as pool:
        return list(pool.map(begin, range(writers)))


def _a_mention(session: Session, **values: object) -> MentionRow:
    row = MentionRow(
        platform="facebook", external_id="1", kind="comment", url="https://social.example/1", posted_at=NOW,
        first_seen_at=NOW, verified_at=NOW, **values,
    )  # fmt: skip
    session.add(row)
    session.flush()
    return row


def test_eight_writers_that_read_and_then_write_lose_no_update(database: Database) -> None:
    plan = PollPlan(timedelta(1), timedelta(1), (Bucket("calls", "calls", 10_000, Period.UTC_DAY, reserve=1),))

    def spend(_: int) -> None:
        for _ in range(12):
            database.in_transaction(lambda s: ledger.reserve(s, "x", plan, NOW))

    _together(spend)

    with database.read() as session:
        assert session.scalars(select(SpendingRow.spent)).one() == WRITERS * 12


def test_the_audit_chain_stays_whole_with_eight_writers(database: Database) -> None:
    def write(number: int) -> None:
        for _ in range(8):
            database.in_transaction(lambda s: audit.record(s, actor=f"w{number}", action="noted", now=NOW, words="x"))

    _together(write)

    with database.read() as session:
        assert audit.verify(session) == []
        assert session.scalar(select(func.count()).select_from(AuditRow)) == WRITERS * 8


def test_of_two_presses_of_one_link_at_the_same_moment_one_counts(database: Database) -> None:
    links = Links(Keys(b"k" * 32), "https://earshot.example")
    ticket = links.read(links.token(Purpose.ACKNOWLEDGE, Holder("ceo"), "i1", NOW), NOW)

    won = _together(lambda _: database.in_transaction(lambda s: use_up(s, ticket, "acknowledge", NOW)))

    assert sorted(won, key=bool) == [False] * (WRITERS - 1) + [True]


def test_what_is_said_once_is_said_once_by_eight_at_a_time(database: Database) -> None:
    said = _together(lambda _: database.in_transaction(lambda s: say_once(s, "first run", NOW)))

    assert said.count(True) == 1
    with database.read() as session:
        assert session.scalar(select(func.count()).select_from(ToldRow)) == 1


def test_a_transaction_that_breaks_off_leaves_nothing_behind(database: Database) -> None:
    def work(session: Session) -> None:
        session.add(ToldRow(key="half", at=NOW))
        session.flush()
        raise ArithmeticError

    with pytest.raises(ArithmeticError):
        database.in_transaction(work)

    with database.read() as session:
        assert session.get(ToldRow, "half") is None


def test_a_reader_changes_nothing(database: Database) -> None:
    with database.read() as session:
        session.add(ToldRow(key="stray", at=NOW))
        session.flush()

    with database.read() as session:
        assert session.get(ToldRow, "stray") is None


def test_looking_at_what_is_left_writes_nothing(database: Database) -> None:
    buckets = (Bucket("calls", "calls", 100, Period.UTC_DAY, reserve=1),)

    with database.read() as session:
        assert ledger.left(session, "x", buckets, NOW) == {"calls": 100}
        assert not session.new
        assert session.scalar(select(func.count()).select_from(SpendingRow)) == 0


def test_an_error_of_the_database_does_not_repeat_what_was_to_be_stored(database: Database) -> None:
    with pytest.raises(SQLAlchemyError) as caught, database.write() as session:
        session.execute(text("INSERT INTO told (key, wrong) VALUES (:secret, 1)"), {"secret": "the marmalade"})

    assert "marmalade" not in str(caught.value)


def test_a_naive_time_is_refused_and_a_foreign_zone_comes_back_in_utc(database: Database) -> None:
    kind = UtcDateTime()
    with pytest.raises(ValueError, match="naive"):
        kind.process_bind_param(datetime(2026, 1, 1), database.engine.dialect)  # noqa: DTZ001

    summer = datetime.fromisoformat("2026-07-01T13:00:00+01:00")
    database.in_transaction(lambda s: s.add(ToldRow(key="zone", at=summer)))

    with database.read() as session:
        assert session.get_one(ToldRow, "zone").at == datetime(2026, 7, 1, 12, tzinfo=UTC)


def test_the_migrations_make_exactly_the_tables_of_the_models(database: Database) -> None:
    with database.engine.connect() as connection:
        context = MigrationContext.configure(connection, opts={"compare_type": False})
        found = compare_metadata(context, Base.metadata)

    ours = [f for f in found if "mention_search" not in str(f) and "ix_mention_words" not in str(f)]
    assert ours == []


def test_a_database_is_brought_up_from_nothing_once(empty: Database) -> None:
    assert migrate.is_empty(empty)
    assert migrate.upgrade(empty)
    assert not migrate.is_empty(empty)
    assert migrate.is_current(empty)
    assert not migrate.upgrade(empty)


def test_what_named_the_ceo_speaks_of_her_after_the_upgrade_and_no_log_is_lost(empty: Database) -> None:
    _brought_to(empty, "0002")
    with empty.write() as session:
        for number, named in (("hers", True), ("another", False)):
            session.execute(_OLD_INCIDENT, {"id": number, "named": named})
            session.execute(_OLD_LOG, {"id": number})
            session.execute(_OLD_ACCOUNT, {"id": number})

    migrate.upgrade(empty)

    with empty.read() as session:
        marks = {row.id: (row.spoken_of, row.perhaps_of) for row in session.scalars(select(IncidentRow))}
        assert marks == {"hers": (["ceo"], []), "another": ([], [])}
        assert sorted(session.scalars(select(LogRow.incident_id))) == ["another", "hers"]
        assert sorted(session.scalars(select(IncidentAccountRow.incident_id))) == ["another", "hers"]
        assert session.scalars(select(IncidentRow.id).where(visible_to(Someone("ceo")))).all() == ["another"]


_OLD_INCIDENT = text(
    "INSERT INTO incident (id, severity, state, opened_at, last_seen_at, mentions, platforms, threads, copies, told, "
    "revision, names_ceo, history, drill, source, summary, tip_link, next_step, acknowledged_by, closed_by, verdict, "
    "salt) VALUES (:id, 3, 'open', '2026-11-24 14:02:00', '2026-11-24 14:02:00', 1, '[]', '[]', '[]', 1, 1, :named, "
    "false, false, 'mention', '', '', 1, '', '', '', '')"
)
_OLD_LOG = text(
    "INSERT INTO incident_log (incident_id, at, who, what) VALUES (:id, '2026-11-24 14:02:00', 'Imogen', 'Rung.')"
)
_OLD_ACCOUNT = text("INSERT INTO incident_account (incident_id, account, platform) VALUES (:id, 'a1', 'x')")


def test_what_was_given_up_at_a_first_refusal_is_owed_once_more_after_the_upgrade(empty: Database) -> None:
    _brought_to(empty, "0011")
    lately, long_ago = datetime.now(UTC) - timedelta(days=1), datetime.now(UTC) - timedelta(days=6)
    with empty.write() as session:
        for number, state in (("open", "open"), ("seen", "acknowledged"), ("told", "open")):
            session.execute(_LATER_INCIDENT, {"id": number, "state": state})
        for number, incident, made_at in (
            ("lately", "open", lately), ("long-ago", "open", long_ago), ("seen", "seen", lately), ("digest", None, lately),
        ):  # fmt: skip
            values = {"id": number, "incident": incident, "made": made_at, "refused": made_at, "delivered": None}
            session.execute(_LATER_ALERT, values)
        values = {"id": "told", "incident": "told", "made": lately, "refused": None, "delivered": lately}
        session.execute(_LATER_ALERT, values)
        session.execute(
            text("INSERT INTO person (role, refused_at, changed_at) VALUES ('ceo', :at, :at)"),
            {"at": "2026-11-24 14:02:00"},
        )

    migrate.upgrade(empty)

    with empty.read() as session:
        owed = session.scalars(select(AlertRow.id).where(is_owed()).order_by(AlertRow.id)).all()
        assert owed == ["digest", "lately"]
        assert dict(session.execute(select(IncidentRow.id, IncidentRow.reached_at)).all()) == {
            "open": None, "seen": None, "told": lately,
        }  # fmt: skip
        assert session.get_one(PersonRow, "ceo").refused_at is None


_LATER_INCIDENT = text(
    "INSERT INTO incident (id, severity, state, opened_at, last_seen_at, mentions, platforms, threads, copies, told, "
    "revision, spoken_of, perhaps_of, cleared_of, history, drill, source, summary, tip_link, next_step, acknowledged_by, closed_by, "
    "verdict, salt) VALUES (:id, 3, :state, '2026-11-24 14:02:00', '2026-11-24 14:02:00', 1, '[]', '[]', '[]', 1, 1, "
    "'[]', '[]', '[]', false, false, 'mention', '', '', 1, '', '', '', '')"
)
_LATER_ALERT = text(
    "INSERT INTO alert (id, incident_id, template, kind, role, name, address, channel, severity, revision, facts, made_at, "
    "retry_at, attempts, claimed, bundle, delivered_at, refused_at, unclear, last_error) VALUES (:id, :incident, 'alert', "
    "'alert', 'ceo', 'Rowan', 'r@x.example', 'mail', 3, 1, '{}', :made, :made, 1, false, '', :delivered, :refused, false, "
    "'')"
).bindparams(*(bindparam(name, type_=UtcDateTime()) for name in ("made", "delivered", "refused")))


def _brought_to(database: Database, revision: str) -> None:
    config = migrate._config()
    with database.engine.begin() as connection:
        config.attributes["connection"] = connection
        command.upgrade(config, revision)


def test_a_database_of_a_newer_version_is_refused_in_plain_words(database: Database) -> None:
    with database.write() as session:
        session.execute(text("UPDATE alembic_version SET version_num = '9999'"))

    with pytest.raises(migrate.SchemaTooNew, match="newer Earshot"):
        migrate.upgrade(database)


@pytest.mark.parametrize("query", ['"', "marm*", "a OR b", "NEAR(x)", "'; --", "", "💥", "col:umn"])
def test_signs_of_a_query_language_are_taken_literally(database: Database, query: str) -> None:
    def store(session: Session) -> None:
        row = _a_mention(session, text="The marmalade was stolen")
        search.index(session, row.id, row.text)

    database.in_transaction(store)

    with database.read() as session:
        assert search.find(session, query) == []
        assert len(search.find(session, "stolen MARMALADE")) == 1


def test_the_takeover_ledger_keeps_the_order_in_which_it_was_written(database: Database) -> None:
    for verb in ("propose", "begin", "end"):
        database.in_transaction(
            lambda s, v=verb: s.add(TakeoverRow(at=NOW, verb=v, state="normal", by="x", reason="", facts={}))
        )

    with database.read() as session:
        assert list(session.scalars(select(TakeoverRow.verb).order_by(TakeoverRow.id))) == ["propose", "begin", "end"]


# ── SQLite alone ────────────────────────────────────────────────────────────────────────────────────


def test_a_writer_that_finds_the_file_locked_waits_for_it(tmp_path: Path) -> None:
    database = Database(f"sqlite:///{tmp_path / 'e.db'}")
    migrate.upgrade(database)
    other = sqlite3.connect(tmp_path / "e.db", isolation_level=None, check_same_thread=False)
    other.execute("BEGIN IMMEDIATE")
    threading.Timer(0.4, lambda: (other.execute("COMMIT"), other.close())).start()

    database.in_transaction(lambda s: s.add(ToldRow(key="late", at=NOW)))

    with database.read() as session:
        assert session.get(ToldRow, "late") is not None
    database.close()


def test_a_damaged_file_is_never_taken_for_an_empty_database(tmp_path: Path) -> None:
    (tmp_path / "e.db").write_bytes(b"SQLite format 3\x00" + b"nonsense" * 1000)
    database = Database(f"sqlite:///{tmp_path / 'e.db'}")

    with pytest.raises(DatabaseUnreachable, match="damaged"):
        database.check()
    database.engine.dispose()


def test_a_folder_that_cannot_be_written_is_named_as_such(tmp_path: Path) -> None:
    (tmp_path / "e.db").mkdir()
    database = Database(f"sqlite:///{tmp_path / 'e.db'}")

    with pytest.raises(DatabaseUnreachable, match="folder is writable"):
        database.check()


def test_every_connection_has_the_settings_of_the_reliability_notes(tmp_path: Path) -> None:
    database = Database(f"sqlite:///{tmp_path / 'e.db'}")
    database.make()
    wanted = {
        "journal_mode": "wal", "synchronous": 2, "busy_timeout": 10_000, "foreign_keys": 1, "secure_delete": 1,
        "trusted_schema": 0,
    }  # fmt: skip
    with database.engine.connect() as connection:
        found = {name: connection.exec_driver_sql(f"PRAGMA {name}").scalar() for name in wanted}

    assert found == wanted
    database.close()


@pytest.mark.real
def test_a_server_that_ends_a_connection_is_asked_again(postgresql: object) -> None:
    url = postgresql.fresh()  # type: ignore[attr-defined]
    database = Database(url)
    migrate.upgrade(database)
    name = url.rpartition("?")[0].rpartition("/")[2]
    tries = []

    def work(session: Session) -> None:
        tries.append(1)
        session.add(ToldRow(key="survivor", at=NOW))
        session.flush()
        if len(tries) == 1:
            postgresql.run(  # type: ignore[attr-defined]
                f"SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname = '{name}'"
            )

    database.in_transaction(work)

    assert len(tries) == 2
    with database.read() as session:
        assert session.get(ToldRow, "survivor") is not None
    database.close()


@pytest.mark.real
def test_a_server_that_is_away_is_said_without_its_password() -> None:
    database = Database("postgresql+psycopg://user:s3cretword@127.0.0.1:1/none")

    with pytest.raises(DatabaseUnreachable) as caught:
        database.check()

    assert "did not answer" in str(caught.value)
    assert "s3cretword" not in str(caught.value)
    database.engine.dispose()


def test_the_newest_version_is_the_one_that_alembic_would_name() -> None:
    from alembic.script import ScriptDirectory

    script = ScriptDirectory.from_config(migrate._config())

    known, head = migrate._revisions()

    assert head == script.get_current_head()
    assert known == {revision.revision for revision in script.walk_revisions()}
