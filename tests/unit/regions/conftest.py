# SPDX-License-Identifier: Apache-2.0
"""Fixtures of the engine's tests."""

from __future__ import annotations

import pytest

from fpga_nova import model
from fpga_nova.regions.engine import Engine
from tests.support.regions import EngineHost, manifest


@pytest.fixture
def host(tmp_path):
    """A host with the simulated cards a (two regions of board1) and b (one of board2), all free."""
    made = EngineHost(tmp_path)
    made.engine().recovery.discover()
    made.transitions.clear()
    yield made
    made.close()


@pytest.fixture
def engine(host) -> Engine:
    return host.engine()


@pytest.fixture
def burn(host, engine):
    """Return a function that programs the first free region that fits; it returns the region."""

    def burn(content: bytes = b"bits", owner: str | None = "server", board: str = "board1") -> model.Region:
        core = manifest(content, board)
        for region, _ in engine.candidates(core):
            programmed = engine.program(region, core, host.bitstream(content), owner)
            if programmed is not None:
                return programmed
        raise AssertionError

    return burn
