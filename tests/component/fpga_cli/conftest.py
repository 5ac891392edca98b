# SPDX-License-Identifier: Apache-2.0
"""A host whose commands are processes, and whose state is read without one."""

from __future__ import annotations

import pathlib

import pytest

from tests.support.in_process import InProcessHost
from tests.support.process_host import Host


class ProcessHost(Host):
    """A compute host's FPGA side in a directory; `list` runs in the process of the test."""

    def regions(self) -> list[dict]:
        return InProcessHost(self.path).regions()


@pytest.fixture
def host(tmp_path: pathlib.Path) -> ProcessHost:
    made = ProcessHost(tmp_path)
    made.configure()
    return made
