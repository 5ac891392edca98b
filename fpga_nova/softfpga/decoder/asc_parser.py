# SPDX-License-Identifier: Apache-2.0
"""Parser of icestorm's .asc text, the unpacked form of an iCE40 bitstream.

The text comes from a tenant's file by way of iceunpack, so nothing in it is trusted: only the statements of the
format's documentation (Project IceStorm, "The ASCII file format") are known, only digits are taken from them, and
comments and symbols are skipped unread.
"""

from __future__ import annotations

import dataclasses
import re
from collections.abc import Iterator

from fpga_nova import errors

TILE_ROWS = 16
_TILES = {".io_tile": "io", ".logic_tile": "logic", ".ramb_tile": "ramb", ".ramt_tile": "ramt"}
_NUMBER = re.compile(r"[0-9]{1,5}\Z", re.ASCII)
_BITS = re.compile(r"[01]{1,64}\Z", re.ASCII)
_HEX = re.compile(r"[0-9a-f]{64}\Z", re.ASCII)


@dataclasses.dataclass(frozen=True)
class Tile:
    """The configuration bits of one tile.

    :param kind: ``io``, ``logic``, ``ramb`` or ``ramt``
    :param width: bits in a row; there are 16 rows
    :param bits: bit ``row * width + column`` is B<row>[<column>] of icestorm's documentation
    """

    kind: str
    width: int
    bits: int

    def bit(self, row: int, column: int) -> bool:
        """Whether B<row>[<column>] is set."""
        return bool(self.bits >> (row * self.width + column) & 1)


@dataclasses.dataclass
class AscFile:
    """The content of one .asc. Positions are (x, y)."""

    device: str = ""
    tiles: dict[tuple[int, int], Tile] = dataclasses.field(default_factory=dict)
    #: 256 words of 16 bits each
    ram_data: dict[tuple[int, int], tuple[int, ...]] = dataclasses.field(default_factory=dict)
    extra_bits: set[tuple[int, int, int]] = dataclasses.field(default_factory=set)


def parse(text: str) -> AscFile:
    """Return the content of an .asc text.

    :raises fpga_nova.errors.ProgrammingFailed: it is not an .asc, or has a statement that no HX part has
    """
    asc = AscFile()
    lines = iter(enumerate(text.split("\n"), start=1))
    in_comment = False
    for number, line in lines:
        words = line.split()
        if not line.startswith("."):
            if words and not in_comment:
                raise _refused(number, "data outside of a block")
            continue
        in_comment = False
        statement, arguments = words[0], words[1:]
        if statement == ".comment":
            in_comment = True
        elif statement == ".sym":
            continue
        elif statement == ".device" and len(arguments) == 1 and not asc.device:
            asc.device = arguments[0] if re.fullmatch("[a-z0-9]{1,8}", arguments[0]) else "?"
        elif statement == ".warmboot" and arguments in (["disabled"], ["enabled"]):
            continue  # where the part looks for its next bitstream: not a part of the fabric
        elif statement in _TILES:
            place = _place(number, arguments)
            if place in asc.tiles:
                raise _refused(number, "a tile twice")
            asc.tiles[place] = _tile(_TILES[statement], lines)
        elif statement == ".ram_data":
            place = _place(number, arguments)
            if place in asc.ram_data:
                raise _refused(number, "a block RAM twice")
            asc.ram_data[place] = _ram(lines)
        elif statement == ".extra_bit":
            bank, x, y = _numbers(number, arguments, 3)
            asc.extra_bits.add((bank, x, y))
        else:
            raise _refused(number, "a statement that no HX part has")
    return asc


def _refused(number: int, reason: str) -> errors.ProgrammingFailed:
    return errors.ProgrammingFailed(f"the unpacked bitstream cannot be read: line {number}: {reason}")


def _numbers(number: int, words: list[str], count: int) -> tuple[int, ...]:
    if len(words) != count or not all(_NUMBER.match(word) for word in words):
        raise _refused(number, f"{count} numbers expected")
    return tuple(int(word) for word in words)


def _place(number: int, words: list[str]) -> tuple[int, int]:
    x, y = _numbers(number, words, 2)
    return x, y


def _tile(kind: str, lines: Iterator[tuple[int, str]]) -> Tile:
    bits = width = 0
    for row in range(TILE_ROWS):
        number, line = next(lines, (0, ""))
        if not _BITS.match(line) or (row and len(line) != width):
            raise _refused(number, "a row of bits expected")
        width = len(line)
        # Column 0 is the leftmost character.
        bits |= int(line[::-1], 2) << (row * width)
    return Tile(kind, width, bits)


def _ram(lines: Iterator[tuple[int, str]]) -> tuple[int, ...]:
    words: list[int] = []
    for _row in range(TILE_ROWS):
        number, line = next(lines, (0, ""))
        if not _HEX.match(line):
            raise _refused(number, "64 hexadecimal digits expected")
        row = int(line, 16)
        words.extend(row >> (16 * i) & 0xFFFF for i in range(16))
    return tuple(words)
