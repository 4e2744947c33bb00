"""The linear model: cross-validated, then trained on everything and shipped."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path

import linear
import numpy as np
import ship
from measures import area, figures, levels_at, shown, softmax, temperature_of
from posts import CATEGORIES, Labelled, folds
from tokens import as_read


def cross_validated(posts: Sequence[Labelled], count: int) -> np.ndarray:
    """The outputs for each post of a model that has seen neither its author nor its situation."""
    texts = [as_read(post) for post in posts]
    fold = np.array(folds(posts, count))
    outputs = np.zeros((len(posts), 4 + len(CATEGORIES)))
    for number in range(count):
        known, held = np.flatnonzero(fold != number), np.flatnonzero(fold == number)
        model = linear.train([posts[i] for i in known], [texts[i] for i in known])
        outputs[held] = model.logits([texts[i] for i in held])
    return outputs


def report(name: str, posts: Sequence[Labelled], outputs: np.ndarray, temperature: float) -> dict[str, float]:
    """Print and return the figures of cross-validated ``outputs`` with thresholds of a half."""
    right = np.array([post.severity for post in posts])
    p = softmax(outputs[:, :4], temperature)
    numbers = figures(list(levels_at(p, 0.5, 0.5)), list(right))
    numbers = {"area": area(p[:, 2] + p[:, 3], right >= 2), **numbers}
    print(f"{name}: {len(posts)} posts, {shown(numbers)}", flush=True)
    return numbers


def write_readings(path: Path, posts: Sequence[Labelled], outputs: np.ndarray, temperature: float) -> None:
    """Write each post's cross-validated reading, for tuning how rules and model are joined."""
    levels = softmax(outputs[:, :4], temperature)
    categories = 1 / (1 + np.exp(-outputs[:, 4:]))
    path.parent.mkdir(parents=True, exist_ok=True)
    with path.open("w", encoding="utf-8") as out:
        for post, level, chances in zip(posts, levels, categories, strict=True):
            row = {
                "id": post.id,
                "levels": [round(float(x), 5) for x in level],
                "categories": {c.value: round(float(x), 4) for c, x in zip(CATEGORIES, chances, strict=True)},
            }
            out.write(json.dumps(row) + "\n")


def train_linear(
    posts: Sequence[Labelled], count: int, folder: Path, readings: Path | None
) -> dict[str, dict[str, float]]:
    """Cross-validate, train on everything, ship. Returns the cross-validated figures, all and dev."""
    outputs = cross_validated(posts, count)
    right = np.array([post.severity for post in posts])
    temperature = temperature_of(outputs[:, :4], right)
    found = {"all": report("linear, all", posts, outputs, temperature)}
    dev = np.array([post.source == "dev" for post in posts])
    found["dev"] = report("linear, dev", [p for p in posts if p.source == "dev"], outputs[dev], temperature)
    if readings is not None:
        write_readings(readings / "linear.jsonl", posts, outputs, temperature)
    texts = [as_read(post) for post in posts]
    ship.ship_linear(folder, linear.train(posts, texts), temperature)
    ship.ship_examples(folder, posts, texts)
    ship.put_sums(folder)
    return found
