"""Work in processes that may be killed: its answers, its deadline, and the end of the house."""

from __future__ import annotations

import threading
import time
from datetime import timedelta

import pytest

from connectors.errors import RateLimited
from monitor.workers import DeadlineExceeded, Interrupted, Workers, WorkFailed

pytestmark = pytest.mark.real
MINUTE = timedelta(minutes=1)


@pytest.fixture(scope="module")
def workers() -> Workers:
    return Workers()


def test_what_the_work_returns_comes_back(workers: Workers) -> None:
    assert workers.run(MINUTE, divmod, 17, 5) == (3, 2)


def test_our_own_errors_come_back_as_they_are(workers: Workers) -> None:
    with pytest.raises(RateLimited, match="wait"):
        workers.run(MINUTE, _refuse)


def test_a_fault_is_named_by_class_and_place_and_not_by_its_text(workers: Workers) -> None:
    with pytest.raises(WorkFailed, match=r"^ValueError in test_workers.py:\d+$"):
        workers.run(MINUTE, _break_down, "a stranger's words")


def test_work_that_takes_too_long_is_given_up(workers: Workers) -> None:
    with pytest.raises(DeadlineExceeded):
        workers.run(timedelta(seconds=0.3), time.sleep, 86_400)


def test_the_end_of_the_house_breaks_off_what_is_under_way() -> None:
    workers, met = Workers(), []

    def go() -> None:
        try:
            workers.run(MINUTE, time.sleep, 60)
        except Interrupted:
            met.append("interrupted")

    thread = threading.Thread(target=go)
    thread.start()
    until = time.monotonic() + 20
    while not workers._alive and time.monotonic() < until:
        time.sleep(0.02)

    workers.close()

    thread.join(10)
    assert met == ["interrupted"]


def _refuse() -> None:
    raise RateLimited("wait")


def _break_down(words: str) -> None:
    raise ValueError(words)
