"""The settings file: every error names the key and what was expected, and no secret is ever repeated."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from copy import deepcopy
from dataclasses import Field, fields, is_dataclass
from datetime import timedelta
from pathlib import Path
from typing import Any, get_type_hints

import pytest

from connectors import registry
from monitor import mailboxes
from monitor.settings import Settings, SettingsError, load, read

GOOD: dict[str, Any] = {
    "organisation": {"name": "Tessellate UK", "handles": {"x": "TessellateUK"}},
    "people": {"ceo": {"name": "Rowan Ashdown", "email": "rowan@tessellateuk.example"}},
    "mail": {"host": "localhost", "security": "none", "from": "Earshot <earshot@tessellateuk.example>"},
}
X = {"bearer_token": "tokentokentoken"}


def _changed(path: str, value: object) -> dict[str, Any]:
    raw = deepcopy(GOOD)
    table: Any = raw
    *way, key = path.split("/")
    for step in way:
        table = table.setdefault(step, {})
    table[key] = value
    return raw


def _read(raw: Mapping[str, Any], environ: Mapping[str, str] | None = None, folder: Path = Path()) -> Settings:
    return read(raw, folder / "earshot.toml", environ or {})


def test_little_is_needed() -> None:
    settings = _read(GOOD)

    assert settings.alerts.crisis.again == timedelta(minutes=15)
    assert settings.takeover.begin_by_itself == "never"
    assert settings.connectors == {}


@pytest.mark.parametrize(
    ("path", "value", "said"),
    [
        ("alertz", {}, "alertz is not a setting; did you mean alerts"),
        ("alerts/crisi", {}, "alerts.crisi is not a setting; did you mean alerts.crisis"),
        ("people/ceo/mail", "x@y.example", "people.ceo.mail is not a setting; did you mean people.ceo.email"),
        ("connectors/twiter", {}, "connectors.twiter is not a setting"),
        ("connectors/x", {**X, "bearer": "x"}, "connectors.x.bearer is not a setting"),
        ("connectors", [], "[connectors]"),
        ("alerts", [], "alerts: expected a table, found a list"),
        ("alerts/deaf_after", 45, 'alerts.deaf_after: expected a duration such as "15m", found 45'),
        ("alerts/deaf_after", "soon", "alerts.deaf_after: expected a duration"),
        ("alerts/deaf_after", "9" * 30 + "d", "alerts.deaf_after: expected a duration"),
        ("alerts/night_from", "25:00", "alerts.night_from: expected a time of day"),
        ("digest/day", "monday", "digest.day: expected one of 'mon'"),
        ("takeover/begin_by_itself", True, "takeover.begin_by_itself: expected one of 'never', 'crisis', found true"),
        ("organisation/aliases", 7, "organisation.aliases: expected a list, found 7"),
        ("organisation/aliases", [["a"]], "organisation.aliases[0]: expected a text in quotes, found a list"),
        ("organisation/handles", ["x"], "organisation.handles: expected a table of texts"),
        ("organisation/timezone", "Mars/Olympus", "organisation.timezone: 'Mars/Olympus' is no time zone"),
        ("organisation/timezone", "../../etc/passwd", "organisation.timezone"),
        ("people/ceo/email", "nobody", "people.ceo: expected email: an address such as"),
        ("people/ceo/email", "rowan@x.example,", "people.ceo: expected email: an address such as"),
        ("people/staff", [{"name": "N", "email": "n@"}], "people.staff[0]: expected email: an address such as"),
        ("people/ceo/away", "yes", "people.ceo.away: expected true or false, found 'yes'"),
        ("people/poster", {"name": "Ade"}, "people.poster: expected a list, found a table"),
        ("people/poster", [{"name": "Ade"}], "people.poster[0].email is missing"),
        ("store/url", "mysql://x", "store: expected url"),
        ("web/bind", "8080", "web: expected bind"),
        ("web/public_url", "earshot.example", "web: expected public_url"),
        ("web/public_url", "https://", "web: expected public_url"),
        ("web/public_url", "https://a.example/earshot", "public_url: an address without a path"),
        ("web/public_url", "https://a\u2024\ud800.example", "web: expected public_url"),
        ("web/public_url", "https://a.example:99999", "web: expected public_url"),
        ("web/trusted_proxies", -1, "web: expected trusted_proxies"),
        ("alerts/crisis", {"again": "0m"}, "alerts.crisis: expected again"),
        ("takeover/poll_every", "0s", "takeover: expected poll_every"),
        ("web/trusted_proxies", True, "web.trusted_proxies: expected a whole number, found true"),
        ("privacy/text_kept", {"x": "long"}, "privacy.text_kept.x: expected a duration"),
        ("privacy/text_kept", {"y": "1d"}, "privacy.text_kept.y is not a setting"),
        ("service/spike_floor", 1.5, "service.spike_floor: expected a whole number, found 1.5"),
        ("connectors/x", {"bearer_token": ""}, "connectors.x: expected bearer_token"),
        ("connectors/x", {**X, "monthly_budget": "much"}, "connectors.x.monthly_budget: expected an amount"),
        ("connectors/x", {**X, "poll_every": "often"}, "connectors.x.poll_every: expected a duration"),
        ("connectors/x", {**X, "terms": ["from:somebody"]}, "connectors.x"),
        ("connectors/x", {**X, "terms": ["bread"]}, "connectors.x.terms"),
    ],
)
def test_every_error_names_the_key_and_what_was_expected(path: str, value: object, said: str) -> None:
    with pytest.raises(SettingsError) as caught:
        _read(_changed(path, value))

    assert said in str(caught.value)


@pytest.mark.parametrize("table", ["organisation", "people", "mail"])
def test_a_table_that_is_needed_and_missing_is_named(table: str) -> None:
    with pytest.raises(SettingsError, match=rf"\[{table}\] is missing"):
        _read({name: entry for name, entry in GOOD.items() if name != table})


def test_a_search_that_aims_at_a_person_is_refused_before_anything_is_asked() -> None:
    with pytest.raises(SettingsError) as caught:
        _read(_changed("connectors/x", {**X, "terms": ['"Tessellate UK" from:somebody']}))

    assert "connectors.x" in str(caught.value)


def test_a_secret_may_stand_in_a_file_beside_the_settings(tmp_path: Path) -> None:
    (tmp_path / "token").write_text("fromthefile\n")

    settings = _read(_changed("connectors/x", {"bearer_token_file": "token"}), folder=tmp_path)

    assert settings.connectors["x"].bearer_token == "fromthefile"
    assert "fromthefile" in settings.secrets
    assert "fromthefile" not in repr(settings)


def test_a_secret_of_the_environment_wins_over_the_file(tmp_path: Path) -> None:
    environ = {"EARSHOT_CONNECTORS_X_BEARER_TOKEN": "fromtheenvironment"}

    settings = _read(_changed("connectors/x", X), environ)

    assert settings.connectors["x"].bearer_token == "fromtheenvironment"


@pytest.mark.parametrize(
    ("table", "said"),
    [
        ({"bearer_token": "a" * 9, "bearer_token_file": "t"}, "bearer_token and bearer_token_file are both set"),
        ({"bearer_token_file": "missing"}, "connectors.x.bearer_token_file: the file cannot be read"),
        ({"bearer_token_file": "missing"}, "/missing (No such file or directory). Put the secret into it"),
        ({"bearer_token_file": 7}, "connectors.x.bearer_token_file: expected the path of a file, found 7"),
        ({"bearer_token_file": "."}, "connectors.x.bearer_token_file: the file cannot be read"),
        ({"base_url_file": "x", **X}, "connectors.x.base_url_file is not a setting"),
    ],
)
def test_a_secret_that_cannot_be_read_is_said(table: dict[str, object], said: str, tmp_path: Path) -> None:
    with pytest.raises(SettingsError) as caught:
        _read(_changed("connectors/x", table), folder=tmp_path)

    assert said in str(caught.value)


def test_no_error_repeats_a_secret() -> None:
    wrong = _changed("connectors/x", {"bearer_token": "very secret token with spaces"})

    with pytest.raises(SettingsError) as caught:
        _read(wrong)

    assert "very secret" not in str(caught.value)


def test_phones_are_secrets_and_may_stand_in_a_file_one_a_line(tmp_path: Path) -> None:
    (tmp_path / "phones").write_text("ntfys://one\n\nntfys://two\n")
    raw = _changed("people/ceo", {**GOOD["people"]["ceo"], "phones_file": "phones"})

    settings = _read(raw, folder=tmp_path)

    assert settings.people.ceo.phones == ("ntfys://one", "ntfys://two")
    assert set(settings.people.ceo.phones) <= set(settings.secrets)


def test_the_password_of_a_database_is_a_secret() -> None:
    settings = _read(_changed("store", {"url": "postgresql+psycopg://user@host/name", "password": "p%ss/w:rd"}))

    assert settings.store.url == "postgresql+psycopg://user:p%25ss%2Fw%3Ard@host/name"
    assert "p%ss/w:rd" in settings.secrets
    assert "p%ss" not in repr(settings)


def test_a_part_of_a_table_keeps_the_rest_of_its_defaults() -> None:
    settings = _read(_changed("alerts", {"crisis": {"again": "5m"}}))

    assert (settings.alerts.crisis.again, settings.alerts.crisis.chair) == (timedelta(minutes=5), timedelta(minutes=30))


def test_numbers_written_as_numbers_are_read_as_the_ids_they_are() -> None:
    settings = _read(_changed("connectors/x", {**X, "user_id": 2244994945}))

    assert settings.connectors["x"].user_id == "2244994945"


@pytest.mark.parametrize("content", [b"[organisation", b"\xff\xfea", b"\xff", b"a = 1\na = 2"])
def test_a_file_that_is_not_toml_is_said_to_be_none(content: bytes, tmp_path: Path) -> None:
    (tmp_path / "earshot.toml").write_bytes(content)

    with pytest.raises(SettingsError, match="is not (TOML|plain text)"):
        load(tmp_path / "earshot.toml", {})


def test_a_file_that_is_not_there_says_how_to_begin(tmp_path: Path) -> None:
    with pytest.raises(SettingsError, match="earshot config example"):
        load(tmp_path / "none.toml", {})


def test_links_lead_to_the_name_that_dns_has() -> None:
    settings = _read(_changed("web", {"public_url": "https://earshot.wärme.example:8443/"}))

    assert settings.public_url == "https://earshot.xn--wrme-loa.example:8443"


# ── paths ───────────────────────────────────────────────────────────────────────────────────────────


def _declared(kind: type, path: str = "") -> Iterator[tuple[str, Field[Any], object]]:
    """Every setting there is: its place, its field and its type."""
    hints = get_type_hints(kind)
    for f in fields(kind):  # type: ignore[arg-type]
        if not f.metadata.get("table", True):
            continue
        place = f"{path}/{f.metadata.get('key', f.name)}".lstrip("/")
        if is_dataclass(hints[f.name]):
            yield from _declared(hints[f.name], place)  # type: ignore[arg-type]
        else:
            yield place, f, hints[f.name]


EVERY = [
    *_declared(Settings),
    *(s for n in registry.names() for s in _declared(registry.load(n).settings, f"connectors/{n}")),
]
PATHS = [place for place, f, _ in EVERY if f.metadata.get("path")]
SECRETS = [
    place for place, f, _ in EVERY if f.metadata.get("secret") and not place.startswith(("people", "connectors"))
]


def _at(settings: Settings, place: str) -> Any:
    found: Any = settings
    for step in place.split("/"):
        found = getattr(found, step)
    return found


def test_every_setting_that_names_a_file_or_a_folder_is_known_as_one() -> None:
    """``[store]`` has a rule of its own, which looks in more than one place (``monitor.store.place``)."""
    by_name = {
        place
        for place, f, kind in EVERY
        if kind is Path or place.rpartition("/")[2].endswith(("_file", "_dir", "_folder", "_path", "rules"))
    }

    assert by_name - {"store/state_dir"} == set(PATHS)
    assert set(PATHS) == {"judgement/rules", "mail/ca_file", "mail/relay/ca_file"}


@pytest.mark.parametrize("place", PATHS)
@pytest.mark.parametrize(
    ("written", "meant"),
    [
        ("mine/it", "{settings}/mine/it"),
        ("./it", "{settings}/it"),
        ("../it", "{settings}/../it"),
        ("a b/é%20?", "{settings}/a b/é%20?"),
        ("/elsewhere/it", "/elsewhere/it"),
        ("~/it", "{home}/it"),
    ],
)
def test_a_path_counts_from_the_settings_file_wherever_a_command_runs(
    place: str, written: str, meant: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder, home, elsewhere = tmp_path / "etc", tmp_path / "home", tmp_path / "elsewhere"
    for made in (folder, home, elsewhere):
        made.mkdir()
    monkeypatch.setenv("HOME", str(home))
    monkeypatch.chdir(elsewhere)
    environ = {"STATE_DIRECTORY": str(tmp_path / "state")}

    settings = _read(_changed(place, written), environ, folder)

    meant = meant.format(settings=folder, home=home)
    assert _at(settings, place) == meant
    assert Path(meant) in settings.files
    monkeypatch.chdir(tmp_path)
    assert _at(_read(_changed(place, written), environ, Path("etc")), place) == meant


@pytest.mark.parametrize("place", PATHS)
@pytest.mark.parametrize("written", ["~nobody-of-this-name/it", "two\nlines", "nul\0"])
def test_what_is_no_path_is_refused_with_its_place(place: str, written: str) -> None:
    with pytest.raises(SettingsError, match=place.replace("/", r"\.") + ": expected a path"):
        _read(_changed(place, written))


@pytest.mark.parametrize("key", ["url", "state_dir"])
def test_a_home_folder_of_nobody_is_refused_for_the_store_too(key: str) -> None:
    with pytest.raises(SettingsError, match="a path; nobody of the name after ~ has a home folder here"):
        _read(
            _changed(
                f"store/{key}", "sqlite:///~nobody-of-this-name/a.db" if key == "url" else "~nobody-of-this-name/a"
            )
        )


@pytest.mark.parametrize("place", SECRETS)
def test_the_file_of_a_secret_counts_from_the_settings_file_too(
    place: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "etc").mkdir()
    (tmp_path / "home").mkdir()
    monkeypatch.setenv("HOME", str(tmp_path / "home"))
    monkeypatch.chdir(tmp_path / "home")
    for written, file in (("it", "etc/it"), ("~/it", "home/it")):
        raw = _changed(f"{place}_file", written)
        with pytest.raises(SettingsError, match=f"cannot be read: {tmp_path / file} "):
            _read(raw, folder=tmp_path / "etc")
    with pytest.raises(SettingsError, match=f"{place.replace('/', '.')}_file: expected a path"):
        _read(_changed(f"{place}_file", "~nobody-of-this-name/it"))


# ── people and addresses ────────────────────────────────────────────────────────────────────────────

PERSONS = ("ceo", "chair", "operator", "poster", "staff")
NO_ADDRESSES = (
    "r@127.0.0.1", "r@x.123", "\uff52@x.example", "r@\uff58.example", "\u0430bc@x.example", "abc@\u0430bc.example",
    "r@x.example <s@x.example>", "r@x.example, s@x.example",
)  # fmt: skip
NO_NAMES = ("", "  ", "\u200b", "\u2060\ufeff", "Rowan\nAshdown", "Rowan\rBcc: x@y.example", "Rowan\u2028Ashdown")
MAILBOXES = ("mail/from", "mail/reply_to", "mail/relay/from")


def _person(role: str, name: str, email: str) -> dict[str, Any]:
    person = {"name": name, "email": email}
    return _changed(f"people/{role}", [person] if role in {"poster", "staff"} else person)


@pytest.mark.parametrize("role", PERSONS)
@pytest.mark.parametrize("address", NO_ADDRESSES)
def test_an_address_that_only_looks_like_one_is_refused_for_everybody(role: str, address: str) -> None:
    with pytest.raises(SettingsError, match="email: an address such as"):
        _read(_person(role, "Rowan Ashdown", address))


@pytest.mark.parametrize("role", PERSONS)
@pytest.mark.parametrize("name", NO_NAMES)
def test_a_name_that_nobody_can_read_is_refused_for_everybody(role: str, name: str) -> None:
    with pytest.raises(SettingsError, match=r"name: a name (that people can read|on one line)"):
        _read(_person(role, name, "someone@tessellateuk.example"))


@pytest.mark.parametrize("place", MAILBOXES)
@pytest.mark.parametrize(
    "address", [*NO_ADDRESSES[:-2], "r@x.example, s@x.example", "Earshot <e@t.example> <x@t.example>"]
)
def test_a_mailbox_of_ours_is_one_address_in_letters_of_one_kind(place: str, address: str) -> None:
    raw = _changed("mail/relay/host", "localhost") if "relay" in place else deepcopy(GOOD)
    *way, key = place.split("/")
    table: Any = raw
    for step in way:
        table = table[step]
    table[key] = address

    with pytest.raises(SettingsError, match="address"):
        _read(raw)


@pytest.mark.parametrize("host", ["mail/host", "mail/relay/host"])
def test_a_mail_servers_name_holds_no_port(host: str) -> None:
    with pytest.raises(SettingsError, match="the port goes into port"):
        _read(_changed(host, "smtp.example:587"))


@pytest.mark.parametrize("role", PERSONS)
def test_our_own_sender_as_somebodys_address_is_a_fault(role: str) -> None:
    found = [f.what for f in mailboxes.look(_read(_person(role, "Kit Marlow", "Earshot@tessellateuk.example")))]

    assert any("own address" in what and role in what for what in found)


@pytest.mark.parametrize("address", ["rené@x.example", "россия@почта.example", "r@wärme.example", "名前@例え.example"])
def test_an_address_of_one_script_is_taken(address: str) -> None:
    assert _read(_person("ceo", "Sian O\u2019Brien", address)).people.ceo.email == address
