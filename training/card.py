"""The card that goes with the shipped model: what it learnt from, how well it does, where it fails."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from pathlib import Path

import held_out
from posts import HELD, Labelled, read_all

from alerts.model import Severity
from monitor.data import resource
from monitor.scoring.combine import load_lines

TEMPLATE = Path(__file__).parent / "card.md"


def write(
    shipped: Path, posts: Sequence[Labelled], blind_part: Sequence[Labelled], areas: Mapping[str, Mapping[str, float]]
) -> None:
    """Write ``card.md`` beside the model: the template with this training's numbers.

    ``areas``: of each model alone, by held-out author.
    """
    sources = Counter(post.source for post in posts)
    levels_met = Counter(post.severity for post in posts)
    text = TEMPLATE.read_text("utf-8")
    for name, value in {
        "AREAS": table_of_areas(areas),
        "JUDGED": table_of_judgements(blind_part),
        "POSTS": f"{len(posts):,}",
        "BLIND": f"{len(blind_part):,}",
        "OLD": f"{sum(post.is_old for post in posts):,}",
        "SOURCES": str(len(sources)),
        "LEVELS": ", ".join(f"{levels_met[severity]:,} {severity.level}" for severity in Severity),
        "SIZES": sizes(shipped),
    }.items():
        text = text.replace(f"<{name}>", value)
    (shipped / "card.md").write_text(text, "utf-8")


def table_of_areas(areas: Mapping[str, Mapping[str, float]]) -> str:
    """The areas under the curve for alert or worse."""
    columns = list(next(iter(areas.values())))
    head = ["| model | " + " | ".join(columns) + " |", "|" + "---|" * (len(columns) + 1)]
    rows = [f"| {name} | " + " | ".join(f"{found[c]:.3f}" for c in columns) + " |" for name, found in areas.items()]
    return "\n".join(head + rows)


def table_of_judgements(blind_part: Sequence[Labelled]) -> str:
    """What rules and model together make of posts that the measured model had not read, at the shipped lines."""
    lines = load_lines(resource("judgement.toml"), "transformer")
    held = [post for post in read_all() if post.source in HELD]
    everything = list(held_out.found([*held, *blind_part], held_out.scorer_of()))
    parts = {name: [found for found in everything if found.post.source == name] for name in HELD}
    parts["blind part"] = [found for found in everything if found.post.source not in HELD]
    rows = ["| part | posts | " + " | ".join(held_out.FIGURES) + " |", "|" + "---|" * (len(held_out.FIGURES) + 2)]
    for name, part in parts.items():
        rows.append(f"| {name} | {len(part)} | " + " | ".join(held_out.told(part, lines)) + " |")
    return "\n".join(rows)


def sizes(shipped: Path) -> str:
    """The files and their sizes."""
    files = sorted(path for path in shipped.iterdir() if path.suffix in {".bin", ".onnx", ".txt"})
    return ", ".join(f"`{path.name}` {path.stat().st_size / 1e6:.1f} MB" for path in files)
