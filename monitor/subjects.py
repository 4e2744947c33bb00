"""A person's rights: find, export and erase what is kept about them (R-D6), by handle, name, id or a post's link.

Erasing leaves keyed hashes only, so that the person's posts are never taken in again, and ends with a search of the
database's own files for what was erased (reliability notes, 0.10: deleting a row is not erasure).
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Collection, Iterable
from dataclasses import dataclass
from datetime import datetime
from functools import partial
from html import escape
from pathlib import Path
from typing import Any, TypeVar

from sqlalchemy import ColumnElement, String, cast, delete, or_, select
from sqlalchemy.orm import Session

from alerts.model import MailKind
from monitor import audit, journal, own_files
from monitor.actions import AT_THE_SERVER, Actor, NotAllowed
from monitor.app import App
from monitor.excerpts import count
from monitor.keys import Keys
from monitor.store import search
from monitor.store.tables import (
    AlertRow,
    ErasureRow,
    FeedbackRow,
    IncidentRow,
    LogRow,
    MentionRow,
    QuarantineRow,
    RegisterRow,
    StatementRow,
    TakeoverRow,
)
from monitor.visibility import Person, guardian, may_erase, may_read, may_read_post, may_see, visible_to

T = TypeVar("T")

MASK = "[name left out]"

NAMED_FROM = 4
"""Letters from which a name is looked for inside texts; shorter ones stand in every second word."""

_PROSE = frozenset(
    {"reason", "end_reason", "on_hold", "by", "ended_by", "calmed_by", "handed_by", "name", "instead_of", "why", "url"}
)
"""What people wrote, among the facts of a takeover or a mail. The rest Earshot reads itself: times, states, ids."""


@dataclass(frozen=True, slots=True)
class Found:
    """What is kept about one person: their own posts, posts by others that name them, our own notes that do."""

    own: tuple[MentionRow, ...]
    naming: tuple[MentionRow, ...]
    logs: tuple[LogRow, ...]
    incidents: tuple[IncidentRow, ...]
    notes: tuple[tuple[Any, str], ...] = ()
    """Other rows with our own words that name them, and in which column."""

    def __bool__(self) -> bool:
        return bool(self.posts or self.ours)

    @property
    def posts(self) -> int:
        """How many posts, theirs and others'."""
        return len(self.own) + len(self.naming)

    @property
    def ours(self) -> int:
        """How many notes of our own."""
        return len(self.logs) + len(self.incidents) + len(self.notes)

    def those(self, fits: Callable[[IncidentRow | None], bool], session: Session) -> Found:
        """What is about an incident that ``fits``, or about none when None does."""

        def chosen(rows: Iterable[T]) -> tuple[T, ...]:
            return tuple(row for row in rows if fits(_about(session, row)))

        notes = tuple(note for note in self.notes if fits(_about(session, note[0])))
        return Found(chosen(self.own), chosen(self.naming), chosen(self.logs), chosen(self.incidents), notes)

    def incidents_of(self, session: Session) -> tuple[IncidentRow, ...]:
        """The incidents that any of it is about, each once."""
        rows = (*self.own, *self.naming, *self.logs, *self.incidents, *(row for row, _ in self.notes))
        found = {about.id: about for about in (_about(session, row) for row in rows) if about is not None}
        return tuple(found.values())

    def words(self) -> list[str]:
        """All words and names in it."""
        posts = (*self.own, *self.naming)
        texts = [t for row in posts for t in (row.text, row.url, row.author_name, row.author_handle, str(row.signals))]
        texts += [log.what for log in self.logs] + [t for row in self.incidents for t in (row.summary, row.tip_link)]
        return [t for t in (*texts, *(getattr(row, column) for row, column in self.notes)) if t]


_OUR_WORDS: tuple[tuple[type[Any], str, str], ...] = (
    (FeedbackRow, "reason", "a verdict on an alert"),
    (RegisterRow, "reason", "who was told of an incident"),
    (StatementRow, "text", "a holding statement"),
    (TakeoverRow, "reason", "the takeover ledger"),
)
"""Where people write reasons and statements in their own words, besides an incident's log and a tip."""


def look_up(session: Session, who: str, by: Person) -> Found:
    """Everything kept that is by ``who`` or names them, as far as ``by`` may know of it. ``who`` is a handle, a name,
    an id, or a post's link or id."""
    return everything(session, who).those(lambda incident: may_see(by, incident), session)


def everything(session: Session, who: str) -> Found:
    """Everything kept that is by ``who`` or names them, whoever asks."""
    bare = who.strip().lstrip("@")
    if not bare:
        return Found((), (), (), ())
    own = _by(session, bare.casefold())
    own += session.scalars(
        select(MentionRow).where(
            or_(MentionRow.url == who.strip(), MentionRow.external_id == bare),
            MentionRow.id.not_in([row.id for row in own]),
        )
    ).all()
    own.sort(key=lambda row: row.posted_at)
    known = {row.id for row in own}
    naming: list[MentionRow] = []
    logs: list[LogRow] = []
    incidents: list[IncidentRow] = []
    notes: list[tuple[Any, str]] = []
    if len(bare) >= NAMED_FROM:
        naming = [
            row
            for row in session.scalars(
                select(MentionRow).where(
                    or_(_holds(MentionRow.text, bare), _holds(cast(MentionRow.signals, String), bare))
                )
            )
            if row.id not in known
        ]
        logs = list(session.scalars(select(LogRow).where(_holds(LogRow.what, bare))))
        incidents = list(
            session.scalars(
                select(IncidentRow).where(or_(_holds(IncidentRow.summary, bare), _holds(IncidentRow.tip_link, bare)))
            )
        )
        for table, column, _ in _OUR_WORDS:
            rows = session.scalars(select(table).where(_holds(getattr(table, column), bare)))
            notes += [(row, column) for row in rows]
    return Found(tuple(own), tuple(naming), tuple(logs), tuple(incidents), tuple(notes))


def _about(session: Session, row: Any) -> IncidentRow | None:
    """The incident that a row is about; None where it is about none."""
    if isinstance(row, IncidentRow):
        return row
    if isinstance(row, TakeoverRow):
        name = row.facts.get("about") or row.facts.get("incident")
    else:
        name = row.incident_id
        if name is None and isinstance(row, FeedbackRow) and row.mention_id is not None:
            post = session.get(MentionRow, row.mention_id)
            name = post.incident_id if post is not None else None
    return session.get(IncidentRow, str(name)) if name else None


def _by(session: Session, folded: str) -> list[MentionRow]:
    """Mentions written by somebody. Compared here, for the databases fold letters each in their own way."""
    columns = (MentionRow.author_handle, MentionRow.author_name, MentionRow.author_id)
    known = session.execute(select(MentionRow.id, *columns).where(or_(*(column.is_not(None) for column in columns))))
    ids = [row[0] for row in known if folded in {name.lstrip("@").casefold() for name in row[1:] if name}]
    found: list[MentionRow] = []
    for start in range(0, len(ids), 500):
        found += session.scalars(select(MentionRow).where(MentionRow.id.in_(ids[start : start + 500])))
    return found


def _holds(column: Any, words: str) -> ColumnElement[bool]:
    """Whether ``words`` stand in a column, in any of the usual cases."""
    forms = {words, words.lower(), words.upper(), words.title()}
    return or_(*(column.ilike(f"%{_escaped(form)}%", escape="\\") for form in sorted(forms)))


def _escaped(text: str) -> str:
    return re.sub(r"([\\%_])", r"\\\1", text)


def find(app: App, who: str, by: Actor = AT_THE_SERVER) -> list[str]:
    """One line for each thing kept, without anybody's words, and a heading; only the heading when nothing is kept."""
    with app.database.read() as session:
        lines = _lines(session, look_up(session, who, by), by)
    _record(app, "person looked up", who, by)
    return lines


def _lines(session: Session, found: Found, by: Person) -> list[str]:
    lines = [
        f"Kept about this person: {len(found.own)} posts of theirs, {len(found.naming)} posts that name them, "
        f"{found.ours} of our own notes."
    ]
    for title, rows in (("by them", found.own), ("names them", found.naming)):
        for row in rows:
            until = f"text until {row.text_until:%Y-%m-%d %H:%M} UTC" if row.text_until else "text forgotten"
            where = row.url if may_read_post(by, row, _about(session, row)) else "(for the CEO and the Chair)"
            lines.append(f"  {title}: {row.platform} {row.kind} {row.posted_at:%Y-%m-%d} {where} ({until})")
    lines += [f"  our log of incident {log.incident_id}, {log.at:%Y-%m-%d}" for log in found.logs]
    lines += [f"  a tip: incident {row.id}, {row.opened_at:%Y-%m-%d}" for row in found.incidents]
    titles = {table: title for table, _, title in _OUR_WORDS}
    lines += [f"  {titles[type(row)]}" for row, _ in found.notes]
    return lines if found else lines[:1]


def export(app: App, who: str, out: Path, by: Actor = AT_THE_SERVER) -> str:
    """Write ``subject.json`` and ``subject.html`` into the folder ``out``; third persons' handles are masked. What
    ``by`` may not read is left out, and counted."""
    data, page = out / "subject.json", out / "subject.html"
    own_files.refuse(app, out, data, page)
    with app.database.read() as session:
        every = look_up(session, who, by)
        found = every.those(lambda incident: may_read(by, incident), session)
        own, naming = (
            [row for row in rows if may_read_post(by, row, _about(session, row))] for rows in (found.own, found.naming)
        )
        left_out = every.posts + every.ours - len(own) - len(naming) - found.ours
        body = {
            "about": who,
            "made_at": app.clock().isoformat(),
            "controller": app.settings.organisation.name,
            "purpose": "listening to what is said about the organisation, and protecting people",
            "contact": app.settings.privacy.contact,
            "posts": [_post(row, who, own=True) for row in own],
            "posts_that_name_you": [_post(row, who, own=False) for row in naming],
            "notes": [
                *({"at": log.at.isoformat(), "note": _masked(log.what, who)} for log in found.logs),
                *({"at": row.opened_at.isoformat(), "note": _masked(row.summary, who)} for row in found.incidents),
                *({"note": _masked(getattr(row, column), who)} for row, column in found.notes),
            ],
            **({"left_out_for_the_ceo_and_the_chair": left_out} if left_out else {}),
        }
    out.mkdir(parents=True, exist_ok=True)
    data.write_text(json.dumps(body, indent=2, ensure_ascii=False), "utf-8")
    page.write_text(_page(body), "utf-8")
    _record(app, "person exported", who, by)
    done = f"Written to {data} and {page}: {len(own)} posts."
    return f"{done} {_say_left_out(left_out)}" if left_out else done


def _say_left_out(number: int) -> str:
    return f"{count(number, 'entry', 'entries')} left out: those are for CEO and Chair, who export them on the page."


def _record(app: App, action: str, who: str, by: Actor) -> None:
    now = app.clock()
    app.database.in_transaction(lambda session: note_look(session, app.keys, action, who, actor=str(by), now=now))


def _post(row: MentionRow, who: str, *, own: bool) -> dict[str, Any]:
    return {
        "platform": row.platform,
        "link": row.url,
        "posted_at": row.posted_at.isoformat(),
        "first_seen_at": row.first_seen_at.isoformat(),
        "author": (row.author_handle or row.author_name) if own else MASK,
        "text": _masked(row.text, who) if row.text else None,
        "kept_until": row.text_until.isoformat() if row.text_until else None,
        "purpose": row.purpose,
        "lawful_basis": row.basis,
        "level_of_the_post_for_us": row.severity,
        "categories_of_the_post": list(row.categories),
    }


def _masked(text: str, who: str) -> str:
    bare = who.strip().lstrip("@").casefold()
    return re.sub(r"@[\w.]{2,}", lambda m: m[0] if m[0][1:].casefold() == bare else MASK, text)


def _page(body: dict[str, Any]) -> str:
    rows = "".join(
        f"<tr><td>{escape(p['platform'])}</td><td>{escape(p['posted_at'][:16])}</td>"
        f"<td>{escape(p['text'] or 'forgotten')}</td><td>{escape(p['link'])}</td></tr>"
        for p in [*body["posts"], *body["posts_that_name_you"]]
    )
    notes = "".join(f"<li>{escape(entry['note'])}</li>" for entry in body["notes"])
    ours = f"<h2>Our own notes that name you</h2><ul>{notes}</ul>" if notes else ""
    return (
        "<!doctype html><html lang=en><meta charset=utf-8><title>What is kept about you</title>"
        f"<h1>What {escape(body['controller'])} keeps about you</h1><p>Made on {escape(body['made_at'][:16])} UTC. "
        f"Purpose: {escape(body['purpose'])}.</p><table border=1><tr><th>Platform<th>Posted<th>Text<th>Link</tr>{rows}"
        f"</table>{ours}</html>"
    )


@dataclass(frozen=True, slots=True)
class Erasure:
    """What an erasure would do: the list that is shown first, and a mark of it, which no other list has."""

    lines: tuple[str, ...]
    mark: str


def about_to_erase(app: App, who: str, by: Actor = AT_THE_SERVER) -> Erasure:
    """What ``erase`` would show ``by`` first. Raises ``NotAllowed`` where nobody is named."""
    _must_name(who)
    with app.database.read() as session:
        found = look_up(session, who, by)
        left = found.those(lambda incident: not _may_erase(app, by, incident), session)
        lines = _lines(session, found, by)
    if left:
        lines.append(f"  of these stay: {_say_left(left)}")
    return Erasure(tuple(lines), app.keys.digest("erasure", by.role, _mark(app.keys, who), *lines))


def erase(app: App, who: str, by: Actor = AT_THE_SERVER) -> str:
    """Erase about ``who`` what ``by`` may erase, keep them out from now on, and mail the Chair what was done. Says how
    often they still turn up in our files.

    What belongs to an incident that is hidden from anybody, or to an open safeguarding matter, only its guardian
    erases (``visibility.guardian``): until then the person's new posts are still heard.
    Raises ``NotAllowed`` where nobody is named.
    """
    _must_name(who)
    now = app.clock()

    def work(session: Session) -> tuple[Found, Found, list[str]]:
        every = everything(session, who)
        found = every.those(lambda incident: _may_erase(app, by, incident), session)
        left = every.those(lambda incident: not _may_erase(app, by, incident), session)
        names = session.scalars(select(IncidentRow.id).where(~visible_to(by)))
        kept = "\n".join([*left.words(), *names]).casefold()
        needles = [word for word in _needles(who, found) if word.casefold() not in kept]
        keys = [] if left else _person_keys(app, who, found.own)
        for row in found.own:
            keys.append((row.platform, app.keys.digest("erased", row.platform, row.external_id)))
        for platform, key in dict.fromkeys(keys):
            if session.get(ErasureRow, key) is None:
                session.add(ErasureRow(key=key, platform=platform, at=now, why="asked for"))
        _owe_word_of_it(session, app, found, left, by, now)
        seen = left.those(lambda incident: may_see(by, incident), session)
        _wipe(session, found, who, by, now, _guarded(session, app, by))
        note_look(session, app.keys, "person erased", who, actor=str(by), now=now)
        # before the commit: a crash in between must not let a restored backup bring them back
        journal.append(app.settings.state_dir, [key for _, key in keys], now)
        return found, seen, needles

    found, seen, needles = app.database.in_transaction(work)
    app.database.in_transaction(search.purge)
    app.database.compact()
    done = f"Erased: {found.posts} posts. They will not be taken in again. "
    if seen:
        done += f"Left: {_say_left(seen)}. "
    if not app.database.is_sqlite:
        return done + (
            "The database server keeps what was deleted in its files until it cleans them: run VACUUM FULL there, "
            "and let its own backups expire."
        )
    return done + f"A search of the database's own files for the erased words found {hits(app, needles)} places."


def _must_name(who: str) -> None:
    if not who.strip().lstrip("@").strip():
        raise NotAllowed("Say who is to be erased: a handle, a name, an id, or the link of a post.")


def _may_erase(app: App, by: Person, incident: IncidentRow | None) -> bool:
    return may_erase(by, incident, app.people)


def _say_left(left: Found) -> str:
    return (
        f"{count(left.posts, 'post')} and {count(left.ours, 'note')} of ours, of a matter that is not over or of one "
        "of us: only the Chair of trustees erases those"
    )


def _guarded(session: Session, app: App, by: Person) -> frozenset[str]:
    """The incidents whose words ``by`` must leave alone."""
    return frozenset(row.id for row in session.scalars(select(IncidentRow)) if not _may_erase(app, by, row))


def _owe_word_of_it(session: Session, app: App, found: Found, left: Found, by: Actor, now: datetime) -> None:
    """Owe the Chair, and whoever else guards what was left, a mail in numbers of what was done."""
    roles = {guardian(None, app.people), *(guardian(row, app.people) for row in left.incidents_of(session))}
    for role in sorted(role for role in roles if role):
        recipient = app.people[role]
        gone, stays = (f.those(partial(may_see, recipient), session) for f in (found, left))
        facts = {
            "by": str(by),
            "posts": gone.posts,
            "notes": gone.ours,
            "left_posts": stays.posts,
            "left_notes": stays.ours,
            "left_of": sorted(row.id for row in stays.incidents_of(session)),
        }
        app.desk.owe(session, "erased", MailKind.REPORT, recipient, now, key=now.isoformat(), facts=facts)


def _person_keys(app: App, who: str, own: Iterable[MentionRow]) -> list[tuple[str, str]]:
    names = {who.strip().lstrip("@").casefold()}
    platforms = set(app.stations) | {row.platform for row in own}
    pairs = {(platform, name) for platform in platforms for name in names if not name.startswith("http")}
    for row in own:
        pairs |= {
            (row.platform, name.lstrip("@").casefold())
            for name in (row.author_handle, row.author_id, row.author_name)
            if name
        }
    return [(platform, app.keys.digest("erased", platform, name)) for platform, name in sorted(pairs)]


def note_look(session: Session, keys: Keys, action: str, who: str, *, actor: str, now: datetime) -> None:
    """That somebody was looked up, exported or erased, in the audit: under a keyed hash, so that it names nobody."""
    audit.record(session, actor=actor, action=action, now=now, about=_mark(keys, who))


def _mark(keys: Keys, who: str) -> str:
    return keys.digest("subject", who.strip().lstrip("@").casefold())[:40]


def _wipe(session: Session, found: Found, who: str, by: Actor, now: datetime, guarded: Collection[str]) -> None:
    for row in found.own:
        search.forget(session, row.id)
        session.execute(
            delete(QuarantineRow).where(
                QuarantineRow.platform == row.platform, QuarantineRow.external_id == row.external_id
            )
        )
        session.delete(row)
    for row in found.naming:  # others' posts that name the person: their words go, the row stays as a count
        search.forget(session, row.id)
        row.text = row.author_name = row.author_handle = row.author_id = None
        row.text_until = row.author_until = row.recheck_at = None
        row.signals, row.status = [], "forgotten"
    _wipe_links(session, found, guarded)
    bare = who.strip().lstrip("@")
    if len(bare) < NAMED_FROM:
        return
    pattern = re.compile(re.escape(bare), re.IGNORECASE)
    for log in found.logs:
        log.what = pattern.sub("[erased]", log.what)
    for row, column in found.notes:
        setattr(row, column, pattern.sub("[erased]", getattr(row, column)))
    audit.erase_naming(session, bare, actor=str(by), now=now, but=guarded)
    told: list[TakeoverRow | AlertRow] = [*session.scalars(select(TakeoverRow)), *session.scalars(select(AlertRow))]
    for turn in told:
        if _names_one_of(turn, guarded):
            continue
        named = {k: v for k, v in turn.facts.items() if k in _PROSE and isinstance(v, str) and pattern.search(v)}
        if named:
            turn.facts = {**turn.facts, **{k: pattern.sub("[erased]", v) for k, v in named.items()}}
    for incident in found.incidents:
        incident.summary = pattern.sub("[erased]", incident.summary)
        incident.tip_link = "" if pattern.search(incident.tip_link) else incident.tip_link


def _names_one_of(turn: TakeoverRow | AlertRow, guarded: Collection[str]) -> bool:
    names = {turn.facts.get("about"), turn.facts.get("incident"), getattr(turn, "incident_id", None)}
    return not names.isdisjoint(guarded)


def _wipe_links(session: Session, found: Found, guarded: Collection[str]) -> None:
    """Addresses of the person's posts, wherever they stand beside the posts themselves."""
    links = [row.url for row in found.own if row.url]
    if links:
        tips = session.scalars(select(IncidentRow).where(IncidentRow.tip_link.in_(links)))
        for tip in (row for row in tips if row.id not in guarded):
            tip.tip_link = ""
    ids = [str(row.id) for row in found.own]
    for alert in session.scalars(select(AlertRow).where(AlertRow.template == "unscored")):
        if alert.facts.get("url") in links or str(alert.facts.get("news")) in ids:
            alert.facts = {key: value for key, value in alert.facts.items() if key != "url"}


def _needles(who: str, found: Found) -> list[str]:
    words = {who.strip().lstrip("@")}
    for row in found.own:
        words |= {name for name in (row.author_handle, row.author_name) if name}
        if row.text and len(row.text) >= 12:
            words.add(row.text[:40])
    return [word for word in words if len(word) >= 4]


def hits(app: App, needles: Iterable[str]) -> int:
    """How often any of ``needles`` stands in the raw bytes of SQLite's files; 0 for a database server."""
    return sum(raw.count(needle.encode("utf-8", "surrogatepass")) for raw in app.database.raw() for needle in needles)
