"""What leaves by mail, and what must not."""

from __future__ import annotations

import re
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from letters import KEYS, PUBLIC_URL, a_house, a_mention_row, a_store, an_alert_row, an_incident_row
from makers import NOW
from sqlalchemy.exc import OperationalError
from sqlalchemy.orm import Session

from alerts.model import Letter, MailKind, Severity
from alerts.testing import CEO, CHAIR, OPERATOR
from monitor.addresses import post_address
from monitor.excerpts import permalink
from monitor.links import Links, Purpose
from monitor.notices import TEMPLATES, letter_for
from monitor.store.tables import AlertRow, IncidentAccountRow, PersonRow
from monitor.terms import MINIMISED
from monitor.testing import a_house as story_house

SAID = "Ms Example-Teacher messaged my daughter Tamsin privately, call 07700 900123"
WORDS = "messaged my daughter"
SIGNAL = {"rule": "r", "clause": "6.5", "sentence": "A sentence of the rule.", "words": WORDS, "weight": 3.0}


def a_told_incident(session: Session, *, incident: dict[str, Any] | None = None, **mention: Any) -> Letter:
    """The first mail about an incident with one mention."""
    an_incident_row(session, **(incident or {}))
    a_mention_row(session, mention.pop("text", SAID), **{"signals": [SIGNAL], **mention})
    return letter_for(session, an_alert_row(session, incident_id="kd7mrwqz"), a_house())


def everything(letter: Letter) -> str:
    return f"{letter.subject}\n{letter.text}\n{letter.html}".casefold()


def links_of(letter: Letter) -> dict[Purpose, Any]:
    links = Links(KEYS, PUBLIC_URL)
    tokens = [line.removeprefix(f"{PUBLIC_URL}/a/") for line in letter.text.splitlines() if line.startswith(PUBLIC_URL)]
    tickets = [links.read(token, NOW) for token in tokens]
    return {ticket.purpose: ticket for ticket in tickets}


# ── what must not leave ─────────────────────────────────────────────────────────────────────────


@pytest.mark.parametrize("category", sorted(MINIMISED))
@pytest.mark.parametrize("where", ["incident", "mention"])
@pytest.mark.parametrize("template", ["alert", "alert_update", "phone"])
def test_a_grave_private_matter_carries_no_word_name_handle_or_address_of_the_post(
    category: str, where: str, template: str
) -> None:
    with a_store() as session:
        an_incident_row(session, category=category if where == "incident" else "complaint", severity=3)
        row = a_mention_row(
            session, SAID, signals=[SIGNAL], categories=[category] if where == "mention" else [], severity=3
        )
        alert = an_alert_row(
            session, template, incident_id="kd7mrwqz", facts={"news": row.id, "told": 1, "followup": 1}
        )
        sent = everything(letter_for(session, alert, a_house()))

    for secret in ("tamsin", "teacher", "daughter", "07700", "sam example", "sam_example", "facebook.com/", WORDS):
        assert secret not in sent, secret


@pytest.mark.parametrize("platform", ["linkedin", "youtube"])
def test_a_platform_that_forbids_quotes_is_linked_and_not_quoted(platform: str) -> None:
    with a_store() as session:
        letter = a_told_incident(
            session, incident={"platforms": [platform]}, platform=platform, url=f"https://www.{platform}.com/post/1"
        )

    sent = everything(letter)
    assert "tamsin" not in sent
    assert WORDS not in sent
    assert f"https://www.{platform}.com/post/1" in sent
    assert "a sentence of the rule." in sent


def test_a_quote_is_short_and_names_nobody_but_us() -> None:
    text = "@sam_example and @neighbour told @TessellateUK what Sam Example saw. " + "word " * 100
    with a_store() as session:
        letter = a_told_incident(session, text=text, signals=[])

    (quoted,) = [line[2:] for line in letter.text.splitlines() if line.startswith("> ")]
    assert len(quoted) <= 200
    assert quoted.startswith("@… and @… told @TessellateUK what … saw.")


@pytest.mark.parametrize("status", ["gone", "forgotten"])
def test_what_was_taken_down_or_forgotten_is_not_quoted(status: str) -> None:
    with a_store() as session:
        letter = a_told_incident(session, status=status)

    assert "tamsin" not in everything(letter)
    assert WORDS not in everything(letter)


def test_contact_details_that_leaked_are_not_spread_further() -> None:
    with a_store() as session:
        letter = a_told_incident(
            session,
            incident={"category": "confidentiality"},
            categories=["confidentiality"],
            text="Here is her number +44 7700 900123 and tamsin@mail.example",
            signals=[{**SIGNAL, "words": "+44 7700 900123"}],
        )

    assert "7700" not in everything(letter)
    assert "tamsin@" not in everything(letter)
    assert "> Here is her number [number] and [e-mail address]" in letter.text


def test_a_tip_s_words_stay_in_earshot_and_its_strange_link_cannot_be_pressed() -> None:
    with a_store() as session:
        an_incident_row(
            session, source="tip", category=None, platforms=[], summary=SAID, tip_link="https://evil.example/login"
        )
        letter = letter_for(session, an_alert_row(session, "tip", incident_id="kd7mrwqz"), a_house())

    assert "tamsin" not in everything(letter)
    assert "https://evil.example" not in everything(letter)
    assert "hxxps://evil[.]example/login" in letter.text


def test_a_tip_s_link_to_a_known_platform_can_be_opened_without_a_handle() -> None:
    with a_store() as session:
        an_incident_row(
            session, source="tip", category=None, platforms=[], tip_link="https://twitter.com/sam_example/status/99"
        )
        letter = letter_for(session, an_alert_row(session, "tip", incident_id="kd7mrwqz"), a_house())

    assert "Open it: https://x.com/i/web/status/99" in letter.text
    assert "sam_example" not in everything(letter)


@pytest.mark.parametrize(
    ("platform", "external_id", "url", "names", "found"),
    [
        ("x", "99", "https://x.com/sam_example/status/99", (), "https://x.com/i/web/status/99"),
        ("x", "odd", "https://x.com/sam_example/status/99", (), ""),
        ("facebook", "1_2", "https://www.facebook.com/sam.example/posts/2", (), "https://www.facebook.com/1_2"),
        ("facebook", "1_2", "https://www.facebook.com/1/posts/2", (), "https://www.facebook.com/1/posts/2"),
        ("facebook", "x", "https://www.facebook.com/sam.example/posts/2", (), ""),
        ("instagram", "9", "https://www.instagram.com/p/AbC/", ("sam",), "https://www.instagram.com/p/AbC/"),
        ("mastodon", "9", "https://social.example/@sam_example/9", ("sam_example",), ""),
        ("mastodon", "9", "javascript:alert(1)", (), ""),
    ],
)
def test_permalinks_name_nobody(platform: str, external_id: str, url: str, names: tuple[str, ...], found: str) -> None:
    assert permalink(platform, external_id, url, names) == found


@pytest.mark.parametrize(
    "url",
    ["http://x.com/a/status/1", "https://x.com.evil.example/a/status/1", "https://evil.example/x.com/status/1", ""],
)
def test_only_addresses_of_known_platforms_are_pressable_in_a_tip(url: str) -> None:
    assert post_address(url) == ""


def test_platforms_with_terms_of_their_own_are_counted_apart() -> None:
    with a_store() as session:
        an_incident_row(session, platforms=["facebook", "youtube"], mentions=2)
        a_mention_row(session)
        a_mention_row(session, "b", platform="youtube", external_id="2", url="https://www.youtube.com/watch?v=2")
        session.add(IncidentAccountRow(incident_id="kd7mrwqz", account="a", platform="youtube"))
        session.flush()
        letter = letter_for(session, an_alert_row(session, incident_id="kd7mrwqz"), a_house())

    assert "How big: 1 post on Facebook; counted apart: 1 post on YouTube" in letter.text


def test_a_phone_shows_the_headline_and_nothing_of_the_post() -> None:
    with a_store() as session:
        an_incident_row(session)
        a_mention_row(session, SAID)
        letter = letter_for(
            session, an_alert_row(session, "phone", incident_id="kd7mrwqz", facts={"step": 1}), a_house()
        )

    assert letter.html == ""
    assert letter.subject == "ALERT: A complaint on Facebook, kd7mrwqz"
    assert "Nobody has acknowledged this for 1 minute." in letter.text
    assert "http" not in letter.text
    assert "tamsin" not in everything(letter)


# ── links ───────────────────────────────────────────────────────────────────────────────────────


def test_the_ceo_gets_links_to_see_acknowledge_calm_and_take_over() -> None:
    with a_store() as session:
        tickets = links_of(a_told_incident(session))

    assert set(tickets) == {Purpose.SEE, Purpose.ACKNOWLEDGE, Purpose.CALM, Purpose.TAKEOVER}
    assert {ticket.subject for ticket in tickets.values()} == {"kd7mrwqz"}
    assert {ticket.role for ticket in tickets.values()} == {"ceo"}
    assert len({ticket.id for ticket in tickets.values()}) == 4


def test_the_operator_can_look_and_nothing_else() -> None:
    with a_store() as session:
        an_incident_row(session)
        letter = letter_for(session, an_alert_row(session, recipient=OPERATOR, incident_id="kd7mrwqz"), a_house())

    assert set(links_of(letter)) == {Purpose.SEE}


def test_a_mail_tried_again_is_the_same_mail() -> None:
    with a_store() as session:
        an_incident_row(session)
        row = an_alert_row(session, incident_id="kd7mrwqz")
        first = letter_for(session, row, a_house())
        second = letter_for(session, row, a_house(now=NOW + timedelta(seconds=50)))

    assert first.message_id == second.message_id == f"<{row.id}@tessellateuk.example>"
    assert links_of(first) == links_of(second)


def test_a_mail_held_up_for_a_day_says_so_and_its_links_still_work() -> None:
    later = NOW + timedelta(hours=25)
    with a_store() as session:
        an_incident_row(session)
        letter = letter_for(session, an_alert_row(session, incident_id="kd7mrwqz"), a_house(now=later))

    assert "Sent late: This was owed at Tue 24 Nov, 14:02" in letter.text
    links = Links(KEYS, PUBLIC_URL)
    token = letter.text.split("Begin takeover:\n")[1].splitlines()[0].removeprefix(f"{PUBLIC_URL}/a/")
    assert links.read(token, later + timedelta(hours=1)).purpose is Purpose.TAKEOVER


def test_without_a_public_address_a_mail_has_no_link_and_says_what_to_do_instead() -> None:
    with a_store() as session:
        an_incident_row(session)
        letter = letter_for(session, an_alert_row(session, incident_id="kd7mrwqz"), a_house(public_url=""))

    assert "/a/" not in letter.html + letter.text
    assert "`earshot acknowledge kd7mrwqz --by" in letter.text
    assert "`earshot sign-in ceo`" in letter.text
    assert "earshot takeover begin" in letter.text
    assert "Lee Marsh" in letter.text


@pytest.mark.parametrize(
    ("changes", "label"),
    [
        ({}, "Not a problem: close it"),
        ({"severity": 3}, "Not a problem: stop the reminders"),
        ({"category": "safeguarding"}, "Not a problem: stop the reminders"),
    ],
)
def test_the_button_says_whether_it_closes(changes: dict[str, Any], label: str) -> None:
    with a_store() as session:
        an_incident_row(session, **changes)
        letter = letter_for(session, an_alert_row(session, incident_id="kd7mrwqz"), a_house())

    assert f"{label}:\n" in letter.text


def test_the_links_of_a_takeover_are_about_the_moment_at_which_it_began() -> None:
    facts = {"since": NOW.isoformat(), "by": "Earshot, by itself", "ends_at": (NOW + timedelta(hours=12)).isoformat()}
    with a_store() as session:
        row = an_alert_row(session, "takeover_begun", MailKind.TAKEOVER, facts=facts)
        tickets = links_of(letter_for(session, row, a_house()))

    assert set(tickets) == {Purpose.UNDO, Purpose.CONFIRM}
    assert {ticket.subject for ticket in tickets.values()} == {NOW.isoformat()}


# ── who, and why ────────────────────────────────────────────────────────────────────────────────


def reader_of(letter: Letter) -> str:
    return letter.text.split("WHY YOU ARE TOLD\n")[1].splitlines()[0]


@pytest.mark.parametrize(
    ("incident", "away", "step", "why"),
    [
        ({"spoken_of": ["ceo"]}, False, 0, "because the CEO is named in it"),
        ({}, True, 0, "because the CEO is away"),
        ({}, False, 2, "nobody has acknowledged it in time"),
        ({}, False, 0, "as the Chair of trustees"),
    ],
)
def test_the_chair_is_told_why_it_is_her(incident: dict[str, Any], away: bool, step: int, why: str) -> None:
    with a_store() as session:
        an_incident_row(session, **incident)
        if away:
            session.add(PersonRow(role="ceo", away=True, changed_at=NOW))
        row = an_alert_row(session, recipient=CHAIR, incident_id="kd7mrwqz", facts={"step": step})
        letter = letter_for(session, row, a_house())

    assert why in reader_of(letter)
    assert letter.recipient_address == CHAIR.email


def test_in_another_s_stead_it_says_so() -> None:
    with a_store() as session:
        an_incident_row(session)
        row = an_alert_row(session, recipient=CHAIR, incident_id="kd7mrwqz", facts={"instead_of": "Rowan Ashdown"})
        letter = letter_for(session, row, a_house())

    assert "because mail to Rowan Ashdown does not arrive at present" in letter.text


# ── threads and headers ─────────────────────────────────────────────────────────────────────────


def test_all_mails_about_an_incident_are_one_conversation_for_everybody_from_the_first_on() -> None:
    with a_store() as session:
        incident = an_incident_row(session)
        told = {"category": "complaint"}
        first = an_alert_row(session, id="first", incident_id="kd7mrwqz", facts=told)
        letters = [letter_for(session, first, a_house())]
        incident.category, incident.severity, incident.platforms = "safeguarding", 3, ["facebook", "x"]
        later = {"made_at": NOW + timedelta(minutes=15), "incident_id": "kd7mrwqz"}
        facts = {"followup": 1, "category": "safeguarding"}
        house = a_house(now=NOW + timedelta(minutes=15))
        for template, recipient in (("alert_update", CEO), ("alert", CHAIR)):
            row = an_alert_row(session, template, id=template, recipient=recipient, facts=facts, **later)
            letters.append(letter_for(session, row, house))

    assert {conversation_of(letter) for letter in letters} == {
        ("A complaint on Facebook, kd7mrwqz", "<incident-kd7mrwqz@tessellateuk.example>")
    }
    assert letters[1].subject.startswith("Re: [CRISIS] ")
    assert len({letter.message_id for letter in letters}) == 3


def test_two_incidents_of_one_kind_are_two_conversations() -> None:
    with a_store() as session:
        letters = []
        for name in ("kd7mrwqz", "pb2hx4tn"):
            an_incident_row(session, id=name)
            letters.append(letter_for(session, an_alert_row(session, id=name, incident_id=name), a_house()))

    assert conversation_of(letters[0])[0] != conversation_of(letters[1])[0]
    assert conversation_of(letters[0])[1] != conversation_of(letters[1])[1]


def test_two_round_ups_are_two_conversations() -> None:
    with a_store() as session:
        an_incident_row(session)
        alert = an_alert_row(session, incident_id="kd7mrwqz")
        rows = [an_alert_row(session, "roundup", id=f"{n}" * 40, facts={"alerts": [alert.id]}) for n in (1, 2)]
        subjects = {conversation_of(letter_for(session, row, a_house()))[0] for row in rows}

    assert len(subjects) == 2


def test_each_post_that_could_not_be_judged_is_a_conversation_of_its_own_for_everybody_who_is_told(
    tmp_path: Path,
) -> None:
    house = story_house(tmp_path)
    for post in ("1", "2"):
        house.app.database.in_transaction(
            lambda s, post=post: house.app.desk.owe_unscored(s, "x", post, "https://x.example/1", "E", house.now)  # type: ignore[misc]
        )
    house.tick()
    letters = {role: [x for x in house.inbox(role) if "be judged" in x.subject] for role in ("ceo", "operator")}
    ceo, operator = ([conversation_of(letter) for letter in mine] for mine in letters.values())
    house.app.close()

    assert len({subject for subject, _ in ceo}) == len({root for _, root in ceo}) == 2
    assert set(ceo) == set(operator)


def test_mails_about_no_incident_that_share_a_subject_are_no_conversation() -> None:
    with a_store() as session:
        rows = [an_alert_row(session, "token_ends", id=f"{n}" * 40, facts={"platform": "x"}) for n in (1, 2)]
        roots = {letter_for(session, row, a_house()).in_reply_to for row in rows}

    assert len(roots) == 2
    assert "" not in roots


def conversation_of(letter: Letter) -> tuple[str, str]:
    """What a mail program goes by: the subject without answers' marks and brackets, and what is answered."""
    words = re.sub(r"^(?:re: )+|\[[^\]]*\]", "", letter.subject, flags=re.IGNORECASE)
    return " ".join(words.split()), letter.in_reply_to


def test_the_end_of_a_takeover_stands_under_its_beginning() -> None:
    facts = {"since": NOW.isoformat()}
    with a_store() as session:
        begun = an_alert_row(session, "takeover_begun", MailKind.TAKEOVER, facts=facts)
        an_alert_row(session, "takeover_begun", MailKind.TAKEOVER, id="older", facts={"since": "2026-01-01"})
        row = an_alert_row(session, "takeover_ended", MailKind.TAKEOVER, facts=facts, made_at=NOW + timedelta(hours=1))
        letter = letter_for(session, row, a_house(now=NOW + timedelta(hours=1)))

    assert letter.in_reply_to == f"<{begun.id}@tessellateuk.example>"
    assert letter.kind is MailKind.TAKEOVER


def test_a_drill_says_so_in_subject_and_body() -> None:
    with a_store() as session:
        letter = a_told_incident(session, incident={"drill": True})

    assert letter.subject.startswith("DRILL: [ALERT] ")
    assert letter.text.startswith("*** DRILL")
    assert letter.text.count("DRILL") >= 2
    assert letter.html.count("DRILL") >= 2


# ── bulkheads ───────────────────────────────────────────────────────────────────────────────────


@pytest.mark.parametrize("template", sorted(TEMPLATES))
def test_a_mail_with_none_of_its_facts_is_still_a_mail(template: str) -> None:
    with a_store() as session:
        an_incident_row(session)
        letter = letter_for(session, an_alert_row(session, template, incident_id="kd7mrwqz"), a_house())

    assert letter.subject
    assert "could not put it into words" not in letter.subject


@pytest.mark.parametrize("template", ["alert", "tip", "no_such_template"])
def test_what_cannot_be_put_into_words_is_told_in_few(template: str) -> None:
    with a_store() as session:
        letter = letter_for(session, an_alert_row(session, template, severity=3), a_house())

    assert "could not put it into words" in letter.subject
    assert letter.severity is Severity.CRISIS


def test_facts_of_a_wrong_kind_do_not_lose_an_alert() -> None:
    with a_store() as session:
        an_incident_row(session)
        facts = {"step": "many", "news": "x", "followup": None}
        letter = letter_for(session, an_alert_row(session, incident_id="kd7mrwqz", facts=facts), a_house())

    assert letter.subject.endswith(", kd7mrwqz")


def test_a_fault_of_the_database_flies_so_that_the_same_mail_is_made_later() -> None:
    with a_store() as session:
        row = an_alert_row(session, incident_id=None, facts={"incident": "kd7mrwqz"})
        session.connection().exec_driver_sql("DROP TABLE incident")
        session.expunge(row)

        with pytest.raises(OperationalError):
            letter_for(session, row, a_house())


def test_a_volume_incident_without_a_single_mention_can_be_told() -> None:
    with a_store() as session:
        an_incident_row(
            session, category=None, source="volume", summary="60 mentions in an hour; 5 are usual.", mentions=60
        )
        letter = letter_for(session, an_alert_row(session, incident_id="kd7mrwqz"), a_house())

    assert letter.subject == "[ALERT] Many more posts than usual on Facebook, kd7mrwqz"
    assert "60 mentions in an hour; 5 are usual." in letter.text


def test_nothing_is_written_while_a_mail_is_composed() -> None:
    with a_store() as session:
        a_told_incident(session)

        assert not session.dirty
        assert not [row for row in session.new if isinstance(row, AlertRow)]


def test_the_recipient_is_the_row_s_person() -> None:
    with a_store() as session:
        letter = a_told_incident(session)

    assert (letter.recipient_name, letter.recipient_address) == (CEO.name, CEO.email)
