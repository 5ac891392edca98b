# SPDX-License-Identifier: Apache-2.0
"""fpga-cli is killed while its tool writes the card: nobody touches the region before the tool has ended."""

from __future__ import annotations

import json
import pathlib
import signal
import time

import pytest

from tests.support import device_benches, vendor_tools
from tests.support.waiting import wait_until


def kill_while_loading(bench, archive, seconds: float) -> None:
    bench.fault(f"slow {seconds}")
    process = bench.host.start("burn", "--file", archive)
    wait_until((bench.tool.parent / "started").exists)
    process.send_signal(signal.SIGKILL)
    process.communicate(timeout=20)
    bench.fault(None)


def erases(bench) -> int:
    return sum("blank" in " ".join(call["argv"]) for call in vendor_tools.calls(bench.tool))


@pytest.fixture
def bench(tmp_path):
    made = device_benches.DflBench(tmp_path)
    made.configure(dfl_timeout=30)
    made.host.cli("status")
    return made


def test_recover_leaves_the_region_until_the_tool_has_ended(bench):
    archive = bench.archive()
    before = erases(bench)
    kill_while_loading(bench, archive, 6)
    bench.host.cli("recover")
    assert bench.host.cli("status") == "Used regions: 1/1\n"
    assert bench.host.states() == ["programming"]
    bench.host.cli("burn", "--file", archive, code=65)
    afu = bench.sysfs / "class/fpga_region/region0/dfl-port.0/afu_id"
    blank = afu.read_text()
    assert erases(bench) == before
    wait_until(lambda: afu.read_text() != blank, 30)  # the tool goes on to its end
    assert erases(bench) == before
    time.sleep(0.5)
    bench.host.cli("recover")
    assert bench.host.states() == ["free"]
    assert afu.read_text() == blank
    assert erases(bench) == before + 1


def test_erase_waits_for_the_tool(bench):
    bench.configure(dfl_timeout=30, lock_timeout=20)
    archive = bench.archive()
    kill_while_loading(bench, archive, 4)
    (region,) = bench.host.regions()
    assert region["state"] == "programming"
    bench.host.cli("erase", region["id"])
    assert bench.host.states() == ["free"]
    # what ran last is the blank: the erase came after the tool's end
    assert "blank" in " ".join(vendor_tools.calls(bench.tool)[-1]["argv"])


def test_the_file_that_the_tool_reads_is_not_swept_away(bench):
    """The tool opens the bitstream only after fpga-cli, which unpacked it, was killed and another one has swept."""
    archive = bench.archive()
    kill_while_loading(bench, archive, 4)
    bench.host.cli("burn", "--file", archive, code=65)  # makes and sweeps temporary directories
    path = pathlib.Path(vendor_tools.calls(bench.tool)[-1]["argv"][-1])
    assert path.read_bytes().startswith(b"XeonFPGA")


def test_the_tools_id_of_its_region_is_not_lost(tmp_path):
    """The tool printed its id when fpga-cli, which was to take it down, was dead; still its region can be erased."""
    bench = device_benches.CommandBench(tmp_path)
    bench.configure(command_timeout=30)
    archive = bench.archive()
    bench.host.cli("status")
    kill_while_loading(bench, archive, 2)
    regions = bench.tool.parent / "regions.json"
    wait_until(regions.exists)
    time.sleep(0.5)
    assert any(json.loads(regions.read_text()))
    bench.host.cli("recover")
    assert bench.host.states() == ["free", "free"]
    assert not any(json.loads(regions.read_text()))
