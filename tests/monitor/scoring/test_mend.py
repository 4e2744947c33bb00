"""Disguised words put back into plain spelling."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st
from judging import ROOT

from monitor.scoring.mend import Mender, load_words

WORDS = load_words(ROOT / "config" / "words.txt")
MENDER = Mender(WORDS, {"volunter": "volunteer"}.get)


@pytest.mark.parametrize(
    ("disguised", "plain"),
    [
        ("my d4ught3r was 4l0ne!", "my daughter was alone!"),
        ("m3ss@ge$ at night", "messages at night"),
        ("one v*lunteer", "one volunteer"),
        ("the volunter said", "the volunteer said"),
        ("many peopleeee", "many people"),
        ("#my #daughter #told #them #that", "#my daughter told them that"),
    ],
)
def test_a_disguise_is_undone_where_an_everyday_word_comes_out(disguised: str, plain: str):
    assert MENDER.mended(disguised) == plain


@pytest.mark.parametrize(
    "text",
    ["Year 10 and y11 at 5pm, £30", "the 3rd of 18s", "@TessellateUK #knifecrime", "gr8 m8 b4 2nite", "zxqv wrd", ""],
)
def test_ordinary_writing_stays_as_it_is(text: str):
    assert MENDER.mended(text) == text


@given(st.text(max_size=200))
def test_no_text_breaks_it(text: str):
    assert isinstance(MENDER.mended(text), str)
