"""The house itself: its floors, its names, its settings, its words. What nobody would notice missing until too late."""

from __future__ import annotations

import ast
import importlib.metadata
import re
import subprocess
import sys
import tomllib
from collections.abc import Iterator, Mapping
from configparser import ConfigParser
from dataclasses import MISSING, Field, fields, is_dataclass
from datetime import date
from pathlib import Path
from typing import Any, get_type_hints

import click
import hypothesis
import pytest
import yaml

from connectors import registry
from monitor.app import rules_folder
from monitor.cards import load_cards
from monitor.cli import main
from monitor.scoring import check_rules
from monitor.settings import Settings, load
from monitor.terms import load_terms

HOUSE = Path(__file__).parents[1]
EXAMPLE = HOUSE / "config" / "earshot.example.toml"
PAGES = sorted([HOUSE / "README.md", HOUSE / "CHANGELOG.md", *(HOUSE / "docs").rglob("*.md")])
COPIED = ("tests/specs/", "training/data/", "config/words.txt")
"""What others wrote or gathered: specifications, labelled posts, a list of words."""


def tracked() -> list[Path]:
    """Every file of the house that is kept in git and is text."""
    listed = subprocess.run(["git", "ls-files", "-z"], cwd=HOUSE, capture_output=True, check=True).stdout
    names = [name for name in listed.decode().split("\0") if name and not name.startswith(COPIED)]
    return [HOUSE / n for n in names if not n.endswith((".bin", ".onnx", ".png", ".svg")) and (HOUSE / n).is_file()]


def lines_with(pattern: str, *, but: tuple[str, ...] = ()) -> list[str]:
    """Where ``pattern`` stands in our files, this one left out, as ``file:line``."""
    sought, found = re.compile(pattern), []
    for path in tracked():
        name = str(path.relative_to(HOUSE))
        if path == Path(__file__) or name in but:
            continue
        for number, line in enumerate(path.read_text("utf-8", "replace").splitlines(), 1):
            if sought.search(line):
                found.append(f"{name}:{number}")
    return found


# ── floors and names ────────────────────────────────────────────────────────────────────────────────


def test_news_flows_in_alarms_flow_out_and_only_the_monitor_sees_both() -> None:
    tool = Path(sys.executable).parent / "lint-imports"

    done = subprocess.run([str(tool), "--no-cache"], cwd=HOUSE, capture_output=True, text=True)

    assert done.returncode == 0, done.stdout


def test_nobody_else_installs_something_under_our_import_names() -> None:
    owners = importlib.metadata.packages_distributions()

    assert {name: set(owners.get(name, [])) - {"earshot"} for name in ("monitor", "connectors", "alerts", "signs")} == {
        "monitor": set(),
        "connectors": set(),
        "alerts": set(),
        "signs": set(),
    }


# ── settings ────────────────────────────────────────────────────────────────────────────────────────


def declared() -> Iterator[tuple[str, str, Field[Any], type]]:
    """Every key of every table: the table, the key as it is written, its field, the class that declares it."""
    hints = get_type_hints(Settings)
    for table in fields(Settings):
        if not table.metadata.get("table", True) or table.name in {"connectors", "people"}:
            continue
        yield from _of(table.name, hints[table.name])
    yield from (key for key in _of("people.ceo", get_type_hints(hints["people"])["ceo"]) if key[1] != "platforms")
    for name in ("x", "facebook", "instagram", "linkedin", "youtube"):
        yield from _of(f"connectors.{name}", registry.load(name).settings)


def _of(table: str, kind: type) -> Iterator[tuple[str, str, Field[Any], type]]:
    assert is_dataclass(kind)
    for f in fields(kind):
        yield table, str(f.metadata.get("key", f.name)), f, kind


def opened_up(text: str) -> str:
    """The example with every commented default taken into use."""
    text = text.replace('url = "sqlite:///earshot.db"', 'url = "postgresql+psycopg://earshot@localhost/earshot"')
    return re.sub(r"^# (?=(\[\[?[a-z.]+\]\]?|[a-z_]+ = ))", "", text, flags=re.MULTILINE)


def read_example(text: str, folder: Path) -> Settings:
    """The settings that ``text`` gives when every secret file that it names is there."""
    (folder / "earshot.toml").write_text(text, "utf-8")
    for name in re.findall(r'_file = "(secrets/[^"]+)"', text):
        (folder / "secrets").mkdir(exist_ok=True)
        (folder / name).write_text("a-secret-of-the-example\n", "utf-8")
    return load(folder / "earshot.toml", {})


def test_the_example_settings_can_be_read_as_they_are(tmp_path: Path) -> None:
    settings = read_example(EXAMPLE.read_text("utf-8"), tmp_path)

    assert settings.organisation.name == "Tessellate UK"
    assert sorted(settings.connectors) == ["facebook", "instagram", "linkedin", "x", "youtube"]


def test_every_setting_there_is_stands_in_the_example() -> None:
    raw = tomllib.loads(opened_up(EXAMPLE.read_text("utf-8")))

    missing = []
    for table, key, f, _ in declared():
        place: Any = raw
        for step in table.split("."):
            place = place.get(step, {})
        names = {key, f"{key}_file"} if f.metadata.get("secret") else {key}
        if not names & set(place):
            missing.append(f"{table}.{key}")
    assert missing == []


def test_the_defaults_that_the_example_shows_are_the_real_ones(tmp_path: Path) -> None:
    as_it_is = read_example(EXAMPLE.read_text("utf-8"), tmp_path)
    taken_into_use = read_example(opened_up(EXAMPLE.read_text("utf-8")), tmp_path)

    different = []
    for table, key, f, _ in declared():
        if f.metadata.get("secret") or (f.default is MISSING and f.default_factory is MISSING):
            continue
        before, after = (_at(settings, table, f.name) for settings in (as_it_is, taken_into_use))
        if before != after and f.name not in {"poll_every", "url", "text_kept"}:
            different.append(f"{table}.{key}: {before!r} is shown as {after!r}")
    assert different == []


def _at(settings: Settings, table: str, name: str) -> object:
    place: Any = settings
    for step in table.split("."):
        place = place[step] if isinstance(place, Mapping) else getattr(place, step)
    return getattr(place, name)


def test_the_files_that_people_edit_all_load() -> None:
    for file in (HOUSE / "config").rglob("*.toml"):
        tomllib.loads(file.read_text("utf-8"))

    assert load_cards()
    assert set(load_terms({})) >= {"x", "facebook", "instagram", "linkedin", "youtube"}
    assert list(check_rules(HOUSE / "config" / "rules")) == []
    assert rules_folder(load_example_lazily()) == HOUSE / "config" / "rules"


def load_example_lazily() -> Settings:
    """Settings without any secret file, for what asks only where our own files lie."""
    from monitor.settings import read

    raw = {
        "organisation": {"name": "Tessellate UK"},
        "people": {"ceo": {"name": "Rowan Ashdown", "email": "rowan@tessellateuk.example"}},
        "mail": {"host": "mail.tessellateuk.example", "from": "earshot@tessellateuk.example"},
    }
    return read(raw, Path("earshot.toml"), {})


# ── commands and words ──────────────────────────────────────────────────────────────────────────────


def commands(group: click.Group = main, before: tuple[str, ...] = ()) -> Iterator[tuple[str, click.Command]]:
    """Every command there is, by its whole name."""
    for name, command in group.commands.items():
        yield " ".join((*before, name)), command
        if isinstance(command, click.Group):
            yield from commands(command, (*before, name))


def test_every_command_has_help_that_a_stranger_understands() -> None:
    assert [name for name, command in commands() if not (command.help or "").strip()] == []


def test_every_option_says_what_it_is_for() -> None:
    silent = [
        f"{name} {option.opts[0]}"
        for name, command in commands()
        for option in command.params
        if isinstance(option, click.Option) and not option.help and not isinstance(option.type, click.Choice)
    ]
    assert silent == []


def spoken() -> Iterator[tuple[Path, str]]:
    """Every ``earshot ...`` that a page or a file of deploy/ tells somebody to type."""
    for page in [*PAGES, HOUSE / "docker-compose.yml", HOUSE / "deploy" / "earshot-here"]:
        text = page.read_text("utf-8")
        for match in re.finditer(r"(?:`|^\s*\$? ?|sudo |-u earshot |exec |rm )earshot((?: [^`\n|>#]+)?)", text, re.M):
            yield page, match.group(1).strip().removeprefix("earshot ")


@pytest.mark.parametrize("page", PAGES, ids=lambda path: path.name)
def test_the_commands_that_a_page_names_exist_with_their_options(page: Path) -> None:
    known = dict(commands())
    wrong = []
    for where, words in spoken():
        if where != page or not re.match(r"[a-z]", words):
            continue
        parts = words.replace("(", " ").split()
        name = next((" ".join(parts[:n]) for n in (2, 1) if " ".join(parts[:n]) in known), None)
        if name is None:
            wrong.append(words)
            continue
        options = {opt for param in known[name].params for opt in (*param.opts, *param.secondary_opts)} | {"--help"}
        wrong += [f"{name} {part}" for part in parts if part.startswith("--") and part.split("=")[0] not in options]
    assert wrong == []


@pytest.mark.parametrize("page", PAGES, ids=lambda path: path.name)
def test_what_a_page_says_to_make_can_be_made(page: Path) -> None:
    rules = set(re.findall(r"^([a-z]+):", (HOUSE / "Makefile").read_text("utf-8"), re.MULTILINE))

    said = set(re.findall(r"(?:`|^\s*)make ([a-z]+)", page.read_text("utf-8"), re.MULTILINE))

    assert said <= rules


def test_everything_that_the_makefile_promises_has_a_rule() -> None:
    text = (HOUSE / "Makefile").read_text("utf-8")

    (promised,) = re.findall(r"^\.PHONY: (.*)$", text, re.MULTILINE)

    assert set(promised.split()) <= set(re.findall(r"^([a-z]+):", text, re.MULTILINE))


@pytest.mark.parametrize("page", PAGES, ids=lambda path: path.name)
def test_the_links_of_a_page_lead_somewhere(page: Path) -> None:
    broken = []
    for target in re.findall(r"\]\(([^)\s]+)\)", re.sub(r"```.*?```", "", page.read_text("utf-8"), flags=re.DOTALL)):
        if target.startswith(("http://", "https://", "mailto:")):
            continue
        name, _, anchor = target.partition("#")
        file = (page.parent / name).resolve() if name else page
        if not file.exists() or (anchor and anchor not in anchors(file)):
            broken.append(target)
    assert broken == []


def anchors(page: Path) -> set[str]:
    """The places in a page that a link can lead to, as GitHub makes them of headings."""
    headings = re.findall(r"^#+ (.+)$", page.read_text("utf-8"), re.MULTILINE)
    return {re.sub(r"[^\w\- ]", "", heading.strip().lower()).replace(" ", "-") for heading in headings}


def test_the_readme_opens_with_the_two_commands_and_a_picture() -> None:
    opening = "\n".join((HOUSE / "README.md").read_text("utf-8").splitlines()[:16])

    assert "make demo" in opening
    assert "make test" in opening
    assert re.search(r"!\[[^\]]{10,}\]\(docs/pictures/[a-z-]+\.png\)", opening)


def test_pictures_are_small_enough_for_a_slow_line() -> None:
    heavy = [p.name for p in (HOUSE / "docs" / "pictures").glob("*") if p.stat().st_size > 300_000]

    assert heavy == []


def test_the_changelog_begins_with_what_is_being_built() -> None:
    version = tomllib.loads((HOUSE / "pyproject.toml").read_text("utf-8"))["project"]["version"]
    headings = re.findall(r"^## (.+)$", (HOUSE / "CHANGELOG.md").read_text("utf-8"), re.MULTILINE)

    assert headings[0].startswith(version)
    for heading in headings:
        _, _, day = heading.partition(", ")
        assert not day or day == "not released yet" or date.fromisoformat(day)


def test_the_page_on_data_protection_says_what_the_table_of_terms_says() -> None:
    terms = tomllib.loads((HOUSE / "config" / "platforms.toml").read_text("utf-8"))
    page = (HOUSE / "docs" / "data-protection.md").read_text("utf-8")
    units = {"h": "hours", "d": "days"}

    for name in ("X", "Facebook", "Instagram", "LinkedIn", "YouTube"):
        term = terms[name.lower()]
        (row,) = re.findall(rf"^\| {name} \|(.*)$", page, re.MULTILINE)
        words, since, author, mail, sentiment, backups = (cell.strip(" *|") for cell in row.split(" | "))
        assert words == f"{term['text_kept'][:-1]} {units[term['text_kept'][-1]]}"
        assert ("first hearing" in since) == (term["text_clock"] == "seen")
        kept = term["author_kept"]
        said = {"none": "not kept", "with-text": "with the words"}.get(kept, f"{kept[:-1]} {units.get(kept[-1], '')}")
        assert author.startswith(said)
        assert mail.startswith(f"up to {term['quote']} characters, no name" if term["quote"] else "nothing")
        assert not term["name_in_mail"]
        assert sentiment.startswith("yes" if term["scores"] else "no")
        assert backups == ("yes" if term["in_backups"] else "no")


# ── nothing that does not belong ────────────────────────────────────────────────────────────────────


def test_no_file_knows_the_machine_that_it_was_written_on() -> None:
    assert lines_with(r"/root/|/work/|/home/[a-z]+/|pyenv") == []


def test_no_file_names_a_package_registry() -> None:
    assert lines_with(r"pythonhosted|pypi\.org|index-url [a-z]+:|registry\.npmjs|deb\.debian\.org") == []


def test_no_address_carries_a_password_or_a_token() -> None:
    real = r"(?i)(access_token|api_key|[?&]key|[?&]token)=(?!demo|test|example|secret)[A-Za-z0-9_\-]{24,}"
    assert lines_with(real) == []
    assert [
        place for place in lines_with(r"[a-z]://[^/\s:@{}<>\"']+:[^/\s@{}<>\"'*]{6,}@") if "test" not in place
    ] == []


def test_nothing_is_left_for_later() -> None:
    assert lines_with(r"\b(TODO|FIXME|XXX|HACK)\b") == []


def test_the_locks_pin_by_hash_and_hold_no_address() -> None:
    for name in ("requirements.lock", "requirements-run.lock", "requirements-build.lock"):
        lines = (HOUSE / name).read_text("utf-8").splitlines()
        pins = [number for number, line in enumerate(lines) if re.match(r"[a-z0-9]", line)]

        assert pins
        assert all("==" in lines[number] and "--hash=sha256:" in lines[number + 1] for number in pins)
        assert not [line for line in lines if "://" in line]


def pins(name: str) -> dict[str, str]:
    """The distributions that a lock file pins, and their versions."""
    text = (HOUSE / name).read_text("utf-8")
    return dict(re.findall(r"^([a-z0-9-]+)==(\S+)", text, re.MULTILINE))


def test_a_server_gets_the_versions_that_were_tested() -> None:
    tested = pins("requirements.lock")

    assert pins("requirements-run.lock").items() <= tested.items()
    assert pins("requirements-build.lock").items() <= tested.items()
    assert not {"pytest", "mypy", "playwright"} & pins("requirements-run.lock").keys()


def test_whatever_the_code_imports_is_declared_and_locked() -> None:
    owners = {
        top: [_plain(name) for name in names] for top, names in importlib.metadata.packages_distributions().items()
    }
    declared = {_plain(name) for name in _dependencies()}
    ours = {"monitor", "connectors", "alerts", "signs"}

    undeclared = {
        f"{name}: {path.relative_to(HOUSE)}"
        for folder in sorted(ours)
        for path in (HOUSE / folder).rglob("*.py")
        for name in _imports(path)
        if name not in sys.stdlib_module_names | ours and not declared & set(owners.get(name, []))
    }

    assert undeclared == set()
    assert declared <= {_plain(name) for name in pins("requirements-run.lock")}


def _dependencies() -> Iterator[str]:
    project = tomllib.loads((HOUSE / "pyproject.toml").read_text("utf-8"))["project"]
    extras = project["optional-dependencies"]
    for line in (*project["dependencies"], *extras["postgres"], *extras["model"]):
        yield re.split(r"[\[<>=;! ]", line, maxsplit=1)[0]


def _plain(distribution: str) -> str:
    return re.sub(r"[-_.]+", "-", distribution).lower()


def _imports(path: Path) -> set[str]:
    """The first words of all modules that a file imports, also inside its functions."""
    nodes = list(ast.walk(ast.parse(path.read_text("utf-8"))))
    whole = {alias.name for node in nodes if isinstance(node, ast.Import) for alias in node.names}
    parts = {node.module or "" for node in nodes if isinstance(node, ast.ImportFrom) and node.level == 0}
    return {name.partition(".")[0] for name in whole | parts}


def test_no_test_measures_how_fast_the_machine_is() -> None:
    """Only benchmarks and the long proofs may: anywhere else a busy machine would make it fail."""
    clocks = r"(monotonic|perf_counter|process_time|time\.time)(_ns)?\(\)"

    found = lines_with(rf"^\s*assert\b.*{clocks}\s*-|^\s*assert\b.*\b(elapsed|lasted)\b\s*<")

    assert [line for line in found if not line.startswith(("tests/proofs/", "benchmarks/"))] == []
    assert hypothesis.settings.default.deadline is None


# ── what runs it ────────────────────────────────────────────────────────────────────────────────────


def compose() -> dict[str, Any]:
    """The compose file, its anchors resolved."""
    return dict(yaml.safe_load((HOUSE / "docker-compose.yml").read_text("utf-8")))


def test_every_container_is_locked_down_watched_and_of_a_known_version() -> None:
    for name, service in compose()["services"].items():
        assert service["read_only"] is True, name
        assert service["cap_drop"] == ["ALL"], name
        assert "no-new-privileges:true" in service["security_opt"], name
        assert service["healthcheck"]["test"][0] == "CMD", name
        assert re.fullmatch(r"[a-z/]+:v?\d+(\.\d+)+(-[a-z]+)?", service["image"]), name
        assert not service.get("privileged"), name


def test_whatever_may_restart_us_asks_of_the_process_alone() -> None:
    for name in ("Dockerfile", "docker-compose.yml", "deploy/Caddyfile"):
        asked = re.findall(r"/health\S*", "\n".join(_without_comments(HOUSE / name)))

        assert asked, name
        assert all(question.startswith("/health?alive") for question in asked), name


def _without_comments(path: Path) -> list[str]:
    return [line for line in path.read_text("utf-8").splitlines() if not line.lstrip().startswith("#")]


def test_secrets_of_the_containers_are_files_and_none_stands_in_the_environment() -> None:
    whole = compose()

    assert all(list(secret) == ["file"] for secret in whole["secrets"].values())
    for service in whole["services"].values():
        used = [s["source"] if isinstance(s, dict) else s for s in service.get("secrets", [])]
        assert set(used) <= set(whole["secrets"])
        assert not [key for key in service.get("environment", {}) if re.search(r"(PASSWORD|TOKEN|SECRET|KEY)$", key)]


def test_the_secrets_of_the_example_settings_are_the_ones_that_the_containers_get() -> None:
    named = set(re.findall(r'_file = "(secrets/[^"]+)"', EXAMPLE.read_text("utf-8")))
    given = {s["target"].removeprefix("/etc/earshot/") for s in compose()["services"]["earshot"]["secrets"]}

    assert named == given


def test_only_the_reverse_proxy_can_be_reached_from_outside_and_the_database_by_nobody() -> None:
    whole = compose()
    for name, service in whole["services"].items():
        if name != "proxy":
            assert all(port.startswith("127.0.0.1:") for port in service.get("ports", [])), name
    assert whole["services"]["postgres"]["networks"] == ["inside"]
    assert whole["networks"]["inside"]["internal"] is True


def test_the_image_is_built_from_locks_and_does_not_run_as_root() -> None:
    text = (HOUSE / "Dockerfile").read_text("utf-8")
    stages = text.split("\nFROM ")[1:]

    assert text.count("pip install --require-hashes") == 2
    assert re.search(r"^USER 10001:10001$", stages[-1], re.MULTILINE)
    assert re.search(r"^HEALTHCHECK", stages[-1], re.MULTILINE)
    copied = set(re.findall(r"^COPY (?!--from)(.+) \S+$", text, re.MULTILINE))
    allowed = set(re.findall(r"^!(.+)$", (HOUSE / ".dockerignore").read_text("utf-8"), re.MULTILINE))
    assert {name for names in copied for name in names.split()} == allowed


def test_the_unit_is_watched_and_hardened() -> None:
    unit = ConfigParser(strict=False, interpolation=None, delimiters=("=",))
    unit.optionxform = str  # type: ignore[method-assign, assignment]
    unit.read_string((HOUSE / "deploy" / "earshot.service").read_text("utf-8"))
    service = unit["Service"]

    assert service["Type"] == "notify"
    assert int(service["WatchdogSec"]) > 60
    assert service["LoadCredential"] == "secrets:/etc/earshot/secrets"
    assert service["ProtectSystem"] == "strict"
    assert service["NoNewPrivileges"] == "yes"
    assert service["CapabilityBoundingSet"] == ""
    assert "RestartPreventExitStatus" not in service  # whatever stops it is told, and tried again


def test_what_systemd_hands_over_is_found_under_the_names_of_the_settings_file(tmp_path: Path) -> None:
    (tmp_path / "credentials").mkdir()
    (tmp_path / "credentials" / "secrets_mail-password").write_text("from-systemd\n", "utf-8")
    text = """
        [organisation]
        name = "Tessellate UK"
        [people.ceo]
        name = "Rowan Ashdown"
        email = "rowan@tessellateuk.example"
        [mail]
        host = "mail.tessellateuk.example"
        from = "earshot@tessellateuk.example"
        username = "earshot"
        password_file = "secrets/mail-password"
    """
    (tmp_path / "earshot.toml").write_text(text, "utf-8")

    settings = load(tmp_path / "earshot.toml", {"CREDENTIALS_DIRECTORY": str(tmp_path / "credentials")})

    assert settings.mail.password == "from-systemd"


def test_a_database_password_in_a_file_reaches_the_address_and_no_printout(tmp_path: Path) -> None:
    (tmp_path / "db").write_text("odd/p@ss:word\n", "utf-8")
    text = EXAMPLE.read_text("utf-8").replace(
        'url = "sqlite:///earshot.db"',
        'url = "postgresql+psycopg://earshot@postgres/earshot"\npassword_file = "db"',
    )

    settings = read_example(text, tmp_path)

    assert settings.store.url == "postgresql+psycopg://earshot:odd%2Fp%40ss%3Aword@postgres/earshot"
    assert "odd" not in repr(settings)
    assert {"odd/p@ss:word", "odd%2Fp%40ss%3Aword"} <= set(settings.secrets)
