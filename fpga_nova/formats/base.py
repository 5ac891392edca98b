# SPDX-License-Identifier: Apache-2.0
"""What every reader of a bitstream format gives and uses: the header's record, and bounded reads of a hostile file."""

from __future__ import annotations

import dataclasses
from collections.abc import Iterator
from typing import IO, Callable

from fpga_nova import errors

#: Most bytes that a reader asks a file for in one call, so that memory does not grow with what a header claims.
MAX_READ = 1 << 16

#: How much of a file's beginning tells its format; the longest is an iCE40 file's comment, see `ice40.py`.
HEAD_SIZE = 4096


@dataclasses.dataclass(frozen=True)
class Header:
    """What a bitstream says of itself. A field that its format does not carry is None, or empty.

    All of it is the file's own claim: it says what a bitstream was built for, not that it is what it says.

    :param format: name of the format in `fpga_nova.formats.FORMATS`
    :param vendor: the FPGA's vendor as manifests spell it: ``lattice``, ``xilinx`` or ``intel``
    :param payload_size: bytes of configuration data: iCE40 from the preamble on; .bit field ``e``; .xclbin the
        BITSTREAM or else the PDI sections, 0 if it has neither; .gbs what follows the metadata; .rbf the file
    :param part: the FPGA: iCE40 by the size of its configuration memory, as icestorm spells it (``1k``); .bit field
        ``b`` (``7a100tcsg324``), also of a .bit inside an .xclbin; .rbf the families that its first bytes fit
    :param platform: the card's platform: .xclbin ``m_platformVBNV``; .gbs ``platform-name``
    :param interface_ids: UUIDs of the shells or interfaces that it was built for: .xclbin ``m_interface_uuid`` and the
        PARTITION_METADATA section; .gbs ``interface-uuid``
    :param function_id: UUID of what it does: iCE40 comment line; .bit FUNCTION attribute of field ``a``; .gbs
        ``accelerator-type-uuid`` of the first cluster
    :param build_id: UUID of this very build, which its card reports as loaded: .xclbin ``uuid``
    :param design: the design's name: .bit field ``a`` up to its first ``;``; .gbs the first cluster's ``name``
    :param user_id: USERCODE that the designer chose, 32 bits: .bit attribute UserID of field ``a``
    :param idcode: JTAG IDCODE of the die that its configuration data ask for, 32 bits: .bit, write to register IDCODE
    :param created: when it was built, ISO 8601: .bit fields ``c`` and ``d`` (local time); .xclbin ``m_timeStamp`` (UTC)
    """

    format: str
    vendor: str
    payload_size: int
    part: str | None = None
    platform: str | None = None
    interface_ids: tuple[str, ...] = ()
    function_id: str | None = None
    build_id: str | None = None
    design: str | None = None
    user_id: int | None = None
    idcode: int | None = None
    created: str | None = None


@dataclasses.dataclass(frozen=True)
class Format:
    """A bitstream format.

    :param matches: whether a file that starts with these bytes (HEAD_SIZE of them, or all that it has) is of this
        format, broken or not
    :param read: reads the header of a file of this format, or raises fpga_nova.errors.ArchiveInvalid
    """

    name: str
    vendor: str
    matches: Callable[[bytes], bool]
    read: Callable[[IO[bytes]], Header]


class Window:
    """A stretch of a seekable file, read piece by piece; no read leaves it.

    Its offsets count from its own beginning; messages name the offset in the file.

    :param format: what to call the format in messages
    """

    def __init__(self, file: IO[bytes], format: str, start: int = 0, size: int | None = None) -> None:
        self.format = format
        self.size = file.seek(0, 2) - start if size is None else size
        self._file = file
        self._start = start

    def read(self, offset: int, size: int, what: str) -> bytes:
        """Return `size` bytes, at most MAX_READ, from `offset`.

        :param what: what they are, for the message
        :raises fpga_nova.errors.ArchiveInvalid: the window has not that many
        """
        self.require(offset, size, what)
        if size > MAX_READ:
            raise self.invalid(offset, f"{what} of at most {MAX_READ} bytes, not {size}")
        self._file.seek(self._start + offset)
        data = self._file.read(size)
        if len(data) != size:
            raise self.invalid(offset, f"{size} bytes of {what}, the file is shorter than it was")
        return data

    def chunks(self, offset: int, size: int, what: str) -> Iterator[bytes]:
        """Give `size` bytes from `offset` in pieces of at most MAX_READ.

        :raises fpga_nova.errors.ArchiveInvalid: the window has not that many
        """
        self.require(offset, size, what)
        for at in range(offset, offset + size, MAX_READ):
            yield self.read(at, min(MAX_READ, offset + size - at), what)

    def head(self, size: int = HEAD_SIZE) -> bytes:
        """Return the first `size` bytes, or all that there are."""
        return self.read(0, min(size, self.size), "data")

    def require(self, offset: int, size: int, what: str) -> None:
        """Check that the window has `size` bytes from `offset`.

        :raises fpga_nova.errors.ArchiveInvalid: it has not
        """
        if offset + size > self.size:
            raise self.invalid(offset, f"{size} bytes of {what}, {max(0, self.size - offset)} are there")

    def within(self, offset: int, size: int, format: str) -> Window:
        """Return a window on a part of this one, whose extent has been checked."""
        return Window(self._file, format, self._start + offset, size)

    def invalid(self, offset: int, expected: str) -> errors.ArchiveInvalid:
        """Return the error that says what was expected where."""
        return errors.ArchiveInvalid(f"{self.format} bitstream, offset {self._start + offset}: expected {expected}")


def printable(data: bytes) -> str | None:
    """Return `data` as text if it is printable ASCII, else None."""
    if not data.isascii():
        return None
    text = data.decode("ascii")
    return text if text.isprintable() else None
