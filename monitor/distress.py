"""The alarm that needs no database: when nothing can be written down any more, or Earshot cannot even start, one mail
leaves all the same.

A full disk or a dead database server stops the outbox with everything else, so this mail goes straight to the mail
server (reliability notes, 2.1: within a minute). Hearing goes on by itself once the database can be written again.
"""

from __future__ import annotations

import errno
import logging
import secrets
import shutil
import sqlite3
import threading
import time
from dataclasses import dataclass
from datetime import datetime, timedelta
from pathlib import Path

from sqlalchemy.exc import DBAPIError, SQLAlchemyError

from alerts.mail import compose
from alerts.model import DeliveryFailed, Letter, MailKind, Notice, Recipient, Severity
from monitor.app import App
from monitor.clock import say_moment
from monitor.mail_account import MailAccount
from monitor.outbox import ROLE_WORDS
from monitor.settings import Settings, SettingsError
from monitor.store.database import DatabaseUnreachable, StoreLost, is_away
from monitor.told import Told
from monitor.workers import DeadlineExceeded, Inline, WorkFailed

log = logging.getLogger(__name__)

ROLES = ("operator", "ceo")

AFTER = timedelta(seconds=20)
"""How long nothing could be written before the mail leaves; a restart of the database takes less."""

AGAIN = timedelta(hours=6)
"""After this long the same trouble is told again while it lasts."""

ANEW = timedelta(hours=1)
"""The soonest that the same trouble is told again, where it ended meanwhile or the process did."""

FULL = 100 * 1024 * 1024
"""Bytes of free space under which the disk is called full."""

NO_ROOM = 1024 * 1024
"""Bytes of free space under which SQLite cannot even open its file."""

SENDING = timedelta(minutes=2)
"""How long the mail server may keep us waiting for one of these mails."""


@dataclass(frozen=True, slots=True)
class Trouble:
    """What is wrong, for people: ``plain`` for everybody, ``what`` and ``do`` for whoever looks after the machine.

    ``what`` says nothing that changes from one try to the next, or the trouble has a ``name``.
    """

    headline: str
    tag: str
    plain: str
    then: str
    what: str
    do: str
    is_deaf: bool = True
    """Whether somebody must look at the platforms meanwhile."""
    roles: tuple[str, ...] = ROLES
    kind: MailKind = MailKind.DEAF
    severity: Severity = Severity.CRISIS
    name: str = ""
    """By what it is known again, where ``what`` may change from one try to the next."""

    @property
    def known_as(self) -> str:
        """By what it is known again."""
        return self.name or self.what


MEANWHILE = (
    "Until it is mended nothing is heard, no alert is sent and no takeover can be begun from a mail. What is said "
    "meanwhile is heard afterwards, as far as the platforms still show it."
)


BEGUN = Trouble(
    headline="Earshot begins with an empty memory",
    tag="FIRST START",
    plain="Earshot has started and remembers nothing: no incident, no mark, no takeover.",
    then="On a first start this is as it should be, and there is nothing to do. If Earshot ran before, its memory was "
    "lost.",
    what="There was neither a database nor a state folder that knew of one.",
    do="If there should be one, stop Earshot, see [store] in the settings, and bring back the newest backup: "
    "`earshot db restore FILE`.",
    is_deaf=False,
    roles=("operator",),
    kind=MailKind.REPORT,
    severity=Severity.ROUTINE,
)
"""A first start, or one that cannot be told from it."""

OLDER = Trouble(
    headline="Earshot's memory is an older copy",
    tag="OLDER",
    plain="Earshot runs, but what it remembers is older than what it last knew.",
    then="It goes on from there. What happened since is not known any more: incidents, marks, whether a takeover was "
    "begun, links and tokens that were ended since. If a takeover is on, begin it again.",
    what="The database is an older state of itself: somebody put an old copy of the file there, or the machine lost "
    "what it had written. Erasures were made again.",
    do="If there is a newer backup, stop Earshot and bring it back: `earshot db restore FILE`.",
    is_deaf=False,
)
"""A store that is ours, as it was some time ago."""

DAMAGED = Trouble(
    headline="Earshot's memory is damaged",
    tag="DAMAGED",
    plain="The file in which Earshot keeps its memory is damaged.",
    then="It goes on as far as it can, but what it hears may be lost and alerts may fail.",
    what="The disk or another program broke the database file.",
    do="Stop Earshot, bring back the newest backup (`earshot db restore FILE`), and see whether the disk is well.",
)
"""A running Earshot's database file is no longer whole."""


def cannot_write(error: BaseException, settings: Settings) -> Trouble:
    """The trouble of a running Earshot that cannot write anything down any more."""
    if isinstance(error, StoreLost):
        return Trouble("Earshot has lost its memory", "LOST", f"{_sentence(error.brief)}", MEANWHILE, str(error), "")
    if isinstance(error, OSError) and not is_full(error, settings):
        return Trouble(
            headline="Earshot cannot write to its own folder",
            tag="NOT WRITABLE",
            plain="Earshot cannot write to its own folder.",
            then="What is heard is still told, as long as this process runs. But it will not start again, and an "
            "erasure cannot be noted.",
            what=say(error, settings),
            do="Let Earshot's user write there again. Earshot goes on by itself.",
            is_deaf=False,
        )
    why = "The disk is full." if is_full(error, settings) else "Its database does not take anything any more."
    do = "Run `earshot doctor --offline`; then make room on the disk or start the database. Earshot goes on by itself."
    return Trouble("Earshot is deaf and cannot write anything down", "DEAF", why, MEANWHILE, why, do)


def cannot_start(error: BaseException, settings: Settings) -> Trouble:
    """The trouble of an Earshot that cannot start."""
    if isinstance(error, StoreLost):
        plain = _sentence(error.brief)
    else:
        plain = "The disk is full." if is_full(error, settings) else "Something on its machine must be mended first."
    return Trouble(
        headline="Earshot cannot start",
        tag="NOT RUNNING",
        plain=plain,
        then=MEANWHILE,
        what=say(error, settings),
        do="Where systemd or Docker starts Earshot, it is tried again by itself once that is mended.",
    )


def settings_faulty(error: SettingsError) -> Trouble:
    """The trouble of an Earshot whose settings file cannot be used at its start. However often it is edited before it
    is right, it is one trouble."""
    return Trouble(
        headline="Earshot cannot start",
        tag="NOT RUNNING",
        plain="Its settings file cannot be used.",
        then=MEANWHILE,
        what=error.without_value,
        do="On the server, run `earshot config check`, and mend what it names. Where systemd or Docker starts Earshot, "
        "it is tried again by itself.",
        name="settings",
    )


def _sentence(words: str) -> str:
    return f"{words[:1].upper()}{words[1:]}."


def say(error: BaseException, settings: Settings) -> str:
    """An error in a sentence for people: our own errors have one; others give their class, never their text."""
    if is_full(error, settings):
        return "The disk is full."
    if isinstance(error, OSError):
        where = f"{error.filename}: " if error.filename else ""
        return f"{where}{error.strerror or type(error).__name__}."
    if isinstance(error, SQLAlchemyError) and not isinstance(error, StoreLost):
        return f"The database could not be used ({type(error).__name__})."
    if isinstance(error, WorkFailed):
        return f"Part of the start broke down ({error})."
    ours = type(error).__module__.startswith(("monitor.", "connectors.", "alerts."))
    return str(error) if ours else f"It broke down in a way that nobody foresaw ({type(error).__name__})."


def is_full(error: BaseException, settings: Settings) -> bool:
    """Whether the disk is what stopped us."""
    if isinstance(error, OSError) and error.errno in {errno.ENOSPC, errno.EDQUOT}:
        return True
    if isinstance(error, DBAPIError) and getattr(error.orig, "sqlite_errorcode", 0) & 0xFF == sqlite3.SQLITE_FULL:
        return True
    if isinstance(error, DatabaseUnreachable) and free_space(settings) < NO_ROOM:
        return True
    if isinstance(error, StoreLost) or not isinstance(error, SQLAlchemyError | OSError | WorkFailed):
        return False
    return not has_room(settings)


def has_room(settings: Settings) -> bool:
    """Whether the disk has more free than its reserve, where the database and the state lie."""
    return free_space(settings) >= FULL


def free_space(settings: Settings) -> int:
    """Bytes that are free where the state folder and SQLite's file lie, the less of both."""
    file = settings.store.address.file
    return min(_free(folder) for folder in (settings.state_dir, *([file.parent] if file else [])))


def _free(folder: Path) -> int:
    try:
        return shutil.disk_usage(folder).free
    except OSError:
        return FULL


class Alarm:
    """Tells operator and CEO by mail, straight from memory. It needs the settings and the mail server, nothing else."""

    def __init__(self, app: App) -> None:
        self._app = app
        settings = app.settings
        self._told = Told((settings.state_dir, *([settings.runtime_dir] if settings.runtime_dir else [])))

    def tell(self, trouble: Trouble, *, again: timedelta) -> None:
        """Tell everybody who was not told of this trouble within ``again``. Whoever cannot be reached is told at the
        next try."""
        people = self._app.people
        persons = {p.role: p for p in (people.get(role) or people.get("ceo") for role in trouble.roles) if p}
        for person in persons.values():
            self._tell(person, trouble, again)

    def last(self, trouble: Trouble) -> datetime | None:
        """When anybody was last told of this trouble."""
        moments = [self._told.last(role, trouble.known_as) for role in ROLES]
        return max((moment for moment in moments if moment is not None), default=None)

    def is_remembered(self) -> bool:
        """Whether another process would know whom we told."""
        return self._told.is_kept()

    def _tell(self, person: Recipient, trouble: Trouble, again: timedelta) -> None:
        now, last = self._app.clock(), self._told.last(person.role, trouble.known_as)
        if last is not None and timedelta() <= now - last < again:
            return
        if self._send(person, trouble, now):
            self._told.remember(person.role, trouble.known_as, now)

    def _send(self, person: Recipient, trouble: Trouble, now: datetime) -> bool:
        app = self._app
        try:
            letter = _letter(app.settings, trouble, person, now)
            try:
                app.mail_account.send(letter, SENDING)
            except (OSError, WorkFailed):  # no process can be started: then without one, and without its deadline
                inline = MailAccount(app.settings.mail, app.database, lambda: app.keys, Inline(), app.clock)
                inline.send(letter, SENDING)
        except Exception as error:  # bulkhead: a channel
            why = str(error) if isinstance(error, DeliveryFailed | DeadlineExceeded) else type(error).__name__
            log.error("the alarm could not be mailed", extra={"role": person.role, "error": why})
            return False
        return True


def _letter(settings: Settings, trouble: Trouble, person: Recipient, now: datetime) -> Letter:
    notice = Notice(
        headline=trouble.headline,
        severity=trouble.severity,
        where="the machine that Earshot runs on",
        moment=say_moment(now, settings.zone),
        summary=f"{trouble.plain} {trouble.then}",
        news=("Please look at the platforms yourself until this is mended.",) if trouble.is_deaf else (),
        without_links=f"For whoever looks after the machine: {trouble.what} {trouble.do}".rstrip(),
        organisation=settings.organisation.name,
        tag=trouble.tag,
        reader=f"You get this because you are the {ROLE_WORDS.get(person.role, person.role)}.",
    )
    return compose(
        "deaf",
        notice,
        person,
        kind=trouble.kind,
        message_id=f"<distress.{secrets.token_hex(8)}@{settings.mail.domain}>",
        sent_at=now,
    )


class Distress:
    """Watches whether anything can be written down. Safe to call from every loop.

    Each part of the daemon is watched by itself: what breaks one of them for good is told though the others work.
    """

    def __init__(self, app: App, *, after: timedelta = AFTER) -> None:
        self._app = app
        self._after = after.total_seconds()
        self._alarm = Alarm(app)
        self._lock = threading.Lock()
        self._since: dict[str, tuple[float, datetime]] = {}
        self._away_since: datetime | None = None
        self._sending: threading.Thread | None = None

    def worked(self, part: str = "watch") -> bool:
        """A part of the daemon wrote something: all is well with it again. Whether it was not before."""
        with self._lock:
            was_bad = self._since.pop(part, None) is not None
            away_since = self._away_since if was_bad else None
            self._away_since = None if was_bad else self._away_since
        if away_since is not None:
            log.warning("the database can be used again", extra={"part": part, "away_since": away_since.isoformat()})
        return was_bad

    def failed(self, error: BaseException, part: str = "watch") -> None:
        """A part could not write. Mails operator and CEO in a thread of its own: at once when the store is lost, else
        when it has lasted."""
        if not isinstance(error, SQLAlchemyError | OSError):
            return
        now = time.monotonic()
        with self._lock:
            is_news = is_away(error) and part not in self._since and self._away_since is None
            since, began_at = self._since.setdefault(part, (now, self._app.clock()))
            self._away_since = began_at if is_news else self._away_since
        if is_news:  # one line for all parts: each of them asks again and again
            log.error("the database cannot be used", extra={"part": part, "why": say(error, self._app.settings)})
        if isinstance(error, StoreLost) or now - since >= self._after:
            self.tell(cannot_write(error, self._app.settings), began_at)

    def tell(self, trouble: Trouble, began_at: datetime) -> None:
        """Mail of ``trouble`` in a thread of its own, unless that was done lately or is being done."""
        with self._lock:
            if self._sending is not None and self._sending.is_alive():
                return
            last = self._alarm.last(trouble)
            again = ANEW if last is not None and last < began_at else AGAIN
            self._sending = threading.Thread(
                target=self._alarm.tell, args=(trouble,), kwargs={"again": again}, name="distress", daemon=True
            )
            self._sending.start()

    def was_told(self, trouble: Trouble, since: datetime) -> bool:
        """Whether somebody was told of ``trouble`` since then."""
        last = self._alarm.last(trouble)
        return last is not None and last >= since

    def wait(self, seconds: float) -> None:
        """Wait for a mail that is on its way."""
        if self._sending is not None:
            self._sending.join(seconds)
