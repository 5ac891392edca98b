# SPDX-License-Identifier: Apache-2.0
"""nova-compute's view of its host's regions: what fpga-cli last said, and claims that it cannot know of yet.

Nova's resource tracker works under one lock (COMPUTE_RESOURCE_SEMAPHORE) and no process may be started there. So the
tracker's seams read counts that are kept here, and what runs fpga-cli (the audit's refresh and reconcile, burn and
erase) runs outside of that lock and leaves new counts behind.

A region is used from the claim on, but fpga-cli knows of it from the burn on. Each claim therefore counts by itself
until an answer of fpga-cli that was asked for after the burn has arrived: `Counts` holds that sum, exact at any time.
"""

from __future__ import annotations

import contextlib
import dataclasses
import logging
import threading
from collections.abc import Collection

from fpga_nova import errors, model
from fpga_nova.clients import fpga_cli_runner as runner_module
from fpga_nova.system import uuids

LOG = logging.getLogger(__name__)

# A region in one of these states is the one that its owner has claimed; in any other it is on its way to be erased,
# and a claim of the same server counts besides it.
_HELD = (model.RegionState.PROGRAMMING, model.RegionState.PROGRAMMED)


@dataclasses.dataclass(frozen=True)
class Snapshot:
    """What fpga-cli said last.

    :param total: regions of this host
    :param used: those that are not free
    :param holders: servers whose region is known to be among the used
    """

    total: int = 0
    used: int = 0
    holders: frozenset[str] = frozenset()


class Counts:
    """Regions and used regions of a host; safe to use from several threads, and never waits for a process."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._snapshot = Snapshot()
        self._claims: set[str] = set()

    def claim(self, server: str) -> None:
        """Count a region for `server` until it is dropped."""
        with self._lock:
            self._claims.add(server)

    def drop(self, server: str) -> None:
        """Count no region for `server` any more, beyond what fpga-cli says."""
        with self._lock:
            self._claims.discard(server)

    def keep(self, servers: set[str]) -> None:
        """Drop the claims of all but `servers`."""
        with self._lock:
            self._claims &= servers

    def claimed(self, server: str) -> bool:
        """Return whether `server` has a claim here."""
        with self._lock:
            return server in self._claims

    def take(self, snapshot: Snapshot, settled: str | None = None) -> None:
        """Replace the snapshot, and in the same instant drop the claim of `settled`, whose region it contains."""
        with self._lock:
            self._snapshot = snapshot
            if settled is not None:
                self._claims.discard(settled)

    def report(self) -> tuple[int, int]:
        """Return regions and used regions; used is never more than there are."""
        with self._lock:
            used = self._snapshot.used + len(self._claims - self._snapshot.holders)
            return self._snapshot.total, min(used, self._snapshot.total)


class Tracker:
    """The regions of one nova-compute's host.

    :param runner: calls fpga-cli; None where `fpga_exec` is not set
    :param simulated: `fpga_simulation_mode`
    """

    def __init__(self, runner: runner_module.Runner | None, simulated: bool) -> None:
        self.counts = Counts()
        self.simulated = simulated
        self._runner = runner
        self._building: set[str] = set()
        self._regions: list[model.Region] = []
        self._suspects: set[tuple[str, str]] = set()
        self._complaint: str | None = None
        # Answers must be taken in the order in which they were asked for, or an old one would undo a newer one.
        # A stand-in promises nothing about calls at the same time, and cannot say whose regions are used: its burns
        # and erases are done under the same lock, so that each of its answers contains all of them or none.
        self._asking = threading.RLock()

    # What the audit does, outside of Nova's lock.

    def refresh(self, settled: str | None = None) -> None:
        """Ask fpga-cli and take its answer; where it fails, no region of this host is offered.

        :param settled: server whose claim has become a used region
        """
        with self._asking:
            try:
                if self._runner is None:
                    raise errors.ConfigurationInvalid("fpga_access is True, but [DEFAULT] fpga_exec is not set")
                snapshot = self._ask(self._runner)
            except errors.FpgaError as error:
                self._regions = []
                self.counts.take(Snapshot(), settled)
                if self._complaint != str(error):
                    LOG.error("No FPGA region of this host can be used until this is mended: %s", error)
                    self._complaint = str(error)
                return
            self.counts.take(snapshot, settled)
            if self._complaint is not None:
                LOG.warning("The FPGA regions of this host can be used again.")
                self._complaint = None

    def _ask(self, runner: runner_module.Runner) -> Snapshot:
        if not runner.own or self.simulated:
            usage = runner.status()
            return Snapshot(usage.total, usage.used)
        self._regions = runner.regions()
        used = [region for region in self._regions if region.state is not model.RegionState.FREE]
        holders = frozenset(region.owner for region in used if region.owner and region.state in _HELD)
        return Snapshot(len(self._regions), len(used), holders)

    def audit(self) -> None:
        """Refresh, unless a stand-in is at work: then what it does is counted when it ends."""
        if self._runner is not None and not self._runner.own:
            if not self._asking.acquire(blocking=False):
                return
            try:
                self.refresh()
            finally:
                self._asking.release()
        else:
            self.refresh()

    def orphans(self, tracked: Collection[str]) -> list[tuple[str, str]]:
        """Return (server, region) of regions whose server is not in `tracked` nor being built, in two audits on end.

        Whoever erases them must make sure first that the server has really left this host. Only our own fpga-cli
        knows the servers; with a stand-in there are none.
        """
        suspects = {
            (region.owner, region.id)
            for region in self._regions
            if region.owner is not None
            and uuids.is_canonical(region.owner)
            and region.state not in (model.RegionState.FREE, model.RegionState.QUARANTINED)
            and region.owner not in tracked
            and region.owner not in self._building
            and not self.counts.claimed(region.owner)
        }
        again = suspects & self._suspects
        self._suspects = suspects
        return sorted(again)

    # What the hooks do, each in the thread of its server.

    def burn(self, server: str, image_id: str, project: str, token: str | None = None) -> str | None:
        """Program a region for `server`, whose claim stands; return the region's id, or None in simulation mode.

        :meth:`built` must follow where this returns.

        :param project: Keystone's id of the server's project
        :param token: Keystone's token to fetch the IP core with; None for fpga-cli's own credentials
        :raises fpga_nova.errors.FpgaError: nothing of `server` is left on a card, or it stays counted as used, and
            the claim counts no more
        """
        if self.simulated:
            return None
        if self._runner is None:
            raise errors.ConfigurationInvalid("fpga_access is True, but [DEFAULT] fpga_exec is not set")
        self._building.add(server)
        with self._one_at_a_time():
            try:
                region_id = self._runner.burn(image_id, server, project, token)
            except errors.FpgaError:
                self.erase(server, None)
                self.built(server)
                raise
            self.refresh(settled=server)
        return region_id

    def erase(self, server: str, region_id: str | None) -> None:
        """Erase what `server` holds here; a failure is logged loudly, and its region stays counted as used.

        :param region_id: what its burn returned, if it did; a stand-in erases this one, fpga-cli all that it holds
        """
        if self.simulated or self._runner is None:
            self.counts.drop(server)
            return
        with self._one_at_a_time():
            try:
                self._runner.erase(server, None if self._runner.own else region_id)
            except errors.FpgaError as error:
                LOG.error("The FPGA region of server %s is not erased and stays out of use: %s", server, error)
            self.refresh(settled=server)

    def release(self, server: str, region_id: str) -> None:
        """Erase one region that a server left behind on this host, if that server still holds it."""
        assert self._runner is not None  # noqa: S101 - it was this runner that named the region
        try:
            self._runner.erase(server, region_id)
        except errors.FpgaError as error:
            LOG.error("Region %s of server %s, which has left this host, is not erased: %s", region_id, server, error)

    def built(self, server: str) -> None:
        """Take note that the build of `server` has ended, one way or the other."""
        self._building.discard(server)

    def _one_at_a_time(self) -> contextlib.AbstractContextManager[object]:
        """Return the lock that a stand-in's calls are made under; fpga-cli does its own locking."""
        return contextlib.nullcontext() if self._runner is not None and self._runner.own else self._asking
