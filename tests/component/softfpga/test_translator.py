# SPDX-License-Identifier: Apache-2.0
"""The translator with its real tools: what a bitstream may use runs as in the part, the rest is refused."""

from __future__ import annotations

import pathlib
import random
import shutil

import pytest

from fpga_nova import errors
from fpga_nova.softfpga.decoder import chip_database
from fpga_nova.softfpga.decoder.boards import BOARDS
from tests.component.softfpga import conftest
from tests.support import designs, toolchain
from tests.support.long import LONG, long_test

RUN = ["flops-hx1k", "flops-hx8k", "rams-hx1k", "rams-hx8k"]


@pytest.mark.parametrize("name", RUN)
def test_fabric_runs_as_simulated(name: str, tmp_path: pathlib.Path) -> None:
    board = designs.DESIGNS[name].board
    message = random.Random(9).randbytes(3000)
    verilog = designs.flops() if name.startswith("flops") else designs.rams()
    expected = toolchain.simulate(verilog, message, tmp_path)
    assert len(expected) == len(message)
    fabric = toolchain.load(board, designs.bitstream(name, tmp_path), tmp_path / "cache")
    assert toolchain.ask(fabric, message) == expected
    # A reset is the power-up state, contents of the block RAMs included.
    assert toolchain.ask(fabric, message) != expected
    fabric.reset()
    assert toolchain.ask(fabric, message) == expected


@long_test
@pytest.mark.parametrize("name", sorted(designs.DESIGNS))
def test_stored_design_is_what_place_and_route_makes(name: str, tmp_path: pathlib.Path) -> None:
    assert designs.build(name, tmp_path) == designs.unpacked(name)


def test_stored_core_is_that_of_the_tree(tmp_path: pathlib.Path) -> None:
    assert designs.unpacked_core("crc32", "soft-hx1k", tmp_path) == designs.unpacked("crc32-hx1k")


def test_accelerator_runs_as_simulated(tmp_path: pathlib.Path) -> None:
    core = conftest.ACCELERATORS / "lzo"
    message = b"peter piper picked a peck of pickled pepper " * 4 + random.Random(1).randbytes(40)
    fabric = toolchain.load("soft-hx1k", (core / "soft-hx1k.bin").read_bytes(), tmp_path)
    assert toolchain.ask(fabric, message) == toolchain.simulate((core / "lzo.v").read_text(), message, tmp_path)


@pytest.mark.parametrize("name", ["combinational-loop", "pll"])
def test_design_is_refused_by_the_whole_translator(name: str, tmp_path: pathlib.Path) -> None:
    """All refusals are unit tests of the extractor and the emitter."""
    with pytest.raises(errors.ProgrammingFailed, match=designs.REFUSED[name]):
        toolchain.load("soft-hx1k", designs.bitstream(name, tmp_path), tmp_path / "cache")


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
def test_comment_is_not_configuration(comment: str, tmp_path: pathlib.Path) -> None:
    core = (conftest.ACCELERATORS / "crc32" / "soft-hx1k.bin").read_bytes()
    stream = core[core.index(b"\x7e\xaa\x99\x7e") :]
    bitstream = b"\xff\0" + comment.encode() + b"\0\0\xff" + stream
    fabric = toolchain.load("soft-hx1k", bitstream, tmp_path)
    assert toolchain.ask(fabric, b"123456789") == bytes.fromhex("cbf43926")
    assert fabric.configuration() == bitstream


@pytest.mark.parametrize("seed", range(4 if LONG else 2))
def test_flipped_bits_are_run_or_refused(seed: int, tmp_path: pathlib.Path) -> None:
    """Any configuration ends in a fabric or in a reason that an operator understands."""
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


# the boards' data


@pytest.mark.parametrize("board", sorted(BOARDS))
def test_blank_is_what_icepack_makes(board: str, tmp_path: pathlib.Path) -> None:
    lines = [f".device {BOARDS[board].device}"]
    for (x, y), (kind, width) in chip_database.Chip(BOARDS[board].device).kinds.items():
        lines += [f".{kind}_tile {x} {y}", *["0" * width] * 16]
    (tmp_path / "blank.asc").write_text("\n".join(lines) + "\n")
    toolchain.run(["icepack", "blank.asc", "blank.bin"], tmp_path)
    assert (tmp_path / "blank.bin").read_bytes() == BOARDS[board].blank()


def test_tools_are_installed() -> None:
    for tool in ("iceunpack", "icebox_vlog", "yosys", "nextpnr-ice40", "iverilog"):
        assert shutil.which(tool), tool
