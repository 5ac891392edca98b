# SPDX-License-Identifier: Apache-2.0
"""Fixtures of fpga-cli's tests: a host whose fpga-cli runs in this process, an archive, a Glance that has it."""

from __future__ import annotations

import functools
import pathlib

import pytest

from tests.support.host_fixtures import core_archive, glance, held  # noqa: F401
from tests.support.in_process import InProcessHost
from tests.support.policies import allow_list


@pytest.fixture
def host(tmp_path: pathlib.Path) -> InProcessHost:
    made = InProcessHost(tmp_path)
    made.configure()
    return made


@pytest.fixture
def allow(host):
    """Return a function that writes the policy file; it returns the option that names it."""
    return functools.partial(allow_list, host)
