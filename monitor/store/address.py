"""Where a database lies: the one place that takes an address apart and puts one together."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import cast

from sqlalchemy import URL, make_url
from sqlalchemy.exc import ArgumentError

from monitor.paths import at_home

EXAMPLES = '"sqlite:///earshot.db" or "postgresql+psycopg://user@host/name"'
SQLITE, POSTGRESQL = "sqlite", "postgresql+psycopg"


@dataclass(frozen=True, slots=True)
class Address:
    """A database's address, taken apart. ``str`` hides the password."""

    url: URL

    @classmethod
    def read(cls, text: str) -> Address:
        """The address in ``text``. Raises ``ValueError`` with what was expected."""
        try:
            url = make_url(text)
        except (ArgumentError, ValueError):
            raise ValueError(f"url: {EXAMPLES}") from None
        if url.drivername not in {SQLITE, POSTGRESQL}:
            raise ValueError(f"url: {EXAMPLES}")
        if url.drivername == SQLITE:
            _check_file(url)
        return cls(url)

    @classmethod
    def of_file(cls, file: Path) -> Address:
        """The address of an SQLite file."""
        return cls(URL.create(SQLITE, database=str(file)))

    @property
    def file(self) -> Path | None:
        """SQLite's file as it is written, ``~`` taken for the home folder; None for a database server."""
        return Path(cast(str, self.url.database)).expanduser() if self.url.drivername == SQLITE else None

    @property
    def passwords(self) -> list[str]:
        """The password within, as meant and as written in an address."""
        if not self.url.password:
            return []
        written = self.text.removeprefix(f"{self.url.drivername}://").rpartition("@")[0].partition(":")[2]
        return [str(self.url.password), written]

    @property
    def text(self) -> str:
        """The whole address with its password, for the driver alone."""
        return self.url.render_as_string(hide_password=False)

    def with_password(self, password: str) -> Address:
        """The same with ``password``, unless it holds one already. Raises ``ValueError`` where none belongs."""
        if self.file is not None or not self.url.username:
            raise ValueError('password: only beside a url such as "postgresql+psycopg://user@host/name"')
        return self if self.url.password else Address(self.url.set(password=password))

    def __str__(self) -> str:
        return self.url.render_as_string(hide_password=True)


def _check_file(url: URL) -> None:
    name = url.database or ""
    if not Path(name).name or name.endswith("/") or name == ":memory:" or name.startswith("file:"):
        raise ValueError('url: the path of a file, such as "sqlite:///earshot.db"; a memory that is lost is none')
    if url.query:
        raise ValueError("url: the path of a file and nothing after it; write a question mark in a name as %3F")
    if url.host or url.username or url.port or not name.isprintable():
        raise ValueError('url: three slashes and a path, such as "sqlite:///earshot.db"')
    if name.startswith("~"):
        try:
            at_home(name)
        except ValueError as error:
            raise ValueError(f"url: {error}") from None
