# SPDX-License-Identifier: Apache-2.0
"""A host's regions in the scheduler, from the compute node's record to the choice of the host."""

from nova import objects, test
from nova.scheduler import host_manager
from nova.tests.unit import fpga
from nova.tests.unit.scheduler import fakes
from oslo_utils.fixture import uuidsentinel as uuids


class FpgaHostStateTestCase(test.NoDBTestCase):
    def host(self, **counts):
        node = fakes.COMPUTE_NODES[0].obj_clone()
        for name, value in counts.items():
            setattr(node, name, value)
        host = host_manager.HostState(node.host, node.hypervisor_hostname, uuids.cell)
        host.update(compute=node)
        return host

    def counts(self, **counts):
        host = self.host(**counts)
        return host.fpga_regions, host.fpga_regions_used

    def spec(self, core):
        extra_specs = {"hw:fpga_ip_id": core} if core else {}
        flavor = objects.Flavor(vcpus=1, memory_mb=64, root_gb=0, ephemeral_gb=0, swap=0, extra_specs=extra_specs)
        return objects.RequestSpec(
            flavor=flavor,
            instance_uuid=uuids.server,
            image=objects.ImageMeta(properties=objects.ImageMetaProps()),
            numa_topology=None,
            pci_requests=objects.InstancePCIRequests(requests=[]),
        )

    def test_counts_come_from_the_compute_node(self):
        self.assertEqual((2, 1), self.counts(fpga_regions=2, fpga_regions_used=1))

    def test_node_that_reports_no_regions_has_none(self):
        self.assertEqual((0, 0), self.counts())
        self.assertEqual((0, 0), self.counts(fpga_regions=None, fpga_regions_used=None))

    def test_chosen_host_has_one_region_less(self):
        host = self.host(fpga_regions=2, fpga_regions_used=0)
        host.consume_from_request(self.spec(core=None))
        self.assertEqual(0, host.fpga_regions_used)
        host.consume_from_request(self.spec(fpga.CORE))
        self.assertEqual(1, host.fpga_regions_used)
