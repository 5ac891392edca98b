# SPDX-License-Identifier: Apache-2.0
"""The region store: the truth about this host's regions.

It is one SQLite file (WAL, synchronous=FULL). Every method is one transaction; when it returns, its change is on the
disk. The store knows states and the allowed transitions between them. The engine knows what a
transition means to a card.
"""

from __future__ import annotations

import contextlib
import dataclasses
import datetime
import os
import pathlib
import sqlite3
import uuid
from collections.abc import Callable, Iterable, Iterator

from fpga_nova import errors, model
from fpga_nova.model import RegionState
from fpga_nova.regions import quick_status, wal
from fpga_nova.system import files

_SCHEMA = """
CREATE TABLE meta (key TEXT PRIMARY KEY, value TEXT NOT NULL);
CREATE TABLE cards (
    id TEXT PRIMARY KEY,
    device TEXT NOT NULL,
    vendor TEXT NOT NULL,
    board TEXT NOT NULL,
    path TEXT NOT NULL,
    pci_address TEXT,
    numa_node INTEGER,
    found INTEGER NOT NULL
);
CREATE TABLE regions (
    id TEXT PRIMARY KEY,
    card_id TEXT NOT NULL REFERENCES cards (id),
    "index" INTEGER NOT NULL,
    region_type TEXT NOT NULL,
    interface_id TEXT,
    state TEXT NOT NULL,
    owner TEXT,
    image_id TEXT,
    core TEXT,
    function_id TEXT,
    bitstream_sha256 TEXT,
    error TEXT,
    updated_at TEXT NOT NULL,
    UNIQUE (card_id, "index")
);
"""

_REGION_COLUMNS = """
regions.id AS id, card_id, device, vendor, board, "index", region_type, interface_id, state, owner, image_id, core,
function_id, bitstream_sha256, error, updated_at
"""

#: DESIGN's graph of states: the states that may follow each state. A dirty region may be found dirty again, and a
#: programmed one lost: it then has an error, until it is loaded again for its owner.
ALLOWED_TRANSITIONS = {
    RegionState.FREE: {RegionState.PROGRAMMING, RegionState.QUARANTINED},
    RegionState.PROGRAMMING: {RegionState.PROGRAMMED, RegionState.DIRTY},
    RegionState.PROGRAMMED: {
        RegionState.PROGRAMMED,
        RegionState.ERASING,
        RegionState.DIRTY,
        RegionState.QUARANTINED,
    },
    RegionState.DIRTY: {RegionState.ERASING, RegionState.DIRTY, RegionState.QUARANTINED},
    RegionState.ERASING: {RegionState.FREE, RegionState.QUARANTINED, RegionState.DIRTY},
    RegionState.QUARANTINED: {RegionState.ERASING},
}

#: Least seconds to wait for another process's write. A write takes milliseconds, so even a command that waits for no
#: region waits for it.
_LEAST_TIMEOUT = 5


class Store:
    """The region store below `state_path`; it is made when it is not there.

    :param timeout: seconds to wait for another process's write; 5 at the least
    :param observer: called after every transition with the region before it and after it
    :raises fpga_nova.errors.StoreNotReadable: from the constructor and every method
    """

    def __init__(
        self,
        state_path: pathlib.Path,
        timeout: float = 60,
        observer: Callable[[model.Region, model.Region], None] | None = None,
    ) -> None:
        self._observer = observer
        self.path = state_path / quick_status.STORE_FILE
        try:
            if not state_path.is_dir():
                state_path.mkdir(mode=0o700, parents=True, exist_ok=True)
                files.sync_directory(state_path.parent)
            # Made here with its mode and made durable, as SQLite would follow the umask; SQLite gives its -wal and
            # -shm files the same mode.
            os.close(os.open(self.path, os.O_CREAT | os.O_RDWR | os.O_CLOEXEC, 0o600))
            files.sync_directory(state_path)
        except OSError as error:
            raise errors.StoreNotReadable(f"region store {self.path} is not readable: {error.strerror}") from error
        self._timeout = max(timeout, _LEAST_TIMEOUT)
        self._connection = quick_status.connect(str(self.path), self._timeout)
        self._connection.row_factory = sqlite3.Row
        with self._write() as connection:
            if connection.execute("PRAGMA user_version").fetchone()[0] == 0:
                for statement in _SCHEMA.split(";"):
                    connection.execute(statement)
                connection.execute(f"PRAGMA user_version={quick_status.SCHEMA_VERSION}")

    def close(self) -> None:
        """Close the store's file."""
        self._connection.close()

    @contextlib.contextmanager
    def _read(self) -> Iterator[sqlite3.Connection]:
        try:
            yield self._connection
        except sqlite3.Error as error:
            raise errors.StoreNotReadable(f"region store {self.path} is not readable: {error}") from error

    @contextlib.contextmanager
    def _write(self) -> Iterator[sqlite3.Connection]:
        with self._read() as connection:
            wal.use(connection, self._timeout)
            connection.execute("BEGIN IMMEDIATE")
            try:
                yield connection
                connection.execute("COMMIT")
            except BaseException:
                if connection.in_transaction:  # SQLite itself rolls back after some failures, a full disk among them
                    connection.execute("ROLLBACK")
                raise

    def set_cards(self, cards: Iterable[model.Card], configuration: str) -> None:
        """Record the cards that discovery found, and the configuration it was made with.

        A region seen for the first time enters as dirty, as its content is not known. A card that was not found stays
        known where it was pulled (its path is gone), or where one of its regions is not free; a card that is there but
        no longer configured is forgotten.
        """
        with self._write() as connection:
            connection.execute("UPDATE cards SET found = 0")
            for card in cards:
                connection.execute(
                    "INSERT INTO cards VALUES (?, ?, ?, ?, ?, ?, ?, 1) ON CONFLICT (id) DO UPDATE SET"
                    " device = excluded.device, vendor = excluded.vendor, board = excluded.board,"
                    " path = excluded.path, pci_address = excluded.pci_address, numa_node = excluded.numa_node,"
                    " found = 1",
                    (card.id, card.device, card.vendor, card.board, card.path, card.pci_address, card.numa_node),
                )
                for slot in card.slots:
                    connection.execute(
                        'INSERT INTO regions (id, card_id, "index", region_type, interface_id, state, error,'
                        " updated_at) VALUES (?, ?, ?, ?, ?, 'dirty', 'seen for the first time', ?)"
                        ' ON CONFLICT (card_id, "index") DO UPDATE SET region_type = excluded.region_type,'
                        " interface_id = excluded.interface_id",
                        (str(uuid.uuid4()), card.id, slot.index, slot.region_type, slot.interface_id, _now()),
                    )
                connection.execute(
                    "DELETE FROM regions WHERE card_id = ? AND state = 'free' AND \"index\" >= ?",
                    (card.id, len(card.slots)),
                )
            for card_id, path in connection.execute("SELECT id, path FROM cards WHERE NOT found").fetchall():
                if pathlib.Path(path).exists():
                    connection.execute("DELETE FROM regions WHERE state = 'free' AND card_id = ?", (card_id,))
            connection.execute("DELETE FROM cards WHERE NOT found AND id NOT IN (SELECT card_id FROM regions)")
            connection.execute("INSERT OR REPLACE INTO meta VALUES ('configuration', ?)", (configuration,))

    def boot_id(self) -> str | None:
        """Return the boot in which every programmed region was last proved; None before the first such check."""
        with self._read() as connection:
            row = connection.execute("SELECT value FROM meta WHERE key = 'boot_id'").fetchone()
            return row[0] if row else None

    def set_boot_id(self, boot_id: str) -> None:
        """Record that every programmed region was proved in this boot, or marked as lost."""
        with self._write() as connection:
            connection.execute("INSERT OR REPLACE INTO meta VALUES ('boot_id', ?)", (boot_id,))

    def cards(self) -> list[tuple[model.Card, bool]]:
        """Return the cards without their slots, each with whether the last discovery found it, by id."""
        with self._read() as connection:
            rows = connection.execute(
                "SELECT id, device, vendor, board, path, pci_address, numa_node, found FROM cards ORDER BY id"
            )
            return [
                (model.Card(row[0], row[1], row[2], row[3], row[4], (), row[5], row[6]), bool(row[7])) for row in rows
            ]

    def present_cards(self) -> set[str]:
        """Return the ids of the cards that the last discovery found and that are still there."""
        return {card.id for card, found in self.cards() if found and pathlib.Path(card.path).exists()}

    def regions(self) -> list[model.Region]:
        """Return all regions, by card and index."""
        return self._regions('ORDER BY card_id, "index"')

    def region(self, region_id: str) -> model.Region:
        """Return one region.

        :raises fpga_nova.errors.UnknownRegion: there is none with this id
        """
        found = self._regions("WHERE regions.id = ?", region_id)
        if not found:
            raise errors.UnknownRegion(f"unknown region {region_id!r} on this host")
        return found[0]

    def held_by(self, owner: str) -> list[model.Region]:
        """Return the regions that `owner` holds, in any state."""
        return self._regions("WHERE owner = ? ORDER BY regions.id", owner)

    def _regions(self, condition: str, *values: str) -> list[model.Region]:
        with self._read() as connection:
            rows = connection.execute(
                # S608: `condition` is one of the three constants above.
                f"SELECT {_REGION_COLUMNS} FROM regions JOIN cards ON cards.id = regions.card_id {condition}",  # noqa: S608
                values,
            )
            return [model.Region(**{**row, "state": RegionState(row["state"])}) for row in map(dict, rows)]

    def transition(self, region: model.Region, state: RegionState, **changes: str | None) -> model.Region:
        """Bring `region` from the state in its record to `state`, and set further fields.

        :param changes: owner, image_id, core, function_id, bitstream_sha256, error
        :returns: the region as it now is
        :raises ValueError: ALLOWED_TRANSITIONS has no such step
        :raises fpga_nova.errors.FpgaError: the region is in another state by now, although its lock was held
        """
        if state not in ALLOWED_TRANSITIONS[region.state]:
            raise ValueError(f"no step from {region.state} to {state}")
        after = dataclasses.replace(region, state=state, updated_at=_now(), **changes)  # type: ignore[arg-type]
        with self._write() as connection:
            cursor = connection.execute(
                "UPDATE regions SET state = ?, owner = ?, image_id = ?, core = ?, function_id = ?,"
                " bitstream_sha256 = ?, error = ?, updated_at = ? WHERE id = ? AND state = ?",
                (
                    after.state.value,
                    after.owner,
                    after.image_id,
                    after.core,
                    after.function_id,
                    after.bitstream_sha256,
                    after.error,
                    after.updated_at,
                    region.id,
                    region.state.value,
                ),
            )
            if cursor.rowcount != 1:
                raise errors.FpgaError(f"region {region.id} is no longer {region.state}: its lock was bypassed")
        if self._observer is not None:
            self._observer(region, after)
        return after

    def count(self) -> tuple[int, int]:
        """Return (regions that are not free, regions) over the cards that are there.

        :raises fpga_nova.errors.DeviceNotAccessible: cards are known, but none of them is there
        """
        with self._read() as connection:
            return quick_status.count(connection)


def _now() -> str:
    return datetime.datetime.now(datetime.timezone.utc).isoformat(timespec="milliseconds")
