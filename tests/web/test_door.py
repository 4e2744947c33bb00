"""Coming in and going out."""

from __future__ import annotations

import re
from dataclasses import replace
from typing import Any
from urllib.parse import urlsplit

import pytest
from house_pages import EMAILS, Browser, PagesHouse, form_with

from monitor import doors, forgetting
from monitor.links import Purpose
from monitor.store.tables import AlertRow, KeptFormRow, SessionRow


def ask(house: PagesHouse, email: str, onward: str = "/") -> Any:
    browser = house.browser()
    page = browser.get("/sign-in").text
    token = re.search(r'name="token" value="([^"]+)"', page)
    assert token
    answer = browser.post("/sign-in", {"token": token[1], "email": email, "next": onward})
    house.house.errands.finish()
    return answer


def test_a_listed_address_is_mailed_a_link_and_a_strange_one_gets_the_same_answer(house: PagesHouse) -> None:
    listed, strange = ask(house, EMAILS["chair"].upper()), ask(house, "mallory@evil.example")

    assert listed.text == strange.text
    assert [(a.role, a.address) for a in house.alerts("sign_in")] == [("chair", EMAILS["chair"])]


def test_one_address_is_mailed_at_most_ten_links_an_hour(house: PagesHouse) -> None:
    for n in range(15):
        house.later(seconds=n)
        ask(house, EMAILS["ceo"])

    assert len(house.alerts("sign_in")) == 10


def test_nobody_is_ever_refused_the_asking(house: PagesHouse) -> None:
    answers = {ask(house, f"a{n}@evil.example").status_code for n in range(300)}

    assert answers == {200}
    assert house.alerts() == []


def test_whoever_uses_up_a_persons_mails_locks_nobody_out(house: PagesHouse) -> None:
    for n in range(60):
        house.later(seconds=n % 2)
        ask(house, EMAILS["ceo"])
    mailed = len(house.alerts("sign_in"))
    assert mailed == 10

    house.later(minutes=5, seconds=1)
    ask(house, EMAILS["ceo"])

    assert len(house.alerts("sign_in")) == mailed + 1


def test_somebody_who_has_used_the_newest_link_gets_another_at_once(house: PagesHouse) -> None:
    for _ in range(20):
        house.later(seconds=1)
        ask(house, EMAILS["ceo"])
    for alert in house.alerts("sign_in"):
        browser = house.browser()
        browser.press(browser.get(path_of(house, alert)), "sign-in")

    ask(house, EMAILS["ceo"])

    assert len(house.alerts("sign_in")) == 11


def test_a_thousand_strangers_and_one_of_us_in_an_hour(house: PagesHouse) -> None:
    for n in range(40):
        ask(house, f"a{n}@evil.example")
        ask(house, EMAILS["chair"])

    ask(house, EMAILS["ceo"])

    assert [a.role for a in house.alerts("sign_in")].count("ceo") == 1


def test_what_an_answer_takes_does_not_depend_on_who_is_listed(house: PagesHouse) -> None:
    looked: list[str] = []
    everyone = house.house.everyone
    house.house.errands.put = lambda key, work: looked.append(key)  # type: ignore[method-assign]
    before = house.snapshot()

    listed, strange = ask(house, EMAILS["ceo"]), ask(house, "mallory@evil.example")

    assert looked == [EMAILS["ceo"], "mallory@evil.example"]
    assert house.snapshot() == before  # before the answer nothing is looked up or written, for either
    assert listed.text == strange.text
    assert everyone()


def test_an_errand_that_fails_holds_up_no_other(house: PagesHouse) -> None:
    done: list[str] = []
    house.house.errands.put("first", lambda: 1 / 0)
    house.house.errands.put("second", lambda: done.append("second"))

    house.house.errands.finish()

    assert done == ["second"]


def test_the_link_leads_on_to_the_page_that_was_asked_for_and_never_away(house: PagesHouse) -> None:
    browser = house.browser()
    for onward, lands in (("/incidents/i1", "/incidents/i1"), ("//evil.example", "/"), ("https://evil.example", "/")):
        token = house.token(Purpose.SIGN_IN, "ceo", onward)
        answer = browser.press(browser.get(f"/a/{token}"), "sign-in")
        assert answer.headers["Location"] == lands


def test_a_sign_in_link_works_once_and_for_fifteen_minutes(house: PagesHouse) -> None:
    token = house.token(Purpose.SIGN_IN, "ceo", "/")
    browser = house.browser()
    page = browser.get(f"/a/{token}")

    assert browser.press(page, "sign-in").status_code == 303
    assert browser.press(page, "sign-in").status_code == 410
    late = house.token(Purpose.SIGN_IN, "ceo", "/")
    house.later(minutes=16)
    assert house.browser().get(f"/a/{late}").status_code == 410


def test_signing_out_ends_the_session_on_the_server(house: PagesHouse) -> None:
    browser = house.signed_in("ceo")
    cookie = browser.client.get_cookie("__Host-earshot-session", domain="earshot.tessellateuk.example")
    assert cookie

    browser.post("/sign-out", {"token": browser.token()})
    thief = house.browser()
    thief.client.set_cookie("__Host-earshot-session", cookie.value, domain="earshot.tessellateuk.example", secure=True)

    assert thief.get("/").status_code == 303


def test_a_session_ends_twelve_hours_after_the_last_change(house: PagesHouse) -> None:
    house.incident()
    browser = house.signed_in("ceo")
    house.later(hours=11)
    browser.post("/incidents/i1/note", {"token": browser.token(), "words": "Still here"})
    house.later(hours=11)
    assert browser.get("/").status_code == 200
    house.later(hours=2)
    assert browser.get("/").status_code == 303


def test_the_cookie_is_not_what_the_database_keeps(house: PagesHouse) -> None:
    browser = house.signed_in("ceo")
    cookie = browser.client.get_cookie("__Host-earshot-session", domain="earshot.tessellateuk.example")
    assert cookie

    assert house.row(SessionRow, cookie.value) is None


# ── words that were sent after the session's end ────────────────────────────────────────────────────


def path_of(house: PagesHouse, alert: AlertRow) -> str:
    """The link in a mail that was owed."""
    with house.app.database.read() as session:
        text = house.app.letter(session, session.get_one(AlertRow, alert.id), house.now).text
    return urlsplit(next(word for word in text.split() if "/a/" in word)).path


def ended(house: PagesHouse, role: str = "chair") -> tuple[Browser, str]:
    """Somebody whose session has ended while a page stood open, and that page's token."""
    house.incident()
    browser = house.signed_in(role)
    token = browser.token()
    house.later(hours=12, seconds=1)
    return browser, token


def press_and_open_mail(house: PagesHouse, browser: Browser, page: Any) -> Any:
    """Press "Mail me the sign-in link" and open the link that comes."""
    browser.post("/sign-in", dict(re.findall(r'<input type="hidden" name="([^"]+)" value="([^"]*)"', page.text)))
    house.house.errands.finish()
    return browser.get(path_of(house, house.alerts("sign_in")[-1]))


def test_words_sent_after_the_sessions_end_are_kept_and_sent_on_after_signing_in(house: PagesHouse) -> None:
    browser, token = ended(house)

    page = browser.post("/incidents/i1/note", {"token": token, "words": "We rang the family; they are well."})
    assert page.status_code == 401
    assert "What you wrote is kept" in page.text
    assert not any("family" in line for line in house.log())
    entry = press_and_open_mail(house, browser, page)
    assert "What you wrote before your session ended is kept" in entry.text
    answer = browser.press(entry, "sign-in")

    assert (answer.status_code, answer.headers["Location"]) == (303, "/incidents/i1")
    assert [line for line in house.log() if "family" in line] == ["We rang the family; they are well."]
    assert browser.get("/incidents/i1").status_code == 200


def test_they_are_sent_on_once_and_only_where_that_is_wished_for(house: PagesHouse) -> None:
    browser, token = ended(house)
    page = browser.post("/incidents/i1/note", {"token": token, "words": "Never mind this"})
    entry = press_and_open_mail(house, browser, page)
    form = form_with(entry.text, "sign-in")
    form.fields.pop("send")
    browser.post(form.action, {**form.fields, "do": "sign-in"})
    later = house.browser()

    house.later(hours=13)
    again = later.get(f"/a/{house.token(Purpose.SIGN_IN, 'chair', '/')}")

    assert "is kept" not in again.text
    assert not any("Never mind" in line for line in house.log())


def test_they_are_sent_on_from_another_device_of_the_same_person_but_to_nobody_else(house: PagesHouse) -> None:
    browser, token = ended(house)
    browser.post("/incidents/i1/note", {"token": token, "words": "From my telephone"})
    other, desk = house.browser(), house.browser()

    assert "is kept" not in other.get(f"/a/{house.token(Purpose.SIGN_IN, 'ceo', '/')}").text
    desk.press(desk.get(f"/a/{house.token(Purpose.SIGN_IN, 'chair', '/')}"), "sign-in")

    assert [entry for entry in house.log() if "telephone" in entry] == ["From my telephone"]


def test_what_can_no_longer_be_done_is_shown_to_be_copied(house: PagesHouse) -> None:
    browser, token = ended(house)
    page = browser.post("/incidents/forgotten/note", {"token": token, "words": "For the Chair"})
    assert page.status_code == 401

    answer = browser.press(press_and_open_mail(house, browser, page), "sign-in")

    assert answer.status_code == 409
    assert "For the Chair" in answer.text
    assert browser.get("/").status_code == 200


@pytest.mark.parametrize("why", ["a foreign form", "signed out everywhere", "left the settings"])
def test_nothing_is_kept_of_what_is_not_their_own(house: PagesHouse, why: str) -> None:
    browser, token = ended(house)
    if why == "signed out everywhere":
        doors.sign_out_everywhere(house.app, "chair")
    if why == "left the settings":
        now = house.app.settings.people
        house.app.take_people(replace(now, chair=None))
    given = "x" * 40 if why == "a foreign form" else token

    page = browser.post("/incidents/i1/note", {"token": given, "words": "Words of mine"})

    assert page.status_code == 401
    assert "Words of mine" in page.text  # to be copied
    with house.app.database.read() as session:
        assert session.query(KeptFormRow).count() == 0


def test_at_most_five_forms_of_a_person_are_kept_and_none_for_longer_than_a_day(house: PagesHouse) -> None:
    browser, token = ended(house)
    for n in range(8):
        house.incident(f"j{n}")
        house.later(seconds=1)
        browser.post(f"/incidents/j{n}/note", {"token": token, "words": f"Note {n}"})
    with house.app.database.read() as session:
        assert session.query(KeptFormRow).count() == 5

    house.later(hours=25)
    forgetting.forget(house.app, house.now)

    with house.app.database.read() as session:
        assert session.query(KeptFormRow).count() == 0


def test_kept_words_do_not_stand_readable_in_the_database(house: PagesHouse) -> None:
    browser, token = ended(house)
    browser.post("/incidents/i1/note", {"token": token, "words": "A name nobody should read"})

    assert "nobody should read" not in str(house.snapshot())


def test_signing_out_is_not_sent_on(house: PagesHouse) -> None:
    browser, token = ended(house)

    browser.post("/sign-out", {"token": token})

    with house.app.database.read() as session:
        assert session.query(KeptFormRow).count() == 0


def test_a_page_that_stood_open_while_one_signed_in_anew_still_sends(house: PagesHouse) -> None:
    browser, token = ended(house)
    browser.sign_in("chair")

    answer = browser.post("/incidents/i1/note", {"token": token, "words": "Written before"})

    assert answer.status_code == 303
    assert "Written before" in house.log()


def test_a_form_of_somebody_elses_session_does_not_send(house: PagesHouse) -> None:
    house.incident()
    token = house.signed_in("ceo").token()

    answer = house.signed_in("chair").post("/incidents/i1/note", {"token": token, "words": "Not mine"})

    assert answer.status_code == 403


# ── coming by a mailed link ─────────────────────────────────────────────────────────────────────────


@pytest.mark.parametrize(
    ("purpose", "subject", "onward"),
    [
        (Purpose.SEE, "i1", "/incidents/i1"),
        (Purpose.ACKNOWLEDGE, "i1", "/incidents/i1"),
        (Purpose.CALM, "i1", "/incidents/i1"),
        (Purpose.TAKEOVER, "i1", "/incidents/i1"),
        (Purpose.UNDO, "", "/takeover"),
        (Purpose.END, "", "/takeover"),
        (Purpose.CONFIRM, "", "/takeover"),
        (Purpose.ALLOW, "1", "/takeover"),
        (Purpose.SIGN_IN, "/audit", "/audit"),
    ],
)
@pytest.mark.parametrize("is_old", [False, True])
def test_whoever_comes_by_a_mailed_link_gets_the_sign_in_link_by_one_button(
    house: PagesHouse, purpose: Purpose, subject: str, onward: str, is_old: bool
) -> None:
    house.incident()
    house.mention(kind="own_post")
    browser, token = house.browser(), house.token(purpose, "ceo", subject)
    if is_old or purpose is Purpose.SIGN_IN:
        house.later(days=15)

    sent = browser.press(browser.get(f"/a/{token}"), "sign-in-mail")

    assert sent.status_code == 200
    assert [(a.address, a.facts["subject"]) for a in house.alerts("sign_in")] == [(EMAILS["ceo"], onward)]


def test_the_button_stands_also_on_the_page_after_a_press_and_not_for_who_has_signed_in(house: PagesHouse) -> None:
    house.incident()
    browser, path = house.browser(), f"/a/{house.token(Purpose.ACKNOWLEDGE)}"

    done = browser.press(browser.get(path), "acknowledge")

    assert "Mail me the sign-in link" in done.text
    assert "Mail me the sign-in link" not in house.signed_in("ceo").get(path).text
    assert "Mail me the sign-in link" not in house.browser().get(house.tip_path()).text


def test_the_button_is_no_way_to_fill_a_mailbox(house: PagesHouse) -> None:
    house.incident()
    browser = house.browser()
    page = browser.get(f"/a/{house.token(Purpose.SEE)}")

    answers = []
    for _ in range(30):
        house.later(seconds=1)
        answers.append(browser.press(page, "sign-in-mail").text)

    assert len(house.alerts("sign_in")) == 10
    assert "was mailed to you a moment ago" in answers[-1]
