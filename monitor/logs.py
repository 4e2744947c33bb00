"""Structured logs, one JSON object a line, without third-party text and with every known secret blanked."""

from __future__ import annotations

import json
import logging
import sys
import traceback
from collections.abc import Iterable
from datetime import UTC, datetime
from logging.handlers import RotatingFileHandler
from pathlib import Path
from typing import IO

_STANDARD = frozenset(vars(logging.makeLogRecord({}))) | {"message", "asctime", "taskName"}
_OURS = ("monitor", "connectors", "alerts")


class Blank:
    """Replaces secrets wherever they turn up. Secrets shorter than four characters are not worth hiding."""

    def __init__(self, secrets: Iterable[str]) -> None:
        self._secrets: list[str] = []
        self.add(secrets)

    def add(self, secrets: Iterable[str]) -> None:
        """These too, from now on."""
        known = {*self._secrets, *(s for s in secrets if len(s) >= 4)}
        self._secrets = sorted(known, key=len, reverse=True)

    def __call__(self, text: str) -> str:
        for secret in self._secrets:
            text = text.replace(secret, "***")
        return text


class Lines(logging.Formatter):
    """One JSON object a line: time (UTC), level, logger, message, and the fields given as ``extra``.

    Of an exception only the classes and places are written: its text may hold a post or a token.
    """

    def __init__(self, blank: Blank) -> None:
        super().__init__()
        self.blank = blank

    def format(self, record: logging.LogRecord) -> str:
        """The line."""
        entry: dict[str, object] = {
            "at": datetime.fromtimestamp(record.created, UTC).isoformat(timespec="milliseconds"),
            "level": record.levelname.lower(),
            "from": record.name,
            "what": _said(record),
        }
        entry.update({k: v for k, v in vars(record).items() if k not in _STANDARD and not k.startswith("_")})
        if record.exc_info and record.exc_info[1] is not None:
            entry["error"] = _places(record.exc_info[1])
        return self.blank(json.dumps(entry, ensure_ascii=True, default=lambda value: type(value).__name__))


class Words(logging.Formatter):
    """The same for a person at a terminal: local time, message, fields."""

    def __init__(self, blank: Blank) -> None:
        super().__init__()
        self.blank = blank

    def format(self, record: logging.LogRecord) -> str:
        """The line."""
        extra = {k: v for k, v in vars(record).items() if k not in _STANDARD and not k.startswith("_")}
        fields = " ".join(f"{k}={v}" for k, v in extra.items())
        line = f"{datetime.now():%H:%M:%S} {record.levelname.lower():8} {_said(record)} {fields}".rstrip()  # noqa: DTZ005
        if record.exc_info and record.exc_info[1] is not None:
            line += f" [{_places(record.exc_info[1])}]"
        return self.blank(line)


def set_up(
    secrets: Iterable[str], *, level: str = "info", stream: IO[str] | None = None, folder: Path | None = None,
    words: bool = False,
) -> None:  # fmt: skip
    """Send all logs to ``stream`` (stderr), or to files of at most 10 x 10 MB in ``folder``."""
    blank = Blank(secrets)
    handler: logging.Handler
    if folder is not None:
        folder.mkdir(parents=True, exist_ok=True)
        handler = RotatingFileHandler(folder / "earshot.log", maxBytes=10_000_000, backupCount=9, encoding="utf-8")
    else:
        handler = logging.StreamHandler(stream or sys.stderr)
    handler.setFormatter(Words(blank) if words else Lines(blank))
    root = logging.getLogger()
    root.handlers[:] = [handler]
    root.setLevel(logging.WARNING)
    for name in _OURS:
        logging.getLogger(name).setLevel(level.upper())
    for chatty in ("tweepy", "urllib3", "googleapiclient", "httplib2", "requests", "apprise", "waitress", "alembic"):
        logging.getLogger(chatty).setLevel(logging.ERROR)


def blank_also(secrets: Iterable[str]) -> None:
    """Blank these secrets too, which were read after the logs were set up."""
    for handler in logging.getLogger().handlers:
        if isinstance(handler.formatter, Lines | Words):
            handler.formatter.blank.add(secrets)


def _said(record: logging.LogRecord) -> str:
    """The message; of a library's only the pattern, for what it fills in may be a post or an address."""
    return record.getMessage() if record.name.split(".")[0] in _OURS else str(record.msg)[:200]


def _places(error: BaseException) -> str:
    frames = traceback.extract_tb(error.__traceback__)[-6:]
    way = " < ".join(f"{Path(f.filename).name}:{f.lineno}" for f in reversed(frames))
    return f"{type(error).__name__} {way}"
