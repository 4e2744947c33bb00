"""Who may come in: people of the settings, the links that are printed on the command line, and tokens for tools."""

from __future__ import annotations

import secrets
from collections.abc import Sequence
from datetime import datetime

from sqlalchemy import select
from sqlalchemy.orm import Session

from alerts.model import Recipient
from monitor import audit, people
from monitor.actions import Actor, NotAllowed
from monitor.app import App
from monitor.links import Holder, Purpose
from monitor.store.tables import TipLinkRow, ToolTokenRow

ANYBODY = Holder("staff")
"""Whose the link is that is handed out."""

SCOPES = {
    "incidents:read": "read incidents",
    "incidents:act": "acknowledge incidents and write notes",
    "mentions:read": "read mentions, as the platforms' terms allow",
    "takeover:read": "read the state of takeover with names and reasons",
    "coverage:read": "read what can be heard",
    "tips:write": "tell the CEO",
}
"""What a tool's token may be good for. Beginning and ending a takeover is for people only."""


def find(app: App, who: str) -> Recipient:
    """The person with this role or address. Raises ``NotAllowed`` in plain words."""
    wanted = who.strip().casefold()
    for person in app.roster.everyone:
        if wanted in {person.role, person.email.casefold()}:
            return person
    known = ", ".join(dict.fromkeys(p.role for p in app.roster.everyone))
    raise NotAllowed(f"Nobody in the settings is {who!r}. Known roles: {known}; an address works too.")


def sign_in_link(app: App, who: str) -> str:
    """A link with which ``who`` (a role or an address) signs in: for when mail is down. 15 minutes, once."""
    person, now = find(app, who), app.clock()

    def work(session: Session) -> Holder:
        holder = people.introduce(session, app.keys, app.roster, person, now)
        audit.record(session, actor=audit.AT_THE_SERVER, action="sign-in link printed", now=now, about=holder.mark)
        return holder

    token = app.links.token(Purpose.SIGN_IN, app.database.in_transaction(work), "/", now)
    return f"{address(app)}/a/{token}"


def address(app: App) -> str:
    """Where the pages answer: the public address, or the one they are bound to."""
    bind = app.settings.web.bind.replace("0.0.0.0", "127.0.0.1").replace("[::]", "[::1]")  # noqa: S104
    return app.settings.public_url or f"http://{bind}"


def sign_out_everywhere(app: App, who: str) -> int:
    """End every session and every link of a person, at once. Returns how many sessions there were.

    ``who`` is a role, or an address, which need not stand in the settings any more. Raises ``NotAllowed`` for somebody
    who was never known.
    """
    email, now = who.strip() if "@" in who else find(app, who).email, app.clock()

    def work(session: Session) -> int:
        marks = people.marks_known(session, app.keys, app.roster, email)
        if not marks:
            find(app, who)
        for mark in marks:
            audit.record(session, actor=audit.AT_THE_SERVER, action="signed out everywhere", now=now, about=mark)
        return sum(people.renew(session, mark, now) for mark in marks)

    return app.database.in_transaction(work)


def tip_link(session: Session, app: App, now: datetime, *, by: str = audit.AT_THE_SERVER, renew: bool = False) -> str:
    """The link to "Tell the CEO" that is handed out to volunteers; ``renew`` ends the one before. ``by``: who asks."""
    row = session.scalar(select(TipLinkRow).where(TipLinkRow.ended_at.is_(None)).order_by(TipLinkRow.made_at.desc()))
    if row is not None and renew:
        row.ended_at = now
        row = None
    if row is None:
        row = TipLinkRow(id=secrets.token_hex(8), made_at=now, ended_at=None)
        session.add(row)
        audit.record(session, actor=by, action="tip link made", now=now)
    token = app.links.token(Purpose.TIP, ANYBODY, "", row.made_at, id=row.id)
    return f"{address(app)}/a/{token}"


def current_tip_link(session: Session, app: App) -> str:
    """The link that is handed out now; empty when none was made yet. Changes nothing."""
    row = session.scalar(select(TipLinkRow).where(TipLinkRow.ended_at.is_(None)).order_by(TipLinkRow.made_at.desc()))
    if row is None:
        return ""
    return f"{address(app)}/a/{app.links.token(Purpose.TIP, ANYBODY, '', row.made_at, id=row.id)}"


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
