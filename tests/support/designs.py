# SPDX-License-Identifier: Apache-2.0
"""Small designs for the soft FPGA: their Verilog, and what place and route made of it, stored.

`designs/NAME.asc.gz` is the unpacked bitstream of a design, as iceunpack prints it: place and route takes seconds, and
its result is the same each time. `python -m tests.support.designs` makes all of them again; the long component tests
compare each with its Verilog.
"""

from __future__ import annotations

import dataclasses
import gzip
import pathlib
import random
import tempfile

from tests.support import ROOT, toolchain

FOLDER = pathlib.Path(__file__).with_name("designs")

# The answer's bytes come in the same cycle as the message's: out follows in, as far as the handshake goes.
_THROUGH = "assign in_ready = out_ready; assign out_valid = in_valid; assign out_last = in_last;"

#: Every register of the part's library: falling edge, enable, and the four kinds of set and reset.
_FLOPS = [
    f"SB_DFF{falling}{enable}{control}"
    for falling in ("", "N")
    for enable in ("", "E")
    for control in ("", "SR", "R", "SS", "S")
]

#: Answers a message with its bytes, but never a message that begins with 'S', and without end one with 'E'.
_MOODY = (
    toolchain.SHELL
    + """
    reg [1:0] mood = 0; reg begun = 0;
    wire silent = mood == 1, endless = mood == 2;
    assign in_ready = !endless && out_ready && !silent;
    assign out_valid = endless || (in_valid && !silent);
    assign out_last = in_last && !endless;
    assign out_data = endless ? 8'h45 : in_data;
    always @(posedge clk) if (in_valid && in_ready) begin
        begun <= !in_last;
        if (!begun && in_data == "S") mood <= 1;
        if (!begun && in_data == "E") mood <= 2;
    end
endmodule
"""
)


def flops() -> str:
    """Return a core whose answer mixes one register of every kind, driven by a pseudo-random state."""
    lines = [
        toolchain.SHELL,
        _THROUGH,
        "reg [15:0] mix = 16'h1; reg [7:0] sum = 0;",
        "always @(posedge clk) if (in_valid) begin",
        "  mix <= {mix[14:0], mix[15] ^ mix[13] ^ mix[12] ^ mix[10]} ^ {8'b0, in_data};",
        "  sum <= sum + in_data;",
        "end",
        # Asynchronous controls come from registers, as they must: from logic they would glitch.
        f"reg [{len(_FLOPS) - 1}:0] control = 0; reg [1:0] low = 0;",
        "always @(posedge clk) control <= {mix, mix[3:0]} & {control[2:0], mix ^ {mix[7:0], mix[15:8]}, 1'b1};",
        "always @(negedge clk) low <= mix[1:0];",
        f"wire [{len(_FLOPS) - 1}:0] q;",
    ]
    for i, name in enumerate(_FLOPS):
        ports = [f".C(clk), .Q(q[{i}]), .D(mix[{i % 16}] ^ q[{(i + 7) % len(_FLOPS)}])"]
        body = name[len("SB_DFF") :].removeprefix("N")
        if body.startswith("E"):
            ports.append(f".E(mix[{(i + 5) % 16}])")
            body = body[1:]
        if body:
            ports.append(f".{body[-1]}(control[{i}])")
        lines.append(f"{name} f{i} ({', '.join(ports)});")
    lines.append(f"assign out_data = sum ^ q[7:0] ^ q[15:8] ^ {{q[{len(_FLOPS) - 1}:16], low, 2'b0}};")
    lines.append("endmodule")
    return "\n".join(lines)


def rams(swapped: bool = False) -> str:
    """Return a core with block RAMs of every width and edge, with contents, masks and all enables, hit at random.

    :param swapped: give a block RAM's falling edge to its other port
    """
    dice = random.Random(4)
    lines = [
        toolchain.SHELL,
        _THROUGH,
        "reg [63:0] mix = 1; reg [2:0] warm = 0;",
        "always @(posedge clk) if (in_valid) begin",
        "  mix <= {mix[62:0], mix[63] ^ mix[62] ^ mix[60] ^ mix[59]} ^ {mix[7:0], in_data, 32'b0, in_data, in_data};",
        "  if (!warm[2]) warm <= warm + 1;",
        "end",
        # Before its first read a port's register is unknown in simulation and 0 in the part.
        "reg hot = 0; always @(posedge clk) hot <= warm[2];",
    ]
    # Few rows, so that they are often met again; every upper address bit, so that all lanes are.
    rows = "{mix[%d +: 3], 3'b0, mix[%d +: 5]}"
    outputs = []
    for i, (read, write, edges) in enumerate(
        [(0, 0, ""), (1, 1, "NR"), (2, 2, "NW"), (3, 3, "NRNW"), (0, 3, ""), (2, 1, "")]
    ):
        if swapped:
            edges = {"NR": "NW", "NW": "NR"}.get(edges, edges)
        inits = ", ".join(f".INIT_{k:X}(256'h{dice.getrandbits(256):064x})" for k in range(16))
        read_clock = "RCLKN" if "NR" in edges else "RCLK"
        write_clock = "WCLKN" if "NW" in edges else "WCLK"
        ports = [
            f".RDATA(r{i}), .RADDR({rows % (i, i + 20)}), .{read_clock}(clk)",
            f".RE(mix[{i + 30}] | !hot), .RCLKE(mix[{i + 3}] | !hot)",
            f".WADDR({rows % (i + 9, i + 33)}), .{write_clock}(clk), .WE(mix[{i + 40}]), .WCLKE(mix[{i + 11}])",
            f".WDATA(mix[{i + 2} +: 16]), .MASK(mix[{i + 24} +: 16])",
        ]
        lines.append(f"wire [15:0] r{i};")
        lines.append(
            f"SB_RAM40_4K{edges} #(.READ_MODE({read}), .WRITE_MODE({write}), {inits}) m{i} ({', '.join(ports)});"
        )
        outputs.append(f"r{i}[7:0] ^ {{r{i}[8], r{i}[15:9]}}")
    lines.append(f"wire [7:0] all = {' ^ '.join(outputs)};")
    lines.append("assign out_data = hot ? all : in_data;")
    lines.append("endmodule")
    return "\n".join(lines)


@dataclasses.dataclass(frozen=True)
class Design:
    """A design for a board.

    :param options: options of nextpnr-ice40 beside those of the board
    :param pins: the .pcf text, where it is not the board's
    """

    verilog: str
    board: str = "soft-hx1k"
    options: tuple[str, ...] = ()
    pins: str | None = None


def _refused(body: str) -> Design:
    return Design(f"{toolchain.SHELL}{body}\nendmodule\n", options=("--force", "--ignore-loops"))


_DATA = "assign in_ready = 1; assign out_valid = in_valid; assign out_last = in_last;"

#: Designs that the soft FPGA refuses -> the reason, a regular expression.
REFUSED = {
    "another-clock": "not clocked by the board",
    "gated-clock": "the clock as data|not clocked by the board",
    "clock-as-data": "the clock as data",
    "combinational-loop": "combinational loop",
    "pll": "PLL",
    "tri-state-pin": "not a plain output",
    "registered-pin": "not a plain output",
    "pin-outside-of-the-shell": "drives pin 144, which is not an output of the stream shell",
}

DESIGNS = {
    "flops-hx1k": Design(flops()),
    "flops-hx8k": Design(flops(), "soft-hx8k"),
    "rams-hx1k": Design(rams()),
    # nextpnr 0.4 has the falling edges of a block RAM's two ports the wrong way round on all but the 1k
    # (nextpnr issue 910): the design is swapped for it, to get the bitstream that the design asks for.
    "rams-hx8k": Design(rams(swapped=True), "soft-hx8k"),
    "moody": Design(_MOODY),
    "another-clock": _refused(
        f"{_DATA} reg q = 0; always @(posedge in_valid) q <= !q; assign out_data = q;",
    ),
    "gated-clock": _refused(
        f"{_DATA} reg q = 0; wire c = clk & in_last; always @(posedge c) q <= !q; assign out_data = q;",
    ),
    "clock-as-data": _refused(f"{_DATA} assign out_data = {{8{{clk}}}};"),
    "combinational-loop": _refused(
        f"{_DATA} wire a; SB_LUT4 #(.LUT_INIT(16'h1111)) l (.O(a), .I0(a), .I1(in_valid), .I2(1'b0), .I3(1'b0));"
        "assign out_data = a;",
    ),
    "pll": _refused(
        f"{_DATA} wire c; reg q = 0; SB_PLL40_CORE #(.DIVF(7'd63), .DIVQ(3'd4), .FILTER_RANGE(3'd1))"
        " p (.REFERENCECLK(clk), .PLLOUTCORE(c), .RESETB(1'b1), .BYPASS(1'b0));"
        "always @(posedge c) q <= !q; assign out_data = q;",
    ),
    "tri-state-pin": _refused(
        f"{_DATA} assign out_data[7:1] = 0; SB_IO #(.PIN_TYPE(6'b101001)) io "
        "(.PACKAGE_PIN(out_data[0]), .OUTPUT_ENABLE(in_valid), .D_OUT_0(in_last));",
    ),
    "registered-pin": _refused(
        f"{_DATA} assign out_data[7:1] = 0; SB_IO #(.PIN_TYPE(6'b010101)) io "
        "(.PACKAGE_PIN(out_data[0]), .OUTPUT_CLK(clk), .D_OUT_0(in_last));",
    ),
    "pin-outside-of-the-shell": Design("module top(output a); assign a = 1; endmodule", pins="set_io a 144\n"),
}


def unpacked(name: str) -> str:
    """Return the stored unpacked bitstream of a design."""
    return gzip.decompress((FOLDER / f"{name}.asc.gz").read_bytes()).decode("ascii")


def bitstream(name: str, directory: pathlib.Path) -> bytes:
    """Return the stored bitstream of a design, packed by icepack in `directory`."""
    (directory / "stored.asc").write_text(unpacked(name))
    toolchain.run(["icepack", "stored.asc", "stored.bin"], directory)
    return (directory / "stored.bin").read_bytes()


def build(name: str, directory: pathlib.Path) -> str:
    """Return the unpacked bitstream of a design, made from its Verilog in `directory`."""
    design = DESIGNS[name]
    toolchain.synthesise(design.verilog, design.board, directory, *design.options, pins=design.pins)
    return toolchain.run(["iceunpack", "top.bin"], directory)


def unpacked_core(core: str, board: str, directory: pathlib.Path) -> str:
    """Return the unpacked bitstream of one of the accelerators."""
    return toolchain.run(["iceunpack", str(ROOT / "accelerators" / core / f"{board}.bin")], directory)


def main() -> None:
    """Make all stored files again."""
    FOLDER.mkdir(exist_ok=True)
    with tempfile.TemporaryDirectory() as path:
        directory = pathlib.Path(path)
        texts = {name: build(name, directory) for name in DESIGNS}
        texts["crc32-hx1k"] = unpacked_core("crc32", "soft-hx1k", directory)
    for name, text in texts.items():
        (FOLDER / f"{name}.asc.gz").write_bytes(gzip.compress(text.encode("ascii"), mtime=0))


if __name__ == "__main__":
    main()
