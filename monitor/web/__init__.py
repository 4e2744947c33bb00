"""The web pages: links from mails, the incident page, "may I post?", and the console. Small, without JavaScript
needed, and safe behind a reverse proxy (reliability notes, 3.1).
"""

from __future__ import annotations

import contextlib
import logging
import socket
import threading
from pathlib import Path
from typing import Any

from flask import Flask
from werkzeug.middleware.proxy_fix import ProxyFix

from monitor.app import App
from monitor.settings import Web
from monitor.web import (
    accounts,
    api,
    digests,
    door,
    drills,
    engine,
    guard,
    incident,
    judging,
    mailed,
    mentions,
    now,
    publishing,
    takeover,
    tell,
)
from monitor.web.house import house_of, keep
from monitor.web.words import teach

log = logging.getLogger(__name__)

THREADS = 6
"""Requests served at once; the pages never hold up an alert, which has threads of its own."""

MAX_BODY = 64 * 1024
"""Bytes of a request that are read; the longest form is a note of 2,000 characters."""

PAGES = (
    mailed,
    door,
    now,
    incident,
    takeover,
    publishing,
    mentions,
    tell,
    digests,
    judging,
    drills,
    accounts,
    engine,
    api,
)
"""Modules with routes: each offers ``pages``, a blueprint."""

__all__ = ["Pages", "create_app", "house_of", "start_web"]


def create_app(app: App) -> Flask:
    """The pages of one installation, as a WSGI application."""
    flask = Flask("monitor.web", root_path=str(Path(__file__).parent), static_folder=None)
    flask.config.update(
        MAX_CONTENT_LENGTH=MAX_BODY,
        MAX_FORM_MEMORY_SIZE=MAX_BODY,
        MAX_FORM_PARTS=100,
        PROPAGATE_EXCEPTIONS=False,
    )
    flask.jinja_env.trim_blocks = flask.jinja_env.lstrip_blocks = True
    keep(flask, app)
    teach(flask)
    guard.stand_at(flask)
    for module in PAGES:
        flask.register_blueprint(module.pages)
    proxies = app.settings.web.trusted_proxies
    if proxies:
        flask.wsgi_app = ProxyFix(flask.wsgi_app, x_for=proxies, x_proto=proxies, x_host=proxies)  # type: ignore[method-assign]
    return flask


class Pages:
    """The running pages; ``port`` is the one really bound."""

    def __init__(self, server: Any, sockets: dict[int, Any]) -> None:
        self._server, self._sockets = server, sockets
        self.port = int(server.effective_port)
        self._thread = threading.Thread(target=server.run, name="pages", daemon=True)
        self._thread.start()

    def close(self) -> None:
        """Stop serving within two seconds; requests under way are cut off."""
        trigger = next((s for s in list(self._sockets.values()) if hasattr(s, "pull_trigger")), None)
        if trigger is not None:
            with contextlib.suppress(OSError):  # whoever watches the sockets has closed them already
                trigger.pull_trigger(self._close_all)  # sockets are closed by the thread that watches them
        self._thread.join(timeout=2)
        self._server.task_dispatcher.shutdown(cancel_pending=True, timeout=1)

    def _close_all(self) -> None:
        for watched in list(self._sockets.values()):
            with contextlib.suppress(OSError):
                watched.close()
        self._sockets.clear()


def start_web(app: App) -> Pages:
    """Serve the pages on ``[web] bind`` in threads of their own. Raises OSError when the port is taken."""
    return serve(create_app(app), app.settings.web)


def serve(flask: Flask, web: Web) -> Pages:
    """Serve a WSGI application the way the pages are served. Raises OSError when the port is taken."""
    from monitor.web.serving import server_on

    host, _, port = web.bind.rpartition(":")
    logging.getLogger("waitress").setLevel(logging.ERROR)
    sockets: dict[int, Any] = {}
    server = server_on(
        _listen(host.strip("[]"), int(port)),
        flask,
        watched=sockets,
        threads=THREADS,
        ident=None,
        max_request_body_size=MAX_BODY,
        max_request_header_size=16 * 1024,
        channel_timeout=30,
        clear_untrusted_proxy_headers=not web.trusted_proxies,
    )
    return Pages(server, sockets)


def _listen(host: str, port: int) -> socket.socket:
    family, kind, number, _, address = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)[0]
    listening = socket.socket(family, kind, number)
    try:
        listening.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        listening.bind(address)
    except OSError:
        listening.close()
        raise
    return listening
