# SPDX-License-Identifier: Apache-2.0
"""The store: only the graph's steps, nothing lost, nothing readable by others."""

from __future__ import annotations

import concurrent.futures
import contextlib
import sqlite3
import stat
import threading

import pytest
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, rule

from fpga_nova import errors, model
from fpga_nova.model import RegionState
from fpga_nova.regions import counters, quick_status, store


def card(path, name="a", regions=2):
    slots = tuple(model.Slot(index, "stream") for index in range(regions))
    return model.Card(f"sim:{name}", "sim", "sim", "board1", str(path), slots)


@pytest.fixture
def opened(tmp_path):
    made = store.Store(tmp_path / "state")
    (tmp_path / "card").mkdir()
    made.set_cards([card(tmp_path / "card")], "stamp")
    yield made
    made.close()


def free(opened, index=0):
    region = opened.regions()[index]
    return opened.transition(opened.transition(region, RegionState.ERASING), RegionState.FREE, error=None)


def test_new_region_is_dirty_and_keeps_its_id(opened, tmp_path):
    before = opened.regions()
    assert {region.state for region in before} == {RegionState.DIRTY}
    opened.set_cards([card(tmp_path / "card")], "stamp")
    assert opened.regions() == before


def test_only_root_reads_it(opened):
    for path in opened.path.parent.glob("regions.sqlite*"):
        assert stat.S_IMODE(path.stat().st_mode) == 0o600, path
    assert stat.S_IMODE(opened.path.parent.stat().st_mode) == 0o700


def test_durability_is_switched_on(opened):
    connection = opened._connection
    assert connection.execute("PRAGMA synchronous").fetchone()[0] == 2  # FULL
    assert connection.execute("PRAGMA journal_mode").fetchone()[0] == "wal"


def test_steps_outside_the_graph_are_refused(opened):
    region = free(opened)
    for state in RegionState:
        if state not in store.ALLOWED_TRANSITIONS[region.state]:
            with pytest.raises(ValueError, match="no step"):
                opened.transition(region, state)


def test_outdated_record_changes_nothing(opened):
    region = free(opened)
    opened.transition(region, RegionState.PROGRAMMING, owner="1")
    with pytest.raises(errors.FpgaError, match="no longer free"):
        opened.transition(region, RegionState.PROGRAMMING, owner="2")
    assert opened.region(region.id).owner == "1"


def test_unknown_region(opened):
    with pytest.raises(errors.UnknownRegion):
        opened.region("none")


def test_card_that_is_no_longer_configured_is_forgotten(opened, tmp_path):
    free(opened, 0), free(opened, 1)
    opened.set_cards([], "stamp")
    assert opened.regions() == [] and opened.cards() == []
    assert opened.count() == (0, 0)


def test_pulled_card_stays_known_and_is_reported(opened, tmp_path):
    free(opened, 0), free(opened, 1)
    (tmp_path / "card").rmdir()
    with pytest.raises(errors.DeviceNotAccessible):
        opened.count()
    opened.set_cards([], "stamp")
    with pytest.raises(errors.DeviceNotAccessible):
        opened.count()
    (tmp_path / "card").mkdir()
    opened.set_cards([card(tmp_path / "card")], "stamp")
    assert opened.count() == (0, 2)


def test_held_region_is_never_forgotten(opened, tmp_path):
    held = opened.transition(free(opened), RegionState.PROGRAMMING, owner="server")
    opened.set_cards([], "stamp")
    assert opened.region(held.id).owner == "server"


def test_count(opened):
    assert opened.count() == (2, 2)
    free(opened, 0)
    assert opened.count() == (1, 2)


@pytest.mark.parametrize("content", [b"junk" * 1000, b"SQLite format 3\0" + b"\xff" * 4000])
def test_damaged_file_is_reported_and_kept(tmp_path, content):
    path = tmp_path / quick_status.STORE_FILE
    path.write_bytes(content)
    with pytest.raises(errors.StoreNotReadable):
        store.Store(tmp_path).regions()
    with pytest.raises(errors.StoreNotReadable):
        quick_status.stored_count(str(tmp_path), [])
    assert path.read_bytes() == content


def test_newer_store_is_refused(opened, tmp_path):
    opened._connection.execute("PRAGMA user_version=99")
    with pytest.raises(errors.StoreNotReadable, match="upgrade fpga-nova"):
        store.Store(tmp_path / "state")


def test_directory_in_place_of_the_store_is_refused(tmp_path):
    (tmp_path / quick_status.STORE_FILE).mkdir()
    with pytest.raises(errors.StoreNotReadable):
        store.Store(tmp_path)


def test_odd_paths(tmp_path):
    odd = tmp_path / "a?b#c%20d e"
    store.Store(odd).close()
    assert (odd / quick_status.STORE_FILE).stat().st_size > 0
    assert sqlite3.connect(odd / quick_status.STORE_FILE).execute("SELECT count(*) FROM regions").fetchone() == (0,)


class Graph(RuleBasedStateMachine):
    """Whatever order of steps is tried, the store and DESIGN's graph agree."""

    def __init__(self):
        super().__init__()
        import pathlib
        import tempfile

        self.directory = tempfile.TemporaryDirectory()
        path = pathlib.Path(self.directory.name)
        self.store = store.Store(path)
        self.store.set_cards([card(path, regions=1)], "")
        self.expected = RegionState.DIRTY

    @rule(state=st.sampled_from(RegionState))
    def step(self, state):
        region = self.store.regions()[0]
        if state in store.ALLOWED_TRANSITIONS[self.expected]:
            self.store.transition(region, state)
            self.expected = state
        else:
            with pytest.raises(ValueError, match="no step"):
                self.store.transition(region, state)

    @invariant()
    def agrees(self):
        assert self.store.regions()[0].state is self.expected
        assert self.store.count() == (int(self.expected is not RegionState.FREE), 1)

    def teardown(self):
        self.store.close()
        self.directory.cleanup()


TestGraph = Graph.TestCase
TestGraph.settings = settings(max_examples=20, stateful_step_count=30, deadline=None)


def test_those_who_are_first_at_once_all_get_it(tmp_path):
    together = threading.Barrier(8, timeout=10)

    def first(path):
        together.wait()
        counters.add(path, [("burn", 0, 1.0)])
        together.wait()
        with contextlib.closing(store.Store(path)) as opened:
            opened.set_cards([card(path)], "stamp")

    with concurrent.futures.ThreadPoolExecutor(8) as threads:
        for turn in range(25):
            (tmp_path / str(turn)).mkdir()
            each = [threads.submit(first, tmp_path / str(turn)) for _ in range(8)]
            for one in each:
                one.result()
            assert counters.operations(tmp_path / str(turn)) == [("burn", 0, 8)]
