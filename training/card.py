"""The card that goes with the shipped model: what it learnt from, how well it does, where it fails."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np
import validate
from posts import OUR_NAMES, Labelled

from alerts.model import Severity
from monitor.scoring.learned import load

TEMPLATE = Path(__file__).parent / "card.md"
COLUMNS = ("area", "recall", "precision", "crisis caught", "crisis as crisis", "routine alerting", "macro F1")


def write(
    shipped: Path, posts: Sequence[Labelled], held: Sequence[Labelled], figures: Mapping[str, Mapping[str, float]]
) -> None:
    """Write ``card.md`` beside the model: the template with this training's numbers. ``held`` is the blind part."""
    rows = dict(figures)
    if held:
        for which in ("linear", "auto"):
            reader = load(which, shipped)  # type: ignore[arg-type]
            if reader is not None:
                levels = np.array([r.levels for r in reader.read([post.mention for post in held], OUR_NAMES)])
                rows[f"{reader.name} as shipped, blind part"] = validate.report(f"{reader.name}, blind", held, levels)
    sources = Counter(post.source for post in posts)
    levels_met = Counter(post.severity for post in posts)
    text = TEMPLATE.read_text("utf-8")
    for name, value in {
        "TABLE": "\n".join([header(), *(row(name, numbers) for name, numbers in rows.items())]),
        "POSTS": f"{len(posts):,}",
        "BLIND": str(len(held)),
        "OWN": f"{sum(n for source, n in sources.items() if source.startswith('own-')):,}",
        "LEVELS": ", ".join(f"{levels_met[severity]:,} {severity.level}" for severity in Severity),
        "SIZES": sizes(shipped),
    }.items():
        text = text.replace(f"<{name}>", value)
    (shipped / "card.md").write_text(text, "utf-8")


def header() -> str:
    """The head of the table of figures."""
    return "| model | " + " | ".join(COLUMNS) + " |\n|" + "---|" * (len(COLUMNS) + 1)


def row(name: str, numbers: Mapping[str, float]) -> str:
    """One row of the table of figures."""
    return f"| {name} | " + " | ".join(f"{numbers[column]:.3f}" for column in COLUMNS) + " |"


def sizes(shipped: Path) -> str:
    """The files and their sizes."""
    files = sorted(path for path in shipped.iterdir() if path.suffix in {".bin", ".onnx", ".txt"})
    return ", ".join(f"`{path.name}` {path.stat().st_size / 1e6:.1f} MB" for path in files)
