"""Coming in and going out."""

from __future__ import annotations

import re

from house_pages import EMAILS, PagesHouse

from monitor.links import Purpose
from monitor.store.tables import SessionRow


def ask(house: PagesHouse, email: str, onward: str = "/") -> object:
    browser = house.browser()
    page = browser.get("/sign-in").text
    token = re.search(r'name="token" value="([^"]+)"', page)
    assert token
    return browser.post("/sign-in", {"token": token[1], "email": email, "next": onward})


def test_a_listed_address_is_mailed_a_link_and_a_strange_one_gets_the_same_answer(house: PagesHouse) -> None:
    listed, strange = ask(house, EMAILS["chair"].upper()), ask(house, "mallory@evil.example")

    assert listed.text == strange.text  # type: ignore[attr-defined]
    assert [(a.role, a.address) for a in house.alerts("sign_in")] == [("chair", EMAILS["chair"])]


def test_one_address_is_mailed_at_most_ten_links_an_hour(house: PagesHouse) -> None:
    for n in range(15):
        house.later(seconds=n)
        ask(house, EMAILS["ceo"])

    assert len(house.alerts("sign_in")) == 10


def test_one_computer_may_ask_twenty_times_an_hour(house: PagesHouse) -> None:
    answers = [ask(house, f"a{n}@evil.example").status_code for n in range(22)]  # type: ignore[attr-defined]

    assert answers == [200] * 20 + [429] * 2


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
