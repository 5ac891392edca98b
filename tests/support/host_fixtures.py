# SPDX-License-Identifier: Apache-2.0
"""Fixtures over a fixture `host`, be its fpga-cli a process or not; a conftest imports those that it offers."""

from __future__ import annotations

import pathlib
import uuid

import pytest

from tests.support.archives import write_archive
from tests.support.image_server import serving
from tests.support.process_host import Host


@pytest.fixture
def core_archive(tmp_path: pathlib.Path) -> pathlib.Path:
    """The archive of an IP core for the host's cards."""
    return write_archive(tmp_path / "core.zip")


@pytest.fixture
def glance(host: Host, core_archive: pathlib.Path):
    """A Glance with the archive, served by a thread of this process, which `host` is configured for."""
    with serving(core_archive.read_bytes()) as server:
        host.configure_glance(server)
        yield server


@pytest.fixture
def held(host: Host, core_archive: pathlib.Path) -> tuple[str, str]:
    """A region that holds the core, and its owner; the archive is gone."""
    owner = str(uuid.uuid4())
    region = host.cli("burn", "--owner", owner, "--file", core_archive).strip()
    core_archive.unlink()
    return region, owner
