"""The pages served by the real server."""

from __future__ import annotations

import socket
import time
from pathlib import Path

import pytest
import requests
from house_pages import PagesHouse

from monitor.web import start_web

pytestmark = pytest.mark.real


def test_the_pages_are_served_and_stop_within_seconds(tmp_path: Path) -> None:
    house = PagesHouse(tmp_path, bind="127.0.0.1:0")
    pages = start_web(house.app)
    try:
        answer = requests.get(f"http://127.0.0.1:{pages.port}/publishing", timeout=5)
        assert (answer.status_code, answer.headers.get("Server")) == (200, None)
        idle = socket.create_connection(("127.0.0.1", pages.port))
    finally:
        began = time.monotonic()
        pages.close()
    idle.close()
    house.close()
    assert time.monotonic() - began < 4
    with pytest.raises(requests.ConnectionError):
        requests.get(f"http://127.0.0.1:{pages.port}/publishing", timeout=2)


def test_a_port_that_is_taken_is_said_at_once(tmp_path: Path) -> None:
    house = PagesHouse(tmp_path, bind="127.0.0.1:0")
    pages = start_web(house.app)
    try:
        taken = (
            PagesHouse(tmp_path / "other", bind=f"127.0.0.1:{pages.port}")
            if (tmp_path / "other").mkdir() is None
            else house
        )
        with pytest.raises(OSError):
            start_web(taken.app)
        taken.close()
    finally:
        pages.close()
        house.close()
