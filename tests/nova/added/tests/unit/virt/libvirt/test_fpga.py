# SPDX-License-Identifier: Apache-2.0
"""A server's region in the XML of its guest, as the libvirt driver writes it."""

import os_vif
from nova import objects, test
from nova.tests import fixtures as nova_fixtures
from nova.tests.unit import fpga
from nova.tests.unit.virt.libvirt import test_driver
from nova.virt import fake
from nova.virt.libvirt import blockinfo, driver

PORT = "org.fpga-nova.region.0"


class FpgaGuestTestCase(test.NoDBTestCase):
    def setUp(self):
        super().setUp()
        os_vif.initialize()
        self.useFixture(nova_fixtures.LibvirtFixture())
        self.useFixture(nova_fixtures.CGroupsFixture())
        self.regions = self.useFixture(fpga.Regions())
        self.flags(fpga_access=True, fpga_simulation_mode=False, fpga_exec=str(self.regions.command))
        self.flags(virt_type="kvm", group="libvirt")

    def guest(self, device):
        values = test_driver._create_test_instance()
        instance = objects.Instance(**values, fpga_device=device)
        image = objects.ImageMeta.from_dict({"disk_format": "raw"})
        disks = blockinfo.get_disk_info("kvm", instance, image)
        connection = driver.LibvirtDriver(fake.FakeVirtAPI(), True)
        return connection._get_guest_config(instance, [], image, disks).to_xml()

    def test_region_is_a_port_of_the_guest(self):
        xml = self.guest(fpga.REGION)
        self.assertEqual(1, xml.count(PORT))
        self.assertIn(f'mode="connect" path="/run/fpga-nova/endpoints/{fpga.REGION}.sock"', xml)

    def test_guest_without_a_region_has_no_port(self):
        self.assertNotIn(PORT, self.guest(None))

    def test_guest_has_no_port_where_fpga_is_off_or_simulated(self):
        self.flags(fpga_simulation_mode=True)
        self.assertNotIn(PORT, self.guest(fpga.REGION))
        self.flags(fpga_simulation_mode=False, fpga_access=False)
        self.assertNotIn(PORT, self.guest(fpga.REGION))
