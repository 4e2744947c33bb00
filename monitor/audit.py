"""Who did what, append-only and chained, so that nobody can rewrite it unseen; the head goes into every mail.

Every row's ``chain`` is a keyed hash over the row before it and the row's own columns; the key comes from the install
key, which is not in the database. Words enter only by a salted hash, so that erasing them leaves the chain whole. The
head that was mailed is the outside witness: rows cut off or changed before it are found. What the chain speaks of
(the takeover ledger, the incidents' logs, who acknowledged) is compared with it (``monitor.audit_compared``).
"""

from __future__ import annotations

import hashlib
import hmac
import json
import re
import secrets
from collections.abc import Callable, Collection, Mapping, Sequence
from datetime import datetime

from sqlalchemy import ColumnElement, select
from sqlalchemy.orm import Session

from monitor.store.tables import AuditHeadRow, AuditRow

KEY = "audit key"
"""Where a session carries what gives the key (``Session.info``): set once, where the database is opened."""

AT_THE_SERVER = "Somebody on the command line"
"""The actor of what is done there: nobody signs in, so that it is never known who it was."""

START = "0" * 64
"""The hash before the first row."""

SHOWN = 16
"""Digits of the head's hash that a digest prints; enough that nobody makes another chain with the same."""


ERASED, KEYED = "words erased", "chain keyed"
"""Actions that ``verify`` looks for: which rows lost their words, and when the key came in."""


def record(
    session: Session, *, actor: str, action: str, now: datetime, about: str = "", words: str = "", proof: str = ""
) -> None:
    """Add a row in the caller's transaction, and flush. ``words`` are our own, and may be erased later; ``proof`` is a
    hash of what else the row stands for (``proof_of``).

    Writers take turns at the row of the head: on PostgreSQL a second one is begun again by ``in_transaction``.
    """
    head = session.get(AuditHeadRow, 1, with_for_update=True)
    if head is None:
        head = AuditHeadRow(id=1, count=0, chain=START, keyed=bool(_key_of(session)))
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
        proof=proof,
        chain="",
    )
    row.chain = chain_of(head.chain, row, _key_of(session) if head.keyed else b"")
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


def chain_of(before: str, row: AuditRow, key: bytes = b"") -> str:
    """The hash that chains a row to the one before; without a key as it was before the chain was keyed."""
    body = [before, row.id, row.at.isoformat(), row.actor, row.action, row.about, row.content]
    written = json.dumps([*body, row.proof] if row.proof else body, ensure_ascii=True).encode()
    return (hmac.new(key, written, hashlib.sha256) if key else hashlib.sha256(written)).hexdigest()


def proof_of(*parts: object) -> str:
    """A hash of what a row stands for besides its own columns."""
    return hashlib.sha256(json.dumps(parts, default=str, ensure_ascii=True).encode()).hexdigest()


def key_chain(session: Session, now: datetime) -> bool:
    """Chain every row anew with the install key, once: for a chain from before it was keyed, or one that was brought
    from an installation with another key. What was wrong before is written into the chain. False when it is keyed."""
    head_row = session.get(AuditHeadRow, 1, with_for_update=True)
    key = _key_of(session)
    if head_row is None or not key or (head_row.keyed and _opens(session, head_row, key)):
        return False
    known_by, wrong = head(session), [] if head_row.keyed else verify(session)
    before, erased = START, []
    for row in session.scalars(select(AuditRow).order_by(AuditRow.id)):
        row.chain = before = chain_of(before, row, key)
        erased += [row.id] if row.words is None else []
    head_row.chain, head_row.keyed = before, True
    said = f"Its head was {known_by}. " + (" ".join(wrong) if wrong else "Nothing was wrong with it.")
    record(session, actor="Earshot", action=KEYED, now=now, words=said)
    if erased:
        _note_erased(session, erased, "Earshot", now)
    return True


def _opens(session: Session, head_row: AuditHeadRow, key: bytes) -> bool:
    """Whether the newest row was chained with this key."""
    last = session.get(AuditRow, head_row.count)
    before = session.get(AuditRow, head_row.count - 1)
    return last is None or chain_of(before.chain if before else START, last, key) == last.chain


def verify(session: Session, *, witnessed: str = "", keyed: bool = False) -> list[str]:
    """What is wrong with the chain, in words; empty when it is whole.

    ``witnessed`` is a head from a mail, such as ``57:9f2c...``: the chain must still hold that very row. ``keyed``:
    this installation has keyed its chain, so that one without a key is somebody else's.
    """
    last = session.get(AuditHeadRow, 1)
    key = _key_of(session) if last is not None and last.keyed else b""
    bare = keyed and last is not None and not last.keyed
    problems = ["The chain is written without the install key."] if bare else []
    before, plain, expected, known = START, START, 1, {0: (START, START)}
    blank, erased = set(), set()
    rows = session.scalars(select(AuditRow).order_by(AuditRow.id).execution_options(yield_per=1000))
    for row in rows:
        if row.id != expected:
            problems.append(f"Rows {expected} to {row.id - 1} are missing.")
        if row.words is None:
            blank.add(row.id)
        elif content_of(row.salt, row.words) != row.content:
            problems.append(f"The words of row {row.id} were changed.")
        elif row.action == ERASED:
            erased |= {int(number) for number in re.findall(r"[0-9]+", row.words)}
        if not hmac.compare_digest(chain_of(before, row, key), row.chain):
            problems.append(f"Row {row.id} was changed, or one before it was.")
        before, plain, expected = row.chain, chain_of(plain, row), row.id + 1
        known[row.id] = (row.chain, plain)
        if len(problems) >= 20:
            rows.close()
            return [*problems, "And more."]
    if last is None and expected > 1:
        problems.append("The head of the chain is missing.")
    if last is not None and (last.count, last.chain) != (expected - 1, before):
        problems.append("Rows were cut off at the end, or added past the head.")
    if last is not None and last.keyed:
        problems += [f"The words of row {n} were wiped, and no erasure names it." for n in sorted(blank - erased)[:20]]
    return problems + _against_mail(known, witnessed)


def _key_of(session: Session) -> bytes:
    giver: Callable[[], bytes] | None = session.info.get(KEY)
    return giver() if giver is not None else b""


HEAD_FORM = "The head from a mail is written as a number, a colon and 16 digits, such as 57:9f2c41d07aa1b3e5."


def is_head(text: str) -> bool:
    """Whether ``text`` is written as the head of a digest is."""
    return re.fullmatch(rf"[0-9]{{1,18}}:[0-9a-fA-F]{{{SHOWN},64}}", text.strip()) is not None


def _against_mail(known: Mapping[int, tuple[str, str]], mailed: str) -> list[str]:
    if not mailed.strip():
        return []
    if not is_head(mailed):
        return [HEAD_FORM]
    number, _, digits = mailed.strip().partition(":")
    found = known.get(int(number))
    if found is None:
        return [f"Row {number}, whose head was mailed, is no longer there: the chain was cut."]
    if not any(chain.startswith(digits.lower()) for chain in found):
        return [f"Row {number} is not the one whose head was mailed: the chain was written anew."]
    return []


def erase_naming(session: Session, name: str, *, actor: str, now: datetime, but: Collection[str] = ()) -> int:
    """Forget the words of every row that holds ``name``, except those about the incidents ``but``, and note which:
    words that are gone without such a note were wiped by somebody else. The chain stays whole. Returns how many."""
    wanted = name.casefold().strip()
    if not wanted:
        return 0
    rows = [
        row
        for row in session.scalars(select(AuditRow).where(AuditRow.words.is_not(None), AuditRow.words != ""))
        if row.action != ERASED and row.about not in but and wanted in (row.words or "").casefold()
    ]
    for row in rows:
        row.words, row.salt = None, ""
    if rows:
        _note_erased(session, [row.id for row in rows], actor, now)
    return len(rows)


def _note_erased(session: Session, rows: Sequence[int], actor: str, now: datetime) -> None:
    record(session, actor=actor, action=ERASED, now=now, words=f"Rows {', '.join(map(str, rows))}")


def newest(
    session: Session, limit: int = 100, *, skip: int = 0, where: ColumnElement[bool] | None = None
) -> list[AuditRow]:
    """Rows of the audit, newest first, after the first ``skip`` of those that fit ``where``."""
    query = select(AuditRow).order_by(AuditRow.id.desc()).offset(skip).limit(limit)
    return list(session.scalars(query if where is None else query.where(where)))
