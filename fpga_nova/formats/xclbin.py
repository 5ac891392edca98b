# SPDX-License-Identifier: Apache-2.0
"""Xilinx/AMD Alveo containers (.xclbin): a header, a table of sections, and the sections.

Source: XRT, src/runtime_src/core/include/xrt/detail/xclbin.h (`struct axlf`, `axlf_header`, `axlf_section_header`,
`enum axlf_section_kind`, `enum XCLBIN_MODE`); the static assertions there fix the sizes 152 and 40. All numbers are
little-endian, as x86-64 lays them out. The shells that a container was built for are the property ``interface_uuid`` of
the nodes below ``interfaces`` in the section PARTITION_METADATA, a flattened device tree (XRT's kernel driver xocl,
PROP_INTERFACE_UUID); the header's `m_interface_uuid` serves older shells and is zero elsewhere.
"""

from __future__ import annotations

import dataclasses
import datetime
import struct
from typing import IO

from fpga_nova.formats import fdt, xilinx_bit
from fpga_nova.formats.header import Header
from fpga_nova.formats.window import Window, printable
from fpga_nova.system import uuids

NAME = "xclbin"

_MAGIC = b"xclbin2\0"

# m_magic, m_signature_length, reserved, m_keyBlock, m_uniqueId
_AXLF = struct.Struct("<8si28s256sQ")
# m_length, m_timeStamp, m_featureRomTimeStamp, m_versionPatch, m_versionMajor, m_versionMinor, m_mode, m_actionMask,
# m_interface_uuid, m_platformVBNV, uuid, m_debug_bin, m_numSections
_HEADER = struct.Struct("<QQQHBBHH16s64s16s16sI4x")
_SECTION = struct.Struct("<I16s4xQQ")  # m_sectionKind, m_sectionName, m_sectionOffset, m_sectionSize
_TABLE = _AXLF.size + _HEADER.size

# XRT bounds the number by 65,536; there are 36 kinds, and few may come more than once.
_MAX_SECTIONS = 1024

_MODES = range(7)
_EMULATION_MODES = (4, 5, 6)  # XCLBIN_HW_EMU, XCLBIN_SW_EMU, XCLBIN_HW_EMU_PR

_BITSTREAM, _PDI, _PARTIAL_PDI, _PARTITION_METADATA = 0, 18, 19, 20
_SINGLE = (_BITSTREAM, _PARTITION_METADATA)
_NIL = bytes(16)
_MAX_TIME = 253402300799  # the end of the year 9999, the last that a date has here


@dataclasses.dataclass(frozen=True)
class Section:
    """A row of the table of sections; offset and size are bytes of the file."""

    kind: int
    offset: int
    size: int


def matches(head: bytes) -> bool:
    """Whether a file with this beginning is an .xclbin."""
    return head.startswith(_MAGIC)


def read(file: IO[bytes]) -> Header:
    """Read a container's header, its table of sections, and the part and shell that the sections name.

    :raises fpga_nova.errors.ArchiveInvalid: a field is not what it should be, or a section is not inside the file
    """
    window = Window(file, NAME)
    if window.head(len(_MAGIC)) != _MAGIC:
        raise window.invalid(0, f"the magic {_MAGIC!r}")
    fields = _HEADER.unpack(window.read(_AXLF.size, _HEADER.size, "the header"))
    length, time, _, _, _, _, mode, _, interface_id, platform, build_id, _, number = fields
    if not _TABLE <= length <= window.size:
        raise window.invalid(_AXLF.size, f"a length from {_TABLE} to {window.size}, not {length}")
    if mode not in _MODES or mode in _EMULATION_MODES:
        raise window.invalid(_AXLF.size + 28, f"the mode of a build for a card, not {mode}")
    if time > _MAX_TIME:
        raise window.invalid(_AXLF.size + 8, f"seconds since 1970, not {time}")
    sections = _sections(window, number, length)
    bits = [section for section in sections if section.kind == _BITSTREAM] or [
        section for section in sections if section.kind in (_PDI, _PARTIAL_PDI)
    ]
    return Header(
        format=NAME,
        vendor="xilinx",
        payload_size=sum(section.size for section in bits),
        part=_part(window, bits),
        platform=_platform(window, platform),
        interface_ids=_interface_ids(window, interface_id, sections),
        build_id=None if build_id == _NIL else uuids.canonical(build_id.hex()),
        created=datetime.datetime.fromtimestamp(time, datetime.timezone.utc).isoformat() if time else None,
    )


def _sections(window: Window, number: int, length: int) -> list[Section]:
    if not 1 <= number <= _MAX_SECTIONS:
        raise window.invalid(_TABLE - 8, f"1 to {_MAX_SECTIONS} sections, not {number}")
    end = _TABLE + number * _SECTION.size
    table = window.read(_TABLE, end - _TABLE, "the table of sections")
    sections = [Section(kind, offset, size) for kind, _, offset, size in _SECTION.iter_unpack(table)]
    for index, section in enumerate(sections):
        if section.size and not end <= section.offset <= length - section.size:
            at = _TABLE + index * _SECTION.size
            raise window.invalid(
                at, f"a section inside of {end} to {length}, not {section.size} bytes at {section.offset}"
            )
    for kind in _SINGLE:
        if sum(section.kind == kind for section in sections) > 1:
            raise window.invalid(_TABLE, f"one section of kind {kind}")
    ordered = sorted((section for section in sections if section.size), key=lambda section: section.offset)
    for one, other in zip(ordered, ordered[1:]):
        if one.offset + one.size > other.offset:
            raise window.invalid(other.offset, "sections that do not overlap")
    return sections


def _platform(window: Window, data: bytes) -> str | None:
    text = printable(data.partition(b"\0")[0])
    if text is None or b"\0" not in data:
        raise window.invalid(_AXLF.size + 48, "printable text and a zero byte as m_platformVBNV")
    return text or None


def _part(window: Window, bits: list[Section]) -> str | None:
    """Return the part of a .bit in the section BITSTREAM; other content of it does not name its part."""
    for section in bits:
        if section.kind == _BITSTREAM and section.size:  # an empty one may have any offset
            inner = window.within(section.offset, section.size, f"{NAME}'s {xilinx_bit.NAME}")
            if xilinx_bit.matches(inner.head()):
                return xilinx_bit.read_window(inner).part
    return None


def _interface_ids(window: Window, interface_id: bytes, sections: list[Section]) -> tuple[str, ...]:
    texts = [] if interface_id == _NIL else [interface_id.hex()]
    for section in sections:
        if section.kind == _PARTITION_METADATA and section.size:
            blob = window.read(section.offset, section.size, "partition metadata")
            try:
                texts += [
                    value.rstrip(b"\0").decode("latin-1")
                    for name, value in fdt.properties(blob)
                    if name == "interface_uuid"
                ]
            except ValueError as error:
                raise window.invalid(section.offset, f"{error} as partition metadata") from error
    ids = []
    for text in texts:
        found = uuids.canonical(text)
        if found is None:
            raise window.invalid(_TABLE, "a UUID as each interface_uuid of the partition metadata")
        if found not in ids:
            ids.append(found)
    return tuple(ids)
