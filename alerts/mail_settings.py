"""How mail leaves: one table of the settings, declared beside the code that uses it."""

from __future__ import annotations

from dataclasses import dataclass, field
from email.headerregistry import Address
from email.utils import parseaddr
from typing import Literal
from urllib.parse import urlsplit

LOOPBACK = frozenset({"localhost", "127.0.0.1", "::1"})


@dataclass(frozen=True, slots=True)
class MailSettings:
    """How mail leaves. ``sender`` is written ``from`` in the file: an address, or ``Earshot <address>``."""

    host: str
    sender: str = field(metadata={"key": "from"})
    port: int = 587
    security: Literal["starttls", "tls", "none"] = "starttls"
    username: str = ""
    password: str = field(default="", repr=False, metadata={"secret": True})
    ca_file: str = ""
    """A file of certificates to trust instead of the system's, for a mail server with its own authority."""
    reply_to: str = ""
    ehlo_name: str = ""
    """What we call ourselves in EHLO; our address on the line to the server where empty (RFC 5321, 4.1.3)."""
    sign_in: Literal["password", "microsoft", "google"] = "password"
    """By what we sign in: the password, or OAuth2 tokens of Microsoft 365 or Google (``alerts.mail_oauth``)."""
    tenant: str = ""
    """Microsoft's directory (tenant) ID, or a domain of the organisation."""
    client_id: str = ""
    client_secret: str = field(default="", repr=False, metadata={"secret": True})
    refresh_token: str = field(default="", repr=False, metadata={"secret": True})
    """Leave to send, given by a person; ``earshot connect mail`` asks for it and keeps it sealed instead."""
    auth_base_url: str = ""
    """Where tokens are asked for, instead of at Microsoft or Google themselves."""

    def __post_init__(self) -> None:
        if not self.host or any(c.isspace() or not c.isprintable() for c in self.host):
            raise ValueError("host: the mail server's name, such as smtp.charity.example")
        if not 1 <= self.port <= 65535:
            raise ValueError("port: a number from 1 to 65535, usually 587")
        for key, value in (("from", self.sender), ("reply_to", self.reply_to)):
            if (value or key == "from") and not _is_mailbox(value):
                raise ValueError(f"{key}: an address such as earshot@charity.example")
        if self.ehlo_name and (
            not self.ehlo_name.isascii() or not self.ehlo_name.isprintable() or " " in self.ehlo_name
        ):
            raise ValueError("ehlo_name: this machine's name, such as earshot.charity.example")
        self._check_sign_in()
        if (self.username or self.sign_in != "password") and self.security == "none" and self.host not in LOOPBACK:
            raise ValueError('security: "starttls" or "tls", for a password may not travel in the clear')

    def _check_sign_in(self) -> None:
        if "\0" in self.username + self.password:
            raise ValueError("username and password: without the character NUL")
        if self.sign_in == "password":
            if self.client_id and not self.password:
                raise ValueError('sign_in: "microsoft" or "google", for there is a client_id and no password')
            if bool(self.username) != bool(self.password):
                raise ValueError("username and password: both or neither")
            return
        if self.password:
            raise ValueError(f'password: none where sign_in = "{self.sign_in}"; take it out')
        if not self.username or not self.username.isprintable():
            raise ValueError("username: the address of the mailbox that sends")
        if not self.client_id:
            raise ValueError("client_id: the app's id (docs/credentials.md has the steps)")
        if self.sign_in == "microsoft" and not self.tenant.replace("-", "").replace(".", "").isalnum():
            raise ValueError("tenant: the directory (tenant) ID from the app's overview")
        if self.sign_in == "google" and not self.client_secret:
            raise ValueError("client_secret: the OAuth client's secret, from Google's console")
        if self.auth_base_url and not _is_safe_place(self.auth_base_url):
            raise ValueError("auth_base_url: an address that begins with https://")

    @property
    def uses_oauth(self) -> bool:
        """Whether a token takes the password's place."""
        return self.sign_in != "password"

    @property
    def address(self) -> str:
        """The bare address that mails come from."""
        return parseaddr(self.sender)[1]

    @property
    def domain(self) -> str:
        """The domain that mails come from, which Message-IDs end in."""
        return self.address.rpartition("@")[2]


def _is_safe_place(url: str) -> bool:
    """Whether secrets may be sent there: encrypted, or not leaving this machine."""
    try:
        parts = urlsplit(url)
        host = parts.hostname
    except ValueError:
        return False
    return bool(host) and not parts.query and (parts.scheme == "https" or (parts.scheme == "http" and host in LOOPBACK))


def _is_mailbox(value: str) -> bool:
    name, address = parseaddr(value)
    if not value.isprintable() or address.count("@") != 1 or any(c.isspace() for c in address):
        return False
    try:
        Address(display_name=name, addr_spec=address)
    except (ValueError, IndexError):
        return False
    return all(address.split("@"))
