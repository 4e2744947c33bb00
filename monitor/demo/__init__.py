"""``earshot demo``: the real daemon against stand-ins of the five platforms, with a mailbox to read in the browser.

Everything is invented and stays on this machine. The real client libraries speak HTTP to the stand-ins, the real
mailer speaks SMTP to the mailbox, and the real store is SQLite in a folder that the next demo begins anew.
"""

from __future__ import annotations

import contextlib
import fcntl
import shutil
import socket
import sys
import threading
import time
from collections.abc import Iterator, Mapping
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from alerts.mailbox import Kept, Mailbox
from alerts.takeover import State
from connectors.model import Kind
from connectors.standins.facebook import FacebookStandIn
from connectors.standins.instagram import InstagramStandIn
from connectors.standins.linkedin import LinkedInStandIn
from connectors.standins.server import Server, StandIn
from connectors.standins.world import World
from connectors.standins.x import XStandIn
from connectors.standins.youtube import YouTubeStandIn
from monitor import digest, service, takeovers
from monitor.app import App
from monitor.daemon import Daemon
from monitor.demo import story
from monitor.demo.letters import Pages, make_page, say_letter
from monitor.settings import Settings, read

FOLDER = Path("demo-run")
LOCK = "demo.lock"
"""Held while a demo runs; it also says that the folder is a demo's, to be emptied."""

APART = 60
"""Ports between those of two demos that run beside each other; each looks at fifty."""

SECRETS = {
    "x": "demo-x-bearer-token",
    "facebook": "demo-page-token",
    "instagram": "demo-instagram-token",
    "meta": "demo-app-secret",
    "linkedin": "demo-linkedin-token",
    "youtube": "demo-youtube-key",
}
PAGE_ID, ACCOUNT_ID, USER_ID = "100000000000001", "17840000000000001", "900000001"
URN, CHANNEL = "urn:li:organization:10000001", "UCdemodemodemodemodemo01"


def standins(world: World) -> Mapping[str, StandIn]:
    """The five platforms over one world, by path prefix."""
    return {
        "/x": XStandIn(world, bearer_token=SECRETS["x"], user_id=USER_ID, handle="TessellateUK"),
        "/facebook": FacebookStandIn(
            world, page_id=PAGE_ID, page_token=SECRETS["facebook"], app_secret=SECRETS["meta"]
        ),
        "/instagram": InstagramStandIn(
            world, account_id=ACCOUNT_ID, token=SECRETS["instagram"], app_secret=SECRETS["meta"]
        ),
        "/linkedin": LinkedInStandIn(world, organisation_urn=URN, token=SECRETS["linkedin"]),
        "/youtube": YouTubeStandIn(world, channel_id=CHANNEL, api_key=SECRETS["youtube"]),
    }


def demo_settings(folder: Path, platforms_url: str, smtp_port: int, web_port: int, *, poll_every: str) -> Settings:
    """The settings of the demo: Tessellate UK, five stand-ins, a local mailbox."""
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
            "domains": ["tessellateuk.example"],
            "people": ["Rowan Ashdown"],
            "campaigns": ["#TrustTalk"],
            "languages": ["en", "so", "ar", "ur", "pl", "cy", "fr"],
            "timezone": "Europe/London",
        },
        "people": {
            "ceo": {"name": "Rowan Ashdown", "email": "rowan@tessellateuk.example"},
            "chair": {"name": "Imogen Vale", "email": "chair@tessellateuk.example"},
            "operator": {"name": "Kit Marlow", "email": "it@tessellateuk.example"},
            "poster": [
                {"name": "Ade Lowe", "email": "ade@tessellateuk.example", "platforms": ["x", "instagram"]},
                {"name": "Noor Finch", "email": "noor@tessellateuk.example", "platforms": ["facebook"]},
            ],
        },
        "store": {"url": f"sqlite:///{folder / 'earshot.db'}"},
        "mail": {
            "host": "127.0.0.1",
            "port": smtp_port,
            "security": "none",
            "from": "Earshot <earshot@tessellateuk.example>",
        },
        "web": {"bind": f"127.0.0.1:{web_port}", "public_url": f"http://127.0.0.1:{web_port}"},
        "connectors": {
            "x": {
                "base_url": f"{platforms_url}/x",
                "bearer_token": SECRETS["x"],
                "user_id": USER_ID,
                "monthly_budget": "20 USD",
            },
            "facebook": {
                "base_url": f"{platforms_url}/facebook",
                "page_id": PAGE_ID,
                "page_token": SECRETS["facebook"],
                "app_secret": SECRETS["meta"],
            },
            "instagram": {
                "base_url": f"{platforms_url}/instagram",
                "account_id": ACCOUNT_ID,
                "token": SECRETS["instagram"],
                "app_secret": SECRETS["meta"],
            },
            "linkedin": {
                "base_url": f"{platforms_url}/linkedin",
                "auth_base_url": f"{platforms_url}/linkedin",
                "organisation_urn": URN,
                "token": SECRETS["linkedin"],
                "daily_calls": 20_000,
            },
            "youtube": {
                "base_url": f"{platforms_url}/youtube",
                "channel_id": CHANNEL,
                "api_key": SECRETS["youtube"],
                "daily_units": 200_000,
                "daily_searches": 20_000,
            },
        },
        "alerts": {"crisis": {"again": "2m", "chair": "4m"}, "alert": {"again": "5m", "chair": "10m"}},
        "takeover": {"poll_every": poll_every},
        "privacy": {
            "assessment_date": "2026-10-01",
            "dpia_date": "2026-10-01",
            "contact": "privacy@tessellateuk.example",
        },
        "service": {"log_level": "warning"},
    }
    for table in raw["connectors"].values():
        table["poll_every"] = poll_every
    return read(raw, folder / "demo.toml", {})


def run(*, port: int = 8800, fast: bool = True) -> int:
    """Run the demo until Ctrl-C. Returns the exit code."""
    started = time.monotonic()
    with own_folder() as folder:
        web_port = _free(port + APART * _number(folder))
        box_port = _free(web_port + 1)
        return _run(folder, web_port, box_port, fast=fast, started=started)


def _number(folder: Path) -> int:
    """0 for the first demo here, 1 for the next: two that start at the same moment must not look for one port."""
    last = folder.name.rpartition("-")[2]
    return int(last) - 1 if last.isdecimal() else 0


@contextlib.contextmanager
def own_folder(first: Path = FOLDER) -> Iterator[Path]:
    """An empty folder for one demo: ``first``, or the next by number where another demo runs there or where somebody
    keeps things of their own."""
    for number in range(1, 100):
        folder = Path(f"{first}-{number}" if number > 1 else first).resolve()
        if folder.exists() and any(folder.iterdir()) and not (folder / LOCK).exists():
            continue
        folder.mkdir(parents=True, exist_ok=True)
        with (folder / LOCK).open("a") as lock:
            try:
                fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except OSError:
                continue
            _clear(folder)
            yield folder
            return
    raise SystemExit(f"no folder is free for a demo beside {first.resolve()}; take the old ones away")


def _clear(folder: Path) -> None:
    for entry in folder.iterdir():
        if entry.name == LOCK:
            continue
        if entry.is_dir() and not entry.is_symlink():
            shutil.rmtree(entry)
        else:
            entry.unlink()


def _run(folder: Path, web_port: int, box_port: int, *, fast: bool, started: float) -> int:
    world = World()
    for name in story.PLATFORMS:
        world.own[name] = _own(name)
    platforms = standins(world)
    newest = story.furnish(world, datetime.now(UTC))
    _say(started, "an invented town with five platforms is ready")
    mailbox = Mailbox(on_letter=lambda kept: _tell_mail(started, kept))
    with Server(platforms) as server, mailbox:
        settings = demo_settings(folder, server.url, mailbox.port, web_port, poll_every="2s" if fast else "20s")
        stage = _Stage(world, newest, fast=fast, started=started)

        def on_ready(app: App, daemon: Daemon) -> None:
            console, box = f"http://127.0.0.1:{web_port}/", f"http://127.0.0.1:{box_port}/"
            stage.pages = Pages(make_page(mailbox, console, lambda: digest.send_now(app, again=True)), box_port)
            print(
                f"\n  Open the CEO's mailbox:   {box}\n  The house itself:         {console}"
                f"\n  May people publish?       {console}publishing\n\n"
                "  The first alert comes within half a minute. Open it, press its link, begin takeover.\n"
                "  Ctrl-C ends the demo.\n",
                flush=True,
            )
            stage.begin(app, daemon)

        try:
            return service.run(settings, on_ready=on_ready, words=True)
        finally:
            stage.end()
            print("The demo has ended. Nothing of it left this machine.", flush=True)


class _Stage:
    """Plays the town: everyday talk all the time, the story once, a post of ours during the takeover."""

    def __init__(self, world: World, newest: Any, *, fast: bool, started: float) -> None:
        self._world, self._newest, self._started = world, newest, started
        self._pause = 3.0 if fast else 12.0
        self._stop = threading.Event()
        self.pages: Pages | None = None
        self._threads: list[threading.Thread] = []

    def begin(self, app: App, daemon: Daemon) -> None:
        del daemon
        for work in (self._everyday, self._story, lambda: self._watch(app)):
            thread = threading.Thread(target=work, daemon=True)
            thread.start()
            self._threads.append(thread)

    def end(self) -> None:
        self._stop.set()
        if self.pages is not None:
            self.pages.close()

    def _everyday(self) -> None:
        talk = story.everyday(self._world, self._newest)
        while not self._stop.wait(self._pause):
            post = next(talk)
            _say(self._started, f"somebody posts on {post.platform}")

    def _story(self) -> None:
        for number, line in enumerate(story.STORY):
            if self._stop.wait(line.after * self._pause / 3):
                return
            story.tell(self._world, self._newest, line, number)
            _say(self._started, f"the story goes on, on {line.platform}")

    def _watch(self, app: App) -> None:
        """Say when takeover changes, and let a forgotten scheduled post of ours go out ten seconds into it."""
        known, slipped = State.NORMAL, False
        while not self._stop.wait(1.0):
            with app.database.read() as session:
                state = takeovers.current(session)
            if state.state is not known:
                known = state.state
                _say(self._started, f"takeover is now {known.value}" + (f", by {state.by}" if state.by else ""))
            if state.is_active and not slipped and not self._stop.wait(8.0):
                slipped = True
                self._world.say("instagram", Kind.OWN_POST, story.BREACH)
                _say(self._started, "a post that somebody had scheduled on our Instagram goes out")


def _own(platform: str) -> Any:
    from connectors.model import Author

    ids = {"x": USER_ID, "facebook": PAGE_ID, "instagram": ACCOUNT_ID, "linkedin": URN, "youtube": CHANNEL}
    return Author(name="Tessellate UK", handle="TessellateUK", id=ids[platform])


def _tell_mail(started: float, kept: Kept) -> None:
    _say(started, say_letter(kept))


def _say(started: float, words: str) -> None:
    print(f"  {time.monotonic() - started:6.1f} s  {words}", flush=True)
    sys.stdout.flush()


def _free(port: int) -> int:
    """``port``, or the next one that nobody uses."""
    for candidate in range(port, port + 50):
        with socket.socket() as probe:
            try:
                probe.bind(("127.0.0.1", candidate))
            except OSError:
                continue
            return candidate
    raise SystemExit("no free port was found; say --port")
