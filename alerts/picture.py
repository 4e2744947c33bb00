"""The digest's picture: mentions per week, one small chart for each platform. Pure: from numbers to a PNG.

It is drawn for a phone: 720 px wide with letters of 26 px stay readable at half the size. The ground is opaque and
light, so it reads the same where the mail itself turns dark. The numbers stand in the text as well.
"""

from __future__ import annotations

import io
from collections.abc import Sequence

from PIL import Image, ImageDraw, ImageFont

from alerts.model import PlatformWeeks

WIDTH = 720
_CELL_WIDTH, _CELL_HEIGHT, _GAP = 352, 236, 16
_INK, _QUIET, _GROUND, _PANEL = "#1c1f24", "#565d68", "#f3f5f7", "#ffffff"
_BAR, _NOW, _DEAF = "#9db8d9", "#1f5fa8", "#a34a00"

_Font = ImageFont.FreeTypeFont | ImageFont.ImageFont


def weeks_picture(weeks: Sequence[str], platforms: Sequence[PlatformWeeks]) -> bytes:
    """A PNG with one chart for each platform, this week's bar dark and its number large; unheard weeks say so."""
    rows = (len(platforms) + 1) // 2
    height = rows * (_CELL_HEIGHT + _GAP) + _GAP // 2
    image = Image.new("RGB", (WIDTH, max(height, _GAP)), _GROUND)
    pen = ImageDraw.Draw(image)
    for place, platform in enumerate(platforms):
        column, row = place % 2, place // 2
        left = column * (_CELL_WIDTH + _GAP)
        _chart(pen, left, _GAP // 2 + row * (_CELL_HEIGHT + _GAP), weeks, platform)
    out = io.BytesIO()
    image.quantize(32).save(out, "PNG", optimize=True)
    return out.getvalue()


def _chart(pen: ImageDraw.ImageDraw, left: int, top: int, weeks: Sequence[str], platform: PlatformWeeks) -> None:
    pen.rounded_rectangle((left, top, left + _CELL_WIDTH, top + _CELL_HEIGHT), 12, fill=_PANEL)
    now = platform.counts[-1] if platform.counts else None
    pen.text((left + 18, top + 12), platform.platform[:14], fill=_INK, font=_font(28))
    number = "not heard" if now is None else f"{now:,}"
    pen.text(
        (left + _CELL_WIDTH - 18, top + 12), number, fill=_DEAF if now is None else _NOW, font=_font(28), anchor="ra"
    )
    _bars(pen, left + 18, top + 62, _CELL_WIDTH - 36, 120, platform.counts)
    first, last = (weeks[0], weeks[-1]) if weeks else ("", "")
    pen.text((left + 18, top + 194), first, fill=_QUIET, font=_font(24))
    if len(weeks) > 1:
        pen.text((left + _CELL_WIDTH - 18, top + 194), last, fill=_QUIET, font=_font(24), anchor="ra")


def _bars(pen: ImageDraw.ImageDraw, left: int, top: int, width: int, height: int, counts: Sequence[int | None]) -> None:
    if not counts:
        return
    highest = max([count for count in counts if count is not None], default=0) or 1
    step = width / len(counts)
    bar = max(4, int(step * 0.72))
    pen.line((left, top + height, left + width, top + height), fill="#d5d9df", width=2)
    for place, count in enumerate(counts):
        x = int(left + place * step + (step - bar) / 2)
        if count is None:
            _unheard(pen, x, top, bar, height)
            continue
        tall = max(3, round(height * count / highest)) if count else 0
        fill = _NOW if place == len(counts) - 1 else _BAR
        if tall:
            pen.rectangle((x, top + height - tall, x + bar, top + height - 1), fill=fill)


def _unheard(pen: ImageDraw.ImageDraw, x: int, top: int, bar: int, height: int) -> None:
    """A hatched column with a question mark: not a week without talk, but one without hearing."""
    for y in range(top + height - 8, top, -12):
        pen.line((x, y, x + bar, y - 6), fill=_DEAF, width=2)
    pen.text((x + bar // 2, top + height // 2), "?", fill=_DEAF, font=_font(28), anchor="mm")


def _font(size: int) -> _Font:
    return ImageFont.load_default(size)
