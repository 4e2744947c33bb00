"""How mail leaves: one table of the settings, declared beside the code that uses it."""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from typing import Literal
from urllib.parse import urlsplit

from alerts import addresses

LOOPBACK = frozenset({"localhost", "127.0.0.1", "::1"})


@dataclass(frozen=True, slots=True)
class Relay:
    """A second mail server, for the time when the first takes mail for nobody. Without ``host`` there is none; without
    ``from`` it sends with the first one's."""

    host: str = ""
    port: int = 587
    security: Literal["starttls", "tls", "none"] = "starttls"
    username: str = ""
    password: str = field(default="", repr=False, metadata={"secret": True})
    sender: str = field(default="", metadata={"key": "from"})
    ca_file: str = field(default="", metadata={"path": True})
    sign_in: Literal["password", "microsoft", "google"] = "password"
    tenant: str = ""
    client_id: str = ""
    client_secret: str = field(default="", repr=False, metadata={"secret": True})
    refresh_token: str = field(default="", repr=False, metadata={"secret": True})
    """Leave to send, given by a person: here it must stand in the settings, unless the app's own secret does."""

    @property
    def lacks_leave(self) -> bool:
        """Whether a person would have to give leave, which is asked for the first server alone."""
        by_itself = self.sign_in == "microsoft" and self.client_secret
        return self.sign_in != "password" and not self.refresh_token and not by_itself


@dataclass(frozen=True, slots=True)
class MailSettings:
    """How mail leaves. ``sender`` is written ``from`` in the file: an address, or ``Earshot <address>``."""

    host: str
    sender: str = field(metadata={"key": "from"})
    port: int = 587
    security: Literal["starttls", "tls", "none"] = "starttls"
    username: str = ""
    password: str = field(default="", repr=False, metadata={"secret": True})
    ca_file: str = field(default="", metadata={"path": True})
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
    relay: Relay = Relay()
    """A second mail server, used while the first takes mail for nobody."""

    def __post_init__(self) -> None:
        if not _is_host(self.host):
            raise ValueError(
                "host: the mail server's name alone, such as smtp.charity.example; the port goes into port"
            )
        if not 1 <= self.port <= 65535:
            raise ValueError("port: a number from 1 to 65535, usually 587")
        for key, value in (("from", self.sender), ("reply_to", self.reply_to)):
            if value or key == "from":
                _check_mailbox(key, value)
        if not addresses.on_the_wire(addresses.split_mailbox(self.reply_to)[1]).isascii():
            raise ValueError("reply_to: an address with plain letters before the @, which every mail server can carry")
        if self.ehlo_name and not _is_name(self.ehlo_name):
            raise ValueError("ehlo_name: this machine's name, such as earshot.charity.example")
        self._check_sign_in()
        try:
            _ = self.second
        except ValueError as error:
            raise ValueError(f"relay.{error}") from None
        if self.relay.host and self.relay.lacks_leave:
            raise ValueError("relay.refresh_token: leave to send for the second mailbox (docs/credentials.md)")
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
    def second(self) -> MailSettings | None:
        """The second mail server as one to send with; None where the settings name none."""
        relay = self.relay
        if not relay.host:
            return None
        return MailSettings(
            relay.host, relay.sender or self.sender, relay.port, relay.security, relay.username, relay.password,
            relay.ca_file, self.reply_to, self.ehlo_name, relay.sign_in, relay.tenant, relay.client_id,
            relay.client_secret, relay.refresh_token,
        )  # fmt: skip

    @property
    def uses_oauth(self) -> bool:
        """Whether a token takes the password's place."""
        return self.sign_in != "password"

    @property
    def wire_host(self) -> str:
        """The mail server's name as DNS and its certificate have it."""
        return addresses.ascii_host(self.host)

    @property
    def address(self) -> str:
        """The bare address that mails come from."""
        return addresses.split_mailbox(self.sender)[1]

    @property
    def domain(self) -> str:
        """The domain that mails come from, in ASCII, which Message-IDs end in."""
        return addresses.on_the_wire(self.address).rpartition("@")[2]


def _is_safe_place(url: str) -> bool:
    """Whether secrets may be sent there: encrypted, or not leaving this machine."""
    try:
        parts = urlsplit(url)
        host = parts.hostname
    except ValueError:
        return False
    return bool(host) and not parts.query and (parts.scheme == "https" or (parts.scheme == "http" and host in LOOPBACK))


def _check_mailbox(key: str, value: str) -> None:
    """Raise ``ValueError`` unless ``value`` is one address, or ``Name <address>``."""
    if not value.isprintable():
        raise ValueError(f"{key}: an address such as earshot@charity.example, on one line")
    name, address = addresses.split_mailbox(value)
    if set("<>") & set(name):
        raise ValueError(f"{key}: one address, such as Earshot <earshot@charity.example>")
    try:
        addresses.checked(address)
    except ValueError as error:
        raise ValueError(f"{key}: {error}") from None


def _is_host(value: str) -> bool:
    """A name or an address of a machine, without a port; one with letters of other scripts must have a form in
    ASCII."""
    if value.count(":") == 1:
        return False
    try:
        host = addresses.ascii_host(value)
    except ValueError:
        return False
    return re.fullmatch(r"[A-Za-z0-9._:-]{1,253}", host) is not None


def _is_name(value: str) -> bool:
    """What EHLO may say: a name, or an address literal in brackets (RFC 5321, 4.1.3)."""
    return _is_host(value) if value[0] != "[" else re.fullmatch(r"\[[A-Za-z0-9.:]{1,60}\]", value) is not None
