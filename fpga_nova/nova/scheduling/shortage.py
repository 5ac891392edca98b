# SPDX-License-Identifier: Apache-2.0
"""The scheduler's side: what a host has left, and what a person is told when no host is left."""

from __future__ import annotations

import contextvars
import functools
from collections.abc import Callable, Sequence
from typing import Any

from fpga_nova import errors
from fpga_nova.nova import core_requests


def update_host_state(host_state: Any, compute: Any) -> None:
    """Take the counts of `compute` (a nova.objects.ComputeNode) into `host_state`.

    A node that reports none (an unpatched nova-compute, or one without FPGAs) counts as one without regions.
    """
    # Asking an object what it has takes five times as long, and this is done for each host of each request.
    try:
        regions, used = compute.fpga_regions, compute.fpga_regions_used
    except NotImplementedError:  # not set, and Nova does not load it
        regions = used = None
    host_state.fpga_regions = regions or 0
    host_state.fpga_regions_used = used or 0


def consume_from_request(host_state: Any, spec: Any) -> None:
    """Count one region of the chosen host as used, so that the next server of the request sees what is left."""
    if core_requests.of_request(spec) is not None:
        host_state.fpga_regions_used += 1


class Shortage:
    """What FpgaFilter saw while one request was scheduled.

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

    def note(self, hosts: Sequence[Any], passed: Sequence[Any]) -> None:
        """Record one run of the filter: the hosts that reached it and those that it let pass."""
        if self._regions is None:
            # Later runs, for the next servers of the same request, see only the hosts that passed the first.
            with_regions = [host for host in hosts if host.fpga_regions]
            self._regions = sum(host.fpga_regions for host in with_regions)
            self._used = sum(min(host.fpga_regions_used, host.fpga_regions) for host in with_regions)
            self._hosts = len(with_regions)
        self._blocked = bool(hosts) and not passed

    def reason(self) -> str | None:
        """Return why no host is left, or None where it was not for want of a region, or nobody knows."""
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


# Which request this thread (or green thread) is scheduling; the filter has no other way to speak to the scheduler.
_current: contextvars.ContextVar[Shortage | None] = contextvars.ContextVar("fpga_nova_shortage", default=None)


def filter_hosts(hosts: Sequence[Any], core: str) -> list[Any]:
    """Return those of `hosts` (HostStates) that have a free region, and remember the outcome for the reason."""
    passed = [host for host in hosts if host.fpga_regions_used < host.fpga_regions]
    shortage = _current.get()
    if shortage is not None and shortage.core == core:
        shortage.note(hosts, passed)
    return passed


def explain_no_valid_host(schedule: Callable[..., Any]) -> Callable[..., Any]:
    """Decorate SchedulerManager._schedule: its NoValidHost says so where it was for want of an FPGA region.

    The scheduler has freed what it had claimed in Placement when the exception passes here; only its text changes.
    """

    @functools.wraps(schedule)
    def explained(manager: Any, context: Any, spec: Any, instance_uuids: Any, *args: Any, **kwargs: Any) -> Any:
        core = core_requests.of_request(spec)
        if core is None:
            return schedule(manager, context, spec, instance_uuids, *args, **kwargs)
        from nova import exception

        shortage = Shortage(core, len(instance_uuids) if instance_uuids else spec.num_instances)
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


def explain_failure(error: Exception, instance: Any, filter_properties: dict[str, Any]) -> Exception:
    """Return what the conductor should put into the fault of a server that no host is left to be built on.

    Nova drops what the last host said where it runs out of hosts before it runs out of attempts. A fault has room
    for 255 characters, so for a server with an FPGA the last reason comes first.

    :param error: what the conductor would say
    :param instance: nova.objects.Instance
    :param filter_properties: as nova-compute sent them with the server, `retry` included
    """
    from nova import exception

    last = (filter_properties.get("retry") or {}).get("exc_reason")
    if not last or not isinstance(error, exception.NoValidHost) or core_requests.of_server(instance) is None:
        return error
    said = errors.one_line(str(last)).rstrip(".")
    nova_says = str(error.kwargs.get("reason", "")).partition(" Last exception:")[0]
    return exception.MaxRetriesExceeded(reason=f"{said}. {nova_says}".rstrip())
