"""The erasure journal: synced, private, and readable after a crash."""

from __future__ import annotations

from datetime import UTC, datetime
from pathlib import Path

from monitor import journal

NOW = datetime(2026, 11, 24, 14, 0, tzinfo=UTC)
ONE, OTHER = "a" * 64, "b" * 64


def test_what_was_added_is_read_back_and_more_is_added_behind_it(tmp_path: Path) -> None:
    journal.append(tmp_path, [ONE], NOW)
    journal.append(tmp_path, [OTHER], NOW)

    assert journal.read(tmp_path) == {ONE: NOW, OTHER: NOW}


def test_without_a_journal_nothing_was_erased(tmp_path: Path) -> None:
    journal.append(tmp_path, [], NOW)

    assert journal.read(tmp_path) == {}
    assert not (tmp_path / journal.NAME).exists()


def test_a_line_cut_short_by_a_crash_is_left_out_and_the_rest_is_kept(tmp_path: Path) -> None:
    journal.append(tmp_path, [ONE], NOW)
    with (tmp_path / journal.NAME).open("a") as file:
        file.write(f"{NOW.isoformat()} {'c' * 30}")

    assert journal.read(tmp_path) == {ONE: NOW}


def test_lines_after_one_that_was_cut_short_still_count(tmp_path: Path) -> None:
    with (tmp_path / journal.NAME).open("w") as file:
        file.write(f"{NOW.isoformat()} {'c' * 30}")
    journal.append(tmp_path, [OTHER], NOW)

    assert OTHER in journal.read(tmp_path)


def test_nobody_else_may_read_it(tmp_path: Path) -> None:
    journal.append(tmp_path, [ONE], NOW)

    assert (tmp_path / journal.NAME).stat().st_mode & 0o077 == 0
