"""A relative path leads to one place, whichever folder a command runs in; what lay elsewhere by the old rule is found."""

from __future__ import annotations

from pathlib import Path

import pytest

from monitor.keys import KEY
from monitor.store import place
from monitor.store.address import Address
from monitor.store.place import IDENTITY, Place, TwoPlaces

RELATIVE = Address.read("sqlite:///earshot.db")


class Machine:
    """A settings folder, a working folder, and perhaps a folder that systemd made."""

    def __init__(self, root: Path) -> None:
        self.settings = root / "etc" / "earshot.toml"
        self.here, self.state = root / "here", root / "state"
        for folder in (self.settings.parent, self.here, self.state):
            folder.mkdir()
        self.environ: dict[str, str] = {}

    def database(self, address: Address = RELATIVE) -> Place:
        found = place.of_database(address, self.settings, self.environ)
        assert found is not None
        return found


@pytest.fixture
def machine(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Machine:
    machine = Machine(tmp_path)
    monkeypatch.chdir(machine.here)
    return machine


def test_a_relative_path_counts_from_the_settings_file(machine: Machine) -> None:
    assert machine.database() == Place(machine.settings.parent / "earshot.db")


def test_under_systemd_it_counts_from_the_folder_that_systemd_made(machine: Machine) -> None:
    machine.environ["STATE_DIRECTORY"] = f"{machine.state}:/elsewhere"

    assert machine.database() == Place(machine.state / "earshot.db")


def test_a_whole_path_is_nobody_elses_business(machine: Machine) -> None:
    (machine.here / "earshot.db").write_text("something")
    whole = Address.of_file(machine.state / "earshot.db")

    assert machine.database(whole) == Place(machine.state / "earshot.db")


def test_what_lies_in_the_working_folder_is_found_and_noted_for_commands_elsewhere(
    machine: Machine, monkeypatch: pytest.MonkeyPatch
) -> None:
    (machine.here / "earshot.db").write_text("something")

    found = machine.database()
    place.write_down(found)

    assert found.path == machine.here / "earshot.db"
    assert machine.database() == Place(found.path)
    monkeypatch.chdir(machine.state)
    assert machine.database() == Place(found.path)


def test_what_was_noted_and_is_gone_is_missed_there_and_not_begun_elsewhere(machine: Machine) -> None:
    (machine.here / "earshot.db").write_text("something")
    place.write_down(machine.database())
    (machine.here / "earshot.db").unlink()

    assert machine.database() == Place(machine.here / "earshot.db")


@pytest.mark.parametrize("other", ["the proper place", "a place noted before"])
def test_two_stores_are_refused_with_both_paths(machine: Machine, other: str) -> None:
    second = machine.settings.parent / "earshot.db" if other == "the proper place" else machine.state / "earshot.db"
    second.write_text("something")
    if other == "a place noted before":
        (machine.settings.parent / "earshot.db.place").write_text(f"{second}\n")
    (machine.here / "earshot.db").write_text("something")

    with pytest.raises(TwoPlaces) as refused:
        machine.database()

    assert str(second) in str(refused.value)
    assert str(machine.here / "earshot.db") in str(refused.value)


def test_an_empty_file_is_no_store(machine: Machine) -> None:
    (machine.here / "earshot.db").touch()

    assert machine.database() == Place(machine.settings.parent / "earshot.db")


def test_a_store_that_is_known_and_gone_is_not_replaced_by_one_that_lies_about(machine: Machine) -> None:
    (machine.settings.parent / IDENTITY).write_text("{}")
    (machine.here / "earshot.db").write_text("something")

    with pytest.raises(TwoPlaces):
        machine.database()


def test_a_command_run_in_the_settings_folder_sees_one_store_not_two(
    machine: Machine, monkeypatch: pytest.MonkeyPatch
) -> None:
    (machine.settings.parent / "earshot.db").write_text("something")
    monkeypatch.chdir(machine.settings.parent)

    assert machine.database() == Place(machine.settings.parent / "earshot.db")


def test_a_working_folder_that_was_removed_is_no_hindrance(machine: Machine) -> None:
    machine.here.rmdir()

    assert machine.database() == Place(machine.settings.parent / "earshot.db")


def test_a_state_folder_is_found_by_the_same_rules(machine: Machine) -> None:
    assert place.of_state("state", machine.settings, {}).path == machine.settings.parent / "state"
    (machine.here / "state").mkdir()
    (machine.here / "state" / KEY).write_text("key")

    assert place.of_state("state", machine.settings, {}).path == machine.here / "state"


def test_a_servers_state_lies_beside_the_settings_where_it_has_always_lain(machine: Machine) -> None:
    made = {"STATE_DIRECTORY": str(machine.state)}
    assert place.of_server_state(machine.settings, {}) == machine.settings.parent
    assert place.of_server_state(machine.settings, made) == machine.state
    (machine.settings.parent / KEY).write_text("key")

    assert place.of_server_state(machine.settings, made) == machine.settings.parent
