# SPDX-License-Identifier: Apache-2.0
"""The rules of every format: which one is asked first, what hostile bytes can do, how much is read."""

from __future__ import annotations

import io
import tracemalloc

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from fpga_nova import errors, formats
from fpga_nova.formats import window
from fpga_nova.system import uuids
from tests.support.bitstreams import EVERY, Meter

#: No reader takes more of a file than an iCE40 file may have, and a head to see what it is.
MOST = (1 << 18) + 2 * window.HEAD_SIZE


@pytest.mark.parametrize("name", EVERY)
def test_identify(name: str) -> None:
    header = formats.identify(io.BytesIO(EVERY[name]))
    assert header is not None
    assert (header.format, header.vendor) == (name, formats.FORMATS[name].vendor)
    assert header == formats.FORMATS[name].read(io.BytesIO(EVERY[name]))


@pytest.mark.parametrize("name", EVERY)
def test_one_format_alone_claims_a_file(name: str) -> None:
    claims = [format.name for format in formats.FORMATS.values() if format.matches(EVERY[name][: window.HEAD_SIZE])]
    assert claims == [name]


@pytest.mark.parametrize("name", ["gbs", "xilinx_bit", "xclbin", "ice40"])
@pytest.mark.parametrize("other", EVERY)
def test_no_reader_takes_another_format(name: str, other: str) -> None:
    if name != other:
        with pytest.raises(errors.ArchiveInvalid, match=f"{name} bitstream, offset 0: expected"):
            formats.FORMATS[name].read(io.BytesIO(EVERY[other]))


@pytest.mark.parametrize("data", [b"", b"\0", b"\x7fELF", b"PK\3\4", b"xclbin2", b"\xff\0 no preamble"])
def test_file_of_no_format_is_not_identified(data: bytes) -> None:
    assert formats.identify(io.BytesIO(data)) is None


def hostile(read, data: bytes) -> formats.Header | None:
    """Read with a meter; for any bytes, ArchiveInvalid is the only error that may come."""
    meter = Meter(data)
    try:
        return read(meter)
    except errors.ArchiveInvalid as error:
        assert "\n" not in str(error)
        assert str(error).isprintable()
        return None
    finally:
        assert meter.total <= MOST
        assert meter.largest <= window.MAX_READ


READERS = [formats.identify, *(format.read for format in formats.FORMATS.values())]


@settings(deadline=None, max_examples=300)
@given(st.binary(max_size=2000))
def test_random_bytes(data: bytes) -> None:
    for read in READERS:
        hostile(read, data)


@settings(deadline=None, max_examples=300)
@given(st.sampled_from(sorted(EVERY)), st.binary(max_size=600))
def test_random_bytes_behind_a_magic(name: str, data: bytes) -> None:
    hostile(formats.identify, EVERY[name][:20] + data)


@st.composite
def mutations(draw: st.DrawFn) -> tuple[str, bytes]:
    """A good file with a few stretches overwritten, taken out or put in, mostly where headers are."""
    name = draw(st.sampled_from(sorted(EVERY)))
    data = bytearray(EVERY[name])
    for _ in range(draw(st.integers(1, 4))):
        at = draw(st.integers(0, min(len(data), 800)) | st.integers(0, len(data)))
        gone = draw(st.integers(0, 8))
        new = draw(st.binary(max_size=8) | st.sampled_from([b"\xff" * 8, bytes(8), b"\xff" * 4, bytes(4), b"\x7f"]))
        data[at : at + gone] = new
    return name, bytes(data)


@settings(deadline=None, max_examples=1000, suppress_health_check=[HealthCheck.too_slow])
@given(mutations())
def test_mutated_files(case: tuple[str, bytes]) -> None:
    name, data = case
    for read in (formats.identify, formats.FORMATS[name].read):
        header = hostile(read, data)
        if header is not None:
            assert 0 <= header.payload_size <= len(data)
            for text in (header.part, header.platform, header.design, header.created):
                assert text is None or text.isprintable()
            for found in (*header.interface_ids, header.function_id, header.build_id):
                assert found is None or uuids.canonical(found) == found


def test_file_that_shrinks_while_it_is_read_is_refused() -> None:
    class Shrinking(Meter):
        def seek(self, offset: int, whence: int = 0, /) -> int:
            end = super().seek(offset, whence)
            if whence == 2:
                self.truncate(300)
            return end

    with pytest.raises(errors.ArchiveInvalid, match="the file is shorter than it was"):
        formats.FORMATS["ice40"].read(Shrinking(EVERY["ice40"]))


@pytest.mark.parametrize("name", EVERY)
def test_memory_does_not_grow_with_the_file(name: str) -> None:
    class Endless(io.RawIOBase):
        """The good file with 4 GiB of 0xff behind it, none of which is anywhere."""

        size = 4 << 30
        at = 0

        def seekable(self) -> bool:
            return True

        def readable(self) -> bool:
            return True

        def seek(self, offset: int, whence: int = 0) -> int:
            self.at = offset + (0, self.at, self.size)[whence]
            return self.at

        def read(self, size: int = -1) -> bytes:
            assert 0 <= size <= window.MAX_READ
            data = EVERY[name][self.at : self.at + size]
            data += b"\xff" * (min(size, self.size - self.at) - len(data))
            self.at += len(data)
            return data

    tracemalloc.start()
    try:
        hostile_file = Endless()
        try:
            formats.identify(hostile_file)
        except errors.ArchiveInvalid:
            assert name in ("ice40", "xilinx_bit")  # the two that end where they say they end
        assert tracemalloc.get_traced_memory()[1] < 1 << 20
    finally:
        tracemalloc.stop()
