"""A line to a server on this machine that a test can cut and mend, as a network does."""

from __future__ import annotations

import contextlib
import socket
import threading
from types import TracebackType


class Relay:
    """Listens on a port of its own and carries each connection on to a socket in the file system. ``cut`` ends all
    connections and answers nobody; ``mend`` listens on the same port again."""

    def __init__(self, target: str) -> None:
        self._target = target
        self._lock = threading.Lock()
        self._lines: set[socket.socket] = set()
        self._door = socket.create_server(("127.0.0.1", 0))
        self.port = int(self._door.getsockname()[1])

    def __enter__(self) -> Relay:
        self._listen()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self.cut()

    def cut(self) -> None:
        """End every connection; whoever comes now is refused."""
        with self._lock:
            _hang_up(self._door)
            lines, self._lines = self._lines, set()
        for line in lines:
            _hang_up(line)

    def mend(self) -> None:
        """Carry connections again."""
        self._door = socket.create_server(("127.0.0.1", self.port))
        self._listen()

    def _listen(self) -> None:
        threading.Thread(target=self._accept, args=(self._door,), name="relay", daemon=True).start()

    def _accept(self, door: socket.socket) -> None:
        with contextlib.suppress(OSError):
            while True:
                near, _ = door.accept()
                far = socket.socket(socket.AF_UNIX)
                far.connect(self._target)
                with self._lock:
                    is_cut = door.fileno() < 0
                    self._lines |= set() if is_cut else {near, far}
                if is_cut:
                    _hang_up(near)
                    _hang_up(far)
                    return
                for a, b in ((near, far), (far, near)):
                    threading.Thread(target=_carry, args=(a, b), daemon=True).start()


def _carry(source: socket.socket, target: socket.socket) -> None:
    with contextlib.suppress(OSError):
        while data := source.recv(65536):
            target.sendall(data)
    _hang_up(source)
    _hang_up(target)


def _hang_up(line: socket.socket) -> None:
    with contextlib.suppress(OSError):
        line.shutdown(socket.SHUT_RDWR)
    line.close()
