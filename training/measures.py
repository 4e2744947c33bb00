"""Figures of a scorer on labelled posts."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

Levels = np.ndarray


def softmax(logits: np.ndarray, temperature: float = 1.0) -> np.ndarray:
    """Probabilities of ``logits``, row by row."""
    scaled = logits / temperature
    scaled = scaled - scaled.max(1, keepdims=True)
    raised = np.exp(scaled)
    return np.asarray(raised / raised.sum(1, keepdims=True))


def area(scores: np.ndarray, right: np.ndarray) -> float:
    """Area under the curve; ties count half."""
    order = np.argsort(scores, kind="stable")
    ranks = np.empty(len(scores))
    ranks[order] = np.arange(1, len(scores) + 1)
    _, inverse, counts = np.unique(scores, return_inverse=True, return_counts=True)
    mean_rank = np.bincount(inverse, ranks) / counts
    positive = right.astype(bool)
    n, m = positive.sum(), (~positive).sum()
    if not n or not m:
        return float("nan")
    return float((mean_rank[inverse][positive].sum() - n * (n + 1) / 2) / (n * m))


def temperature_of(logits: np.ndarray, levels: np.ndarray, weights: np.ndarray) -> float:
    """The temperature at which the probabilities of ``logits`` fit ``levels`` best, each post counting its weight."""
    grid = np.exp(np.linspace(np.log(0.4), np.log(4), 60))
    at = np.arange(len(levels)), levels
    losses = [-(weights * np.log(softmax(logits, t)[at] + 1e-9)).sum() for t in grid]
    return float(grid[int(np.argmin(losses))])


def figures(given: Sequence[int], right: Sequence[int]) -> dict[str, float]:
    """The bars of the judgement, for levels given against levels right."""
    g, r = np.asarray(given), np.asarray(right)
    alert, should = g >= 2, r >= 2
    f1 = []
    for level in range(4):
        both = ((g == level) & (r == level)).sum()
        f1.append(2 * both / max(1, (g == level).sum() + (r == level).sum()))
    return {
        "recall": float((alert & should).sum() / max(1, should.sum())),
        "precision": float((alert & should).sum() / max(1, alert.sum())),
        "crisis caught": float((alert & (r == 3)).sum() / max(1, (r == 3).sum())),
        "crisis as crisis": float(((g == 3) & (r == 3)).sum() / max(1, (r == 3).sum())),
        "routine alerting": float((alert & (r == 0)).sum() / max(1, (r == 0).sum())),
        "macro F1": float(np.mean(f1)),
    }


def levels_at(probabilities: np.ndarray, alert: float, crisis: float) -> np.ndarray:
    """Levels by thresholds: alert or worse where its probability reaches ``alert``; crisis by share of that."""
    worse = probabilities[:, 2] + probabilities[:, 3]
    given = (probabilities[:, 1] > probabilities[:, 0]).astype(int)
    given[worse >= alert] = 2
    given[(worse >= alert) & (probabilities[:, 3] >= crisis * worse)] = 3
    return given


def shown(numbers: dict[str, float]) -> str:
    """The figures on one line."""
    return ", ".join(f"{name} {value:.3f}" for name, value in numbers.items())
