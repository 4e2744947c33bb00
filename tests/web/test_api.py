"""The JSON interface for tools."""

from __future__ import annotations

import re
from datetime import timedelta
from typing import Any

import pytest
from house_pages import PagesHouse

from monitor import doors, takeovers
from monitor.actions import Actor
from monitor.store.tables import IncidentRow, LogRow, ToolTokenRow
from monitor.web.openapi import DESCRIPTION


class Tool:
    def __init__(self, house: PagesHouse, *scopes: str) -> None:
        with house.app.database.write() as session:
            self.token = doors.make_tool_token(
                session, house.app, "Website", scopes or tuple(doors.SCOPES), Actor("operator", "Kit"), house.now
            )
        self.client, self.base = house.flask.test_client(), house.app.settings.public_url

    def get(self, path: str) -> Any:
        return self.client.get(path, base_url=self.base, headers={"Authorization": f"Bearer {self.token}"})

    def post(self, path: str, body: Any) -> Any:
        return self.client.post(path, base_url=self.base, json=body, headers={"Authorization": f"Bearer {self.token}"})


def test_every_path_of_the_description_exists_and_no_other(house: PagesHouse) -> None:
    served = {
        (rule.rule.replace("<", "{").replace(">", "}"), method.lower())
        for rule in house.flask.url_map.iter_rules()
        if rule.rule.startswith("/api/") and rule.rule != "/api/openapi.json"
        for method in (rule.methods or set()) - {"HEAD", "OPTIONS"}
    }
    described = {(path, method) for path, methods in DESCRIPTION["paths"].items() for method in methods}

    assert served == described


def test_nothing_but_the_open_answers_comes_without_a_token(house: PagesHouse) -> None:
    browser = house.signed_in("ceo")  # a session is no token
    for path, methods in DESCRIPTION["paths"].items():
        url = path.replace("{incident_id}", "i1")
        for method in methods:
            answer = getattr(browser, method)(url)
            assert answer.status_code == (200 if path == "/api/publishing" else 401), path


def test_a_token_does_only_what_its_scopes_allow(house: PagesHouse) -> None:
    house.incident()
    tool = Tool(house, "incidents:read")

    assert tool.get("/api/incidents").status_code == 200
    assert tool.get("/api/mentions").status_code == 403
    assert tool.post("/api/incidents/i1/acknowledge", {"who": "Ade"}).status_code == 403
    assert house.row(IncidentRow, "i1").state == "open"


def test_a_token_is_revoked_at_once(house: PagesHouse) -> None:
    tool = Tool(house)
    browser = house.signed_in("operator")
    with house.app.database.read() as session:
        number = session.query(ToolTokenRow).one().id

    browser.post("/access/tools/end", {"token": browser.token(), "tool": number})

    assert tool.get("/api/incidents").status_code == 401


def test_incidents_that_name_the_ceo_are_not_for_tools(house: PagesHouse) -> None:
    house.incident("i1", spoken_of=["ceo"])
    house.incident("i2")
    house.mention(1, incident_id="i1")
    tool = Tool(house)

    assert [i["id"] for i in tool.get("/api/incidents").json["incidents"]] == ["i2"]
    assert tool.get("/api/incidents/i1").status_code == 404
    assert tool.get("/api/mentions").json["mentions"] == []


def test_words_are_given_only_as_the_terms_allow(house: PagesHouse) -> None:
    house.mention(1, "On Facebook")
    house.mention(2, "On LinkedIn", platform="linkedin")
    house.mention(3, "A child", categories=["safeguarding"])
    house.mention(4, "On YouTube", platform="youtube", sentiment=0.4)

    found = {m["id"]: m for m in Tool(house).get("/api/mentions").json["mentions"]}

    assert {n: m["text"] for n, m in found.items()} == {1: "On Facebook", 2: None, 3: None, 4: "On YouTube"}
    assert found[4]["sentiment"] is None


def test_a_tool_tells_the_ceo(house: PagesHouse) -> None:
    answer = Tool(house).post("/api/tips", {"words": "The website was changed"})

    assert answer.status_code == 201
    assert house.alerts("tip")[0].incident_id == answer.json["incident"]


@pytest.mark.parametrize("body", [[], "text", {"words": 5}, {"words": "x", "more": 1}, {}, {"words": "x" * 4001}])
def test_a_tip_that_cannot_be_read_is_refused_in_words(house: PagesHouse, body: Any) -> None:
    answer = Tool(house).post("/api/tips", body)

    assert answer.status_code == 400
    assert set(answer.json) == {"error", "what"}


@pytest.mark.parametrize(
    "query", ["limit=0", "limit=abc", "limit=99999999999999999999", "before=never", "before=2026-11-24", "state=asleep"]
)
def test_a_question_that_cannot_be_read_is_refused(house: PagesHouse, query: str) -> None:
    assert Tool(house).get(f"/api/incidents?{query}").status_code == 400


def test_tools_see_reasons_and_people_only_with_the_scope(house: PagesHouse) -> None:
    with house.app.database.write() as session:
        takeovers.begin(session, house.app.desk, by="Rowan", reason="A story", now=house.now)

    assert Tool(house).get("/api/takeover").json["reason"] == "A story"
    assert Tool(house, "coverage:read").get("/api/takeover").status_code == 403
    assert "reason" not in Tool(house).get("/api/publishing").json


def test_a_tool_gets_no_number_that_adds_up_what_is_counted_apart(house: PagesHouse) -> None:
    house.incident("i1", platforms=["facebook", "youtube"], mentions=9)
    house.incident("i2", platforms=["facebook", "x"], mentions=7)
    tool = Tool(house, "incidents:read")

    assert tool.get("/api/incidents/i1").json["mentions"] is None
    assert tool.get("/api/incidents/i1").json["accounts"] is None
    assert tool.get("/api/incidents/i2").json["mentions"] == 7


def test_no_page_loses_what_happened_within_one_second(house: PagesHouse) -> None:
    for number in range(7):
        house.incident(f"i{number}", opened_at=house.now + timedelta(milliseconds=100 * number))
        house.mention(number + 1, posted_at=house.now)
    house.incident("old", opened_at=house.now - timedelta(hours=1))
    tool = Tool(house, "incidents:read", "mentions:read")

    first = tool.get("/api/incidents?limit=3").json["incidents"]
    before = first[-1]["opened_at"].replace("+", "%2B")
    second = tool.get(f"/api/incidents?limit=3&before={before}").json["incidents"]

    assert [i["id"] for i in first + second] == ["i6", "i5", "i4", "i3", "i2", "i1", "i0", "old"]
    assert len(tool.get("/api/mentions?limit=2").json["mentions"]) == 7


@pytest.mark.parametrize("deep", [1_000, 5_000, 10_000])
@pytest.mark.parametrize("opening", ["[", '{"text":', '{"words":[', '[{"a":'])
def test_json_nested_ten_thousand_deep_is_refused_and_breaks_nothing(
    house: PagesHouse, opening: str, deep: int
) -> None:
    house.incident()
    token = Tool(house).token
    body = opening * deep

    for path in ("/api/tips", "/api/incidents/i1/notes", "/api/incidents/i1/acknowledge"):
        answer = house.flask.test_client().post(
            path, base_url=house.app.settings.public_url, data=body, content_type="application/json",
            headers={"Authorization": f"Bearer {token}"},
        )  # fmt: skip
        assert answer.status_code in {400, 413}, path


def test_a_tool_that_tells_of_the_ceo_has_the_chair_told_instead(house: PagesHouse) -> None:
    answer = Tool(house).post("/api/tips", {"words": "It goes on every day", "about_ceo": True})

    assert answer.status_code == 201
    assert [alert.role for alert in house.alerts("tip")] == ["chair"]
    assert house.row(IncidentRow, answer.json["incident"]).spoken_of == ["ceo"]
    assert house.signed_in("ceo").get(f"/incidents/{answer.json['incident']}").status_code == 404


@pytest.mark.parametrize("value", ["yes", 1, None, []])
def test_whether_it_is_about_the_ceo_is_said_with_true_or_false(house: PagesHouse, value: Any) -> None:
    answer = Tool(house).post("/api/tips", {"words": "It goes on", "about_ceo": value})

    assert answer.status_code == 400
    assert "true or false" in answer.json["what"]


def test_what_the_form_of_a_tip_asks_a_tool_can_say_too(house: PagesHouse) -> None:
    form = house.signed_in("ceo").get("/tell").text
    asked = set(re.findall(r'<(?:input|textarea)[^>]*name="(\w+)"', form)) - {"token", "page", "name"}
    body = DESCRIPTION["paths"]["/api/tips"]["post"]["requestBody"]["content"]["application/json"]["schema"]

    assert asked <= set(body["properties"])


def test_the_name_that_a_tool_gives_is_never_the_actor(house: PagesHouse) -> None:
    house.incident()

    Tool(house).post("/api/incidents/i1/notes", {"who": "Rowan Ashdown (CEO)", "words": "seen"})
    Tool(house).post("/api/incidents/i1/acknowledge", {"who": "Rowan Ashdown (CEO)"})

    said = "The program Website, which gave the name Rowan Ashdown (CEO)"
    with house.app.database.read() as session:
        assert {row.who for row in session.query(LogRow)} == {said}
    assert house.row(IncidentRow, "i1").acknowledged_by == said
