"""The transformer in plain torch: a BERT encoder of six layers, and heads for levels, categories and nearness.

Written out rather than taken from a library, so that the only things pinned for training are torch and the
base weights, and so that the exported graph is as plain as the run time needs it.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import torch
from safetensors.torch import load_file
from torch import Tensor, nn
from torch.nn import functional

LEVELS, CATEGORIES = 4, 16


@dataclass(frozen=True)
class Shape:
    """The measures of MiniLM-L6."""

    vocabulary: int = 30522
    width: int = 384
    heads: int = 12
    layers: int = 6
    inner: int = 1536
    positions: int = 512


class Block(nn.Module):
    """One layer: attention, then a feed-forward, each added and normalised."""

    def __init__(self, shape: Shape, dropout: float) -> None:
        super().__init__()
        self.heads = shape.heads
        self.query = nn.Linear(shape.width, shape.width)
        self.key = nn.Linear(shape.width, shape.width)
        self.value = nn.Linear(shape.width, shape.width)
        self.out = nn.Linear(shape.width, shape.width)
        self.norm1 = nn.LayerNorm(shape.width, eps=1e-12)
        self.rise = nn.Linear(shape.width, shape.inner)
        self.fall = nn.Linear(shape.inner, shape.width)
        self.norm2 = nn.LayerNorm(shape.width, eps=1e-12)
        self.dropout = nn.Dropout(dropout)

    def forward(self, x: Tensor, bias: Tensor) -> Tensor:
        batch, length, width = x.shape
        size = width // self.heads

        def split(y: Tensor) -> Tensor:
            return y.view(batch, length, self.heads, size).transpose(1, 2)

        q, k, v = split(self.query(x)), split(self.key(x)), split(self.value(x))
        weights = torch.softmax(q @ k.transpose(-1, -2) / size**0.5 + bias, -1)
        mixed = (self.dropout(weights) @ v).transpose(1, 2).reshape(batch, length, width)
        x = self.norm1(x + self.dropout(self.out(mixed)))
        return self.norm2(x + self.dropout(self.fall(functional.gelu(self.rise(x)))))


class Encoder(nn.Module):
    """Token ids and their mask to one vector for each token."""

    def __init__(self, shape: Shape, dropout: float = 0.1) -> None:
        super().__init__()
        self.words = nn.Embedding(shape.vocabulary, shape.width)
        self.positions = nn.Embedding(shape.positions, shape.width)
        self.kind = nn.Parameter(torch.zeros(shape.width))
        self.norm = nn.LayerNorm(shape.width, eps=1e-12)
        self.blocks = nn.ModuleList(Block(shape, dropout) for _ in range(shape.layers))
        self.dropout = nn.Dropout(dropout)

    def forward(self, ids: Tensor, mask: Tensor) -> Tensor:
        x = self.words(ids) + self.positions.weight[: ids.shape[1]] + self.kind
        x = self.dropout(self.norm(x))
        bias = (1.0 - mask[:, None, None, :].to(x.dtype)) * -1e4
        for block in self.blocks:
            x = block(x, bias)
        return x


class Reader(nn.Module):
    """Logits of the levels, logits of the categories, and a vector of unit length for nearness."""

    def __init__(self, shape: Shape = Shape(), dropout: float = 0.1) -> None:  # noqa: B008
        super().__init__()
        self.encoder = Encoder(shape, dropout)
        self.dropout = nn.Dropout(dropout)
        self.levels = nn.Linear(shape.width, LEVELS)
        self.categories = nn.Linear(shape.width, CATEGORIES)

    def forward(self, ids: Tensor, mask: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        tokens = self.encoder(ids, mask)
        weights = mask.to(tokens.dtype).unsqueeze(-1)
        mean = (tokens * weights).sum(1) / weights.sum(1)
        seen = self.dropout(mean)
        return self.levels(seen), self.categories(seen), functional.normalize(mean, dim=-1)


def base_reader(weights: Path, dropout: float = 0.1) -> Reader:
    """A reader on the base weights of ``weights`` (safetensors of a BERT), with new heads."""
    reader = Reader(Shape(), dropout)
    source = load_file(str(weights))
    state = {
        "words.weight": source["embeddings.word_embeddings.weight"],
        "positions.weight": source["embeddings.position_embeddings.weight"],
        "kind": source["embeddings.token_type_embeddings.weight"][0],
        "norm.weight": source["embeddings.LayerNorm.weight"],
        "norm.bias": source["embeddings.LayerNorm.bias"],
    }
    names = {
        "query": "attention.self.query", "key": "attention.self.key", "value": "attention.self.value",
        "out": "attention.output.dense", "norm1": "attention.output.LayerNorm", "rise": "intermediate.dense",
        "fall": "output.dense", "norm2": "output.LayerNorm",
    }  # fmt: skip
    for layer in range(Shape().layers):
        for ours, theirs in names.items():
            for part in ("weight", "bias"):
                state[f"blocks.{layer}.{ours}.{part}"] = source[f"encoder.layer.{layer}.{theirs}.{part}"]
    reader.encoder.load_state_dict(state)
    return reader
