# SPDX-License-Identifier: Apache-2.0
"""What is particular to the drivers whose tools are stood in for: their calls, what they find, what they refuse."""

from __future__ import annotations

import json
import shutil
import uuid

import pytest

from fpga_nova import errors
from tests.support import device_benches, vendor_tools


def arguments(bench) -> list[list[str]]:
    return [call["argv"][1:] for call in vendor_tools.calls(bench.tool)]


class TestCommand:
    @pytest.fixture
    def bench(self, tmp_path):
        return device_benches.CommandBench(tmp_path)

    def test_ids_are_those_of_the_tool(self, bench):
        device, region = bench.device(), bench.region()
        device.program(region, bench.core())
        held = json.loads((bench.tool.parent / "regions.json").read_text())
        device.erase(region)
        assert ["erase", held[0]] in arguments(bench)

    def test_regions_and_endpoints(self, bench):
        (card,) = bench.device().discover()
        assert [slot.index for slot in card.slots] == [0, 1]
        assert bench.device().endpoint(bench.region()).address == "/dev/acme0"

    def test_a_region_that_the_tool_lost(self, bench):
        """Used by somebody, and we have no id: no region of this card can be proved blank."""
        device, region = bench.device(), bench.region()
        (bench.tool.parent / "regions.json").write_text(json.dumps(["gone", None]))
        device.erase(region)
        with pytest.raises(errors.ReadBackMismatch, match="counts 1 used regions, and 0 of them are ours"):
            device.verify(region, None)

    def test_killed_between_its_erase_and_ours(self, bench):
        device, region = bench.device(), bench.region()
        device.program(region, bench.core())
        (bench.tool.parent / "regions.json").write_text(json.dumps([None, None]))
        device.erase(region)
        device.verify(region, None)

    def test_another_region_of_the_card_is_waited_for(self, bench):
        """Regions of a card are loaded one after the other, however short the wait for a region's own lock is."""
        bench.configure(command_timeout=30, lock_timeout=0)
        archive = bench.archive()
        bench.host.cli("status")
        bench.fault("slow 2")
        burns = [bench.host.start("burn", "--file", archive) for _ in range(2)]
        for burn in burns:
            _, err = burn.communicate(timeout=60)
            assert burn.returncode == 0, err
        assert bench.host.states() == ["programmed", "programmed"]

    @pytest.mark.parametrize("text", ["", "\n", "-rf", "a\nb", "x" * 257, "\x1b[2J", "\0"])
    def test_an_id_that_cannot_be_handed_back(self, bench, text):
        program = bench.tool.read_text().replace("print(regions[index])", f"sys.stdout.write({text!r})")
        bench.tool.write_text(program)
        with pytest.raises(errors.ProgrammingFailed, match="gave no usable id"):
            bench.device().program(bench.region(), bench.core())

    @pytest.mark.parametrize(
        "text", ["", "Used regions: 3/2", "Used regions: 0/0", "Used regions: 1/100", "Used regions: 1/2\nx", "\x1b[2J"]
    )
    def test_a_status_that_is_none(self, bench, text):
        device, region = bench.device(), bench.region()
        bench.tool.write_text(f"#!/usr/bin/python3 -I\nprint({text!r})\n")
        assert not device.discover()
        with pytest.raises(errors.DeviceNotAccessible, match="not 'Used regions: 1/2'"):
            device.erase(region)


class TestDfl:
    @pytest.fixture
    def bench(self, tmp_path):
        return device_benches.DflBench(tmp_path)

    def test_what_it_finds(self, bench):
        (card,) = bench.device().discover()
        assert (card.id, card.vendor, card.board) == ("dfl:0000:3b:00.0", "intel", "pac-a10")
        assert (card.pci_address, card.numa_node) == ("0000:3b:00.0", 1)
        assert card.slots[0].interface_id == device_benches.INTERFACE
        assert bench.device().endpoint(bench.region()).address == "/dev/dfl-port.0"

    def test_a_virtual_function_is_what_the_guest_gets(self, bench):
        region = bench.region()
        function = vendor_tools.PciCard(bench.sysfs, "0000:3b:00.1")
        vendor_tools.link(bench.card.path / "virtfn0", function.path)
        endpoint = bench.device().endpoint(region)
        assert (endpoint.kind, endpoint.address) == ("pci", "0000:3b:00.1")

    def test_how_fpgaconf_is_called(self, bench):
        core = bench.core()
        bench.device().program(bench.region(), core)
        words = ["--segment", "0x0000", "--bus", "0x3b", "--device", "0x00", "--function", "0x0", str(core.path)]
        assert arguments(bench)[-1] == words

    def test_how_fpgasupdate_is_called(self, bench):
        tool = vendor_tools.install(bench.tool.parent, "fpgasupdate")
        bench.configure(dfl_loader="fpgasupdate", dfl_tool=tool)
        device, region, core = bench.device(), bench.region(), bench.core()
        device.program(region, core)
        device.verify(region, core)
        assert arguments(bench)[-1] == [str(core.path), "0000:3b:00.0"]

    def test_an_image_for_another_interface(self, bench):
        core = bench.core(vendor_tools.gbs(str(uuid.uuid4()), str(uuid.uuid4())))
        with pytest.raises(errors.ProgrammingFailed, match="No suitable slots found"):
            bench.device().program(bench.region(), core)

    def test_a_core_that_claims_to_be_the_blank(self, bench):
        core = bench.core()
        with pytest.raises(errors.ProgrammingFailed, match="is the blank's"):
            bench.device().program(
                bench.region(), type(core)(core.sha256, core.size, core.path, function_id=device_benches.BLANK)
            )
        assert not (bench.tool.parent / "calls").exists()

    def test_no_blank_no_card(self, bench):
        bench.configure(dfl_blank=bench.options()["dfl_blank"].replace(device_benches.INTERFACE, str(uuid.uuid4())))
        assert not bench.device().discover()

    def test_a_card_that_reads_all_ones(self, bench):
        device, region = bench.device(), bench.region()
        vendor_tools.write(bench.card.path / "fpga_region/region0/dfl-port.0", afu_id="f" * 32)
        with pytest.raises(errors.DeviceNotAccessible, match="all ones"):
            device.verify(region, None)

    @pytest.mark.parametrize("text", ["", "x" * 10_000, "\x1b[2J", "0" * 31])
    def test_an_afu_id_that_is_none(self, bench, text):
        device, region = bench.device(), bench.region()
        vendor_tools.write(bench.card.path / "fpga_region/region0/dfl-port.0", afu_id=text)
        with pytest.raises(errors.ReadBackMismatch, match="afu_id is not readable"):
            device.verify(region, None)

    def test_no_management_engine(self, bench):
        shutil.rmtree(bench.card.path / "fpga_region/region0/dfl-fme.0")
        assert not bench.device().discover()


class TestXrt:
    @pytest.fixture
    def bench(self, tmp_path):
        return device_benches.XrtBench(tmp_path)

    def report(self, bench, **device) -> None:
        listed = {"bdf": "0000:65:00.1", "vbnv": bench.platform, "is_ready": "true", **device}
        (bench.tool.parent / "report").write_text(json.dumps({"system": {"host": {"devices": [listed]}}}))

    def test_what_it_finds(self, bench):
        (card,) = bench.device().discover()
        assert (card.id, card.vendor, card.board) == ("xrt:0000:65:00.1", "xilinx", bench.platform)
        assert (card.pci_address, card.numa_node) == ("0000:65:00.1", 0)
        assert card.slots[0].interface_id == device_benches.INTERFACE
        endpoint = bench.device().endpoint(bench.region())
        assert (endpoint.kind, endpoint.address) == ("pci", "0000:65:00.1")

    def test_how_it_is_called(self, bench):
        device, region, core = bench.device(), bench.region(), bench.core()
        device.program(region, core)
        assert arguments(bench)[-1] == ["program", "--device", "0000:65:00.1", "--user", str(core.path)]
        assert vendor_tools.calls(bench.tool)[-1]["env"]["XILINX_XRT"] == str(bench.tool.parent.parent)

    def test_a_reset_where_it_is_wanted(self, bench):
        bench.configure(xrt_reset=True)
        device, region = bench.device(), bench.region()
        device.erase(region)
        device.verify(region, None)
        assert ["reset", "--device", "0000:65:00.1", "--force"] in arguments(bench)

    @pytest.mark.parametrize(
        "device",
        [
            {"is_ready": "false"},
            {"bdf": "../../x"},
            {"bdf": "0000:65:00.1 --force"},
            {"bdf": 7},
            {"vbnv": "a b"},
            {"vbnv": None},
            {"bdf": "0000:66:00.1"},
        ],
    )
    def test_what_it_does_not_offer(self, bench, device):
        self.report(bench)
        assert bench.device().discover()
        self.report(bench, **device)
        assert not bench.device().discover()

    @pytest.mark.parametrize(
        "text", ["", "[" * 100_000, "9" * 100_000, "null", "[]", '{"system": 1}', '{"devices": [{}]}', " " * (1 << 21)]
    )
    def test_hostile_reports(self, bench, text):
        device, region, core = bench.device(), bench.region(), bench.core()
        device.program(region, core)
        (bench.tool.parent / "report").write_text(text)
        assert not device.discover()
        with pytest.raises(errors.ReadBackMismatch):
            device.verify(region, core)

    def test_no_xbutil(self, bench):
        bench.configure(xrt_xbutil="/opt/nowhere/xbutil")
        with pytest.raises(errors.ConfigurationInvalid, match=r"\[fpga\] xrt_xbutil: no executable"):
            bench.device().discover()


class TestFpgaRegion:
    @pytest.fixture
    def bench(self, tmp_path):
        return device_benches.FpgaRegionBench(tmp_path)

    def test_what_it_finds(self, bench):
        vendor_tools.write(bench.region_path, compat_id=device_benches.INTERFACE.replace("-", ""))
        (card,) = bench.device().discover()
        assert (card.id, card.board) == ("fpga_region:a", "zcu102")
        assert card.slots[0].interface_id == device_benches.INTERFACE

    def test_the_kernels_word_counts_beside_the_helpers(self, bench):
        device, region, core = bench.device(), bench.region(), bench.core()
        device.program(region, core)
        vendor_tools.write(bench.sysfs / "class/fpga_manager/fpga0", state="write error", status="reconfig CRC error")
        with pytest.raises(
            errors.ReadBackMismatch, match="fpga0 is in state 'write error', status 'reconfig CRC error'"
        ):
            device.verify(region, core)

    def test_a_helper_is_required(self, bench):
        values = bench.options()
        del values["fpga_region_helper"]
        bench.host.configure(devices="fpga_region", **values)
        with pytest.raises(errors.ConfigurationInvalid, match="needs fpga_region_helper"):
            bench.device().discover()

    @pytest.mark.parametrize("name", ["../../etc", "region", "REGION0", "region0/x"])
    def test_names_are_the_kernels(self, bench, name):
        bench.configure(
            fpga_region_card=bench.options()["fpga_region_card"].replace("region=region0", f"region={name}")
        )
        with pytest.raises(errors.ConfigurationInvalid, match="region is a name that the kernel gave"):
            bench.device().discover()


def test_words_of_entries(tmp_path):
    bench = device_benches.DflBench(tmp_path)
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


@pytest.mark.parametrize("kind", [device_benches.DflBench, device_benches.XrtBench, device_benches.FpgaRegionBench])
def test_a_core_of_which_nobody_knows_what_it_shows(tmp_path, kind):
    bench = kind(tmp_path)
    device, region, core = bench.device(), bench.region(), bench.core()
    device.program(region, core)
    with pytest.raises(errors.ReadBackMismatch, match="nobody knows"):
        device.verify(region, type(core)("0" * 64, core.size, None, None))


@pytest.mark.parametrize(
    ("kind", "option"), [(device_benches.DflBench, "dfl_blank"), (device_benches.XrtBench, "xrt_blank")]
)
def test_a_blank_that_is_no_longer_configured(tmp_path, kind, option):
    bench = kind(tmp_path)
    region, core = bench.region(), bench.core()
    bench.device().program(region, core)
    values = bench.options()
    del values[option]
    bench.host.configure(devices=bench.driver, **values)
    for call in (lambda: bench.device().erase(region), lambda: bench.device().verify(region, None)):
        with pytest.raises(errors.ConfigurationInvalid, match=rf"\[fpga\] {option} has no blank"):
            call()
