# SPDX-License-Identifier: Apache-2.0
"""Extracts a netlist from the configuration bits for a board.

The extractor works backwards from the output pins of the stream shell: a cell that reaches none of them is not a part
of the function. A function that the soft FPGA cannot run exactly is refused with the reason, never approximated.

Project IceStorm documents the place of each bit ("LOGIC Tile", "RAM Tile", "IO Tile").
"""

from __future__ import annotations

import re
from collections.abc import Sequence

from fpga_nova import errors
from fpga_nova.softfpga.decoder import asc_parser, netlist
from fpga_nova.softfpga.decoder.boards import PARTS, Board
from fpga_nova.softfpga.decoder.chip_database import Chip, Position, Segment

#: Ports of the stream shell that a core drives; the first two make it a core.
OUTPUTS = ("in_ready", "out_valid", "out_last", *(f"out_data[{i}]" for i in range(8)))
INPUTS = ("in_valid", "in_last", "out_ready", *(f"in_data[{i}]" for i in range(8)))
CLOCK = "clk"

#: Order of a logic cell's 20 bits that makes its table, and the places of its four switches.
_TABLE = (4, 14, 15, 5, 6, 16, 17, 7, 3, 13, 12, 2, 1, 11, 10, 0)
_CARRY_ENABLE, _DFF_ENABLE, _SET_NORESET, _ASYNC_SR = 8, 9, 18, 19

_DRIVER = re.compile(r"lutff_(?P<cell>\d)/(?P<what>out|lout|cout)\Z|ram/RDATA_(?P<data>\d+)\Z|(?P<mux>carry_in_mux)\Z")
_PAD = re.compile(r"io_(?P<cell>[01])/D_IN_(?P<edge>[01])\Z")

#: A cell's output: what it is ("out", "lout", "cout", "mux", "ram", "pin"), x, y, which one in the tile.
Driver = tuple[str, int, int, int]


def _refuse(reason: str) -> errors.ProgrammingFailed:
    return errors.ProgrammingFailed(f"the soft FPGA cannot run this bitstream: {reason}")


def extract(bits: asc_parser.AscFile, board: Board) -> netlist.Netlist:
    """Return the function that `bits` configures on `board`.

    :raises fpga_nova.errors.ProgrammingFailed: it is for another part, is not a core for the stream shell, or uses
        something that the soft FPGA does not have
    """
    if bits.device != board.device:
        built_for = PARTS.get(bits.device, "an unknown part")
        raise errors.ProgrammingFailed(f"the bitstream is for {built_for}, the board {board.name} has {board.part}")
    return _Extractor(bits, board).run()


class _Wires:
    """The wires of a part, with those that the configuration joins merged to one."""

    def __init__(self, chip: Chip) -> None:
        self._chip = chip
        self._wire: dict[Segment, int] = {}
        self._parent: list[int] = []

    def _number(self, segment: Segment) -> int:
        if segment[2].startswith("glb_netwk_"):
            segment = (0, 0, segment[2])
        number = self._wire.get(segment)
        if number is None:
            number = len(self._parent)
            self._parent.append(number)
            for part in self._chip.trace(segment):
                self._wire[part] = number
        return number

    def _root(self, number: int) -> int:
        while self._parent[number] != number:
            self._parent[number] = self._parent[self._parent[number]]
            number = self._parent[number]
        return number

    def join(self, one: Segment, other: Segment) -> None:
        self._parent[self._root(self._number(one))] = self._root(self._number(other))

    def find(self, segment: Segment) -> int | None:
        """Return the number of the joined wire that `segment` is part of, None if it is joined to nothing."""
        number = self._wire.get(segment)
        return None if number is None else self._root(number)

    def segments(self) -> list[Segment]:
        return list(self._wire)


class _Extractor:
    def __init__(self, bits: asc_parser.AscFile, board: Board) -> None:
        self.bits = bits
        self.chip = Chip(board.device)
        self.chip.check(bits)
        self.wires = _Wires(self.chip)
        self.pin_of_pad = self.chip.pins(board.package)
        self.port_of_pin = board.pins()
        self.drivers: dict[int, Driver] = {}
        self.nets: dict[Driver, int] = {}
        self.queue: list[Driver] = []
        self.result = netlist.Netlist({}, {}, [], [], [], [], net_count=2)
        self.rams_done: set[Position] = set()

    def run(self) -> netlist.Netlist:
        self._refuse_plls()
        self._join()
        self._find_drivers()
        self._outputs()
        while self.queue:
            self._cell(self.queue.pop())
        return self.result

    # wires

    def _refuse_plls(self) -> None:
        for place, row, column in self.chip.pll_type_bits():
            tile = self.bits.tiles.get(place)
            if tile and tile.bit(row, column):
                raise _refuse("it uses a PLL; a core for the stream shell runs on the board's clock")

    def _join(self) -> None:
        for place, tile in self.bits.tiles.items():
            if tile.bits:
                for one, other in self.chip.joined(place, tile):
                    self.wires.join((*place, one), (*place, other))
        for bit in self.bits.extra_bits:
            what = self.chip.extra_bit(bit)
            if len(what) != 2 or what[0] != "padin_glb_netwk":
                raise _refuse(f"it sets the bit {bit}, which has no known use")
            x, y, cell = self.chip.global_pads()[int(what[1])]
            self.wires.join((x, y, f"io_{cell}/D_IN_0"), (0, 0, f"glb_netwk_{what[1]}"))
        for x, y, network in self.chip.global_buffers():
            if self.wires.find((x, y, "fabout")) is not None:
                self.wires.join((x, y, "fabout"), (0, 0, f"glb_netwk_{network}"))

    def _find_drivers(self) -> None:
        for segment in self.wires.segments():
            driver = self._driver(segment)
            if driver is None:
                continue
            wire = self.wires.find(segment)
            assert wire is not None  # noqa: S101 (for mypy; it is one of the wires)
            other = self.drivers.setdefault(wire, driver)
            if other != driver:
                raise _refuse(f"a wire has two drivers, {_words(other)} and {_words(driver)}")

    def _driver(self, segment: Segment) -> Driver | None:
        x, y, name = segment
        place = (x, y)
        match = _PAD.match(name)
        if match:
            if match["edge"] == "1":
                raise _refuse(f"the IO cell at {place} samples on both edges")
            return ("pin", x, y, int(match["cell"]))
        match = _DRIVER.match(name)
        tile = self.bits.tiles.get(place)
        if not match or tile is None or self.chip.kinds[place][0] == "io":
            return None
        if match["data"]:
            bottom = y if tile.kind == "ramb" else y - 1
            return ("ram", x, bottom, int(match["data"]))
        if tile.kind != "logic":
            return None
        if match["mux"]:
            return None if _carry_cascade(tile) else ("mux", x, y, 0)
        cell, what = int(match["cell"]), match["what"]
        if what == "out" and not _logic_bit(tile, cell, _DFF_ENABLE):
            what = "lout"
        return (what, x, y, cell)

    # nets

    def _net(self, driver: Driver) -> int:
        """Return the number of the net that `driver` drives; what drives it is looked at later."""
        net = self.nets.get(driver)
        if net is None:
            net = self.nets[driver] = self.result.net_count
            self.result.net_count += 1
            self.queue.append(driver)
        return net

    def _net_at(self, segments: Sequence[Segment], default: int = netlist.ZERO) -> int:
        """Return the net that arrives at the first of `segments` that is joined to anything."""
        for segment in segments:
            wire = self.wires.find(segment)
            if wire is not None:
                driver = self.drivers.get(wire)
                return netlist.ZERO if driver is None else self._net(driver)
        return default

    def _check_clock(self, segments: Sequence[Segment], what: str) -> None:
        for segment in segments:
            wire = self.wires.find(segment)
            if wire is not None:
                driver = self.drivers.get(wire)
                if driver is None or driver[0] != "pin" or self._port(driver) != CLOCK:
                    raise _refuse(f"{what} is not clocked by the board's clock pin itself")
                return
        raise _refuse(f"{what} has no clock")

    # cells

    def _cell(self, driver: Driver) -> None:
        what, x, y, index = driver
        if what == "pin":
            self._input(driver)
        elif what == "ram":
            self._ram(x, y)
        elif what == "mux":
            table = 0xFFFF if self.bits.tiles[x, y].bit(1, 50) else 0
            self.result.luts.append(netlist.Lut(self._net(driver), (netlist.ZERO,) * 4, table))
        elif what == "lout":
            self._lut(x, y, index)
        elif what == "cout":
            self._carry(x, y, index)
        else:
            self._flop(x, y, index)

    def _pintype(self, x: int, y: int, cell: int) -> str:
        tile = self.bits.tiles[x, y]
        return "".join(str(int(self.chip.matches((x, y), tile, f"IOB_{cell}", f"PINTYPE_{i}"))) for i in range(6))

    def _port(self, driver: Driver) -> str:
        _what, x, y, cell = driver
        pin = self.pin_of_pad.get((x, y, cell))
        port = self.port_of_pin.get(pin or "")
        if port is None:
            place = f"pin {pin}" if pin else f"the IO cell {cell} at ({x}, {y}), which has no pin"
            raise _refuse(f"it uses {place}, which is not of the stream shell")
        if not self._pintype(x, y, cell).startswith("10") or self._pintype(x, y, cell)[2:] != "0000":
            raise _refuse(f"the pin of {port} is not a plain input")
        return port

    def _input(self, driver: Driver) -> None:
        port = self._port(driver)
        if port == CLOCK:
            raise _refuse("it uses the clock as data")
        if port not in INPUTS:
            raise _refuse(f"it reads the pin of {port}, which is an output")
        self.result.inputs[port] = self._net(driver)

    def _outputs(self) -> None:
        for place, tile in self.bits.tiles.items():
            if tile.kind != "io" or not tile.bits:
                continue
            for cell in (0, 1):
                kind = self._pintype(*place, cell)[2:]
                if kind == "0000":
                    continue
                pin = self.pin_of_pad.get((*place, cell))
                port = self.port_of_pin.get(pin or "")
                if port not in OUTPUTS:
                    raise _refuse(f"it drives pin {pin or place}, which is not an output of the stream shell")
                if kind != "0110":
                    raise _refuse(f"the pin of {port} is not a plain output")
                self.result.outputs[port] = self._net_at([(*place, f"io_{cell}/D_OUT_0")])
        if not self.result.outputs:
            raise _refuse("no pin of the stream shell is driven; this is a blank, or not a core for this shell")
        for port in OUTPUTS[:2]:
            if port not in self.result.outputs:
                raise _refuse(f"{port} is not driven; this is not a core for the stream shell")

    def _lut(self, x: int, y: int, cell: int) -> None:
        tile = self.bits.tiles[x, y]
        table = sum(_logic_bit(tile, cell, bit) << i for i, bit in enumerate(_TABLE))
        first, second, third, fourth = (self._net_at([(x, y, f"lutff_{cell}/in_{i}")]) for i in range(4))
        self.result.luts.append(netlist.Lut(self._net(("lout", x, y, cell)), (first, second, third, fourth), table))

    def _carry(self, x: int, y: int, cell: int) -> None:
        tile = self.bits.tiles[x, y]
        out = self._net(("cout", x, y, cell))
        if not _logic_bit(tile, cell, _CARRY_ENABLE):
            self.result.luts.append(netlist.Lut(out, (netlist.ZERO,) * 4, 0))
            return
        if cell:
            carry_in = self._net(("cout", x, y, cell - 1))
        elif not _carry_cascade(tile):
            carry_in = netlist.ONE if tile.bit(1, 50) else netlist.ZERO
        elif self.chip.kinds.get((x, y - 1), ("", 0))[0] == "logic" and (x, y - 1) in self.bits.tiles:
            carry_in = self._net(("cout", x, y - 1, 7))
        else:
            carry_in = netlist.ZERO
        inputs = (self._net_at([(x, y, f"lutff_{cell}/in_1")]), self._net_at([(x, y, f"lutff_{cell}/in_2")]), carry_in)
        self.result.carries.append(netlist.Carry(out, inputs))

    def _flop(self, x: int, y: int, cell: int) -> None:
        tile = self.bits.tiles[x, y]
        self._check_clock([(x, y, "lutff_global/clk")], f"the register {cell} at ({x}, {y})")
        self.result.flops.append(
            netlist.Flop(
                out=self._net(("out", x, y, cell)),
                data=self._net(("lout", x, y, cell)),
                enable=self._net_at([(x, y, "lutff_global/cen")], netlist.ONE),
                reset=self._net_at([(x, y, "lutff_global/s_r")]),
                reset_value=_logic_bit(tile, cell, _SET_NORESET),
                asynchronous=bool(_logic_bit(tile, cell, _ASYNC_SR)),
                falling=tile.bit(0, 0),
            )
        )

    def _ram(self, x: int, y: int) -> None:
        if (x, y) in self.rams_done:
            return
        self.rams_done.add((x, y))
        top_place = (x, y + 1)
        bottom, top = self.bits.tiles[x, y], self.bits.tiles.get(top_place)
        if top is None:
            raise _refuse(f"the block RAM at ({x}, {y}) lacks its upper tile")
        # The bit is inverted on the 1k: set, it says that the block is off.
        hx8k = self.chip.device == "8k"
        if self.chip.matches((x, y), bottom, "RamConfig", "PowerUp") != hx8k:
            raise _refuse(f"the block RAM at ({x}, {y}) is used but switched off")
        if any(self.chip.matches(top_place, top, "RamCascade", f"CBIT_{i}") for i in range(4, 8)):
            raise _refuse(f"the block RAM at ({x}, {y}) is cascaded")

        def segments(name: str) -> list[Segment]:
            return [(x, y, f"ram/{name}"), (x, y + 1, f"ram/{name}")]

        def vector(name: str, width: int) -> tuple[int, ...]:
            return tuple(self._net_at(segments(f"{name}_{i}")) for i in range(width))

        def mode(low: int, high: int) -> int:
            bits = (self.chip.matches(top_place, top, "RamConfig", f"CBIT_{i}") for i in (low, high))
            return sum(bit << i for i, bit in enumerate(bits))

        for port in ("RCLK", "WCLK"):
            if port == "RCLK" or self._net_at(segments("WE")) != netlist.ZERO:
                self._check_clock(segments(port), f"the block RAM at ({x}, {y})")
        # The 8k has its two tiles the other way round (which nextpnr 0.4 gets wrong, its issue 910).
        read_tile, write_tile = (bottom, top) if hx8k else (top, bottom)
        self.result.rams.append(
            netlist.Ram(
                read_mode=mode(2, 3),
                write_mode=mode(0, 1),
                read_falling=read_tile.bit(0, 0),
                write_falling=write_tile.bit(0, 0),
                read_address=vector("RADDR", 11),
                write_address=vector("WADDR", 11),
                write_data=vector("WDATA", 16),
                mask=vector("MASK", 16),
                read_data=tuple(self._net(("ram", x, y, i)) if self._used_data(x, y, i) else None for i in range(16)),
                read_enable=self._net_at(segments("RE")),
                read_clock_enable=self._net_at(segments("RCLKE"), netlist.ONE),
                write_enable=self._net_at(segments("WE")),
                write_clock_enable=self._net_at(segments("WCLKE"), netlist.ONE),
                content=self.bits.ram_data.get((x, y), (0,) * 256),
            )
        )

    def _used_data(self, x: int, y: int, index: int) -> bool:
        return any(self.wires.find((x, row, f"ram/RDATA_{index}")) is not None for row in (y, y + 1))


def _logic_bit(tile: asc_parser.Tile, cell: int, bit: int) -> int:
    """Return one of the 20 bits of a logic cell: two rows of ten from column 36 on."""
    return int(tile.bit(2 * cell + bit // 10, 36 + bit % 10))


def _carry_cascade(tile: asc_parser.Tile) -> bool:
    return tile.bit(1, 49)


def _words(driver: Driver) -> str:
    what, x, y, index = driver
    return f"{what} {index} at ({x}, {y})"
