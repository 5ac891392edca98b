# SPDX-License-Identifier: Apache-2.0
"""A patched Nova, in memory, and a host that is well."""

from __future__ import annotations

import pytest

from tests.support import patched_nova

patched_nova.import_patched()

from tests.support import doctor_world  # noqa: E402 - after Nova


@pytest.fixture(scope="session")
def databases(tmp_path_factory):
    return doctor_world.make_databases(tmp_path_factory.mktemp("databases"))


@pytest.fixture
def world(tmp_path, databases):
    yield doctor_world.World(tmp_path, databases)
    doctor_world.reset_nova_conf()
