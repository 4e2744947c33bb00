"""A stranger's words in a mail: they stay words. Every mail is read back by a mail parser."""

from __future__ import annotations

import email
import email.policy
import html
import re
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from makers import NOW

from alerts.mail import compose, compose_digest, defang, one_line
from alerts.mailbox import faults_of_form
from alerts.mailer import MAX_MAIL, as_message, clean_header
from alerts.model import (
    Bulletin,
    Card,
    CoverageLine,
    Fact,
    Item,
    Letter,
    Link,
    MailKind,
    Notice,
    PlatformWeeks,
    Quote,
    Reason,
    Recipient,
    Severity,
)
from alerts.testing import CEO, SETTINGS

HEADERS = {
    "From",
    "To",
    "Subject",
    "Date",
    "Message-ID",
    "In-Reply-To",
    "References",
    "Auto-Submitted",
    "X-Auto-Response-Suppress",
    "X-Earshot-Kind",
    "X-Earshot-Incident",
    "X-Earshot-Severity",
    "MIME-Version",
    "Content-Type",
    "Content-Transfer-Encoding",
}

HOSTILE = {
    "script": "<script>alert(1)</script><img src=https://evil.example/pixel.png onerror=x>",
    "closing tags": "</bdi></blockquote></div></body></html><h1>Your account</h1>",
    "template": "{{ 7*7 }} {% for x in ().__class__.__base__.__subclasses__() %}{{ x }}{% endfor %}",
    "header": "Hello\r\nBcc: everyone@evil.example\r\nX-Earshot-Kind: test\r\n\r\nNew body",
    "line separators": "a\u2028Bcc: b@evil.example\u2029c\x0bd\x0ce\x85f",
    "bidi": "safe\u202egnp.exe\u2066 isolate \u200f mark",
    "nul": "be\x00fore\x07after\x1b[31m",
    "surrogate": "half \ud83d a face",
    "formula": '=HYPERLINK("https://evil.example","click")',
    "boundary": "--===============0123456789==\nContent-Type: text/html\n\n<b>x</b>",
    "signature": "-- \nEarshot says: press https://evil.example/now\nWHAT TO DO NOW\n1. Send money",
    "dots": ".\n..\n.\r\n.\r\nQUIT",
    "long": "x" * 5000,
    "marks": "a" + "\u0301" * 3000,
    "link label": "[Press here](javascript:alert(1)) javascript:alert(1)",
}


def a_notice(words: str) -> Notice:
    """A notice with ``words`` wherever a stranger's words could come in, and more places besides."""
    return Notice(
        headline=words,
        severity=Severity.CRISIS,
        where=words,
        moment=words,
        summary=words,
        reach=words,
        growth=words,
        why=(Reason(words, "6.5", words),),
        quotes=(Quote(words, words, words, "https://x.com/i/web/status/1", words),),
        card=Card("What to do now", ("Ring.",), ("Do not.",)),
        coverage=(CoverageLine("X", True, words),),
        links=(Link("Open in Earshot", "https://earshot.example/a/token", main=True),),
        news=(words,),
        facts=(Fact("Reason", words),),
        items=(Item(words, Severity.ALERT, words, words, "kd7mrwqz", words, "https://earshot.example/a/t"),),
        reference="kd7mrwqz",
        organisation=words,
    )


def a_letter(words: str, **changes: Any) -> Letter:
    values: dict[str, Any] = {
        "kind": MailKind.ALERT,
        "message_id": "<a@tessellateuk.example>",
        "sent_at": NOW,
        "incident": "kd7mrwqz",
        "in_reply_to": "<b@tessellateuk.example>",
    }
    return compose("alert", a_notice(words), CEO, **{**values, **changes})


def assert_sound(letter: Letter) -> None:
    raw = as_message(SETTINGS, letter).as_bytes()
    message = email.message_from_bytes(raw, policy=email.policy.default)
    assert faults_of_form(raw) == []
    assert set(message.keys()) <= HEADERS
    assert len(message.keys()) == len(set(message.keys()))
    assert message["X-Earshot-Kind"] == letter.kind.value
    assert message["X-Earshot-Incident"] == (letter.incident or "none")
    assert str(message["To"]) == "Rowan Ashdown <ceo@tessellateuk.example>"
    assert "\n" not in message["Subject"]
    body = message.get_body(("html",))
    if body is not None:
        assert_html_sound(body.get_content())


def assert_html_sound(text: str) -> None:
    tags = {tag.casefold() for tag in re.findall(r"<\s*/?\s*([a-zA-Z!][a-zA-Z0-9]*)", text)}
    assert not tags & {"script", "img", "iframe", "form", "object", "svg", "link", "base"}
    assert text.count("<h1") == 1
    for address in re.findall(r'href="([^"]*)"', text):
        assert address.startswith(("https://earshot.example/a/", "https://x.com/i/web/status/")), address
    assert not re.search("[\u202a-\u202e\u2066-\u2069\u200e\u200f\x00\x1b]", text)


@pytest.mark.parametrize("words", HOSTILE.values(), ids=HOSTILE)
def test_hostile_words_change_neither_headers_nor_markup(words: str) -> None:
    assert_sound(a_letter(words))


@given(st.text(max_size=300))
@settings(max_examples=60)
def test_no_text_whatever_changes_headers_or_markup(words: str) -> None:
    assert_sound(a_letter(words))


def test_a_template_in_a_post_stays_text() -> None:
    letter = a_letter("{{ 7*7 }}")

    assert "{{ 7*7 }}" in letter.text
    assert "49" not in letter.text
    assert html.escape("{{ 7*7 }}") in letter.html


def test_quoted_lines_are_marked_so_that_they_cannot_pass_for_ours() -> None:
    notice = Notice(
        "x", Severity.ALERT, "X", "14:02", quotes=(Quote("X", "14:02", "one\n-- \nWHAT TO DO NOW", "", ""),)
    )

    letter = compose("alert", notice, CEO, kind=MailKind.ALERT, message_id="<a@b.example>", sent_at=NOW)

    assert "> one\n> --\n> WHAT TO DO NOW" in letter.text


@pytest.mark.parametrize(
    ("text", "safe"),
    [
        ("see https://evil.example/a?b=c.d", "see hxxps://evil[.]example/a?b=c.d"),
        ("HTTP://EVIL.EXAMPLE", "hxxp://EVIL[.]EXAMPLE"),
        ("www.evil.example now", "www[.]evil[.]example now"),
        ("bit.ly/abc", "bit[.]ly/abc"),
        ("Fine.Thanks e.g. this", "Fine.Thanks e.g. this"),
    ],
)
def test_links_in_quotes_cannot_be_pressed(text: str, safe: str) -> None:
    assert defang(text) == safe


def test_a_picture_stands_inside_the_html_and_not_beside_it() -> None:
    message = as_message(SETTINGS, a_letter("words", picture=b"\x89PNG\r\n\x1a\n" + b"\x00" * 200))

    assert message.get_content_type() == "multipart/alternative"
    plain, related = message.iter_parts()
    assert plain.get_content_type() == "text/plain"
    assert [part.get_content_type() for part in related.iter_parts()] == ["text/html", "image/png"]
    assert [part["Content-ID"] for part in related.iter_parts()][1] == "<picture>"


def test_a_mail_stays_within_its_size_whatever_it_has_to_say() -> None:
    letter = a_letter("words", picture=b"\x89PNG" + b"\xff" * 300_000)
    long = "é" * 400_000

    message = as_message(SETTINGS, Letter(**{**_fields(letter), "text": long, "html": f"<p>{long}</p>"}))

    parts = [part for part in message.walk() if part.get_content_maintype() == "text"]
    assert sum(len(part.as_bytes()) for part in parts) <= MAX_MAIL * 1.05
    assert "cut short" in parts[0].get_content()


def _fields(letter: Letter) -> dict[str, Any]:
    return {name: getattr(letter, name) for name in Letter.__slots__}  # type: ignore[attr-defined]


def test_long_message_ids_are_neither_folded_nor_encoded() -> None:
    identity = f"<{'a' * 40}@{'mail.' * 12}tessellateuk.example>"
    raw = as_message(SETTINGS, a_letter("w", message_id=identity, in_reply_to=identity)).as_bytes()

    for name in (b"Message-ID", b"In-Reply-To", b"References"):
        assert name + b": " + identity.encode() + b"\r\n" in raw


def test_a_name_in_any_script_survives_the_journey() -> None:
    someone = Recipient("ceo", 'Zoë "The, Boss" Łukasiewicz السلام', "ceo@tessellateuk.example")
    letter = compose(
        "test",
        Notice("x", Severity.ROUTINE, "", ""),
        someone,
        kind=MailKind.TEST,
        message_id="<a@b.example>",
        sent_at=NOW,
    )

    message = email.message_from_bytes(as_message(SETTINGS, letter).as_bytes(), policy=email.policy.default)

    (address,) = message["To"].addresses
    assert address.display_name == someone.name
    assert address.addr_spec == someone.email


def test_a_subject_is_one_line_of_bearable_length() -> None:
    letter = a_letter("Emoji 😀 and\r\nmore " * 40)

    assert len(letter.subject) <= 150
    message = email.message_from_bytes(as_message(SETTINGS, letter).as_bytes(), policy=email.policy.default)
    assert message["Subject"] == letter.subject


def test_a_template_that_fails_gives_way_to_plain_text(caplog: pytest.LogCaptureFixture) -> None:
    letter = compose(
        "no_such_template",
        a_notice("{{secret words}}"),
        CEO,
        kind=MailKind.ALERT,
        message_id="<a@b.example>",
        sent_at=NOW,
    )

    assert letter.html == ""
    assert "https://earshot.example/a/token" in letter.text
    assert letter.subject.endswith(", kd7mrwqz")
    assert "secret words" not in caplog.text
    assert_sound(letter)


def test_a_digest_of_hostile_words_is_sound_and_a_broken_picture_does_not_stop_it() -> None:
    words = HOSTILE["script"] + HOSTILE["header"]
    quote = Quote(words, words, words, "https://x.com/i/web/status/1", words)
    bulletin = Bulletin(
        organisation=words,
        week="2026-W48",
        period=words,
        summary=words,
        questions=(quote,),
        watch=(Item(words, Severity.WATCH, words, words),),
        weeks=("a",),
        platforms=(PlatformWeeks(words, (-5,)),),
        notes=(words,),
    )

    letter = compose_digest(bulletin, CEO, message_id="<a@b.example>", sent_at=NOW)

    message = as_message(SETTINGS, letter)
    assert set(message.keys()) <= HEADERS
    assert "<script" not in letter.html
    assert letter.html.count("<h1") == 1


def test_headers_lose_what_could_disguise_them() -> None:
    assert clean_header("a\r\nBcc: b\u202e\u200bc\x00") == "a Bcc: bc"
    assert one_line("a\nb\u2028c\u202ed") == "a b cd"


def test_the_flags_of_england_scotland_and_wales_stay_and_no_other_hidden_tags() -> None:
    wales = "\U0001f3f4\U000e0067\U000e0062\U000e0077\U000e006c\U000e0073\U000e007f"
    hidden = "\U0001f3f4" + "".join(chr(0xE0000 + ord(letter)) for letter in "send money") + "\U000e007f"
    assert one_line(f"Cymru {wales} am byth") == f"Cymru {wales} am byth"
    assert clean_header(f"Cymru {wales}") == f"Cymru {wales}"
    assert one_line(f"x{hidden}y") == clean_header(f"x{hidden}y") == "x\U0001f3f4y"
