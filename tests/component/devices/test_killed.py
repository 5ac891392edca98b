# SPDX-License-Identifier: Apache-2.0
"""fpga-cli is killed while its tool writes the card: no call touches the region before the tool has ended."""

from __future__ import annotations

import json
import pathlib
import signal

import pytest

from tests.support import device_benches, in_process, vendor_tools
from tests.support.waiting import wait_until


def kill_while_loading(bench, archive) -> vendor_tools.Held:
    """Kill fpga-cli in the middle of a load; return the tool, which goes on when the test lets it."""
    tool = bench.hold_loads()
    process = bench.host.start("burn", "--file", archive)
    tool.wait_for_load()
    process.send_signal(signal.SIGKILL)
    process.communicate(timeout=20)
    return tool


def erases(bench) -> int:
    return sum("blank" in " ".join(call["argv"]) for call in vendor_tools.calls(bench.tool))


def states(cli) -> list[str]:
    return [region["state"] for region in json.loads(cli("list", "-f", "json"))]


@pytest.fixture
def bench(tmp_path):
    made = device_benches.DflBench(tmp_path)
    made.configure(dfl_timeout=30, lock_timeout=20)
    return made


@pytest.fixture
def cli(bench):
    made = in_process.FpgaCli(bench.host.config_file)
    made("status")
    return made


def test_recover_leaves_the_region_until_the_tool_has_ended(bench, cli):
    archive = bench.archive()
    before = erases(bench)
    tool = kill_while_loading(bench, archive)
    cli("recover")
    assert cli("status") == "Used regions: 1/1\n"
    assert states(cli) == ["programming"]
    cli("burn", "--file", archive, code=65)
    afu = bench.sysfs / "class/fpga_region/region0/dfl-port.0/afu_id"
    blank = afu.read_text()
    assert erases(bench) == before
    tool.go_on()
    assert afu.read_text() != blank
    assert erases(bench) == before
    cli("recover")
    assert states(cli) == ["free"]
    assert afu.read_text() == blank
    assert erases(bench) == before + 1


def test_erase_waits_for_the_tool(bench, cli):
    tool = kill_while_loading(bench, bench.archive())
    (region,) = json.loads(cli("list", "-f", "json"))
    assert region["state"] == "programming"
    erase = bench.host.start("erase", region["id"])
    locks = bench.host.state_path / "locks"
    wait_until(lambda: any(locks in path.parents for path in open_files(erase.pid)))
    assert erase.poll() is None
    tool.go_on()
    assert erase.communicate(timeout=30) == ("", "")
    assert states(cli) == ["free"]
    # The last call loaded the blank: the erase came after the tool's end.
    assert "blank" in " ".join(vendor_tools.calls(bench.tool)[-1]["argv"])


def test_file_that_the_tool_reads_is_not_swept_away(bench, cli):
    """The tool opens the bitstream only after fpga-cli, which unpacked it, was killed and another call has swept."""
    archive = bench.archive()
    tool = kill_while_loading(bench, archive)
    cli("burn", "--file", archive, code=65)  # makes and sweeps temporary directories
    path = pathlib.Path(vendor_tools.calls(bench.tool)[-1]["argv"][-1])
    assert path.read_bytes().startswith(b"XeonFPGA")
    tool.go_on()


def test_region_of_a_tool_that_outlived_fpga_cli_can_be_erased(tmp_path):
    """The tool prints its id when fpga-cli, which was to keep it, is dead: the file that it prints to keeps it."""
    bench = device_benches.CommandBench(tmp_path)
    bench.configure(command_timeout=30)
    cli = in_process.FpgaCli(bench.host.config_file)
    archive = bench.archive()
    cli("status")
    tool = kill_while_loading(bench, archive)
    tool.go_on()
    regions = bench.tool.parent / "regions.json"
    assert any(json.loads(regions.read_text()))
    cli("recover")
    assert states(cli) == ["free", "free"]
    assert not any(json.loads(regions.read_text()))


def open_files(pid: int) -> list[pathlib.Path]:
    """Return the paths of the files that a process has open."""
    found = []
    for link in pathlib.Path(f"/proc/{pid}/fd").iterdir():
        try:
            found.append(link.readlink())
        except FileNotFoundError:  # closed meanwhile
            continue
    return found
