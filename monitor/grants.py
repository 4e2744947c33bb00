"""A token as one text, to be sealed with the install key."""

from __future__ import annotations

import json
from datetime import datetime

from connectors.model import Grant


def read_grant(text: str) -> Grant:
    """A sealed grant as it was written by ``write_grant``."""
    values = json.loads(text)
    expires = values.get("expires_at")
    return Grant(values["token"], datetime.fromisoformat(expires) if expires else None, values.get("refresh_token"))


def write_grant(grant: Grant) -> str:
    """A grant as one text, to be sealed."""
    return json.dumps(
        {
            "token": grant.token,
            "expires_at": grant.expires_at.isoformat() if grant.expires_at else None,
            "refresh_token": grant.refresh_token,
        }
    )
