"""A settings file that cannot be used at the start: somebody is told, once an hour at most, and nothing is given away."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from bare_house import BareHouse, bare_house
from town import CEO, OPERATOR, eventually

pytestmark = pytest.mark.real

SECRET = "quokkafeather-written-into-the-wrong-place"


@pytest.fixture
def house(tmp_path: Path) -> Iterator[BareHouse]:
    with bare_house(tmp_path) as house:
        yield house


def _broken(house: BareHouse) -> None:
    with house.earshot.config.open("a") as file:
        file.write(f'\n[alerts]\ndeaf_after = "{SECRET}"\n')


def _rubbish(house: BareHouse) -> None:
    house.earshot.config.write_bytes(b"\xff\xfe\x00 rubbish")


def _away(house: BareHouse) -> None:
    house.earshot.config.unlink()


def _text(house: BareHouse) -> str:
    part = house.box.letters[-1].message.get_body(("plain",))
    assert part is not None
    return " ".join(part.get_content().split())


@pytest.mark.parametrize("harm", [_broken, _rubbish, _away])
def test_it_is_told_once_though_the_start_is_tried_again_and_the_file_changes(harm: object, house: BareHouse) -> None:
    assert callable(harm)
    house.begin()
    good = house.earshot.config.read_bytes()
    harm(house)

    house.earshot.start()
    house.wait_until_told()
    assert house.earshot.process is not None
    code = house.earshot.process.wait(60)
    words = _text(house)
    letters = len(house.box.letters)
    house.earshot.config.write_text("still not right")
    house.earshot.start()
    again = house.earshot.process.wait(60)

    assert (code, again) == (2, 2), house.earshot.words()
    assert len(house.box.letters) == letters
    assert "Its settings file cannot be used." in words
    assert "earshot config check" in words
    assert SECRET not in words + house.earshot.words()
    house.earshot.config.write_bytes(good)
    house.run()


def test_it_is_told_at_the_very_first_start_by_what_the_file_still_says(house: BareHouse) -> None:
    _broken(house)

    house.earshot.start()

    house.wait_until_told()
    assert all("cannot start" in subject for subject in house.subjects())


def test_where_nothing_remembers_that_they_were_told_it_stays_unwell_and_goes_on_when_mended(tmp_path: Path) -> None:
    (tmp_path / "taken").write_text("a file where the folder should be")
    store = {"url": f"sqlite:///{tmp_path / 'earshot.db'}", "state_dir": str(tmp_path / "taken" / "state")}
    with bare_house(tmp_path, store=store) as house:
        good = house.earshot.config.read_bytes()
        _broken(house)
        house.earshot.start()
        house.wait_until_told()
        eventually(lambda: house.health()[0] == 503, 60, "the pages to say so")
        assert house.health()[1]["problems"] == ["Earshot cannot start"]
        told = len(house.box.letters)

        (tmp_path / "taken").unlink()
        house.earshot.config.write_bytes(good)
        eventually(lambda: house.health()[0] == 200, 60, "it to start by itself")

        assert len([s for s in house.subjects() if "cannot start" in s]) == told == 2
        assert house.earshot.end()[0] == 0


def test_who_became_ceo_while_it_ran_is_told_at_the_next_start(house: BareHouse) -> None:
    house.run()
    config = house.earshot.config
    config.write_text(config.read_text().replace(CEO, "robin@tessellateuk.example"))
    sealed = house.state / "settings.sealed"
    before = sealed.read_bytes()
    eventually(lambda: sealed.read_bytes() != before, 100, "the change to be remembered")
    house.earshot.end()
    house.forget_letters()
    _away(house)

    house.earshot.start()

    eventually(lambda: house.told() >= {"robin@tessellateuk.example", OPERATOR}, 60, "the new CEO to be told")
    assert CEO not in house.told()
