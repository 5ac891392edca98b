# SPDX-License-Identifier: Apache-2.0
"""The region that a Nova instance has."""

from __future__ import annotations

from typing import Any


def region_id(instance: Any) -> str | None:
    """Return the region of a nova.objects.Instance, or None; an unpatched peer sends it without the field."""
    return (instance.fpga_device or None) if "fpga_device" in instance else None
