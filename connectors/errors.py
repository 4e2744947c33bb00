"""What can go wrong while hearing. The class says what to do next, the message what to tell a person."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime


class ConnectorError(Exception):
    """Base of all that a connector raises.

    ``what`` says in plain words what happened and ``do`` what a person should do; neither may hold a
    token, a URL with a query, or text from a post. ``code`` is the platform's own name for the fault.
    ``spent`` is what was used of each bucket all the same; None when that is not known, and then the whole
    reservation counts as spent.
    """

    def __init__(
        self,
        what: str,
        do: str = "",
        *,
        code: str = "",
        retry_at: datetime | None = None,
        shape: str = "",
        spent: Mapping[str, int] | None = None,
    ) -> None:
        super().__init__(what)
        self.what = what
        self.do = do
        self.code = code
        self.retry_at = retry_at
        self.shape = shape
        self.spent = spent


class Unreachable(ConnectorError):
    """The platform did not answer, or answered that it is down: poll again at the usual time."""


class RateLimited(ConnectorError):
    """A window, a quota or the money is used up: poll again at ``retry_at`` (aware UTC), or later than usual."""


class CredentialsRejected(ConnectorError):
    """The token, a permission or the account was refused: tell the operator, probe rarely."""


class SetupRejected(ConnectorError):
    """A setting is wrong for the platform (query, page id, version): tell the operator, probe rarely."""


class UnexpectedReply(ConnectorError):
    """The answer has a form that we do not know: keep the cursor, and ``shape`` (keys, types, lengths)."""


def shape_of(value: object, depth: int = 3) -> str:
    """Keys, types and lengths of a reply, never its content: what may be logged of something unexpected."""
    match value:
        case dict():
            if depth == 0:
                return "{…}"
            inner = ", ".join(f"{str(key)[:40]}: {shape_of(item, depth - 1)}" for key, item in list(value.items())[:20])
            return f"{{{inner}}}"
        case list():
            return f"[{len(value)} x {shape_of(value[0], depth - 1)}]" if value and depth else f"[{len(value)}]"
        case str() | bytes():
            return f"{type(value).__name__}({len(value)})"
        case _:
            return type(value).__name__
