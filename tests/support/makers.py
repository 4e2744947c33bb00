"""Small makers: take only what matters to a test, fill in the rest."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

from alerts.model import Severity
from connectors.model import Author, Kind, Mention, Organisation
from monitor.model import Assessment, Category

NOW = datetime(2026, 11, 24, 14, 2, tzinfo=UTC)

ORGANISATION = Organisation(
    name="Tessellate UK",
    aliases=("TessellateUK", "Tessellate UK", "Tessellate-UK", "TUK"),
    handles={
        "x": "TessellateUK",
        "instagram": "TessellateUK",
        "facebook": "Tessellate UK",
        "linkedin": "tessellate-uk",
        "youtube": "TessellateUK",
    },
    domains=("tessellateuk.example",),
    people=("Rowan Ashdown",),
    campaigns=("#TrustTalk",),
    languages=("en", "so", "ar", "ur", "pl", "cy", "fr"),
)


def a_mention(text: str | None = "A post about Tessellate UK", **changes: Any) -> Mention:
    """A comment on Facebook from a moment ago, unless told otherwise."""
    values: dict[str, Any] = {
        "platform": "facebook",
        "external_id": "1",
        "kind": Kind.COMMENT,
        "text": text,
        "url": "https://social.example/1",
        "posted_at": NOW,
        "author": Author(name="Sam Example", handle="sam_example", id="777"),
    }
    return Mention(**{**values, **changes})


def an_assessment(severity: Severity = Severity.ALERT, *categories: Category, **changes: Any) -> Assessment:
    """An assessment of a complaint, unless told otherwise."""
    return Assessment(severity, categories or (Category.COMPLAINT,), language="en", **changes)
