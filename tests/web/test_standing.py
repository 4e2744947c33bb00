"""Links and sessions belong to a person, not to a role: what of theirs holds when people change."""

from __future__ import annotations

import tomllib
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import pytest
from house_pages import EMAILS, PagesHouse
from makers import a_mention

from alerts.model import MailKind
from alerts.takeover import State
from monitor import actions, backup, doors, people, reread, takeovers
from monitor.app import App
from monitor.links import Holder, Purpose
from monitor.settings import People, Person, load
from monitor.store.tables import AlertRow, AuditRow, PersonRow, SessionRow

MAREN = Person("Maren Ellis", "maren@tessellateuk.example")


def settle(house: PagesHouse) -> int:
    app = house.app
    return app.database.in_transaction(lambda s: people.settle(s, app.keys, app.roster, house.now))


def change(house: PagesHouse, **changes: Any) -> None:
    """As when the daemon reads the settings anew."""
    now = house.app.settings.people
    values = {name: getattr(now, name) for name in ("ceo", "chair", "operator", "poster", "staff")}
    house.app.take_people(People(**{**values, **changes}))
    settle(house)


@pytest.fixture(autouse=True)
def _known(house: PagesHouse) -> None:
    settle(house)


@pytest.mark.parametrize("purpose", [p for p in Purpose if p is not Purpose.TIP])
def test_no_link_of_the_ceo_before_opens_anything_under_the_next_one(house: PagesHouse, purpose: Purpose) -> None:
    house.incident()
    house.mention(incident_id="i1")
    subject = {Purpose.ALLOW: "1", Purpose.SIGN_IN: "/"}.get(purpose, "i1")
    token = house.token(purpose, "ceo", subject)
    change(house, ceo=MAREN)
    browser = house.browser()
    before = house.snapshot()

    looked = browser.get(f"/a/{token}")
    pressed = [browser.post(f"/a/{token}", {"do": do, "page": "x", "reason": "r"}) for do in ("begin", "undo", "fresh")]

    assert looked.status_code == 410
    assert "A false story" not in looked.text
    assert "Maren" not in looked.text
    assert {answer.status_code for answer in pressed} == {410}
    assert house.snapshot() == before


def test_a_takeover_that_the_ceo_before_was_about_to_begin_is_not_begun(house: PagesHouse) -> None:
    house.incident()
    browser, token = house.browser(), house.token(Purpose.TAKEOVER)
    question = browser.press(browser.get(f"/a/{token}"), "takeover")
    change(house, ceo=MAREN)

    assert browser.press(question, "begin").status_code == 410
    with house.app.database.read() as session:
        assert takeovers.current(session).state is State.NORMAL


@pytest.mark.parametrize(
    "table",
    [
        Person("Rowan Ashdown", "rowan.ashdown@tessellateuk.example"),
        Person("Maren Ellis", EMAILS["ceo"]),
        Person("Rowan Ashdown", EMAILS["ceo"], phones=("ntfy://phone.example/rowan",)),
        Person("Rowan Ashdown", EMAILS["ceo"], away=True),
        Person("Rowan Ashdown", EMAILS["ceo"], known_as=("Ro",)),
        Person("Rowan Ashdown", EMAILS["ceo"], platforms=("x",)),
    ],
    ids=["address", "name", "phone", "away", "known as", "platforms"],
)
def test_any_change_of_a_persons_table_ends_their_links_and_sessions_and_nobody_elses(
    house: PagesHouse, table: Person
) -> None:
    house.incident()
    rowan, imogen = house.signed_in("ceo"), house.signed_in("chair")
    hers, his = house.token(Purpose.SEE, "ceo"), house.token(Purpose.SEE, "chair")

    change(house, ceo=table)

    assert rowan.get("/").status_code == 303
    assert house.browser().get(f"/a/{hers}").status_code == 410
    assert imogen.get("/").status_code == 200
    assert house.browser().get(f"/a/{his}").status_code == 200


def test_whoever_still_holds_the_role_is_offered_a_fresh_link_that_works(house: PagesHouse) -> None:
    house.incident()
    token = house.token(Purpose.ACKNOWLEDGE)
    change(house, ceo=Person("Rowan Ashdown", EMAILS["ceo"], phones=("ntfy://phone.example/rowan",)))
    browser = house.browser()

    page = browser.get(f"/a/{token}")
    assert (page.status_code, "settings was changed" in page.text) == (410, True)
    browser.press(page, "fresh")

    assert [(a.role, a.address) for a in house.alerts("fresh_link")] == [("ceo", EMAILS["ceo"])]
    fresh = browser.get(f"/a/{house.token(Purpose.ACKNOWLEDGE)}")
    assert browser.press(fresh, "acknowledge").status_code == 200


def test_a_mail_that_still_waits_for_the_one_before_carries_no_link_of_the_next_one(house: PagesHouse) -> None:
    house.incident()
    with house.app.database.write() as session:
        row = AlertRow(
            id="a1", incident_id="i1", template="alert", kind=MailKind.ALERT.value, role="ceo", name="Rowan Ashdown",
            address=EMAILS["ceo"], severity=3, made_at=house.now, retry_at=house.now,
        )  # fmt: skip
        session.add(row)
    change(house, ceo=MAREN)
    with house.app.database.read() as session:
        text = house.app.letter(session, session.get_one(AlertRow, "a1"), house.now).text

    path = next(word for word in text.split() if "/a/" in word)

    assert house.browser().get(urlsplit(path).path).status_code == 410


def test_links_mailed_before_marks_were_kept_work_for_whoever_still_holds_the_role(house: PagesHouse) -> None:
    house.incident()
    old = {role: house.app.links.token(Purpose.SEE, Holder(role), "i1", house.now) for role in ("ceo", "chair")}
    mark = house.house.person_mark(house.app.people["ceo"])
    door = house.app.links.token(Purpose.SIGN_IN, Holder("ceo"), f"{mark}|/incidents/i1", house.now)
    browser = house.browser()

    assert house.browser().get(f"/a/{old['ceo']}").status_code == 200
    entered = browser.press(browser.get(f"/a/{door}"), "sign-in")
    assert entered.headers["Location"] == "/incidents/i1"

    change(house, ceo=MAREN)
    assert house.browser().get(f"/a/{old['ceo']}").status_code == 410
    assert house.browser().get(f"/a/{old['chair']}").status_code == 200


def test_where_the_role_changed_hands_just_before_the_upgrade_its_old_links_open_nothing(tmp_path: Path) -> None:
    folder = tmp_path / "old"
    folder.mkdir()
    made = PagesHouse(folder)
    made.incident()
    made.add(
        AlertRow(
            id="a1", template="alert", kind="alert", role="ceo", name="Maren Ellis", address=MAREN.email,
            made_at=made.now, retry_at=made.now, delivered_at=made.now,
        )
    )  # fmt: skip
    old = made.app.links.token(Purpose.SEE, Holder("ceo"), "i1", made.now)
    settle(made)

    assert made.browser().get(f"/a/{old}").status_code == 410
    made.close()


def test_the_link_that_is_handed_out_is_nobodys_and_outlives_everybody(house: PagesHouse) -> None:
    path = house.tip_path()

    change(house, ceo=MAREN, chair=None, operator=None)

    assert house.browser().get(path).status_code == 200


def test_signing_somebody_out_on_the_command_line_ends_links_and_sessions_at_once(house: PagesHouse) -> None:
    house.incident()
    browser, token = house.signed_in("ceo"), house.token(Purpose.ACKNOWLEDGE)

    assert doors.sign_out_everywhere(house.app, "ceo") == 1

    assert browser.get("/").status_code == 303
    assert house.browser().get(f"/a/{token}").status_code == 410
    assert house.signed_in("ceo").get("/").status_code == 200


def test_the_button_that_signs_somebody_out_ends_their_links_too(house: PagesHouse) -> None:
    house.incident()
    operator, token = house.signed_in("operator"), house.token(Purpose.ACKNOWLEDGE)
    mark = house.house.person_mark(house.app.people["ceo"])

    operator.post("/access/sign-out", {"token": operator.token(), "person": mark})

    assert house.browser().get(f"/a/{token}").status_code == 410


def test_somebody_who_has_left_the_settings_can_still_be_signed_out(house: PagesHouse) -> None:
    change(house, chair=None)

    assert doors.sign_out_everywhere(house.app, EMAILS["chair"]) == 0
    with pytest.raises(doors.NotAllowed):
        doors.sign_out_everywhere(house.app, "nobody@tessellateuk.example")


def test_a_link_printed_for_somebody_just_put_into_the_file_holds_when_the_daemon_hears_of_it(
    house: PagesHouse,
) -> None:
    now = house.app.settings.people
    ahead = App(house.app.settings, clock=lambda: house.now)
    ahead.take_people(People(MAREN, now.chair, now.operator, now.poster, now.staff))
    path = urlsplit(doors.sign_in_link(ahead, "ceo")).path
    ahead.close()

    change(house, ceo=MAREN)
    browser = house.browser()

    assert browser.press(browser.get(path), "sign-in").status_code == 303


def test_somebody_who_comes_back_starts_anew(house: PagesHouse) -> None:
    house.incident()
    token, before = house.token(Purpose.SEE), house.app.settings.people.ceo
    change(house, ceo=MAREN)

    change(house, ceo=before)

    assert house.browser().get(f"/a/{token}").status_code == 410


def test_what_was_noted_of_one_ceo_is_not_said_of_the_next(house: PagesHouse) -> None:
    house.add(PersonRow(role="ceo", away=True, refused_at=house.now, changed_at=house.now))

    change(house, ceo=MAREN)

    row = house.row(PersonRow, "ceo")
    assert (row.away, row.refused_at) == (None, None)


def test_somebody_with_a_new_address_who_is_away_stays_away(house: PagesHouse) -> None:
    house.add(PersonRow(role="ceo", away=True, changed_at=house.now))

    change(house, ceo=Person("Rowan Ashdown", "rowan@new.tessellateuk.example"))

    assert house.row(PersonRow, "ceo").away is True


def test_changes_of_people_stand_in_the_audit_without_their_names(house: PagesHouse) -> None:
    change(house, ceo=MAREN)

    with house.app.database.read() as session:
        rows = session.query(AuditRow).order_by(AuditRow.id).all()
    assert sorted(row.action for row in rows) == ["person added", "person left"]
    assert "Rowan" not in "".join(f"{row.words}{row.about}{row.actor}" for row in rows)


def test_a_restored_backup_brings_no_ended_link_back(house: PagesHouse, tmp_path: Path) -> None:
    if not house.app.database.is_sqlite:
        pytest.skip("the backup's own tests run on both")
    house.incident()
    token = house.token(Purpose.SEE)
    from monitor.store import migrate

    with house.app.database.engine.begin() as connection:
        migrate._config()  # noqa: SLF001 - the tables of this house were made without a migration
        connection.exec_driver_sql("CREATE TABLE alembic_version (version_num VARCHAR(32))")
        head = migrate._revisions()[1]  # noqa: SLF001
        connection.exec_driver_sql(f"INSERT INTO alembic_version VALUES ('{head}')")
    backup.write(house.app, tmp_path / "kept.db")
    doors.sign_out_everywhere(house.app, "ceo")
    house.app.database.close()  # nothing runs while a backup comes back

    backup.restore(house.app.settings, tmp_path / "kept.db", clock=lambda: house.now)

    assert house.browser().get(f"/a/{token}").status_code == 410


# ── the settings file, while Earshot runs ───────────────────────────────────────────────────────────

FILE = """
[organisation]
name = "Tessellate UK"
[people.ceo]
name = "Rowan Ashdown"
email = "rowan@tessellateuk.example"
[people.chair]
name = "Imogen Vale"
email = "chair@tessellateuk.example"
[people.operator]
name = "Kit Marlow"
email = "it@tessellateuk.example"
[[people.poster]]
name = "Ade Lowe"
email = "ade@tessellateuk.example"
[mail]
host = "127.0.0.1"
port = 25
security = "none"
from = "Earshot <earshot@tessellateuk.example>"
[web]
public_url = "https://earshot.tessellateuk.example"
"""
POSTER = FILE[FILE.index("[[people.poster]]") : FILE.index("[mail]")]


class Watched:
    """A house whose settings lie in a file that is looked at."""

    def __init__(self, folder: Path) -> None:
        self.file = folder / "earshot.toml"
        self.file.write_text(FILE, "utf-8")
        self.house = PagesHouse(folder, runner=object(), **tomllib.loads(FILE))
        settle(self.house)
        self.reader = reread.Reader(self.house.app)

    def change(self, old: str, new: str) -> None:
        text = self.file.read_text("utf-8")
        assert old in text
        self.file.write_text(text.replace(old, new), "utf-8")
        self.look()

    def look(self) -> None:
        self.house.later(seconds=30)
        self.reader.look(self.house.now)


@pytest.fixture
def watched(tmp_path: Path) -> Any:
    folder = tmp_path / "watched"
    folder.mkdir()
    made = Watched(folder)
    yield made
    made.house.close()


def test_whoever_is_taken_out_of_the_file_is_out_without_a_restart(watched: Watched) -> None:
    house = watched.house
    poster, ceo = house.signed_in("poster"), house.signed_in("ceo")

    watched.change(POSTER, "")

    assert poster.get("/").status_code == 303
    assert ceo.get("/").status_code == 200
    assert house.app.desk.posters == ()
    with house.app.database.read() as session:
        assert session.query(SessionRow).filter_by(role="poster").one().ended_at is not None


def test_a_new_chair_is_told_and_comes_in_without_a_restart(watched: Watched) -> None:
    house = watched.house

    watched.change('name = "Imogen Vale"\nemail = "chair@', 'name = "Tomos Reed"\nemail = "tomos@')

    assert house.app.desk.people["chair"].name == "Tomos Reed"
    path = urlsplit(doors.sign_in_link(house.app, "tomos@tessellateuk.example")).path
    browser = house.browser()
    browser.press(browser.get(path), "sign-in")
    assert browser.get("/").status_code == 200


def test_what_still_waits_goes_to_the_new_address(watched: Watched) -> None:
    house = watched.house
    ceo, poster = house.app.people["ceo"], house.app.desk.posters[0]
    with house.app.database.write() as session:
        for person in (ceo, poster):
            house.app.desk.owe(session, "test", MailKind.TEST, person, house.now)

    watched.change('email = "rowan@', 'email = "rowan.ashdown@')
    watched.change(POSTER, "")

    hers, his = sorted(house.alerts("test"), key=lambda row: row.role)
    assert (hers.address, hers.superseded_at) == ("rowan.ashdown@tessellateuk.example", None)
    assert his.superseded_at is not None


FAULTS = {
    "no TOML": ("[people.chair]", "[people.chair"),
    "a key that nobody knows": ('name = "Imogen Vale"', 'nmae = "Imogen Vale"'),
    "an address that is none": ('email = "chair@tessellateuk.example"', 'email = "chair"'),
    "a person without an address": ('email = "chair@tessellateuk.example"', ""),
    "no CEO": ("[people.ceo]", "[people.staff_lead]"),
    "another table's fault": ("port = 25", 'port = "mail"'),
    "an empty file": (FILE, ""),
}


@pytest.mark.parametrize("fault", FAULTS)
def test_a_faulty_file_leaves_the_people_of_before_and_is_said(watched: Watched, fault: str) -> None:
    house = watched.house
    before, browser = house.app.settings.people, house.signed_in("chair")

    watched.change(*FAULTS[fault])
    watched.look()

    assert house.app.settings.people == before
    assert browser.get("/").status_code == 200
    assert [a.role for a in house.alerts("settings_faulty")] == ["operator"]
    assert "The settings file was changed and cannot be used" in house.signed_in("operator").get("/engine").text


def test_a_file_that_is_gone_is_said_too(watched: Watched) -> None:
    watched.file.unlink()
    watched.look()

    assert len(watched.house.alerts("settings_faulty")) == 1


def test_a_mended_file_is_read_by_itself(watched: Watched) -> None:
    house = watched.house
    watched.change("[people.chair]", "[people.chair")

    watched.change("[people.chair", "[people.chair]")
    watched.change(POSTER, "")

    assert house.app.desk.posters == ()
    assert "cannot be used" not in house.signed_in("operator").get("/engine").text


def test_a_fault_is_told_once_a_day_while_it_lasts(watched: Watched) -> None:
    watched.change("[people.chair]", "[people.chair")
    for _ in range(10):
        watched.look()
    watched.house.later(days=1)
    watched.look()

    assert len(watched.house.alerts("settings_faulty")) == 2


def test_what_stands_where_a_setting_is_wrong_is_not_mailed(watched: Watched) -> None:
    watched.change('name = "Kit Marlow"', 'name = "Kit Marlow"\nphones = [{ secret = "hunter2hunter2" }]')

    (row,) = watched.house.alerts("settings_faulty")
    assert "hunter2" not in str(row.facts)
    assert "people.operator.phones" in row.facts["why"]


def test_the_names_of_the_settings_are_the_same_by_file(watched: Watched) -> None:
    assert load(watched.file).people == watched.house.app.settings.people


def of_whom(house: PagesHouse, text: str) -> list[str]:
    """The roles of whom a tip of these words speaks, and of whom a post does, as they are told of both."""
    app = house.app
    row = app.database.in_transaction(
        lambda s: actions.tip(s, app.desk, app.keys, words=text, link="", by=actions.BY_LINK, now=house.now)
    )
    judged = app.intake.scorer.assess(a_mention(text))
    assert set(judged.spoken_of) == set(row.spoken_of)
    return list(row.spoken_of)


def test_a_new_ceo_is_recognised_by_name_as_soon_as_the_file_is_read_and_the_old_one_no_more(
    watched: Watched,
) -> None:
    house = watched.house
    old, new = "Rowan Ashdown stole our money", "Maren Ellis stole our money"
    assert (of_whom(house, old), of_whom(house, new)) == (["ceo"], [])

    watched.change("Rowan Ashdown", "Maren Ellis")

    assert (of_whom(house, old), of_whom(house, new)) == ([], ["ceo"])
