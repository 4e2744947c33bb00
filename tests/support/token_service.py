"""A token endpoint on loopback, strict as Microsoft's and Google's are: wrong ids, scopes, codes and forms are refused."""

from __future__ import annotations

import base64
import hashlib
import json
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from types import TracebackType
from typing import Any
from urllib.parse import parse_qs, parse_qsl, urlencode, urlsplit

CLIENT_ID, CLIENT_SECRET, TENANT = "4711-app", "client-secret-of-the-tests", "tessellateuk.example"
SENDER_SCOPES = {
    "microsoft": "https://outlook.office.com/SMTP.Send offline_access",
    "google": "https://mail.google.com/",
}
PATHS = {"microsoft": f"/{TENANT}/oauth2/v2.0/token", "google": "/token"}
APP_SCOPE = "https://outlook.office365.com/.default"


class TokenService:
    """``with TokenService("microsoft") as service: service.url``. ``given`` are the access tokens it gave out."""

    def __init__(self, kind: str, *, secret: str = CLIENT_SECRET, lasts: int = 3600, rotates: bool = True) -> None:
        self.kind, self.secret, self.lasts, self.rotates = kind, secret, lasts, rotates
        self.leaves: set[str] = set()
        """Refresh tokens that hold."""
        self.given: list[str] = []
        self.asked: list[dict[str, str]] = []
        self.answer_next: list[tuple[int, bytes]] = []
        """Answers to the next questions, whatever they are."""
        self._codes: dict[str, dict[str, str]] = {}
        self._server = ThreadingHTTPServer(("127.0.0.1", 0), _Handler)
        self._server.service = self  # type: ignore[attr-defined]
        self._thread = threading.Thread(target=self._server.serve_forever, kwargs={"poll_interval": 0.05}, daemon=True)

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self._server.server_address[1]}"

    def __enter__(self) -> TokenService:
        self._thread.start()
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, tb: TracebackType | None) -> None:
        self._server.shutdown()
        self._server.server_close()
        self._thread.join(5)

    def allow(self, url: str, *, mailbox: str) -> str:
        """A person opens ``url``, signs in and allows it: the address at which the browser ends."""
        asked = {name: values[0] for name, values in parse_qs(urlsplit(url).query, strict_parsing=True).items()}
        assert asked["client_id"] == CLIENT_ID
        assert asked["scope"] == SENDER_SCOPES[self.kind]
        assert asked["redirect_uri"] == "http://localhost"
        assert asked["login_hint"] == mailbox
        assert asked["code_challenge_method"] == "S256"
        assert self.kind != "google" or asked["access_type"] == "offline"
        code = f"code-{len(self._codes)}"
        self._codes[code] = asked
        return f"http://localhost/?{urlencode({'code': code, 'state': asked['state']})}"

    def answer(self, path: str, form: dict[str, str]) -> tuple[int, dict[str, Any]]:
        self.asked.append(form)
        if path != PATHS[self.kind]:
            return 404, {"error": "invalid_request"}
        if form.get("client_id") != CLIENT_ID or form.get("client_secret", "") != self.secret:
            return 401, {"error": "invalid_client", "error_description": "AADSTS7000222: canary-secret expired"}
        match form.get("grant_type"):
            case "client_credentials" if self.kind == "microsoft":
                return self._token() if form.get("scope") == APP_SCOPE else (400, {"error": "invalid_scope"})
            case "refresh_token":
                leave = form.get("refresh_token", "")
                if leave not in self.leaves:
                    return 400, {"error": "invalid_grant", "error_description": "canary-words"}
                if self.rotates:
                    self.leaves.discard(leave)
                return self._token(with_leave=self.rotates)
            case "authorization_code":
                asked = self._codes.pop(form.get("code", ""), None)
                if asked is None or not _fits(asked["code_challenge"], form.get("code_verifier", "")):
                    return 400, {"error": "invalid_grant"}
                if form.get("redirect_uri") != asked["redirect_uri"]:
                    return 400, {"error": "invalid_grant"}
                return self._token(with_leave=True)
            case _:
                return 400, {"error": "unsupported_grant_type"}

    def _token(self, *, with_leave: bool = False) -> tuple[int, dict[str, Any]]:
        token = f"access-{len(self.given)}-" + "x" * 1500  # Microsoft's are as long
        self.given.append(token)
        body: dict[str, Any] = {"token_type": "Bearer", "expires_in": self.lasts, "access_token": token}
        if with_leave:
            body["refresh_token"] = f"leave-{len(self.given)}"
            self.leaves.add(body["refresh_token"])
        return 200, body


def _fits(challenge: str, verifier: str) -> bool:
    digest = hashlib.sha256(verifier.encode()).digest()
    return base64.urlsafe_b64encode(digest).decode().rstrip("=") == challenge


class _Handler(BaseHTTPRequestHandler):
    def do_POST(self) -> None:
        service: TokenService = self.server.service  # type: ignore[attr-defined]
        form = dict(parse_qsl(self.rfile.read(int(self.headers["Content-Length"])).decode(), strict_parsing=True))
        assert self.headers["Content-Type"].startswith("application/x-www-form-urlencoded")
        status, body = service.answer(self.path, form)
        content = json.dumps(body).encode()
        if service.answer_next:
            status, content = service.answer_next.pop(0)
        self.send_response(status)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(content)))
        if 300 <= status < 400:
            self.send_header("Location", f"{service.url}/elsewhere")
        self.end_headers()
        self.wfile.write(content)

    def log_message(self, format: str, *args: object) -> None:
        """Say nothing."""
