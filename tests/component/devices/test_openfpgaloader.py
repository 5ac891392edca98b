# SPDX-License-Identifier: Apache-2.0
"""The real openFPGALoader at an emulated Xilinx Virtual Cable: what arrives, and what goes wrong on the way."""

from __future__ import annotations

import pytest

from fpga_nova import errors
from fpga_nova.devices import openfpgaloader
from tests.support import device_benches, xvc


@pytest.fixture
def bench(tmp_path):
    made = device_benches.OpenFpgaLoaderBench(tmp_path)
    yield made
    made.clean_up()


@pytest.fixture
def loaded(bench):
    """The device, its region and a core, with the blank loaded."""
    device = bench.device()
    region = bench.region(device)
    device.erase(region)
    return device, region, bench.core()


def test_every_byte_arrives_at_the_fpga(bench, loaded):
    device, region, core = loaded
    device.program(region, core)
    assert bench.fpga.received == xvc.words_of(core.path.read_bytes())
    assert bench.fpga.done
    assert bench.fpga.user_code == int(core.function_id[:8], 16)
    device.erase(region)
    assert bench.fpga.received == xvc.words_of(bench.blank.read_bytes())


def test_progress_of_the_tool_is_reported(bench, loaded):
    device, region, _ = loaded
    core = bench.core(xvc.bitstream(0x12345678, bytes(range(256)) * 1200))
    bench.cable.delay = 0.02
    reported = []
    device.on_progress = lambda done, total: reported.append((done, total))
    device.program(region, core)
    percents = [done for done, _ in reported]
    assert {total for _, total in reported} == {100}
    assert percents == sorted(percents) and percents[-1] == 100
    assert any(0 < percent < 100 for percent in percents)


def test_core_for_another_part_never_reaches_the_card(bench):
    archive = bench.archive(bench.core(xvc.bitstream(0x12345678, b"\x30\x01\x80\x01\x03\x63\x10\x93" + bytes(400))))
    bench.host.cli("status")
    clears = bench.fpga.clears
    error = bench.host.cli("burn", "--file", archive, code=64)
    assert "x.bin of IP core 'core' was by its own header (xilinx_bit) not built for region" in error
    assert bench.fpga.clears == clears


def test_proof_leaves_the_fpga_running(bench, loaded):
    device, region, core = loaded
    device.program(region, core)
    clears = bench.fpga.clears
    device.verify(region, core)
    device.discover()
    assert bench.fpga.clears == clears
    assert bench.fpga.done


def test_load_with_done_low_is_not_proved(bench, loaded):
    device, region, core = loaded
    bench.fpga.done_stays_low = True
    device.program(region, core)  # the tool ends with 0
    with pytest.raises(errors.ReadBackMismatch, match="TDO value 11 isn't the one expected: 21"):
        device.verify(region, core)


def test_proof_of_another_core_fails(bench, loaded):
    device, region, core = loaded
    device.program(region, core)
    with pytest.raises(errors.ReadBackMismatch, match=r"TDO value .* isn't the one expected"):
        device.verify(region, bench.core())


def test_load_over_a_broken_cable_fails(bench, loaded):
    device, region, core = loaded
    bench.cable.breaks_after = 8000
    with pytest.raises(errors.ProgrammingFailed, match="openFPGALoader"):
        device.program(region, core)
    assert 0 < len(bench.fpga.received) < core.size or not bench.fpga.done
    with pytest.raises(errors.FpgaError):
        device.verify(region, core)
    bench.cable.breaks_after = None
    device.erase(region)
    device.verify(region, None)


def test_load_without_a_cable_fails(bench, loaded):
    device, region, core = loaded
    bench.pull()
    with pytest.raises(errors.DeviceNotAccessible, match="Connection error"):
        device.program(region, core)


def test_file_that_is_cut_off_is_refused_before_a_load(bench, loaded):
    """A .bit shorter than its header says is refused before the FPGA is touched; the tool would end with 0."""
    device, region, core = loaded
    clears = bench.fpga.clears
    with pytest.raises(errors.ProgrammingFailed, match="does not say"):
        device.program(region, bench.core(core.path.read_bytes()[:-4000]))
    assert bench.fpga.clears == clears


def test_bitstream_without_its_end_is_not_proved(bench, loaded):
    device, region, _ = loaded
    content = bench.content("12345678-0000-4000-8000-000000000000").replace(xvc.DESYNC, bytes(8))
    core = bench.core(content)
    device.program(region, core)
    with pytest.raises(errors.ReadBackMismatch):
        device.verify(region, core)


@pytest.mark.parametrize("code", [0x00000000, 0xFFFFFFFF, 0xB1A00001])
def test_user_code_that_proves_nothing_is_refused(bench, loaded, code):
    device, region, _ = loaded
    clears = bench.fpga.clears
    with pytest.raises(errors.ProgrammingFailed):
        device.program(region, bench.core(xvc.bitstream(code)))
    assert bench.fpga.clears == clears


def test_card_with_another_fpga_is_not_accessible(bench, loaded):
    device, region, core = loaded
    bench.configure(openfpgaloader_card=bench.options()["openfpgaloader_card"].replace("0x0362d093", "0x03631093"))
    device = bench.device()
    assert not device.discover()
    with pytest.raises(errors.DeviceNotAccessible, match="no FPGA with IDCODE 0x03631093"):
        device.program(region, core)


def test_fpga_without_a_readable_user_code_is_refused(bench):
    """An Efinix Trion: openFPGALoader knows it, but the driver cannot read back what it holds."""
    bench.fpga.idcode = 0x00210A79
    bench.configure(openfpgaloader_card=bench.options()["openfpgaloader_card"].replace("0x0362d093", "0x00210a79"))
    with pytest.raises(errors.ConfigurationInvalid, match=r"what an FPGA of efinix .* cannot be proved"):
        bench.device().discover()


def test_format_without_a_header_is_proved_by_the_function_id(bench):
    bench.configure(openfpgaloader_card=f"{bench.options()['openfpgaloader_card']} format=bin")
    device = bench.device()
    region, core = bench.region(device), bench.core()
    core.path.write_bytes(xvc.words_of(core.path.read_bytes()))
    device.program(region, core)
    device.verify(region, core)
    assert bench.fpga.received == core.path.read_bytes()


def test_name_of_a_file_cannot_turn_it_into_jtag_commands(bench, loaded):
    """openFPGALoader plays any file with .svf in its path, and a core's bytes could be such commands."""
    device, region, _ = loaded
    directory = bench.path / "core.svf"
    directory.mkdir()
    core = bench.core()
    path = core.path.rename(directory / "x.svf")
    device.program(region, type(core)(core.sha256, core.size, path, core.function_id))
    assert bench.fpga.received == xvc.words_of(path.read_bytes())


def test_cable_in_use_is_not_probed(bench, loaded, monkeypatch):
    """Looking for cards leaves a cable alone that is in use, and takes its card for present."""
    device, region, core = loaded
    monkeypatch.setattr(openfpgaloader, "PROBE_TIMEOUT", 0)
    bench.configure(lock_timeout=0)
    with device._probed_card(device._entries()[0]).exclusive(0):
        assert len(bench.device().discover()) == 1
        with pytest.raises(errors.DeviceNotAccessible, match="card a is busy: another process has used it for 0 s"):
            bench.device().program(region, core)
