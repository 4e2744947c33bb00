"""Whole e-mails, approved by eye. ``ACCEPT=1 pytest tests/alerts`` (``make accept``) rewrites them; read the difference."""

from __future__ import annotations

import logging
import os
import re
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import timedelta
from html import unescape
from pathlib import Path
from typing import Any

import pytest
from letters import a_house, a_mention_row, a_store, an_alert_row, an_incident_row
from makers import NOW
from sqlalchemy.orm import Session

from alerts.mail import compose_digest
from alerts.mailer import as_message
from alerts.model import (
    Bulletin,
    CoverageLine,
    Item,
    Letter,
    Link,
    MailKind,
    Met,
    PlatformWeeks,
    Quote,
    Recipient,
    Severity,
)
from alerts.testing import CEO, CHAIR, OPERATOR, SETTINGS
from monitor.notices import TEMPLATES, letter_for
from monitor.store.tables import DeafRow

GOLDEN = Path(__file__).parent / "golden"
POSTER = Recipient("poster", "Priya Nair", "priya@tessellateuk.example")
SINCE = (NOW - timedelta(hours=1)).isoformat()
TAKEOVER = {
    "since": SINCE,
    "by": "Rowan Ashdown (CEO)",
    "reason": "A false story is spreading.",
    "holder": "ceo",
    "incident": "kd7mrwqz",
    "allowed": [],
    "allowed_platforms": ["linkedin"],
    "ends_at": None,
    "on_hold": "",
    "state": "active",
}


def nothing(session: Session) -> None:
    """No incident is needed."""


def a_complaint(session: Session) -> None:
    an_incident_row(session)
    a_mention_row(session)


def about_both(session: Session) -> None:
    an_incident_row(
        session, category="safeguarding", severity=int(Severity.CRISIS), source="tip", platforms=[],
        summary="Rowan and Imogen both knew of it", spoken_of=["ceo", "chair"],
    )  # fmt: skip


def a_disclosure(session: Session) -> None:
    an_incident_row(session, category="safeguarding", severity=int(Severity.CRISIS), platforms=["instagram"])
    a_mention_row(
        session,
        "jamie from year 9 told me that a leader messages her at night",
        platform="instagram",
        external_id="179",
        url="https://www.instagram.com/p/AbC/",
        severity=3,
        categories=["safeguarding"],
        signals=[
            {
                "rule": "s",
                "sentence": "A leader is said to message a child.",
                "words": "messages her at night",
                "weight": 3,
            }
        ],
    )


def a_storm(session: Session) -> None:
    an_incident_row(
        session,
        category="misinformation",
        severity=int(Severity.CRISIS),
        platforms=["x", "facebook", "youtube"],
        mentions=20,
        opened_at=NOW - timedelta(hours=1),
        told=5,
    )
    reason = {
        "rule": "closing",
        "category": "misinformation",
        "clause": "6.3",
        "words": "closing down",
        "sentence": "Something untrue is told about us as a fact.",
        "weight": 3.0,
    }
    for n in range(20):
        platform = "youtube" if n == 0 else "facebook" if n % 4 == 0 else "x"
        a_mention_row(
            session,
            f"They are closing down and took the money, friend {n} says"
            if n != 7
            else "It is true! Ask @some_neighbour, see http://evil.example/x",
            platform=platform,
            kind="mention",
            external_id=str(9000 + n),
            url=f"https://x.com/neighbour{n}/status/{9000 + n}"
            if platform == "x"
            else f"https://{platform}.example/{n}",
            author_handle=f"neighbour{n}" if platform == "x" else None,
            author_name=None,
            posted_at=NOW - timedelta(minutes=70 - 3 * n),
            severity=3,
            categories=["misinformation"],
            signals=[reason],
            likes=n * 10,
            shares=n,
        )


def a_takeover_with_posts(session: Session) -> None:
    a_storm(session)
    a_mention_row(
        session, "Buy coins now", platform="facebook", external_id="5", kind="own_post", incident_id=None, posted_at=NOW - timedelta(minutes=20),
        url="https://www.facebook.com/1001/posts/5", author_name=None, author_handle=None, likes=None, shares=None, signals=[], categories=[],
    )  # fmt: skip
    a_mention_row(
        session, "Holding statement", platform="linkedin", external_id="6", kind="own_post", incident_id=None, posted_at=NOW - timedelta(minutes=10),
        url="https://www.linkedin.com/feed/update/urn:li:share:6", author_name=None, author_handle=None, likes=None, shares=None, signals=[], categories=[],
    )  # fmt: skip
    session.add(DeafRow(platform="instagram", began_at=NOW - timedelta(hours=5), why="The token was refused."))
    session.flush()


def history(session: Session) -> None:
    an_incident_row(session, history=True)
    a_mention_row(session, history=True)


@dataclass(frozen=True)
class Mail:
    template: str
    kind: MailKind = MailKind.ALERT
    to: Recipient = CEO
    scene: Callable[[Session], None] = a_complaint
    facts: dict[str, Any] = field(default_factory=dict)
    row: dict[str, Any] = field(default_factory=dict)
    house: dict[str, Any] = field(default_factory=dict)


IN_INCIDENT = {"incident_id": "kd7mrwqz"}
MAILS = {
    "alert": Mail("alert", row=IN_INCIDENT, facts={"step": 0, "followup": 0}),
    "alert-safeguarding": Mail("alert", scene=a_disclosure, row={**IN_INCIDENT, "severity": 3}),
    "alert-again-chair": Mail("alert", to=CHAIR, scene=a_storm, row=IN_INCIDENT, facts={"step": 2, "followup": 2}),
    "alert-without-links": Mail("alert", row=IN_INCIDENT, house={"public_url": ""}),
    "alert-drill": Mail("alert", row=IN_INCIDENT, facts={"drill": True}),
    "alert_update": Mail("alert_update", scene=a_storm, row=IN_INCIDENT, facts={"told": 5, "news": 8, "followup": 1}),
    "tip": Mail(
        "tip",
        scene=lambda s: (
            an_incident_row(
                s,
                source="tip",
                category=None,
                platforms=[],
                summary="Jamie's mum is furious",
                tip_link="https://blog.example/a",
            ),
            None,
        )[1],
        row=IN_INCIDENT,
    ),
    "roundup": Mail(
        "roundup",
        scene=lambda s: (
            a_complaint(s),
            an_incident_row(s, id="wz3hfbtc", category="threat", severity=3, platforms=["x"]),
            an_alert_row(s, id="one", **IN_INCIDENT),
            an_alert_row(s, id="two", incident_id="wz3hfbtc", severity=3),
            an_alert_row(s, "unscored", id="three", facts={"platform": "youtube", "url": "https://youtube.example/1"}),
            None,
        )[-1],
        facts={"alerts": ["one", "two", "three"]},
    ),
    "unscored": Mail(
        "unscored",
        to=OPERATOR,
        facts={"platform": "facebook", "url": "https://www.facebook.com/1001/posts/2002", "error": "RecursionError"},
    ),
    "breach": Mail(
        "breach",
        MailKind.BREACH,
        scene=a_takeover_with_posts,
        facts={"mention": 21, "platform": "facebook"},
        row={"severity": 3},
    ),
    "deaf": Mail(
        "deaf",
        MailKind.DEAF,
        scene=nothing,
        facts={
            "platform": "instagram",
            "since": (NOW - timedelta(hours=5)).isoformat(),
            "why": "The token was refused.",
            "do": "Make a new token as docs/instagram.md says, and put it into the settings.",
            "to_ceo": True,
        },
        row={"severity": 0},
    ),
    "deaf_part": Mail(
        "deaf",
        MailKind.DEAF,
        to=OPERATOR,
        scene=nothing,
        facts={
            "platform": "youtube",
            "part": "videos by others",
            "since": NOW.isoformat(),
            "why": "Search rests until 25 November 08:00 UTC: its allowance is used up.",
            "do": "Nothing is broken; comments and our own videos are heard as usual.",
        },
        row={"severity": 0},
    ),
    "heard_again": Mail(
        "heard_again",
        MailKind.DEAF,
        to=OPERATOR,
        scene=nothing,
        facts={"platform": "instagram", "since": SINCE, "until": NOW.isoformat(), "gap": ""},
        row={"severity": 0},
    ),
    "takeover_begun": Mail("takeover_begun", MailKind.TAKEOVER, facts=TAKEOVER, row={"severity": 3}),
    "takeover_begun-by-itself": Mail(
        "takeover_begun",
        MailKind.TAKEOVER,
        to=CHAIR,
        facts={**TAKEOVER, "by": "Earshot, by itself", "ends_at": (NOW + timedelta(hours=11)).isoformat()},
        row={"severity": 3},
    ),
    "poster_untold": Mail(
        "poster_untold", MailKind.TAKEOVER, facts={"since": SINCE, "who": "Ade Lowe"}, row={"severity": 3}
    ),
    "takeover_posters": Mail("takeover_posters", MailKind.TAKEOVER, to=POSTER, facts=TAKEOVER, row={"severity": 3}),
    "takeover_allowed": Mail(
        "takeover_allowed",
        MailKind.TAKEOVER,
        to=POSTER,
        facts={**TAKEOVER, "allowed": ["Priya Nair"], "mine": ["linkedin"]},
        row={"severity": 3},
    ),
    "takeover_proposed": Mail(
        "takeover_proposed",
        MailKind.TAKEOVER,
        facts={"incident": "kd7mrwqz", "reason": "Incident kd7mrwqz is a crisis."},
    ),
    "takeover_ended": Mail(
        "takeover_ended",
        MailKind.TAKEOVER,
        to=POSTER,
        facts={**TAKEOVER, "ended_at": NOW.isoformat(), "ended_by": "Rowan Ashdown (CEO)", "end_reason": "It is over."},
        row={"severity": 0},
    ),
    "takeover_report": Mail(
        "takeover_report",
        MailKind.REPORT,
        scene=a_takeover_with_posts,
        facts={**TAKEOVER, "ended_at": NOW.isoformat(), "ended_by": "Rowan Ashdown (CEO)", "end_reason": "It is over."},
        row={"severity": 0},
    ),
    "takeover_reminder": Mail(
        "takeover_reminder", MailKind.TAKEOVER, scene=a_storm, facts={**TAKEOVER, "days": 2}, row={"severity": 0}
    ),
    "situation": Mail(
        "situation",
        MailKind.REPORT,
        scene=a_takeover_with_posts,
        facts={**TAKEOVER, "from": SINCE, "until": NOW.isoformat()},
        row={"severity": 0},
    ),
    "fresh_link": Mail("fresh_link", facts={"purpose": "takeover", "subject": "kd7mrwqz"}, row=IN_INCIDENT),
    "token_ends": Mail(
        "token_ends",
        MailKind.DEAF,
        to=OPERATOR,
        scene=nothing,
        facts={"platform": "linkedin", "ends_at": (NOW + timedelta(days=7)).isoformat(), "days": 7},
        row={"severity": 0},
    ),
    "mail_ends": Mail(
        "mail_ends",
        MailKind.DEAF,
        to=OPERATOR,
        scene=nothing,
        facts={"why": "The leave to send mail has ended. Give it anew with `earshot connect mail`."},
    ),
    "phone_silent": Mail(
        "phone_silent",
        MailKind.DEAF,
        to=OPERATOR,
        scene=nothing,
        facts={"role": "ceo", "name": "Rowan Ashdown", "why": "The phone (ntfy) did not take the message."},
    ),
    "first_run": Mail("first_run", MailKind.REPORT, scene=history, row={"severity": 0}),
    "sign_in": Mail("sign_in", MailKind.TEST, to=POSTER, scene=nothing, row={"severity": 0}),
    "test": Mail("test", MailKind.TEST, scene=nothing, row={"severity": 0}),
    "erased": Mail(
        "erased",
        MailKind.REPORT,
        to=CHAIR,
        scene=a_disclosure,
        facts={
            "by": "Rowan Ashdown (CEO)",
            "posts": 3,
            "notes": 1,
            "left_posts": 2,
            "left_notes": 0,
            "left_of": ["kd7mrwqz"],
        },
        row={"severity": 0},
    ),
    "refused": Mail(
        "refused",
        to=OPERATOR,
        scene=nothing,
        facts={
            "refused": "ceo",
            "name": "Rowan Ashdown",
            "why": "The mail server refused the recipient (550 5.1.1).",
            "dead": True,
        },
    ),
    "ring": Mail("ring", to=OPERATOR, scene=about_both, row=IN_INCIDENT),
    "settings_faulty": Mail(
        "settings_faulty",
        MailKind.REPORT,
        to=OPERATOR,
        scene=nothing,
        facts={"why": "people.chair: expected email: an address such as name@charity.example"},
        row={"severity": 0},
    ),
    "refused-for-now": Mail(
        "refused",
        to=OPERATOR,
        scene=nothing,
        facts={"refused": "ceo", "name": "Rowan Ashdown", "why": "The mail server refused the recipient (552 5.2.2)."},
    ),
    "mail_out": Mail(
        "mail_out",
        MailKind.DEAF,
        to=OPERATOR,
        scene=nothing,
        facts={
            "since": (NOW - timedelta(hours=3)).isoformat(),
            "why": "The mail server refused the username or the password (535 5.7.8).",
        },
        row={"severity": 3},
    ),
    "phone": Mail("phone", row=IN_INCIDENT, facts={"step": 1}),
}

A_BULLETIN = Bulletin(
    organisation="Tessellate UK",
    week="2026-W48",
    period="16 to 22 November",
    summary="47 mentions heard, 2 incidents, 1 question waiting for an answer.",
    folded=("2026-W46",),
    questions=(Quote("Facebook, a comment", "Tue 17 Nov, 10:12", "Is the Saturday workshop on?", "https://www.facebook.com/1/posts/2", "waiting for 5 days"),),
    thanks=(Quote("YouTube, a comment", "Fri 20 Nov, 19:01", None, "https://www.youtube.com/watch?v=a&lc=b"),),
    more_thanks="3 on YouTube",
    watch=(Item("A grumble about parking", Severity.WATCH, "Facebook", "Wed 18 Nov, 09:00", size="2 posts"),),
    incidents=(
        Met("A complaint on Facebook", Severity.ALERT, "kd7mrwqz", "Tue 17 Nov, 10:00", "40 seconds after it was posted",
            "9 seconds later", "after 12 minutes", "after 2 hours", "1 post", "https://earshot.tessellateuk.example/a/LINK"),
    ),
    weeks=("12 Oct", "19 Oct", "26 Oct", "2 Nov", "9 Nov", "16 Nov"),
    platforms=(
        PlatformWeeks("Facebook", (20, 31, None, 18, 22, 31), (0.1, 0.2, None, 0.3, 0.31, -0.25), alerts=1),
        PlatformWeeks("Instagram", (5, 4, 6, 5, 0, 2), (None, None, None, None, None, 0.0), remark="deaf for 5 hours"),
        PlatformWeeks("X", (9, 8, 12, 11, 10, 14), (0.0, 0.1, 0.1, 0.1, 0.2, 0.3)),
        PlatformWeeks("LinkedIn", (1, 0, 2, 1, 3, 2), (0.5,), own=True),
        PlatformWeeks("YouTube", (3, 3, 1, 1, 2, 4), (), own=True),
    ),
    coverage=(CoverageLine("Facebook", False, "heard until 08:00."), CoverageLine("Instagram", True, "not heard since 03:00.")),
    deaf=("Instagram was not heard for 5 hours: the token was refused.",),
    spending=("X: 3.10 of 20.00 US dollars this month",),
    tokens=("The token of LinkedIn ends on Tue 1 Dec, 09:00.",),
    forgotten=("The words of 31 posts were forgotten.",),
    judgement=("2 alerts, 1 of them marked \"not a problem\".",),
    notes=("The social media policy was to be reviewed by 31 August 2026.",),
    audit_head="4f0c9e2ab8d1",
    links=(Link("Open Earshot", "https://earshot.tessellateuk.example", main=True),),
)  # fmt: skip


def letter(name: str) -> Letter:
    mail = MAILS[name]
    failures = _Failures()
    logging.getLogger().addHandler(failures)
    with a_store() as session:
        mail.scene(session)
        row = an_alert_row(session, mail.template, mail.kind, mail.to, facts=mail.facts, **mail.row)
        found = letter_for(session, row, a_house(**mail.house))
    logging.getLogger().removeHandler(failures)
    assert not failures.records, "a bulkhead stood in for the words"
    return found


class _Failures(logging.Handler):
    def __init__(self) -> None:
        super().__init__(logging.ERROR)
        self.records: list[logging.LogRecord] = []

    def emit(self, record: logging.LogRecord) -> None:
        self.records.append(record)


def approve(name: str, ending: str, found: str) -> None:
    path = GOLDEN / f"{name}.{ending}"
    found = re.sub(r"/a/[\w.-]{60,}", "/a/LINK", found)
    if os.environ.get("ACCEPT"):
        path.write_text(found, "utf-8")
    assert path.exists(), f"{path.name} was never approved; run `make accept` and read it"
    assert found == path.read_text("utf-8"), f"{path.name} has changed; run `make accept` and read the difference"


def written(letter: Letter) -> str:
    message = as_message(SETTINGS, letter)
    headers = "\n".join(f"{key}: {value}" for key, value in message.items() if not key.startswith("Content"))
    return f"{headers}\n\n{letter.text}"


@pytest.mark.parametrize("name", MAILS)
def test_a_mail_reads_as_approved(name: str) -> None:
    found = letter(name)
    approve(name, "txt", written(found))
    if found.html:
        approve(name, "html", found.html)


def test_the_digest_reads_as_approved() -> None:
    found = compose_digest(A_BULLETIN, CEO, message_id="<digest@tessellateuk.example>", sent_at=NOW)
    assert found.picture
    approve("digest", "txt", written(found))
    approve("digest", "html", found.html)


def test_every_template_has_an_approved_mail() -> None:
    assert {mail.template for mail in MAILS.values()} == set(TEMPLATES)


@pytest.mark.parametrize("name", [name for name, mail in MAILS.items() if mail.template != "phone"])
def test_the_html_says_what_the_text_says(name: str) -> None:
    found = letter(name)
    body = found.html.partition("<body>")[2]
    shown = _letters_of(unescape(re.sub(r"<[^>]+>", " ", body)))
    for line in found.text.splitlines():
        words = re.sub(r"^(\d+\. |- NOT HEARD\. |- |> )", "", line).split(" It saw")[0]
        if not line.startswith(("http", "***", "Open it")):
            assert _letters_of(words) in shown, line


def _letters_of(text: str) -> str:
    return "".join(c for c in text.casefold() if c.isalnum())


@pytest.mark.parametrize("name", MAILS)
def test_a_mail_is_small_and_needs_nothing_from_elsewhere(name: str) -> None:
    found = letter(name)
    assert len(found.html) + len(found.text) < 40_000
    assert "<script" not in found.html
    assert not re.search(r'src="(?!cid:)|url\(|@import|<link', found.html)
