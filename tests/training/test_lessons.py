"""What the learned scorer is taught: which posts, and which harmless changes to them."""

from __future__ import annotations

import random
import sys
from collections.abc import Iterator
from functools import cache
from pathlib import Path
from types import SimpleNamespace

import pytest

ROOT = Path(__file__).parent.parent.parent


@pytest.fixture(autouse=True)
def _training_is_importable(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    monkeypatch.syspath_prepend(str(ROOT / "training"))
    yield
    for name in ("posts", "tokens"):
        sys.modules.pop(name, None)


@cache
def training() -> SimpleNamespace:
    import posts
    import tokens

    return SimpleNamespace(posts=posts, tokens=tokens, all=posts.read_all())


def test_two_posts_of_one_name_are_refused(tmp_path: Path) -> None:
    row = (ROOT / "training" / "data" / "author-ak.jsonl").read_text("utf-8").splitlines()[0]
    (tmp_path / "a.jsonl").write_text(f"{row}\n{row}\n", "utf-8")
    (tmp_path / "relabels.jsonl").write_text("", "utf-8")

    with pytest.raises(ValueError, match="two posts are called plain-ak-0001"):
        training().posts.read_all(tmp_path)


def test_a_situation_is_never_both_learnt_and_kept_blind() -> None:
    learnt, kept_blind = training().posts.blind(training().all)
    assert kept_blind
    assert not {post.situation for post in learnt} & {post.situation for post in kept_blind}


def test_the_authors_that_set_the_lines_are_all_there() -> None:
    assert set(training().posts.HELD) <= {post.source for post in training().all}


def test_no_short_routine_post_with_a_word_of_danger_is_kept_of_the_older_ones() -> None:
    kept = [post for post in training().posts.thinned(training().all) if post.is_old and post.severity == 0]
    assert kept
    texts = [post.mention.text or "" for post in kept]
    assert not [text for text in texts if len(text.split()) <= 25 and training().posts.DANGER.search(text)]


def test_neither_platform_nor_kind_of_a_comment_can_be_read_off_what_is_learnt() -> None:
    from dataclasses import replace

    post = next(post for post in training().all if post.mention.kind.value == "comment")
    texts = {
        training().tokens.as_read(replace(post, mention=replace(post.mention, platform=platform)))
        for platform in ("x", "facebook", "instagram", "linkedin", "youtube")
    }
    assert len(texts) == 1


def test_a_grave_parent_is_put_before_what_speaks_for_itself_only() -> None:
    """ "me too" under a disclosure is one more, so a post of three words is never moved there."""
    tokens = training().tokens
    company = tokens.Company((), (), ("he hurt me",))
    short, long = (
        next(p for p in training().all if is_plain_comment(p) and len((p.mention.text or "").split()) in words)
        for words in (range(1, 4), range(6, 9))
    )

    def read(post: object) -> set[bool]:
        return {"he hurt me" in tokens.as_read(post, random.Random(seed), company) for seed in range(200)}

    assert read(short) == {False}
    assert read(long) == {True, False}


def is_plain_comment(post: object) -> bool:
    mention = post.mention  # type: ignore[attr-defined]
    routine = post.severity == 0  # type: ignore[attr-defined]
    return bool(routine and mention.kind.value == "comment" and not mention.parent_text and mention.lang == "en")
