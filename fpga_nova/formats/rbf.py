# SPDX-License-Identifier: Apache-2.0
"""Intel/Altera raw binary files (.rbf): configuration data without a header.

They carry no name, no part and no function, and Intel publishes no description of the data. By public sources the
beginning of a file names no more than a family:

- ``62294895``, little-endian: the configuration firmware that leads a full bitstream of the families with a secure
  device manager, in blocks of 4 KiB (U-Boot, the comment at CMF_MAGIC in the header of socfpga's RSU code);
- ``a65c`` (plain) or ``a65d`` (encrypted), 16 bits little-endian, then ``0001`` (peripheral) or ``8001`` (core): Arria
  10, in the file's first or second 32-bit word (U-Boot, drivers/fpga/socfpga_arria10.c, `get_rbf_image_info`, and
  FPGA_SOCFPGA_A10_RBF_* of its header);
- 32 bytes ``ff``, then ``6a f7``: Cyclone IV and Cyclone 10 LP; 128 bytes ``ff``, then four ``6a``: Cyclone V. No
  document states this; Quartus wrote it into the .rbf files of openFPGALoader's package (0.10).

Other families and partial bitstreams begin otherwise: a manifest is then all that is known of such a file.
"""

from __future__ import annotations

import struct
from typing import IO

from fpga_nova.formats.header import Header
from fpga_nova.formats.window import Window

NAME = "rbf"

_SDM = struct.pack("<I", 0x62294895)
_SDM_BLOCK = 4096
_ARRIA_10 = tuple(struct.pack("<2H", magic, section) for magic in (0xA65C, 0xA65D) for section in (0x0001, 0x8001))
_CYCLONE_4 = b"\xff" * 32 + b"\x6a\xf7"
_CYCLONE_5 = b"\xff" * 128 + b"\x6a" * 4


def matches(head: bytes) -> bool:
    """Whether a file with this beginning is surely an .rbf; one with another beginning may still be one."""
    return _family(head) is not None


def read(file: IO[bytes]) -> Header:
    """Read the little that a file which is declared an .rbf shows.

    :raises fpga_nova.errors.ArchiveInvalid: it is empty, or visibly cut off
    """
    window = Window(file, NAME)
    if window.size == 0:
        raise window.invalid(0, "configuration data")
    head = window.head()
    if head.startswith(_SDM) and window.size % _SDM_BLOCK:
        raise window.invalid(window.size, f"the end of the file at a multiple of {_SDM_BLOCK}")
    return Header(format=NAME, vendor="intel", payload_size=window.size, part=_family(head))


def _family(head: bytes) -> str | None:
    if head.startswith(_SDM):
        return "stratix10/agilex"
    if head[:4] in _ARRIA_10 or head[4:8] in _ARRIA_10:
        return "arria10"
    if head.startswith(_CYCLONE_4):
        return "cyclone4/cyclone10lp"
    if head.startswith(_CYCLONE_5):
        return "cyclone5"
    return None
