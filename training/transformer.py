"""Fine-tuning of the small transformer: levels, categories, and nearness of a post to the sentence that explains it."""

from __future__ import annotations

import math
import random
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from encoder import Reader, base_reader
from posts import CATEGORIES, Labelled
from tokens import as_read, batches
from torch import Tensor
from torch.nn import functional

from monitor.scoring.rendering import WordPieces


@dataclass(frozen=True)
class Recipe:
    """How a reader is trained. The figures behind each choice stand in the decision record."""

    epochs: int = 5
    batch: int = 32
    rate: float = 1e-4
    head_rate: float = 5e-4
    smoothing: float = 0.05
    level_weights: tuple[float, float, float, float] = (1.0, 1.0, 1.1, 1.2)
    category_weight: float = 4.0
    why_weight: float = 0.3
    why_level_weight: float = 0.2
    dropout: float = 0.1
    seed: int = 20


def train(posts: Sequence[Labelled], pieces: WordPieces, base: Path, recipe: Recipe, *, say: str = "") -> Reader:
    """A reader trained on ``posts``."""
    torch.manual_seed(recipe.seed)
    rng = random.Random(recipe.seed)  # noqa: S311
    reader = base_reader(base, recipe.dropout).train()
    heads = [*reader.levels.parameters(), *reader.categories.parameters()]
    optimiser = torch.optim.AdamW(
        [{"params": reader.encoder.parameters(), "lr": recipe.rate}, {"params": heads, "lr": recipe.head_rate}],
        weight_decay=0.01,
        fused=True,
    )
    steps = recipe.epochs * math.ceil(len(posts) / recipe.batch)
    plan = torch.optim.lr_scheduler.LambdaLR(optimiser, lambda s: min((s + 1) / (0.1 * steps), 1 - s / (steps + 1)))
    whys = [pieces.ids(post.why or "no reason given") for post in posts]
    numbers = {why: i for i, why in enumerate(sorted({post.why for post in posts}))}
    alike = torch.tensor([numbers[post.why] for post in posts])
    places = {name: i for i, name in enumerate(sorted({post.situation for post in posts}))}
    situations = torch.tensor([places[post.situation] for post in posts])
    levels, categories = targets(posts)
    weights = torch.tensor(recipe.level_weights)
    for epoch in range(recipe.epochs):
        began, total = time.monotonic(), 0.0
        seen = [pieces.ids(as_read(post, rng)) for post in posts]
        for batch in batches([len(ids) for ids in seen], recipe.batch, rng):
            picked = torch.tensor(batch)
            with torch.autocast("cpu", dtype=torch.bfloat16):
                level, category, vector = reader(*padded([seen[i] for i in batch]))
                why_level, why_category, why_vector = reader(*padded([whys[i] for i in batch]))
            loss = functional.cross_entropy(
                level.float(), levels[picked], weights, label_smoothing=recipe.smoothing
            ) + recipe.category_weight * functional.binary_cross_entropy_with_logits(
                category.float(), categories[picked]
            )
            loss = loss + recipe.why_level_weight * (
                functional.cross_entropy(why_level.float(), levels[picked], weights, label_smoothing=0.1)
                + recipe.category_weight
                * functional.binary_cross_entropy_with_logits(why_category.float(), categories[picked])
            )
            loss = loss + recipe.why_weight * nearness(
                vector.float(), why_vector.float(), alike[picked], situations[picked]
            )
            loss.backward()
            torch.nn.utils.clip_grad_norm_(reader.parameters(), 1.0)
            optimiser.step()
            optimiser.zero_grad()
            plan.step()
            total += float(loss) * len(batch)
        spent = time.monotonic() - began
        print(f"{say}epoch {epoch + 1}: loss {total / len(posts):.3f}, {spent:.0f} s", flush=True)
    return reader.eval()


def nearness(posts: Tensor, whys: Tensor, alike: Tensor, situations: Tensor) -> Tensor:
    """Each post nearest to its own reason among those of the batch; twins are left out of the comparison."""
    scores = posts @ whys.T / 0.05
    twins = (alike[:, None] == alike[None, :]) | (situations[:, None] == situations[None, :])
    own = torch.eye(len(alike), dtype=torch.bool)
    scores = scores.masked_fill(twins & ~own, -1e4)
    answer = torch.arange(len(alike))
    return (functional.cross_entropy(scores, answer) + functional.cross_entropy(scores.T, answer)) / 2


def targets(posts: Sequence[Labelled]) -> tuple[Tensor, Tensor]:
    """The level of each post, and a row of noughts and ones for its categories."""
    levels = torch.tensor([post.severity for post in posts])
    rows = [[float(category in post.categories) for category in CATEGORIES] for post in posts]
    return levels, torch.tensor(rows)


def padded(rows: Sequence[Sequence[int]]) -> tuple[Tensor, Tensor]:
    """Token ids and mask of a batch."""
    width = max(len(row) for row in rows)
    ids = torch.zeros((len(rows), width), dtype=torch.long)
    mask = torch.zeros((len(rows), width), dtype=torch.long)
    for index, row in enumerate(rows):
        ids[index, : len(row)] = torch.tensor(row)
        mask[index, : len(row)] = 1
    return ids, mask


@torch.no_grad()
def read(reader: Reader, texts: Sequence[str], pieces: WordPieces) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Logits of levels, logits of categories and vectors for ``texts``, in full precision."""
    rows = [pieces.ids(text) for text in texts]
    order = sorted(range(len(rows)), key=lambda index: len(rows[index]))
    parts: list[tuple[Tensor, ...]] = []
    for start in range(0, len(order), 64):
        parts.append(reader(*padded([rows[index] for index in order[start : start + 64]])))
    back = np.argsort(order)
    level, category, vector = (torch.cat([part[i] for part in parts]).numpy()[back] for i in range(3))
    return level, category, vector
