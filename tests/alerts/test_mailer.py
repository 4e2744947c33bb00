"""Real SMTP conversations over loopback, going wrong in every way that we know."""

from __future__ import annotations

import pickle
import smtplib
import socket
import threading
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from aiosmtpd.controller import Controller
from certificates import make_certificate
from makers import NOW

from alerts import mailer
from alerts.mail_settings import MailSettings
from alerts.mailbox import Fault, Mailbox
from alerts.mailer import deliver, probe
from alerts.model import DeliveryFailed, Letter, MailKind, Refusal, Severity, Stage

pytestmark = pytest.mark.real

PASSWORD = "correct-horse-battery"


def a_letter(**changes: Any) -> Letter:
    values: dict[str, Any] = {
        "kind": MailKind.ALERT,
        "recipient_name": "Rowan Ashdown",
        "recipient_address": "ceo@tessellateuk.example",
        "subject": "[ALERT] A complaint on Facebook, kd7mrwqz",
        "text": "Somebody complains.\n.\n.. a line that begins with dots\n",
        "html": "<p>Somebody complains.</p>",
        "message_id": f"<{'a' * 40}@tessellateuk.example>",
        "sent_at": NOW,
        "incident": "kd7mrwqz",
        "severity": Severity.ALERT,
    }
    return Letter(**{**values, **changes})


def settings_for(port: int, **changes: Any) -> MailSettings:
    values: dict[str, Any] = {
        "host": "127.0.0.1",
        "port": port,
        "sender": "Earshot <earshot@tessellateuk.example>",
        "security": "none",
    }
    return MailSettings(**{**values, **changes})


@pytest.fixture
def box() -> Iterator[Mailbox]:
    with Mailbox() as mailbox:
        yield mailbox
        assert mailbox.violations == []


def failure_of(settings: MailSettings, letter: Letter | None = None) -> DeliveryFailed:
    with pytest.raises(DeliveryFailed) as caught:
        deliver(settings, letter or a_letter())
    for text in (str(caught.value), caught.value.why, repr(caught.value), repr(settings)):
        assert PASSWORD not in text
        assert "ceo@" not in text
    assert caught.value.__cause__ is None
    return caught.value


def test_a_letter_arrives_as_it_was_written(box: Mailbox) -> None:
    deliver(settings_for(box.port), a_letter())

    (kept,) = box.letters
    message = kept.message
    assert kept.sender == "earshot@tessellateuk.example"
    assert kept.recipients == ("ceo@tessellateuk.example",)
    assert message["To"] == "Rowan Ashdown <ceo@tessellateuk.example>"
    assert message["X-Earshot-Kind"] == "alert"
    assert message["X-Earshot-Incident"] == "kd7mrwqz"
    assert message["X-Earshot-Severity"] == "alert"
    assert message["Auto-Submitted"] == "auto-generated"
    text = message.get_body(("plain",))
    assert text is not None
    assert text.get_content().replace("\r\n", "\n") == a_letter().text


@pytest.mark.parametrize(
    ("fault", "answer"),
    [
        (Fault.BUSY, (Stage.GREETING, 421, "")),
        (Fault.REFUSE_SENDER, (Stage.SENDER, 550, "5.7.1")),
        (Fault.REFUSE_RECIPIENT, (Stage.RECIPIENT, 550, "5.1.1")),
        (Fault.TRY_LATER, (Stage.RECIPIENT, 451, "4.3.0")),
        (Fault.REFUSE_LETTER, (Stage.LETTER, 554, "5.6.0")),
        (Fault.DROP_BEFORE_DOT, None),
        (Fault.DROP_AFTER_DOT, None),
    ],
    ids=str,
)
def test_a_fault_is_told_as_the_server_answered(
    box: Mailbox, fault: Fault, answer: tuple[Stage, int, str] | None
) -> None:
    box.fail_next(fault)

    failure = failure_of(settings_for(box.port))

    said = failure.refusal
    assert (said and (said.stage, said.code, said.enhanced)) == answer
    assert (failure.unanswered, failure.unclear) == (False, fault is Fault.DROP_AFTER_DOT)
    assert len(box.letters) == (1 if fault is Fault.DROP_AFTER_DOT else 0)


def test_a_refused_sender_is_for_the_operator(box: Mailbox) -> None:
    box.fail_next(Fault.REFUSE_SENDER)

    failure = failure_of(settings_for(box.port))

    assert failure.operator


def test_a_line_that_breaks_at_quit_changes_nothing(box: Mailbox) -> None:
    box.fail_next(Fault.DROP_AT_QUIT)

    deliver(settings_for(box.port), a_letter())

    assert len(box.letters) == 1


def test_a_letter_tried_again_is_the_same_letter(box: Mailbox) -> None:
    box.fail_next(Fault.DROP_AFTER_DOT)
    failure_of(settings_for(box.port))

    deliver(settings_for(box.port), a_letter())

    first, second = box.letters
    assert first.message_id == second.message_id == a_letter().message_id


def test_a_server_that_says_nothing_is_given_up(box: Mailbox, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(mailer, "VERB_TIMEOUT", 0.2)
    box.fail_next(Fault.SILENT)

    failure = failure_of(settings_for(box.port))

    assert failure.unanswered
    assert not failure.unclear


def test_a_dripping_server_is_heard_out_for_the_daemon_holds_the_deadline(box: Mailbox) -> None:
    box.fail_next(Fault.DRIP)
    done = threading.Event()

    def work() -> None:
        with pytest.raises(DeliveryFailed):
            deliver(settings_for(box.port), a_letter())
        done.set()

    thread = threading.Thread(target=work)
    thread.start()

    assert not done.wait(1.0)  # each byte renews the time-out of a verb
    box.stopping.set()
    thread.join(10)
    assert done.is_set()


def test_nobody_listening_is_said_in_plain_words() -> None:
    with socket.create_server(("127.0.0.1", 0)) as server:
        port = server.getsockname()[1]

    failure = failure_of(settings_for(port))

    assert failure.why == "The mail server refused the connection."
    assert failure.unanswered


# ── security ────────────────────────────────────────────────────────────────────────────────────


@pytest.mark.parametrize("security", ["starttls", "tls"])
def test_a_secured_letter_is_signed_in_for_and_arrives(tmp_path: Path, security: str) -> None:
    context, authority = make_certificate(tmp_path)
    with Mailbox(context=context, tls=security == "tls", users={"earshot": PASSWORD}) as box:
        settings = settings_for(
            box.port, security=security, username="earshot", password=PASSWORD, ca_file=str(authority)
        )

        deliver(settings, a_letter())

        (kept,) = box.letters
        assert kept.secured
        assert kept.user == "earshot"
        assert "signed in" in probe(settings)


def test_a_wrong_password_is_temporary_and_for_the_operator(tmp_path: Path) -> None:
    context, authority = make_certificate(tmp_path)
    with Mailbox(context=context, users={"earshot": "another"}) as box:
        settings = settings_for(
            box.port, security="starttls", username="earshot", password=PASSWORD, ca_file=str(authority)
        )

        failure = failure_of(settings)

        assert failure.operator
        assert failure.refusal is not None
        assert failure.refusal.stage is Stage.SIGN_IN
        assert "535 5.7.8" in failure.why


def test_a_server_that_wants_sign_in_is_no_fault_of_the_recipient() -> None:
    with Mailbox(users={"earshot": PASSWORD}) as box:
        failure = failure_of(settings_for(box.port))

        assert failure.refusal is not None
        assert failure.refusal.stage is Stage.SIGN_IN


def test_an_untrusted_certificate_sends_nothing(tmp_path: Path) -> None:
    context, _ = make_certificate(tmp_path)
    with Mailbox(context=context) as box:
        failure = failure_of(settings_for(box.port, security="starttls"))

        assert failure.why == "The mail server's certificate is not trusted."
        assert failure.operator
        assert box.letters == ()


def test_a_server_without_starttls_gets_nothing_in_the_clear(box: Mailbox) -> None:
    failure = failure_of(settings_for(box.port, security="starttls"))

    assert failure.operator
    assert box.letters == ()


def test_plain_talk_to_a_tls_port_is_explained(tmp_path: Path) -> None:
    with Mailbox() as box:
        failure = failure_of(settings_for(box.port, security="tls"))

        assert "security setting" in failure.why


def test_a_ca_file_that_is_none_is_named(tmp_path: Path) -> None:
    with Mailbox() as box:
        failure = failure_of(settings_for(box.port, security="tls", ca_file=str(tmp_path / "none.pem")))

        assert "mail.ca_file" in failure.why


# ── another server ──────────────────────────────────────────────────────────────────────────────


class _Handler:
    def __init__(self) -> None:
        self.contents: list[bytes] = []
        self.yes = 250

    async def handle_RCPT(self, server: Any, session: Any, envelope: Any, address: str, options: Any) -> str:  # noqa: N802
        if address.startswith("gone"):
            return "550 5.1.1 no such person"
        if address.startswith("later"):
            return "450 4.2.1 mailbox busy"
        envelope.rcpt_tos.append(address)
        return f"{self.yes} OK"

    async def handle_DATA(self, server: Any, session: Any, envelope: Any) -> str:  # noqa: N802
        self.contents.append(envelope.original_content)
        return f"{self.yes} OK"


@pytest.fixture
def other() -> Iterator[tuple[_Handler, MailSettings]]:
    handler = _Handler()
    with socket.create_server(("127.0.0.1", 0)) as server:
        port = server.getsockname()[1]
    controller = Controller(handler, hostname="127.0.0.1", port=port)
    controller.start()
    yield handler, settings_for(port)
    controller.stop()


def test_a_stranger_s_server_takes_refuses_and_postpones(other: tuple[_Handler, MailSettings]) -> None:
    handler, settings = other
    deliver(settings, a_letter(picture=b"\x89PNG\r\n.\r\n" * 50))
    gone = failure_of(settings, a_letter(recipient_address="gone@tessellateuk.example")).refusal
    assert gone is not None
    assert (str(gone), gone.words) == ("550 5.1.1", "5.1.1 no such person")
    later = failure_of(settings, a_letter(recipient_address="later@tessellateuk.example")).refusal
    assert str(later) == "450 4.2.1"

    (content,) = handler.contents
    assert b"Message-ID: <" + b"a" * 40 in content


@pytest.mark.parametrize("yes", [200, 220, 250, 251, 252, 299])
def test_every_yes_is_a_yes_whatever_its_last_digits(yes: int, other: tuple[_Handler, MailSettings]) -> None:
    """A letter that was taken and counted as refused would be sent again for days."""
    handler, settings = other
    handler.yes = yes
    deliver(settings, a_letter())
    assert len(handler.contents) == 1


def test_an_address_that_is_none_is_refused_before_anything_is_said(box: Mailbox) -> None:
    letter = a_letter(recipient_address="ceo@tessellateuk.example> SIZE=1\r\nRCPT TO:<evil@x.example")

    with pytest.raises(DeliveryFailed) as caught:
        deliver(settings_for(box.port), letter)

    assert str(caught.value.refusal) == "553 5.1.3"
    assert box.conversations == 0


def test_an_address_with_other_letters_needs_smtputf8(box: Mailbox) -> None:
    deliver(settings_for(box.port), a_letter(recipient_address="zoë@tessellateuk.example"))

    assert box.letters[0].recipients == ("zoë@tessellateuk.example",)


def test_what_crosses_to_a_worker_process_can_be_pickled() -> None:
    failure = DeliveryFailed("why", refusal=Refusal(Stage.RECIPIENT, 550, "5.1.1"), operator=True)

    letter, settings, copy = pickle.loads(pickle.dumps((a_letter(), settings_for(25), failure)))

    assert letter == a_letter()
    assert settings == settings_for(25)
    assert (copy.why, copy.refusal, copy.operator) == ("why", failure.refusal, True)
    assert pickle.loads(pickle.dumps(deliver)) is deliver


@pytest.mark.parametrize(
    ("key", "changes"),
    [
        ("host", {"host": ""}),
        ("port", {"port": 0}),
        ("from", {"sender": "earshot"}),
        ("from", {"sender": "a@b.example\r\nBcc: c@d.example"}),
        ("reply_to", {"reply_to": "nobody"}),
        ("username", {"username": "earshot"}),
        ("security", {"host": "mail.charity.example", "username": "u", "password": PASSWORD}),
    ],
)
def test_settings_that_cannot_work_are_refused_by_name(key: str, changes: dict[str, Any]) -> None:
    with pytest.raises(ValueError, match=f"^{key}"):
        replace(settings_for(25), **changes)


def test_the_stand_in_notes_what_a_strict_server_would_mind() -> None:
    with Mailbox() as box:
        with smtplib.SMTP("127.0.0.1", box.port) as smtp:
            smtp.ehlo()
            smtp.mail("a@b.example")
            smtp.rcpt("c@d.example")
            smtp.docmd("DATA")
            smtp.send("Subject: eight bits é\r\n\r\n".encode() + b"x" * 1200 + b"\r\n.\r\n")
            smtp.getreply()

        assert "a byte that is not 7-bit text" in box.violations
        assert "a line of more than 998 bytes" in box.violations
        assert "0 headers Message-ID" in box.violations
