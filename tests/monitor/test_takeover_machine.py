"""CEO takeover as a state machine: which verb leads where, and what can never happen."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from alerts import takeover as machine
from alerts.takeover import UNATTENDED_FOR, Refused, State, Takeover

NOW = datetime(2026, 11, 24, 14, 0, tzinfo=UTC)
NORMAL = Takeover()
PROPOSED = machine.propose(NORMAL, incident="i1", reason="a crisis", now=NOW) or NORMAL
ACTIVE = machine.begin(PROPOSED, by="Rowan", reason="a leak", now=NOW) or NORMAL
ALONE = machine.begin(PROPOSED, by=machine.ITSELF, reason="a crisis", now=NOW, unattended=True) or NORMAL
STANDING_DOWN = machine.end(ACTIVE, by="Rowan", reason="over", now=NOW, on_hold="Instagram") or NORMAL


def test_the_states_are_what_they_are_called() -> None:
    states = [t.state for t in (NORMAL, PROPOSED, ACTIVE, ALONE, STANDING_DOWN)]

    assert states == [State.NORMAL, State.PROPOSED, State.ACTIVE, State.ACTIVE, State.STANDING_DOWN]
    assert [t.is_active for t in (NORMAL, PROPOSED, ACTIVE, STANDING_DOWN)] == [False, False, True, False]


@pytest.mark.parametrize("state", [PROPOSED, ACTIVE, ALONE, STANDING_DOWN])
def test_a_proposal_changes_nothing_that_is_under_way(state: Takeover) -> None:
    assert machine.propose(state, incident="i2", reason="another", now=NOW) is None


@pytest.mark.parametrize(("by", "reason"), [("", "a leak"), ("Rowan", ""), (" ", " ")])
def test_no_takeover_begins_or_ends_without_a_person_and_a_reason(by: str, reason: str) -> None:
    with pytest.raises(Refused):
        machine.begin(NORMAL, by=by, reason=reason, now=NOW)
    with pytest.raises(Refused):
        machine.end(ACTIVE, by=by, reason=reason, now=NOW)


def test_beginning_twice_changes_nothing_and_a_person_confirms_what_began_by_itself() -> None:
    assert machine.begin(ACTIVE, by="Imogen", reason="again", now=NOW) is None
    confirmed = machine.begin(ALONE, by="Rowan", reason="yes", now=NOW)
    assert confirmed is not None
    assert (confirmed.is_active, confirmed.is_unattended, confirmed.by) == (True, False, "Rowan")
    assert machine.begin(ALONE, by=machine.ITSELF, reason="again", now=NOW, unattended=True) is None


def test_only_what_began_by_itself_has_an_end_of_its_own() -> None:
    assert ACTIVE.ends_at is None
    assert ALONE.ends_at == NOW + UNATTENDED_FOR
    assert machine.confirm(ACTIVE, by="Rowan") is None


def test_it_keeps_the_incident_that_it_was_proposed_for() -> None:
    assert ACTIVE.incident == "i1"


def test_standing_down_ends_at_the_second_word() -> None:
    over = machine.end(STANDING_DOWN, by="Rowan", reason="all done", now=NOW, on_hold="still")

    assert over is not None
    assert over.state is State.NORMAL
    assert machine.end(NORMAL, by="Rowan", reason="again", now=NOW) is None


def test_exceptions_and_handing_over_need_a_takeover() -> None:
    for state in (NORMAL, PROPOSED, STANDING_DOWN):
        with pytest.raises(Refused):
            machine.allow(state, names=("Ade",), platforms=("x",))
        with pytest.raises(Refused):
            machine.hand_over(state, by="Rowan", to="chair")
    handed = machine.hand_over(ACTIVE, by="Rowan", to="chair")
    assert handed is not None
    assert (handed.holder, handed.since) == ("chair", ACTIVE.since)
    assert machine.hand_over(ACTIVE, by="Rowan", to="ceo") is None


VERBS = st.sampled_from(["propose", "begin", "begin alone", "confirm", "end", "end on hold", "hand over", "allow"])


@given(st.lists(VERBS, max_size=30))
def test_whatever_is_pressed_in_whatever_order_the_machine_alone_never_lasts(verbs: list[str]) -> None:
    state, now = NORMAL, NOW
    for verb in verbs:
        now += timedelta(minutes=1)
        try:
            after = {
                "propose": lambda s=state, n=now: machine.propose(s, incident="i", reason="r", now=n),
                "begin": lambda s=state, n=now: machine.begin(s, by="Rowan", reason="r", now=n),
                "begin alone": lambda s=state, n=now: machine.begin(
                    s, by=machine.ITSELF, reason="r", now=n, unattended=True
                ),
                "confirm": lambda s=state: machine.confirm(s, by="Rowan"),
                "end": lambda s=state, n=now: machine.end(s, by="Rowan", reason="r", now=n),
                "end on hold": lambda s=state, n=now: machine.end(s, by="Rowan", reason="r", now=n, on_hold="x"),
                "hand over": lambda s=state: machine.hand_over(s, by="Rowan", to="chair"),
                "allow": lambda s=state: machine.allow(s, names=(), platforms=("x",)),
            }[verb]()
        except Refused:
            assert not state.is_active
            continue
        if after is not None:
            state = after
        if state.is_active:
            assert state.reason
            assert state.by
            assert state.ends_at is not None or state.by != machine.ITSELF
