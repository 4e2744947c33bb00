from __future__ import annotations

import io

import pytest
from PIL import Image

from alerts.model import PlatformWeeks
from alerts.picture import WIDTH, weeks_picture

WEEKS = ("9 Nov", "16 Nov")


def drawn(*platforms: PlatformWeeks) -> Image.Image:
    return Image.open(io.BytesIO(weeks_picture(WEEKS, platforms)))


@pytest.mark.parametrize(
    "counts",
    [(), (None,), (0,), (0, 0, 0), (None, None), (1, 1_000_000), (3, None, 0, 7)],
    ids=str,
)
def test_any_run_of_weeks_can_be_drawn(counts: tuple[int | None, ...]) -> None:
    assert drawn(PlatformWeeks("Facebook", counts)).width == WIDTH


def test_the_same_numbers_give_the_same_picture() -> None:
    platforms = (PlatformWeeks("X", (1, 2)), PlatformWeeks("YouTube", (2, None)))

    assert weeks_picture(WEEKS, platforms) == weeks_picture(WEEKS, platforms)


def test_an_unheard_week_does_not_look_like_a_quiet_one() -> None:
    quiet, unheard = PlatformWeeks("X", (0, 5)), PlatformWeeks("X", (None, 5))

    assert weeks_picture(WEEKS, [quiet]) != weeks_picture(WEEKS, [unheard])


def test_it_is_small_and_opaque_so_that_a_dark_mail_does_not_hide_it() -> None:
    platforms = [
        PlatformWeeks(name, (5, 9, 2, 31, 8, 12)) for name in ("Facebook", "Instagram", "X", "LinkedIn", "YouTube")
    ]

    raw = weeks_picture(WEEKS, platforms)

    assert len(raw) < 40_000
    picture = Image.open(io.BytesIO(raw))
    assert "transparency" not in picture.info
    assert min(picture.convert("L").getpixel((2, 2)), 255) > 230  # type: ignore[type-var]
