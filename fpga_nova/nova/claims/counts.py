# SPDX-License-Identifier: Apache-2.0
"""Regions and used regions of a host: fpga-cli's last answer, plus claims that it does not contain.

A region is used from the claim on, but fpga-cli knows of it from the burn on. So each claim counts by itself until
an answer of fpga-cli that was asked for after the burn has arrived. `Counts` holds that sum, exact at any time.
"""

from __future__ import annotations

import dataclasses
import threading


@dataclasses.dataclass(frozen=True)
class Snapshot:
    """The regions of a host in one answer of fpga-cli.

    :param total: regions of this host
    :param used: those that are not free
    :param servers: UUIDs of the servers whose region is known to be among the used
    """

    total: int = 0
    used: int = 0
    servers: frozenset[str] = frozenset()


class Counts:
    """Regions and used regions of a host; safe to use from several threads, and never waits for a process."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._snapshot = Snapshot()
        self._claims: set[str] = set()

    def add_claim(self, server: str) -> None:
        """Count a region for `server` until its claim is released."""
        with self._lock:
            self._claims.add(server)

    def release_claim(self, server: str) -> None:
        """Count no region for `server` beyond what fpga-cli reports."""
        with self._lock:
            self._claims.discard(server)

    def retain_only(self, servers: set[str]) -> None:
        """Release the claims of all servers but these."""
        with self._lock:
            self._claims &= servers

    def has_claim(self, server: str) -> bool:
        """Return whether `server` has a claim here."""
        with self._lock:
            return server in self._claims

    def replace_snapshot(self, snapshot: Snapshot, settled: str | None = None) -> None:
        """Replace the snapshot; in the same instant release the claim of `settled`, whose region it contains."""
        with self._lock:
            self._snapshot = snapshot
            if settled is not None:
                self._claims.discard(settled)

    def total_and_used(self) -> tuple[int, int]:
        """Return the number of regions and of used regions; never more are used than there are."""
        with self._lock:
            used = self._snapshot.used + len(self._claims - self._snapshot.servers)
            return self._snapshot.total, min(used, self._snapshot.total)
