"""The console: what people do on its pages, and what they must not see."""

from __future__ import annotations

import re
from dataclasses import replace
from datetime import timedelta
from typing import Any

import pytest
from house_pages import Browser, PagesHouse

from alerts.takeover import State
from connectors.model import Kind
from monitor import audit, drill, learning, takeovers
from monitor.app import rules_folder
from monitor.links import Purpose
from monitor.registers import BODIES
from monitor.scoring.rules import load_rules
from monitor.store.tables import (
    AccountRow,
    AlertRow,
    AuditRow,
    CardTickRow,
    DigestRow,
    FeedbackRow,
    IncidentRow,
    MentionRow,
    PreflightRow,
    RegisterRow,
    StatementRow,
    TallyRow,
)
from monitor.web.mentions import defused


def do(browser: Browser, path: str, **fields: Any) -> Any:
    return browser.post(path, {"token": browser.token(), **fields})


def all_of(house: PagesHouse, kind: type[Any]) -> list[Any]:
    with house.app.database.read() as session:
        return list(session.query(kind))


# ── now ─────────────────────────────────────────────────────────────────────────────────────────────


def test_all_quiet_is_never_said_without_what_is_heard(house: PagesHouse) -> None:
    browser = house.signed_in("ceo")

    assert "Nothing is heard" in browser.get("/").text
    assert "ALL QUIET" not in browser.get("/").text
    house.platform("facebook")
    assert "ALL QUIET" in browser.get("/").text
    house.platform("x", failing_since=house.now, error="The token was refused.", failures=3)
    assert "ALL QUIET" not in browser.get("/").text


def test_what_has_reached_nobody_stands_red_on_every_page_but_not_for_whom_it_is_hidden_from(house: PagesHouse) -> None:
    house.incident("i1", severity=3, spoken_of=["ceo"], opened_at=house.now - timedelta(hours=1))
    words = "Something that somebody must know has reached nobody"

    pages = {role: house.signed_in(role).get("/incidents").text for role in ("ceo", "chair", "operator", "staff")}
    assert {role: words in page for role, page in pages.items()} == {
        "ceo": False, "chair": True, "operator": True, "staff": False,
    }  # fmt: skip

    with house.app.database.write() as session:
        session.get_one(IncidentRow, "i1").reached_at = house.now
    assert words not in house.signed_in("chair").get("/incidents").text


def test_the_gravest_incident_stands_first(house: PagesHouse) -> None:
    house.incident("i1", severity=2, category="complaint")
    house.incident("i2", severity=3)
    house.incident("i3", severity=3, state="closed")

    text = house.signed_in("ceo").get("/").text

    assert "2 OPEN" in text
    assert text.index("/incidents/i2") < text.index("/incidents/i1")
    assert "/incidents/i3" not in text


def test_the_week_is_counted_by_platform_with_its_table(house: PagesHouse) -> None:
    house.platform("facebook", first_poll_at=house.now - timedelta(days=3))
    house.add(TallyRow(platform="facebook", hour=house.now.replace(minute=0), severity=0, category="*", count=7))

    text = house.signed_in("staff").get("/").text

    assert "7 posts, most at Tue (7)" in text
    assert "not heard" in text


def test_an_incident_that_names_the_ceo_is_not_on_her_page(house: PagesHouse) -> None:
    house.incident("i1", spoken_of=["ceo"])
    house.mention(incident_id="i1", text="Rowan did something wrong")

    for role in ("ceo", "staff", "poster"):
        browser = house.signed_in(role)
        assert "/incidents/i1" not in browser.get("/").text
        assert browser.get("/incidents/i1").status_code == 404
        assert "did something wrong" not in browser.get("/mentions").text
        assert "did something wrong" not in browser.get("/mentions?q=wrong").text
        assert "social.example/p1" not in browser.get("/mentions").text
    assert "did something wrong" in house.signed_in("chair").get("/mentions").text
    table = do(house.signed_in("ceo"), "/mentions/export").text
    assert "social.example/p1" not in table


def test_the_log_of_an_incident_that_names_the_ceo_is_not_in_her_audit(house: PagesHouse) -> None:
    house.incident("i1", spoken_of=["ceo"])
    do(house.signed_in("chair"), "/incidents/i1/note", words="We ask a lawyer about Rowan")

    assert "ask a lawyer" in house.signed_in("chair").get("/audit").text
    hers = house.signed_in("ceo").get("/audit").text
    assert "ask a lawyer" not in hers
    assert "i1" not in hers
    assert "incident log" not in hers


def test_what_is_hidden_from_the_ceo_cuts_off_nothing_else(house: PagesHouse) -> None:
    for number in range(40):
        house.incident(f"n{number:02}", spoken_of=["ceo"], severity=2)
    for number in range(60):
        house.incident(f"o{number:02}", severity=2, category="complaint", opened_at=house.now - timedelta(hours=1))
    browser = house.signed_in("ceo")

    assert "60 OPEN" in browser.get("/").text
    assert "30 more are open" in browser.get("/").text
    first = browser.get("/incidents").text
    older = browser.get(re.search(r'href="(/incidents\?before=[^"]+)"', first)[1]).text  # type: ignore[index]
    found = set(re.findall(r"/incidents/(o\d\d)", first)) | set(re.findall(r"/incidents/(o\d\d)", older))
    assert len(found) == 60
    assert not set(re.findall(r"/incidents/(o\d\d)", first)) & set(re.findall(r"/incidents/(o\d\d)", older))


def test_a_link_that_names_the_writer_is_not_shown_where_the_writer_is_not(house: PagesHouse) -> None:
    house.mention(
        platform="x", external_id="17", url="https://x.com/sam_example/status/17", author_handle="sam_example",
        author_name=None, categories=["safeguarding"],
    )  # fmt: skip

    assert "x.com" not in house.signed_in("staff").get("/mentions").text
    assert "x.com/sam_example" in house.signed_in("ceo").get("/mentions").text


def test_posts_of_platforms_that_are_counted_apart_are_added_up_nowhere(house: PagesHouse) -> None:
    house.platform("facebook", first_poll_at=house.now)
    house.incident("i1", platforms=["facebook", "x", "youtube"], mentions=9, category="complaint")
    ways = ["facebook"] * 3 + ["x"] * 2 + ["youtube"] * 4
    for number, platform in enumerate(ways, 1):
        house.mention(number, f"Told {number} times", platform=platform, incident_id="i1", severity=2)
    browser = house.signed_in("ceo")

    for path in ("/", "/incidents", "/incidents/i1", "/incidents/i1/report", "/digests/next"):
        text = browser.get(path).text
        assert re.findall(r"(?<![\w.:-])9(?:</td>| posts?| mentions?| in the)", text) == [], path
    text = browser.get("/incidents/i1").text
    assert "5 in the last hour on Facebook and X, 0 in the hour before; 4 in the last hour on YouTube" in text
    assert "Posts by the hour on Facebook and X" in text
    assert "3 on Facebook, 2 on X, 4 on YouTube" in browser.get("/incidents/i1/report").text


# ── incident ────────────────────────────────────────────────────────────────────────────────────────


def test_a_grave_incident_is_not_closed_before_the_registers_are_answered(house: PagesHouse) -> None:
    house.incident(category="safeguarding")
    browser = house.signed_in("ceo")

    refused = do(browser, "/incidents/i1/close", reason="Dealt with")
    assert refused.status_code == 409
    assert "the police" in refused.text
    answers = {f"answer-{body}": "told" for body in BODIES} | {"answer-funders": "not"}
    assert do(browser, "/incidents/i1/register", **answers).status_code == 409  # not told, and no reason
    do(browser, "/incidents/i1/register", **answers, **{"reason-funders": "It does not concern their money"})
    do(browser, "/incidents/i1/close", reason="Dealt with")

    assert house.row(IncidentRow, "i1").state == "closed"
    assert len(all_of(house, RegisterRow)) == len(BODIES)
    assert any("does not concern their money" in line for line in house.log())


def test_the_registers_are_asked_for_again_after_a_day(house: PagesHouse) -> None:
    house.incident()
    browser = house.signed_in("chair")
    answers = {f"answer-{body}": "told" for body in BODIES}
    do(browser, "/incidents/i1/register", **answers)
    do(browser, "/incidents/i1/register", **answers)
    assert len(all_of(house, RegisterRow)) == len(BODIES)
    assert "A day has passed" not in browser.get("/incidents/i1").text
    house.later(hours=25)
    browser = house.signed_in("chair")
    assert "A day has passed" in browser.get("/incidents/i1").text

    do(browser, "/incidents/i1/register", **answers)

    assert "A day has passed" not in browser.get("/incidents/i1").text


def test_a_line_of_the_card_is_ticked_and_taken_back_and_both_stand_in_the_log(house: PagesHouse) -> None:
    house.incident()
    browser = house.signed_in("staff")

    do(browser, "/incidents/i1/tick", line="0")
    assert len(all_of(house, CardTickRow)) == 1
    do(browser, "/incidents/i1/tick", line="0")

    assert all_of(house, CardTickRow) == []
    assert [line.split(":")[0] for line in house.log()] == ["Done", "Not done after all"]
    assert do(browser, "/incidents/i1/tick", line="99").status_code == 409


def test_a_statement_is_approved_only_checked_and_without_blanks(house: PagesHouse) -> None:
    house.incident()
    staff, ceo = house.signed_in("staff"), house.signed_in("ceo")
    do(staff, "/incidents/i1/statement", text="We will say more by [day].")
    do(staff, "/incidents/i1/statement", text="We will say more by Friday.")
    blank, whole = (str(row.id) for row in all_of(house, StatementRow))
    checks = [str(n) for n in range(1, 6)]

    assert (
        ceo.post("/incidents/i1/approve", {"token": ceo.token(), "statement": blank, "check": checks}).status_code
        == 409
    )  # type: ignore[dict-item]
    assert do(ceo, "/incidents/i1/approve", statement=whole, check="1").status_code == 409
    ceo.post("/incidents/i1/approve", {"token": ceo.token(), "statement": whole, "check": checks})  # type: ignore[dict-item]

    assert [bool(row.approved_at) for row in all_of(house, StatementRow)] == [False, True]
    assert "approved" in house.log()[-1]


def test_staff_propose_a_takeover_and_the_ceo_is_told(house: PagesHouse) -> None:
    house.incident()

    do(house.signed_in("staff"), "/incidents/i1/propose", reason="It spreads fast")

    assert [(a.role, a.facts["reason"]) for a in house.alerts("takeover_proposed")] == [
        ("ceo", "Sol Perry (staff): It spreads fast")
    ]
    with house.app.database.read() as session:
        assert takeovers.current(session).state is State.PROPOSED


def test_a_second_proposal_after_a_takeover_is_told_again_and_the_same_one_only_once(house: PagesHouse) -> None:
    house.incident()
    staff = house.signed_in("staff")
    for _ in range(2):
        do(staff, "/incidents/i1/propose", reason="It spreads fast")
    assert len(house.alerts("takeover_proposed")) == 1
    begun(house)
    do(house.signed_in("ceo"), "/takeover/end", reason="Calm again")

    do(staff, "/incidents/i1/propose", reason="It spreads fast")

    assert len(house.alerts("takeover_proposed")) == 2


def test_fifty_proposals_of_one_person_in_an_hour_are_one_mail_and_another_persons_is_one_more(
    house: PagesHouse,
) -> None:
    house.incident()
    house.incident("i2")
    staff = house.signed_in("staff")
    for n in range(50):
        house.later(seconds=30)
        do(staff, "/incidents/i1/propose", reason=f"It spreads fast, {n}")
    assert len(house.alerts("takeover_proposed")) == 1
    assert len([line for line in house.log() if line.startswith("Proposed takeover")]) == 50

    do(house.signed_in("poster"), "/incidents/i1/propose", reason="I think so too")
    do(staff, "/incidents/i2/propose", reason="This one as well")
    assert len(house.alerts("takeover_proposed")) == 3
    house.later(hours=1)
    do(staff, "/incidents/i1/propose", reason="Still")

    assert len(house.alerts("takeover_proposed")) == 4


def test_proposals_of_one_person_over_many_incidents_are_a_handful_of_mails_and_one_that_says_so(
    house: PagesHouse,
) -> None:
    staff = house.signed_in("staff")
    for n in range(12):
        house.incident(f"p{n}")
        do(staff, f"/incidents/p{n}/propose", reason=f"It spreads fast, {n}")

    owed = house.alerts("takeover_proposed")
    assert len(owed) == 6
    assert [row.facts["goes_on"] for row in owed if row.facts["goes_on"]] == ["Sol Perry (staff)"]
    assert all(any(line.startswith("Proposed takeover") for line in house.log(f"p{n}")) for n in range(12))

    house.later(hours=1, minutes=1)
    do(staff, "/incidents/p11/propose", reason="Still")
    assert len(house.alerts("takeover_proposed")) == 7


def test_handing_it_to_the_chair_twenty_times_is_one_mail_an_hour(house: PagesHouse) -> None:
    house.incident()
    ceo = house.signed_in("ceo")
    for _ in range(20):
        house.later(seconds=30)
        do(ceo, "/incidents/i1/hand")
    assert [a.role for a in house.alerts("alert")] == ["chair"]

    house.later(hours=1)
    do(ceo, "/incidents/i1/hand")

    assert len(house.alerts("alert")) == 2


def test_a_proposal_stands_on_the_first_page_but_not_for_the_ceo_whom_it_is_about(house: PagesHouse) -> None:
    house.incident("i1")
    do(house.signed_in("staff"), "/incidents/i1/propose", reason="It spreads fast")
    assert "TAKEOVER PROPOSED" in house.signed_in("ceo").get("/").text

    with house.app.database.write() as session:
        takeovers.end(session, house.app.desk, by="Imogen Vale", reason="Not now", now=house.now)
        session.get_one(IncidentRow, "i1").spoken_of = ["ceo"]
        takeovers.propose(session, "i1", house.now, by="Kit Marlow", reason="It names her")

    for path in ("/", "/takeover"):
        assert "It names her" not in house.signed_in("ceo").get(path).text
        assert "It names her" in house.signed_in("chair").get(path).text


def test_a_proposal_is_put_aside_with_a_reason(house: PagesHouse) -> None:
    house.incident()
    do(house.signed_in("staff"), "/incidents/i1/propose", reason="It spreads fast")
    browser = house.signed_in("ceo")
    assert "put the proposal aside" in browser.get("/takeover").text

    do(browser, "/takeover/end", reason="One answer is enough")

    with house.app.database.read() as session:
        assert takeovers.current(session).state is State.NORMAL
        assert [(t.verb, t.reason) for t in takeovers.history(session, 1)] == [("withdraw", "One answer is enough")]
    assert "TAKEOVER PROPOSED" not in browser.get("/").text
    assert house.alerts("takeover_ended") == []


def test_a_refusal_says_the_way_back(house: PagesHouse) -> None:
    house.incident()
    browser = house.signed_in("ceo")

    assert 'href="/incidents/i1"' in do(browser, "/incidents/i1/close", reason="Done").text
    assert 'href="/takeover"' in do(browser, "/takeover/allow").text
    assert "Nothing was changed" in do(browser, "/takeover/allow").text


def test_handing_to_the_chair_tells_the_chair(house: PagesHouse) -> None:
    house.incident()

    do(house.signed_in("ceo"), "/incidents/i1/hand")

    assert [a.role for a in house.alerts("alert")] == ["chair"]


def test_the_report_tells_times_and_decisions_and_quotes_nobody(house: PagesHouse) -> None:
    house.incident()
    house.mention(incident_id="i1", posted_at=house.now - timedelta(minutes=4))
    browser = house.signed_in("ceo")
    house.later(minutes=3)
    do(browser, "/incidents/i1/acknowledge")

    text = browser.get("/incidents/i1/report").text

    assert "4 minutes after the first post" in text
    assert "3 minutes after it was heard" in text
    assert "keep the donations" not in text
    assert "Sam Example" not in text


# ── takeover ────────────────────────────────────────────────────────────────────────────────────────


def test_takeover_is_begun_from_its_page_with_exceptions(house: PagesHouse) -> None:
    browser = house.signed_in("chair")
    question = do(browser, "/takeover/ask", reason="An account is lost", allowed="Ade Lowe", platform="x")
    assert "Yes, begin now" in question.text
    with house.app.database.read() as session:
        assert takeovers.current(session).state is State.NORMAL
    assert browser.press(question, "begin", platform="facebook").status_code == 403

    browser.press(question, "begin")

    with house.app.database.read() as session:
        now = takeovers.current(session)
    assert (now.state, now.holder, now.allowed, now.allowed_platforms) == (State.ACTIVE, "chair", ("Ade Lowe",), ("x",))


def begun(house: PagesHouse, **more: Any) -> None:
    with house.app.database.write() as session:
        takeovers.begin(session, house.app.desk, by="Rowan Ashdown (CEO)", reason="A story", now=house.now, **more)


def test_what_our_channels_did_is_a_breach_until_it_is_allowed(house: PagesHouse) -> None:
    begun(house)
    house.later(minutes=5)
    house.mention(kind=Kind.OWN_POST.value, incident_id=None)
    browser = house.signed_in("ceo")
    assert "BREACH" in browser.get("/takeover").text

    do(browser, "/takeover/allowed-post", mention="1")

    assert "BREACH" not in browser.get("/takeover").text


def test_hand_over_stand_down_and_end(house: PagesHouse) -> None:
    begun(house)
    browser = house.signed_in("ceo")
    do(browser, "/takeover/hand-over", to="chair")
    with house.app.database.read() as session:
        assert takeovers.current(session).holder == "chair"

    do(browser, "/takeover/end", reason="Calm again", on_hold="Posts about the festival")
    assert "Posts about the festival" in browser.get("/takeover").text
    assert house.browser().get("/publishing").status_code == 200
    do(browser, "/takeover/end", reason="All done")

    with house.app.database.read() as session:
        assert takeovers.current(session).state is State.NORMAL


def test_standing_down_still_shows_what_was_looked_at_and_what_our_channels_did(house: PagesHouse) -> None:
    from monitor import preflight

    begun(house)
    preflight.run(house.app, house.now)
    house.later(minutes=5)
    house.mention(kind=Kind.OWN_POST.value)
    house.later(minutes=5)
    browser = house.signed_in("ceo")
    do(browser, "/takeover/end", reason="Calm again", on_hold="Posts about the festival")
    house.later(minutes=5)
    house.mention(2, kind=Kind.OWN_POST.value)

    text = browser.get("/takeover").text

    assert text.count("BREACH") == 1
    assert text.count("Must be checked by hand") == 5
    assert "is being looked at" not in text


def test_linkedins_queue_is_found_below_the_pages_own_name(house: PagesHouse) -> None:
    from monitor import preflight

    organisation = replace(house.app.settings.organisation, handles={"linkedin": "tessellate-uk"})

    assert preflight.where("linkedin", organisation) == "https://www.linkedin.com/company/tessellate-uk/admin/"
    assert preflight.where("youtube", organisation) == preflight.WHERE["youtube"]


def test_channels_that_show_no_queue_must_be_looked_at_by_hand(house: PagesHouse) -> None:
    begun(house)
    from monitor import preflight

    assert preflight.run(house.app, house.now) == ["facebook", "instagram", "linkedin", "x", "youtube"]
    assert preflight.run(house.app, house.now) == []
    browser = house.signed_in("poster")
    assert browser.get("/takeover").text.count("Must be checked by hand") == 5
    row = all_of(house, PreflightRow)[0]

    do(browser, "/takeover/looked", channel=str(row.id))

    assert browser.get("/takeover").text.count("Must be checked by hand") == 4


def test_beginning_because_of_an_incident_takes_it_in_hand(house: PagesHouse) -> None:
    house.incident()
    browser = house.signed_in("ceo")

    browser.press(do(browser, "/takeover/ask", reason="It spreads", incident="i1"), "begin")

    assert house.row(IncidentRow, "i1").state == "acknowledged"


def test_whoever_may_post_meanwhile_may_do_so_on_the_channels_of_the_settings(house: PagesHouse) -> None:
    browser = house.signed_in("ceo")

    question = do(browser, "/takeover/ask", reason="An account is lost", allowed="Ade Lowe")
    assert "May still post: Ade Lowe, on X." in question.text
    browser.press(question, "begin")

    with house.app.database.read() as session:
        assert takeovers.current(session).allowed_platforms == ("x",)
    refused = do(browser, "/takeover/allow", allowed="Sol Perry")
    assert refused.status_code == 409
    assert "which channels" in refused.text


def test_who_called_a_post_in_order_and_who_marked_somebody_away_stands_in_the_audit(house: PagesHouse) -> None:
    house.incident()
    begun(house, incident="i1")
    house.mention(kind=Kind.OWN_POST.value)
    do(house.signed_in("chair"), "/takeover/allowed-post", mention="1")
    do(house.signed_in("operator"), "/access/away", role="ceo", away="yes")

    with house.app.database.read() as session:
        rows = [(r.actor, r.action) for r in audit.newest(session)]
    assert ("Imogen Vale (Chair of trustees)", "own post allowed") in rows
    assert ("Kit Marlow (operator)", "away") in rows
    assert "was in order" in house.log()[-1]


# ── drill ───────────────────────────────────────────────────────────────────────────────────────────


def test_a_drill_goes_through_the_chain_marked_and_is_measured(house: PagesHouse) -> None:
    browser = house.signed_in("operator")
    number = do(browser, "/drill").headers["Location"].rsplit("/", 1)[1]
    assert [a.role for a in house.alerts("alert")] == ["ceo"]
    with house.app.database.write() as session:
        session.get_one(AlertRow, house.alerts("alert")[0].id).delivered_at = house.now + timedelta(seconds=2)
    house.later(minutes=2)
    ceo = house.signed_in("ceo")
    do(ceo, f"/incidents/{number}/acknowledge")

    assert do(browser, "/drill").status_code == 409  # one at a time
    with house.app.database.read() as session:
        steps = dict(drill.past(session)[0].steps)
    assert steps["Rowan Ashdown: mail"] == "delivered after 2 seconds"
    assert steps["Acknowledged by Rowan Ashdown (CEO)"] == "after 2 minutes"
    assert "DRILL" in ceo.get(f"/incidents/{number}").text


def test_a_drill_rehearses_a_card_and_measures_takeover_too(house: PagesHouse) -> None:
    browser = house.signed_in("ceo")
    number = do(browser, "/drill").headers["Location"].rsplit("/", 1)[1]
    house.later(minutes=7)
    text = browser.get(f"/incidents/{number}").text
    assert "Our mistake: publish a correction" in text
    assert "Told by somebody in the team" not in text

    browser.press(do(browser, f"/incidents/{number}/takeover", reason="It spreads"), "begin")

    with house.app.database.read() as session:
        steps = dict(drill.past(session)[0].steps)
        assert takeovers.current(session).state is State.NORMAL
    assert steps["Takeover by Rowan Ashdown (CEO)"] == "would have begun after 7 minutes"


def test_a_drill_closes_without_registers(house: PagesHouse) -> None:
    browser = house.signed_in("ceo")
    number = do(browser, "/drill").headers["Location"].rsplit("/", 1)[1]

    do(browser, f"/incidents/{number}/close", reason="Done")

    assert house.row(IncidentRow, number).state == "closed"


# ── mentions ────────────────────────────────────────────────────────────────────────────────────────


@pytest.fixture
def talk(house: PagesHouse) -> PagesHouse:
    house.mention(1, "The youth club was wonderful today", severity=0, categories=[], thanks=True, signals=[])
    house.mention(
        2, "When does the youth club open?", severity=0, categories=[], question=True, platform="x", signals=[]
    )
    house.mention(3, "A false story about money", severity=2, language="en")
    house.mention(4, "Something about a child at the club", severity=3, categories=["safeguarding"])
    house.mention(5, None, status="forgotten", severity=1)
    return house


@pytest.mark.parametrize(
    ("query", "ids"),
    [
        ("", {1, 2, 3, 4, 5}),
        ("q=youth+club", {1, 2}),
        ("q=club", {1, 2, 4}),
        ("q=%22club+OR+*", {1, 2, 4} - {1, 2, 4}),
        ("platform=x", {2}),
        ("level=crisis", {4}),
        ("category=safeguarding", {4}),
        ("unanswered=yes", {2}),
        ("kind=own_post", set()),
        ("level=nonsense&category=nonsense", {1, 2, 3, 4, 5}),
    ],
)
def test_mentions_are_found_by_words_and_filters(talk: PagesHouse, query: str, ids: set[int]) -> None:
    text = talk.signed_in("ceo").get(f"/mentions?{query}").text

    assert {n for n in range(1, 6) if f"social.example/p{n}" in text} == ids


def test_words_of_a_safeguarding_matter_are_not_found_by_those_who_may_not_read_them(talk: PagesHouse) -> None:
    text = talk.signed_in("staff").get("/mentions?q=child").text

    assert "social.example/p4" not in text
    assert "a child at the club" not in talk.signed_in("staff").get("/mentions").text


def test_older_mentions_follow_page_by_page_without_a_gap(house: PagesHouse) -> None:
    for n in range(1, 101):
        house.mention(n, f"Post {n}", posted_at=house.now - timedelta(minutes=n // 3))
    browser, path, seen = house.signed_in("staff"), "/mentions", []

    while path:
        text = browser.get(path).text
        seen += [n for n in range(1, 101) if f'social.example/p{n}"' in text]
        path = text.split('<a href="/mentions?')[1].split('"')[0] if '<a href="/mentions?' in text else ""
        path = f"/mentions?{path.replace('&amp;', '&')}" if path else ""

    assert sorted(seen) == list(range(1, 101))


def test_the_export_defuses_cells_leaves_linkedin_out_and_is_audited(house: PagesHouse) -> None:
    house.mention(1, "=HYPERLINK(1)")
    house.mention(2, "Words on LinkedIn", platform="linkedin")
    answer = do(house.signed_in("operator"), "/mentions/export")

    assert "'=HYPERLINK(1)" in answer.text
    assert "Words on LinkedIn" not in answer.text
    assert [row.action for row in all_of(house, AuditRow)] == ["mentions exported"]
    assert do(house.signed_in("staff"), "/mentions/export").status_code == 403


@pytest.mark.parametrize("cell", ["=1", "+1", "-1", "@x", "\t=1", "\r=1", "\n=1", "|x"])
def test_no_cell_begins_like_a_formula(cell: str) -> None:
    assert defused(cell).startswith("'")


def test_questions_wait_oldest_first_until_somebody_has_answered(house: PagesHouse) -> None:
    house.mention(1, "Newer?", question=True, posted_at=house.now, signals=[])
    house.mention(2, "Older?", question=True, posted_at=house.now - timedelta(days=2), signals=[])
    browser = house.signed_in("staff")
    text = browser.get("/unanswered").text
    assert text.index("Older?") < text.index("Newer?")

    do(browser, "/unanswered", mention="2")

    assert "Older?" not in browser.get("/unanswered").text
    assert house.row(MentionRow, 2).answered_at == house.now


def test_you_should_have_told_me_is_kept_with_its_reason(talk: PagesHouse) -> None:
    do(talk.signed_in("ceo"), "/mentions/missed", mention="1", reason="It is about Ada")

    assert [(f.verdict, f.reason) for f in all_of(talk, FeedbackRow)] == [("should have told me", "It is about Ada")]


# ── the rest ────────────────────────────────────────────────────────────────────────────────────────


def test_a_sentence_is_judged_and_nothing_of_it_is_kept(house: PagesHouse) -> None:
    browser = house.signed_in("staff")
    before = house.snapshot()

    text = do(browser, "/rules", text="I will burn your office down tonight", kind="comment").text

    assert "CRISIS" in text or "ALERT" in text
    assert "Why" in text
    assert house.snapshot() == before


def test_behind_a_rule_stands_how_often_it_was_right_here(house: PagesHouse) -> None:
    spoke = {
        "rule": "plain-lies",
        "sentence": "S.",
        "clause": "6.3",
        "words": "w",
        "weight": 2.0,
        "category": "misinformation",
    }
    rule = load_rules(rules_folder(house.app.settings)).rules[0]
    for n in (1, 2):
        house.mention(n, incident_id=house.incident(f"i{n}"), signals=[{**spoke, "rule": rule.id}])
    house.add(FeedbackRow(at=house.now, who="ceo", verdict=learning.CALM, reason="It is a joke.", incident_id="i2"))

    text = house.signed_in("ceo").get("/rules").text

    assert text.count("right in") == 1
    assert "right in 1 of 2 incidents" in text


def test_digests_are_listed_and_made_anew(house: PagesHouse) -> None:
    house.platform()
    house.add(DigestRow(week="2026-W47", made_at=house.now, since=house.now - timedelta(days=7), until=house.now))
    browser = house.signed_in("staff")

    assert "/digests/2026-W47" in browser.get("/digests").text
    assert browser.get("/digests/2026-W47").status_code == 200
    assert browser.get("/digests/next").status_code == 200
    assert browser.get("/digests/2026-W01").status_code == 404


def test_an_account_with_a_personal_address_is_flagged(house: PagesHouse) -> None:
    browser = house.signed_in("operator")
    do(browser, "/accounts", platform="x", url="https://x.com/TessellateUK", owner="Ade Lowe", email="ade@mail.example")
    text = browser.get("/accounts").text

    for words in ("personal or foreign address", "no two-step", "not approved"):
        assert words in text
    number = all_of(house, AccountRow)[0].id
    assert do(browser, f"/accounts/{number}", do="approve").status_code == 409
    do(browser, f"/accounts/{number}", do="two-step")
    do(house.signed_in("ceo"), f"/accounts/{number}", do="approve")
    assert "no two-step" not in browser.get("/accounts").text
    assert do(browser, "/accounts", platform="x", url="javascript:alert(1)", owner="A").status_code == 409


def test_a_person_is_signed_out_everywhere_at_once(house: PagesHouse) -> None:
    staff = house.signed_in("staff")
    person = next(p for p in house.house.everyone() if p.role == "staff")

    do(house.signed_in("operator"), "/access/sign-out", person=house.house.person_mark(person))

    assert staff.get("/").status_code == 303


def test_marking_the_ceo_away_is_done_by_the_leaders_page(house: PagesHouse) -> None:
    do(house.signed_in("chair"), "/access/away", role="ceo", away="yes")

    with house.app.database.read() as session:
        assert house.app.desk.head(session).role == "chair"


def test_a_person_is_found_exported_and_erased(house: PagesHouse) -> None:
    house.mention(1, "My own words", author_handle="sam_example")
    browser = house.signed_in("operator")

    assert "1 posts of theirs" in do(browser, "/privacy/find", who="@sam_example").text
    assert "My own words" in do(browser, "/privacy/export", who="@sam_example", form="json").text
    assert do(browser, "/privacy/erase", who="@sam_example", sure="no").status_code == 409
    assert do(browser, "/privacy/erase", who="@sam_example", sure="erase").status_code == 200

    assert house.row(MentionRow, 1) is None
    with house.app.database.read() as session:
        assert audit.verify(session) == []
        assert "sam_example" not in str([(r.actor, r.action, r.about, r.words) for r in audit.newest(session)])


@pytest.mark.parametrize("document", ["notice", "assessment", "dpia"])
def test_drafts_are_filled_from_the_settings(house: PagesHouse, document: str) -> None:
    text = house.signed_in("operator").get(f"/privacy/{document}").text

    assert "Tessellate UK" in text
    assert "47 hours" in text or document == "dpia"


def test_questions_are_not_added_up_across_platforms_and_the_digest_of_the_ceo_leaves_out_what_names_her(
    house: PagesHouse,
) -> None:
    house.incident("i1", spoken_of=["ceo"])
    house.mention(1, severity=0, question=True, categories=[])
    house.mention(2, severity=0, question=True, categories=[], platform="youtube")
    house.mention(3, severity=1, incident_id="i1", platform="instagram", url="https://social.example/hers")

    hers = house.signed_in("ceo").get("/digests/next").text

    assert "1 question waiting for an answer (counted apart: YouTube 1)" in hers
    assert "social.example/hers" not in hers
    assert "social.example/hers" in house.signed_in("chair").get("/digests/next").text


def test_the_preview_of_the_digest_begins_like_a_sentence(house: PagesHouse) -> None:
    text = house.signed_in("ceo").get("/digests/next").text

    assert "No mentions heard, no incidents, no questions" in text
    assert "Digest the next one" not in text


def test_a_head_that_is_written_wrongly_breaks_no_chain(house: PagesHouse) -> None:
    text = house.signed_in("ceo").get("/audit?check=yes&head=rubbish").text

    assert "a number, a colon and 16 digits" in text
    assert "The chain is broken" not in text


def test_what_should_have_been_told_earlier_is_said_on_the_incident_and_stands_in_its_report(house: PagesHouse) -> None:
    house.incident()
    house.mention(incident_id="i1", severity=1)
    browser = house.signed_in("ceo")
    assert 'action="/incidents/i1/missed"' in browser.get("/incidents/i1").text

    do(browser, "/incidents/i1/missed", mention="1", reason="It was the first sign")

    assert "It was the first sign" in browser.get("/incidents/i1/report").text


def test_the_report_names_none_who_told_by_the_link(house: PagesHouse) -> None:
    visitor = house.browser()
    visitor.press(visitor.get(house.tip_path()), "tell", words="Look at this", name="Maya Example")
    do(house.signed_in("staff"), "/tell", words="And at this")
    browser = house.signed_in("ceo")
    reports = [browser.get(f"/incidents/{row.id}/report").text for row in all_of(house, IncidentRow)]

    assert not any("Maya Example" in text for text in reports)
    assert any("Sol Perry (staff)" in text for text in reports)


def test_a_tip_about_the_ceo_says_who_is_told(house: PagesHouse) -> None:
    answer = do(house.signed_in("staff"), "/tell", words="It is about Rowan Ashdown")

    assert "The Chair of trustees is being told now" in answer.text
    assert [a.role for a in house.alerts("tip")] == ["chair"]


def test_the_box_on_the_tip_form_sends_it_to_the_chair(house: PagesHouse) -> None:
    browser = house.signed_in("staff")
    assert 'name="about_ceo"' in browser.get("/tell").text

    answer = do(browser, "/tell", words="Something is wrong here", about_ceo="yes")

    assert "The Chair of trustees is being told now" in answer.text
    assert [a.role for a in house.alerts("tip")] == ["chair"]


def test_a_tip_that_only_calls_for_the_ceo_is_hers(house: PagesHouse) -> None:
    do(house.signed_in("staff"), "/tell", words="Please tell the CEO, my son was hurt")

    assert [a.role for a in house.alerts("tip")] == ["ceo"]


def test_the_audit_page_finds_a_change(house: PagesHouse) -> None:
    house.incident()
    browser = house.signed_in("ceo")
    do(browser, "/incidents/i1/note", words="First")
    do(browser, "/incidents/i1/note", words="Second")
    assert "The chain is whole" in browser.get("/audit?check=yes").text
    with house.app.database.write() as session:
        session.get_one(AuditRow, 1).actor = "Nobody"

    assert "The chain is broken" in browser.get("/audit?check=yes").text


def test_a_tip_from_the_page_names_who_told(house: PagesHouse) -> None:
    do(house.signed_in("staff"), "/tell", words="Look at this", link="https://x.com/a/status/1")

    tip = house.alerts("tip")[0]
    assert tip.role == "ceo"
    assert house.row(IncidentRow, tip.incident_id).summary == "Look at this"


def test_only_the_ceo_and_the_chair_stop_the_chain_of_alerts(house: PagesHouse) -> None:
    house.incident()
    operator = house.signed_in("operator")

    assert do(operator, "/incidents/i1/acknowledge").status_code == 403
    assert do(operator, "/access/tools", name="Duty", scope="incidents:act").status_code == 409
    link = f"/a/{house.token(Purpose.SEE, 'operator')}"
    assert 'value="acknowledge"' not in house.browser().get(link).text
    assert house.row(IncidentRow, "i1").state == "open"
    assert do(house.signed_in("chair"), "/access/tools", name="Duty", scope="incidents:act").status_code == 200


def test_a_token_for_a_tool_is_shown_once_and_kept_as_a_hash(house: PagesHouse) -> None:
    browser = house.signed_in("operator")

    page = do(browser, "/access/tools", name="Website", scope="coverage:read").text
    token = page.split("<textarea")[1].split(">")[1].split("<")[0]

    assert token.startswith("earshot_")
    assert token not in browser.get("/access").text
    assert token not in str(house.snapshot())
