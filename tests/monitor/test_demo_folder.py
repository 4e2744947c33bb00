"""Each demo has a folder of its own: another one that runs beside it is left alone, and so are other people's things."""

from __future__ import annotations

from pathlib import Path

from monitor.demo import LOCK, own_folder


def test_a_second_demo_in_the_same_folder_leaves_the_first_alone(tmp_path: Path) -> None:
    with own_folder(tmp_path / "demo-run") as first:
        (first / "earshot.db").write_text("the first one's memory")
        with own_folder(tmp_path / "demo-run") as second:
            (second / "earshot.db").write_text("the second one's memory")

            assert first != second
            assert (first / "earshot.db").read_text() == "the first one's memory"


def test_the_next_demo_begins_in_an_empty_folder(tmp_path: Path) -> None:
    with own_folder(tmp_path / "demo-run") as first:
        (first / "earshot.db").write_text("old")
        (first / "folder").mkdir()

    with own_folder(tmp_path / "demo-run") as again:
        assert again == first
        assert [path.name for path in again.iterdir()] == [LOCK]


def test_a_folder_that_is_no_demos_is_not_emptied(tmp_path: Path) -> None:
    (tmp_path / "demo-run").mkdir()
    (tmp_path / "demo-run" / "photos").write_text("mine")

    with own_folder(tmp_path / "demo-run") as folder:
        assert folder == tmp_path / "demo-run-2"

    assert (tmp_path / "demo-run" / "photos").read_text() == "mine"
