# SPDX-License-Identifier: Apache-2.0
"""FpgaFilter as the scheduler finds and runs it."""

from nova import objects, test
from nova.scheduler import filters
from nova.scheduler.filters import fpga_filter
from nova.tests.unit import fpga
from nova.tests.unit.scheduler import fakes


class FpgaFilterTestCase(test.NoDBTestCase):
    def setUp(self):
        super().setUp()
        counts = {"full": (2, 2), "free": (2, 1), "none": (0, 0)}
        self.hosts = [
            fakes.FakeHostState(name, name, {"fpga_regions": total, "fpga_regions_used": used})
            for name, (total, used) in counts.items()
        ]

    def passed(self, **spec):
        handler = filters.HostFilterHandler()
        request = objects.RequestSpec(**spec)
        found = handler.get_filtered_objects([fpga_filter.FpgaFilter()], self.hosts, request)
        return [host.host for host in found]

    def flavor(self, **extra_specs):
        return objects.Flavor(extra_specs=extra_specs)

    def test_filter_is_one_of_all_filters(self):
        self.assertIn(fpga_filter.FpgaFilter, filters.all_filters())

    def test_host_without_a_free_region_is_filtered_out(self):
        self.assertEqual(["free"], self.passed(flavor=self.flavor(**{"hw:fpga_ip_id": fpga.CORE})))

    def test_any_host_passes_for_a_server_without_an_fpga(self):
        self.assertEqual(["full", "free", "none"], self.passed(flavor=self.flavor()))

    def test_any_host_passes_for_a_rebuild(self):
        rebuild = {"_nova_check_type": ["rebuild"]}
        flavor = self.flavor(**{"hw:fpga_ip_id": fpga.CORE})
        self.assertEqual(["full", "free", "none"], self.passed(flavor=flavor, scheduler_hints=rebuild))
