# SPDX-License-Identifier: Apache-2.0
"""The parser of unpacked bitstreams, over text that may be hostile."""

from __future__ import annotations

import pytest

from fpga_nova import errors
from fpga_nova.softfpga.decoder import asc_parser
from fpga_nova.softfpga.decoder.boards import BOARDS
from tests.support import designs

BITS = "0" * 18
TILE = f".io_tile 1 0\n{(BITS + chr(10)) * 16}"


def test_tile_is_read_bit_for_bit() -> None:
    rows = ["0" * 18] * 16
    rows[3] = "01" + "0" * 15 + "1"
    bits = asc_parser.parse(".device 1k\n.io_tile 4 17\n" + "\n".join(rows) + "\n")
    tile = bits.tiles[4, 17]
    assert (bits.device, tile.kind, tile.width) == ("1k", "io", 18)
    assert [(row, column) for row in range(16) for column in range(18) if tile.bit(row, column)] == [(3, 1), (3, 17)]


def test_comments_and_symbols_are_skipped() -> None:
    text = '.comment\n.. "); system("reboot"); //\nx\n.device 1k\n.sym 3 \\"}; int main(){}\n' + TILE
    assert len(asc_parser.parse(text.replace("..", "!!")).tiles) == 1


@pytest.mark.parametrize(
    "text",
    [
        "void main() {}\n",
        ".device 1k\n.device 8k\n",
        ".device 1k 8k\n",
        ".include /etc/passwd\n",
        ".\n",
        TILE + TILE,
        TILE[:-40],
        TILE.replace("0" * 18, "0" * 17 + ";", 1),
        TILE.replace("0" * 18, "0" * 17, 1),
        TILE.replace("1 0", "1 -1"),
        TILE.replace("1 0", "1 0 0"),
        TILE.replace("1 0", "\u0661 0"),
        TILE.replace("1 0", "999999 0"),
        TILE.replace("\n", "\n.device 1k\n", 1),
        ".ram_data 3 1\n" + "g" * 64 + "\n",
        ".ram_data 3 1\n" + ("0" * 64 + "\n") * 15,
        ".extra_bit 0 0\n",
        ".dsp0_tile 0 5\n",
        ".logic_tile 1 1\n" + "0" * 100 + "\n",
    ],
)
def test_text_that_is_not_an_asc_is_refused(text: str) -> None:
    with pytest.raises(errors.ProgrammingFailed, match=r"^the unpacked bitstream cannot be read: line \d+: "):
        asc_parser.parse(text)


@pytest.mark.parametrize("name", sorted(designs.DESIGNS))
def test_unpacked_bitstream_is_read_whole(name: str) -> None:
    text = designs.unpacked(name)
    bits = asc_parser.parse(text)
    assert bits.device == BOARDS[designs.DESIGNS[name].board].device
    assert len(bits.tiles) == text.count("_tile ")
    assert len(bits.ram_data) == text.count(".ram_data ")
    rows = "".join(line for line in text.splitlines() if set(line) <= {"0", "1"} and len(line) in (18, 42, 54))
    assert sum(bin(tile.bits).count("1") for tile in bits.tiles.values()) == rows.count("1")


def test_block_ram_words_are_in_the_order_of_their_address() -> None:
    row = "".join(f"{word:04x}" for word in range(15, -1, -1))
    bits = asc_parser.parse(".device 1k\n.ram_data 3 1\n" + (row + "\n") * 16)
    assert bits.ram_data[3, 1] == tuple(range(16)) * 16
