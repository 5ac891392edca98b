# SPDX-License-Identifier: Apache-2.0
"""The regions of a host as the scheduler counts them."""

from __future__ import annotations

from typing import Any

from fpga_nova.nova import core_requests


def update_host_state(host_state: Any, compute: Any) -> None:
    """Copy the counts of a compute node into the scheduler's view of it.

    A node that reports none (an unpatched nova-compute, or one without FPGAs) counts as one without regions.

    :param host_state: nova.scheduler.host_manager.HostState
    :param compute: nova.objects.ComputeNode
    """
    # To ask an object which fields it has takes five times as long, and this is done for each host of each request.
    try:
        regions, used = compute.fpga_regions, compute.fpga_regions_used
    except NotImplementedError:  # not set, and Nova does not load it
        regions = used = None
    host_state.fpga_regions = regions or 0
    host_state.fpga_regions_used = used or 0


def consume_from_request(host_state: Any, spec: Any) -> None:
    """Count one region of the chosen host as used, so that the next server of the request sees what is left."""
    if core_requests.of_request_spec(spec) is not None:
        host_state.fpga_regions_used += 1
