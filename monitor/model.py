"""The nouns of judging: signals, assessments and incidents."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum

from alerts.model import Severity


class Category(StrEnum):
    """What a mention is about, when it is about something that matters (corpus scheme)."""

    SAFEGUARDING = "safeguarding"
    SAFETY = "safety"
    SELF_HARM = "self_harm"
    THREAT = "threat"
    DISCRIMINATION = "discrimination"
    HARASSMENT = "harassment"
    MISINFORMATION = "misinformation"
    COMPLAINT = "complaint"
    PRESS = "press"
    POLITICAL = "political"
    CONFIDENTIALITY = "confidentiality"
    LEGAL = "legal"
    IMPERSONATION = "impersonation"
    ACCOUNT_COMPROMISE = "account_compromise"
    FINANCE = "finance"
    STAFF_CONDUCT = "staff_conduct"

    @classmethod
    def named(cls, name: str | None) -> Category | None:
        """The category that a row names; None where it names none that is known, as a damaged row may do: it must stop
        nobody's alerts."""
        return next((category for category in cls if category == name), None)


@dataclass(frozen=True, slots=True)
class Signal:
    """One reason why an assessment is what it is: the rule, its policy clause, the words it saw, its weight.

    ``weight`` is the severity that the rule argues for (0 to 3), or a negative number for counter-evidence.
    ``sentence`` is the reason in one sentence that a CEO understands.
    """

    rule: str
    sentence: str
    category: Category | None = None
    clause: str = ""
    words: str = ""
    weight: float = 0.0


@dataclass(frozen=True, slots=True)
class Assessment:
    """What we make of a mention. ``sentiment`` is VADER's compound (-1 to 1), None where it does not apply.

    ``language`` is an ISO 639-1 code or ``unknown``. ``judged`` is false when an addressed mention is in a
    language without rules: it is listed as *could not be judged*, never taken for harmless.
    """

    severity: Severity
    categories: tuple[Category, ...] = ()
    sentiment: float | None = None
    language: str = "unknown"
    signals: tuple[Signal, ...] = ()
    judged: bool = True
    question: bool = False
    """Asks us something and so waits for an answer (policy 4.7)."""
    thanks: bool = False
    spoken_of: tuple[str, ...] = ()
    """Roles of the people of the settings (ceo, chair, operator, poster, staff) of whom it says something: they are not
    told, and whoever else decides is (docs/adr/0011)."""
    perhaps_of: tuple[str, ...] = ()
    """The same where it is unclear whether it speaks of them: hidden from them until somebody says that it does not."""


@dataclass(frozen=True, slots=True)
class Named:
    """One person of the settings, as texts may name her: role, name, address, and what else she is called."""

    role: str
    name: str
    email: str = ""
    known_as: tuple[str, ...] = ()


class IncidentState(StrEnum):
    """An incident is opened, perhaps acknowledged, and closed."""

    OPEN = "open"
    ACKNOWLEDGED = "acknowledged"
    CLOSED = "closed"

    @classmethod
    def _missing_(cls, value: object) -> IncidentState:
        """A state that is none of ours, as a damaged row may hold: whoever decides is told rather than nobody."""
        return cls.OPEN


@dataclass(frozen=True, slots=True)
class Incident:
    """Mentions that belong together. ``mentions`` counts them, ``accounts`` the distinct writers.

    ``thread`` and ``copies`` are what later mentions are compared with. ``told`` is the number of mentions
    at the last telling, so that growth is told at sensible steps. ``spoken_of`` and ``perhaps_of`` are the roles of
    whom its mentions speak for certain and perhaps, ``cleared_of`` those of whom the Chair said that they do not; who
    may know of it is ``monitor.visibility``'s.
    """

    id: str
    category: Category | None
    severity: Severity
    state: IncidentState
    opened_at: datetime
    last_seen_at: datetime
    mentions: int = 1
    accounts: int = 1
    platforms: tuple[str, ...] = ()
    threads: tuple[str, ...] = ()
    copies: tuple[str, ...] = ()
    told: int = 0
    spoken_of: tuple[str, ...] = ()
    perhaps_of: tuple[str, ...] = ()
    cleared_of: tuple[str, ...] = ()
    history: bool = False
    drill: bool = False
