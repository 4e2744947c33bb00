"""Every regular expression of the house, and texts made of its own signs that would show a growth out of bounds."""

from __future__ import annotations

import ast
import importlib
import itertools
import pkgutil
import re
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from re import _constants as signs  # type: ignore[attr-defined]
from re import _parser as parser  # type: ignore[attr-defined]
from types import ModuleType
from typing import Any

SHORT, LONG = 500, 4_000
BOUND = 24.0
"""How much longer a text of eight times the length may take: 8 is a linear growth, 64 a quadratic one."""

NOTHING = 0.004
"""Seconds of computing for the long text under which no growth can be told from noise, nor hurt anybody."""


def modules() -> Iterator[ModuleType]:
    """Every module that reads what strangers write: not the stand-ins, nor what is over once it has run."""
    for top in ("monitor", "alerts", "connectors", "signs"):
        package = importlib.import_module(top)
        yield package
        for found in pkgutil.walk_packages(package.__path__, f"{top}."):
            if ".migrations" not in found.name and ".standins" not in found.name and found.name != "monitor.__main__":
                yield importlib.import_module(found.name)


def patterns() -> dict[str, re.Pattern[str]]:
    """Every pattern by where it stands: those that modules hold, and those that stand in a call."""
    found: dict[re.Pattern[str], str] = {}
    for module in modules():
        for name, value in vars(module).items():
            for pattern in _within(value):
                found.setdefault(pattern, f"{module.__name__}.{name}")
        for line, pattern in _in_calls(Path(str(module.__file__))):
            found.setdefault(pattern, f"{module.__name__}:{line}")
    return {f"{where} {pattern.pattern[:60]!r}": pattern for pattern, where in found.items()}


def _within(value: object, depth: int = 0) -> Iterator[re.Pattern[str]]:
    if isinstance(value, re.Pattern) and isinstance(value.pattern, str):
        yield value
    elif depth < 3 and isinstance(value, list | tuple | set | frozenset):
        for each in value:
            yield from _within(each, depth + 1)
    elif depth < 3 and isinstance(value, dict):
        for each in value.values():
            yield from _within(each, depth + 1)
    elif (
        depth < 2
        and isinstance(value, type)
        and value.__module__.startswith(("monitor", "alerts", "connectors", "signs"))
    ):
        for each in vars(value).values():
            yield from _within(each, depth + 1)


_ASKING = {"compile", "match", "fullmatch", "search", "sub", "subn", "split", "findall", "finditer"}


def _in_calls(file: Path) -> Iterator[tuple[int, re.Pattern[str]]]:
    for node in ast.walk(ast.parse(file.read_text("utf-8"))):
        if not (isinstance(node, ast.Call) and isinstance(node.func, ast.Attribute) and node.func.attr in _ASKING):
            continue
        if isinstance(node.func.value, ast.Name) and node.func.value.id == "re" and node.args:
            first = node.args[0]
            if isinstance(first, ast.Constant) and isinstance(first.value, str):
                yield node.lineno, re.compile(first.value)


# ── texts ───────────────────────────────────────────────────────────────────────────────────────────

_OF_A_KIND = {"DIGIT": "7", "NOT_DIGIT": "a", "SPACE": " ", "NOT_SPACE": "a", "WORD": "a", "NOT_WORD": "-"}


def own_signs(pattern: re.Pattern[str]) -> list[str]:
    """A sign for every place of a pattern, in the order in which they stand."""
    return list(dict.fromkeys(_signs(parser.parse(pattern.pattern, pattern.flags & ~re.DEBUG))))


def _signs(tree: Any) -> Iterator[str]:
    for kind, value in tree:
        match str(kind):
            case "LITERAL":
                yield chr(value)
            case "NOT_LITERAL":
                yield "a" if value != ord("a") else "b"
            case "ANY":
                yield "a"
            case "RANGE":
                yield from (chr(value[0]), chr(value[1]))
            case "CATEGORY":
                yield _OF_A_KIND.get(str(value).removeprefix("CATEGORY_"), "a")
            case "IN":
                is_all_but = value and value[0][0] is signs.NEGATE
                yield from "a b" if is_all_but else _signs(value)
            case "MAX_REPEAT" | "MIN_REPEAT" | "POSSESSIVE_REPEAT":
                yield from _signs(value[2])
            case "SUBPATTERN":
                yield from _signs(value[3])
            case "ATOMIC_GROUP":
                yield from _signs(value)
            case "ASSERT" | "ASSERT_NOT":
                yield from _signs(value[1])
            case "BRANCH":
                for branch in value[1]:
                    yield from _signs(branch)
            case "GROUPREF_EXISTS":
                yield from _signs(value[1])
            case _:
                continue


def hostile(pattern: re.Pattern[str], most: int = 8) -> Iterator[str]:
    """Short texts of a pattern's own signs; each is meant to be repeated."""
    own = own_signs(pattern)
    some = list(dict.fromkeys([*own[: most // 2], *own[-most // 2 :], "a", " "]))
    yield from some
    yield from (f"{one}{other}" for one, other in itertools.permutations(some, 2))
    yield "".join(own)[:60] + " "


# ── growth ──────────────────────────────────────────────────────────────────────────────────────────


def grows_too_fast(work: Callable[[str], object], unit: str, ends: tuple[str, ...] = ("\x00", "@ ")) -> str:
    """The text, in words, on which ``work`` takes out of all proportion longer the longer it is; empty for none."""
    for end in ends:
        short, long = (unit * (size // len(unit)) + end for size in (SHORT, LONG))
        if all(_is_steep(work, short, long) for _ in range(4)):  # a busy machine does not do so four times
            return f"{unit!r} again and again{f', then {end!r}' if end else ''}"
    return ""


def _is_steep(work: Callable[[str], object], short: str, long: str) -> bool:
    if (soon := _seconds(work, short)) > 0.2:
        return True
    slow = _seconds(work, long)
    return slow > NOTHING and slow > BOUND * max(soon, 1e-7)


def _seconds(work: Callable[[str], object], text: str) -> float:
    began = time.process_time()
    work(text)
    return time.process_time() - began


def every_way(pattern: re.Pattern[str]) -> Callable[[str], object]:
    """A pattern used in every way there is."""

    def work(text: str) -> None:
        for _ in pattern.finditer(text):
            pass
        pattern.fullmatch(text)

    return work
