# SPDX-License-Identifier: Apache-2.0
"""The story that `make upgrades` tells on each kind of database: patch, upgrade, mix, revert; each check is counted."""

from __future__ import annotations

import contextlib
import functools
import json
import pathlib
import re
import time
from collections.abc import Iterator
from typing import Any

from build_scripts.lib import client, paths
from build_scripts.lib.errors import CloudError
from build_scripts.lib.state import State
from fpga_nova.nova.columns import COLUMNS
from tests.debian import client as user
from tests.debian.root import wait
from tests.upgrade import databases
from tests.upgrade.databases import CELL0, CELL1
from tests.upgrade.novas import Nova, Novas
from tests.upgrade.site import COMPUTES, Site

#: What must be there of our columns in each cell's database: (table, column, whether it may be NULL).
_COLUMNS = {
    (prefix + table, column, "YES")
    for table, columns in COLUMNS.items()
    for prefix in ("", "shadow_")
    for column in columns
}

_PEER = str(pathlib.Path(__file__).with_name("peer.py"))

#: Regions of a compute host (cloud.yaml).
_REGIONS = 2


class Story:
    """One telling, on one kind of database.

    :param kind: its name
    """

    def __init__(self, state: State, kind: str, novas: Novas) -> None:
        self.state = state
        self.kind = kind
        self.novas = novas
        self.checks = 0
        self.site = Site(state, kind)
        self.database = self.site.database
        self.heads: dict[str, list[list[str]]] = {}
        self.tables: dict[str, set[str]] = {}
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
        with self.step("unpatched 33, with data"):
            old = self.unpatched(plain33)
        with self.step("patched 33"):
            self.patch(patched33, old)
            self.work(patched33)
        with self.step("patched 34"):
            self.upgrade(patched33, patched34)
            self.work(patched34)
        return self.checks

    # The stages.

    def unpatched(self, of: Nova) -> list[str]:
        """Install a Nova, and have some servers and flavors."""
        site = self.site
        self.sync(of)
        for cell in (CELL0, CELL1):
            self.heads[cell] = self.head(cell)
        self.remember(of)
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
        kept = [self.boot(host, flavor) for host in COMPUTES for flavor in (self.plain, spec.id)]
        self.delete(self.boot("compute1", self.plain))
        self.maintain(of)
        self.no_trace()
        return kept

    def patch(self, of: Nova, old: list[str]) -> None:
        """Patch the Nova that is there."""
        site = self.site
        site.stop()
        self.check(": not patched" in of.patch("status", expect=3), f"{of.version}: status says not patched")
        self.check("nova-manage db sync" in of.patch("apply"), f"{of.version}: fpga-nova patch apply")
        self.sync(of)
        self.columns_there(of)
        self.maintain(of)
        site.start(of, dict.fromkeys(COMPUTES, of))
        self.counted(dict.fromkeys(COMPUTES, 0))
        self.offer_core()
        self.servers_there(old)
        self.delete(old.pop())

    def upgrade(self, before: Nova, of: Nova) -> None:
        """Upgrade to another release as Nova's manual says: the controller first, the compute hosts one by one."""
        site = self.site
        of.patch("apply")
        kept = self.boot("compute1", self.fpga)
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
        self.delete(self.boot("compute2", self.plain))
        # A server that is deleted while its host is down keeps its region's id in the database.
        server = self.boot("compute1", self.fpga)
        region = self.region(server)
        site.stop("compute1")
        service = next(one for one in self.cloud.compute.services() if one.host == "compute1")
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

    # What they share.

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
        """Take note of a release's own tables and revision, from databases that no patched Nova has seen."""
        self.tables[of.series] = self.database.tables(CELL1)

    def no_trace(self) -> None:
        """Require that no database has a column of ours."""
        found = {name for name in databases.ALL if self.database.columns(name)}
        self.check(not found, "no column of ours in any database")

    def columns_there(self, of: Nova) -> None:
        """Require our columns in each cell, and nothing of ours besides."""
        for cell in (CELL0, CELL1):
            self.check(self.database.columns(cell) == _COLUMNS, f"{of}: {len(_COLUMNS)} columns in {cell}, nullable")
        self.check(not self.database.columns(databases.API), f"{of}: none in {databases.API}")

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
        for host in COMPUTES:
            plain = self.boot(host, self.plain)
            server = self.boot(host, self.fpga)
            region = self.region(server)
            owners = {one["id"]: one["owner"] for one in self.site.regions(host)}
            self.check(owners.get(region) == server, f"{title}: on {host} an FPGA's region is in the server's row")
            self.counted({host: 1})
            self.servers_there([plain, server])
            self.delete(plain)
            self.delete(server)
            self.counted({host: 0})

    def boot(self, host: str, flavor: str) -> str:
        """Boot a server on a host; return its id."""
        done = user.boot(self.cloud, flavor, self.image, host=host)
        if done["status"] != "ACTIVE":
            raise CloudError(f"a server on {host} is {done['status']}: {done['fault']}")
        return str(done["id"])

    def delete(self, server: str) -> None:
        """Delete a server and wait until it is gone."""
        if not user.delete(self.cloud, server):
            raise CloudError(f"server {server} does not go")

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

    @contextlib.contextmanager
    def step(self, title: str) -> Iterator[None]:
        """Tell what comes, and how long it took."""
        print(f"\n==> {self.kind}: {title}", flush=True)
        clock = time.monotonic()
        yield
        print(f"    {time.monotonic() - clock:.0f} s", flush=True)

    def check(self, condition: object, what: str) -> None:
        """Require `condition`; say what was seen.

        :raises CloudError: it is not so
        """
        if not condition:
            raise CloudError(f"not so: {what}; see {self.state.path}/logs")
        self.checks += 1
        print(f"    ok  {what}", flush=True)
