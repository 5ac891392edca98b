# SPDX-License-Identifier: Apache-2.0
"""The simulated card: the contract of drivers, and its faults."""

from __future__ import annotations

import os
import signal

import pytest

from fpga_nova import errors
from tests.support import device_benches
from tests.support.driver_contract import DriverContract


@pytest.fixture
def bench(tmp_path):
    return device_benches.SimBench(tmp_path)


class TestSim(DriverContract):
    @pytest.fixture
    def bench(self, tmp_path):
        return device_benches.SimBench(tmp_path)


def test_regions_of_a_card_are_apart(bench):
    device = bench.device()
    one = bench.region(device)
    other = type(one)(**{**vars(one), "id": "other", "index": 1})
    cores = bench.core(), bench.core()
    device.program(one, cores[0])
    device.program(other, cores[1])
    device.erase(one)
    device.verify(one, None)
    device.verify(other, cores[1])


def test_fault_of_verify_is_a_failure_with_its_words(bench):
    device, region = bench.device(), bench.region()
    (bench.card / "fault-verify").write_text("fail cable is loose")
    with pytest.raises(errors.FpgaError, match="cable is loose"):
        device.verify(region, None)


@pytest.mark.parametrize(("fault", "loaded"), [("kill", False), ("kill-after", True)])
def test_kill_comes_before_or_after_the_work(bench, monkeypatch, fault, loaded):
    device, region, core = bench.device(), bench.region(), bench.core()
    killed = []

    def kill(pid, number):
        killed.append((pid, number))
        raise InterruptedError

    monkeypatch.setattr(os, "kill", kill)
    bench.fault(fault)
    with pytest.raises(InterruptedError):
        device.program(region, core)
    assert killed == [(os.getpid(), signal.SIGKILL)]
    assert (device.loss_reason(region) is None) == loaded


def test_lost_memory_is_seen_without_the_card(bench):
    device, region = bench.device(), bench.region()
    device.program(region, bench.core())
    assert device.loss_reason(region) is None
    device.erase(region)
    assert device.loss_reason(region) == f"the memory of region {region.id} is empty"
