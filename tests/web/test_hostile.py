"""Input of hostile form: every route answers something other than 500, on both databases."""

from __future__ import annotations

import pytest
from house_pages import PagesHouse

HOSTILE = ("", "0", "-1", "²", "9" * 30, "\x00", "a\x00b", "' OR 1=1 --", "<b>", "%s%n", "\ud7ff", "‮abc", "x" * 3000)
FIELDS = (
    "line", "statement", "mention", "channel", "to", "incident", "person", "role", "tool", "who", "email", "next",
    "words", "reason", "text", "link", "q", "platform", "level", "before", "scope", "name", "url", "owner", "do",
    "kind", "sure", "page", "answer-police", "on_hold", "allowed",
)  # fmt: skip


@pytest.mark.parametrize("nasty", HOSTILE, ids=range(len(HOSTILE)))
def test_no_field_of_any_form_breaks_a_page(house: PagesHouse, nasty: str) -> None:
    house.incident()
    house.mention(incident_id="i1")
    browser = house.signed_in("chair")
    token = browser.token()
    for rule in house.flask.url_map.iter_rules():
        if "POST" not in (rule.methods or ()) or rule.rule in {"/sign-out", "/privacy/erase", "/access/sign-out"}:
            continue
        path = rule.rule.replace("<incident_id>", "i1").replace("<int(max=999999999):number>", "1")
        if "<" not in path:
            answer = browser.post(path, {**dict.fromkeys(FIELDS, nasty), "token": token})
            assert answer.status_code < 500, (path, answer.status_code)


@pytest.mark.parametrize("nasty", HOSTILE, ids=range(len(HOSTILE)))
def test_no_address_and_no_query_breaks_a_page(house: PagesHouse, nasty: str) -> None:
    browser = house.signed_in("chair")
    for rule in house.flask.url_map.iter_rules():
        if "GET" not in (rule.methods or ()):
            continue
        path = rule.rule
        for name in ("<incident_id>", "<token>", "<week>", "<document>", "<path:name>"):
            path = path.replace(name, nasty.replace("/", "") or "x")
        answer = browser.get(
            path, query_string=dict.fromkeys([*FIELDS, "check", "head", "category", "language"], nasty)
        )
        assert answer.status_code < 500 or rule.rule == "/health", (rule.rule, answer.status_code)
