"""Puts the house together: the one place that knows the real clock, the real processes and the settings."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import replace
from datetime import datetime, timedelta
from functools import cached_property
from pathlib import Path
from typing import Any

from sqlalchemy.orm import Session

from alerts.mail import compose_digest
from alerts.model import Letter, Recipient
from monitor import audit, hearing
from monitor.cards import Cards, load_cards
from monitor.clock import Clock, utc_now
from monitor.data import resource
from monitor.dispatch import Dispatcher
from monitor.escalation import ChainPolicy
from monitor.grants import read_grant
from monitor.intake import Intake
from monitor.keys import Keys, load_keys
from monitor.links import Links
from monitor.mail_account import MailAccount
from monitor.notices import House, letter_for
from monitor.outbox import Desk
from monitor.people import Roster
from monitor.poll import Poller, Runner, Station
from monitor.scoring import Scorer, build_scorer
from monitor.scoring.naming import Naming, build_naming
from monitor.settings import Judging, People, Settings, platform_of
from monitor.store.database import Database
from monitor.store.tables import AlertRow, GrantRow
from monitor.terms import Terms, load_terms
from monitor.workers import Workers

AUDIT_KEYED = "audit.keyed"
"""Beside the install key once the audit chain was keyed; outside the database, so that no forger there undoes it."""


class App:
    """All parts of one installation, each made when first asked for: a command pays only for what it uses."""

    def __init__(
        self,
        settings: Settings,
        *,
        clock: Clock = utc_now,
        runner: Runner | None = None,
        scorer: Scorer | None = None,
        stations: Mapping[str, Station] | None = None,
    ) -> None:
        self.settings = settings
        self.settings_fault = ""
        """Why the settings file, changed while we run, could not be used; the people of before go on."""
        self.roster = Roster(settings.people)
        self.clock = clock
        self._runner = runner
        self._scorer = scorer
        self._stations = stations
        self.standing_still: Callable[[], list[str]] | None = None
        """The loops of the running daemon that make no progress; it says so itself, whatever the database does. None
        where no daemon runs in this process."""

    @cached_property
    def database(self) -> Database:
        """The store. Nothing is asked of it yet."""
        return Database(self.settings.store.url, info={audit.KEY: lambda: self.keys.sign_key("audit")})

    @cached_property
    def keys(self) -> Keys:
        """The install key's offspring. Raises ``monitor.keys.KeyUnreadable``."""
        return load_keys(self.settings.state_dir)

    @cached_property
    def terms(self) -> dict[str, Terms]:
        """What the platforms' terms allow, made stricter by the settings; how often a kept post is looked at again is
        the operator's to say where a platform's table has ``recheck_every``."""
        terms = load_terms(self.settings.privacy.text_kept)
        for name, table in self.settings.connectors.items():
            wish: timedelta | None = getattr(table, "recheck_every", None)
            if wish is not None:
                terms[name] = replace(terms.get(name, terms["other"]), recheck_every=wish)
        return terms

    @cached_property
    def scorer(self) -> Scorer:
        """The judgement, with its rules and its learned part."""
        if self._scorer is not None:
            return self._scorer
        settings = self.settings
        return scorer_of(Judging(settings.organisation, settings.judgement), self.naming)

    @cached_property
    def links(self) -> Links:
        """Makes and reads the signed links of mails."""
        return Links(self.keys, self.settings.public_url)

    @cached_property
    def cards(self) -> Cards:
        """The first-hour cards and holding statements."""
        return load_cards()

    @cached_property
    def naming(self) -> Naming:
        """Tells whom of the settings a text speaks of; shared by tips and posts."""
        return build_naming(self.settings.organisation, self.settings.people.named)

    @property
    def people(self) -> Mapping[str, Recipient]:
        """Who is told, by role; from the settings as they are now."""
        return self.roster.by_role

    def take_people(self, people: People) -> int:
        """From now on these are the people of the settings, everywhere, and in the memory too. Returns how many
        changed."""
        from monitor import persons

        return persons.take(self, people)

    def list_people(self, people: People) -> None:
        """Ask these people from now on; for ``monitor.persons``, which brings the memory into line first."""
        self.settings = replace(self.settings, people=people)
        self.roster.take(people)
        self.naming.take(people.named)

    @cached_property
    def desk(self) -> Desk:
        """Where alerts are owed."""
        alerts, takeover = self.settings.alerts, self.settings.takeover
        policy = ChainPolicy(
            alerts.crisis.again,
            alerts.crisis.chair,
            alerts.alert.again,
            alerts.alert.chair,
            alerts.night_from,
            alerts.night_until,
            self.settings.zone,
        )
        return Desk(
            self.roster,
            policy,
            self.keys,
            begins_by_itself=takeover.begin_by_itself == "crisis",
            report_every=takeover.report_every,
            naming=self.naming,
        )

    @cached_property
    def stations(self) -> dict[str, Station]:
        """The platforms in use."""
        if self._stations is not None:
            return dict(self._stations)
        return {
            name: Station(platform_of(name), table, self.settings.organisation)
            for name, table in self.settings.connectors.items()
        }

    @cached_property
    def runner(self) -> Runner:
        """Runs what may hang in processes that may be killed."""
        if self._runner is not None:
            return self._runner
        modules = sorted(
            {type(s.platform.settings).__module__ for s in self.stations.values()}
            | {s.platform.settings.__module__ for s in self.stations.values()}
            | {module for s in self.stations.values() for module in s.platform.preload}
        )
        return Workers(
            [m for m in modules if m != "builtins"] + ["monitor.asking", "alerts.mailer", "alerts.mail_oauth"]
        )

    @cached_property
    def intake(self) -> Intake:
        """Takes batches in, judged after the lessons of the people here."""
        from monitor.learning import Pupil

        judge = Pupil(self.database, self.keys, self.scorer) if isinstance(self.scorer, Scorer) else self.scorer
        return Intake(
            self.settings.organisation, self.terms, judge, self.keys, self.desk, self.settings.alerts.quiet_time
        )

    @cached_property
    def limits(self) -> hearing.Limits:
        """How long a platform may be deaf or silent."""
        return hearing.Limits(self.settings.alerts.deaf_after, self.settings.alerts.silent_after)

    @cached_property
    def poller(self) -> Poller:
        """Polls platforms."""
        return Poller(
            self.database,
            self.intake,
            self.runner,
            self.clock,
            self.settings.service.poll_deadline,
            self.settings.takeover.poll_every,
            self.settings_of,
        )

    @cached_property
    def dispatcher(self) -> Dispatcher:
        """Delivers alerts."""
        return Dispatcher(
            self.database, self.desk, self.letter, self.mail_account, self.runner, self.clock, self.second_account
        )

    @cached_property
    def mail_account(self) -> MailAccount:
        """Our account at the mail server."""
        return MailAccount(self.settings.mail, self.database, lambda: self.keys, self.runner, self.clock)

    @cached_property
    def second_account(self) -> MailAccount | None:
        """Our account at the second mail server, where the settings name one."""
        second = self.settings.mail.second
        return MailAccount(second, self.database, lambda: self.keys, self.runner, self.clock) if second else None

    def letter(self, session: Session, row: AlertRow, now: datetime) -> Letter:
        """The mail that an owed alert stands for, with the head of the audit as it is now."""
        composed = self._composed(session, row, now)
        return replace(composed, audit_head=audit.head(session))

    def _composed(self, session: Session, row: AlertRow, now: datetime) -> Letter:
        from monitor import digest

        if row.template == "digest":
            recipient = Recipient(row.role, row.name, row.address)
            identity = f"<{row.id}@{self.settings.mail.domain}>"
            return compose_digest(digest.bulletin_of(session, self, row), recipient, message_id=identity, sent_at=now)
        return letter_for(session, row, self.house(now))

    def house(self, now: datetime) -> House:
        """What composing a mail needs to know of the house at ``now``."""
        return House(
            organisation=self.settings.organisation,
            zone=self.settings.zone,
            terms=self.terms,
            links=self.links,
            keys=self.keys,
            cards=self.cards,
            people=self.people,
            sender=self.settings.mail.sender,
            now=now,
        )

    def settings_of(self, session: Session, station: Station) -> Any:
        """A platform's settings, with a token that we renewed ourselves put in."""
        from dataclasses import replace

        name = station.platform.token_setting
        row = session.get(GrantRow, station.name)
        if name is None or row is None:
            return station.settings
        token = self.keys.unseal(row.sealed)
        return station.settings if token is None else replace(station.settings, **{name: read_grant(token).token})

    def note_model(self) -> None:
        """Remember which model judges from now on, for the digest."""
        from monitor import learning
        from monitor.scoring import learned

        if getattr(self.scorer, "reader", None) is not None:
            model = learned.identity()
            self.database.in_transaction(lambda session: learning.note_model(session, model, self.clock()))

    def key_audit(self) -> None:
        """Key the audit chain where it is not yet, and remember beside the install key that it is."""
        self.database.in_transaction(lambda session: audit.key_chain(session, self.clock()))
        (self.settings.state_dir / AUDIT_KEYED).touch()

    @property
    def audit_is_keyed(self) -> bool:
        """Whether this installation has keyed its chain: then one without a key is not ours."""
        return (self.settings.state_dir / AUDIT_KEYED).exists()

    def close(self) -> None:
        """Let go of the database."""
        if "database" in self.__dict__:
            self.database.close()


def scorer_of(judging: Judging, naming: Naming | None = None) -> Scorer:
    """The judgement of one organisation. Raises ``RulesFaulty`` and ValueError, as ``build_scorer`` does."""
    return build_scorer(
        judging.organisation,
        model=judging.judgement.model,
        rules_folder=rules_folder(judging),
        people=judging.people,
        naming=naming,
    )


def rules_folder(settings: Settings | Judging) -> Path:
    """Where the rules lie: the operator's own, or the shipped ones."""
    return Path(settings.judgement.rules) if settings.judgement.rules else resource("rules")
