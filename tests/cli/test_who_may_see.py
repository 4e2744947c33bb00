"""Every command of the tree, found by walking it: what is hidden from the operator appears to nobody at the command
line, and words that are not for the operator are printed and written nowhere.
"""

from __future__ import annotations

import re
import shutil
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click
import pytest
from house_pages import PagesHouse
from secrets_of import HANDLE, KINDS, LINK, SECRET, WORDS, add_secret, furnish

from monitor import actions, visibility
from monitor.cli import main
from monitor.store.tables import AuditRow, IncidentRow, LogRow, TakeoverRow

if TYPE_CHECKING:
    from conftest import Installation

pytestmark = pytest.mark.timeout(900)

ENDLESS = {"run", "demo"}
"""They do not end by themselves; what they show are the pages."""

OTHERWISE_HELD = {"poll", "connect", "db restore", "db backup", "db adopt"}
"""They ask a platform, want one in the settings, or handle the whole database, which whoever sits at it can read."""

HERE = "FOLDER"
VALUES = {
    "incident": (SECRET,), "who": (f"@{HANDLE}", WORDS["note"], WORDS["tip"], SECRET), "reason": ("A plain reason",),
    "by": ("Ade",), "text": ("A plain tip",), "link": ("https://leak.example/plain",), "name": ("Desk",),
    "scopes": ("incidents:read",), "out": (f"{HERE}/written",), "on_hold": ("films",), "head": ("1:0000000000000000",),
    "accept": ("1",), "file": (f"{HERE}/none.jsonl",),
}  # fmt: skip
"""What is said for each parameter, by its name in the tree."""


@dataclass(frozen=True)
class Asked:
    """One way to run a command."""

    path: tuple[str, ...]
    words: tuple[str, ...]

    def __str__(self) -> str:
        return " ".join((*self.path, *self.words))


def leaves(command: click.Command, path: tuple[str, ...] = ()) -> Iterator[tuple[tuple[str, ...], click.Command]]:
    if isinstance(command, click.Group):
        for name, child in command.commands.items():
            yield from leaves(child, (*path, name))
    else:
        yield path, command


def ways() -> Iterator[Asked]:
    """Each command with what it needs, with each of its options, and with each value that an option may have."""
    for path, command in leaves(main):
        if " ".join(path) in ENDLESS | OTHERWISE_HELD:
            continue
        arguments = [p for p in command.params if isinstance(p, click.Argument)]
        options = [p for p in command.params if isinstance(p, click.Option) and p.name not in {"config", "yes"}]
        needed = [word for o in options if o.required or o.name in {"reason", "text", "out"} for word in said(o)[0]]
        needed += ["--yes"] if any(p.name == "yes" for p in command.params) else []
        for given in said(*arguments[:1]) if arguments else [()]:
            yield Asked(path, (*given, *needed))
            for option in options:
                for words in said(option):
                    yield Asked(path, (*given, *needed, *words))


def said(*params: click.Parameter) -> list[tuple[str, ...]]:
    """The ways to say one parameter."""
    (param,) = params
    option = (param.opts[0],) if isinstance(param, click.Option) else ()
    if isinstance(param, click.Option) and param.is_flag:
        return [option]
    if isinstance(param.type, click.Choice):
        return [(*option, str(choice)) for choice in param.type.choices]
    assert param.name in VALUES, f"the walk does not know what to say for {param.name}"
    return [(*option, value) for value in VALUES[param.name]]


class World:
    """An installation with what is there in any case, and perhaps the secret."""

    def __init__(self, make: type[Installation], folder: Path, kind: str = "") -> None:
        folder.mkdir()
        self.folder, self.installation = folder, make(folder)
        store = {"url": f"sqlite:///{folder / 'earshot.db'}", "state_dir": str(folder)}
        self.installation.write(store=store)
        self.installation.begin()
        house = PagesHouse(folder, store=store["url"])
        furnish(house)
        if kind:
            add_secret(house, kind, proposal=kind in KINDS and not KINDS[kind].get("drill"))
        self.house = house

    def ask(self, asked: Asked) -> str:
        """What it prints and writes."""
        before = self.folder / "written"
        words = [word.replace(HERE, str(self.folder)) for word in asked.words]
        result = self.installation.run(*asked.path, *words)
        text = f"{result.exit_code}\n{result.output}"
        for file in sorted(before.rglob("*")) if before.is_dir() else [before] * before.exists():
            text += file.read_text("utf-8") if file.is_file() else ""
        shutil.rmtree(before, ignore_errors=True)
        before.unlink(missing_ok=True)
        return text.replace(str(self.folder), HERE)

    def state(self) -> list[Any]:
        """All rows of the incident."""
        with self.house.app.database.read() as session:
            rows = [
                *session.query(IncidentRow).filter_by(id=SECRET),
                *session.query(LogRow).filter_by(incident_id=SECRET).order_by(LogRow.id),
                *(turn for turn in session.query(TakeoverRow) if turn.facts.get("about") == SECRET),
            ]
            return [{c.name: getattr(row, c.name) for c in row.__table__.columns} for row in rows]


_ALTERS = (
    (re.compile(r"\b\d+:[0-9a-f]{16}\b"), "HEAD"),
    (re.compile(r"/a/[\w.~=-]{20,}"), "/a/LINK"),
    (re.compile(r"earshot_[\w-]+"), "TOKEN"),
    (re.compile(r"incident \w{8}\b"), "incident NEW"),
    (re.compile(r"\[\w{8}\]"), "[NEW]"),
    (re.compile(r"^\w{8}  ", re.M), "NEW  "),
    (re.compile(r'"id": "\w{8}"'), "NEW"),
    (re.compile(r"\d{4}-\d\d-\d\dT[\d:.+]+"), "WHEN"),
    (re.compile(r"\b\d+ GB\b"), "GB"),
    (re.compile(r"\b\d\d:\d\d\b"), "WHEN"),
    (re.compile(r"round-up \w{6}"), "ROUNDUP"),
    (re.compile(r"^ *FAULT  Mail that is owed does not leave as it should\.\n.*\n", re.M), ""),
    (re.compile(re.escape(SECRET)), "neverwas"),
)
"""What differs from house to house for no reason that says anything; and that some letter, to whomever and about
whatever, is late, which the doctor says as `/health` does."""


def plain(text: str) -> str:
    for pattern, instead in _ALTERS:
        text = pattern.sub(instead, text)
    return text


def test_every_parameter_of_the_tree_is_known_to_the_walk() -> None:
    asked = list(ways())

    assert {" ".join(path) for path, _ in leaves(main)} >= ENDLESS | OTHERWISE_HELD
    assert len({a.path for a in asked}) == len(list(leaves(main))) - len(ENDLESS | OTHERWISE_HELD)
    assert [a for a in asked if SECRET in a.words]


def test_what_is_hidden_from_the_operator_appears_to_no_command_and_is_changed_by_none(
    installation: Installation, tmp_path: Path
) -> None:
    without, with_it = (
        World(type(installation), tmp_path / "without"),
        World(type(installation), tmp_path / "with", "about the operator"),
    )
    before = with_it.state()
    for asked in ways():
        one, other = without.ask(asked), with_it.ask(asked)
        assert plain(other) == plain(one), str(asked)
        if asked.path[0] == "takeover" and SECRET not in asked.words:
            before = with_it.state()  # one that is begun anew on the CEO's word may be the one that was proposed
        assert with_it.state() == before, str(asked)


@pytest.mark.parametrize("kind", KINDS)
def test_no_command_gives_words_that_are_not_for_the_operator(
    installation: Installation, tmp_path: Path, kind: str
) -> None:
    world = World(type(installation), tmp_path / "house", kind)
    closed = {"safeguarding", "self-harm", "a tip"} | {
        k for k, changes in KINDS.items() if {*changes.get("spoken_of", ()), *changes.get("perhaps_of", ())}
    } - {"about a poster", "about the operator"}
    for asked in ways():
        text = world.ask(asked)
        for word in {*WORDS.values(), LINK, "Quokka"} if kind in closed else ():
            if word in asked.words or (
                kind == "about both" and word in {WORDS["note"], WORDS["register"], WORDS["takeover"]}
            ):
                continue  # what was asked for is echoed; what the operator wrote is theirs
            assert word not in text, f"{asked}: {word} of {kind}"


@pytest.mark.parametrize(("kind", "role"), [("about the CEO", "ceo"), ("about the Chair", "chair")])
def test_on_the_word_of_whom_it_speaks_nothing_is_done_to_it(
    installation: Installation, tmp_path: Path, kind: str, role: str
) -> None:
    world = World(type(installation), tmp_path / "house", kind)
    before = world.state()
    for asked in ways():
        roles = [after for word, after in zip(asked.words, asked.words[1:], strict=False) if word == "--role"]
        if SECRET in asked.words and (
            role in roles or (not roles and asked.path == ("acknowledge",) and role == "ceo")
        ):
            said_no = world.ask(asked)
            assert said_no.startswith("1\n"), str(asked)
            assert f"no incident {SECRET}" in said_no
            assert world.state() == before, str(asked)


def test_every_command_asks_the_one_question(
    installation: Installation, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    world = World(type(installation), tmp_path / "house", "ordinary")
    monkeypatch.setattr(visibility, "_DEEDS", {})
    before = world.state()
    for asked in ways():
        if SECRET in asked.words and asked.path[0] not in {"subject"}:
            world.ask(asked)
            assert world.state() == before, str(asked)


def test_who_is_named_on_the_command_line_is_never_the_actor_of_the_audit(
    installation: Installation, tmp_path: Path
) -> None:
    world = World(type(installation), tmp_path / "house", "ordinary")
    with world.house.app.database.read() as session:
        before = session.query(AuditRow).count()
    for asked in ways():
        forged = tuple("Rowan Ashdown (CEO)" if w == "Ade" else w for w in asked.words)
        world.ask(Asked(asked.path, forged))
    with world.house.app.database.read() as session:
        actors = {row.actor for row in session.query(AuditRow).order_by(AuditRow.id).offset(before)}
        rows = list(session.query(LogRow).where(LogRow.who != "Earshot"))

    assert actors <= {"Earshot"} | {actor for actor in actors if actor.startswith(actions.audit.AT_THE_SERVER)}
    assert "Somebody on the command line, who says to be Rowan Ashdown (CEO) (CEO)" in actors
    assert {row.who for row in rows} - {"Imogen Vale (Chair of trustees)", "Somebody of the team"} <= actors
