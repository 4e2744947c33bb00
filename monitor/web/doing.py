"""How a page changes something: one transaction, the session lasts longer, and back to a page."""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime
from typing import TypeVar

from flask import redirect
from sqlalchemy.orm import Session
from werkzeug.wrappers import Response as BaseResponse

from monitor.web.house import house_of
from monitor.web.visitor import Visitor, lengthen, visitor

T = TypeVar("T")


def change(work: Callable[[Session, datetime, Visitor], T]) -> T:
    """Do ``work`` for the visitor in one transaction."""
    house, who = house_of(), visitor()

    def all_of_it(session: Session) -> T:
        now = house.now
        lengthen(session, who.session_id, now)
        return work(session, now, who)

    return house.change(all_of_it)


def change_and_show(page: str, work: Callable[[Session, datetime, Visitor], object]) -> BaseResponse:
    """Do ``work``, then show ``page``: loading it again changes nothing twice."""
    change(work)
    return redirect(page, 303)
