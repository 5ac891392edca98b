# SPDX-License-Identifier: Apache-2.0
"""The nouns of fpga-nova as frozen records: cards, regions, bitstreams, manifests.

Words: a *card* is one FPGA board; a *region* is the unit that is programmed and given to a server; an *IP core* is a
function for a region, shipped as an archive; a *bitstream* is the bits that configure a region; an *endpoint* is what
a programmed region offers the guest.
"""

from __future__ import annotations

import dataclasses
import enum
import pathlib
from typing import Protocol


class RegionState(str, enum.Enum):
    """The states of a region; it is in exactly one::

    free -> programming -> programmed -> erasing -> free
                 \\-> dirty (a step failed or a process died) -> erasing -> free, or quarantined
    """

    FREE = "free"
    PROGRAMMING = "programming"
    PROGRAMMED = "programmed"
    ERASING = "erasing"
    DIRTY = "dirty"
    QUARANTINED = "quarantined"

    def __str__(self) -> str:
        return self.value


@dataclasses.dataclass(frozen=True)
class Slot:
    """A place for a region on a card, as its driver found it.

    :param index: number of the region on its card, from 0
    :param region_type: which bitstreams fit, the manifest's `region_type`
    :param interface_id: UUID of the shell or interface that a bitstream must have been built for, if the card has one
    """

    index: int
    region_type: str
    interface_id: str | None = None


@dataclasses.dataclass(frozen=True)
class Card:
    """One FPGA board of this host, as its driver found it.

    :param id: stable name of the card on this host, e.g. ``soft:fpga0`` or ``dfl:0000:3b:00.0``
    :param device: entry-point name of the driver in the namespace ``fpga_nova.devices``
    :param vendor: the FPGA vendor in lower case, e.g. ``lattice``
    :param board: the board's name as manifests spell it, e.g. ``soft-hx1k``
    :param path: a file-system object that exists exactly while the card is there (sysfs directory, device node)
    :param slots: its regions
    :param pci_address: ``dddd:bb:dd.f``, for a PCI card
    :param numa_node: NUMA node of the card, where the host knows it
    """

    id: str
    device: str
    vendor: str
    board: str
    path: str
    slots: tuple[Slot, ...]
    pci_address: str | None = None
    numa_node: int | None = None


@dataclasses.dataclass(frozen=True)
class Region:
    """A region and its record in the store.

    :param id: UUID, given when the region was first seen and kept for good
    :param owner: UUID of the server, or another name given to burn, that holds the region
    :param image_id: Glance image the loaded core came from, if from Glance
    :param core: name of the loaded IP core, from its manifest
    :param function_id: UUID of the loaded function, from its manifest
    :param bitstream_sha256: SHA-256 (hex) of the loaded bitstream
    :param error: the last failure's reason, for dirty and quarantined regions; for a programmed one, why it is lost
    :param updated_at: time of the last transition, UTC, ISO 8601
    """

    id: str
    card_id: str
    device: str
    vendor: str
    board: str
    index: int
    region_type: str
    interface_id: str | None
    state: RegionState
    owner: str | None = None
    image_id: str | None = None
    core: str | None = None
    function_id: str | None = None
    bitstream_sha256: str | None = None
    error: str | None = None
    updated_at: str | None = None

    @property
    def lost(self) -> bool:
        """Whether its card no longer holds what it was programmed with, or that could not be proved."""
        return self.state is RegionState.PROGRAMMED and self.error is not None


@dataclasses.dataclass(frozen=True)
class Bitstream:
    """A bitstream for one region.

    :param sha256: SHA-256 of its bytes, hex
    :param size: bytes; 0 where only its identity is known
    :param path: where its bytes lie on this host; None where only its identity is known
    :param function_id: UUID of the function that it implements
    """

    sha256: str
    size: int
    path: pathlib.Path | None = None
    function_id: str | None = None


@dataclasses.dataclass(frozen=True)
class FileEntry:
    """A file of an archive as its manifest declares it: path inside the archive, SHA-256 (hex), size in bytes."""

    file: str
    sha256: str
    size: int


@dataclasses.dataclass(frozen=True)
class BitstreamEntry(FileEntry):
    """One bitstream as the manifest declares it; the fields are the manifest's."""

    board: str
    region_type: str
    interface_id: str | None = None

    def fits(self, board: str, region_type: str, interface_id: str | None) -> bool:
        """Whether this bitstream was built for such a region."""
        return (
            self.board == board
            and self.region_type == region_type
            and (self.interface_id is None or self.interface_id == interface_id)
        )


@dataclasses.dataclass(frozen=True)
class Manifest:
    """An IP core's manifest (`manifest.json` at the root of its archive)."""

    name: str
    version: str
    vendor: str
    function_type: str
    function_id: str
    bitstreams: tuple[BitstreamEntry, ...]
    description: str = ""
    files: tuple[FileEntry, ...] = ()


@dataclasses.dataclass(frozen=True)
class Endpoint:
    """The way by which a guest reaches a programmed region.

    :param kind: ``unix`` (a stream socket to connect to), ``pci`` or ``devnode``
    :param address: the socket's path, the PCI address, or the node's path
    """

    kind: str
    address: str


class Progress(Protocol):
    """A callback that shows the progress of a long operation."""

    def __call__(self, done: int, total: int) -> None:
        """Show that `done` of `total` units are done: bytes, or another unit."""
