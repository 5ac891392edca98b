# SPDX-License-Identifier: Apache-2.0
"""The story that `make upgrades` tells on each kind of database: patch, upgrade, mix, revert; each check is counted."""

from __future__ import annotations

import concurrent.futures
import dataclasses
import functools
import json
import pathlib
import re
from typing import Any

from oslo_upgradecheck.upgradecheck import Code

from build_scripts.cloud import client
from build_scripts.cloud.ini import ini
from build_scripts.lib import paths
from build_scripts.lib.errors import CloudError
from build_scripts.lib.state import State, write_file
from fpga_nova.nova.columns import COLUMNS
from tests.debian import client as user
from tests.debian.root import wait
from tests.support.telling import Telling
from tests.upgrade import databases
from tests.upgrade.databases import CELL0, CELL1
from tests.upgrade.novas import Nova, Novas
from tests.upgrade.services import Tail
from tests.upgrade.site import COMPUTES, Site

#: Our columns that each cell's database must have: (table, column, whether it may be NULL).
_COLUMNS = {
    (prefix + table, column, "YES")
    for table, columns in COLUMNS.items()
    for prefix in ("", "shadow_")
    for column in columns
}

#: A database that only the unpatched Novas see.
_FRESH = "nova_fresh"

_PEER = str(pathlib.Path(__file__).with_name("peer.py"))

#: Regions of a compute host (cloud.yaml).
_REGIONS = 2


class Story(Telling):
    """One telling, on one kind of database.

    :param kind: its name
    """

    def __init__(self, state: State, kind: str, novas: Novas) -> None:
        super().__init__(state.path / "logs")
        self.state = state
        self.novas = novas
        self.site = Site(state, kind)
        self.database = self.site.database
        self.heads: dict[str, list[list[str]]] = {}
        self.tables: dict[str, set[str]] = {}
        self.schemas: dict[str, str] = {}
        self.old: list[str] = []
        self.hosts: dict[str, str] = {}
        self.core = self.fpga = self.plain = self.image = ""

    def tell(self) -> int:
        """Tell it; return how many checks there were.

        :raises CloudError: one of them failed
        """
        try:
            return self._tell()
        finally:
            self.site.down()

    def _tell(self) -> int:
        with self.step("the Novas, and all that they need"):
            plain33, patched33 = self.novas.make(33)
            plain34, patched34 = self.novas.make(34)
            self.site.up()
            self.remember(plain33)
            self.remember(plain34)
        with self.step("unpatched 33, with data"):
            self.unpatched(plain33)
        with self.step("patched 33"):
            self.patch(patched33)
            self.work(patched33)
        with self.step("patched 34"):
            self.upgrade(patched33, patched34)
            self.work(patched34)
        with self.step("34, patched controllers and an unpatched compute host"):
            self.old_compute(plain34, patched34)
        with self.step("34, unpatched controllers and a patched compute host"):
            self.old_controllers(plain34, patched34)
        with self.step("reverted 34"):
            reverted = self.revert(patched34, plain34)
        with self.step("reverted 34, without the columns"):
            self.drop(patched34, reverted)
        with self.step("patched 34 once more"):
            self.patch_again(patched34)
        return self.checks

    # The stages.

    def unpatched(self, of: Nova) -> None:
        """Install a Nova, and have some servers and flavors."""
        site = self.site
        self.sync(of)
        site.start(of, dict.fromkeys(COMPUTES, of))
        site.manage(of, "cell_v2", "discover_hosts", "--by-service")
        self.cloud = site.connect()
        self.wait_providers()
        compute = self.cloud.compute
        self.plain = compute.create_flavor(name="plain", ram=64, vcpus=1, disk=0).id
        spec = compute.create_flavor(name="spec", ram=64, vcpus=1, disk=0)
        compute.create_flavor_extra_specs(spec, {"quota:cpu_shares": "100"})
        self.image = self.cloud.image.create_image(
            name="guest", data=b"\0" * 512, disk_format="raw", container_format="bare", allow_duplicates=True
        ).id
        *self.old, gone = self.boot(
            *((host, flavor) for host in COMPUTES for flavor in (self.plain, spec.id)), ("compute1", self.plain)
        )
        self.delete(gone)
        if self.database.cannot_archive:
            done = site.manage(of, "db", "archive_deleted_rows", "--all-cells", expect=(255,))
            self.check(
                self.database.cannot_archive in done.stdout,
                f"{of}: archive_deleted_rows fails by itself on {self.database.name}: {self.database.cannot_archive}",
            )
            for cell in (CELL0, CELL1):
                self.database.mend(cell)
        self.maintain(of)
        self.no_trace()

    def patch(self, of: Nova) -> None:
        """Patch the Nova that is there."""
        site = self.site
        site.stop()
        self.check(": not patched" in of.patch("status", expect=3), f"{of.version}: status says not patched")
        self.check("nova-manage db sync" in of.patch("apply"), f"{of.version}: fpga-nova patch apply")
        columns, reports = "Columns in Nova's database", "Regions that compute nodes report"
        said = self.doctor(of)[columns]
        named = all(f"{cell}: no compute_nodes." in said[1] for cell in ("cell0", "cell1"))
        self.check(said[0] == Code.FAILURE and named, "doctor: the columns are missing in cell0 and cell1")
        self.sync(of)
        self.columns_there(of)
        self.maintain(of)
        site.start(of, dict.fromkeys(COMPUTES, of))
        self.counted(dict.fromkeys(COMPUTES, 0))
        said = self.doctor(of)
        self.check(said[columns][0] == said[reports][0] == Code.SUCCESS, f"doctor: {said[reports][1]}")
        self.offer_core()
        self.servers_there(self.old)
        self.delete(self.old.pop())

    def upgrade(self, before: Nova, of: Nova) -> None:
        """Upgrade to another release as Nova's manual says: the controller first, the compute hosts one by one."""
        site = self.site
        of.patch("apply")
        (kept,) = self.boot(("compute1", self.fpga))
        region = self.region(kept)
        site.stop("nova-api", "nova-scheduler", "nova-conductor")
        site.configure(of)
        self.sync(of)
        self.columns_there(of)
        site.start(of)
        self.check(self.region(kept) == region, f"under {of} controllers a server of {before} keeps its region")
        self.each_host_works(f"{of} controllers, {before} computes")
        site.start(None, {"compute1": of})
        self.each_host_works(f"{of} controllers, compute1 {of}, compute2 {before}")
        site.start(None, {"compute2": of})
        # With `compute = auto` the controllers look for the oldest compute when they start.
        site.start(of)
        self.check(self.region(kept) == region, f"on {of} it keeps its region")
        self.delete(kept)
        self.counted(dict.fromkeys(COMPUTES, 0))
        self.maintain(of)

    def work(self, of: Nova) -> None:
        """Do what people do with servers, with FPGAs and without, and with what is left of them in the database."""
        site = self.site
        self.each_host_works(str(of))
        # A server that is deleted while its host is down keeps its region's id in the database.
        (server,) = self.boot(("compute1", self.fpga))
        region = self.region(server)
        site.stop("compute1")
        service = self.compute_service("compute1")
        self.cloud.compute.update_service_forced_down(service, forced=True)
        self.delete(server)
        self.archive(of)
        found = self.database.query(CELL1, f"SELECT fpga_device FROM shadow_instances WHERE uuid = '{server}'")
        self.check(found == [[region]], f"{of}: archive_deleted_rows takes the region's id along")
        self.cloud.compute.update_service_forced_down(service, forced=False)
        site.start(None, {"compute1": of})
        self.wait("its region is erased when the host is back", lambda: self.used("compute1") == 0)
        self.counted(dict.fromkeys(COMPUTES, 0))
        site.manage(of, "db", "purge", "--all", "--all-cells")
        left = self.database.query(CELL1, "SELECT COUNT(*) FROM shadow_instances")
        self.check(left == [["0"]], f"{of}: db purge empties the shadow tables")

    def old_compute(self, old: Nova, new: Nova) -> None:
        """Have an unpatched compute host under patched controllers, as everyone has on the way."""
        site = self.site
        (before,) = self.boot(("compute1", self.plain))
        site.start(None, {"compute1": old})
        log = Tail(self.state.log("controller-nova-conductor"))
        servers = [before, *self.boot(("compute1", self.plain), ("compute2", self.plain), ("compute2", self.fpga))]
        self.servers_there(servers)
        lines = log.lines("Backporting Instance to ")
        self.check(
            lines and all("Backporting Instance to 2.8 with" in line for line in lines),
            f"compute1 had the conductor make Instance 2.9 a 2.8, {len(lines)} times",
        )
        self.check(
            self.peer(old, servers[1], "compute1")
            == {
                "Instance": {"asked": "2.8", "sent": "2.8", "fields": []},
                "ComputeNode": {"asked": "1.19", "sent": "1.19", "fields": []},
            },
            "on the wire to it: Instance 2.8 and ComputeNode 1.19, without our fields",
        )
        self.check(
            self.peer(new, servers[3], "compute2")
            == {
                "Instance": {"asked": "2.9", "sent": "2.9", "fields": ["fpga_device"]},
                "ComputeNode": {"asked": "1.20", "sent": "1.20", "fields": ["fpga_regions", "fpga_regions_used"]},
            },
            "on the wire to compute2: Instance 2.9 and ComputeNode 1.20, with them",
        )
        self.tracked("compute1")
        # It has the counts of its patched time, so it is taken out of scheduling, as the manual says.
        service = self.compute_service("compute1")
        self.cloud.compute.disable_service(service, disabled_reason="Nova is not patched")
        done = user.boot(self.cloud, self.fpga, self.image)
        self.check(
            done["status"] == "ACTIVE" and done["id"] in {one["owner"] for one in self.site.regions("compute2")},
            "with compute1 disabled a server with an FPGA goes to compute2",
        )
        self.cloud.compute.enable_service(service)
        self.delete(done["id"], *servers)
        self.tracked("compute1")
        self.counted({"compute2": 0})

    def old_controllers(self, old: Nova, new: Nova) -> None:
        """Have a patched compute host under unpatched controllers, which the manual forbids, and mend that."""
        site = self.site
        site.start(old)
        (server,) = self.boot(("compute1", self.plain))
        self.servers_there([server])
        refused = "IncompatibleObjectVersion"
        self.check(
            self.peer(new, server, "compute2")
            == {
                "Instance": {"asked": "2.9", "error": refused},
                "ComputeNode": {"asked": "1.20", "error": refused},
            },
            f"an unpatched conductor answers a patched compute with {refused}",
        )
        log = Tail(self.state.log("controller-nova-conductor"))
        lost = self.cloud.compute.create_server(
            name="lost", flavor_id=self.plain, image_id=self.image, networks="none", host="compute2"
        )
        # It cannot read what compute2 sends, and asks a conductor, itself, for an older version: without an end.
        self.wait("it asks itself for what compute2 sent, again and again", lambda: len(log.lines(refused)) > 100)
        # In error it is as soon as compute2 has waited for an answer for long enough.
        status = self.cloud.compute.get_server(lost.id).status
        self.check(status in ("BUILD", "ERROR"), "no server is built on compute2")
        site.start(new)
        site.start(None, {"compute1": new})
        self.delete(server, lost.id)
        self.counted(dict.fromkeys(COMPUTES, 0))
        self.each_host_works("with patched controllers again, and compute2 left alone,")

    def revert(self, of: Nova, unpatched: Nova) -> Nova:
        """Take the patch back; the columns stay. Return the Nova that is then there."""
        site = self.site
        self.check("as before the patch" in of.patch("revert"), f"{of.version}: fpga-nova patch revert")
        self.check(same_files(of.tree, unpatched.tree), f"{of.version}: every file is as it was released")
        reverted = dataclasses.replace(of, label="reverted", product=None)
        site.start(None, dict.fromkeys(COMPUTES, reverted))
        site.start(reverted)
        self.sync(reverted)
        self.plain_work(reverted)
        for cell in (CELL0, CELL1):
            self.check(self.database.columns(cell) == _COLUMNS, f"{reverted}: the columns are still in {cell}")
        return reverted

    def plain_work(self, of: Nova) -> None:
        """Do what a Nova without FPGAs does."""
        servers = self.boot(*((host, self.plain) for host in COMPUTES))
        for host in COMPUTES:
            self.tracked(host)
        self.servers_there([*self.old, *servers])
        self.delete(*servers)
        self.maintain(of)

    def drop(self, of: Nova, reverted: Nova) -> None:
        """Drop the columns while Nova runs."""
        for cell in (CELL0, CELL1):
            self.check(self.database.schema(cell) != self.schemas[of.series], f"{cell}: its dump has the columns")
        command = [of.bin("python"), "-W", "ignore", "-m", "fpga_nova.fpga_nova_cli", "patch", "drop-columns"]
        said = self.site.run("controller", [*command, "--dry-run"], of).stdout
        self.check(said.count("would drop cell") == 2 * len(_COLUMNS), "drop-columns --dry-run names all, and no other")
        self.columns_there(of)
        said = self.site.run("controller", command, of).stdout
        self.check(said.count("dropped cell") == 2 * len(_COLUMNS), "drop-columns drops them")
        for cell in (CELL0, CELL1):
            self.check(
                self.database.schema(cell) == self.schemas[of.series],
                f"{cell}: its dump is that of an unpatched {of.series}'s database",
            )
        self.no_trace()
        said = self.site.run("controller", command, of).stdout
        self.check("no cell has any of the columns" in said, "a second drop-columns does nothing")
        self.plain_work(reverted)

    def patch_again(self, of: Nova) -> None:
        """Patch the Nova that was reverted."""
        of.patch("apply")
        self.site.stop()
        self.sync(of)
        self.columns_there(of)
        self.site.start(of, dict.fromkeys(COMPUTES, of))
        self.each_host_works(str(of))
        self.delete(*self.old)
        self.maintain(of)

    # Shared steps.

    def sync(self, of: Nova) -> None:
        """Run what brings the databases up to a release."""
        manage = functools.partial(self.site.manage, of)
        self.site.configure(of)
        manage("api_db", "sync")
        manage("cell_v2", "map_cell0")
        manage("db", "sync")
        if "cell1" not in manage("cell_v2", "list_cells").stdout:
            manage("cell_v2", "create_cell", "--name", "cell1")
        self.check(True, f"{of}: api_db sync, db sync")

    def head(self, cell: str) -> list[list[str]]:
        """Return what the cell's database says of how far Nova's own migrations went."""
        return self.database.query(cell, "SELECT version_num FROM alembic_version")

    def remember(self, of: Nova) -> None:
        """Take note of what a release makes of an empty database where no patched Nova has been."""
        self.database.recreate(_FRESH)
        conf = "/etc/nova/fresh.conf"
        text = ini({"database": {"connection": self.database.url(_FRESH)}})
        write_file(self.site.nodes["controller"].path(conf), text, 0o644)
        self.site.manage(of, "--config-file", conf, "db", "sync", "--local_cell")
        self.database.mend(_FRESH)
        self.schemas[of.series] = self.database.schema(_FRESH)
        self.heads[of.series] = self.head(_FRESH)
        self.tables[of.series] = self.database.tables(_FRESH)

    def no_trace(self) -> None:
        """Require that no database has a column of ours."""
        found = {name for name in databases.ALL if self.database.columns(name)}
        self.check(not found, "no column of ours in any database")

    def columns_there(self, of: Nova) -> None:
        """Require our columns in each cell, and nothing of ours besides."""
        for cell in (CELL0, CELL1):
            self.check(self.database.columns(cell) == _COLUMNS, f"{of}: {len(_COLUMNS)} columns in {cell}, nullable")
            self.check(self.head(cell) == self.heads[of.series], f"{of}: {cell}'s revision is Nova's own head")
            self.check(self.database.tables(cell) == self.tables[of.series], f"{of}: no table of ours in {cell}")
        self.check(not self.database.columns(databases.API), f"{of}: no column of ours in {databases.API}")

    def maintain(self, of: Nova) -> None:
        """Run what an operator runs before and after an upgrade."""
        done = self.site.manage(of, "upgrade", "check", program="nova-status", expect=(0, 1))
        warned = re.findall(r"Check: (.*?)\s*\|\n\| Result: (?:Warning|Failure)", done.stdout)
        self.check(True, f"{of}: nova-status upgrade check: {done.returncode} {', '.join(warned)}")
        self.site.manage(of, "db", "online_data_migrations")
        self.check(True, f"{of}: online_data_migrations: 0")
        self.archive(of)

    def archive(self, of: Nova) -> None:
        """Move deleted rows to the shadow tables until there are none."""
        archived = 0
        while self.site.manage(of, "db", "archive_deleted_rows", "--all-cells", expect=(0, 1)).returncode:
            archived += 1
        left = self.database.query(CELL1, "SELECT COUNT(*) FROM instances WHERE deleted <> 0")
        self.check(left == [["0"]], f"{of}: archive_deleted_rows: 1 while there was something ({archived}), then 0")

    def offer_core(self) -> None:
        """Put an IP core into Glance, and make a flavor of it."""
        archive = self.state.path / "core.zip"
        client.command(self.state, "fpga-cli", "pack", paths.CLONE / "accelerators/crc32", "-o", archive, cloud="admin")
        self.core = client.command(
            self.state, "fpga-cli", "upload", archive, "--name", "core", "--visibility", "public", cloud="admin"
        )
        flavor = self.cloud.compute.create_flavor(name="fpga", ram=64, vcpus=1, disk=0)
        self.cloud.compute.create_flavor_extra_specs(flavor, {"hw:fpga_ip_id": self.core})
        self.fpga = flavor.id

    def each_host_works(self, title: str) -> None:
        """Boot, list and delete a plain server and one with an FPGA on each host."""
        before = {host: self.used(host) for host in COMPUTES}
        servers = self.boot(*((host, flavor) for flavor in (self.plain, self.fpga) for host in COMPUTES))
        for host, server in zip(COMPUTES, servers[len(COMPUTES) :]):
            region = self.region(server)
            owners = {one["id"]: one["owner"] for one in self.site.regions(host)}
            self.check(owners.get(region) == server, f"{title}: on {host} an FPGA's region is in the server's row")
        self.counted({host: used + 1 for host, used in before.items()})
        self.servers_there(servers)
        self.delete(*servers)
        self.counted(before)

    def boot(self, *wanted: tuple[str, str]) -> list[str]:
        """Boot servers, each (host, flavor), all at once; return their ids."""
        with concurrent.futures.ThreadPoolExecutor() as pool:
            asked = [pool.submit(user.boot, self.cloud, flavor, self.image, host=host) for host, flavor in wanted]
        for (host, _), done in zip(wanted, (one.result() for one in asked)):
            if done["status"] != "ACTIVE":
                raise CloudError(f"a server on {host} is {done['status']}: {done['fault']}")
        servers = [str(one.result()["id"]) for one in asked]
        self.hosts.update(zip(servers, (host for host, _ in wanted)))
        return servers

    def delete(self, *servers: str) -> None:
        """Delete servers, all at once, and wait until they are gone."""
        with concurrent.futures.ThreadPoolExecutor() as pool:
            gone = [pool.submit(user.delete, self.cloud, server) for server in servers]
        if not all(one.result() for one in gone):
            raise CloudError(f"servers do not go: {servers}")

    def compute_service(self, host: str) -> Any:
        """Return a host's nova-compute as the API has it."""
        return next(one for one in self.cloud.compute.services() if one.host == host)

    def doctor(self, of: Nova) -> dict[str, tuple[int, str]]:
        """Return what the doctor finds on the controller: result and details by the name of the check."""
        command = [of.bin("python"), "-W", "ignore", "-m", "fpga_nova.fpga_nova_cli", "doctor", "--role", "conductor"]
        done = self.site.run("controller", [*command, "--json"], of, expect=(0, 1, 2))
        checks = json.loads(done.stdout.splitlines()[-1])["checks"]
        return {one["check"]: (one["result"], one["details"]) for one in checks}

    def tracked(self, host: str) -> None:
        """Require that a host's resource tracker reports a VCPU for each server that is there."""
        servers = sum(self.hosts.get(one.id) == host for one in self.cloud.compute.servers(details=False))

        def reported() -> bool:
            rows = self.database.query(
                CELL1, f"SELECT vcpus_used FROM compute_nodes WHERE deleted = 0 AND hypervisor_hostname = '{host}'"
            )
            return rows == [[str(servers)]]

        self.wait(f"{host}'s resource tracker reports {servers} VCPUs in use", reported)

    def servers_there(self, servers: list[str]) -> None:
        """Require that servers can be shown and are ACTIVE."""
        listed = {one.id: one.status for one in self.cloud.compute.servers()}
        self.check(
            all(listed.get(each) == "ACTIVE" for each in servers)
            and all(self.cloud.compute.get_server(each).id == each for each in servers),
            f"{len(servers)} servers are listed and shown",
        )

    def region(self, server: str) -> str:
        """Return what the server's row says of its region."""
        rows = self.database.query(CELL1, f"SELECT fpga_device FROM instances WHERE uuid = '{server}'")
        return rows[0][0]

    def used(self, host: str) -> int:
        """Return how many regions are not free, by the host's own store."""
        return sum(region["state"] != "free" for region in self.site.regions(host))

    def counted(self, used: dict[str, int]) -> None:
        """Require that hosts and the database come to these numbers of used regions."""

        def agree() -> bool:
            rows = self.database.query(
                CELL1,
                "SELECT hypervisor_hostname, fpga_regions_used, fpga_regions FROM compute_nodes WHERE deleted = 0",
            )
            said = {row[0]: row[1:] for row in rows}
            return all(
                said.get(host) == [str(number), str(_REGIONS)] and self.used(host) == number
                for host, number in used.items()
            )

        text = ", ".join(f"{host} {number}/{_REGIONS}" for host, number in used.items())
        self.wait(f"used regions on the hosts and in compute_nodes: {text}", agree)

    def wait_providers(self) -> None:
        """Wait until Placement knows the hosts."""
        wait("Placement", lambda: {one.name for one in self.cloud.placement.resource_providers()} >= set(COMPUTES))

    def peer(self, of: Nova, server: str, host: str) -> dict[str, Any]:
        """Return what the conductor sends a compute of this Nova, by the name of the object."""
        done = self.site.run("compute1", [of.bin("python"), "-W", "ignore", _PEER, server, host], of)
        return dict(json.loads(done.stdout.splitlines()[-1]))

    def wait(self, what: str, condition: Any) -> None:
        """Wait until it is so, and count it as a check.

        :raises CloudError: it is not in time
        """
        wait(what, condition, seconds=120)
        self.check(True, what)


def same_files(one: pathlib.Path, other: pathlib.Path) -> bool:
    """Return whether two directories have the same files with the same bytes, compiled ones left out."""

    def files(root: pathlib.Path) -> dict[str, bytes]:
        found = (path for path in root.rglob("*") if path.is_file() and path.suffix != ".pyc")
        return {str(path.relative_to(root)): path.read_bytes() for path in found}

    return files(one) == files(other)
