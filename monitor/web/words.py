"""How the pages say things: times, platforms, levels; shared with the mails where there is a word for it."""

from __future__ import annotations

from datetime import datetime
from importlib.metadata import version

from flask import Flask, g

from alerts.looks import DARK, LIGHT, TONES
from alerts.mail import defang
from alerts.model import Severity
from alerts.takeover import Takeover
from monitor import reaching, takeovers
from monitor.addresses import may_be_pressed
from monitor.clock import say_ago, say_duration, say_moment
from monitor.excerpts import KINDS, count, size_of
from monitor.hearing import say_platform
from monitor.outbox import ROLE_WORDS
from monitor.web.house import house_of
from monitor.web.visitor import visitor

ALL = frozenset({"ceo", "chair", "operator", "poster", "staff"})

KEEPERS = frozenset({"ceo", "chair", "operator"})

MENU = (
    ("/", "Now", ALL),
    ("/mentions", "Mentions", ALL),
    ("/takeover", "Takeover", ALL),
    ("/tell", "Tell the CEO", ALL),
    ("/unanswered", "Unanswered", ALL),
    ("/incidents", "Incidents", ALL),
    ("/publishing", "May we post?", ALL),
    ("/digests", "Digests", ALL),
    ("/rules", "Rules", ALL),
    ("/drill", "Drill", KEEPERS),
    ("/accounts", "Accounts", KEEPERS),
    ("/access", "Access", KEEPERS),
    ("/engine", "Health", KEEPERS),
    ("/privacy", "Privacy", KEEPERS),
    ("/audit", "Audit", KEEPERS),
)


def teach(flask: Flask) -> None:
    """Give the templates their filters."""
    flask.jinja_env.filters.update(
        ago=ago,
        moment=moment,
        platform=say_platform,
        duration=say_duration,
        level=level,
        count=count,
        size=lambda row: size_of(row, house_of().app.terms),
        role=lambda role: ROLE_WORDS.get(role, role),
        category=category,
        defang=defang,
        safe_url=safe_url,
        stamp=datetime.fromisoformat,
        parted=lambda text, sign: text.partition(sign),
    )
    flask.jinja_env.globals.update(
        house_name=lambda: house_of().app.settings.organisation.name,
        version=version("earshot"),
        menu=menu,
        takeover_now=takeover_now,
        say_platform=say_platform,
        say_category=category,
        say_kind=lambda kind: KINDS.get(kind, kind),
        plain=str,
        troubles=troubles,
    )


def troubles() -> list[str]:
    """What is wrong with telling people, for those who can do something about it; empty for everybody else."""
    who, house = g.get("visitor"), house_of()
    if who is None or who.role not in KEEPERS:
        return []
    with house.app.database.read() as session:
        return reaching.problems(session, house.app.desk, house.now, who)


def ago(when: datetime | None) -> str:
    """``3 minutes ago (14:02)``."""
    house = house_of()
    return say_ago(when, house.now, house.app.settings.zone) if when else "never"


def moment(when: datetime | None) -> str:
    """``14:02`` today, the day and time otherwise."""
    house = house_of()
    return say_moment(when, house.app.settings.zone, now=house.now) if when else "never"


def level(severity: int) -> str:
    """The word of a severity: routine, watch, alert, crisis."""
    return Severity(severity).level


def category(name: str | None) -> str:
    """A category as people write it."""
    return (name or "other").replace("_", " ")


def safe_url(url: str) -> str:
    """An address that may be pressed; anything else is none."""
    return url if may_be_pressed(url) else ""


def colours() -> str:
    """The shared colours as custom properties, for the head of the style sheet."""
    tones = "".join(f"--{name}:{value};" for name, value in TONES.items())
    light = "".join(f"--{name}:{value};" for name, value in LIGHT.items())
    dark = "".join(f"--{name}:{value};" for name, value in DARK.items())
    return f":root{{color-scheme:light dark;{tones}{light}}}@media(prefers-color-scheme:dark){{:root{{{dark}}}}}"


def takeover_now() -> Takeover:
    """The state of takeover as the visitor may know it, for the banner of every page."""
    with house_of().app.database.read() as session:
        return takeovers.as_seen_by(session, visitor())


def menu() -> tuple[tuple[str, str, frozenset[str]], ...]:
    """The pages of the console: path, name, and who may open them."""
    return MENU
