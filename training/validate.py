"""What models say of posts whose authors they have not seen: kept, calibrated, joined, in figures."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path

import numpy as np
from measures import area, figures, levels_at, shown, softmax, temperature_of
from posts import Labelled

SHARES = (0.5, 0.6, 0.7, 0.8, 0.9, 1.0)
NATURAL = (0.74, 0.12, 0.09, 0.05)
"""How often each level is met in an ordinary month (author W)."""


def write_outputs(path: Path, posts: Sequence[Labelled], outputs: np.ndarray) -> None:
    """Keep the raw outputs for ``posts``, one row each."""
    with path.open("w", encoding="utf-8") as out:
        for post, row in zip(posts, outputs, strict=True):
            out.write(json.dumps({"id": post.id, "outputs": [round(float(x), 4) for x in row]}) + "\n")


def read_outputs(paths: Sequence[Path], posts: Sequence[Labelled]) -> np.ndarray:
    """The outputs kept in ``paths``, in the order of ``posts``. Raises KeyError when a post has none."""
    rows = [json.loads(line) for path in paths for line in path.read_text("utf-8").split("\n") if line]
    found = {row["id"]: row["outputs"] for row in rows}
    return np.array([found[post.id] for post in posts])


def joined(own: np.ndarray, other: np.ndarray, share: float) -> np.ndarray:
    """Log probabilities of two readings' geometric mean, not yet brought to a sum of 1: what the run time does."""
    return np.asarray(share * logs(own) + (1.0 - share) * logs(other))


def logs(p: np.ndarray) -> np.ndarray:
    """Logarithms with a floor, as at run time."""
    return np.log(np.maximum(p, 1e-6))


def best_share(own: np.ndarray, other: np.ndarray, posts: Sequence[Labelled]) -> float:
    """The share of the transformer at which the joint word separates alerts from the rest best."""

    def separation(share: float) -> float:
        p = softmax(joined(own, other, share))
        found = area(p[:, 2] + p[:, 3], right_of(posts) >= 2)
        print(f"share {share}: area {found:.4f}", flush=True)
        return found

    return max(SHARES, key=separation)


def right_of(posts: Sequence[Labelled]) -> np.ndarray:
    """The level of each post."""
    return np.array([post.severity for post in posts])


def natural(posts: Sequence[Labelled]) -> np.ndarray:
    """A weight for each post, with which each level counts as much as in an ordinary month."""
    right = right_of(posts)
    met = np.bincount(right, minlength=4) / len(right)
    return np.array([NATURAL[level] / met[level] for level in right])


def by_author(name: str, posts: Sequence[Labelled], p: np.ndarray) -> dict[str, float]:
    """Print the figures on all of ``posts``, and author by author; returns the areas."""
    sources = np.array([post.source for post in posts])
    areas = {"all": report(f"{name}, held out", posts, p)["area"]}
    for source in sorted(set(sources)):
        kept = np.flatnonzero(sources == source)
        areas[source] = report(f"{name}, {source}", [posts[i] for i in kept], p[kept])["area"]
    return areas


def report(name: str, posts: Sequence[Labelled], p: np.ndarray) -> dict[str, float]:
    """Print and return the figures of calibrated probabilities ``p``: area, and the bars at a half."""
    right = right_of(posts)
    numbers = {"area": area(p[:, 2] + p[:, 3], right >= 2)}
    numbers |= figures(list(levels_at(p, 0.5, 0.5)), list(right))
    print(f"{name}: {len(posts)} posts, {shown(numbers)}", flush=True)
    return numbers


def temperature(outputs: np.ndarray, posts: Sequence[Labelled]) -> float:
    """The temperature at which the levels of ``outputs`` are calibrated on ``posts``, at natural rates."""
    return temperature_of(outputs[:, :4], right_of(posts), natural(posts))
