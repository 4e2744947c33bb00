"""Commands and the store: who only asks makes none, who writes says so, and what lies elsewhere is refused."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING

import click
import pytest

from monitor.cli import NO, OK, UNREACHABLE, WRONG, main
from monitor.settings import load

if TYPE_CHECKING:
    from conftest import Installation

ASKING = [
    ["incidents"], ["incidents", "--json"], ["takeover", "status"], ["digest", "preview", "--out", "d.html"],
    ["subject", "find", "x"], ["subject", "export", "x"], ["forget"], ["db", "backup", "b"], ["audit", "verify"],
    ["tune"],
]  # fmt: skip


def _files(folder: Path) -> list[str]:
    return sorted(path.name for path in folder.iterdir())


@pytest.mark.parametrize("words", ASKING, ids=" ".join)
def test_a_command_that_only_asks_makes_no_store_and_says_where_it_looked(
    words: list[str], installation: Installation, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(installation.folder)
    before = _files(installation.folder)

    result = installation.run(*words)

    assert result.exit_code == UNREACHABLE
    assert f"There is no database at {installation.folder / 'earshot.db'}" in result.output
    assert _files(installation.folder) == before


@pytest.mark.parametrize("words", [*ASKING, ["doctor", "--offline"], ["tip", "--text", "x"]], ids=" ".join)
def test_a_store_that_is_gone_is_missed_by_every_command(words: list[str], installation: Installation) -> None:
    installation.begin()
    (installation.folder / "earshot.db").unlink()

    result = installation.run(*words)

    assert result.exit_code == UNREACHABLE
    assert "there was one" in result.output
    assert not (installation.folder / "earshot.db").exists()


def test_the_doctor_looks_round_before_the_first_start_and_leaves_nothing_behind(installation: Installation) -> None:
    installation.write(connectors__x={"bearer_token": "tokentokentoken"})
    before = _files(installation.folder)

    result = installation.run("doctor", "--offline")

    assert result.exit_code == OK
    assert "There is no database" in result.output
    assert "The first start makes it" in result.output
    assert "All is well." in result.output
    assert _files(installation.folder) == before


def test_a_command_that_writes_says_that_it_begins_a_store_and_that_nobody_is_told_yet(
    installation: Installation,
) -> None:
    first = installation.run("tip", "--text", "A volunteer is being threatened")

    assert first.exit_code == OK
    assert f"There was no database: a new one was begun ({installation.folder / 'earshot.db'})" in first.output
    assert "Earshot does not run: no mail leaves" in first.output
    assert "There was no database" not in installation.run("tip", "--text", "Another one").output


def test_what_lies_there_is_adopted_when_a_person_says_so(installation: Installation, tmp_path: Path) -> None:
    installation.begin()
    installation.run("tip", "--text", "A volunteer is being threatened")
    shutil.copyfile(installation.folder / "earshot.db", tmp_path / "copy")
    (installation.folder / "earshot.db").unlink()
    assert installation.run("incidents").exit_code == UNREACHABLE

    anew = installation.run("db", "adopt", "--yes")

    assert anew.exit_code == OK
    assert "A new database was begun." in anew.output
    assert "No open incident." in installation.run("incidents").output
    shutil.copyfile(tmp_path / "copy", installation.folder / "earshot.db")
    assert installation.run("incidents").exit_code == UNREACHABLE
    assert "is used from now on" in installation.run("db", "adopt", "--yes").output
    assert "No open incident." not in installation.run("incidents").output


def test_a_lost_install_key_is_not_replaced_in_passing(installation: Installation) -> None:
    installation.begin()
    installation.run("tip", "--text", "A volunteer is being threatened")
    (installation.folder / "install.key").unlink()

    result = installation.run("incidents")

    assert result.exit_code == UNREACHABLE
    assert "install key" in result.output
    assert not (installation.folder / "install.key").exists()


def _writing() -> list[tuple[str, ...]]:
    """Every command that writes where it is told to, from the command tree, as far as its OUT."""
    values = {"who": "Rowan Ashdown"}

    def walk(command: click.Command, path: tuple[str, ...]) -> Iterator[tuple[str, ...]]:
        if isinstance(command, click.Group):
            for name, each in command.commands.items():
                yield from walk(each, (*path, name))
        for param in command.params:
            if isinstance(param.type, click.Path) and param.name != "config" and not param.type.exists:
                others = [
                    values[p.name or ""] for p in command.params if isinstance(p, click.Argument) and p is not param
                ]
                yield (*path, *others, *(["--out"] if isinstance(param, click.Option) else []))

    return list(walk(main, ()))


MAIL = {"host": "127.0.0.1", "security": "none", "from": "earshot@tessellateuk.example", "username": "e"}

OWN = [
    "earshot.db", "earshot.db-wal", "earshot.db-shm", "earshot.db-journal", "earshot.toml", "install.key",
    "store.identity", "erasures.journal", "told.json", "earshot.lock", "secrets/mail", "ca.pem", "earshot.db.place",
    "./sub/../earshot.db", "a-symlink", "a-second-name",
]  # fmt: skip


def test_the_commands_that_write_where_they_are_told_to_are_found() -> None:
    assert [words[:2] for words in _writing()] == [("digest", "preview"), ("subject", "export"), ("db", "backup")]


@pytest.mark.parametrize("own", OWN)
@pytest.mark.parametrize("words", _writing(), ids=" ".join)
def test_no_command_writes_over_what_is_earshots_own(
    words: tuple[str, ...], own: str, installation: Installation
) -> None:
    folder = installation.folder
    (folder / "secrets").mkdir()
    (folder / "sub").mkdir()
    for name in ("secrets/mail", "ca.pem"):
        (folder / name).write_text("a-secret-of-ours")
    installation.write(mail={**MAIL, "password_file": "secrets/mail", "ca_file": "ca.pem"})
    installation.begin()
    (folder / "a-symlink").symlink_to("earshot.toml")
    (folder / "a-second-name").hardlink_to(folder / "install.key")
    before = _contents(folder)

    result = installation.run(*words, str(folder / own))

    assert result.exit_code == NO
    assert "is Earshot's own file. Nothing was written" in result.output
    assert _contents(folder) == before


def test_the_files_beside_what_was_named_are_not_earshots_own_either(installation: Installation) -> None:
    folder = installation.folder
    (folder / "mail.txt").write_text("a-secret-of-ours")
    (folder / "out").mkdir()
    (folder / "out" / "subject.json").symlink_to("../earshot.toml")
    installation.write(mail={**MAIL, "password_file": "mail.txt"})
    installation.begin()
    before = _contents(folder)

    preview = installation.run("digest", "preview", "--out", str(folder / "mail.html"))
    export = installation.run("subject", "export", "Rowan Ashdown", "--out", str(folder / "out"))

    assert (preview.exit_code, export.exit_code) == (NO, NO)
    assert _contents(folder) == before


def _contents(folder: Path) -> dict[str, bytes]:
    """What every file holds, but for SQLite's own bookkeeping beside its file."""
    files = [f for f in folder.rglob("*") if f.is_file() and not f.name.endswith(("-wal", "-shm"))]
    return {str(f.relative_to(folder)): f.read_bytes() for f in files}


@pytest.mark.parametrize("name", ["a b.db", "a%20b.db", "100%.db", "what?.db", "a#b.db", "née.db"])
def test_a_store_of_any_name_is_made_backed_up_restored_and_looked_at(name: str, installation: Installation) -> None:
    from monitor.store.address import Address

    file = installation.folder / "state" / name
    installation.write(store={"url": Address.of_file(file).text})
    installation.run("db", "upgrade")
    installation.run("tip", "--text", "A volunteer is being threatened")
    backup = installation.folder / f"{name}?.backup"

    assert installation.run("db", "backup", str(backup)).exit_code == OK
    assert installation.run("db", "restore", str(backup), "--yes").exit_code == OK
    assert installation.run("doctor", "--offline").exit_code in {OK, NO}
    erased = installation.run("subject", "erase", "somebody at all", "--yes")

    assert erased.exit_code in {OK, NO}
    assert {path.name for path in file.parent.iterdir()} >= {name, "install.key", "store.identity"}
    assert not [p for p in installation.folder.iterdir() if p.name not in {"state", "earshot.toml", backup.name}]


@pytest.mark.parametrize(
    "url", ["sqlite:///:memory:", "sqlite://", "sqlite:///e.db?mode=memory", "sqlite:///file:e.db"]
)
def test_an_address_that_keeps_nothing_is_refused_everywhere(url: str, installation: Installation) -> None:
    installation.write(store={"url": url})
    before = _files(installation.folder)

    for words in (["config", "check"], ["run"], ["doctor"], ["db", "backup", "b"], ["db", "upgrade"]):
        result = installation.run(*words)
        assert result.exit_code == WRONG
        assert "store: expected url" in result.output

    assert [name for name in _files(installation.folder) if name != "told.json"] == before


def test_a_home_folder_is_meant_everywhere(installation: Installation, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HOME", str(installation.folder / "home"))
    installation.write(store={"url": "sqlite:///~/earshot.db"})

    installation.begin()

    assert (installation.folder / "home" / "earshot.db").exists()
    assert load(installation.config).state_dir == installation.folder / "home"
    assert installation.run("db", "backup", str(installation.folder / "b")).exit_code == OK


def test_a_mark_in_front_of_settings_and_secrets_is_no_part_of_them(installation: Installation) -> None:
    text = installation.config.read_text("utf-8").replace('security = "none"', 'security = "none"\nusername = "u"\npassword_file = "secret"')  # fmt: skip
    installation.config.write_text(text, "utf-8-sig")
    (installation.folder / "secret").write_text("a password\r\n", "utf-8-sig")

    assert installation.run("config", "check").exit_code == OK
    assert load(installation.config, {}).mail.password == "a password"


def test_posts_with_a_mark_in_front_and_odd_ends_of_line_within_are_judged_in_order(installation: Installation) -> None:
    rows = [
        f'{{"id": "{n}\u2028\x85", "platform": "facebook", "kind": "comment", "text": "one\u2028two"}}' for n in (1, 2)
    ]
    text = "\ufeff" + "\n".join(rows) + "\n"

    scored = installation.run("score", "--config", str(installation.config), stdin=text)
    labelled = installation.folder / "posts.jsonl"
    labelled.write_text(text.replace('"text"', '"expected": {"severity": 0, "categories": []}, "text"'), "utf-8")
    measured = installation.run("evaluate", str(labelled), "--config", str(installation.config))

    assert scored.exit_code == OK
    assert len(scored.output.splitlines()) == 2
    assert "error" not in scored.output
    assert measured.exit_code == OK, measured.output


@pytest.mark.parametrize("how", ["another folder in the settings", "a link to a disk that is away"])
def test_a_store_is_not_begun_beside_one_that_is_remembered(installation: Installation, how: str) -> None:
    installation.begin()
    file = installation.folder / "earshot.db"
    away = installation.folder / "away" / "earshot.db"
    if how == "another folder in the settings":
        installation.write(store={"url": f"sqlite:///{away}"})
    else:
        file.unlink()
        file.symlink_to(away)

    refused = installation.run("tip", "--text", "A volunteer is being threatened")

    assert refused.exit_code == UNREACHABLE
    assert str(away) in refused.output
    assert f"{installation.folder} belongs to one" in refused.output
    assert not away.exists()
    assert installation.run("db", "adopt", "--yes").exit_code == OK
    assert installation.run("tip", "--text", "A volunteer is being threatened").exit_code == OK
