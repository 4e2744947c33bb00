"""Which language, and when nobody can tell."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from monitor.scoring.language import UNKNOWN, Languages

OURS = Languages(("en", "so", "ar", "ur", "pl", "cy", "fr"))


@pytest.mark.parametrize(
    ("text", "code"),
    [
        ("first", "en"),
        ("Where's the hoodie from??", "en"),
        ("Mocny film o nożach. Szkoda, że nikt o tym nie mówił", "pl"),
        ("Mahadsanid gabdhaha. Gudniinka fircooniga waa dhibaato", "so"),
        ("Diolch o galon i chi am ddod yr holl ffordd i Gasnewydd.", "cy"),
        ("جزاكم الله خيرا، لكن لماذا قالوا لابنتي", "ar"),
        ("باجی، ابو نے ٹکٹ لے لیا ہے، اگلے جمعے پاکستان", "ur"),
        ("Très honorée d'avoir présenté nos travaux", "fr"),
        ("@TessellateUK #knifecrime https://a.example/b", UNKNOWN),
        ("👏👏👏", UNKNOWN),
        ("", UNKNOWN),
        ("zxq", UNKNOWN),
    ],
)
def test_expected_languages_are_named_and_the_rest_is_unknown(text: str, code: str):
    assert OURS.of(text) == code


def test_a_language_that_nobody_expected_is_unknown_not_english():
    assert OURS.of("Die Kinder haben den ganzen Tag gespielt und gelacht") == UNKNOWN


def test_english_words_with_words_of_home_between_them_are_english():
    assert OURS.of("Arre yaar I had a proper jhagra with my devar over this clip") == "en"


@given(st.text(max_size=300))
def test_no_text_breaks_it(text: str):
    assert isinstance(OURS.of(text), str)
