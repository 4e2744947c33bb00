""" "May I post?", health, and the incident page of those who have signed in."""

from __future__ import annotations

from datetime import timedelta

from house_pages import PagesHouse
from sqlalchemy.orm import Session

from alerts.model import MailKind
from monitor import takeovers
from monitor.intake import incident_of
from monitor.reaching import LATE
from monitor.store.tables import IncidentRow, LeaseRow, ProgressRow


def begin(house: PagesHouse) -> None:
    with house.app.database.write() as session:
        takeovers.begin(session, house.app.desk, by="Rowan Ashdown (CEO)", reason="A secret reason", now=house.now)


def test_people_and_tools_may_post_as_long_as_nobody_took_over(house: PagesHouse) -> None:
    page, tool = house.browser().get("/publishing"), house.browser().get("/publishing.json")

    assert (page.status_code, tool.status_code) == (200, 200)
    assert "YOU MAY POST" in page.text
    assert tool.json["may_post"] is True


def test_during_takeover_both_answer_423_without_names_or_the_reason(house: PagesHouse) -> None:
    begin(house)

    page, tool = house.browser().get("/publishing"), house.browser().get("/publishing.json")

    assert (page.status_code, tool.status_code) == (423, 423)
    assert "DO NOT POST" in page.text
    assert (tool.json["may_post"], tool.json["state"], tool.json["holder"]) == (False, "active", "ceo")
    for text in (page.text, tool.text):
        assert "secret reason" not in text
        assert "Rowan" not in text


def test_health_is_503_until_the_watch_loop_gets_round(house: PagesHouse) -> None:
    assert house.browser().get("/health").status_code == 503
    house.add(
        ProgressRow(loop="watch", at=house.now),
        LeaseRow(name="daemon", holder="p", fence=1, until=house.now + timedelta(seconds=200)),
    )
    well = house.browser().get("/health")
    assert (well.status_code, well.json["status"]) == (200, "ok")
    house.later(seconds=91)
    assert house.browser().get("/health").status_code == 503


def test_alive_asks_of_the_process_alone(house: PagesHouse) -> None:
    house.app.standing_still = list
    with house.app.database.write() as session:
        house.app.desk.owe_unscored(session, "x", "1", "", "E", house.now)
    house.later(minutes=11)
    assert house.browser().get("/health").status_code == 503
    assert house.browser().get("/health?alive").status_code == 200

    house.app.standing_still = lambda: ["watch"]
    answer = house.browser().get("/health?alive")
    assert (answer.status_code, answer.json["problems"]) == (503, ["the watch loop makes no progress"])


def test_health_says_which_platform_is_deaf_without_saying_whose_words(house: PagesHouse) -> None:
    house.add(
        ProgressRow(loop="watch", at=house.now),
        LeaseRow(name="daemon", holder="p", fence=1, until=house.now + timedelta(hours=2)),
    )
    house.platform(
        "x", failing_since=house.now, error="The token was refused", error_class="CredentialsRejected", failures=3
    )

    answer = house.browser().get("/health").json

    assert (answer["status"], answer["deaf"]) == ("deaf", ["x"])
    assert "token was refused" not in str(answer)


def test_the_leaders_act_on_the_incident_page(house: PagesHouse) -> None:
    house.incident()
    house.mention(incident_id="i1")
    browser = house.signed_in("ceo")
    page = browser.get("/incidents/i1")
    assert "They keep the donations for themselves" in page.text

    assert browser.press(page, "acknowledge").status_code == 303
    assert house.row(IncidentRow, "i1").state == "acknowledged"
    question = browser.post("/incidents/i1/takeover", {"token": browser.token(), "reason": "It spreads"})
    assert "Yes, begin now" in question.text
    assert browser.press(question, "begin", reason="Another").status_code == 403
    browser.press(question, "begin")

    with house.app.database.read() as session:
        assert takeovers.current(session).reason == "It spreads"


def test_strangers_words_never_become_markup(house: PagesHouse) -> None:
    house.incident()
    house.mention(
        text="<script>alert(1)</script>{{ 7*7 }} [x](javascript:alert(1))",
        incident_id="i1",
        url="https://a.example/<b>",
    )

    text = house.signed_in("ceo").get("/incidents/i1").text

    assert "<script>alert" not in text
    assert "&lt;script&gt;" in text
    assert "{{ 7*7 }}" in text


def test_text_that_may_no_longer_be_kept_shows_as_forgotten_with_its_link(house: PagesHouse) -> None:
    house.incident()
    house.mention(text=None, status="forgotten", incident_id="i1")

    text = house.signed_in("ceo").get("/incidents/i1").text

    assert "Forgotten:" in text
    assert "https://social.example/p1" in text


def test_whoever_may_post_meanwhile_reads_so_once_signed_in(house: PagesHouse) -> None:
    with house.app.database.write() as session:
        takeovers.begin(
            session, house.app.desk, by="Rowan", reason="A story", now=house.now, allowed=("Ade Lowe",),
            allowed_platforms=("x",),
        )  # fmt: skip

    assert "You, Ade Lowe, may post meanwhile on X" in house.signed_in("poster").get("/publishing").text
    assert "may post meanwhile" not in house.signed_in("staff").get("/publishing").text
    assert "Ade" not in house.browser().get("/publishing").text


def alive(house: PagesHouse) -> None:
    """The daemon does its rounds."""
    with house.app.database.write() as session:
        session.merge(ProgressRow(loop="watch", at=house.now))
        session.merge(LeaseRow(name="daemon", holder="p", fence=1, until=house.now + timedelta(seconds=200)))


def owe_alert(house: PagesHouse, incident: str, role: str) -> None:
    """Owe somebody an alert about an incident, or about none."""

    def work(session: Session) -> None:
        row = session.get(IncidentRow, incident)
        about = incident_of(row) if row is not None else None
        person = house.app.people[role]
        house.app.desk.owe(session, "alert", MailKind.ALERT, person, house.now, incident=about, revision=1)

    house.house.change(work)


def test_a_hidden_incident_is_neither_counted_nor_timed_by_health_and_keeps_it_red(house: PagesHouse) -> None:
    alive(house)
    before = house.browser().get("/health").json
    house.incident("i1", spoken_of=["ceo"])
    owe_alert(house, "i1", "chair")
    assert house.browser().get("/health").json == before

    house.later(minutes=11)
    alive(house)
    late = house.browser().get("/health")
    assert late.status_code == 503
    assert late.json["problems"] == [LATE]
    assert late.json["queue"] == {"waiting": 0, "oldest_due_at": None}


def test_late_mail_about_no_incident_is_told_in_the_same_words_as_late_mail_about_a_hidden_one(
    house: PagesHouse,
) -> None:
    owe_alert(house, "", "ceo")

    house.later(minutes=11)
    alive(house)

    assert house.browser().get("/health").json["problems"] == [LATE]
