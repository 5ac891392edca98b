# SPDX-License-Identifier: Apache-2.0
"""Fixtures of tests with real processes: a host, an archive of an IP core, a Glance that has it."""

from __future__ import annotations

import pathlib

import pytest

from tests.support.archives import write_archive
from tests.support.image_server import serving
from tests.support.process_host import Host


@pytest.fixture
def host(tmp_path: pathlib.Path) -> Host:
    made = Host(tmp_path)
    made.configure()
    return made


@pytest.fixture
def core_archive(tmp_path: pathlib.Path) -> pathlib.Path:
    return write_archive(tmp_path / "core.zip")


@pytest.fixture
def glance(host: Host, core_archive: pathlib.Path):
    """A Glance with the archive, which `host` is configured for."""
    with serving(core_archive.read_bytes()) as server:
        host.configure_glance(server)
        yield server
