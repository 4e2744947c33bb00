"""The built wheel, not the checkout: installed elsewhere it brings its data, its commands and its platforms along."""

from __future__ import annotations

import json
import os
import signal
import socket
import subprocess
import sys
import time
import urllib.error
import urllib.request
import venv
import zipfile
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path

import pytest

from alerts.mailbox import Mailbox

pytestmark = [pytest.mark.real, pytest.mark.xdist_group("wheel")]

CHECKOUT = Path(__file__).parents[1]
SETTINGS = """
[organisation]
name = "Tessellate UK"

[people.ceo]
name = "Rowan Ashdown"
email = "rowan@tessellateuk.example"

[store]
url = "sqlite:///earshot.db"

[mail]
host = "127.0.0.1"
port = {mail}
security = "none"
from = "Earshot <earshot@tessellateuk.example>"

[web]
bind = "127.0.0.1:{web}"
"""


@pytest.fixture(scope="module")
def wheel(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The wheel, built from the checkout without any network."""
    out = tmp_path_factory.mktemp("dist")
    command = [sys.executable, "-m", "build", "--no-isolation", "--wheel", "--outdir", str(out), str(CHECKOUT)]
    subprocess.run(command, check=True, capture_output=True, text=True, timeout=100)
    (built,) = out.glob("earshot-*.whl")
    return built


@pytest.fixture(scope="module")
def place(wheel: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A new environment far from the checkout that holds our wheel, and the dependencies of the one that tests."""
    home = tmp_path_factory.mktemp("elsewhere")
    venv.create(home / "env", with_pip=False)
    (site,) = (home / "env" / "lib").glob("python*/site-packages")
    lend_dependencies(site)
    command = [sys.executable, "-m", "pip", "--disable-pip-version-check", "--python", str(home / "env/bin/python")]
    subprocess.run(
        [*command, "install", "--quiet", "--no-deps", "--no-index", str(wheel)],
        check=True, capture_output=True, text=True, timeout=100,
    )  # fmt: skip
    (home / "work").mkdir()
    return home


def lend_dependencies(site: Path) -> None:
    """Let ``site`` see every package installed here but Earshot itself, which stands here as a checkout."""
    ours = ("earshot", "monitor", "connectors", "alerts", "signs", "_earshot", "__editable__", "_editable_impl_earshot")
    theirs = site.parent / "lent"
    theirs.mkdir()
    for folder in {Path(entry) for entry in sys.path if entry.endswith("site-packages")}:
        for package in folder.iterdir():
            link = theirs / package.name
            if not package.name.startswith(ours) and package.suffix != ".pth" and not link.exists():
                link.symlink_to(package)
    (site / "lent.pth").write_text(f"{theirs}\n", "utf-8")


def environment() -> Mapping[str, str]:
    """What a login shell would give: nothing that leads back to the checkout."""
    return {key: os.environ[key] for key in ("PATH", "HOME", "LANG", "TMPDIR") if key in os.environ}


def earshot(place: Path, *arguments: str, text: str = "", code: int = 0) -> str:
    """What one command of the installed wheel prints."""
    done = subprocess.run(
        [str(place / "env/bin/earshot"), *arguments], cwd=place / "work", env=environment(), input=text,
        capture_output=True, text=True, timeout=90,
    )  # fmt: skip
    assert done.returncode == code, (done.stdout, done.stderr)
    return done.stdout


def test_the_wheel_carries_words_templates_and_migrations_and_no_tests(wheel: Path) -> None:
    names = set(zipfile.ZipFile(wheel).namelist())

    assert {
        "monitor/config/platforms.toml",
        "monitor/config/first_hour.toml",
        "monitor/config/earshot.example.toml",
        "monitor/config/rules/safeguarding.toml",
        "monitor/config/model/linear.bin",
        "monitor/migrations/versions/0001_the_first_tables.py",
        "monitor/web/templates/base.html",
        "monitor/web/static/earshot.css",
        "monitor/demo/templates/mailbox.html",
        "alerts/templates/alert/body.txt",
    } <= names
    assert not [name for name in names if name.startswith(("tests/", "training/", "benchmarks/"))]


def test_every_file_of_the_three_packages_and_of_the_words_is_in_the_wheel(wheel: Path) -> None:
    names = set(zipfile.ZipFile(wheel).namelist())
    listed = subprocess.run(
        ["git", "ls-files", "monitor", "connectors", "alerts", "signs", "config"],
        cwd=CHECKOUT,
        capture_output=True,
        text=True,
    )
    tracked = [name for name in listed.stdout.splitlines() if (CHECKOUT / name).exists()]

    missing = [n for n in tracked if (f"monitor/{n}" if n.startswith("config/") else n) not in names]

    assert missing == []


def test_help_and_the_example_settings_need_no_checkout(place: Path) -> None:
    assert "takeover" in earshot(place, "--help")
    assert "[organisation]" in earshot(place, "config", "example")
    assert "Earshot 0" in earshot(place, "--version")


def test_the_code_that_answers_is_the_installed_one(place: Path) -> None:
    done = subprocess.run(
        [str(place / "env/bin/python"), "-c", "import monitor, connectors, alerts; print(monitor.__file__)"],
        cwd=place / "work", env=environment(), capture_output=True, text=True, check=True,
    )  # fmt: skip

    assert Path(done.stdout.strip()).is_relative_to(place / "env")


def test_posts_are_judged_with_the_rules_and_models_inside_the_wheel(place: Path) -> None:
    rows = [
        {"id": "1", "platform": "facebook", "kind": "comment", "text": "Lovely workshop, thank you all!"},
        {"id": "2", "platform": "facebook", "kind": "comment", "text": "One of your staff hit my son last night."},
    ]

    lines = earshot(place, "score", text="".join(json.dumps(row) + "\n" for row in rows)).splitlines()

    judged = [json.loads(line) for line in lines]
    assert [row["id"] for row in judged] == ["1", "2"]
    assert judged[0]["severity"] < judged[1]["severity"]


def test_the_database_is_made_by_the_migrations_inside_the_wheel(place: Path) -> None:
    another = place / "work" / "another"
    another.mkdir()
    settings = SETTINGS.format(mail=25, web=8080).replace("sqlite:///", f"sqlite:///{another}/")
    (another / "new.toml").write_text(settings)

    assert "Upgraded" in earshot(place, "db", "upgrade", "--config", "another/new.toml")
    assert "up to date" in earshot(place, "db", "upgrade", "--config", "another/new.toml")


def test_the_five_platforms_are_found_through_the_entry_points_of_the_wheel(place: Path) -> None:
    code = "from connectors import registry; print(sorted(registry.names()))"
    done = subprocess.run(
        [str(place / "env/bin/python"), "-c", code],
        cwd=place / "work", env=environment(), capture_output=True, text=True, check=True,
    )  # fmt: skip

    assert done.stdout.strip() == "['facebook', 'instagram', 'linkedin', 'x', 'youtube']"


def test_the_service_starts_delivers_a_tip_answers_and_stops_without_the_checkout(place: Path) -> None:
    with Mailbox() as mailbox, running(place, mailbox.port) as (process, address):
        assert eventually(lambda: status(f"{address}/health") == 200, process)
        assert status(f"{address}/publishing") == 200
        earshot(place, "tip", "--text", "A worrying post.", "--config", "service.toml")
        assert eventually(
            lambda: any(letter.message["X-Earshot-Incident"] != "none" for letter in mailbox.letters), process
        )

        process.send_signal(signal.SIGTERM)
        assert process.wait(timeout=60) == 0


@contextmanager
def running(place: Path, mail_port: int) -> Iterator[tuple[subprocess.Popen[bytes], str]]:
    """``earshot run`` of the wheel, and the address of its pages."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    (place / "work" / "service.toml").write_text(SETTINGS.format(mail=mail_port, web=port))
    process = subprocess.Popen(
        [str(place / "env/bin/earshot"), "run", "--config", "service.toml"], cwd=place / "work", env=environment(),
        stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL,
    )  # fmt: skip
    try:
        yield process, f"http://127.0.0.1:{port}"
    finally:
        process.kill()
        process.wait()


def eventually(holds: object, process: subprocess.Popen[bytes]) -> bool:
    """Whether it comes true within half a minute while the process lives."""
    assert callable(holds)
    until = time.monotonic() + 30
    while time.monotonic() < until and process.poll() is None:
        if holds():
            return True
        time.sleep(0.1)
    return False


def status(address: str) -> int:
    """The HTTP status of a page; 0 when nobody answers."""
    opener = urllib.request.build_opener(urllib.request.ProxyHandler({}))
    try:
        with opener.open(address, timeout=5) as answer:
            return int(answer.status)
    except urllib.error.HTTPError as error:
        return error.code
    except OSError:
        return 0
