# SPDX-License-Identifier: Apache-2.0
"""How a flavor asks for an FPGA."""

from __future__ import annotations

from typing import Any

#: The extra spec whose value is the Glance id (a UUID) of the IP core that the server's region is programmed with.
EXTRA_SPEC = "hw:fpga_ip_id"


def ip_core(flavor: Any) -> str | None:
    """Return the image id of the IP core that `flavor` (a nova.objects.Flavor) asks for, or None.

    The value is what the operator wrote: whether it is a UUID is checked where it is used.
    """
    value = (flavor.extra_specs or {}).get(EXTRA_SPEC)
    return value if isinstance(value, str) and value else None


def requested_core(spec: Any) -> str | None:
    """Return the image id of the IP core that a nova.objects.RequestSpec asks for, or None."""
    if "flavor" not in spec or "extra_specs" not in spec.flavor:
        return None
    return ip_core(spec.flavor)
