"""Small pictures drawn on the server: SVG without a line of script or style, always with its table beside it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from markupsafe import Markup, escape

WIDTH, HEIGHT, FOOT = 320, 96, 18
"""The drawing's own units; the style sheet lets it grow with the page."""


@dataclass(frozen=True, slots=True)
class Bar:
    """One bar: what it stands for, how many, and whether we were deaf then. ``count`` None was not heard at all."""

    label: str
    count: int | None
    deaf: bool = False
    grave: int = 0
    """How many of them alert; drawn as the dark foot of the bar."""


def bars(title: str, values: Sequence[Bar]) -> Markup:
    """A bar chart as SVG, read aloud as one sentence; the numbers stand in ``table``."""
    top = max((bar.count or 0 for bar in values), default=0) or 1
    step = WIDTH / max(1, len(values))
    room = HEIGHT - FOOT - 14
    parts: list[Markup] = []
    for n, bar in enumerate(values):
        x, wide = n * step + step * 0.12, step * 0.76
        tall = room * (bar.count or 0) / top
        y = HEIGHT - FOOT - tall
        if bar.deaf:
            parts.append(
                Markup('<rect class="deaf" x="{:.1f}" y="14" width="{:.1f}" height="{}"/>').format(x, wide, room)
            )
        if bar.count:
            parts.append(
                Markup('<rect class="bar" x="{:.1f}" y="{:.1f}" width="{:.1f}" height="{:.1f}"/>').format(
                    x, y, wide, max(tall, 1.5)
                )
            )
        if bar.grave and bar.count:
            foot = max(tall * bar.grave / bar.count, 2)
            parts.append(
                Markup('<rect class="grave" x="{:.1f}" y="{:.1f}" width="{:.1f}" height="{:.1f}"/>').format(
                    x, HEIGHT - FOOT - foot, wide, foot
                )
            )
        middle = x + wide / 2
        if len(values) <= 12:
            shown = "?" if bar.count is None else f"{bar.count:,}"
            parts.append(
                Markup('<text class="count" x="{:.1f}" y="{:.1f}">{}</text>').format(middle, max(y - 3, 10), shown)
            )
        if len(values) <= 8 or n % 6 == 0:
            parts.append(Markup('<text x="{:.1f}" y="{}">{}</text>').format(middle, HEIGHT - 4, bar.label))
    return Markup('<svg class="chart" viewBox="0 0 {} {}" role="img" aria-label="{}">{}</svg>').format(
        WIDTH, HEIGHT, f"{title}: {say(values)}", Markup("").join(parts)
    )


def table(title: str, head: str, values: Sequence[Bar]) -> Markup:
    """The numbers of a chart."""
    rows = Markup("").join(
        Markup('<tr><th scope="row">{}</th><td class="number">{}</td></tr>').format(bar.label, _count(bar))
        for bar in values
    )
    return Markup(
        '<details><summary>{} in numbers</summary><table><thead><tr><th scope="col">{}</th>'
        '<th scope="col" class="number">Posts</th></tr></thead><tbody>{}</tbody></table></details>'
    ).format(escape(title), head, rows)


def say(values: Sequence[Bar]) -> str:
    """The chart in one sentence."""
    total = sum(bar.count or 0 for bar in values)
    if not total:
        return "no posts"
    most = max(values, key=lambda bar: bar.count or 0)
    deaf = sum(bar.deaf or bar.count is None for bar in values)
    gap = f", not heard well in {deaf} of {len(values)}" if deaf else ""
    return f"{total:,} posts, most at {most.label} ({most.count or 0:,}){gap}"


def _count(bar: Bar) -> str:
    if bar.count is None:
        return "not heard"
    return f"{bar.count:,}{' (not heard well)' if bar.deaf else ''}"
