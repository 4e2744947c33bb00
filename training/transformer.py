"""Fine-tuning of the small transformer: levels, categories, and nearness of a post to the sentence that explains it."""

from __future__ import annotations

import math
import random
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from encoder import Reader
from posts import CATEGORIES, Labelled
from tokens import Company, as_read, batches
from torch import Tensor, distributed, nn
from torch.nn import functional

from monitor.scoring.rendering import WordPieces

CHECKPOINT_EVERY = 600.0
"""Seconds between two checkpoints."""


@dataclass(frozen=True)
class Recipe:
    """How a reader is trained. The figures behind each choice stand in the decision record.

    ``agreement`` of nought reads each post once, at half the cost. Every ``why_every``-th batch also reads the
    reasons. ``frozen`` layers, and the words below them, stay as they came: a fifth less to count, and what they know
    of words was learnt from more posts than are read here.
    """

    epochs: int = 1
    batch: int = 48
    rate: float = 2e-4
    head_rate: float = 4e-4
    frozen: int = 2
    smoothing: float = 0.05
    level_weights: tuple[float, float, float, float] = (1.0, 1.0, 1.1, 1.2)
    category_weight: float = 4.0
    why_weight: float = 0.3
    why_level_weight: float = 0.2
    why_every: int = 4
    agreement: float = 0.0
    dropout: float = 0.1
    seed: int = 20


FROM_BASE = Recipe(epochs=4, batch=32, rate=2.5e-4, head_rate=5e-4, frozen=0, why_every=1, agreement=4.0)
"""For a training that starts from the base weights instead of the shipped reader."""

MORE = Recipe(rate=1e-4, head_rate=2e-4, seed=21)
"""For going on, gently, with posts that an earlier training was kept from."""


@dataclass
class Course:
    """A training on its way: all that it takes to go on in the middle of an epoch."""

    reader: Reader
    optimiser: torch.optim.Optimizer
    plan: torch.optim.lr_scheduler.LambdaLR
    rng: random.Random
    epoch: int = 0
    batch: int = 0
    dice: Any = None
    """The state of ``rng`` at the beginning of the epoch, from which its damage and its order follow."""

    def save(self, path: Path) -> None:
        """Write everything to ``path``, whole or not at all."""
        state = {
            "reader": self.reader.state_dict(),
            "optimiser": self.optimiser.state_dict(),
            "plan": self.plan.state_dict(),
            "at": (self.epoch, self.batch, self.dice),
            "torch": torch.get_rng_state(),
        }
        unfinished = path.with_name(f"{path.name}.new")
        torch.save(state, unfinished)
        unfinished.replace(path)

    def resume(self, path: Path) -> None:
        """Go on from where ``path`` was written. Only ever a file of our own making is read."""
        state = torch.load(path, weights_only=False)
        self.reader.load_state_dict(state["reader"])
        self.optimiser.load_state_dict(state["optimiser"])
        self.plan.load_state_dict(state["plan"])
        self.epoch, self.batch, self.dice = state["at"]
        torch.set_rng_state(state["torch"])


@dataclass(frozen=True)
class Team:
    """Processes that learn one reader together, each from a part of every batch; the group was joined before."""

    rank: int = 0
    size: int = 1

    def shares(self, parameters: Sequence[nn.Parameter], wish: bool) -> bool:
        """Make each gradient the mean of all workers'. Returns whether any of them has the wish ``wish``."""
        if self.size == 1:
            return wish
        grads = [p.grad if p.grad is not None else torch.zeros_like(p) for p in parameters]
        flat = torch.cat([*(g.flatten() for g in grads), torch.tensor([float(wish)])])
        distributed.all_reduce(flat)
        flat /= self.size
        at = 0
        for parameter in parameters:
            parameter.grad = flat[at : at + parameter.numel()].view_as(parameter)
            at += parameter.numel()
        return bool(flat[-1] > 0)

    def agreed(self, answer: bool) -> bool:
        """The first worker's answer."""
        if self.size == 1:
            return answer
        said = torch.tensor([int(answer)])
        distributed.broadcast(said, 0)
        return bool(said)


def train(
    posts: Sequence[Labelled],
    pieces: WordPieces,
    start: Reader,
    recipe: Recipe,
    *,
    say: str = "",
    checkpoint: Path | None = None,
    team: Team = Team(),  # noqa: B008
) -> Reader:
    """A reader trained on ``posts`` from ``start``; from ``checkpoint`` where a training of this name was cut short.

    Every worker of a ``team`` calls this with the same posts, and each reads its part of every batch.
    """
    half = team.agreed(is_bfloat16_quicker())
    torch.manual_seed(recipe.seed + team.rank)
    course = _course(start.train(), recipe, math.ceil(len(posts) / recipe.batch))
    if checkpoint is not None and checkpoint.exists():
        course.resume(checkpoint)
        print(f"{say}goes on at epoch {course.epoch + 1}, batch {course.batch}", flush=True)
    lesson = Lesson.of(posts, pieces)
    print(f"{say}{len(posts)} posts, in {'bfloat16' if half else 'float32'}", flush=True)
    clock = Clock(recipe.epochs * math.ceil(len(posts) / recipe.batch), say)
    while course.epoch < recipe.epochs:
        _epoch(course, lesson, recipe, half, clock, checkpoint, team)
        course.epoch, course.batch, course.dice = course.epoch + 1, 0, None
    return course.reader.eval()


def _course(reader: Reader, recipe: Recipe, steps_each: int) -> Course:
    still = [
        reader.encoder.words,
        reader.encoder.positions,
        reader.encoder.norm,
        *reader.encoder.blocks[: recipe.frozen],
    ]
    if recipe.frozen:
        reader.encoder.kind.requires_grad_(False)
        for part in still:
            part.requires_grad_(False)
    heads = [*reader.levels.parameters(), *reader.categories.parameters()]
    optimiser = torch.optim.AdamW(
        [
            {"params": [p for p in reader.encoder.parameters() if p.requires_grad], "lr": recipe.rate},
            {"params": heads, "lr": recipe.head_rate},
        ],
        weight_decay=0.01,
        fused=True,
    )
    steps = recipe.epochs * steps_each
    plan = torch.optim.lr_scheduler.LambdaLR(optimiser, lambda s: min((s + 1) / (0.1 * steps), 1 - s / (steps + 1)))
    return Course(reader, optimiser, plan, random.Random(recipe.seed))  # noqa: S311


def _epoch(
    course: Course, lesson: Lesson, recipe: Recipe, half: bool, clock: Clock, checkpoint: Path | None, team: Team
) -> None:
    if course.dice is not None:
        course.rng.setstate(course.dice)
    course.dice = course.rng.getstate()
    seen = lesson.seen(course.rng)
    order = batches([len(ids) for ids in seen], recipe.batch, course.rng)
    total = posts_met = 0.0
    learning = [p for p in course.reader.parameters() if p.requires_grad]
    for whole in order[course.batch :]:
        batch = whole[team.rank :: team.size] or whole
        with_whys = course.batch % recipe.why_every == 0
        loss = _loss(course.reader, lesson, seen, batch, recipe, half, with_whys=with_whys)
        loss.backward()
        course.batch += 1
        due = team.shares(learning, clock.ticks(course.epoch * len(order) + course.batch))
        torch.nn.utils.clip_grad_norm_(learning, 1.0)
        course.optimiser.step()
        course.optimiser.zero_grad()
        course.plan.step()
        total, posts_met = total + float(loss.detach()) * len(batch), posts_met + len(batch)
        if due and checkpoint is not None:
            course.save(checkpoint)
    print(f"{clock.say}epoch {course.epoch + 1}: loss {total / max(1.0, posts_met):.3f}", flush=True)


class Clock:
    """Says how long a training will take, and when it is time for a checkpoint."""

    def __init__(self, steps: int, say: str) -> None:
        self.say = say
        self._steps = steps
        self._began = self._saved = time.monotonic()
        self._first: int | None = None

    def ticks(self, step: int) -> bool:
        """Whether a checkpoint is due after ``step`` of all; says now and then what is left."""
        now = time.monotonic()
        self._first = step - 1 if self._first is None else self._first
        done, due = step - self._first, now - self._saved > CHECKPOINT_EVERY
        if due or done in (30, 100):
            left = (self._steps - step) * (now - self._began) / done
            print(f"{self.say}step {step} of {self._steps}, about {left / 60:.0f} minutes left", flush=True)
        if due:
            self._saved = now
        return due


@dataclass(frozen=True)
class Lesson:
    """The posts that are learnt, and what is right for each."""

    posts: Sequence[Labelled]
    pieces: WordPieces
    company: Company
    whys: Sequence[Sequence[int]]
    levels: Tensor
    categories: Tensor
    alike: Tensor
    situations: Tensor

    @staticmethod
    def of(posts: Sequence[Labelled], pieces: WordPieces) -> Lesson:
        """The lesson that ``posts`` give."""
        levels, categories = targets(posts)
        whys = [pieces.ids(post.why or "no reason given") for post in posts]
        alike, situations = numbered([post.why for post in posts]), numbered([post.situation for post in posts])
        return Lesson(posts, pieces, Company.among(posts), whys, levels, categories, alike, situations)

    def seen(self, rng: random.Random) -> list[list[int]]:
        """Each post in one of the ways in which it might have reached us."""
        return [self.pieces.ids(as_read(post, rng, self.company)) for post in self.posts]


def numbered(names: Sequence[str]) -> Tensor:
    """A number for each of ``names``, equal for equal ones."""
    numbers = {name: i for i, name in enumerate(sorted(set(names)))}
    return torch.tensor([numbers[name] for name in names])


def is_bfloat16_quicker() -> bool:
    """Whether this processor learns quicker in bfloat16: a trial of seconds on a layer as wide as ours.

    A processor without units for it is nine times slower so.
    """
    layer, rows = nn.Linear(384, 1536), torch.ones(256, 384)
    spent = {False: math.inf, True: math.inf}
    for half in (False, True, False, True):
        began = time.perf_counter()
        with torch.autocast("cpu", dtype=torch.bfloat16, enabled=half):
            out = layer(rows)
        out.float().sum().backward()
        spent[half] = min(spent[half], time.perf_counter() - began)
    return spent[True] < spent[False]


def _loss(
    reader: Reader,
    lesson: Lesson,
    seen: Sequence[Sequence[int]],
    batch: Sequence[int],
    recipe: Recipe,
    half: bool,
    *,
    with_whys: bool = True,
) -> Tensor:
    picked = torch.tensor(list(batch))
    weights = torch.tensor(recipe.level_weights)
    right = Right(
        lesson.levels[picked], lesson.categories[picked], lesson.alike[picked], lesson.situations[picked], weights
    )
    reasons = padded([lesson.whys[i] for i in batch]) if with_whys else None
    return loss_of(reader, padded([seen[i] for i in batch]), reasons, right, recipe, half=half)


@dataclass(frozen=True)
class Right:
    """What is right for the posts of a batch: levels, categories, same reasons, same situations."""

    levels: Tensor
    categories: Tensor
    alike: Tensor
    situations: Tensor
    weights: Tensor


Rows = tuple[Tensor, Tensor]


def loss_of(
    reader: Reader, texts: Rows, reasons: Rows | None, right: Right, recipe: Recipe, *, half: bool = False
) -> Tensor:
    """How far ``reader`` is from right on a batch: on each post, and on the reason by its side where it is given.

    With ``agreement`` each post is read twice, under another dropout, and the two readings are to agree (the
    regularisation of Liang et al. 2021, "R-Drop"). ``half``: in bfloat16.
    """
    with torch.autocast("cpu", dtype=torch.bfloat16, enabled=half):
        level, category, vector = reader(*texts)
        again = reader(*texts) if recipe.agreement else None
        why = reader(*reasons) if reasons is not None else None
    loss = judged(level, category, right, recipe, recipe.smoothing)
    if again is not None:
        loss = (loss + judged(again[0], again[1], right, recipe, recipe.smoothing)) / 2
        loss = loss + recipe.agreement * apart(level, again[0])
    if why is None:
        return loss
    loss = loss + recipe.why_level_weight * judged(why[0], why[1], right, recipe, 0.1)
    return loss + recipe.why_weight * nearness(vector.float(), why[2].float(), right.alike, right.situations)


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
