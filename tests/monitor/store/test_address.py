"""An address of a database means one place, wherever it is read, or is refused in a sentence."""

from __future__ import annotations

from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from monitor.store.address import Address


@pytest.mark.parametrize(
    ("text", "file"),
    [
        ("sqlite:////var/lib/earshot/earshot.db", "/var/lib/earshot/earshot.db"),
        ("sqlite:///earshot.db", "earshot.db"),
        ("sqlite:////srv/our%20charity/earshot.db", "/srv/our charity/earshot.db"),
        ("sqlite:////srv/our charity/earshot.db", "/srv/our charity/earshot.db"),
        ("sqlite:////srv/100%25/a%3Fb.db", "/srv/100%/a?b.db"),
        ("sqlite:////srv/a@b:c#d.db", "/srv/a@b:c#d.db"),
    ],
)
def test_the_path_in_an_address_is_read_as_sqlalchemy_reads_it(text: str, file: str) -> None:
    assert Address.read(text).file == Path(file)


def test_a_tilde_is_the_home_folder(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("HOME", str(tmp_path))

    assert Address.read("sqlite:///~/earshot.db").file == tmp_path / "earshot.db"


@pytest.mark.parametrize(
    "text",
    [
        "sqlite://", "sqlite:///", "sqlite:////", "sqlite:///folder/", "sqlite:///:memory:", "sqlite:///%3Amemory%3A",
        "sqlite:///e.db?mode=ro", "sqlite:///e.db?cache=shared", "sqlite:///file:e.db?uri=true", "sqlite:///file:e.db",
        "sqlite://host/e.db", "sqlite+aiosqlite:///e.db", "mysql://u@h/n", "postgresql://u@h/n", "earshot.db", "",
        "sqlite:///e\n.db", "sqlite:///~nobody-of-this-name/e.db",
    ],
)  # fmt: skip
def test_what_is_no_place_to_keep_anything_is_refused(text: str) -> None:
    with pytest.raises(ValueError, match=r"^url: "):
        Address.read(text)


def test_a_password_is_hidden_where_an_address_is_shown() -> None:
    address = Address.read("postgresql+psycopg://earshot@host/name").with_password("odd/p@ss:word")

    assert "odd" not in str(address)
    assert address.passwords == ["odd/p@ss:word", "odd%2Fp%40ss%3Aword"]
    assert address.with_password("another") == address
    with pytest.raises(ValueError, match="password"):
        Address.read("sqlite:///e.db").with_password("secret")


_NAMES = st.text(st.characters(min_codepoint=32, exclude_categories=("Cc", "Cs", "Zl", "Zp", "Cf", "Cn", "Co")), min_size=1)  # fmt: skip


@given(_NAMES)
def test_any_path_survives_being_written_as_an_address(name: str) -> None:
    file = Path("/srv") / name.replace("/", "_")
    address = Address.of_file(file)
    if file.name and str(file).isprintable():
        assert Address.read(address.text).file == file
