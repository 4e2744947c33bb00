"""Two demos started in one folder at the same time run beside each other and leave each other's things alone."""

from __future__ import annotations

import os
import signal
import sqlite3
import subprocess
import sys
from contextlib import closing
from pathlib import Path

import pytest
from town import ROOT, eventually, free_port

pytestmark = [pytest.mark.real, pytest.mark.timeout(900)]

HEARS_CTRL_C = "import signal; signal.signal(signal.SIGINT, signal.default_int_handler); "
"""Where the tests themselves run in the background of a shell, Ctrl-C is ignored, and by their children too."""
START = [sys.executable, "-c", f"{HEARS_CTRL_C}from monitor.cli import main; main()", "demo"]


def _is_ready(log: Path) -> bool:
    return "The house itself" in log.read_text("utf-8", "replace")


def test_a_second_demo_runs_beside_the_first_and_damages_nothing(tmp_path: Path) -> None:
    logs = [tmp_path / "first.log", tmp_path / "second.log"]
    started = []
    port = str(free_port())
    try:
        for log in logs:
            with log.open("wb") as out:
                started.append(
                    subprocess.Popen(
                        [*START, "--port", port], cwd=tmp_path, env={**os.environ, "PYTHONPATH": str(ROOT)},
                        stdout=out, stderr=out, start_new_session=True,
                    )
                )  # fmt: skip
        for log in logs:
            eventually(lambda log=log: _is_ready(log), 300, "both demos to be ready")

        stores = sorted(str(store.relative_to(tmp_path)) for store in tmp_path.glob("*/earshot.db"))

        assert stores == ["demo-run-2/earshot.db", "demo-run/earshot.db"]
        assert [process.poll() for process in started] == [None, None]
        for process in started:
            os.killpg(process.pid, signal.SIGINT)
        for process in started:
            process.wait(300)
        for store in stores:
            with closing(sqlite3.connect(tmp_path / store)) as raw:
                assert raw.execute("PRAGMA integrity_check").fetchone() == ("ok",)
    finally:
        for process in started:
            if process.poll() is None:
                os.killpg(process.pid, signal.SIGKILL)
                process.wait(30)
