"""Text files as people's editors leave them, and lines that every reader parts in the same places."""

from __future__ import annotations

import codecs
import json
import re
from collections.abc import Iterator
from pathlib import Path

_MARKS = (
    (codecs.BOM_UTF8, "utf-8-sig"),
    (codecs.BOM_UTF16_LE, "utf-16"),
    (codecs.BOM_UTF16_BE, "utf-16"),
)
"""Byte order marks, which some editors and shells put in front. As a part of a password nobody sees them."""

_PARTING = re.compile("[\x0b\x0c\x1c-\x1e\x85\u2028\u2029]")
"""What some readers take for the end of a line, though JSON may hold it within one."""


def read_text(path: Path) -> str:
    """A file in UTF-8, or in UTF-16 with its mark; no mark stays in the text. Raises OSError and
    ``UnicodeDecodeError``."""
    raw = path.read_bytes()
    encoding = next((name for mark, name in _MARKS if raw.startswith(mark)), "utf-8")
    return raw.decode(encoding)


def one_value(text: str) -> str:
    """A secret or an answer as it was meant: without the space and the marks around it."""
    return text.strip().strip("\ufeff").strip()


def json_lines(text: str) -> Iterator[str]:
    """The lines of a JSON Lines file that hold something. Only a line feed ends one: other signs that mean an end of
    line somewhere may stand within a post."""
    return (line for line in text.split("\n") if line.strip())


def json_line(value: object) -> str:
    """``value`` as one line of JSON, readable, that no reader parts in the middle."""
    line = _PARTING.sub(lambda sign: f"\\u{ord(sign[0]):04x}", json.dumps(value, ensure_ascii=False))
    try:
        line.encode("utf-8")
    except UnicodeEncodeError:  # a lone surrogate
        return json.dumps(value)
    return line
