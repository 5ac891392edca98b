# SPDX-License-Identifier: Apache-2.0
"""iCE40 bitstreams: the committed ones, what icepack makes and iceunpack takes, and every way to break one."""

from __future__ import annotations

import functools
import pathlib

import pytest

from fpga_nova import errors
from fpga_nova.formats import ice40
from tests.support import ROOT, bitstreams, reading
from tests.support.bitstreams import command

COMMITTED = sorted((ROOT / "accelerators").glob("*/soft-hx?k.bin"))
BLANKS = sorted((ROOT / "fpga_nova" / "softfpga" / "decoder" / "boards").glob("*.blank.bin"))


read = functools.partial(reading.header, "ice40")
refusal = functools.partial(reading.refusal, "ice40")


@pytest.mark.parametrize("path", COMMITTED, ids=lambda path: f"{path.parent.name}/{path.name}")
def test_committed_core_names_its_part_and_function(path: pathlib.Path) -> None:
    text = (path.parent / "core.json").read_text(encoding="utf-8")
    header = read(path.read_bytes())
    assert header.part == {"soft-hx1k.bin": "1k", "soft-hx8k.bin": "8k"}[path.name]
    assert header.vendor == "lattice"
    assert header.function_id is not None
    assert f'"{header.function_id}"' in text
    assert 0 < header.payload_size < path.stat().st_size


def test_committed_cores_and_blanks_exist() -> None:
    assert COMMITTED
    assert BLANKS


@pytest.mark.parametrize("path", BLANKS, ids=lambda path: path.name)
def test_blank_names_its_part_and_no_function(path: pathlib.Path) -> None:
    header = read(path.read_bytes())
    assert header.part == path.name[2:4]
    assert header.function_id is None


@pytest.mark.parametrize("size,part", ice40.PARTS.items())
def test_part_follows_from_the_size_of_its_memory(size: tuple[int, int], part: str) -> None:
    header = read(bitstreams.ice40(size=size))
    assert (header.part, header.function_id) == (part, bitstreams.FUNCTION_ID)


def test_every_flipped_bit_behind_the_preamble_is_found() -> None:
    data = bitstreams.ice40(comment=None)
    assert read(data).part == "384"
    # The frequency range and the CRC's reset come before what the CRC covers; the end is padding.
    for at in (*range(8, 60), *range(1000, 1016), *range(len(data) - 40, len(data) - 1)):
        for bit in range(8):
            broken = bytearray(data)
            broken[at] ^= 1 << bit
            with pytest.raises(errors.ArchiveInvalid):
                read(bytes(broken))


@pytest.mark.parametrize("size", [*range(80), 500, 1900, 3800, 7400])
def test_file_that_is_cut_off_is_refused(size: int) -> None:
    refusal(bitstreams.ice40()[:size])


def test_comment_with_a_misplaced_end_is_read() -> None:
    # Lattice's own tool is known to put the end of the comment a few bytes into it.
    data = b"\xff\0made by hand\0\0\xff\0" + f"function {bitstreams.FUNCTION_ID.upper()}".encode() + b"\0"
    assert read(data + bitstreams.ice40(comment=None)).function_id == bitstreams.FUNCTION_ID


@pytest.mark.parametrize(
    "comment",
    [
        b"function 5e481729fe5442e290f11748a0e803c",
        b"function 5e48-1729fe5442e290f1-1748a0e803c2",
        b"function 5e481729-fe54-42e2-90f1-1748a0e803c2\0function 00000000-fe54-42e2-90f1-1748a0e803c2",
        b"function -----------------------------------",
    ],
)
def test_comment_without_one_valid_function_is_refused(comment: bytes) -> None:
    assert "one UUID" in refusal(bitstreams.ice40(comment=comment))


def test_other_comments_name_no_function() -> None:
    comment = b"\x1b[31mfunctional \xfe\0functions 5e481729-fe54-42e2-90f1-1748a0e803c2\0icepack"
    assert read(bitstreams.ice40(comment=comment)).function_id is None


def test_comment_beyond_its_bound_is_refused() -> None:
    assert "preamble" in refusal(bitstreams.ice40(comment=b"x" * 5000))


def test_junk_before_the_preamble_is_refused() -> None:
    assert "preamble" in refusal(b"\0" + bitstreams.ice40(comment=None))


def test_wrong_crc_is_refused() -> None:
    assert "corrupt" in refusal(bitstreams.ice40(crc=b"\x22\x12\x34"))


def test_missing_crc_check_is_refused() -> None:
    assert "before the wake-up" in refusal(bitstreams.ice40(crc=b""))


def test_data_behind_the_crc_check_are_refused() -> None:
    # The check passes, the wake-up comes, and one bank was written between them.
    assert "before the wake-up" in refusal(bitstreams.ice40(end=bitstreams.bank(0, 182, 80) + b"\x01\x06\0"))


def test_data_hidden_from_the_crc_by_a_reset_are_refused() -> None:
    body = b"".join(bitstreams.bank(number, 182, 80) for number in range(4))
    tail = b"\x22" + bitstreams.crc16(b"\x22").to_bytes(2, "big")
    assert "before the CRC's reset" in refusal(bitstreams.ice40(body=body, crc=b"\x01\x05" + tail))


def test_missing_bank_is_refused() -> None:
    assert "4 banks" in refusal(bitstreams.ice40(banks=(0, 1, 3)))


def test_memory_of_no_known_part_is_refused() -> None:
    assert "known part" in refusal(bitstreams.ice40(size=(184, 80)))


def test_missing_zeros_behind_a_bank_are_refused() -> None:
    body = bitstreams.bank(0, 182, 80)[:-1] + b"\x01"
    assert "zero bytes" in refusal(bitstreams.ice40(body=body))


@pytest.mark.parametrize(
    "odd",
    [
        command(1, 4),  # there are four banks
        command(0, 2),  # read back
        command(0, 8),  # reboot
        command(4, 0, 3),  # boot address
        command(5, 3),
        command(9, 2),
        command(3, 0),
        command(15, 0),
        command(0, 1, 5),
        command(8, 0, 15),
    ],
)
def test_command_that_no_core_needs_is_refused(odd: bytes) -> None:
    assert "command" in refusal(bitstreams.ice40(body=odd + bitstreams.bank(0, 182, 80)))


def test_bank_larger_than_the_file_is_refused() -> None:
    body = command(6, 0xFFFF, 2) + command(7, 0xFFFF, 2) + command(0, 1)
    assert "536862720 bytes of memory bank" in refusal(bitstreams.ice40(body=body))


def test_only_padding_may_follow_the_wake_up() -> None:
    assert read(bitstreams.ice40(end=b"\x01\x06" + b"\0\xff" * 500)).part == "384"
    assert "padding" in refusal(bitstreams.ice40(end=b"\x01\x06\0\0\x7e"))


def test_file_larger_than_any_part_is_not_read() -> None:
    meter = bitstreams.Meter(bitstreams.ice40() + bytes(1 << 20))
    with pytest.raises(errors.ArchiveInvalid, match="the end of the file"):
        ice40.read(meter)
    assert meter.total == 0
