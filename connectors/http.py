"""The one HTTP layer under the connectors that use ``requests``: time-outs, size cap, no proxies to loopback.

The client libraries set no time-outs of their own (reliability notes, 0.5). The time-out here is per read;
the *total* deadline of a poll is kept by the daemon, which runs each fetch in a process that it may kill.
"""

from __future__ import annotations

import ipaddress
import json
from collections.abc import Mapping
from typing import Any

import requests
from requests.adapters import HTTPAdapter

from connectors.addresses import host_of
from connectors.errors import UnexpectedReply, Unreachable, shape_of

CONNECT_TIMEOUT = 5.0
READ_TIMEOUT = 20.0
MAX_BODY = 20 * 1024 * 1024
"""Bytes of an answer that are read, after decompression (reliability notes, 2.4: gzip bombs)."""


def is_loopback(url: str) -> bool:
    """Whether ``url`` leads to this machine, where environment proxies and netrc must not apply."""
    host = host_of(url)
    if host == "localhost":
        return True
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False


class _Border(HTTPAdapter):
    """Fills in the time-out and stops reading a body that grows beyond ``MAX_BODY``."""

    def __init__(self, sent_to: str | None, base_url: str | None) -> None:
        super().__init__(max_retries=0)
        self._sent_to = sent_to
        self._base_url = base_url

    def send(self, request: requests.PreparedRequest, *args: Any, **kwargs: Any) -> requests.Response:
        if self._sent_to and self._base_url and request.url:
            request.url = request.url.replace(self._sent_to, self._base_url, 1)
        kwargs["timeout"] = kwargs.get("timeout") or (CONNECT_TIMEOUT, READ_TIMEOUT)
        kwargs["stream"] = True
        response = super().send(request, *args, **kwargs)
        body = bytearray()
        for chunk in response.iter_content(65536):
            body += chunk
            if len(body) > MAX_BODY:
                response.close()
                raise requests.exceptions.ContentDecodingError("the answer is larger than 20 MB")
        response._content = bytes(body)
        response._content_consumed = True  # type: ignore[attr-defined]
        return response


class _Session(requests.Session):
    """Never follows a redirect: no platform of ours redirects its interface, and whoever stands in between could
    lead us to words that no platform said, or a token to another host."""

    def get_redirect_target(self, resp: requests.Response) -> str | None:
        """None, so that the redirect itself is the answer."""
        return None


def new_session(base_url: str, *, sent_to: str | None = None) -> requests.Session:
    """A session for one connector in one process. ``sent_to`` is a prefix that a library has hard-wired;
    it is replaced by ``base_url`` (scheme, host and an optional path prefix)."""
    session = _Session()
    session.trust_env = not is_loopback(base_url)
    border = _Border(sent_to, base_url.rstrip("/"))
    session.mount("https://", border)
    session.mount("http://", border)
    return session


def unreachable(platform: str, error: Exception) -> Unreachable:
    """``error`` of the transport as ours, without its text: that may hold a URL with a token."""
    if isinstance(error, requests.Timeout | TimeoutError):
        return Unreachable(f"{platform} did not answer in time.", code="timeout")
    return Unreachable(f"{platform} could not be reached.", code=type(error).__name__)


def read_json(platform: str, status: int, body: bytes, headers: Mapping[str, str]) -> Any:
    """The body as JSON; raises ``Unreachable`` for an edge's HTML or empty page, ``UnexpectedReply`` else."""
    try:
        return json.loads(body.decode("utf-8-sig"), parse_constant=_no_constant)
    except (ValueError, RecursionError) as error:
        kind = headers.get("content-type", "no content type").split(";")[0][:40]
        if status >= 500 or not body.strip() or body.lstrip()[:1] == b"<":
            raise Unreachable(
                f"{platform} answered with status {status} and no data ({kind}).", code=f"http-{status}"
            ) from None
        raise UnexpectedReply(
            f"{platform} began an answer that Earshot cannot read to its end.",
            code=f"http-{status}",
            shape=f"{type(error).__name__}: {shape_of(body)} {kind}",
        ) from None


def _no_constant(word: str) -> None:
    raise ValueError(f"{word} is not JSON")
