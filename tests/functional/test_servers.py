# SPDX-License-Identifier: Apache-2.0
"""Servers with FPGAs on the real cloud: overbooking, faults, restarts."""

from __future__ import annotations

import uuid
import zlib

import pytest

from build_scripts.lib import paths


def test_more_servers_than_regions_in_one_request(cloud, flavors):
    """Four for three regions: none is built, and each says why."""
    cloud.user.compute.create_server(
        name="test-many", flavor_id=flavors["crc32"].id, image_id=cloud.image.id, networks="none", min_count=4
    )
    servers = cloud.wait("four servers are known", lambda: (found := cloud.servers()) and len(found) == 4 and found)
    for server in servers:
        cloud.until(server, "ERROR")
        assert "free FPGA region" in cloud.fault(server)
    cloud.counted(0)


def test_as_many_servers_as_regions_in_one_request(cloud, flavors):
    cloud.user.compute.create_server(
        name="test-all", flavor_id=flavors["crc32"].id, image_id=cloud.image.id, networks="none", min_count=3
    )
    servers = cloud.wait("three servers are known", lambda: (found := cloud.servers()) and len(found) == 3 and found)
    for server in servers:
        cloud.until(server, "ACTIVE")
    cloud.counted(3)
    assert len({cloud.region_of(server)["id"] for server in servers}) == 3


def test_requests_at_once_never_overbook(cloud, flavors):
    """Five requests race for three regions: three servers run, two find none."""
    servers = [cloud.boot(f"race{number}", flavors["crc32"]) for number in range(5)]
    ended = [cloud.ended(server) for server in servers]
    assert sorted(server.status for server in ended) == ["ACTIVE"] * 3 + ["ERROR"] * 2
    cloud.counted(3)


def test_unknown_image(cloud):
    image_id = str(uuid.uuid4())
    flavor = cloud.flavor("fpga-unknown", image_id)
    server = cloud.until(cloud.boot("unknown", flavor), "ERROR")
    assert f"image {image_id} is not found" in cloud.fault(server)


def test_an_image_that_brings_its_own_core(cloud, flavors):
    """A plain flavor, and an IP core that nobody but the user may read: neither Nova's nor fpga-cli's own user."""
    archive = cloud.work / "own.zip"
    cloud.fpga_cli("pack", paths.CLONE / "accelerators/crc32", "-o", archive)
    core = cloud.fpga_cli("upload", archive, "--name", "test-own-core", "--visibility", "private", cloud="demo")
    image = cloud.user.image.create_image(
        "test-own-guest",
        data=cloud.user.image.download_image(cloud.image).content,
        disk_format=cloud.image.disk_format,
        container_format=cloud.image.container_format,
        visibility="private",
        hw_fpga_ip_id=core,
        **{name: cloud.image[name] for name in ("kernel_id", "ramdisk_id", "os_command_line")},
    )
    try:
        flavor = cloud.flavor("test-plain", None)
        server = cloud.until(cloud.boot("own", flavor, image), "ACTIVE")
        _, answer = cloud.answer(server)
        assert int.from_bytes(answer, "big") == zlib.crc32(cloud.guest_input())
        region = cloud.region_of(server)
        assert (region["image_id"], region["owner"]) == (core, server.id)
        cloud.counted(1)
        # By its flavor the same core is fetched by fpga-cli's own user, who may not have it.
        by_flavor = cloud.until(cloud.boot("notmine", cloud.flavor("test-private-core", core)), "ERROR")
        assert f"image {core} is not found in Glance, or fpga-cli's user may not see it" in cloud.fault(by_flavor)
    finally:
        cloud.user.image.delete_image(image)
        cloud.user.image.delete_image(core)


def test_a_hard_reboot_keeps_the_device(cloud, flavors):
    server = cloud.until(cloud.boot("reboot", flavors["crc32"]), "ACTIVE")
    cloud.answer(server)
    region = cloud.region_of(server)
    cloud.user.compute.reboot_server(server, "HARD")
    cloud.wait("the guest has started again", lambda: cloud.console(server).count("answer") == 1 and True)
    cloud.until(server, "ACTIVE")
    _, answer = cloud.answer(server)
    assert int.from_bytes(answer, "big") == zlib.crc32(cloud.guest_input())
    assert cloud.region_of(server)["id"] == region["id"]


def test_the_endpoint_survives_nova_compute(cloud, flavors):
    server = cloud.until(cloud.boot("survivor", flavors["crc32"]), "ACTIVE")
    cloud.answer(server)
    before = cloud.region_of(server)
    cloud.kill_and_revive(before["node"], "nova_compute")
    after = cloud.region_of(server)
    assert after == before
    assert cloud.observer.has_endpoint(before["node"], before["id"])


@pytest.mark.parametrize("state", ["programming", "programmed"])
def test_nova_compute_dies_over_a_build(cloud, flavors, state):
    """SIGKILL while the region is being programmed, and right after: nothing is lost, deletion frees it."""
    server = cloud.boot("dies", flavors["lzo"])
    region = cloud.wait(
        f"the region is {state}",
        lambda: (found := cloud.region_of(server)) and found["state"] in (state, "programmed") and found,
    )
    cloud.kill_and_revive(region["node"], "nova_compute")
    cloud.ended(server)
    cloud.delete(server)
    cloud.wait("the region is free", lambda: cloud.used() == 0)
