# SPDX-License-Identifier: Apache-2.0
"""The xrt driver over a sysfs tree, with an xbutil that is a function: its calls, its reports, hostile ones too."""

from __future__ import annotations

import json
import pathlib

import pytest

from fpga_nova import errors
from fpga_nova.devices import xrt
from tests.support import device_benches, vendor_tools
from tests.unit.devices.fakes import FakeTool

ADDRESS = "0000:65:00.1"


class Xbutil(FakeTool):
    """Writes the report that a test sets, or the one of a card with the blank."""

    def __init__(self, platform: str) -> None:
        super().__init__(lambda arguments: "")
        self.report: str | None = None
        self.listed = {"bdf": ADDRESS, "vbnv": platform, "is_ready": "true"}
        self.held = device_benches.BLANK.upper()

    def call(self, arguments, failure, *, directory: pathlib.Path | None = None, **rest):
        if directory is not None:
            tree: object = {"system": {"host": {"devices": [self.listed]}}}
            if "--device" in arguments:
                tree = {"devices": [{"dynamic_regions": [{"xclbin_uuid": self.held}]}]}
            text = json.dumps(tree) if self.report is None else self.report
            (directory / "report.json").write_text(text)
        return super().call(arguments, failure, directory=directory, **rest)


@pytest.fixture
def bench(tmp_path):
    return device_benches.XrtBench(tmp_path)


@pytest.fixture
def xbutil(bench, monkeypatch):
    made = Xbutil(bench.platform)
    monkeypatch.setattr(xrt, "Tool", made)
    return made


@pytest.fixture
def device(bench, xbutil):
    return bench.device()


def test_card_is_found_with_its_interface(bench, device):
    (card,) = device.discover()
    assert (card.id, card.vendor, card.board) == (f"xrt:{ADDRESS}", "xilinx", bench.platform)
    assert (card.pci_address, card.numa_node) == (ADDRESS, 0)
    assert card.slots[0].interface_id == device_benches.INTERFACE
    endpoint = device.endpoint(bench.region(device))
    assert (endpoint.kind, endpoint.address) == ("pci", ADDRESS)


def test_last_interface_is_that_of_user_images(bench, device):
    """A shell in two stages lists one interface for each stage."""
    first = "00000000-0000-4000-8000-000000000000"
    vendor_tools.write(bench.card.path, interface_uuids=f"{first}\n{device_benches.INTERFACE}")
    (card,) = device.discover()
    assert card.slots[0].interface_id == device_benches.INTERFACE


def test_load_and_proof_call_xbutil_as_its_manual_says(bench, device, xbutil):
    region, core = bench.region(device), bench.core()
    device.program(region, core)
    assert xbutil.calls[-1] == ["program", "--device", ADDRESS, "--user", str(core.path)]
    xbutil.held = core.function_id.upper()
    device.verify(region, core)
    assert xbutil.calls[-1][:5] == ["examine", "--device", ADDRESS, "--report", "dynamic-regions"]
    with pytest.raises(errors.ReadBackMismatch, match=f"the card holds xclbin {core.function_id}, not "):
        device.verify(region, None)


def test_card_is_reset_before_the_blank_where_that_is_configured(bench, xbutil):
    bench.configure(xrt_reset=True)
    device = bench.device()
    device.erase(bench.region(device))
    assert [call[0] for call in xbutil.calls[-2:]] == ["reset", "program"]
    assert xbutil.calls[-2] == ["reset", "--device", ADDRESS, "--force"]


@pytest.mark.parametrize(
    "listed",
    [
        {"is_ready": "false"},
        {"bdf": "../../x"},
        {"bdf": "0000:65:00.1 --force"},
        {"bdf": 7},
        {"vbnv": "a b"},
        {"vbnv": None},
        {"bdf": "0000:66:00.1"},
        {"vbnv": "xilinx_u200_without_a_blank"},
    ],
)
def test_card_that_cannot_be_used_is_not_offered(device, xbutil, listed):
    assert device.discover()
    xbutil.listed.update(listed)
    assert not device.discover()


@pytest.mark.parametrize(
    "text", ["", "[" * 100_000, "9" * 100_000, "null", "[]", '{"system": 1}', '{"devices": [{}]}', " " * (1 << 21)]
)
def test_hostile_report_proves_nothing(bench, device, xbutil, text):
    region, core = bench.region(device), bench.core()
    xbutil.report = text
    assert not device.discover()
    with pytest.raises(errors.ReadBackMismatch):
        device.verify(region, core)
