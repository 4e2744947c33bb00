"""A person asks: find, export and erase, by whoever is signed in and whatever it touches."""

from __future__ import annotations

import json
from typing import Any

import pytest
from house_pages import Browser, PagesHouse

from monitor import actions
from monitor.actions import Actor
from monitor.store.tables import AlertRow, ErasureRow, IncidentRow, MentionRow

WHO = "@sam_example"


def do(browser: Browser, path: str, **fields: Any) -> Any:
    return browser.post(path, {"token": browser.token(), **fields})


def erase(browser: Browser) -> Any:
    do(browser, "/privacy/find", who=WHO)
    return do(browser, "/privacy/erase", who=WHO, sure="erase")


def an_incident_with_words(house: PagesHouse, **changes: Any) -> None:
    house.incident("i1", **changes)
    house.mention(
        1, "A grave thing", incident_id="i1", author_handle="sam_example", categories=[changes.get("category", "press")]
    )
    note = "We rang @sam_example"
    house.house.change(lambda s: actions.add_note(s, "i1", Actor("operator", "Kit"), note, house.now))


def mailed(house: PagesHouse) -> dict[str, dict[str, Any]]:
    return {row.role: row.facts for row in house.alerts("erased")}


def test_nothing_is_erased_before_the_list_was_shown(house: PagesHouse) -> None:
    house.mention(1, "My own words", author_handle="sam_example")
    browser = house.signed_in("operator")

    first = do(browser, "/privacy/erase", who=WHO, sure="erase")

    assert first.status_code == 409
    assert "1 posts of theirs" in first.text
    assert "Nothing was erased yet" in first.text
    assert house.row(MentionRow, 1) is not None
    assert do(browser, "/privacy/erase", who=WHO, sure="erase").status_code == 200
    assert house.row(MentionRow, 1) is None


def test_a_list_that_has_grown_since_is_shown_again(house: PagesHouse) -> None:
    house.mention(1, "My own words", author_handle="sam_example")
    browser = house.signed_in("operator")
    do(browser, "/privacy/find", who=WHO)
    house.mention(2, "More of my words", author_handle="sam_example")

    assert do(browser, "/privacy/erase", who=WHO, sure="erase").status_code == 409
    assert house.row(MentionRow, 1) is not None


def test_the_list_of_one_person_does_not_erase_another(house: PagesHouse) -> None:
    browser = house.signed_in("operator")
    do(browser, "/privacy/find", who="@somebody_else")

    assert do(browser, "/privacy/erase", who=WHO, sure="erase").status_code == 409


@pytest.mark.parametrize("changes", [{"spoken_of": ["ceo"]}, {"perhaps_of": ["ceo"], "state": "closed"}])
def test_the_ceo_finds_exports_and_erases_nothing_of_what_speaks_of_her_and_the_chair_is_told(
    house: PagesHouse, changes: dict[str, Any]
) -> None:
    an_incident_with_words(house, **changes)
    house.mention(2, "A plain post of theirs", author_handle="sam_example")
    ceo = house.signed_in("ceo")

    found = do(ceo, "/privacy/find", who=WHO).text
    exported = do(ceo, "/privacy/export", who=WHO, form="json").text
    said = erase(ceo)

    assert "1 posts of theirs" in found
    assert "i1" not in found
    assert "grave" not in exported
    assert "We rang" not in exported
    assert "Erased: 1 posts" in said.text
    assert "Left" not in said.text
    assert house.row(MentionRow, 1).text == "A grave thing"
    assert house.row(MentionRow, 2) is None
    assert "We rang @sam_example" in house.log()
    facts = mailed(house)["chair"]
    assert (facts["posts"], facts["left_posts"], facts["left_notes"], facts["left_of"]) == (1, 1, 1, ["i1"])
    assert "sam_example" not in json.dumps(facts)


@pytest.mark.parametrize("role", ["ceo", "operator"])
def test_an_open_safeguarding_matter_is_left_to_the_chair(house: PagesHouse, role: str) -> None:
    an_incident_with_words(house, category="safeguarding")

    said = erase(house.signed_in(role)).text

    assert "Left: 1 post and 1 note" in said
    assert "only the Chair" in said
    assert house.row(MentionRow, 1).text == "A grave thing"
    assert "We rang @sam_example" in house.log()

    assert "Left" not in erase(house.signed_in("chair")).text
    assert house.row(MentionRow, 1) is None
    assert "We rang @[erased]" in house.log()


def test_a_safeguarding_matter_that_is_over_is_erased_by_whoever_keeps_the_data(house: PagesHouse) -> None:
    an_incident_with_words(house, category="safeguarding", state="closed")

    erase(house.signed_in("operator"))

    assert house.row(MentionRow, 1) is None


def test_what_speaks_of_the_chair_is_left_by_her_and_erased_by_the_ceo(house: PagesHouse) -> None:
    an_incident_with_words(house, spoken_of=["chair"])

    assert "Left" not in erase(house.signed_in("chair")).text
    assert house.row(MentionRow, 1) is not None
    told = mailed(house)
    assert told["ceo"]["left_of"] == ["i1"]
    assert told["chair"]["left_of"] == []

    erase(house.signed_in("ceo"))

    assert house.row(MentionRow, 1) is None


def test_an_accuser_is_still_heard_as_long_as_something_of_theirs_is_left(house: PagesHouse) -> None:
    an_incident_with_words(house, spoken_of=["ceo"])
    house.mention(2, "A plain post of theirs", author_handle="sam_example", external_id="plain")

    erase(house.signed_in("ceo"))

    gone = house.app.keys.digest("erased", "facebook", "plain")
    person = house.app.keys.digest("erased", "facebook", "sam_example")
    assert house.row(ErasureRow, gone) is not None
    assert house.row(ErasureRow, person) is None
    erase(house.signed_in("chair"))
    assert house.row(ErasureRow, person) is not None


def test_the_operator_exports_without_words_that_are_not_for_the_operator(house: PagesHouse) -> None:
    an_incident_with_words(house, category="self_harm")
    house.mention(2, "A plain post of theirs", author_handle="sam_example")

    found = do(house.signed_in("operator"), "/privacy/find", who=WHO).text
    hers = do(house.signed_in("operator"), "/privacy/export", who=WHO, form="json").json
    chairs = do(house.signed_in("chair"), "/privacy/export", who=WHO, form="json").json

    assert "social.example/p1" not in found
    assert [post["text"] for post in hers["posts"]] == ["A plain post of theirs"]
    assert hers["left_out_for_the_ceo_and_the_chair"] == 2
    assert "We rang" not in json.dumps(hers)
    assert {post["text"] for post in chairs["posts"]} == {"A grave thing", "A plain post of theirs"}
    assert "left_out_for_the_ceo_and_the_chair" not in chairs


def test_an_erasure_is_mailed_to_the_chair_also_when_nothing_is_left(house: PagesHouse) -> None:
    house.mention(1, "My own words", author_handle="sam_example")

    erase(house.signed_in("operator"))

    assert mailed(house)["chair"]["posts"] == 1
    with house.app.database.read() as session:
        row = session.query(AlertRow).filter_by(template="erased").one()
        letter = house.app.letter(session, row, house.now)
    assert "sam_example" not in letter.text + letter.html
    assert "1 post and 0 notes" in letter.text


def test_the_word_of_a_tip_is_erased_with_the_person_whom_it_names(house: PagesHouse) -> None:
    house.incident("i1", source="tip", category=None, summary="sam_example was rude", tip_link="https://x.example/1")

    erase(house.signed_in("operator"))

    assert house.row(IncidentRow, "i1").summary == "[erased] was rude"
