# SPDX-License-Identifier: Apache-2.0
"""The dfl driver over a sysfs tree: what it finds, offers and believes, without its tool."""

from __future__ import annotations

import shutil
import uuid

import pytest

from fpga_nova import errors
from tests.support import device_benches, vendor_tools


@pytest.fixture
def bench(tmp_path):
    return device_benches.DflBench(tmp_path)


def test_card_is_found_with_its_interface(bench):
    (card,) = bench.device().discover()
    assert (card.id, card.vendor, card.board) == ("dfl:0000:3b:00.0", "intel", "pac-a10")
    assert (card.pci_address, card.numa_node) == ("0000:3b:00.0", 1)
    assert card.slots[0].interface_id == device_benches.INTERFACE
    assert bench.device().endpoint(bench.region()).address == "/dev/dfl-port.0"


def test_guest_gets_the_first_virtual_function(bench):
    region = bench.region()
    function = vendor_tools.PciCard(bench.sysfs, "0000:3b:00.1")
    vendor_tools.link(bench.card.path / "virtfn0", function.path)
    endpoint = bench.device().endpoint(region)
    assert (endpoint.kind, endpoint.address) == ("pci", "0000:3b:00.1")


def test_core_that_claims_to_be_the_blank_is_refused_before_a_load(bench):
    core = bench.core()
    with pytest.raises(errors.ProgrammingFailed, match="is the blank's"):
        bench.device().program(
            bench.region(), type(core)(core.sha256, core.size, core.path, function_id=device_benches.BLANK)
        )
    assert not (bench.tool.parent / "calls").exists()


def test_card_without_a_blank_is_not_offered(bench):
    bench.configure(dfl_blank=bench.options()["dfl_blank"].replace(device_benches.INTERFACE, str(uuid.uuid4())))
    assert not bench.device().discover()


def test_card_that_reads_all_ones_is_not_accessible(bench):
    device, region = bench.device(), bench.region()
    vendor_tools.write(bench.card.path / "fpga_region/region0/dfl-port.0", afu_id="f" * 32)
    with pytest.raises(errors.DeviceNotAccessible, match="all ones"):
        device.verify(region, None)


@pytest.mark.parametrize("text", ["", "x" * 10_000, "\x1b[2J", "0" * 31])
def test_unusable_afu_id_proves_nothing(bench, text):
    device, region = bench.device(), bench.region()
    vendor_tools.write(bench.card.path / "fpga_region/region0/dfl-port.0", afu_id=text)
    with pytest.raises(errors.ReadBackMismatch, match="afu_id is not readable"):
        device.verify(region, None)


def test_card_without_a_management_engine_is_not_offered(bench):
    shutil.rmtree(bench.card.path / "fpga_region/region0/dfl-fme.0")
    assert not bench.device().discover()


def test_afu_id_on_the_card_is_the_proof(bench):
    device, region, core = bench.device(), bench.region(), bench.core()
    port = bench.card.path / "fpga_region/region0/dfl-port.0"
    vendor_tools.write(port, afu_id=core.function_id.replace("-", ""))
    device.verify(region, core)
    with pytest.raises(errors.ReadBackMismatch, match=f"the card's afu_id is {core.function_id}, not "):
        device.verify(region, None)
    vendor_tools.write(port, afu_id=device_benches.BLANK.replace("-", ""))
    device.verify(region, None)


def test_port_other_than_0_is_not_offered(bench):
    vendor_tools.write(bench.card.path / "fpga_region/region0/dfl-port.0", id="1")
    assert not bench.device().discover()


def test_unknown_board_is_named_by_its_pci_ids(bench):
    vendor_tools.write(bench.card.path, vendor="0x1234", device="0xabcd")
    (card,) = bench.device().discover()
    assert card.board == "pci-1234-abcd"


def test_wrong_entry_is_refused_by_its_word(bench):
    good = bench.options()["dfl_blank"]
    for text, words in (
        (f"{good} {good}", "interface is given twice"),
        ("", "lacks interface, function, file"),
        (f"{good} x", "the keys are interface, function, file"),
        (good.replace("interface=", "interface=X"), "interface is a UUID in lower case"),
    ):
        bench.configure(dfl_blank=text)
        with pytest.raises(errors.ConfigurationInvalid, match=rf"\[fpga\] dfl_blank: .*{words}"):
            bench.device().discover()
    bench.configure(dfl_blank=f"{good}\ndfl_blank = {good}")
    with pytest.raises(errors.ConfigurationInvalid, match="is given twice"):
        bench.device().discover()
