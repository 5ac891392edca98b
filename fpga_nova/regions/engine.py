# SPDX-License-Identifier: Apache-2.0
"""The engine: burns, erases, checks and counts this host's regions over the store and the drivers.

fpga-cli, the hooks and the agent all use it. A burn takes plain steps, each the caller's: ask for the
:meth:`~Engine.candidates` of a manifest, unpack and judge the bitstream of one of them, :meth:`~Engine.program` it.
"""

from __future__ import annotations

import contextlib
import logging
import pathlib
from collections.abc import Iterator, Mapping

from fpga_nova import errors, formats, model
from fpga_nova.driver import Device
from fpga_nova.ip_cores.bitstream_cache import Cache
from fpga_nova.model import RegionState
from fpga_nova.regions import fitting
from fpga_nova.regions.candidates import Candidates
from fpga_nova.regions.recovery import Recovery
from fpga_nova.regions.store import Store
from fpga_nova.regions.transitions import VERIFIABLE, Transitions
from fpga_nova.system import locks

LOG = logging.getLogger(__name__)


class Engine:
    """This host's regions.

    :param store: the region store
    :param devices: the drivers, by entry-point name
    :param lock_path: directory of the regions' lock files
    :param lock_timeout: seconds that an erase waits for a burn or an erase in progress on its region, and a burn for
        erases
    :param configuration: stamp of the configuration that the drivers were made from
        (`quick_status.configuration_stamp`)
    :param cache: keeps the bitstreams that regions hold
    """

    def __init__(
        self,
        store: Store,
        devices: Mapping[str, Device],
        lock_path: pathlib.Path,
        lock_timeout: float,
        configuration: str,
        cache: Cache,
    ) -> None:
        self._store = store
        self._lock_timeout = lock_timeout
        self._transitions = Transitions(store, devices, lock_path, cache)
        #: Discovery, and the repair of what was left behind or lost.
        self.recovery = Recovery(store, self._transitions, configuration)

    def status(self) -> tuple[int, int]:
        """Return (regions that are not free, regions) over the cards that are there.

        :raises fpga_nova.errors.DeviceNotAccessible: none of the cards is there
        """
        return self._store.count()

    def regions(self) -> list[model.Region]:
        """Return all regions, by card and index."""
        return self._store.regions()

    def region(self, region_id: str) -> model.Region:
        """Return one region.

        :raises fpga_nova.errors.UnknownRegion: there is no such region
        """
        return self._store.region(region_id)

    def cards(self) -> list[tuple[model.Card, bool]]:
        """Return the known cards without their slots, each with whether the last discovery found it."""
        return self._store.cards()

    def endpoint(self, region: model.Region) -> model.Endpoint:
        """Return what a programmed region offers its guest.

        :raises fpga_nova.errors.DeviceNotAccessible: the card's driver is not enabled
        """
        return self._transitions.device(region).endpoint(region)

    def fitting_regions(self, manifest: model.Manifest) -> list[fitting.Fit]:
        """Return the regions that `manifest` has a bitstream for, in any state, each with the bitstream.

        :raises fpga_nova.errors.NoMatchingHardware: no region of this host fits
        """
        return fitting.fitting_regions(self._store, manifest)

    def available_regions(self, manifest: model.Manifest) -> list[fitting.Fit]:
        """Return those of the fitting regions that are free or being erased. It claims nothing.

        :raises fpga_nova.errors.NoMatchingHardware: no region of this host fits
        :raises fpga_nova.errors.NoFreeRegion: regions fit, but none is free or being erased
        """
        return fitting.available_regions(self._store, manifest)

    def candidates(self, manifest: model.Manifest) -> Candidates:
        """Return the regions to try for a burn; it waits for those that are being erased."""
        return Candidates(self._store, self.recovery, manifest, self._lock_timeout)

    def incompatibility(self, region: model.Region, header: formats.Header) -> str | None:
        """Return why a bitstream with this header is not for `region`, without asking the card; None if it may be.

        :raises fpga_nova.errors.DeviceNotAccessible: the card's driver is not enabled
        """
        if not header.is_for_interface(region.interface_id):
            return f"it is for interface {', '.join(header.interface_ids)}, not {region.interface_id}"
        return self._transitions.device(region).incompatibility(region, header)

    def keep(self, bitstream: model.Bitstream) -> None:
        """Put a bitstream, whose bytes are at hand, into the cache for later burns.

        :raises fpga_nova.errors.FpgaError: it cannot be kept
        """
        self._transitions.keep(bitstream)

    def program(
        self,
        region: model.Region,
        manifest: model.Manifest,
        bitstream: model.Bitstream,
        owner: str | None = None,
        image_id: str | None = None,
        progress: model.Progress | None = None,
    ) -> model.Region | None:
        """Claim a free region, load a bitstream into it, and prove it.

        :param manifest: the IP core that the bitstream is of
        :param bitstream: its checked bytes are at hand
        :param owner: the server that holds the region from now on
        :returns: the region; None if it is not free, or another process works on it
        :raises fpga_nova.errors.ProgrammingFailed: loading or read-back failed; the region was wiped, or quarantined
        :raises fpga_nova.errors.DeviceNotAccessible: the card vanished meanwhile
        """
        with contextlib.suppress(locks.Busy), self._transitions.locked(region.id) as locked:
            if locked.state is not RegionState.FREE:
                return None
            claimed = self._store.transition(
                locked,
                RegionState.PROGRAMMING,
                owner=owner,
                image_id=image_id,
                core=manifest.name,
                function_id=manifest.function_id,
                bitstream_sha256=bitstream.sha256,
                error=None,
            )
            return self._transitions.load(claimed, bitstream, progress)
        return None

    def erase(self, region_id: str, owner: str | None = None) -> None:
        """Wipe a region and give it back. Erasing a free region does nothing.

        :param owner: if given, only a region of this owner is erased; a region of another owner is left alone
        :raises fpga_nova.errors.UnknownRegion: there is no such region
        :raises fpga_nova.errors.EraseFailed: it could not be proved blank and is quarantined, or it is busy
        """
        with self._at_rest(region_id, errors.EraseFailed) as locked:
            if locked.state is RegionState.FREE or (owner is not None and locked.owner != owner):
                return
            if locked.state is RegionState.QUARANTINED:
                raise errors.EraseFailed(
                    f"region {locked.id} is quarantined: {locked.error}; check the card, then run `fpga-cli release`"
                )
            self._transitions.wipe(locked)

    def erase_held(self, owner: str) -> None:
        """Wipe all regions that `owner` holds; holding none is not an error.

        :raises fpga_nova.errors.EraseFailed: the first failure, after all were tried
        """
        failures = []
        for region in self._store.held_by(owner):
            try:
                self.erase(region.id, owner)
            except errors.EraseFailed as error:
                failures.append(error)
        if failures:
            raise failures[0]

    def verify(self, region_id: str) -> model.Region:
        """Ask the card whether a region holds what the store says; return the region.

        A region whose state is not in VERIFIABLE is not asked. A free one that is not blank is quarantined, as it must
        not be offered; one that has an owner stays the owner's, and is marked as lost.

        :raises fpga_nova.errors.UnknownRegion: there is no such region
        :raises fpga_nova.errors.ReadBackMismatch: it holds something else, or that cannot be proved
        :raises fpga_nova.errors.DeviceNotAccessible: the card is gone
        :raises fpga_nova.errors.FpgaError: it is busy
        """
        with self._at_rest(region_id) as locked:
            return self._transitions.check(locked) if locked.state in VERIFIABLE else locked

    def quarantine(self, region_id: str, reason: str) -> None:
        """Take a region out of service until it is released, without touching the card.

        The owner, if it has one, keeps it until it is erased.

        :raises fpga_nova.errors.UnknownRegion: there is no such region
        :raises fpga_nova.errors.FpgaError: it is quarantined already, or busy
        """
        with self._at_rest(region_id) as locked:
            if locked.state is RegionState.QUARANTINED:
                raise errors.FpgaError(f"region {region_id} is quarantined already: {locked.error}")
            LOG.error("Region %s is quarantined by hand: %s", region_id, errors.one_line(reason))
            settled = self._transitions.settle(locked)
            self._store.transition(settled, RegionState.QUARANTINED, error=f"by hand: {errors.one_line(reason)}")

    def release(self, region_id: str) -> None:
        """Wipe a quarantined region once more, and offer it again if that is proved.

        :raises fpga_nova.errors.UnknownRegion: there is no such region
        :raises fpga_nova.errors.EraseFailed: it still cannot be proved blank and stays quarantined, or it is busy
        :raises fpga_nova.errors.FpgaError: it is not quarantined
        """
        with self._at_rest(region_id, errors.EraseFailed) as locked:
            if locked.state is not RegionState.QUARANTINED:
                raise errors.FpgaError(f"region {region_id} is {locked.state}, not quarantined")
            self._transitions.wipe(locked)

    @contextlib.contextmanager
    def _at_rest(self, region_id: str, failure: type[errors.FpgaError] = errors.FpgaError) -> Iterator[model.Region]:
        """Hold a region's lock, after a bounded wait for the process that works on it.

        :param failure: class of the error that says that it is busy
        """
        with contextlib.ExitStack() as stack:
            try:
                locked = stack.enter_context(self._transitions.locked(region_id, self._lock_timeout))
            except locks.Busy:
                raise failure(
                    f"region {region_id} is busy: waited {self._lock_timeout:g} s for the burn or erase in progress"
                    " on it"
                ) from None
            yield locked
