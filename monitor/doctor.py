"""``earshot doctor``: looks at settings, database, mail and every platform, and says what to do about each fault."""

from __future__ import annotations

import shutil
import sqlite3
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import datetime, timedelta

from sqlalchemy import text

from alerts import phone
from alerts.model import DeliveryFailed
from connectors.errors import ConnectorError, Unreachable
from connectors.model import Allowance, Finding, Level
from monitor import backup, digest, forgetting, hearing, ledger, mailboxes, reaching, trial_mails
from monitor.app import App, rules_folder
from monitor.clock import say_duration, say_moment
from monitor.keys import KEY
from monitor.mail_account import MailAccount
from monitor.poll import Station, examine
from monitor.scoring import check_rules
from monitor.store.tables import PlatformRow
from monitor.workers import DeadlineExceeded, WorkFailed

MARKS = {Level.GOOD: "ok   ", Level.NOTE: "note ", Level.BAD: "FAULT"}
BACKUP_EVERY = timedelta(days=7)
WAL_FIXED = (3, 51, 3)
"""SQLite's first version without the write-ahead-log fault (reliability notes, 0.9)."""


@dataclass(frozen=True, slots=True)
class Looked:
    """What was found in one place, and whether something there could not be reached at all."""

    place: str
    findings: tuple[Finding, ...]
    unreachable: bool = False


def run(app: App, say: Callable[[str], None], *, offline: bool = False, mail: bool = False, missing: str = "") -> int:
    """Print every finding; ``mail`` sends everybody a test mail too; ``missing`` are words on a store that is not there
    yet.

    0 all well, 1 a fault was found, 4 a platform, mail or the database was out of reach.
    """
    worst, away = 0, False
    for looked in look(app, offline=offline, mail=mail, missing=missing):
        say(looked.place)
        for finding in looked.findings:
            say(f"  {MARKS[finding.level]}  {finding.what}")
            if finding.do:
                say(f"         {finding.do}")
            worst = max(worst, 1 if finding.level is Level.BAD else 0)
        away = away or looked.unreachable or any(finding.unreachable for finding in looked.findings)
    say("")
    say("Something could not be reached." if away else "Faults were found." if worst else "All is well.")
    return 4 if away else worst


def look(app: App, *, offline: bool, mail: bool = False, missing: str = "") -> Iterator[Looked]:
    """Every place in turn, so that the first words appear at once."""
    now = app.clock()
    yield Looked("Settings", tuple(_settings(app, now)))
    yield Looked("Database", (Finding(Level.NOTE, missing),) if missing else tuple(_database(app, now)))
    yield Looked("Judgement", tuple(_judgement(app)))
    yield Looked("Alerts", tuple(_alerts(app, now)))
    if offline:
        return
    looked = _mail(app)
    yield looked
    if mail and not looked.unreachable:
        yield Looked("Test mails", tuple(trial_mails.send(app)))
    yield from _second_mail(app)
    for station in app.stations.values():
        yield _platform(app, station, now)


def _settings(app: App, now: datetime) -> Iterator[Finding]:
    settings = app.settings
    yield Finding(Level.GOOD, f"{settings.path.name} was read; listening for {settings.organisation.name}.")
    for found in settings.found:
        yield Finding(
            Level.NOTE,
            f"{found.path} was found because it lies in the folder that this command runs in.",
            "Write the whole path into [store], or start Earshot once from here: it then notes the place.",
        )
    if not settings.connectors:
        yield Finding(Level.BAD, "No platform is in use.", "Add at least one table such as [connectors.x].")
    if settings.people.operator is None:
        yield Finding(
            Level.NOTE, "There is no operator; the CEO gets the technical mails too.", "Add [people.operator]."
        )
    if settings.people.chair is None:
        yield Finding(
            Level.BAD,
            "There is no Chair: nobody is told when the CEO does not answer or is away; what speaks of the CEO is only "
            "brought to the operator, without any words.",
            "Add [people.chair].",
        )
    yield from mailboxes.look(settings)
    if settings.public_url.startswith("https://") and not settings.web.trusted_proxies:
        yield Finding(
            Level.NOTE,
            "[web] public_url is one of https, yet trusted_proxies says that no proxy stands in front: what encrypts "
            "there is not believed, and all visitors look like one.",
            "Set trusted_proxies to the number of proxies in front; one, usually.",
        )
    for note in digest.setup_notes(app, now):
        yield Finding(Level.BAD if "[privacy]" in note else Level.NOTE, note)
    for role, person in app.people.items():
        unusable = phone.unusable(person.phones) if person.phones else ()
        if unusable:
            which = ", ".join(str(n + 1) for n in unusable)
            yield Finding(
                Level.BAD,
                f"Phone {which} of the {role} is no address that apprise understands.",
                "Correct it in the settings.",
            )


def _database(app: App, now: datetime) -> Iterator[Finding]:
    if app.database.is_sqlite:
        yield from _sqlite(app)
    else:
        with app.database.read() as session:
            version = str(session.scalar(text("show server_version")))
        yield Finding(Level.GOOD, f"PostgreSQL {version} answers.")
    with app.database.read() as session:
        late = forgetting.overdue(session, now)
        backed_up = backup.last_made(session)
    if backed_up is None or now - backed_up > BACKUP_EVERY:
        when = f"The newest backup is {say_duration(now - backed_up)} old." if backed_up else "There is no backup yet."
        yield Finding(Level.NOTE, when, "Let cron run `earshot db backup FILE` every night.")
    if late:
        yield Finding(
            Level.BAD,
            f"{late} texts should have been forgotten already.",
            "Run `earshot forget`, and see that the service runs.",
        )
    free = shutil.disk_usage(app.settings.state_dir).free
    if free < 1024**3:
        yield Finding(
            Level.BAD,
            f"Only {free // 1024**2} MB are free on the disk.",
            "Make room: Earshot stops hearing without it.",
        )
    else:
        yield Finding(Level.GOOD, f"{free / 1024**3:.0f} GB are free on the disk.")
    key = app.settings.state_dir / KEY
    if key.exists() and key.stat().st_mode & 0o077:
        yield Finding(Level.BAD, "The install key can be read by others.", f"chmod 600 {key.name}")


def _sqlite(app: App) -> Iterator[Finding]:
    with app.database.read() as session:
        fine = session.scalar(text("PRAGMA quick_check"))
    if fine == "ok":
        yield Finding(Level.GOOD, f"SQLite {sqlite3.sqlite_version}; its check found no damage.")
    else:
        yield Finding(
            Level.BAD,
            "The database is damaged.",
            "Stop the service and restore the newest backup: `earshot db restore`.",
        )
    if sqlite3.sqlite_version_info < WAL_FIXED:
        yield Finding(
            Level.NOTE,
            f"SQLite {sqlite3.sqlite_version} has a rare fault in its write-ahead log, mended in 3.51.3.",
            "Nothing to do now; take backups, and update the system in its time.",
        )
    if any(side.exists() and side.stat().st_size > 64 * 1024**2 for side in app.database.sides()[1:]):
        yield Finding(
            Level.NOTE, "The write-ahead log is larger than 64 MB.", "Something reads the database for long; see what."
        )


def _alerts(app: App, now: datetime) -> Iterator[Finding]:
    """Whether people were told what they must be told, as the outbox knows it."""
    with app.database.read() as session:
        problems = reaching.problems(session, app.desk, now)
        refusals = reaching.refusals(session, app.settings.zone)
    for problem in problems:
        yield Finding(Level.BAD, f"{problem[0].upper()}{problem[1:]}.", _MAIL_ADVICE)
    for refusal in refusals:
        yield Finding(Level.NOTE, refusal)
    if not problems:
        yield Finding(Level.GOOD, "Everything that was owed has left.")


_MAIL_ADVICE = "See what the mail server says below, mend it there or in the settings; what is owed leaves by itself."


def _judgement(app: App) -> Iterator[Finding]:
    problems = check_rules(rules_folder(app.settings))
    if problems:
        yield Finding(
            Level.BAD,
            f"The rules have {len(problems)} faults; the first: {problems[0]}",
            "`earshot config check` lists all.",
        )
    else:
        yield Finding(Level.GOOD, "The rules are in order and all their examples hold.")
    yield Finding(Level.GOOD, _reads(app))


def _reads(app: App) -> str:
    reader = app.scorer.reader
    return (
        f"Posts are read by the rules and by {reader.name}." if reader is not None else "Posts are read by rules alone."
    )


def _mail(app: App) -> Looked:
    return _mail_server("Mail", app.mail_account)


def _second_mail(app: App) -> Iterator[Looked]:
    if app.second_account is not None:
        yield _mail_server("Second mail server", app.second_account)


def _mail_server(place: str, account: MailAccount) -> Looked:
    try:
        words = account.probe()
    except (DeliveryFailed, DeadlineExceeded, WorkFailed) as error:
        why = error.why if isinstance(error, DeliveryFailed) else str(error)
        found = Finding(Level.BAD, f"No mail can leave: {why}", "Check the table [mail] of the settings.")
        return Looked(place, (found,), unreachable=True)
    return Looked(place, (Finding(Level.GOOD, f"Mail can leave: {words}."),))


def _platform(app: App, station: Station, now: datetime) -> Looked:
    place, plan = hearing.say_platform(station.name), station.plan()

    def reserve(session: object) -> tuple[dict[str, int], object]:
        return (
            ledger.reserve_look(session, station.name, plan, now),  # type: ignore[arg-type]
            app.settings_of(session, station),  # type: ignore[arg-type]
        )

    reserved, settings = app.database.in_transaction(reserve)
    away = False
    try:
        findings = tuple(
            app.runner.run(
                app.settings.service.poll_deadline,
                examine,
                station.name,
                settings,
                station.organisation,
                Allowance(now, reserved),
            )
        )
    except ConnectorError as error:
        away = isinstance(error, Unreachable)
        findings = (Finding(Level.BAD, error.what, error.do),)
    except (DeadlineExceeded, WorkFailed) as error:
        away = True
        findings = (
            Finding(Level.BAD, f"{place} could not be asked: {error}", "Try again; if it lasts, report this line."),
        )
    return Looked(place, (*findings, *_hearing(app, station, now)), unreachable=away)


def _hearing(app: App, station: Station, now: datetime) -> Iterator[Finding]:
    plan, zone = station.plan(), app.settings.zone
    wish = getattr(station.settings, "poll_every", None)
    every = f"every {say_duration(wish)} (poll_every)" if wish else f"every {say_duration(plan.calm)} when calm"
    yield Finding(
        Level.NOTE, f"Polled {every}. Expected lag: {plan.lag or say_duration(plan.calm)}. Cost: {plan.cost}."
    )
    with app.database.read() as session:
        row = session.get(PlatformRow, station.name)
        for line in digest.spending_lines(session, app, now):
            if line.startswith(f"{hearing.say_platform(station.name)}:"):
                yield Finding(Level.NOTE, f"Spent: {line.partition(': ')[2]}.")
        if row is not None and row.token_ends_at is not None:
            left = row.token_ends_at - now
            level = Level.BAD if left < timedelta(days=3) else Level.NOTE if left < timedelta(days=14) else Level.GOOD
            yield Finding(level, f"The token ends on {say_moment(row.token_ends_at, zone)}.")
        if row is not None and row.heard_until is not None:
            yield Finding(Level.NOTE, f"Heard until {say_moment(row.heard_until, zone, now=now)}.")
    for never in station.platform.never_shows:
        yield Finding(Level.NOTE, f"Never shown to us: {never.rstrip('. ')}.")
