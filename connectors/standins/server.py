"""The HTTP server under every stand-in: a request log, and faults that can be switched on."""

from __future__ import annotations

import json
import socket
import threading
import time
from collections.abc import Mapping
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from socketserver import TCPServer
from typing import Protocol
from urllib.parse import parse_qs, unquote, urlsplit


@dataclass(frozen=True, slots=True)
class Request:
    """What a client asked. ``query`` is decoded; ``raw_query`` and ``raw_path`` are as sent (Rest.li needs them)."""

    method: str
    path: str
    query: Mapping[str, list[str]]
    headers: Mapping[str, str]
    body: bytes = b""
    raw_path: str = ""
    raw_query: str = ""

    def one(self, name: str) -> str | None:
        """The last value of a query parameter, or None."""
        values = self.query.get(name)
        return values[-1] if values else None


@dataclass(frozen=True, slots=True)
class Reply:
    """What is answered. A dict or list becomes JSON; bytes go as they are."""

    status: int = 200
    body: object = b""
    headers: Mapping[str, str] = field(default_factory=dict)

    def payload(self) -> bytes:
        """The body as bytes."""
        return self.body if isinstance(self.body, bytes) else json.dumps(self.body, ensure_ascii=False).encode()


class StandIn(Protocol):
    """One platform's interface. Header names in a ``Request`` are lower case."""

    name: str

    def answer(self, request: Request) -> Reply:
        """The platform's answer to ``request``."""
        ...


@dataclass(slots=True)
class Trouble:
    """A fault to play for the next ``times`` requests whose path contains ``path``.

    ``how`` is one of reply (``reply`` is sent instead), html (an edge's page with ``status``), empty, cut (half
    the true body), drip (a byte every half second), hang, drop (the connection ends without an answer).
    """

    how: str
    times: int = 1
    path: str = ""
    status: int = 502
    reply: Reply | None = None


HTML = b"<html><head><title>502 Bad Gateway</title></head><body><h1>502 Bad Gateway</h1></body></html>"


class Server:
    """Serves one stand-in, or several by path prefix, on loopback. Use it as a context manager."""

    def __init__(self, standins: StandIn | Mapping[str, StandIn], *, port: int = 0) -> None:
        self._standins = standins if isinstance(standins, Mapping) else {"": standins}
        self.log: list[Request] = []
        self.troubles: list[Trouble] = []
        self._lock = threading.Lock()
        self._closing = threading.Event()
        owner = self

        class Handler(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"
            timeout = 30
            disable_nagle_algorithm = True  # else head and body, sent apart, cost 40 ms on loopback

            def log_message(self, format: str, *args: object) -> None:  # noqa: A002
                return

            def handle_one_request(self) -> None:
                try:
                    super().handle_one_request()
                except (ConnectionError, TimeoutError):
                    self.close_connection = True

            def _go(self) -> None:
                owner._serve(self)

            do_GET = do_POST = do_PUT = do_DELETE = do_HEAD = _go

        class Quiet(ThreadingHTTPServer):
            daemon_threads = True
            request_queue_size = 128

            def server_bind(self) -> None:
                # HTTPServer's own asks for the machine's full name, which may ask a name server.
                TCPServer.server_bind(self)
                self.server_name, self.server_port = "127.0.0.1", int(self.server_address[1])

            def handle_error(self, request: object, client_address: object) -> None:
                return

        self._http = Quiet(("127.0.0.1", port), Handler)
        self._thread = threading.Thread(target=self._http.serve_forever, args=(0.05,), daemon=True)

    @property
    def url(self) -> str:
        """Scheme, host and port."""
        return f"http://127.0.0.1:{self._http.server_port}"

    def __enter__(self) -> Server:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._closing.set()
        self._http.shutdown()
        self._http.server_close()
        self._thread.join(5)

    def trouble(
        self, how: str, *, times: int = 1, path: str = "", status: int = 502, reply: Reply | None = None
    ) -> None:
        """Play a fault for the next requests."""
        with self._lock:
            self.troubles.append(Trouble(how, times, path, status, reply))

    def calm(self) -> None:
        """End all faults."""
        with self._lock:
            self.troubles.clear()

    def _trouble_for(self, path: str) -> Trouble | None:
        with self._lock:
            for trouble in self.troubles:
                if trouble.path in path and trouble.times > 0:
                    trouble.times -= 1
                    return trouble
        return None

    def _serve(self, handler: BaseHTTPRequestHandler) -> None:
        parts = urlsplit(handler.path)
        length = int(handler.headers.get("content-length") or 0)
        body = handler.rfile.read(length) if length else b""
        prefix, standin = self._choose(parts.path)
        raw_path = parts.path[len(prefix) :] or "/"
        request = Request(
            handler.command,
            unquote(raw_path),
            parse_qs(parts.query, keep_blank_values=True),
            {name.lower(): value for name, value in handler.headers.items()},
            body,
            raw_path,
            parts.query,
        )
        with self._lock:
            self.log.append(request)
        trouble = self._trouble_for(parts.path)
        if trouble and trouble.how in {"hang", "drop"}:
            if trouble.how == "hang":
                self._closing.wait(120)
            handler.close_connection = True
            handler.connection.shutdown(socket.SHUT_RDWR)
            return
        if trouble and trouble.how == "html":
            reply = Reply(trouble.status, HTML, {"content-type": "text/html; charset=utf-8"})
        elif trouble and trouble.how == "empty":
            reply = Reply(trouble.status, b"", {})
        elif trouble and trouble.how == "reply" and trouble.reply:
            reply = trouble.reply
        else:
            reply = standin.answer(request) if standin else Reply(404, {"error": "no such stand-in"})
        payload = reply.payload()
        if trouble and trouble.how == "cut":
            payload = payload[: len(payload) // 2]
        headers = {name.lower(): value for name, value in reply.headers.items()}
        headers.setdefault("content-type", "application/json; charset=utf-8")
        handler.send_response(reply.status)
        for name, value in headers.items():
            handler.send_header(name, value)
        handler.send_header("content-length", str(len(payload)))
        handler.end_headers()
        if handler.command == "HEAD":
            return
        if trouble and trouble.how == "drip":
            for byte in payload:
                if self._closing.is_set():
                    return
                handler.wfile.write(bytes([byte]))
                handler.wfile.flush()
                time.sleep(0.5)
            return
        handler.wfile.write(payload)

    def _choose(self, path: str) -> tuple[str, StandIn | None]:
        for prefix in sorted(self._standins, key=len, reverse=True):
            if path == prefix or path.startswith(f"{prefix}/") or prefix == "":
                return prefix, self._standins[prefix]
        return "", None
