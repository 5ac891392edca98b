# SPDX-License-Identifier: Apache-2.0
"""Xilinx .bit files: those that come with openFPGALoader, and every field missing, cut off, too long or forged."""

from __future__ import annotations

import functools
import gzip
import pathlib

import pytest

from fpga_nova import formats
from fpga_nova.formats import xilinx_bit
from tests.support import bitstreams, reading

PACKAGED = sorted(pathlib.Path("/usr/share/openFPGALoader").glob("*_xc*.bit.gz"))

#: IDCODEs of UG470 and UG570, table "JTAG and IDCODE", without the revision in the upper four bits.
IDCODES = {"7a35t": 0x362D093, "7a100t": 0x3631093, "7k325t": 0x3651093, "7s50": 0x362F093, "xcvu9p": 0x4B31093}


read = functools.partial(reading.header, "xilinx_bit")
refusal = functools.partial(reading.refusal, "xilinx_bit")


def test_all_fields() -> None:
    assert read(bitstreams.xilinx_bit()) == formats.Header(
        format="xilinx_bit",
        vendor="xilinx",
        payload_size=len(bitstreams.CONFIGURATION),
        part="7a35tcpg236",
        function_id=bitstreams.FUNCTION_ID,
        design="top",
        user_id=0xCAFE0001,
        idcode=0x0362D093,
        created="2026-11-21T01:02:03",
    )


@pytest.mark.skipif(not PACKAGED, reason="openFPGALoader is not installed")
@pytest.mark.parametrize("path", PACKAGED, ids=lambda path: path.name)
def test_real_file_is_read(path: pathlib.Path) -> None:
    data = gzip.decompress(path.read_bytes())
    meter = bitstreams.Meter(data)
    header = formats.identify(meter)
    assert header is not None
    named = path.name.removeprefix("spiOverJtag_").removesuffix(".bit.gz")
    part = str(header.part)
    assert (part if part.startswith("xc") else "xc" + part).startswith(named)
    assert header.design is not None
    assert "spiOverJtag" in header.design
    assert header.user_id is None
    assert len(data) - 200 < header.payload_size < len(data)
    assert meter.total < 16384
    for prefix, idcode in IDCODES.items():
        if part.startswith(prefix):
            assert header.idcode == idcode


@pytest.mark.parametrize("size", [*range(140), len(bitstreams.xilinx_bit()) - 1])
def test_file_that_is_cut_off_is_refused(size: int) -> None:
    refusal(bitstreams.xilinx_bit()[:size])


@pytest.mark.parametrize("key", "abcde")
def test_missing_field_is_refused(key: str) -> None:
    data = bitstreams.xilinx_bit()
    at = {"e": data.index(b"e\0\0\0")}.get(key)
    if at is None:
        at = data.index(bitstreams.bit_field(key, {"a": b"top"}.get(key, b""))[:1] + b"\0", 12)
    assert f"the key '{key}'" in refusal(data[:at] + b"z" + data[at + 1 :])


@pytest.mark.parametrize("key", "abcd")
@pytest.mark.parametrize("text", [b"x" * 1024, b"a\nb", b"a\x1b[2Jb", b"caf\xe9", b"a\0b"])
def test_field_too_long_or_not_printable_is_refused(key: str, text: bytes) -> None:
    assert f"field '{key}'" in refusal(bitstreams.xilinx_bit(**{key: text}))


def test_empty_field_is_refused() -> None:
    head = bytes.fromhex("00090ff00ff00ff00ff0000001")
    assert "length of field 'a'" in refusal(head + b"a\0\0b\0\1\0")


def test_field_without_its_zero_is_refused() -> None:
    assert "field 'b'" in refusal(bitstreams.xilinx_bit().replace(b"7a35tcpg236\0", b"7a35tcpg2367"))


def test_missing_part_is_refused() -> None:
    assert "a part in field 'b'" in refusal(bitstreams.xilinx_bit(b=b""))


@pytest.mark.parametrize("change", [-1, 1, 0x7FFF0000])
def test_length_that_differs_from_the_data_is_refused(change: int) -> None:
    assert "the length of the data" in refusal(bitstreams.xilinx_bit(length=len(bitstreams.CONFIGURATION) + change))


@pytest.mark.parametrize("data", [b"", bytes(2000), bytes(1021) + bytes.fromhex("aa995566")])
def test_data_without_a_sync_word(data: bytes) -> None:
    assert "sync word" in refusal(bitstreams.xilinx_bit(data=data))


@pytest.mark.parametrize(
    "c,d", [(b"21.11.2026", b"01:02:03"), (b"2026/11/21", b"1:2"), (b"", b""), (b"2026/11/21", b"")]
)
def test_invalid_date_or_time_is_refused(c: bytes, d: bytes) -> None:
    assert "a date" in refusal(bitstreams.xilinx_bit(c=c, d=d))


@pytest.mark.parametrize(
    "a,expected",
    [
        (b"top;FUNCTION=nonsense", "a UUID as attribute FUNCTION"),
        (b"top;UserID=0X123456789", "attribute UserID"),
        (b"top;UserID=", "attribute UserID"),
        (b"top;UserID=1;USERID=2", "one attribute USERID"),
    ],
)
def test_attributes_that_are_none(a: bytes, expected: str) -> None:
    assert expected in refusal(bitstreams.xilinx_bit(a=a))


@pytest.mark.parametrize("a,user_id", [(b"t;UserID=0XFFFFFFFF", None), (b"t", None), (b"t;UserID=0", 0), (b"", None)])
def test_user_ids(a: bytes, user_id: int | None) -> None:
    header = read(bitstreams.xilinx_bit(a=a))
    assert (header.user_id, header.function_id) == (user_id, None)


@pytest.mark.parametrize(
    "packets",
    [
        "",
        "30018001",  # IDCODE, and no word
        "30018001 12345678",  # a register of an older family: no code of Xilinx
        "30a10007 20002000 30018001 0362d093",  # 16-bit packets
        "50000001 30018001 0362d093",  # frames come first
        "300087ff 30018001 0362d093",  # a packet longer than the data
    ],
)
def test_data_without_an_idcode_name_none(packets: str) -> None:
    assert read(bitstreams.xilinx_bit(data=bytes.fromhex("ffffffffaa995566" + packets))).idcode is None


def test_long_file_is_not_read_whole() -> None:
    data = bitstreams.CONFIGURATION + bytes(16 << 20)
    meter = bitstreams.Meter(bitstreams.xilinx_bit(data=data))
    assert xilinx_bit.read(meter).payload_size == len(data)
    assert meter.total < 8192
