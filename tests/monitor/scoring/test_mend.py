"""Disguised words put back into plain spelling."""

from __future__ import annotations

import json
import re
from collections import Counter

import pytest
from hypothesis import given
from hypothesis import strategies as st
from judging import ROOT

from monitor.scoring.mend import Mender, load_words
from monitor.scoring.rules import RuleBook, load_rules
from monitor.scoring.text import readable
from monitor.settings import example_organisation

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


IN_FACT_MISSPELT = frozenset(
    [
        "tesselate",
        "tomorow",
        "grandaughter",
        "minut",
        "heyyy",
        "yesss",
        "nooo",
        "nooooo",
        "askin",
        "bringin",
        "comin",
        "cryin",
        "gettin",
        "hangin",
        "holdin",
        "laughin",
        "lookin",
        "playin",
        "postin",
        "runnin",
        "sayin",
        "sendin",
        "shakin",
    ]
)
OF_OTHER_LANGUAGES = frozenset(
    [
        "avocat",
        "classe",
        "fille",
        "filimka",
        "filimkan",
        "gudayaa",
        "hadla",
        "luniau",
        "numer",
        "paise",
        "partie",
        "passe",
        "petit",
        "wasze",
    ]
)
"""Words of French, Polish, Somali and Welsh, which are read by the glossary and not by their letters."""


def _of_the_house() -> Mender:
    book = RuleBook(load_rules(ROOT / "config" / "rules"), example_organisation(), WORDS)
    return Mender(WORDS, book.corrected)


def _posts() -> list[str]:
    rows = [
        line for file in (ROOT / "training" / "data").glob("*.jsonl") for line in file.read_text("utf-8").split("\n")
    ]
    posts = [json.loads(row).get("text") or "" for row in rows if row]
    return posts + [
        text for file in (ROOT / "tests" / "corpus").glob("*.txt") for text in file.read_text("utf-8").split("\n")
    ]


def test_every_plain_word_of_everyday_posts_is_left_alone():
    mender = _of_the_house()
    seen = Counter(
        word.lower() for post in _posts() for word in set(re.findall(r"[A-Za-z]+(?:['’][A-Za-z]+)*", readable(post)))
    )

    changed = {word: mender.mended(word) for word, posts in seen.items() if posts >= 3 and mender.mended(word) != word}

    assert len(seen) > 20_000
    assert {w: m for w, m in changed.items() if w not in IN_FACT_MISSPELT | OF_OTHER_LANGUAGES} == {}


@pytest.mark.parametrize(
    "text",
    [
        "a lovely place by the beach", "the governor popped in and tipped the driver", "he teaches metal work",
        "stores are rising in a common direction", "widow of a junior magistrate", "sacred string in a steam runway",
    ],
)  # fmt: skip
def test_an_everyday_word_is_not_taken_for_another_form_or_for_its_neighbour(text: str):
    assert _of_the_house().mended(text) == text


@pytest.mark.parametrize(
    ("slip", "meant"), [("safegarding", "safeguarding"), ("volunter", "volunteer"), ("tomorow", "tomorrow")]
)
def test_what_is_no_word_is_still_mended(slip: str, meant: str):
    assert _of_the_house().mended(slip) == meant


@given(st.text(max_size=200))
def test_no_text_breaks_it(text: str):
    assert isinstance(MENDER.mended(text), str)
