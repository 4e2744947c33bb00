"""What people say straight, judged by rules alone: it alerts as it stands, and what only sounds alike does not."""

from __future__ import annotations

import pytest
from judging import by_rules
from makers import a_mention

from alerts.model import Severity
from connectors.model import Kind


def level(text: str, kind: Kind = Kind.COMMENT) -> Severity:
    return by_rules().assess(a_mention(text, kind=kind)).severity


@pytest.mark.parametrize(
    "text",
    [
        "As a partner school we need to know today what Tessellate UK is doing about the allegation against a youth worker",
        "Severn Evening News here @TessellateUK would you be free to be interviewed this afternoon?",
        "Rowan Ashdown of Tessellate UK bullied me out of my job",
        "Our school is withdrawing from the programme with immediate effect",
        "As your funder we expect an explanation of the safeguarding incident by Friday",
        "Our governors would like to know how you are handling the allegations",
        "Hello, BBC Radio Bristol here, could someone call us for a comment before three?",
        "I'm a reporter at the Westgate Gazette. Who can I speak to about the arrest?",
        "I worked at Tessellate UK for three years and was bullied by my manager until I left",
        "Your boss screamed at me in front of the whole staff",
        "We are ending our partnership with Tessellate UK",
        "As a foundation we are suspending our grant to you",
    ],
)
def test_schools_funders_reporters_and_former_staff_are_heard(text: str):
    assert level(text, Kind.MENTION if "Tessellate" in text else Kind.COMMENT) >= Severity.ALERT


@pytest.mark.parametrize(
    "text",
    [
        "Unlike Beacon Youth, who are liars and thieves",
        "Don't donate to Harbour Arts, come to us",
        "Honestly, Beacon Youth are frauds and everybody knows it",
    ],
)
def test_an_own_post_that_runs_others_down_alerts(text: str):
    assert level(text, Kind.OWN_POST) >= Severity.ALERT


@pytest.mark.parametrize(
    "text",
    [
        "i want to kill myself",
        "he touched me. my stepdad. i havent told anyone",
        "my dad broke my arm last time hes angry again",
        "i took loads of tablets. feel sick",
        "my nudes are in a year 10 groupchat",
        "theres a lad with a knife in the toilets at the open mic",
        "gonna burn your office down tonight",
        "it stinks of gas in the green room and they told us to carry on",
        "jay fell off the stage hes not waking up",
        "WHERE IS MY SON. everyone else got off that coach",
        "my mum booked the lady to cut me on saturday. im scared",
        "your volunteer asked my daughter for a kiss. she is 11",
        "someones got your account, its posting crypto",
    ],
)
def test_a_plain_statement_of_danger_is_a_crisis_in_small_letters_too(text: str):
    assert level(text) is Severity.CRISIS


@pytest.mark.parametrize(
    "text",
    [
        "that song touched me deeply",
        "you stole my heart",
        "the choir was on fire tonight",
        "my mum is gonna kill me when she sees this haircut",
        "i overdosed on your samosas",
        "my brother beat me at chess again",
        "heard you on the radio this morning",
        "we pulled out all the stops for your show",
        "you pushed me out of my comfort zone and i loved it",
        "they cut my hair for the show",
        "has anyone seen my son's coat?",
        "💛💛💛",
        "asdfghjkl",
        "good morning from Leeds",
        "thank you all, what a night",
    ],
)
def test_turns_of_phrase_praise_greetings_gibberish_and_emoji_are_not_even_watched(text: str):
    assert level(text) is Severity.ROUTINE


@pytest.mark.parametrize(
    "text",
    [
        "Labour will win this, mark my words",
        "The Tories have wrecked this country and Reform are no better",
        "Vote Green on Thursday!",
        "Our MP is a liar and should resign",
    ],
)
def test_party_talk_beside_our_name_is_no_alert_and_the_same_in_our_own_post_is(text: str):
    assert level(f"@TessellateUK {text}", Kind.MENTION) < Severity.ALERT


def test_that_we_take_a_side_alerts_whoever_says_it():
    assert level("Tessellate UK staff leafleted for Labour on Saturday, charities must be neutral") >= Severity.ALERT
    assert level("Vote Labour on Thursday, they deserve it", Kind.OWN_POST) >= Severity.ALERT
