# SPDX-License-Identifier: Apache-2.0
"""The openfpgaloader driver with a tool that is a function: its calls, its proof, its configuration."""

from __future__ import annotations

import hashlib

import pytest

from fpga_nova import errors, formats, model
from fpga_nova.devices import openfpgaloader
from tests.support import xvc
from tests.unit.devices.fakes import FakeTool, make_device, region_of

ENTRY = {
    "name": "a",
    "vendor": "xilinx",
    "board": "arty",
    "idcode": "0x0362d093",
    "blank": "/blank.bit",
    "blank_code": "0xb1a00001",
    "cable": "xvc-client",
    "ip": "127.0.0.1",
    "port": "2542",
    "node": "/dev/ttyUSB1",
}
DETECTED = "index 0:\n\tidcode 0x362d093\n\tmanufacturer xilinx\n\tfamily artix a7 35\n\tmodel  xc7a35\n\tirlength 6\n"


def answer(arguments: list[str]) -> str:
    if "--detect" in arguments:
        return DETECTED
    return "Load SRAM: [====] 42.00%\r[====] 100.00%\n" if "--write-sram" in arguments else "end of SVF file\n"


@pytest.fixture
def tool(monkeypatch):
    made = FakeTool(answer)
    monkeypatch.setattr(openfpgaloader, "Tool", made)
    return made


@pytest.fixture
def make(tmp_path, tool):
    def make(**changes):
        entry = {key: value for key, value in {**ENTRY, **changes}.items() if value is not None}
        text = " ".join(f"{key}={value}" for key, value in entry.items())
        return make_device(openfpgaloader.OpenFpgaLoaderDevice, tmp_path, openfpgaloader_card=[text])

    return make


@pytest.fixture
def core(tmp_path):
    def core(content: bytes, name: str = "core.bit") -> model.Bitstream:
        path = tmp_path / name
        path.write_bytes(content)
        return model.Bitstream(hashlib.sha256(content).hexdigest(), len(content), path, None)

    return core


CABLE = ["--cable", "xvc-client", "--ip", "127.0.0.1", "--port", "2542"]


def test_load_goes_to_sram_by_a_name_of_the_drivers_own(make, tool, core):
    """openFPGALoader plays any file with .svf in its path, and a core's bytes could be such commands."""
    device = make()
    device.program(region_of(device), core(xvc.bitstream(0x12345678), "x.svf"))
    assert tool.calls[-1] == [*CABLE, "--write-sram", "bitstream.bit"]


def test_progress_of_the_tool_is_reported(make, core):
    device = make()
    reported = []
    device.on_progress = lambda done, total: reported.append((done, total))
    device.program(region_of(device), core(xvc.bitstream(0x12345678)))
    assert reported == [(100, 100)]


def test_proof_needs_the_words_of_the_tool(make, tool, core, monkeypatch):
    device = make()
    region, loaded = region_of(device), core(xvc.bitstream(0x12345678))
    device.verify(region, loaded)
    assert tool.calls[-1] == [*CABLE, "usercode.svf"]
    monkeypatch.setattr(openfpgaloader, "_PLAYED", "other words")
    with pytest.raises(errors.ReadBackMismatch, match="openFPGALoader did not check the FPGA"):
        device.verify(region, loaded)


@pytest.mark.parametrize("code", [0x00000000, 0xFFFFFFFF, 0xB1A00001])
def test_user_code_that_proves_nothing_is_refused_before_a_load(make, tool, core, code):
    device = make()
    with pytest.raises(errors.ReadBackMismatch):
        device.program(region_of(device), core(xvc.bitstream(code)))
    assert not any("--write-sram" in call for call in tool.calls)


def test_file_that_is_cut_off_is_refused_before_a_load(make, tool, core):
    device = make()
    with pytest.raises(errors.ReadBackMismatch, match="does not say what the region should show"):
        device.program(region_of(device), core(xvc.bitstream(0x12345678)[:-4000]))
    assert not any("--write-sram" in call for call in tool.calls)


@pytest.mark.parametrize(
    ("part", "idcode"),
    [
        pytest.param(b"", None, id="none"),
        pytest.param(b"\x03\x62\xd0\x93", None, id="the same part"),
        pytest.param(b"\x13\x62\xd0\x93", None, id="a newer stepping"),
        pytest.param(b"\x03\x63\x10\x93", "0x03631093", id="another part"),
    ],
)
def test_idcode_of_the_configuration_data_is_compared(make, core, part, idcode):
    asks = b"\x30\x01\x80\x01" + part if part else b""
    with core(xvc.bitstream(0x12345678, asks + bytes(400))).path.open("rb") as file:
        header = formats.identify(file)
    assert header is not None and (header.idcode is None) == (part == b"")
    device = make()
    reason = device.incompatibility(region_of(device), header)
    assert reason == (idcode and f"it is for 7a35tcsg324 with IDCODE {idcode}, the card has 0x0362d093")


def test_card_with_another_fpga_is_not_offered(make):
    assert make().discover()
    assert not make(idcode="0x03631093").discover()


def test_guest_gets_the_pci_function_where_one_is_configured(make):
    device = make(node=None, pci="0000:3b:00.0")
    (card,) = device.discover()
    assert card.pci_address == "0000:3b:00.0"
    assert device.endpoint(region_of(device)).kind == "pci"


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"ip": "127.0.0.1 --write-flash"}, "the keys are"),
        ({"ip": "127.0.0.256"}, "ip is an IPv4 address"),
        ({"name": "../x"}, "name is a name of"),
        ({"cable": "-f"}, "cable is a word"),
        ({"idcode": "0x1"}, "idcode is 32 bits"),
        ({"blank": "blank.bit"}, "blank is an absolute path"),
        ({"port": "-1"}, "port is a whole number"),
        ({"format": "svf"}, "format is one of"),
        ({"pci": "0000:3b:00.0"}, "needs one of pci and node"),
        ({"node": None}, "needs one of pci and node"),
        ({"blank": None}, "lacks blank"),
    ],
)
def test_wrong_entry_is_refused_by_its_word(make, change, words):
    with pytest.raises(errors.ConfigurationInvalid, match=rf"\[fpga\] openfpgaloader_card: .*{words}"):
        make(**change).discover()
