"""The gist of a post in English."""

from __future__ import annotations

from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from judging import ROOT

from monitor.scoring.gloss import load_glossary

SHIPPED = load_glossary(ROOT / "config" / "glossary.toml")


@pytest.mark.parametrize(
    ("language", "text", "gist"),
    [
        ("pl", "Trener pisze do mojej córki w nocy", "coach messages do my daughter at night"),
        ("fr", "ma fille était seule avec le bénévole", "my daughter était alone with le volunteer"),
        ("ar", "ابنتي عمرها 12", "my daughter she is aged 12"),
        ("so", "Wiilka, mahadsanid!", "son , thank you !"),
        ("so", "ha u sheegin hooyo", "don't tell mother"),
    ],
)
def test_known_words_and_phrases_are_given_in_english_and_the_rest_stays(language: str, text: str, gist: str):
    assert SHIPPED.gist(text, language) == gist


def test_only_languages_with_words_are_in_it():
    assert "pl" in SHIPPED
    assert "en" not in SHIPPED
    assert "unknown" not in SHIPPED


def test_a_glossary_of_another_shape_is_refused(tmp_path: Path):
    (tmp_path / "g.toml").write_text("[pl]\nx = 3\n", "utf-8")
    with pytest.raises(ValueError, match=r"\[pl\]"):
        load_glossary(tmp_path / "g.toml")


@given(st.sampled_from(["pl", "ar", "so"]), st.text(max_size=200))
def test_no_text_breaks_it(language: str, text: str):
    assert isinstance(SHIPPED.gist(text, language), str)
