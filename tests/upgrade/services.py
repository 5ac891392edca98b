# SPDX-License-Identifier: Apache-2.0
"""Nova's services, each of whichever Nova it is told to be of."""

from __future__ import annotations

import configparser
import dataclasses
import pathlib
from collections.abc import Mapping, Sequence

from build_scripts.cloud import nova
from build_scripts.cloud.daemon import Daemon
from build_scripts.cloud.ini import Option, ini
from build_scripts.cloud.module import Cloud, File
from build_scripts.cloud.modules.nova_api import NovaApi
from build_scripts.cloud.modules.nova_compute import NovaCompute
from build_scripts.cloud.modules.nova_conductor import NovaConductor
from build_scripts.cloud.modules.nova_scheduler import NovaScheduler
from build_scripts.cloud.node import Node
from tests.upgrade import databases
from tests.upgrade.novas import Nova

#: Seconds between two signs of life of a service.
_REPORT_INTERVAL = 3


class Tail:
    """The lines that are added to a log from now on."""

    def __init__(self, path: pathlib.Path) -> None:
        self._path = path
        self._begin = path.stat().st_size if path.exists() else 0

    def lines(self, text: str) -> list[str]:
        """Return the added lines that contain `text`."""
        with self._path.open("rb") as log:
            log.seek(self._begin)
            return [line for line in log.read().decode(errors="replace").splitlines() if text in line]


@dataclasses.dataclass(frozen=True, eq=False)
class Trial(Cloud):
    """The cloud, with Nova's databases where they are to be tried."""

    database: databases.Database

    def database_url(self, database: str, user: str) -> str:
        """Return the SQLAlchemy URL of a database."""
        return self.database.url(database) if user == "nova" else super().database_url(database, user)


class _Service(Daemon):
    """A service of a Nova that can be exchanged."""

    cloud: Trial
    label: str

    def __init__(self, cloud: Cloud, node: Node, of: Nova) -> None:
        super().__init__(cloud, node)
        self.name = self.label
        self.of = of

    def environment(self) -> Mapping[str, str]:
        """Return what makes the process one of that Nova."""
        return self.of.environment()

    def command(self) -> Sequence[str]:
        """Return the argument vector."""
        return [self.of.bin(self.label)]

    def options(self) -> dict[str, dict[str, Option]]:
        """Return the options that every service has."""
        sections = nova.options(self.cloud)
        sections["DEFAULT"].update(
            {
                "report_interval": _REPORT_INTERVAL,
                "service_down_time": 60,
                "update_resources_interval": 10,
                # A question that was lost with a conductor that was stopped holds a compute up for so long.
                "rpc_response_timeout": 30,
                "debug": True,  # for what the conductor says of the objects that it makes older
            }
        )
        sections["upgrade_levels"] = {"compute": "auto"}
        return sections


class _Controller(_Service):
    """A service of the controller: it may use the databases."""

    def files(self) -> Mapping[str, File]:
        """Return nova.conf, the same for all services of the controller."""
        sections = self.options()
        sections["database"] = {"connection": self.cloud.database_url(databases.CELL1, "nova")}
        sections["api_database"] = {"connection": self.cloud.database_url(databases.API, "nova")}
        sections["conductor"] = {"workers": 1}
        sections["scheduler"] = {"workers": 1}
        filters = ["ComputeFilter", "ImagePropertiesFilter"]
        available = ["nova.scheduler.filters.all_filters"]
        if self.of.patched:
            available.append("nova.scheduler.filters.fpga_filter.FpgaFilter")
            filters.append("FpgaFilter")
        sections["filter_scheduler"] = {"available_filters": available, "enabled_filters": ",".join(filters)}
        return {"/etc/nova/nova.conf": File(ini(sections), 0o640, group="nova")}


class Api(_Controller, NovaApi):
    """The API."""

    label = "nova-api"
    workers = 1

    def command(self) -> Sequence[str]:
        """Return uWSGI's argument vector."""
        return [self.of.bin("uwsgi"), *NovaApi.command(self)[1:]]

    def files(self) -> Mapping[str, File]:
        """Return nova.conf, uWSGI's configuration and the pipeline that comes with this Nova."""
        files = dict(NovaApi.files(self))
        uwsgi = configparser.ConfigParser(interpolation=None)
        uwsgi.read_string(files["/etc/nova/uwsgi.ini"].text)
        uwsgi["uwsgi"]["virtualenv"] = str(self.of.venv)
        files["/etc/nova/uwsgi.ini"] = File(ini({name: dict(uwsgi[name]) for name in uwsgi.sections()}))
        files["/etc/nova/api-paste.ini"] = File((self.of.venv / "etc/nova/api-paste.ini").read_text())
        return {**files, **_Controller.files(self)}


class Conductor(_Controller, NovaConductor):
    """The conductor."""

    label = "nova-conductor"


class Scheduler(_Controller, NovaScheduler):
    """The scheduler."""

    label = "nova-scheduler"


class Compute(_Service, NovaCompute):
    """The compute service of a node, over Nova's fake hypervisor; its configuration has no database in it."""

    label = "nova-compute"
    _since_start: Tail | None = None

    def start(self) -> None:
        """Start the process and wait until it is well."""
        self._since_start = Tail(self._log())
        super().start()

    def problem(self) -> str | None:
        """Return what is wrong; until it has told what its host has, the controllers had better not be restarted."""
        problem = super().problem()
        if problem is None and self._since_start and not self._since_start.lines("Compute_service record updated"):
            return "its resource tracker has not reported yet"
        return problem

    def files(self) -> Mapping[str, File]:
        """Return nova.conf, rootwrap's configuration, and the policy of sudo."""
        sections = self.options()
        # The one fake driver that a host keeps its identity with when nova-compute is started again.
        sections["DEFAULT"]["compute_driver"] = "fake.FakeDriverWithoutFakeNodes"
        if self.of.patched:
            sections["DEFAULT"].update({"fpga_access": True, "fpga_simulation_mode": False, "fpga_exec": "fpga-cli"})
        return {**NovaCompute.files(self), "/etc/nova/nova.conf": File(ini(sections), 0o640, group="nova")}
