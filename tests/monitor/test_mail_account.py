"""Mail by OAuth2: leave given once, tokens fetched and renewed and kept sealed, and every way in which that goes wrong."""

from __future__ import annotations

import logging
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from makers import NOW
from sqlalchemy.exc import OperationalError
from token_service import CLIENT_ID, CLIENT_SECRET, TENANT, TokenService

from alerts.mail_settings import MailSettings
from alerts.mailbox import Mailbox
from alerts.model import DeliveryFailed, Letter, MailKind
from alerts.sign_in import SignInRefused
from monitor import ping, renewal
from monitor.keys import Keys, KeyUnreadable
from monitor.mail_account import EARLY, MailAccount
from monitor.store.tables import AlertRow, GrantRow
from monitor.testing import PEOPLE, House, a_house
from monitor.workers import Inline

pytestmark = pytest.mark.real

MAILBOX = "earshot@tessellateuk.example"
MINUTE = timedelta(minutes=1)
LETTER = Letter(
    MailKind.TEST, "Rowan Ashdown", "ceo@tessellateuk.example", "A test", "Hello\n", "", "<1@tessellateuk.example>", NOW
)


class Office:
    """A token service, a mail server that takes the newest token alone, and our account at both."""

    def __init__(self, service: TokenService, box: Mailbox, house: House, settings: MailSettings) -> None:
        self.service, self.box, self.house, self.settings = service, box, house, settings
        self.box.users = _Newest(service)  # type: ignore[assignment]
        self.account = self.account_anew()

    def account_anew(self, **changes: Any) -> MailAccount:
        """The account as a restarted daemon has it."""
        app = self.house.app
        self.account = MailAccount(
            replace(self.settings, **changes), app.database, lambda: app.keys, Inline(), app.clock
        )
        app.__dict__["mail_account"] = self.account
        return self.account

    def send(self) -> None:
        self.account.send(LETTER, MINUTE)


class _Newest(dict[str, str]):
    def __init__(self, service: TokenService) -> None:
        super().__init__({MAILBOX: "none yet"})
        self._service = service

    def __getitem__(self, key: str) -> str:
        return self._service.given[-1] if self._service.given else "none yet"


@contextmanager
def an_office(folder: Path, kind: str, *, secret: str = CLIENT_SECRET, **more: Any) -> Iterator[Office]:
    with TokenService(kind, secret=secret, **more) as service, Mailbox(users={MAILBOX: "x"}, ways=("XOAUTH2",)) as box:
        house = a_house(folder)
        settings = MailSettings(
            host="127.0.0.1", port=box.port, security="none", sender=MAILBOX, username=MAILBOX,
            sign_in=kind, client_id=CLIENT_ID, client_secret=secret,  # type: ignore[arg-type]
            tenant=TENANT if kind == "microsoft" else "", auth_base_url=service.url,
        )  # fmt: skip
        yield Office(service, box, house, settings)
        house.app.close()
        assert box.violations == []


@pytest.fixture
def microsoft(tmp_path: Path) -> Iterator[Office]:
    with an_office(tmp_path, "microsoft") as office:
        yield office


@pytest.fixture
def google(tmp_path: Path) -> Iterator[Office]:
    with an_office(tmp_path, "google", rotates=False) as office:
        office.service.leaves.add("leave-0")
        yield office


# ── tokens ──────────────────────────────────────────────────────────────────────────────────────


def test_microsoft_needs_the_app_s_secret_and_no_person(microsoft: Office) -> None:
    microsoft.send()

    assert microsoft.box.letters[0].user == MAILBOX
    assert [form["grant_type"] for form in microsoft.service.asked] == ["client_credentials"]


def test_a_token_is_used_until_it_nearly_ends_also_after_a_restart(microsoft: Office) -> None:
    microsoft.send()
    microsoft.house.now += timedelta(minutes=50)
    microsoft.account_anew()
    microsoft.send()
    assert len(microsoft.service.given) == 1

    microsoft.house.now += timedelta(minutes=9)
    microsoft.send()

    assert len(microsoft.service.given) == 2
    assert len(microsoft.box.letters) == 3


def test_google_goes_by_the_leave_in_the_settings(google: Office) -> None:
    google.account_anew(refresh_token="leave-0")

    google.send()
    google.house.now += timedelta(hours=2)
    google.send()

    assert [form["refresh_token"] for form in google.service.asked] == ["leave-0", "leave-0"]
    assert len(google.box.letters) == 2


def test_leave_that_changes_with_each_use_is_kept_across_restarts(tmp_path: Path) -> None:
    with an_office(tmp_path, "microsoft", secret="") as office:
        office.service.leaves.add("leave-0")
        for _ in range(3):
            office.account_anew(refresh_token="leave-0")
            office.send()
            office.house.now += timedelta(hours=2)

        assert [form["refresh_token"] for form in office.service.asked] == ["leave-0", "leave-1", "leave-2"]


def test_tokens_lie_sealed_in_the_store(google: Office, tmp_path: Path) -> None:
    google.account_anew(refresh_token="leave-0")
    google.send()
    google.house.app.database.fold_log()

    content = b"".join(path.read_bytes() for path in tmp_path.glob("earshot.db*"))
    assert b"access-0" not in content
    assert b"leave-0" not in content
    assert b"mail:" in content


def test_another_mailbox_begins_anew(microsoft: Office) -> None:
    microsoft.send()
    microsoft.account_anew(username="other@tessellateuk.example")
    microsoft.account.access_token()

    assert len(microsoft.service.given) == 2
    with microsoft.house.app.database.read() as session:
        assert session.query(GrantRow).count() == 2


def test_a_token_that_the_mail_server_refuses_is_not_shown_again(microsoft: Office) -> None:
    microsoft.send()
    microsoft.service.given.append("taken back: the mail server wants another now")
    with pytest.raises(SignInRefused):
        microsoft.send()
    assert "refused our OAuth2 token" in microsoft.account.trouble

    microsoft.send()

    assert len(microsoft.box.letters) == 2
    assert microsoft.account.trouble == ""


def test_mail_leaves_while_the_store_is_away(microsoft: Office, monkeypatch: pytest.MonkeyPatch) -> None:
    def away(*_: object) -> None:
        raise OperationalError("SELECT", {}, Exception("away"))

    monkeypatch.setattr(microsoft.house.app.database, "read", away)
    monkeypatch.setattr(microsoft.house.app.database, "in_transaction", away)

    microsoft.send()
    microsoft.send()

    assert len(microsoft.service.given) == 1


def test_mail_leaves_without_the_install_key(microsoft: Office) -> None:
    def gone() -> Keys:
        raise KeyUnreadable("the install key cannot be used")

    account = MailAccount(microsoft.settings, microsoft.house.app.database, gone, Inline(), microsoft.house.app.clock)
    account.send(LETTER, MINUTE)
    account.send(LETTER, MINUTE)

    assert len(microsoft.box.letters) == 2
    assert len(microsoft.service.given) == 1


# ── refusals ────────────────────────────────────────────────────────────────────────────────────


def refusal(office: Office) -> DeliveryFailed:
    with pytest.raises(DeliveryFailed) as caught:
        office.send()
    for secret in (CLIENT_SECRET, "leave-0", "canary", CLIENT_ID):
        assert secret not in f"{caught.value.why} {caught.value!r} {office.account.trouble}"
    assert not caught.value.permanent
    assert caught.value.__cause__ is None
    return caught.value


def test_nobody_gave_leave_yet(google: Office) -> None:
    assert "earshot connect mail" in refusal(google).why


def test_a_client_secret_that_ended_is_said(microsoft: Office) -> None:
    microsoft.service.secret = "another"

    failure = refusal(microsoft)

    assert "two years" in failure.why
    assert failure.operator


def test_leave_that_ended_is_said_and_a_newer_one_in_the_settings_is_taken(google: Office) -> None:
    google.account_anew(refresh_token="leave-0")
    google.send()
    google.house.now += timedelta(hours=2)
    google.service.leaves.clear()
    assert "`earshot connect mail`" in refusal(google).why

    google.service.leaves.add("leave-9")
    google.account_anew(refresh_token="leave-9")
    google.send()

    assert len(google.box.letters) == 2


@pytest.mark.parametrize(
    ("status", "content"),
    [
        (200, b"<html>canary</html>"),
        (200, b"[]"),
        (200, b"{}"),
        (200, b'{"access_token": "two words"}'),
        (200, b'{"access_token": 7}'),
        (200, b'{"access_token": "a\\u0001auth=Bearer b"}'),
        (302, b""),
        (429, b"canary: slow down"),
        (500, b"canary"),
        (503, b'{"error": "temporarily_unavailable"}'),
        (400, b'{"error": "temporarily_unavailable"}'),
    ],
)
def test_an_answer_that_is_none_is_tried_again_and_never_repeated(
    microsoft: Office, status: int, content: bytes
) -> None:
    microsoft.service.answer_next.append((status, content))

    assert not refusal(microsoft).operator

    microsoft.send()
    assert len(microsoft.box.letters) == 1


def test_a_refusal_of_an_unknown_kind_is_named_by_its_word_alone(microsoft: Office) -> None:
    microsoft.service.answer_next.append((400, b'{"error": "interaction_required", "error_description": "canary"}'))
    assert "(interaction_required)" in refusal(microsoft).why

    microsoft.service.answer_next.append((400, b'{"error": "<b>canary</b>"}'))
    assert "(a refusal)" in refusal(microsoft).why


def test_a_service_that_is_away_is_tried_again(tmp_path: Path) -> None:
    with an_office(tmp_path, "microsoft") as office:
        pass

    failure = refusal(office)

    assert "could not be reached" in failure.why
    assert not failure.operator


def test_no_secret_reaches_the_logs(microsoft: Office, caplog: pytest.LogCaptureFixture) -> None:
    with caplog.at_level(logging.DEBUG):
        microsoft.send()
        microsoft.service.secret = "another"
        microsoft.house.now += timedelta(hours=2)
        refusal(microsoft)

    assert CLIENT_SECRET not in caplog.text
    assert "access-0" not in caplog.text


# ── before it ends ──────────────────────────────────────────────────────────────────────────────


def test_the_next_token_is_fetched_ahead(microsoft: Office) -> None:
    microsoft.account.access_token()
    microsoft.house.now += timedelta(hours=1) - EARLY + MINUTE

    renewal.renew_mail(microsoft.house.app, microsoft.house.now)

    assert len(microsoft.service.given) == 2


def test_the_operator_is_told_while_the_last_token_still_holds(microsoft: Office) -> None:
    house = microsoft.house
    microsoft.account.access_token()
    microsoft.service.secret = "another"
    house.now += timedelta(hours=1) - EARLY + MINUTE
    renewal.renew_mail(house.app, house.now)
    renewal.renew_mail(house.app, house.now)

    house.tick()

    for role in ("operator", "ceo"):
        subjects = [str(letter.message["Subject"]) for letter in microsoft.box.to(PEOPLE[role])]
        assert subjects.count("MAIL ENDS: Earshot loses its leave to send mail") == 1
    assert "the mail server does not let us sign in" in ping.reasons(house.app, house.now)


def test_a_service_that_is_away_for_a_while_troubles_nobody(microsoft: Office) -> None:
    microsoft.account.access_token()
    microsoft.house.now += timedelta(hours=1) - EARLY + MINUTE
    microsoft.service.answer_next.append((503, b""))

    renewal.renew_mail(microsoft.house.app, microsoft.house.now)

    with microsoft.house.app.database.read() as session:
        assert session.query(AlertRow).count() == 0
    assert microsoft.account.trouble == ""


def test_a_password_needs_no_token(tmp_path: Path) -> None:
    house = a_house(tmp_path)

    renewal.renew_mail(house.app, house.now)

    assert house.app.mail_account.access_token() == ""
    house.app.close()


# ── leave, given by a person ────────────────────────────────────────────────────────────────────


def connect(office: Office, answer: str = "", given: str = "") -> tuple[int, list[str]]:
    said: list[str] = []

    def ask(words: str) -> str:
        said.append(words)
        url = next(line for line in words.splitlines() if "http" in line).strip()
        return answer or office.service.allow(url, mailbox=MAILBOX)

    return renewal.connect_mail(office.house.app, given, ask, said.append), said


@pytest.mark.parametrize(("kind", "secret"), [("google", CLIENT_SECRET), ("microsoft", "")])
def test_a_person_gives_leave_in_a_browser(tmp_path: Path, kind: str, secret: str) -> None:
    with an_office(tmp_path, kind, secret=secret) as office:
        code, said = connect(office)
        assert (code, said[-1]) == (
            0,
            f"Mail can leave: connected to 127.0.0.1:{office.box.port}, not encrypted, signed in.",
        )

        office.house.now += timedelta(hours=2)
        office.account_anew()
        office.send()
        assert len(office.box.letters) == 1


def test_leave_may_come_from_standard_input_and_is_tried_before_it_is_kept(google: Office) -> None:
    assert connect(google, given="leave-7")[0] == 1

    assert connect(google, given="leave-0")[0] == 0
    google.account_anew()
    google.send()
    assert len(google.box.letters) == 1


@pytest.mark.parametrize(
    ("answer", "said"),
    [
        ("yes", "paste the whole of it"),
        ("http://localhost/?error=access_denied&error_description=canary", "Leave to send mail was not given"),
        ("http://localhost/?code=code-0&state=another", "belongs to another try"),
        ("http://localhost/?code=made-up", "belongs to another try"),
    ],
)
def test_an_address_that_holds_no_leave_is_explained(google: Office, answer: str, said: str) -> None:
    code, words = connect(google, answer)

    assert code == 1
    assert said in words[-1]
    assert "canary" not in words[-1]


def test_with_the_app_s_secret_connecting_only_tries(microsoft: Office) -> None:
    code, said = connect(microsoft)

    assert code == 0
    assert len(said) == 1


def test_connecting_is_not_for_passwords(tmp_path: Path) -> None:
    house = a_house(tmp_path)
    said: list[str] = []

    assert renewal.connect_mail(house.app, "", lambda _: "", said.append) == 1
    assert "signs in by password" in said[0]
    house.app.close()


# ── loaded only where used ──────────────────────────────────────────────────────────────────────


def test_the_library_for_tokens_is_loaded_only_where_tokens_are_fetched() -> None:
    look = "import sys, monitor.app, monitor.daemon, monitor.doctor, alerts.mail_oauth; print('authlib' in sys.modules)"

    done = subprocess.run([sys.executable, "-c", look], capture_output=True, text=True, check=True)

    assert done.stdout.strip() == "False"
