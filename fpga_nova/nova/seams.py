# SPDX-License-Identifier: Apache-2.0
"""The functions that the hunks of the patch call; `nova/compute/fpga.py` passes them on.

A seam decides whether there is anything to do and hands over to the module whose business it is. With
fpga_access=False, and for servers that ask for no FPGA, each returns after one look.
"""

from __future__ import annotations

import logging
from typing import Any

from fpga_nova.nova import core_requests
from fpga_nova.nova.claims import trackers
from fpga_nova.nova.claims.trackers import report
from fpga_nova.nova.columns import ensure_columns
from fpga_nova.nova.core_requests import hand_over
from fpga_nova.nova.scheduling.shortage import (
    consume_from_request,
    explain_failure,
    explain_no_valid_host,
    update_host_state,
)

LOG = logging.getLogger(__name__)

__all__ = [
    "add_device",
    "audit",
    "claim",
    "consume_from_request",
    "ensure_columns",
    "explain_failure",
    "explain_no_valid_host",
    "hand_over",
    "report",
    "test_claim",
    "update_host_state",
]


def test_claim(claim: Any) -> str | None:
    """Return why this host cannot take the server of a nova.compute.claims.Claim, or None if it can.

    Nova's lock is held from here to :func:`claim`, so that two builds never take the same last region.
    """
    fpga = trackers.tracker(claim.tracker)
    if fpga is None:
        return None
    flavor = getattr(claim, "flavor", None)  # a MoveClaim has the flavor that the server is to get
    asks = core_requests.of_server(claim.instance) is not None
    if flavor is not None:
        if asks or core_requests.of_flavor(flavor) is not None:
            return "a server with an FPGA cannot be moved"
        return None
    if not asks:
        return None
    if claim.instance.vm_state != "building":
        return "a server with an FPGA cannot be unshelved"
    total, used = fpga.counts.report()
    if used < total:
        return None
    return f"no free FPGA region on this host, {used} of {total} in use" if total else "no FPGA region on this host"


def claim(rt: Any, instance: Any) -> None:
    """Count a region for `instance`, whose claim has passed. Nova's lock is held."""
    fpga = trackers.tracker(rt)
    if fpga is not None and core_requests.of_server(instance) is not None:
        fpga.counts.claim(instance.uuid)


def audit(rt: Any, context: Any, nodename: str) -> None:
    """Ask fpga-cli how the regions are, and erase those whose server is gone. Nova's lock is not held."""
    fpga = trackers.tracker(rt)
    if fpga is None:
        return
    fpga.audit()
    from fpga_nova.nova.lifecycle import (
        build as lifecycle,  # needs nova.objects, not there yet when nova.db.migration imports this module
    )

    if fpga.simulated:
        lifecycle.count_flavors(rt, context, fpga)
    else:
        lifecycle.reconcile(rt, context, nodename, fpga)


def add_device(guest: Any, instance: Any) -> None:
    """Give the endpoint of the server's region to `guest`, a nova.virt.libvirt.config.LibvirtConfigGuest."""
    conf = trackers.CONF
    if conf.fpga_access and not conf.fpga_simulation_mode and "fpga_device" in instance and instance.fpga_device:
        from fpga_nova.nova.attach import (
            qemu as libvirt_channel,  # needs libvirt's driver, and only where that is in use
        )

        if not trackers.holds(instance.uuid, instance.fpga_device):
            LOG.error("Region %s is not held by server %s: not attached", instance.fpga_device, instance.uuid)
            return
        libvirt_channel.add(guest, instance.fpga_device, conf.fpga.endpoint_path)
