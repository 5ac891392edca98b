# SPDX-License-Identifier: Apache-2.0
"""The engine's transitions over simulated cards, and its answer to every failure of a card, a driver or the store."""

from __future__ import annotations

import concurrent.futures
import threading

import pytest

from fpga_nova import errors, formats
from fpga_nova.devices.sim import SimDevice
from fpga_nova.model import RegionState
from fpga_nova.regions.store import Store
from fpga_nova.system import locks
from tests.support.regions import EngineHost, manifest

BURN = [("free", "programming"), ("programming", "programmed")]
ERASE = [("programmed", "erasing"), ("erasing", "free")]
FAILED_BURN = [("free", "programming"), ("programming", "dirty"), ("dirty", "erasing"), ("erasing", "free")]


def states(engine) -> list[str]:
    return [str(region.state) for region in engine.regions()]


# Burn and erase


def test_burn_records_what_is_loaded_after_it_is_proved(host, engine):
    core = manifest()
    region, entry = next(iter(engine.candidates(core)))
    programmed = engine.program(region, core, host.bitstream(), "server", "image")
    assert programmed == engine.region(region.id)
    assert (programmed.state, programmed.owner, programmed.image_id) == (RegionState.PROGRAMMED, "server", "image")
    assert (programmed.core, programmed.function_id) == ("core", core.function_id)
    assert programmed.bitstream_sha256 == entry.sha256
    assert host.memory(programmed).read_bytes() == b"bits"
    assert host.transitions == BURN
    assert engine.status() == (1, 3)


def test_erase_forgets_what_was_loaded(host, engine, burn):
    region = burn()
    host.transitions.clear()
    engine.erase(region.id)
    free = engine.region(region.id)
    assert (free.state, free.owner, free.core, free.bitstream_sha256) == (RegionState.FREE, None, None, None)
    assert not host.memory(region).exists()
    assert host.transitions == ERASE


def test_erase_of_a_free_region_does_nothing(host, engine):
    host.fault("erase", "fail must not be called")
    engine.erase(engine.regions()[0].id)
    assert host.transitions == []


@pytest.mark.parametrize("owner", ["other", ""])
def test_erase_leaves_the_region_of_another_owner_alone(host, engine, burn, owner):
    region = burn(owner="server")
    engine.erase(region.id, owner)
    assert engine.region(region.id) == region


def test_erase_held_erases_all_regions_of_an_owner(engine, burn):
    burn(), burn(), burn(b"other", "other", "board2")
    engine.erase_held("server")
    assert states(engine) == ["free", "free", "programmed"]
    engine.erase_held("server")


def test_erase_held_tries_every_region_before_it_fails(host, engine, burn):
    burn(), burn(b"bits", "server", "board2")
    host.fault("erase", "fail hung")
    with pytest.raises(errors.EraseFailed, match="hung"):
        engine.erase_held("server")
    assert states(engine) == ["quarantined", "free", "free"]


def test_unknown_region_is_an_error_of_its_own(engine):
    for call in (engine.erase, engine.verify, engine.release, engine.region):
        with pytest.raises(errors.UnknownRegion):
            call("none")
    with pytest.raises(errors.UnknownRegion):
        engine.quarantine("none", "reason")


def test_program_leaves_a_region_that_is_not_free(host, engine, burn):
    region = burn()
    assert engine.program(region, manifest(), host.bitstream()) is None
    assert engine.region(region.id) == region


def test_program_leaves_a_region_that_another_process_works_on(host, engine):
    region = engine.regions()[0]
    with locks.hold(host.path / "state/locks" / f"{region.id}.lock"):
        assert engine.program(region, manifest(), host.bitstream()) is None
    assert states(engine) == ["free"] * 3


def test_claim_is_in_the_store_before_the_bitstream_is_kept_and_the_card_is_touched(host, tmp_path):
    seen = []

    class Device(SimDevice):
        def program(self, region, bitstream):
            seen.append((str(host.engine().region(region.id).state), kept.exists()))
            super().program(region, bitstream)

    engine = host.engine(Device)
    bitstream = host.bitstream()
    kept = tmp_path / "state/cache/bitstreams" / bitstream.sha256
    engine.program(engine.regions()[0], manifest(), bitstream)
    assert seen == [("programming", True)]


# Failures of the card and of its driver


@pytest.mark.parametrize(("when", "fault"), [("program", "fail no current"), ("program", "corrupt")])
def test_failed_load_is_wiped_and_the_region_is_free_again(host, engine, burn, when, fault):
    host.fault(when, fault)
    with pytest.raises(errors.ProgrammingFailed):
        burn()
    assert host.transitions == FAILED_BURN
    assert states(engine) == ["free"] * 3
    assert not host.memory(engine.regions()[0]).exists()


def test_failed_load_that_cannot_be_wiped_is_quarantined_with_both_reasons_known(host, engine, burn):
    host.fault("program", "fail no current")
    host.fault("erase", "fail hung")
    with pytest.raises(errors.ProgrammingFailed, match="no current"):
        burn()
    region = engine.regions()[0]
    assert (region.state, region.error) == (RegionState.QUARANTINED, "erase failed: hung")


@pytest.mark.parametrize("raised", [KeyboardInterrupt(), OSError(28, "No space left"), RuntimeError(), SystemExit(1)])
@pytest.mark.parametrize("method", ["program", "verify"])
def test_any_exception_of_a_load_wipes_the_region(host, method, raised):
    class Device(SimDevice):
        pass

    def fail(self, region, bitstream):
        if bitstream is not None:
            raise raised
        SimDevice.verify(self, region, bitstream)

    setattr(Device, method, fail)
    engine = host.engine(Device)
    with pytest.raises(type(raised)):
        engine.program(engine.regions()[0], manifest(), host.bitstream())
    assert host.transitions == FAILED_BURN
    assert states(engine) == ["free"] * 3


@pytest.mark.parametrize("fault", ["fail hung", "corrupt"])
def test_region_that_cannot_be_proved_blank_is_quarantined(host, engine, burn, fault):
    region = burn()
    host.fault("erase", fault)
    with pytest.raises(errors.EraseFailed, match="is quarantined: erase failed"):
        engine.erase(region.id)
    with pytest.raises(errors.EraseFailed, match="check the card"):
        engine.erase(region.id)
    assert engine.region(region.id).owner == "server"
    assert engine.status() == (1, 3)


@pytest.mark.parametrize("raised", [errors.DeviceNotAccessible("gone"), OSError("I/O error"), ValueError("bug")])
def test_any_exception_of_an_erase_quarantines_the_region(host, burn, raised):
    region = burn()

    class Device(SimDevice):
        def erase(self, region):
            raise raised

    with pytest.raises(errors.EraseFailed, match=str(raised)):
        host.engine(Device).erase(region.id)
    assert host.engine().region(region.id).state is RegionState.QUARANTINED


def test_region_whose_driver_is_switched_off_is_quarantined_by_an_erase(host, engine, burn):
    region = burn()
    engine._transitions.devices = {}
    with pytest.raises(errors.EraseFailed, match="driver 'sim' is not enabled"):
        engine.erase(region.id)
    with pytest.raises(errors.DeviceNotAccessible):
        engine.endpoint(region)


# Failures of the store: each transition of a burn, an erase and a failed burn raises once


class _Disk:
    """Counts transitions and lets one of them fail, before or after it is in the store."""

    def __init__(self, at: int, after: bool) -> None:
        self.at = at
        self.after = after
        self.count = 0

    def store(self) -> type[Store]:
        disk = self

        class Failing(Store):
            def transition(self, region, state, **changes):
                disk.count += 1
                if disk.count == disk.at and not disk.after:
                    raise errors.StoreNotReadable("disk full")
                result = super().transition(region, state, **changes)
                if disk.count == disk.at and disk.after:
                    raise errors.StoreNotReadable("disk full")
                return result

        return Failing


@pytest.mark.parametrize("after", [False, True], ids=["before", "after"])
@pytest.mark.parametrize("at", [1, 2, 3, 4, 5])
@pytest.mark.parametrize("fault", [None, "fail no current"])
def test_store_that_fails_at_any_step_of_a_burn_and_an_erase_loses_no_region(host, at, after, fault):
    """Whatever was left behind, the next process brings the regions back to a state of rest, and blank if free."""
    disk = _Disk(at, after)
    broken = host.engine(store=disk.store())
    if fault:
        host.fault("program", fault)
    region = broken.regions()[0]
    try:
        broken.program(region, manifest(), host.bitstream(), "server")
        broken.erase(region.id)
    except errors.FpgaError:
        pass
    healthy = host.engine()
    healthy.recovery.discover()
    (found, *others) = healthy.regions()
    assert {other.state for other in others} == {RegionState.FREE}
    assert found.state in (RegionState.FREE, RegionState.PROGRAMMED, RegionState.QUARANTINED)
    if found.state is RegionState.FREE:
        assert not host.memory(found).exists()
    if found.state is RegionState.PROGRAMMED:
        assert host.memory(found).read_bytes() == b"bits" and found.owner == "server"
        healthy.erase(found.id)
        assert healthy.status() == (0, 3)


# Verify, quarantine, release


def test_verify_of_what_holds_changes_nothing(host, engine, burn):
    region = burn()
    host.transitions.clear()
    assert [engine.verify(each.id).state for each in engine.regions()] == ["programmed", "free", "free"]
    assert host.transitions == []
    assert engine.verify(region.id) == region


def test_verify_marks_a_region_that_lost_its_bits_and_unmarks_it_when_they_are_back(host, engine, burn):
    region = burn()
    host.memory(region).write_bytes(b"cosmic ray")
    with pytest.raises(errors.ReadBackMismatch):
        engine.verify(region.id)
    marked = engine.region(region.id)
    assert marked.lost and marked.owner == "server" and marked.error.startswith("lost: ")
    host.memory(region).write_bytes(b"bits")
    assert not engine.verify(region.id).lost


def test_verify_quarantines_a_free_region_that_is_not_blank(host, engine):
    region = engine.regions()[0]
    host.memory(region).parent.mkdir(parents=True, exist_ok=True)
    host.memory(region).write_bytes(b"a tenant's secret")
    with pytest.raises(errors.ReadBackMismatch):
        engine.verify(region.id)
    assert engine.region(region.id).error.startswith("was free, but not blank: ")
    assert engine.region(region.id).state is RegionState.QUARANTINED


def test_verify_of_a_card_that_is_away_changes_nothing(host, engine, burn, tmp_path):
    region = burn()
    (tmp_path / "state/sim/a").rename(tmp_path / "pulled")
    with pytest.raises(errors.DeviceNotAccessible):
        engine.verify(region.id)
    assert engine.region(region.id) == region


def test_verify_asks_no_card_of_a_quarantined_region(host, engine):
    region = engine.regions()[0]
    engine.quarantine(region.id, "fan is\nbroken")
    host.fault("verify", "fail must not be called")
    quarantined = engine.verify(region.id)
    assert (quarantined.state, quarantined.error) == (RegionState.QUARANTINED, "by hand: fan is broken")
    with pytest.raises(errors.FpgaError, match="already: by hand: fan is broken"):
        engine.quarantine(region.id, "again")


@pytest.mark.parametrize("left", ["programming", "dirty", "erasing"])
def test_quarantine_takes_what_a_dead_process_left_behind(host, engine, left):
    region = leave_behind(engine, left)
    engine.quarantine(region.id, "reason")
    assert engine.region(region.id).state is RegionState.QUARANTINED
    assert engine.recovery.finish_left_behind() == []


def test_release_wipes_and_offers_again(host, engine, burn):
    region = burn()
    engine.quarantine(region.id, "reason")
    host.fault("erase", "fail hung")
    with pytest.raises(errors.EraseFailed, match="hung"):
        engine.release(region.id)
    assert engine.region(region.id).state is RegionState.QUARANTINED
    host.fault("erase", None)
    engine.release(region.id)
    assert engine.region(region.id).state is RegionState.FREE
    with pytest.raises(errors.FpgaError, match="is free, not quarantined"):
        engine.release(region.id)


@pytest.mark.parametrize("left", ["programming", "dirty", "erasing"])
def test_erase_finishes_what_a_dead_process_left_behind(host, engine, left):
    region = leave_behind(engine, left)
    engine.erase(region.id)
    assert engine.region(region.id).state is RegionState.FREE


def leave_behind(engine, state):
    """Return a region that is recorded in a transitional state and on which no process works."""
    store = engine._transitions.store
    region = store.transition(store.regions()[0], RegionState.PROGRAMMING, owner="server")
    if state != "programming":
        region = store.transition(region, RegionState.DIRTY, error="left")
    return store.transition(region, RegionState.ERASING) if state == "erasing" else region


@pytest.mark.parametrize(
    ("call", "error"),
    [
        (lambda engine, region: engine.erase(region), errors.EraseFailed),
        (lambda engine, region: engine.release(region), errors.EraseFailed),
        (lambda engine, region: engine.verify(region), errors.FpgaError),
        (lambda engine, region: engine.quarantine(region, "reason"), errors.FpgaError),
    ],
)
def test_busy_region_is_one_error_with_the_code_of_the_command(host, engine, call, error):
    region = engine.regions()[0].id
    with (
        locks.hold(host.path / "state/locks" / f"{region}.lock"),
        pytest.raises(errors.FpgaError, match=r"is busy: waited 0 s for the burn or erase in progress on it") as caught,
    ):
        call(engine, region)
    assert type(caught.value) is error


# Candidates


def test_candidates_are_the_regions_that_fit_in_order(engine):
    choice = iter(engine.candidates(manifest(b"bits", "board1", "board2")))
    assert [next(choice)[0].card_id for _ in range(3)] == ["sim:a", "sim:a", "sim:b"]


def test_no_region_fits(engine, tmp_path):
    with pytest.raises(errors.NoMatchingHardware, match="is for sim board9; this host has sim board1, sim board2"):
        next(iter(engine.candidates(manifest(b"bits", "board9"))))
    for card in ("a", "b"):
        (tmp_path / "state/sim" / card).rmdir()
    with pytest.raises(errors.NoMatchingHardware, match="this host has none"):
        engine.fitting_regions(manifest())


def test_no_region_is_free(engine, burn):
    burn(b"bits", "server", "board2")
    with pytest.raises(errors.NoFreeRegion, match="the one region that fits is in use"):
        engine.available_regions(manifest(b"bits", "board2"))
    burn(), burn()
    with pytest.raises(errors.NoFreeRegion, match="all 2 regions that fit are in use"):
        next(iter(engine.candidates(manifest())))
    assert len(engine.fitting_regions(manifest())) == 2


def test_rejected_regions_are_passed_over(engine):
    candidates = engine.candidates(manifest())
    given = []
    with pytest.raises(errors.NoMatchingHardware, match="not for region 1"):
        for region, _ in candidates:
            candidates.reject(region, f"not for region {region.index}")
            given.append(region.index)
    assert given == [0, 1]


def test_rejected_region_is_not_given_again_while_others_are_waited_for(host, tmp_path):
    host.lock_timeout = 0.3
    engine = host.engine()
    second = engine.regions()[1]
    store = engine._transitions.store
    store.transition(store.transition(second, RegionState.PROGRAMMING), RegionState.DIRTY)
    candidates = engine.candidates(manifest())
    given = []
    with locks.hold(tmp_path / "state/locks" / f"{second.id}.lock"), pytest.raises(errors.NoFreeRegion, match="waited"):
        for region, _ in candidates:
            given.append(region.index)
            if region.index == 0:
                candidates.reject(region, "by its own header")
    assert given.count(0) == 1 and given.count(1) > 1


def test_candidates_wipe_what_a_process_left_behind_that_died_while_they_wait(host):
    host.lock_timeout = 10
    engine = host.engine()
    for _ in range(2):
        leave_behind_next(engine)
    core = manifest()
    programmed = next(
        programmed
        for region, _ in engine.candidates(core)
        if (programmed := engine.program(region, core, host.bitstream()))
    )
    assert programmed.state is RegionState.PROGRAMMED


def leave_behind_next(engine):
    store = engine._transitions.store
    region = next(region for region in store.regions() if region.state is RegionState.FREE)
    store.transition(store.transition(region, RegionState.PROGRAMMING), RegionState.DIRTY)


def test_burn_takes_the_region_whose_erase_it_waited_for(tmp_path):
    """The erase ends only after the burn has found no free region."""
    host = EngineHost(tmp_path, "a:board1:1", lock_timeout=20)
    erasing, waited = threading.Event(), threading.Event()

    class Device(SimDevice):
        def erase(self, region):
            erasing.set()
            assert waited.wait(20)
            super().erase(region)

    first = host.engine()
    first.recovery.discover()
    core = manifest()
    held = first.program(first.regions()[0], core, host.bitstream(), "first")
    with concurrent.futures.ThreadPoolExecutor() as threads:
        erase = threads.submit(lambda: host.engine(Device).erase(held.id))
        assert erasing.wait(20)
        for region, _ in first.candidates(core):
            programmed = first.program(region, core, host.bitstream(), "second")
            if programmed is not None:
                break
            waited.set()
        erase.result()
    assert (programmed.id, programmed.owner) == (held.id, "second")


def test_incompatibility_names_the_interface_or_asks_the_driver(host):
    class Device(SimDevice):
        def incompatibility(self, region, header):
            return f"it is for {header.part}"

    region = host.engine().regions()[0]
    header = formats.Header("gbs", "sim", 1, part="10AX", interface_ids=("one", "two"))
    assert host.engine().incompatibility(region, header) is None
    assert host.engine(Device).incompatibility(region, header) == "it is for 10AX"
    other = region.__class__(**{**vars(region), "interface_id": "three"})
    assert host.engine(Device).incompatibility(other, header) == "it is for interface one, two, not three"


def test_fewer_regions_than_threads_and_none_is_given_twice(tmp_path):
    host = EngineHost(tmp_path, "a:board1:3,b:board1:2", lock_timeout=20)
    host.engine().recovery.discover()
    core = manifest()
    bitstream = host.bitstream()
    together = threading.Barrier(12, timeout=20)

    def burn(number: int) -> str | None:
        engine = host.engine()
        together.wait()
        try:
            for region, _ in engine.candidates(core):
                programmed = engine.program(region, core, bitstream, str(number))
                if programmed is not None:
                    return programmed.id
        except errors.NoFreeRegion:
            pass
        return None

    with concurrent.futures.ThreadPoolExecutor(12) as threads:
        given = [each for each in threads.map(burn, range(12)) if each is not None]
    assert len(given) == len(set(given)) == 5
    assert states(host.engine()) == ["programmed"] * 5


def test_keep_caches_a_bitstream_without_a_region(host, engine, tmp_path):
    bitstream = host.bitstream()
    engine.keep(bitstream)
    assert (tmp_path / "state/cache/bitstreams" / bitstream.sha256).read_bytes() == b"bits"
    assert states(engine) == ["free"] * 3


def test_progress_is_reported_and_then_given_back(host, engine):
    seen = []
    core = manifest()
    engine.program(engine.regions()[0], core, host.bitstream(), progress=lambda done, total: seen.append((done, total)))
    assert seen == [(4, 4)]
    assert all(device.on_progress is None for device in engine._transitions.devices.values())
