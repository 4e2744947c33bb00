"""The transformer reader: one quantised file, run by ``onnxruntime``, its word joined with the linear reader's.

Posts are read one by one, without padding: the scale of quantised activations is taken over a whole batch, so
that a post read beside others would otherwise get another reading than alone.
"""

from __future__ import annotations

import zlib
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np

from connectors.model import Mention
from monitor.scoring.learned import Levels, ModelRefused, Place, Reading, numbers, shipped
from monitor.scoring.linear import CATEGORIES, WORTH_EXPLAINING, Examples, LinearReader, load_linear
from monitor.scoring.onnx import ort, state
from monitor.scoring.rendering import WordPieces, rendering

_UNREADABLE = (state.Fail, state.InvalidArgument, state.InvalidGraph, state.InvalidProtobuf, state.NotImplemented)
_NEAR = 0.45
"""Cosine below which two posts are not alike enough to explain one by the other."""


class TransformerReader:
    """Reads posts whole. ``share`` of the joint word is its own, the rest the linear reader's."""

    name = "transformer"

    def __init__(
        self,
        session: Any,
        pieces: WordPieces,
        beside: LinearReader,
        *,
        temperature: float,
        share: float,
        joint_temperature: float,
        vectors: np.ndarray,
        reasons: Sequence[str],
    ) -> None:
        self._session = session
        self._pieces = pieces
        self._beside = beside
        self._temperature, self._share, self._joint_temperature = temperature, share, joint_temperature
        self._vectors, self._reasons = vectors, tuple(reasons)

    def read(self, posts: Sequence[Mention], names: Sequence[str]) -> list[Reading]:
        """A reading of each post, in order."""
        return [self._read(rendering(post, names)) for post in posts]

    def outputs(self, text: str) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        """The raw outputs for a rendering: logits of the levels, logits of the categories, the unit vector."""
        ids = np.array([self._pieces.ids(text)], dtype=np.int64)
        levels, categories, vector = self._session.run(None, {"ids": ids, "mask": np.ones_like(ids)})
        return levels[0], categories[0], vector[0]

    def _read(self, text: str) -> Reading:
        levels, categories, vector = self.outputs(text)
        linear = self._beside.read_rendering(text)
        joined = self._joined(levels / self._temperature, linear.levels)
        chances = 1.0 / (1.0 + np.exp(-categories))
        named = {
            category: self._share * float(own) + (1.0 - self._share) * linear.categories[category]
            for category, own in zip(CATEGORIES, chances, strict=True)
        }
        likeness = self._vectors @ vector
        best = np.argsort(-likeness, kind="stable")[:2]
        worth = joined[2] + joined[3] >= WORTH_EXPLAINING
        near = tuple(dict.fromkeys(self._reasons[i] for i in best if likeness[i] >= _NEAR)) if worth else ()
        return Reading(joined, named, near, Place(vector, int(best[0]), float(likeness[best[0]])))

    def _joined(self, own: np.ndarray, linear: Levels) -> Levels:
        """The geometric mean of the two readings, weighed by ``share``, calibrated, brought to a sum of 1."""
        raised = np.exp(own - own.max())
        both = self._share * _logs(raised / raised.sum()) + (1.0 - self._share) * _logs(np.array(linear))
        raised = np.exp((both - both.max()) / self._joint_temperature)
        a, b, c, d = (float(x) for x in raised / raised.sum())
        return a, b, c, d


def load_transformer(folder: Path) -> TransformerReader:
    """The transformer of ``folder`` and the linear reader beside it. Raises ModelRefused."""
    settings = numbers(folder).get("transformer")
    if settings is None:
        raise ModelRefused("the model files hold no transformer; install Earshot again")
    examples = Examples(zlib.decompress(shipped(folder, "examples.bin")))
    steps = np.frombuffer(shipped(folder, "vectors.bin"), dtype=np.int8)
    if len(steps) != len(examples.reasons) * settings["width"]:
        raise ModelRefused("model file vectors.bin does not belong to examples.bin; install Earshot again")
    return TransformerReader(
        _session(shipped(folder, "transformer.onnx")),
        WordPieces(shipped(folder, "vocab.txt").decode().splitlines()),
        load_linear(folder),
        temperature=settings["temperature"],
        share=settings["share"],
        joint_temperature=settings["joint_temperature"],
        vectors=steps.reshape(len(examples.reasons), -1).astype(np.float32) / 127,
        reasons=examples.reasons,
    )


def _session(model: bytes) -> Any:
    """One thread, no arena that grows with the longest post ever read, nothing spinning between posts."""
    options = ort.SessionOptions()
    options.intra_op_num_threads = options.inter_op_num_threads = 1
    options.execution_mode = ort.ExecutionMode.ORT_SEQUENTIAL
    options.enable_cpu_mem_arena = False
    options.log_severity_level = 4
    try:
        return ort.InferenceSession(model, options, providers=["CPUExecutionProvider"])
    except _UNREADABLE as error:
        what = type(error).__name__
        raise ModelRefused(f"onnxruntime {ort.__version__} cannot read transformer.onnx ({what})") from None


def _logs(p: np.ndarray) -> np.ndarray:
    return np.asarray(np.log(np.maximum(p, 1e-6)))
