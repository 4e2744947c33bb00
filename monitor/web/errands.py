"""What is done after the answer has left, so that the time which an answer takes tells nothing of what was found."""

from __future__ import annotations

import logging
import threading
from collections import OrderedDict
from collections.abc import Callable

log = logging.getLogger(__name__)

PAUSE = 0.5
"""Seconds in which errands gather: whoever asks again at once cannot measure the one before either."""

MOST = 10_000


class Errands:
    """Work that waits its turn in a thread of its own; the same errand twice is one. Safe between threads."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._running = threading.Lock()
        self._waiting: OrderedDict[str, Callable[[], object]] = OrderedDict()
        self._more = threading.Event()
        self._thread: threading.Thread | None = None

    def put(self, key: str, work: Callable[[], object]) -> None:
        """Do ``work`` soon."""
        with self._lock:
            if len(self._waiting) < MOST:
                self._waiting.setdefault(key, work)
            if self._thread is None:
                self._thread = threading.Thread(target=self._go, name="errands", daemon=True)
                self._thread.start()
        self._more.set()

    def finish(self) -> None:
        """Do all that waits, now. Returns when it is done."""
        with self._running:
            while work := self._next():
                try:
                    work()
                except Exception as error:  # bulkhead: a channel
                    log.error("an errand failed", extra={"error": type(error).__name__})

    def _next(self) -> Callable[[], object] | None:
        with self._lock:
            return self._waiting.popitem(last=False)[1] if self._waiting else None

    def _go(self) -> None:
        while True:
            self._more.wait()
            threading.Event().wait(PAUSE)
            self._more.clear()
            self.finish()
