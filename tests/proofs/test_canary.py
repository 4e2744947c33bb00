"""No secret, handle or post text in any log line, mail header or error; no secret in the store (issue bar)."""

from __future__ import annotations

import time
from pathlib import Path

import pytest
from certificates import make_certificate
from town import (
    CEO,
    PLATFORMS,
    SECRETS,
    Earshot,
    Town,
    eventually,
    heard_marks,
    raw_settings,
    running,
    store,
    swept,
)

from alerts.mailbox import Fault, Mailbox
from connectors.model import Author
from connectors.standins.server import Reply

pytestmark = [pytest.mark.real, pytest.mark.timeout(180)]

WORDS, NAME, HANDLE = "quokkafeather", "Zephyrine Quillon", "zephyrine_q"
"""What a third person says, is called, and is called there: nowhere else in the world."""
DISCLOSURE = (
    f"My {WORDS} daughter is 14. A member of your staff at Tessellate UK has been messaging her privately at night and "
    "asked her to keep it secret. Told {mark}."
)


def test_no_secret_and_no_stranger_is_in_logs_headers_or_errors(tmp_path: Path) -> None:
    context, ca_file = make_certificate(tmp_path)
    mailbox = Mailbox(users={"earshot": SECRETS["mail"]}, context=context)
    with Town(mailbox) as town:
        raw = raw_settings(
            town, tmp_path, poll_every="1s", alerts={"deaf_after": "3s"},
            mail={"host": "localhost", "security": "starttls", "username": "earshot", "password": SECRETS["mail"],
                  "ca_file": str(ca_file)},
            service={"log_level": "debug", "poll_deadline": "3s"},
        )  # fmt: skip
        with running(Earshot.with_settings(tmp_path, raw)) as earshot, store(raw) as database:
            eventually(lambda: swept(database), 60, "the past to be taken in")
            writer = Author(name=NAME, handle=HANDLE, id="31415926")
            said = [town.say(name, text=DISCLOSURE, author=writer, grave=True) for name in PLATFORMS]
            mailbox.fail_next(Fault.REFUSE_SENDER, Fault.DROP_BEFORE_DOT, Fault.TRY_LATER)
            eventually(lambda: all(heard_marks(database)[s.mark] for s in said), 30, "what was said to be heard")
            _let_everything_fail(town, earshot)
            calls = [earshot.call("poll", name) for name in PLATFORMS] + [earshot.call("doctor", seconds=60)]
            town.server.calm()
            eventually(lambda: len(mailbox.to(CEO)) > 1, 60, "mail to leave after all")
            earshot.end()

            terminal = "\n".join(call.stdout + call.stderr for call in calls)
            _check_words("the log", earshot.words(), strangers=True)
            _check_words("a command's words", terminal, strangers=True)
            for letter in mailbox.letters:
                head = "\n".join(f"{name}: {value}" for name, value in letter.message.items())
                _check_words("a mail's headers", head, strangers=True)
                _check_words("a mail", letter.content.decode("utf-8", "replace"), strangers=False)
            for file in tmp_path.iterdir():
                if file.is_file() and file.suffix != ".toml":
                    _check_words(file.name, file.read_bytes().decode("utf-8", "replace"), strangers=False)
            kept = b"".join(file.read_bytes() for file in tmp_path.glob("earshot.db*"))
            assert WORDS.encode() in kept, "the words are nowhere at all: the proof proves nothing"
            assert '"could not hear"' in earshot.words(), "nothing failed: the proof proves nothing"
            assert '"not delivered"' in earshot.words()


def _let_everything_fail(town: Town, earshot: Earshot) -> None:
    """Each way for three seconds: also platforms that repeat our token and a stranger's words in their refusals."""
    for how in ("html", "cut", "drop", "drip"):
        town.server.trouble(how, times=10**6)
        time.sleep(2)
        town.server.calm()
    for status in (200, 400, 401, 403, 500):
        for platform in PLATFORMS:
            words = f"{SECRETS[platform]} {SECRETS['meta']} {HANDLE} said {WORDS}, {NAME}"
            error = {"message": words, "type": words, "code": words, "title": words, "detail": words, "status": status}
            body = {"error": error, "errors": [error], "message": words, "code": words, words: words}
            town.server.trouble("reply", times=10**6, path=f"/{platform}/", reply=Reply(status, body))
        time.sleep(2)
        if status != 500:
            town.server.calm()
    assert earshot.is_running()


def _check_words(where: str, text: str, *, strangers: bool) -> None:
    found = [name for name, secret in SECRETS.items() if secret in text]
    assert found == [], f"secrets in {where}"
    if strangers:
        assert [word for word in (WORDS, HANDLE, NAME) if word in text] == [], f"a stranger in {where}"
