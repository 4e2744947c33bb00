"""The fakes that others lean on: the mail server on loopback, and the letter box in memory."""

from __future__ import annotations

import pytest
from makers import NOW

from alerts.mail import compose
from alerts.mail_settings import MailSettings
from alerts.mailbox import Fault, Mailbox
from alerts.mailer import deliver
from alerts.model import DeliveryFailed, Letter, MailKind, Notice, Severity
from alerts.testing import CEO, CHAIR, MemoryMailer

pytestmark = pytest.mark.real

LETTER = compose(
    "test", Notice("x", Severity.ROUTINE, "", ""), CEO, kind=MailKind.TEST, message_id="<a@b.example>", sent_at=NOW
)


def send(box: Mailbox, letter: Letter = LETTER) -> None:
    deliver(MailSettings("127.0.0.1", "earshot@b.example", box.port, "none"), letter)


def test_an_address_is_refused_until_it_is_accepted_again() -> None:
    with Mailbox() as box:
        box.refuse(CEO.email)
        with pytest.raises(DeliveryFailed):
            send(box)
        box.accept(CEO.email)
        send(box)

        assert len(box.to(CEO.email)) == 1
        assert box.to(CHAIR.email) == ()


def test_faults_may_be_chosen_by_envelope_and_letters_watched() -> None:
    seen: list[str] = []
    with Mailbox(
        choose=lambda _, to: Fault.TRY_LATER if to == CHAIR.email else None,
        on_letter=lambda kept: seen.append(kept.message_id),
    ) as box:
        send(box)

        assert seen == ["<a@b.example>"]
        assert box.wait_for(1)[0].message["X-Earshot-Kind"] == "test"
        with pytest.raises(TimeoutError, match="1 of 2"):
            box.wait_for(2, 0.05)


def test_the_letter_box_in_memory_keeps_refuses_and_loses_answers() -> None:
    mailer = MemoryMailer()
    mailer.fail_next(DeliveryFailed("busy"), DeliveryFailed("cut", unclear=True))
    for _ in range(2):
        with pytest.raises(DeliveryFailed):
            mailer(LETTER)
    mailer(LETTER)
    mailer.refuse(CEO.email)
    with pytest.raises(DeliveryFailed) as caught:
        mailer(LETTER)

    assert str(caught.value.refusal) == "550 5.1.1"
    assert [letter.message_id for letter in mailer.to(CEO.email)] == ["<a@b.example>"] * 2
    assert {message["Message-ID"] for message in mailer.messages} == {"<a@b.example>"}
