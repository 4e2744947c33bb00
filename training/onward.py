"""The shipped transformer as a reader that can learn on: its weights of eight bits, in full precision again.

Training on from there costs half of what training from the base weights does, and keeps what was learnt of posts
that are no longer read.
"""

from __future__ import annotations

import re
from pathlib import Path

import numpy as np
import onnx
import torch
from encoder import Reader, Shape
from onnx import numpy_helper

_LAYER = re.compile(r"/encoder/(blocks\.\d+)/(\w+)/MatMul")
_HEAD = re.compile(r"/(levels|categories)/Gemm")


def shipped_reader(path: Path, dropout: float = 0.1) -> Reader:
    """The reader that was exported to ``path``; its outputs differ from the file's by the rounding of activations."""
    graph = onnx.load(str(path)).graph
    held = {tensor.name: numpy_helper.to_array(tensor) for tensor in graph.initializer}
    reader = Reader(Shape(), dropout)
    wanted = reader.state_dict().keys()
    state = {name: torch.from_numpy(array.copy()) for name, array in held.items() if name in wanted}
    state["encoder.words.weight"] = torch.from_numpy(_full(held, "encoder.words.weight").copy())
    for node in graph.node:
        weight = next((name for name in node.input if name.endswith("_quantized") and name in held), None)
        name = _name_of(node.name)
        if weight and name:
            state[name] = torch.from_numpy(_full(held, weight.removesuffix("_quantized")).T.copy())
    reader.load_state_dict(state)
    return reader


def _name_of(node: str) -> str | None:
    """The weight that a product of the graph is made with."""
    if found := _LAYER.match(node):
        return f"encoder.{found[1]}.{found[2]}.weight"
    if found := _HEAD.match(node):
        return f"{found[1]}.weight"
    return None


def _full(held: dict[str, np.ndarray], name: str) -> np.ndarray:
    steps = held[f"{name}_quantized"].astype(np.float32)
    nought = held[f"{name}_zero_point"].astype(np.float32)
    return np.asarray((steps - nought) * held[f"{name}_scale"], dtype=np.float32)
