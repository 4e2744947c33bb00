"""Mail addresses and host names: checked without asking anybody, and written as the wire and a header want them.

People see an address as it was meant (``r@wärme.example``); the wire and every header get its domain in ASCII (IDNA),
and only letters of other scripts before the @ need a server that speaks SMTPUTF8 (RFC 6531).
"""

from __future__ import annotations

import base64
import re
import unicodedata
from collections.abc import Iterator

import email_validator
import idna

SPECIAL_USE = frozenset(
    {*email_validator.SPECIAL_USE_DOMAIN_NAMES, "example", "example.com", "example.net", "example.org", "internal"}
)
"""Domains that nobody can own (RFC 6761 and its kin): mail to them arrives in one's own network at best."""

EXAMPLE = "tessellateuk.example"
"""The domain of the settings file to begin with."""

email_validator.SPECIAL_USE_DOMAIN_NAMES.clear()  # its own way to allow them; whoever reads the settings warns instead


def checked(value: str) -> str:
    """The one address that ``value`` is, in its normal form. Raises ``ValueError`` in words for whoever wrote it.

    Nothing is looked up, so an address that does not exist passes.
    """
    bare = "an address such as name@charity.example"
    if value.casefold().startswith("mailto:") or set("<>") & set(value):
        raise ValueError(f"{bare}, without mailto: and angle brackets")
    if value.count("@") > 1:
        raise ValueError(f"{bare}, and only one")
    try:
        found = email_validator.validate_email(
            value, check_deliverability=False, globally_deliverable=False, strict=True
        )
    except email_validator.EmailNotValidError as error:
        raise ValueError(f"{bare} ({str(error).rstrip('.')})") from None
    if "." not in found.domain and found.domain != "localhost":
        raise ValueError(f"{bare} (there is no dot after the @)")
    if found.domain.rpartition(".")[2].isdigit():
        raise ValueError(f"{bare}, with a name after the @ and not a number")
    if unicodedata.normalize("NFKC", value) != unicodedata.normalize("NFC", value):
        raise ValueError(f"{bare}, in plain letters: some only look like them, so it is another mailbox")
    if is_of_mixed_scripts(found.local_part) or any(map(is_of_mixed_scripts, found.domain.split("."))):
        raise ValueError(f"{bare}, in letters of one script: one of another looks the same, so it is another mailbox")
    return found.normalized


def is_of_mixed_scripts(text: str) -> bool:
    """Whether Latin letters stand beside Greek, Cyrillic or Armenian ones, many of which look the same (UTS 39)."""
    scripts = {unicodedata.name(letter, "").partition(" ")[0] for letter in text if letter.isalpha()}
    return "LATIN" in scripts and bool(scripts & {"CYRILLIC", "GREEK", "ARMENIAN"})


def split_mailbox(value: str) -> tuple[str, str]:
    """Name and address of ``Name <address>`` or of a bare address, unchecked. A comma in the name parts nothing."""
    value = value.strip()
    name, opened, address = value.removesuffix(">").rpartition("<")
    if not opened or ">" in address or not value.endswith(">"):
        return "", value
    name = name.strip()
    if len(name) > 1 and name[0] == name[-1] == '"':
        name = re.sub(r"\\(.)", r"\1", name[1:-1])
    return name, address.strip()


def is_special(address: str) -> bool:
    """Whether an address lies in a domain that nobody can own."""
    domain = _domain(address).casefold()
    return any(domain == name or domain.endswith(f".{name}") for name in SPECIAL_USE)


def is_of_the_example(address: str) -> bool:
    """Whether an address was left as the settings file to begin with has it."""
    domain = _domain(address).casefold()
    return domain == EXAMPLE or domain.endswith(f".{EXAMPLE}")


def are_one_mailbox(one: str, other: str) -> bool:
    """Whether two addresses lead to one mailbox: case, a ``+tag``, and Gmail's dots make no difference."""
    return mailbox_of(one) == mailbox_of(other)


def mailbox_of(address: str) -> str:
    """The one form of every address that leads to the same mailbox."""
    local, _, domain = on_the_wire(address).casefold().rpartition("@")
    local = local.partition("+")[0] or local
    if domain in {"gmail.com", "googlemail.com"}:
        local, domain = local.replace(".", ""), "gmail.com"
    return f"{local}@{domain}"


def on_the_wire(address: str) -> str:
    """``address`` with its domain in ASCII, as far as that can be."""
    local, _, _ = address.rpartition("@")
    try:
        return f"{local}@{ascii_host(_domain(address))}"
    except ValueError:
        return address


def ascii_host(host: str) -> str:
    """A host's name as DNS has it. Raises ``ValueError`` for one that cannot be a name."""
    if host.isascii():
        return host
    try:
        return idna.encode(host, uts46=True).decode("ascii")
    except idna.IDNAError:
        raise ValueError("a host's name with letters that no name may have") from None


def header(name: str, address: str, *, utf8: bool) -> str:
    """A mailbox as a header's value, folded. Standard folding loses the quotes of a long name, so that a comma in it
    parts one mailbox into two. ``utf8`` allows for letters of every script (RFC 6532)."""
    spec = f"<{on_the_wire(address)}>"
    if not name:
        return spec[1:-1]
    if re.fullmatch(r"[A-Za-z0-9!#$%&'*+/^_`{|}~ -]+", name):
        words = name
    elif (name.isascii() or utf8) and "=?" not in name:
        words = '"' + re.sub(r'(["\\])', r"\\\1", name) + '"'
    else:
        words = "\r\n ".join(_encoded_words(name))
    fits = len(words.rpartition("\r\n")[2]) + len(spec) < 66
    return words + (" " if fits else "\r\n ") + spec


def _encoded_words(name: str) -> Iterator[str]:
    """RFC 2047: at most 75 characters each, whole letters in each."""
    part = b""
    for letter in name:
        if len(part) + len(letter.encode()) > 45:
            yield f"=?utf-8?b?{base64.b64encode(part).decode('ascii')}?="
            part = b""
        part += letter.encode()
    yield f"=?utf-8?b?{base64.b64encode(part).decode('ascii')}?="


def _domain(address: str) -> str:
    return address.rpartition("@")[2]
