"""Logs hold no secret and nobody's words, whoever writes them."""

from __future__ import annotations

import io
import json
import logging
from collections.abc import Iterator
from pathlib import Path

import pytest

from monitor import logs

SECRET = "s3cret-token-value"
SAYING = "The marmalade was stolen"


@pytest.fixture
def stream() -> Iterator[io.StringIO]:
    root = logging.getLogger()
    handlers, level = root.handlers[:], root.level
    yield io.StringIO()
    root.handlers[:], root.level = handlers, level
    for name in ("monitor", "connectors", "alerts"):
        logging.getLogger(name).setLevel(logging.NOTSET)


@pytest.mark.parametrize("words", [False, True])
def test_a_secret_is_blanked_wherever_it_turns_up(stream: io.StringIO, words: bool) -> None:
    logs.set_up([SECRET, "abc"], stream=stream, words=words)

    logging.getLogger("monitor.x").warning("asked with %s", SECRET, extra={"url": f"https://x?token={SECRET}"})

    assert SECRET not in stream.getvalue()
    assert "***" in stream.getvalue()


@pytest.mark.parametrize("words", [False, True])
def test_what_a_library_fills_into_its_message_is_left_out(stream: io.StringIO, words: bool) -> None:
    logs.set_up([], stream=stream, words=words)

    logging.getLogger("somelib").error("could not parse %s", SAYING)

    assert SAYING not in stream.getvalue()
    assert "could not parse" in stream.getvalue()


@pytest.mark.parametrize("words", [False, True])
def test_of_an_exception_only_classes_and_places_are_written(stream: io.StringIO, words: bool) -> None:
    logs.set_up([], stream=stream, words=words)
    try:
        raise ValueError(SAYING)
    except ValueError:
        logging.getLogger("monitor.x").exception("a mention broke")

    assert SAYING not in stream.getvalue()
    assert "ValueError" in stream.getvalue()
    assert "test_logs.py" in stream.getvalue()


def test_every_line_is_one_json_object_whatever_stands_in_it(stream: io.StringIO) -> None:
    logs.set_up([], stream=stream)

    logging.getLogger("monitor.x").info("two\nlines", extra={"odd": object(), "surrogate": "\ud800", "none": None})
    entry = json.loads(stream.getvalue())

    assert entry["what"] == "two\nlines"
    assert (entry["level"], entry["from"], entry["odd"]) == ("info", "monitor.x", "object")


def test_below_the_level_nothing_is_written(stream: io.StringIO) -> None:
    logs.set_up([], level="error", stream=stream)

    logging.getLogger("monitor.x").warning("chatter")
    logging.getLogger("tweepy").warning("chatter")

    assert stream.getvalue() == ""


def test_files_are_turned_over(tmp_path: Path) -> None:
    root = logging.getLogger()
    handlers, level = root.handlers[:], root.level
    try:
        logs.set_up([], folder=tmp_path / "logs")
        (handler,) = root.handlers
        assert (handler.maxBytes, handler.backupCount) == (10_000_000, 9)  # type: ignore[attr-defined]
        handler.close()
    finally:
        root.handlers[:], root.level = handlers, level
