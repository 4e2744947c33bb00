"""`python benchmarks/teaching.py`: how far people's marks carry, and that none silences a disclosure only implied.

Implied disclosures (author AE) are judged before and after the worst twenty marks of "not a problem" on everyday
comments (authors N and AD): for each disclosure the twenty that lie nearest to it, by two people. "Not run" without a
transformer or the posts.
"""

from __future__ import annotations

import json
import random
import sys
from pathlib import Path

ROOT = Path(__file__).parent.parent
sys.path.insert(0, str(ROOT))

from alerts.model import Severity  # noqa: E402
from connectors.model import Mention  # noqa: E402
from monitor.score import mention_of  # noqa: E402
from monitor.scoring import Learnt, Scorer, build_scorer  # noqa: E402
from monitor.scoring.teaching import NEAR, NEAR_IF_SEVERE, NEAR_TO_LOWER, Lesson  # noqa: E402
from monitor.settings import example_organisation  # noqa: E402

DATA = ROOT / "training" / "data"
MARKS = 20


def posts_of(author: str, grave: bool, most: int) -> list[Mention]:
    """Posts of an author that alert, or that are routine, drawn by a fixed seed."""
    rows = [json.loads(line) for line in (DATA / f"author-{author}.jsonl").read_text("utf-8").splitlines() if line]
    wanted = [
        r for r in rows if (r["expected"]["severity"] >= 2) == grave and (grave or r["expected"]["severity"] == 0)
    ]
    return [mention_of(row) for row in random.Random(7).sample(wanted, min(most, len(wanted)))]


def places_of(scorer: Scorer, posts: list[Mention]) -> list[object]:
    """The vectors of posts."""
    return [
        reading.place.vector for _, reading in scorer.read(posts) if reading is not None and reading.place is not None
    ]


def main() -> None:
    """Print both figures."""
    scorer = build_scorer(example_organisation())
    missing = [a for a in ("ae", "n", "ad") if not (DATA / f"author-{a}.jsonl").exists()]
    if scorer.reader is None or scorer.reader.name != "transformer" or missing:
        print("teaching: not run (needs the transformer and the posts of authors AE, N and AD)")
        return
    implied = posts_of("ae", grave=True, most=300)
    everyday = places_of(scorer, posts_of("n", grave=False, most=200) + posts_of("ad", grave=False, most=200))
    before = scorer.assess_many(implied)
    silenced = lowered = near = 0
    for post, was, place in zip(implied, before, places_of(scorer, implied), strict=True):
        nearest = sorted(everyday, key=lambda other: -float(other @ place))[:MARKS]  # type: ignore[operator]
        marks = tuple(Lesson(v, missed=False, who=("ceo", "chair")[n % 2]) for n, v in enumerate(nearest))
        now = scorer.with_feedback(Learnt(lessons=marks)).assess(post)
        near += float(nearest[0] @ place) >= NEAR  # type: ignore[operator]
        lowered += now.severity < was.severity
        silenced += now.severity < Severity.ALERT <= was.severity
    print(f"teaching: marks carry from a likeness of {NEAR} (to tell), {NEAR_TO_LOWER}, {NEAR_IF_SEVERE} (not to tell)")
    print(
        f"  {len(implied)} implied disclosures, each after the {MARKS} nearest everyday comments were called "
        f"no problem by two people: {silenced} silenced, {lowered} lowered; {near} have an everyday comment within "
        f"{NEAR}"
    )


if __name__ == "__main__":
    main()
