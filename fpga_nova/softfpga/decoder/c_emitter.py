# SPDX-License-Identifier: Apache-2.0
"""Emits a netlist as C: the whole fabric as one function for each clock edge.

In an edge's function every net is computed once, in the order of dependence ("levelised"), from the registers' values
before the edge; then all registers take their new values at once. Logic that only feeds registers with the same
enable, or one port of a block RAM, is computed only where that enable is on.

Nothing but integers gets from the bitstream into the text: numbers of nets, block RAM words, configuration bytes.
"""

from __future__ import annotations

import dataclasses
import pathlib
from collections.abc import Iterable

from fpga_nova import errors
from fpga_nova.softfpga.decoder import netlist, truth_tables
from fpga_nova.softfpga.decoder.netlist_extractor import INPUTS, OUTPUTS

#: Majority of three.
_CARRY = 0xE8
# Read at import: afterwards the translator gives its privileges up, and may then be unable to read its own files.
_STREAM_SHELL = pathlib.Path(__file__).with_name("stream_shell.c").read_text(encoding="ascii")


@dataclasses.dataclass(frozen=True)
class _Node:
    """A net as a function of others."""

    out: int
    table: int
    inputs: tuple[int, ...]


@dataclasses.dataclass
class _Group:
    """The work of an edge under one condition: registers, or one port of a block RAM.

    :param number: its name in the C text
    :param controls: nets that are read at every edge: enables and resets
    :param body: nets that are read only while the condition holds
    """

    number: int
    falling: bool
    controls: tuple[int, ...]
    body: tuple[int, ...]
    flops: list[netlist.Flop] = dataclasses.field(default_factory=list)
    ram: int = -1
    writes: bool = False


def emit(fabric: netlist.Netlist, configuration: bytes) -> str:
    """Return the C text of `fabric`, which carries the bitstream that it came from as its configuration memory.

    :raises fpga_nova.errors.ProgrammingFailed: the fabric has a combinational loop
    """
    return _Emitter(fabric).text(configuration)


class _Emitter:
    def __init__(self, fabric: netlist.Netlist) -> None:
        self.fabric = fabric
        self.constants = {netlist.ZERO: 0, netlist.ONE: 1}
        self.alias: dict[int, int] = {}
        self.asynchronous = {flop.out: flop for flop in fabric.flops if flop.asynchronous}
        self.state = {flop.out for flop in fabric.flops}
        self.state |= {net for ram in fabric.rams for net in ram.read_data if net is not None}
        self.inputs = {net: port for port, net in fabric.inputs.items()}
        self.nodes: dict[int, _Node] = {}
        self.order = self._levelise()
        self.groups = self._group()

    # The netlist, simplified.

    def _resolve(self, net: int) -> int:
        while net in self.alias:
            net = self.alias[net]
        if net in self.constants:
            return netlist.ONE if self.constants[net] else netlist.ZERO
        return net

    def _levelise(self) -> list[int]:
        """Fill `nodes`; return the nets of nodes and of asynchronously reset registers, each after what it needs."""
        raw: dict[int, tuple[int, tuple[int, ...]]] = {}
        # A table's inputs that it does not depend on must not count as dependence: place and route makes constants of
        # cells whose other inputs, there for the carry beside them, can be their own output.
        for lut in self.fabric.luts:
            raw[lut.out] = truth_tables.reduce(lut.table, lut.inputs, self.constants)
        for carry in self.fabric.carries:
            raw[carry.out] = truth_tables.reduce(_CARRY, carry.inputs, self.constants)
        needs = {net: inputs for net, (_table, inputs) in raw.items()}
        needs.update({net: (flop.reset,) for net, flop in self.asynchronous.items()})
        order: list[int] = []
        for net in _depth_first(needs):
            if net in self.asynchronous:
                order.append(net)
                continue
            table, inputs = truth_tables.reduce(
                raw[net][0], tuple(self._resolve(i) for i in raw[net][1]), self.constants
            )
            if not inputs:
                self.constants[net] = table
            elif len(inputs) == 1 and table == 0b10:
                self.alias[net] = inputs[0]
            else:
                self.nodes[net] = _Node(net, table, inputs)
                order.append(net)
        return order

    def _group(self) -> list[_Group]:
        groups: dict[tuple[int, int, bool, bool], list[netlist.Flop]] = {}
        for flop in self.fabric.flops:
            flop = dataclasses.replace(
                flop,
                data=self._resolve(flop.data),
                enable=self._resolve(flop.enable),
                reset=self._resolve(flop.reset),
            )
            groups.setdefault((flop.enable, flop.reset, flop.asynchronous, flop.falling), []).append(flop)
        result: list[_Group] = []
        for (enable, reset, _asynchronous, falling), flops in groups.items():
            body = tuple(flop.data for flop in flops)
            result.append(_Group(len(result), falling, (enable, reset), body, flops=flops))
        for index, ram in enumerate(self.fabric.rams):
            controls = tuple(self._resolve(net) for net in (ram.read_enable, ram.read_clock_enable))
            body = tuple(self._resolve(net) for net in ram.read_address)
            result.append(_Group(len(result), ram.read_falling, controls, body, ram=index))
            controls = tuple(self._resolve(net) for net in (ram.write_enable, ram.write_clock_enable))
            body = tuple(self._resolve(net) for net in (*ram.write_address, *ram.write_data, *ram.mask))
            result.append(_Group(len(result), ram.write_falling, controls, body, ram=index, writes=True))
        return [group for group in result if group.ram < 0 or netlist.ZERO not in group.controls]

    # C

    def _name(self, net: int) -> str:
        net = self._resolve(net)
        if net in self.constants:
            return str(self.constants[net])
        if net in self.inputs:
            return f"i{net}"
        return f"q{net}" if net in self.state else f"n{net}"

    def _define(self, net: int) -> str:
        if net in self.asynchronous:
            flop = self.asynchronous[net]
            return f"if ({self._name(flop.reset)}) q{net} = {flop.reset_value};"
        node = self.nodes[net]
        text = truth_tables.expression(node.table, len(node.inputs))[1]
        return f"unsigned n{net} = {text.format(*(self._name(i) for i in node.inputs))};"

    def _places(self, groups: list[_Group], outputs: list[int]) -> dict[int, int]:
        """Return, for each net that an edge needs, the only group whose condition it depends on, or -1."""
        places: dict[int, int] = {}

        def use(net: int, place: int) -> None:
            net = self._resolve(net)
            places[net] = place if places.get(net, place) == place else -1

        for net in outputs:
            use(net, -1)
        for net in self.asynchronous:
            use(net, -1)
        for group in groups:
            for net in group.controls:
                use(net, -1)
            for net in group.body:
                use(net, group.number)
        for net in reversed(self.order):
            if net in self.asynchronous:
                use(self.asynchronous[net].reset, -1)
            elif net in places:
                for source in self.nodes[net].inputs:
                    use(source, places[net])
        return places

    def _edge(self, name: str, falling: bool) -> list[str]:
        groups = [group for group in self.groups if group.falling == falling]
        outputs = [] if falling else list(self.fabric.outputs.values())
        places = self._places(groups, outputs)
        bodies: dict[int, list[str]] = {group.number: [] for group in groups}
        bodies[-1] = []
        for net in self.order:
            if net in places:
                bodies[places[net]].append(self._define(net))
        lines = [f"static void {name}(void)", "{"]
        lines += bodies[-1]
        if not falling:
            lines += self._outputs()
        commits = []
        for group in groups:
            evaluate, commit = self._flops(group) if group.ram < 0 else self._ram_port(group)
            lines += evaluate[0] + [f"if (c{group.number}) {{"] + bodies[group.number] + evaluate[1] + ["}"]
            commits.append(commit)
        # A block RAM's word is read before it is written, as the part does it.
        for commit in sorted(commits, key=lambda item: item[0]):
            lines += commit[1]
        return [*lines, "}"]

    def _outputs(self) -> list[str]:
        lines = []
        for port in OUTPUTS[:3]:
            net = self.fabric.outputs.get(port)
            lines.append(f"{port} = {self._name(net) if net is not None else 0};")
        data = [self.fabric.outputs.get(f"out_data[{i}]") for i in range(8)]
        return [*lines, f"out_data = {self._word(data)};"]

    def _word(self, nets: Iterable[int | None]) -> str:
        bits = [
            self._name(net) if i == 0 else f"{self._name(net)} << {i}"
            for i, net in enumerate(nets)
            if net is not None and self._name(net) != "0"
        ]
        return " | ".join(f"({bit})" for bit in bits) or "0"

    def _flops(self, group: _Group) -> tuple[tuple[list[str], list[str]], tuple[int, list[str]]]:
        enable, reset = (self._name(net) for net in group.controls)
        number = group.number
        head = [f"unsigned c{number} = {enable} & ({reset} ^ 1);"]
        head += [f"unsigned d{flop.out};" for flop in group.flops]
        body = [f"d{flop.out} = {self._name(flop.data)};" for flop in group.flops]
        commit = [f"if (c{number}) {{", *(f"q{flop.out} = d{flop.out};" for flop in group.flops), "}"]
        if reset != "0":
            # A synchronous reset works only while enabled.
            condition = reset if group.flops[0].asynchronous else f"{enable} & {reset}"
            head.append(f"unsigned r{number} = {condition};")
            commit += [f"if (r{number}) {{", *(f"q{flop.out} = {flop.reset_value};" for flop in group.flops), "}"]
        return (head, body), (1, commit)

    def _ram_port(self, group: _Group) -> tuple[tuple[list[str], list[str]], tuple[int, list[str]]]:
        ram, index, number = self.fabric.rams[group.ram], group.ram, group.number
        enable, clock_enable = (self._name(net) for net in group.controls)
        condition = f"unsigned c{number} = {enable} & {clock_enable};"
        if not group.writes:
            head = [condition, f"unsigned a{number};"]
            body = [f"a{number} = {self._word(ram.read_address)};"]
            return (head, body), (0, [f"if (c{number}) {{", *self._read(ram, index, f"a{number}"), "}"])
        head = [condition, f"unsigned a{number}, w{number}, k{number};"]
        body = [
            f"a{number} = {self._word(ram.write_address)};",
            f"w{number} = {self._word(ram.write_data)};",
            *self._write_lanes(ram, number),
        ]
        word = f"m{index}[a{number} & 255]"
        commit = [f"if (c{number}) {word} = ({word} & ~k{number}) | (w{number} & k{number});"]
        return (head, body), (2, commit)

    def _read(self, ram: netlist.Ram, index: int, address: str) -> list[str]:
        """The read port: in mode k, bits of the word 2**k apart, from the one that the upper address bits choose."""
        lanes = 1 << ram.read_mode
        shift = f" >> ({address} >> 8 & {lanes - 1})" if lanes > 1 else ""
        lines = [f"unsigned v = m{index}[{address} & 255]{shift};"]
        for bit, net in enumerate(ram.read_data):
            if net is None:
                continue
            # The narrow ports' data pins are one of each group of `lanes`: all of 16, the even ones, 1 5 9 13, 3 11.
            data_pin = _DATA_PIN[ram.read_mode]
            value = f"v >> {bit - data_pin} & 1" if bit % lanes == data_pin else "0"
            lines.append(f"q{net} = {value};")
        return lines

    def _write_lanes(self, ram: netlist.Ram, number: int) -> list[str]:
        """The write port: w and k become data and write mask of the whole word."""
        lanes = 1 << ram.write_mode
        if lanes == 1:
            return [f"k{number} = ({self._word(ram.mask)}) ^ 65535;"]
        data_pin = _DATA_PIN[ram.write_mode]
        base = sum(1 << bit for bit in range(0, 16, lanes))
        lane = f"(a{number} >> 8 & {lanes - 1})"
        return [f"w{number} = (w{number} >> {data_pin} & {base}) << {lane};", f"k{number} = {base} << {lane};"]

    def text(self, configuration: bytes) -> str:
        """Return the whole C text."""
        lines = [f"static unsigned q{net};" for net in sorted(self.state)]
        lines += [f"static unsigned i{net};" for net in sorted(self.inputs)]
        lines += ["static unsigned in_ready, out_valid, out_last, out_data;"]
        for index, ram in enumerate(self.fabric.rams):
            lines.append(f"static unsigned short m{index}[256];")
            if any(ram.content):
                lines.append(f"static const unsigned short z{index}[256] = {{{','.join(map(str, ram.content))}}};")
        lines += self._edge("rise", falling=False)
        if any(group.falling for group in self.groups):
            lines += self._edge("fall", falling=True)
        else:
            lines.append("static void fall(void) {}")
        lines += ["static void power_up(void)", "{"]
        lines += [f"q{net} = 0;" for net in sorted(self.state)]
        for index, ram in enumerate(self.fabric.rams):
            source = f"z{index}[i]" if any(ram.content) else "0"
            lines.append(f"for (int i = 0; i < 256; i++) m{index}[i] = {source};")
        lines += ["}", "static void set_inputs(unsigned data, unsigned valid, unsigned last, unsigned ready)", "{"]
        source_of = {"in_valid": "valid", "in_last": "last", "out_ready": "ready"}
        source_of.update({f"in_data[{i}]": f"data >> {i} & 1" for i in range(8)})
        for port in INPUTS:
            if port in self.fabric.inputs:
                lines.append(f"i{self.fabric.inputs[port]} = {source_of[port]};")
        lines += ["}", _STREAM_SHELL]
        lines.append(f"const unsigned long long fabric_config_size = {len(configuration)};")
        lines.append(f"const unsigned char fabric_config[{len(configuration)}] =")
        for start in range(0, len(configuration), 64):
            lines.append('"' + "".join(f"\\{byte:03o}" for byte in configuration[start : start + 64]) + '"')
        lines.append(";")
        return "\n".join(lines) + "\n"


#: Lowest data pin of a block RAM's port in the modes 0 to 3 (Lattice, "Memory Usage Guide for iCE40 Devices").
_DATA_PIN = (0, 0, 1, 3)


def _depth_first(needs: dict[int, tuple[int, ...]]) -> list[int]:
    """Return the keys of `needs`, each after those that it needs.

    :raises fpga_nova.errors.ProgrammingFailed: there is no such order
    """
    order: list[int] = []
    done: set[int] = set()
    open_nets: set[int] = set()
    for start in needs:
        stack = [(start, False)]
        while stack:
            net, left = stack.pop()
            if left:
                open_nets.discard(net)
                done.add(net)
                order.append(net)
            elif net in open_nets:
                raise errors.ProgrammingFailed("the soft FPGA cannot run this bitstream: it has a combinational loop")
            elif net not in done:
                open_nets.add(net)
                stack.append((net, True))
                stack.extend((source, False) for source in needs[net] if source in needs and source not in done)
    return order
