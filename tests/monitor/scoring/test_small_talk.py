"""Small talk silences no plain danger, and makes none."""

from __future__ import annotations

from functools import cache

import pytest
from judging import RULES, by_rules
from makers import a_mention
from small_talk import drawn, everyday_comments, grave_examples, small_talk

from alerts.model import Severity
from connectors.model import Kind
from monitor.scoring import build_scorer
from monitor.scoring.rules import load_rules

SHARE_OF_GRAVE = 150
SHARE_OF_COMMENTS = 100
SHARE_WITH_MODEL = 500
"""A hundredth of the comments and the small talk, each pair in one of its five forms."""


@cache
def rules():
    return load_rules(RULES).rules


def test_there_are_two_hundred_of_each_kind_of_small_talk():
    assert len(set(small_talk())) >= 200
    assert len(set(everyday_comments())) >= 200


@pytest.mark.parametrize("own", [False, True])
def test_no_small_talk_brings_plain_danger_below_watch(own: bool):
    kind = Kind.OWN_POST if own else Kind.COMMENT
    lost = [
        text
        for text in drawn(grave_examples(rules(), own=own), SHARE_OF_GRAVE)
        if by_rules().assess(a_mention(text, kind=kind)).severity < Severity.WATCH
    ]
    assert lost == []


def test_everyday_comments_in_small_talk_never_alert_by_rules():
    assert [text for text in drawn(everyday_comments(), SHARE_OF_COMMENTS) if level(text) >= Severity.ALERT] == []


def test_praise_and_greetings_by_themselves_are_not_even_worth_watching():
    praise = [text for text in (*small_talk(), *everyday_comments()) if level(text) > Severity.ROUTINE]
    assert set(praise) <= MILD, praise


MOST_WITH_MODEL = 0.005
"""The share of wrapped everyday comments that may alert with the model. None is wanted; two of these 444 do ("have a nice
weekend everyone. i'll be there"), and a step towards none lowers the number."""


def test_of_a_hundredth_of_the_everyday_comments_in_small_talk_hardly_one_alerts_with_the_model():
    scorer = build_scorer(by_rules()._organisation, model="auto")
    posts = [a_mention(text) for text in drawn(everyday_comments(), SHARE_WITH_MODEL)]
    found = scorer.assess_many(posts)
    loud = [post.text for post, seen in zip(posts, found, strict=True) if seen.severity >= Severity.ALERT]
    assert len(loud) <= MOST_WITH_MODEL * len(posts), loud


def level(text: str) -> Severity:
    return by_rules().assess(a_mention(text)).severity


MILD = {
    "my link doesn't open but i found it on google",
    "the music was a bit loud but ok",
}
"""Grumbles, which are watched by right."""
