"""What is kept, for how long, and how it is forgotten: terms, deletions, requests, backups."""

from __future__ import annotations

from collections.abc import Callable
from datetime import timedelta
from pathlib import Path

from makers import a_mention, an_assessment
from sqlalchemy import select

from alerts.model import Severity
from connectors.model import Author, Kind
from monitor import backup, forgetting, recheck, subjects
from monitor.model import Category
from monitor.store import search
from monitor.store.tables import IncidentRow, MentionRow, TallyRow
from monitor.testing import House

MakeHouse = Callable[..., House]
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
    house = make_house("facebook", "linkedin")
    author = Author(name="Sigrid Example", handle="sigrid_example", id="4711")
    house.say(a_mention("To be erased: the lighthouse keeper", author=author), ALERT)
    house.say(a_mention("To be deleted there: the tortoise", external_id="t1"), ALERT)
    house.say(a_mention("To be kept: the umbrella", external_id="u1"), ALERT)
    house.say(a_mention("Words on LinkedIn: the abacus", platform="linkedin", external_id="l1"), ALERT)
    house.fast_forward(minutes=2)

    backup.write(house.app, tmp_path / "earshot.backup")
    raw = (tmp_path / "earshot.backup").read_bytes()
    assert b"abacus" not in raw
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
    import pytest

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
