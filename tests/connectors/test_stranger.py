"""A stranger's sixth platform comes in by the same door as our five, as the page on writing a connector says.

The package is the one printed there: what a reader copies is what is run here.
"""

from __future__ import annotations

import importlib
import re
import sys
import tomllib
from collections.abc import Callable, Iterator
from datetime import UTC, datetime
from pathlib import Path
from types import ModuleType

import pytest

from connectors import registry
from connectors.model import Allowance, Organisation
from connectors.standins.server import Server
from monitor import poll
from monitor.settings import SettingsError, load
from monitor.terms import load_terms

pytestmark = pytest.mark.real

PAGE = Path(__file__).parents[2] / "docs" / "writing-a-connector.md"
NOW = datetime(2026, 11, 24, 12, tzinfo=UTC)
TOKEN = "b0ard-token"
SETTINGS = """
[organisation]
name = "Tessellate UK"

[people.ceo]
name = "Rowan Ashdown"
email = "ceo@tessellateuk.example"

[mail]
host = "127.0.0.1"
from = "earshot@tessellateuk.example"
"""


def printed(name: str) -> str:
    """The block of the page whose first line is ``# name``."""
    blocks = re.findall(r"```\w+\n# (\S+)\n(.*?)```", PAGE.read_text("utf-8"), re.DOTALL)
    return dict(blocks)[name]


@pytest.fixture
def installed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """The stranger's package, as an installer would leave it behind."""
    site = tmp_path / "site"
    project = tomllib.loads(printed("pyproject.toml"))["project"]
    info = site / f"{project['name'].replace('-', '_')}-{project['version']}.dist-info"
    info.mkdir(parents=True)
    (info / "METADATA").write_text(
        f"Metadata-Version: 2.1\nName: {project['name']}\nVersion: {project['version']}\n", "utf-8"
    )
    lines = [
        f"[{group}]\n" + "".join(f"{name} = {value}\n" for name, value in entries.items())
        for group, entries in project["entry-points"].items()
    ]
    (info / "entry_points.txt").write_text("\n".join(lines), "utf-8")
    for name in ("earshot_noticeboard.py", "test_noticeboard.py"):
        (site / name).write_text(printed(name), "utf-8")
    monkeypatch.syspath_prepend(str(site))
    yield tmp_path
    for name in ("earshot_noticeboard", "test_noticeboard"):
        sys.modules.pop(name, None)


@pytest.fixture
def own_test(installed: Path) -> ModuleType:
    """The stranger's own test module."""
    return importlib.import_module("test_noticeboard")


def write_settings(folder: Path, table: str) -> Path:
    (folder / "noticeboard.token").write_text(f"{TOKEN}\n", "utf-8")
    file = folder / "earshot.toml"
    file.write_text(SETTINGS + table, "utf-8")
    return file


def test_without_the_package_its_name_is_unknown_and_the_known_ones_are_named() -> None:
    with pytest.raises(registry.UnknownPlatform, match="linkedin"):
        registry.load("noticeboard")


def test_a_table_for_a_platform_that_is_not_installed_is_refused(tmp_path: Path) -> None:
    with pytest.raises(SettingsError, match="noticeboard"):
        load(write_settings(tmp_path, printed("earshot.toml")), {})


def test_the_registry_finds_the_strangers_platform_beside_our_five(installed: Path) -> None:
    assert set(registry.names()) >= {"facebook", "instagram", "linkedin", "noticeboard", "x", "youtube"}
    assert "earshot_noticeboard" not in sys.modules
    assert registry.load("noticeboard").name == "noticeboard"


def test_its_settings_are_read_by_its_own_dataclass_and_its_secret_from_a_file(installed: Path) -> None:
    settings = load(write_settings(installed, printed("earshot.toml")), {})

    ours = settings.connectors["noticeboard"]
    assert (ours.board, ours.token) == ("easton", TOKEN)
    assert TOKEN in settings.secrets
    assert TOKEN not in repr(settings)


def test_its_secret_may_come_from_the_environment(installed: Path) -> None:
    file = write_settings(installed, '[connectors.noticeboard]\nboard = "easton"\n')

    settings = load(file, {"EARSHOT_CONNECTORS_NOTICEBOARD_TOKEN": "from-outside"})

    assert settings.connectors["noticeboard"].token == "from-outside"


@pytest.mark.parametrize(
    ("table", "expected"),
    [
        ('board = "easton"\nbord = "x"', "board"),
        ('board = "not a name"', "such as"),
        ('token = "x"', "board is missing"),
        ('board = "easton"\npoll_every = 5', "duration"),
    ],
    ids=["unknown key", "refused value", "missing key", "wrong type"],
)
def test_a_faulty_table_is_refused_in_words(installed: Path, table: str, expected: str) -> None:
    with pytest.raises(SettingsError, match=expected):
        load(write_settings(installed, f"[connectors.noticeboard]\n{table}\n"), {})


def test_an_entry_point_that_names_no_platform_is_refused(
    installed: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    info = tmp_path / "other" / "earshot_wrong-1.dist-info"
    info.mkdir(parents=True)
    (info / "METADATA").write_text("Metadata-Version: 2.1\nName: earshot-wrong\nVersion: 1\n", "utf-8")
    (info / "entry_points.txt").write_text("[earshot.connectors]\nwrong = earshot_noticeboard:connect\n", "utf-8")
    monkeypatch.syspath_prepend(str(info.parent))

    with pytest.raises(TypeError, match="earshot_noticeboard:connect"):
        registry.load("wrong")


@pytest.mark.parametrize("name", ["test_the_connector_keeps_the_contract", "test_the_platform_keeps_the_contract"])
def test_the_strangers_own_tests_pass(own_test: ModuleType, name: str) -> None:
    case: Callable[[], None] = getattr(own_test, name)

    case()


def test_a_poll_as_the_daemon_makes_it_hears_the_strangers_platform(installed: Path, own_test: ModuleType) -> None:
    with Server(own_test.Board()) as server:
        table = printed("earshot.toml") + f'base_url = "{server.url}"\n'
        settings = load(write_settings(installed, table), {})
        batch = poll.fetch(
            "noticeboard",
            settings.connectors["noticeboard"],
            settings.organisation,
            None,
            Allowance(NOW, {"calls": 5}),
        )
        findings = poll.examine(
            "noticeboard", settings.connectors["noticeboard"], Organisation("Tessellate UK"), Allowance(NOW)
        )

    assert len(batch.mentions) == 50
    assert batch.more
    assert "Easton" in findings[0].what


def test_a_platform_without_terms_of_its_own_is_kept_by_the_strictest() -> None:
    terms = load_terms()

    assert "noticeboard" not in terms
    assert terms["other"].quote == 0
    assert terms["other"].text_kept == min(entry.text_kept for entry in terms.values())
