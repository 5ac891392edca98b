# SPDX-License-Identifier: Apache-2.0
"""Xilinx bitstreams (.bit): fields that describe a design, then the configuration data.

Sources: FPGA-FAQ 0026, "Tell me about the .BIT file format" (the fields; Xilinx publishes no description of them), and
for the data Xilinx UG470, "7 Series FPGAs Configuration": tables "Type 1 Packet Header Format", "Type 2 Packet Header",
"Type 1 Packet Registers", and "Sync Word"; UltraScale's UG570 has the same.

Field ``a`` holds the design's name and attributes: ``top;UserID=0XFFFFFFFF;Version=2018.3``. Vivado writes UserID (all
ones if none was chosen). FUNCTION=<uuid> is not an attribute of Vivado; it is this project's way to label such a file.
"""

from __future__ import annotations

import re
import struct
from typing import IO

from fpga_nova.formats.header import Header
from fpga_nova.formats.window import Window, printable
from fpga_nova.system import uuids

NAME = "xilinx_bit"

# A field of nine bytes, always these, and the length 1 of the key "a" behind it.
_MAGIC = bytes.fromhex("0009 0ff00ff00ff00ff000 0001")
_MAX_FIELD = 1024

_DATE = re.compile(r"(\d{4})/(\d{2})/(\d{2})", re.ASCII)
_TIME = re.compile(r"\d{2}:\d{2}:\d{2}", re.ASCII)
_USER_ID = re.compile(r"(?:0[xX])?([0-9a-fA-F]{1,8})", re.ASCII)
_NO_USER_ID = 0xFFFFFFFF

_SYNC = bytes.fromhex("AA995566")
# The dummy words and the bus width pattern before the sync word take less than 200 bytes on any part.
_SYNC_WITHIN = 1024
# IDCODE is checked before the frames, among some dozens of packets.
_IDCODE_WITHIN = 4096
_TYPE_1, _WRITE = 0b001, 0b10
_REGISTER_IDCODE = 0b01100
_REGISTERS = 32
# UG470, "JTAG IDCODE": the lowest twelve bits are the manufacturer's, Xilinx's code and the 1 of IEEE 1149.1. Older
# families have another register where IDCODE is, and what is written there is taken for none.
_MANUFACTURER_MASK, _XILINX = 0xFFF, 0x093


def matches(head: bytes) -> bool:
    """Whether a file with this beginning is a .bit."""
    return head.startswith(_MAGIC)


def read(file: IO[bytes]) -> Header:
    """Read a bitstream's fields and the IDCODE that its data ask for.

    :raises fpga_nova.errors.ArchiveInvalid: a field is missing, cut off, or not what it should be
    """
    return read_window(Window(file, NAME))


def read_window(window: Window) -> Header:
    """Read the header of a bitstream that is all of `window`."""
    if window.head(len(_MAGIC)) != _MAGIC:
        raise window.invalid(0, f"the field {_MAGIC[2:11].hex()} before the key 'a'")
    at = len(_MAGIC)
    description, part_at = _field(window, at, "a")
    part, date_at = _field(window, part_at, "b")
    date, time_at = _field(window, date_at, "c")
    time, at = _field(window, time_at, "d")
    at = _key(window, at, "e")
    (size,) = struct.unpack(">I", window.read(at, 4, "the length of the data"))
    at += 4
    if size != window.size - at:
        raise window.invalid(at - 4, f"the length of the data, {window.size - at}, not {size}")
    if not part:
        raise window.invalid(part_at, "a part in field 'b'")
    design, *attributes = description.split(";")
    return Header(
        format=NAME,
        vendor="xilinx",
        payload_size=size,
        part=part,
        function_id=_function_id(window, attributes),
        design=design or None,
        user_id=_user_id(window, attributes),
        idcode=_idcode(window, at),
        created=_created(window, date_at, date, time),
    )


def _key(window: Window, at: int, key: str) -> int:
    if window.read(at, 1, f"the key {key!r}") != key.encode("ascii"):
        raise window.invalid(at, f"the key {key!r}")
    return at + 1


def _field(window: Window, at: int, key: str) -> tuple[str, int]:
    """Return a field's text and the offset behind it."""
    at = _key(window, at, key)
    (length,) = struct.unpack(">H", window.read(at, 2, f"the length of field {key!r}"))
    if not 1 <= length <= _MAX_FIELD:
        raise window.invalid(at, f"a length of field {key!r} from 1 to {_MAX_FIELD}, not {length}")
    data = window.read(at + 2, length, f"field {key!r}")
    text = printable(data[:-1])
    if data[-1] or text is None:
        raise window.invalid(at + 2, f"printable text and a zero byte in field {key!r}")
    return text, at + 2 + length


def _attribute(window: Window, attributes: list[str], name: str) -> str | None:
    values = {value for key, _, value in (text.partition("=") for text in attributes) if key.upper() == name}
    if len(values) > 1:
        raise window.invalid(len(_MAGIC), f"one attribute {name} in field 'a', not {len(values)}")
    return values.pop() if values else None


def _function_id(window: Window, attributes: list[str]) -> str | None:
    text = _attribute(window, attributes, "FUNCTION")
    if text is None:
        return None
    function_id = uuids.canonical(text)
    if function_id is None:
        raise window.invalid(len(_MAGIC), "a UUID as attribute FUNCTION in field 'a'")
    return function_id


def _user_id(window: Window, attributes: list[str]) -> int | None:
    text = _attribute(window, attributes, "USERID")
    if text is None:
        return None
    match = _USER_ID.fullmatch(text)
    if not match:
        raise window.invalid(len(_MAGIC), "up to 8 hexadecimal digits as attribute UserID in field 'a'")
    user_id = int(match.group(1), 16)
    return None if user_id == _NO_USER_ID else user_id


def _created(window: Window, at: int, date: str, time: str) -> str:
    match = _DATE.fullmatch(date)
    if not match or not _TIME.fullmatch(time):
        raise window.invalid(at, "a date yyyy/mm/dd in field 'c' and a time hh:mm:ss in field 'd'")
    return f"{'-'.join(match.groups())}T{time}"


def _idcode(window: Window, at: int) -> int | None:
    """Return the IDCODE that the data write; None where they are encrypted, or those of a family with other packets."""
    data = window.read(at, min(_IDCODE_WITHIN, window.size - at), "configuration data")
    sync = data.find(_SYNC, 0, _SYNC_WITHIN)
    if sync < 0:
        raise window.invalid(at, f"the sync word {_SYNC.hex()} in the first {_SYNC_WITHIN} bytes of the data")
    begin = sync + len(_SYNC)
    words = struct.unpack_from(f">{(len(data) - begin) // 4}I", data, begin)
    index = 0
    while index < len(words):
        word = words[index]
        operation, register, count = word >> 27 & 0b11, word >> 13 & 0x3FFF, word & 0x7FF
        if word >> 29 != _TYPE_1 or register >= _REGISTERS:
            return None
        if operation == _WRITE and register == _REGISTER_IDCODE and count == 1 and index + 1 < len(words):
            idcode = words[index + 1]
            return idcode if idcode & _MANUFACTURER_MASK == _XILINX else None
        index += 1 + count
    return None
