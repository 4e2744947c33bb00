"""The compound score is that of the original, bit for bit, and linear in time."""

from __future__ import annotations

import random

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st
from judging import dev_rows
from vaderSentiment.vaderSentiment import SentimentIntensityAnalyzer

from monitor.scoring.vader import vader

STOCK = SentimentIntensityAnalyzer()
WORDS = [
    "good",
    "bad",
    "great",
    "awful",
    "love",
    "hate",
    "not",
    "never",
    "no",
    "least",
    "but",
    "very",
    "so",
    "this",
    "without",
    "doubt",
    "kind",
    "of",
    "the",
    "at",
    "all",
    "isn't",
    "GOOD",
    "BAD",
    "LOVE",
    "shit",
    "bomb",
    "the",
    "cut",
    "mustard",
    "yeah",
    "right",
    "beating",
    "heart",
    "very",
    "least",
    "at",
    "least",
    "hardly",
    "extremely",
    ":)",
    ":(",
    "😂",
    "💔",
    "❤️",
    "😡",
    "!!!",
    "??",
    "???",
    "…",
    "n't",
    "ain't",
    "sux",
    "ok",
    "film",
    "killed",
    "it",
    "FIRE",
    "sick",
]


def stock(text: str) -> float:
    return float(STOCK.polarity_scores(text)["compound"])


@settings(max_examples=300)
@given(st.lists(st.sampled_from(WORDS), max_size=25).map(" ".join))
@example("not so good but the least bad")
def test_posts_made_of_its_own_words_get_the_same_score(text: str):
    assert vader().compound(text) == stock(text)


@settings(max_examples=300)
@given(st.text(max_size=80))
def test_any_text_gets_the_same_score(text: str):
    assert vader().compound(text) == stock(text)


def test_a_bounded_set_of_generated_posts_gets_the_same_scores():
    dice = random.Random(11)
    for _ in range(4_000):
        text = " ".join(dice.choices(WORDS, k=dice.randint(0, 18)))
        assert vader().compound(text) == stock(text), text


def test_the_labelled_posts_get_the_same_scores():
    for row in dev_rows():
        assert vader().compound(row["text"]) == stock(row["text"]), row["id"]


@pytest.mark.parametrize("text", ["😂" * 20_000, "but " * 5_000, "good! " * 3_000, "no " * 6_000])
@pytest.mark.timeout(30)  # stock VADER needs many minutes for these: its work grows with the square of the length
def test_the_longest_hostile_posts_are_read_to_the_end(text: str):
    assert -1.0 <= vader().compound(text) <= 1.0
