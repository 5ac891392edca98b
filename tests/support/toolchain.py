# SPDX-License-Identifier: Apache-2.0
"""The toolchain of the soft FPGA's tests: Verilog to bitstreams, bitstreams to fabrics, Verilog in iverilog."""

from __future__ import annotations

import pathlib
import shutil
import subprocess

import pytest

from fpga_nova.softfpga import confinement
from fpga_nova.softfpga.decoder import fabric_cache
from fpga_nova.softfpga.decoder.boards import BOARDS
from fpga_nova.softfpga.runtime.loaded_fabric import FabricImage, LoadedFabric, StopReason

CELLS = pathlib.Path("/usr/share/yosys/ice40/cells_sim.v")

#: For tests that read icestorm's tables, or run its tools.
needs_icestorm = pytest.mark.skipif(not shutil.which("icebox_vlog"), reason="fpga-icestorm is not installed")

SHELL = """
module top(input clk, input [7:0] in_data, input in_valid, input in_last, output in_ready,
           output [7:0] out_data, output out_valid, output out_last, input out_ready);
"""

#: The stream shell in Verilog: plays one message (from message.hex) into `top` and prints the answer, a byte a line.
#: Inputs change after the rising edge and are stable over the falling one, and the clock starts high, as in
#: stream_shell.c.
BENCH = """
`timescale 1ns/1ns
module bench;
    reg clk = 1, in_valid = 0, in_last = 0, moved_last = 0;
    reg [7:0] in_data = 0;
    wire in_ready, out_valid, out_last;
    wire [7:0] out_data;
    top dut(.clk(clk), .in_data(in_data), .in_valid(in_valid), .in_last(in_last), .in_ready(in_ready),
            .out_data(out_data), .out_valid(out_valid), .out_last(out_last), .out_ready(1'b1));
    reg [7:0] message [0:COUNT-1];
    integer i;
    initial begin
        $readmemh("message.hex", message);
        i = 0;
        while (!moved_last) begin
            in_valid = i < COUNT;
            in_data = i < COUNT ? message[i] : 0;
            in_last = i == COUNT - 1;
            #4 clk = 0;
            #4;
            if (out_valid) begin
                $display("%h", out_data);
                moved_last = out_last;
            end
            if (in_valid && in_ready) i = i + 1;
            #1 clk = 1;
            #1;
        end
        $finish;
    end
endmodule
"""


def run(argv: list[str], directory: pathlib.Path) -> str:
    done = subprocess.run(argv, cwd=directory, capture_output=True, text=True, timeout=120, check=False)
    assert done.returncode == 0, f"{argv[0]}: {done.stdout}{done.stderr}"
    return done.stdout


def synthesise(verilog: str, board_name: str, directory: pathlib.Path, *options: str, pins: str | None = None) -> bytes:
    """Make a bitstream of `verilog`.

    :param pins: the .pcf text; by default the board's
    """
    board = BOARDS[board_name]
    (directory / "top.v").write_text(verilog)
    (directory / "top.pcf").write_text(board.pin_file.read_text() if pins is None else pins)
    run(["yosys", "-q", "-p", "read_verilog top.v; synth_ice40 -top top -json top.json"], directory)
    place = ["nextpnr-ice40", "-q", "--seed", "1", f"--{board.flag}", "--package", board.package]
    run([*place, "--pcf", "top.pcf", "--json", "top.json", "--asc", "top.asc", *options], directory)
    run(["icepack", "top.asc", "top.bin"], directory)
    return (directory / "top.bin").read_bytes()


def simulate(verilog: str, message: bytes, directory: pathlib.Path) -> bytes:
    """Return what iverilog says that `verilog` answers to `message`."""
    (directory / "sim.v").write_text(verilog + BENCH.replace("COUNT", str(len(message))))
    (directory / "message.hex").write_text("\n".join(f"{byte:02x}" for byte in message))
    run(["iverilog", "-g2012", "-DNO_ICE40_DEFAULT_ASSIGNMENTS", "-o", "sim", "sim.v", str(CELLS)], directory)
    return bytes.fromhex("".join(run(["vvp", "-n", "sim"], directory).split()))


def load(board_name: str, bitstream: bytes, directory: pathlib.Path) -> LoadedFabric:
    """Decode `bitstream`, one of our own, into this process."""
    fabric = fabric_cache.FabricCache(directory, confinement.account_of("nobody")).fabric(BOARDS[board_name], bitstream)
    return FabricImage(fabric.path, fabric.sha256).load()


def ask(fabric: LoadedFabric, message: bytes, piece: int = 1 << 16, limit: int = 1 << 20) -> bytes:
    """Return a fabric's answer to a message, which it gets in pieces of `piece` bytes."""
    answer = b""
    sent = 0
    while True:
        data = message[sent : sent + piece]
        stop_reason, output = fabric.run(data, sent + len(data) == len(message), 1 << 20, limit)
        answer += output
        sent += fabric.used
        if stop_reason == StopReason.ANSWERED:
            return answer
        assert stop_reason != StopReason.SILENT
