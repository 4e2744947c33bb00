"""A town for the proofs: five stand-ins over one world, a mail server that fails, and the real daemon beside them.

Nothing is pretended on our side: the daemon is a process started as an operator starts it, its store is a real
one, its client libraries speak HTTP and its mailer SMTP. The proofs only look from outside, and into the store.
"""

from __future__ import annotations

import contextlib
import os
import random
import signal
import socket
import subprocess
import sys
import threading
import time
from collections import Counter, defaultdict
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from email.message import EmailMessage
from pathlib import Path
from typing import Any

from sqlalchemy import func, select

from alerts.mailbox import Fault, Kept, Mailbox
from connectors.model import Author, Kind
from connectors.standins.facebook import FacebookStandIn
from connectors.standins.instagram import InstagramStandIn
from connectors.standins.linkedin import LinkedInStandIn
from connectors.standins.server import Server
from connectors.standins.world import Post, World
from connectors.standins.x import XStandIn
from connectors.standins.youtube import YouTubeStandIn
from monitor import audit
from monitor.keys import load_keys
from monitor.settings import Settings, read
from monitor.store.database import Database
from monitor.store.tables import MentionRow, PlatformRow

ROOT = Path(__file__).parents[2]
LONG = os.environ.get("EARSHOT_PROVE") == "long"
"""Whether the proofs run in their full length (``make prove``)."""

PLATFORMS = ("x", "facebook", "instagram", "linkedin", "youtube")
CEO, CHAIR, OPERATOR = "rowan@tessellateuk.example", "chair@tessellateuk.example", "it@tessellateuk.example"
OWN_IDS = {
    "x": "900000001",
    "facebook": "100000000000001",
    "instagram": "17840000000000001",
    "linkedin": "urn:li:organization:10000001",
    "youtube": "UCdemodemodemodemodemo01",
}
SECRETS = {
    "x": "canary-x-bearer-7f3a91",
    "facebook": "canary-page-token-22d0c4",
    "instagram": "canary-instagram-token-9be117",
    "meta": "canary-app-secret-51aa0f",
    "linkedin": "canary-linkedin-token-c80e63",
    "youtube": "canary-youtube-key-4d19b2",
    "mail": "canary-mail-password-e6624f",
}

# ── what is said ────────────────────────────────────────────────────────────────────────────────────

_WORDS = [
    "the",
    "bus",
    "was",
    "late",
    "again",
    "so",
    "we",
    "walked",
    "home",
    "past",
    "the",
    "library",
    "and",
    "bought",
    "bread",
    "milk",
    "apples",
    "while",
    "rain",
    "fell",
    "over",
    "the",
    "park",
    "near",
    "the",
    "old",
    "station",
    "where",
    "my",
    "cousin",
    "used",
    "to",
    "sell",
    "umbrellas",
    "carpets",
    "garden",
    "chairs",
    "on",
    "sunny",
    "market",
    "mornings",
    "before",
    "winter",
    "came",
    "with",
    "frost",
    "on",
    "every",
    "window",
    "and",
    "the",
    "postman",
    "slipped",
    "beside",
    "our",
    "gate",
    "carrying",
    "parcels",
    "from",
    "a",
    "shop",
    "that",
    "makes",
    "wooden",
    "toys",
    "kites",
    "lanterns",
    "puzzles",
    "candles",
    "after",
    "lunch",
    "grandad",
    "fixed",
    "the",
    "kettle",
    "with",
    "string",
    "then",
    "told",
    "stories",
    "about",
    "ferries",
    "lighthouses",
    "pigeons",
    "trains",
    "orchards",
    "bakeries",
    "until",
    "the",
    "dog",
    "barked",
    "at",
    "a",
    "passing",
    "cyclist",
]
_CRISIS = (
    "A member of your staff at Tessellate UK has been messaging my daughter privately at night and asked her to keep "
    "it secret. She is 14."
)
_CHATTER = (
    "Thank you Tessellate UK for the film night, my son loved it.",
    "Is the music workshop of Tessellate UK on Saturday still on?",
    "Lovely to see Tessellate UK at the school today.",
    "What time does the Tessellate UK open evening begin?",
)


def small_talk(rng: random.Random, words: int = 40) -> str:
    """Words that nobody else says in this order, so that two posts are never copies of one another."""
    return " ".join(rng.choice(_WORDS) for _ in range(words)).capitalize() + "."


def crisis_text(mark: str) -> str:
    """A disclosure that nobody could take for anything else, unlike every other; ``mark`` finds it again."""
    return f"{small_talk(random.Random(mark))} {_CRISIS} Told {mark}."


def chatter_text(mark: str) -> str:
    """An everyday post about us."""
    rng = random.Random(mark)
    return f"{small_talk(rng, 12)} {rng.choice(_CHATTER)} Told {mark}."


@dataclass(frozen=True, slots=True)
class Said:
    """A post of the world: its mark, whether somebody must be told, and when it became visible."""

    mark: str
    platform: str
    grave: bool
    at: float
    """``time.time()`` just after it became visible."""
    post: Post


# ── the town ────────────────────────────────────────────────────────────────────────────────────────


class Town:
    """Five platforms that may fail, a mailbox that may fail, and everything that was said."""

    def __init__(self, mailbox: Mailbox | None = None, *, now: Callable[[], datetime] | None = None) -> None:
        self.world = World(now) if now else World()
        world = self.world
        for name, number in OWN_IDS.items():
            world.own[name] = Author(name="Tessellate UK", handle="TessellateUK", id=number)
        self.x = XStandIn(world, bearer_token=SECRETS["x"], user_id=OWN_IDS["x"], handle="TessellateUK")
        self.facebook = FacebookStandIn(
            world, page_id=OWN_IDS["facebook"], page_token=SECRETS["facebook"], app_secret=SECRETS["meta"]
        )
        self.instagram = InstagramStandIn(
            world, account_id=OWN_IDS["instagram"], token=SECRETS["instagram"], app_secret=SECRETS["meta"]
        )
        self.linkedin = LinkedInStandIn(
            world, organisation_urn=OWN_IDS["linkedin"], token=SECRETS["linkedin"],
            member_limit=1_000_000, app_limit=1_000_000,
        )  # fmt: skip
        self.youtube = YouTubeStandIn(
            world, channel_id=OWN_IDS["youtube"], api_key=SECRETS["youtube"],
            daily_units=10_000_000, daily_searches=1_000_000,
        )  # fmt: skip
        self.x.limits = dict.fromkeys(self.x.limits, 10000000)
        for graph in (self.facebook, self.instagram):
            graph.budget = 10**9
        self.server = Server({f"/{name}": getattr(self, name) for name in PLATFORMS})
        self.mailbox = mailbox or Mailbox()
        self.said: list[Said] = []
        self.own: dict[str, Post] = {}
        for name in PLATFORMS:
            at = world.now() - timedelta(hours=2)
            self.own[name] = world.say(name, Kind.OWN_POST, "Our new film is out today. #TrustTalk", at=at)

    def __enter__(self) -> Town:
        self.server.__enter__()
        self.mailbox.start()
        return self

    def __exit__(self, *_: object) -> None:
        self.server.__exit__()
        self.mailbox.stop()

    def say(self, platform: str, *, grave: bool = False, text: str | None = None, author: Author | None = None) -> Said:
        """Let somebody new say something new about us: a grave thing in a place of its own, else everyday talk."""
        number = len(self.said) + 1
        mark = f"mark{number:05d}"
        words = (text or (crisis_text(mark) if grave else chatter_text(mark))).replace("{mark}", mark)
        writer = author or Author(name=f"Person {number}", handle=f"person_{number}", id=str(50_000 + number))
        kind, parent = _place(platform, grave, self.own)
        if platform == "x":
            words = f"@TessellateUK {words}"
        post = self.world.say(platform, kind, words, author=writer, parent=parent)
        said = Said(mark, platform, grave, time.time(), post)
        self.said.append(said)
        return said

    def post_ourselves(self, platform: str) -> Said:
        """Let our own account post."""
        mark = f"mark{len(self.said) + 1:05d}"
        post = self.world.say(platform, Kind.OWN_POST, chatter_text(mark))
        said = Said(mark, platform, False, time.time(), post)
        self.said.append(said)
        return said


def _place(platform: str, grave: bool, own: Mapping[str, Post]) -> tuple[Kind, Post | None]:
    """Where something is said: grave things each in a thread of their own."""
    match platform:
        case "x":
            return Kind.MENTION, None
        case "facebook" | "instagram":
            return (Kind.TAG, None) if grave else (Kind.COMMENT, own[platform])
        case "linkedin":
            return (Kind.MENTION, None) if grave else (Kind.COMMENT, own[platform])
        case _:
            return Kind.COMMENT, own[platform]


# ── settings ────────────────────────────────────────────────────────────────────────────────────────


def raw_settings(town: Town, folder: Path, *, poll_every: str | None, url: str = "", **tables: Any) -> dict[str, Any]:
    """The settings as a table of tables. ``tables`` are laid over whole tables, key by key."""
    at = town.server.url
    web = f"127.0.0.1:{free_port()}"
    raw: dict[str, Any] = {
        "organisation": {
            "name": "Tessellate UK",
            "aliases": ["TessellateUK", "Tessellate UK", "TUK"],
            "handles": {
                "x": "TessellateUK",
                "instagram": "TessellateUK",
                "facebook": "Tessellate UK",
                "linkedin": "tessellate-uk",
                "youtube": "TessellateUK",
            },
            "people": ["Rowan Ashdown"],
            "campaigns": ["#TrustTalk"],
            "timezone": "Europe/London",
        },
        "people": {
            "ceo": {"name": "Rowan Ashdown", "email": CEO},
            "chair": {"name": "Imogen Vale", "email": CHAIR},
            "operator": {"name": "Kit Marlow", "email": OPERATOR},
        },
        "store": {"url": url or f"sqlite:///{folder / 'earshot.db'}", "state_dir": str(folder)},
        "mail": {
            "host": "127.0.0.1",
            "port": town.mailbox.port,
            "security": "none",
            "from": "Earshot <earshot@tessellateuk.example>",
        },
        "web": {"bind": web, "public_url": f"http://{web}"},
        "connectors": {
            "x": {"base_url": f"{at}/x", "bearer_token": SECRETS["x"], "user_id": OWN_IDS["x"],
                  "monthly_budget": "100000 USD"},
            "facebook": {"base_url": f"{at}/facebook", "page_id": OWN_IDS["facebook"],
                         "page_token": SECRETS["facebook"], "app_secret": SECRETS["meta"]},
            "instagram": {"base_url": f"{at}/instagram", "account_id": OWN_IDS["instagram"],
                          "token": SECRETS["instagram"], "app_secret": SECRETS["meta"]},
            "linkedin": {"base_url": f"{at}/linkedin", "auth_base_url": f"{at}/linkedin",
                         "organisation_urn": OWN_IDS["linkedin"], "token": SECRETS["linkedin"],
                         "daily_calls": 1_000_000},
            "youtube": {"base_url": f"{at}/youtube", "channel_id": OWN_IDS["youtube"], "api_key": SECRETS["youtube"],
                        "daily_units": 10_000_000, "daily_searches": 1_000_000},
        },
        "judgement": {"model": "rules"},
        "privacy": {"assessment_date": "2026-10-01", "dpia_date": "2026-10-01", "contact": "dp@tessellateuk.example"},
    }  # fmt: skip
    for table in raw["connectors"].values():
        if poll_every is not None:
            table["poll_every"] = poll_every
    for name, table in tables.items():
        raw[name] = {**raw.get(name, {}), **table}
    return raw


def settings_of(raw: Mapping[str, Any], folder: Path) -> Settings:
    """The same as ``Settings``, for a house in this process."""
    return read(raw, folder / "earshot.toml", {})


def as_toml(raw: Mapping[str, Any], path: tuple[str, ...] = ()) -> str:
    """A table of tables as TOML."""
    lines = [f"[{'.'.join(path)}]"] if path else []
    later: list[str] = []
    for key, value in raw.items():
        if isinstance(value, Mapping):
            later.append(as_toml(value, (*path, key)))
        else:
            lines.append(f"{key} = {_toml_value(value)}")
    return "\n".join([*lines, *later]) + "\n"


def _toml_value(value: object) -> str:
    match value:
        case bool():
            return str(value).lower()
        case str():
            return '"' + value.replace("\\", "\\\\").replace('"', '\\"') + '"'
        case list():
            return "[" + ", ".join(_toml_value(item) for item in value) + "]"
        case _:
            return str(value)


def free_port() -> int:
    """A port that nobody uses now."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


# ── the daemon, as an operator starts it ────────────────────────────────────────────────────────────


@dataclass(slots=True)
class Earshot:
    """``earshot run`` as a process. It may be started, killed and started again; its log goes to a file."""

    config: Path
    process: subprocess.Popen[bytes] | None = None
    starts: int = 0
    kills: list[float] = field(default_factory=list)
    """``time.time()`` of every SIGKILL."""

    @classmethod
    def with_settings(cls, folder: Path, raw: Mapping[str, Any]) -> Earshot:
        """Write the settings file and stand ready."""
        config = folder / "earshot.toml"
        config.write_text(as_toml(raw), "utf-8")
        return cls(config)

    @property
    def log(self) -> Path:
        """Where standard error goes."""
        return self.config.with_suffix(".log")

    def command(self, *arguments: str) -> list[str]:
        """The command line of ``earshot`` with this settings file."""
        start = "from monitor.cli import main; main()"
        return [sys.executable, "-c", start, *arguments, "--config", str(self.config)]

    def call(self, *arguments: str, seconds: float = 30) -> subprocess.CompletedProcess[str]:
        """Run another command of ``earshot`` to its end."""
        return subprocess.run(
            self.command(*arguments), cwd=ROOT, capture_output=True, text=True, timeout=seconds, check=False
        )

    def start(self) -> None:
        """Start the daemon in a process group of its own."""
        with self.log.open("ab") as log:
            self.process = subprocess.Popen(
                self.command("run"), cwd=ROOT, stdout=log, stderr=log, start_new_session=True, env=_environment()
            )
        self.starts += 1

    @property
    def pid(self) -> int:
        """The process number of the daemon itself."""
        assert self.process is not None
        return self.process.pid

    def kill(self) -> None:
        """SIGKILL to the daemon alone, as the kernel would send it; its helpers must notice by themselves."""
        assert self.process is not None
        self.kills.append(time.time())
        self.process.kill()
        self.process.wait(10)

    def signal(self, number: signal.Signals) -> None:
        """Send a signal to the daemon."""
        os.kill(self.pid, number)

    def end(self, seconds: float = 15) -> tuple[int, float]:
        """SIGTERM; returns the exit code and how long it took. Raises TimeoutExpired when it does not end."""
        assert self.process is not None
        began = time.monotonic()
        self.process.terminate()
        code = self.process.wait(seconds)
        return code, time.monotonic() - began

    def is_running(self) -> bool:
        """Whether the daemon's process lives."""
        return self.process is not None and self.process.poll() is None

    def clear_away(self) -> None:
        """End whatever is left of the daemon and of the processes that it started."""
        if self.process is None:
            return
        for number in family(self.pid):
            with contextlib.suppress(ProcessLookupError):
                os.kill(number, signal.SIGKILL)
        if self.process.poll() is None:
            self.process.kill()
        self.process.wait(10)

    def words(self) -> str:
        """The whole log."""
        return self.log.read_text("utf-8", "replace") if self.log.exists() else ""


def _environment() -> dict[str, str]:
    kept = {name: value for name, value in os.environ.items() if not name.startswith(("EARSHOT_", "NOTIFY_"))}
    return {**kept, "PYTHONPATH": str(ROOT)}


def family(pid: int) -> list[int]:
    """The daemon's process, and every process of its session that still lives."""
    found = []
    for entry in Path("/proc").iterdir():
        if not entry.name.isdigit():
            continue
        with contextlib.suppress(OSError):
            fields = (entry / "stat").read_text().rpartition(")")[2].split()
            if int(fields[3]) == pid and fields[0] != "Z":
                found.append(int(entry.name))
    return sorted(found)


def pss(pid: int) -> dict[int, float]:
    """Megabytes (10^6 bytes) of PSS for each process of the daemon."""
    found = {}
    for number in family(pid):
        with contextlib.suppress(OSError):
            for line in Path(f"/proc/{number}/smaps_rollup").read_text().splitlines():
                if line.startswith("Pss:"):
                    found[number] = int(line.split()[1]) * 1024 / 1e6
    return found


def cpu_seconds(pid: int) -> float:
    """Seconds of CPU that the daemon's processes have used, with those of children that have ended."""
    total = 0
    for number in family(pid):
        with contextlib.suppress(OSError):
            fields = Path(f"/proc/{number}/stat").read_text().rpartition(")")[2].split()
            total += sum(int(value) for value in fields[11:15])
    return total / os.sysconf("SC_CLK_TCK")


@contextlib.contextmanager
def running(earshot: Earshot, *, wait: bool = True) -> Iterator[Earshot]:
    """The daemon, started; cleared away at the end whatever happens."""
    try:
        earshot.start()
        if wait:
            eventually(lambda: '"listening"' in earshot.words(), 60, "the daemon to listen")
        yield earshot
    finally:
        earshot.clear_away()


def eventually(is_so: Callable[[], object], seconds: float, what: str, pause: float = 0.1) -> None:
    """Wait until ``is_so``; fails in words after ``seconds``."""
    until = time.monotonic() + seconds
    while not is_so():
        if time.monotonic() > until:
            raise AssertionError(f"waited {seconds:g} s in vain for {what}")
        time.sleep(pause)


# ── the store, looked into ──────────────────────────────────────────────────────────────────────────


@contextlib.contextmanager
def store(raw: Mapping[str, Any]) -> Iterator[Database]:
    """The store of a daemon, for looking; with its install key, which the audit is chained with."""
    folder = Path(raw["store"]["state_dir"])
    database = Database(raw["store"]["url"], info={audit.KEY: lambda: load_keys(folder).sign_key("audit")})
    try:
        yield database
    finally:
        database.close()


def swept(database: Database, platforms: Iterator[str] | tuple[str, ...] = PLATFORMS) -> bool:
    """Whether every platform's past has been taken in, so that what comes now is news."""
    with contextlib.suppress(Exception), database.read() as session:
        rows = {row.name: row for row in session.scalars(select(PlatformRow))}
        return all(name in rows and rows[name].first_sweep_at is not None for name in platforms)
    return False


def heard_marks(database: Database) -> Counter[str]:
    """How often each mark stands in the store."""
    with database.read() as session:
        texts = session.scalars(select(MentionRow.text).where(MentionRow.text.is_not(None))).all()
    return Counter(mark for text in texts if (mark := mark_of(text or "")))


def mark_of(text: str) -> str:
    """The mark in a text of ours, or nothing."""
    return text.rpartition("Told ")[2].rstrip(".") if "Told mark" in text else ""


def count_mentions(database: Database) -> int:
    """How many mentions the store holds."""
    with database.read() as session:
        return session.scalar(select(func.count()).select_from(MentionRow)) or 0


def incidents_told(letters: Iterable[EmailMessage]) -> set[str]:
    """The incidents that the letters name: in the header, and in the text of a round-up."""
    found: set[str] = set()
    for message in letters:
        found.add(str(message["X-Earshot-Incident"]))
        part = message.get_body(("plain",))
        body = part.get_content() if part is not None else ""
        found.update(word.strip("[]") for word in body.split() if word.startswith("[") and word.endswith("]"))
    return found


# ── mail that fails ─────────────────────────────────────────────────────────────────────────────────


class Unsteady(Mailbox):
    """Fails a share of all conversations in the ways of the reliability notes, and remembers each letter's fate."""

    FAULTS = (
        *[Fault.TRY_LATER] * 5, *[Fault.BUSY] * 3, *["refuse"] * 4, Fault.DROP_BEFORE_DOT, Fault.DROP_BEFORE_DOT,
        *[Fault.DROP_AFTER_DOT] * 4, *[Fault.DROP_AT_QUIT] * 2,
    )  # fmt: skip

    def __init__(self, share: float, seed: int = 5) -> None:
        super().__init__(on_letter=self._note)
        self.share = share
        self.faults: Counter[str] = Counter()
        self.cut: dict[str, list[float]] = defaultdict(list)
        """By Message-ID: when a letter was taken and the answer never given."""
        self._rng = random.Random(seed)
        self._now = threading.local()
        self._kept = type(self._kept)(maxlen=100_000)

    def next_fault(self) -> Fault | None:
        """Throw the dice for a conversation that begins."""
        self.conversations += 1
        fault = self._rng.choice(self.FAULTS) if self._rng.random() < self.share else None
        self._now.fault = fault
        if fault is not None:
            self.faults[str(fault)] += 1
        if fault == "refuse":
            raise ConnectionRefusedError
        return fault

    def _note(self, kept: Kept) -> None:
        if self._now.fault is Fault.DROP_AFTER_DOT:
            self.cut[kept.message_id].append(kept.at.timestamp())


def now() -> datetime:
    """The real time, aware UTC."""
    return datetime.now(UTC)
