"""Text files as people's editors leave them, and lines that every reader parts in the same places."""

from __future__ import annotations

import codecs
import json
import re
from collections.abc import Iterator
from pathlib import Path
from typing import BinaryIO

_MARKS = (
    (codecs.BOM_UTF8, "utf-8-sig"),
    (codecs.BOM_UTF16_LE, "utf-16"),
    (codecs.BOM_UTF16_BE, "utf-16"),
)
"""Byte order marks, which some editors and shells put in front. As a part of a password nobody sees them."""

_PARTING = re.compile("[\x0b\x0c\x1c-\x1e\x85\u2028\u2029]")
"""What some readers take for the end of a line, though JSON may hold it within one."""


NOT_TEXT = "is not plain text in UTF-8 (save it as UTF-8)"


class NotText(ValueError):
    """A file is not plain text; the message is one plain sentence with its name."""


def read_text(path: Path, *, errors: str = "strict") -> str:
    """A file in UTF-8, or in UTF-16 with its mark; no mark stays in the text. Raises OSError and, unless ``errors`` is
    ``replace``, ``NotText``."""
    raw = path.read_bytes()
    try:
        return raw.decode(_encoding_of(raw), errors)
    except UnicodeDecodeError:
        raise NotText(f"{path.name} {NOT_TEXT}") from None


def read_lines(file: BinaryIO) -> Iterator[str]:
    """The lines of an open file, each as soon as it is there; what is not UTF-8 in one stays as lone surrogates. One in
    UTF-16 is read to its end first."""
    first = file.readline()
    if _encoding_of(first) == "utf-16":
        yield from (first + file.read()).decode("utf-16", "replace").split("\n")
        return
    yield first.removeprefix(codecs.BOM_UTF8).decode("utf-8", "surrogateescape")
    yield from (line.decode("utf-8", "surrogateescape") for line in file)


def _encoding_of(raw: bytes) -> str:
    return next((name for mark, name in _MARKS if raw.startswith(mark)), "utf-8")


def one_value(text: str) -> str:
    """A secret or an answer as it was meant: without the space and the marks around it."""
    return text.strip().strip("\ufeff").strip()


def json_lines(text: str) -> Iterator[str]:
    """The lines of a JSON Lines file that hold something, without marks where files were joined. Only a line feed ends
    one: other signs that mean an end of line somewhere may stand within a post."""
    return (line for line in map(one_value, text.split("\n")) if line)


def json_line(value: object) -> str:
    """``value`` as one line of JSON, readable, that no reader parts in the middle."""
    line = _PARTING.sub(lambda sign: f"\\u{ord(sign[0]):04x}", json.dumps(value, ensure_ascii=False))
    try:
        line.encode("utf-8")
    except UnicodeEncodeError:  # a lone surrogate
        return json.dumps(value)
    return line
