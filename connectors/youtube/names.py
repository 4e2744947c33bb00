"""Our names as YouTube's search and strangers' comments may hold them."""

from __future__ import annotations

import re
from collections.abc import Iterable

from connectors.model import Organisation
from connectors.youtube import NAME


def names_of(organisation: Organisation) -> tuple[str, ...]:
    """What counts as naming us in a video or comment by others, squeezed to letters and digits.

    Short names count only where the context says that it is us, so they are left out here.
    """
    handle = organisation.handles.get(NAME, "").lstrip("@")
    words = (organisation.name, *organisation.aliases, handle, *organisation.domains, *organisation.campaigns)
    return tuple(dict.fromkeys(squeezed for word in words if len(squeezed := _squeeze(word)) >= 5))


def names_us(text: str, names: Iterable[str]) -> bool:
    """Whether ``text`` holds one of ``names``."""
    squeezed = _squeeze(text)
    return any(name in squeezed for name in names)


def search_query(organisation: Organisation) -> str:
    """The search for videos that name us: names in quotes, ``|`` for or. It never aims at a person.

    ``-`` means *not* to YouTube, which is why every name is quoted.
    """
    handle = organisation.handles.get(NAME, "").lstrip("@")
    words = (organisation.name, *organisation.aliases, handle, *organisation.campaigns)
    chosen: list[str] = []
    for word in words:
        plain = word.replace('"', " ").replace("|", " ").strip()
        quoted = f'"{plain}"'
        if len(_squeeze(plain)) >= 5 and quoted.lower() not in {c.lower() for c in chosen}:
            chosen.append(quoted)
    if not chosen:
        chosen = [f'"{organisation.name}"']
    while len("|".join(chosen)) > 400 and len(chosen) > 1:
        chosen.pop()
    return "|".join(chosen)


def comment_terms(organisation: Organisation) -> tuple[str, ...]:
    """The names to look for in comments by others, at most three: one call each."""
    handle = organisation.handles.get(NAME, "").lstrip("@")
    words = [word for word in (organisation.name, handle, *organisation.aliases) if len(_squeeze(word)) >= 5]
    different: dict[str, str] = {}
    for word in words:
        different.setdefault(word.lower(), word)
    return tuple(different.values())[:3] or (organisation.name,)


def _squeeze(text: str) -> str:
    return re.sub(r"[\W_]+", "", text.casefold())
