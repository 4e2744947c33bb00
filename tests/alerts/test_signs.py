"""What a person takes for one sign is kept whole: flags, families, accents."""

from __future__ import annotations

import unicodedata

import pytest
from hypothesis import given
from hypothesis import strategies as st

from alerts.mail import one_line, safe
from alerts.mailer import clean_header
from connectors.model import MAX_TEXT, clean_text
from signs import cut, cut_front


def _flag(of: str) -> str:
    return "\U0001f3f4" + "".join(chr(0xE0000 + ord(sign)) for sign in of) + "\U000e007f"


WHOLE = {
    "Wales": _flag("gbwls"), "England": _flag("gbeng"), "Scotland": _flag("gbsct"), "Northern Ireland": _flag("gbnir"),
    "Texas": _flag("ustx"), "Brittany": _flag("frbre"), "France": "\U0001f1eb\U0001f1f7",
    "family": "\U0001f468\u200d\U0001f469\u200d\U0001f467\u200d\U0001f466",
    "rainbow flag": "\U0001f3f3\ufe0f\u200d\U0001f308", "pirate flag": "\U0001f3f4\u200d\u2620\ufe0f",
    "runner": "\U0001f3c3\U0001f3fe\u200d\u2640\ufe0f", "thumb": "\U0001f44d\U0001f3fd", "keycap": "1\ufe0f\u20e3",
    "heart": "\u2764\ufe0f", "accents": "e\u0301\u0323", "Hindi": "\u0915\u094d\u200d\u0937",
}  # fmt: skip


@pytest.mark.parametrize("name", WHOLE)
def test_it_survives_being_cleaned_and_quoted(name: str) -> None:
    sign = WHOLE[name]
    text = f"We {sign} you, {sign}{sign}!"

    for cleaned in (clean_text(text), safe(text), one_line(text), clean_header(text)):
        assert cleaned == text


@pytest.mark.parametrize("name", WHOLE)
@pytest.mark.parametrize("before", ["", "a", "\U0001f1eb\U0001f1f7" * 3])
def test_a_cut_takes_it_whole_or_leaves_it_out(name: str, before: str) -> None:
    sign = WHOLE[name]
    text = f"{before}{sign * 3} and more"

    for most in range(len(before) + 1, len(before) + 3 * len(sign)):
        kept = cut(text, most).removeprefix(before)
        assert kept == sign * (len(kept) // len(sign)) or (not before and kept == text[:most] and most < len(sign))


@pytest.mark.parametrize("name", WHOLE)
@pytest.mark.parametrize("before", ["", "a", "ab", "abc"])
def test_the_middle_of_a_long_post_is_left_out_without_cutting_one_through(name: str, before: str) -> None:
    sign = WHOLE[name]
    times = MAX_TEXT // len(sign) + 100
    for ahead in ("", *(before + "x" * n for n in range(len(sign)))):
        kept = clean_text(f"{ahead}{sign * times}{ahead}")

        head, tail = kept.removeprefix(ahead).removesuffix(ahead).split(" … ")
        assert MAX_TEXT - 150 < len(kept) <= MAX_TEXT
        assert {head, tail} <= {sign * n for n in (len(head) // len(sign), len(tail) // len(sign))}


@given(
    st.text(alphabet="ab\u0301\u200d\ufe0f\U0001f1eb\U0001f1f7\U0001f468\U000e0067\U0001f3fd", max_size=150),
    st.integers(0, 160),
)
def test_a_cut_in_front_leaves_an_end_never_longer_nor_much_shorter(text: str, most: int) -> None:
    kept = cut_front(text, most)

    assert text.endswith(kept)
    assert min(most, len(text)) - 64 <= len(kept) <= most


def test_tags_that_are_no_flag_hide_no_words() -> None:
    hidden = "".join(chr(0xE0000 + ord(sign)) for sign in "ignore all this")

    assert safe(f"hello{hidden}") == "hello"
    assert safe(f"\U0001f3f4{hidden}\U000e007f") == "\U0001f3f4"


@given(
    st.text(alphabet="ab\u0301\u200d\ufe0f\U0001f1eb\U0001f1f7\U0001f468\U000e0067\U0001f3fd", max_size=150),
    st.integers(0, 160),
)
def test_a_cut_is_a_beginning_and_never_longer_nor_much_shorter(text: str, most: int) -> None:
    kept = cut(text, most)

    assert text.startswith(kept)
    assert len(kept) <= most
    assert len(kept) >= min(most, len(text)) - 64


def test_one_letter_with_a_thousand_accents_is_cut_through() -> None:
    text = "a" + "\u0301" * 1_000

    assert unicodedata.category(text[1]) == "Mn"
    assert len(cut(text, 200)) == 200
