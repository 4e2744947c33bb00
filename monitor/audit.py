"""Who did what, append-only and chained, so that nobody can rewrite it unseen; the head goes into each weekly digest.

Every row's ``chain`` is a hash over the row before it and the row's own columns. Words enter only by a salted hash, so
that erasing them leaves the chain whole. The head that was mailed is the outside witness: rows cut off or changed
before it are found.
"""

from __future__ import annotations

import hashlib
import hmac
import json
import re
import secrets
from collections.abc import Mapping
from datetime import datetime

from sqlalchemy import select
from sqlalchemy.orm import Session

from monitor.store.tables import AuditHeadRow, AuditRow

START = "0" * 64
"""The hash before the first row."""

SHOWN = 16
"""Digits of the head's hash that a digest prints; enough that nobody makes another chain with the same."""


def record(session: Session, *, actor: str, action: str, now: datetime, about: str = "", words: str = "") -> None:
    """Add a row in the caller's transaction, and flush. ``words`` are our own, and may be erased later.

    Writers take turns at the row of the head: on PostgreSQL a second one is begun again by ``in_transaction``.
    """
    head = session.get(AuditHeadRow, 1, with_for_update=True)
    if head is None:
        head = AuditHeadRow(id=1, count=0, chain=START)
        session.add(head)
    salt = secrets.token_hex(16)
    row = AuditRow(
        id=head.count + 1,
        at=now,
        actor=actor,
        action=action[:60],
        about=about[:80],
        words=words,
        salt=salt,
        content=content_of(salt, words),
        chain="",
    )
    row.chain = chain_of(head.chain, row)
    session.add(row)
    head.count, head.chain = row.id, row.chain
    session.flush()


def head(session: Session) -> str:
    """The head as a digest prints it: the number of rows and the hash of the last; empty before the first."""
    row = session.get(AuditHeadRow, 1)
    return f"{row.count}:{row.chain[:SHOWN]}" if row is not None else ""


def content_of(salt: str, words: str) -> str:
    """The salted hash of a row's words."""
    return hashlib.sha256(f"{salt}\n{words}".encode()).hexdigest()


def chain_of(before: str, row: AuditRow) -> str:
    """The hash that chains a row to the one before."""
    body = [before, row.id, row.at.isoformat(), row.actor, row.action, row.about, row.content]
    return hashlib.sha256(json.dumps(body, ensure_ascii=True).encode()).hexdigest()


def verify(session: Session, *, witnessed: str = "") -> list[str]:
    """What is wrong with the chain, in words; empty when it is whole.

    ``witnessed`` is a head from a mailed digest, such as ``57:9f2c...``: the chain must still hold that very row.
    """
    problems: list[str] = []
    before, expected, known = START, 1, {0: START}
    for row in session.scalars(select(AuditRow).order_by(AuditRow.id).execution_options(yield_per=1000)):
        if row.id != expected:
            problems.append(f"Rows {expected} to {row.id - 1} are missing.")
        if row.words is not None and content_of(row.salt, row.words) != row.content:
            problems.append(f"The words of row {row.id} were changed.")
        if not hmac.compare_digest(chain_of(before, row), row.chain):
            problems.append(f"Row {row.id} was changed, or one before it was.")
        before, expected = row.chain, row.id + 1
        known[row.id] = row.chain
        if len(problems) >= 20:
            return [*problems, "And more."]
    last = session.get(AuditHeadRow, 1)
    if last is None and expected > 1:
        problems.append("The head of the chain is missing.")
    if last is not None and (last.count, last.chain) != (expected - 1, before):
        problems.append("Rows were cut off at the end, or added past the head.")
    return problems + _against_mail(known, witnessed)


HEAD_FORM = "The head from the digest is written as a number, a colon and 16 digits, such as 57:9f2c41d07aa1b3e5."


def is_head(text: str) -> bool:
    """Whether ``text`` is written as the head of a digest is."""
    return re.fullmatch(rf"[0-9]{{1,18}}:[0-9a-fA-F]{{{SHOWN},64}}", text.strip()) is not None


def _against_mail(known: Mapping[int, str], mailed: str) -> list[str]:
    if not mailed.strip():
        return []
    if not is_head(mailed):
        return [HEAD_FORM]
    number, _, digits = mailed.strip().partition(":")
    found = known.get(int(number))
    if found is None:
        return [f"Row {number}, whose head was mailed, is no longer there: the chain was cut."]
    if not found.startswith(digits.lower()):
        return [f"Row {number} is not the one whose head was mailed: the chain was written anew."]
    return []


def erase_naming(session: Session, name: str) -> int:
    """Forget the words of every row that holds ``name``; the chain stays whole. Returns how many."""
    wanted = name.casefold().strip()
    if not wanted:
        return 0
    count = 0
    for row in session.scalars(select(AuditRow).where(AuditRow.words.is_not(None), AuditRow.words != "")):
        if wanted in (row.words or "").casefold():
            row.words, row.salt = None, ""
            count += 1
    return count


def newest(session: Session, limit: int = 100, before: int | None = None) -> list[AuditRow]:
    """Rows of the audit, newest first, from before the row ``before``."""
    query = select(AuditRow).order_by(AuditRow.id.desc()).limit(limit)
    return list(session.scalars(query.where(AuditRow.id < before) if before else query))
