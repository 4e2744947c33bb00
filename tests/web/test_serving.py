"""The pages served by the real server."""

from __future__ import annotations

import socket
import threading
from pathlib import Path
from typing import Any

import pytest
import requests
from house_pages import PagesHouse

from monitor.web import start_web
from monitor.web.serving import ROOM

pytestmark = pytest.mark.real


def test_the_pages_are_served_and_stop_though_a_connection_is_open(tmp_path: Path) -> None:
    house = PagesHouse(tmp_path, bind="127.0.0.1:0")
    pages = start_web(house.app)
    try:
        answer = requests.get(f"http://127.0.0.1:{pages.port}/publishing", timeout=5)
        assert (answer.status_code, answer.headers.get("Server")) == (200, None)
        idle = socket.create_connection(("127.0.0.1", pages.port))
    finally:
        pages.close()
    idle.close()
    house.close()
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


def test_idle_connections_do_not_stop_the_pages(tmp_path: Path) -> None:
    house = PagesHouse(tmp_path, bind="127.0.0.1:0")
    pages = start_web(house.app)
    held: list[socket.socket] = []
    try:
        for _ in range(2 * ROOM):
            held.append(socket.create_connection(("127.0.0.1", pages.port), timeout=30))
            held[-1].sendall(b"GET /publishing HTTP/1.1\r\n")  # half a request, and then nothing
        answer = requests.get(f"http://127.0.0.1:{pages.port}/publishing", timeout=30)
    finally:
        for connection in held:
            connection.close()
        pages.close()
        house.close()

    assert answer.status_code == 200


def test_a_connection_whose_request_is_under_way_is_not_let_go(tmp_path: Path) -> None:
    house = PagesHouse(tmp_path, bind="127.0.0.1:0")
    entered, go_on = threading.Event(), threading.Event()
    clock = house.app.clock

    def slow() -> Any:
        if threading.current_thread().name.startswith("waitress"):
            entered.set()
            go_on.wait(30)
        return clock()

    house.app.clock = slow
    pages = start_web(house.app)
    held: list[socket.socket] = []
    answers: list[int] = []
    asking = threading.Thread(
        target=lambda: answers.append(requests.get(f"http://127.0.0.1:{pages.port}/publishing", timeout=60).status_code)
    )
    try:
        asking.start()
        assert entered.wait(30)
        held += [socket.create_connection(("127.0.0.1", pages.port), timeout=30) for _ in range(ROOM + 50)]
        go_on.set()
        asking.join(60)
    finally:
        for connection in held:
            connection.close()
        pages.close()
        house.close()

    assert answers == [200]
