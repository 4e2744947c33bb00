"""One TOML file, read once, turned into frozen values. Every error names the key and what was expected."""

from __future__ import annotations

import difflib
import os
import tomllib
import types
import typing
from collections.abc import Callable, Iterator, Mapping
from dataclasses import MISSING, dataclass, field, fields, is_dataclass, replace
from datetime import time, timedelta
from pathlib import Path
from typing import Any, Literal, TypeVar, get_args, get_origin, get_type_hints
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from alerts import addresses
from alerts.mail_settings import MailSettings
from alerts.model import Recipient
from connectors import registry
from connectors.addresses import parts_of
from connectors.errors import ConnectorError
from connectors.model import AnyPlatform, Money, Organisation
from monitor import plain
from monitor.clock import read_duration, read_time_of_day
from monitor.data import resource
from monitor.model import Named
from monitor.paths import whole
from monitor.store import place
from monitor.store.address import Address
from monitor.store.place import Place

T = TypeVar("T")
DAYS = ("mon", "tue", "wed", "thu", "fri", "sat", "sun")


class SettingsError(Exception):
    """A setting that cannot be used. The message names the key, what was expected, and what to do."""

    @property
    def without_value(self) -> str:
        """The message without what was found instead, which may be a secret."""
        words, cut, _ = str(self).partition(", found ")
        return f"{words}." if cut else words


@dataclass(frozen=True, slots=True)
class Person:
    """Somebody whom we may tell. ``phones`` are apprise URLs, which hold secrets."""

    name: str
    email: str
    phones: tuple[str, ...] = field(default=(), repr=False, metadata={"secret": True})
    away: bool = False
    platforms: tuple[str, ...] = ()
    known_as: tuple[str, ...] = ()
    """Other names and handles by which posts and tips may speak of this person, such as "Gosia" and "@r_ash"."""

    def __post_init__(self) -> None:
        if not any(letter.isprintable() and not letter.isspace() for letter in self.name):
            raise ValueError("name: a name that people can read")
        if len(self.name.splitlines()) > 1:
            raise ValueError("name: a name on one line")
        try:
            object.__setattr__(self, "email", addresses.checked(self.email))
        except ValueError as error:
            raise ValueError(f"email: {error}") from None

    def recipient(self, role: str, *, away: bool | None = None) -> Recipient:
        """This person as the alerts know one."""
        gone = self.away if away is None else away
        return Recipient(role, self.name, self.email, self.phones, gone, self.platforms)


@dataclass(frozen=True, slots=True)
class People:
    """Who is told what (policy 4.16, 4.17, 6.4). The deputy is the Chair of trustees."""

    ceo: Person
    chair: Person | None = None
    operator: Person | None = None
    poster: tuple[Person, ...] = ()
    staff: tuple[Person, ...] = ()

    @property
    def named(self) -> tuple[Named, ...]:
        """Everybody as posts and tips may name them."""
        single = (("ceo", self.ceo), ("chair", self.chair), ("operator", self.operator))
        several = (("poster", person) for person in self.poster), (("staff", person) for person in self.staff)
        return tuple(
            Named(role, person.name, person.email, person.known_as)
            for role, person in (*single, *several[0], *several[1])
            if person is not None
        )


@dataclass(frozen=True, slots=True)
class Store:
    """Where the memory lies. ``state_dir`` holds the install key, the lock and the erasure journal. Both are whole
    paths once the settings were read (``monitor.store.place``)."""

    url: str = field(default="sqlite:///earshot.db", repr=False)
    state_dir: str = ""
    password: str = field(default="", repr=False, metadata={"secret": True})
    """PostgreSQL's, so that it need not stand in ``url``; it is put in there when the settings are made."""

    def __post_init__(self) -> None:
        address = Address.read(self.url)
        if self.password:
            object.__setattr__(self, "url", address.with_password(self.password).text)

    @property
    def address(self) -> Address:
        """``url``, taken apart."""
        return Address.read(self.url)


@dataclass(frozen=True, slots=True)
class Web:
    """The small web pages. Without ``public_url`` mails carry no links."""

    bind: str = "127.0.0.1:8080"
    public_url: str = ""
    trusted_proxies: int = 0
    """How many reverse proxies stand in front and set X-Forwarded-*; 0 believes none."""

    def __post_init__(self) -> None:
        host, _, port = self.bind.rpartition(":")
        if not host or not port.isdigit() or int(port) > 65535:
            raise ValueError('bind: an address and port such as "127.0.0.1:8080"')
        if self.public_url and not _is_root(self.public_url):
            raise ValueError('public_url: an address without a path such as "https://earshot.charity.example"')
        if self.trusted_proxies < 0:
            raise ValueError("trusted_proxies: 0, or how many proxies stand in front")


def _is_root(url: str) -> bool:
    """Whether an address names a host alone: the pages and their forms stand at its root."""
    parts = parts_of(url)
    try:
        host = addresses.ascii_host(parts.hostname or "")
    except ValueError:
        return False
    return parts.scheme in {"http", "https"} and bool(host) and parts.path in {"", "/"} and not parts.query


@dataclass(frozen=True, slots=True)
class Chain:
    """When an unacknowledged incident is told again, and when the Chair is told (policy 6.4)."""

    again: timedelta
    chair: timedelta

    def __post_init__(self) -> None:
        if self.again < timedelta(seconds=1):
            raise ValueError('again: at least "1s", or one matter would fill a mailbox')


@dataclass(frozen=True, slots=True)
class Alerts:
    """How the chain of alerts runs (settled questions, 5)."""

    crisis: Chain = Chain(timedelta(minutes=15), timedelta(minutes=30))
    alert: Chain = Chain(timedelta(minutes=60), timedelta(hours=2))
    deaf_after: timedelta = timedelta(minutes=45)
    silent_after: timedelta = timedelta(hours=24)
    quiet_time: timedelta = timedelta(hours=1)
    night_from: time = time(22, 0)
    night_until: time = time(7, 0)


@dataclass(frozen=True, slots=True)
class TakeoverSettings:
    """Whether a lockdown may begin without a person, and how fast we poll while it lasts."""

    begin_by_itself: Literal["never", "crisis"] = "never"
    poll_every: timedelta = timedelta(seconds=30)
    report_every: timedelta = timedelta(0)
    """How often the holder is mailed a situation report; 0 means never."""

    def __post_init__(self) -> None:
        if self.poll_every < timedelta(seconds=1):
            raise ValueError('poll_every: at least "1s"')


@dataclass(frozen=True, slots=True)
class Digest:
    """When the weekly digest leaves, on the organisation's wall clock."""

    day: Literal["mon", "tue", "wed", "thu", "fri", "sat", "sun"] = "mon"
    at: time = time(8, 0)


@dataclass(frozen=True, slots=True)
class Privacy:
    """Stricter local limits than the platforms' own, and the records that data protection law asks for."""

    text_kept: Mapping[str, str] = field(default_factory=dict)
    assessment_date: str = ""
    """Date of the legitimate-interests assessment (R-D2); empty makes the doctor red."""
    dpia_date: str = ""
    contact: str = ""
    notice_url: str = ""
    policy_review: str = "2026-08-31"
    """When the social media policy is to be reviewed (document control)."""
    watch_kept: timedelta = timedelta(days=14)
    alerted_kept: timedelta = timedelta(days=90)
    incidents_kept: timedelta = timedelta(days=2190)
    backups_kept: timedelta = timedelta(days=30)


@dataclass(frozen=True, slots=True)
class Judgement:
    """How mentions are judged: ``auto`` takes the transformer where it can run, else the linear model."""

    model: Literal["auto", "transformer", "linear", "rules"] = "auto"
    rules: str = field(default="", metadata={"path": True})
    """A folder of rule files to use instead of the shipped ones."""


@dataclass(frozen=True, slots=True)
class Service:
    """The daemon itself. ``ping_url`` is an outside dead man's switch that complains when we fall silent."""

    ping_url: str = field(default="", repr=False, metadata={"secret": True})
    ping_every: timedelta = timedelta(minutes=5)
    poll_deadline: timedelta = timedelta(seconds=60)
    log_level: Literal["debug", "info", "warning", "error"] = "info"
    spike_floor: int = 12
    """Mentions in an hour below which rising volume never opens an incident."""


@dataclass(frozen=True, slots=True)
class Settings:
    """All settings of one installation. ``connectors`` maps a platform's name to its own dataclass."""

    organisation: Organisation
    people: People
    mail: MailSettings
    store: Store = Store()
    web: Web = Web()
    connectors: Mapping[str, Any] = field(default_factory=dict)
    alerts: Alerts = Alerts()
    takeover: TakeoverSettings = TakeoverSettings()
    digest: Digest = Digest()
    privacy: Privacy = Privacy()
    judgement: Judgement = Judgement()
    service: Service = Service()
    path: Path = field(default=Path("earshot.toml"), metadata={"table": False})
    secrets: tuple[str, ...] = field(default=(), repr=False, metadata={"table": False})
    """Every secret value, for the log filter that blanks them."""
    runtime_dir: Path | None = field(default=None, metadata={"table": False})
    """A folder for what need not outlive the machine's run, where systemd or the session made one."""
    files: tuple[Path, ...] = field(default=(), metadata={"table": False})
    """The files that the settings name, of secrets and others."""
    found: tuple[Place, ...] = field(default=(), metadata={"table": False})
    """What lies where the working folder had it, to be said and noted at the next start."""

    @property
    def zone(self) -> ZoneInfo:
        """The organisation's time zone."""
        return ZoneInfo(self.organisation.timezone)

    @property
    def state_dir(self) -> Path:
        """Where the install key and the lock lie: beside the SQLite file unless set."""
        if self.store.state_dir:
            return Path(self.store.state_dir)
        file = self.store.address.file
        return file.resolve().parent if file is not None else self.path.resolve().parent

    @property
    def public_url(self) -> str:
        """The address that links in mails begin with, its host in ASCII, without a slash at its end; empty when there
        is none."""
        url = self.web.public_url.rstrip("/")
        if url.isascii():
            return url
        parts = parts_of(url)
        port = f":{parts.port}" if parts.port else ""
        return f"{parts.scheme}://{addresses.ascii_host(parts.hostname or '')}{port}"


def load(path: Path, environ: Mapping[str, str] | None = None) -> Settings:
    """Read the settings file. Raises ``SettingsError`` in words for the operator; nothing is changed."""
    return read(_parsed(path), path, os.environ if environ is None else environ)


def _parsed(path: Path) -> dict[str, Any]:
    try:
        return tomllib.loads(plain.read_text(path))
    except OSError as error:
        raise SettingsError(
            f"The settings file {path} cannot be read ({error.strerror}). "
            "`earshot config example > earshot.toml` writes one to begin with."
        ) from None
    except RecursionError:
        raise SettingsError(f"The settings file {path} cannot be read: a value in it is nested too deep.") from None
    except plain.NotText:
        raise SettingsError(f"The settings file {path} {plain.NOT_TEXT}.") from None
    except tomllib.TOMLDecodeError as error:
        raise SettingsError(f"The settings file {path} is not TOML: {error}.") from None


@dataclass(frozen=True, slots=True)
class Judging:
    """What judging posts needs of the settings: no secret, no database and nobody to tell."""

    organisation: Organisation
    judgement: Judgement
    people: tuple[Named, ...] = ()


def load_judging(path: Path) -> Judging:
    """The tables that judging needs. Raises ``SettingsError`` for these alone: a mail password that is elsewhere, or
    a platform's missing key, is no reason not to judge."""
    raw = _parsed(path)
    if "organisation" not in raw:
        raise SettingsError("The table [organisation] is missing. `earshot config example` shows what goes into it.")
    reader = _Reader(path.parent, {})
    organisation = reader.table(Organisation, raw["organisation"], "organisation")
    judgement = reader.table(Judgement, raw.get("judgement", {}), "judgement", default=_default_of("judgement"))
    return Judging(organisation, judgement, tuple(_named(raw.get("people"))))


def _named(people: object) -> Iterator[Named]:
    """Whoever the raw table ``[people]`` names; faults in it are no reason not to judge."""
    for role, tables in people.items() if isinstance(people, Mapping) else ():
        for table in tables if isinstance(tables, list) else [tables]:
            if isinstance(table, Mapping) and isinstance(name := table.get("name"), str):
                email, known_as = table.get("email"), table.get("known_as")
                yield Named(
                    str(role),
                    name,
                    email if isinstance(email, str) else "",
                    tuple(map(str, known_as)) if isinstance(known_as, list) else (),
                )


def read(raw: Mapping[str, Any], path: Path, environ: Mapping[str, str]) -> Settings:
    """Turn a parsed file into ``Settings``; raises ``SettingsError``."""
    reader = _Reader(path.parent, environ)
    known = {f.name for f in fields(Settings) if f.metadata.get("table", True)}
    _refuse_unknown(raw, known, "", path)
    values: dict[str, Any] = {}
    for name, kind in (
        ("organisation", Organisation),
        ("people", People),
        ("mail", MailSettings),
        ("store", Store),
        ("web", Web),
        ("alerts", Alerts),
        ("takeover", TakeoverSettings),
        ("digest", Digest),
        ("privacy", Privacy),
        ("judgement", Judgement),
        ("service", Service),
    ):
        if name in raw:
            values[name] = reader.table(kind, raw[name], name, default=_default_of(name))
        elif name in {"organisation", "people", "mail"}:
            raise SettingsError(f"The table [{name}] is missing. `earshot config example` shows what goes into it.")
    connectors_raw = raw.get("connectors", {})
    if not isinstance(connectors_raw, Mapping):
        raise SettingsError("[connectors] holds one table for each platform, such as [connectors.x].")
    _refuse_unknown(connectors_raw, set(registry.names()), "connectors.", path)
    values["connectors"] = {
        name: reader.table(registry.load(name).settings, table, f"connectors.{name}")
        for name, table in connectors_raw.items()
    }
    for name, table in values["connectors"].items():
        _check_platform(name, table, values["organisation"])
    values["store"], found = _placed(values.get("store", Store()), path, environ)
    reader.secrets += values["store"].address.passwords
    settings = Settings(
        **values,
        path=path,
        secrets=tuple(reader.secrets),
        files=tuple(reader.files),
        runtime_dir=_runtime_dir(environ),
        found=found,
    )
    try:
        ZoneInfo(settings.organisation.timezone)
    except (ZoneInfoNotFoundError, ValueError, OSError):
        raise SettingsError(
            f"organisation.timezone: {settings.organisation.timezone!r} is no time zone; expected one such as "
            '"Europe/London".'
        ) from None
    _refuse_unknown(settings.privacy.text_kept, set(registry.names()), "privacy.text_kept.", path)
    for name, text in settings.privacy.text_kept.items():
        try:
            read_duration(text)
        except ValueError as error:
            raise SettingsError(f"privacy.text_kept.{name}: expected {error}, found {text!r}.") from None
    return settings


def example_organisation() -> Organisation:
    """The invented organisation that posts are judged for when no settings are given."""
    raw = tomllib.loads(resource("corpus-organisation.toml").read_text("utf-8"))
    return _Reader(Path(), {}).table(Organisation, raw["organisation"], "organisation")


def _check_platform(name: str, table: object, organisation: Organisation) -> None:
    """What is wrong with a platform's settings as a whole is said before anything is asked."""
    check = registry.load(name).check
    if check is None:
        return
    try:
        check(table, organisation)
    except ConnectorError as error:
        where = "" if f"connectors.{name}" in error.do else f"connectors.{name}: "
        raise SettingsError(f"{where}{error.what} {error.do}".strip()) from None


def platform_of(name: str) -> AnyPlatform:
    """The platform called ``name``; raises ``SettingsError`` when no such platform is installed."""
    try:
        return registry.load(name)
    except registry.UnknownPlatform as error:
        raise SettingsError(str(error)) from None


def _placed(store: Store, path: Path, environ: Mapping[str, str]) -> tuple[Store, tuple[Place, ...]]:
    """``store`` with whole paths, and what was found where the working folder had it."""
    try:
        database = place.of_database(store.address, path, environ)
        state = place.of_state(store.state_dir, path, environ) if store.state_dir else None
    except ValueError as error:
        raise SettingsError(f"store: expected {error}.") from None
    found = tuple(p for p in (database, state) if p is not None and p.pointer is not None)
    if database is not None:
        store = replace(store, url=Address.of_file(database.path).text)
    if state is not None:
        store = replace(store, state_dir=str(state.path))
    elif database is None and (folder := place.of_server_state(path, environ)) != path.resolve().parent:
        store = replace(store, state_dir=str(folder))
    return store, found


def _runtime_dir(environ: Mapping[str, str]) -> Path | None:
    given = environ.get("RUNTIME_DIRECTORY", "").partition(":")[0]
    session = environ.get("XDG_RUNTIME_DIR", "")
    return Path(given) if given else Path(session) / "earshot" if session else None


def _default_of(name: str) -> object | None:
    for f in fields(Settings):
        if f.name == name and f.default is not MISSING:
            return typing.cast(object, f.default)
    return None


def _refuse_unknown(table: Mapping[str, Any], known: set[str], prefix: str, path: Path) -> None:
    for key in table:
        if key not in known:
            near = difflib.get_close_matches(key, sorted(known), n=1, cutoff=0.5)
            hint = f"; did you mean {prefix}{near[0]}?" if near else f"; known here: {', '.join(sorted(known))}."
            raise SettingsError(f"{path.name}: {prefix}{key} is not a setting{hint}")


class _Reader:
    """Turns tables into dataclasses by their annotations, collecting secrets on the way."""

    def __init__(self, folder: Path, environ: Mapping[str, str]) -> None:
        self._folder = folder
        self._environ = environ
        self.secrets: list[str] = []
        self.files: list[Path] = []

    def table(self, kind: type[T], raw: object, path: str, default: object | None = None) -> T:
        if not isinstance(raw, Mapping):
            raise SettingsError(f"{path}: expected a table, found {_found(raw)}.")
        hints = get_type_hints(kind)
        declared = {str(f.metadata.get("key", f.name)): f for f in fields(kind)}  # type: ignore[arg-type]
        secret_keys = {key for key, f in declared.items() if f.metadata.get("secret")}
        _refuse_unknown(raw, set(declared) | {f"{key}_file" for key in secret_keys}, f"{path}.", Path(path))
        values: dict[str, Any] = {}
        for key, f in declared.items():
            found, value = self._lookup(raw, path, key, secret=key in secret_keys)
            if found:
                inherited = getattr(default, f.name, None) if default is not None else None
                values[f.name] = self._value(hints[f.name], value, f"{path}.{key}", inherited)
                if key in secret_keys:
                    self._remember(values[f.name])
                if f.metadata.get("path") and values[f.name]:
                    values[f.name] = str(self._file(values[f.name], f"{path}.{key}"))
            elif default is not None:
                values[f.name] = getattr(default, f.name)
            elif f.default is MISSING and f.default_factory is MISSING:
                raise SettingsError(f"{path}.{key} is missing. `earshot config example` shows what goes there.")
        try:
            return kind(**values)
        except ValueError as error:
            raise SettingsError(f"{path}: expected {error}.") from None

    def _lookup(self, raw: Mapping[str, Any], path: str, key: str, *, secret: bool) -> tuple[bool, object]:
        if not secret:
            return key in raw, raw.get(key)
        variable = f"EARSHOT_{path}_{key}".replace(".", "_").replace("-", "_").upper()
        if variable in self._environ:
            return True, plain.one_value(self._environ[variable])
        file_key = f"{key}_file"
        if file_key not in raw:
            return key in raw, raw.get(key)
        if key in raw:
            raise SettingsError(f"{path}: {key} and {file_key} are both set; keep one.")
        if not isinstance(raw[file_key], str):
            raise SettingsError(f"{path}.{file_key}: expected the path of a file, found {_found(raw[file_key])}.")
        file = self._file(raw[file_key], f"{path}.{file_key}")
        try:
            return True, plain.one_value(plain.read_text(file))
        except (OSError, plain.NotText) as error:
            why = error.strerror if isinstance(error, OSError) else "it is not plain text"
            raise SettingsError(
                f"{path}.{file_key}: the file cannot be read: {file} ({why}). Put the secret into it, or take this "
                f"line out; the variable {variable} works too."
            ) from None

    def _file(self, named: str, path: str) -> Path:
        """``named`` counted from the settings file, or what systemd loaded from there for this service alone."""
        try:
            file = whole(named, self._folder)
        except ValueError as error:
            raise SettingsError(f"{path}: expected {error}.") from None
        credentials = self._environ.get("CREDENTIALS_DIRECTORY")
        if credentials and not named.startswith(("/", "~")):
            loaded = Path(credentials) / named.replace("/", "_")
            if loaded.exists():
                file = loaded
        self.files.append(file)
        return file

    def _remember(self, value: object) -> None:
        for text in value if isinstance(value, tuple) else (value,):
            if isinstance(text, str) and len(text) >= 4:
                self.secrets.append(text)

    def _value(self, hint: Any, value: object, path: str, inherited: object | None = None) -> Any:
        origin, args = get_origin(hint), get_args(hint)
        if origin in (types.UnionType, typing.Union):
            return self._value(next(a for a in args if a is not type(None)), value, path, inherited)
        if origin is Literal:
            if value not in args:
                raise SettingsError(f"{path}: expected one of {', '.join(map(repr, args))}, found {_found(value)}.")
            return value
        if origin is tuple:
            return self._list(args[0], value, path)
        if origin is not None and issubclass(origin, Mapping):
            if not isinstance(value, Mapping) or not all(isinstance(v, str) for v in value.values()):
                raise SettingsError(f"{path}: expected a table of texts, found {_found(value)}.")
            return dict(value)
        if is_dataclass(hint) and hint is not Money:
            return self.table(typing.cast(type[Any], hint), value, path, inherited)
        return self._scalar(hint, value, path)

    def _list(self, item: Any, value: object, path: str) -> tuple[Any, ...]:
        if isinstance(value, str):
            value = [line.strip() for line in value.splitlines() if line.strip()]
        if not isinstance(value, list):
            raise SettingsError(f"{path}: expected a list, found {_found(value)}.")
        return tuple(self._value(item, entry, f"{path}[{n}]") for n, entry in enumerate(value))

    def _scalar(self, hint: Any, value: object, path: str) -> Any:
        parsers: dict[Any, Callable[[str], Any]] = {
            timedelta: read_duration,
            time: read_time_of_day,
            Money: Money.parse,
            Path: Path,
        }
        if hint in parsers:
            if not isinstance(value, str):
                raise SettingsError(f"{path}: expected {_EXPECTED[hint]}, found {_found(value)}.")
            try:
                return parsers[hint](value)
            except ValueError as error:
                raise SettingsError(f"{path}: expected {error}, found {value!r}.") from None
        if hint is float and isinstance(value, int) and not isinstance(value, bool):
            return float(value)
        if hint is str and isinstance(value, int) and not isinstance(value, bool):
            return str(value)  # page and account ids are written as numbers by many
        if not isinstance(value, hint) or (hint is int and isinstance(value, bool)):
            raise SettingsError(f"{path}: expected {_EXPECTED.get(hint, hint.__name__)}, found {_found(value)}.")
        return value


_EXPECTED: dict[Any, str] = {
    str: "a text in quotes",
    int: "a whole number",
    bool: "true or false",
    float: "a number",
    timedelta: 'a duration such as "15m"',
    time: 'a time of day such as "08:00"',
    Money: 'an amount such as "20 USD"',
    Path: "a path",
}


def _found(value: object) -> str:
    match value:
        case bool():
            return "true" if value else "false"
        case str():
            return f"a text of {len(value)} characters" if len(value) > 60 else repr(value)
        case int() | float():
            return str(value)
        case Mapping():
            return "a table"
        case list():
            return "a list"
        case _:
            return type(value).__name__
