# SPDX-License-Identifier: Apache-2.0
"""The engine: burns, erases and counts this host's regions over the store and the drivers.

fpga-cli, the hooks and the agent all come through here. Each step is committed to the store before the card is
touched and after; whoever works on a region holds its lock, which the kernel drops when he dies. So a region that is
being programmed or erased while its lock is free was left behind, and the next call finishes it.

A region is *lost* when it is recorded as programmed and its card does not hold that (any more): after a restart of the
host, or when a soft FPGA's server was killed. It stays its holder's, with the reason as its error, until it is loaded
again for him or erased. While it is being loaded again it is on record as lost: who dies then leaves it lost.
"""

from __future__ import annotations

import contextlib
import logging
import pathlib
import time
from collections.abc import Callable, Collection, Iterator, Mapping

from fpga_nova import errors, formats, model
from fpga_nova.driver import Device
from fpga_nova.ip_cores.bitstream_cache import Cache
from fpga_nova.model import RegionState
from fpga_nova.regions import quick_status
from fpga_nova.regions.store import Store
from fpga_nova.system import locks

LOG = logging.getLogger(__name__)

_LEFT_BEHIND = (RegionState.PROGRAMMING, RegionState.ERASING, RegionState.DIRTY)

#: States of which a card can be asked whether they are true; in all others nobody knows what a region holds.
VERIFIABLE = (RegionState.FREE, RegionState.PROGRAMMED)

#: States of a region that is free, or will be when who works on it has done: a burn waits for it.
_FREE_SOON = (RegionState.FREE, RegionState.ERASING, RegionState.DIRTY)

#: Seconds between two tries of a burn that waits.
_POLL = 0.1


class Engine:
    """This host's regions.

    :param store: the region store
    :param devices: the drivers, by entry-point name
    :param lock_path: directory of the regions' lock files
    :param lock_timeout: seconds that an erase waits for a burn or an erase in progress on its region, and a burn for
        erases
    :param configuration: stamp of the configuration that the drivers were made from (`summary.configuration_stamp`)
    :param cache: where the bitstreams are kept that regions hold
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
        self._devices = devices
        self._lock_path = lock_path
        self._lock_timeout = lock_timeout
        self._configuration = configuration
        self.cache = cache

    def discover(self) -> list[model.Region]:
        """Ask the drivers for their cards, record them, mark what is lost, and recover what somebody left behind.

        :returns: what became of what was left behind
        :raises fpga_nova.errors.ConfigurationInvalid: a driver's options cannot be used
        """
        cards = [card for device in self._devices.values() for card in device.discover()]
        # Before they are recorded: that a card was away is forgotten then.
        self._mark_lost({card.id for card in cards})
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

    def restore(self, provide: Callable[[model.Region], model.Bitstream]) -> list[model.Region]:
        """Prove what every programmed region holds, and load again for its holder what is lost.

        A region that somebody works on is left to him.

        :param provide: gives the checked bytes of what a region is recorded with, or raises what to do about it
        :returns: the regions that were lost, as they are now
        """
        restored = []
        for region in self._store.regions():
            with contextlib.suppress(locks.Busy):
                with self._locked(region, timeout=0) as locked:
                    found = self._prove(locked)
                if found.lost:
                    # Without the lock: the bytes may come from afar, and an erase should not have to wait for them.
                    found = self._reload(found, provide)
                if found.lost or locked.lost:
                    restored.append(found)
        return restored

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
        """Return the regions that `manifest` has a bitstream for and that are free or being erased, each with it.

        It claims nothing.

        :raises fpga_nova.errors.NoMatchingHardware: no region of this host fits
        :raises fpga_nova.errors.NoFreeRegion: regions fit, none is free or being erased
        """
        fitting = self.fitting(manifest)
        choice = [(region, entry) for region, entry in fitting if region.state in _FREE_SOON]
        if not choice:
            regions = "the one region that fits is" if len(fitting) == 1 else f"all {len(fitting)} regions that fit are"
            raise errors.NoFreeRegion(f"no free region for IP core {manifest.name!r}: {regions} in use")
        return choice

    def fitting(self, manifest: model.Manifest) -> list[tuple[model.Region, model.BitstreamEntry]]:
        """Return the regions that `manifest` has a bitstream for, in whatever state, each with it.

        :raises fpga_nova.errors.NoMatchingHardware: no region of this host fits
        """
        fitting = self._fitting(manifest)
        if not fitting:
            present = self._present_cards()
            wanted = ", ".join(sorted({f"{manifest.vendor} {entry.board}" for entry in manifest.bitstreams}))
            here = ", ".join(sorted({f"{r.vendor} {r.board}" for r in self._store.regions() if r.card_id in present}))
            raise errors.NoMatchingHardware(
                f"no matching hardware found: IP core {manifest.name!r} is for {wanted}; this host has {here or 'none'}"
            )
        return fitting

    def prefetch(
        self,
        manifest: model.Manifest,
        unpack: Callable[[model.Region, model.BitstreamEntry], model.Bitstream],
    ) -> list[model.BitstreamEntry]:
        """Put the bitstreams that fit regions of this host into the cache, for later burns; return them.

        :param unpack: as that of `burn`
        :raises fpga_nova.errors.NoMatchingHardware: no region of this host fits, or from `unpack` for all that do
        :raises fpga_nova.errors.ArchiveInvalid: from `unpack`
        :raises fpga_nova.errors.RefusedByPolicy: from `unpack`
        :raises fpga_nova.errors.FpgaError: one cannot be kept
        """
        fitting: dict[model.BitstreamEntry, model.Bitstream] = {}
        incompatibilities: list[errors.NoMatchingHardware] = []
        for region, entry in self.fitting(manifest):
            if entry not in fitting:
                try:
                    fitting[entry] = unpack(region, entry)
                except errors.NoMatchingHardware as error:
                    incompatibilities.append(error)
        if not fitting:
            raise incompatibilities[-1]
        for bitstream in fitting.values():
            assert bitstream.path is not None  # noqa: S101 - unpack gives checked bytes
            self.cache.keep(bitstream.sha256, bitstream.path, self._held_bitstreams)
        return list(fitting)

    def incompatibility(self, region: model.Region, header: formats.Header) -> str | None:
        """Return why a bitstream with this header is not for the part that `region` is on; None if nobody can tell."""
        return self._device(region).incompatibility(region, header)

    def burn(
        self,
        manifest: model.Manifest,
        unpack: Callable[[model.Region, model.BitstreamEntry], model.Bitstream],
        owner: str | None = None,
        image_id: str | None = None,
        progress: model.Progress | None = None,
    ) -> model.Region:
        """Load the IP core into a free region that fits and prove it; return the region.

        Where none is free but some are being erased, it waits for them.

        :param unpack: gives the checked bytes of a bitstream for a region; called before that region is claimed. What
            it raises ends the burn, but for NoMatchingHardware, which passes the region over
        :param owner: who holds the region from now on
        :raises fpga_nova.errors.NoMatchingHardware: no region of this host fits
        :raises fpga_nova.errors.NoFreeRegion: none is free, or others were quicker
        :raises fpga_nova.errors.ArchiveInvalid: from `unpack`
        :raises fpga_nova.errors.RefusedByPolicy: from `unpack`
        :raises fpga_nova.errors.ProgrammingFailed: loading or read-back failed; the region was wiped, or quarantined
        :raises fpga_nova.errors.DeviceNotAccessible: the card vanished meanwhile
        """
        deadline = time.monotonic() + self._lock_timeout
        while True:
            choice = self.choose(manifest)
            incompatibilities: list[errors.NoMatchingHardware] = []
            for region, entry in choice:
                try:
                    bitstream = unpack(region, entry)
                except errors.NoMatchingHardware as error:
                    incompatibilities.append(error)
                    continue
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
                    return self._load(claimed, bitstream, progress)
            if incompatibilities and len(incompatibilities) == len(choice):
                raise incompatibilities[-1]
            if time.monotonic() >= deadline:
                raise errors.NoFreeRegion(
                    f"no free region for IP core {manifest.name!r}: waited {self._lock_timeout:g} s for those that fit "
                    "and are being erased"
                )
            time.sleep(_POLL)
            self.recover()  # should who erased have died meanwhile

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
        it must not be offered; one that somebody holds stays his, and is marked as lost.

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
                else:
                    self._lost(locked, error)
                raise
            return self._store.transition(locked, RegionState.PROGRAMMED, error=None) if locked.lost else locked

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

    def _fitting(self, manifest: model.Manifest) -> list[tuple[model.Region, model.BitstreamEntry]]:
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
        return fitting

    def _load(self, region: model.Region, bitstream: model.Bitstream, progress: model.Progress | None) -> model.Region:
        try:
            self._program(region, bitstream, progress)
            return self._store.transition(region, RegionState.PROGRAMMED)
        except BaseException as error:
            # Also what is no error of ours (a full disk, an interrupt): the card may hold anything by now.
            reason = _reason(error)
            LOG.error("Programming of region %s failed: %s", region.id, reason)
            # An interrupt may come when it has just been recorded as programmed.
            dirty = self._store.transition(self._store.region(region.id), RegionState.DIRTY, error=reason)
            with contextlib.suppress(errors.EraseFailed):
                self._wipe(dirty)
            raise

    def _program(
        self,
        region: model.Region,
        bitstream: model.Bitstream,
        progress: model.Progress | None = None,
    ) -> None:
        if bitstream.path is not None:
            # First, while the card is untouched, and after the claim, which saves it from being removed again.
            self.cache.keep(bitstream.sha256, bitstream.path, self._held_bitstreams)
        device = self._device(region)
        device.on_progress = progress
        try:
            device.program(region, bitstream)
        finally:
            device.on_progress = None
        device.verify(region, bitstream)

    def _held_bitstreams(self) -> Collection[str]:
        return {region.bitstream_sha256 for region in self._store.regions() if region.bitstream_sha256}

    def _mark_lost(self, present: Collection[str]) -> None:
        """Mark what is recorded as programmed and is not there, as far as that can be seen without asking the cards.

        They are asked once after each restart of the host, and when a card comes back.

        :param present: the cards that are there
        """
        boot_id = quick_status.boot_id()
        restarted = self._store.boot_id() != boot_id
        back = {card.id for card, found in self._store.cards() if not found and card.id in present}
        complete = True
        for region in self._store.regions():
            if region.state is not RegionState.PROGRAMMED or region.lost:
                continue
            ask = restarted or region.card_id in back
            if ask or (region.card_id in present and self._device(region).loss_reason(region)):
                try:
                    with self._locked(region, timeout=0) as locked:
                        self._prove(locked, doubted=ask)
                except locks.Busy:  # it may be who does the same, and may die
                    complete = False
        if restarted and complete:
            self._store.set_boot_id(boot_id)

    def _prove(self, region: model.Region, doubted: bool = False) -> model.Region:
        """Ask the card whether a region that is recorded as programmed holds that; mark it if not, unmark it if so.

        :param doubted: whether it counts as lost where the card cannot be asked
        """
        if region.state is not RegionState.PROGRAMMED:
            return region
        assert region.bitstream_sha256 is not None  # noqa: S101 - it is set with the claim
        identity = model.Bitstream(region.bitstream_sha256, 0, None, region.function_id)
        try:
            self._device(region).verify(region, identity)
        except (errors.FpgaError, OSError) as error:
            if not (doubted or region.lost or isinstance(error, errors.ProgrammingFailed)):
                return region  # a card that is busy or away proves nothing
            return self._lost(region, error)
        return self._store.transition(region, RegionState.PROGRAMMED, error=None) if region.lost else region

    def _reload(self, lost: model.Region, provide: Callable[[model.Region], model.Bitstream]) -> model.Region:
        """Load again what a lost region is recorded with, if it is still as it was.

        :raises locks.Busy: somebody works on it
        """
        try:
            bitstream = provide(lost)
        except errors.FpgaError as error:
            bitstream, failure = None, error
        with self._locked(lost, timeout=0) as locked:
            if locked != lost:
                return locked
            if bitstream is None:
                return self._lost(lost, failure)
            try:
                self._device(lost).erase(lost)
                self._program(lost, bitstream)
            except (errors.FpgaError, OSError) as error:
                return self._lost(lost, error)
            return self._store.transition(lost, RegionState.PROGRAMMED, error=None)

    def _lost(self, region: model.Region, error: Exception) -> model.Region:
        reason = f"lost: {_reason(error)}"
        LOG.error("Region %s, held by %s, is %s", region.id, region.owner, reason)
        return self._store.transition(region, RegionState.PROGRAMMED, error=reason)

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


def _reason(error: BaseException) -> str:
    return errors.one_line(str(error) or type(error).__name__)
