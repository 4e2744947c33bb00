"""Every file that people hand us, as their editors may leave it: marks, line ends, spaces, other encodings."""

from __future__ import annotations

import codecs
import io
import json
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner

from monitor import plain, settings, whom_to_tell
from monitor.cards import CardsError, load_cards
from monitor.cli import main
from monitor.data import resource
from monitor.scoring import combine, gloss, mend
from monitor.scoring.naming import words as naming
from monitor.scoring.rules import check_rules

_SETTINGS = """
[organisation]
name = "Tessellate UK"
people = ["Rowan Ashdown"]

[people.ceo]
name = "Rowan Ashdown"
email = "rowan@tessellateuk.example"

[mail]
host = "127.0.0.1"
from = "Earshot <earshot@tessellateuk.example>"
username = "earshot"
password = "pa£ss"
"""


def _a_secret(path: Path) -> Any:
    file = path.with_name("earshot.toml")
    file.write_text(_SETTINGS.replace('password = "pa£ss"', f'password_file = "{path.name}"'), "utf-8")
    return settings.load(file, {}).mail.password


def _post(number: int) -> str:
    row = {
        "id": str(number),
        "platform": "x",
        "kind": "comment",
        "text": f"A line\u2028within {number}",
        "level": "log",
    }
    return json.dumps(row, ensure_ascii=False)


@dataclass(frozen=True)
class Reader:
    """What reads a kind of file, and a file of that kind."""

    read: Callable[[Path], Any]
    text: str
    name: str = "file.toml"


READERS = {
    "settings": Reader(lambda path: settings.load(path, {}), _SETTINGS, "earshot.toml"),
    "whom to tell": Reader(lambda path: whom_to_tell._tables_of(path), _SETTINGS, "earshot.toml"),
    "a secret": Reader(_a_secret, "pa£ss\n", "password.txt"),
    "cards": Reader(load_cards, resource("first_hour.toml").read_text("utf-8")),
    "glossary": Reader(lambda path: vars(gloss.load_glossary(path)), resource("glossary.toml").read_text("utf-8")),
    "lines": Reader(combine.load_lines, resource("judgement.toml").read_text("utf-8")),
    "names": Reader(naming.load_words, resource("naming.toml").read_text("utf-8")),
    "words": Reader(mend.load_words, resource("words.txt").read_text("utf-8"), "words.txt"),
}
WAYS: dict[str, Callable[[str], bytes]] = {
    "with a mark": lambda text: codecs.BOM_UTF8 + text.encode(),
    "with line ends of Windows": lambda text: text.replace("\n", "\r\n").encode(),
    "with a mark and line ends of Windows": lambda text: codecs.BOM_UTF8 + text.replace("\n", "\r\n").encode(),
    "in UTF-16": lambda text: text.encode("utf-16"),
    "in UTF-16, the other way round": lambda text: codecs.BOM_UTF16_BE + text.encode("utf-16-be"),
    "with spaces behind": lambda text: text.encode() + b"  \t\n \n",
}


@pytest.mark.parametrize("way", WAYS)
@pytest.mark.parametrize("kind", READERS)
def test_a_file_says_the_same_however_an_editor_left_it(kind: str, way: str, tmp_path: Path) -> None:
    reader = READERS[kind]
    file = tmp_path / reader.name
    file.write_text(reader.text, "utf-8")
    said = repr(reader.read(file))

    file.write_bytes(WAYS[way](reader.text))
    naming.load_words.cache_clear()

    assert repr(reader.read(file)) == said


@pytest.mark.parametrize("raw", [b"caf\xe9 \xff\xfe\n", b"\xff\xfeo", b"\x80"], ids=["Latin", "half a sign", "bytes"])
@pytest.mark.parametrize("kind", sorted(READERS.keys() - {"whom to tell"}))
def test_a_file_that_is_no_text_is_one_plain_sentence_with_its_name(kind: str, raw: bytes, tmp_path: Path) -> None:
    file = tmp_path / READERS[kind].name
    file.write_bytes(raw)

    with pytest.raises((plain.NotText, settings.SettingsError, CardsError)) as refused:
        READERS[kind].read(file)

    said = str(refused.value)
    assert file.name in said
    assert "plain text" in said
    assert "codec" not in said
    assert "\n" not in said


def test_a_rules_file_that_is_no_text_is_named(tmp_path: Path) -> None:
    (tmp_path / "rules.toml").write_bytes(b"\x80")

    said = [f"{problem}" for problem in check_rules(tmp_path)]

    assert any("rules.toml" in line and "plain text" in line for line in said), said


def test_a_secret_in_the_surroundings_has_no_mark_or_line_end_either(tmp_path: Path) -> None:
    file = tmp_path / "earshot.toml"
    file.write_text(_SETTINGS.replace('password = "pa£ss"\n', ""), "utf-8")

    read = settings.load(file, {"EARSHOT_MAIL_PASSWORD": "\ufeffpa£ss\r\n"})

    assert settings.load(file, {"EARSHOT_MAIL_PASSWORD": "pa£ss"}).mail.password == "pa£ss"
    assert read.mail.password == "pa£ss"


def _joined() -> Iterator[tuple[str, bytes]]:
    posts = [_post(number) for number in range(3)]
    for way, written in WAYS.items():
        yield way, written("\n".join(posts) + "\n")
    yield "joined of files with marks", b"".join(codecs.BOM_UTF8 + post.encode() + b"\n" for post in posts)


@pytest.mark.parametrize(("way", "raw"), [*_joined()])
def test_posts_are_read_line_by_line_however_they_were_left(way: str, raw: bytes, tmp_path: Path) -> None:
    (tmp_path / "posts.jsonl").write_bytes(raw)

    from_file = [json.loads(line) for line in plain.json_lines(plain.read_text(tmp_path / "posts.jsonl"))]
    handed = [json.loads(line) for line in map(plain.one_value, plain.read_lines(io.BytesIO(raw))) if line]

    assert from_file == handed == [json.loads(_post(number)) for number in range(3)]


@pytest.mark.parametrize(("way", "raw"), [*_joined()])
def test_score_judges_every_post_however_they_were_left(way: str, raw: bytes) -> None:
    done = CliRunner().invoke(main, ["score"], input=raw)

    assert done.exit_code == 0, done.output
    assert [json.loads(line)["id"] for line in done.output.splitlines()] == ["0", "1", "2"]
