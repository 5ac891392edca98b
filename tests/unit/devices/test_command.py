# SPDX-License-Identifier: Apache-2.0
"""The command driver with a tool that is a function: ids, counts, and what of them is not believed."""

from __future__ import annotations

import pytest

from fpga_nova import errors, model
from fpga_nova.devices import command
from tests.unit.devices.fakes import FakeTool, make_device, region_of


class Acme:
    """An executable with the contract of 2016 and two regions."""

    def __init__(self) -> None:
        self.regions: list[str | None] = [None, None]
        self.status: str | None = None
        self.printed: str | None = None

    def __call__(self, arguments: list[str]) -> str:
        verb, *rest = arguments
        if verb == "status":
            used = sum(region is not None for region in self.regions)
            return self.status if self.status is not None else f"Used regions: {used}/2\n"
        if verb == "burn":
            index = self.regions.index(None)
            self.regions[index] = f"acme-{index}"
            return self.printed if self.printed is not None else f"acme-{index}\n"
        assert verb == "erase"
        if rest[0] in self.regions:
            self.regions[self.regions.index(rest[0])] = None
        return ""


@pytest.fixture
def acme():
    return Acme()


@pytest.fixture
def tool(monkeypatch, acme):
    made = FakeTool(acme)
    monkeypatch.setattr(command, "Tool", made)
    return made


@pytest.fixture
def device(tmp_path, tool):
    card = "name=a tool=/opt/acme vendor=acme board=acme-x1 type=full node=/dev/acme{index}"
    return make_device(command.CommandDevice, tmp_path, command_card=[card], lock_timeout=0)


@pytest.fixture
def core(tmp_path):
    path = tmp_path / "core"
    path.write_bytes(b"ACME")
    return model.Bitstream("0" * 64, 4, path, None)


def test_card_has_as_many_regions_as_the_tool_counts(device):
    (card,) = device.discover()
    assert [slot.index for slot in card.slots] == [0, 1]
    assert device.endpoint(region_of(device, 1)).address == "/dev/acme1"


def test_erase_hands_back_the_id_that_the_tool_gave(device, tool, core):
    region = region_of(device)
    device.program(region, core)
    device.verify(region, core)
    device.erase(region)
    assert tool.calls[-1] == ["erase", "acme-0"]
    device.verify(region, None)


def test_region_that_was_never_erased_is_not_loaded_again(device, core):
    region = region_of(device)
    device.program(region, core)
    with pytest.raises(errors.ProgrammingFailed, match="'acme-0' was never erased"):
        device.program(region, core)


def test_region_that_another_uses_leaves_no_region_provably_blank(device, acme):
    acme.regions = ["other", None]
    with pytest.raises(errors.ReadBackMismatch, match="counts 1 used regions, and 0 of them are ours"):
        device.verify(region_of(device), None)


def test_load_that_the_tool_does_not_count_is_not_believed(device, acme, core):
    region = region_of(device)
    device.program(region, core)
    acme.regions = [None, None]
    with pytest.raises(errors.ReadBackMismatch, match="counts 0 used regions, it gave ids of 1"):
        device.verify(region, core)


@pytest.mark.parametrize("text", ["", "\n", "-rf", "a\nb", "x" * 257, "\x1b[2J", "\0"])
def test_id_that_cannot_be_handed_back_is_refused(device, acme, core, text):
    acme.printed = text
    with pytest.raises(errors.ProgrammingFailed, match="gave no usable id"):
        device.program(region_of(device), core)


@pytest.mark.parametrize(
    "text", ["", "Used regions: 3/2", "Used regions: 0/0", "Used regions: 1/100", "Used regions: 1/2\nx", "\x1b[2J"]
)
def test_status_of_another_form_is_not_accessible(device, acme, text):
    region = region_of(device)
    acme.status = text
    assert not device.discover()
    with pytest.raises(errors.DeviceNotAccessible, match="not 'Used regions: 1/2'"):
        device.erase(region)
