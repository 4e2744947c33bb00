"""The install key, and what is made with it: keyed hashes, signatures, sealed tokens.

One random key per installation, in ``install.key`` (0600) in the state directory. A new key ends every link
that was mailed and every renewed token; hashes of erased persons then no longer match, so keep it with care.
"""

from __future__ import annotations

import base64
import hashlib
import hmac
import os
import secrets
from pathlib import Path

from cryptography.fernet import Fernet, InvalidToken

KEY = "install.key"
"""Its file in the state folder."""


class KeyUnreadable(Exception):
    """The install key is there but cannot be used; the message says what to do."""


class Keys:
    """Everything that is derived from the install key. Each purpose has a key of its own."""

    def __init__(self, root: bytes) -> None:
        self._root = root

    def _derive(self, purpose: str) -> bytes:
        return hmac.new(self._root, purpose.encode(), hashlib.sha256).digest()

    def digest(self, purpose: str, *parts: str) -> str:
        """A keyed hash of ``parts``, in 64 hex digits: equal for equal parts, and telling nothing of them."""
        message = b"\x00".join(part.encode("utf-8", "replace") for part in parts)
        return hmac.new(self._derive(purpose), message, hashlib.sha256).hexdigest()

    def sign_key(self, purpose: str) -> bytes:
        """A key for signing links of one purpose."""
        return self._derive(f"sign:{purpose}")

    def seal(self, secret: str) -> bytes:
        """``secret`` encrypted, for the database."""
        return Fernet(base64.urlsafe_b64encode(self._derive("seal"))).encrypt(secret.encode())

    def unseal(self, sealed: bytes) -> str | None:
        """What was sealed, or None when it was sealed with another key."""
        try:
            return Fernet(base64.urlsafe_b64encode(self._derive("seal"))).decrypt(sealed).decode()
        except InvalidToken:
            return None


def load_keys(state_dir: Path) -> Keys:
    """The keys of this installation. Makes none: a second key where one was lost would change whom we have erased.
    Raises ``KeyUnreadable``."""
    path = state_dir / KEY
    try:
        root = bytes.fromhex(path.read_text("ascii").strip())
    except (OSError, ValueError) as error:
        raise KeyUnreadable(
            f"The install key {path} cannot be used ({type(error).__name__}). Bring it back from the backup of the "
            "state directory; without it links in mails sent before and renewed tokens are void."
        ) from None
    if len(root) < 32:
        raise KeyUnreadable(f"The install key {path} is cut short. Bring it back from the backup.")
    return Keys(root)


def make_keys(state_dir: Path) -> Keys:
    """The keys of this installation, made where there are none: for a store that begins. Raises ``KeyUnreadable``, and
    OSError where the folder takes nothing."""
    path = state_dir / KEY
    if not path.exists():
        state_dir.mkdir(parents=True, exist_ok=True)
        descriptor = os.open(f"{path}.new", os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
        with os.fdopen(descriptor, "w") as file:
            file.write(secrets.token_hex(32))
            file.flush()
            os.fsync(file.fileno())
        os.replace(f"{path}.new", path)
    return load_keys(state_dir)
