# SPDX-License-Identifier: Apache-2.0
"""The claim of a region for a new server. Nova's lock is held: no process is started here."""

from __future__ import annotations

from typing import Any

from fpga_nova.nova import core_requests
from fpga_nova.nova.claims import trackers
from fpga_nova.nova.claims.tracker import Tracker


def shortage(tracker: Tracker, instance: Any) -> str | None:
    """Return why this host has no region for `instance` (a nova.objects.Instance), or None if it has or needs none."""
    if core_requests.of_instance(instance) is None:
        return None
    total, used = tracker.counts.total_and_used()
    if used < total:
        return None
    return f"no free FPGA region on this host, {used} of {total} in use" if total else "no FPGA region on this host"


def claim(rt: Any, instance: Any) -> None:
    """Count a region for `instance`, whose claim has passed.

    :param rt: nova.compute.resource_tracker.ResourceTracker
    """
    tracker = trackers.tracker_for(rt)
    if tracker is not None and core_requests.of_instance(instance) is not None:
        tracker.counts.add_claim(instance.uuid)
