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

    epochs: int = 4
    batch: int = 32
    rate: float = 2.5e-4
    head_rate: float = 5e-4
    smoothing: float = 0.05
    level_weights: tuple[float, float, float, float] = (1.0, 1.0, 1.1, 1.2)
    category_weight: float = 4.0
    why_weight: float = 0.3
    why_level_weight: float = 0.2
    agreement: float = 4.0
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
            right = Right(levels[picked], categories[picked], alike[picked], situations[picked], weights)
            texts, reasons = padded([seen[i] for i in batch]), padded([whys[i] for i in batch])
            loss = loss_of(reader, texts, reasons, right, recipe)
            loss.backward()
            torch.nn.utils.clip_grad_norm_(reader.parameters(), 1.0)
            optimiser.step()
            optimiser.zero_grad()
            plan.step()
            total += float(loss.detach()) * len(batch)
        spent = time.monotonic() - began
        print(f"{say}epoch {epoch + 1}: loss {total / len(posts):.3f}, {spent:.0f} s", flush=True)
    return reader.eval()


@dataclass(frozen=True)
class Right:
    """What is right for the posts of a batch: levels, categories, same reasons, same situations."""

    levels: Tensor
    categories: Tensor
    alike: Tensor
    situations: Tensor
    weights: Tensor


Rows = tuple[Tensor, Tensor]


def loss_of(reader: Reader, texts: Rows, reasons: Rows, right: Right, recipe: Recipe) -> Tensor:
    """How far ``reader`` is from right on a batch: on each post, read twice, and on the reason by its side.

    The two readings are also to agree, each under its own dropout (the regularisation of Liang et al. 2021,
    "R-Drop"): it is worth more than a second model read beside the first.
    """
    with torch.autocast("cpu", dtype=torch.bfloat16):
        level, category, vector = reader(*texts)
        level_again, category_again, _ = reader(*texts)
        level_why, category_why, placed = reader(*reasons)
    loss = judged(level, category, right, recipe, recipe.smoothing)
    loss = (loss + judged(level_again, category_again, right, recipe, recipe.smoothing)) / 2
    loss = loss + recipe.agreement * apart(level, level_again)
    loss = loss + recipe.why_level_weight * judged(level_why, category_why, right, recipe, 0.1)
    return loss + recipe.why_weight * nearness(vector.float(), placed.float(), right.alike, right.situations)


def apart(one: Tensor, other: Tensor) -> Tensor:
    """How far two readings of the same posts disagree on the level: the divergence both ways, halved."""
    p, q = functional.log_softmax(one.float(), -1), functional.log_softmax(other.float(), -1)
    there = functional.kl_div(p, q, log_target=True, reduction="batchmean")
    return (there + functional.kl_div(q, p, log_target=True, reduction="batchmean")) / 2


def judged(level: Tensor, category: Tensor, right: Right, recipe: Recipe, smoothing: float) -> Tensor:
    """The loss of the levels and the categories."""
    levels = functional.cross_entropy(level.float(), right.levels, right.weights, label_smoothing=smoothing)
    named = functional.binary_cross_entropy_with_logits(category.float(), right.categories)
    return levels + recipe.category_weight * named


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
