"""Cross-validation: what models say of posts whose authors and situations they have not seen, and its figures."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path

import linear
import numpy as np
from measures import area, figures, levels_at, shown, softmax, temperature_of
from posts import CATEGORIES, Labelled, folds
from tokens import as_read

OUTPUTS = 4 + len(CATEGORIES)
SHARES = (0.5, 0.6, 0.7, 0.8, 0.9)


def linear_outputs(posts: Sequence[Labelled], count: int) -> np.ndarray:
    """The outputs for each post of a linear model that has seen neither its author nor its situation."""
    texts = [as_read(post) for post in posts]
    fold = np.array(folds(posts, count))
    outputs = np.zeros((len(posts), OUTPUTS))
    for number in range(count):
        known, held = np.flatnonzero(fold != number), np.flatnonzero(fold == number)
        model = linear.train([posts[i] for i in known], [texts[i] for i in known])
        outputs[held] = model.logits([texts[i] for i in held])
    return outputs


def write_outputs(path: Path, posts: Sequence[Labelled], outputs: np.ndarray) -> None:
    """Keep the raw outputs for ``posts``, one row each."""
    with path.open("w", encoding="utf-8") as out:
        for post, row in zip(posts, outputs, strict=True):
            out.write(json.dumps({"id": post.id, "outputs": [round(float(x), 4) for x in row]}) + "\n")


def read_outputs(paths: Sequence[Path], posts: Sequence[Labelled]) -> np.ndarray:
    """The outputs kept in ``paths``, in the order of ``posts``. Raises KeyError when a post has none."""
    rows = [json.loads(line) for path in paths for line in path.read_text("utf-8").splitlines()]
    found = {row["id"]: row["outputs"] for row in rows}
    return np.array([found[post.id] for post in posts])


def joined(own: np.ndarray, other: np.ndarray, share: float) -> np.ndarray:
    """Log probabilities of two readings' geometric mean, not yet brought to a sum of 1: what the run time does."""
    return np.asarray(share * logs(own) + (1.0 - share) * logs(other))


def logs(p: np.ndarray) -> np.ndarray:
    """Logarithms with a floor, as at run time."""
    return np.log(np.maximum(p, 1e-6))


def best_share(own: np.ndarray, other: np.ndarray, right: np.ndarray) -> float:
    """The share of the transformer at which the joint word separates alerts from the rest best."""

    def separation(share: float) -> float:
        p = softmax(joined(own, other, share))
        return area(p[:, 2] + p[:, 3], right >= 2)

    return max(SHARES, key=separation)


def report(name: str, posts: Sequence[Labelled], p: np.ndarray) -> dict[str, float]:
    """Print and return the figures of calibrated probabilities ``p``: area, and the bars at a half."""
    right = np.array([post.severity for post in posts])
    numbers = {"area": area(p[:, 2] + p[:, 3], right >= 2)}
    numbers |= figures(list(levels_at(p, 0.5, 0.5)), list(right))
    print(f"{name}: {len(posts)} posts, {shown(numbers)}", flush=True)
    return numbers


def write_readings(path: Path, posts: Sequence[Labelled], levels: np.ndarray, chances: np.ndarray) -> None:
    """Keep each post's cross-validated reading, for tuning how rules and model are joined."""
    with path.open("w", encoding="utf-8") as out:
        for post, level, chance in zip(posts, levels, chances, strict=True):
            named = {c.value: round(float(x), 4) for c, x in zip(CATEGORIES, chance, strict=True)}
            row = {"id": post.id, "levels": [round(float(x), 5) for x in level], "categories": named}
            out.write(json.dumps(row) + "\n")


def temperature(outputs: np.ndarray, posts: Sequence[Labelled]) -> float:
    """The temperature at which the levels of ``outputs`` are calibrated on ``posts``."""
    return temperature_of(outputs[:, :4], np.array([post.severity for post in posts]))


def chances(outputs: np.ndarray) -> np.ndarray:
    """The probabilities of the categories."""
    return np.asarray(1 / (1 + np.exp(-outputs[:, 4:])))
