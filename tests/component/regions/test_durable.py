# SPDX-License-Identifier: Apache-2.0
"""The store's content is on the disk before a card is touched and after: every write is followed by its sync first."""

from __future__ import annotations

import os
import subprocess
import sys

import pytest

from fpga_nova.regions import quick_status
from fpga_nova.regions.store import Store
from tests.support import ROOT

WAL = "regions.sqlite-wal"


@pytest.fixture(scope="module")
def preload(tmp_path_factory):
    path = tmp_path_factory.mktemp("syncs") / "syncs.so"
    source = ROOT / "tests/crash/syncs.c"
    subprocess.run(["gcc", "-shared", "-fPIC", "-Wall", "-Werror", "-o", path, source, "-ldl"], check=True)
    return path


def run(host, preload, *arguments) -> list[str]:
    """Run fpga-cli and return what it did, line by line."""
    log = host.path / "log"
    log.unlink(missing_ok=True)
    subprocess.run(
        [sys.executable, "-m", "tests.crash.noted", "--config-file", str(host.config_file), *map(str, arguments)],
        cwd=ROOT,
        env={**os.environ, "LD_PRELOAD": str(preload), "SYNCS_LOG": str(log)},
        check=True,
        capture_output=True,
    )
    return log.read_text().splitlines()


def check_synced(lines: list[str]) -> None:
    """At each touch of the card, and when a transition returns, nothing that was written waits for its sync."""
    written = 0
    waiting = False
    for line in lines:
        if line == f"write {WAL}":
            written += 1
            waiting = True
        elif line == f"sync {WAL}":
            waiting = False
        elif line.startswith(("card ", "state ")):
            assert not waiting, f"{line}: not on the disk yet:\n" + "\n".join(lines)
    assert written


def order(lines: list[str]) -> list[str]:
    return [line for line in lines if line.startswith(("card ", "state "))]


BURN = [
    "state programming",
    "card before program",
    "card after program",
    "card before verify",
    "card after verify",
    "state programmed",
]
ERASE = [
    "state erasing",
    "card before erase",
    "card after erase",
    "card before verify",
    "card after verify",
    "state free",
]


def test_each_step_is_on_the_disk_before_the_card_is_touched_and_after(host, core_archive, preload):
    lines = run(host, preload, "status")
    check_synced(lines)
    assert order(lines) == ERASE * 3  # regions that are seen for the first time
    lines = run(host, preload, "burn", "--file", core_archive)
    check_synced(lines)
    assert order(lines) == BURN
    lines = run(host, preload, "erase", host.regions()[0]["id"])
    check_synced(lines)
    assert order(lines) == ERASE


def test_lost_region_is_on_record_before_it_is_loaded_again(host, core_archive, preload):
    host.cli("burn", "--file", core_archive)
    (host.path / "run/sim/a/0").unlink()
    lines = run(host, preload, "recover")
    check_synced(lines)
    steps = order(lines)
    assert steps.index("state programmed") < steps.index("card before erase") < steps.index("card before program")
    assert steps[-2:] == ["card after verify", "state programmed"]


def test_names_are_on_the_disk_too(host, core_archive, preload):
    """Of the state directory, the store's files in it, and the bitstream that a region will need after a reboot."""
    lines = run(host, preload, "status")
    first = next(index for index, line in enumerate(lines) if line.startswith("card "))
    assert f"sync {host.path.name}" in lines[:first]
    assert lines[:first].count(f"sync {host.state_path.name}") >= 2  # SQLite syncs it after it made its log
    lines = run(host, preload, "burn", "--file", core_archive)
    assert "sync bitstreams" in lines[: lines.index("card before program")]


def test_without_syncs_the_test_would_fail(host, core_archive, preload):
    lines = [line for line in run(host, preload, "status") if line != f"sync {WAL}"]
    with pytest.raises(AssertionError, match="not on the disk yet"):
        check_synced(lines)


def test_every_connection_syncs_and_logs_ahead(tmp_path):
    store = Store(tmp_path)
    for connection in (store._connection, quick_status.connect(str(store.path), 1)):
        assert connection.execute("PRAGMA synchronous").fetchone()[0] == 2  # FULL: WAL is synced at each commit
        assert connection.execute("PRAGMA journal_mode").fetchone()[0] == "wal"
        connection.close()
    # No other module opens the store; the counters have a file of their own, without any card's state.
    opening = {
        str(path.relative_to(ROOT))
        for path in (ROOT / "fpga_nova").rglob("*.py")
        if "sqlite3.connect(" in path.read_text(encoding="utf-8")
    }
    assert opening == {"fpga_nova/regions/quick_status.py", "fpga_nova/regions/counters.py"}
