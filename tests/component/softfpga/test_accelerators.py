# SPDX-License-Identifier: Apache-2.0
"""The accelerators' committed bitstreams against the libraries that they stand in for: zlib and liblzo2."""

from __future__ import annotations

import ctypes
import ctypes.util
import json
import pathlib
import random
import time
import uuid
import zlib

import hypothesis
import pytest
from hypothesis import strategies

from fpga_nova.softfpga.decoder.boards import BOARDS
from fpga_nova.softfpga.runtime.loaded_fabric import LoadedFabric
from tests.component.softfpga import conftest
from tests.support import toolchain

BOTH_BOARDS = sorted(BOARDS)
PAGE = 4096
LZO_E_INPUT_OVERRUN = -4

#: Messages that a compressor has to think about: repeats at all distances, long runs, and noise.
MESSAGES = strategies.one_of(
    strategies.binary(min_size=1, max_size=600),
    strategies.lists(
        strategies.sampled_from([b"a", b"ab", b"abc", b"\0" * 40, b"the ", b"fox ", b"\xff\x00\x11"]), min_size=1
    ).map(b"".join),
    strategies.builds(
        lambda seed, count, letters: bytes(random.Random(seed).choices(range(letters), k=count)),
        strategies.integers(0, 1 << 32),
        strategies.integers(1, PAGE),
        strategies.sampled_from([2, 3, 16, 256]),
    ),
)
SETTINGS = hypothesis.settings(max_examples=80, deadline=None)


def _fabrics(core: str, directory: pathlib.Path) -> dict[str, LoadedFabric]:
    return {
        board: toolchain.load(board, (conftest.ACCELERATORS / core / f"{board}.bin").read_bytes(), directory)
        for board in BOTH_BOARDS
    }


@pytest.fixture(scope="session")
def crc(state_path: pathlib.Path) -> dict[str, LoadedFabric]:
    return _fabrics("crc32", state_path / "cache/fabrics")


@pytest.fixture(scope="session")
def lzo(state_path: pathlib.Path) -> dict[str, LoadedFabric]:
    return _fabrics("lzo", state_path / "cache/fabrics")


@pytest.mark.parametrize("board", BOTH_BOARDS)
def test_crc32_agrees_with_zlib(crc: dict[str, LoadedFabric], board: str) -> None:
    @SETTINGS
    @hypothesis.given(MESSAGES, strategies.integers(1, 700))
    def check(message: bytes, piece: int) -> None:
        assert toolchain.ask(crc[board], message, piece) == zlib.crc32(message).to_bytes(4, "big")

    check()


def _decompress(stream: bytes, size: int) -> tuple[int, bytes]:
    """Decompress a stream by liblzo2: its return code and the bytes."""
    library = ctypes.CDLL(ctypes.util.find_library("lzo2"))
    room = ctypes.c_ulong(size + 64)
    out = ctypes.create_string_buffer(room.value)
    code = library.lzo1x_decompress_safe(stream, ctypes.c_ulong(len(stream)), out, ctypes.byref(room), None)
    return code, out.raw[: room.value]


@pytest.mark.parametrize("board", BOTH_BOARDS)
def test_liblzo2_restores_the_message(lzo: dict[str, LoadedFabric], board: str) -> None:
    @SETTINGS
    @hypothesis.given(MESSAGES, strategies.integers(1, 700))
    def check(message: bytes, piece: int) -> None:
        assert _decompress(toolchain.ask(lzo[board], message, piece), len(message)) == (0, message)

    check()


def test_runs_of_every_length_are_restored(lzo: dict[str, LoadedFabric]) -> None:
    """The announcements of a run change form at 4, 19, 274 and every 255 from there."""
    noise = random.Random(7).randbytes(PAGE)
    lengths = [*range(1, 40), *range(270, 280), *range(525, 533), *range(PAGE - 20, PAGE + 1)]
    for length in lengths:
        for message in (noise[:length], b"abcabc" + noise[:length], noise[:length] + noise[:length]):
            if len(message) > PAGE + 64:
                message = message[:PAGE]
            assert _decompress(toolchain.ask(lzo["soft-hx1k"], message), len(message)) == (0, message), length


def test_matches_of_every_length_and_distance_are_restored(lzo: dict[str, LoadedFabric]) -> None:
    noise = random.Random(8).randbytes(PAGE)
    for distance in [*range(1, 12), 255, 256, 257, 2047, 2048, 2049, 3000, 4000, 4080]:
        for length in [3, 4, 7, 8, 9, 10, 32, 33, 34, 35, 66, 67, 100]:
            message = noise[: max(distance, 1)]
            while len(message) < distance + length:
                message += message[-distance : len(message) - distance + (distance + length - len(message))] or b""
            message += b"\x01\x02"
            if distance + 2 <= PAGE:
                assert _decompress(toolchain.ask(lzo["soft-hx1k"], message), len(message)) == (0, message)


def _text(size: int) -> bytes:
    """A text: the words of a licence that every Debian has, in a repeatable disorder."""
    words = pathlib.Path("/usr/share/common-licenses/GPL-3").read_bytes().split(b" ")
    return b" ".join(random.Random(5).choices(words, k=size))[:size]


@pytest.mark.parametrize("board", BOTH_BOARDS)
def test_text_of_64_kib_is_compressed_and_restored(lzo: dict[str, LoadedFabric], board: str) -> None:
    text = _text(1 << 16)
    start = time.process_time()
    stream = toolchain.ask(lzo[board], text)
    assert len(text) / (time.process_time() - start) > 50_000
    assert len(stream) < 0.75 * len(text)
    assert _decompress(stream, len(text)) == (0, text)


def test_zeros_shrink_tenfold(lzo: dict[str, LoadedFabric]) -> None:
    message = bytes(1 << 16)
    stream = toolchain.ask(lzo["soft-hx1k"], message)
    assert len(stream) * 10 < len(message)
    assert _decompress(stream, len(message)) == (0, message)


@pytest.mark.parametrize("start", [b"", b"match match match "])
def test_noise_longer_than_the_ring_is_refused_by_a_decompressor(lzo: dict[str, LoadedFabric], start: bytes) -> None:
    message = start + random.Random(3).randbytes(20_000)
    stream = toolchain.ask(lzo["soft-hx1k"], message)
    assert _decompress(stream, len(message))[0] == LZO_E_INPUT_OVERRUN
    # And the next message is as good as ever.
    assert _decompress(toolchain.ask(lzo["soft-hx1k"], message[:PAGE]), PAGE) == (0, message[:PAGE])


@pytest.mark.parametrize("core", ["crc32", "lzo"])
def test_description_agrees_with_the_bitstreams(core: str) -> None:
    description = json.loads((conftest.ACCELERATORS / core / "core.json").read_text())
    assert description["name"] == core
    assert [entry["board"] for entry in description["bitstreams"]] == BOTH_BOARDS
    for entry in description["bitstreams"]:
        content = (conftest.ACCELERATORS / core / entry["file"]).read_bytes()
        assert entry["interface_id"] == BOARDS[entry["board"]].interface_id
        # A lone bitstream says in its header what it is.
        function = str(uuid.UUID(description["function"]["id"]))
        assert content.startswith(b"\xff\x00function " + function.encode() + b"\0\x00\xff")
