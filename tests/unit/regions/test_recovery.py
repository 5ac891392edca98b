# SPDX-License-Identifier: Apache-2.0
"""Discovery and repair: lost regions are seen, stay their owner's, and are loaded again."""

from __future__ import annotations

import shutil

import pytest

from fpga_nova import errors
from fpga_nova.devices.sim import SimDevice
from fpga_nova.model import RegionState
from fpga_nova.regions import quick_status
from fpga_nova.system import locks


def restart(host, keep_cards: bool = False) -> None:
    """Do to the host what a restart does, as far as files can tell."""
    host.engine()._transitions.store.set_boot_id("another boot")
    if not keep_cards:
        shutil.rmtree(host.path / "run")


def test_discover_wipes_regions_seen_for_the_first_time(tmp_path, host):
    host.cards = ["a:board1:2", "b:board2:1", "c:board1:1"]
    (found,) = host.engine().recovery.discover()
    assert (found.card_id, found.state) == ("sim:c", RegionState.FREE)
    assert host.transitions == [("dirty", "erasing"), ("erasing", "free")]


@pytest.mark.parametrize("keep_cards", [False, True])
def test_restart_is_noticed_once_and_cards_that_keep_their_bits_lost_nothing(host, engine, burn, keep_cards):
    region = burn()
    restart(host, keep_cards)
    engine.recovery.discover()
    found = engine.region(region.id)
    assert (found.state, found.owner, found.lost) == (RegionState.PROGRAMMED, "server", not keep_cards)
    assert engine._transitions.store.boot_id() == quick_status.boot_id()


def test_card_that_cannot_be_asked_after_a_restart_counts_as_lost(host, engine, burn, tmp_path):
    region = burn()
    restart(host, keep_cards=True)
    (tmp_path / "state/sim/a").rename(tmp_path / "pulled")
    engine.recovery.discover()
    assert engine.region(region.id).lost
    assert [each.lost for each in engine.recovery.check_programmed()] == [True]
    (tmp_path / "pulled").rename(tmp_path / "state/sim/a")
    assert [each.lost for each in engine.recovery.check_programmed()] == [False]
    assert list(engine.recovery.check_programmed()) == []


def test_card_that_was_away_is_asked_when_it_is_back(host, engine, burn, tmp_path):
    region = burn()
    (tmp_path / "state/sim/a").rename(tmp_path / "pulled")
    engine.recovery.discover()
    host.memory(region).write_bytes(b"what the card starts with")
    (tmp_path / "pulled").rename(tmp_path / "state/sim/a")
    engine.recovery.discover()
    assert engine.region(region.id).lost


def test_check_that_met_a_busy_region_is_made_again(host, engine, burn):
    region = burn()
    restart(host)
    with locks.hold(host.path / "state/locks" / f"{region.id}.lock"):
        engine.recovery.discover()
    assert engine._transitions.store.boot_id() == "another boot"
    assert not engine.region(region.id).lost
    engine.recovery.discover()
    assert engine.region(region.id).lost


def test_visible_loss_is_seen_without_a_restart(host, engine, burn):
    region = burn()
    host.memory(region).unlink()
    engine.recovery.discover()
    assert engine.region(region.id).lost


@pytest.mark.parametrize(
    ("error", "lost"),
    [(errors.ProgrammingFailed("tool failed"), True), (errors.DeviceNotAccessible("busy"), False), (OSError(), False)],
)
def test_only_an_answer_of_the_card_marks_a_region_as_lost(host, burn, error, lost):
    region = burn()

    class Device(SimDevice):
        def verify(self, region, bitstream):
            raise error

    engine = host.engine(Device)
    assert [each.lost for each in engine.recovery.check_programmed()] == [True] * lost
    assert engine.region(region.id).lost is lost


@pytest.fixture
def lost(host, engine, burn):
    region = burn()
    host.memory(region).write_bytes(b"cosmic ray")
    (found,) = engine.recovery.check_programmed()
    assert found.id == region.id and found.lost
    host.transitions.clear()
    return found


def test_lost_region_is_loaded_again_for_its_owner(host, engine, lost):
    loaded = engine.recovery.load_again(lost, host.bitstream())
    assert (loaded.state, loaded.owner, loaded.lost) == (RegionState.PROGRAMMED, "server", False)
    assert host.memory(lost).read_bytes() == b"bits"
    assert host.transitions == [("programmed", "programmed")]


@pytest.mark.parametrize("when", ["erase", "program", "verify"])
def test_load_that_fails_leaves_the_region_lost_with_the_reason(host, engine, lost, when):
    host.fault(when, "fail no current")
    found = engine.recovery.load_again(lost, host.bitstream())
    assert (found.state, found.error, found.owner) == (RegionState.PROGRAMMED, "lost: no current", "server")


def test_region_without_a_bitstream_stays_lost_with_the_reason(engine, lost):
    found = engine.recovery.keep_lost(lost, errors.FpgaError("image is gone"))
    assert found == engine.region(lost.id)
    assert found.error == "lost: image is gone"


def test_lost_region_that_changed_meanwhile_is_left_as_it_is(host, engine, lost):
    engine.erase(lost.id)
    assert engine.recovery.load_again(lost, host.bitstream()).state is RegionState.FREE
    assert engine.recovery.keep_lost(lost, errors.FpgaError("gone")).state is RegionState.FREE


def test_lost_region_that_another_process_works_on_is_left_to_it(host, engine, lost):
    with locks.hold(host.path / "state/locks" / f"{lost.id}.lock"):
        assert engine.recovery.load_again(lost, host.bitstream()) is None
        assert engine.recovery.keep_lost(lost, errors.FpgaError("gone")) is None
        assert list(engine.recovery.check_programmed()) == []
    assert engine.region(lost.id) == lost


def test_left_behind_regions_are_finished_unless_a_process_works_on_them_or_the_card_is_away(host, engine, tmp_path):
    store = engine._transitions.store
    regions = [store.transition(region, RegionState.PROGRAMMING, owner="server") for region in store.regions()]
    (tmp_path / "state/sim/b").rename(tmp_path / "pulled")
    with locks.hold(tmp_path / "state/locks" / f"{regions[0].id}.lock"):
        assert [region.id for region in engine.recovery.finish_left_behind()] == [regions[1].id]
    assert [str(region.state) for region in engine.regions()] == ["programming", "free", "programming"]


def test_left_behind_region_that_cannot_be_wiped_is_quarantined_and_reported(host, engine):
    store = engine._transitions.store
    store.transition(store.regions()[0], RegionState.PROGRAMMING)
    host.fault("erase", "fail hung")
    (found,) = engine.recovery.finish_left_behind()
    assert found.state is RegionState.QUARANTINED
