# SPDX-License-Identifier: Apache-2.0
"""Which regions of a host an IP core fits, and what to say where none does."""

from __future__ import annotations

from collections.abc import Collection, Iterator

from fpga_nova import errors, model
from fpga_nova.model import RegionState
from fpga_nova.regions.store import Store

#: A region and the bitstream of a manifest that was built for such regions.
Fit = tuple[model.Region, model.BitstreamEntry]

#: States of a region that is free, or will be when the process that works on it has finished: a burn waits for it.
_FREE_SOON = (RegionState.FREE, RegionState.ERASING, RegionState.DIRTY)


def fitting_regions(store: Store, manifest: model.Manifest) -> list[Fit]:
    """Return the regions on present cards that `manifest` has a bitstream for, in any state.

    :raises fpga_nova.errors.NoMatchingHardware: no region of this host fits
    """
    present = store.present_cards()
    regions = [region for region in store.regions() if region.card_id in present]
    found = list(_fits(regions, manifest))
    if not found:
        wanted = ", ".join(sorted({f"{manifest.vendor} {entry.board}" for entry in manifest.bitstreams}))
        here = ", ".join(sorted({f"{region.vendor} {region.board}" for region in regions}))
        raise errors.NoMatchingHardware(
            f"no matching hardware found: IP core {manifest.name!r} is for {wanted}; this host has {here or 'none'}"
        )
    return found


def available_regions(store: Store, manifest: model.Manifest) -> list[Fit]:
    """Return those of the fitting regions that are free or being erased. It claims nothing.

    :raises fpga_nova.errors.NoMatchingHardware: no region of this host fits
    :raises fpga_nova.errors.NoFreeRegion: regions fit, but none is free or being erased
    """
    found = fitting_regions(store, manifest)
    choice = [(region, entry) for region, entry in found if region.state in _FREE_SOON]
    if not choice:
        regions = "the one region that fits is" if len(found) == 1 else f"all {len(found)} regions that fit are"
        raise errors.NoFreeRegion(f"no free region for IP core {manifest.name!r}: {regions} in use")
    return choice


def _fits(regions: Collection[model.Region], manifest: model.Manifest) -> Iterator[Fit]:
    for region in regions:
        if region.vendor == manifest.vendor:
            for entry in manifest.bitstreams:
                if entry.fits(region.board, region.region_type, region.interface_id):
                    yield region, entry
                    break
