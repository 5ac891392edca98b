# SPDX-License-Identifier: Apache-2.0
"""Fixtures of tests with real processes: a host, an archive of an IP core, a Glance that has it."""

from __future__ import annotations

import pathlib

import pytest

from tests.support.host_fixtures import core_archive, glance, held  # noqa: F401
from tests.support.process_host import Host


@pytest.fixture
def host(tmp_path: pathlib.Path) -> Host:
    made = Host(tmp_path)
    made.configure()
    return made
