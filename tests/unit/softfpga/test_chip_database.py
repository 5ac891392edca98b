# SPDX-License-Identifier: Apache-2.0
"""The map of a part, from icestorm's tables."""

from __future__ import annotations

import pytest

from fpga_nova import errors
from fpga_nova.softfpga.decoder import asc_parser, chip_database
from fpga_nova.softfpga.decoder.boards import BOARDS
from tests.support import toolchain

pytestmark = toolchain.needs_icestorm


@pytest.mark.parametrize(
    "text", [".logic_tile 77 77\n" + ("0" * 54 + "\n") * 16, ".ram_data 1 1\n" + ("0" * 64 + "\n") * 16]
)
def test_tile_that_the_part_lacks_is_refused(text: str) -> None:
    with pytest.raises(errors.ProgrammingFailed, match="that the part lacks"):
        chip_database.Chip("1k").check(asc_parser.parse(".device 1k\n" + text))


@pytest.mark.parametrize("board", BOARDS.values(), ids=lambda board: board.name)
def test_pins_of_the_board_are_pins_of_its_package(board) -> None:  # type: ignore[no-untyped-def]
    chip = chip_database.Chip(board.device)
    assert set(board.pins()) <= set(chip.pins(board.package).values())


def test_missing_icestorm_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", "/nowhere")
    with pytest.raises(errors.ProgrammingFailed, match="Debian: fpga-icestorm"):
        chip_database.icebox.__wrapped__()
