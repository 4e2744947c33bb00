"""A small mail server for this machine alone: it keeps what it is sent, and fails in the ways that real ones do.

The demo reads it in a browser, the tests break it. It is strict: what a strict server would refuse is noted in
``violations``. It speaks SMTP on loopback only, with STARTTLS and sign-in where asked for; it sends nothing on.
"""

from __future__ import annotations

import base64
import binascii
import email
import email.policy
import hmac
import re
import socket
import socketserver
import ssl
import threading
import time
from collections import deque
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass, field
from datetime import UTC, datetime
from email.message import EmailMessage
from enum import StrEnum
from types import TracebackType

MAX_KEPT = 2_000
"""Letters kept in memory; the oldest go first."""
MAX_LETTER = 5_000_000
"""Bytes of one letter."""


class Fault(StrEnum):
    """How a conversation goes wrong."""

    BUSY = "busy"
    """421 instead of a greeting."""
    REFUSE_SENDER = "refuse sender"
    """550 to MAIL FROM."""
    REFUSE_RECIPIENT = "refuse recipient"
    """550 to RCPT TO."""
    TRY_LATER = "try later"
    """451 to RCPT TO."""
    REFUSE_LETTER = "refuse letter"
    """554 after the final dot."""
    DROP_BEFORE_DOT = "drop before dot"
    """The line ends at DATA; nothing is kept."""
    DROP_AFTER_DOT = "drop after dot"
    """The letter is kept, and the line ends without an answer."""
    DROP_AT_QUIT = "drop at quit"
    """The letter is taken with 250, and the line ends at QUIT."""
    DRIP = "drip"
    """Answers come one byte a second, so that no single time-out ever runs out."""
    SILENT = "silent"
    """The line is open, and nothing is ever said."""


@dataclass(frozen=True, slots=True)
class Kept:
    """A letter that was taken: its envelope, its bytes, and when (aware UTC)."""

    sender: str
    recipients: tuple[str, ...]
    content: bytes = field(repr=False)
    at: datetime
    secured: bool = False
    user: str = ""
    utf8: bool = False
    """Sent with SMTPUTF8."""
    ehlo: str = ""
    """What the sender called itself."""

    @property
    def message(self) -> EmailMessage:
        """The letter, parsed."""
        if self.utf8:
            return email.message_from_string(self.content.decode("utf-8", "replace"), policy=email.policy.default)
        return email.message_from_bytes(self.content, policy=email.policy.default)

    @property
    def message_id(self) -> str:
        """Its Message-ID, by which copies are known."""
        return str(self.message["Message-ID"] or "")


class Mailbox:
    """A mail server in a thread: ``with Mailbox() as box: box.port ... box.letters``.

    ``choose`` decides the fault for a sender and recipient, or None; ``fail_next`` queues faults for the next
    conversations; ``refuse`` refuses an address for good, and ``answer`` gives any reply to a verb. ``users`` maps
    names to passwords, or to OAuth2 tokens, and makes sign-in a must, in one of the ``ways``; ``no_entry`` is the
    answer to every try. ``utf8`` offers SMTPUTF8, ``context`` STARTTLS, or TLS from the first byte where ``tls``.
    """

    def __init__(
        self,
        port: int = 0,
        *,
        choose: Callable[[str, str], Fault | None] | None = None,
        users: dict[str, str] | None = None,
        ways: tuple[str, ...] = ("PLAIN", "LOGIN"),
        no_entry: str = "",
        utf8: bool = True,
        context: ssl.SSLContext | None = None,
        tls: bool = False,
        on_letter: Callable[[Kept], None] | None = None,
    ) -> None:
        self.choose = choose
        self.users = users or {}
        self.ways = ways
        self.no_entry = no_entry
        self.utf8 = utf8
        self.context = context
        self.tls = tls
        self.on_letter = on_letter
        self.violations: list[str] = []
        self.conversations = 0
        self.stopping = threading.Event()
        self._kept: deque[Kept] = deque(maxlen=MAX_KEPT)
        self._refused: set[str] = set()
        self._answers: dict[tuple[str, str], str] = {}
        self._queue: deque[Fault] = deque()
        self._arrived = threading.Condition()
        self._server = _Server(("127.0.0.1", port), _Conversation)
        self._server.box = self
        self._thread = threading.Thread(target=self._serve, name="mailbox", daemon=True)

    @property
    def port(self) -> int:
        """The port that it listens on."""
        return int(self._server.server_address[1])

    @property
    def letters(self) -> tuple[Kept, ...]:
        """What was taken, oldest first."""
        with self._arrived:
            return tuple(self._kept)

    def to(self, address: str) -> tuple[Kept, ...]:
        """What was taken for one address."""
        return tuple(letter for letter in self.letters if address in letter.recipients)

    def refuse(self, address: str) -> None:
        """Answer 550 to this recipient from now on."""
        self._refused.add(address.casefold())

    def accept(self, address: str) -> None:
        """Take mail for this recipient again."""
        self._refused.discard(address.casefold())

    def answer(self, verb: str, reply: str, *, to: str = "") -> None:
        """Answer AUTH, MAIL, RCPT, or the final dot (``.``) with ``reply`` from now on; with ``to`` only in letters to
        this recipient, of whom only the last two know."""
        self._answers[verb, to.casefold()] = reply

    def answer_as_usual(self) -> None:
        """Take mail for everybody again."""
        self._answers.clear()
        self._refused.clear()

    def fail_next(self, *faults: Fault) -> None:
        """Let the next conversations go wrong, one fault each."""
        self._queue.extend(faults)

    def wait_for(self, count: int, seconds: float = 10.0) -> tuple[Kept, ...]:
        """The letters, once there are ``count``; raises TimeoutError when they do not come."""
        with self._arrived:
            if not self._arrived.wait_for(lambda: len(self._kept) >= count, seconds):
                raise TimeoutError(f"{len(self._kept)} of {count} letters came within {seconds:g} s")
            return tuple(self._kept)

    def start(self) -> None:
        """Begin to listen."""
        self._thread.start()

    def stop(self) -> None:
        """End all conversations and stop listening."""
        self.stopping.set()
        self._server.shutdown()
        self._server.server_close()
        self._thread.join(5)

    def __enter__(self) -> Mailbox:
        self.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self.stop()

    # ── for the conversation ────────────────────────────────────────────────────────────────────

    def next_fault(self) -> Fault | None:
        """The fault queued for a conversation that begins now."""
        self.conversations += 1
        try:
            return self._queue.popleft()
        except IndexError:
            return None

    def fault_for(self, sender: str, recipient: str) -> Fault | None:
        """The fault that this envelope meets."""
        if recipient.casefold() in self._refused:
            return Fault.REFUSE_RECIPIENT
        return self.choose(sender, recipient) if self.choose else None

    def answer_to(self, verb: str, *recipients: str) -> str:
        """The reply that a verb meets; empty where it is the usual one."""
        found = (self._answers.get((verb, recipient.casefold())) for recipient in (*recipients, ""))
        return next((reply for reply in found if reply), "")

    def keep(self, letter: Kept) -> None:
        """Take a letter."""
        self.violations += faults_of_form(letter.content, utf8=letter.utf8)
        with self._arrived:
            self._kept.append(letter)
            self._arrived.notify_all()
        if self.on_letter:
            self.on_letter(letter)

    def _serve(self) -> None:
        self._server.serve_forever(poll_interval=0.05)


def faults_of_form(content: bytes, *, utf8: bool = False) -> list[str]:
    """What a strict server would mind in a letter: line ends, line lengths, 8-bit bytes, headers absent or twice.

    ``utf8`` allows for letters of all scripts in headers (SMTPUTF8, RFC 6531).
    """
    found: list[str] = []
    if re.search(rb"(?<!\r)\n|\r(?!\n)", content):
        found.append("a bare CR or LF")
    if any(len(line) > 998 for line in content.split(b"\r\n")):
        found.append("a line of more than 998 bytes")
    if b"\x00" in content or not (utf8 or content.isascii()):
        found.append("a byte that is not 7-bit text")
    message = email.message_from_string(content.decode("utf-8", "replace"), policy=email.policy.default)
    for name in ("From", "To", "Subject", "Date", "Message-ID", "MIME-Version"):
        count = len(message.get_all(name, []))
        if count != 1:
            found.append(f"{count} headers {name}")
    for name in ("From", "To", "Reply-To"):
        mailboxes = message[name].addresses if message[name] else ()
        if message[name] and len(mailboxes) != 1:
            found.append(f"{len(mailboxes)} addresses in {name}")
        found += [f"letters in {name} that want SMTPUTF8" for one in mailboxes if not (utf8 or one.addr_spec.isascii())]
    found += [f"a defect: {type(defect).__name__}" for part in message.walk() for defect in part.defects]
    return found


class _Server(socketserver.ThreadingTCPServer):
    allow_reuse_address = True
    daemon_threads = True
    block_on_close = False
    request_queue_size = 64
    box: Mailbox

    def handle_error(self, request: object, client_address: object) -> None:
        """A broken line is an everyday matter here, not news for the terminal."""


class _Hangup(Exception):
    """The conversation is over."""


class _Conversation(socketserver.BaseRequestHandler):
    server: _Server
    request: socket.socket

    def handle(self) -> None:
        self.box = self.server.box
        self.fault = self.box.next_fault()
        self.sender: str | None = None
        self.recipients: list[str] = []
        self.user = ""
        self.utf8 = False
        self.secured = False
        self.greeted = ""
        self.request.settimeout(300)
        try:
            self._talk()
        except (_Hangup, OSError, ssl.SSLError):
            return

    def _talk(self) -> None:
        if self.box.tls and self.box.context:
            self._secure(self.box.context)
        self.file = self.request.makefile("rb")
        if self.fault is Fault.SILENT:
            self._wait_until_closed()
        if self.fault is Fault.BUSY:
            self._say("421 too busy")
            raise _Hangup
        self._say("220 mailbox.example ESMTP")
        while line := self.file.readline(4096):
            if not line.endswith(b"\r\n"):
                self.box.violations.append("a command without CRLF")
            verb, _, rest = line.decode("utf-8", "replace").strip().partition(" ")
            self._obey(verb.upper(), rest)

    def _obey(self, verb: str, rest: str) -> None:
        handler = getattr(self, f"_on_{verb.lower()}", None)
        if handler is None:
            self._say("500 not a verb that I know")
            return
        handler(rest)

    # ── verbs ───────────────────────────────────────────────────────────────────────────────────

    def _on_ehlo(self, rest: str) -> None:
        self.greeted = rest
        if not re.fullmatch(r"[A-Za-z0-9.-]+|\[(\d+(\.\d+){3}|IPv6:[0-9A-Fa-f:.]+)\]", rest):
            self.box.violations.append("a name in EHLO that is none")
        lines = ["mailbox.example", "PIPELINING", "8BITMIME", f"SIZE {MAX_LETTER}"]
        if self.box.utf8:
            lines.append("SMTPUTF8")
        if self.box.context and not self.secured:
            lines.append("STARTTLS")
        if self.box.users:
            lines.append(f"AUTH {' '.join(self.box.ways)}".rstrip())
        for line in lines[:-1]:
            self._say(f"250-{line}")
        self._say(f"250 {lines[-1]}")

    def _on_helo(self, rest: str) -> None:
        self.greeted = rest
        self._say("250 mailbox.example")

    def _on_starttls(self, rest: str) -> None:
        if not self.box.context or self.secured:
            self._say("454 4.7.0 TLS not available")
            return
        self._say("220 go ahead")
        self._secure(self.box.context)
        self.file = self.request.makefile("rb")
        self.greeted = ""

    def _on_auth(self, rest: str) -> None:
        way, _, first = rest.partition(" ")
        speak = {
            "PLAIN": self._plain, "LOGIN": self._login, "CRAM-MD5": self._cram_md5,
            "XOAUTH2": self._xoauth2, "OAUTHBEARER": self._oauthbearer,
        }  # fmt: skip
        if len(rest) + len("AUTH ") > 510:
            self.box.violations.append("a command of more than 512 bytes")
        if way.upper() not in self.box.ways or way.upper() not in speak:
            self._say("504 5.5.4 unknown way to sign in")
            return
        try:
            user, fine = speak[way.upper()](first)
        except (ValueError, binascii.Error, UnicodeDecodeError):
            self._say("501 5.5.2 cannot be read")
            return
        no_entry = self.box.answer_to("AUTH") or self.box.no_entry
        if no_entry or not fine:
            self._say(no_entry or "535 5.7.8 wrong name or password")
            return
        self.user = user
        self._say("235 2.7.0 signed in")

    def _plain(self, first: str) -> tuple[str, bool]:
        _, user, password = base64.b64decode(first or self._ask("")).decode().split("\x00")
        return user, self._knows(user, password)

    def _login(self, first: str) -> tuple[str, bool]:
        user = base64.b64decode(first or self._ask("VXNlcm5hbWU6")).decode()
        return user, self._knows(user, base64.b64decode(self._ask("UGFzc3dvcmQ6")).decode())

    def _cram_md5(self, first: str) -> tuple[str, bool]:
        challenge = b"<17.4711@mailbox.example>"
        user, _, digest = base64.b64decode(self._ask(base64.b64encode(challenge).decode())).decode().rpartition(" ")
        right = hmac.new(self.box.users.get(user, "").encode(), challenge, "md5").hexdigest()
        return user, user in self.box.users and hmac.compare_digest(digest, right)

    def _xoauth2(self, first: str) -> tuple[str, bool]:
        match = re.fullmatch(
            "user=([^\1]+)\1auth=Bearer ([^\1]+)\1\1", base64.b64decode(first or self._ask("")).decode(), re.DOTALL
        )
        if match is None:
            raise ValueError("no token")
        fine = self._knows(match[1], match[2])
        if not fine and self._ask(base64.b64encode(b'{"status":"401","schemes":"bearer"}').decode()):
            self.box.violations.append("more than an empty answer to the reason for a refusal")
        return match[1], fine

    def _oauthbearer(self, first: str) -> tuple[str, bool]:
        said = base64.b64decode(first or self._ask("")).decode()
        match = re.fullmatch("n,a=([^\1,]+),\1(?:(?:host|port)=[^\1]+\1)*auth=Bearer ([^\1]+)\1\1", said, re.DOTALL)
        if match is None:
            raise ValueError("no token")
        user = match[1].replace("=2C", ",").replace("=3D", "=")
        fine = self._knows(user, match[2])
        if not fine and base64.b64decode(self._ask(base64.b64encode(b'{"status":"invalid_token"}').decode())) != b"\1":
            self.box.violations.append("another answer than ^A to the reason for a refusal (RFC 7628, 3.2.3)")
        return user, fine

    def _knows(self, user: str, secret: str) -> bool:
        return user in self.box.users and self.box.users[user] == secret

    def _on_mail(self, rest: str) -> None:
        if not self.greeted:
            self._say("503 5.5.1 EHLO first")
        elif self.box.users and not self.user:
            self._say("530 5.7.0 sign in first")
        elif self.fault is Fault.REFUSE_SENDER:
            self._say("550 5.7.1 sender refused")
        elif reply := self.box.answer_to("MAIL"):
            self._say(reply)
        else:
            self.sender, self.recipients = _path(rest), []
            self.utf8 = "SMTPUTF8" in rest.upper()
            self._say("250 2.1.0 ok")

    def _on_rcpt(self, rest: str) -> None:
        if self.sender is None:
            self._say("503 5.5.1 MAIL first")
            return
        recipient = _path(rest)
        self.fault = self.fault or self.box.fault_for(self.sender, recipient)
        if self.fault is Fault.REFUSE_RECIPIENT:
            self._say("550 5.1.1 no such person here")
        elif self.fault is Fault.TRY_LATER:
            self._say("451 4.3.0 try again later")
        elif reply := self.box.answer_to("RCPT", recipient):
            self._say(reply)
        else:
            self.recipients.append(recipient)
            self._say("250 2.1.5 ok")

    def _on_data(self, rest: str) -> None:
        if not self.recipients or self.sender is None:
            self._say("503 5.5.1 RCPT first")
            return
        if self.fault is Fault.DROP_BEFORE_DOT:
            raise _Hangup
        self._say("354 go on")
        content = self._read_letter()
        if self.fault is Fault.REFUSE_LETTER:
            self._say("554 5.6.0 not this letter")
            return
        if reply := self.box.answer_to(".", *self.recipients):
            self._say(reply)
            return
        self.box.keep(
            Kept(
                self.sender,
                tuple(self.recipients),
                content,
                datetime.now(UTC),
                self.secured,
                self.user,
                self.utf8,
                self.greeted,
            )  # fmt: skip
        )
        self.sender, self.recipients = None, []
        if self.fault is Fault.DROP_AFTER_DOT:
            raise _Hangup
        self._say("250 2.0.0 taken")

    def _on_rset(self, rest: str) -> None:
        self.sender, self.recipients = None, []
        self._say("250 ok")

    def _on_noop(self, rest: str) -> None:
        self._say("250 ok")

    def _on_quit(self, rest: str) -> None:
        if self.fault is not Fault.DROP_AT_QUIT:
            self._say("221 goodbye")
        raise _Hangup

    # ── the line ────────────────────────────────────────────────────────────────────────────────

    def _read_letter(self) -> bytes:
        lines: list[bytes] = []
        size = 0
        while line := self.file.readline(1_000_000):
            if line == b".\r\n":
                return b"".join(lines)
            size += len(line)
            if size > MAX_LETTER:
                self._say("552 5.3.4 too long")
                raise _Hangup
            lines.append(line[1:] if line.startswith(b"..") else line)
        raise _Hangup

    def _ask(self, prompt: str) -> str:
        self._say(f"334 {prompt}")
        return self.file.readline(4096).decode("ascii", "replace").strip()

    def _say(self, line: str) -> None:
        data = line.encode() + b"\r\n"
        if self.fault is not Fault.DRIP:
            self.request.sendall(data)
            return
        for byte in data:
            self.request.sendall(bytes([byte]))
            if self.box.stopping.wait(1):
                raise _Hangup

    def _secure(self, context: ssl.SSLContext) -> None:
        self.request = context.wrap_socket(self.request, server_side=True)
        self.secured = True

    def finish(self) -> None:
        """Say no more: close both ways, also when TLS took the socket over."""
        with suppress(OSError):
            self.request.shutdown(socket.SHUT_RDWR)
        with suppress(OSError):
            self.request.close()

    def _wait_until_closed(self) -> None:
        while not self.box.stopping.wait(0.05):
            self.request.settimeout(0.05)
            try:
                if not self.request.recv(1024):
                    break
            except TimeoutError:
                time.sleep(0)
        raise _Hangup


def _path(rest: str) -> str:
    match = re.search(r"<([^<>]*)>", rest)
    return match[1] if match else rest.partition(":")[2].strip()
