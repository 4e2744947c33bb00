"""One letter, one SMTP conversation. A mail server that answers slowly, oddly or not at all is the usual case.

``deliver`` is a plain function of plain values, so that the daemon can run it in a process that it may kill
when a server drips (reliability notes, 2.3). It waits 30 s for each verb but ten minutes for the answer to the
final dot, for there a shorter wait makes copies (RFC 1047).
"""

from __future__ import annotations

import re
import smtplib
import socket
import ssl
import unicodedata
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from email import policy
from email.headerregistry import Address
from email.message import EmailMessage
from email.utils import format_datetime
from typing import Any, Protocol

from alerts import addresses
from alerts.mail_settings import MailSettings
from alerts.model import DeliveryFailed, Letter, Refusal, Stage
from alerts.replies import as_refusal, is_yes
from alerts.sign_in import SignInRefused, about_sign_in, sign_in_by_password, sign_in_by_token
from signs import cut, visible

VERB_TIMEOUT = 30.0
"""Seconds to wait for the answer to any verb."""
DOT_TIMEOUT = 600.0
"""Seconds to wait for the answer to the final dot (RFC 5321, 4.5.3.2.6)."""
MAX_MAIL = 100_000
"""Bytes of a mail apart from its picture; a longer one loses its HTML, then the end of its text."""

_UNFOLDED = frozenset({"message-id", "in-reply-to", "references"})
_MAILBOXES = frozenset({"from", "to", "reply-to"})


class Mailer(Protocol):
    """What sends letters: ``deliver`` with its settings bound, or a fake."""

    def __call__(self, letter: Letter, /) -> None: ...


def deliver(settings: MailSettings, letter: Letter, access_token: str = "") -> None:
    """Hand one letter to the mail server; returning means that the server has taken it. ``access_token`` takes the
    password's place where ``settings`` sign in by OAuth2.

    Raises ``DeliveryFailed`` with the server's refusal, where it gave one; ``unclear`` when the line broke between the
    final dot and its answer. A fault at QUIT is no fault.
    """
    recipient, unusual = _on_the_wire(letter.recipient_address)
    message = as_message(settings, letter)
    with _session(settings, access_token) as smtp:
        _mail_from(smtp, settings, unusual=unusual)
        _rcpt_to(smtp, recipient)
        _data(smtp, message.as_bytes(policy=_UTF8_POLICY if unusual or _is_unusual(settings.address) else _POLICY))


def probe(settings: MailSettings, access_token: str = "") -> str:
    """Connect, secure, sign in, say goodbye, for the doctor: one sentence of what worked, else ``DeliveryFailed``."""
    with _session(settings, access_token) as smtp:
        code, _ = smtp.noop()
        if not is_yes(code):
            raise DeliveryFailed(f"The mail server answered {code} to NOOP.")
    how = {"starttls": "secured by STARTTLS", "tls": "secured by TLS", "none": "not encrypted"}[settings.security]
    return f"connected to {settings.host}:{settings.port}, {how}{', signed in' if settings.username else ''}"


def as_message(settings: MailSettings, letter: Letter) -> EmailMessage:
    """The letter as it travels: text first, then HTML, the picture within the HTML; no hostile header survives."""
    message = _compose(settings, letter, letter.text, letter.html)
    if len(_size_without_picture(message)) > MAX_MAIL:
        message = _compose(settings, letter, letter.text, "")
    if len(_size_without_picture(message)) > MAX_MAIL:
        message = _compose(settings, letter, letter.text[: MAX_MAIL // 5] + "\n\n(This mail was cut short.)\n", "")
    return message


def clean_header(value: str) -> str:
    """One line without control, direction or invisible characters, safe as a header's value."""
    kept = "".join(" " if unicodedata.category(c) in {"Cc", "Zl", "Zp"} else c for c in value)
    return " ".join(visible(kept, unseen=frozenset({"Cf", "Cs", "Co"})).split())


# ── the message ─────────────────────────────────────────────────────────────────────────────────


class _Policy(policy.EmailPolicy):
    """SMTP line ends, 7-bit bodies, and Message-IDs on one line: folded ones are encoded and no longer match."""

    def fold_binary(self, name: str, value: Any) -> bytes:
        if name.lower() in _MAILBOXES and hasattr(value, "addresses"):
            (one,) = value.addresses
            words = addresses.header(one.display_name, f"{one.username}@{one.domain}", utf8=self.utf8)
            return f"{name}: {words}\r\n".encode("utf-8" if self.utf8 else "ascii", "replace")
        if name.lower() in _UNFOLDED:
            return f"{name}: {value}\r\n".encode("ascii", "replace")
        return super().fold_binary(name, value)


_POLICY = _Policy(linesep="\r\n", cte_type="7bit", raise_on_defect=False)
_UTF8_POLICY = _Policy(linesep="\r\n", cte_type="7bit", raise_on_defect=False, utf8=True)


def _compose(settings: MailSettings, letter: Letter, text: str, html: str) -> EmailMessage:
    message = EmailMessage(policy=_POLICY)
    name, address = addresses.split_mailbox(settings.sender)
    message["From"] = _mailbox(name or "Earshot", address)
    message["To"] = _mailbox(letter.recipient_name, letter.recipient_address)
    if settings.reply_to:
        message["Reply-To"] = _mailbox(*addresses.split_mailbox(settings.reply_to))
    message["Subject"] = cut(clean_header(letter.subject), 200).rstrip()
    message["Date"] = format_datetime(letter.sent_at)
    message["Message-ID"] = clean_header(letter.message_id)
    if letter.in_reply_to:
        message["In-Reply-To"] = clean_header(letter.in_reply_to)
        message["References"] = clean_header(letter.in_reply_to)
    message["Auto-Submitted"] = "auto-generated"
    message["X-Auto-Response-Suppress"] = "OOF, AutoReply"
    message["X-Earshot-Kind"] = letter.kind.value
    message["X-Earshot-Incident"] = clean_header(letter.incident) or "none"
    message["X-Earshot-Severity"] = letter.severity.level if letter.severity is not None else "none"
    if letter.audit_head:
        message["X-Earshot-Audit"] = clean_header(letter.audit_head)
    message.set_content(_clean_body(text))
    if html:
        message.add_alternative(_clean_body(html), subtype="html")
        if letter.picture is not None:
            part = message.get_payload()[1]  # type: ignore[index]
            part.add_related(letter.picture, "image", "png", cid="<picture>", disposition="inline")  # type: ignore[union-attr]
    return message


def _mailbox(name: str, address: str) -> Address:
    local, _, domain = addresses.on_the_wire(clean_header(address)).rpartition("@")
    return Address(display_name=cut(clean_header(name), 100).strip(), username=local, domain=domain)


def _clean_body(text: str) -> str:
    """Text without NUL and its kin, and without halves of characters, which no mail may carry."""
    kept = "".join(c if c in "\n\t" or unicodedata.category(c) not in {"Cc", "Cs"} else "�" for c in _lines(text))
    return kept if kept.endswith("\n") else kept + "\n"


def _lines(text: str) -> str:
    return text.replace("\r\n", "\n").replace("\r", "\n")


def _size_without_picture(message: EmailMessage) -> bytes:
    return b"".join(
        part.as_bytes() for part in message.walk() if part.get_content_maintype() not in {"image", "multipart"}
    )


def _on_the_wire(address: str) -> tuple[str, bool]:
    """The address for RCPT: the domain in ASCII, and whether what is left needs SMTPUTF8."""
    wire = addresses.on_the_wire(address)
    if any(c in wire for c in "<>") or any(c.isspace() or not c.isprintable() for c in wire):
        # what a server would answer, had it been asked
        refusal = Refusal(Stage.RECIPIENT, 553, "5.1.3")
        raise DeliveryFailed("The recipient's address is not an address.", refusal=refusal)
    return wire, _is_unusual(wire)


def _is_unusual(address: str) -> bool:
    """Whether an address needs SMTPUTF8, also with its domain in ASCII."""
    return not addresses.on_the_wire(address).isascii()


# ── the conversation ────────────────────────────────────────────────────────────────────────────


@contextmanager
def _session(settings: MailSettings, access_token: str) -> Iterator[smtplib.SMTP]:
    """A secured, signed-in line. Its faults leave as ``DeliveryFailed``; whether QUIT is heard does not matter."""
    smtp: smtplib.SMTP | None = None
    stands = False
    try:
        smtp = _connect(settings)
        _secure(smtp, settings)
        _sign_in(smtp, settings, access_token)
        stands = True
        yield smtp
        with suppress(smtplib.SMTPException, OSError):
            smtp.quit()
    except DeliveryFailed:
        raise
    except smtplib.SMTPResponseException as error:
        refusal = as_refusal(Stage.GREETING, error.smtp_code, error.smtp_error)
        raise DeliveryFailed(f"The mail server answered {refusal}.", refusal=refusal) from None
    except (smtplib.SMTPException, OSError) as error:
        untrusted = isinstance(error, ssl.SSLCertVerificationError)
        raise DeliveryFailed(_say(error), operator=untrusted, unanswered=not stands and not untrusted) from None
    finally:
        if smtp is not None:
            smtp.close()


def _connect(settings: MailSettings) -> smtplib.SMTP:
    if settings.security == "tls":
        return smtplib.SMTP_SSL(
            settings.wire_host,
            settings.port,
            local_hostname="localhost",
            timeout=VERB_TIMEOUT,
            context=_context(settings),
        )
    return smtplib.SMTP(settings.wire_host, settings.port, local_hostname="localhost", timeout=VERB_TIMEOUT)


def _secure(smtp: smtplib.SMTP, settings: MailSettings) -> None:
    assert smtp.sock is not None
    smtp.local_hostname = addresses.ascii_host(settings.ehlo_name) or _literal(smtp.sock.getsockname()[0])
    smtp.ehlo_or_helo_if_needed()
    if settings.security == "starttls":
        try:
            smtp.starttls(context=_context(settings))
        except smtplib.SMTPResponseException as error:
            raise _refused(
                "refuses STARTTLS", Stage.GREETING, error.smtp_code, error.smtp_error, operator=True
            ) from None
        except smtplib.SMTPNotSupportedError:
            raise DeliveryFailed(
                "The mail server does not offer STARTTLS, and nothing is sent in the clear.", operator=True
            ) from None
        smtp.ehlo_or_helo_if_needed()


def _literal(here: str) -> str:
    """What a host without a name of its own says (RFC 5321, 4.1.3); to ask for a name may hang on DNS."""
    return f"[IPv6:{here}]" if ":" in here else f"[{here}]"


def _sign_in(smtp: smtplib.SMTP, settings: MailSettings, access_token: str) -> None:
    if settings.uses_oauth:
        sign_in_by_token(smtp, settings.username, access_token)
    elif settings.username:
        sign_in_by_password(smtp, settings.username, settings.password)


def _context(settings: MailSettings) -> ssl.SSLContext:
    try:
        return ssl.create_default_context(cafile=settings.ca_file or None)
    except (OSError, ssl.SSLError):
        raise DeliveryFailed("The file mail.ca_file cannot be used as certificates.", operator=True) from None


def _mail_from(smtp: smtplib.SMTP, settings: MailSettings, *, unusual: bool) -> None:
    if unusual and not smtp.has_extn("smtputf8"):
        raise DeliveryFailed(
            "The mail server cannot send to an address with such letters.",
            refusal=Refusal(Stage.RECIPIENT, 553, "5.6.7"),
        )
    try:
        sender, sender_unusual = _on_the_wire(settings.address)
    except DeliveryFailed:
        raise DeliveryFailed("Our own sender address is not an address.", operator=True) from None
    if sender_unusual and not smtp.has_extn("smtputf8"):
        raise DeliveryFailed(
            "The mail server cannot send from an address with such letters: take plain ones for [mail] from.",
            operator=True,
        )
    options = ["SMTPUTF8"] if unusual or sender_unusual else []
    if options:
        smtp.command_encoding = "utf-8"
    code, text = smtp.mail(sender, options)
    if not is_yes(code):
        # The sender is the same for everybody: refusing it says nothing about this person's address.
        raise _refused("refused our sender address", Stage.SENDER, code, text, operator=code >= 500)


def _rcpt_to(smtp: smtplib.SMTP, recipient: str) -> None:
    code, text = smtp.rcpt(recipient)
    if not is_yes(code):
        raise _refused("refused the recipient", Stage.RECIPIENT, code, text)


def _data(smtp: smtplib.SMTP, content: bytes) -> None:
    code, text = smtp.docmd("DATA")
    if code != 354:
        raise _refused("would not take the letter", Stage.LETTER, code, text)
    stuffed = re.sub(rb"(?m)^\.", b"..", content)
    smtp.send(stuffed + (b"" if stuffed.endswith(b"\r\n") else b"\r\n") + b".\r\n")
    assert smtp.sock is not None
    smtp.sock.settimeout(DOT_TIMEOUT)
    _keep_alive(smtp.sock)
    try:
        code, text = smtp.getreply()
    except (smtplib.SMTPException, OSError):
        raise DeliveryFailed("The line broke before the mail server said whether it took it.", unclear=True) from None
    finally:
        if smtp.sock is not None:
            smtp.sock.settimeout(VERB_TIMEOUT)
    if not is_yes(code):
        raise _refused("refused the letter", Stage.LETTER, code, text)


def _keep_alive(line: socket.socket) -> None:
    """Let the system notice within a minute when nobody is left at the other end of a line on which we only wait."""
    with suppress(OSError, AttributeError):
        line.setsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE, 1)
        line.setsockopt(socket.IPPROTO_TCP, socket.TCP_KEEPIDLE, 15)
        line.setsockopt(socket.IPPROTO_TCP, socket.TCP_KEEPINTVL, 10)
        line.setsockopt(socket.IPPROTO_TCP, socket.TCP_KEEPCNT, 3)


def _refused(what: str, stage: Stage, code: int, text: bytes | str, *, operator: bool = False) -> DeliveryFailed:
    """A refusal as our error. One that speaks of signing in, to whichever verb, says nothing of anybody's address."""
    sentence = about_sign_in(code, text)
    if sentence is not None:
        return SignInRefused(sentence, refusal=as_refusal(Stage.SIGN_IN, code, text))
    refusal = as_refusal(stage, code, text)
    return DeliveryFailed(f"The mail server {what} ({refusal}).", refusal=refusal, operator=operator)


def _say(error: Exception) -> str:
    match error:
        case ssl.SSLCertVerificationError():
            return "The mail server's certificate is not trusted."
        case ssl.SSLError():
            return "The secured line to the mail server failed; is the security setting right for this port?"
        case TimeoutError():
            return "The mail server did not answer in time."
        case socket.gaierror():
            return "The mail server's name was not found."
        case ConnectionRefusedError():
            return "The mail server refused the connection."
        case smtplib.SMTPServerDisconnected():
            return "The mail server closed the line."
        case _:
            return f"The mail server could not be reached ({type(error).__name__})."
