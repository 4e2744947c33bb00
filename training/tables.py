"""`python training/tables.py`: which words and which lengths go with which level, in the posts that are learnt from.

Three columns: the older authors, those who wrote plainly, and what is read in training after thinning. A word or a
length that is graver or more harmless here than in life teaches the inverse of life; whoever adds posts looks here
first.
"""

from __future__ import annotations

import re
import sys
from collections.abc import Callable, Sequence
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parent.parent))

from posts import Labelled, blind, read_all, thinned

WORDS = {
    "die, dead, suicide, overdose, self-harm": r"\b(?:die[ds]?|dying|dead|suicid\w*|overdos\w*|self[- ]?harm\w*)\b",
    "kill, stab, shoot, bomb, fire": r"\b(?:kill\w*|stab\w*|shoot\w*|bomb\w*|fire)\b",
    "abuse, groom, rape": r"\b(?:abus\w*|groom\w*|rap(?:e|ed|ist|es))\b",
    "touch, hit, hurt, grab": r"\b(?:touch\w*|hit(?:s|ting)?|hurt\w*|grab\w*|slap\w*)\b",
    "scared, unsafe, police": r"\b(?:scared|unsafe|police)\b",
    "knife, FGM, racism": r"\b(?:knife|knives|fgm|racis\w*)\b",
    "tonight, tomorrow": r"\b(?:tonight|2nite|tomorrow|tmrw|tomoz)\b",
    "bus, tea, biscuit, football, song": r"\b(?:bus|tea|biscuits?|football|songs?)\b",
    "thank, love, well done": r"\b(?:thanks?|thank you|love|lovely|well done)\b",
}
LENGTHS = ((1, 4), (5, 8), (9, 12), (13, 20), (21, 40), (41, 80), (81, 1_000_000))
Group = Callable[[Labelled], bool]


def main() -> None:
    """Print both tables, with kind and platform by level behind them."""
    posts, _ = blind(read_all())
    columns = {
        "older": [post for post in posts if post.is_old],
        "plain": [post for post in posts if not post.is_old],
        "as trained": thinned(posts),
    }
    print_table("words", columns, {name: holds(pattern) for name, pattern in WORDS.items()})
    print_table("length", columns, {f"{low} to {high} words": long(low, high) for low, high in LENGTHS})
    kinds = sorted({post.mention.kind.value for post in posts})
    print_table("kind", columns, {kind: lambda post, kind=kind: post.mention.kind.value == kind for kind in kinds})
    platforms = sorted({post.mention.platform for post in posts})
    print_table(
        "platform", columns, {name: lambda post, name=name: post.mention.platform == name for name in platforms}
    )


def holds(pattern: str) -> Group:
    """Whether a post of 25 words or fewer holds ``pattern``."""
    sought = re.compile(pattern, re.IGNORECASE)
    return lambda post: words(post) <= 25 and sought.search(post.mention.text or "") is not None


def long(low: int, high: int) -> Group:
    """Whether a post has so many words."""
    return lambda post: low <= words(post) <= high


def words(post: Labelled) -> int:
    """How many words a post has."""
    return len((post.mention.text or "").split())


def print_table(name: str, columns: dict[str, Sequence[Labelled]], groups: dict[str, Group]) -> None:
    """Each group's share of the levels 0 to 3 in each column, and how many posts that is."""
    print(f"| {name} | " + " | ".join(f"{column}: 0 / 1 / 2 / 3 (posts)" for column in columns) + " |")
    print("|---" * (len(columns) + 1) + "|")
    for group, belongs in {**groups, "all": lambda post: True}.items():
        print(
            f"| {group} | " + " | ".join(shares([p for p in posts if belongs(p)]) for posts in columns.values()) + " |"
        )
    print()


def shares(posts: Sequence[Labelled]) -> str:
    """The shares of the four levels in hundredths."""
    if not posts:
        return "- (0)"
    each = [round(100 * sum(post.severity == level for post in posts) / len(posts)) for level in range(4)]
    return " / ".join(map(str, each)) + f" ({len(posts):,})"


if __name__ == "__main__":
    main()
