# SPDX-License-Identifier: Apache-2.0
"""The cloud of this clone, which `make functional` has brought up."""

from __future__ import annotations

import pytest

from build_scripts.cloud.client import Client
from build_scripts.lib import paths
from build_scripts.lib.state import State


@pytest.fixture(scope="session")
def cloud():
    return Client(State(paths.state_path()), "test-")


@pytest.fixture(scope="session")
def flavors(cloud):
    """The demo's IP cores, each with a flavor that carries it."""
    accelerators = paths.CLONE / "accelerators"
    return {name: cloud.flavor(f"fpga-{name}", cloud.upload(name, accelerators / name)) for name in ("crc32", "lzo")}


@pytest.fixture(autouse=True)
def clean(request):
    """Leave no server behind, and require that no test has lost a region."""
    if "cloud" not in request.fixturenames:
        yield
        return
    cloud = request.getfixturevalue("cloud")
    cloud.delete_all()
    cloud.counted(0)
    yield
    cloud.delete_all()
    cloud.counted(0)
