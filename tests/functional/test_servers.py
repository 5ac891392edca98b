# SPDX-License-Identifier: Apache-2.0
"""Servers with FPGAs on the real cloud: overbooking, faults, an image's own core, a host that dies over a build."""

from __future__ import annotations

import shutil
import uuid
import zlib

import pytest

from build_scripts.lib import paths


@pytest.fixture(autouse=True)
def no_server_left(cloud):
    """Delete the servers that a test leaves, and check that it lost no region."""
    yield
    cloud.delete_all()
    cloud.counted(0)


def test_request_for_more_servers_than_regions_builds_none_and_says_why(cloud, flavors):
    cloud.user.compute.create_server(
        name="test-many", flavor_id=flavors["crc32"].id, image_id=cloud.image.id, networks="none", min_count=4
    )
    servers = cloud.wait("four servers are known", lambda: (found := cloud.servers()) and len(found) == 4 and found)
    for server in servers:
        cloud.until(server, "ERROR")
        assert "free FPGA region" in cloud.fault(server)
    cloud.counted(0)


def test_concurrent_requests_never_overbook(cloud, flavors):
    """Five requests race for three regions: three servers run, two find none."""
    servers = [cloud.boot(f"race{number}", flavors["crc32"]) for number in range(5)]
    ended = [cloud.ended(server) for server in servers]
    assert sorted(server.status for server in ended) == ["ACTIVE"] * 3 + ["ERROR"] * 2
    cloud.counted(3)


def test_flavor_with_unknown_image_ends_in_a_fault_that_names_it(cloud):
    image_id = str(uuid.uuid4())
    flavor = cloud.flavor("fpga-unknown", image_id)
    server = cloud.until(cloud.boot("unknown", flavor), "ERROR")
    assert f"image {image_id} is not found" in cloud.fault(server)


def test_image_with_private_core_of_its_own_is_programmed_for_its_user(cloud, flavors):
    """A plain flavor, and an IP core that only the user can read: neither Nova's nor fpga-cli's own user can."""
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
        server = cloud.boot("own", cloud.flavor("test-plain", None), image)
        # By a flavor, fpga-cli's own user fetches the same core, which it must not see.
        by_flavor = cloud.boot("notmine", cloud.flavor("test-private-core", core))
        server = cloud.until(server, "ACTIVE")
        _, answer = cloud.answer(server)
        assert int.from_bytes(answer, "big") == zlib.crc32(cloud.guest_input())
        region = cloud.region_of(server)
        assert (region["image_id"], region["owner"]) == (core, server.id)
        by_flavor = cloud.until(by_flavor, "ERROR")
        assert f"image {core} is not found in Glance, or fpga-cli's user may not see it" in cloud.fault(by_flavor)
        cloud.counted(1)
    finally:
        cloud.user.image.delete_image(image)
        cloud.user.image.delete_image(core)


@pytest.mark.parametrize("state", ["programming", "programmed"])
def test_nova_compute_killed_over_a_build_loses_no_region(cloud, flavors, state):
    """SIGKILL while the region is being programmed, or right after: deletion frees it."""
    for node in cloud.observer.fpga_nodes():
        # A core that is decoded already is programmed in too short a time to kill anything in it.
        shutil.rmtree(node.path("/var/lib/fpga-nova/cache/fabrics"), ignore_errors=True)
    server = cloud.boot("dies", flavors["lzo"])
    node, _ = cloud.wait(
        f"the region is {state}",
        lambda: (found := cloud.observer.state_in_store(server.id)) and found[1] == state and found,
        pause=0.02,
    )
    cloud.kill(node, "nova_compute")
    if state == "programming":
        assert cloud.observer.state_in_store(server.id) == (node, "programming")
    assert cloud.user.compute.get_server(server.id).status == "BUILD"
    cloud.revive(node, "nova_compute")
    cloud.ended(server)
    cloud.delete(server)
    cloud.wait("the region is free", lambda: cloud.used() == 0)
