# SPDX-License-Identifier: Apache-2.0
"""From the bits of real bitstreams to a netlist: what is found, what it computes, what is refused."""

from __future__ import annotations

import zlib

import pytest

from fpga_nova import errors
from fpga_nova.softfpga.decoder import asc_parser, netlist, netlist_extractor
from fpga_nova.softfpga.decoder.boards import BOARDS
from tests.support import designs, toolchain

pytestmark = toolchain.needs_icestorm


def extract(name: str, board: str = "soft-hx1k") -> netlist.Netlist:
    return netlist_extractor.extract(asc_parser.parse(designs.unpacked(name)), BOARDS[board])


class Simulation:
    """Runs a netlist without block RAMs and falling edges, cell by cell."""

    def __init__(self, fabric: netlist.Netlist) -> None:
        self.fabric = fabric
        self.values = [0] * fabric.net_count
        self.values[netlist.ONE] = 1

    def settle(self, **inputs: int) -> dict[str, int]:
        """Apply the inputs; return the outputs when no net changes any more."""
        for port, net in self.fabric.inputs.items():
            self.values[net] = inputs[port]
        before = None
        while before != self.values:
            before = list(self.values)
            for lut in self.fabric.luts:
                index = sum(self.values[net] << place for place, net in enumerate(lut.inputs))
                self.values[lut.out] = lut.table >> index & 1
            for carry in self.fabric.carries:
                self.values[carry.out] = int(sum(self.values[net] for net in carry.inputs) >= 2)
        return {port: self.values[net] for port, net in self.fabric.outputs.items()}

    def clock(self) -> None:
        """Let all registers take their new values."""
        new = {}
        for flop in self.fabric.flops:
            assert not flop.falling and not flop.asynchronous
            if self.values[flop.enable]:
                new[flop.out] = flop.reset_value if self.values[flop.reset] else self.values[flop.data]
        for net, value in new.items():
            self.values[net] = value

    def ask(self, message: bytes) -> bytes:
        """Return the answer to a message by the handshake of the stream shell."""
        answer = bytearray()
        taken = 0
        for _cycle in range(100):
            byte = message[taken] if taken < len(message) else 0
            outputs = self.settle(
                in_valid=int(taken < len(message)),
                in_last=int(taken == len(message) - 1),
                out_ready=1,
                **{f"in_data[{bit}]": byte >> bit & 1 for bit in range(8)},
            )
            if outputs["in_ready"] and taken < len(message):
                taken += 1
            if outputs["out_valid"]:
                answer.append(sum(outputs[f"out_data[{bit}]"] << bit for bit in range(8)))
                if outputs["out_last"]:
                    return bytes(answer)
            self.clock()
        raise AssertionError("no answer within 100 cycles")


def test_netlist_of_a_committed_core_computes_its_function() -> None:
    simulation = Simulation(extract("crc32-hx1k"))
    assert simulation.ask(b"123") == zlib.crc32(b"123").to_bytes(4, "big")


def test_every_kind_of_register_is_found() -> None:
    flops = extract("flops-hx1k").flops
    kinds = {(flop.falling, flop.enable != netlist.ONE, flop.asynchronous, flop.reset_value) for flop in flops}
    # A register without any reset counts as one with a synchronous reset to 0.
    assert kinds == {
        (falling, enable, asynchronous, value)
        for falling in (False, True)
        for enable in (False, True)
        for asynchronous in (False, True)
        for value in (0, 1)
    }


@pytest.mark.parametrize(("name", "board"), [("rams-hx1k", "soft-hx1k"), ("rams-hx8k", "soft-hx8k")])
def test_block_rams_of_every_width_and_edge_are_found(name: str, board: str) -> None:
    rams = extract(name, board).rams
    assert sorted((ram.read_mode, ram.write_mode, ram.read_falling, ram.write_falling) for ram in rams) == [
        (0, 0, False, False),
        (0, 3, False, False),
        (1, 1, True, False),
        (2, 1, False, False),
        (2, 2, False, True),
        (3, 3, True, True),
    ]
    assert all(len(ram.content) == 256 and any(ram.content) for ram in rams)


@pytest.mark.parametrize("name", sorted(set(designs.REFUSED) - {"combinational-loop"}))
def test_design_is_refused_with_its_reason(name: str) -> None:
    with pytest.raises(errors.ProgrammingFailed, match=designs.REFUSED[name]):
        extract(name)


def test_bitstream_of_another_part_is_refused_by_both_names() -> None:
    with pytest.raises(errors.ProgrammingFailed, match=r"is for iCE40HX1K, the board soft-hx8k has iCE40HX8K"):
        extract("moody", "soft-hx8k")


def test_bitstream_of_an_unknown_part_is_refused() -> None:
    bits = asc_parser.parse(".device 7k\n")
    with pytest.raises(errors.ProgrammingFailed, match="is for an unknown part"):
        netlist_extractor.extract(bits, BOARDS["soft-hx1k"])


def test_blank_is_not_a_core() -> None:
    with pytest.raises(errors.ProgrammingFailed, match="no pin of the stream shell is driven"):
        netlist_extractor.extract(asc_parser.parse(".device 1k\n"), BOARDS["soft-hx1k"])
