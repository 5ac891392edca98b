# SPDX-License-Identifier: Apache-2.0
"""The functions that the hunks of the patch call; `nova/compute/fpga.py` passes them on.

Each is one hunk's, under the name that patched Novas call, and lives in the module of its subject. With
fpga_access=False, and for servers that ask for no FPGA, each returns after one look. `nova.db.migration` imports this
module before `nova.objects` exists: what needs the objects is imported when it is called.
"""

from __future__ import annotations

from typing import Any

from fpga_nova.nova.attach.devices import add_device
from fpga_nova.nova.claims import claim as claims
from fpga_nova.nova.claims import trackers
from fpga_nova.nova.claims.claim import claim
from fpga_nova.nova.claims.trackers import report
from fpga_nova.nova.columns import ensure_columns
from fpga_nova.nova.core_requests import hand_over
from fpga_nova.nova.lifecycle import moves
from fpga_nova.nova.scheduling.faults import explain_failure
from fpga_nova.nova.scheduling.host_state import consume_from_request, update_host_state
from fpga_nova.nova.scheduling.shortage import explain_no_valid_host

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
    tracker = trackers.tracker_for(claim.tracker)
    if tracker is None:
        return None
    return moves.refusal(claim) or claims.shortage(tracker, claim.instance)


def audit(rt: Any, context: Any, nodename: str) -> None:
    """Ask fpga-cli for the state of the regions, and erase those whose server is gone. Nova's lock is not held."""
    tracker = trackers.tracker_for(rt)
    if tracker is None:
        return
    from fpga_nova.nova.lifecycle import audit as audits

    audits.audit(rt, context, nodename, tracker)
