# SPDX-License-Identifier: Apache-2.0
"""Moves of a server with an FPGA: all are refused so far."""

from __future__ import annotations

from typing import Any

from fpga_nova.nova import core_requests


def refusal(claim: Any) -> str | None:
    """Return why the move that `claim` is for is refused, or None for a build, or a server without an FPGA.

    :param claim: nova.compute.claims.Claim. A MoveClaim has the flavor that the server is to get. An unshelve comes
        with the Claim of a build, of a server that is not being built.
    """
    new_flavor = getattr(claim, "flavor", None)
    asks = core_requests.of_instance(claim.instance) is not None
    if new_flavor is not None:
        asks = asks or core_requests.of_flavor(new_flavor) is not None
        return "a server with an FPGA cannot be moved" if asks else None
    if asks and claim.instance.vm_state != "building":
        return "a server with an FPGA cannot be unshelved"
    return None
