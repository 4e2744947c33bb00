"""The trained transformer as one quantised file that ``onnxruntime`` reads without torch."""

from __future__ import annotations

import tempfile
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import onnx
import torch
from encoder import Reader
from onnxruntime import InferenceSession
from onnxruntime.quantization import QuantType, quantize_dynamic
from posts import Labelled
from tokens import as_read

from monitor.scoring.rendering import WordPieces


def export(reader: Reader, path: Path) -> None:
    """Write ``reader`` to ``path``: weights in 8 bits by channel, activations quantised as they come."""
    reader = reader.eval()
    ids = torch.ones((1, 12), dtype=torch.long)
    with tempfile.TemporaryDirectory() as folder:
        whole = Path(folder) / "whole.onnx"
        torch.onnx.export(
            reader,
            (ids, ids),
            str(whole),
            input_names=["ids", "mask"],
            output_names=["levels", "categories", "vector"],
            dynamic_axes={"ids": {0: "posts", 1: "tokens"}, "mask": {0: "posts", 1: "tokens"}},
            opset_version=17,
            dynamo=False,
        )
        shaped = Path(folder) / "shaped.onnx"
        onnx.save(onnx.shape_inference.infer_shapes(onnx.load(str(whole))), str(shaped))
        quantize_dynamic(
            shaped,
            path,
            weight_type=QuantType.QInt8,
            per_channel=True,
            op_types_to_quantize=["MatMul", "Gemm", "Gather"],
        )


def outputs(path: Path, texts: Sequence[str], pieces: WordPieces) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """What the exported file says of ``texts``, one by one, as the run time asks it."""
    session = InferenceSession(str(path), providers=["CPUExecutionProvider"])
    found = []
    for text in texts:
        ids = np.array([pieces.ids(text)], dtype=np.int64)
        found.append(session.run(None, {"ids": ids, "mask": np.ones_like(ids)}))
    levels, categories, vectors = (np.concatenate(parts) for parts in zip(*found, strict=True))
    return levels, categories, vectors


def vectors_of(path: Path, posts: Sequence[Labelled], pieces: WordPieces) -> bytes:
    """The unit vectors of ``posts`` in steps of 1/127."""
    _, _, vectors = outputs(path, [as_read(post) for post in posts], pieces)
    return np.rint(vectors * 127).astype(np.int8).tobytes()
