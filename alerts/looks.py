"""Words and colours that mails and pages share. Every white-on-colour pair has a contrast of 4.5 or more (WCAG AA)."""

from __future__ import annotations

TONES = {
    "crisis": "#b00020",
    "alert": "#a34a00",
    "watch": "#1f5fa8",
    "routine": "#4a5260",
    "takeover": "#6a1b9a",
    "good": "#1b6b3a",
}
"""The ground of banners and buttons, with white letters; the word beside it says the same."""

LIGHT = {
    "ground": "#ffffff",
    "ink": "#1c1f24",
    "quiet": "#565d68",
    "line": "#d5d9df",
    "panel": "#f3f5f7",
    "link": "#1f5fa8",
}
DARK = {
    "ground": "#14171c",
    "ink": "#eceff3",
    "quiet": "#a9b1bd",
    "line": "#3a414c",
    "panel": "#1f242b",
    "link": "#8ab8f2",
}
