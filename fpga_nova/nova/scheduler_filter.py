# SPDX-License-Identifier: Apache-2.0
"""FpgaFilter, for `[filter_scheduler] enabled_filters`."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from nova.scheduler import filters
from nova.scheduler import utils as scheduler_utils

from fpga_nova.nova import core_requests
from fpga_nova.nova.scheduling import shortage


class FpgaFilter(filters.BaseHostFilter):  # type: ignore[misc] # Nova has no types
    """Passes hosts with a free FPGA region, for servers that ask for an IP core; all hosts for all others."""

    #: A rebuilt server keeps its host and its region.
    RUN_ON_REBUILD = False

    def filter_all(self, filter_obj_list: Iterable[Any], spec_obj: Any) -> Iterable[Any]:
        """Return the HostStates that pass; without a request for an FPGA the very list, at no cost for each host."""
        request = core_requests.of_request_spec(spec_obj)
        if request is None or scheduler_utils.request_is_rebuild(spec_obj):
            return filter_obj_list
        return shortage.filter_hosts(list(filter_obj_list), request.image_id)

    def host_passes(self, host_state: Any, spec_obj: Any) -> bool:
        """Return whether one HostState passes."""
        if core_requests.of_request_spec(spec_obj) is None:
            return True
        return bool(host_state.fpga_regions_used < host_state.fpga_regions)
