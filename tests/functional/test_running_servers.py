# SPDX-License-Identifier: Apache-2.0
"""Servers that hold all regions of the cloud: what restarts do to them. All tests share them."""

from __future__ import annotations

import re
import zlib

import openstack
import pytest


@pytest.fixture(scope="module")
def servers(cloud, flavors):
    """Three servers from one request for as many as there are regions."""
    cloud.user.compute.create_server(
        name="test-all", flavor_id=flavors["crc32"].id, image_id=cloud.image.id, networks="none", min_count=3
    )
    known = cloud.wait("three servers are known", lambda: (found := cloud.servers()) and len(found) == 3 and found)
    yield [cloud.until(server, "ACTIVE") for server in known]
    cloud.delete_all()
    cloud.counted(0)


def check_answer(cloud, server):
    """Check that the guest got the CRC-32 of what it sent."""
    _, answer = cloud.answer(server)
    assert int.from_bytes(answer, "big") == zlib.crc32(cloud.guest_input())


def boot_of(cloud, server):
    """Return the id that the guest's kernel made for this boot; None until the guest has printed it."""
    try:
        console = cloud.console(server)
    except openstack.exceptions.NotFoundException:  # the guest is down, in the middle of the reboot
        return None
    found = re.search(r"fpga-guest: up, boot ([0-9a-f-]{36})\n", console)
    return found and found[1]


def test_each_server_of_one_request_holds_its_own_region(cloud, servers):
    cloud.counted(3)
    assert len({cloud.region_of(server)["id"] for server in servers}) == 3


def test_hard_reboot_keeps_region_and_answers_again(cloud, servers):
    server = servers[0]
    check_answer(cloud, server)
    region = cloud.region_of(server)
    before = boot_of(cloud, server)
    assert before
    cloud.user.compute.reboot_server(server, "HARD")
    cloud.wait("the guest has booted again", lambda: boot_of(cloud, server) not in (None, before))
    cloud.until(server, "ACTIVE")
    check_answer(cloud, server)
    assert cloud.region_of(server)["id"] == region["id"]


def test_killed_nova_compute_leaves_regions_and_endpoints_alone(cloud, servers):
    server = servers[1]
    before = cloud.region_of(server)
    cloud.kill(before["node"], "nova_compute")
    cloud.revive(before["node"], "nova_compute")
    assert cloud.region_of(server) == before
    assert cloud.observer.has_endpoint(before["node"], before["id"])
