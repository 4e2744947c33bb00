"""Whom to tell, and by which mail server, when the settings file cannot be used at a start.

What the file itself still says goes first. Where it says too little, the last settings that could be used are
remembered: the mail account, operator and CEO, where the store lies and the pages are shown; no more than that. They
lie in the state folder, sealed with the install key as tokens are, and readable by Earshot's user alone.
"""

from __future__ import annotations

import contextlib
import json
import logging
import os
import tomllib
from collections.abc import Iterator, Mapping
from dataclasses import fields, is_dataclass
from pathlib import Path
from typing import Any

from monitor import plain
from monitor.keys import Keys, KeyUnreadable, load_keys
from monitor.settings import Settings, SettingsError, read
from monitor.store.place import POINTER, base_folder

log = logging.getLogger(__name__)

NAME = "settings.sealed"
"""The file in the state folder."""

_TABLES = ("organisation", "people", "mail", "store", "web")
_RUNTIME = ("RUNTIME_DIRECTORY", "XDG_RUNTIME_DIR")


def remember(settings: Settings, keys: Keys, environ: Mapping[str, str] | None = None) -> None:
    """Write down what ``known`` needs, where it is not written down yet. A folder that takes nothing is no fault here:
    the start itself says so."""
    memory = _memory(settings)
    try:
        if _unsealed(settings.state_dir, keys) != memory:
            _write(settings.state_dir / NAME, keys.seal(json.dumps(memory)))
        _leave_note(settings, os.environ if environ is None else environ)
    except OSError as error:
        log.warning("whom to tell could not be remembered", extra={"error": type(error).__name__})


def known(path: Path, environ: Mapping[str, str] | None = None) -> Settings | None:
    """Enough settings to tell operator and CEO that the file at ``path`` cannot be used; None where nobody is known."""
    environ = os.environ if environ is None else environ
    tables, is_whole = _tables_of(path)
    exact = _settings(tables, path, environ) if is_whole else None
    return exact or _remembered(path, environ) or _by_halves(tables, path, environ)


# ── what the file still says ────────────────────────────────────────────────────────────────────────


def _tables_of(path: Path) -> tuple[dict[str, Any], bool]:
    """What can be read of a settings file, and whether it could be read as a whole."""
    try:
        return tomllib.loads(plain.read_text(path)), True
    except (ValueError, RecursionError):
        return _parts_of(path), False
    except OSError:
        return {}, False


def _parts_of(path: Path) -> dict[str, Any]:
    """Table by table: a fault in one leaves the others readable."""
    found: dict[str, Any] = {}
    for part in f"\n{plain.read_text(path, errors='replace')}".split("\n["):
        with contextlib.suppress(tomllib.TOMLDecodeError, RecursionError):
            _add(found, tomllib.loads(f"[{part}"))
    return found


def _add(found: dict[str, Any], more: Mapping[str, Any]) -> None:
    for key, value in more.items():
        if isinstance(value, dict) and isinstance(found.get(key), dict):
            _add(found[key], value)
        else:
            found.setdefault(key, value)


def _by_halves(tables: Mapping[str, Any], path: Path, environ: Mapping[str, str]) -> Settings | None:
    """The settings that a mail needs, from tables some of which are faulty."""
    people = tables.get("people")
    named = people if isinstance(people, Mapping) else {}
    persons = [named[role] for role in ("ceo", "operator") if isinstance(named.get(role), Mapping)]
    organisation = {"organisation": {"name": "Earshot"}}
    for lesser in ({}, organisation):
        for person in ({}, *({"people": {"ceo": _name_of(person)}} for person in persons)):
            for fewer in (_TABLES, ("organisation", "people", "mail")):
                whole = {**tables, **lesser, **person}
                if settings := _settings({name: whole[name] for name in fewer if name in whole}, path, environ):
                    return settings
    return None


def _name_of(person: Mapping[str, Any]) -> dict[str, Any]:
    return {"name": person.get("name", "whoever reads this"), "email": person.get("email")}


def _settings(tables: Mapping[str, Any], path: Path, environ: Mapping[str, str]) -> Settings | None:
    try:
        return read({name: tables[name] for name in _TABLES if name in tables}, path, environ)
    except SettingsError:
        return None


# ── what is remembered ──────────────────────────────────────────────────────────────────────────────


def _memory(settings: Settings) -> dict[str, Any]:
    people = {"ceo": settings.people.ceo, "operator": settings.people.operator}
    return {
        "organisation": {"name": settings.organisation.name, "timezone": settings.organisation.timezone},
        "people": {role: {"name": p.name, "email": p.email} for role, p in people.items() if p is not None},
        "mail": _raw(settings.mail),
        "store": {"url": settings.store.url, "state_dir": str(settings.state_dir.resolve())},
        "web": {"bind": settings.web.bind},
    }


def _raw(value: Any) -> Any:
    """A table as the settings file has it."""
    if is_dataclass(value) and not isinstance(value, type):
        return {str(f.metadata.get("key", f.name)): _raw(getattr(value, f.name)) for f in fields(value)}
    return value


def _remembered(path: Path, environ: Mapping[str, str]) -> Settings | None:
    for folder in dict.fromkeys(_folders(path, environ)):
        with contextlib.suppress(KeyUnreadable):
            if memory := _unsealed(folder, load_keys(folder)):
                return _settings(memory, path, {name: environ[name] for name in _RUNTIME if name in environ})
    return None


def _unsealed(folder: Path, keys: Keys) -> dict[str, Any]:
    try:
        memory = json.loads(keys.unseal((folder / NAME).read_bytes()) or "{}")
    except (OSError, ValueError):
        return {}
    return memory if isinstance(memory, dict) else {}


def _folders(path: Path, environ: Mapping[str, str]) -> Iterator[Path]:
    """Where the state may lie when the settings cannot say it."""
    yield base_folder(path, environ)
    yield path.resolve().parent
    for note in _notes(path, environ):
        with contextlib.suppress(OSError, ValueError):
            yield Path(note.read_text("utf-8").strip())


def _leave_note(settings: Settings, environ: Mapping[str, str]) -> None:
    """Where the state lies elsewhere, say so beside the settings, or in the runtime folder."""
    state = settings.state_dir.resolve()
    if state not in {base_folder(settings.path, environ).resolve(), settings.path.resolve().parent}:
        any(_is_noted(note, state) for note in _notes(settings.path, environ))


def _notes(path: Path, environ: Mapping[str, str]) -> list[Path]:
    name = f"{path.name}{POINTER}"
    runtime = [Path(environ[key].partition(":")[0]) for key in _RUNTIME if environ.get(key)]
    return [path.resolve().with_name(name), *(folder / name for folder in runtime)]


def _is_noted(note: Path, state: Path) -> bool:
    text = f"{state}\n"
    try:
        if not note.exists() or note.read_text("utf-8", "replace") != text:
            note.write_text(text, "utf-8")
    except OSError:
        return False
    return True


def _write(path: Path, content: bytes) -> None:
    part = path.with_name(f"{path.name}.part")
    descriptor = os.open(part, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
    with os.fdopen(descriptor, "wb") as file:
        file.write(content)
        file.flush()
        os.fsync(file.fileno())
    os.replace(part, path)
