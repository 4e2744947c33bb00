"""What the worker processes do: ask a platform. Nothing here loads the store or the judgement, so that the server
they are forked from stays small (settled questions, 6)."""

from __future__ import annotations

from typing import Any

from connectors import registry
from connectors.model import Allowance, Batch, Connector, Examines, Finding, Organisation, Rechecks


def fetch(name: str, settings: Any, organisation: Organisation, cursor: str | None, allowance: Allowance) -> Batch:
    """One ``fetch``: only here is the platform's client library loaded."""
    connector: Connector = registry.load(name).connect(settings, organisation)
    return connector.fetch(cursor, allowance)


def recheck(name: str, settings: Any, organisation: Organisation, ids: tuple[str, ...], allowance: Allowance) -> Batch:
    """One ``recheck``; an empty batch where the platform cannot."""
    connector = registry.load(name).connect(settings, organisation)
    return connector.recheck(ids, allowance) if isinstance(connector, Rechecks) else Batch()


def examine(name: str, settings: Any, organisation: Organisation, allowance: Allowance) -> tuple[Finding, ...]:
    """One ``examine``; nothing where the platform cannot."""
    connector = registry.load(name).connect(settings, organisation)
    return connector.examine(allowance) if isinstance(connector, Examines) else ()
