# SPDX-License-Identifier: Apache-2.0
"""The regions to try for one burn, and the wait for regions that are being erased."""

from __future__ import annotations

import time
from collections.abc import Iterator

from fpga_nova import errors, model
from fpga_nova.regions import fitting
from fpga_nova.regions.recovery import Recovery
from fpga_nova.regions.store import Store

#: Seconds between two tries of a burn that waits.
_POLL = 0.1


class Candidates:
    """Gives regions that fit an IP core, each with its bitstream, until the caller has programmed one.

    The caller rejects a region that the bitstream's own header does not fit. Iterating claims nothing and ends only by
    an error:

    :raises fpga_nova.errors.NoMatchingHardware: no region fits, or the caller rejected all that do
    :raises fpga_nova.errors.NoFreeRegion: none is free, or none became free in time

    :param timeout: seconds to wait for regions that are being erased
    """

    def __init__(self, store: Store, recovery: Recovery, manifest: model.Manifest, timeout: float) -> None:
        self._store = store
        self._recovery = recovery
        self._manifest = manifest
        self._timeout = timeout
        self._rejected: dict[str, str] = {}

    def reject(self, region: model.Region, reason: str) -> None:
        """Pass a region over from now on."""
        self._rejected[region.id] = reason

    def __iter__(self) -> Iterator[fitting.Fit]:
        deadline = time.monotonic() + self._timeout
        while True:
            choice = fitting.available_regions(self._store, self._manifest)
            yield from ((region, entry) for region, entry in choice if region.id not in self._rejected)
            if all(region.id in self._rejected for region, _ in choice):
                raise errors.NoMatchingHardware(self._rejected[choice[-1][0].id])
            if time.monotonic() >= deadline:
                raise errors.NoFreeRegion(
                    f"no free region for IP core {self._manifest.name!r}: waited {self._timeout:g} s for those that "
                    "fit and are being erased"
                )
            time.sleep(_POLL)
            self._recovery.finish_left_behind()  # in case the erasing process died meanwhile
