"""A whole house for stories: scripted platforms, a letter box in memory, a clock that only moves when told.

house = a_house(tmp_path)
house.say(a_mention("They left her alone"), an_assessment(Severity.CRISIS, Category.SAFEGUARDING))
house.fast_forward(minutes=1)
assert house.inbox("ceo")
"""

from __future__ import annotations

import heapq
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

from alerts import mailer, phone
from alerts.model import DeliveryFailed, Letter, Severity
from alerts.testing import MemoryMailer
from connectors.errors import ConnectorError
from connectors.model import Allowance, Batch, Coverage, Mention, PollPlan
from connectors.testing import NoSettings, scripted_platform
from monitor import digest, forgetting, poll, recheck, rounds, trends
from monitor.app import App
from monitor.keys import make_keys
from monitor.model import Assessment
from monitor.poll import Station
from monitor.settings import Settings, read
from monitor.store import migrate

ROUTINE = Assessment(Severity.ROUTINE, language="en")
START = datetime(2026, 11, 24, 14, 0, tzinfo=UTC)
PEOPLE = {
    "ceo": "rowan@tessellateuk.example",
    "chair": "chair@tessellateuk.example",
    "operator": "it@tessellateuk.example",
    "poster": "ade@tessellateuk.example",
}


def story_settings(folder: Path, **tables: Mapping[str, Any]) -> Settings:
    """Settings of an invented charity; ``tables`` add to or replace whole tables."""
    raw: dict[str, Any] = {
        "organisation": {
            "name": "Tessellate UK",
            "aliases": ["TessellateUK", "Tessellate UK", "TUK"],
            "handles": {"x": "TessellateUK", "facebook": "Tessellate UK"},
            "people": ["Rowan Ashdown"],
            "campaigns": ["#TrustTalk"],
            "languages": ["en", "so", "ar", "ur", "pl", "cy", "fr"],
        },
        "people": {
            "ceo": {"name": "Rowan Ashdown", "email": PEOPLE["ceo"]},
            "chair": {"name": "Imogen Vale", "email": PEOPLE["chair"]},
            "operator": {"name": "Kit Marlow", "email": PEOPLE["operator"]},
            "poster": [{"name": "Ade Lowe", "email": PEOPLE["poster"], "platforms": ["x"]}],
        },
        "mail": {"host": "localhost", "security": "none", "from": "Earshot <earshot@tessellateuk.example>"},
        "web": {"public_url": "http://127.0.0.1:8080"},
        "store": {"url": f"sqlite:///{folder / 'earshot.db'}", "state_dir": str(folder)},
        "judgement": {"model": "rules"},
        "privacy": {"assessment_date": "2026-10-01", "dpia_date": "2026-10-01", "contact": "dp@tessellateuk.example"},
    }
    raw.update(tables)
    return read(raw, folder / "earshot.toml", {})


class ScriptedScorer:
    """Judges each text as it was told to; anything else is routine. A text told ``None`` breaks it."""

    reader = None

    def __init__(self) -> None:
        self.told: dict[str, Assessment | None] = {}

    def assess(self, mention: Mention) -> Assessment:
        """What was told for this text."""
        told = self.told.get(mention.text or "", Assessment(Severity.ROUTINE, language="en"))
        if told is None:
            raise ArithmeticError("this text breaks the scorer")
        return told

    def assess_many(self, mentions: Sequence[Mention]) -> list[Assessment]:
        """The same for several."""
        return [self.assess(mention) for mention in mentions]


class Bench:
    """Runs work at once in this process: polls go to scripts, letters to the letter box."""

    def __init__(self, house: House) -> None:
        self._house = house

    def run(self, deadline: timedelta, work: Callable[..., Any], *args: Any, **kwargs: Any) -> Any:
        """What ``work`` returns or raises, with the outside world replaced."""
        del deadline
        if work is mailer.deliver:
            second = args[0] == self._house.app.settings.mail.second
            return (self._house.second if second else self._house.mailer)(args[1])
        if work is phone.ring:
            return self._house.ring(*args)
        if work is poll.fetch:
            return self._house.fetch(args[0], args[3], args[4])
        if work is poll.recheck:
            return self._house.recheck(args[0], args[3])
        if work is poll.examine:
            return ()
        return work(*args, **kwargs)


class House:
    """The whole path on a real store, with everything outside scripted."""

    def __init__(self, settings: Settings, platforms: Iterable[str], *, scorer: Any = None) -> None:
        self.now = START
        self.mailer, self.second = MemoryMailer(), MemoryMailer()
        self.rung: list[tuple[str, str]] = []
        self.rings: list[tuple[str, str, str, str]] = []
        """Every ring with its address, title, words and link."""
        self.silent: set[str] = set()
        """Addresses of phones that take nothing."""
        self._said: dict[str, list[tuple[datetime, int, Mention]]] = {name: [] for name in platforms}
        self._shown: dict[str, dict[str, Mention]] = {name: {} for name in platforms}
        self.gone: dict[str, set[str]] = {name: set() for name in platforms}
        self._errors: dict[str, ConnectorError | None] = {}
        self._coverage: dict[str, Coverage] = {}
        self._count = 0
        plan = PollPlan(calm=timedelta(seconds=25), hurried=timedelta(seconds=20))
        stations = {
            name: Station(scripted_platform(name, self, plan), NoSettings(), settings.organisation)  # type: ignore[arg-type]
            for name in self._said
        }
        self.scorer = ScriptedScorer()
        self.app = App(
            settings,
            clock=lambda: self.now,
            runner=Bench(self),
            stations=stations,
            scorer=scorer or self.scorer,  # type: ignore[arg-type]
        )
        migrate.upgrade(self.app.database)
        make_keys(settings.state_dir)
        self.app.poller.prepare(self.app.stations)

    # ── the world ───────────────────────────────────────────────────────────────────────────────

    def say(
        self, mention: Mention, assessment: Assessment | None = ROUTINE, *, after: timedelta = timedelta()
    ) -> Mention:
        """Let a mention be heard on its platform from now on (or ``after`` a while), posted at that moment.

        It is judged as ``assessment`` says; None breaks the scorer.
        """
        self._count += 1
        if assessment is not ROUTINE:
            self.scorer.told[mention.text or ""] = assessment
        at = self.now + after
        told = replace(
            mention, external_id=mention.external_id if mention.external_id != "1" else str(self._count), posted_at=at
        )
        heapq.heappush(self._said[mention.platform], (at, self._count, told))
        return told

    def edit(self, mention: Mention, text: str, assessment: Assessment | None = ROUTINE) -> Mention:
        """Let a mention come again with other words."""
        self._count += 1
        if assessment is not ROUTINE:
            self.scorer.told[text] = assessment
        changed = replace(mention, text=text, edited_at=self.now)
        heapq.heappush(self._said[mention.platform], (self.now, self._count, changed))
        return changed

    def fail(self, platform: str, error: ConnectorError | None) -> None:
        """Let every poll of a platform fail from now on; None ends it."""
        self._errors[platform] = error

    def cover(self, platform: str, coverage: Coverage) -> None:
        """What the platform's polls say of their coverage from now on."""
        self._coverage[platform] = coverage

    def fetch(self, platform: str, cursor: str | None, allowance: Allowance) -> Batch:
        """A scripted poll."""
        del cursor
        if (error := self._errors.get(platform)) is not None:
            raise error
        waiting, heard = self._said[platform], []
        while waiting and waiting[0][0] <= allowance.now:
            heard.append(heapq.heappop(waiting)[2])
        self._shown[platform].update({m.external_id: m for m in heard})
        coverage = self._coverage.get(platform, Coverage(heard_until=allowance.now))
        return Batch(tuple(heard), cursor="1", coverage=coverage)

    def recheck(self, platform: str, ids: tuple[str, ...]) -> Batch:
        """A scripted second look."""
        gone = tuple(i for i in ids if i in self.gone[platform])
        present = tuple(self._shown[platform][i] for i in ids if i in self._shown[platform] and i not in gone)
        return Batch(present, gone=gone)

    def ring(self, url: str, title: str, body: str, link: str = "") -> None:
        """A phone that rings, or does not."""
        if url in self.silent:
            raise DeliveryFailed("The phone (ntfy) did not take the message.", unanswered=True)
        self.rung.append((title, body))
        self.rings.append((url, title, body, link))

    def texts(self) -> set[str]:
        """Everything that was said so far and is long enough to be known again."""
        return {m.text for shown in self._shown.values() for m in shown.values() if m.text and len(m.text) > 8}

    # ── time ────────────────────────────────────────────────────────────────────────────────────

    def tick(self) -> None:
        """One round of everything that is due now: polls, chains, watch, housekeeping, deliveries."""
        app = self.app
        for name in app.poller.due(self.now):
            app.poller.poll(app.stations[name])
        app.database.in_transaction(lambda s: rounds.look_after(s, app, self.now))
        digest.send_when_due(app, self.now)
        trends.look(app, self.now)
        while app.dispatcher.deliver_next():
            pass

    def fast_forward(self, *, step: timedelta = timedelta(seconds=30), **length: float) -> None:
        """Let time pass in steps, with a round at each."""
        until = self.now + timedelta(**length)
        while self.now < until:
            self.now = min(until, self.now + step)
            self.tick()

    def housekeeping(self) -> None:
        """What the daemon does more rarely: re-checks and forgetting."""
        recheck.run(self.app, self.now)
        forgetting.forget(self.app, self.now)

    # ── what came out ───────────────────────────────────────────────────────────────────────────

    def inbox(self, role: str) -> list[Letter]:
        """The letters that somebody got, oldest first."""
        return [letter for letter in self.mailer.letters if letter.recipient_address == PEOPLE[role]]

    def subjects(self, role: str) -> list[str]:
        """Their subjects."""
        return [letter.subject for letter in self.inbox(role)]


def a_house(folder: Path, *platforms: str, **tables: Mapping[str, Any]) -> House:
    """A house that listens to ``platforms`` (facebook and x unless told otherwise), with settings as in
    ``story_settings``."""
    return House(story_settings(folder, **tables), platforms or ("facebook", "x"))
