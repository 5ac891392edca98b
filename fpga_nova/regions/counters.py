# SPDX-License-Identifier: Apache-2.0
"""Counts of operations on regions, for metrics.

They only ever grow, while the audit log is rotated away. They are an SQLite file of its own beside the region store, as
statistics must never delay or damage the truth about regions. In WAL mode with synchronous=NORMAL the file survives a
crash whole, though perhaps without its last counts.
"""

from __future__ import annotations

import contextlib
import os
import pathlib
import sqlite3
from collections.abc import Iterable, Iterator

from fpga_nova.regions import wal

#: The file below the state directory.
FILE = "counters.sqlite"

#: Upper bounds of the classes of durations, in seconds: from an erase of a soft region to a large card over JTAG.
BOUNDS = (0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 30.0, 60.0, 120.0, 300.0, 600.0, float("inf"))

#: Seconds to wait for another process that counts.
_TIMEOUT = 5

_SCHEMA = """
CREATE TABLE IF NOT EXISTS operations (
    operation TEXT, exit_code INTEGER, count INTEGER NOT NULL, PRIMARY KEY (operation, exit_code)
);
CREATE TABLE IF NOT EXISTS durations (
    operation TEXT, bound REAL, count INTEGER NOT NULL, seconds REAL NOT NULL, PRIMARY KEY (operation, bound)
);
"""


def add(state_path: pathlib.Path, operations: Iterable[tuple[str, int, float]]) -> None:
    """Count operations, each (name, exit code, seconds).

    :raises OSError: the file cannot be made
    :raises sqlite3.Error: it cannot be written
    """
    with _open(state_path) as connection:
        connection.execute("BEGIN IMMEDIATE")
        for operation, exit_code, seconds in operations:
            connection.execute(
                "INSERT INTO operations VALUES (?, ?, 1) ON CONFLICT DO UPDATE SET count = count + 1",
                (operation, exit_code),
            )
            connection.execute(
                "INSERT INTO durations VALUES (?, ?, 1, ?)"
                " ON CONFLICT DO UPDATE SET count = count + 1, seconds = seconds + excluded.seconds",
                (operation, next(bound for bound in BOUNDS if seconds <= bound), seconds),
            )
        connection.execute("COMMIT")


def operations(state_path: pathlib.Path) -> list[tuple[str, int, int]]:
    """Return (name, exit code, count) of all operations, sorted; errors as in :func:`add`."""
    with _open(state_path) as connection:
        return list(connection.execute("SELECT operation, exit_code, count FROM operations ORDER BY 1, 2"))


def durations(state_path: pathlib.Path) -> dict[str, tuple[list[int], float]]:
    """Return, by operation, the counts of those within each of BOUNDS, and the sum of seconds; errors as `add`."""
    result = {}
    with _open(state_path) as connection:
        rows = list(connection.execute("SELECT operation, bound, count, seconds FROM durations ORDER BY 1"))
    for name in sorted({row[0] for row in rows}):
        mine = [row for row in rows if row[0] == name]
        counts = [sum(row[2] for row in mine if row[1] <= bound) for bound in BOUNDS]
        result[name] = (counts, sum(row[3] for row in mine))
    return result


@contextlib.contextmanager
def _open(state_path: pathlib.Path) -> Iterator[sqlite3.Connection]:
    path = state_path / FILE
    # Made here with its mode, which SQLite also gives its -wal and -shm files.
    os.close(os.open(path, os.O_CREAT | os.O_RDWR | os.O_CLOEXEC, 0o600))
    with contextlib.closing(sqlite3.connect(path, timeout=_TIMEOUT, isolation_level=None)) as connection:
        wal.use(connection, _TIMEOUT)
        connection.execute("PRAGMA synchronous=NORMAL")
        connection.executescript(_SCHEMA)
        yield connection
