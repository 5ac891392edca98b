# SPDX-License-Identifier: Apache-2.0
"""Counts that are exact at any time, on a card that a real executable keeps."""

from __future__ import annotations

import logging
import threading
import uuid

import pytest
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, precondition, rule

from fpga_nova import errors
from fpga_nova.clients.fpga_cli_runner import Runner
from fpga_nova.nova.claims.counts import Counts, Snapshot
from fpga_nova.nova.claims.tracker import Tracker
from tests.support.card import Card

CORE = "dd834aa4-f950-40e6-8c23-9dab7f3f0138"
PROJECT = "6f70656e737461636b20342065766572"


def tracker_of(card, simulated=False, erase=10):
    tracker = Tracker(Runner(card.command, "env", 20, erase), simulated)
    tracker.refresh()
    return tracker


def server():
    return str(uuid.uuid4())


class CountsAgainstACard(RuleBasedStateMachine):
    """Claims, burns, failures, erases and answers that arrive late, against a model of the card.

    At any time `used` is what is not free on the card, plus the claims that have no region yet, however old the
    answer is that the counts were made from.
    """

    def __init__(self):
        super().__init__()
        self.counts = Counts()
        self.total = 4
        self.card = {}  # region number -> owner, None for one that is dirty
        self.servers = 0
        self.claims = set()  # claimed, region not known to the counts yet
        self.refresh()

    def answer(self):
        holders = frozenset(owner for owner in self.card.values() if owner is not None)
        return Snapshot(self.total, len(self.card), holders)

    def refresh(self, settled=None):
        self.counts.replace_snapshot(self.answer(), settled)

    @rule()
    def audit(self):
        self.refresh()

    @precondition(lambda self: self.counts.total_and_used()[1] < self.total)
    @rule()
    def claim(self):
        self.servers += 1
        name = f"server {self.servers}"
        self.counts.add_claim(name)
        self.claims.add(name)

    def waiting(self):
        return sorted(self.claims - set(self.card.values()))

    @precondition(lambda self: self.waiting())
    @rule(data=st.data(), answered=st.booleans())
    def burn(self, data, answered):
        name = data.draw(st.sampled_from(self.waiting()))
        free = [number for number in range(self.total) if number not in self.card]
        assert free, "a claim was given that no region stands for"
        self.card[free[0]] = name
        if answered:  # otherwise nova-compute has not been told yet, and an audit may come first
            self.refresh(settled=name)
            self.claims.discard(name)

    @precondition(lambda self: any(owner for owner in self.card.values()))
    @rule(data=st.data(), clean=st.booleans())
    def erase(self, data, clean):
        number = data.draw(st.sampled_from(sorted(n for n, owner in self.card.items() if owner)))
        name = self.card.pop(number)
        if not clean:
            self.card[number] = None
        self.claims.discard(name)
        self.refresh(settled=name)

    @precondition(lambda self: self.waiting())
    @rule(data=st.data())
    def abort(self, data):
        self.claims.discard(data.draw(st.sampled_from(self.waiting())))
        self.counts.retain_only(self.claims)

    @invariant()
    def exact(self):
        expected = len(self.card) + len(self.waiting())
        assert self.counts.total_and_used() == (self.total, expected)
        assert 0 <= expected <= self.total


CountsAgainstACard.TestCase.settings = settings(max_examples=60, stateful_step_count=30, deadline=None)
TestCounts = CountsAgainstACard.TestCase


def test_claim_counts_until_its_region_does(card):
    tracker = tracker_of(card)
    name = server()
    tracker.counts.add_claim(name)
    assert tracker.counts.total_and_used() == (2, 1)
    region = tracker.burn(name, CORE, PROJECT)
    assert tracker.counts.total_and_used() == (2, 1)
    assert not tracker.counts.has_claim(name)
    tracker.erase(name, region)
    assert tracker.counts.total_and_used() == (2, 0)


def test_answer_in_the_middle_of_a_burn_counts_it_once(card):
    tracker = tracker_of(card)
    card.behave({"burn": {"sleep": 1}})
    name = server()
    tracker.counts.add_claim(name)
    burning = threading.Thread(target=tracker.burn, args=(name, CORE, PROJECT))
    burning.start()
    while not card.used():
        pass
    tracker.audit()
    assert tracker.counts.total_and_used() == (2, 1)
    assert tracker.orphans(set()) == []
    burning.join()
    assert tracker.counts.total_and_used() == (2, 1)


@pytest.mark.parametrize("name", ["fpga-cli", "fpga-cli.py"])
def test_builds_side_by_side_are_counted_exactly(tmp_path, name):
    card = Card(tmp_path, 4, name)
    card.behave({"burn": {"sleep": 0.2}})
    tracker = tracker_of(card)
    servers = [server() for _ in range(4)]
    for each in servers:
        tracker.counts.add_claim(each)
    seen = set()
    threads = [threading.Thread(target=tracker.burn, args=(each, CORE, PROJECT)) for each in servers]
    for thread in threads:
        thread.start()
    while any(thread.is_alive() for thread in threads):
        tracker.audit()
        seen.add(tracker.counts.total_and_used())
    assert seen == {(4, 4)}
    assert len(card.used()) == 4


def test_failed_burn_leaves_nothing(card):
    tracker = tracker_of(card)
    card.behave({"burn": {"code": 69, "text": "Error: no", "partial": True}})
    name = server()
    tracker.counts.add_claim(name)
    with pytest.raises(errors.ProgrammingFailed, match=r"^no$"):
        tracker.burn(name, CORE, PROJECT)
    assert card.used() == []
    assert tracker.counts.total_and_used() == (2, 0)


def test_failed_burn_and_erase_stay_counted(card):
    tracker = tracker_of(card)
    card.behave(
        {"burn": {"code": 69, "text": "Error: no", "partial": True}, "erase": {"code": 31, "text": "Error: stuck"}}
    )
    name = server()
    tracker.counts.add_claim(name)
    with pytest.raises(errors.ProgrammingFailed):
        tracker.burn(name, CORE, PROJECT)
    assert tracker.counts.total_and_used() == (2, 1)


def test_status_that_fails_offers_nothing_and_is_said_once(card, caplog):
    tracker = tracker_of(card)
    card.behave({"list": {"code": 128, "text": "Error: the store cannot be read"}})
    with caplog.at_level(logging.WARNING):
        for _ in range(3):
            tracker.audit()
        assert tracker.counts.total_and_used() == (0, 0)
        assert caplog.text.count("the store cannot be read") == 1
        card.behave({})
        tracker.audit()
    assert tracker.counts.total_and_used() == (2, 0)
    assert "can be used again" in caplog.text


def test_without_fpga_exec(caplog):
    tracker = Tracker(None, simulated=False)
    with caplog.at_level(logging.ERROR):
        tracker.audit()
    assert "fpga_exec is not set" in caplog.text
    assert tracker.counts.total_and_used() == (0, 0)
    with pytest.raises(errors.ConfigurationInvalid):
        tracker.burn(server(), CORE, PROJECT)


def test_audit_does_not_wait_for_a_stand_in(tmp_path):
    card = Card(tmp_path, 1, "fpga-cli.py")
    card.behave({"burn": {"sleep": 1}})
    tracker = tracker_of(card)
    name = server()
    tracker.counts.add_claim(name)
    burning = threading.Thread(target=tracker.burn, args=(name, CORE, PROJECT))
    burning.start()
    while not card.used():
        pass
    tracker.audit()
    assert burning.is_alive()
    burning.join()
    assert tracker.counts.total_and_used() == (1, 1)


def test_orphans_are_named_in_the_second_audit(card):
    tracker = tracker_of(card)
    gone, kept, building = server(), server(), server()
    regions = card.regions()
    regions += [{**regions[0], "id": server()} for _ in range(3)]
    for region, owner in zip(regions, (gone, kept, "operator", None, gone)):
        region.update(state="programmed", owner=owner)
    regions[4]["state"] = "quarantined"
    card.write(regions)
    tracker.counts.add_claim(building)
    tracker.audit()
    assert tracker.orphans({kept}) == []
    assert tracker.orphans({kept}) == [(gone, regions[0]["id"])]
    tracker.counts.add_claim(gone)
    assert tracker.orphans({kept}) == []
    tracker.counts.release_claim(gone)
    assert tracker.orphans({kept}) == []
    tracker.erase_orphan(gone, regions[0]["id"])
    tracker.audit()
    assert tracker.orphans({kept}) == []
    assert [region["state"] for region in card.regions()] == ["free", *["programmed"] * 3, "quarantined"]


def test_simulation_touches_no_region(card):
    tracker = tracker_of(card, simulated=True)
    name = server()
    tracker.counts.add_claim(name)
    assert tracker.burn(name, CORE, PROJECT) is None
    assert tracker.counts.total_and_used() == (2, 1)
    tracker.erase(name, None)
    assert tracker.counts.total_and_used() == (2, 0)
    assert card.calls() == ["status"]
