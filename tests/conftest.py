"""What every test shares: closed sockets unless a test is marked ``real``, and a clock that stands still."""

from __future__ import annotations

import socket

import pytest


class SocketClosed(RuntimeError):
    """A test that is not marked ``real`` tried to use the network."""


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
