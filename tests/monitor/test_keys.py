"""The install key: made once, private, and said plainly when it is broken."""

from __future__ import annotations

from pathlib import Path

import pytest

from monitor.keys import Keys, KeyUnreadable, load_keys, make_keys


def test_a_key_is_made_once_and_kept(tmp_path: Path) -> None:
    first = make_keys(tmp_path / "state").digest("x", "a")

    assert make_keys(tmp_path / "state").digest("x", "a") == first
    assert load_keys(tmp_path / "state").digest("x", "a") == first
    assert (tmp_path / "state" / "install.key").stat().st_mode & 0o777 == 0o600


def test_asking_for_a_key_that_is_not_there_makes_none(tmp_path: Path) -> None:
    with pytest.raises(KeyUnreadable, match="install.key"):
        load_keys(tmp_path / "state")

    assert not (tmp_path / "state").exists()


@pytest.mark.parametrize("content", ["", "zz", "ab" * 10])
def test_a_broken_key_is_never_replaced_in_silence(tmp_path: Path, content: str) -> None:
    (tmp_path / "install.key").write_text(content)

    with pytest.raises(KeyUnreadable, match="backup"):
        make_keys(tmp_path)
    assert (tmp_path / "install.key").read_text() == content


def test_what_is_sealed_is_read_with_the_same_key_only() -> None:
    sealed = Keys(b"k" * 32).seal("a token")

    assert b"a token" not in sealed
    assert Keys(b"k" * 32).unseal(sealed) == "a token"
    assert Keys(b"o" * 32).unseal(sealed) is None
    assert Keys(b"k" * 32).unseal(b"nonsense") is None


def test_parts_of_a_hash_are_not_run_together() -> None:
    keys = Keys(b"k" * 32)

    assert keys.digest("p", "ab", "c") != keys.digest("p", "a", "bc")
    assert keys.digest("p", "a") != keys.digest("q", "a")
