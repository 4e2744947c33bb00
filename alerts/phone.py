"""Short texts to phones and chats through apprise (SMS, calls, Teams, Slack, ntfy ...), by the URLs of the settings.

Those URLs hold secrets, so no error, log line or return value carries one. Like the mailer, ``ring`` is a plain
function that the daemon may run in a process that it may kill.
"""

from __future__ import annotations

import logging
import os
import re
import warnings
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Any

from alerts.model import DeliveryFailed
from signs import cut

# ``requests`` would put names and passwords of ~/.netrc in the place of those in our addresses, here and wherever this
# process speaks HTTP. Proxies of the environment stay: some houses have no other way out.
os.environ["NETRC"] = os.devnull

MAX_TITLE = 100
MAX_BODY = 300
"""Characters without the link; two SMS."""

_CHATTY = ("apprise", "urllib3", "requests", "charset_normalizer")
"""Whose log lines may hold addresses, and so secrets, and what servers answered."""


def ring(url: str, title: str, body: str, link: str = "") -> None:
    """Send a short text to one address, the whole ``link`` at its end.

    Raises ``DeliveryFailed``: permanent when it is no address that apprise knows, else worth another try.
    """
    kind = kind_of(url)
    words = cut(" ".join(body.split()), MAX_BODY).rstrip()
    if link:
        # a card shows no bare address that could be pressed
        words += f"\n[{link}]({link})" if kind == "Teams" else f"\n{link}"
    with _quietly():
        service = _service(url)
        if service is None:
            raise DeliveryFailed("Earshot knows no such phone address; see phones in the settings.", permanent=True)
        if not _told(service, cut(" ".join(title.split()), MAX_TITLE), words):
            raise DeliveryFailed(f"The phone ({kind}) did not take the message.", unanswered=True)


def unusable(urls: Sequence[str]) -> tuple[int, ...]:
    """The places (from 1) of the addresses that apprise does not know, for the doctor."""
    with _quietly():
        return tuple(place for place, url in enumerate(urls, 1) if _service(url) is None)


def kind_of(url: str) -> str:
    """By which service an address is reached, such as *ntfy*: all of it that may be shown."""
    match = re.match(r"([a-z][a-z0-9]{1,20})://", url, re.IGNORECASE)
    kind = match[1].casefold() if match else "unknown"
    return _KINDS.get(kind, kind)


_KINDS = {
    "http": "web",
    "https": "web",
    "msteams": "Teams",
    "ntfys": "ntfy",
    "slack": "Slack",
    "twilio": "Twilio",
    "workflow": "Teams",
    "workflows": "Teams",
}
"""What people call them, where the address says it otherwise."""


def _service(url: str) -> Any | None:
    import apprise

    # Pictures would be fetched from elsewhere by whoever reads; a redirected message may have reached nobody; and
    # nothing is kept on the disk.
    asset = apprise.AppriseAsset(
        app_id="Earshot", app_desc="Earshot", app_url="", image_url_mask="", image_url_logo="", http_redirects=False,
        storage_mode="memory",
    )  # fmt: skip
    return apprise.Apprise.instantiate(url, asset=asset, suppress_exceptions=True)


def _told(service: Any, title: str, body: str) -> bool:
    try:
        return bool(service.notify(title=title, body=body))
    except Exception:  # bulkhead: a channel of strangers' code; nothing of it may be repeated
        return False


@contextmanager
def _quietly() -> Iterator[None]:
    loggers = [logging.getLogger(name) for name in _CHATTY]
    levels = [logger.level for logger in loggers]
    try:
        for logger in loggers:
            logger.setLevel(logging.CRITICAL + 1)
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # some of its many plug-ins are behind the times, some name hosts
            yield
    finally:
        for logger, level in zip(loggers, levels, strict=True):
            logger.setLevel(level)
