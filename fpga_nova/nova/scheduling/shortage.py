# SPDX-License-Identifier: Apache-2.0
"""FpgaFilter's logic, and the explanation where no host with a free region is left."""

from __future__ import annotations

import contextvars
import functools
from collections.abc import Callable, Sequence
from typing import Any

from nova import exception

from fpga_nova.nova import core_requests


class Shortage:
    """The hosts that FpgaFilter saw while one request was scheduled.

    :param core: image id of the IP core asked for
    :param servers: number of servers asked for in the request
    """

    def __init__(self, core: str, servers: int) -> None:
        self.core = core
        self.servers = servers
        self._regions: int | None = None
        self._used = 0
        self._hosts = 0
        self._blocked = False

    def record_run(self, hosts: Sequence[Any], passed: Sequence[Any]) -> None:
        """Record one run of the filter: the hosts that reached it and those that it passed."""
        if self._regions is None:
            # Later runs, for the next servers of the same request, see only the hosts that passed the first.
            with_regions = [host for host in hosts if host.fpga_regions]
            self._regions = sum(host.fpga_regions for host in with_regions)
            self._used = sum(min(host.fpga_regions_used, host.fpga_regions) for host in with_regions)
            self._hosts = len(with_regions)
        self._blocked = bool(hosts) and not passed

    def reason(self) -> str | None:
        """Return why no host is left, or None where it was not for want of a region, or is not known."""
        if not self._blocked or self._regions is None:
            return None
        if self._regions == 0:
            return f"No suitable host has an FPGA region for IP core {self.core}."
        hosts = f"{self._hosts} host" + ("s" if self._hosts > 1 else "")
        if self.servers == 1 or self._used == self._regions:
            return (
                f"No suitable host has a free FPGA region for IP core {self.core}: "
                f"{self._used} of {self._regions} regions on {hosts} are in use."
            )
        return (
            f"{self.servers} servers need a free FPGA region each for IP core {self.core}: "
            f"{self._used} of {self._regions} regions on {hosts} are in use."
        )


# The request that this thread (or green thread) schedules; the filter has no other way to speak to the scheduler.
_current: contextvars.ContextVar[Shortage | None] = contextvars.ContextVar("fpga_nova_shortage", default=None)


def filter_hosts(hosts: Sequence[Any], core: str) -> list[Any]:
    """Return those of `hosts` (HostStates) that have a free region, and remember the outcome for the reason.

    :param core: image id of the IP core asked for
    """
    passed = [host for host in hosts if host.fpga_regions_used < host.fpga_regions]
    shortage = _current.get()
    if shortage is not None and shortage.core == core:
        shortage.record_run(hosts, passed)
    return passed


def explain_no_valid_host(schedule: Callable[..., Any]) -> Callable[..., Any]:
    """Decorate SchedulerManager._schedule: its NoValidHost names a shortage of FPGA regions where that is the reason.

    When the exception passes here the scheduler has freed what it had claimed in Placement; only its text changes.
    """

    @functools.wraps(schedule)
    def explained(manager: Any, context: Any, spec: Any, instance_uuids: Any, *args: Any, **kwargs: Any) -> Any:
        request = core_requests.of_request_spec(spec)
        if request is None:
            return schedule(manager, context, spec, instance_uuids, *args, **kwargs)
        shortage = Shortage(request.image_id, len(instance_uuids) if instance_uuids else spec.num_instances)
        token = _current.set(shortage)
        try:
            return schedule(manager, context, spec, instance_uuids, *args, **kwargs)
        except exception.NoValidHost as error:
            reason = shortage.reason()
            if reason is None:
                raise
            raise exception.NoValidHost(reason=reason) from error
        finally:
            _current.reset(token)

    return explained
