"""Short texts to phones and chats through apprise: SMS, Teams, Slack, ntfy and others, by the URLs of the settings.

Those URLs hold secrets, so no error, log line or return value carries one. Like the mailer, ``ring`` is a plain
function that the daemon may run in a process that it may kill.
"""

from __future__ import annotations

import logging
import warnings
from collections.abc import Sequence
from typing import Any

from alerts.model import DeliveryFailed

MAX_TITLE = 100
MAX_BODY = 300
"""Characters; two SMS."""


def ring(urls: Sequence[str], title: str, body: str) -> None:
    """Send a short text to each address; one that took it is enough, for else those would ring again and again.

    Raises ``DeliveryFailed`` when none took it: permanent when none is an address that apprise knows.
    """
    title, body = _one_line(title)[:MAX_TITLE], _one_line(body)[:MAX_BODY]
    services = [service for service in map(_service, urls) if service is not None]
    if not services:
        raise DeliveryFailed("No phone address can be used; check phones in the settings.", permanent=True)
    took = [_told(service, title, body) for service in services]  # every one is tried
    if True not in took:
        raise DeliveryFailed(f"None of {len(services)} phone addresses took the message.")


def unusable(urls: Sequence[str]) -> tuple[int, ...]:
    """The places (from 1) of the addresses that apprise does not know, for the doctor."""
    return tuple(place for place, url in enumerate(urls, 1) if _service(url) is None)


def _service(url: str) -> Any | None:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", DeprecationWarning)  # some of its many plug-ins are behind the times
        import apprise

        # Its own log lines may hold parts of addresses and answers of servers.
        logging.getLogger("apprise").disabled = True
        return apprise.Apprise.instantiate(url, suppress_exceptions=True)


def _told(service: Any, title: str, body: str) -> bool:
    try:
        return bool(service.notify(title=title, body=body))
    except Exception:  # a bulkhead: a channel of strangers' code; nothing of it may be repeated
        return False


def _one_line(text: str) -> str:
    return " ".join(text.split())
