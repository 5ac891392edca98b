# SPDX-License-Identifier: Apache-2.0
"""The scheduler: FpgaFilter."""

from __future__ import annotations

from fpga_nova.doctor.findings import FailureFound
from fpga_nova.doctor.inspected_host import HostInspection

_FILTER = "FpgaFilter"


def check_filter(host: HostInspection) -> str:
    """FpgaFilter is enabled, and can be loaded."""
    options = host.conf.filter_scheduler
    if _FILTER not in options.enabled_filters:
        raise FailureFound(
            f"[filter_scheduler] enabled_filters has no {_FILTER}; add it, as the last, and restart the scheduler"
        )
    try:
        from nova.scheduler import filters

        found = filters.HostFilterHandler().get_matching_classes(options.available_filters)
    except ImportError as error:
        raise FailureFound(f"the filters of [filter_scheduler] available_filters cannot be loaded: {error}") from error
    if _FILTER not in {each.__name__ for each in found}:
        raise FailureFound(
            "[filter_scheduler] available_filters does not lead to it; add the line available_filters = "
            f"nova.scheduler.filters.fpga_filter.{_FILTER}"
        )
    return f"{_FILTER} is enabled"
