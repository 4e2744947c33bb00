"""Fakes that are shipped, and the checks that every connector must pass: ours and a stranger's sixth.

A third-party package imports this module in its own tests::

    def test_my_connector_keeps_the_contract() -> None:
        checked = check_connector(
            lambda: connect(Settings(base_url=server.url, token="t0p"), organisation),
            allowance=Allowance(now=server.now(), left={"calls": 100}),
            secrets=("t0p",),
        )
        assert {mention.external_id for mention in checked.mentions} == {"1", "2"}
"""

from __future__ import annotations

import dataclasses
import pickle
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any

from connectors.errors import ConnectorError, RateLimited
from connectors.model import (
    Allowance,
    Batch,
    Connector,
    Examines,
    Finding,
    Mention,
    Organisation,
    Platform,
    PollPlan,
    Rechecks,
)

MAX_CURSOR = 64 * 1024
"""Characters of a cursor that the store is expected to keep."""

Step = Batch | Exception | Callable[[str | None, Allowance], Batch]
"""One answer of a script: a batch, an exception to raise, or a function of what ``fetch`` was given."""


class ContractBroken(AssertionError):
    """A connector does something that the daemon does not allow for. The message says what."""


class ScriptedConnector:
    """Answers ``fetch`` from a list, in order, and remembers what it was asked.

    When the list is used up it hears nothing more: an empty batch that keeps the cursor.
    """

    def __init__(self, steps: Iterable[Step] = ()) -> None:
        self.steps: list[Step] = list(steps)
        self.asked: list[tuple[str | None, Allowance]] = []

    def fetch(self, cursor: str | None, allowance: Allowance, /) -> Batch:
        """The next step of the script."""
        self.asked.append((cursor, allowance))
        if not self.steps:
            return Batch(cursor=cursor)
        step = self.steps.pop(0)
        if isinstance(step, Exception):
            raise step
        return step if isinstance(step, Batch) else step(cursor, allowance)


class ScriptedObserver(ScriptedConnector):
    """A scripted connector that also answers re-checks and the doctor.

    ``present`` maps ids to the mention as it now is; an id in ``gone`` is gone; any other is left open.
    """

    def __init__(
        self,
        steps: Iterable[Step] = (),
        *,
        present: Mapping[str, Mention] | None = None,
        gone: Iterable[str] = (),
        findings: Iterable[Finding] = (),
        spent: Mapping[str, int] | None = None,
    ) -> None:
        super().__init__(steps)
        self.present = dict(present or {})
        self.gone = set(gone)
        self.findings = tuple(findings)
        self.spent = dict(spent or {})
        self.rechecked: list[tuple[str, ...]] = []

    def recheck(self, ids: tuple[str, ...], allowance: Allowance, /) -> Batch:
        """The present form of ``ids``, from ``present`` and ``gone``."""
        self.rechecked.append(ids)
        return Batch(
            tuple(self.present[i] for i in ids if i in self.present),
            gone=tuple(i for i in ids if i in self.gone),
            spent=self.spent,
        )

    def examine(self, allowance: Allowance, /) -> tuple[Finding, ...]:
        """The findings given at the start."""
        return self.findings


@dataclass(frozen=True, slots=True)
class NoSettings:
    """The settings of a scripted platform: there are none."""


def scripted_platform(name: str, connector: Connector, plan: PollPlan) -> Platform[NoSettings]:
    """A platform that always connects to ``connector``: for a test of whatever polls."""
    return Platform(name, NoSettings, lambda _settings, _organisation: connector, lambda _settings, _organisation: plan)


@dataclass(frozen=True, slots=True)
class Checked:
    """What ``check_connector`` heard on its way: for the assertions that only you can make."""

    mentions: tuple[Mention, ...]
    gone: tuple[str, ...]
    batches: tuple[Batch, ...]
    cursor: str | None
    findings: tuple[Finding, ...] = field(default=())


def check_connector(
    connect: Callable[[], Connector],
    *,
    allowance: Allowance,
    unreachable: Callable[[], Connector] | None = None,
    refused: Callable[[], Connector] | None = None,
    secrets: tuple[str, ...] = (),
    at_most: int = 100,
) -> Checked:
    """Put a connector through all that the daemon may do to it; raises ``ContractBroken`` with the reason.

    ``connect`` makes a connector to something that answers (a stand-in, a fake client) and shows the same few
    posts to every new one. ``allowance`` is what each single ``fetch`` may spend; name every bucket that the
    poll plan knows. ``unreachable`` makes a connector to an address where nothing listens and ``refused`` one
    with a wrong token: both must fail in our words. None of ``secrets`` may show up in anything that comes
    out. ``at_most`` bounds the pages that are followed.
    """
    watch = _Watch(secrets)
    batches = _drain(connect(), None, allowance, at_most, watch)
    _check_restart(connect, batches, allowance, at_most, watch)
    cursor = _last_cursor(batches)
    quiet = _ask(connect(), cursor, allowance, watch)
    _need(_fits(quiet, allowance), "the poll after the last page spends more than its allowance")
    _check_zero(connect(), cursor, allowance, watch)
    _check_bad_cursors(connect, allowance, watch)
    _check_failures(unreachable, refused, allowance, watch)
    mentions = _newest(batches)
    findings = _check_extras(connect(), mentions, allowance, watch)
    return Checked(
        tuple(mentions.values()), tuple(i for batch in batches for i in batch.gone), tuple(batches), cursor, findings
    )


def check_platform(platform: Platform[Any], settings: object, organisation: Organisation) -> PollPlan:
    """The plan of a platform, after checking what it declares; raises ``ContractBroken`` with the reason."""
    name = platform.name
    _need(name.isidentifier() and name == name.lower(), f"{name!r} is not a lower-case word")
    _need(dataclasses.is_dataclass(platform.settings), "the settings are not a dataclass")
    fields = {item.name: item for item in dataclasses.fields(platform.settings)}
    for item in fields.values():
        if item.metadata.get("secret"):
            _need(not item.repr, f"the secret setting {item.name!r} shows in repr(): make it with secret()")
    _need(
        platform.token_setting is None or platform.token_setting in fields, "token_setting names a setting that is not"
    )
    _need(isinstance(settings, platform.settings), f"the settings are not {platform.settings.__name__}")
    plan = platform.plan(settings, organisation)
    _need(plan.hurried <= plan.calm, "hurried polling is slower than calm polling")
    for bucket in plan.buckets:
        _need(0 <= bucket.reserve <= bucket.amount, f"bucket {bucket.name!r} reserves more than there is in it")
        _need(0 <= bucket.recheck_share <= 1, f"bucket {bucket.name!r} gives re-checks more than there is in it")
    return plan


@dataclass(slots=True)
class _Watch:
    """Looks at all that comes out: picklable, and without a secret."""

    secrets: tuple[str, ...]

    def over(self, value: object, where: str) -> None:
        try:
            pickle.loads(pickle.dumps(value))  # noqa: S301 - our own bytes, a moment old
        except Exception as error:
            raise ContractBroken(f"{where} cannot cross to another process: {type(error).__name__}") from error
        self.text(repr(value), where)

    def text(self, text: str, where: str) -> None:
        for number, word in enumerate(self.secrets):
            _need(word not in text, f"secret number {number + 1} shows up in {where}")

    def error(self, error: ConnectorError, where: str) -> None:
        """What a log would print of ``error``: itself, and what a traceback shows of its causes."""
        _need(bool(error.what), f"{where}: the error says nothing to a person")
        link: BaseException | None = error
        while link is not None:
            self.text(f"{link!r} {vars(link)}", f"the error of {where}")
            link = link.__cause__ or (None if link.__suppress_context__ else link.__context__)


def _need(true: bool, why: str) -> None:
    if not true:
        raise ContractBroken(why)


def _ask(connector: Connector, cursor: str | None, allowance: Allowance, watch: _Watch) -> Batch:
    batch = connector.fetch(cursor, allowance)
    _need(isinstance(batch, Batch), f"fetch gave a {type(batch).__name__}, not a Batch")
    watch.over(batch, "a batch")
    watch.text(repr(connector), "repr() of the connector")
    _need(batch.cursor is None or isinstance(batch.cursor, str), "the cursor is not a text")
    _need(len(batch.cursor or "") <= MAX_CURSOR, f"the cursor is longer than {MAX_CURSOR} characters")
    _need(_fits(batch, allowance), f"a fetch spent {dict(batch.spent)} of an allowance of {dict(allowance.left)}")
    _need(len({mention.platform for mention in batch.mentions}) <= 1, "mentions of several platforms in one batch")
    _need(batch.dropped <= 0 or bool(batch.shapes), "entries were dropped without saying their shape")
    heard = batch.coverage.heard_until
    _need(heard is None or heard.tzinfo is not None, "heard_until is a naive time")
    _need(heard is None or heard <= allowance.now, "heard_until lies in the future")
    return batch


def _fits(batch: Batch, allowance: Allowance) -> bool:
    return all(0 <= used <= allowance.of(bucket) for bucket, used in batch.spent.items())


def _drain(
    connector: Connector, cursor: str | None, allowance: Allowance, at_most: int, watch: _Watch
) -> tuple[Batch, ...]:
    batches: list[Batch] = []
    for _ in range(at_most):
        batch = _ask(connector, cursor, allowance, watch)
        batches.append(batch)
        if not batch.more:
            _need(bool(batch.cursor), "there is no cursor after the last page: the next poll would begin anew")
            return tuple(batches)
        _need(batch.cursor != cursor, "more is promised with the cursor unchanged: that never ends")
        cursor = batch.cursor
    raise ContractBroken(f"there was still more after {at_most} pages")


def _last_cursor(batches: tuple[Batch, ...]) -> str | None:
    return batches[-1].cursor


def _newest(batches: tuple[Batch, ...]) -> dict[str, Mention]:
    return {mention.external_id: mention for batch in batches for mention in batch.mentions}


def _check_restart(
    connect: Callable[[], Connector], batches: tuple[Batch, ...], allowance: Allowance, at_most: int, watch: _Watch
) -> None:
    """A process that dies after any page, and a new one that goes on from the cursor, miss nothing."""
    everything = set(_newest(batches))
    for number, batch in enumerate(batches[:-1], start=1):
        rest = _drain(connect(), batch.cursor, allowance, at_most, watch)
        missed = everything - set(_newest(batches[:number])) - set(_newest(rest))
        _need(not missed, f"{len(missed)} mentions are missed when a new process goes on after page {number}")


def _check_zero(connector: Connector, cursor: str | None, allowance: Allowance, watch: _Watch) -> None:
    if not allowance.left:
        return
    nothing = dataclasses.replace(allowance, left=dict.fromkeys(allowance.left, 0))
    try:
        _ask(connector, cursor, nothing, watch)
    except RateLimited as error:
        watch.error(error, "a poll without allowance")


def _check_bad_cursors(connect: Callable[[], Connector], allowance: Allowance, watch: _Watch) -> None:
    """A cursor of an older version, or a damaged one, begins anew or is refused in our words: it never crashes."""
    for bad in ("", "null", "[]", "0", '"x"', "{}", '{"v": 999}', "{", "\ud800", '{"since": {"a": null}}'):
        try:
            _ask(connect(), bad, allowance, watch)
        except ConnectorError as error:
            watch.error(error, "a poll with a damaged cursor")


def _check_failures(
    unreachable: Callable[[], Connector] | None,
    refused: Callable[[], Connector] | None,
    allowance: Allowance,
    watch: _Watch,
) -> None:
    for make, expected, case in (
        (unreachable, "Unreachable", "a platform that does not listen"),
        (refused, "CredentialsRejected", "a token that is refused"),
    ):
        if make is None:
            continue
        try:
            make().fetch(None, allowance)
        except ConnectorError as error:
            _need(type(error).__name__ == expected, f"{case} gave {type(error).__name__}, not {expected}")
            watch.error(error, case)
        else:
            raise ContractBroken(f"{case} gave an answer as if all were well")


def _check_extras(
    connector: Connector, mentions: dict[str, Mention], allowance: Allowance, watch: _Watch
) -> tuple[Finding, ...]:
    if isinstance(connector, Rechecks):
        ids = tuple(mentions)[:100]
        batch = connector.recheck(ids, allowance)
        watch.over(batch, "a re-check")
        _need(_fits(batch, allowance), "a re-check spends more than its allowance")
        answered = {*(mention.external_id for mention in batch.mentions), *batch.gone}
        _need(answered <= set(ids), "a re-check tells of ids that it was not asked for")
        _need(not set(batch.gone) & {m.external_id for m in batch.mentions}, "a re-check says both gone and there")
    if not isinstance(connector, Examines):
        return ()
    findings = connector.examine(allowance)
    watch.over(findings, "the findings of examine()")
    _need(bool(findings), "examine() finds nothing to say")
    for finding in findings:
        _need(bool(finding.what), "a finding says nothing")
    return findings
