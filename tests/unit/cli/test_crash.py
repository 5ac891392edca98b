# SPDX-License-Identifier: Apache-2.0
"""fpga-cli is killed before and after each of its steps: no region is lost, and none keeps anything."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import uuid

import pytest

from tests.crash import killed
from tests.unit.conftest import ROOT


def kill_at(host, point, *arguments):
    command = [sys.executable, "-m", "tests.crash.killed", point, "--config-file", str(host.config_file), *arguments]
    result = subprocess.run(
        list(map(str, command)), cwd=ROOT, env={**os.environ, "CRASH_DRIVER": "sim"}, capture_output=True, text=True
    )
    assert result.returncode == -signal.SIGKILL, result.stderr


@pytest.mark.parametrize("point", killed.BURN)
def test_burn(host, core_archive, point):
    owner = str(uuid.uuid4())
    host.cli("status")
    kill_at(host, point, "burn", "--owner", owner, "--file", core_archive)
    if point == "after programmed":  # it ran, only its caller never heard of it
        assert host.states() == ["programmed", "free", "free"]
    else:
        assert host.cli("status") == "Used regions: 0/3\n"
        assert not list((host.path / "run").rglob("[0-9]"))
    host.cli("erase", "--owner", owner)
    assert host.states() == ["free"] * 3
    assert not list((host.path / "run").rglob("[0-9]"))
    host.cli("burn", "--file", core_archive)


@pytest.mark.parametrize("point", killed.ERASE)
def test_erase(host, core_archive, point):
    region = host.cli("burn", "--file", core_archive).strip()
    kill_at(host, point, "erase", region)
    host.cli("erase", region)
    assert host.states() == ["free"] * 3
    assert not list((host.path / "run").rglob("[0-9]"))
    assert host.cli("status") == "Used regions: 0/3\n"


@pytest.mark.parametrize("point", killed.ERASE)
def test_wiping_after_a_failed_load(host, core_archive, point):
    host.cli("status")
    host.fault("program", "fail no")
    kill_at(host, point, "burn", "--file", core_archive)
    host.fault("program", None)
    assert host.cli("status") == "Used regions: 0/3\n"
    assert host.states() == ["free"] * 3
