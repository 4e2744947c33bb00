"""What a process really does outside itself, as the kernel sees it: names it looks up, machines it reaches, files it makes.

Python's own hooks see only Python; a library in C can look up a host or write a file unseen by them. ``strace`` sees
every call of every thread and child.
"""

from __future__ import annotations

import os
import re
import shutil
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

CALLS = "openat,open,creat,mkdir,mkdirat,rename,renameat,renameat2,link,linkat,symlink,symlinkat,connect,sendto,sendmsg,chdir"
RESOLVER = frozenset({"/etc/hosts", "/etc/resolv.conf", "/etc/gai.conf"})
"""Files that the C library opens when, and only when, it looks up a host's name."""
_MADE = re.compile(
    r'\b(?:openat\((?P<at>[^,]+), |open\(|creat\()"(?P<name>[^"]+)", (?:[A-Z_|]*O_CREAT[A-Z_|]*).* = \d+'
)
_PLACED = re.compile(
    r'\b(?:mkdir|rename|link|symlink)(?:at2?)?\((?:.*?(?P<at>(?:AT_FDCWD|\d+)(?:<[^>]*>)?), )?.*?"(?P<name>[^"]+)"[^"]*\) = 0'
)
_FOLDER = re.compile(r"<([^>]*)>")
_OPENED = re.compile(r'\b(?:openat\([^,]+, |open\()"([^"]+)"')
_ADDRESS = re.compile(r'sa_family=AF_INET6?.*?inet_(?:addr|pton)\((?:AF_INET6, )?"([^"]+)"')
_LOOPBACK = re.compile(r"127\.|::1$|::ffff:127\.")
_OF_THE_KERNEL = ("/dev/", "/proc/", "/sys/")


@dataclass(frozen=True, slots=True)
class Seen:
    """What went out: resolver files opened, addresses that are not this machine, files made elsewhere."""

    lookups: tuple[str, ...]
    addresses: tuple[str, ...]
    files: tuple[str, ...]


def can_watch() -> bool:
    """Whether ``strace`` is installed and may trace here."""
    return shutil.which("strace") is not None


def watched(command: Sequence[str], trace: Path) -> list[str]:
    """``command`` under watch, its calls written to ``trace``."""
    return ["strace", "-f", "-qq", "-s", "300", "-y", "-e", f"trace={CALLS}", "-o", str(trace), *command]


def surroundings(folder: Path, scratch: Path, given: Mapping[str, str] = os.environ) -> dict[str, str]:
    """An environment with a home and a ``scratch`` folder of its own; no compiled files are left beside the sources."""
    home = folder / "home"
    home.mkdir(exist_ok=True)
    kept = {name: value for name, value in given.items() if not name.startswith(("EARSHOT_", "XDG_", "ORT_"))}
    return {**kept, "HOME": str(home), "TMPDIR": str(scratch), "PYTHONDONTWRITEBYTECODE": "1"}


def seen(trace: Path, ours: Iterable[Path], cwd: Path) -> Seen:
    """What ``trace`` tells, apart from files in ``ours`` and the kernel's own. A relative path counts from ``cwd``."""
    lookups, addresses, files = set(), set(), set()
    homes = tuple(str(folder.resolve()) for folder in ours)
    for line in trace.read_text("utf-8", "replace").splitlines():
        if (opened := _OPENED.search(line)) and opened[1] in RESOLVER:
            lookups.add(opened[1])
        if (address := _ADDRESS.search(line)) and not _LOOPBACK.match(address[1]):
            addresses.add(address[1])
        if found := _MADE.search(line) or _PLACED.search(line):
            path = _path(found["name"], found["at"] or "", cwd)
            if not path.startswith((*homes, *_OF_THE_KERNEL)):
                files.add(path)
    return Seen(tuple(sorted(lookups)), tuple(sorted(addresses)), tuple(sorted(files)))


def _path(name: str, folder: str, cwd: Path) -> str:
    """``name`` from the root; what it counts from stands in strace's ``<...>``."""
    inside = _FOLDER.search(folder)
    return os.path.normpath(Path(inside[1]) / name if inside else cwd / name)
