# SPDX-License-Identifier: Apache-2.0
"""The hooks around build and delete, over a stand-in for fpga-cli that answers in this process."""

from __future__ import annotations

import types

import pytest
from nova import context, exception, objects

import fpga_hooks
from fpga_nova.clients.fpga_cli_runner import Runner
from fpga_nova.nova import hooks, options
from fpga_nova.nova.claims import trackers
from fpga_nova.nova.claims.tracker import Tracker
from tests.support.card import Card

CORE = "dd834aa4-f950-40e6-8c23-9dab7f3f0138"
SERVER = "3f2c3f6a-33f4-4d59-8f0b-4b2e6a3e9a10"
PROJECT = "6f70656e737461636b20342065766572"
REQUEST = context.RequestContext(is_admin=False)
BUILD, DELETE = fpga_hooks.FpgaBuildInstanceHook(), fpga_hooks.FpgaDeleteInstanceHook()
BROKEN = {"burn": {"code": 69, "text": "Error: read-back differs", "partial": True}}


@pytest.fixture
def card(request, tmp_path):
    """A card of one region, behind fpga-cli or a stand-in of the name that the test gives."""
    return Card(tmp_path / "card", 1, getattr(request, "param", "fpga-cli"))


@pytest.fixture
def tracker(card, monkeypatch):
    tracker = Tracker(Runner(card.command, "", 10, 10, card.run), simulated=False)
    tracker.refresh()
    monkeypatch.setattr(trackers, "tracker_for", lambda rt: tracker)
    return tracker


@pytest.fixture
def manager():
    """A ComputeManager, as far as the hooks ask; its guests are those in `guests`."""
    guests = set()
    driver = types.SimpleNamespace(guests=guests, instance_exists=lambda instance: instance.uuid in guests)
    return types.SimpleNamespace(rt=types.SimpleNamespace(compute_nodes={}), driver=driver)


@pytest.fixture
def instance(tracker, monkeypatch):
    """A server with an FPGA flavor whose claim stands."""
    tracker.counts.add_claim(SERVER)
    flavor = objects.Flavor(extra_specs={"hw:fpga_ip_id": CORE})
    made = objects.Instance(uuid=SERVER, project_id=PROJECT, flavor=flavor, system_metadata={}, node="node")
    made.fpga_device = None
    monkeypatch.setattr(objects.Instance, "save", lambda self: None)
    return made


def test_build_burns_the_flavors_core(manager, card, instance, tracker):
    BUILD.pre(manager, REQUEST, instance, {})
    BUILD.post(None, manager, REQUEST, instance, {})
    assert card.owners() == {SERVER}
    assert instance.fpga_device == card.used()[0]["id"]
    assert tracker.counts.total_and_used() == (1, 1)


def test_failed_burn_stops_the_build_with_the_tools_message(manager, card, instance, tracker):
    card.behave(BROKEN)
    with pytest.raises(hooks.FatalHookException, match=r"^FPGA: read-back differs$"):
        BUILD.pre(manager, REQUEST, instance, {})
    assert instance.fpga_device is None
    assert tracker.counts.total_and_used() == (1, 0)


def test_unexpected_error_of_a_burn_stops_the_build(manager, card, instance, tracker, caplog):
    def fail(_seconds):
        raise UnicodeError("unexpected")

    card.pause = fail
    with pytest.raises(hooks.FatalHookException, match=r"^FPGA: unexpected UnicodeError"):
        BUILD.pre(manager, REQUEST, instance, {})
    assert card.used() == []
    assert "failed unexpectedly" in caplog.text


@pytest.mark.parametrize(("token", "calls"), [("a-token", 1), (None, 0)])
def test_core_of_an_image_needs_the_users_token(manager, card, instance, tracker, token, calls):
    instance.flavor.extra_specs = {}
    instance.system_metadata = {"image_hw_fpga_ip_id": CORE}
    requester = context.RequestContext(is_admin=False, auth_token=token)
    options.CONF.set_override("image_ip_cores", True, group="fpga")
    try:
        if token is None:
            with pytest.raises(hooks.FatalHookException, match="needs the token of the user that boots the server"):
                BUILD.pre(manager, requester, instance, {})
        else:
            BUILD.pre(manager, requester, instance, {})
            assert card.tokens() == [token]
    finally:
        options.CONF.clear_override("image_ip_cores", group="fpga")
    assert len(card.calls("burn")) == calls


def test_failed_build_erases_the_region(manager, card, instance, tracker):
    BUILD.pre(manager, REQUEST, instance, {})
    BUILD.post(RuntimeError("spawn failed"), manager, REQUEST, instance, {})
    assert card.used() == [] and instance.fpga_device is None
    assert tracker.counts.total_and_used() == (1, 0)


@pytest.mark.parametrize("driver_fails", [False, True])
def test_failed_build_keeps_the_region_while_the_guest_may_be_there(manager, card, instance, tracker, driver_fails):
    BUILD.pre(manager, REQUEST, instance, {})
    manager.driver.guests.add(SERVER)
    if driver_fails:

        def fail(_instance):
            raise RuntimeError("libvirt is down")

        manager.driver.instance_exists = fail
    BUILD.post(RuntimeError("spawn failed"), manager, REQUEST, instance, {})
    assert card.owners() == {SERVER} and instance.fpga_device is None
    assert tracker.counts.total_and_used() == (1, 1)
    tracker.audit()
    assert tracker.orphans(set()) == [], "an orphan is named in the second audit"
    assert tracker.orphans(set()) == [(SERVER, card.used()[0]["id"])]


def test_delete_erases_the_region(manager, card, instance, tracker):
    BUILD.pre(manager, REQUEST, instance, {})
    DELETE.pre(manager, REQUEST, instance)
    assert card.used() == [] and instance.fpga_device is None
    assert tracker.counts.total_and_used() == (1, 0)


@pytest.mark.parametrize("card", ["other"], indirect=True)
def test_repeated_delete_does_not_erase_the_region_of_the_next_server(manager, card, instance, tracker):
    BUILD.pre(manager, REQUEST, instance, {})
    DELETE.pre(manager, REQUEST, instance)
    assert card.used() == []
    card.write([{**card.regions()[0], "state": "programmed"}])
    DELETE.pre(manager, REQUEST, instance)
    assert len(card.used()) == 1


def test_delete_of_a_server_that_is_gone_from_the_database_erases_all_the_same(
    manager, card, instance, tracker, monkeypatch
):
    def gone(self):
        raise exception.InstanceNotFound(instance_id=SERVER)

    BUILD.pre(manager, REQUEST, instance, {})
    monkeypatch.setattr(objects.Instance, "save", gone)
    DELETE.pre(manager, REQUEST, instance)
    assert card.used() == []


def test_server_without_an_fpga_makes_no_call(manager, card, instance, tracker):
    before = card.calls()
    instance.flavor.extra_specs = {}
    BUILD.pre(manager, REQUEST, instance, {})
    BUILD.post(RuntimeError("spawn failed"), manager, REQUEST, instance, {})
    DELETE.pre(manager, REQUEST, instance)
    assert card.calls() == before
