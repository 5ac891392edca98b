# SPDX-License-Identifier: Apache-2.0
"""Nova's validation of the extra spec `hw:fpga_ip_id` (entry point of `nova.api.extra_spec_validators`).

Since API microversion 2.86 Nova answers 400 to an unregistered extra spec of a known namespace, such as `hw`. This
module needs no patch: an unpatched nova-api loads it too.
"""

from __future__ import annotations

from typing import Any

from fpga_nova.nova import core_requests
from fpga_nova.system import uuids


def register() -> list[Any]:
    """Return the validators, as nova.api.validation.extra_specs.validators expects of each plug-in."""
    from nova.api.validation.extra_specs import base

    return [
        base.ExtraSpecValidator(
            name=core_requests.EXTRA_SPEC,
            description="The Glance image id of the IP core that a region is programmed with for the server.",
            value={"type": str, "pattern": uuids.PATTERN},
        )
    ]
