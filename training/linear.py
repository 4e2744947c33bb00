"""The linear model: words, pairs of words and parts of words, hashed, under logistic regression."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from posts import CATEGORIES, Labelled
from scipy.sparse import csr_matrix
from sklearn.linear_model import LogisticRegression

from monitor.scoring.linear import MIDDLE
from monitor.scoring.rendering import SLOTS, slots_of_phrases, slots_of_word, words_of


@dataclass(frozen=True)
class Linear:
    """Weights (slot by output) with the rarity of each slot folded in, and the bias of each output."""

    weights: np.ndarray
    bias: np.ndarray
    parts_share: float

    def logits(self, texts: Sequence[str]) -> np.ndarray:
        """The outputs for ``texts``: four levels, then the categories."""
        return np.asarray(counted(texts, self.parts_share) @ self.weights + self.bias)


def counted(texts: Sequence[str], parts_share: float) -> csr_matrix:
    """How often each slot is met in each text, each of the two kinds brought to one length."""
    rows, columns, values = [], [], []
    for row, text in enumerate(texts):
        words = words_of(text)
        phrases = slots_of_phrases(words)
        parts = [slot for word in words for slot in slots_of_word(word)]
        for slots, share in ((phrases, 1.0), (parts, parts_share)):
            for slot, count in Counter(slots).items():
                rows.append(row)
                columns.append(slot)
                values.append(share * count / (len(slots) + 1) ** 0.5)
    return csr_matrix((values, (rows, columns)), shape=(len(texts), SLOTS))


def train(
    posts: Sequence[Labelled],
    texts: Sequence[str],
    *,
    strength: float = 6.0,
    category_strength: float = 6.0,
    parts_share: float = 1.0,
    level_weights: tuple[float, float, float, float] = (1.0, 1.0, 1.1, 1.2),
) -> Linear:
    """A linear model of ``posts``, read as ``texts``."""
    x = counted(texts, parts_share)
    met = np.bincount(x.indices, minlength=SLOTS)
    rarity = np.where(met >= 2, np.log((1 + len(posts)) / (1 + met)) + 1, 0.0) / 5
    weighed = x.multiply(rarity).tocsr()
    levels = np.array([post.severity for post in posts])
    kept = met >= 2
    narrow = weighed[:, kept]
    main = LogisticRegression(C=strength, max_iter=300, class_weight=dict(enumerate(level_weights)))
    main.fit(narrow, levels)
    coefficients, bias = [*main.coef_], [*main.intercept_]
    for category in CATEGORIES:
        one = LogisticRegression(C=category_strength, max_iter=200)
        one.fit(narrow, np.array([category in post.categories for post in posts]))
        coefficients.append(one.coef_[0])
        bias.append(one.intercept_[0])
    weights = np.zeros((SLOTS, len(coefficients)), dtype=np.float32)
    weights[kept] = np.array(coefficients, dtype=np.float32).T * rarity[kept][:, None]
    return Linear(weights, np.array(bias, dtype=np.float32), parts_share)


def save(model: Linear, path: Path) -> None:
    """Keep ``model`` as it was learnt."""
    np.savez_compressed(path, weights=model.weights, bias=model.bias, parts_share=model.parts_share)


def load(path: Path) -> Linear:
    """The model that ``save`` kept."""
    kept = np.load(path)
    return Linear(kept["weights"], kept["bias"], float(kept["parts_share"]))


def packed(model: Linear) -> tuple[bytes, list[float]]:
    """The table of ``model`` with one byte for each weight, and what a step of that byte is worth, by output."""
    scales = np.abs(model.weights).max(0) / (MIDDLE - 1)
    scales[scales == 0] = 1.0
    steps = np.rint(model.weights / scales).astype(np.int16) + MIDDLE
    return steps.astype(np.uint8).tobytes(), [float(scale) for scale in scales]
