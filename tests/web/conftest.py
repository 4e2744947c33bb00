"""A fresh house with pages for each test."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from house_pages import PagesHouse


@pytest.fixture
def house(tmp_path: Path) -> Iterator[PagesHouse]:
    made = PagesHouse(tmp_path)
    yield made
    made.close()
