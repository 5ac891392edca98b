# SPDX-License-Identifier: Apache-2.0
"""Servers with FPGAs on a patched Nova: its real API, scheduler, conductor, computes and Placement in one process.

The conftest puts the patched Nova first on the path. These are unittest cases, as the base classes are that Nova ships
for out-of-tree tests.
"""

import pathlib
import uuid

import fasteners
import fixtures
import sqlalchemy as sa
from nova import context, objects
from nova.tests.functional import integrated_helpers
from nova.tests.functional.api import client
from nova.virt import fake

from tests.support.card import Card

#: Where Nova's fixtures put their databases: each commit would wait for a disk.
MEMORY = pathlib.Path("/dev/shm")

CORE = "dd834aa4-f950-40e6-8c23-9dab7f3f0138"
BROKEN = {
    "burn": {"code": 67, "text": "Error: bitstream.bin of `broken' has a wrong checksum at byte 17", "partial": True}
}


class ReadersFirst(fasteners.ReaderWriterLock):
    """A lock whose readers do not wait for writers that wait.

    Nova's fixture of cells has a lock that lets waiting writers go first. With it the fixtures of Nova 34 can deadlock
    under native threads: a reader waits for the lock of the database, its holder waits to become a reader behind a
    writer, and that writer waits for the first reader.
    """

    has_pending_writers = False


def wait_for_writers(connection, _record):
    """Have SQLite wait a minute for another thread's commit; the five seconds of Python's are few on a busy disk."""
    connection.execute("PRAGMA busy_timeout = 60000")


class FpgaServers(integrated_helpers.ProviderUsageBaseTestCase):
    compute_driver = "fake.MediumFakeDriver"

    def _clear_attrs(self):
        """Delete all attributes after a test, as Nova does, but for the one that pytest has set and deletes itself."""
        method = getattr(self, self._testMethodName)
        super()._clear_attrs()
        setattr(self, self._testMethodName, method)

    def setUp(self):
        self.useFixture(fixtures.MonkeyPatch("nova.tests.fixtures.nova.ReaderWriterLock", ReadersFirst))
        if MEMORY.is_dir():
            self.useFixture(fixtures.MonkeyPatch("tempfile.tempdir", str(MEMORY)))
        sa.event.listen(sa.Engine, "connect", wait_for_writers)
        self.addCleanup(sa.event.remove, sa.Engine, "connect", wait_for_writers)
        filters = ["ComputeFilter", "ImagePropertiesFilter", "FpgaFilter"]
        self.flags(enabled_filters=filters, group="filter_scheduler")
        super().setUp()
        self.directory = pathlib.Path(self.useFixture(fixtures.TempDir()).path)
        self.cards = {}

    def host(self, name, regions, simulated=False, command="fpga-cli"):
        """Start a compute with so many regions; with 0 it has no FPGA."""
        # The compute's tracker is made at its first audit, with the options of that moment.
        self.flags(fpga_access=True, fpga_simulation_mode=simulated)
        self.cards[name] = Card(self.directory / name, regions, command)
        self.flags(fpga_exec=self.cards[name].command)
        self.computes[name] = self._start_compute(name)
        return self.computes[name].manager

    def flavor(self, core=CORE):
        return self._create_flavor(memory_mb=64, vcpu=1, disk=1, extra_spec={"hw:fpga_ip_id": core} if core else None)

    def boot(self, flavor, state="ACTIVE", count=1):
        """Boot so many servers in one request; return the first once it is in `state`."""
        body = {**self._build_server(flavor_id=flavor, networks="none"), "min_count": count, "max_count": count}
        return self._wait_for_state_change(self.api.post_server({"server": body}), state)

    def counts(self, name):
        node = objects.ComputeNode.get_first_node_by_host_for_old_compat(context.get_admin_context(), name)
        return node.fpga_regions, node.fpga_regions_used

    def instance(self, server):
        return objects.Instance.get_by_uuid(context.get_admin_context(read_deleted="yes"), server["id"])

    def host_of(self, server):
        return self.api.get_server(server["id"])["OS-EXT-SRV-ATTR:host"]

    def test_server_has_a_region_from_boot_to_delete(self):
        self.host("host1", 2)
        self.assertEqual((2, 0), self.counts("host1"))
        server = self.boot(self.flavor())
        self.assertEqual((2, 1), self.counts("host1"))
        (region,) = self.cards["host1"].used()
        self.assertEqual(("programmed", server["id"], CORE), (region["state"], region["owner"], region["image_id"]))
        self.assertEqual(region["id"], self.instance(server).fpga_device)
        call = f"burn --owner {server['id']} --project {server['tenant_id']} {CORE}"
        self.assertEqual([call], self.cards["host1"].calls("burn"))
        self._delete_server(server)
        self.assertEqual([], self.cards["host1"].used())
        self.assertEqual((2, 0), self.counts("host1"))

    def boot_image_with_core(self, state, core=CORE, flavor_core=None):
        image = {**self.glance.image1, "id": str(uuid.uuid4()), "properties": {"hw_fpga_ip_id": core}}
        image = self.glance.create(context.get_admin_context(), image)
        body = self._build_server(flavor_id=self.flavor(flavor_core), image_uuid=image["id"], networks="none")
        return self._wait_for_state_change(self.api.post_server({"server": body}), state)

    def with_token(self, token):
        """Have requests carry a token, as they do behind Keystone's middleware."""
        real = context.RequestContext.__init__

        def init(self, *args, **kwargs):
            kwargs.setdefault("auth_token", token)
            real(self, *args, **kwargs)

        self.useFixture(fixtures.MonkeyPatch("nova.context.RequestContext.__init__", init))

    def test_core_of_an_image_is_ignored_unless_allowed(self):
        """The right to upload an image must not be the right to program a card."""
        self.host("host1", 1)
        self.with_token("a-token")
        server = self.boot_image_with_core("ACTIVE")
        self.assertEqual(CORE, self.instance(server).system_metadata["image_hw_fpga_ip_id"])
        self.assertEqual([], self.cards["host1"].calls("burn"))
        self.assertIsNone(self.instance(server).fpga_device)

    def test_core_of_an_image_is_burned_with_the_users_token_where_allowed(self):
        self.flags(image_ip_cores=True, group="fpga")
        self.with_token("a-token")
        self.host("host0", 0)
        self.host("host1", 1)
        server = self.boot_image_with_core("ACTIVE")
        call = f"burn --owner {server['id']} --project {server['tenant_id']} --token-stdin {CORE}"
        self.assertEqual([call], self.cards["host1"].calls("burn"))
        self.assertEqual(["a-token"], self.cards["host1"].tokens())
        self.assertEqual((1, 1), self.counts("host1"))
        # The scheduler knows of it: the refusal is not the host's.
        second = self.boot_image_with_core("ERROR")
        self.assertIn("1 of 1 regions on 1 host are in use", second["fault"]["message"])
        self._delete_server(server)
        self.assertEqual((1, 0), self.counts("host1"))
        self.assertEqual([], self.cards["host1"].used())

    def test_core_of_the_flavor_comes_before_that_of_the_image(self):
        self.flags(image_ip_cores=True, group="fpga")
        self.with_token("a-token")
        self.host("host1", 1)
        server = self.boot_image_with_core("ACTIVE", core=str(uuid.uuid4()), flavor_core=CORE)
        call = f"burn --owner {server['id']} --project {server['tenant_id']} {CORE}"
        self.assertEqual([call], self.cards["host1"].calls("burn"))

    def test_core_of_an_image_without_a_token_fails_the_build(self):
        self.flags(image_ip_cores=True, group="fpga")
        self.host("host1", 1)
        server = self.boot_image_with_core("ERROR")
        self.assertIn("the image's own IP core needs the token", server["fault"]["message"])
        self.assertEqual([], self.cards["host1"].calls("burn"))
        self.assertEqual((1, 0), self.counts("host1"))

    def test_scheduler_hint_of_a_user_has_no_effect(self):
        self.host("host1", 0)
        body = self._build_server(flavor_id=self.flavor(None), networks="none")
        request = {"server": body, "os:scheduler_hints": {"fpga_ip_id": CORE}}
        self._wait_for_state_change(self.api.post_server(request), "ACTIVE")
        self.flags(image_ip_cores=True, group="fpga")
        body = self._build_server(flavor_id=self.flavor(None), networks="none")
        self._wait_for_state_change(self.api.post_server({**request, "server": body}), "ACTIVE")

    def test_server_without_fpga_makes_no_call(self):
        self.host("host1", 1)
        before = self.cards["host1"].calls()
        server = self.boot(self.flavor(core=None))
        self._delete_server(server)
        self.assertEqual(before, self.cards["host1"].calls())
        self.assertEqual((1, 0), self.counts("host1"))

    def test_fault_names_the_shortage_when_all_regions_are_in_use(self):
        self.host("host1", 2)
        self.host("host2", 0)
        self.host("host3", 1)
        flavor = self.flavor()
        for _ in range(3):
            self.boot(flavor)
        server = self.boot(flavor, state="ERROR")
        self.assertEqual(
            "No valid host was found. No suitable host has a free FPGA region for IP core "
            f"{CORE}: 3 of 3 regions on 2 hosts are in use.",
            server["fault"]["message"],
        )
        self.assertEqual((2, 2), self.counts("host1"))
        self.boot(self.flavor(core=None))

    def test_several_servers_in_one_request_do_not_overbook(self):
        self.host("host1", 2)
        self.host("host3", 1)
        flavor = self.flavor()
        self.boot(flavor, state="ERROR", count=4)
        servers = [self._wait_for_state_change(server, "ERROR") for server in self.api.get_servers()]
        self.assertEqual({"ERROR"}, {server["status"] for server in servers})
        self.assertIn("4 servers need a free FPGA region each", servers[0]["fault"]["message"])
        self.assertEqual([], self.cards["host1"].used() + self.cards["host3"].used())
        for server in servers:
            self._delete_server(server)
        self.boot(flavor, count=3)
        for server in self.api.get_servers():
            self._wait_for_state_change(server, "ACTIVE")
        self.assertEqual([(2, 2), (1, 1)], [self.counts("host1"), self.counts("host3")])
        self.assertEqual(3, len(self.cards["host1"].owners() | self.cards["host3"].owners()))

    def states(self):
        return sorted(server["status"] for server in self.api.get_servers())

    def post(self, flavor):
        return self.api.post_server({"server": self._build_server(flavor_id=flavor, networks="none")})

    def test_parallel_builds_never_overbook_a_host(self):
        self.host("host1", 2)
        self.cards["host1"].behave({"burn": {"sleep": 1.5}})
        flavor = self.flavor()
        servers = [self.post(flavor) for _ in range(6)]
        self._wait_for_assert(lambda: self.assertEqual(["ACTIVE"] * 2 + ["ERROR"] * 4, self.states()), max_retries=60)
        self.assertEqual(2, len(self.cards["host1"].calls("burn")))
        self.assertEqual((2, 2), self.counts("host1"))
        for server in servers:
            self._delete_server(server)
        self.assertEqual((2, 0), self.counts("host1"))

    def test_server_deleted_while_burning_leaves_no_region_used(self):
        self.host("host1", 1)
        self.cards["host1"].behave({"burn": {"sleep": 2}})
        server = self.post(self.flavor())
        self._wait_for_assert(lambda: self.assertEqual(1, len(self.cards["host1"].used())))
        self.assertEqual((1, 1), self.counts("host1"))
        self._delete_server(server)
        self._wait_for_assert(lambda: self.assertEqual([], self.cards["host1"].used()))
        self._wait_for_assert(lambda: self.assertEqual((1, 0), self.counts("host1")))

    def test_failed_burn_goes_to_the_next_host(self):
        for name in ("host1", "host2"):
            self.host(name, 1)
        self.cards["host1"].behave({"burn": {"code": 69, "text": "Error: read-back differs", "partial": True}})
        server = self.boot(self.flavor())
        self.assertEqual("host2", self.host_of(server))
        self.assertEqual([], self.cards["host1"].used())
        self.assertEqual([(1, 0), (1, 1)], [self.counts("host1"), self.counts("host2")])

    def check_fault(self, server):
        message = server["fault"]["message"]
        self.assertIn("FPGA: bitstream.bin of `broken' has a wrong checksum at byte 17", message)
        self.assertNotIn("Error:", message)
        self.assertIsNone(self.instance(server).fpga_device)
        for name, card in self.cards.items():
            self.assertEqual([], card.used())
            self.assertEqual((1, 0), self.counts(name))

    def test_fault_has_the_last_reason_with_one_host(self):
        self.host("host1", 1)
        self.cards["host1"].behave(BROKEN)
        self.check_fault(self.boot(self.flavor(), state="ERROR"))

    def test_fault_has_the_last_reason_with_fewer_hosts_than_attempts(self):
        for name in ("host1", "host2"):
            self.host(name, 1)
            self.cards[name].behave(BROKEN)
        self.check_fault(self.boot(self.flavor(), state="ERROR"))

    def test_fault_has_the_last_reason_with_more_hosts_than_attempts(self):
        for name in ("host1", "host2", "host3", "host4"):
            self.host(name, 1)
            self.cards[name].behave(BROKEN)
        self.check_fault(self.boot(self.flavor(), state="ERROR"))

    def test_fault_has_the_last_reason_with_a_single_attempt(self):
        self.flags(max_attempts=1, group="scheduler")
        self.host("host1", 1)
        self.cards["host1"].behave(BROKEN)
        self.check_fault(self.boot(self.flavor(), state="ERROR"))

    def test_unexpected_error_of_a_burn_fails_the_build(self):
        self.host("host1", 1)

        def fail(*args, **kwargs):
            raise UnicodeError("not in the plan")

        self.stub_out("fpga_nova.clients.fpga_cli_runner.Runner.burn", fail)
        server = self.boot(self.flavor(), state="ERROR")
        self.assertIn("FPGA: unexpected UnicodeError", server["fault"]["message"])
        self.assertEqual((1, 0), self.counts("host1"))

    def test_region_lost_after_the_schedulers_choice_fails_the_build(self):
        self.host("host1", 1)
        (region,) = self.cards["host1"].regions()
        self.cards["host1"].write([{**region, "state": "quarantined"}])
        server = self.boot(self.flavor(), state="ERROR")
        self.assertIsNone(self.instance(server).fpga_device)
        self.assertEqual((1, 1), self.counts("host1"))

    def test_failed_spawn_erases_the_region(self):
        manager = self.host("host1", 1)

        def fail(*args, **kwargs):
            raise RuntimeError("the hypervisor does not like it")

        self.stub_out("nova.virt.fake.FakeDriver.spawn", fail)
        server = self.boot(self.flavor(), state="ERROR")
        self.assertEqual([], self.cards["host1"].used())
        self.assertIsNone(self.instance(server).fpga_device)
        self.assertEqual((1, 0), self.counts("host1"))
        self.assertEqual(set(), manager.rt.tracked_instances)

    def test_failed_spawn_keeps_the_region_while_the_guest_is_there(self):
        manager = self.host("host1", 1)

        def fail(driver, context, instance, *args, **kwargs):
            driver.instances[instance.uuid] = fake.FakeInstance(instance.name, 1, instance.uuid)
            raise RuntimeError("too late to fail")

        def stuck(*args, **kwargs):
            raise RuntimeError("the guest does not die")

        self.stub_out("nova.virt.fake.FakeDriver.spawn", fail)
        self.stub_out("nova.virt.fake.FakeDriver.destroy", stuck)
        server = self.boot(self.flavor(), state="ERROR")
        self.assertEqual({server["id"]}, self.cards["host1"].owners())
        self.assertEqual((1, 1), self.counts("host1"))
        for _ in range(3):
            self._run_periodics()
        self.assertEqual({server["id"]}, self.cards["host1"].owners())
        manager.driver.instances.clear()
        for _ in range(2):
            self._run_periodics()
        self.assertEqual([], self.cards["host1"].used())
        self.assertEqual((1, 0), self.counts("host1"))

    def test_rebuild_keeps_the_region(self):
        self.host("host1", 1)
        server = self.boot(self.flavor())
        region = self.instance(server).fpga_device
        self._rebuild_server(server, "a2459075-d96c-40d5-893e-577ff92e721c")
        self.assertEqual(region, self.instance(server).fpga_device)
        self.assertEqual(1, len(self.cards["host1"].calls("burn")))
        self.assertEqual([], self.cards["host1"].calls("erase"))
        self._reboot_server(server, hard=True)
        self._run_periodics()
        self.assertEqual({server["id"]}, self.cards["host1"].owners())

    def test_move_is_refused_and_counts_nothing(self):
        for name in ("host1", "host2"):
            self.host(name, 1)
        server = self.boot(self.flavor())
        source = self.host_of(server)
        self.api.post_server_action(server["id"], {"migrate": None})
        self._wait_for_action_fail_completion(server, "migrate", "compute_prep_resize")
        self.assertIn("a server with an FPGA cannot be moved", self.api.get_server(server["id"])["fault"]["message"])
        other = "host2" if source == "host1" else "host1"
        self.assertEqual([(1, 1), (1, 0)], [self.counts(source), self.counts(other)])
        self._run_periodics()
        self.assertEqual([(1, 1), (1, 0)], [self.counts(source), self.counts(other)])
        self.assertEqual({server["id"]}, self.cards[source].owners())

    def test_region_of_a_server_deleted_while_compute_is_down_is_erased(self):
        self.host("host1", 1)
        server = self.boot(self.flavor())
        compute = self.computes["host1"]
        compute.stop()
        self.admin_api.put_service_force_down(
            self.admin_api.get_services(host="host1", binary="nova-compute")[0]["id"], True
        )
        self._delete_server(server)
        self.assertEqual({server["id"]}, self.cards["host1"].owners())
        compute.start()
        compute.manager.driver.instances.clear()  # the reaper of running deleted guests is Nova's own business
        for _ in range(2):
            self._run_periodics()
        self.assertEqual([], self.cards["host1"].used())
        self.assertEqual((1, 0), self.counts("host1"))

    def test_reconcile_keeps_regions_of_unknown_owners_and_without_database(self):
        self.host("host1", 3)
        regions = self.cards["host1"].regions()
        foreign = str(uuid.uuid4())
        for region, owner in zip(regions, ("operator", None, foreign)):
            region.update(state="programmed", owner=owner)
        self.cards["host1"].write(regions)
        self.useFixture(fixtures.MonkeyPatch("nova.objects.Instance.get_by_uuid", self.database_down))
        for _ in range(3):
            self._run_periodics()
        self.assertEqual({"operator", None, foreign}, self.cards["host1"].owners())
        self.assertEqual((3, 3), self.counts("host1"))

    @staticmethod
    def database_down(*args, **kwargs):
        raise RuntimeError("lost connection to the database")

    def test_simulation_counts_servers_and_burns_nothing(self):
        self.host("host1", 2, simulated=True)
        flavor = self.flavor()
        servers = [self.boot(flavor), self.boot(flavor)]
        self.assertEqual((2, 2), self.counts("host1"))
        self._run_periodics()
        self.assertEqual((2, 2), self.counts("host1"))
        self.assertIn("2 of 2 regions", self.boot(flavor, state="ERROR")["fault"]["message"])
        self._delete_server(servers[0])
        self.assertEqual((2, 1), self.counts("host1"))
        self._run_periodics()
        self.assertEqual((2, 1), self.counts("host1"))
        self.assertEqual({"status"}, {call.split()[0] for call in self.cards["host1"].calls()})
        self.assertIsNone(self.instance(servers[1]).fpga_device)

    def test_simulated_claims_survive_a_restart_of_compute(self):
        self.host("host1", 2, simulated=True)
        self.boot(self.flavor())
        self.computes["host1"] = self.restart_compute_service(self.computes["host1"])
        self._run_periodics()
        self.assertEqual((2, 1), self.counts("host1"))

    def test_stand_in_of_another_name_gets_nothing_beyond_the_contract(self):
        self.host("host1", 1, command="fpga-cli.py")
        flavor = self.flavor()
        server = self.boot(flavor)
        region = self.instance(server).fpga_device
        self.assertEqual((1, 1), self.counts("host1"))
        self._run_periodics()
        self.assertEqual((1, 1), self.counts("host1"))
        self._delete_server(server)
        self.assertEqual((1, 0), self.counts("host1"))
        calls = self.cards["host1"].calls()
        self.assertIn(f"burn {CORE}", calls)
        self.assertIn(f"erase {region}", calls)
        self.assertEqual({"status", "burn", "erase"}, {call.split()[0] for call in calls})

    def test_status_that_fails_offers_nothing_and_comes_back(self):
        self.host("host1", 1)
        self.cards["host1"].behave({"list": {"code": 127, "text": "Error: FPGA device is not accessible"}})
        self._run_periodics()
        self.assertEqual((0, 0), self.counts("host1"))
        self.assertIn(
            "No suitable host has an FPGA region", self.boot(self.flavor(), state="ERROR")["fault"]["message"]
        )
        self.cards["host1"].behave({})
        self._run_periodics()
        self.assertEqual((1, 0), self.counts("host1"))

    def test_failed_erase_does_not_block_the_deletion(self):
        self.host("host1", 1)
        server = self.boot(self.flavor())
        self.cards["host1"].behave({"erase": {"code": 31, "text": "Error: erase failed; region quarantined"}})
        self._delete_server(server)
        self.assertEqual((1, 1), self.counts("host1"))

    def test_host_whose_fpga_access_is_taken_away_offers_no_region(self):
        self.host("host1", 1)
        self.flags(fpga_access=False)
        self._run_periodics()
        self.assertEqual((0, 0), self.counts("host1"))

    def test_extra_spec_that_is_not_a_uuid_is_refused(self):
        flavor = self.flavor(core=None)
        for value in ("not-a-uuid", CORE.upper(), CORE + "\n"):
            error = self.assertRaises(
                client.OpenStackApiException,
                self.admin_api.post_extra_spec,
                flavor,
                {"extra_specs": {"hw:fpga_ip_id": value}},
            )
            self.assertEqual(400, error.response.status_code)
