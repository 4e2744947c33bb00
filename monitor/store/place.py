"""Where the store lies when its path is relative: it counts from one folder, whichever folder a command runs in.

Up to now it counted from the working folder. A store that lies there by that rule is found, said once and used; the
place is then written down where the new rule looks (a file that ends in ``.place``), so that commands run elsewhere
find it too.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path

from monitor.keys import KEY
from monitor.paths import at_home
from monitor.store.address import Address

POINTER = ".place"
IDENTITY = "store.identity"
"""The file in the state folder that says which store belongs to it (``monitor.store.identity``)."""
LOST = "store.lost"
"""The file in the state folder that says which database file was lost beside its log (``monitor.store.old_log``)."""


class TwoPlaces(ValueError):
    """A store lies where it belongs and another one where it used to; the message names both."""


@dataclass(frozen=True, slots=True)
class Place:
    """Where something lies. ``pointer`` is to be written once, where it was found by the old rule."""

    path: Path
    pointer: Path | None = None


def base_folder(settings: Path, environ: Mapping[str, str]) -> Path:
    """What relative paths count from: systemd's folder for the service's state, else the settings file's."""
    given = environ.get("STATE_DIRECTORY", "").partition(":")[0]
    return Path(given) if given else settings.resolve().parent


def of_database(address: Address, settings: Path, environ: Mapping[str, str]) -> Place | None:
    """Where SQLite's file lies; None for a server. Raises ``TwoPlaces``."""
    if address.file is None:
        return None
    return _find(address.file, base_folder(settings, environ), _holds_store, "[store] url")


def of_state(written: str, settings: Path, environ: Mapping[str, str]) -> Place:
    """Where the state folder lies that the settings name. Raises ``ValueError``, such as ``TwoPlaces``."""
    return _find(at_home(written), base_folder(settings, environ), _holds_key, "[store] state_dir")


def of_server_state(settings: Path, environ: Mapping[str, str]) -> Path:
    """Where the state of a database server lies that the settings do not name: beside them, unless systemd made a
    folder and nothing lies beside them yet."""
    beside, made = settings.resolve().parent, base_folder(settings, environ)
    return beside if (beside / KEY).exists() and not (made / KEY).exists() else made


def write_down(place: Place) -> None:
    """Leave the note that leads to a place found by the old rule. Raises OSError."""
    if place.pointer is not None:
        place.pointer.write_text(f"{place.path}\n", "utf-8")


def _find(written: Path, base: Path, is_there: Callable[[Path], bool], setting: str) -> Place:
    if written.is_absolute():
        return Place(written)
    proper = base / written
    pointer = proper.with_name(f"{proper.name}{POINTER}")
    noted = _noted(pointer)
    found = {place.resolve() for place in (proper, noted, _by_the_old_rule(written)) if place and is_there(place)}
    if len(found) > 1:
        raise TwoPlaces(
            f"one of these, and only you can say which: {' or '.join(map(str, sorted(found)))}. Write the whole path "
            f"of the right one into {setting}, or move the other one away"
        )
    if not found:
        return Place(noted or proper)
    (place,) = found
    is_news = place != proper.resolve() and (noted is None or place != noted.resolve())
    return Place(place, pointer if is_news else None)


def _by_the_old_rule(written: Path) -> Path | None:
    try:
        return Path.cwd() / written
    except OSError:  # the folder that we were started in is gone
        return None


def _noted(pointer: Path) -> Path | None:
    try:
        return Path(pointer.read_text("utf-8").strip())
    except (OSError, UnicodeDecodeError):
        return None


def _holds_store(file: Path) -> bool:
    """Whether a store lies there, or did when we last looked: then it is missed there, and sought nowhere else."""
    try:
        return file.stat().st_size > 0 or (file.parent / IDENTITY).exists()
    except OSError:
        return (file.parent / IDENTITY).exists()


def _holds_key(folder: Path) -> bool:
    return (folder / KEY).exists()
