# SPDX-License-Identifier: Apache-2.0
"""Recognises a Nova that was patched by hand, with patch(1), wholly or in part."""

from __future__ import annotations

import dataclasses

from fpga_nova.patcher.functions import Reader
from fpga_nova.patcher.series import PatchesDoNotFit, Series, run_patches


@dataclasses.dataclass(frozen=True)
class HandPatched:
    """Which patches of the series a Nova has, and what it is without them.

    :param applied: names of patch files, in the order of the series
    :param missing: those that it lacks
    :param originals: bytes of each file of the series without the patches, None for one that they add
    """

    applied: tuple[str, ...]
    missing: tuple[str, ...]
    originals: dict[str, bytes | None]


def find(series: Series, version: str, read: Reader) -> HandPatched | None:
    """Return what was applied by hand; None where no patch was, or where the rest is not a Nova that the series fits.

    Each patch is tried backwards on what the later ones left. A file that was changed elsewhere does not matter: the
    hunks alone count.

    :param version: of that Nova
    :param read: gives the bytes of a file, None where there is none
    :raises fpga_nova.patcher.series.NotSupported: the series is not for that release
    """
    files = {name: read(name) for name in series.files()}
    applied: list[str] = []
    missing: list[str] = []
    for patch in reversed(series.release(version).patches):
        try:
            files = run_patches([patch], files, backwards=True)
        except PatchesDoNotFit:
            missing.insert(0, patch.name)
        else:
            applied.insert(0, patch.name)
    if not applied:
        return None
    try:
        # A patch of which only some hunks are there can be neither taken out nor applied.
        series.apply_to(version, files.get)
    except PatchesDoNotFit:
        return None
    return HandPatched(tuple(applied), tuple(missing), files)
