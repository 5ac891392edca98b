# SPDX-License-Identifier: Apache-2.0
"""The tracker of each nova-compute of this process, and the way of its counts into the compute node."""

from __future__ import annotations

import threading
import weakref
from typing import Any

from nova import utils

from fpga_nova.clients.fpga_cli_runner import Runner
from fpga_nova.nova import options
from fpga_nova.nova.claims.tracker import Tracker

_lock = threading.Lock()
_trackers: weakref.WeakKeyDictionary[Any, Tracker] = weakref.WeakKeyDictionary()


def tracker_for(rt: Any) -> Tracker | None:
    """Return the FPGA side of a nova.compute.resource_tracker.ResourceTracker, or None with fpga_access=False."""
    conf = options.CONF
    if not conf.fpga_access:
        return None
    with _lock:
        if rt not in _trackers:
            _trackers[rt] = Tracker(configured_runner(), conf.fpga_simulation_mode)
        return _trackers[rt]


def configured_runner() -> Runner | None:
    """Return a runner as nova.conf has it, or None where `fpga_exec` is not set."""
    conf = options.CONF
    if not conf.fpga_exec:
        return None
    return Runner(conf.fpga_exec, utils.get_root_helper(), conf.fpga.burn_timeout, conf.fpga.erase_timeout)


def report(rt: Any, compute_node: Any) -> None:
    """Put the counts into `compute_node` (a nova.objects.ComputeNode), which Nova then saves if they have changed.

    Nova's lock is held. A host whose fpga_access was set to False stops offering regions.
    """
    tracker = tracker_for(rt)
    if tracker is not None:
        tracker.counts.retain_only(set(rt.tracked_instances))
        compute_node.fpga_regions, compute_node.fpga_regions_used = tracker.counts.total_and_used()
    elif "fpga_regions" in compute_node and compute_node.fpga_regions:
        compute_node.fpga_regions = compute_node.fpga_regions_used = 0


def save(rt: Any, context: Any, nodename: str) -> None:
    """Save the counts now, if they have changed; Nova's lock is not held."""
    tracker = tracker_for(rt)
    node = rt.compute_nodes.get(nodename)
    if tracker is None or node is None:
        return
    if (node.fpga_regions, node.fpga_regions_used) == tracker.counts.total_and_used():
        return
    from nova.compute import resource_tracker

    locked = utils.synchronized(resource_tracker.COMPUTE_RESOURCE_SEMAPHORE, fair=True)
    locked(rt._update)(context.elevated(), node)
