# SPDX-License-Identifier: Apache-2.0
"""The fields of ComputeNode and Instance, through the database and to peers without them."""

from nova import context, objects, test
from nova.tests.unit import fpga
from oslo_utils.fixture import uuidsentinel as uuids


def compute_node(ctxt, **values):
    return objects.ComputeNode(
        ctxt,
        uuid=uuids.node,
        host="host1",
        hypervisor_hostname="host1",
        hypervisor_type="fake",
        hypervisor_version=1,
        cpu_info="",
        vcpus=4,
        vcpus_used=0,
        memory_mb=512,
        memory_mb_used=0,
        local_gb=10,
        local_gb_used=0,
        **values,
    )


class FpgaFieldsTestCase(test.TestCase):
    def setUp(self):
        super().setUp()
        self.ctxt = context.get_admin_context()

    def counts(self):
        node = objects.ComputeNode.get_by_host_and_nodename(self.ctxt, "host1", "host1")
        return node.fpga_regions, node.fpga_regions_used

    def test_counts_of_a_node_are_saved(self):
        node = compute_node(self.ctxt, fpga_regions=2, fpga_regions_used=0)
        node.create()
        self.assertEqual((2, 0), self.counts())
        node.fpga_regions_used = 1
        self.assertEqual({"fpga_regions_used"}, node.obj_what_changed())
        node.save()
        self.assertEqual((2, 1), self.counts())

    def test_node_without_fpgas_has_no_counts(self):
        compute_node(self.ctxt).create()
        self.assertEqual((None, None), self.counts())

    def test_update_from_the_driver_keeps_the_counts(self):
        node = compute_node(self.ctxt, fpga_regions=2, fpga_regions_used=1)
        node.update_from_virt_driver({"vcpus": 8, "memory_mb": 1024})
        self.assertEqual((8, 2, 1), (node.vcpus, node.fpga_regions, node.fpga_regions_used))

    def instance(self, **values):
        made = objects.Instance(self.ctxt, user_id="user", project_id="project", host="host1", **values)
        made.create()
        return made

    def device(self, instance):
        return objects.Instance.get_by_uuid(self.ctxt, instance.uuid).fpga_device

    def test_region_of_a_server_is_saved(self):
        instance = self.instance()
        self.assertIsNone(self.device(instance))
        instance.fpga_device = fpga.REGION
        instance.save()
        self.assertEqual(fpga.REGION, self.device(instance))
        instance.fpga_device = None
        instance.save()
        self.assertIsNone(self.device(instance))

    def test_region_is_in_lists_of_instances(self):
        self.instance(fpga_device=fpga.REGION)
        self.instance()
        servers = objects.InstanceList.get_by_host(self.ctxt, "host1")
        self.assertEqual({fpga.REGION, None}, {server.fpga_device for server in servers})

    def test_older_peers_get_objects_without_the_fields(self):
        node = compute_node(self.ctxt, fpga_regions=2, fpga_regions_used=1)
        for thing, old, new, name in (
            (node, "1.19", "1.20", "fpga_regions"),
            (objects.Instance(self.ctxt, fpga_device=fpga.REGION), "2.7", "2.9", "fpga_device"),
        ):
            self.assertEqual(new, thing.VERSION)
            self.assertIn(name, thing.obj_to_primitive(target_version=new)["nova_object.data"])
            older = thing.obj_to_primitive(target_version=old)
            self.assertFalse([key for key in older["nova_object.data"] if key.startswith("fpga")])
            self.assertNotIn(name, type(thing).obj_from_primitive(older, self.ctxt))
