# SPDX-License-Identifier: Apache-2.0
"""What every driver keeps, whatever its card: the contract of `fpga_nova.driver`, over each kind of card."""

from __future__ import annotations

import pathlib
import re
import time

import pytest

from fpga_nova import errors, host_config, model
from fpga_nova.devices.common import option_entries
from tests.support import device_benches

MISMATCH = errors.ReadBackMismatch


@pytest.fixture(params=sorted(device_benches.ALL))
def bench(request, tmp_path):
    made = device_benches.ALL[request.param](tmp_path)
    yield made
    made.clean_up()


def test_cards_say_what_they_are(bench):
    (card,) = bench.device().discover()
    assert card.id.startswith(f"{bench.driver}:")
    assert card.device == bench.driver
    assert option_entries.VENDOR.form.fullmatch(card.vendor)
    assert option_entries.WORD.form.fullmatch(card.board)
    assert pathlib.Path(card.path).exists()
    assert [slot.index for slot in card.slots] == list(range(len(card.slots)))
    assert all(option_entries.WORD.form.fullmatch(slot.region_type) for slot in card.slots)
    assert card.pci_address is None or option_entries.PCI.form.fullmatch(card.pci_address)
    endpoint = bench.device().endpoint(bench.region())
    assert endpoint.kind in ("unix", "pci", "devnode")
    assert endpoint.address


def test_options_have_help_and_a_prefix(bench):
    for option in type(bench.device()).options:
        assert option.name.startswith(f"{bench.driver}_")
        assert len(option.help) > 20


def test_load_prove_erase_prove(bench):
    device, region = bench.device(), bench.region()
    core, other = bench.core(), bench.core()
    device.erase(region)
    device.verify(region, None)
    device.program(region, core)
    device.verify(region, core)
    bench.device().verify(region, core)  # a driver has no memory: another process finds the same
    with pytest.raises(MISMATCH):
        device.verify(region, None)
    if bench.reads_back:
        with pytest.raises(MISMATCH):
            device.verify(region, other)
    device.erase(region)
    device.verify(region, None)
    with pytest.raises(MISMATCH):
        device.verify(region, core)


def test_what_it_says_of_its_progress(bench):
    """A driver need not say anything; what it says never goes back, and comes to its end."""
    device, region = bench.device(), bench.region()
    device.erase(region)
    told = []
    device.on_progress = lambda done, total: told.append((done, total))
    core = bench.core()
    device.program(region, core)
    assert bool(told) == (bench.driver in ("openfpgaloader", "sim"))
    assert told == sorted(told) and all(0 < done <= total for done, total in told)
    if told:
        assert told[-1] == ((core.size, core.size) if bench.driver == "sim" else (100, 100))


def test_proof_without_the_bytes(bench):
    device, region, core = bench.device(), bench.region(), bench.core()
    device.erase(region)
    device.program(region, core)
    core.path.unlink()
    device.verify(region, model.Bitstream(core.sha256, core.size, None, core.function_id))
    device.erase(region)
    with pytest.raises(MISMATCH):
        device.verify(region, model.Bitstream(core.sha256, core.size, None, core.function_id))


def test_erasing_the_erased(bench):
    device, region = bench.device(), bench.region()
    for _ in range(2):
        device.erase(region)
        device.verify(region, None)


def test_what_is_no_bitstream_for_the_card(bench):
    if bench.driver == "sim":
        pytest.skip("a simulated card takes anything")
    device, region = bench.device(), bench.region()
    device.erase(region)
    with pytest.raises(errors.ProgrammingFailed, match=bench.refusal):
        device.program(region, bench.core(bench.junk()))
    device.erase(region)
    device.verify(region, None)


def test_the_tools_words_reach_the_error(bench):
    if bench.driver in ("openfpgaloader", "soft"):
        pytest.skip("a real tool: its words are tested with it")
    device, region = bench.device(), bench.region()
    device.erase(region)
    bench.fault("fail out of \x1b[31mred\x07 smoke\nsecond line \u202eevil")
    with pytest.raises(errors.ProgrammingFailed, match=r"out of .*red smoke second line evil") as caught:
        device.program(region, bench.core())
    assert str(caught.value).isprintable()
    bench.fault(None)
    device.erase(region)
    device.program(region, bench.core())
    bench.fault("fail no current")
    with pytest.raises(errors.EraseFailed, match="no current"):
        device.erase(region)
    bench.fault(None)
    device.erase(region)
    device.verify(region, None)


def test_a_tool_that_lies(bench):
    device, region, core = bench.device(), bench.region(), bench.core()
    device.erase(region)
    bench.fault("lie")
    with pytest.raises(errors.ProgrammingFailed):
        device.program(region, core)
        device.verify(region, core)
    bench.fault(None)
    device.erase(region)
    device.program(region, core)
    bench.fault("lie")
    with pytest.raises(errors.FpgaError):
        device.erase(region)
        device.verify(region, None)


def test_a_tool_that_hangs_is_killed(bench):
    if bench.driver in ("sim", "soft"):
        pytest.skip("no tool")
    device, region = bench.device(), bench.region()
    device.erase(region)
    bench.fault("hang")
    device = bench.device()
    began = time.monotonic()
    with pytest.raises(errors.ProgrammingFailed, match="did not end within 2 s and was killed"):
        device.program(region, bench.core())
    assert time.monotonic() - began < 8
    bench.fault(None)
    bench.configure()
    device = bench.device()
    device.erase(region)
    device.verify(region, None)


def test_a_pulled_card(bench):
    device, region, core = bench.device(), bench.region(), bench.core()
    device.erase(region)
    bench.pull()
    for call in (
        lambda: device.program(region, core),
        lambda: device.verify(region, core),
        lambda: device.verify(region, None),
        lambda: device.erase(region),
    ):
        with pytest.raises(errors.DeviceNotAccessible):
            call()
    assert not device.discover()
    bench.plug()
    (card,) = device.discover()
    assert pathlib.Path(card.path).exists()
    device.erase(region)
    device.verify(region, None)


def test_a_state_directory_without_a_root(bench, monkeypatch):
    """Tools have directories of their own, so paths that were relative to ours must not reach them."""
    monkeypatch.chdir(bench.path)
    bench.configure(state_path="state")
    core = bench.core()
    core = model.Bitstream(core.sha256, core.size, core.path.relative_to(bench.path), core.function_id)
    conf = host_config.load([str(bench.host.config_file)])
    driver = host_config.driver_classes([bench.driver])[bench.driver]
    device = driver(conf.fpga, pathlib.Path("state"), pathlib.Path(conf.fpga.run_path))
    region = bench.region(device)
    device.erase(region)
    device.program(region, core)
    device.verify(region, core)
    device.erase(region)
    device.verify(region, None)


def test_through_fpga_cli(bench):
    archive = bench.archive()
    assert re.fullmatch(r"Used regions: 0/[12]\n", bench.host.cli("status"))
    region = bench.host.cli("burn", "--file", archive).strip()
    assert bench.host.cli("status").startswith("Used regions: 1/")
    bench.host.cli("erase", region)
    assert bench.host.cli("status").startswith("Used regions: 0/")
    bench.pull()
    bench.host.cli("status", code=0 if bench.driver in ("command", "openfpgaloader") else 127)
