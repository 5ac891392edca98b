# SPDX-License-Identifier: Apache-2.0
"""SQLite's write-ahead log, where several processes may open a file first."""

from __future__ import annotations

import sqlite3
import time


def use(connection: sqlite3.Connection, timeout: float) -> None:
    """Put the file of `connection` into WAL mode, once and for all, waiting up to `timeout` seconds for others.

    SQLite needs the file for itself for that and says "database is locked" at once where another connection is in
    the way: it does not call its busy handler (https://www.sqlite.org/wal.html, "Sometimes Queries Return
    SQLITE_BUSY In WAL Mode").

    :raises sqlite3.Error: others kept the file longer than that, or it cannot be written
    """
    deadline = time.monotonic() + timeout
    while True:
        try:
            if connection.execute("PRAGMA journal_mode").fetchone()[0] != "wal":
                connection.execute("PRAGMA journal_mode=WAL")
            return
        except sqlite3.OperationalError as error:
            if "locked" not in str(error) or time.monotonic() > deadline:
                raise
            time.sleep(0.01)
