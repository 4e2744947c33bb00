"""What we say to systemd, where it listens (``sd_notify``)."""

from __future__ import annotations

import contextlib
import os
import socket
import threading
from collections.abc import Iterator
from datetime import timedelta

EVERY = timedelta(seconds=15)
LONGER = timedelta(minutes=2)
"""How much more time is asked for, each ``EVERY``, while something takes long that is known to end by itself."""


def notify(state: str) -> None:
    """Tell systemd one thing, such as ``READY=1``."""
    address = os.environ.get("NOTIFY_SOCKET")
    if not address:
        return
    with contextlib.suppress(OSError), socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as channel:
        channel.connect("\0" + address[1:] if address.startswith("@") else address)
        channel.sendall(state.encode())


@contextlib.contextmanager
def taking_long(what: str, *, every: timedelta = EVERY) -> Iterator[threading.Event]:
    """Ask systemd for more time again and again, until the block ends or the event is set: a migration of a large
    database takes longer than ``TimeoutStartSec``, and killed in the middle it would begin again for ever."""
    done = threading.Event()

    def ask() -> None:
        while True:
            notify(f"EXTEND_TIMEOUT_USEC={LONGER // timedelta(microseconds=1)}\nSTATUS={what}")
            if done.wait(every.total_seconds()):
                return

    asking = threading.Thread(target=ask, name="taking long", daemon=True)
    asking.start()
    try:
        yield done
    finally:
        done.set()
        asking.join()
