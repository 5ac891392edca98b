# SPDX-License-Identifier: Apache-2.0
"""Calls fpga-cli for one nova-compute and keeps the counts of its host's regions.

Nova's resource tracker works under one lock (COMPUTE_RESOURCE_SEMAPHORE), under which no process may be started. So
the seams under that lock read counts that are kept here. Anything that runs fpga-cli (the audit's refresh and
reconcile, burn and erase) runs outside of that lock and leaves new counts behind.
"""

from __future__ import annotations

import contextlib
import logging
import threading
from collections.abc import Collection

from fpga_nova import errors, model
from fpga_nova.clients.fpga_cli_runner import Runner
from fpga_nova.nova.claims.counts import Counts, Snapshot
from fpga_nova.system import uuids

LOG = logging.getLogger(__name__)

# A region in one of these states is the one that its owner has claimed; in any other it is on its way to be erased,
# and a claim of the same server counts besides it.
_CLAIMED_STATES = (model.RegionState.PROGRAMMING, model.RegionState.PROGRAMMED)


class Tracker:
    """The regions of one nova-compute's host.

    :param runner: calls fpga-cli; None where `fpga_exec` is not set
    :param simulated: `fpga_simulation_mode`
    """

    def __init__(self, runner: Runner | None, simulated: bool) -> None:
        self.counts = Counts()
        self.simulated = simulated
        self._runner = runner
        self._building: set[str] = set()
        self._regions: list[model.Region] = []
        self._suspects: set[tuple[str, str]] = set()
        self._logged_error: str | None = None
        # Answers must be recorded in the order in which they were asked for, or an old one would undo a newer one.
        # A stand-in promises nothing about calls at the same time, and cannot tell whose regions are used: its burns
        # and erases are done under the same lock, so that each of its answers contains all of them or none.
        self._query_lock = threading.RLock()

    # Calls of the audit, outside of Nova's lock.

    def refresh(self, settled: str | None = None) -> None:
        """Ask fpga-cli and record its answer; where it fails, no region of this host is offered.

        :param settled: server whose claim has become a used region
        """
        with self._query_lock:
            try:
                snapshot = self._query()
            except errors.FpgaError as error:
                self._regions = []
                self.counts.replace_snapshot(Snapshot(), settled)
                if self._logged_error != str(error):
                    LOG.error("No FPGA region of this host can be used until this is mended: %s", error)
                    self._logged_error = str(error)
                return
            self.counts.replace_snapshot(snapshot, settled)
            if self._logged_error is not None:
                LOG.warning("The FPGA regions of this host can be used again.")
                self._logged_error = None

    def _query(self) -> Snapshot:
        runner = self._required_runner()
        if not runner.is_fpga_cli or self.simulated:
            usage = runner.status()
            return Snapshot(usage.total, usage.used)
        self._regions = runner.regions()
        used = [region for region in self._regions if region.state is not model.RegionState.FREE]
        servers = frozenset(region.owner for region in used if region.owner and region.state in _CLAIMED_STATES)
        return Snapshot(len(self._regions), len(used), servers)

    def audit(self) -> None:
        """Refresh, unless a stand-in is busy: then the end of its call refreshes."""
        if self._runner is None or self._runner.is_fpga_cli:
            self.refresh()
        elif self._query_lock.acquire(blocking=False):
            try:
                self.refresh()
            finally:
                self._query_lock.release()

    def orphans(self, tracked: Collection[str]) -> list[tuple[str, str]]:
        """Return (server, region) of regions whose server was unknown here in this audit and the one before.

        A server is known if it is in `tracked`, is being built, or has a claim. Before the caller erases such a
        region it must make sure that the server has really left this host. Only our own fpga-cli knows the servers;
        with a stand-in there are no orphans.
        """
        suspects = {
            (region.owner, region.id)
            for region in self._regions
            if region.owner is not None
            and uuids.is_canonical(region.owner)
            and region.state not in (model.RegionState.FREE, model.RegionState.QUARANTINED)
            and region.owner not in tracked
            and region.owner not in self._building
            and not self.counts.has_claim(region.owner)
        }
        confirmed = suspects & self._suspects
        self._suspects = suspects
        return sorted(confirmed)

    def erase_orphan(self, server: str, region_id: str) -> None:
        """Erase one region that a server left behind on this host, if that server still has it."""
        try:
            self._required_runner().erase(server, region_id)
        except errors.FpgaError as error:
            LOG.error("Region %s of server %s, which has left this host, is not erased: %s", region_id, server, error)

    # Calls of the hooks, each in the thread of its server.

    def burn(self, server: str, image_id: str, project: str, token: str | None = None) -> str | None:
        """Program a region for `server`, whose claim stands; return the region's id, or None in simulation mode.

        Where this returns, the caller calls :meth:`build_finished` when the build has ended.

        :param project: Keystone's id of the server's project
        :param token: Keystone's token to fetch the IP core with; None for fpga-cli's own credentials
        :raises fpga_nova.errors.FpgaError: nothing of `server` is left on a card, or it stays counted as used; its
            claim is released
        """
        if self.simulated:
            return None
        runner = self._required_runner()
        self._building.add(server)
        with self._serialized():
            try:
                region_id = runner.burn(image_id, server, project, token)
            except errors.FpgaError:
                self.erase(server, None)
                self.build_finished(server)
                raise
            self.refresh(settled=server)
        return region_id

    def erase(self, server: str, region_id: str | None) -> None:
        """Erase the region of `server` here; a failure is logged as an error, and the region stays counted as used.

        :param region_id: what its burn returned, if it did; a stand-in erases this one, fpga-cli all of the server's
        """
        if self.simulated or self._runner is None:
            self.counts.release_claim(server)
            return
        with self._serialized():
            try:
                self._runner.erase(server, None if self._runner.is_fpga_cli else region_id)
            except errors.FpgaError as error:
                LOG.error("The FPGA region of server %s is not erased and stays out of use: %s", server, error)
            self.refresh(settled=server)

    def build_finished(self, server: str) -> None:
        """Record that the build of `server` has ended, whether it succeeded or not."""
        self._building.discard(server)

    def _required_runner(self) -> Runner:
        if self._runner is None:
            raise errors.ConfigurationInvalid("fpga_access is True, but [DEFAULT] fpga_exec is not set")
        return self._runner

    def _serialized(self) -> contextlib.AbstractContextManager[object]:
        """Return the lock that a stand-in's calls are made under; fpga-cli does its own locking."""
        return contextlib.nullcontext() if self._runner is not None and self._runner.is_fpga_cli else self._query_lock
