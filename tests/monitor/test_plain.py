"""Files as editors leave them, and lines that every reader parts in the same places."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from monitor import plain


@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "utf-16"])
def test_a_file_is_read_with_and_without_a_mark_in_front(encoding: str, tmp_path: Path) -> None:
    (tmp_path / "f").write_text("pa£ss", encoding)

    assert plain.read_text(tmp_path / "f") == "pa£ss"


def test_a_mark_never_becomes_a_part_of_a_secret() -> None:
    assert plain.one_value("\ufeff token \r\n") == "token"


def test_only_a_line_feed_ends_a_line_of_json() -> None:
    posts = [{"text": "one\u2028two"}, {"text": "three\x85four"}]
    text = "\n".join(json.dumps(post, ensure_ascii=False) for post in posts) + "\r\n\n"

    assert [json.loads(line) for line in plain.json_lines(text)] == posts


@given(st.text())
def test_a_line_that_we_write_is_one_line_for_every_reader(text: str) -> None:
    line = plain.json_line({"id": text})

    assert line.splitlines() == [line]
    assert json.loads(line) == {"id": text}
