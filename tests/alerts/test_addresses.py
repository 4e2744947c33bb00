"""Addresses as people write them, and as the wire and every header want them."""

from __future__ import annotations

import email
import email.policy
import socket
from dataclasses import replace
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from makers import NOW

from alerts import addresses
from alerts.mail_settings import MailSettings
from alerts.mailbox import Mailbox
from alerts.mailer import deliver
from alerts.model import DeliveryFailed, Letter, MailKind

SETTINGS = MailSettings(host="127.0.0.1", sender="Earshot <earshot@tessellateuk.example>", security="none")


@pytest.mark.parametrize(
    "wrong",
    [
        "", " ", "rowan", "rowan@", "@x.example", "rowan@x.example,", "rowan@x.example;", "rowan@x.example.",
        "<r@x.example>", "<r@x>", "Rowan <r@x.example>", "mailto:rowan@x.example", "MAILTO:rowan@x.example",
        "rowan@x.example, imogen@x.example", "rowan@x.example imogen@x.example", "rowan@@x.example", "rowan@x",
        "rowan@intranet", " rowan@x.example", "rowan@x.example ", "rowan@x .example", "ro wan@x.example",
        "rowan@x..example", ".rowan@x.example", "rowan.@x.example", "rowan@-x.example", "rowan@x_y.example",
        "rowan@[127.0.0.1]", '"rowan a"@x.example', "rowan@x.example\r\nBcc: b@y.example", "rowan@x.exam\u200bple",
        "rowan\u202e@x.example", "rowan@x.example\0", "a" * 65 + "@x.example", "rowan@" + "a" * 64 + ".example",
        "rowan@" + "a." * 130 + "example", "rowan(work)@x.example", "rowan@x.example?subject=hello",
        "https://x.example/rowan", "rowan at x.example", "rowan@x,example",
    ],
)  # fmt: skip
def test_what_is_no_address_is_refused_in_words(wrong: str) -> None:
    with pytest.raises(ValueError, match=r"^an address such as name@charity.example"):
        addresses.checked(wrong)


@pytest.mark.parametrize(
    ("written", "normal", "wire"),
    [
        ("rowan@x.example", "rowan@x.example", "rowan@x.example"),
        ("Rowan.O'Brien+earshot@X.Example", "Rowan.O'Brien+earshot@x.example", "Rowan.O'Brien+earshot@x.example"),
        ("r@wärme.example", "r@wärme.example", "r@xn--wrme-loa.example"),
        ("r@WÄRME.example", "r@wärme.example", "r@xn--wrme-loa.example"),
        ("r@xn--wrme-loa.example", "r@wärme.example", "r@xn--wrme-loa.example"),
        ("r@straße.example", "r@straße.example", "r@xn--strae-oqa.example"),
        ("zoë@wärme.example", "zoë@wärme.example", "zoë@xn--wrme-loa.example"),
        ("用户@例子.example", "用户@例子.example", "用户@xn--fsqu00a.example"),
        ("r@localhost", "r@localhost", "r@localhost"),
        ("r@charity.test", "r@charity.test", "r@charity.test"),
        ("r@charity.local", "r@charity.local", "r@charity.local"),
        ("r@charity.internal", "r@charity.internal", "r@charity.internal"),
    ],
)
def test_an_address_keeps_its_letters_and_has_its_domain_in_ascii_on_the_wire(
    written: str, normal: str, wire: str
) -> None:
    assert addresses.checked(written) == normal
    assert addresses.on_the_wire(normal) == wire
    assert addresses.checked(normal) == normal


def test_nothing_is_looked_up(monkeypatch: pytest.MonkeyPatch) -> None:
    def looked_up(*_: object, **__: object) -> None:
        raise AssertionError("a name was looked up")

    monkeypatch.setattr(socket, "getaddrinfo", looked_up)
    monkeypatch.setattr(socket, "socket", looked_up)

    addresses.checked("rowan@no-such-charity.example")


def test_domains_that_nobody_can_own_are_known() -> None:
    special = [
        "a.example",
        "example.org",
        "mail.example.com",
        "a.test",
        "a.local",
        "localhost",
        "a.invalid",
        "a.internal",
    ]
    ordinary = ["charity.org.uk", "example.charity.org", "testing.org", "wärme.de", "notexample.com"]

    assert [domain for domain in special if not addresses.is_special(f"r@{domain}")] == []
    assert [domain for domain in ordinary if addresses.is_special(f"r@{domain}")] == []


@pytest.mark.parametrize(
    ("one", "other", "same"),
    [
        ("rowan@x.example", "ROWAN@X.example", True),
        ("rowan@x.example", "rowan+chair@x.example", True),
        ("r@wärme.example", "r@xn--wrme-loa.example", True),
        ("rowan.ashdown@gmail.com", "rowanashdown@googlemail.com", True),
        ("rowan.ashdown@x.example", "rowanashdown@x.example", False),
        ("rowan@x.example", "imogen@x.example", False),
        ("rowan@x.example", "rowan@y.example", False),
    ],
)
def test_one_mailbox_is_known_under_two_spellings(one: str, other: str, same: bool) -> None:
    assert addresses.are_one_mailbox(one, other) is same


@pytest.mark.parametrize(
    ("sender", "name", "address"),
    [
        ("earshot@x.example", "", "earshot@x.example"),
        ("Earshot <earshot@x.example>", "Earshot", "earshot@x.example"),
        ("<earshot@x.example>", "", "earshot@x.example"),
        ("Earshot, Tessellate UK <earshot@x.example>", "Earshot, Tessellate UK", "earshot@x.example"),
        ('"Earshot, \\"TUK\\"" <earshot@x.example>', 'Earshot, "TUK"', "earshot@x.example"),
    ],
)
def test_a_sender_has_a_name_and_an_address(sender: str, name: str, address: str) -> None:
    assert addresses.split_mailbox(sender) == (name, address)
    assert replace(SETTINGS, sender=sender).address == address


# ── headers ─────────────────────────────────────────────────────────────────────────────────────

NAMES = [
    "Rowan Ashdown",
    "Ashdown, Rowan",
    "Ashdown, Rowan (Chief Executive; Tessellate UK) <ceo@evil.example>",
    'Rowan "Ro" Ashdown, OBE \\ MP',
    "Siân O’Brien, Chief Executive of the Association for the Care of Children in the Whole of the North and South",
    "Chief Executive, Association for the Care of Children, Young People, Families, and their Neighbours, North",
    "Zoë Ångström-Łukaszewicz, Geschäftsführerin, Wärme für alle, Straße der Jugend, 国际儿童基金会, الجمعية, Київ",
    "家" * 100,
    "a" * 100,
    "=?utf-8?q?Rowan?=",
    "rowan@x.example",
    "Rowan.",
    "",
]


@pytest.mark.real
@pytest.mark.parametrize("address", ["ceo@tessellateuk.example", "ceo@wärme.example", "zoë@wärme.example"])
@pytest.mark.parametrize("name", NAMES)
def test_a_name_of_any_kind_stays_one_mailbox(name: str, address: str) -> None:
    with Mailbox() as box:
        settings = replace(
            SETTINGS, port=box.port, sender=f"{name.replace('<', '(').replace('>', ')')} <r@wärme.example>"
        )
        deliver(settings, a_letter(recipient_name=name, recipient_address=address))

        (kept,) = box.letters
        assert box.violations == []
        (to,) = kept.message["To"].addresses
        assert _letters(to.display_name) == _letters(name[:100])
        assert to.addr_spec == addresses.on_the_wire(address)
        (sender,) = kept.message["From"].addresses
        assert sender.addr_spec == "r@xn--wrme-loa.example"
        assert kept.utf8 is (address[0] == "z")
        assert max(len(line) for line in kept.content.split(b"\r\n")) <= 998


def _letters(name: str) -> str:
    """Python's own parser leaves spaces between encoded words."""
    return "".join(name.split())


@given(st.text(max_size=120), st.booleans())
def test_no_name_makes_a_second_mailbox_or_a_second_header(name: str, utf8: bool) -> None:
    from alerts.mailer import clean_header

    cleaned = clean_header(name)[:100].strip()
    line = f"To: {addresses.header(cleaned, 'ceo@tessellateuk.example', utf8=utf8)}\r\n\r\n"

    message = email.message_from_bytes(line.encode(), policy=email.policy.default)

    assert message.keys() == ["To"]
    assert [one.addr_spec for one in message["To"].addresses] == ["ceo@tessellateuk.example"]


@pytest.mark.real
def test_an_idn_sender_gives_ascii_in_every_header_and_in_the_message_id() -> None:
    with Mailbox() as box:
        settings = replace(
            SETTINGS, port=box.port, sender="earshot@wärme.example", reply_to="Büro <info@wärme.example>"
        )
        deliver(settings, a_letter(message_id=f"<1@{settings.domain}>"))

        (kept,) = box.letters
        assert kept.sender == "earshot@xn--wrme-loa.example"
        assert kept.message_id == "<1@xn--wrme-loa.example>"
        assert kept.message["Reply-To"].addresses[0].addr_spec == "info@xn--wrme-loa.example"
        assert kept.content.isascii()
        assert box.violations == []


@pytest.mark.real
def test_a_sender_with_other_letters_is_sent_with_smtputf8() -> None:
    with Mailbox() as box:
        deliver(replace(SETTINGS, port=box.port, sender="grüße@tessellateuk.example"), a_letter())

        assert box.letters[0].utf8
        assert box.violations == []


@pytest.mark.real
def test_without_smtputf8_a_domain_in_other_letters_does_no_harm_and_a_name_is_said_to_be_at_fault() -> None:
    with Mailbox(utf8=False) as box:
        settings = replace(SETTINGS, port=box.port, sender="Büro <earshot@wärme.example>")
        deliver(settings, a_letter(recipient_name="Zoë", recipient_address="ceo@wärme.example"))
        with pytest.raises(DeliveryFailed) as to:
            deliver(settings, a_letter(recipient_address="zoë@wärme.example"))
        with pytest.raises(DeliveryFailed) as sender:
            deliver(replace(settings, sender="büro@wärme.example"), a_letter())

        assert len(box.letters) == 1
        assert box.violations == []
        assert not to.value.operator
        assert sender.value.operator
        assert "[mail] from" in sender.value.why


@pytest.mark.parametrize(
    ("key", "changes"),
    [
        ("from", {"sender": "earshot@"}),
        ("from", {"sender": "earshot@x.example,"}),
        ("from", {"sender": "mailto:earshot@x.example"}),
        ("from", {"sender": "Earshot <earshot@x.example"}),
        ("from", {"sender": "Earshot <<earshot@x.example>>"}),
        ("reply_to", {"reply_to": "zoë@x.example"}),
        ("reply_to", {"reply_to": "a@x.example, b@x.example"}),
        ("host", {"host": "smtp.x.example,"}),
        ("host", {"host": "https://smtp.x.example"}),
        ("host", {"host": "smtp x"}),
        ("host", {"host": "sm\u2024tp\u200b.exa\ud800mple"}),
        ("ehlo_name", {"ehlo_name": "[127.0.0.1"}),
    ],
)
def test_settings_of_mail_with_such_mistakes_are_refused_by_name(key: str, changes: dict[str, Any]) -> None:
    with pytest.raises(ValueError, match=f"^{key}:"):
        replace(SETTINGS, **changes)


def test_a_mail_server_with_other_letters_is_called_by_its_name_in_dns() -> None:
    assert replace(SETTINGS, host="smtp.wärme.example").wire_host == "smtp.xn--wrme-loa.example"
    assert replace(SETTINGS, host="::1").wire_host == "::1"


def a_letter(**changes: Any) -> Letter:
    values: dict[str, Any] = {
        "kind": MailKind.TEST,
        "recipient_name": "Rowan Ashdown",
        "recipient_address": "ceo@tessellateuk.example",
        "subject": "A test",
        "text": "Hello\n",
        "html": "",
        "message_id": "<1@tessellateuk.example>",
        "sent_at": NOW,
    }
    return Letter(**{**values, **changes})
