"""What somebody sent after their session had ended: kept, and sent on once they have signed in again.

Kept is only what comes from a page of ours that was made for that session, for a person who still stands in the
settings and was not signed out everywhere since. It is sealed with the install key, and forgotten after a day.
"""

from __future__ import annotations

import hmac
import json
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from flask import Flask, Response, request
from sqlalchemy import delete, select
from sqlalchemy.orm import Session

from alerts.model import Recipient
from monitor import people
from monitor.forgetting import FORMS_KEPT
from monitor.store.tables import KeptFormRow, SessionRow
from monitor.web.house import House, page_of
from monitor.web.visitor import session_id_of

MOST = 5
"""Forms that are kept for one person; the newest ones."""

_NEVER = frozenset({"/sign-out", "/access/sign-out"})
"""What nobody wants done after signing in."""

_MACHINERY = frozenset({"token", "page", "do"})


@dataclass(frozen=True, slots=True)
class Kept:
    """One form: where it was sent, when, and its fields."""

    id: str
    path: str
    at: datetime
    fields: tuple[tuple[str, str], ...]

    @property
    def page(self) -> str:
        """The page that the form stood on."""
        return page_of(self.path)

    @property
    def words(self) -> tuple[str, ...]:
        """What a person may have typed, for them to copy."""
        return words_of(self.fields)


def words_of(fields: Iterable[tuple[str, str]]) -> tuple[str, ...]:
    """What of a form's fields a person may have typed."""
    return tuple(value for name, value in fields if name not in _MACHINERY and value.strip())


def form_token_of(house: House, session_id: str) -> str:
    """What the forms of a session carry."""
    return house.app.keys.digest("form", "session", session_id)[:40]


def is_token_of(house: House, mark: str, given: str) -> bool:
    """Whether a form's token was made for any session of this person in their present epoch."""
    with house.app.database.read() as session:
        epoch = people.epoch_of(session, mark)
        known = session.scalars(select(SessionRow.id).where(SessionRow.person == mark, SessionRow.epoch == epoch)).all()
    return any(hmac.compare_digest(given.encode(), form_token_of(house, number).encode()) for number in known)


def owner_of_form(session: Session, house: House, cookie: str) -> SessionRow | None:
    """The session that ended, when the form being sent was made for it and its person is still the same."""
    row = session.get(SessionRow, session_id_of(house, cookie)) if len(cookie) >= 20 else None
    if row is None or house.person_of(row.person) is None or row.epoch != people.epoch_of(session, row.person):
        return None
    given = request.form.get("token", "")
    return row if hmac.compare_digest(given.encode(), form_token_of(house, row.id).encode()) else None


def keep(house: House, cookie: str) -> Recipient | None:
    """Keep the form that is being sent; returns whose it is, or None where it is not kept."""
    with house.app.database.read() as session:
        owner = owner_of_form(session, house, cookie)
    if owner is None or request.path in _NEVER:
        return None
    fields = list(request.form.items(multi=True))
    number = house.app.keys.digest("kept form", owner.id, request.path)[:40]
    house.change(lambda session: _put_by(session, house, number, owner.person, owner.epoch, request.path, fields))
    return house.person_of(owner.person)


def keep_for(house: House, mark: str, path: str, reason: str) -> None:
    """Keep the reason that somebody wrote on the page of a mailed link which ended meanwhile, as if they had sent it to
    ``path``, where the same is done once signed in."""
    number = house.app.keys.digest("kept form", mark, path)[:40]
    fields = [("token", ""), ("reason", reason)]

    def work(session: Session) -> None:
        _put_by(session, house, number, mark, people.epoch_of(session, mark), path, fields)

    house.change(work)


def _put_by(
    session: Session, house: House, number: str, mark: str, epoch: str, path: str, fields: list[tuple[str, str]]
) -> None:
    sealed = house.app.keys.seal(json.dumps([path, fields]))
    session.merge(KeptFormRow(id=number, person=mark, epoch=epoch, at=house.now, sealed=sealed))
    session.flush()
    newest = select(KeptFormRow.id).where(KeptFormRow.person == mark).order_by(KeptFormRow.at.desc())
    session.execute(
        delete(KeptFormRow).where(
            KeptFormRow.person == mark, KeptFormRow.id.not_in(session.scalars(newest.limit(MOST)).all())
        )
    )


def of_person(session: Session, house: House, mark: str) -> tuple[Kept, ...]:
    """What is kept for a person, the oldest first."""
    rows = session.scalars(
        select(KeptFormRow)
        .where(KeptFormRow.person == mark, KeptFormRow.epoch == people.epoch_of(session, mark))
        .where(KeptFormRow.at > house.now - FORMS_KEPT)
        .order_by(KeptFormRow.at)
    ).all()
    return tuple(kept for row in rows if (kept := _opened(house, row)) is not None)


def _opened(house: House, row: KeptFormRow) -> Kept | None:
    text = house.app.keys.unseal(row.sealed)
    if text is None:
        return None
    path, fields = json.loads(text)
    return Kept(row.id, path, row.at, tuple((str(name), str(value)) for name, value in fields))


def let_go(session: Session, forms: Iterable[Kept]) -> None:
    """They were sent on, or are not wanted."""
    session.execute(delete(KeptFormRow).where(KeptFormRow.id.in_([kept.id for kept in forms])))


def send_on(flask: Flask, house: House, kept: Kept, cookie: tuple[str, str]) -> Response:
    """Send a form as the session of ``cookie`` (its name and value): every check is made as for any other."""
    token = form_token_of(house, session_id_of(house, cookie[1]))
    fields: dict[str, Any] = {}
    for name, value in kept.fields:
        fields.setdefault(name, []).append(token if name == "token" else value)
    headers = {"Cookie": f"{cookie[0]}={cookie[1]}"}
    with flask.test_request_context(kept.path, method="POST", data=fields, base_url=request.host_url, headers=headers):
        return flask.full_dispatch_request()
