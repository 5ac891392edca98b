# SPDX-License-Identifier: Apache-2.0
"""The answers of `seams.test_claim` to builds, moves and unshelves."""

from __future__ import annotations

import types

import pytest
from nova import objects

from fpga_nova.nova import options, seams
from fpga_nova.nova.claims import trackers
from fpga_nova.nova.claims.counts import Snapshot
from fpga_nova.nova.claims.tracker import Tracker

CORE = "dd834aa4-f950-40e6-8c23-9dab7f3f0138"
WITH, WITHOUT = {"hw:fpga_ip_id": CORE}, {}


class ResourceTracker:
    """Stands for Nova's ResourceTracker."""


@pytest.fixture
def counts(monkeypatch):
    """The counts of the host of each claim."""
    tracker = Tracker(None, simulated=False)
    monkeypatch.setattr(trackers, "tracker_for", lambda rt: tracker)
    return tracker.counts


def claim(specs, vm_state="building", **kwargs):
    """A Claim; with `flavor` it is a MoveClaim."""
    instance = objects.Instance(uuid=CORE, vm_state=vm_state, flavor=objects.Flavor(extra_specs=specs))
    return types.SimpleNamespace(tracker=ResourceTracker(), instance=instance, **kwargs)


@pytest.mark.parametrize(("old", "new"), [(WITH, WITH), (WITH, WITHOUT), (WITHOUT, WITH)])
def test_move_is_refused_where_either_flavor_has_an_fpga(counts, old, new):
    counts.replace_snapshot(Snapshot(total=1))
    moved = claim(old, "active", flavor=objects.Flavor(extra_specs=new))
    assert seams.test_claim(moved) == "a server with an FPGA cannot be moved"


def test_unshelve_is_refused_for_a_server_with_an_fpga(counts):
    counts.replace_snapshot(Snapshot(total=1))
    assert seams.test_claim(claim(WITH, "shelved_offloaded")) == "a server with an FPGA cannot be unshelved"


def test_server_without_an_fpga_moves_and_unshelves_without_regions(counts):
    assert seams.test_claim(claim(WITHOUT, "active", flavor=objects.Flavor(extra_specs={}))) is None
    assert seams.test_claim(claim(WITHOUT, "shelved_offloaded")) is None


@pytest.mark.parametrize(
    ("total", "used", "reason"),
    [(2, 1, None), (2, 2, "no free FPGA region on this host, 2 of 2 in use"), (0, 0, "no FPGA region on this host")],
)
def test_build_is_refused_without_a_free_region(counts, total, used, reason):
    counts.replace_snapshot(Snapshot(total, used))
    assert seams.test_claim(claim(WITH)) == reason


def test_any_claim_passes_with_fpga_access_off():
    assert not options.CONF.fpga_access
    assert seams.test_claim(claim(WITH, "active", flavor=objects.Flavor(extra_specs=WITH))) is None
