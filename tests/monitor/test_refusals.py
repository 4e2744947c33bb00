"""Two decisions about a mail server's no: is the address dead, and was the person reached?"""

from __future__ import annotations

from datetime import UTC, datetime, time, timedelta
from itertools import pairwise, product
from zoneinfo import ZoneInfo

import pytest

from alerts.mailer import as_refusal
from alerts.model import DeliveryFailed, Refusal, Severity, Stage
from monitor.escalation import ChainPolicy, not_reached_at
from monitor.refusals import Outcome, gap_after, is_dead, is_final, load_words, outcome_of

DETAILS = {0: 0, 1: 10, 2: 4, 3: 6, 4: 7, 5: 6, 6: 10, 7: 30}
"""Subjects of RFC 3463 with the highest detail that is registered (RFC 5248, as of 2026)."""
CODES = [f"{subject}.{detail}" for subject, last in DETAILS.items() for detail in range(last + 1)]
STAGES = (Stage.SENDER, Stage.RECIPIENT, Stage.LETTER)
NO_MAILBOX = {"1.1", "1.2", "1.3", "1.6", "1.10"}

DAY = datetime(2026, 11, 24, 14, 0, tzinfo=UTC)
NIGHT = datetime(2026, 11, 24, 23, 30, tzinfo=UTC)
MORNING = datetime(2026, 11, 25, 7, 0, tzinfo=UTC)
POLICY = ChainPolicy(
    timedelta(minutes=15), timedelta(minutes=30), timedelta(minutes=60), timedelta(hours=2), time(22), time(7),
    ZoneInfo("Europe/London"),
)  # fmt: skip


@pytest.mark.parametrize("stage", STAGES, ids=str)
@pytest.mark.parametrize("code", CODES)
def test_both_decisions_for_every_code_at_every_stage_for_one_person_and_for_everybody(stage: Stage, code: str) -> None:
    for kind, everybody in product((4, 5), (False, True)):
        refusal = Refusal(stage, 100 * kind + 50, f"{kind}.{code}", "words that mean nothing, user unknown")

        dead = is_dead(refusal, load_words(), everybody=everybody)
        borne = {
            severity: not_reached_at(severity, is_final=is_final(refusal), tried_at=DAY, failed_at=DAY, policy=POLICY)
            - DAY
            for severity in (Severity.ALERT, Severity.CRISIS)
        }

        assert dead is (kind == 5 and code in NO_MAILBOX and stage is not Stage.SENDER and not everybody)
        if kind == 5:
            assert borne == {Severity.ALERT: timedelta(), Severity.CRISIS: timedelta()}
        else:
            assert borne == {Severity.ALERT: timedelta(minutes=30), Severity.CRISIS: timedelta(minutes=5)}


@pytest.mark.parametrize("stage", [Stage.GREETING, Stage.SIGN_IN], ids=str)
@pytest.mark.parametrize("code", sorted(NO_MAILBOX))
def test_a_server_that_has_not_heard_of_the_recipient_says_nothing_of_their_address(stage: Stage, code: str) -> None:
    refusal = Refusal(stage, 550, f"5.{code}")

    assert not is_dead(refusal, load_words())
    assert is_final(refusal)


@pytest.mark.parametrize(
    ("reply", "dead"),
    [
        ("550 No such user here", True),
        ("550 <rowan@charity.example>: Recipient address rejected: User unknown in local recipient table", True),
        ("550 Unknown recipient", True),
        ("551 User not local", True),
        ("553 sorry, that mailbox does not exist", True),
        ("550 This user doesn’t exist", True),
        ("550 <policy@charity.example> user unknown", True),
        ("550 Requested action not taken: mailbox unavailable", False),
        ("550 Mailbox full, user unknown to take more", False),
        ("550 Your sender domain does not exist", False),
        ("550 Message rejected as spam by policy", False),
        ("550 nosuchuser.no such thing@x.example refused", False),
        ("550 <no such user@x.example> not taken", False),
        ("551 Relaying denied, no such user for you", False),
        ("550 The address does not exist", True),
        ("551 Recipient has moved", True),
        ("550 PTR record does not exist for 192.0.2.4", False),
        ("550 SPF record for charity.example does not exist", False),
        ("550 DKIM key does not exist", False),
        ("550 Envelope from domain does not exist", False),
        ("553 The domain in MAIL FROM does not exist", False),
        ("550 This server has moved to smtp.new.example", False),
        ("551 Service has moved", False),
        ("550 Your account does not exist on this server", False),
        ("550 Maximum invalid recipients exceeded, try later", False),
        ("550 unknown user: please login before sending", False),
        ("550 Access denied - user unknown in whitelist", False),
        ("550 Certificate does not exist, TLS required", False),
        ("550 client cert user not found", False),
        ("550 the host said\n5.7.1 user unknown or not wanted here", False),
        ("550 mx.charity.example 5.7.1 recipient unknown", False),
        ("550 5.1.1 user unknown (after 5.7.1 from the gateway)", False),
        ("550 the host said\n5.1.1 user unknown", True),
        ("552 No such user", False),
        ("554 No such user", False),
        ("521 does not exist", False),
        ("450 No such user", False),
        ("550", False),
    ],
)
def test_a_bare_reply_to_rcpt_means_a_dead_address_only_in_words_that_say_so(reply: str, dead: bool) -> None:
    code, _, words = reply.partition(" ")

    assert is_dead(as_refusal(Stage.RECIPIENT, int(code), words.encode()), load_words()) is dead
    if not as_refusal(Stage.LETTER, int(code), words).enhanced:
        assert not is_dead(as_refusal(Stage.LETTER, int(code), words.encode()), load_words())


@pytest.mark.parametrize(
    ("words", "enhanced"),
    [
        ("5.1.1 no such user", "5.1.1"),
        ("5.1.1. no such user", "5.1.1"),
        ("#5.1.1 no such user", "5.1.1"),
        ("(5.7.1) blocked", "5.7.1"),
        ("5.1.10 null MX", "5.1.10"),
        ("5.1.1.7 is on a block list", ""),
        ("no such user 5.1.1", ""),
        ("", ""),
    ],
)
def test_the_enhanced_code_is_what_stands_at_the_beginning(words: str, enhanced: str) -> None:
    assert as_refusal(Stage.RECIPIENT, 550, words).enhanced == enhanced


@pytest.mark.parametrize(
    ("failure", "outcome"),
    [
        (DeliveryFailed("no", refusal=Refusal(Stage.RECIPIENT, 550, "5.1.1")), Outcome.DEAD),
        (DeliveryFailed("no", refusal=Refusal(Stage.RECIPIENT, 552, "5.2.2")), Outcome.FINAL),
        (DeliveryFailed("no", refusal=Refusal(Stage.SIGN_IN, 535, "5.7.8")), Outcome.FINAL),
        (DeliveryFailed("no", refusal=Refusal(Stage.GREETING, 554, "5.7.1")), Outcome.FINAL),
        (DeliveryFailed("no", refusal=Refusal(Stage.RECIPIENT, 451, "4.7.1")), Outcome.TEMPORARY),
        (DeliveryFailed("the line broke", unclear=True), Outcome.TEMPORARY),
        (DeliveryFailed("no route", unanswered=True), Outcome.UNANSWERED),
    ],
    ids=lambda value: value.value if isinstance(value, Outcome) else "",
)
def test_what_is_kept_of_a_try(failure: DeliveryFailed, outcome: Outcome) -> None:
    assert outcome_of(failure, load_words()) is outcome


@pytest.mark.parametrize("is_final", [True, False])
def test_at_night_the_next_person_hears_of_an_alert_in_the_morning_and_of_a_crisis_at_once(is_final: bool) -> None:
    when = {
        severity: not_reached_at(severity, is_final=is_final, tried_at=NIGHT, failed_at=NIGHT, policy=POLICY)
        for severity in (Severity.ALERT, Severity.CRISIS)
    }

    assert when == {
        Severity.ALERT: MORNING,
        Severity.CRISIS: NIGHT if is_final else NIGHT + timedelta(minutes=5),
    }


@pytest.mark.parametrize("outcome", Outcome, ids=str)
def test_gaps_between_tries_grow_and_stay_short_enough_to_notice_what_was_mended(outcome: Outcome) -> None:
    gaps = [gap_after(outcome, attempts) for attempts in range(1, 20)]

    assert all(before <= after for before, after in pairwise(gaps))
    assert gaps[0] < gaps[-1] <= timedelta(hours=1)
    if outcome is Outcome.UNANSWERED:
        assert gaps[-1] <= timedelta(minutes=1)
