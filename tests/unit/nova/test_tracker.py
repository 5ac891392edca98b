# SPDX-License-Identifier: Apache-2.0
"""The tracker over a stand-in for fpga-cli that answers in this process."""

from __future__ import annotations

import logging
import threading
import uuid

import pytest

from fpga_nova import errors
from fpga_nova.clients.fpga_cli_runner import Runner
from fpga_nova.nova.claims.tracker import Tracker
from tests.support.card import Card

CORE = "dd834aa4-f950-40e6-8c23-9dab7f3f0138"
PROJECT = "6f70656e737461636b20342065766572"


@pytest.fixture
def card(tmp_path):
    """A card of two regions behind fpga-cli."""
    return Card(tmp_path / "card", 2)


def tracker_of(card, simulated=False):
    tracker = Tracker(Runner(card.command, "", 20, 10, card.run), simulated)
    tracker.refresh()
    return tracker


def server():
    return str(uuid.uuid4())


def in_thread(function, *arguments):
    """Run `function` in another thread; return whether it ended, without waiting for a lock that this one holds."""
    thread = threading.Thread(target=function, args=arguments, daemon=True)
    thread.start()
    thread.join(5)
    return not thread.is_alive()


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


def test_audit_during_a_burn_counts_its_region_once(card):
    tracker = tracker_of(card)
    name = server()
    seen = []

    def audit(_seconds):
        assert card.owners() == {name}
        tracker.audit()
        seen.append((tracker.counts.total_and_used(), tracker.orphans(set())))

    card.pause = audit
    tracker.counts.add_claim(name)
    tracker.burn(name, CORE, PROJECT)
    assert seen == [((2, 1), [])]
    assert tracker.counts.total_and_used() == (2, 1)


@pytest.mark.parametrize("name", ["fpga-cli", "fpga-cli.py"])
def test_parallel_builds_are_counted_exactly(tmp_path, name):
    card = Card(tmp_path, 4, name)
    tracker = tracker_of(card)
    servers = [server() for _ in range(4)]
    for each in servers:
        tracker.counts.add_claim(each)
    seen = []

    def audit(_seconds):
        assert in_thread(tracker.audit)
        seen.append(tracker.counts.total_and_used())

    card.pause = audit
    threads = [threading.Thread(target=tracker.burn, args=(each, CORE, PROJECT)) for each in servers]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert seen == [(4, 4)] * 4
    assert len(card.used()) == 4


def test_audit_does_not_wait_for_a_busy_stand_in(tmp_path):
    card = Card(tmp_path, 1, "fpga-cli.py")
    tracker = tracker_of(card)
    name = server()
    tracker.counts.add_claim(name)
    ended = []
    card.pause = lambda _seconds: ended.append(in_thread(tracker.audit))
    tracker.burn(name, CORE, PROJECT)
    assert ended == [True]
    assert card.calls() == ["status", f"burn {CORE}", "status"], "the audit asked nothing"
    assert tracker.counts.total_and_used() == (1, 1)


def test_failed_burn_is_erased_and_counts_nothing(card):
    tracker = tracker_of(card)
    card.behave({"burn": {"code": 69, "text": "Error: no", "partial": True}})
    name = server()
    tracker.counts.add_claim(name)
    with pytest.raises(errors.ProgrammingFailed, match=r"^no$"):
        tracker.burn(name, CORE, PROJECT)
    assert card.used() == []
    assert tracker.counts.total_and_used() == (2, 0)


def test_region_stays_counted_when_burn_and_erase_fail(card):
    tracker = tracker_of(card)
    card.behave(
        {"burn": {"code": 69, "text": "Error: no", "partial": True}, "erase": {"code": 31, "text": "Error: stuck"}}
    )
    name = server()
    tracker.counts.add_claim(name)
    with pytest.raises(errors.ProgrammingFailed):
        tracker.burn(name, CORE, PROJECT)
    assert tracker.counts.total_and_used() == (2, 1)


def test_failing_fpga_cli_offers_nothing_and_is_logged_once(card, caplog):
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


def test_missing_fpga_exec_is_logged_and_refuses_burns(caplog):
    tracker = Tracker(None, simulated=False)
    with caplog.at_level(logging.ERROR):
        tracker.audit()
    assert "fpga_exec is not set" in caplog.text
    assert tracker.counts.total_and_used() == (0, 0)
    with pytest.raises(errors.ConfigurationInvalid):
        tracker.burn(server(), CORE, PROJECT)


def test_orphan_is_named_in_the_second_audit(card):
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


def test_orphan_that_cannot_be_erased_is_logged(card, caplog):
    tracker = tracker_of(card)
    card.behave({"erase": {"code": 31, "text": "Error: stuck"}})
    gone, region = server(), card.regions()[0]["id"]
    tracker.erase_orphan(gone, region)
    assert f"Region {region} of server {gone}, which has left this host, is not erased: stuck" in caplog.text


def test_simulation_touches_no_region(card):
    tracker = tracker_of(card, simulated=True)
    name = server()
    tracker.counts.add_claim(name)
    assert tracker.burn(name, CORE, PROJECT) is None
    assert tracker.counts.total_and_used() == (2, 1)
    tracker.erase(name, None)
    assert tracker.counts.total_and_used() == (2, 0)
    assert card.calls() == ["status"]
