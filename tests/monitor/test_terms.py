"""What the platforms' terms allow, made stricter by the settings and never laxer."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest

from monitor.terms import Terms, TermsError, _read, load_terms

NOW = datetime(2026, 11, 24, 14, 0, tzinfo=UTC)
FIVE = ("x", "facebook", "instagram", "linkedin", "youtube")


@pytest.mark.parametrize(
    ("platform", "kept", "quote", "scores", "in_backups"),
    [
        ("x", timedelta(hours=24), 200, True, True),
        ("facebook", timedelta(days=30), 200, True, True),
        ("instagram", timedelta(days=30), 200, True, True),
        ("linkedin", timedelta(hours=47), 0, True, False),
        ("youtube", timedelta(days=28), 0, False, True),
    ],
)
def test_the_table_of_the_settled_questions(
    platform: str, kept: timedelta, quote: int, scores: bool, in_backups: bool
) -> None:
    terms = load_terms()[platform]

    assert (terms.text_kept, terms.quote, terms.scores, terms.in_backups) == (kept, quote, scores, in_backups)
    assert not terms.name_in_mail


def test_a_strangers_platform_is_treated_as_strictly_as_the_strictest() -> None:
    terms = load_terms()
    other = terms["other"]

    assert other.text_kept == min(terms[name].text_kept for name in FIVE)
    assert other.trends_kept == min(terms[name].trends_kept for name in FIVE)
    assert (other.quote, other.scores, other.in_backups, other.name_in_mail) == (0, False, False, False)


def test_settings_may_shorten_and_never_lengthen() -> None:
    terms = load_terms({"facebook": "1d", "x": "90d", "mastodon": "1h"})

    assert terms["facebook"].text_kept == timedelta(days=1)
    assert terms["x"].text_kept == timedelta(hours=24)
    assert terms["mastodon"].text_kept == timedelta(hours=1)
    assert terms["mastodon"].quote == 0


def test_words_are_kept_from_the_first_hearing_or_from_the_last_look() -> None:
    terms, later = load_terms(), NOW + timedelta(hours=5)

    assert terms["facebook"].text_until(NOW, later) == NOW + timedelta(days=30)
    assert terms["x"].text_until(NOW, later) == later + timedelta(hours=24)


def test_an_author_is_kept_as_long_as_the_words_or_shorter_or_not_at_all() -> None:
    terms = load_terms()

    assert terms["facebook"].author_until(NOW, NOW + timedelta(days=30)) == NOW + timedelta(days=30)
    assert terms["linkedin"].author_until(NOW, NOW + timedelta(hours=47)) == NOW + timedelta(hours=23)
    assert terms["x"].author_until(NOW, NOW + timedelta(hours=24)) is None


def _entry() -> dict[str, object]:
    terms = load_terms()["facebook"]
    names = Terms.__dataclass_fields__
    return {
        **{name: getattr(terms, name) for name in names},
        "text_kept": "30d", "author_kept": "with-text", "recheck_every": "12h", "trends_kept": "395d",
    }  # fmt: skip


@pytest.mark.parametrize(
    ("change", "said"),
    [
        ({"text_kept": "long"}, "expected a duration"),
        ({"author_kept": "for ever"}, "expected a duration"),
        ({"text_kept": 30}, "facebook"),
        ({"quotes": 1}, "missing or unknown: quotes"),
    ],
)
def test_a_faulty_table_is_named(change: dict[str, object], said: str) -> None:
    with pytest.raises(TermsError, match="facebook") as caught:
        _read("facebook", {**_entry(), **change})

    assert said in str(caught.value)


def test_a_key_that_is_missing_is_named() -> None:
    entry = _entry()
    del entry["quote"]

    with pytest.raises(TermsError, match="missing or unknown: quote"):
        _read("facebook", entry)


def test_a_sound_table_is_read() -> None:
    read = _read("facebook", _entry())

    assert replace(read) == load_terms()["facebook"]
