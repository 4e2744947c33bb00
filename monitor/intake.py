"""From a batch to the memory: mentions, assessments, incidents, alerts owed and the cursor in **one** transaction."""

from __future__ import annotations

import logging
import secrets
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from typing import Any, Protocol

from sqlalchemy import delete, false, func, or_, select, update
from sqlalchemy.orm import Session

from alerts.model import Severity
from alerts.takeover import Takeover
from connectors.model import Author, Kind, Mention, Organisation, clean_text
from monitor import takeovers
from monitor.escalation import Step, decide
from monitor.incidents import absorb, find_home, matters
from monitor.keys import Keys
from monitor.model import Assessment, Category, Incident, IncidentState, Signal
from monitor.outbox import Desk, note
from monitor.scoring.copies import copy_mark, is_copy
from monitor.store import search
from monitor.store.database import Database
from monitor.store.tables import (
    ErasureRow,
    IncidentAccountRow,
    IncidentRow,
    MentionRow,
    QuarantineRow,
    TallyRow,
)
from monitor.terms import Terms
from signs import cut

log = logging.getLogger(__name__)

ATTEMPTS = 3
"""How often a mention that breaks the scorer is tried before it is set aside (reliability notes, 2.1)."""

OPEN_FOR = timedelta(days=14)
"""How long an incident without news still takes in copies and replies."""


@dataclass(frozen=True, slots=True)
class Judged:
    """A mention that is new or was edited, with what we make of it; ``error`` names a scorer that broke."""

    mention: Mention
    assessment: Assessment | None
    mark: str = ""
    error: str = ""


@dataclass(slots=True)
class Taken:
    """What became of a batch."""

    new: int = 0
    edited: int = 0
    gone: int = 0
    incidents: list[str] = field(default_factory=list)
    grave: bool = False
    breaches: int = 0


class Judge(Protocol):
    """Whoever judges mentions: the scorer, or the scorer after the lessons of the people here."""

    def assess(self, mention: Mention, /) -> Assessment:
        """What we make of ``mention``."""
        ...

    def assess_many(self, mentions: Sequence[Mention], /) -> list[Assessment]:
        """The same for several, in order."""
        ...


@dataclass(frozen=True, slots=True)
class Intake:
    """Everything that taking in needs and that does not change from batch to batch."""

    organisation: Organisation
    terms: Mapping[str, Terms]
    scorer: Judge
    keys: Keys
    desk: Desk
    quiet_time: timedelta

    def terms_of(self, platform: str) -> Terms:
        """The terms of ``platform``, or the strictest for a stranger."""
        return self.terms.get(platform, self.terms["other"])

    def unknown(self, database: Database, mentions: Sequence[Mention]) -> list[Mention]:
        """Those of ``mentions`` that are new or reworded, each id once, the last wording winning.

        Each comes with the words that it answers, where these are on the same page or were kept: nothing is asked for.
        """
        newest = {(m.platform, m.external_id): m for m in mentions}
        known: dict[tuple[str, str], str] = {}
        with database.read() as session:
            for platform in {m.platform for m in mentions}:
                ids = [i for p, i in newest if p == platform]
                for start in range(0, len(ids), 500):
                    rows = session.execute(
                        select(MentionRow.external_id, MentionRow.text_key).where(
                            MentionRow.platform == platform, MentionRow.external_id.in_(ids[start : start + 500])
                        )
                    )
                    known.update({(platform, row.external_id): row.text_key for row in rows})
            fresh = [m for key, m in newest.items() if known.get(key) != self.text_key(m)]
            return _with_what_they_answer(session, [m for m in fresh if _can_be_kept(m)], newest)

    def text_key(self, mention: Mention) -> str:
        """Tells an edit from a repeat without keeping the text."""
        return self.keys.digest("text", mention.text) if mention.text is not None else ""

    def judge(self, mentions: Sequence[Mention]) -> list[Judged]:
        """Assess ``mentions``. One that breaks the scorer is handed on with the error's class, never dropped."""
        if not mentions:
            return []
        try:
            assessed = self.scorer.assess_many(mentions)
        except Exception:  # bulkhead: one of the batch is poison; find out which
            log.exception("a batch could not be scored as a whole")
            return [self._judge_alone(mention) for mention in mentions]
        return [Judged(m, self._allowed(m, a), self._mark(m)) for m, a in zip(mentions, assessed, strict=True)]

    def _judge_alone(self, mention: Mention) -> Judged:
        error = ""
        for _ in range(ATTEMPTS):
            try:
                return Judged(mention, self._allowed(mention, self.scorer.assess(mention)), self._mark(mention))
            except Exception as broken:  # bulkhead: a mention
                error = type(broken).__name__
        log.error("a mention could not be scored", extra={"platform": mention.platform, "error": error})
        return Judged(mention, None, "", error)

    def _allowed(self, mention: Mention, assessment: Assessment) -> Assessment:
        """Without the number where the platform forbids derived data (YouTube; settled questions, 4)."""
        if self.terms_of(mention.platform).scores or assessment.sentiment is None:
            return assessment
        return replace(assessment, sentiment=None)

    def _mark(self, mention: Mention) -> str:
        return copy_mark(mention.text or "", self.keys.sign_key("copies"))

    # ── inside the one transaction ──────────────────────────────────────────────────────────────

    def take_in(
        self,
        session: Session,
        judged: Sequence[Judged],
        seen: Sequence[Mention],
        gone: Sequence[str],
        *,
        platform: str,
        now: datetime,
        history_before: datetime | None = None,
    ) -> Taken:
        """Store what was heard and owe what follows. The caller opened the transaction and saves the cursor in it.

        ``seen`` is the whole batch: repeats freshen figures and dates. Mentions older than ``history_before``
        are history: their incidents are opened quietly.
        """
        taken = Taken()
        takeover = takeovers.current(session)
        open_incidents = _open_incidents(session, now)
        for entry in sorted(judged, key=lambda j: j.mention.posted_at):
            if self._is_erased(session, entry.mention) or self._is_too_old(entry.mention, now):
                continue
            row = self._store(session, entry, now, taken, history_before)
            if row is None or entry.assessment is None:
                continue
            self._weigh(session, entry, row, open_incidents, takeover, now, taken)
        self._freshen(session, seen, {j.mention.external_id for j in judged}, now)
        taken.gone = mark_gone(session, platform, gone)
        return taken

    def _is_erased(self, session: Session, mention: Mention) -> bool:
        keys = [self.keys.digest("erased", mention.platform, mention.external_id)]
        keys += [self.keys.digest("erased", mention.platform, name) for name in _names(mention.author)]
        return session.scalar(select(ErasureRow.key).where(ErasureRow.key.in_(keys)).limit(1)) is not None

    def _is_too_old(self, mention: Mention, now: datetime) -> bool:
        """Older than anything of it may be kept: a row that was forgotten would come back as new."""
        return mention.posted_at <= now - self.terms_of(mention.platform).trends_kept

    def _store(
        self, session: Session, entry: Judged, now: datetime, taken: Taken, history_before: datetime | None
    ) -> MentionRow | None:
        mention = entry.mention
        row = session.scalar(
            select(MentionRow).where(
                MentionRow.platform == mention.platform, MentionRow.external_id == mention.external_id
            )
        )
        is_new = row is None
        if row is None:
            row = MentionRow(
                platform=mention.platform,
                external_id=mention.external_id,
                kind=mention.kind.value,
                url=mention.url,
                posted_at=mention.posted_at,
                first_seen_at=now,
                verified_at=now,
                history=history_before is not None and mention.posted_at < history_before,
                purpose="own account" if mention.kind is Kind.OWN_POST else "listening",
            )
            session.add(row)
            taken.new += 1
        elif row.status == "forgotten" or row.text_key == self.text_key(mention) and row.status == "live":
            return None  # forgotten for good, or taken in meanwhile by somebody else
        else:
            row.version += 1
            row.edited_at = mention.edited_at or now
            if history_before is None and row.text_key:
                row.history = False  # old as it is, its new words are said now
            row.status = "live"
            taken.edited += 1
        self._fill(row, mention, now)
        if entry.assessment is None:
            self._set_aside(session, entry, row, now)
            return None
        _write_assessment(row, entry.assessment, keep_scores=self.terms_of(mention.platform).scores)
        if mention.kind is Kind.OWN_POST and mention.parent:
            _mark_answered(session, mention)
        session.flush()
        search.index(session, row.id, row.text)
        if is_new:
            _count(session, mention, entry.assessment)
        return row

    def _fill(self, row: MentionRow, mention: Mention, now: datetime) -> None:
        terms = self.terms_of(mention.platform)
        row.text = mention.text
        row.text_key = self.text_key(mention)
        row.url = clean_text(mention.url)
        row.parent, row.thread, row.lang = _cut(mention.parent, 255), _cut(mention.thread, 255), _cut(mention.lang, 20)
        row.likes, row.shares, row.replies = map(_whole, (mention.likes, mention.shares, mention.replies))
        row.names_us = row.names_us or mention.names_us  # a look-up by number does not tell of the tag again
        row.verified_at = now
        row.text_until = terms.text_until(row.first_seen_at, now)
        row.author_until = terms.author_until(row.first_seen_at, row.text_until)
        row.recheck_at = now + terms.recheck_every
        author = mention.author if row.author_until is not None else None
        row.author_name = _cut(author.name, 300) if author else None
        row.author_handle = _cut(author.handle, 300) if author else None
        row.author_id = _cut(author.id, 300) if author else None
        row.followers = _whole(mention.author.followers) if mention.author else None

    def _set_aside(self, session: Session, entry: Judged, row: MentionRow, now: datetime) -> None:
        """Quarantine, with an alert of its own: what could not be judged is never taken for harmless."""
        mention = entry.mention
        row.judged = False
        session.add(
            QuarantineRow(
                platform=mention.platform,
                external_id=mention.external_id,
                url=row.url,
                at=now,
                error=entry.error,
                shape=f"{len(mention.text or '')} characters",
                until=now + timedelta(days=30),
            )
        )
        self.desk.owe_unscored(session, mention.platform, mention.external_id, row.url, entry.error, now)

    def _weigh(
        self,
        session: Session,
        entry: Judged,
        row: MentionRow,
        open_incidents: dict[str, Incident],
        takeover: Takeover,
        now: datetime,
        taken: Taken,
    ) -> None:
        mention, assessment = entry.mention, entry.assessment
        assert assessment is not None
        if mention.kind is Kind.OWN_POST and takeovers.is_breach(takeover, mention) and not row.history:
            self.desk.owe_breach(session, row.id, row.platform, takeover.holder, now)
            taken.breaches += 1
        home = open_incidents.get(row.incident_id or "") or find_home(
            open_incidents.values(), mention, assessment, entry.mark, quiet_time=self.quiet_time
        )
        if not matters(assessment) and not (home and _joins_quietly(home, mention, entry.mark)):
            return
        if row.history and home is None and not matters(assessment):
            return
        before = home if home is not None and home.history == row.history else None
        again = before is not None and row.incident_id == before.id
        after = absorb(
            before,
            mention,
            assessment,
            entry.mark,
            new_id=new_incident_id(),
            new_account=False,
            now=now,
        )
        if again and before is not None:
            after = replace(after, mentions=before.mentions)  # an edit is not another mention
        if before is None and row.history:
            after = replace(after, history=True)
        after = self._with_their_other_roles(after)
        after = self._save(session, before, after, mention, now)
        row.incident_id = after.id
        open_incidents[after.id] = after
        if after.id not in taken.incidents:
            taken.incidents.append(after.id)
        taken.grave = taken.grave or (assessment.severity >= Severity.ALERT and not row.history)
        for step in decide(before, after):
            self.desk.take_step(session, step, after, now, news=row.id)
            if step in (Step.TELL, Step.UPDATE):
                after = _told(session, after, now)
                open_incidents[after.id] = after
        takeovers.consider(session, self.desk, after, now, is_own=mention.kind is Kind.OWN_POST)

    def _with_their_other_roles(self, incident: Incident) -> Incident:
        others = self.desk.roster.with_their_others
        return replace(incident, spoken_of=others(incident.spoken_of), perhaps_of=others(incident.perhaps_of))

    def _save(
        self, session: Session, before: Incident | None, after: Incident, mention: Mention, now: datetime
    ) -> Incident:
        row = session.get(IncidentRow, after.id)
        words = ""
        if row is None:
            row = IncidentRow(id=after.id, opened_at=after.opened_at, salt=secrets.token_hex(8))
            session.add(row)
            words = f"Opened as {after.severity.level}."
        elif before is not None and after.severity > before.severity:
            words = f"Raised to {after.severity.level}."
        write_incident(row, after)
        session.flush()
        if words:
            note(session, after.id, now, "Earshot", words)
        accounts = self._count_account(session, row, mention)
        return replace(after, accounts=accounts)

    def _count_account(self, session: Session, row: IncidentRow, mention: Mention) -> int:
        names = _names(mention.author)
        writer = names[0] if names else f"post:{mention.external_id}"
        if mention.kind is not Kind.OWN_POST and names:
            account = self.keys.digest("account", row.salt, mention.platform, writer)
            if session.get(IncidentAccountRow, (row.id, account)) is None:
                session.add(IncidentAccountRow(incident_id=row.id, account=account, platform=mention.platform))
                session.flush()
        return count_accounts(session, row.id)

    def _freshen(self, session: Session, seen: Iterable[Mention], judged: set[str], now: datetime) -> None:
        """Figures and dates of mentions that came again unchanged."""
        for mention in seen:
            if mention.external_id in judged:
                continue
            row = session.scalar(
                select(MentionRow).where(
                    MentionRow.platform == mention.platform, MentionRow.external_id == mention.external_id
                )
            )
            if row is None or row.status == "forgotten":
                continue
            _set_changed(row, "likes", _whole(mention.likes))
            _set_changed(row, "shares", _whole(mention.shares))
            _set_changed(row, "replies", _whole(mention.replies))
            if row.status == "gone" or now - row.verified_at > timedelta(hours=1):
                row.status = "live"
                row.verified_at = now
                terms = self.terms_of(mention.platform)
                row.text_until = terms.text_until(row.first_seen_at, now)
                row.recheck_at = now + terms.recheck_every


def _with_what_they_answer(
    session: Session, mentions: Sequence[Mention], page: Mapping[tuple[str, str], Mention]
) -> list[Mention]:
    """``mentions`` with ``parent_text``, from ``page`` or from what is stored and still kept."""
    said = {key: mention.text for key, mention in page.items()}
    sought = {(m.platform, m.parent) for m in mentions if m.parent and m.parent_text is None} - said.keys()
    for platform in {platform for platform, _ in sought}:
        ids = [parent for at, parent in sought if at == platform]
        for start in range(0, len(ids), 500):
            rows = session.execute(
                select(MentionRow.external_id, MentionRow.text).where(
                    MentionRow.platform == platform, MentionRow.external_id.in_(ids[start : start + 500])
                )
            )
            said.update({(platform, row.external_id): row.text for row in rows})
    return [
        replace(m, parent_text=said[(m.platform, m.parent)])
        if m.parent and m.parent_text is None and (m.platform, m.parent) in said
        else m
        for m in mentions
    ]


def _can_be_kept(mention: Mention) -> bool:
    """A platform's ids are short; one that is not would stop everything that came with it at the database."""
    ids = (mention.external_id, mention.parent or "", mention.thread or "")
    if len(mention.external_id) <= 255 and all(clean_text(number) == number for number in ids):
        return True
    log.error("a mention has an id that cannot be kept", extra={"platform": mention.platform})
    return False


def _cut(text: str | None, most: int) -> str | None:
    return cut(clean_text(text), most) if text is not None else None


def _whole(number: int | None) -> int | None:
    """A figure as every database can hold it."""
    return None if number is None else max(-(2**63), min(number, 2**63 - 1))


def _set_changed(row: MentionRow, name: str, value: int | None) -> None:
    if value is not None and getattr(row, name) != value:
        setattr(row, name, value)


def new_incident_id() -> str:
    """A short name that can be read out over the phone; no vowels, so no words."""
    return "".join(secrets.choice("bcdfghjkmnpqrstvwxz23456789") for _ in range(8))


def count_accounts(session: Session, incident_id: str) -> int:
    """Distinct accounts of an incident, by salted hash."""
    return (
        session.scalar(
            select(func.count()).select_from(IncidentAccountRow).where(IncidentAccountRow.incident_id == incident_id)
        )
        or 0
    )


def count_account_platforms(session: Session, incident_id: str) -> int:
    """On how many platforms the distinct accounts of an incident stand."""
    return (
        session.scalar(
            select(func.count(func.distinct(IncidentAccountRow.platform))).where(
                IncidentAccountRow.incident_id == incident_id
            )
        )
        or 0
    )


def mark_gone(session: Session, platform: str, ids: Sequence[str]) -> int:
    """Honour deletions: words, name and matched words go at once; link, level and times stay."""
    changed = 0
    for start in range(0, len(ids), 500):
        for mention_id in session.scalars(
            select(MentionRow.id).where(
                MentionRow.platform == platform, MentionRow.external_id.in_(ids[start : start + 500])
            )
        ).all():
            search.forget(session, mention_id)
        result = session.execute(
            update(MentionRow)
            .where(
                MentionRow.platform == platform,
                MentionRow.external_id.in_(ids[start : start + 500]),
                MentionRow.status == "live",
            )
            .values(
                status="gone",
                text=None,
                text_key="",
                author_name=None,
                author_handle=None,
                author_id=None,
                text_until=None,
                author_until=None,
                recheck_at=None,
                signals=[],
            )
        )
        changed += result.rowcount  # type: ignore[attr-defined]
        session.execute(
            delete(QuarantineRow).where(
                QuarantineRow.platform == platform, QuarantineRow.external_id.in_(ids[start : start + 500])
            )
        )
    return changed


def incident_of(row: IncidentRow, accounts: int = 0) -> Incident:
    """The row as the pure code knows it."""
    return Incident(
        id=row.id,
        category=Category.named(row.category),
        severity=Severity(row.severity),
        state=IncidentState(row.state),
        opened_at=row.opened_at,
        last_seen_at=row.last_seen_at,
        mentions=row.mentions,
        accounts=accounts,
        platforms=tuple(row.platforms),
        threads=tuple(row.threads),
        copies=tuple(row.copies),
        told=row.told,
        spoken_of=tuple(row.spoken_of),
        perhaps_of=tuple(row.perhaps_of),
        cleared_of=tuple(row.cleared_of),
        history=row.history,
        drill=row.drill,
    )


def write_incident(row: IncidentRow, incident: Incident) -> None:
    """Bring the row up to ``incident``; the chain's own columns stay."""
    row.category = incident.category.value if incident.category else None
    row.severity = int(incident.severity)
    row.state = incident.state.value
    row.last_seen_at = incident.last_seen_at
    row.mentions = incident.mentions
    row.platforms = list(incident.platforms)
    row.threads = list(incident.threads)
    row.copies = list(incident.copies)
    row.spoken_of = list(incident.spoken_of)
    row.perhaps_of = list(incident.perhaps_of)
    row.history = incident.history
    row.drill = incident.drill
    if incident.state is IncidentState.OPEN:
        row.acknowledged_at = None


def _open_incidents(session: Session, now: datetime) -> dict[str, Incident]:
    rows = session.scalars(
        select(IncidentRow).where(
            or_(IncidentRow.state != IncidentState.CLOSED.value, IncidentRow.closed_at > now - timedelta(days=1)),
            IncidentRow.last_seen_at > now - OPEN_FOR,
            IncidentRow.drill.is_(False),
        )
    )
    return {row.id: incident_of(row) for row in rows}


def _joins_quietly(home: Incident, mention: Mention, mark: str) -> bool:
    """A harmless-looking mention feeds an incident only as a copy of what is in it."""
    return bool(mark) and any(is_copy(mark, known) for known in home.copies)


def _told(session: Session, incident: Incident, now: datetime) -> Incident:
    session.execute(
        update(IncidentRow).where(IncidentRow.id == incident.id).values(told=incident.mentions, told_at=now)
    )
    return replace(incident, told=incident.mentions)


def _names(author: Author | None) -> list[str]:
    if author is None:
        return []
    return [name.lstrip("@").casefold() for name in (author.id, author.handle, author.name) if name]


def _write_assessment(row: MentionRow, assessment: Assessment, *, keep_scores: bool) -> None:
    row.severity = int(assessment.severity)
    row.categories = [category.value for category in assessment.categories]
    row.sentiment = assessment.sentiment if keep_scores else None
    row.language = assessment.language
    row.signals = [signal_json(signal, keep_scores=keep_scores) for signal in assessment.signals]
    row.judged = assessment.judged
    row.question, row.thanks = assessment.question, assessment.thanks


def signal_json(signal: Signal, *, keep_scores: bool = True) -> dict[str, Any]:
    """A signal as it is stored and shown: the form of ``earshot score``, with its sentence."""
    return {
        "rule": signal.rule,
        "category": signal.category.value if signal.category else None,
        "clause": signal.clause,
        "words": signal.words,
        "sentence": signal.sentence,
        "weight": signal.weight if keep_scores else None,
    }


def _mark_answered(session: Session, answer: Mention) -> None:
    """An answer by us settles the question that it stands under (policy 4.7), and those beside it in one exchange of
    comments. What we write under a whole post settles no other comment there."""
    above = session.scalar(
        select(MentionRow).where(MentionRow.platform == answer.platform, MentionRow.external_id == answer.parent)
    )
    exchange = above is not None and (
        above.kind == Kind.COMMENT.value or (above.kind == Kind.OWN_POST.value and above.parent is not None)
    )
    beside = MentionRow.parent == answer.parent if exchange else false()
    session.execute(
        update(MentionRow)
        .where(
            MentionRow.platform == answer.platform,
            MentionRow.answered_at.is_(None),
            MentionRow.kind != Kind.OWN_POST.value,
            or_(MentionRow.external_id == answer.parent, beside),
            MentionRow.posted_at <= answer.posted_at,
        )
        .values(answered_at=answer.posted_at)
    )


def _count(session: Session, mention: Mention, assessment: Assessment) -> None:
    hour = mention.posted_at.replace(minute=0, second=0, microsecond=0)
    kinds = ["own"] if mention.kind is Kind.OWN_POST else ["*", *{c.value for c in assessment.categories}]
    for category in kinds:
        row = session.get(TallyRow, (mention.platform, hour, int(assessment.severity), category))
        if row is None:
            row = TallyRow(
                platform=mention.platform,
                hour=hour,
                severity=int(assessment.severity),
                category=category,
                count=0,
                mood_sum=0.0,
                mood_count=0,
            )
            session.add(row)
        row.count += 1
        if assessment.sentiment is not None and category == "*":
            row.mood_sum += assessment.sentiment
            row.mood_count += 1
