# SPDX-License-Identifier: Apache-2.0
"""From a netlist to C: the text, which is compiled and run in the component tests."""

from __future__ import annotations

import re

import pytest

from fpga_nova import errors
from fpga_nova.softfpga.decoder import asc_parser, c_emitter, netlist, netlist_extractor
from fpga_nova.softfpga.decoder.boards import BOARDS
from tests.support import designs, toolchain

#: Nets of the small netlists below.
IN, A, B, Q = 2, 3, 4, 5
BUFFER = 0xAAAA  # a table that is its first input


def fabric(*luts: netlist.Lut, flops: tuple[netlist.Flop, ...] = (), output: int = A) -> netlist.Netlist:
    outputs = {"in_ready": netlist.ONE, "out_valid": output}
    return netlist.Netlist({"in_valid": IN}, outputs, list(luts), [], list(flops), [], net_count=6)


def lut(out: int, table: int, *inputs: int) -> netlist.Lut:
    first, second, third, fourth = (*inputs, *(netlist.ZERO,) * (4 - len(inputs)))
    return netlist.Lut(out, (first, second, third, fourth), table)


def flop(**changes: object) -> netlist.Flop:
    values = {"enable": netlist.ONE, "reset": netlist.ZERO, "reset_value": 0, "asynchronous": False, "falling": False}
    return netlist.Flop(out=Q, data=A, **{**values, **changes})  # type: ignore[arg-type]


def text_of(made: netlist.Netlist, configuration: bytes = b"bits") -> str:
    """Return what is emitted before the text of the stream shell."""
    return c_emitter.emit(made, configuration).partition("/* SPDX-License-Identifier")[0]


def function(made: netlist.Netlist, name: str) -> str:
    """Return the body of one function of the C text."""
    body = text_of(made).partition(f"static void {name}(void)")[2].partition("static void ")[0]
    return body.strip().removeprefix("{").rstrip().removesuffix("}")


def test_inverter_becomes_an_expression() -> None:
    made = function(fabric(lut(A, 0x5555, IN)), "rise")
    assert f"unsigned n{A} = (i{IN} ^ 1);" in made
    assert f"out_valid = n{A};" in made


def test_buffers_and_constants_cost_nothing() -> None:
    made = function(fabric(lut(A, BUFFER, B), lut(B, BUFFER, IN)), "rise")
    assert "unsigned" not in made
    assert f"out_valid = i{IN};" in made
    assert "out_valid = 1;" in function(fabric(lut(A, 0xFFFF, IN)), "rise")


def test_net_is_computed_after_what_it_needs() -> None:
    made = function(fabric(lut(A, 0x5555, B), lut(B, 0x5555, IN)), "rise")
    assert made.index(f"unsigned n{B}") < made.index(f"unsigned n{A}")


def test_combinational_loop_is_refused() -> None:
    with pytest.raises(errors.ProgrammingFailed, match="combinational loop"):
        text_of(fabric(lut(A, 0x5555, B), lut(B, 0x5555, A)))


def test_unused_input_is_not_a_loop() -> None:
    """Place and route ties inputs that a table does not depend on to anything, the cell's own output among them."""
    assert f"out_valid = i{IN};" in function(fabric(lut(A, 0xCCCC, A, IN)), "rise")


def test_register_takes_its_value_at_its_own_edge() -> None:
    made = fabric(lut(A, 0x5555, IN), flops=(flop(),), output=Q)
    assert f"q{Q} = d{Q};" in function(made, "rise")
    assert "q" not in function(made, "fall")
    made = fabric(lut(A, 0x5555, IN), flops=(flop(falling=True),), output=Q)
    assert f"q{Q} = d{Q};" in function(made, "fall")
    assert f"q{Q} = d{Q};" not in function(made, "rise")


def test_logic_behind_an_enable_is_computed_only_while_it_is_on() -> None:
    made = function(fabric(lut(A, 0x5555, B), flops=(flop(enable=IN),), output=Q), "rise")
    assert made.index("if (c0) {") < made.index(f"d{Q} = ")
    assert f"unsigned c0 = i{IN} & (0 ^ 1);" in made


def test_synchronous_reset_works_only_while_enabled() -> None:
    made = fabric(flops=(flop(enable=IN, reset=B, reset_value=1),), output=Q)
    assert f"unsigned r0 = i{IN} & n{B};" in function(made, "rise")
    assert f"q{Q} = 1;" in function(made, "rise")
    made = fabric(flops=(flop(enable=IN, reset=B, reset_value=1, asynchronous=True),), output=Q)
    assert f"unsigned r0 = n{B};" in function(made, "rise")


def test_configuration_memory_is_the_bitstream() -> None:
    text = c_emitter.emit(fabric(lut(A, BUFFER, IN)), bytes(range(256)))
    assert "fabric_config_size = 256;" in text
    strings = re.findall(r'^"((?:\\[0-7]{3})*)"$', text, re.MULTILINE)
    assert bytes(int(digits, 8) for digits in re.findall(r"\\([0-7]{3})", "".join(strings))) == bytes(range(256))


@toolchain.needs_icestorm
@pytest.mark.parametrize("name", ["crc32-hx1k", "flops-hx1k", "rams-hx1k", "moody"])
def test_text_of_a_real_core_has_no_word_but_the_emitters(name: str) -> None:
    """Names and comments of a tenant's file cannot get into what is compiled."""
    bits = asc_parser.parse(designs.unpacked(name))
    text = text_of(netlist_extractor.extract(bits, BOARDS["soft-hx1k"]))
    words = set(re.findall(r"[A-Za-z_]\w*", text))
    nets = {word for word in words if re.fullmatch(r"[acdikmnqrwz][0-9]+", word)}
    assert words - nets <= {
        *("static", "const", "unsigned", "short", "void", "int", "for", "if", "i", "v"),
        *("rise", "fall", "power_up", "set_inputs", "data", "valid", "last", "ready"),
        *("in_ready", "out_valid", "out_last", "out_data"),
    }


@toolchain.needs_icestorm
def test_combinational_loop_of_a_real_bitstream_is_refused() -> None:
    bits = asc_parser.parse(designs.unpacked("combinational-loop"))
    with pytest.raises(errors.ProgrammingFailed, match="combinational loop"):
        c_emitter.emit(netlist_extractor.extract(bits, BOARDS["soft-hx1k"]), b"")
