# SPDX-License-Identifier: Apache-2.0
"""The steps of one region under its lock: load, check, wipe.

Each step is committed to the store before the card is touched and after. A process holds a region's lock while it works
on the region, and the kernel releases the lock when the process dies. So a region that is recorded as being programmed
or erased while its lock is free was left behind, and the next call finishes it.
"""

from __future__ import annotations

import contextlib
import logging
import pathlib
from collections.abc import Iterator, Mapping

from fpga_nova import errors, model
from fpga_nova.driver import Device
from fpga_nova.ip_cores.bitstream_cache import Cache
from fpga_nova.model import RegionState
from fpga_nova.regions.store import Store
from fpga_nova.system import locks

LOG = logging.getLogger(__name__)

#: States of a region while a process works on it, or after that process died.
LEFT_BEHIND = (RegionState.PROGRAMMING, RegionState.ERASING, RegionState.DIRTY)

#: States in which a card can be asked for the truth; in all others the content of a region is not known.
VERIFIABLE = (RegionState.FREE, RegionState.PROGRAMMED)


class Transitions:
    """Steps of single regions over store, drivers and cache.

    :param store: the region store
    :param devices: the drivers, by entry-point name
    :param lock_path: directory of the regions' lock files
    :param cache: keeps the bitstreams that regions hold
    """

    def __init__(self, store: Store, devices: Mapping[str, Device], lock_path: pathlib.Path, cache: Cache) -> None:
        self.store = store
        self.devices = devices
        self._lock_path = lock_path
        self._cache = cache

    def device(self, region: model.Region) -> Device:
        """Return the driver of a region's card.

        :raises fpga_nova.errors.DeviceNotAccessible: the driver is not enabled
        """
        try:
            return self.devices[region.device]
        except KeyError:
            raise errors.DeviceNotAccessible(
                f"region {region.id} is on card {region.card_id}, whose driver {region.device!r} is not enabled"
            ) from None

    @contextlib.contextmanager
    def locked(self, region_id: str, timeout: float = 0) -> Iterator[model.Region]:
        """Hold a region's lock; give the region as the store has it now.

        :param timeout: seconds to wait for the lock; 0 tries once
        :raises fpga_nova.errors.UnknownRegion: there is no such region
        :raises fpga_nova.system.locks.Busy: another process held the lock all the time
        """
        with locks.hold(self._lock_path / f"{self.store.region(region_id).id}.lock", timeout):
            yield self.store.region(region_id)

    def keep(self, bitstream: model.Bitstream) -> None:
        """Put a bitstream into the cache.

        :raises fpga_nova.errors.FpgaError: it cannot be kept
        """
        assert bitstream.path is not None  # noqa: S101 - the bytes are at hand
        with self._cache.locked():
            # Read under the cache's lock: a region that was claimed before its bitstream was kept is among them.
            held = {region.bitstream_sha256 for region in self.store.regions() if region.bitstream_sha256}
            self._cache.keep(bitstream.sha256, bitstream.path, held)

    def load(
        self, claimed: model.Region, bitstream: model.Bitstream, progress: model.Progress | None = None
    ) -> model.Region:
        """Load a bitstream into a region that is being programmed, and prove it; after a failure wipe the region.

        :returns: the region, programmed
        :raises BaseException: whatever ended the load; the region was wiped, or quarantined
        """
        try:
            self.program(claimed, bitstream, progress)
            return self.store.transition(claimed, RegionState.PROGRAMMED)
        except BaseException as error:
            # This includes a full disk and an interrupt: in every case the card may hold anything.
            reason = _reason(error)
            LOG.error("Programming of region %s failed: %s", claimed.id, reason)
            # An interrupt may come just after the region was recorded as programmed.
            dirty = self.store.transition(self.store.region(claimed.id), RegionState.DIRTY, error=reason)
            with contextlib.suppress(errors.EraseFailed):
                self.wipe(dirty)
            raise

    def program(self, region: model.Region, bitstream: model.Bitstream, progress: model.Progress | None = None) -> None:
        """Keep a bitstream, load it, and read it back; the store stays as it is.

        :raises fpga_nova.errors.FpgaError: loading or read-back failed; the region may hold anything
        """
        # The cache comes first, while the card is untouched, and after the claim, which protects the bitstream there.
        self.keep(bitstream)
        device = self.device(region)
        device.on_progress = progress
        try:
            device.program(region, bitstream)
        finally:
            device.on_progress = None
        device.verify(region, bitstream)

    def check(self, region: model.Region) -> model.Region:
        """Ask the card whether a free or programmed region holds what the store says; record the answer.

        A free region that is not blank is quarantined, as it must not be offered. A programmed one stays its owner's
        and is marked as lost; a lost one that holds its bitstream again is no longer marked.

        :returns: the region as it is now
        :raises fpga_nova.errors.ReadBackMismatch: it holds something else, or its content cannot be proved
        :raises fpga_nova.errors.DeviceNotAccessible: the card is gone
        """
        expected = None
        if region.state is RegionState.PROGRAMMED:
            expected = model.Bitstream(region.bitstream_sha256 or "", 0, None, region.function_id)
        try:
            self.device(region).verify(region, expected)
        except errors.ReadBackMismatch as error:
            if region.state is RegionState.FREE:
                self.store.transition(region, RegionState.QUARANTINED, error=f"was free, but not blank: {error}")
            else:
                self.mark_lost(region, error)
            raise
        return self.store.transition(region, RegionState.PROGRAMMED, error=None) if region.lost else region

    def mark_lost(self, region: model.Region, error: Exception) -> model.Region:
        """Record why a programmed region no longer holds its bitstream; return the region."""
        reason = f"lost: {_reason(error)}"
        LOG.error("Region %s, held by %s, is %s", region.id, region.owner, reason)
        return self.store.transition(region, RegionState.PROGRAMMED, error=reason)

    def settle(self, region: model.Region) -> model.Region:
        """Record as dirty what a dead process left in the middle of its work; return the region."""
        if region.state not in LEFT_BEHIND or region.state is RegionState.DIRTY:
            return region
        return self.store.transition(region, RegionState.DIRTY, error=f"left behind while {region.state}")

    def wipe(self, region: model.Region) -> model.Region:
        """Erase a region, prove that it is blank, and free it; else quarantine it.

        :returns: the region, free
        :raises fpga_nova.errors.EraseFailed: it could not be proved blank and is quarantined
        """
        erasing = self.store.transition(self.settle(region), RegionState.ERASING)
        try:
            device = self.device(erasing)
            device.erase(erasing)
            device.verify(erasing, None)
        except Exception as error:  # with any exception of a driver, the region was not proved blank
            reason = errors.one_line(f"erase failed: {error}")
            self.store.transition(erasing, RegionState.QUARANTINED, error=reason)
            LOG.error("Region %s is quarantined: %s", region.id, reason)
            raise errors.EraseFailed(f"region {region.id} is quarantined: {reason}") from error
        return self.store.transition(
            erasing,
            RegionState.FREE,
            owner=None,
            image_id=None,
            core=None,
            function_id=None,
            bitstream_sha256=None,
            error=None,
        )


def _reason(error: BaseException) -> str:
    return errors.one_line(str(error) or type(error).__name__)
