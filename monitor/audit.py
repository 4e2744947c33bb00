"""Who did what, append-only and chained, so that nobody can rewrite it unseen; the head goes into each weekly digest.

Every row's ``link`` is a hash over the row before it and the row's own columns. Details (names, numbers of incidents)
enter only by a salted hash, so that erasing a person's details leaves the chain whole. The head that was mailed is the
outside witness: rows cut off or changed before it are found.
"""

from __future__ import annotations

import hashlib
import hmac
import json
import secrets
from collections.abc import Mapping
from datetime import datetime
from typing import Any

from sqlalchemy import select
from sqlalchemy.orm import Session

from monitor.store.tables import AuditHeadRow, AuditRow

START = "0" * 64
"""The link before the first row."""

SHOWN = 16
"""Digits of the head's link that a digest prints; enough that nobody makes another chain with the same."""


def record(session: Session, what: str, role: str, now: datetime, **details: Any) -> None:
    """Add a row in the caller's transaction. ``what`` is a verb of ours; details are our own words and ids."""
    head = session.get(AuditHeadRow, 1, with_for_update=True)
    if head is None:
        head = AuditHeadRow(id=1, count=0, link=START)
        session.add(head)
    kept = {name: value for name, value in details.items() if value not in (None, "")}
    salt = secrets.token_hex(16)
    row = AuditRow(
        id=head.count + 1,
        at=now,
        what=what[:60],
        role=role[:40],
        details=kept,
        salt=salt,
        seal=seal_of(salt, kept),
        link="",
    )
    row.link = link_of(head.link, row)
    session.add(row)
    head.count, head.link = row.id, row.link
    session.flush()


def head(session: Session) -> str:
    """The head as a digest prints it: the number of rows and the link of the last; empty before the first."""
    row = session.get(AuditHeadRow, 1)
    return f"{row.count}:{row.link[:SHOWN]}" if row is not None else ""


def seal_of(salt: str, details: Mapping[str, Any]) -> str:
    """The salted hash of a row's details."""
    return hashlib.sha256(f"{salt}\n{_canonical(details)}".encode()).hexdigest()


def link_of(before: str, row: AuditRow) -> str:
    """The hash that chains a row to the one before."""
    body = _canonical([before, row.id, row.at.isoformat(), row.what, row.role, row.seal])
    return hashlib.sha256(body.encode()).hexdigest()


def verify(session: Session, *, mailed: str = "") -> list[str]:
    """What is wrong with the chain, in words; empty when it is whole.

    ``mailed`` is a head from a digest, such as ``57:9f2c...``: the chain must still hold that very row.
    """
    problems: list[str] = []
    link, expected, links = START, 1, {0: START}
    for row in session.scalars(select(AuditRow).order_by(AuditRow.id).execution_options(yield_per=1000)):
        if row.id != expected:
            problems.append(f"Rows {expected} to {row.id - 1} are missing.")
        if row.details is not None and row.salt is not None and seal_of(row.salt, row.details) != row.seal:
            problems.append(f"The details of row {row.id} were changed.")
        if (row.details is None) != (row.salt is None):
            problems.append(f"The details of row {row.id} were half removed.")
        link = link_of(link, row)
        if not hmac.compare_digest(link, row.link):
            problems.append(f"Row {row.id} was changed, or one before it was.")
            link = row.link
        links[row.id] = row.link
        expected = row.id + 1
        if len(problems) >= 20:
            return [*problems, "And more."]
    last = session.get(AuditHeadRow, 1)
    if last is not None and (last.count, last.link) != (expected - 1, link):
        problems.append("Rows were cut off at the end, or added past the head.")
    if last is None and expected > 1:
        problems.append("The head of the chain is missing.")
    problems += _against_mail(links, mailed)
    return problems


def _against_mail(links: Mapping[int, str], mailed: str) -> list[str]:
    if not mailed.strip():
        return []
    number, _, digits = mailed.strip().partition(":")
    if not number.isdigit() or len(digits) < SHOWN:
        return ["The head from the digest is written as a number, a colon and 16 digits, such as 57:9f2c41d07aa1b3e5."]
    found = links.get(int(number))
    if found is None:
        return [f"Row {number}, whose head was mailed, is no longer there: the chain was cut."]
    if not found.startswith(digits.lower()):
        return [f"Row {number} is not the one whose head was mailed: the chain was written anew."]
    return []


def erase(session: Session, number: int) -> bool:
    """Forget a row's details; the chain stays whole. False when there is no such row."""
    row = session.get(AuditRow, number)
    if row is None:
        return False
    row.details = row.salt = None
    return True


def erase_naming(session: Session, words: str) -> int:
    """Forget the details of every row that holds ``words`` (a person's name or handle). Returns how many."""
    wanted = words.casefold().strip()
    if not wanted:
        return 0
    count = 0
    for row in session.scalars(select(AuditRow).where(AuditRow.details.is_not(None))):
        if wanted in _canonical(row.details).casefold():
            row.details = row.salt = None
            count += 1
    return count


def newest(session: Session, limit: int = 200, before: int | None = None) -> list[AuditRow]:
    """Rows of the audit, newest first."""
    query = select(AuditRow).order_by(AuditRow.id.desc()).limit(limit)
    return list(session.scalars(query.where(AuditRow.id < before) if before else query))


def _canonical(value: Any) -> str:
    return json.dumps(value, sort_keys=True, separators=(",", ":"), ensure_ascii=False, default=str)
