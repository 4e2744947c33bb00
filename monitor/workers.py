"""Work that may hang is done in a process that may be killed: polls, mails, pictures.

The client libraries and ``smtplib`` know time-outs per read only; a server that drips a byte every half second
holds them for ever (reliability notes, 0.5). A total deadline can only be kept from outside. The processes are
forked from a server that has loaded the libraries once, so that one costs some ten milliseconds.
"""

from __future__ import annotations

import contextlib
import logging
import multiprocessing
import os
import signal
import sys
import threading
import traceback
from collections.abc import Callable, Iterable, Iterator
from datetime import timedelta
from multiprocessing.connection import Connection, wait
from pathlib import Path
from types import ModuleType
from typing import Any, ParamSpec, TypeVar

from alerts.model import DeliveryFailed
from connectors.errors import ConnectorError

P = ParamSpec("P")
T = TypeVar("T")
log = logging.getLogger(__name__)


class DeadlineExceeded(Exception):
    """The work was not done in time and its process was killed."""


class WorkFailed(Exception):
    """The work broke down for a reason that no class foresees. Names the error's class and the place, no text."""


class Interrupted(Exception):
    """The house is being closed: the work was broken off, and nobody knows how far it came."""


class Workers:
    """Runs functions in killable processes. Functions, arguments and results must be picklable."""

    def __init__(self, preload: Iterable[str] = ()) -> None:
        self._context = multiprocessing.get_context("forkserver")
        self._context.set_forkserver_preload(["monitor.workers", *preload])
        self._lock = threading.Lock()
        self._alive: set[int] = set()
        self._closing = threading.Event()

    def leave(self) -> None:
        """From now on a worker that ends without an answer was ended from outside, with us."""
        self._closing.set()

    def close(self) -> None:
        """Break off what is still under way: its callers meet ``Interrupted``."""
        self._closing.set()
        for number in tuple(self._alive):
            with contextlib.suppress(ProcessLookupError):
                os.kill(number, signal.SIGKILL)

    def run(self, deadline: timedelta, work: Callable[P, T], *args: P.args, **kwargs: P.kwargs) -> T:
        """What ``work`` returns or raises (our own error classes only).

        Raises ``DeadlineExceeded`` after ``deadline``, ``Interrupted`` while the house is being closed, and
        ``WorkFailed`` for everything unforeseen.
        """
        ours, theirs = self._context.Pipe(duplex=False)
        process = self._context.Process(target=_serve, args=(theirs, work, args, kwargs), daemon=True)
        with self._lock, _without_main():  # starting touches the fork server's shared state
            process.start()
        theirs.close()
        number = int(process.pid or 0)
        self._alive.add(number)
        try:
            if not ours.poll(deadline.total_seconds()):
                raise DeadlineExceeded(f"not done within {deadline.total_seconds():.0f} seconds")
            answer = ours.recv()
        except EOFError:
            if self._closing.wait(0.2):
                raise Interrupted from None
            raise WorkFailed("the worker process ended without an answer") from None
        finally:
            ours.close()
            self._alive.discard(number)
            process.join(0.2)
            if process.is_alive():
                process.kill()
                process.join(5)
            process.close()
        match answer:
            case ("done", value):
                return value  # type: ignore[no-any-return]
            case ("raised", ConnectorError() | DeliveryFailed() as error):
                raise error
            case _:
                raise WorkFailed(str(answer[1]))


@contextlib.contextmanager
def _without_main() -> Iterator[None]:
    """Keep a new process from running our command's file again, as ``multiprocessing`` has it: work is found by its
    module's name, and loading the command costs each worker time and the fork server memory."""
    main = sys.modules["__main__"]
    sys.modules["__main__"] = ModuleType("__main__")
    try:
        yield
    finally:
        sys.modules["__main__"] = main


class Inline:
    """The same in this very process, without a deadline: for tests and one-off commands."""

    def run(self, deadline: timedelta, work: Callable[P, T], *args: P.args, **kwargs: P.kwargs) -> T:
        """What ``work`` returns or raises."""
        del deadline
        return work(*args, **kwargs)


def _serve(answers: Connection, work: Callable[..., Any], args: tuple[Any, ...], kwargs: dict[str, Any]) -> None:
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C is the parent's to handle
    signal.signal(signal.SIGTERM, signal.SIG_DFL)
    threading.Thread(target=_end_with_the_house, daemon=True).start()
    with contextlib.suppress(BrokenPipeError):
        try:
            answers.send(("done", work(*args, **kwargs)))
        except (ConnectorError, DeliveryFailed) as error:
            answers.send(("raised", error))
        except Exception as error:
            answers.send(("broke", _place(error)))


def _end_with_the_house() -> None:
    """Nobody waits for the answer once the daemon is dead: its successor asks, and sends, anew."""
    house = multiprocessing.parent_process()
    if house is not None:
        wait([house.sentinel])
        os._exit(1)


def _place(error: BaseException) -> str:
    """The class and the last place of an error. Its text may hold a token or a post, so that stays out."""
    frames = traceback.extract_tb(error.__traceback__)
    last = frames[-1] if frames else None
    return f"{type(error).__name__} in {Path(last.filename).name}:{last.lineno}" if last else type(error).__name__
