"""Links from mails: looking changes nothing, a button does, once, and only what the link is for."""

from __future__ import annotations

import secrets
import threading
from types import SimpleNamespace
from typing import Any

import pytest
from house_pages import Browser, PagesHouse, form_with

from alerts.takeover import State
from monitor import takeovers
from monitor.actions import BY_LINK
from monitor.audit import AT_THE_SERVER
from monitor.links import Purpose
from monitor.store.tables import AuditRow, IncidentRow, KeptFormRow, LogRow, MentionRow


def state(house: PagesHouse) -> State:
    with house.app.database.read() as session:
        return takeovers.current(session).state


def begun(house: PagesHouse, **more: Any) -> str:
    """A takeover that runs; returns the subject of its links."""
    with house.app.database.write() as session:
        takeovers.begin(
            session, house.app.desk, by="Rowan Ashdown (CEO)", reason="A false story", now=house.now, **more
        )
        since = takeovers.current(session).since
    assert since is not None
    return since.isoformat()


@pytest.mark.parametrize("method", ["get", "head"])
@pytest.mark.parametrize("purpose", list(Purpose))
def test_opening_a_link_changes_nothing(house: PagesHouse, purpose: Purpose, method: str) -> None:
    house.incident()
    house.mention(incident_id="i1")
    subject = {Purpose.ALLOW: "1"}.get(purpose, "i1")
    path = f"/a/{house.token(purpose, 'ceo', subject)}"
    before = house.snapshot()

    for _ in range(3):
        getattr(house.browser().client, method)(path, base_url=house.app.settings.public_url)
    house.later(days=30)
    getattr(house.browser().client, method)(path, base_url=house.app.settings.public_url)

    assert house.snapshot() == before


def test_acknowledging_is_one_press_without_a_sign_in(house: PagesHouse) -> None:
    house.incident()
    browser = house.browser()

    done = browser.press(browser.get(f"/a/{house.token(Purpose.ACKNOWLEDGE)}"), "acknowledge")

    assert done.status_code == 200
    row = house.row(IncidentRow, "i1")
    assert (row.state, row.acknowledged_by, row.next_step_at) == ("acknowledged", "Rowan Ashdown (CEO)", None)


def test_not_a_problem_closes_an_alert_with_its_reason(house: PagesHouse) -> None:
    house.incident(severity=2)
    browser = house.browser()

    browser.press(browser.get(f"/a/{house.token(Purpose.CALM)}"), "calm", reason="An old joke of ours")

    assert house.row(IncidentRow, "i1").state == "closed"
    assert any("An old joke of ours" in line for line in house.log())


def test_not_a_problem_leaves_a_crisis_open_and_tells_the_chair(house: PagesHouse) -> None:
    house.incident(severity=3)
    browser = house.browser()

    browser.press(browser.get(f"/a/{house.token(Purpose.CALM)}"), "calm")

    assert house.row(IncidentRow, "i1").state == "acknowledged"
    assert [a.role for a in house.alerts("alert_update")] == ["chair"]


def test_takeover_is_three_presses_and_the_second_asks(house: PagesHouse) -> None:
    house.incident()
    browser = house.browser()

    page = browser.get(f"/a/{house.token(Purpose.TAKEOVER)}")
    question = browser.press(page, "takeover")
    assert state(house) is State.NORMAL
    assert "Yes, begin now" in question.text
    done = browser.press(question, "begin")

    assert done.status_code == 200
    assert state(house) is State.ACTIVE
    assert {a.role for a in house.alerts("takeover_begun")} == {"ceo", "chair"}
    assert {a.role for a in house.alerts("takeover_posters")} == {"poster", "staff"}


def test_the_second_button_is_bound_to_the_reason_that_was_shown(house: PagesHouse) -> None:
    house.incident()
    browser = house.browser()
    question = browser.press(browser.get(f"/a/{house.token(Purpose.TAKEOVER)}"), "takeover")

    refused = browser.press(question, "begin", reason="Something else")

    assert refused.status_code == 403
    assert state(house) is State.NORMAL


def test_takeover_without_a_reason_is_not_begun(house: PagesHouse) -> None:
    house.incident()
    browser = house.browser()

    refused = browser.press(browser.get(f"/a/{house.token(Purpose.TAKEOVER)}"), "takeover", reason="  ")

    assert refused.status_code == 400


def test_a_takeover_link_is_used_once_and_then_offers_a_fresh_one(house: PagesHouse) -> None:
    house.incident()
    browser, token = house.browser(), house.token(Purpose.TAKEOVER)
    question = browser.press(browser.get(f"/a/{token}"), "takeover")
    browser.press(question, "begin")
    with house.app.database.write() as session:
        takeovers.end(session, house.app.desk, by="Rowan", reason="Over", now=house.now)

    again = browser.press(question, "begin")
    looked = browser.get(f"/a/{token}")
    assert (again.status_code, looked.status_code) == (410, 410)
    assert state(house) is State.NORMAL
    assert house.alerts("fresh_link") == []
    browser.press(looked, "fresh")
    browser.press(looked, "fresh")

    assert [(a.role, a.facts["purpose"], a.facts["subject"]) for a in house.alerts("fresh_link")] == [
        ("ceo", "takeover", "i1")
    ]


def test_a_dead_link_mails_a_fresh_one_three_times_and_then_no_more(house: PagesHouse) -> None:
    house.incident()
    browser, token = house.browser(), house.token(Purpose.ACKNOWLEDGE)
    house.later(days=4)
    answers = []
    for _ in range(12):
        house.later(minutes=11)
        answers.append(browser.press(browser.get(f"/a/{token}"), "fresh").status_code)

    assert answers == [200] * 3 + [410] * 9
    assert len(house.alerts("fresh_link")) == 3


def test_a_dead_link_of_a_matter_that_is_not_theirs_any_more_mails_nothing(house: PagesHouse) -> None:
    house.incident()
    browser, token = house.browser(), house.token(Purpose.ACKNOWLEDGE)
    house.later(days=4)
    page = browser.get(f"/a/{token}")
    with house.app.database.write() as session:
        session.get_one(IncidentRow, "i1").spoken_of = ["ceo"]

    assert browser.press(page, "fresh").status_code == 410
    assert house.alerts("fresh_link") == []


def test_what_one_person_repeats_is_mailed_once_an_hour_and_logged_each_time(house: PagesHouse) -> None:
    house.incident(severity=3)
    for n in range(20):
        house.later(seconds=5)
        browser = house.browser()
        browser.press(browser.get(f"/a/{house.token(Purpose.CALM)}"), "calm", reason=f"Calm {n}")
    assert len(house.alerts("alert_update")) == 1
    assert len([line for line in house.log() if line.startswith("Not a problem")]) == 20

    house.later(hours=1)
    browser = house.browser()
    browser.press(browser.get(f"/a/{house.token(Purpose.CALM)}"), "calm")

    assert len(house.alerts("alert_update")) == 2


def test_a_takeover_link_older_than_twelve_hours_only_sends_a_fresh_one(house: PagesHouse) -> None:
    house.incident()
    browser, token = house.browser(), house.token(Purpose.TAKEOVER)
    question = browser.press(browser.get(f"/a/{token}"), "takeover")
    house.later(hours=12, seconds=1)

    assert browser.press(question, "begin").status_code == 410
    page = browser.get(f"/a/{token}")
    assert page.status_code == 410
    sent = browser.press(page, "fresh")

    assert "on its way" in sent.text
    assert state(house) is State.NORMAL
    assert len(house.alerts("fresh_link")) == 1


def test_undoing_is_one_press(house: PagesHouse) -> None:
    house.incident()
    subject = begun(house, incident="i1")
    browser = house.browser()

    browser.press(browser.get(f"/a/{house.token(Purpose.UNDO, 'chair', subject)}"), "undo")

    assert state(house) is State.NORMAL
    assert house.alerts("takeover_ended")


def test_ending_by_link_takes_two_presses_and_a_reason(house: PagesHouse) -> None:
    subject = begun(house)
    browser = house.browser()
    page = browser.get(f"/a/{house.token(Purpose.END, 'ceo', subject)}")

    assert browser.press(page, "end", reason="").status_code == 409
    assert state(house) is State.ACTIVE
    browser.press(page, "end")

    assert state(house) is State.NORMAL


def test_an_undo_link_does_not_end_a_later_takeover(house: PagesHouse) -> None:
    first = begun(house)
    token = house.token(Purpose.UNDO, "ceo", first)
    with house.app.database.write() as session:
        takeovers.end(session, house.app.desk, by="Rowan", reason="Over", now=house.now)
    house.later(hours=1)
    begun(house)

    page = house.browser().get(f"/a/{token}")

    assert page.status_code == 410
    assert state(house) is State.ACTIVE


def test_confirming_lets_an_unattended_takeover_last(house: PagesHouse) -> None:
    subject = begun(house, unattended=True)
    browser = house.browser()

    browser.press(browser.get(f"/a/{house.token(Purpose.CONFIRM, 'ceo', subject)}"), "confirm")

    with house.app.database.read() as session:
        assert takeovers.current(session).ends_at is None


def test_a_breach_can_be_marked_as_in_order(house: PagesHouse) -> None:
    house.mention(kind="own_post")
    browser = house.browser()

    browser.press(browser.get(f"/a/{house.token(Purpose.ALLOW, 'ceo', '1')}"), "allow")

    assert house.row(MentionRow, 1).allowed_at == house.now


def test_a_drill_never_touches_the_real_takeover(house: PagesHouse) -> None:
    house.incident(drill=True)
    browser = house.browser()

    done = browser.press(browser.press(browser.get(f"/a/{house.token(Purpose.TAKEOVER)}"), "takeover"), "begin")

    assert "DRILL" in done.text
    assert state(house) is State.NORMAL
    assert house.alerts("takeover_begun") == []


@pytest.mark.parametrize(
    ("purpose", "do"),
    [
        (Purpose.SEE, "takeover"),
        (Purpose.SEE, "begin"),
        (Purpose.SEE, "calm"),
        (Purpose.ACKNOWLEDGE, "calm"),
        (Purpose.ACKNOWLEDGE, "takeover"),
        (Purpose.CALM, "begin"),
        (Purpose.TAKEOVER, "undo"),
        (Purpose.UNDO, "begin"),
        (Purpose.END, "confirm"),
    ],
)
def test_a_link_does_only_what_it_is_for(house: PagesHouse, purpose: Purpose, do: str) -> None:
    house.incident()
    browser = house.browser()
    path = f"/a/{house.token(purpose)}"
    browser.get(path)
    before = house.snapshot()

    answer = browser.post(path, {"do": do, "page": "x", "reason": "Because"})

    assert answer.status_code in {403, 410}
    assert house.snapshot() == before


@pytest.mark.parametrize("missing", ["page", "cookie", "origin"])
def test_a_press_needs_the_page_the_browser_and_our_origin(house: PagesHouse, missing: str) -> None:
    house.incident()
    browser, path = house.browser(), f"/a/{house.token(Purpose.ACKNOWLEDGE)}"
    form = form_with(browser.get(path).text, "acknowledge")
    other = Browser(house) if missing == "cookie" else browser
    fields = {"do": "acknowledge"} if missing == "page" else {**form.fields, "do": "acknowledge"}
    headers = {"Origin": "https://evil.example"} if missing == "origin" else {}

    answer = other.post(path, fields, headers=headers)

    assert answer.status_code == 403
    assert house.row(IncidentRow, "i1").state == "open"


def test_a_page_left_open_for_an_hour_must_be_loaded_again(house: PagesHouse) -> None:
    house.incident()
    browser = house.browser()
    page = browser.get(f"/a/{house.token(Purpose.ACKNOWLEDGE)}")
    house.later(hours=1, seconds=1)

    assert browser.press(page, "acknowledge").status_code == 403


def test_forged_and_altered_links_are_not_accepted(house: PagesHouse) -> None:
    house.incident()
    token = house.token(Purpose.ACKNOWLEDGE)
    browser = house.browser()
    form = form_with(browser.get(f"/a/{token}").text, "acknowledge")
    before = house.snapshot()
    forged = [secrets.token_urlsafe(80) for _ in range(50)]
    letters = "ABab01-_."
    # the last letter of a base64 text has bits that mean nothing, so it is left out
    for place in range(len(token) - 1):
        forged.append(token[:place] + next(c for c in letters if c != token[place]) + token[place + 1 :])

    for false in forged:
        answer = browser.post(f"/a/{false}", {**form.fields, "do": "acknowledge"})
        assert answer.status_code in {403, 404}, false

    assert house.snapshot() == before


def test_of_many_uses_at_once_one_wins(house: PagesHouse) -> None:
    house.incident()
    token = house.token(Purpose.TAKEOVER)
    browsers = [house.browser() for _ in range(8)]
    questions = [b.press(b.get(f"/a/{token}"), "takeover") for b in browsers]
    answers: list[int] = []

    def press(browser: Browser, question: Any) -> None:
        for _ in range(5):
            answers.append(browser.press(question, "begin").status_code)

    threads = [threading.Thread(target=press, args=pair) for pair in zip(browsers, questions, strict=True)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()

    assert sorted(set(answers)) == [200, 410]
    assert answers.count(200) == 1


def test_an_incident_that_names_the_ceo_is_not_hers_to_see_or_close(house: PagesHouse) -> None:
    house.incident(spoken_of=["ceo"])

    for purpose in (Purpose.SEE, Purpose.CALM, Purpose.ACKNOWLEDGE, Purpose.TAKEOVER):
        assert house.browser().get(f"/a/{house.token(purpose, 'ceo')}").status_code == 410
        assert house.browser().get(f"/a/{house.token(purpose, 'chair')}").status_code == 200


def test_what_is_unclear_is_handed_to_the_ceo_by_one_press_and_what_is_clear_has_no_such_button(
    house: PagesHouse,
) -> None:
    house.incident(perhaps_of=["ceo"])
    house.incident("i2", spoken_of=["ceo"])
    browser = house.browser()
    assert house.browser().get(f"/a/{house.token(Purpose.SEE, 'ceo')}").status_code == 410
    assert "This is for the CEO" not in browser.get(f"/a/{house.token(Purpose.FOR_CEO, 'chair', 'i2')}").text
    assert "This is for the CEO" not in house.signed_in("chair").get("/incidents/i2").text
    assert "This is for the CEO" in house.signed_in("chair").get("/incidents/i1").text

    done = browser.press(browser.get(f"/a/{house.token(Purpose.FOR_CEO, 'chair')}"), "for-ceo")

    assert done.status_code == 200
    assert (house.row(IncidentRow, "i1").perhaps_of, house.row(IncidentRow, "i1").cleared_of) == ([], ["ceo"])
    assert [a.role for a in house.alerts("alert")] == ["ceo"]
    assert house.browser().get(f"/a/{house.token(Purpose.SEE, 'ceo')}").status_code == 200


def test_the_words_of_a_safeguarding_matter_are_shown_only_after_signing_in(house: PagesHouse) -> None:
    house.incident(category="safeguarding")
    house.mention(text="Something about a young person", incident_id="i1", categories=["safeguarding"],
                  signals=[{"rule": "r", "sentence": "A concern.", "clause": "6.5", "words": "young person", "weight": 3}])  # fmt: skip

    page = house.browser().get(f"/a/{house.token(Purpose.SEE)}").text
    chair = house.signed_in("chair").get("/incidents/i1").text
    staff = house.signed_in("staff").get("/incidents/i1").text

    for hidden in (page, staff):
        assert "young person</blockquote>" not in hidden
        assert "Sam Example" not in hidden
        assert "<q>" not in hidden
    assert "Something about a young person" in chair


def test_no_tip_is_refused_however_many_come(house: PagesHouse) -> None:
    browser, path = house.browser(), house.tip_path()
    page = browser.get(path)

    answers = [browser.press(page, "tell", words=f"I saw something {n}").status_code for n in range(80)]

    assert answers == [200] * 80
    assert len({a.incident_id for a in house.alerts("tip")}) == 80


def test_a_tip_is_refused_only_where_the_disk_has_no_room(house: PagesHouse, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("shutil.disk_usage", lambda folder: SimpleNamespace(free=1_000_000))
    browser = house.browser()

    answer = browser.press(browser.get(house.tip_path()), "tell", words="A small one")

    assert answer.status_code == 507
    assert "ring the CEO or the Chair" in answer.text


@pytest.mark.parametrize(
    "name", ["Rowan Ashdown (CEO)", "Earshot", "operator (command line)", "x\nRowan Ashdown (CEO)"]
)
def test_the_box_for_a_name_never_writes_who_acted(house: PagesHouse, name: str) -> None:
    browser = house.browser()

    browser.press(browser.get(house.tip_path()), "tell", words="I saw something", name=name)

    with house.app.database.read() as session:
        actors = {row.actor for row in session.query(AuditRow)} | {row.who for row in session.query(LogRow)}
        said = [row.what for row in session.query(LogRow)]
    assert actors <= {BY_LINK, "Earshot", AT_THE_SERVER}
    assert any(f'By the handed-out link, who gave the name "{" ".join(name.split())}".' in what for what in said)


def test_a_long_tip_is_kept_up_to_four_thousand_signs_and_the_count_is_said(house: PagesHouse) -> None:
    browser, path = house.browser(), house.tip_path()
    page = browser.get(path)

    answer = browser.press(page, "tell", words="a\r\n" * 2_500)

    assert "At most 4,000 signs" in page.text
    assert "Of your 4,999 signs the first 4,000 are kept." in answer.text
    assert len(house.row(IncidentRow, house.alerts("tip")[0].incident_id).summary) == 4_000


def test_a_tip_from_a_page_that_stood_open_for_long_keeps_its_words(house: PagesHouse) -> None:
    browser, path = house.browser(), house.tip_path()
    page = browser.get(path)
    house.later(hours=3)

    again = browser.press(page, "tell", words="It took me long to write this")
    assert "It took me long to write this" in again.text
    assert house.alerts("tip") == []

    assert browser.press(again, "tell").status_code == 200
    assert len(house.alerts("tip")) == 1


def test_an_empty_tip_is_asked_again(house: PagesHouse) -> None:
    browser, path = house.browser(), house.tip_path()

    answer = browser.press(browser.get(path), "tell")

    assert answer.status_code == 400
    assert house.alerts() == []


def test_a_tip_link_that_was_ended_opens_nothing_any_more(house: PagesHouse) -> None:
    browser, path = house.browser(), house.tip_path()
    page = browser.get(path)
    house.tip_path(renew=True)

    assert browser.get(path).status_code == 410
    assert browser.press(page, "tell", words="Too late").status_code == 410
    assert house.alerts("tip") == []


@pytest.mark.parametrize(
    ("purpose", "subject", "do", "later"),
    [
        (Purpose.CALM, "i1", "calm", {"hours": 2}),
        (Purpose.CALM, "i1", "calm", {"hours": 80}),
        (Purpose.TAKEOVER, "i1", "takeover", {"hours": 2}),
        (Purpose.TAKEOVER, "i1", "takeover", {"hours": 13}),
        (Purpose.END, "", "end", {"hours": 2}),
        (Purpose.END, "", "end", {"days": 15}),
    ],
)  # fmt: skip
def test_a_reason_written_on_a_page_that_has_ended_is_kept_and_sent_on_after_signing_in(
    house: PagesHouse, purpose: Purpose, subject: str, do: str, later: dict[str, float]
) -> None:
    house.incident(category="complaint", severity=2)
    subject = begun(house) if purpose is Purpose.END else subject
    browser = house.browser()
    page = browser.get(f"/a/{house.token(purpose, 'ceo', subject)}")
    house.later(**later)

    ended = browser.press(page, do, reason="The long and careful reason")

    assert ended.status_code in {403, 410}
    assert "The long and careful reason" in ended.text
    assert "is kept for a day" in ended.text
    assert house.row(IncidentRow, "i1").state == "open"
    entrance = browser.get(f"/a/{house.token(Purpose.SIGN_IN, 'ceo', '/')}")
    assert "is kept" in entrance.text
    sent = browser.press(entrance, "sign-in", send="yes")
    if do == "takeover":
        assert "The long and careful reason" in sent.text
        assert state(house) is State.NORMAL
    elif do == "calm":
        assert any("The long and careful reason" in line for line in house.log())
    else:
        assert state(house) is State.NORMAL


def test_a_reason_on_a_page_that_is_not_ours_is_given_back_and_kept_for_nobody(house: PagesHouse) -> None:
    house.incident(category="complaint", severity=2)
    token = house.token(Purpose.CALM)
    house.later(hours=80)

    answer = house.browser().post(f"/a/{token}", {"do": "calm", "page": "forged", "reason": "A planted reason"})

    assert "Copy it before you go on" in answer.text
    with house.app.database.read() as session:
        assert session.query(KeptFormRow).count() == 0


def test_a_tip_by_a_link_that_has_ended_is_given_back_to_be_copied(house: PagesHouse) -> None:
    browser, path = house.browser(), house.tip_path()
    page = browser.get(path)
    house.tip_path(renew=True)

    answer = browser.press(page, "tell", words="What I saw at the pool")

    assert answer.status_code == 410
    assert "What I saw at the pool" in answer.text
