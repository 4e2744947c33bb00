"""Signed links: bound, expiring, used once; nothing forged or altered passes."""

from __future__ import annotations

import base64
from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from monitor.keys import Keys
from monitor.links import LIFE, PAGE_LIFE, Holder, LinkExpired, LinkInvalid, Links, Purpose

NOW = datetime(2026, 11, 24, 14, 0, tzinfo=UTC)
LINKS = Links(Keys(b"k" * 32), "https://earshot.tessellateuk.example")
ROWAN = Holder("ceo", "m" * 20, "e1")
TOKEN = LINKS.token(Purpose.TAKEOVER, ROWAN, "bcdfgh", NOW, id="a1")


@pytest.mark.parametrize("purpose", list(Purpose))
def test_a_link_says_what_was_put_in_until_its_end(purpose: Purpose) -> None:
    token = LINKS.token(purpose, Holder("chair"), "bcdfgh", NOW)

    ticket = LINKS.read(token, NOW + LIFE[purpose] - timedelta(seconds=1))

    assert (ticket.purpose, ticket.role, ticket.subject) == (purpose, "chair", "bcdfgh")
    with pytest.raises(LinkExpired) as caught:
        LINKS.read(token, NOW + LIFE[purpose])
    assert caught.value.ticket == ticket


def test_a_link_says_whose_it_is_and_one_of_old_names_a_role_alone() -> None:
    mailed = LINKS.read(TOKEN, NOW)
    old = LINKS.read(LINKS.token(Purpose.SEE, Holder("ceo"), "i", NOW), NOW)

    assert (mailed.role, mailed.mark, mailed.epoch) == ("ceo", "m" * 20, "e1")
    assert (old.role, old.mark, old.epoch) == ("ceo", "", "")


def test_a_takeover_link_lasts_twelve_hours() -> None:
    assert LIFE[Purpose.TAKEOVER] == timedelta(hours=12)


def test_the_same_id_gives_the_same_link_so_that_a_mail_tried_twice_is_the_same_mail() -> None:
    assert LINKS.make(Purpose.SEE, Holder("ceo"), "i", NOW, id="x") == LINKS.make(
        Purpose.SEE, Holder("ceo"), "i", NOW, id="x"
    )
    assert LINKS.token(Purpose.SEE, Holder("ceo"), "i", NOW) != LINKS.token(Purpose.SEE, Holder("ceo"), "i", NOW)


def test_without_a_public_address_there_are_no_links() -> None:
    assert Links(Keys(b"k" * 32), "").make(Purpose.SEE, Holder("ceo"), "i", NOW) == ""


@given(st.integers(0, len(TOKEN) - 1), st.characters(codec="ascii"))
def test_a_link_with_one_letter_changed_is_none_of_ours(at: int, letter: str) -> None:
    if TOKEN[at] == letter:
        return
    altered = TOKEN[:at] + letter + TOKEN[at + 1 :]

    try:
        ticket = LINKS.read(altered, NOW)
    except LinkInvalid:
        return
    assert ticket == LINKS.read(TOKEN, NOW)  # only bits that base64 does not use


@given(st.text(max_size=200))
def test_anything_else_is_none_of_ours(text: str) -> None:
    with pytest.raises(LinkInvalid):
        LINKS.read(text, NOW)


def test_a_link_of_another_installation_is_none_of_ours() -> None:
    with pytest.raises(LinkInvalid):
        LINKS.read(Links(Keys(b"o" * 32), "").token(Purpose.SEE, Holder("ceo"), "i", NOW), NOW)


def test_the_content_cannot_be_exchanged_below_a_signature() -> None:
    other = LINKS.token(Purpose.SEE, Holder("chair"), "zzzzzz", NOW, id="b2")
    forged = other.rpartition(".")[0] + "." + TOKEN.rpartition(".")[2]

    with pytest.raises(LinkInvalid):
        LINKS.read(forged, NOW)


def test_a_button_is_bound_to_its_link_its_action_its_reason_and_its_hour() -> None:
    ticket = LINKS.read(TOKEN, NOW)
    other = LINKS.read(LINKS.token(Purpose.TAKEOVER, Holder("ceo"), "bcdfgh", NOW, id="a2"), NOW)
    button = LINKS.page_token(ticket, "begin", NOW, bound="a reason")

    assert LINKS.page_holds(button, ticket, "begin", NOW, bound="a reason")
    assert not LINKS.page_holds(button, other, "begin", NOW, bound="a reason")
    assert not LINKS.page_holds(button, ticket, "end", NOW, bound="a reason")
    assert not LINKS.page_holds(button, ticket, "begin", NOW, bound="another reason")
    assert not LINKS.page_holds(button, ticket, "begin", NOW + PAGE_LIFE, bound="a reason")
    assert not LINKS.page_holds(TOKEN, ticket, "begin", NOW, bound="a reason")


def test_a_button_is_no_link_and_a_link_no_button() -> None:
    ticket = LINKS.read(TOKEN, NOW)

    with pytest.raises(LinkInvalid):
        LINKS.read(LINKS.page_token(ticket, "begin", NOW), NOW)


def test_a_link_tells_no_secret_of_the_installation() -> None:
    body = TOKEN.rpartition(".")[0].lstrip(".")
    decoded = base64.urlsafe_b64decode(body + "=" * (-len(body) % 4))

    assert b"k" * 32 not in decoded
