# SPDX-License-Identifier: Apache-2.0
"""The audit erases regions only of servers that have certainly left this host."""

from __future__ import annotations

import types

import pytest
from nova import context, exception, objects

from fpga_nova.clients.fpga_cli_runner import Runner
from fpga_nova.nova import seams
from fpga_nova.nova.claims import trackers
from fpga_nova.nova.claims.tracker import Tracker
from tests.support.card import Card

CORE = "dd834aa4-f950-40e6-8c23-9dab7f3f0138"
SERVER = "3f2c3f6a-33f4-4d59-8f0b-4b2e6a3e9a10"


class World:
    """Nova's knowledge of SERVER, as far as the audit asks for it; at first the server is deleted."""

    def __init__(self, monkeypatch):
        self.guests = []
        self.migrations = []
        self.host = None
        self.error = None
        self.questions = 0
        driver = types.SimpleNamespace(list_instance_uuids=lambda: self.guests)
        self.rt = types.SimpleNamespace(host="host1", driver=driver, tracked_instances=set())
        monkeypatch.setattr(objects.MigrationList, "get_in_progress_and_error", lambda *_: self.migrations)
        monkeypatch.setattr(objects.Instance, "get_by_uuid", self.instance)

    def instance(self, _context, uuid, expected_attrs):
        self.questions += 1
        if self.error is not None:
            raise self.error
        if self.host is None:
            raise exception.InstanceNotFound(instance_id=uuid)
        return objects.Instance(uuid=uuid, host=self.host)

    def audit(self, times=2):
        for _ in range(times):
            seams.audit(self.rt, context.RequestContext(is_admin=False), "node")


@pytest.fixture
def world(monkeypatch):
    return World(monkeypatch)


@pytest.fixture
def card(tmp_path, monkeypatch):
    """A card with a region of SERVER."""
    card = Card(tmp_path / "card", 2)
    first, second = card.regions()
    card.write([{**first, "state": "programmed", "owner": SERVER}, second])
    use(card, monkeypatch, simulated=False)
    return card


def use(card, monkeypatch, simulated):
    tracker = Tracker(Runner(card.command, "", 10, 10, card.run), simulated)
    monkeypatch.setattr(trackers, "tracker_for", lambda rt: tracker)
    return tracker


def test_region_of_a_deleted_server_is_erased_in_the_second_audit(world, card):
    world.audit(times=1)
    assert card.owners() == {SERVER}
    world.audit(times=1)
    assert card.used() == []


def test_region_of_a_server_on_another_host_is_erased(world, card):
    world.host = "host2"
    world.audit()
    assert card.used() == []


@pytest.mark.parametrize(
    "change",
    [
        {"host": "host1"},
        {"guests": [SERVER]},
        {"migrations": [objects.Migration(instance_uuid=SERVER)]},
        {"error": RuntimeError("lost connection to the database")},
    ],
    ids=["on this host", "guest is there", "in a migration", "database is down"],
)
def test_region_is_kept_while_its_server_may_be_here(world, card, change):
    vars(world).update(change)
    world.audit(times=3)
    assert card.owners() == {SERVER}


def test_region_of_a_tracked_server_is_kept_without_a_question(world, card):
    world.rt.tracked_instances.add(SERVER)
    world.audit(times=3)
    assert card.owners() == {SERVER} and world.questions == 0


def test_simulation_claims_a_region_for_each_server_with_an_fpga_flavor(world, tmp_path, monkeypatch):
    tracker = use(Card(tmp_path / "card", 3), monkeypatch, simulated=True)
    flavors = [objects.Flavor(extra_specs=specs) for specs in ({"hw:fpga_ip_id": CORE}, {})]
    servers = [objects.Instance(uuid=uuid, flavor=flavor) for uuid, flavor in zip((SERVER, CORE), flavors)]
    monkeypatch.setattr(objects.InstanceList, "get_by_host", lambda *_, **__: servers)
    world.audit(times=1)
    assert tracker.counts.total_and_used() == (3, 1)
