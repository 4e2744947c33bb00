"""The settings file to begin with: shipped as data, kept in step with the declarations by a test."""

from __future__ import annotations

from monitor.data import resource


def example() -> str:
    """The commented example settings."""
    return resource("earshot.example.toml").read_text("utf-8")
