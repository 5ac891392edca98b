# SPDX-License-Identifier: Apache-2.0
"""One Nova for bench_off: its API, conductor, scheduler, Placement and 50 computes in this process.

Run by unittest with the Nova to measure first on the path. Reads the name of a task a line, does it, and writes the
seconds it took to the descriptor ANSWERS, until its input ends. Nova's own bases for functional tests give
the services.
"""

import contextlib
import gc
import os
import sys
import time
import uuid

from nova import context, objects
from nova.scheduler import host_manager
from nova.scheduler.filters import aggregate_instance_extra_specs, pci_passthrough_filter
from nova.tests.functional import integrated_helpers

HOSTS = int(os.environ["HOSTS"])
SCHEDULED_HOSTS = int(os.environ["SCHEDULED_HOSTS"])

#: How often a task does its thing, so that it is long against the clock.
BOOTS = 2
FILTERS = 50
FREE_FILTERS = 5000

CORE = "dd834aa4-f950-40e6-8c23-9dab7f3f0138"
PATCHED = "fpga_regions" in objects.ComputeNode.fields


class Worker(integrated_helpers.ProviderUsageBaseTestCase):
    compute_driver = "fake.MediumFakeDriver"

    def setUp(self):
        from nova.conf import CONF

        # The operator of the patched one has enabled the filter, too: with fpga_access=False it has nothing to do.
        enabled = CONF.filter_scheduler.enabled_filters
        self.flags(enabled_filters=[*enabled, *(["FpgaFilter"] if PATCHED else [])], group="filter_scheduler")
        self.flags(notification_format="versioned", group="notifications")  # tells when a boot is done
        self.flags(service_down_time=1 << 30, report_interval=1 << 29)  # nothing but the tasks is to run
        super().setUp()
        for number in range(HOSTS):
            self._start_compute(f"host{number}")
        self.plain = self._create_flavor(memory_mb=64, vcpu=1, disk=1)
        self.manager = self.scheduler_service.manager.host_manager
        self.computes_of_1000 = self.compute_nodes()
        self.states = [host_manager.HostState(node.host, node.host, "") for node in self.computes_of_1000]
        self.service = dict(objects.Service.get_by_compute_host(context.get_admin_context(), "host0"))
        self.update_states()

    def compute_nodes(self):
        """Return 1,000 ComputeNodes as the database gives them, each of a host of its own."""
        first = objects.ComputeNode.get_first_node_by_host_for_old_compat(context.get_admin_context(), "host0")
        nodes = [first.obj_clone() for _ in range(SCHEDULED_HOSTS)]
        for number, node in enumerate(nodes):
            node.host = node.hypervisor_hostname = f"scheduled{number}"
            if PATCHED:
                node.fpga_regions, node.fpga_regions_used = 4, number % 4
        return nodes

    def update_states(self):
        for state, node in zip(self.states, self.computes_of_1000):
            state.updated = None
            state.update(node, self.service, [], {})

    def spec(self, **extra_specs):
        flavor = objects.Flavor(
            id=1, flavorid="1", name="f", memory_mb=1, vcpus=1, root_gb=1, ephemeral_gb=0, swap=0
        )  # fmt: skip
        flavor.extra_specs = extra_specs
        image = objects.ImageMeta.from_dict({"properties": {}})
        spec = objects.RequestSpec(flavor=flavor, image=image, instance_uuid=str(uuid.uuid4()), num_instances=1)
        spec.obj_set_defaults()
        spec.pci_requests = objects.InstancePCIRequests(requests=[])
        for field in ("numa_topology", "requested_destination", "ignore_hosts", "instance_group"):
            setattr(spec, field, None)
        spec.scheduler_hints = {}
        spec.force_hosts = spec.force_nodes = spec.retry = spec.availability_zone = None
        return spec

    # The tasks: each returns the seconds that this process computed for what it measures. Nothing here waits for
    # anything outside of the process, so what else the machine does need not be counted.

    def audit(self):
        """update_available_resource of each of the 50 computes."""
        admin = context.get_admin_context()
        start = time.process_time()
        for service in self.computes.values():
            service.manager.update_available_resource(admin)
        return time.process_time() - start

    def boot(self):
        """Boots of a server each, from the request to ACTIVE; their deletion is not counted."""
        seconds = 0.0
        for _ in range(BOOTS):
            body = self._build_server(flavor_id=self.plain, networks="none")
            start = time.process_time()
            server = self.api.post_server({"server": body})
            self.notifier.wait_for_versioned_notifications("instance.create.end")
            seconds += time.process_time() - start
            assert self.api.get_server(server["id"])["status"] == "ACTIVE"
            self._delete_server(server)
            self.notifier.reset()
        return seconds

    def schedule(self):
        """One request over 1,000 hosts: their states taken from the compute nodes, filtered, weighed, one consumed."""
        spec = self.spec()
        start = time.process_time()
        self.update_states()
        hosts = self.manager.get_filtered_hosts(self.states, spec)
        chosen = self.manager.get_weighed_hosts(hosts, spec)[0]
        chosen.obj.consume_from_request(spec)
        seconds = time.process_time() - start
        assert len(hosts) == SCHEDULED_HOSTS, f"{len(hosts)} hosts passed"
        return seconds

    def run_filter(self, a_filter, hosts, spec, around=contextlib.nullcontext, times=FILTERS):
        start = time.process_time()
        for _ in range(times):
            with around():
                passed = a_filter.filter_all(hosts, spec)
                passed = passed if isinstance(passed, list) else list(passed)
        seconds = time.process_time() - start
        assert passed, "no host passed"
        return seconds / times

    def fpga_unasked_1000(self):
        """FpgaFilter for a request without an FPGA, over 1,000 hosts."""
        return self.run_filter(fpga_filter(), self.states, self.spec(), times=FREE_FILTERS)

    def fpga_unasked_10(self):
        """The same over 10."""
        return self.run_filter(fpga_filter(), self.states[:10], self.spec(), times=FREE_FILTERS)

    def fpga_asked(self):
        """FpgaFilter for a request with one, within what remembers why no host is left, as the scheduler calls it."""
        from fpga_nova.nova.scheduling import shortage

        @contextlib.contextmanager
        def request():
            token = shortage._current.set(shortage.Shortage(CORE, 1))
            try:
                yield
            finally:
                shortage._current.reset(token)

        return self.run_filter(fpga_filter(), self.states, self.spec(**{"hw:fpga_ip_id": CORE}), request)

    def pci(self):
        """PciPassthroughFilter for a request without a PCI device, which is the least that it does."""
        return self.run_filter(pci_passthrough_filter.PciPassthroughFilter(), self.states, self.spec())

    def aggregate(self):
        """AggregateInstanceExtraSpecsFilter for a request with an extra spec that is not for it."""
        a_filter = aggregate_instance_extra_specs.AggregateInstanceExtraSpecsFilter()
        return self.run_filter(a_filter, self.states, self.spec(**{"hw:fpga_ip_id": CORE}))

    def test_serve(self):
        answers = os.fdopen(int(os.environ["ANSWERS"]), "w")
        print("ready", file=answers, flush=True)
        # A collection of all the objects of 50 computes takes as long as a task, and comes when it likes.
        gc.disable()
        for line in sys.stdin:
            gc.collect()
            print(getattr(self, line.strip())(), file=answers, flush=True)


def fpga_filter():
    from nova.scheduler.filters import fpga_filter as module

    return module.FpgaFilter()
