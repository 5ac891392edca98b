# SPDX-License-Identifier: Apache-2.0
"""The endpoint in the guest's XML, made by Nova's own classes."""

from __future__ import annotations

import pytest
from lxml import etree
from nova import objects
from nova.compute import fpga
from nova.virt.libvirt import config as vconfig

from fpga_nova import errors
from fpga_nova.clients import fpga_cli_runner
from fpga_nova.nova import options
from fpga_nova.nova.claims import trackers
from tests.support.card import Card

SERVER = "3f2c3f6a-33f4-4d59-8f0b-4b2e6a3e9a10"


@pytest.fixture
def conf():
    changed = {"fpga_access": True, "fpga_simulation_mode": False}
    for name, value in changed.items():
        options.CONF.set_override(name, value)
    yield options.CONF
    for name in changed:
        options.CONF.clear_override(name)


@pytest.fixture
def use(conf, monkeypatch):
    """Return a function that has Nova's side ask a card, in this process."""

    def use_card(card):
        runner = fpga_cli_runner.Runner(card.command, "", 10, 10, card.run)
        monkeypatch.setattr(trackers, "configured_runner", lambda: runner)

    return use_card


@pytest.fixture
def card(tmp_path):
    return Card(tmp_path / "card", 2)


@pytest.fixture
def region(use, card):
    """Id of a region that SERVER has."""
    use(card)
    regions = card.regions()
    regions[0].update(state="programmed", owner=SERVER)
    card.write(regions)
    return regions[0]["id"]


def guest_with(device, virt_type="qemu", server=SERVER):
    guest = vconfig.LibvirtConfigGuest()
    guest.virt_type = virt_type
    fields = {} if device is None else {"fpga_device": device}
    fpga.add_device(guest, objects.Instance(uuid=server, **fields))
    return [etree.tostring(element.format_dom()).decode() for element in guest.devices]


def test_region_becomes_a_virtio_port_that_connects(region):
    assert guest_with(region) == [
        f'<channel type="unix"><source mode="connect" path="/run/fpga-nova/endpoints/{region}.sock">'
        '<reconnect enabled="yes" timeout="1"/></source>'
        '<target type="virtio" name="org.fpga-nova.region.0"/></channel>'
    ]
    assert len(guest_with(region, "kvm")) == 1


def test_region_of_another_server_is_not_attached(region, card):
    other = "7c0b7a7e-7d0b-4a57-8f1e-0b6f7f1b4b1d"
    assert guest_with(region, server=other) == []
    assert guest_with(card.regions()[1]["id"]) == []


def test_without_an_answer_the_guest_is_not_started(region, card):
    card.behave({"list": {"code": 128, "text": "Error: the store cannot be read"}})
    with pytest.raises(errors.StoreNotReadable):
        guest_with(region)


def test_container_gets_no_port(region):
    assert guest_with(region, "lxc") == []


def test_server_without_a_region_makes_no_call(region, card):
    assert guest_with(None) == guest_with("") == []
    assert card.calls() == []


def test_region_id_of_a_stand_in_names_no_endpoint(use, tmp_path, caplog):
    use(Card(tmp_path / "other", 1, "fpga-cli.py"))
    assert guest_with("/dev/fpga0") == []
    assert "Region /dev/fpga0 has no endpoint for a guest of type qemu" in caplog.text


def test_nothing_is_attached_without_fpga_exec(conf, monkeypatch):
    monkeypatch.setattr(trackers, "configured_runner", lambda: None)
    assert guest_with(SERVER) == []


@pytest.mark.parametrize(("name", "value"), [("fpga_access", False), ("fpga_simulation_mode", True)])
def test_nothing_is_attached_without_access_or_in_simulation(conf, region, name, value):
    conf.set_override(name, value)
    assert guest_with(region) == []
