# SPDX-License-Identifier: Apache-2.0
"""The netlist of a configured fabric: look-up tables, carries, registers and block RAMs.

Nets are integers; no name from a bitstream gets into a netlist. Net 0 is constant 0, net 1 is constant 1.
"""

from __future__ import annotations

import dataclasses

ZERO = 0
ONE = 1


@dataclasses.dataclass(frozen=True)
class Lut:
    """A 4-input look-up table: `out` is bit (in3 in2 in1 in0) of `table`."""

    out: int
    inputs: tuple[int, int, int, int]
    table: int


@dataclasses.dataclass(frozen=True)
class Carry:
    """The majority of three nets."""

    out: int
    inputs: tuple[int, int, int]


@dataclasses.dataclass(frozen=True)
class Flop:
    """A register; it powers up to 0.

    :param enable: the net that lets it take `data`
    :param reset: the net that loads `reset_value`; a synchronous one only while enabled
    """

    out: int
    data: int
    enable: int
    reset: int
    reset_value: int
    asynchronous: bool
    falling: bool


@dataclasses.dataclass(frozen=True)
class Ram:
    """An SB_RAM40_4K: 256 words of 16 bits, read and written through ports of 16, 8, 4 or 2 bits (mode 0 to 3).

    All vectors are least significant bit first. `read_data` holds a net where the bit is used, else None.
    """

    read_mode: int
    write_mode: int
    read_falling: bool
    write_falling: bool
    read_address: tuple[int, ...]
    write_address: tuple[int, ...]
    write_data: tuple[int, ...]
    mask: tuple[int, ...]
    read_data: tuple[int | None, ...]
    read_enable: int
    read_clock_enable: int
    write_enable: int
    write_clock_enable: int
    content: tuple[int, ...]


@dataclasses.dataclass
class Netlist:
    """A configured fabric.

    :param inputs: port name -> net that it drives, ports of the stream shell only, without the clock
    :param outputs: port name -> net that drives it
    """

    inputs: dict[str, int]
    outputs: dict[str, int]
    luts: list[Lut]
    carries: list[Carry]
    flops: list[Flop]
    rams: list[Ram]
    net_count: int
