# SPDX-License-Identifier: Apache-2.0
"""Readers of bitstream headers, one module for each format.

`identify` finds the format of a bitstream; ``FORMATS["gbs"].read`` reads one as the format that a manifest or a card
calls for. Files may be hostile: a reader takes bounded pieces of a seekable file, never all of it, and the only error
that it raises for the content is fpga_nova.errors.ArchiveInvalid (an OSError comes from the disk and is not caught).
"""

from __future__ import annotations

import dataclasses
from typing import IO, Callable

from fpga_nova.formats import gbs, ice40, rbf, xclbin, xilinx_bit
from fpga_nova.formats.header import Header
from fpga_nova.formats.window import HEAD_SIZE, Window

__all__ = ["FORMATS", "Format", "Header", "identify"]


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


#: The formats by name, in order of precedence: those with the longest magic first, .rbf, which has hardly any, last.
FORMATS = {
    format.name: format
    for format in (
        Format(gbs.NAME, "intel", gbs.matches, gbs.read),
        Format(xilinx_bit.NAME, "xilinx", xilinx_bit.matches, xilinx_bit.read),
        Format(xclbin.NAME, "xilinx", xclbin.matches, xclbin.read),
        Format(ice40.NAME, "lattice", ice40.matches, ice40.read),
        Format(rbf.NAME, "intel", rbf.matches, rbf.read),
    )
}


def identify(file: IO[bytes]) -> Header | None:
    """Read the header of a bitstream of any format; return None if it begins like none of them.

    :param file: seekable binary file; its position is not kept
    :raises fpga_nova.errors.ArchiveInvalid: it begins like one of them and is broken
    """
    head = Window(file, "unknown").head(HEAD_SIZE)
    for format in FORMATS.values():
        if format.matches(head):
            return format.read(file)
    return None
