# SPDX-License-Identifier: Apache-2.0
"""Containers .xclbin: header, table of sections, shells and part, and how each can lie."""

from __future__ import annotations

import functools
import struct
import uuid

import pytest

from fpga_nova import formats
from fpga_nova.formats import fdt, xclbin
from tests.support import bitstreams, reading

read = functools.partial(reading.header, "xclbin")
refusal = functools.partial(reading.refusal, "xclbin")


def test_all_fields() -> None:
    assert read(bitstreams.xclbin()) == formats.Header(
        format="xclbin",
        vendor="xilinx",
        payload_size=len(bitstreams.xilinx_bit()),
        part="7a35tcpg236",
        platform="xilinx_u250_gen3x16_xdma_shell_3_1",
        interface_ids=(bitstreams.INTERFACE_ID,),
        build_id=bitstreams.BUILD_ID,
        created="2023-11-14T22:13:20+00:00",
    )


def test_fields_that_are_empty() -> None:
    header = read(bitstreams.xclbin([(8, b"layout")], platform=b"", build_id=bytes(16), time=0))
    assert header == formats.Header(format="xclbin", vendor="xilinx", payload_size=0)


def test_section_that_is_not_a_bit_file_names_no_part() -> None:
    header = read(bitstreams.xclbin([(0, b"raw bits")]))
    assert (header.part, header.payload_size) == (None, 8)


@pytest.mark.parametrize("offset", [1 << 60, (1 << 64) - 1])
def test_empty_bitstream_section_may_have_any_offset(offset: int) -> None:
    """No file on a disk has the one offset; the other cannot even be asked for."""
    header = read(bitstreams.xclbin([(0, b""), (8, b"layout")], extents={0: (offset, 0)}))
    assert (header.part, header.payload_size) == (None, 0)


def test_programmable_device_images_of_versal() -> None:
    assert read(bitstreams.xclbin([(18, b"12345"), (19, b"678"), (8, b"x")])).payload_size == 8


def test_interfaces_come_from_header_and_metadata() -> None:
    header = read(bitstreams.xclbin(interface_id=uuid.UUID(bitstreams.FUNCTION_ID).bytes))
    assert header.interface_ids == (bitstreams.FUNCTION_ID, bitstreams.INTERFACE_ID)
    same = read(bitstreams.xclbin(interface_id=uuid.UUID(bitstreams.INTERFACE_ID).bytes))
    assert same.interface_ids == (bitstreams.INTERFACE_ID,)


def test_broken_bit_file_in_a_section_is_refused() -> None:
    text = refusal(bitstreams.xclbin([(0, bitstreams.xilinx_bit(length=3))]))
    assert text.startswith("xclbin's xilinx_bit bitstream, offset ")


@pytest.mark.parametrize("size", [*range(0, 456, 8), 455, 456, 470, 575, 600, len(bitstreams.xclbin()) - 1])
def test_file_that_is_cut_off_is_refused(size: int) -> None:
    refusal(bitstreams.xclbin()[:size])


@pytest.mark.parametrize("length", [0, 455, len(bitstreams.xclbin()) + 1, 2**64 - 1])
def test_length_that_differs_from_the_file_is_refused(length: int) -> None:
    assert "a length from 456" in refusal(bitstreams.xclbin(length=length))


@pytest.mark.parametrize("number", [0, 1025, 0xFFFFFFFF])
def test_invalid_number_of_sections_is_refused(number: int) -> None:
    assert "sections" in refusal(bitstreams.xclbin(number=number))


def test_table_longer_than_the_file_is_refused() -> None:
    assert "the table of sections" in refusal(bitstreams.xclbin([(8, b"")], number=1024))


@pytest.mark.parametrize("mode", [4, 5, 6, 7, 0xFFFF])
def test_emulation_or_unknown_mode_is_refused(mode: int) -> None:
    assert "mode" in refusal(bitstreams.xclbin(mode=mode))


@pytest.mark.parametrize("time", [253402300800, 2**64 - 1])
def test_invalid_time_is_refused(time: int) -> None:
    assert "seconds" in refusal(bitstreams.xclbin(time=time))


@pytest.mark.parametrize("platform", [b"x" * 64, b"a\x1b[2J", b"\xe9"])
def test_platform_that_is_not_text_is_refused(platform: bytes) -> None:
    assert "m_platformVBNV" in refusal(bitstreams.xclbin(platform=platform))


@pytest.mark.parametrize("extent", [(0, 8), (575, 8), (2**64 - 1, 8), (600, 2**64 - 1), (2**64 - 8, 2**64 - 8)])
def test_section_outside_of_the_file_is_refused(extent: tuple[int, int]) -> None:
    assert "a section inside" in refusal(bitstreams.xclbin(extents={1: extent}))


def test_sections_that_overlap() -> None:
    assert "overlap" in refusal(bitstreams.xclbin([(8, b"12345678"), (9, b"12345678")], extents={1: (540, 8)}))


def test_empty_section_may_have_any_offset() -> None:
    assert read(bitstreams.xclbin(extents={1: (0, 0)})).part == "7a35tcpg236"


@pytest.mark.parametrize("kind,content", [(0, b"bits"), (20, bitstreams.PARTITION)])
def test_second_section_of_a_kind_is_refused(kind: int, content: bytes) -> None:
    assert f"one section of kind {kind}" in refusal(bitstreams.xclbin([(kind, content), (kind, content)]))


@pytest.mark.parametrize(
    "blob",
    [
        b"x",
        bytes(200),
        bitstreams.PARTITION[:-20],
        bitstreams.device_tree(("interface_uuid", b"nonsense\0")),
        bitstreams.device_tree(("interface_uuid", b"\xff" * 32)),
        bitstreams.device_tree(("interface_uuid", b"")),
    ],
)
def test_partition_metadata_that_are_none(blob: bytes) -> None:
    assert "partition metadata" in refusal(bitstreams.xclbin([(20, blob)]))


def test_partition_metadata_too_long() -> None:
    assert "at most 65536" in refusal(bitstreams.xclbin([(20, bytes(70000))]))


def test_other_properties_name_no_interface() -> None:
    blob = bitstreams.device_tree(("reg", b"123"), ("interface_uuid", bitstreams.BUILD_ID.encode() + b"\0"), ("x", b""))
    assert read(bitstreams.xclbin([(20, blob)])).interface_ids == (bitstreams.BUILD_ID,)


def changed(field: int, value: int, blob: bytes = bitstreams.PARTITION) -> bytes:
    header = list(struct.unpack_from(">10I", blob))
    header[field] = value
    return struct.pack(">10I", *header) + blob[40:]


@pytest.mark.parametrize(
    "blob",
    [
        changed(1, 0xFFFFFFFF),  # total size
        changed(2, 0xFFFFFFF0),  # structure block
        changed(2, 57),
        changed(3, 0xFFFFFFF0),  # strings block
        changed(8, 0xFFFFFFFF),
        changed(9, 0xFFFFFFFF),
        changed(9, 16),  # cut off in the tree
        changed(9, 4),  # in a node's name
        changed(9, 36),  # in a property
        changed(8, 3),  # cut off in the name
        bitstreams.PARTITION.replace(struct.pack(">I", 33), struct.pack(">I", 0xFFFFFFF0)),  # a property's length
        bitstreams.PARTITION.replace(struct.pack(">II", 33, 0), struct.pack(">II", 33, 500)),  # a property's name
        bitstreams.PARTITION.replace(struct.pack(">3I", 4, 2, 2), struct.pack(">3I", 7, 2, 2)),  # an unknown token
        bitstreams.PARTITION.replace(struct.pack(">3I", 2, 2, 2), struct.pack(">3I", 2, 2, 4)),  # not closed
        bitstreams.PARTITION.replace(struct.pack(">3I", 4, 2, 2), struct.pack(">3I", 2, 2, 2)),  # closed too often
    ],
)
def test_broken_device_tree_is_refused(blob: bytes) -> None:
    with pytest.raises(ValueError, match="device tree"):
        list(fdt.properties(blob))


def test_long_file_is_not_read_whole() -> None:
    meter = bitstreams.Meter(
        bitstreams.xclbin([(0, bitstreams.xilinx_bit()), (2, bytes(16 << 20)), (20, bitstreams.PARTITION)])
    )
    assert xclbin.read(meter).interface_ids == (bitstreams.INTERFACE_ID,)
    assert meter.total < 16384
