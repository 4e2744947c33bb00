"""What every test shares: closed sockets unless a test is marked ``real``, and a clock that stands still."""

from __future__ import annotations

import logging
import socket
from collections.abc import Iterator

import hypothesis
import pytest

from monitor.logs import Blank, Lines

hypothesis.settings.register_profile("house", deadline=None)  # no test may depend on speed
hypothesis.settings.load_profile("house")

CANARIES = ("Sam Example", "sam_example", "person_1", "canary-", "quokkafeather", "page-token", "linkedin-token")
"""Strangers, their words and secrets of the tests' world: none may ever stand in a log line."""


class SocketClosed(RuntimeError):
    """A test that is not marked ``real`` tried to use the network."""


class _Canary(logging.Handler):
    """Reads every line that our loggers would write, in the form in which it is written."""

    def __init__(self) -> None:
        super().__init__()
        self.setFormatter(Lines(Blank(())))
        self.found: list[str] = []

    def emit(self, record: logging.LogRecord) -> None:
        line = self.format(record)
        self.found += [f"{canary!r} in {line}" for canary in CANARIES if canary in line]


@pytest.fixture(scope="session")
def _canary() -> _Canary:
    canary = _Canary()
    for name in ("monitor", "connectors", "alerts"):
        logging.getLogger(name).addHandler(canary)
    return canary


@pytest.fixture(autouse=True)
def _no_stranger_in_the_logs(_canary: _Canary) -> Iterator[None]:
    """No secret, handle or post text in any log line of the whole test run (issue bar)."""
    _canary.found.clear()
    yield
    assert _canary.found == []


@pytest.fixture(autouse=True)
def _no_sockets(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> None:
    """Only tests marked ``real`` may connect, and even those to this machine alone."""
    marks = {mark.name for mark in request.node.iter_markers()}
    allowed = bool(marks & {"real", "browser"})
    connect = socket.socket.connect

    def guarded(self: socket.socket, address: object) -> None:
        if self.family not in (socket.AF_INET, socket.AF_INET6):
            return connect(self, address)  # type: ignore[arg-type]
        host = str(address[0]) if isinstance(address, tuple) else str(address)
        if not allowed or host not in {"127.0.0.1", "localhost", "::1"}:
            raise SocketClosed(f"this test may not connect to {host}")
        return connect(self, address)  # type: ignore[arg-type]

    monkeypatch.setattr(socket.socket, "connect", guarded)
