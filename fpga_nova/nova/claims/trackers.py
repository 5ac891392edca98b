# SPDX-License-Identifier: Apache-2.0
"""The tracker of each nova-compute of this process, and how its counts get to the compute node."""

from __future__ import annotations

import threading
import weakref
from typing import Any

from nova import utils

from fpga_nova.clients import fpga_cli_runner
from fpga_nova.nova import options
from fpga_nova.nova.claims import tracker as tracking

_lock = threading.Lock()
_trackers: weakref.WeakKeyDictionary[Any, tracking.Tracker] = weakref.WeakKeyDictionary()

CONF = options.CONF


def tracker(rt: Any) -> tracking.Tracker | None:
    """Return the FPGA side of a nova.compute.resource_tracker.ResourceTracker, or None with fpga_access=False."""
    conf = CONF
    if not conf.fpga_access:
        return None
    with _lock:
        if rt not in _trackers:
            _trackers[rt] = _new_tracker(conf)
        return _trackers[rt]


def _new_tracker(conf: Any) -> tracking.Tracker:
    return tracking.Tracker(_new_runner(conf), conf.fpga_simulation_mode)


def _new_runner(conf: Any) -> fpga_cli_runner.Runner | None:
    if not conf.fpga_exec:
        return None
    return fpga_cli_runner.Runner(
        conf.fpga_exec, utils.get_root_helper(), conf.fpga.burn_timeout, conf.fpga.erase_timeout
    )


def holds(server: str, region_id: str) -> bool:
    """Return whether fpga-cli says, now, that `server` holds the region; a stand-in cannot tell and is believed.

    A server that came back to this host by a way that no hook sees may bear the id of a region that is another
    tenant's by now.

    :raises fpga_nova.errors.FpgaError: fpga-cli does not answer
    """
    calls = _new_runner(CONF)
    if calls is None:
        return False
    return not calls.own or any(each.id == region_id and each.owner == server for each in calls.regions())


def report(rt: Any, compute_node: Any) -> None:
    """Put the counts into `compute_node` (a nova.objects.ComputeNode), which Nova then saves if they have changed.

    Nova's lock is held. A host whose fpga_access was taken away offers no region any more.
    """
    fpga = tracker(rt)
    if fpga is not None:
        fpga.counts.keep(set(rt.tracked_instances))
        compute_node.fpga_regions, compute_node.fpga_regions_used = fpga.counts.report()
    elif "fpga_regions" in compute_node and compute_node.fpga_regions:
        compute_node.fpga_regions = compute_node.fpga_regions_used = 0


def push(rt: Any, context: Any, nodename: str) -> None:
    """Save the counts now, if they have changed; Nova's lock is not held."""
    fpga = tracker(rt)
    node = rt.compute_nodes.get(nodename)
    if fpga is None or node is None or (node.fpga_regions, node.fpga_regions_used) == fpga.counts.report():
        return
    from nova.compute import resource_tracker

    locked = utils.synchronized(resource_tracker.COMPUTE_RESOURCE_SEMAPHORE, fair=True)
    locked(rt._update)(context.elevated(), node)
