"""What the pages know of the house: the app, its clock, and how often somebody may ask."""

from __future__ import annotations

import threading
from collections import OrderedDict, deque
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any, TypeVar, cast

from flask import Flask, current_app
from sqlalchemy.orm import Session

from alerts.model import Recipient
from connectors.addresses import host_of, parts_of
from monitor import people
from monitor.app import App
from monitor.web.errands import Errands

T = TypeVar("T")


class Limiter:
    """Counts what happened lately by key, in memory: one process serves all pages. Safe between threads."""

    def __init__(self, most_keys: int = 10_000) -> None:
        self._most = most_keys
        self._lock = threading.Lock()
        self._seen: OrderedDict[str, deque[datetime]] = OrderedDict()

    def allows(self, key: str, at_most: int, per: timedelta, now: datetime) -> bool:
        """Whether this one more fits within ``at_most`` in ``per``; counts it when it does."""
        with self._lock:
            times = self._seen.setdefault(key, deque())
            self._seen.move_to_end(key)
            while times and times[0] <= now - per:
                times.popleft()
            if len(times) >= at_most:
                return False
            times.append(now)
            while len(self._seen) > self._most:
                self._seen.popitem(last=False)
            return True


@dataclass(slots=True)
class House:
    """The app as the pages see it."""

    app: App
    limiter: Limiter = field(default_factory=Limiter)
    errands: Errands = field(default_factory=Errands)
    hosts: frozenset[str] = frozenset()
    """The names under which the pages answer."""
    kept: dict[str, Any] = field(default_factory=dict)
    """What is read once and never changes while the pages run."""

    def is_public_https(self, host: str) -> bool:
        """Whether ``host`` is that of the public address, and that is one of https."""
        public = parts_of(self.app.settings.public_url)
        return public.scheme == "https" and public.hostname == host

    @property
    def now(self) -> datetime:
        """The time of the house, aware UTC."""
        return self.app.clock()

    def change(self, work: Callable[[Session], T]) -> T:
        """Do ``work`` in one transaction that may change something."""
        return self.app.database.in_transaction(work)

    def everyone(self) -> tuple[Recipient, ...]:
        """All people of the settings who may sign in."""
        return self.app.roster.everyone

    def person_mark(self, person: Recipient) -> str:
        """What stands for a person in links and sessions; it tells nothing of them."""
        return people.mark_of(self.app.keys, person.role, person.email)

    def person_of(self, mark: str) -> Recipient | None:
        """The person of a mark; None once they have left the settings."""
        return self.app.roster.with_mark(self.app.keys, mark)


def page_of(path: str) -> str:
    """The page that a button with this address stands on."""
    parts = path.strip("/").split("/")
    return "/" + "/".join(parts[: 2 if parts[0] == "incidents" else 1])


def number_of(text: str) -> int:
    """A row's number as somebody's browser sent it; -1, which no row has, for anything else."""
    plain = text.isascii() and text.isdigit() and len(text) <= 18
    return int(text) if plain else -1


def keep(flask: Flask, app: App) -> None:
    """Give the pages their house."""
    web = app.settings.web
    public = host_of(app.settings.public_url)
    bound = web.bind.rpartition(":")[0].strip("[]")
    names = {"localhost", "127.0.0.1", "::1", *([public] if public else [])}
    if bound not in {"0.0.0.0", "::", ""}:  # noqa: S104
        names.add(bound)
    flask.extensions["earshot"] = House(app, hosts=frozenset(name.casefold() for name in names))


def house_of(flask: Flask | None = None) -> House:
    """The house of the pages being served."""
    return cast(House, (flask or current_app).extensions["earshot"])
