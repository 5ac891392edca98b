# SPDX-License-Identifier: Apache-2.0
"""The regions of a host in Nova's resource tracker: counted, reported, claimed."""

from unittest import mock

from nova import exception, objects, test
from nova.compute import claims, hooks, manager
from nova.compute import fpga as seams
from nova.tests.unit import fpga
from nova.tests.unit.compute import test_resource_tracker
from oslo_utils.fixture import uuidsentinel as uuids

NODE = "fake-node"


class FpgaTrackerTestCase(test.NoDBTestCase):
    def setUp(self):
        super().setUp()
        self.regions = self.useFixture(fpga.Regions())
        self.rt = test_resource_tracker.setup_rt("fake-host")[0]
        self.node = objects.ComputeNode(uuid=uuids.node, host="fake-host", hypervisor_hostname=NODE)
        self.rt.compute_nodes[NODE] = self.node
        self.flags(fpga_access=True, fpga_simulation_mode=False, fpga_exec=str(self.regions.command))
        # Nova's root helper needs sudo, which these tests do without.
        self.stub_out("os.geteuid", lambda: 0)

    def audit(self):
        """Do what the periodic audit does, as far as it concerns regions."""
        with mock.patch.object(self.rt, "_update_available_resource"):
            self.rt.update_available_resource(mock.sentinel.context, NODE)
        self.update()

    def update(self):
        with mock.patch.object(self.node, "save"), mock.patch.object(self.rt, "_update_to_placement"):
            self.rt._update(mock.MagicMock(), self.node)

    def claim(self, core=fpga.CORE, vm_state="building"):
        instance = objects.Instance(uuid=uuids.server, vm_state=vm_state, numa_topology=None)
        extra_specs = {"hw:fpga_ip_id": core} if core else {}
        instance.flavor = objects.Flavor(
            vcpus=1, memory_mb=64, root_gb=0, ephemeral_gb=0, swap=0, extra_specs=extra_specs
        )
        requests = objects.InstancePCIRequests(requests=[])
        self.node.pci_device_pools = objects.PciDevicePoolList()
        self.node.numa_topology = None
        return claims.Claim(mock.sentinel.context, instance, NODE, self.rt, self.node, requests)

    def test_audit_reports_the_regions(self):
        self.regions.set_status(1, 2)
        self.audit()
        self.assertEqual((2, 1), (self.node.fpga_regions, self.node.fpga_regions_used))

    def test_nothing_is_reported_where_fpga_is_off(self):
        self.flags(fpga_access=False)
        self.regions.set_status(1, 2)
        self.audit()
        self.assertNotIn("fpga_regions", self.node)

    def test_free_region_is_claimed(self):
        self.regions.set_status(1, 2)
        self.audit()
        claimed = self.claim()
        self.assertEqual(uuids.server, claimed.instance.uuid)
        seams.claim(self.rt, claimed.instance)
        self.rt.tracked_instances.add(uuids.server)
        self.update()
        self.assertEqual(2, self.node.fpga_regions_used)

    def test_claim_without_a_free_region_fails_with_the_reason(self):
        self.regions.set_status(2, 2)
        self.audit()
        error = self.assertRaises(exception.ComputeResourcesUnavailable, self.claim)
        self.assertIn("no free FPGA region on this host, 2 of 2 in use", str(error))
        self.claim(core=None)

    def test_unshelve_of_a_server_with_an_fpga_is_refused(self):
        self.regions.set_status(0, 2)
        self.audit()
        error = self.assertRaises(exception.ComputeResourcesUnavailable, self.claim, vm_state="shelved_offloaded")
        self.assertIn("cannot be unshelved", str(error))

    def test_any_claim_passes_where_fpga_is_off(self):
        self.flags(fpga_access=False)
        self.claim()


class Recorder:
    """A hook that records its calls."""

    def __init__(self):
        self.calls = []

    def pre(self, *args):
        self.calls.append(("pre", *args))

    def post(self, rv, *args):
        self.calls.append(("post", rv, *args))


class FpgaHooksTestCase(test.NoDBTestCase):
    def test_deletion_is_hooked(self):
        recorder = Recorder()
        self.stub_out("fpga_nova.nova.hooks._hooks", lambda name: (recorder,) if name == "delete_instance" else ())
        compute, instance = mock.MagicMock(), mock.MagicMock(system_metadata={})
        manager.ComputeManager._complete_deletion(compute, mock.sentinel.context, instance)
        before, after = recorder.calls
        self.assertEqual(("pre", compute, mock.sentinel.context, instance), before)
        self.assertEqual(("post", None, compute, mock.sentinel.context, instance), after)

    def test_fatal_hook_stops_the_deletion(self):
        def stop(*args):
            raise hooks.FatalHookException("no")

        recorder = mock.Mock(pre=stop)
        self.stub_out("fpga_nova.nova.hooks._hooks", lambda name: (recorder,))
        self.assertRaises(hooks.FatalHookException, manager.ComputeManager._complete_deletion, None, None, None)
