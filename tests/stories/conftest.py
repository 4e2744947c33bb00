"""A house that has already taken in its past."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from monitor.testing import House, a_house

MakeHouse = Callable[..., House]


@pytest.fixture
def make_house(tmp_path: Path) -> Iterator[MakeHouse]:
    """Makes houses past their first run, with an empty letter box."""
    made: list[House] = []

    def make(*platforms: str, **tables: Any) -> House:
        folder = tmp_path / str(len(made))
        folder.mkdir()
        house = a_house(folder, *platforms, **tables)
        made.append(house)
        house.tick()
        house.fast_forward(minutes=2)
        house.mailer.letters.clear()
        return house

    yield make
    for house in made:
        house.app.close()
