# SPDX-License-Identifier: Apache-2.0
"""Fixtures of fpga-cli's tests: a host whose fpga-cli runs in this process, an archive, a Glance that has it."""

from __future__ import annotations

import functools
import pathlib

import pytest

from tests.support.archives import write_archive
from tests.support.image_server import serving
from tests.support.in_process_host import InProcessHost
from tests.support.policies import allow_list


@pytest.fixture
def host(tmp_path: pathlib.Path) -> InProcessHost:
    made = InProcessHost(tmp_path)
    made.configure()
    return made


@pytest.fixture
def core_archive(tmp_path: pathlib.Path) -> pathlib.Path:
    return write_archive(tmp_path / "core.zip")


@pytest.fixture
def glance(host: InProcessHost, core_archive: pathlib.Path):
    """A Glance with the archive, served by a thread of this process, which `host` is configured for."""
    with serving(core_archive.read_bytes()) as server:
        host.configure_glance(server)
        yield server


@pytest.fixture
def allow(host):
    """Return a function that writes the policy file; it returns the option that names it."""
    return functools.partial(allow_list, host)
