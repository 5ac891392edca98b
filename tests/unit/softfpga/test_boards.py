# SPDX-License-Identifier: Apache-2.0
"""The data of the soft boards."""

from __future__ import annotations

import pytest

from fpga_nova.softfpga.decoder import netlist_extractor
from fpga_nova.softfpga.decoder.boards import BOARDS, Board


@pytest.mark.parametrize("board", BOARDS.values(), ids=lambda board: board.name)
def test_pin_file_has_each_port_of_the_stream_shell_once(board: Board) -> None:
    ports = {*netlist_extractor.INPUTS, *netlist_extractor.OUTPUTS, netlist_extractor.CLOCK}
    assert sorted(board.pins().values()) == sorted(ports)


def test_interface_ids_are_fixed() -> None:
    """Published archives name them: after a change none of those would fit."""
    assert {name: board.interface_id for name, board in BOARDS.items()} == {
        "soft-hx1k": "30613317-ee71-5737-84fa-3b1e2308c330",
        "soft-hx8k": "7883fcdc-8d3d-537b-a394-01c0b9866e16",
    }
