# SPDX-License-Identifier: Apache-2.0
"""The endpoint in the guest's XML, made by Nova's own classes."""

from __future__ import annotations

import pytest
from lxml import etree
from nova import objects
from nova.compute import fpga
from nova.virt.libvirt import config as vconfig

from fpga_nova.nova import host

REGION = "a0399bc1-cb67-4548-b0b8-aa95a91402d3"


@pytest.fixture
def conf():
    host.CONF.set_override("fpga_access", True)
    host.CONF.set_override("fpga_simulation_mode", False)
    yield host.CONF
    host.CONF.reset()
    for name in ("fpga_access", "fpga_simulation_mode"):
        host.CONF.clear_override(name)


def guest_with(device, virt_type="qemu"):
    guest = vconfig.LibvirtConfigGuest()
    guest.virt_type = virt_type
    fpga.add_device(guest, objects.Instance(**({} if device is None else {"fpga_device": device})))
    return [etree.tostring(element.format_dom()).decode() for element in guest.devices]


def test_region_is_a_virtio_port_that_connects(conf):
    assert guest_with(REGION) == [
        f'<channel type="unix"><source mode="connect" path="/run/fpga-nova/endpoints/{REGION}.sock">'
        '<reconnect enabled="yes" timeout="1"/></source>'
        '<target type="virtio" name="org.fpga-nova.region.0"/></channel>'
    ]
    assert len(guest_with(REGION, "kvm")) == 1


@pytest.mark.parametrize(
    ("device", "virt_type"), [(None, "qemu"), ("", "qemu"), ("/dev/fpga0", "qemu"), (REGION, "lxc")]
)
def test_what_is_no_endpoint_is_not_attached(conf, device, virt_type):
    assert guest_with(device, virt_type) == []


@pytest.mark.parametrize(("name", "value"), [("fpga_access", False), ("fpga_simulation_mode", True)])
def test_nothing_is_attached_without_access_or_in_simulation(conf, name, value):
    conf.set_override(name, value)
    assert guest_with(REGION) == []
