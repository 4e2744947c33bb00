"""What is kept, for how long, and how it is forgotten: terms, deletions, requests, backups."""

from __future__ import annotations

import contextlib
import sqlite3
from collections.abc import Callable
from datetime import timedelta
from pathlib import Path

import pytest
from makers import a_mention, an_assessment
from sqlalchemy import func, select, text
from sqlalchemy.exc import SQLAlchemyError
from sqlalchemy.orm import Session

from alerts.model import Severity
from connectors.model import Author, Kind
from monitor import actions, audit, backup, forgetting, journal, recheck, subjects, takeovers
from monitor.actions import NotAllowed
from monitor.model import Category
from monitor.store import search
from monitor.store.tables import (
    AlertRow,
    DeafRow,
    GrantRow,
    IncidentAccountRow,
    IncidentRow,
    LinkUseRow,
    LogRow,
    MentionRow,
    QuarantineRow,
    ReportRow,
    SessionRow,
    SpendingRow,
    TallyRow,
    ToldRow,
)
from monitor.testing import House

MakeHouse = Callable[..., House]
CEO = actions.Actor("ceo", "Rowan Ashdown")
ALERT = an_assessment(Severity.ALERT, Category.COMPLAINT)
ALL = ("x", "facebook", "instagram", "linkedin", "youtube")
SAYING = "The marmalade was stolen from the vestibule"


def _texts(house: House) -> dict[str, str | None]:
    with house.app.database.read() as session:
        return {row.platform: row.text for row in session.scalars(select(MentionRow))}


def _raw_hits(house: House, words: str) -> int:
    if not house.app.database.is_sqlite:
        return 0
    base = Path(house.app.settings.store.url.removeprefix("sqlite:///"))
    files = [base, Path(f"{base}-wal")]
    return sum(path.read_bytes().count(words.encode()) for path in files if path.exists())


def test_words_are_forgotten_when_each_platforms_terms_say_so(make_house: MakeHouse) -> None:
    house = make_house(*ALL)
    for name in ALL:
        house.say(a_mention(f"{SAYING} {name}", platform=name), ALERT)
    house.fast_forward(minutes=2)

    kept: dict[str, float] = {}
    while any(_texts(house).values()) and house.now.year == 2026:
        house.now += timedelta(hours=1)
        forgetting.forget(house.app, house.now)
        texts = _texts(house)  # a row may go together with its words
        for name in ALL:
            if texts.get(name) is None:
                kept.setdefault(name, (house.now - timedelta(minutes=2)).timestamp())
    start = house.now.timestamp() - max(kept.values())
    hours = {name: round((moment - min(kept.values())) / 3600) for name, moment in kept.items()}

    assert start >= 0
    assert hours["linkedin"] - hours["x"] == 47 - 24
    assert hours["youtube"] - hours["x"] == 28 * 24 - 24
    assert hours["facebook"] - hours["x"] == 30 * 24 - 24
    if house.app.database.is_sqlite:
        assert _raw_hits(house, SAYING) == 0


def test_forgetting_keeps_the_counts_the_level_and_the_link(make_house: MakeHouse) -> None:
    house = make_house("linkedin")
    house.say(a_mention(SAYING, platform="linkedin"), ALERT)
    house.fast_forward(minutes=2)
    house.now += timedelta(hours=48)

    report = forgetting.forget(house.app, house.now)

    assert report["texts"] == 1
    with house.app.database.read() as session:
        row = session.scalars(select(MentionRow)).one()
        assert (row.text, row.author_name, row.severity, row.status) == (None, None, 2, "forgotten")
        assert row.url
        assert session.scalars(select(TallyRow)).first() is not None
        assert search.find(session, "marmalade") == []


def test_a_platform_that_shows_it_again_keeps_it_and_one_that_does_not_lets_it_go(make_house: MakeHouse) -> None:
    house = make_house("x")
    kept = house.say(a_mention(SAYING, platform="x"), ALERT)
    gone = house.say(a_mention("Another saying altogether about the harbour", platform="x"), ALERT)
    house.fast_forward(minutes=2)
    house.gone["x"].add(gone.external_id)

    house.now += timedelta(hours=13)
    recheck.run(house.app, house.now)
    house.now += timedelta(hours=13)
    forgetting.forget(house.app, house.now)

    with house.app.database.read() as session:
        rows = {row.external_id: row for row in session.scalars(select(MentionRow))}
        assert rows[kept.external_id].text == SAYING
        assert (rows[gone.external_id].text, rows[gone.external_id].status) == (None, "gone")


def test_the_operator_says_how_often_kept_posts_are_looked_at_again(make_house: MakeHouse) -> None:
    house = make_house("x", connectors={"x": {"bearer_token": "t", "recheck_every": "5s"}})
    gone = house.say(a_mention(SAYING, platform="x"), ALERT)
    house.fast_forward(minutes=2)
    house.gone["x"].add(gone.external_id)

    assert recheck.interval(house.app) == timedelta(seconds=5)
    recheck.run(house.app, house.now)

    with house.app.database.read() as session:
        assert session.scalars(select(MentionRow.status).where(MentionRow.platform == "x")).one() == "gone"


def test_a_person_can_be_found_exported_and_erased_and_does_not_come_back(
    make_house: MakeHouse, tmp_path: Path
) -> None:
    house = make_house("facebook")
    author = Author(name="Sigrid Example", handle="sigrid_example", id="4711")
    post = house.say(a_mention(SAYING, author=author), ALERT)
    house.say(a_mention("I agree with @sigrid_example and @other_person", external_id="o1"))
    house.fast_forward(minutes=2)

    assert len(subjects.find(house.app, "@sigrid_example")) == 3
    subjects.export(house.app, "sigrid_example", tmp_path / "export")
    exported = (tmp_path / "export" / "subject.json").read_text()
    assert SAYING in exported
    assert "other_person" not in exported

    said = subjects.erase(house.app, "sigrid_example")
    assert ("found 0 places" if house.app.database.is_sqlite else "VACUUM FULL") in said
    house.edit(post, f"{SAYING}, again")
    house.say(a_mention("A new post by the same person", author=author, external_id="n1"))
    house.fast_forward(minutes=2)

    assert len(subjects.find(house.app, "sigrid_example")) == 1
    assert [text for text in _texts(house).values() if text and "same person" in text] == []


def test_a_backup_leaves_linkedins_words_out_and_brings_nothing_forgotten_back(
    make_house: MakeHouse, tmp_path: Path
) -> None:
    house = make_house("facebook", "linkedin", "mastodon")
    author = Author(name="Sigrid Example", handle="sigrid_example", id="4711")
    house.say(a_mention("To be erased: the lighthouse keeper", author=author), ALERT)
    house.say(a_mention("To be deleted there: the tortoise", external_id="t1"), ALERT)
    house.say(a_mention("To be kept: the umbrella", external_id="u1"), ALERT)
    house.say(a_mention("Words on LinkedIn: the abacus", platform="linkedin", external_id="l1"), ALERT)
    house.say(a_mention("Words elsewhere: the sextant", platform="mastodon", external_id="m1"), ALERT)
    house.fast_forward(minutes=2)

    backup.write(house.app, tmp_path / "earshot.backup")
    raw = (tmp_path / "earshot.backup").read_bytes()
    assert b"abacus" not in raw
    assert b"sextant" not in raw  # a stranger's platform has the strictest terms
    assert b"umbrella" in raw

    subjects.erase(house.app, "sigrid_example")
    house.gone["facebook"].add("t1")
    house.now += timedelta(hours=13)
    recheck.run(house.app, house.now)
    house.app.close()
    said = backup.restore(house.app.settings, tmp_path / "earshot.backup")

    assert "did not come back" in said
    with house.app.database.read() as session:
        texts = [row.text for row in session.scalars(select(MentionRow))]
        assert [text for text in texts if text] == ["To be kept: the umbrella"]
        assert len(session.scalars(select(IncidentRow)).all()) >= 1
    assert len(subjects.find(house.app, "sigrid_example")) == 1


def test_a_file_that_is_no_backup_changes_nothing(make_house: MakeHouse, tmp_path: Path) -> None:
    house = make_house("facebook")
    house.say(a_mention(SAYING), ALERT)
    house.fast_forward(minutes=2)
    (tmp_path / "nonsense").write_bytes(b"not a database")

    with pytest.raises(backup.NotABackup, match="no backup"):
        backup.restore(house.app.settings, tmp_path / "nonsense")

    assert _texts(house) == {"facebook": SAYING}


def test_an_answer_by_us_settles_a_question(make_house: MakeHouse) -> None:
    house = make_house("facebook")
    asked = an_assessment(Severity.ROUTINE, question=True)
    question = house.say(a_mention("When does it open?", external_id="q1"), asked)
    house.fast_forward(minutes=2)
    house.say(a_mention("At ten!", external_id="a1", kind=Kind.OWN_POST, parent=question.external_id))
    house.fast_forward(minutes=2)

    with house.app.database.read() as session:
        row = session.scalars(select(MentionRow).where(MentionRow.external_id == "q1")).one()
        assert row.answered_at is not None


def test_what_we_write_under_a_whole_post_settles_no_question_of_others_there(make_house: MakeHouse) -> None:
    house = make_house("facebook")
    asked = an_assessment(Severity.ROUTINE, question=True)
    post = house.say(a_mention("Come to the fair", external_id="p1", kind=Kind.OWN_POST))
    house.say(a_mention("When does it open?", external_id="q1", parent=post.external_id), asked)
    house.say(a_mention("And where?", external_id="q2", parent="q1"), asked)
    house.fast_forward(minutes=2)
    house.say(a_mention("So happy", external_id="a1", kind=Kind.OWN_POST, parent=post.external_id))
    house.fast_forward(minutes=2)

    def open_questions() -> list[str]:
        with house.app.database.read() as session:
            rows = session.scalars(
                select(MentionRow.external_id).where(MentionRow.question.is_(True), MentionRow.answered_at.is_(None))
            )
            return sorted(rows)

    assert open_questions() == ["q1", "q2"]
    house.say(a_mention("At ten, in the park", external_id="a2", kind=Kind.OWN_POST, parent="q1"))
    house.fast_forward(minutes=2)
    assert open_questions() == []


def test_what_is_written_after_a_restore_gets_ids_of_its_own(make_house: MakeHouse, tmp_path: Path) -> None:
    house = make_house("facebook")
    house.say(a_mention("The first complaint"), ALERT)
    house.fast_forward(minutes=2)
    backup.write(house.app, tmp_path / "earshot.backup")
    house.app.close()
    backup.restore(house.app.settings, tmp_path / "earshot.backup", clock=lambda: house.now)

    house.say(a_mention("A second complaint of quite another kind"), ALERT)
    house.fast_forward(minutes=2)
    house.app.database.in_transaction(
        lambda s: actions.calm(s, house.app.desk, _incident(house), CEO, "settled", house.now)
    )

    assert len(set(_ids(house))) == 2


def _ids(house: House) -> list[int]:
    with house.app.database.read() as session:
        return list(session.scalars(select(MentionRow.id)))


def _incident(house: House) -> str:
    with house.app.database.read() as session:
        return session.scalars(select(IncidentRow.id)).first() or ""


def test_a_restore_that_breaks_off_changes_nothing(make_house: MakeHouse, tmp_path: Path) -> None:
    house = make_house("facebook")
    house.say(a_mention(SAYING), ALERT)
    house.fast_forward(minutes=2)
    backup.write(house.app, tmp_path / "b")
    with contextlib.closing(sqlite3.connect(tmp_path / "b")) as raw:
        raw.execute("DROP TABLE incident_log")
    house.app.close()

    with pytest.raises(SQLAlchemyError):
        backup.restore(house.app.settings, tmp_path / "b")

    assert _texts(house) == {"facebook": SAYING}
    assert [path.name for path in tmp_path.rglob("*restoring*")] == []


def test_a_backup_comes_back_although_everything_was_lost_and_begun_anew(make_house: MakeHouse, tmp_path: Path) -> None:
    house = make_house("facebook")
    house.say(a_mention(SAYING, external_id="old"), ALERT)
    house.fast_forward(minutes=2)
    backup.write(house.app, tmp_path / "b")
    fresh = make_house("facebook")
    fresh.say(a_mention("heard after the loss", external_id="new"))
    fresh.fast_forward(minutes=2)
    fresh.app.close()

    backup.restore(fresh.app.settings, tmp_path / "b")

    with fresh.app.database.read() as session:
        assert dict(session.execute(select(MentionRow.external_id, MentionRow.text)).all()) == {"old": SAYING}


def test_a_backup_holds_no_session_no_sealed_token_and_is_private(make_house: MakeHouse, tmp_path: Path) -> None:
    house = make_house("facebook")
    house.app.database.in_transaction(
        lambda s: s.add_all(
            [
                GrantRow(platform="x", sealed=house.app.keys.seal("a token"), renewed_at=house.now),
                SessionRow(id="s" * 64, role="ceo", person="p", opened_at=house.now, until=house.now),
            ]
        )
    )

    backup.write(house.app, tmp_path / "b")

    assert (tmp_path / "b").stat().st_mode & 0o077 == 0
    with contextlib.closing(sqlite3.connect(tmp_path / "b")) as raw:
        counts = [raw.execute(f"SELECT count(*) FROM {t}").fetchone()[0] for t in ("platform_grant", "web_session")]
    assert counts == [0, 0]


@pytest.mark.parametrize("asked", ["Éva Żółć", "éva żółć", "@ÉVA ŻÓŁĆ"])
def test_a_person_is_found_whatever_letters_their_name_has(make_house: MakeHouse, asked: str) -> None:
    house = make_house("facebook")
    house.say(a_mention("by her", author=Author(name="Éva Żółć", id="1"), external_id="e1"))
    house.say(a_mention("Éva Żółć is wonderful", external_id="e2"))
    house.fast_forward(minutes=2)

    assert len(subjects.find(house.app, asked)) == 3


def test_erasing_a_person_reaches_our_own_words_everywhere(make_house: MakeHouse) -> None:
    house = make_house("facebook")
    house.say(a_mention("a complaint"), ALERT)
    house.fast_forward(minutes=2)
    app, incident = house.app, _incident(house)

    def write(session: Session) -> None:
        actions.add_note(session, incident, CEO, "Sigrid Example rang twice", house.now)
        actions.calm(session, app.desk, incident, CEO, "It was only Sigrid Example", house.now)
        takeovers.begin(session, app.desk, by="Rowan", reason="Sigrid Example's leak", now=house.now)
        actions.tip(session, app.desk, app.keys, words="sigrid example again", link="", by="", now=house.now)

    app.database.in_transaction(write)
    assert len(subjects.find(app, "Sigrid Example")) > 4

    said = subjects.erase(app, "Sigrid Example")

    assert len(subjects.find(app, "Sigrid Example")) == 1
    assert ("found 0 places" if app.database.is_sqlite else "VACUUM FULL") in said
    with app.database.read() as session:
        assert audit.verify(session) == []


_CRASH = {
    True: ("CREATE TRIGGER crash BEFORE DELETE ON mention BEGIN SELECT RAISE(ABORT, 'no'); END",),
    False: (
        "CREATE FUNCTION crash() RETURNS trigger LANGUAGE plpgsql AS 'BEGIN RAISE EXCEPTION ''no''; END'",
        "CREATE TRIGGER crash BEFORE DELETE ON mention FOR EACH ROW EXECUTE FUNCTION crash()",
    ),
}


@pytest.mark.parametrize("who", ["2026", "ceo", "1", "a", "active", "facebook"])
def test_erasing_a_person_with_a_strange_name_leaves_takeover_and_mails_in_order(
    make_house: MakeHouse, who: str
) -> None:
    house = make_house()
    app = house.app
    app.database.in_transaction(
        lambda s: takeovers.begin(s, app.desk, by="Rowan Ashdown", reason="A leak", now=house.now)
    )
    with app.database.read() as session:
        before = takeovers.current(session)

    subjects.erase(app, who)

    with app.database.read() as session:
        assert takeovers.current(session) == before
    house.fast_forward(hours=25, step=timedelta(hours=1))
    assert any("Takeover has lasted 1 day" in subject for subject in house.subjects("ceo"))


@pytest.mark.parametrize("nobody", ["", "  ", "@", " @@ "])
def test_erasing_nobody_is_refused(make_house: MakeHouse, nobody: str) -> None:
    with pytest.raises(NotAllowed, match="Say who"):
        subjects.erase(make_house().app, nobody)


def test_a_crash_while_erasing_leaves_the_journal_ahead_of_the_database_and_never_behind(make_house: MakeHouse) -> None:
    house = make_house("facebook")
    house.say(a_mention(SAYING, author=Author(name="Sigrid Example", handle="sigrid_example")), ALERT)
    house.fast_forward(minutes=2)
    with house.app.database.write() as session:
        for statement in _CRASH[house.app.database.is_sqlite]:
            session.execute(text(statement))

    with pytest.raises(SQLAlchemyError):
        subjects.erase(house.app, "sigrid_example")

    assert _texts(house) == {"facebook": SAYING}
    state_dir = house.app.settings.state_dir
    assert not (state_dir / journal.NAME).exists() or journal.read(state_dir)


@pytest.mark.parametrize("kept", ["watch_kept", "alerted_kept"])
def test_our_own_limits_forget_earlier_than_the_platform_would(make_house: MakeHouse, kept: str) -> None:
    privacy = {"assessment_date": "2026-10-01", "dpia_date": "2026-10-01", "contact": "x@y.example", kept: "1d"}
    house = make_house("facebook", privacy=privacy)
    house.say(a_mention("a routine post", external_id="r"))
    house.say(a_mention("a complaint", external_id="c"), ALERT)
    house.fast_forward(minutes=2)

    house.now += timedelta(days=2)
    forgetting.forget(house.app, house.now)

    with house.app.database.read() as session:
        left = set(session.scalars(select(MentionRow.external_id).where(MentionRow.text.is_not(None))))
    assert left == (set() if kept == "alerted_kept" else {"c"})


def test_every_table_forgets_in_its_time(make_house: MakeHouse) -> None:
    house = make_house("facebook", "youtube")
    app, now = house.app, house.now
    house.say(a_mention("a routine post", external_id="r"))
    house.say(a_mention("a routine post", external_id="y", platform="youtube"))
    house.say(a_mention("a complaint", external_id="c"), ALERT)
    house.fast_forward(minutes=2)
    incident = _incident(house)

    def fill(session: Session) -> None:
        actions.close(session, app.desk, incident, CEO, "done", now)
        session.add_all(
            [
                QuarantineRow(platform="facebook", external_id="q", url="", at=now, until=now + timedelta(days=35)),
                LinkUseRow(id="l", purpose="see", used_at=now),
                ToldRow(key="t", at=now),
                DeafRow(platform="facebook", began_at=now, ended_at=now),
                SpendingRow(platform="facebook", bucket="b", period="2026-11-24"),
            ]
        )

    app.database.in_transaction(fill)
    counted = {
        "youtube mentions": (MentionRow, 29, MentionRow.platform == "youtube"),
        "hashes of accounts": (IncidentAccountRow, 31, None),
        "quarantine": (QuarantineRow, 36, None),
        "used links": (LinkUseRow, 61, None),
        "the outbox": (AlertRow, 91, AlertRow.incident_id.is_not(None)),
        "mentions": (MentionRow, 396, None),
        "spending": (SpendingRow, 403, None),
        "incidents": (IncidentRow, 2191, None),
    }
    found = {}
    for name, (table, days, which) in counted.items():  # in the order of their times
        query = select(func.count()).select_from(table)
        query = query if which is None else query.where(which)
        counts = []
        for age in (days - 2, days):
            forgetting.forget(app, now + timedelta(days=age))
            with app.database.read() as session:
                counts.append(session.scalar(query) or 0)
        found[name] = (counts[0] > 0, counts[1] == 0)

    assert found == dict.fromkeys(counted, (True, True))
    with app.database.read() as session:
        gone = [session.scalar(select(func.count()).select_from(t)) for t in (TallyRow, ToldRow, DeafRow, LogRow)]
    assert gone == [0, 0, 0, 0]
    with app.database.read() as session:
        assert session.scalars(select(ReportRow)).all()
