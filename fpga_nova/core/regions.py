# SPDX-License-Identifier: Apache-2.0
"""The engine: burns, erases and counts this host's regions over the store and the drivers.

fpga-cli, the hooks and the agent all come through here. Each step is committed to the store before the card is
touched and after; whoever works on a region holds its lock, which the kernel drops when he dies. So a region that is
being programmed or erased while its lock is free was left behind, and the next call finishes it.
"""

from __future__ import annotations

import contextlib
import logging
import pathlib
from collections.abc import Callable, Iterator, Mapping

from fpga_nova import errors, model
from fpga_nova.core import locks
from fpga_nova.core.store import Store
from fpga_nova.devices.base import Device
from fpga_nova.model import RegionState

LOG = logging.getLogger(__name__)

_LEFT_BEHIND = (RegionState.PROGRAMMING, RegionState.ERASING, RegionState.DIRTY)

#: States of which a card can be asked whether they are true; in all others nobody knows what a region holds.
VERIFIABLE = (RegionState.FREE, RegionState.PROGRAMMED)


class Engine:
    """This host's regions.

    :param store: the region store
    :param devices: the drivers, by entry-point name
    :param lock_path: directory of the regions' lock files
    :param lock_timeout: seconds that an erase waits for a burn or an erase in progress on its region
    :param configuration: stamp of the configuration that the drivers were made from (`summary.configuration_stamp`)
    """

    def __init__(
        self,
        store: Store,
        devices: Mapping[str, Device],
        lock_path: pathlib.Path,
        lock_timeout: float,
        configuration: str,
    ) -> None:
        self._store = store
        self._devices = devices
        self._lock_path = lock_path
        self._lock_timeout = lock_timeout
        self._configuration = configuration

    def discover(self) -> list[model.Region]:
        """Ask the drivers for their cards, record them, and recover what somebody left behind; returns the latter.

        :raises fpga_nova.errors.ConfigurationInvalid: a driver's options cannot be used
        """
        cards = [card for device in self._devices.values() for card in device.discover()]
        self._store.set_cards(cards, self._configuration)
        return self.recover()

    def recover(self) -> list[model.Region]:
        """Wipe every region that is in a transitional state and that nobody works on; return what became of them.

        A region whose card is not there is left as it is.
        """
        present = self._present_cards()
        recovered = []
        for region in self._store.regions():
            if region.state not in _LEFT_BEHIND or region.card_id not in present:
                continue
            with contextlib.suppress(locks.Busy), self._locked(region, timeout=0) as locked:
                if locked.state not in _LEFT_BEHIND:
                    continue
                with contextlib.suppress(errors.EraseFailed):
                    self._wipe(self._as_dirty(locked))
                recovered.append(self._store.region(region.id))
        return recovered

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
        """Return what a programmed region offers its guest."""
        return self._device(region).endpoint(region)

    def choose(self, manifest: model.Manifest) -> list[tuple[model.Region, model.BitstreamEntry]]:
        """Return the free regions that `manifest` has a bitstream for, each with that bitstream; claims nothing.

        :raises fpga_nova.errors.NoMatchingHardware: no region of this host fits
        :raises fpga_nova.errors.NoFreeRegion: regions fit, none is free
        """
        present = self._present_cards()
        fitting = []
        for region in self._store.regions():
            if region.card_id in present and region.vendor == manifest.vendor:
                entries = (
                    entry
                    for entry in manifest.bitstreams
                    if entry.fits(region.board, region.region_type, region.interface_id)
                )
                entry = next(entries, None)
                if entry is not None:
                    fitting.append((region, entry))
        if not fitting:
            wanted = ", ".join(sorted({f"{manifest.vendor} {entry.board}" for entry in manifest.bitstreams}))
            here = ", ".join(sorted({f"{r.vendor} {r.board}" for r in self._store.regions() if r.card_id in present}))
            raise errors.NoMatchingHardware(
                f"no matching hardware found: IP core {manifest.name!r} is for {wanted}; this host has {here or 'none'}"
            )
        free = [(region, entry) for region, entry in fitting if region.state is RegionState.FREE]
        if not free:
            raise self._none_free(manifest, len(fitting))
        return free

    def burn(
        self,
        manifest: model.Manifest,
        unpack: Callable[[model.BitstreamEntry], model.Bitstream],
        owner: str | None = None,
        image_id: str | None = None,
    ) -> model.Region:
        """Load the IP core into a free region that fits and prove it; return the region.

        :param unpack: gives the checked bytes of a bitstream; called before any region is claimed
        :param owner: who holds the region from now on
        :raises fpga_nova.errors.NoMatchingHardware: no region of this host fits
        :raises fpga_nova.errors.NoFreeRegion: none is free, or others were quicker
        :raises fpga_nova.errors.ArchiveInvalid: from `unpack`
        :raises fpga_nova.errors.ProgrammingFailed: loading or read-back failed; the region was wiped, or quarantined
        :raises fpga_nova.errors.DeviceNotAccessible: the card vanished meanwhile
        """
        free = self.choose(manifest)
        unpacked: dict[model.BitstreamEntry, model.Bitstream] = {}
        for region, entry in free:
            if entry not in unpacked:
                unpacked[entry] = unpack(entry)
            with contextlib.suppress(locks.Busy), self._locked(region, timeout=0) as locked:
                if locked.state is not RegionState.FREE:
                    continue
                claimed = self._store.transition(
                    locked,
                    RegionState.PROGRAMMING,
                    owner=owner,
                    image_id=image_id,
                    core=manifest.name,
                    function_id=manifest.function_id,
                    bitstream_sha256=entry.sha256,
                    error=None,
                )
                return self._load(claimed, unpacked[entry])
        raise self._none_free(manifest, len(free))

    def erase(self, region_id: str, owner: str | None = None) -> None:
        """Wipe a region and give it back. Erasing a free region does nothing.

        :param owner: if given, only what this owner holds is erased; a region that is not his is left alone
        :raises fpga_nova.errors.UnknownRegion: there is no such region
        :raises fpga_nova.errors.EraseFailed: it could not be proved blank and is quarantined, or it is busy
        """
        region = self._store.region(region_id)
        try:
            with self._locked(region, self._lock_timeout) as locked:
                if locked.state is RegionState.FREE or (owner is not None and locked.owner != owner):
                    return
                if locked.state is RegionState.QUARANTINED:
                    raise errors.EraseFailed(
                        f"region {locked.id} is quarantined: {locked.error}; see the card, then `fpga-cli release`"
                    )
                self._wipe(self._as_dirty(locked) if locked.state in _LEFT_BEHIND else locked)
        except locks.Busy:
            raise errors.EraseFailed(
                f"region {region_id} is busy: waited {self._lock_timeout:g} s for the burn or erase in progress on it"
            ) from None

    def erase_held(self, owner: str) -> None:
        """Wipe all regions that `owner` holds; none is no error.

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

        Nothing is asked of a region whose state is not in VERIFIABLE. A free one that is not blank is quarantined, as
        it must not be offered; one that somebody holds is left to him.

        :raises fpga_nova.errors.UnknownRegion: there is no such region
        :raises fpga_nova.errors.ReadBackMismatch: it holds something else, or that cannot be proved
        :raises fpga_nova.errors.DeviceNotAccessible: the card is gone
        :raises fpga_nova.errors.FpgaError: it is busy
        """
        with self._at_rest(region_id) as locked:
            if locked.state not in VERIFIABLE:
                return locked
            held = None
            if locked.state is RegionState.PROGRAMMED:
                held = model.Bitstream(locked.bitstream_sha256 or "", 0, None, locked.function_id)
            try:
                self._device(locked).verify(locked, held)
            except errors.ReadBackMismatch as error:
                if locked.state is RegionState.FREE:
                    self._store.transition(locked, RegionState.QUARANTINED, error=f"was free, but not blank: {error}")
                raise
            return locked

    def quarantine(self, region_id: str, reason: str) -> None:
        """Offer a region no more until it is released; asks no card. Its holder, if any, keeps it until he erases it.

        :raises fpga_nova.errors.UnknownRegion: there is no such region
        :raises fpga_nova.errors.FpgaError: it is quarantined already, or busy
        """
        with self._at_rest(region_id) as locked:
            if locked.state is RegionState.QUARANTINED:
                raise errors.FpgaError(f"region {region_id} is quarantined already: {locked.error}")
            quiet = self._as_dirty(locked) if locked.state in _LEFT_BEHIND else locked
            LOG.error("Region %s is quarantined by hand: %s", region_id, errors.one_line(reason))
            self._store.transition(quiet, RegionState.QUARANTINED, error=f"by hand: {errors.one_line(reason)}")

    @contextlib.contextmanager
    def _at_rest(self, region_id: str) -> Iterator[model.Region]:
        """Hold a region's lock, or say that it is busy."""
        with contextlib.ExitStack() as stack:
            try:
                locked = stack.enter_context(self._locked(self._store.region(region_id), self._lock_timeout))
            except locks.Busy:
                raise errors.FpgaError(
                    f"region {region_id} is busy: waited {self._lock_timeout:g} s for the work in progress on it"
                ) from None
            yield locked

    def release(self, region_id: str) -> None:
        """Wipe a quarantined region once more, and offer it again if that is proved.

        :raises fpga_nova.errors.UnknownRegion: there is no such region
        :raises fpga_nova.errors.EraseFailed: it still cannot be proved blank; it stays quarantined
        :raises fpga_nova.errors.FpgaError: it is not quarantined
        """
        region = self._store.region(region_id)
        try:
            with self._locked(region, self._lock_timeout) as locked:
                if locked.state is not RegionState.QUARANTINED:
                    raise errors.FpgaError(f"region {region_id} is {locked.state}, not quarantined")
                self._wipe(locked)
        except locks.Busy:
            raise errors.EraseFailed(f"region {region_id} is busy: waited {self._lock_timeout:g} s for it") from None

    def _load(self, region: model.Region, bitstream: model.Bitstream) -> model.Region:
        device = self._device(region)
        try:
            device.program(region, bitstream)
            device.verify(region, bitstream)
            return self._store.transition(region, RegionState.PROGRAMMED)
        except BaseException as error:
            # Also what is no error of ours (a full disk, an interrupt): the card may hold anything by now.
            reason = errors.one_line(str(error) or type(error).__name__)
            LOG.error("Programming of region %s failed: %s", region.id, reason)
            dirty = self._store.transition(region, RegionState.DIRTY, error=reason)
            with contextlib.suppress(errors.EraseFailed):
                self._wipe(dirty)
            raise

    def _as_dirty(self, region: model.Region) -> model.Region:
        if region.state is RegionState.DIRTY:
            return region
        return self._store.transition(region, RegionState.DIRTY, error=f"left behind while {region.state}")

    def _wipe(self, region: model.Region) -> model.Region:
        erasing = self._store.transition(region, RegionState.ERASING)
        try:
            device = self._device(erasing)
            device.erase(erasing)
            device.verify(erasing, None)
        except Exception as error:  # whatever a driver raises, the region was not proved blank
            reason = errors.one_line(f"erase failed: {error}")
            self._store.transition(erasing, RegionState.QUARANTINED, error=reason)
            LOG.error("Region %s is quarantined: %s", region.id, reason)
            raise errors.EraseFailed(f"region {region.id} is quarantined: {reason}") from error
        return self._store.transition(
            erasing,
            RegionState.FREE,
            owner=None,
            image_id=None,
            core=None,
            function_id=None,
            bitstream_sha256=None,
            error=None,
        )

    @contextlib.contextmanager
    def _locked(self, region: model.Region, timeout: float) -> Iterator[model.Region]:
        """Hold the region's lock; gives what the store says of it now."""
        with locks.hold(self._lock_path / f"{region.id}.lock", timeout):
            yield self._store.region(region.id)

    def _present_cards(self) -> set[str]:
        return {card.id for card, found in self._store.cards() if found and pathlib.Path(card.path).exists()}

    def _device(self, region: model.Region) -> Device:
        try:
            return self._devices[region.device]
        except KeyError:
            raise errors.DeviceNotAccessible(
                f"region {region.id} is on card {region.card_id}, whose driver {region.device!r} is not enabled"
            ) from None

    @staticmethod
    def _none_free(manifest: model.Manifest, fitting: int) -> errors.NoFreeRegion:
        regions = "the one region that fits is" if fitting == 1 else f"all {fitting} regions that fit are"
        return errors.NoFreeRegion(f"no free region for IP core {manifest.name!r}: {regions} in use")
