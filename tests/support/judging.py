"""The scorer of the example organisation, built once, and the labelled posts that may stand in this repository."""

from __future__ import annotations

import json
import tomllib
from functools import cache
from pathlib import Path
from typing import Any

from connectors.model import Organisation
from monitor.scoring import Scorer, build_scorer

ROOT = Path(__file__).parent.parent.parent
RULES = ROOT / "config" / "rules"


@cache
def corpus_organisation() -> Organisation:
    """Tessellate UK as the labelled posts speak of it."""
    raw = tomllib.loads((ROOT / "config" / "corpus-organisation.toml").read_text("utf-8"))["organisation"]
    return Organisation(**{key: tuple(value) if isinstance(value, list) else value for key, value in raw.items()})


@cache
def by_rules() -> Scorer:
    """A scorer that judges by rules alone."""
    return build_scorer(corpus_organisation(), model="rules")


@cache
def with_linear() -> Scorer:
    """A scorer with the linear model, which every installation has."""
    return build_scorer(corpus_organisation(), model="linear")


def dev_rows() -> list[dict[str, Any]]:
    """The labelled posts for development."""
    path = ROOT / "training" / "data" / "dev.jsonl"
    return [json.loads(line) for line in path.read_text("utf-8").splitlines()]
