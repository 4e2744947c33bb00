"""What each platform's terms allow (``config/platforms.toml``), made stricter by the settings where they say so."""

from __future__ import annotations

import tomllib
from collections.abc import Mapping
from dataclasses import dataclass, fields, replace
from datetime import datetime, timedelta
from typing import Any

from monitor.clock import read_duration
from monitor.data import resource

MINIMISED = frozenset({"safeguarding", "self_harm"})
"""Categories whose mails carry no quote, name, handle or matched word (settled questions, 4)."""

MAX_QUOTE = 200


@dataclass(frozen=True, slots=True)
class Terms:
    """The terms of one platform. Durations say how long; ``author_kept`` None means as long as the text."""

    text_kept: timedelta
    text_clock: str
    author_kept: timedelta | None
    recheck_every: timedelta
    recheck_share: float
    quote: int
    name_in_mail: bool
    scores: bool
    totals: str
    trends_kept: timedelta
    in_backups: bool

    def text_until(self, first_seen_at: datetime, verified_at: datetime) -> datetime:
        """The moment at which the words must be forgotten."""
        return (verified_at if self.text_clock == "verified" else first_seen_at) + self.text_kept

    def author_until(self, first_seen_at: datetime, text_until: datetime) -> datetime | None:
        """The moment at which the author must be forgotten; None where an author may not be kept at all."""
        if self.author_kept is None:
            return text_until
        return first_seen_at + self.author_kept if self.author_kept else None


class TermsError(Exception):
    """The terms file is faulty; the message names the table and the key."""


def load_terms(stricter: Mapping[str, str] | None = None) -> dict[str, Terms]:
    """The terms by platform name, with ``other`` for strangers. ``stricter`` may only shorten ``text_kept``."""
    raw = tomllib.loads(resource("platforms.toml").read_text("utf-8"))
    table = {name: _read(name, entry) for name, entry in raw.items()}
    if "other" not in table:
        raise TermsError("platforms.toml: the table [other] is missing")
    for name, text in (stricter or {}).items():
        terms = table.get(name, table["other"])
        table[name] = replace(terms, text_kept=min(terms.text_kept, read_duration(text)))
    return table


def _read(name: str, entry: Mapping[str, Any]) -> Terms:
    known = {f.name for f in fields(Terms)}
    if set(entry) != known:
        wrong = ", ".join(sorted(set(entry) ^ known))
        raise TermsError(f"platforms.toml [{name}]: missing or unknown: {wrong}")
    values = dict(entry)
    try:
        for key in ("text_kept", "recheck_every", "trends_kept"):
            values[key] = read_duration(entry[key])
        kept = entry["author_kept"]
        values["author_kept"] = None if kept == "with-text" else timedelta() if kept == "none" else read_duration(kept)
    except (ValueError, TypeError, AttributeError) as error:
        raise TermsError(f"platforms.toml [{name}]: expected {error}") from None
    return Terms(**values)
