"""Who may come in: people of the settings, the links that are printed on the command line, and tokens for tools."""

from __future__ import annotations

import secrets
from collections.abc import Sequence
from datetime import datetime

from sqlalchemy import select, update
from sqlalchemy.orm import Session

from alerts.model import Recipient
from monitor import audit
from monitor.actions import Actor, NotAllowed
from monitor.app import App
from monitor.links import Purpose
from monitor.store.tables import SessionRow, TipLinkRow, ToolTokenRow

SCOPES = {
    "incidents:read": "read incidents",
    "incidents:act": "acknowledge incidents and write notes",
    "mentions:read": "read mentions, as the platforms' terms allow",
    "takeover:read": "read the state of takeover with names and reasons",
    "coverage:read": "read what can be heard",
    "tips:write": "tell the CEO",
}
"""What a tool's token may be good for. Beginning and ending a takeover is for people only."""


def everyone(app: App) -> tuple[Recipient, ...]:
    """All people of the settings who may sign in, the leaders first; each address once."""
    people = app.settings.people
    named = [*app.people.values(), *(p.recipient("poster") for p in people.poster)]
    named += [p.recipient("staff") for p in people.staff]
    first: dict[str, Recipient] = {}
    for person in named:
        first.setdefault(person.email.casefold(), person)
    return tuple(first.values())


def mark_of(app: App, person: Recipient) -> str:
    """What stands for a person in links and sessions; it tells nothing of them."""
    return app.keys.digest("person", person.role, person.email.casefold())[:20]


def person_of(app: App, mark: str) -> Recipient | None:
    """The person of a mark; None once they have left the settings."""
    return next((p for p in everyone(app) if mark_of(app, p) == mark), None)


def find(app: App, who: str) -> Recipient:
    """The person with this role or address. Raises ``NotAllowed`` in plain words."""
    wanted = who.strip().casefold()
    for person in everyone(app):
        if wanted in {person.role, person.email.casefold()}:
            return person
    known = ", ".join(dict.fromkeys(p.role for p in everyone(app)))
    raise NotAllowed(f"Nobody in the settings is {who!r}. Known roles: {known}; an address works too.")


def sign_in_link(app: App, who: str) -> str:
    """A link with which ``who`` (a role or an address) signs in: for when mail is down. 15 minutes, once."""
    person = find(app, who)
    token = app.links.token(Purpose.SIGN_IN, person.role, f"{mark_of(app, person)}|/", app.clock())
    now = app.clock()
    app.database.in_transaction(
        lambda session: audit.record(
            session, actor="operator", action="sign-in link printed", now=now, about=mark_of(app, person)
        )
    )
    return f"{address(app)}/a/{token}"


def address(app: App) -> str:
    """Where the pages answer: the public address, or the one they are bound to."""
    bind = app.settings.web.bind.replace("0.0.0.0", "127.0.0.1").replace("[::]", "[::1]")  # noqa: S104
    return app.settings.public_url or f"http://{bind}"


def sign_out_everywhere(app: App, who: str) -> int:
    """End every session of a person, at once. Returns how many there were."""
    mark, now = mark_of(app, find(app, who)), app.clock()

    def work(session: Session) -> int:
        result = session.execute(
            update(SessionRow).where(SessionRow.person == mark, SessionRow.ended_at.is_(None)).values(ended_at=now)
        )
        audit.record(session, actor="operator", action="signed out everywhere", now=now, about=mark)
        return int(result.rowcount)  # type: ignore[attr-defined]

    return app.database.in_transaction(work)


def tip_link(session: Session, app: App, now: datetime, *, renew: bool = False) -> str:
    """The link to "Tell the CEO" that is handed out to volunteers; ``renew`` ends the one before."""
    row = session.scalar(select(TipLinkRow).where(TipLinkRow.ended_at.is_(None)).order_by(TipLinkRow.made_at.desc()))
    if row is not None and renew:
        row.ended_at = now
        row = None
    if row is None:
        row = TipLinkRow(id=secrets.token_hex(8), made_at=now, ended_at=None)
        session.add(row)
        audit.record(session, actor="operator", action="tip link made", now=now)
    token = app.links.token(Purpose.TIP, "staff", "", row.made_at, id=row.id)
    return f"{address(app)}/a/{token}"


def current_tip_link(session: Session, app: App) -> str:
    """The link that is handed out now; empty when none was made yet. Changes nothing."""
    row = session.scalar(select(TipLinkRow).where(TipLinkRow.ended_at.is_(None)).order_by(TipLinkRow.made_at.desc()))
    if row is None:
        return ""
    return f"{address(app)}/a/{app.links.token(Purpose.TIP, 'staff', '', row.made_at, id=row.id)}"


def tip_link_lasts(session: Session, number: str) -> bool:
    """Whether a tip link was handed out by us and not ended since."""
    row = session.get(TipLinkRow, number)
    return row is not None and row.ended_at is None


def make_tool_token(session: Session, app: App, name: str, scopes: Sequence[str], actor: Actor, now: datetime) -> str:
    """A token for a tool; it is shown once. Raises ``NotAllowed`` for a scope that does not exist."""
    wanted = [scope for scope in scopes if scope in SCOPES]
    if not name.strip() or not wanted or len(wanted) != len(scopes):
        raise NotAllowed(f"A token needs a name, and at least one of the scopes: {', '.join(SCOPES)}.")
    token = f"earshot_{secrets.token_urlsafe(32)}"
    session.add(
        ToolTokenRow(
            id=app.keys.digest("tool", token),
            name=name.strip()[:80],
            scopes=wanted,
            made_at=now,
            made_by=str(actor),
            ended_at=None,
        )
    )
    words = f"{name.strip()[:80]}: {', '.join(wanted)}"
    audit.record(session, actor=str(actor), action="tool token made", now=now, words=words)
    return token
