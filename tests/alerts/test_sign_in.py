"""Signing in to the mail server, in every way that it may be asked for and refused."""

from __future__ import annotations

import pickle
import smtplib
import socket
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from typing import Any

import pytest
from aiosmtpd.controller import Controller
from makers import NOW

from alerts.mail_settings import MailSettings, Relay
from alerts.mailbox import Mailbox
from alerts.mailer import deliver, probe
from alerts.model import DeliveryFailed, Letter, MailKind, Refusal, Stage
from alerts.sign_in import SignInRefused, about_sign_in, sign_in_by_password
from monitor.refusals import Outcome, load_words, outcome_of

NAME, PASSWORD = "gruß@tessellateuk.example", "£20 für Zoë € ключ"
LETTER = Letter(
    MailKind.TEST, "Rowan Ashdown", "ceo@tessellateuk.example", "A test", "Hello\n", "", "<1@tessellateuk.example>", NOW
)

pytestmark = pytest.mark.real


@contextmanager
def a_server(*ways: str, secret: str = PASSWORD, **more: Any) -> Iterator[tuple[Mailbox, MailSettings]]:
    with Mailbox(users={NAME: secret}, ways=ways, **more) as box:
        yield (
            box,
            MailSettings(
                host="127.0.0.1", port=box.port, security="none", sender="earshot@tessellateuk.example",
                username=NAME, password=secret,
            ),
        )  # fmt: skip
        assert box.violations == []


def by_token(settings: MailSettings) -> MailSettings:
    return replace(settings, password="", sign_in="microsoft", tenant="tessellateuk.example", client_id="4711-app")


def refusal_of(settings: MailSettings, access_token: str = "") -> SignInRefused:
    with pytest.raises(SignInRefused) as caught:
        deliver(settings, LETTER, access_token)
    for text in (caught.value.why, repr(caught.value), repr(settings)):
        assert PASSWORD not in text
        assert "canary" not in text
    assert not caught.value.permanent
    assert caught.value.__cause__ is None
    return caught.value


@pytest.mark.parametrize("way", ["PLAIN", "LOGIN", "CRAM-MD5"])
@pytest.mark.parametrize(
    "password", ["plain", PASSWORD, "\N{POUND SIGN}", "mañana\N{COMBINING ACUTE ACCENT}", "密码", "🔑"]
)
def test_names_and_passwords_in_every_script_are_sent_as_they_are(way: str, password: str) -> None:
    with a_server(way, secret=password) as (box, settings):
        deliver(settings, LETTER)

        assert box.letters[0].user == NAME


def test_a_password_too_long_for_one_line_waits_to_be_asked_for() -> None:
    with a_server("PLAIN", secret="ü" * 400) as (box, settings):
        deliver(settings, LETTER)

        assert len(box.letters) == 1


class _Scripted:
    """A server that offers three ways and knows one."""

    esmtp_features = {"auth": "PLAIN LOGIN CRAM-MD5"}  # noqa: RUF012

    def __init__(self) -> None:
        self.heard: list[str] = []

    def docmd(self, verb: str, rest: str = "") -> tuple[int, bytes]:
        self.heard.append(f"{verb} {rest}".strip())
        if rest.startswith("PLAIN"):
            return 504, b"5.5.4 not that one"
        return (235, b"2.7.0 in") if len(self.heard) == 4 else (334, b"")


def test_a_way_that_the_server_offers_and_does_not_know_is_not_the_last_word() -> None:
    server = _Scripted()

    sign_in_by_password(server, "earshot", "pw")  # type: ignore[arg-type]

    assert server.heard[1:] == ["AUTH LOGIN", "ZWFyc2hvdA==", "cHc="]


def test_a_wrong_password_in_any_script_is_said_as_one() -> None:
    with a_server("PLAIN", "LOGIN", "CRAM-MD5") as (_, settings):
        refusal = refusal_of(replace(settings, password=PASSWORD + "?"))

        assert refusal.why == "The mail server refused the username or the password (535 5.7.8)."
        assert refusal.operator


@pytest.mark.parametrize("way", ["XOAUTH2", "OAUTHBEARER"])
def test_an_oauth2_token_signs_in_however_long_it_is(way: str) -> None:
    for token in ("short", "x" * 2000):
        with a_server("LOGIN", way, secret=token) as (box, settings):
            deliver(by_token(settings), LETTER, token)

            assert box.letters[0].user == NAME
            assert "signed in" in probe(by_token(settings), token)


@pytest.mark.parametrize("way", ["XOAUTH2", "OAUTHBEARER"])
def test_a_refused_token_is_said_as_one(way: str) -> None:
    with a_server(way) as (box, settings):
        refusal = refusal_of(by_token(settings), "another")

        assert box.violations == []

        assert "refused our OAuth2 token (535 5.7.8)" in refusal.why
        assert refusal.operator


@pytest.mark.parametrize("ways", [("XOAUTH2",), ("XOAUTH2", "OAUTHBEARER"), ("OAUTHBEARER", "GSSAPI")])
def test_a_server_that_takes_only_tokens_is_not_called_unreachable(ways: tuple[str, ...]) -> None:
    with a_server(*ways) as (_, settings):
        refusal = refusal_of(settings)

        assert "takes no password any more, only OAuth2" in refusal.why
        assert "docs/credentials.md" in refusal.why


def test_a_server_that_takes_only_passwords_says_so_to_a_token() -> None:
    with a_server("PLAIN", "LOGIN") as (_, settings):
        assert "takes no OAuth2 token" in refusal_of(by_token(settings), "token").why


def test_the_second_mail_server_signs_in_by_oauth2_too_and_needs_leave_in_the_settings() -> None:
    app = Relay("smtp.second.example", username=NAME, sign_in="microsoft", tenant="t-1", client_id="c-1")
    first = MailSettings("smtp.first.example", "Earshot <earshot@tessellateuk.example>")

    for relay in (
        replace(app, client_secret="s"),
        replace(app, sign_in="google", client_secret="s", refresh_token="r"),
    ):
        second = replace(first, relay=relay).second
        assert second is not None
        assert (second.sign_in, second.client_id, second.refresh_token) == (relay.sign_in, "c-1", relay.refresh_token)
    for lacking in (app, replace(app, sign_in="google", client_secret="s")):
        with pytest.raises(ValueError, match="relay.refresh_token"):
            replace(first, relay=lacking)


def test_ways_that_we_do_not_know_are_named_and_nothing_else_of_the_server_s_words_is() -> None:
    with a_server("GSSAPI", "NTLM", "CANARY!WORDS") as (_, settings):
        assert refusal_of(settings).why == "The mail server offers no way to sign in that we know, only GSSAPI, NTLM."


def test_a_server_without_any_sign_in_says_so() -> None:
    with a_server() as (_, settings):
        assert "no way to sign in on this port" in refusal_of(settings).why


def test_the_server_hears_the_name_from_the_settings() -> None:
    with a_server("PLAIN") as (box, settings):
        deliver(settings, LETTER)
        deliver(replace(settings, ehlo_name="earshot.tessellateuk.example"), LETTER)

        assert [letter.ehlo for letter in box.letters] == ["[127.0.0.1]", "earshot.tessellateuk.example"]


@pytest.mark.parametrize(
    ("reply", "said"),
    [
        (
            "550 5.7.30 Basic authentication is not supported for Client Submission. canary",
            "takes no passwords any more",
        ),
        ("535 5.7.139 Authentication unsuccessful, basic authentication is disabled.", "takes no passwords any more"),
        (
            "535 5.7.139 Authentication unsuccessful, SmtpClientAuthentication is disabled for the Tenant. canary",
            "Sending by SMTP is switched off",
        ),
        ("535 5.7.139 Authentication unsuccessful, the user credentials were incorrect.", "username or the password"),
        ("535 5.7.139 the request did not meet the criteria to be authenticated", "security settings forbid it"),
        ("534 5.7.9 Application-specific password required. canary", "wants an app password"),
        ("534 5.7.14 Please log in via your web browser and then try again. canary", "with a browser first"),
        ("538 5.7.11 Encryption required for requested authentication mechanism", "without encryption"),
        ("535 5.7.3 Authentication unsuccessful", "username or the password (535 5.7.3)"),
        ("535 5.7.8 Username and Password not accepted. canary", "username or the password (535 5.7.8)"),
    ],
)
def test_each_refusal_becomes_one_plain_sentence_for_the_operator(reply: str, said: str) -> None:
    with a_server("PLAIN", "LOGIN", no_entry=reply) as (_, settings):
        refusal = refusal_of(settings)

        assert said in refusal.why
        assert refusal.operator


class _SwitchedOff:
    """Another server, which says at one verb that passwords are switched off."""

    reply = "550 5.7.30 Basic authentication is not supported for Client Submission. canary"

    def __init__(self, verb: str) -> None:
        self._verb = verb

    def _answer(self, verb: str) -> str:
        return self.reply if verb == self._verb else "250 OK"

    async def handle_MAIL(self, server: Any, session: Any, envelope: Any, address: str, options: Any) -> str:  # noqa: N802
        envelope.mail_from = address
        return self._answer("MAIL")

    async def handle_RCPT(self, server: Any, session: Any, envelope: Any, address: str, options: Any) -> str:  # noqa: N802
        envelope.rcpt_tos.append(address)
        return self._answer("RCPT")

    async def handle_DATA(self, server: Any, session: Any, envelope: Any) -> str:  # noqa: N802
        return self._answer("DATA")


@pytest.mark.parametrize("verb", ["MAIL", "RCPT", "DATA"])
def test_passwords_that_are_switched_off_are_nobody_s_dead_address_at_any_verb(verb: str) -> None:
    with socket.create_server(("127.0.0.1", 0)) as free:
        port = free.getsockname()[1]
    controller = Controller(_SwitchedOff(verb), hostname="127.0.0.1", port=port)
    controller.start()
    try:
        settings = MailSettings(host="127.0.0.1", port=port, security="none", sender="earshot@tessellateuk.example")
        refusal = refusal_of(settings)
    finally:
        controller.stop()

    assert "takes no passwords any more (550 5.7.30" in refusal.why
    assert refusal.operator
    assert outcome_of(refusal, load_words()) is Outcome.FINAL


def test_what_crosses_to_a_worker_process_can_be_pickled() -> None:
    refused = SignInRefused("why", refusal=Refusal(Stage.SIGN_IN, 535, "5.7.8"))

    copy = pickle.loads(pickle.dumps(refused))

    assert (copy.why, copy.operator, copy.refusal) == ("why", True, Refusal(Stage.SIGN_IN, 535, "5.7.8"))


def test_a_server_that_cannot_check_now_is_asked_again_without_troubling_the_operator() -> None:
    with a_server("PLAIN", no_entry="454 4.7.0 Temporary authentication failure") as (_, settings):
        assert not refusal_of(settings).operator


@pytest.mark.parametrize(
    "reply",
    [
        "550 5.7.30 Basic authentication is not supported for Client Submission.",
        "530 5.7.57 Client not authenticated to send mail.",
        "530 5.7.0 Authentication Required.",
        "550 5.7.0 authentication required",
        "550 5.7.1 Client was not authenticated",
        "530 5.7.0 Must issue a STARTTLS command first",
    ],
)
def test_a_refusal_that_speaks_of_signing_in_is_known_at_every_verb(reply: str) -> None:
    assert about_sign_in(int(reply[:3]), reply[4:]) is not None


@pytest.mark.parametrize(
    "reply",
    [
        "250 2.0.0 authentication required",
        "550 5.1.1 no such user",
        "552 5.2.2 mailbox full",
        "550 5.2.1 account disabled",
        "550 5.7.1 Message rejected as spam",
        "550 5.7.26 This mail has been blocked because the sender is not authenticated; must authenticate with SPF",
        "550 5.7.23 SPF validation failed",
        "451 4.7.1 Greylisting in action",
        "550 5.7.60 Client does not have permissions to send as this sender",
    ],
)
def test_a_refusal_of_another_kind_is_left_to_others(reply: str) -> None:
    assert about_sign_in(int(reply[:3]), reply[4:].encode()) is None


def test_a_line_cut_while_signing_in_is_temporary() -> None:
    with a_server("PLAIN", no_entry="421 4.7.0 too many tries") as (_, settings):
        with pytest.raises(DeliveryFailed) as caught:
            deliver(settings, LETTER)

        assert not caught.value.operator
        assert not isinstance(caught.value, SignInRefused)


@pytest.mark.parametrize(
    ("key", "changes"),
    [
        ("password", {"sign_in": "google", "client_id": "4711", "client_secret": "s"}),
        ("username", {"sign_in": "google", "username": "", "password": "", "client_id": "4711"}),
        ("client_id", {"sign_in": "google", "password": ""}),
        ("client_secret", {"sign_in": "google", "password": "", "client_id": "4711"}),
        ("tenant", {"sign_in": "microsoft", "password": "", "client_id": "4711"}),
        ("tenant", {"sign_in": "microsoft", "password": "", "client_id": "4711", "tenant": "a/../b"}),
        ("sign_in", {"username": "", "password": "", "client_id": "4711"}),
        ("ehlo_name", {"ehlo_name": "two words"}),
        ("ehlo_name", {"ehlo_name": "a\r\nMAIL FROM:<b@c.example>"}),
        ("username and password", {"password": "a\0b"}),
        (
            "auth_base_url",
            {"sign_in": "microsoft", "password": "", "client_id": "4711", "tenant": "t", "auth_base_url": "http://x.example"},
        ),
    ],
)  # fmt: skip
def test_settings_of_sign_in_that_cannot_work_are_refused_by_name(key: str, changes: dict[str, Any]) -> None:
    settings = MailSettings(
        host="127.0.0.1", sender="earshot@tessellateuk.example", security="none", username="earshot", password=PASSWORD
    )

    with pytest.raises(ValueError, match=f"^{key}"):
        replace(settings, **changes)


def test_a_token_may_not_travel_in_the_clear() -> None:
    with pytest.raises(ValueError, match="^security"):
        MailSettings(
            host="smtp.office365.com", sender="earshot@tessellateuk.example", security="none", username="e@x.example",
            sign_in="microsoft", tenant="t", client_id="4711",
        )  # fmt: skip


def test_smtplib_itself_still_cannot_send_such_a_password() -> None:
    """When it can, some of ``alerts.sign_in`` may go."""
    with a_server("PLAIN") as (box, _), smtplib.SMTP("127.0.0.1", box.port) as smtp:
        smtp.ehlo("[127.0.0.1]")
        with pytest.raises(UnicodeEncodeError):
            smtp.login(NAME, PASSWORD)
