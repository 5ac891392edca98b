# SPDX-License-Identifier: Apache-2.0
"""The contract of `fpga_nova.driver` as tests, for a driver over any kind of card."""

from __future__ import annotations

import pathlib

import pytest

from fpga_nova import errors, host_config, model
from fpga_nova.devices.common import option_entries

MISMATCH = errors.ReadBackMismatch


class DriverContract:
    """Tests of what every driver keeps; a subclass gives the fixture `bench`, a `device_benches.Bench`."""

    def test_card_and_endpoint_are_well_formed(self, bench):
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

    def test_options_have_help_and_a_prefix(self, bench):
        for option in type(bench.device()).options:
            assert option.name.startswith(f"{bench.driver}_")
            assert len(option.help) > 20

    def test_core_is_proved_after_a_load_and_blank_after_an_erase(self, bench):
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

    def test_reported_progress_grows_to_its_total(self, bench):
        """A driver need not report anything; what it reports never goes back, and comes to its end."""
        device, region = bench.device(), bench.region()
        device.erase(region)
        reported = []
        device.on_progress = lambda done, total: reported.append((done, total))
        core = bench.core()
        device.program(region, core)
        assert bool(reported) == (bench.driver in ("openfpgaloader", "sim"))
        assert reported == sorted(reported) and all(0 < done <= total for done, total in reported)
        if reported:
            assert reported[-1] == ((core.size, core.size) if bench.driver == "sim" else (100, 100))

    def test_core_is_proved_when_its_file_is_gone(self, bench):
        device, region, core = bench.device(), bench.region(), bench.core()
        device.erase(region)
        device.program(region, core)
        core.path.unlink()
        device.verify(region, model.Bitstream(core.sha256, core.size, None, core.function_id))
        device.erase(region)
        with pytest.raises(MISMATCH):
            device.verify(region, model.Bitstream(core.sha256, core.size, None, core.function_id))

    def test_erase_is_idempotent(self, bench):
        device, region = bench.device(), bench.region()
        for _ in range(2):
            device.erase(region)
            device.verify(region, None)

    def test_junk_is_refused_and_can_be_erased(self, bench):
        if bench.driver == "sim":
            pytest.skip("a simulated card takes anything")
        device, region = bench.device(), bench.region()
        device.erase(region)
        with pytest.raises(errors.ProgrammingFailed, match=bench.refusal):
            device.program(region, bench.core(bench.junk()))
        device.erase(region)
        device.verify(region, None)

    def test_last_words_of_a_failing_tool_reach_the_error(self, bench):
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

    def test_load_or_erase_that_did_nothing_is_noticed(self, bench):
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

    def test_tool_that_hangs_is_killed(self, bench):
        if bench.driver in ("sim", "soft"):
            pytest.skip("no tool")
        device, region, core = bench.device(), bench.region(), bench.core()
        device.erase(region)
        bench.fault("hang")
        limit = 1 if bench.driver == "openfpgaloader" else 0.3  # the real tool looks for the FPGA first
        with pytest.raises(errors.ProgrammingFailed, match=f"did not end within {limit} s and was killed"):
            bench.device(timeout=limit).program(region, core)
        bench.fault(None)
        device.erase(region)
        device.verify(region, None)

    def test_pulled_card_is_not_accessible_until_it_is_plugged_in(self, bench):
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

    def test_relative_paths_do_not_reach_a_tool(self, bench, monkeypatch):
        """Tools have working directories of their own, so paths relative to fpga-cli's must not reach them."""
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
