"""ntfy, Twilio, Slack and Teams (Workflows) on loopback, as strict as they are: wrong forms and secrets are refused."""

from __future__ import annotations

import base64
import json
import re
import ssl
import threading
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from types import TracebackType
from typing import Any
from urllib.parse import parse_qs, parse_qsl, urlsplit

from certificates import make_certificate

NTFY_TOKEN = "tk_ntfysecretofthetests1234567890"
TOPIC = "tuk-secret-topic"
SID, AUTH = "AC" + "a1b2c3d4" * 4, "twiliosecret0fthetests012345"
SLACK = ("T1JJ3T3L2", "A1BRTD4JD", "TIiajkdnlazkcOXrIdevi7FQ")
FLOW, SIGNATURE = "643e69f83c8944438d68119179a10a64", "KODuebWbDGYFr0z0eu-secret"
SECRETS = (NTFY_TOKEN, TOPIC, SID, AUTH, *SLACK, FLOW, SIGNATURE)
"""None of these may be seen anywhere."""


@dataclass(frozen=True, slots=True)
class Heard:
    """A message that a service took: for whom, and the words."""

    to: str
    title: str
    body: str


Reply = tuple[int, Any]


class PhoneServices:
    """``with PhoneServices(folder) as services: services.urls["ntfy"]``. ``answer_next`` lets a service fail."""

    def __init__(self, folder: Path) -> None:
        context, _ = make_certificate(folder)
        self.heard: dict[str, list[Heard]] = {name: [] for name in ("ntfy", "twilio", "slack", "teams")}
        self.refused: list[str] = []
        """What a service minded."""
        self._next: dict[str, deque[Reply]] = {name: deque() for name in self.heard}
        self._plain = _Server(self, None)
        self._secure = _Server(self, context)
        port, secure = self._plain.port, self._secure.port
        self.urls = {
            "ntfy": f"ntfy://{NTFY_TOKEN}@127.0.0.1:{port}/{TOPIC}?auth=token",
            "twilio": f"twilio://{SID}:{AUTH}@15005550006/447700900123",
            "slack": f"slack://{'/'.join(SLACK)}",
            "teams": f"workflows://127.0.0.1:{secure}/{FLOW}/{SIGNATURE}?verify=no",
        }

    def lead_here(self, monkeypatch: Any) -> None:
        """Twilio and Slack have one address in the world; let theirs lead here."""
        from apprise.plugins.slack import NotifySlack
        from apprise.plugins.twilio import NotifyTwilio

        here = f"http://127.0.0.1:{self._plain.port}"
        monkeypatch.setattr(NotifyTwilio, "notify_sms_url", here + "/2010-04-01/Accounts/{sid}/Messages.json")
        monkeypatch.setattr(NotifySlack, "webhook_url", f"{here}/services")

    def answer_next(self, name: str, *replies: Reply) -> None:
        """Answer the next messages so, whatever they are. A 302 leads to a page that greets everybody with 200."""
        self._next[name].extend(replies)

    def __enter__(self) -> PhoneServices:
        self._plain.start()
        self._secure.start()
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, tb: TracebackType | None) -> None:
        self._plain.stop()
        self._secure.stop()

    # ── the services ────────────────────────────────────────────────────────────────────────────

    def answer(self, path: str, headers: Any, body: bytes) -> Reply:
        place = urlsplit(path)
        if place.path == "/login":
            return 200, "<html>Welcome to the free network of this café</html>"
        name, work = self._service(place.path)
        if name and self._next[name]:
            return self._next[name].popleft()
        reply = work(place, headers, body)
        if reply[0] >= 400:
            self.refused.append(f"{name or path}: {reply}")
        return reply

    def _service(self, path: str) -> tuple[str, Callable[[Any, Any, bytes], Reply]]:
        if path == "/":
            return "ntfy", self._ntfy
        if path.startswith("/2010-04-01/"):
            return "twilio", self._twilio
        if path.startswith("/services/"):
            return "slack", self._slack
        if path.startswith("/workflows/"):
            return "teams", self._teams
        return "", lambda *_: (404, "no such place")

    def _ntfy(self, place: Any, headers: Any, body: bytes) -> Reply:
        if headers["Authorization"] != f"Bearer {NTFY_TOKEN}":
            return 401, {"code": 40101, "http": 401, "error": "unauthorized"}
        try:
            said = json.loads(body)
        except ValueError:
            return 400, {"code": 40024, "http": 400, "error": "invalid request: request body must be valid JSON"}
        if said.get("topic") != TOPIC or not re.fullmatch(r"[-_A-Za-z0-9]{1,64}", said["topic"]):
            return 403, {"code": 40301, "http": 403, "error": "forbidden"}
        if (
            not said.get("message")
            or len(said["message"].encode()) > 4096
            or len(said.get("title", "").encode()) > 1024
        ):
            return 400, {"code": 40025, "http": 400, "error": "invalid message"}
        self.heard["ntfy"].append(Heard(said["topic"], said.get("title", ""), said["message"]))
        return 200, {"id": "xE73Iyuabi", "event": "message", "topic": said["topic"]}

    def _twilio(self, place: Any, headers: Any, body: bytes) -> Reply:
        given = base64.b64encode(f"{SID}:{AUTH}".encode()).decode()
        if place.path != f"/2010-04-01/Accounts/{SID}/Messages.json" or headers["Authorization"] != f"Basic {given}":
            return 401, {"code": 20003, "message": "Authenticate", "status": 401}
        form = dict(parse_qsl(body.decode(), strict_parsing=True, keep_blank_values=True))
        if not re.fullmatch(r"\+[1-9]\d{6,14}", form.get("To", "")):
            return 400, {"code": 21211, "message": "Invalid 'To' Phone Number", "status": 400}
        if form.get("From") != "+15005550006":
            return 400, {"code": 21606, "message": "The 'From' phone number is not yours", "status": 400}
        if not form.get("Body") or len(form["Body"]) > 1600:
            return 400, {"code": 21617, "message": "The message body exceeds the 1600 character limit", "status": 400}
        title, _, words = form["Body"].partition("\n")
        self.heard["twilio"].append(Heard(form["To"], title.strip(), words))
        return 201, {"sid": "SM" + "0" * 32, "status": "queued", "error_code": None}

    def _slack(self, place: Any, headers: Any, body: bytes) -> Reply:
        if place.path != f"/services/{'/'.join(SLACK)}":
            return 404, "no_service"
        try:
            said = json.loads(body)
        except ValueError:
            return 400, "invalid_payload"
        parts = said.get("attachments") or []
        if not headers["Content-Type"].startswith("application/json") or not (said.get("text") or parts):
            return 400, "no_text"
        self.heard["slack"].append(Heard("channel", parts[0].get("title", ""), parts[0].get("text", "")))
        return 200, "ok"

    def _teams(self, place: Any, headers: Any, body: bytes) -> Reply:
        asked = {key: values[0] for key, values in parse_qs(place.query, strict_parsing=True).items()}
        if place.path != f"/workflows/{FLOW}/triggers/manual/paths/invoke" or asked.get("sig") != SIGNATURE:
            return 401, {"error": {"code": "DirectApiAuthorizationRequired"}}
        if asked.get("sp") != "/triggers/manual/run" or asked.get("sv") != "1.0" or not asked.get("api-version"):
            return 400, {"error": {"code": "InvalidRequest"}}
        said = json.loads(body)
        (part,) = said["attachments"]
        card = part["content"]
        if said["type"] != "message" or part["contentType"] != "application/vnd.microsoft.card.adaptive":
            return 400, {"error": {"code": "TriggerInputSchemaMismatch"}}
        if card["type"] != "AdaptiveCard" or not re.fullmatch(r"1\.\d", card["version"]) or len(body) > 28_000:
            return 400, {"error": {"code": "TriggerInputSchemaMismatch"}}
        if any(block["type"] != "TextBlock" for block in card["body"]):
            return 400, {"error": {"code": "a picture from elsewhere"}}
        words = {block["id"]: block["text"] for block in card["body"]}
        self.heard["teams"].append(Heard("channel", words.get("title", ""), words["body"]))
        return 202, ""


class _Server(ThreadingHTTPServer):
    daemon_threads = True

    def __init__(self, services: PhoneServices, context: ssl.SSLContext | None) -> None:
        super().__init__(("127.0.0.1", 0), _Handler)
        self.services = services
        self.port = self.server_address[1]
        if context is not None:
            self.socket = context.wrap_socket(self.socket, server_side=True)
        self._thread = threading.Thread(target=self.serve_forever, kwargs={"poll_interval": 0.05}, daemon=True)

    def start(self) -> None:
        self._thread.start()

    def stop(self) -> None:
        self.shutdown()
        self.server_close()
        self._thread.join(5)


class _Handler(BaseHTTPRequestHandler):
    server: _Server

    def do_POST(self) -> None:
        self._reply(self.rfile.read(int(self.headers.get("Content-Length") or 0)))

    def do_GET(self) -> None:
        self._reply(b"")

    def _reply(self, body: bytes) -> None:
        try:
            status, said = self.server.services.answer(self.path, self.headers, body)
        except (ValueError, KeyError, TypeError, IndexError) as error:
            self.server.services.refused.append(f"{self.path}: {error!r}")
            status, said = 400, "not understood"
        content = (said if isinstance(said, str) else json.dumps(said)).encode()
        self.send_response(status)
        if 300 <= status < 400:
            self.send_header("Location", "/login")
        self.send_header("Content-Type", "text/plain" if isinstance(said, str) else "application/json")
        self.send_header("Content-Length", str(len(content)))
        self.end_headers()
        self.wfile.write(content)

    def log_message(self, format: str, *args: object) -> None:
        """Say nothing."""
