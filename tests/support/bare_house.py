"""A daemon without a platform beside a mail server: the smallest real Earshot, for what happens to its store."""

from __future__ import annotations

import contextlib
import json
import urllib.error
import urllib.request
from collections.abc import Iterator, Mapping
from http.client import HTTPException
from pathlib import Path
from typing import Any

from town import CEO, OPERATOR, Earshot, eventually, free_port

from alerts.mailbox import Mailbox


def bare_settings(box: Mailbox, **tables: Mapping[str, Any]) -> dict[str, Any]:
    """The settings as a table of tables, without ``[store]``."""
    return {
        "organisation": {"name": "Tessellate UK", "aliases": ["TUK"], "timezone": "Europe/London"},
        "people": {
            "ceo": {"name": "Rowan Ashdown", "email": CEO},
            "operator": {"name": "Kit Marlow", "email": OPERATOR},
        },
        "mail": {
            "host": "127.0.0.1", "port": box.port, "security": "none", "from": "Earshot <earshot@tessellateuk.example>",
        },
        "web": {"bind": f"127.0.0.1:{free_port()}"},
        "judgement": {"model": "rules"},
        **tables,
    }  # fmt: skip


def ask_health(raw: Mapping[str, Any], question: str = "") -> tuple[int, dict[str, Any]]:
    """What ``/health`` of these settings' daemon answers, to ``?alive`` where that is the ``question``; 0 where nobody
    does."""
    try:
        with urllib.request.urlopen(f"http://{raw['web']['bind']}/health{question}", timeout=10) as answer:
            return int(answer.status), json.load(answer)
    except urllib.error.HTTPError as refused:
        with refused, contextlib.suppress(HTTPException):
            return refused.code, json.load(refused)
    except (OSError, HTTPException):  # nobody, or one who ended while answering
        pass
    return 0, {}


class BareHouse:
    """A folder for the settings, another for the store, the daemon and its mail server."""

    def __init__(self, root: Path, box: Mailbox, *, url: str = "", **tables: Mapping[str, Any]) -> None:
        self.box = box
        self.state = root / "state"
        self.state.mkdir(exist_ok=True)
        self.file = self.state / "earshot.db"
        self.raw = bare_settings(
            box, **{"store": {"url": url or f"sqlite:///{self.file}", "state_dir": str(self.state)}, **tables}
        )
        self.earshot = Earshot.with_settings(root, self.raw)
        self._seen = 0

    def told(self) -> set[str]:
        """The people who got mail since the last look."""
        return {address for letter in self.box.letters[self._seen :] for address in letter.recipients}

    def forget_letters(self) -> None:
        """What was mailed up to now no longer counts as told."""
        self._seen = len(self.box.letters)

    def subjects(self) -> list[str]:
        """What the letters since then were about."""
        return [str(letter.message["Subject"]) for letter in self.box.letters[self._seen :]]

    def wait_until_told(self) -> None:
        """Wait until operator and CEO were mailed, a minute at the longest (the bar)."""
        eventually(lambda: self.told() >= {CEO, OPERATOR}, 60, f"operator and CEO to be told\n{self.earshot.words()}")

    def health(self) -> tuple[int, dict[str, Any]]:
        """What ``/health`` answers; 0 where nobody does."""
        return ask_health(self.raw)

    def run(self) -> None:
        """Start the daemon and wait until it is well."""
        self.earshot.start()
        eventually(lambda: self.health()[0] == 200, 60, "the daemon to be well")

    def begin(self) -> None:
        """A first start, and a clean end."""
        self.run()
        self.earshot.end()
        self.forget_letters()


@contextlib.contextmanager
def bare_house(root: Path, **options: Any) -> Iterator[BareHouse]:
    """A house that is cleared away whatever happens."""
    with Mailbox() as box:
        house = BareHouse(root, box, **options)
        try:
            yield house
        finally:
            house.earshot.clear_away()
