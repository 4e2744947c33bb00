"""A reply of a mail server as a noun: its numbers, and its words for comparing only."""

from __future__ import annotations

import re

from alerts.model import Refusal, Stage

_ENHANCED = re.compile(r"\A[\s#(\[]*+([245]\.\d{1,3}\.\d{1,3})(?!\.?\d)")


def as_refusal(stage: Stage, code: int, text: bytes | str) -> Refusal:
    """The reply to one verb; the enhanced code stands at the beginning of its words (RFC 2034)."""
    words = text.decode("utf-8", "replace") if isinstance(text, bytes) else text
    match = _ENHANCED.match(words)
    return Refusal(stage, code, match[1] if match else "", words[:1000])


def is_yes(code: int) -> bool:
    """Whether the server did what was asked: the first digit says so (RFC 5321, 4.2.1), whatever the others are."""
    return 200 <= code < 300
