"""Signing in to the mail server, by password or by an OAuth2 token, and what its refusals mean in plain words.

``smtplib`` sends names and passwords in ASCII and knows no tokens, so the few lines of SASL stand here: PLAIN in
UTF-8 (RFC 4616), LOGIN, CRAM-MD5, XOAUTH2 as Microsoft and Google speak it, and its standard, OAUTHBEARER (RFC 7628).
"""

from __future__ import annotations

import base64
import hmac
import re
import smtplib
from collections.abc import Callable

from alerts.model import DeliveryFailed, Refusal, Stage
from alerts.replies import as_refusal

LONGEST_LINE = 510
"""Octets of a command without its line end (RFC 5321, 4.5.3.1.4); a longer first answer waits for the server's 334."""

STEPS = "docs/credentials.md has the steps"


class SignInRefused(DeliveryFailed):
    """The mail server would not let us in. The operator's to mend where it is for good, and nobody's dead address."""

    def __init__(self, why: str, *, refusal: Refusal | None = None) -> None:
        super().__init__(why, refusal=refusal, operator=refusal is None or refusal.code >= 500)


def sign_in_by_password(smtp: smtplib.SMTP, username: str, password: str) -> None:
    """Sign in with what the server offers. Raises ``SignInRefused``."""
    _sign_in(
        smtp,
        {
            "PLAIN": lambda: _say(smtp, "PLAIN", f"\0{username}\0{password}"),
            "LOGIN": lambda: _login(smtp, username, password),
            "CRAM-MD5": lambda: _cram_md5(smtp, username, password),
        },
        "The mail server takes no password any more, only OAuth2: set [mail] sign_in to "
        f'"microsoft" or "google" ({STEPS}).',
        "The mail server refused the username or the password ({numbers}).",
    )


def sign_in_by_token(smtp: smtplib.SMTP, username: str, access_token: str) -> None:
    """Sign in with an OAuth2 access token. Raises ``SignInRefused``."""
    _sign_in(
        smtp,
        {
            "XOAUTH2": lambda: _bearer(smtp, "XOAUTH2", f"user={username}\1auth=Bearer {access_token}\1\1", b""),
            "OAUTHBEARER": lambda: _bearer(
                smtp,
                "OAUTHBEARER",
                f"n,a={_as_saslname(username)},\1auth=Bearer {access_token}\1\1",
                b"\1",
            ),
        },
        'The mail server takes no OAuth2 token: set [mail] sign_in to "password", or correct host and port.',
        "The mail server refused our OAuth2 token ({numbers}): the username must be the mailbox's own address, and the "
        f"app must be allowed to send for it ({STEPS}).",
    )


def numbers(code: int, text: bytes | str) -> str:
    """A reply's numbers alone: its words may hold addresses or worse."""
    return str(as_refusal(Stage.SIGN_IN, code, text))


def about_sign_in(code: int, text: bytes | str) -> str | None:
    """What a refusal says about signing in, in one plain sentence, to whichever verb it was the answer; None when it
    speaks of something else. No reply's own words are repeated."""
    said = " ".join(f"{numbers(code, text)} {_words(text)}".casefold().split())
    if not 400 <= code <= 599 or _OF_DOMAINS.match(said):
        return None
    sentence = next((sentence for pattern, sentence in _MEANINGS if pattern.search(said)), None)
    return sentence.format(numbers=numbers(code, text)) if sentence else None


def unless_about_sign_in(code: int, text: bytes | str) -> None:
    """Raise ``SignInRefused`` where a refusal speaks of signing in, which says nothing of anybody's address."""
    sentence = about_sign_in(code, text)
    if sentence is not None:
        raise SignInRefused(sentence, refusal=as_refusal(Stage.SIGN_IN, code, text))


_OF_DOMAINS = re.compile(r"\d{3} [45]\.7\.2\d\b")
"""SPF, DKIM, DMARC and the like (RFC 7372), whose refusals speak of authentication too, but of our domain's."""

_MEANINGS = tuple(
    (re.compile(pattern), sentence)
    for pattern, sentence in (
        (
            r"5\.7\.30\b|basic auth\w* is (?:not supported|disabled)",
            "The mail server takes no passwords any more ({numbers}: Basic authentication is off at Microsoft 365): "
            f'set [mail] sign_in = "microsoft" ({STEPS}), or ask your administrator to switch SMTP passwords on again '
            "for a time.",
        ),
        (
            r"smtpclientauthentication is disabled",
            "Sending by SMTP is switched off for this mailbox or for the whole organisation ({numbers}): ask your "
            f"Microsoft 365 administrator to switch on Authenticated SMTP for the mailbox ({STEPS}).",
        ),
        (
            r"5\.7\.139\b(?!.*credentials were incorrect)",
            "Microsoft 365 does not let us sign in ({numbers}): the organisation's security settings forbid it; "
            f'set [mail] sign_in = "microsoft" ({STEPS}).',
        ),
        (
            r"^53[45] .*(?:application-specific|app) password|^534 5\.7\.9 (?!.*too weak)",
            f"The mail server wants an app password instead of the account's own ({{numbers}}), or OAuth2: {STEPS}.",
        ),
        (
            r"^534 5\.7\.14|^53[45] .*web browser",
            "The mail server wants somebody to sign in to the mailbox with a browser first and confirm who it is "
            "({numbers}).",
        ),
        (
            r"^53[08] .*(?:starttls|encrypt)|^538 |5\.7\.11\b",
            'The mail server lets nobody sign in without encryption ({numbers}): set [mail] security to "starttls" or '
            '"tls".',
        ),
        (r"^432 |^535 .*disabled|5\.7\.13\b", "The mail server says that our mailbox is disabled ({numbers})."),
        (
            r"^530 |5\.7\.57\b|client (?:was |is )?not authenticated|authentication (?:is )?required|"
            r"(?:must|please|need to) authenticate\b|authenticate first|(?:log|sign) ?in first",
            "The mail server sends only for those who sign in ({numbers}): check [mail] username and password.",
        ),
    )
)
"""From Microsoft's and Google's own lists of refusals, RFC 4954 and RFC 5248; the first that fits holds."""


# ── the mechanisms ──────────────────────────────────────────────────────────────────────────────

_Reply = tuple[int, bytes]


def _sign_in(smtp: smtplib.SMTP, ways: dict[str, Callable[[], _Reply]], none_fits: str, refused: str) -> None:
    """Try each way that the server offers: some offer what they do not really support, and refuse that one alone."""
    offered = _offered(smtp)
    usable = [way for way in ways if way in offered]
    if not usable:
        raise SignInRefused(_no_way(offered, none_fits))
    refusals: list[_Reply] = []
    for way in usable:
        code, text = ways[way]()
        if code == 235:
            return
        if code == 421:
            raise smtplib.SMTPServerDisconnected("Connection unexpectedly closed")
        unless_about_sign_in(code, text)
        refusals.append((code, text))
    code, text = next((reply for reply in refusals if reply[0] == 535), refusals[-1])
    refusal = as_refusal(Stage.SIGN_IN, code, text)
    raise SignInRefused(refused.format(numbers=refusal), refusal=refusal)


def _offered(smtp: smtplib.SMTP) -> tuple[str, ...]:
    """The mechanisms that the server named, and nothing else that may stand there."""
    names = smtp.esmtp_features.get("auth", "").upper().split()
    return tuple(dict.fromkeys(name for name in names if re.fullmatch(r"[A-Z0-9_-]{1,20}", name)))


def _no_way(offered: tuple[str, ...], none_fits: str) -> str:
    if not offered:
        return (
            "The mail server offers no way to sign in on this port: use 587 or 465, or leave username and password out."
        )
    if {"XOAUTH2", "OAUTHBEARER", "PLAIN", "LOGIN", "CRAM-MD5"} & set(offered):
        return none_fits
    return f"The mail server offers no way to sign in that we know, only {', '.join(offered[:5])}."


def _say(smtp: smtplib.SMTP, way: str, first: str) -> _Reply:
    """Begin with the first answer where the line has room for it, else when the server asks for it."""
    answer = _base64(first.encode())
    if len(f"AUTH {way} {answer}") <= LONGEST_LINE:
        return smtp.docmd("AUTH", f"{way} {answer}")
    code, text = smtp.docmd("AUTH", way)
    return smtp.docmd(answer) if code == 334 else (code, text)


def _login(smtp: smtplib.SMTP, username: str, password: str) -> _Reply:
    code, text = smtp.docmd("AUTH", "LOGIN")
    for answer in (username, password):
        if code != 334:
            break
        code, text = smtp.docmd(_base64(answer.encode()))
    return code, text


def _cram_md5(smtp: smtplib.SMTP, username: str, password: str) -> _Reply:
    code, text = smtp.docmd("AUTH", "CRAM-MD5")
    if code != 334:
        return code, text
    try:
        challenge = base64.b64decode(text)
    except ValueError:
        return smtp.docmd("*")
    digest = hmac.new(password.encode(), challenge, "md5").hexdigest()
    return smtp.docmd(_base64(f"{username} {digest}".encode()))


def _bearer(smtp: smtplib.SMTP, way: str, first: str, go_on: bytes) -> _Reply:
    """A refused token is explained in a 334, which wants one more answer before the refusal itself comes."""
    code, text = _say(smtp, way, first)
    return smtp.docmd(_base64(go_on)) if code == 334 else (code, text)


def _as_saslname(username: str) -> str:
    return username.replace("=", "=3D").replace(",", "=2C")


def _base64(data: bytes) -> str:
    return base64.b64encode(data).decode("ascii")


def _words(text: bytes | str) -> str:
    return text.decode("ascii", "replace") if isinstance(text, bytes) else text
