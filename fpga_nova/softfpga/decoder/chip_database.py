# SPDX-License-Identifier: Apache-2.0
"""The map of a part: which wire runs where, and which configuration bits join two wires.

The map is icestorm's own `icebox.py`, used as a library; only its tables and its wire tracing. The tracing of a whole
bitstream is in `netlist_extractor`: icebox_vlog's takes 1.5 s for an HX1K and 5 to 8 s for an HX8K, because it matches
every pattern of every tile as sets of strings; here a tile is one integer and an empty tile costs nothing.
"""

from __future__ import annotations

import functools
import importlib
import pathlib
import re
import shutil
import sys
from types import ModuleType
from typing import Any

from fpga_nova import errors
from fpga_nova.softfpga.decoder import asc_parser

#: A piece of a wire in one tile: x, y, icestorm's name for it.
Segment = tuple[int, int, str]
Position = tuple[int, int]

_BIT = re.compile(r"(!?)B(\d+)\[(\d+)\]")


@functools.cache
def icebox() -> ModuleType:
    """Return icestorm's module `icebox`, found from its command `icebox_vlog`.

    :raises fpga_nova.errors.ProgrammingFailed: icestorm is not installed
    """
    tool = shutil.which("icebox_vlog")
    if tool:
        home = pathlib.Path(tool).resolve().parent
        for folder in (home, home.parent / "share/fpga-icestorm/python"):
            if (folder / "icebox.py").is_file():
                sys.path.insert(0, str(folder))
                try:
                    return importlib.import_module("icebox")
                finally:
                    sys.path.remove(str(folder))
    raise errors.ProgrammingFailed("the tools of Project IceStorm are not installed (Debian: fpga-icestorm)")


class Chip:
    """One part of the iCE40 family.

    :param device: icestorm's name, ``1k`` or ``8k``
    """

    def __init__(self, device: str) -> None:
        self.device = device
        self.ic: Any = icebox().iceconfig()
        getattr(self.ic, f"setup_empty_{device}")()
        self.kinds: dict[Position, tuple[str, int]] = {}
        for kind, tiles in (
            ("io", self.ic.io_tiles),
            ("logic", self.ic.logic_tiles),
            ("ramb", self.ic.ramb_tiles),
            ("ramt", self.ic.ramt_tiles),
        ):
            for place, rows in tiles.items():
                self.kinds[place] = (kind, len(rows[0]))
        self._patterns: dict[int, list[tuple[int, int, str, str]]] = {}
        self._negclk: dict[int, int] = {}

    def check(self, bits: asc_parser.AscFile) -> None:
        """Check that the part has all tiles of a bitstream.

        :raises fpga_nova.errors.ProgrammingFailed: naming the first one that it lacks
        """
        for place, tile in bits.tiles.items():
            if self.kinds.get(place) != (tile.kind, tile.width):
                raise errors.ProgrammingFailed(f"the bitstream has a {tile.kind} tile at {place} that the part lacks")
        for place in bits.ram_data:
            if self.kinds.get(place, ("", 0))[0] != "ramb":
                raise errors.ProgrammingFailed(f"the bitstream has a block RAM at {place} that the part lacks")

    def joined(self, place: Position, tile: asc_parser.Tile) -> list[tuple[str, str]]:
        """Return the pairs of wires that the configuration of `tile` joins."""
        database = self.ic.tile_db(*place)
        patterns = self._patterns.get(id(database))
        if patterns is None:
            patterns = self._patterns[id(database)] = _switches(database, tile.width)
        bits = tile.bits
        has_net = self.ic.tile_has_net
        return [
            (source, target)
            for mask, value, source, target in patterns
            if bits & mask == value and has_net(*place, source) and has_net(*place, target)
        ]

    def matches(self, place: Position, tile: asc_parser.Tile, *words: str) -> bool:
        """Whether `tile` has the setting that icestorm calls `words` at `place`, e.g. ("RamConfig", "PowerUp")."""
        for entry in self.ic.tile_db(*place):
            if tuple(entry[1:]) == words:
                mask, value = _mask(entry[0], tile.width)
                return tile.bits & mask == value
        return False

    def trace(self, start: Segment) -> set[Segment]:
        """Return all segments of the wire that has the segment `start`.

        A global network is one segment here, at (0, 0): it reaches every tile.
        """
        wire = {start}
        queue = [start]
        while queue:
            segment = queue.pop()
            if segment[2].startswith("glb_netwk_"):
                continue
            for neighbour in self.ic.follow_net(segment):
                if neighbour not in wire:
                    wire.add(neighbour)
                    queue.append(neighbour)
        return wire

    def pins(self, package: str) -> dict[tuple[int, int, int], str]:
        """Return the pin of each IO cell (x, y, 0 or 1) of a package."""
        return {(x, y, cell): pin for pin, x, y, cell in self.ic.pinloc_db(package)}

    def global_pads(self) -> list[tuple[int, int, int]]:
        """Return the IO cell that can drive each global network."""
        return list(self.ic.padin_pio_db())

    def global_buffers(self) -> list[tuple[int, int, int]]:
        """Return (x, y, number of the global network) of the places where the fabric can drive one."""
        return list(self.ic.gbufin_db())

    def extra_bit(self, bit: tuple[int, int, int]) -> tuple[str, ...]:
        """Return icestorm's name for an extra bit, () if it has none."""
        return tuple(self.ic.extra_bits_db().get(bit, ()))

    def pll_type_bits(self) -> list[tuple[Position, int, int]]:
        """Return the place, row and column of the bits of which one is set where a PLL is used."""
        columns = {}
        for entry in icebox().iotile_l_db:
            if entry[1] == "PLL":
                match = _BIT.match(entry[0][0])
                if match:
                    columns[entry[2]] = (int(match.group(2)), int(match.group(3)))
        bits = []
        for name in self.ic.pll_list():
            for i in range(3):
                x, y, setting = icebox().pllinfo_db[name][f"PLLTYPE_{i}"]
                bits.append(((x, y), *columns[setting]))
        return bits


def _mask(pattern: list[str], width: int) -> tuple[int, int]:
    mask = value = 0
    for word in pattern:
        match = _BIT.match(word)
        if not match:
            raise errors.ProgrammingFailed(f"icestorm's table has an unknown pattern: {word}")
        bit = 1 << (int(match.group(2)) * width + int(match.group(3)))
        mask |= bit
        if not match.group(1):
            value |= bit
    return mask, value


def _switches(database: list[Any], width: int) -> list[tuple[int, int, str, str]]:
    """Return (mask, value, wire, wire) of every switch in a kind of tile; none of them closes on zeros alone."""
    return [(*_mask(entry[0], width), entry[2], entry[3]) for entry in database if entry[1] in ("routing", "buffer")]
