"""Learning from the people here: what was "not a problem", what "should have told me", and what follows from it.

Precision and misses are *as measured in this organisation*. Proposals are only proposals: a person accepts them, and a
floor under the severe categories cannot be tuned away (``scoring.combine.FLOORED``).
"""

from __future__ import annotations

import hashlib
import logging
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from itertools import pairwise

from sqlalchemy import ColumnElement, func, or_, select
from sqlalchemy.exc import SQLAlchemyError
from sqlalchemy.orm import Session

from alerts.model import Severity
from connectors.model import Author, Kind, Mention
from monitor import audit
from monitor.actions import NotAllowed, own_words
from monitor.app import App
from monitor.keys import Keys
from monitor.model import Assessment
from monitor.outbox import say_once
from monitor.score import WITHOUT_SCORES
from monitor.scoring import Harmless, Learnt, Scorer, learned
from monitor.scoring.copies import comparable
from monitor.scoring.learned import Place
from monitor.scoring.teaching import NEAR, Lesson
from monitor.store.database import Database
from monitor.store.tables import FeedbackRow, IncidentRow, MentionRow, ToldRow, TuningRow
from monitor.visibility import (
    AT_THE_SERVER,
    Person,
    Someone,
    feedback_visible_to,
    may_read,
    posts_readable_by,
    visible_to,
)

log = logging.getLogger(__name__)

CALM = "not a problem"
MISSED = "should have told me"

LINE, PHRASE = "alert line", "calm phrase"
"""Kinds of lessons: the belief from which the learned part alerts by itself, and words that are no news here."""

POSTS_A_MARK = 20
"""Posts of a marked incident that are learnt from."""

MARKS_KEPT = 500
"""Marks of harmless posts that are compared with; the newest ones."""

STEP = 0.1
LOWEST, HIGHEST = 0.4, 0.9
"""How far the alert line moves in one proposal, and the bounds that it never leaves."""

POSTS_TRIED, POSTS_READ = 2_000, 300
"""Kept posts on which a change is tried out: by rules alone, and where a learned part must read each of them."""

PHRASE_WORDS = (5, 4, 3, 2)
PHRASES_PROPOSED = 5


# ── in the digest ───────────────────────────────────────────────────────────────────────────────────


def weekly_lines(session: Session, since: datetime, until: datetime, who: Person = AT_THE_SERVER) -> tuple[str, ...]:
    """How often alerts were right and what was missed between two moments, in words for the digest of ``who``."""
    told = set(
        session.scalars(
            select(IncidentRow.id).where(*_told(who), IncidentRow.opened_at > since, IncidentRow.opened_at <= until)
        )
    )
    calm = set(session.scalars(select(FeedbackRow.incident_id).where(FeedbackRow.verdict == CALM)))
    missed = session.scalar(
        select(func.count()).where(
            FeedbackRow.verdict == MISSED, FeedbackRow.at > since, FeedbackRow.at <= until, feedback_visible_to(who)
        )
    )
    lines = []
    if told:
        lines.append(f"{_many(len(told), 'incident')} told; people called {len(told & calm)} of them no problem.")
    if missed:
        lines.append(f"{_many(missed, 'time')} somebody said that Earshot should have told them.")
    return (*lines, *_new_model(session, since, until))


def note_model(session: Session, model: str, now: datetime) -> None:
    """Remember since when a model judges here; called at every start. What was told before is not told again: posts are
    judged when they come or change."""
    if model:
        say_once(session, f"{_MODEL}{model}", now)


_MODEL = "model:"


def _new_model(session: Session, since: datetime, until: datetime) -> Iterator[str]:
    """One line where a running charity got another model between two moments."""
    begun = session.scalar(
        select(func.max(ToldRow.at)).where(ToldRow.key.startswith(_MODEL), ToldRow.at > since, ToldRow.at <= until)
    )
    if begun is None:
        return
    if session.scalar(select(MentionRow.id).where(MentionRow.first_seen_at < begun).limit(1)) is not None:
        yield (
            f"Since {begun:%d %B} a newly trained model judges here. Nothing is told again that was told; what you "
            "taught counts on. Please mark what it gets wrong."
        )


def _told(who: Person) -> tuple[ColumnElement[bool], ...]:
    return (
        visible_to(who),
        IncidentRow.severity >= int(Severity.ALERT),
        IncidentRow.history.is_(False),
        IncidentRow.drill.is_(False),
        IncidentRow.source != "tip",
    )


def _many(count: int, noun: str) -> str:
    return f"{count} {noun}{'' if count == 1 else 's'}"


# ── what the scorer is taught ───────────────────────────────────────────────────────────────────────


def learnt_of(session: Session, keys: Keys, memory: Memory | None = None) -> Learnt:
    """What the people of this organisation taught so far, and accepted; with ``memory`` also to posts that are near."""
    return Learnt(
        harmless=tuple(_harmless(session)),
        mark_key=keys.sign_key("copies"),
        lessons=memory.lessons(session) if memory is not None else (),
        moved=memory.moved(session) if memory is not None else {},
        calm=tuple((row.words, row.reason) for row in _lessons(session) if row.kind == PHRASE),
        alert=next((float(row.words) for row in _lessons(session) if row.kind == LINE), None),
    )


def _harmless(session: Session) -> Iterator[Harmless]:
    taken_back = set(session.scalars(select(FeedbackRow.incident_id).where(FeedbackRow.verdict == MISSED)))
    count = 0
    rows = session.scalars(select(FeedbackRow).where(FeedbackRow.verdict == CALM).order_by(FeedbackRow.id.desc()))
    for row in rows.yield_per(100):
        if row.incident_id in taken_back:
            continue
        reason = _quotable(session, row) or "no reason was given"
        for mark in row.fingerprint.split():
            yield Harmless(mark, reason)
            count += 1
            if count >= MARKS_KEPT:
                return


def _quotable(session: Session, row: FeedbackRow) -> str:
    """The reason of a mark where everybody may read it: it is quoted wherever a post is like the marked one."""
    about = session.get(IncidentRow, row.incident_id) if row.incident_id else None
    return row.reason if may_read(Someone("staff"), about) else ""


def _lessons(session: Session) -> list[TuningRow]:
    """Lessons in force, the newest first."""
    return list(session.scalars(select(TuningRow).where(TuningRow.ended_at.is_(None)).order_by(TuningRow.id.desc())))


class Memory:
    """Marked posts as the judgement reads them. Their vectors are made from the words and live in this process alone:
    they go when the words go, and another model makes its own. None is made of a post of a platform whose terms forbid
    derived data."""

    def __init__(self, scorer: Scorer, without: frozenset[str] = WITHOUT_SCORES) -> None:
        self._scorer, self._without = scorer, without
        self._model = learned.identity() if scorer.reader is not None else ""
        self._places: dict[tuple[int, str], Place | None] = {}

    def marked(self, session: Session) -> list[tuple[FeedbackRow, MentionRow]]:
        """The newest marks with the posts they are about, as far as their words are kept."""
        rows = session.scalars(
            select(FeedbackRow)
            .where(FeedbackRow.verdict.in_((CALM, MISSED)))
            .order_by(FeedbackRow.id.desc())
            .limit(MARKS_KEPT)
        )
        return [(row, mention) for row in rows for mention in _posts_of(session, row, self._without)]

    def lessons(self, session: Session) -> tuple[Lesson, ...]:
        """A lesson for each mark on a post. Of marks that contradict one another on a post the newest counts."""
        found: list[Lesson] = []
        verdicts: dict[int, str] = {}
        known, self._places = self._places, {}
        for row, mention in self.marked(session):
            key = (mention.id, mention.text_key)
            place = known[key] if key in known else self._read(mention)
            self._places[key] = place
            if place is not None and verdicts.setdefault(mention.id, row.verdict) == row.verdict:
                found.append(Lesson(place.vector, row.verdict == MISSED, row.who, _quotable(session, row)))
        return tuple(found)

    def moved(self, session: Session) -> dict[int, float]:
        """By how much each shipped example was moved by marks on posts whose words are gone by now."""
        moved: Counter[int] = Counter()
        for row in session.scalars(select(FeedbackRow).where(FeedbackRow.verdict.in_((CALM, MISSED)))):
            if row.examples and not _posts_of(session, row, self._without):
                numbers = {int(number) for model, number in row.examples if model == self._model}
                moved.update(dict.fromkeys(numbers, 1 if row.verdict == MISSED else -1))
        return {number: float(by) for number, by in moved.items() if by}

    def examples(self, session: Session) -> dict[int, list[list[object]]]:
        """For each mark whose nearest shipped examples are not written down yet: which they are."""
        found: dict[int, list[list[object]]] = {}
        for row, mention in self.marked(session):
            place = self._places.get((mention.id, mention.text_key))
            if not row.examples and place is not None and place.likeness >= NEAR:
                found.setdefault(row.id, []).append([self._model, place.example])
        return found

    def _read(self, mention: MentionRow) -> Place | None:
        ((_, reading),) = self._scorer.read([mention_of(mention)])
        return reading.place if reading is not None else None


def _posts_of(session: Session, row: FeedbackRow, without: frozenset[str]) -> list[MentionRow]:
    about = (
        MentionRow.incident_id == row.incident_id
        if row.incident_id is not None and row.verdict == CALM
        else MentionRow.id == row.mention_id
    )
    query = select(MentionRow).where(
        about, MentionRow.text.is_not(None), MentionRow.status == "live", MentionRow.platform.not_in(without)
    )
    return list(session.scalars(query.order_by(MentionRow.id).limit(POSTS_A_MARK)))


class Pupil:
    """The scorer after the lessons of the people here; new ones count from the next batch on, without a restart."""

    def __init__(self, database: Database, keys: Keys, scorer: Scorer) -> None:
        self._database, self._keys, self._plain = database, keys, scorer
        self._memory = Memory(scorer) if scorer.reader is not None else None
        self._known: tuple[object, ...] | None = None
        self._taught = scorer

    def assess(self, mention: Mention) -> Assessment:
        """What we make of ``mention``."""
        return self.assess_many((mention,))[0]

    def assess_many(self, mentions: Sequence[Mention]) -> list[Assessment]:
        """What we make of each of ``mentions``, in order."""
        return self.present().assess_many(mentions)

    def present(self) -> Scorer:
        """The scorer with all lessons so far. One that cannot be read is left for the next time."""
        try:
            with self._database.read() as session:
                newest, fresh = _newest(session), {}
                if newest != self._known:
                    self._taught = self._plain.with_feedback(learnt_of(session, self._keys, self._memory))
                    self._known = newest
                    fresh = self._memory.examples(session) if self._memory is not None else {}
            if fresh:
                self._database.in_transaction(lambda s: _write_examples(s, fresh))
        except SQLAlchemyError as error:
            log.error("the lessons could not be read", extra={"error": type(error).__name__})
        return self._taught


def _newest(session: Session) -> tuple[object, ...]:
    feedback = session.execute(select(func.count(), func.max(FeedbackRow.id))).one()
    tuning = session.execute(select(func.count(TuningRow.ended_at), func.max(TuningRow.id))).one()
    return (*feedback, *tuning, _words_kept(session) if feedback[0] else 0)


def _words_kept(session: Session) -> int:
    """Of how many marked posts the words are still there: a vector goes when they go."""
    about = or_(
        MentionRow.incident_id.in_(select(FeedbackRow.incident_id).where(FeedbackRow.incident_id.is_not(None))),
        MentionRow.id.in_(select(FeedbackRow.mention_id).where(FeedbackRow.mention_id.is_not(None))),
    )
    return session.scalar(select(func.count()).select_from(MentionRow).where(about, MentionRow.text.is_not(None))) or 0


def _write_examples(session: Session, found: Mapping[int, list[list[object]]]) -> None:
    for number, examples in found.items():
        row = session.get(FeedbackRow, number)
        if row is not None:
            row.examples = examples


# ── the report ──────────────────────────────────────────────────────────────────────────────────────


def report(app: App) -> str:
    """Precision and misses as people here reported them, per category and rule (`earshot evaluate --feedback`)."""
    with app.database.read() as session:
        told = list(session.scalars(select(IncidentRow).where(*_told(AT_THE_SERVER))))
        calm = set(session.scalars(select(FeedbackRow.incident_id).where(FeedbackRow.verdict == CALM)))
        missed = list(
            session.scalars(
                select(FeedbackRow).where(FeedbackRow.verdict == MISSED, feedback_visible_to(AT_THE_SERVER))
            )
        )
        by_rule, wrong_by_rule = rules_measured(session, AT_THE_SERVER)
        levels = _levels_of(session, [row.mention_id for row in missed if row.mention_id is not None])
    if not told and not missed:
        return "Nothing was told and nothing was reported as missed so far; there is nothing to measure."
    wrong = [row for row in told if row.id in calm]
    lines = ["As measured in this organisation: an incident that nobody called no problem counts as right.", ""]
    if told:
        lines.append(
            f"Told: {_many(len(told), 'incident')}, {len(wrong)} called no problem. {_share(len(told), len(wrong))}"
        )
    lines.append(f"Should have been told: {_many(len(missed), 'time')}.")
    lines += [f"  judged {level}: {count}" for level, count in sorted(levels.items())]
    lines += _table("By category", Counter(_subject(row) for row in told), Counter(_subject(row) for row in wrong))
    lines += _table("By rule", by_rule, wrong_by_rule)
    return "\n".join(lines)


def rules_measured(session: Session, who: Person = AT_THE_SERVER) -> tuple[Counter[str], Counter[str]]:
    """For each rule, in how many incidents that were told it spoke, and how many of those were called no problem; as
    far as ``who`` may know of them."""
    told = list(session.scalars(select(IncidentRow.id).where(*_told(who))))
    calm = set(session.scalars(select(FeedbackRow.incident_id).where(FeedbackRow.verdict == CALM)))
    spoken = _rules_spoken(session, told)
    every = Counter(rule for rules in spoken.values() for rule in rules)
    return every, Counter(rule for incident, rules in spoken.items() if incident in calm for rule in rules)


def _share(told: int, wrong: int) -> str:
    return f"Precision {(told - wrong) / told:.0%}."


def _subject(row: IncidentRow) -> str:
    return (row.category or row.source).replace("_", " ")


def _table(title: str, told: Counter[str], wrong: Counter[str]) -> list[str]:
    if not told:
        return []
    width = max(len(name) for name in told)
    rows = sorted(told.items(), key=lambda pair: (-wrong[pair[0]], -pair[1], pair[0]))
    return ["", f"{title}:"] + [
        f"  {name:{width}}  {count:4} told  {wrong[name]:4} no problem  {_share(count, wrong[name])}"
        for name, count in rows
    ]


def _rules_spoken(session: Session, incidents: Sequence[str]) -> dict[str, set[str]]:
    found: dict[str, set[str]] = {}
    for start in range(0, len(incidents), 500):
        rows = session.execute(
            select(MentionRow.incident_id, MentionRow.signals).where(
                MentionRow.incident_id.in_(incidents[start : start + 500]), MentionRow.severity >= int(Severity.ALERT)
            )
        )
        for incident, signals in rows:
            found.setdefault(incident, set()).update(s["rule"] for s in signals if s.get("rule") and s.get("category"))
    return found


def _levels_of(session: Session, mentions: Sequence[int]) -> Counter[str]:
    if not mentions:
        return Counter()
    return Counter(
        Severity(level).level
        for level in session.scalars(select(MentionRow.severity).where(MentionRow.id.in_(mentions)))
    )


# ── proposals ───────────────────────────────────────────────────────────────────────────────────────


@dataclass(frozen=True, slots=True)
class Effect:
    """What a change does to the posts that are still kept: alerts fewer and more, and how people had judged those."""

    fewer: int = 0
    fewer_harmless: int = 0
    more: int = 0
    more_missed: int = 0

    def say(self, posts: int) -> str:
        """In one sentence."""
        return (
            f"On {_many(posts, 'post')} kept: {_many(self.fewer, 'alert')} fewer ({self.fewer_harmless} of them were "
            f"called no problem), {self.more} more ({self.more_missed} of them should have been told)."
        )


@dataclass(frozen=True, slots=True)
class Proposal:
    """A change that a person may accept. ``number`` stays the same as long as the proposal does."""

    kind: str
    words: str
    reason: str
    effect: Effect = Effect()
    ends: int | None = None
    """The lesson that it takes back; None for a new one."""

    @property
    def number(self) -> str:
        """Four digits made from what is proposed."""
        digest = hashlib.sha256(f"{self.kind}\n{self.words}\n{self.ends}".encode()).digest()
        return str(1000 + int.from_bytes(digest[:4], "big") % 9000)

    def say(self) -> str:
        """What would change, in words."""
        what = (
            f"alert from a belief of {self.words}"
            if self.kind == LINE
            else f'calm list: "{self.words}" ({self.reason})'
        )
        return f"Take back: {what}" if self.ends is not None else what[0].upper() + what[1:]


def tune(app: App, accept: Sequence[str]) -> str:
    """Propose changes with their effect on all known posts, or accept some by number. Raises ``NotAllowed`` for a
    number that is not proposed."""
    posts, proposals = _propose(app)
    if not accept:
        return _say(posts, proposals)
    known = {proposal.number: proposal for proposal in proposals}
    for number in accept:
        if number.strip() not in known:
            raise NotAllowed(f"There is no proposal {number[:20]}. `earshot tune` lists those that there are.")
    chosen = [known[number.strip()] for number in dict.fromkeys(accept)]
    now = app.clock()

    def work(session: Session) -> None:
        for proposal in chosen:
            _accept(session, proposal, now)

    app.database.in_transaction(work)
    return "\n".join(f"Accepted: {p.say()}. It counts from the next posts on." for p in chosen)


def _say(posts: int, proposals: Sequence[Proposal]) -> str:
    fresh = [p for p in proposals if p.ends is None]
    lines = [f"{_many(len(fresh), 'proposal')}." if fresh else "No proposal: what people said argues for no change."]
    for proposal in fresh:
        lines += [f"{proposal.number}  {proposal.say()}", f"      {proposal.effect.say(posts)}"]
    lessons = [p for p in proposals if p.ends is not None]
    if lessons:
        lines += ["", "In force, and how to take it back:"]
        lines += [f"{proposal.number}  {proposal.say()}" for proposal in lessons]
    if proposals:
        lines += [
            "",
            "Accept with `earshot tune --accept NUMBER`. No number touches safeguarding, self-harm and threat.",
        ]
    return "\n".join(lines)


def _accept(session: Session, proposal: Proposal, now: datetime) -> None:
    if proposal.ends is not None:
        row = session.get(TuningRow, proposal.ends)
        if row is not None:
            row.ended_at = now
    else:
        if proposal.kind == LINE:
            for row in _lessons(session):
                if row.kind == LINE:
                    row.ended_at = now
        session.add(TuningRow(at=now, who="operator", kind=proposal.kind, words=proposal.words, reason=proposal.reason))
    audit.record(session, actor=audit.AT_THE_SERVER, action="tuning accepted", now=now, words=proposal.say())


@dataclass(frozen=True, slots=True)
class _Known:
    """A post that is still kept, and what people said of it: harmless, missed or right; empty where nobody spoke."""

    mention: Mention
    verdict: str
    reason: str = ""


def _propose(app: App) -> tuple[int, list[Proposal]]:
    base = app.scorer
    with app.database.read() as session:
        lessons = _lessons(session)
        # without what is remembered of each harmless post: else a change would have nothing left to do on them
        learnt = replace(learnt_of(session, app.keys), harmless=())
        known = list(_known_posts(session, POSTS_TRIED if base.reader is None else POSTS_READ))
    mentions = [post.mention for post in known]
    before = base.with_feedback(learnt).assess_many(mentions)

    def effect(change: Learnt) -> Effect:
        return _effect(known, before, base.with_feedback(change).assess_many(mentions))

    found: list[Proposal] = []
    if base.reader is not None and known:
        found += _lines(base, learnt, known, effect)
    for phrase, reason in _phrases(known, before, {words for words, _ in learnt.calm}):
        found.append(Proposal(PHRASE, phrase, reason, effect(replace(learnt, calm=(*learnt.calm, (phrase, reason))))))
    found = [p for p in found if p.effect.fewer_harmless or p.effect.more_missed]
    return len(known), found + [Proposal(row.kind, row.words, row.reason, ends=row.id) for row in lessons]


def _lines(
    base: Scorer, learnt: Learnt, known: Sequence[_Known], effect: Callable[[Learnt], Effect]
) -> Iterator[Proposal]:
    now = base.alert_line if learnt.alert is None else learnt.alert
    verdicts = {post.verdict for post in known}
    for verdict, line in ((CALM, now + STEP), (MISSED, now - STEP)):
        if verdict in verdicts and LOWEST <= line <= HIGHEST:
            change = effect(replace(learnt, alert=round(line, 2)))
            yield Proposal(LINE, f"{line:.2f}", f"{now:.2f} before", change)


def _known_posts(session: Session, most: int) -> Iterator[_Known]:
    calm = {r.incident_id: r.reason for r in session.scalars(select(FeedbackRow).where(FeedbackRow.verdict == CALM))}
    missed = set(session.scalars(select(FeedbackRow.mention_id).where(FeedbackRow.verdict == MISSED)))
    rows = session.scalars(
        select(MentionRow)
        .where(
            MentionRow.text.is_not(None),
            MentionRow.kind != Kind.OWN_POST.value,
            MentionRow.status == "live",
            posts_readable_by(AT_THE_SERVER),  # what is proposed is made of their words, and read by the operator
        )
        .order_by(MentionRow.severity.desc(), MentionRow.posted_at.desc())
        .limit(most)
    )
    for row in rows:
        verdict = (
            MISSED if row.id in missed else CALM if row.incident_id in calm else "right" if row.incident_id else ""
        )
        yield _Known(mention_of(row), verdict, calm.get(row.incident_id, "") if verdict == CALM else "")


def mention_of(row: MentionRow) -> Mention:
    """A stored mention as the scorer reads one; without its author's names, which judge nothing."""
    author = Author(followers=row.followers) if row.followers is not None else None
    return Mention(
        platform=row.platform,
        external_id=row.external_id,
        kind=Kind(row.kind),
        text=row.text,
        url=row.url,
        posted_at=row.posted_at,
        author=author,
        parent=row.parent,
        thread=row.thread,
        lang=row.lang,
        likes=row.likes,
        shares=row.shares,
        replies=row.replies,
        names_us=row.names_us,
    )


def _effect(known: Sequence[_Known], before: Sequence[Assessment], after: Sequence[Assessment]) -> Effect:
    fewer, more = Counter[str](), Counter[str]()
    for post, was, would in zip(known, before, after, strict=True):
        if was.severity >= Severity.ALERT > would.severity:
            fewer[post.verdict] += 1
        elif was.severity < Severity.ALERT <= would.severity:
            more[post.verdict] += 1
    return Effect(fewer.total(), fewer[CALM], more.total(), more[MISSED])


def _phrases(known: Sequence[_Known], before: Sequence[Assessment], have: set[str]) -> Iterator[tuple[str, str]]:
    """Words that stand in several harmless alerts and in nothing that was right or missed; the longest first."""
    harmless = [
        (f" {comparable(post.mention.text or '')} ", post.reason)
        for post, was in zip(known, before, strict=True)
        if post.verdict == CALM and was.severity >= Severity.ALERT
    ]
    grave = [f" {comparable(post.mention.text or '')} " for post in known if post.verdict in {MISSED, "right"}]
    taken: list[str] = []
    counts = Counter(phrase for text, _ in harmless for phrase in set(_runs(text.split())))
    ranked = sorted(counts, key=lambda phrase: (-counts[phrase], -len(phrase.split()), phrase))
    for phrase in ranked:
        if counts[phrase] < 2 or len(taken) >= PHRASES_PROPOSED:
            return
        inside = f" {phrase} "
        covered = any(inside in f" {other} " or f" {other} " in inside for other in [*taken, *have])
        if covered or any(inside in text for text in grave):
            continue
        taken.append(phrase)
        reasons = Counter(reason for text, reason in harmless if inside in text and reason)
        why = reasons.most_common(1)[0][0] if reasons else "no reason was given"
        yield phrase, own_words(why)[:200]


def _runs(words: Sequence[str]) -> Iterable[str]:
    """Runs of two to five words, none of which begins or ends with a short word."""
    for length in PHRASE_WORDS:
        for start in range(len(words) - length + 1):
            run = words[start : start + length]
            if len(run[0]) > 3 and len(run[-1]) > 3 and not any(a == b for a, b in pairwise(run)):
                yield " ".join(run)
