from __future__ import annotations

from pathlib import Path

import pytest

from monitor.cards import CardsError, load_cards
from monitor.data import resource
from monitor.model import Category


@pytest.mark.parametrize("category", list(Category), ids=str)
def test_every_category_has_advice_of_its_own(category: Category) -> None:
    cards = load_cards()

    advice = cards.for_category(category.value)

    assert advice is not cards.advice["other"]
    assert advice.clause
    assert advice.card.do
    assert advice.card.dont


def test_what_has_no_category_is_advised_by_what_opened_it() -> None:
    cards = load_cards()

    assert cards.for_category(None, "tip") is cards.advice["tip"]
    assert cards.for_category(None, "mention") is cards.advice["other"]


@pytest.mark.parametrize(
    ("old", "new", "says"),
    [
        ('clause = "6.4"', 'clouse = "6.4"', "category.staff_conduct.clause"),
        ('title = "a threat"', "title = 7", "category.threat.title: expected one line"),
        ("[category.press]", "[category.pres]", "category.press"),
        ("[passwords]", "[pass]", "passwords"),
        ('text = "We work with people of all parties', 'text = "No blanks', "category.political.statements[0].text"),
        ("[category.tip]", "[category.tip", "not TOML"),
    ],
)
def test_a_faulty_file_is_refused_with_key_and_reason(tmp_path: Path, old: str, new: str, says: str) -> None:
    text = resource("first_hour.toml").read_text("utf-8")
    assert old in text
    faulty = tmp_path / "first_hour.toml"
    faulty.write_text(text.replace("[What was said]", "That").replace(old, new, 1), "utf-8")

    with pytest.raises(CardsError) as caught:
        load_cards(faulty)

    assert says in str(caught.value)


def test_a_missing_file_is_said_in_plain_words(tmp_path: Path) -> None:
    with pytest.raises(CardsError, match="cannot be read"):
        load_cards(tmp_path / "none.toml")
