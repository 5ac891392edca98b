# SPDX-License-Identifier: Apache-2.0
"""Drivers with stand-ins for their tools: how the tools are called, and what each driver refuses."""

from __future__ import annotations

import concurrent.futures
import dataclasses
import json
import os
import pathlib
import uuid

import pytest

from fpga_nova import errors
from tests.support import device_benches, vendor_tools
from tests.support.waiting import wait_until


def opened_here(path: pathlib.Path) -> int:
    """Return how many descriptors of this process are of the file `path`."""
    links = pathlib.Path("/proc/self/fd").iterdir()
    return sum(os.path.realpath(link) == str(path) for link in links)


def arguments(bench) -> list[list[str]]:
    return [call["argv"][1:] for call in vendor_tools.calls(bench.tool)]


class TestCommand:
    @pytest.fixture
    def bench(self, tmp_path):
        return device_benches.CommandBench(tmp_path)

    def test_erase_goes_on_after_a_kill_behind_the_tools_erase(self, bench):
        device, region = bench.device(), bench.region()
        device.program(region, bench.core())
        (bench.tool.parent / "regions.json").write_text(json.dumps([None, None]))
        device.erase(region)
        device.verify(region, None)

    def test_load_waits_for_another_region_of_its_card(self, bench):
        """Regions of a card are loaded one after the other, however short the wait for a region's own lock is."""
        bench.configure(command_timeout=30, lock_timeout=0)
        first, second = bench.device(), bench.device()
        one, other = (dataclasses.replace(bench.region(), index=index) for index in range(2))
        cores = bench.core(), bench.core()
        tool = bench.hold_loads()
        with concurrent.futures.ThreadPoolExecutor() as pool:
            loads = [pool.submit(first.program, one, cores[0])]
            tool.wait_for_load()
            loads.append(pool.submit(second.program, other, cores[1]))
            lock = bench.host.state_path / "command/a/lock"
            wait_until(lambda: opened_here(lock) == 2)
            assert not any(load.done() for load in loads)
            tool.go_on()
            for load in loads:
                load.result(timeout=30)
        assert [words[0] for words in arguments(bench)].count("burn") == 2
        first.verify(one, cores[0])
        first.verify(other, cores[1])


class TestDfl:
    @pytest.fixture
    def bench(self, tmp_path):
        return device_benches.DflBench(tmp_path)

    def test_fpgaconf_is_called_as_opae_does(self, bench):
        core = bench.core()
        bench.device().program(bench.region(), core)
        words = ["--segment", "0x0000", "--bus", "0x3b", "--device", "0x00", "--function", "0x0", str(core.path)]
        assert arguments(bench)[-1] == words

    def test_fpgasupdate_is_called_with_file_and_address(self, bench):
        tool = vendor_tools.install(bench.tool.parent, "fpgasupdate")
        bench.configure(dfl_loader="fpgasupdate", dfl_tool=tool)
        device, region, core = bench.device(), bench.region(), bench.core()
        device.program(region, core)
        device.verify(region, core)
        assert arguments(bench)[-1] == [str(core.path), "0000:3b:00.0"]

    def test_image_for_another_interface_is_refused_by_the_tool(self, bench):
        core = bench.core(vendor_tools.gbs(str(uuid.uuid4()), str(uuid.uuid4())))
        with pytest.raises(errors.ProgrammingFailed, match="No suitable slots found"):
            bench.device().program(bench.region(), core)


class TestXrt:
    @pytest.fixture
    def bench(self, tmp_path):
        return device_benches.XrtBench(tmp_path)

    def test_xbutil_is_called_as_its_manual_says(self, bench):
        device, region, core = bench.device(), bench.region(), bench.core()
        device.program(region, core)
        assert arguments(bench)[-1] == ["program", "--device", "0000:65:00.1", "--user", str(core.path)]
        assert vendor_tools.calls(bench.tool)[-1]["env"]["XILINX_XRT"] == str(bench.tool.parent.parent)

    def test_card_is_reset_before_the_blank_if_configured(self, bench):
        bench.configure(xrt_reset=True)
        device, region = bench.device(), bench.region()
        device.erase(region)
        device.verify(region, None)
        assert ["reset", "--device", "0000:65:00.1", "--force"] in arguments(bench)

    def test_missing_xbutil_is_a_configuration_error(self, bench):
        bench.configure(xrt_xbutil="/opt/nowhere/xbutil")
        with pytest.raises(errors.ConfigurationInvalid, match=r"\[fpga\] xrt_xbutil: no executable"):
            bench.device().discover()


class TestFpgaRegion:
    @pytest.fixture
    def bench(self, tmp_path):
        return device_benches.FpgaRegionBench(tmp_path)

    def test_failed_manager_state_overrules_the_helper(self, bench):
        device, region, core = bench.device(), bench.region(), bench.core()
        device.program(region, core)
        vendor_tools.write(bench.sysfs / "class/fpga_manager/fpga0", state="write error", status="reconfig CRC error")
        with pytest.raises(
            errors.ReadBackMismatch, match="fpga0 is in state 'write error', status 'reconfig CRC error'"
        ):
            device.verify(region, core)


@pytest.mark.parametrize("kind", [device_benches.DflBench, device_benches.XrtBench, device_benches.FpgaRegionBench])
def test_core_of_unknown_identity_is_not_proved(tmp_path, kind):
    bench = kind(tmp_path)
    device, region, core = bench.device(), bench.region(), bench.core()
    device.program(region, core)
    with pytest.raises(errors.ReadBackMismatch, match="it is unknown what the region should show"):
        device.verify(region, type(core)("0" * 64, core.size, None, None))


@pytest.mark.parametrize(
    ("kind", "option"), [(device_benches.DflBench, "dfl_blank"), (device_benches.XrtBench, "xrt_blank")]
)
def test_erase_and_proof_need_a_configured_blank(tmp_path, kind, option):
    bench = kind(tmp_path)
    region, core = bench.region(), bench.core()
    bench.device().program(region, core)
    values = bench.options()
    del values[option]
    bench.host.configure(devices=bench.driver, **values)
    for call in (lambda: bench.device().erase(region), lambda: bench.device().verify(region, None)):
        with pytest.raises(errors.ConfigurationInvalid, match=rf"\[fpga\] {option} has no blank"):
            call()
