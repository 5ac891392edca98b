# SPDX-License-Identifier: Apache-2.0
"""The translator: what a bitstream may use runs as it would in the part; the rest is refused with its reason."""

from __future__ import annotations

import pathlib
import random
import shutil

import pytest

from fpga_nova import errors
from fpga_nova.softfpga.decoder import asc_parser, chip_database, truth_tables
from fpga_nova.softfpga.decoder.boards import BOARDS
from tests.component.softfpga import conftest
from tests.support import toolchain

# The answer's bytes come in the same cycle as the message's: out follows in, as far as the handshake goes.
THROUGH = "assign in_ready = out_ready; assign out_valid = in_valid; assign out_last = in_last;"

#: Every register of the part's library: falling edge, enable, and the four kinds of set and reset.
FLOPS = [
    f"SB_DFF{falling}{enable}{control}"
    for falling in ("", "N")
    for enable in ("", "E")
    for control in ("", "SR", "R", "SS", "S")
]


def _flops(_swapped: bool = False) -> str:
    """A core whose answer mixes one register of every kind, driven by a pseudo-random state."""
    lines = [
        toolchain.SHELL,
        THROUGH,
        "reg [15:0] mix = 16'h1; reg [7:0] sum = 0;",
        "always @(posedge clk) if (in_valid) begin",
        "  mix <= {mix[14:0], mix[15] ^ mix[13] ^ mix[12] ^ mix[10]} ^ {8'b0, in_data};",
        "  sum <= sum + in_data;",
        "end",
        # Asynchronous controls come from registers, as they must: from logic they would glitch.
        f"reg [{len(FLOPS) - 1}:0] control = 0; reg [1:0] low = 0;",
        "always @(posedge clk) control <= {mix, mix[3:0]} & {control[2:0], mix ^ {mix[7:0], mix[15:8]}, 1'b1};",
        "always @(negedge clk) low <= mix[1:0];",
        f"wire [{len(FLOPS) - 1}:0] q;",
    ]
    for i, name in enumerate(FLOPS):
        ports = [f".C(clk), .Q(q[{i}]), .D(mix[{i % 16}] ^ q[{(i + 7) % len(FLOPS)}])"]
        body = name[len("SB_DFF") :].removeprefix("N")
        if body.startswith("E"):
            ports.append(f".E(mix[{(i + 5) % 16}])")
            body = body[1:]
        if body:
            ports.append(f".{body[-1]}(control[{i}])")
        lines.append(f"{name} f{i} ({', '.join(ports)});")
    lines.append(f"assign out_data = sum ^ q[7:0] ^ q[15:8] ^ {{q[{len(FLOPS) - 1}:16], low, 2'b0}};")
    lines.append("endmodule")
    return "\n".join(lines)


def _rams(swapped: bool = False) -> str:
    """A core with block RAMs of every width and edge, with contents, masks and all enables, hit at random.

    :param swapped: give a block RAM's falling edge to its other port
    """
    dice = random.Random(4)
    lines = [
        toolchain.SHELL,
        THROUGH,
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


@pytest.mark.parametrize("board", sorted(BOARDS))
@pytest.mark.parametrize("design", [_flops, _rams])
def test_runs_as_simulated(design, board: str, tmp_path: pathlib.Path) -> None:  # type: ignore[no-untyped-def]
    message = random.Random(9).randbytes(3000)
    expected = toolchain.simulate(design(), message, tmp_path)
    assert len(expected) == len(message)
    # nextpnr 0.4 has the falling edges of a block RAM's two ports the wrong way round on all but the 1k
    # (nextpnr issue 910): it is told the opposite there, to get the bitstream that the design asks for.
    bitstream = toolchain.synthesise(design(board == "soft-hx8k"), board, tmp_path)
    fabric = toolchain.load(board, bitstream, tmp_path / "cache")
    assert toolchain.ask(fabric, message) == expected
    # A reset is the power-up state, contents of the block RAMs included.
    assert toolchain.ask(fabric, message) != expected
    fabric.reset()
    assert toolchain.ask(fabric, message) == expected


def test_an_accelerator_runs_as_simulated(tmp_path: pathlib.Path) -> None:
    core = conftest.ACCELERATORS / "lzo"
    message = b"peter piper picked a peck of pickled pepper " * 4 + random.Random(1).randbytes(40)
    fabric = toolchain.load("soft-hx1k", (core / "soft-hx1k.bin").read_bytes(), tmp_path)
    assert toolchain.ask(fabric, message) == toolchain.simulate((core / "lzo.v").read_text(), message, tmp_path)


# what is refused

DATA = "assign in_ready = 1; assign out_valid = in_valid; assign out_last = in_last;"
REFUSED = {
    "another clock": (
        f"{DATA} reg q = 0; always @(posedge in_valid) q <= !q; assign out_data = q;",
        "not clocked by the board",
    ),
    "a gated clock": (
        f"{DATA} reg q = 0; wire c = clk & in_last; always @(posedge c) q <= !q; assign out_data = q;",
        "the clock as data|not clocked by the board",
    ),
    "the clock as data": (f"{DATA} assign out_data = {{8{{clk}}}};", "the clock as data"),
    "a combinational loop": (
        f"{DATA} wire a; SB_LUT4 #(.LUT_INIT(16'h1111)) l (.O(a), .I0(a), .I1(in_valid), .I2(1'b0), .I3(1'b0));"
        "assign out_data = a;",
        "combinational loop",
    ),
    "a PLL": (
        f"{DATA} wire c; reg q = 0; SB_PLL40_CORE #(.DIVF(7'd63), .DIVQ(3'd4), .FILTER_RANGE(3'd1))"
        " p (.REFERENCECLK(clk), .PLLOUTCORE(c), .RESETB(1'b1), .BYPASS(1'b0));"
        "always @(posedge c) q <= !q; assign out_data = q;",
        "PLL",
    ),
    "a tri-state pin": (
        f"{DATA} assign out_data[7:1] = 0; SB_IO #(.PIN_TYPE(6'b101001)) io "
        "(.PACKAGE_PIN(out_data[0]), .OUTPUT_ENABLE(in_valid), .D_OUT_0(in_last));",
        "not a plain output",
    ),
    "a registered pin": (
        f"{DATA} assign out_data[7:1] = 0; SB_IO #(.PIN_TYPE(6'b010101)) io "
        "(.PACKAGE_PIN(out_data[0]), .OUTPUT_CLK(clk), .D_OUT_0(in_last));",
        "not a plain output",
    ),
}


@pytest.mark.parametrize("what", sorted(REFUSED))
def test_is_refused(what: str, tmp_path: pathlib.Path) -> None:
    body, reason = REFUSED[what]
    bitstream = toolchain.synthesise(
        f"{toolchain.SHELL}{body}\nendmodule\n", "soft-hx1k", tmp_path, "--force", "--ignore-loops"
    )
    with pytest.raises(errors.ProgrammingFailed, match=reason):
        toolchain.load("soft-hx1k", bitstream, tmp_path / "cache")


def test_a_pin_outside_of_the_shell_is_refused(tmp_path: pathlib.Path) -> None:
    (tmp_path / "top.v").write_text("module top(output a); assign a = 1; endmodule")
    (tmp_path / "top.pcf").write_text("set_io a 144\n")
    toolchain.run(["yosys", "-q", "-p", "read_verilog top.v; synth_ice40 -top top -json top.json"], tmp_path)
    place = ["nextpnr-ice40", "-q", "--hx1k", "--package", "tq144", "--pcf", "top.pcf"]
    toolchain.run([*place, "--json", "top.json", "--asc", "top.asc"], tmp_path)
    toolchain.run(["icepack", "top.asc", "top.bin"], tmp_path)
    with pytest.raises(errors.ProgrammingFailed, match="drives pin 144, which is no output of the stream shell"):
        toolchain.load("soft-hx1k", (tmp_path / "top.bin").read_bytes(), tmp_path / "cache")


@pytest.mark.parametrize(
    "comment",
    [
        '"; system("reboot"); //',
        "x\n.extra_bit 0 1 1\n",
        "x\n.device 8k\n",
        "x\n.ram_data 3 1\n" + ("f" * 64 + "\n") * 16,
        "\\\n*/ } int fabric_run() { /*",
    ],
)
def test_a_comment_is_no_configuration(comment: str, tmp_path: pathlib.Path) -> None:
    core = (conftest.ACCELERATORS / "crc32" / "soft-hx1k.bin").read_bytes()
    stream = core[core.index(b"\x7e\xaa\x99\x7e") :]
    bitstream = b"\xff\0" + comment.encode() + b"\0\0\xff" + stream
    fabric = toolchain.load("soft-hx1k", bitstream, tmp_path)
    assert toolchain.ask(fabric, b"123456789") == bytes.fromhex("cbf43926")
    assert fabric.configuration() == bitstream


@pytest.mark.parametrize("seed", range(4))
def test_flipped_bits_are_run_or_refused(seed: int, tmp_path: pathlib.Path) -> None:
    """Whatever is configured ends in a fabric or in a reason that a person understands."""
    dice = random.Random(seed)
    core = conftest.ACCELERATORS / "lzo" / "soft-hx1k.bin"
    lines = toolchain.run(["iceunpack", str(core)], tmp_path).split("\n")
    rows = [i for i, line in enumerate(lines) if len(line) in (18, 42, 54) and set(line) <= {"0", "1"}]
    for row in dice.choices(rows, k=10**seed):
        place = dice.randrange(len(lines[row]))
        lines[row] = lines[row][:place] + "10"[int(lines[row][place])] + lines[row][place + 1 :]
    (tmp_path / "flipped.asc").write_text("\n".join(lines))
    toolchain.run(["icepack", "flipped.asc", "flipped.bin"], tmp_path)
    try:
        fabric = toolchain.load("soft-hx1k", (tmp_path / "flipped.bin").read_bytes(), tmp_path / "cache")
    except errors.ProgrammingFailed as exc:
        assert str(exc).startswith("the soft FPGA cannot run this bitstream: ")
    else:
        fabric.run(b"message", True, 100_000, 1 << 20)


# the reader

BITS = "0" * 18
TILE = f".io_tile 1 0\n{(BITS + chr(10)) * 16}"


def test_reads_a_tile_bit_for_bit() -> None:
    rows = ["0" * 18] * 16
    rows[3] = "01" + "0" * 15 + "1"
    bits = asc_parser.parse(".device 1k\n.io_tile 4 17\n" + "\n".join(rows) + "\n")
    tile = bits.tiles[4, 17]
    assert (bits.device, tile.kind, tile.width) == ("1k", "io", 18)
    assert [(row, column) for row in range(16) for column in range(18) if tile.bit(row, column)] == [(3, 1), (3, 17)]


def test_comments_and_symbols_are_not_read() -> None:
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
def test_what_is_no_asc_is_refused(text: str) -> None:
    with pytest.raises(errors.ProgrammingFailed, match=r"^the unpacked bitstream cannot be read: line \d+: "):
        asc_parser.parse(text)


@pytest.mark.parametrize(
    "text", [".logic_tile 77 77\n" + ("0" * 54 + "\n") * 16, ".ram_data 1 1\n" + ("0" * 64 + "\n") * 16]
)
def test_a_place_that_the_part_has_not_is_refused(text: str) -> None:
    with pytest.raises(errors.ProgrammingFailed, match="that the part has not"):
        chip_database.Chip("1k").check(asc_parser.parse(".device 1k\n" + text))


# the boards' data


@pytest.mark.parametrize("board", sorted(BOARDS))
def test_the_blank_is_icepacks(board: str, tmp_path: pathlib.Path) -> None:
    lines = [f".device {BOARDS[board].device}"]
    for (x, y), (kind, width) in chip_database.Chip(BOARDS[board].device).kinds.items():
        lines += [f".{kind}_tile {x} {y}", *["0" * width] * 16]
    (tmp_path / "blank.asc").write_text("\n".join(lines) + "\n")
    toolchain.run(["icepack", "blank.asc", "blank.bin"], tmp_path)
    assert (tmp_path / "blank.bin").read_bytes() == BOARDS[board].blank()


def test_the_boards_have_the_whole_shell() -> None:
    for board in BOARDS.values():
        assert len(board.pins()) == len(set(board.pins().values())) == 23


# tables to expressions


@pytest.mark.parametrize("count", [1, 2, 3])
def test_every_small_table(count: int) -> None:
    names = ["a", "b", "c"][:count]
    for table in range(1 << (1 << count)):
        text = truth_tables.expression(table, count)[1].format(*names)
        for i in range(1 << count):
            values = {name: i >> k & 1 for k, name in enumerate(names)}
            assert eval(text, {}, values) == table >> i & 1, (table, text)


def test_tables_of_four_with_constants_and_repeats() -> None:
    dice = random.Random(2)
    for _ in range(3000):
        table, inputs = dice.getrandbits(16), tuple(dice.randrange(5) for _ in range(4))
        small, nets = truth_tables.reduce(table, inputs, {0: 0, 1: 1})
        assert len(set(nets)) == len(nets) and not {0, 1} & set(nets)
        text = truth_tables.expression(small, len(nets))[1].format(*(f"n{net}" for net in nets))
        for i in range(8):
            value = {0: 0, 1: 1, 2: i & 1, 3: i >> 1 & 1, 4: i >> 2 & 1}
            index = sum(value[net] << k for k, net in enumerate(inputs))
            assert eval(text, {}, {f"n{net}": bit for net, bit in value.items()}) == table >> index & 1


def test_the_tools_are_there() -> None:
    for tool in ("iceunpack", "icebox_vlog", "yosys", "nextpnr-ice40", "iverilog"):
        assert shutil.which(tool), tool
