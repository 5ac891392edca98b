# SPDX-License-Identifier: Apache-2.0
"""Bitstreams made byte by byte from the formats' descriptions, with none of the readers' code and numbers."""

from __future__ import annotations

import errno
import io
import json
import os
import struct
import uuid

FUNCTION_ID = "5e481729-fe54-42e2-90f1-1748a0e803c2"
INTERFACE_ID = "862c7020-a250-293e-3203-6f19956669e5"
BUILD_ID = "283bab8f-654d-8674-968f-4da57f7fa5d7"


class Meter(io.BytesIO):
    """A file that remembers what was read of it, and seeks as one on a disk does."""

    def __init__(self, data: bytes) -> None:
        super().__init__(data)
        self.total = 0
        self.largest = 0

    def seek(self, offset: int, whence: int = 0, /) -> int:
        # ext4 holds 16 TiB in a file; lseek(2) says EINVAL to more, and to what is before the beginning.
        if whence == 0 and not 0 <= offset <= 1 << 44:
            raise OSError(errno.EINVAL, os.strerror(errno.EINVAL))
        return super().seek(offset, whence)

    def read(self, size: int | None = -1, /) -> bytes:
        data = super().read(size)
        self.total += len(data)
        self.largest = max(self.largest, len(data) if size is None or size < 0 else size)
        return data


def crc16(data: bytes, crc: int = 0xFFFF) -> int:
    """The CRC-16 of icestorm's documentation, bit by bit."""
    for byte in data:
        for bit in range(7, -1, -1):
            carry = (crc >> 15) ^ (byte >> bit & 1)
            crc = (crc << 1 & 0xFFFF) ^ (0x1021 if carry else 0)
    return crc


def command(opcode: int, argument: int, size: int = 1) -> bytes:
    return bytes([opcode << 4 | size]) + argument.to_bytes(size, "big")


def bank(number: int, width: int, height: int, fill: int = 0, kind: int = 1) -> bytes:
    """Commands that write one bank."""
    return (
        command(6, width - 1, 2)
        + command(7, height, 2)
        + command(8, 0, 2)
        + command(1, number)
        + command(0, kind)
        + bytes([fill]) * (width * height // 8)
        + b"\0\0"
    )


def ice40(
    comment: bytes | None = f"function {FUNCTION_ID}".encode(),
    size: tuple[int, int] = (182, 80),
    banks: tuple[int, ...] = (0, 1, 2, 3),
    ram: tuple[int, int] = (32, 8),
    body: bytes | None = None,
    crc: bytes | None = None,
    end: bytes = b"\x01\x06\0",
) -> bytes:
    """An iCE40 bitstream; `body` are the commands between the CRC's reset and its check."""
    if body is None:
        body = command(9, 32, 2) + b"".join(bank(number, *size, fill=number) for number in banks)
        body += b"".join(bank(number, *ram, fill=0x5A, kind=3) for number in banks)
    checked = body + b"\x22"
    check = checked + crc16(checked).to_bytes(2, "big") if crc is None else body + crc
    head = b"" if comment is None else b"\xff\0" + comment + b"\0\0\xff"
    return head + bytes.fromhex("7EAA997E") + command(5, 0) + command(0, 5) + check + end


def bit_field(key: str, text: bytes) -> bytes:
    return key.encode() + struct.pack(">H", len(text) + 1) + text + b"\0"


CONFIGURATION = (
    b"\xff" * 32
    + bytes.fromhex("000000bb 11220044 ffffffff ffffffff aa995566 20000000")
    + bytes.fromhex("30008001 00000007 20000000 20000000")  # CMD: RCRC
    + bytes.fromhex("30018001 0362d093")  # IDCODE
    + bytes.fromhex("30008001 00000001 30004000 50000010")  # CMD: WCFG, FDRI, type 2
    + bytes(64)
)


def xilinx_bit(
    a: bytes = f"top;FUNCTION={FUNCTION_ID};UserID=0XCAFE0001;Version=2023.1".encode(),
    b: bytes = b"7a35tcpg236",
    c: bytes = b"2026/11/21",
    d: bytes = b"01:02:03",
    data: bytes = CONFIGURATION,
    length: int | None = None,
) -> bytes:
    """A .bit file."""
    fields = b"".join(bit_field(key, text) for key, text in zip("abcd", (a, b, c, d)))
    head = bytes.fromhex("00090ff00ff00ff00ff0000001")
    return head + fields + b"e" + struct.pack(">I", len(data) if length is None else length) + data


def device_tree(*properties: tuple[str, bytes]) -> bytes:
    """A flattened device tree with the properties in one node below /interfaces."""
    names = b"".join(name.encode() + b"\0" for name, _ in properties)
    tree = struct.pack(">I4xI12sI4s", 1, 1, b"interfaces", 1, b"@0")
    at = 0
    for name, value in properties:
        tree += struct.pack(">III", 3, len(value), at) + value + bytes(-len(value) % 4)
        at += len(name) + 1
    tree += struct.pack(">5I", 4, 2, 2, 2, 9)
    structure = 40 + 16  # behind the header and an empty memory reservation block
    total = structure + len(tree) + len(names)
    header = (0xD00DFEED, total, structure, structure + len(tree), 40, 17, 16, 0, len(names), len(tree))
    return struct.pack(">10I", *header) + bytes(16) + tree + names


PARTITION = device_tree(("interface_uuid", INTERFACE_ID.replace("-", "").encode() + b"\0"))


def xclbin(
    sections: list[tuple[int, bytes]] | None = None,
    *,
    length: int | None = None,
    number: int | None = None,
    mode: int = 1,
    interface_id: bytes = bytes(16),
    platform: bytes = b"xilinx_u250_gen3x16_xdma_shell_3_1",
    build_id: bytes = uuid.UUID(BUILD_ID).bytes,
    time: int = 1_700_000_000,
    extents: dict[int, tuple[int, int]] | None = None,
) -> bytes:
    """An .xclbin; `extents` forges (offset, size) of sections by their place in the table."""
    if sections is None:
        sections = [(0, xilinx_bit()), (8, b"ip layout"), (20, PARTITION)]
    table, data = b"", b""
    start = 456 + 40 * len(sections)
    for index, (kind, content) in enumerate(sections):
        extent = (start + len(data), len(content))
        offset, size = (extents or {}).get(index, extent)
        table += struct.pack("<I16s4xQQ", kind, b"name", offset, size)
        data += content + bytes(-len(content) % 8)
    head = b"xclbin2\0" + struct.pack("<i", -1) + b"\xff" * 28 + bytes(256) + struct.pack("<Q", 1)
    total = start + len(data)
    head += struct.pack("<QQQ", total if length is None else length, time, 0)
    head += struct.pack("<HBBHH", 0, 2, 16, mode, 0) + interface_id + platform.ljust(64, b"\0") + build_id + bytes(16)
    head += struct.pack("<I4x", len(sections) if number is None else number)
    assert len(head) == 456
    return head + table + data


def gbs_metadata(**changes: object) -> dict:
    """The metadata of a .gbs; a change of None takes a member of afu-image away."""
    image = {
        "magic-no": 488605312,
        "interface-uuid": INTERFACE_ID.upper(),
        "power": 50,
        "clock-frequency-low": "auto",
        "accelerator-clusters": [
            {"name": "nlb_400", "total-contexts": 1, "accelerator-type-uuid": FUNCTION_ID.upper()},
        ],
    }
    image.update({name.replace("_", "-"): value for name, value in changes.items()})
    image = {name: value for name, value in image.items() if value is not None}
    return {"version": 1, "platform-name": "DCP_1_0_RC", "afu-image": image}


def gbs(metadata: object | None = None, payload: bytes = b"\xff" * 64, length: int | None = None) -> bytes:
    """A .gbs; metadata that is bytes is taken as it is."""
    data = gbs_metadata() if metadata is None else metadata
    text = data if isinstance(data, bytes) else json.dumps(data).encode()
    return b"XeonFPGA\xb7GBSv001" + struct.pack("<I", len(text) if length is None else length) + text + payload


def rbf(family: str = "cyclone4") -> bytes:
    """The beginning of an .rbf of a family, and some data."""
    return {
        "agilex": bytes.fromhex("95482962") + bytes(8188),
        "arria10": bytes.fromhex("5ca60100") + bytes(96),
        "arria10 core": bytes.fromhex("11223344 5ca60180") + bytes(96),
        "cyclone4": b"\xff" * 32 + bytes.fromhex("6af7f7f7f7f7f7f3fb") + bytes(96),
        "cyclone5": b"\xff" * 128 + bytes.fromhex("6a6a6a6a36f4ffff") + bytes(96),
    }[family]


EVERY = {"gbs": gbs(), "xilinx_bit": xilinx_bit(), "xclbin": xclbin(), "ice40": ice40(), "rbf": rbf()}
