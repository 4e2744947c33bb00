"""A small model that has read more than the rules: levels, categories and the nearest labelled posts.

Two models read the same rendering of a post: a quantised transformer where ``onnxruntime`` is installed, and
a linear one in plain Python where it is not. Both are trained by ``training/train.py``; ``config/model/card.md``
says on what, and how well they do. Judging is pure: the same post gives the same reading, whatever was read
before or beside it.
"""

from __future__ import annotations

import hashlib
import importlib.util
import json
import logging
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal, Protocol

from connectors.model import Mention
from monitor.data import resource
from monitor.model import Category

log = logging.getLogger(__name__)

Which = Literal["auto", "transformer", "linear"]
Levels = tuple[float, float, float, float]


@dataclass(frozen=True, slots=True)
class Place:
    """Where a post lies: its vector (unit length), and the nearest shipped example with its likeness (cosine)."""

    vector: Any
    example: int = -1
    likeness: float = 0.0


@dataclass(frozen=True, slots=True)
class Reading:
    """What a model makes of a post.

    ``levels`` are the probabilities of routine, watch, alert and crisis, calibrated, summing to 1; ``categories``
    the probability of each category by itself; ``nearest`` says in short words what the nearest labelled posts
    were ("child left alone at the door"), nearest first, empty where none is near.
    """

    levels: Levels
    categories: dict[Category, float]
    nearest: tuple[str, ...] = ()
    place: Place | None = field(default=None, repr=False, compare=False)
    """Where it lies among other posts; None for a model without vectors. Never stored: it is read from the text."""


class Reader(Protocol):
    """A model that reads posts."""

    @property
    def name(self) -> str:
        """``transformer`` or ``linear``."""
        ...

    def read(self, posts: Sequence[Mention], names: Sequence[str]) -> list[Reading]:
        """A reading of each post, in order. ``names`` are those of the organisation: name, aliases, handles."""
        ...


class ModelRefused(Exception):
    """A model file is missing, or is not the file that was shipped; the message names it and says what to do."""


def load(which: Which = "auto", folder: Path | None = None) -> Reader | None:
    """The reader asked for, or the linear one where the transformer cannot run, or None where neither can.

    ``auto`` takes the transformer when ``onnxruntime`` is installed. A file that is not the one shipped is
    refused with a warning that names it. ``folder`` is ``config/model`` unless a test says otherwise.
    """
    try:
        place = folder or resource("model")
    except FileNotFoundError:
        log.warning("the learned scorer is missing: config/model is not there; install Earshot again")
        return None
    if which != "linear" and _can_run_transformer(which):
        try:
            return _transformer(place)
        except ModelRefused as refused:
            log.warning("%s; judging with the linear model instead", refused)
    try:
        return _linear(place)
    except ModelRefused as refused:
        log.warning("%s; judging by rules alone", refused)
        return None


def shipped(folder: Path, name: str) -> bytes:
    """The file ``name`` of ``folder``, checked against ``SHA256SUMS``. Raises ModelRefused."""
    try:
        sums = (folder / "SHA256SUMS").read_text("ascii").splitlines()
        data = (folder / name).read_bytes()
    except (OSError, ValueError) as error:
        what = type(error).__name__
        raise ModelRefused(f"model file {name} cannot be read ({what}); install Earshot again") from None
    if f"{hashlib.sha256(data).hexdigest()}  {name}" not in sums:
        raise ModelRefused(f"model file {name} is not the one that was shipped (its SHA-256 differs); install again")
    return data


def identity(folder: Path | None = None) -> str:
    """Names the shipped model: another training has another name. Empty where there is none."""
    try:
        sums = ((folder or resource("model")) / "SHA256SUMS").read_bytes()
    except (OSError, FileNotFoundError):
        return ""
    return hashlib.sha256(sums).hexdigest()[:16]


def numbers(folder: Path) -> dict[str, Any]:
    """The temperatures, shares and shapes that go with the weights. Raises ModelRefused."""
    found: dict[str, Any] = json.loads(shipped(folder, "numbers.json"))
    return found


def _can_run_transformer(which: Which) -> bool:
    if importlib.util.find_spec("onnxruntime") is not None and importlib.util.find_spec("numpy") is not None:
        return True
    if which == "transformer":
        log.warning('the transformer needs onnxruntime (pip install "earshot[model]"); judging with the linear model')
    return False


def _transformer(folder: Path) -> Reader:
    from monitor.scoring.transformer import load_transformer

    return load_transformer(folder)


def _linear(folder: Path) -> Reader:
    from monitor.scoring.linear import load_linear

    return load_linear(folder)
