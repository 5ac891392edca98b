# SPDX-License-Identifier: Apache-2.0
"""The cloud of this clone, which `make functional` has brought up and has run the demo on."""

from __future__ import annotations

import pytest

from build_scripts.cloud.client import Client
from build_scripts.lib import paths
from build_scripts.lib.state import State


@pytest.fixture(scope="session")
def cloud():
    """A client of the cloud, in which all regions are free."""
    client = Client(State(paths.state_path()), "test-")
    client.delete_all()  # left by a run that was interrupted
    client.counted(0)
    return client


@pytest.fixture(scope="session")
def flavors(cloud):
    """A flavor for each of the demo's IP cores."""
    accelerators = paths.CLONE / "accelerators"
    return {name: cloud.flavor(f"fpga-{name}", cloud.upload(name, accelerators / name)) for name in ("crc32", "lzo")}
