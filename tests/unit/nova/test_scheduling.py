# SPDX-License-Identifier: Apache-2.0
"""The scheduler's side, with Nova's real HostState, RequestSpec and filter handler."""

from __future__ import annotations

import datetime

import pytest
from nova import exception, objects
from nova.scheduler import filters, host_manager
from nova.scheduler.filters import fpga_filter

from fpga_nova.nova.scheduling import faults, shortage

CORE = "dd834aa4-f950-40e6-8c23-9dab7f3f0138"
NOW = datetime.datetime(2026, 11, 21, tzinfo=datetime.timezone.utc)


def request(core=CORE, servers=1, **kwargs):
    extra_specs = {"hw:fpga_ip_id": core} if core is not None else {}
    flavor = objects.Flavor(memory_mb=64, vcpus=1, root_gb=1, ephemeral_gb=0, swap=0, extra_specs=extra_specs)
    return objects.RequestSpec(
        flavor=flavor, num_instances=servers, instance_uuid=CORE, numa_topology=None, pci_requests=None, **kwargs
    )


def host(name, regions, used):
    state = host_manager.HostState(name, name, "cell")
    state.fpga_regions, state.fpga_regions_used = regions, used
    return state


def run_filter(hosts, spec, index=0):
    handler = filters.HostFilterHandler()
    return handler.get_filtered_objects([fpga_filter.FpgaFilter()], hosts, spec, index)


def node(**kwargs):
    return objects.ComputeNode(
        uuid=CORE, host="h", hypervisor_hostname="h", memory_mb=1024, free_ram_mb=1024, local_gb=10, local_gb_used=0,
        free_disk_gb=10, disk_available_least=10, vcpus=4, vcpus_used=0, updated_at=NOW, numa_topology=None,
        pci_device_pools=None, host_ip="127.0.0.1", hypervisor_type="fake", hypervisor_version=1, cpu_info="",
        supported_hv_specs=[], stats={}, metrics="[]", cpu_allocation_ratio=1.0, ram_allocation_ratio=1.0,
        disk_allocation_ratio=1.0, **kwargs,
    )  # fmt: skip


@pytest.mark.parametrize(
    ("fields", "counts"),
    [
        ({"fpga_regions": 3, "fpga_regions_used": 1}, (3, 1)),
        ({"fpga_regions": None, "fpga_regions_used": None}, (0, 0)),
        ({}, (0, 0)),  # as an unpatched conductor sends it
    ],
)
def test_host_state_takes_the_counts_of_the_node(fields, counts):
    state = host_manager.HostState("h", "h", "cell")
    state.update(node(**fields))
    assert (state.fpga_regions, state.fpga_regions_used) == counts


def test_filter_passes_hosts_with_a_free_region():
    hosts = [host("full", 2, 2), host("free", 2, 1), host("none", 0, 0)]
    assert [state.host for state in run_filter(hosts, request())] == ["free"]


def test_filter_returns_the_very_list_without_a_request_for_an_fpga():
    hosts = [host("full", 2, 2), host("none", 0, 0)]
    assert fpga_filter.FpgaFilter().filter_all(hosts, request(core=None)) is hosts
    assert fpga_filter.FpgaFilter().filter_all(hosts, request(core="")) is hosts
    assert fpga_filter.FpgaFilter().filter_all(hosts, objects.RequestSpec()) is hosts


def test_filter_passes_all_hosts_for_a_rebuild():
    hosts = [host("full", 2, 2)]
    spec = request(scheduler_hints={"_nova_check_type": ["rebuild"]})
    assert run_filter(hosts, spec) == hosts


def test_filter_judges_one_host_at_a_time():
    spec = request()
    judge = fpga_filter.FpgaFilter()
    assert judge.host_passes(host("free", 1, 0), spec)
    assert not judge.host_passes(host("full", 1, 1), spec)
    assert judge.host_passes(host("none", 0, 0), request(core=None))


def test_chosen_host_is_consumed_so_that_one_request_does_not_overbook():
    state = host("h", 2, 0)
    spec = request(servers=3)
    for _ in range(2):
        assert run_filter([state], spec) == [state]
        state.consume_from_request(spec)
    assert run_filter([state], spec) == []
    state.consume_from_request(request(core=None))
    assert state.fpga_regions_used == 2


def schedule(spec, *runs):
    """Let a scheduler run the filter on each list of `runs` and then find that there is no host."""

    @shortage.explain_no_valid_host
    def _schedule(manager, context, spec, instance_uuids):
        for hosts in runs:
            run_filter(hosts, spec)
        raise exception.NoValidHost(reason="There are not enough hosts available.")

    with pytest.raises(exception.NoValidHost) as caught:
        _schedule(None, None, spec, None)
    return caught.value.format_message()


GENERIC = "No valid host was found. There are not enough hosts available."


@pytest.mark.parametrize(
    ("spec", "runs", "message"),
    [
        (
            request(),
            [[host("a", 2, 2), host("b", 1, 1), host("c", 0, 0)]],
            f"No valid host was found. No suitable host has a free FPGA region for IP core {CORE}: "
            "3 of 3 regions on 2 hosts are in use.",
        ),
        (
            request(),
            [[host("a", 1, 1)]],
            f"No valid host was found. No suitable host has a free FPGA region for IP core {CORE}: "
            "1 of 1 regions on 1 host are in use.",
        ),
        (
            request(servers=2),
            [[host("a", 2, 1)], [host("a", 2, 2)]],
            f"No valid host was found. 2 servers need a free FPGA region each for IP core {CORE}: "
            "1 of 2 regions on 1 host are in use.",
        ),
        (
            request(),
            [[host("a", 0, 0)]],
            f"No valid host was found. No suitable host has an FPGA region for IP core {CORE}.",
        ),
        # The filter before it, or Placement, left nothing: the region is not what is missing.
        (request(), [[]], GENERIC),
        (request(), [], GENERIC),
        # A filter after it left nothing.
        (request(), [[host("a", 1, 0)]], GENERIC),
        (request(servers=2), [[host("a", 2, 0)], []], GENERIC),
        (request(core=None), [[host("a", 1, 1)]], GENERIC),
    ],
)
def test_no_valid_host_names_the_shortage(spec, runs, message):
    assert schedule(spec, *runs) == message
    assert len(message) <= 255, "instance_faults.message"


def test_shortage_of_one_request_does_not_reach_the_next():
    schedule(request(), [host("a", 1, 1)])
    assert schedule(request(), []) == GENERIC


def instance(core=CORE):
    return objects.Instance(uuid=CORE, flavor=request(core).flavor)


LAST_REASON = "FPGA: region 1: read-back differs from the bitstream"


@pytest.mark.parametrize(
    "error",
    [
        exception.MaxRetriesExceeded(reason="Exhausted all hosts available for retrying build failures for server x."),
        exception.MaxRetriesExceeded(
            reason=f"Exceeded max scheduling attempts 3 for instance x. Last exception: {LAST_REASON}"
        ),
    ],
)
def test_last_reason_comes_first_in_the_fault(error):
    explained = faults.explain_failure(error, instance(), {"retry": {"exc_reason": LAST_REASON}})
    assert explained.format_message().startswith(f"Exceeded maximum number of retries. {LAST_REASON}. Ex")
    assert explained.format_message().count(LAST_REASON) == 1


@pytest.mark.parametrize(
    ("error", "server", "properties"),
    [
        (exception.MaxRetriesExceeded(reason="Exhausted"), instance(core=None), {"retry": {"exc_reason": LAST_REASON}}),
        (exception.MaxRetriesExceeded(reason="Exhausted"), instance(), {"retry": {}}),
        (exception.MaxRetriesExceeded(reason="Exhausted"), instance(), {}),
        (RuntimeError("lost connection"), instance(), {"retry": {"exc_reason": LAST_REASON}}),
    ],
)
def test_other_failures_are_returned_unchanged(error, server, properties):
    assert faults.explain_failure(error, server, properties) is error
