"""`earshot score` and `earshot evaluate`."""

from __future__ import annotations

import json
from typing import Any

import pytest
from judging import ROOT, by_rules, dev_rows, with_linear

from alerts.model import Severity
from monitor import evaluate
from monitor.evaluate import Bar
from monitor.score import RowFaulty, as_rows, is_fault, mention_of, score_lines


def scored(*rows: Any) -> list[dict[str, Any]]:
    lines = [row if isinstance(row, str) else json.dumps(row) for row in rows]
    return [json.loads(line) for line in score_lines(lines, by_rules())]


def row(id_: str = "1", **changes: Any) -> dict[str, Any]:
    return {"id": id_, "platform": "x", "kind": "comment", "text": "Great film, thank you", **changes}


@pytest.mark.parametrize(
    ("line", "id_", "error"),
    [
        ("{", None, "not JSON"),
        ("[1]", None, "not a JSON object"),
        ("[" * 100_000, None, "not JSON"),
        ({"id": "a"}, "a", "lacks platform"),
        (row("b", kind="letter"), "b", "kind is one of"),
        (row("c", text=3), "c", "text is a string"),
        (row("d", platform=""), "d", "platform is"),
        (row("e", parent_text=["a"]), "e", "parent_text is a string"),
    ],
)
def test_a_bad_row_gets_an_error_and_the_rest_goes_on(line: Any, id_: str | None, error: str):
    first, bad, last = scored(row("first"), line, row("last"))
    assert (first["id"], last["id"]) == ("first", "last")
    assert bad["id"] == id_
    assert error in bad["error"]
    assert "severity" not in bad


def test_an_error_never_quotes_the_post():
    (bad,) = scored(row(kind="letter", text="a private sentence"))
    assert "private" not in json.dumps(bad)


def test_rows_keep_their_order_over_many_batches_and_blank_lines_are_skipped():
    lines = [json.dumps(row(str(n))) for n in range(200)]
    out = [json.loads(line)["id"] for line in score_lines(["\n", *lines, "  "], by_rules())]
    assert out == [str(n) for n in range(200)]


def test_a_judgement_has_the_fixed_form():
    (found,) = scored(row(text="a member of staff messaged my daughter privately"))
    assert set(found) == {"id", "severity", "level", "categories", "sentiment", "language", "reasons"}
    assert (found["severity"], found["level"], found["language"]) == (3, "crisis", "en")
    assert set(found["reasons"][0]) == {"rule", "category", "clause", "words", "weight"}


def test_youtube_gets_no_numbers_unless_they_are_allowed():
    post = json.dumps(row(platform="youtube", text="I hate this, formal complaint"))
    (kept,) = [json.loads(line) for line in score_lines([post], by_rules())]
    assert kept["sentiment"] is None
    assert all(reason["weight"] is None for reason in kept["reasons"])
    (shown,) = [json.loads(line) for line in score_lines([post], by_rules(), derived_data_allowed=True)]
    assert shown["sentiment"] < 0


@pytest.mark.parametrize("text", ["\ud800", "\x00a\x00", "", "a" * 200_000, None])
def test_strange_texts_are_judged_like_any_other(text: str | None):
    (found,) = scored(row(text=text))
    assert found["level"] == "routine"


def test_figures_that_are_no_counts_are_taken_for_unknown():
    post = mention_of(row(author={"name": 3, "handle": None, "followers": "many"}, likes=-2, shares=True))
    assert post.author is not None
    assert (post.author.followers, post.author.name, post.likes, post.shares) == (None, None, None, None)


def test_the_words_that_a_post_answers_are_read_with_it():
    assert mention_of(row(parent_text="he t\x00ouched me")).parent_text == "he touched me"
    assert mention_of(row(parent_text=None)).parent_text is None
    assert mention_of(row()).parent_text is None


def test_a_row_without_its_label_cannot_be_evaluated():
    with pytest.raises(RowFaulty, match="expected"):
        evaluate.evaluate([row()], by_rules())


def test_the_report_tells_bars_levels_confusions_and_every_wrong_post():
    rows = [
        row("good", expected={"severity": 0, "categories": []}),
        row("missed", text="Nothing to see", expected={"severity": 3, "categories": ["safety"]}),
    ]
    report = evaluate.evaluate(rows, by_rules())
    assert "crisis caught as alert or worse       0.000   0.97   0.92  BELOW THE FLOOR" in report
    assert "1 posts were given another level" in report
    assert "missed: crisis, given routine (no rule): Nothing to see" in report
    assert "should be, was given" in report


def test_a_bar_may_be_a_ceiling():
    assert Bar("x", 0.02, 0.04, at_most=True).holds(0.01, 0.02)
    assert not Bar("x", 0.9, 0.8).holds(0.7, 0.8)


FLOORS = {
    "crisis caught as alert or worse": 0.60,
    "alert or worse: recall": 0.60,
    "alert or worse: precision": 0.95,
    "right category on alert or worse": 0.95,
}
"""By rules alone, on posts whose wording the rules' authors knew: a tripwire against damage, not a measure of quality."""


def test_judging_by_rules_alone_does_not_fall_behind_on_the_labelled_posts():
    numbers = evaluate.figures(evaluate.judge_rows(dev_rows(), by_rules()))
    assert numbers["routine posts that alert"] <= 0.02
    for name, floor in FLOORS.items():
        assert numbers[name] >= floor, name


def test_levels_that_changed_are_told(capsys: pytest.CaptureFixture[str]):
    """Prints each labelled post whose level differs from the one on record; to accept, run benchmarks/judgement.py --levels."""
    recorded = json.loads((ROOT / "tests" / "corpus" / "levels.json").read_text("utf-8"))
    changed = []
    for verdict in evaluate.judge_rows(dev_rows(), with_linear()):
        given, before = verdict.given.severity, recorded.get(verdict.id)
        if given != before:
            was = "new" if before is None else Severity(before).level
            changed.append(f"{verdict.id}: {was} -> {given.level}, should be {verdict.right.level}")
    with capsys.disabled():
        for line in changed:
            print(f"\nlevel changed: {line}", end="")
    assert len(recorded) == len(dev_rows())


def test_an_id_that_no_encoding_can_write_does_not_stop_the_rest():
    lines = list(score_lines([json.dumps(row("\ud800"))], by_rules()))
    assert lines[0].encode("utf-8")
    assert json.loads(lines[0])["id"] == "\ud800"


def test_what_a_platform_says_is_to_us_is_judged_though_its_words_do_not_name_us():
    words = "a member of staff messaged my daughter privately"
    without, named = scored(row(kind="mention", text=words), row(kind="mention", text=words, names_us=True))
    assert (without["level"], named["level"]) == ("routine", "crisis")


def test_only_true_makes_a_row_name_us():
    assert not any(mention_of(row(names_us=value)).names_us for value in (1, "true", None, False))


def test_plain_text_is_one_post_a_line():
    lines = list(as_rows(["Great film\n", "\n", "  a member of staff messaged my daughter privately\n"]))
    out = [json.loads(line) for line in score_lines(lines, by_rules())]
    assert [(answer["id"], answer["level"]) for answer in out] == [("1", "routine"), ("3", "crisis")]


def test_an_answer_tells_whether_its_row_could_not_be_read():
    good, bad = score_lines([json.dumps(row()), "{"], by_rules())
    assert (is_fault(good), is_fault(bad)) == (False, True)
