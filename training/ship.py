"""What training leaves in ``config/model``: weights, examples, numbers, and the sums that prove them whole."""

from __future__ import annotations

import hashlib
import json
import zlib
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import linear
from posts import Labelled
from tokens import as_read

from monitor.scoring.linear import packed_examples
from monitor.scoring.rendering import words_of

SHIPPED = Path(__file__).parent.parent / "config" / "model"
SUMMED = ("linear.bin", "examples.bin", "numbers.json", "transformer.onnx", "vocab.txt", "vectors.bin")


def ship_linear(folder: Path, model: linear.Linear, temperature: float) -> None:
    """Write the linear model and its numbers."""
    table, scales = linear.packed(model)
    (folder / "linear.bin").write_bytes(zlib.compress(table, 9))
    put_numbers(
        folder,
        linear={
            "temperature": temperature,
            "parts_share": model.parts_share,
            "scales": [float(f"{scale:.6g}") for scale in scales],
            "bias": [float(f"{bias:.6g}") for bias in model.bias],
        },
    )


def examples_of(posts: Sequence[Labelled]) -> list[Labelled]:
    """The posts that can explain a reading: those that anybody needs to know of."""
    return [post for post in posts if post.severity > 0 and post.why]


def ship_examples(folder: Path, examples: Sequence[Labelled]) -> None:
    """Write ``examples`` as bundles of rare words with the reason of their label."""
    texts = [as_read(post) for post in examples]
    data = packed_examples([words_of(text) for text in texts], [reason_of(post) for post in examples])
    (folder / "examples.bin").write_bytes(zlib.compress(data, 9))


def reason_of(post: Labelled) -> str:
    """Why ``post`` was labelled so, as the rest of a sentence that begins with "reads like:"."""
    first = post.why.replace("\n", " ").split(";")[0].split(". ")[0].strip().rstrip(".")
    plain_start = len(first) > 1 and first[1].islower() and not first.startswith(("I ", "CEO", "Facebook"))
    return first[0].lower() + first[1:] if plain_start else first


def put_numbers(folder: Path, **tables: Mapping[str, Any]) -> None:
    """Set tables of ``numbers.json``, leaving the others as they are."""
    path = folder / "numbers.json"
    numbers = json.loads(path.read_text("utf-8")) if path.exists() else {}
    path.write_text(json.dumps({**numbers, **tables}, indent=1, sort_keys=True) + "\n", "utf-8")


def put_sums(folder: Path) -> None:
    """Write ``SHA256SUMS`` over every file that is read at run time."""
    lines = [
        f"{hashlib.sha256((folder / name).read_bytes()).hexdigest()}  {name}\n"
        for name in SUMMED
        if (folder / name).exists()
    ]
    (folder / "SHA256SUMS").write_text("".join(lines), "ascii")
