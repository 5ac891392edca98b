# SPDX-License-Identifier: Apache-2.0
"""The quick answer to `fpga-cli status`, from the region store alone.

nova-compute runs `fpga-cli status` at every audit, so a status must cost little more than the interpreter's start: this
module imports nothing but sqlite3 and os, and reads state_path without oslo.config, whose import takes 150 ms. It
answers only where the store alone is the whole truth. In all other cases it returns None, and the caller starts the
engine: no store yet, a changed configuration, a restarted host, a card that is back, or a region in a transitional
state.
"""

from __future__ import annotations

import os
import sqlite3
from collections.abc import Sequence

from fpga_nova import errors, paths

#: The store's file below the state directory.
STORE_FILE = "regions.sqlite"

#: Raised by one whenever the tables change; a store of a newer version is refused.
SCHEMA_VERSION = 1

#: States of a region while a process works on it, or after that process died.
TRANSITIONAL = ("programming", "erasing", "dirty")

#: The kernel's name of this boot, a UUID (random(4)).
BOOT_ID = "/proc/sys/kernel/random/boot_id"

# PTH is switched off line by line below: importing pathlib takes 4 ms of the 20 ms of a status.


def used_regions(config_files: Sequence[str]) -> tuple[int, int] | None:
    """Return (regions that are not free, regions) if the store alone can tell, else None.

    :param config_files: paths of fpga-cli's configuration files
    :raises fpga_nova.errors.ConfigurationInvalid: a configuration file cannot be read
    :raises fpga_nova.errors.StoreNotReadable: the store exists but cannot be read
    :raises fpga_nova.errors.DeviceNotAccessible: none of the cards is there
    """
    state_path = configured_state_path(config_files)
    return None if state_path is None else stored_count(state_path, config_files)


def configured_state_path(config_files: Sequence[str]) -> str | None:
    """Return the option state_path; None where only oslo.config can tell.

    :raises fpga_nova.errors.ConfigurationInvalid: a file cannot be read
    """
    value = paths.STATE_PATH
    for path in config_files:
        in_group = False
        for line in read_configuration(path).splitlines():
            if line[:1].isspace() and in_group:
                return None  # it may continue a value of ours
            if line.startswith("["):
                in_group = line.strip() == "[fpga]"
            elif in_group and line.startswith("state_path"):
                text = line.removeprefix("state_path").lstrip()
                if text.startswith(("=", ":")):
                    value = text[1:].strip().strip("\"'")
    return None if "$" in value or not value else value


def read_configuration(path: str) -> str:
    """Return the text of a configuration file; the default file may be missing.

    :raises fpga_nova.errors.ConfigurationInvalid: it cannot be read
    """
    try:
        with open(path, encoding="utf-8") as file:  # noqa: PTH123
            return file.read()
    except FileNotFoundError:
        if path == paths.CONFIG_FILE:
            return ""
        raise errors.ConfigurationInvalid(f"configuration file {path} is not there") from None
    except (OSError, ValueError) as error:
        raise errors.ConfigurationInvalid(f"configuration file {path} cannot be read: {error}") from error


def stored_count(state_path: str, config_files: Sequence[str]) -> tuple[int, int] | None:
    """Return (regions that are not free, regions) if the store in `state_path` alone can tell, else None.

    :raises fpga_nova.errors.StoreNotReadable: the store exists but cannot be read
    :raises fpga_nova.errors.DeviceNotAccessible: none of the cards is there
    """
    path = os.path.join(state_path, STORE_FILE)  # noqa: PTH118
    try:
        os.stat(path)  # noqa: PTH116
    except FileNotFoundError:
        return None
    except OSError as error:
        raise errors.StoreNotReadable(f"region store {path} is not readable: {error.strerror}") from error
    connection = connect(path, timeout=5)
    try:
        return count(connection) if _is_up_to_date(connection, config_files) else None
    except sqlite3.Error as error:
        raise errors.StoreNotReadable(f"region store {path} is not readable: {error}") from error
    finally:
        connection.close()


def _is_up_to_date(connection: sqlite3.Connection, config_files: Sequence[str]) -> bool:
    known = dict(connection.execute("SELECT key, value FROM meta"))
    if known.get("configuration") != configuration_stamp(config_files) or known.get("boot_id") != boot_id():
        return False
    marks = ",".join("?" * len(TRANSITIONAL))
    # S608: the only thing put into the text is question marks.
    if connection.execute(f"SELECT 1 FROM regions WHERE state IN ({marks})", TRANSITIONAL).fetchone():  # noqa: S608
        return False
    away = connection.execute("SELECT path FROM cards WHERE NOT found").fetchall()
    return not any(os.path.exists(path) for (path,) in away)  # noqa: PTH110


def boot_id() -> str:
    """Return a text that changes whenever the host is restarted."""
    with open(BOOT_ID, encoding="utf-8") as file:  # noqa: PTH123
        return file.read().strip()


def configuration_stamp(config_files: Sequence[str]) -> str:
    """Return a text that changes whenever a configuration file does: its path, size in bytes and mtime in ns."""
    parts = []
    for path in config_files:
        try:
            stat = os.stat(path)  # noqa: PTH116
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
        if found and os.path.exists(path):  # noqa: PTH110
            present += 1
            used += card_used
            total += card_total
    if cards and not present:
        raise errors.DeviceNotAccessible("FPGA device is not accessible: none of this host's cards is there")
    return used, total
