"""Marks that betray nothing, and the grouping of copies in a storm."""

from __future__ import annotations

import json
import random
from itertools import combinations

import pytest
from hypothesis import given
from hypothesis import strategies as st
from judging import ROOT

from monitor.scoring.copies import comparable, copy_mark, group_copies, is_copy

POST = "Parents of Bristol: they get your daughters alone in a room and make them sign a paper. Share before it is gone"


@pytest.mark.parametrize(
    "copy",
    [
        POST.upper(),
        f"RT @someone: {POST}",
        f"{POST} https://t.example/abc",
        f"{POST} 😡😡",
        POST.replace("daughters", "daugthers"),
        POST.replace("Share before it is gone", "Share before its gone!!"),
        "😡 " + POST.replace(" a ", " the "),
    ],
)
def test_a_copy_with_small_changes_is_known_by_its_mark(copy: str):
    assert is_copy(copy_mark(copy), copy_mark(POST))


@pytest.mark.parametrize(
    "other",
    [
        "Parents of Bristol: the film was wonderful, share it with every school in the city before Friday",
        "They got my daughter alone in a room and she came home crying, what happened?",
        "",
        "ok",
    ],
)
def test_another_post_on_the_same_matter_is_no_copy(other: str):
    assert not is_copy(copy_mark(other), copy_mark(POST))


def test_short_posts_are_copies_only_when_equal():
    assert is_copy(copy_mark("so good"), copy_mark("SO GOOD!!"))
    assert not is_copy(copy_mark("so good"), copy_mark("so food"))


def test_empty_and_broken_marks_are_copies_of_nothing():
    for mark in ("", "!", "abc", "===="):
        assert not is_copy(mark, mark)
        assert not is_copy(mark, copy_mark(POST))


def test_a_mark_holds_no_text_and_a_key_makes_it_useless_to_others():
    mark = copy_mark(POST, b"key")
    assert len(mark) <= 150
    assert not any(word.lower() in mark.lower() for word in POST.split() if len(word) > 3)
    assert not is_copy(mark, copy_mark(POST))
    assert not is_copy(mark, copy_mark(POST, b"other"))
    assert is_copy(mark, copy_mark(POST, b"key"))


@given(st.text(max_size=400))
def test_every_text_is_a_copy_of_itself_and_marking_never_fails(text: str):
    mark = copy_mark(text)
    assert is_copy(mark, mark) is bool(mark)


def _storm() -> tuple[list[str], list[int]]:
    """Posts by many hands, and copies planted among them: which original each text stems from."""
    dice = random.Random(7)
    rows = []
    for name in "cdeh":
        rows += (ROOT / "training" / "data" / f"author-{name}.jsonl").read_text("utf-8").splitlines()
    texts = [json.loads(row)["text"] for row in rows]
    texts = [text for text in dict.fromkeys(texts) if len(comparable(text)) >= 40][:900]
    labelled = list(enumerate(texts))
    for origin in range(0, 600, 4):
        for _ in range(dice.randint(1, 4)):
            labelled.append((origin, _changed(texts[origin], dice)))
    dice.shuffle(labelled)
    return [text for _, text in labelled], [origin for origin, _ in labelled]


def _changed(text: str, dice: random.Random) -> str:
    way = dice.randrange(6)
    if way == 0:
        return f"RT @user{dice.randrange(99)}: {text}"
    if way == 1:
        return f"{text} https://t.example/{dice.randrange(9999)}"
    if way == 2:
        return text.upper() + "!!!"
    if way == 3:
        at = dice.randrange(len(text) - 1)
        return text[:at] + text[at + 1] + text[at] + text[at + 2 :]
    if way == 4:
        words = text.split()
        words.pop(dice.randrange(len(words)))
        return " ".join(words)
    return f"omg {text} 😡"


def _pairs(groups: dict[int, list[int]]) -> set[tuple[int, int]]:
    return {pair for group in groups.values() for pair in combinations(sorted(group), 2)}


def test_planted_copies_are_grouped_precisely_and_completely():
    texts, origins = _storm()
    groups = group_copies(texts)
    right: dict[int, list[int]] = {}
    for place, origin in enumerate(origins):
        right.setdefault(origin, []).append(place)
    found, wanted = _pairs(dict(enumerate(groups))), _pairs(right)
    assert len(found & wanted) / len(found) >= 0.99
    assert len(found & wanted) / len(wanted) >= 0.98


def test_nothing_is_grouped_with_nothing():
    assert group_copies([]) == []
    assert group_copies(["", "", "👏", "👏"]) == [[0], [1], [2], [3]]
