# SPDX-License-Identifier: Apache-2.0
"""The quick look at the region store that `fpga-cli status` takes.

nova-compute asks for it at every audit, so it costs little more than the interpreter's start: this module imports
nothing but sqlite3 and os. It answers only where the plain answer is the whole truth, and says None where a caller
has to take the long way: no store yet, a changed configuration, a restarted host, a card that is back, or regions in
a state that somebody must finish.
"""

from __future__ import annotations

import os
import sqlite3
from collections.abc import Sequence

from fpga_nova import errors

#: The store's file below the state directory.
STORE_FILE = "regions.sqlite"

#: Raised by one whenever the tables change; a store of a newer version is refused.
SCHEMA_VERSION = 1

#: States that only exist while somebody works on the region, or after he died.
TRANSITIONAL = ("programming", "erasing", "dirty")


#: What the kernel calls this boot, a UUID (random(4)).
BOOT_ID = "/proc/sys/kernel/random/boot_id"


def boot_id() -> str:
    """Return a text that changes whenever the host is restarted."""
    with open(BOOT_ID, encoding="utf-8") as file:  # noqa: PTH123 - pathlib costs 4 ms of the 20 that a status takes
        return file.read().strip()


def configuration_stamp(config_files: Sequence[str]) -> str:
    """Return a text that changes whenever a configuration file does: its path, size in bytes and mtime in ns."""
    parts = []
    for path in config_files:
        try:
            stat = os.stat(path)  # noqa: PTH116 - pathlib costs 4 ms of the 20 that a status takes
        except OSError:
            parts.append(f"{path}:-")
        else:
            parts.append(f"{path}:{stat.st_size}:{stat.st_mtime_ns}")
    return "\n".join(parts)


def connect(path: str, timeout: float) -> sqlite3.Connection:
    """Open the store at `path`, waiting up to `timeout` seconds for a writer.

    :raises fpga_nova.errors.StoreNotReadable: it cannot be opened, or is of a newer version
    """
    try:
        connection = sqlite3.connect(f"file:{quote(path)}?mode=rw", uri=True, timeout=timeout, isolation_level=None)
        connection.execute("PRAGMA synchronous=FULL")
        version = connection.execute("PRAGMA user_version").fetchone()[0]
    except sqlite3.Error as error:
        raise errors.StoreNotReadable(f"region store {path} is not readable: {error}") from error
    if version > SCHEMA_VERSION:
        connection.close()
        raise errors.StoreNotReadable(
            f"region store {path} has version {version}, this fpga-cli knows {SCHEMA_VERSION}: upgrade fpga-nova"
        )
    return connection


def quote(path: str) -> str:
    """Quote `path` for a SQLite URI (https://www.sqlite.org/uri.html: %, ? and # are special)."""
    return path.replace("%", "%25").replace("?", "%3f").replace("#", "%23")


def count(connection: sqlite3.Connection) -> tuple[int, int]:
    """Return (regions that are not free, regions) over the cards that are there.

    :raises fpga_nova.errors.DeviceNotAccessible: cards are known, but none of them is there
    """
    used = total = cards = present = 0
    for path, found, card_used, card_total in connection.execute(
        "SELECT cards.path, cards.found, SUM(regions.state != 'free'), COUNT(*) FROM cards"
        " JOIN regions ON regions.card_id = cards.id GROUP BY cards.id"
    ):
        cards += 1
        if found and os.path.exists(path):  # noqa: PTH110 - as above
            present += 1
            used += card_used
            total += card_total
    if cards and not present:
        raise errors.DeviceNotAccessible("FPGA device is not accessible: none of this host's cards is there")
    return used, total


def quick_status(state_path: str, config_files: Sequence[str]) -> tuple[int, int] | None:
    """Return (used, total) if the store alone can tell, else None.

    :raises fpga_nova.errors.StoreNotReadable: the store is there but cannot be read
    :raises fpga_nova.errors.DeviceNotAccessible: none of the cards is there
    """
    path = os.path.join(state_path, STORE_FILE)  # noqa: PTH118 - as above
    try:
        os.stat(path)  # noqa: PTH116 - as above
    except FileNotFoundError:
        return None
    except OSError as error:
        raise errors.StoreNotReadable(f"region store {path} is not readable: {error.strerror}") from error
    connection = connect(path, timeout=5)
    try:
        known = dict(connection.execute("SELECT key, value FROM meta"))
        if known.get("configuration") != configuration_stamp(config_files) or known.get("boot_id") != boot_id():
            return None
        marks = ",".join("?" * len(TRANSITIONAL))
        # S608: the only thing put into the text is question marks.
        if connection.execute(f"SELECT 1 FROM regions WHERE state IN ({marks})", TRANSITIONAL).fetchone():  # noqa: S608
            return None
        lost = connection.execute("SELECT path FROM cards WHERE NOT found").fetchall()
        if any(os.path.exists(path) for (path,) in lost):  # noqa: PTH110 - as above
            return None
        return count(connection)
    except sqlite3.Error as error:
        raise errors.StoreNotReadable(f"region store {path} is not readable: {error}") from error
    finally:
        connection.close()
