"""The shipped checks find the faults that they are meant to find."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta

import pytest

from connectors.errors import CredentialsRejected, Unreachable
from connectors.model import (
    Allowance,
    Batch,
    Bucket,
    Coverage,
    Finding,
    Kind,
    Level,
    Mention,
    Organisation,
    Period,
    Platform,
    PollPlan,
    secret,
)
from connectors.testing import (
    ContractBroken,
    ScriptedConnector,
    ScriptedObserver,
    check_connector,
    check_platform,
    scripted_platform,
)

NOW = datetime(2026, 11, 23, 12, tzinfo=UTC)
ALLOWANCE = Allowance(NOW, {"calls": 5})


def a_mention(number: int) -> Mention:
    return Mention("elsewhere", str(number), Kind.MENTION, "Hello", "https://example.org/1", NOW)


PAGES = {
    None: Batch((a_mention(2),), cursor="page 2", more=True, spent={"calls": 1}),
    "page 2": Batch((a_mention(1),), cursor="end", spent={"calls": 1}),
}


class Paged:
    """A connector that keeps the contract, and of which a test bends one page."""

    def __init__(self, **changes: Batch) -> None:
        self._pages = PAGES | {("page 2" if name == "second" else None): batch for name, batch in changes.items()}

    def fetch(self, cursor: str | None, allowance: Allowance, /) -> Batch:
        if allowance.of("calls") < 1:
            return Batch(cursor=cursor, more=False)
        return self._pages.get(cursor, Batch(cursor=cursor or "end"))


def test_a_connector_that_keeps_the_contract_passes_and_its_mentions_are_given_back() -> None:
    checked = check_connector(Paged, allowance=ALLOWANCE)

    assert [mention.external_id for mention in checked.mentions] == ["2", "1"]
    assert checked.cursor == "end"


@pytest.mark.parametrize(
    ("first", "reason"),
    [
        (replace(PAGES[None], spent={"calls": 6}), "spent"),
        (replace(PAGES[None], cursor=None), "unchanged"),
        (replace(PAGES[None], cursor=None, more=False), "no cursor"),
        (replace(PAGES[None], cursor="the token is s3cret"), "secret number 1"),
        (replace(PAGES[None], cursor="x" * 70_000), "longer than"),
        (replace(PAGES[None], dropped=1), "shape"),
        (replace(PAGES[None], coverage=Coverage(NOW + timedelta(hours=1))), "future"),
        (replace(PAGES[None], mentions=(a_mention(1), replace(a_mention(2), platform="b"))), "several platforms"),
        (replace(PAGES[None], usage=lambda: 1), "another process"),  # type: ignore[arg-type]
    ],
)
def test_a_page_that_breaks_the_contract_is_named(first: Batch, reason: str) -> None:
    with pytest.raises(ContractBroken, match=reason):
        check_connector(lambda: Paged(first=first), allowance=ALLOWANCE, secrets=("s3cret",))


def test_a_connector_that_keeps_its_place_in_memory_instead_of_the_cursor_is_found_out() -> None:
    class Forgetful(Paged):
        def __init__(self) -> None:
            super().__init__()
            self.page: str | None = None

        def fetch(self, cursor: str | None, allowance: Allowance, /) -> Batch:
            batch = super().fetch(self.page, allowance)
            self.page = batch.cursor
            return replace(batch, mentions=batch.mentions if cursor in PAGES else ())

    class Skips(Forgetful):
        def fetch(self, cursor: str | None, allowance: Allowance, /) -> Batch:
            if self.page is None and cursor is not None:
                return Batch(cursor="end")
            return super().fetch(cursor, allowance)

    with pytest.raises(ContractBroken, match="new process"):
        check_connector(Skips, allowance=ALLOWANCE)


def test_a_connector_that_spends_without_allowance_is_found_out() -> None:
    class Greedy(Paged):
        def fetch(self, cursor: str | None, allowance: Allowance, /) -> Batch:
            return self._pages.get(cursor, Batch(cursor="end", spent={"calls": 1}))

    with pytest.raises(ContractBroken, match="of an allowance of {'calls': 0}"):
        check_connector(Greedy, allowance=ALLOWANCE)


def test_a_wrong_class_of_error_and_a_secret_in_its_cause_are_found_out() -> None:
    def leaks() -> ScriptedConnector:
        error = Unreachable("The platform did not answer.")
        error.__cause__ = OSError("GET https://example.org/?access_token=s3cret")
        return ScriptedConnector([error])

    with pytest.raises(ContractBroken, match="not Unreachable"):
        check_connector(
            Paged, allowance=ALLOWANCE, unreachable=lambda: ScriptedConnector([CredentialsRejected("Refused.")])
        )
    with pytest.raises(ContractBroken, match="as if all were well"):
        check_connector(Paged, allowance=ALLOWANCE, refused=Paged)
    with pytest.raises(ContractBroken, match="secret number 1"):
        check_connector(Paged, allowance=ALLOWANCE, unreachable=leaks, secrets=("s3cret",))


def test_a_recheck_that_tells_of_strangers_is_found_out() -> None:
    class Nosy(Paged):
        def recheck(self, ids: tuple[str, ...], allowance: Allowance, /) -> Batch:
            return Batch(gone=("99",))

    with pytest.raises(ContractBroken, match="not asked for"):
        check_connector(Nosy, allowance=ALLOWANCE)


def test_a_script_is_played_in_order_and_remembers_what_it_was_asked() -> None:
    connector = ScriptedConnector([Unreachable("Down."), PAGES[None], lambda cursor, _: Batch(cursor=f"{cursor}!")])

    with pytest.raises(Unreachable):
        connector.fetch(None, ALLOWANCE)
    assert connector.fetch("a", ALLOWANCE) == PAGES[None]
    assert connector.fetch("b", ALLOWANCE).cursor == "b!"
    assert connector.fetch("c", ALLOWANCE) == Batch(cursor="c")
    assert [cursor for cursor, _ in connector.asked] == [None, "a", "b", "c"]


def test_a_scripted_observer_answers_rechecks_and_the_doctor() -> None:
    here = a_mention(1)
    connector = ScriptedObserver(present={"1": here}, gone=["2"], findings=[Finding(Level.GOOD, "All is well.")])

    batch = connector.recheck(("1", "2", "3"), ALLOWANCE)

    assert (batch.mentions, batch.gone) == ((here,), ("2",))
    assert connector.examine(ALLOWANCE)[0].what == "All is well."


MINUTE = timedelta(minutes=1)


@dataclass(frozen=True, slots=True)
class Settings:
    base_url: str = "https://example.org"
    token: str = secret()


@dataclass(frozen=True, slots=True)
class Careless:
    token: str = field(default="", metadata={"secret": True})


def a_platform(plan: PollPlan) -> Platform[Settings]:
    return Platform("elsewhere", Settings, lambda _s, _o: Paged(), lambda _s, _o: plan)


def test_a_platform_that_reserves_too_much_or_shows_its_secret_is_found_out() -> None:
    ours = Organisation("Tessellate UK")
    greedy = PollPlan(MINUTE, MINUTE, (Bucket("calls", "calls", 5, Period.UTC_DAY, reserve=6),))
    careless = Platform("elsewhere", Careless, lambda _s, _o: Paged(), lambda _s, _o: PollPlan(MINUTE, MINUTE))

    with pytest.raises(ContractBroken, match="reserves more"):
        check_platform(a_platform(greedy), Settings(), ours)
    with pytest.raises(ContractBroken, match="slower"):
        check_platform(a_platform(PollPlan(MINUTE, MINUTE * 2)), Settings(), ours)
    with pytest.raises(ContractBroken, match="secret setting 'token'"):
        check_platform(careless, Careless(), ours)
    scripted = scripted_platform("elsewhere", Paged(), PollPlan(MINUTE, MINUTE))
    assert check_platform(scripted, scripted.settings(), ours) == PollPlan(MINUTE, MINUTE)
