"""What systemd hears of us."""

from __future__ import annotations

import socket
from datetime import timedelta
from pathlib import Path

import pytest

from monitor.notify import notify, taking_long


@pytest.fixture
def systemd(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> socket.socket:
    listening = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
    listening.bind(str(tmp_path / "notify"))
    listening.settimeout(20)
    monkeypatch.setenv("NOTIFY_SOCKET", str(tmp_path / "notify"))
    return listening


def test_what_takes_long_asks_for_more_time_again_and_again(systemd: socket.socket) -> None:
    with systemd, taking_long("The database is brought up to date", every=timedelta(milliseconds=1)):
        heard = [systemd.recv(200).decode() for _ in range(3)]

    assert heard == ["EXTEND_TIMEOUT_USEC=120000000\nSTATUS=The database is brought up to date"] * 3


def test_it_asks_no_more_once_it_is_ready(systemd: socket.socket) -> None:
    with systemd, taking_long("Earshot starts", every=timedelta(days=1)) as ready:
        systemd.recv(200)
        ready.set()
        notify("READY=1")

        assert systemd.recv(200) == b"READY=1"


def test_without_systemd_nothing_is_said(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("NOTIFY_SOCKET", raising=False)

    with taking_long("Earshot starts"):
        notify("READY=1")
