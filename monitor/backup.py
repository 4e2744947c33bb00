"""Backups that are safe under load and bring nothing forgotten back.

A backup is an SQLite file, whatever the store: every table read in one consistent transaction, without the words that
a platform's terms keep out of backups (LinkedIn), without sealed tokens and sessions. Restoring replays erasures,
forgetting and whatever was used up or ended since, before anything is heard (settled questions, 4).
"""

from __future__ import annotations

import contextlib
import os
import sqlite3
from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path
from typing import Any

from sqlalchemy import Connection, Table, create_engine, delete, event, func, insert, inspect, select, text, update
from sqlalchemy.exc import DBAPIError
from sqlalchemy.orm import Session

from monitor import audit, forgetting, journal, own_files, people, persons
from monitor.app import App
from monitor.clock import Clock, utc_now
from monitor.daemon import sole_instance
from monitor.keys import KEY, make_keys
from monitor.settings import Settings
from monitor.store import identity, migrate, search
from monitor.store.address import Address
from monitor.store.database import SIDES, Database, StoreLost
from monitor.store.tables import (
    Base,
    ErasureRow,
    LinkUseRow,
    MentionRow,
    PlatformRow,
    ProgressRow,
    StandingRow,
    TipLinkRow,
    ToolTokenRow,
)

CHUNK = 1_000
LOOP = "backup"
"""Under this name the time of the newest backup is remembered."""

LEFT_OUT = frozenset({"platform_grant", "lease", "web_session", "kept_form", "store_identity"})
"""Sealed tokens are useless without the install key and dangerous with it; a lease belongs to a running process;
nobody who has signed out since may be signed in again; and a store keeps its own name."""


class NotABackup(Exception):
    """The file cannot be restored; the message says why."""


def write(app: App, out: Path) -> str:
    """Write a backup to ``out`` (mode 0600), replacing it only when complete. Returns a sentence for the operator."""
    part = out.with_name(f"{out.name}.part")
    own_files.refuse(app, out, part)
    part.unlink(missing_ok=True)
    out.parent.mkdir(parents=True, exist_ok=True)
    os.close(os.open(part, os.O_CREAT | os.O_WRONLY | os.O_TRUNC, 0o600))
    target = _plain_engine(part)
    rows = 0
    try:
        Base.metadata.create_all(target)
        with app.database.read() as session, target.begin() as into:
            for table in Base.metadata.sorted_tables:
                if table.name not in LEFT_OUT:
                    rows += _copy(session.connection(), into, table)
            into.execute(text("CREATE TABLE earshot_backup (made_at TEXT, version TEXT)"))
            into.execute(
                text("INSERT INTO earshot_backup VALUES (:at, :version)"),
                {"at": app.clock().isoformat(), "version": "1"},
            )
            for platform in into.scalars(select(MentionRow.platform).distinct()).all():
                if not app.terms.get(platform, app.terms["other"]).in_backups:
                    _strip(into, platform)
    finally:
        target.dispose()
    with contextlib.closing(sqlite3.connect(part)) as raw:
        raw.execute("VACUUM")
        fine = raw.execute("PRAGMA integrity_check").fetchone()[0]
    if fine != "ok":
        raise NotABackup(f"The backup came out damaged ({fine}); nothing was replaced.")
    os.replace(part, out)
    app.database.in_transaction(lambda session: _remember(session, app))
    return f"Backed up {rows} rows to {out} ({out.stat().st_size // 1024} kB). Keep it encrypted and elsewhere."


def _remember(session: Session, app: App) -> None:
    now = app.clock()
    row = session.get(ProgressRow, LOOP)
    if row is None:
        session.add(ProgressRow(loop=LOOP, at=now))
    else:
        row.at = now
    audit.record(session, actor=audit.AT_THE_SERVER, action="backup written", now=now)


def last_made(session: Session) -> datetime | None:
    """When the newest backup was written, or None."""
    row = session.get(ProgressRow, LOOP)
    return row.at if row is not None else None


def restore(settings: Settings, source: Path, *, clock: Clock = utc_now) -> str:
    """Replace the present database by the backup. Raises ``NotABackup`` and ``monitor.daemon.AnotherInstance``."""
    made_at = _read_stamp(source)
    had_key = (settings.state_dir / KEY).exists()
    with sole_instance(settings.state_dir), contextlib.closing(App(settings, clock=clock)) as app:
        make_keys(settings.state_dir)
        now = app.clock()
        later, before = _later_losses(app), _present_head(app)
        with _beside(app) as database:
            migrate.upgrade(database)
            _fill(database, source)
            counts = database.in_transaction(lambda s: _replay(app, s, later, now))
        app.key_audit()  # a backup may be from before the chain was keyed, or from an installation with another key
        app.database.in_transaction(lambda s: _note_restored(s, made_at, before, now))
        forgotten = forgetting.forget(app, now)
        app.database.in_transaction(search.purge)
        app.database.compact()
        identity.adopt(app.database, app.keys, settings.state_dir)
        identity.set_aside(app.database, settings.state_dir)
    return (
        f"Restored the backup of {made_at:%Y-%m-%d %H:%M} UTC. {counts} entries that were erased, deleted or forgotten "
        f"since then did not come back. {forgetting.say(forgotten)} "
        "What was heard since the backup is heard again as far as the platforms still show it."
        f"{'' if had_key else _NEW_KEY}"
    )


def _present_head(app: App) -> str:
    """The head of the audit that the restore replaces, where the present database can be read at all."""
    try:
        identity.guard(app.database, app.settings.state_dir)
        with app.database.read() as session:
            return audit.head(session)
    except (DBAPIError, sqlite3.Error, StoreLost):
        return ""


def _note_restored(session: Session, made_at: datetime, before: str, now: datetime) -> None:
    words = f"Made {made_at:%Y-%m-%d %H:%M} UTC. The audit's head before the restore was {before or 'not readable'}."
    audit.record(session, actor=audit.AT_THE_SERVER, action="backup restored", now=now, words=words)


_NEW_KEY = (
    " There was no install key in the state folder, so a new one was made: links in mails sent before are void, and "
    "people who were erased could be taken in again. If the old key can be found, put it back and restore once more."
)


def adopt(app: App) -> str:
    """Take what lies at the store's place for the store that we know from now on: begin anew where nothing lies there.
    Erasures are made again. Returns a sentence for the operator. Raises ``monitor.daemon.AnotherInstance``."""
    with sole_instance(app.settings.state_dir):
        identity.set_aside(app.database, app.settings.state_dir)
        is_new = migrate.is_empty(app.database)
        migrate.upgrade(app.database)
        make_keys(app.settings.state_dir)
        identity.adopt(app.database, app.keys, app.settings.state_dir)
        gone = replay_journal(app)
        with app.database.read() as session:
            count = session.scalar(select(func.count()).select_from(MentionRow)) or 0
    if is_new:
        return "A new database was begun. Nothing of what was before is known to it."
    return f"This database is used from now on. It holds {count} posts; {gone} that were erased were erased again."


def _plain_engine(path: Path) -> Any:
    engine = create_engine(Address.of_file(path).url)
    event.listen(engine, "connect", lambda connection, _: connection.execute("PRAGMA journal_mode=MEMORY"))
    return engine


def _copy(source: Connection, target: Connection, table: Table) -> int:
    count = 0
    result = source.execution_options(yield_per=CHUNK).execute(select(table))
    for part in result.mappings().partitions(CHUNK):
        target.execute(insert(table), [dict(row) for row in part])
        count += len(part)
    return count


def _strip(connection: Connection, platform: str) -> None:
    connection.execute(
        update(MentionRow)
        .where(MentionRow.platform == platform)
        .values(**{**forgetting.cleared(), "signals": [], "status": "forgotten"})
    )


def _read_stamp(source: Path) -> datetime:
    try:
        with contextlib.closing(sqlite3.connect(f"{source.absolute().as_uri()}?mode=ro", uri=True)) as raw:
            moment = raw.execute("SELECT made_at FROM earshot_backup").fetchone()[0]
            fine = raw.execute("PRAGMA quick_check").fetchone()[0]
    except (sqlite3.Error, TypeError) as error:
        raise NotABackup(f"{source} is no backup of Earshot ({type(error).__name__}). Nothing was changed.") from None
    if fine != "ok":
        raise NotABackup(f"{source} is damaged ({fine}). Nothing was changed.")
    return datetime.fromisoformat(moment)


_DOORS: tuple[type[ToolTokenRow] | type[TipLinkRow], ...] = (ToolTokenRow, TipLinkRow)


@dataclass(frozen=True, slots=True)
class Losses:
    """What the database that is being replaced knows to be over: words no longer kept (by platform and id), erasures,
    links used up, people whose links and sessions were ended, and doors that were closed (by table and id, with the
    moment)."""

    wordless: frozenset[tuple[str, str]] = frozenset()
    erasures: tuple[ErasureRow, ...] = ()
    used: tuple[LinkUseRow, ...] = ()
    standings: tuple[StandingRow, ...] = ()
    closed: dict[tuple[type[ToolTokenRow] | type[TipLinkRow], str], datetime] = field(default_factory=dict)


def _later_losses(app: App) -> Losses:
    """The losses since the backup, where the present database can be read at all."""
    try:
        identity.guard(app.database, app.settings.state_dir)
        with app.database.read() as session:
            wordless = select(MentionRow.platform, MentionRow.external_id).where(MentionRow.text.is_(None))
            losses = Losses(
                frozenset((row[0], row[1]) for row in session.execute(wordless)),
                tuple(session.scalars(select(ErasureRow))),
                tuple(session.scalars(select(LinkUseRow))),
                _standings(app),
                {
                    (table, number): ended_at
                    for table in _DOORS
                    for number, ended_at in session.execute(select(table.id, table.ended_at))
                    if ended_at is not None
                },
            )
            session.expunge_all()
            return losses
    except (DBAPIError, sqlite3.Error, StoreLost):
        return Losses()


def _standings(app: App) -> tuple[StandingRow, ...]:
    """Whose links and sessions hold; a database from before this was kept knows nothing of it."""
    if not inspect(app.database.engine).has_table(StandingRow.__tablename__):
        return ()
    with app.database.read() as session:
        return tuple(session.scalars(select(StandingRow)))


@contextlib.contextmanager
def _beside(app: App) -> Iterator[Database]:
    """The database to fill: on SQLite a new file that takes the old one's place at the end, so that a restore that
    breaks off changes nothing. A server does the same by its transaction."""
    if not app.database.is_sqlite:
        yield app.database
        return
    path = app.database.file
    assert path is not None
    fresh = path.with_name(f"{path.name}.restoring")
    _remove(fresh)
    database = Database(Address.of_file(fresh).text)
    try:
        yield database
        database.close()
        app.database.close()
        for side in app.database.sides()[1:]:
            side.unlink(missing_ok=True)
        os.replace(fresh, path)
    finally:
        database.engine.dispose()
        _remove(fresh)


def _remove(path: Path) -> None:
    for ending in ("", *SIDES):
        Path(f"{path}{ending}").unlink(missing_ok=True)


def _fill(database: Database, source: Path) -> None:
    origin = _plain_engine(source)
    try:
        with origin.connect() as old, database.write() as session:
            connection = session.connection()
            for table in reversed(Base.metadata.sorted_tables):
                connection.execute(delete(table))
            for table in Base.metadata.sorted_tables:
                if table.name not in LEFT_OUT:
                    _copy(old, connection, table)
            _reset_sequences(session, database)
            for mention_id, words in connection.execute(select(MentionRow.id, MentionRow.text)).all():
                search.index(session, mention_id, words)
    finally:
        origin.dispose()


def _reset_sequences(session: Session, database: Database) -> None:
    """On PostgreSQL the counters behind the ids do not follow inserted ids by themselves."""
    if database.is_sqlite:
        return
    for table in Base.metadata.sorted_tables:
        column = table.autoincrement_column
        if column is not None and table.name not in LEFT_OUT:
            session.execute(
                text(
                    f"SELECT setval(pg_get_serial_sequence('{table.name}', '{column.name}'), "  # noqa: S608 - our names
                    f"GREATEST((SELECT COALESCE(MAX({column.name}), 0) FROM {table.name}), 1))"
                )
            )


def replay_journal(app: App) -> int:
    """Erase anew what the journal in the state folder knows to be erased: the store may be an older copy of itself.
    Returns how many entries went."""
    return app.database.in_transaction(lambda session: _replay(app, session, Losses(), app.clock()))


def _replay(app: App, session: Session, later: Losses, now: datetime) -> int:
    keys = {row.key: row for row in later.erasures}
    for key, moment in journal.read(app.settings.state_dir).items():
        keys.setdefault(key, ErasureRow(key=key, platform="", at=moment, why="journal"))
    have = set(session.scalars(select(ErasureRow.key)))
    for key, erasure in keys.items():
        if key not in have:
            session.add(ErasureRow(key=key, platform=erasure.platform, at=erasure.at, why=erasure.why))
    changed = 0
    for row in session.scalars(select(MentionRow)):
        names = [
            row.external_id,
            *(n.lstrip("@").casefold() for n in (row.author_handle, row.author_id, row.author_name) if n),
        ]
        erased = any(app.keys.digest("erased", row.platform, name) in keys for name in names)
        if erased:
            search.forget(session, row.id)
            session.delete(row)
            changed += 1
        elif row.text is not None and (row.platform, row.external_id) in later.wordless:
            search.forget(session, row.id)
            for name, value in {**forgetting.cleared(), "signals": [], "status": "forgotten"}.items():
                setattr(row, name, value)
            changed += 1
        elif row.text is not None:
            row.recheck_at = now  # what was deleted there meanwhile is found out at once
    for use in later.used:
        session.merge(LinkUseRow(id=use.id, purpose=use.purpose, used_at=use.used_at))
    persons.keep(session, people.present_holders(session))  # of the backup's time, before those of today are known
    for standing in later.standings:
        session.merge(standing)
    for (table, number), ended_at in later.closed.items():
        session.execute(update(table).where(table.id == number).values(ended_at=ended_at))
    for platform in session.scalars(select(PlatformRow)):
        platform.due_at = now
    return changed
