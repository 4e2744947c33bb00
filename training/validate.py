"""Cross-validation of the transformer: whole authors held out, the judging set's authors dealt out singly."""

from __future__ import annotations

import argparse
import json
import os
from dataclasses import replace
from pathlib import Path

import numpy as np
import torch
import transformer
from measures import area, figures, levels_at, shown, softmax, temperature_of
from posts import CATEGORIES, folds, read_all
from tokens import as_read

from monitor.scoring.rendering import WordPieces


def main() -> None:
    """Train on all folds but one, write what the reader says of that one, print its figures."""
    ask = argparse.ArgumentParser()
    ask.add_argument("--base", type=Path, required=True, help="folder of the base weights")
    ask.add_argument("--fold", type=int, required=True)
    ask.add_argument("--folds", type=int, default=5)
    ask.add_argument("--out", type=Path, required=True)
    ask.add_argument("--set", action="append", default=[], metavar="NAME=VALUE")
    ask.add_argument("--threads", type=int, default=1)
    asked = ask.parse_args()
    torch.set_num_threads(asked.threads)
    os.nice(5)
    recipe = transformer.Recipe()
    for pair in asked.set:
        name, value = pair.split("=")
        recipe = replace(recipe, **{name: type(getattr(recipe, name))(json.loads(value))})
    posts = read_all()
    fold = folds(posts, asked.folds)
    pieces = WordPieces((asked.base / "vocab.txt").read_text("utf-8").splitlines())
    known = [post for post, at in zip(posts, fold, strict=True) if at != asked.fold]
    held = [post for post, at in zip(posts, fold, strict=True) if at == asked.fold]
    reader = transformer.train(known, pieces, asked.base / "model.safetensors", recipe, say=f"fold {asked.fold} ")
    levels, categories, _ = transformer.read(reader, [as_read(post) for post in held], pieces)
    right = np.array([post.severity for post in held])
    with asked.out.open("w", encoding="utf-8") as out:
        for post, level, category in zip(held, levels, categories, strict=True):
            named = dict(zip(CATEGORIES, (round(float(c), 3) for c in category), strict=True))
            out.write(json.dumps({"id": post.id, "levels": [round(float(x), 4) for x in level], "categories": named}))
            out.write("\n")
    for name, mask in (("all", right >= 0), ("dev", np.array([post.source == "dev" for post in held]))):
        report(f"{asked.fold} {name}", levels[mask], right[mask])


def report(name: str, logits: np.ndarray, right: np.ndarray) -> None:
    """Print the figures of ``logits`` at two settings."""
    p = softmax(logits)
    worse = p[:, 2] + p[:, 3]
    print(
        f"{name}: {len(right)} posts, area {area(worse, right >= 2):.4f}, temperature {temperature_of(logits, right):.2f}"
    )
    for alert in (0.4, 0.5, 0.6):
        print(f"  from {alert}: {shown(figures(list(levels_at(p, alert, 0.5)), list(right)))}", flush=True)


if __name__ == "__main__":
    main()
