# SPDX-License-Identifier: Apache-2.0
"""A prefetched core is burned without a byte of image data moved."""

from __future__ import annotations

import json

from tests.support.archives import manifest_data
from tests.support.image_server import IMAGE


def data_requests(glance):
    return [path for path in glance.requests if path.endswith("/file")]


def test_burn_of_a_prefetched_core_fetches_no_image_data(host, glance):
    (brought,) = json.loads(host.cli("prefetch", IMAGE, "-f", "json"))
    assert brought["sha256"] == manifest_data()["bitstreams"][0]["sha256"]
    assert len(data_requests(glance)) == 1
    assert host.cli("status") == "Used regions: 0/3\n"
    host.cli("prefetch", IMAGE)
    host.cli("burn", IMAGE)
    assert len(data_requests(glance)) == 1
    assert (host.path / "run/sim/a/0").read_bytes() == b"bits"


def test_prefetch_while_all_regions_are_used(host, glance, core_archive):
    for _ in range(2):
        host.cli("burn", "--file", core_archive)
    host.cli("burn", IMAGE, code=65)
    assert host.cli("prefetch", IMAGE, "-f", "value", "-c", "board") == "board1\n"


def test_prefetch_of_a_core_that_fits_no_region_keeps_nothing(host, glance):
    host.config_file.write_text(host.config_file.read_text().replace(":board1:", ":board9:"))
    assert "no matching hardware" in host.cli("prefetch", IMAGE, code=64)
    assert not list((host.state_path / "cache/bitstreams").iterdir())
