# SPDX-License-Identifier: Apache-2.0
"""The part that the Nova services share: their configuration, and how to see that they are up."""

from __future__ import annotations

import datetime
import functools
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, ClassVar

from build_scripts.cloud import identity
from build_scripts.cloud.daemon import Daemon
from build_scripts.cloud.ini import Option, ini
from build_scripts.cloud.module import Cloud, File

if TYPE_CHECKING:
    import openstack.connection

#: A Nova service is restarted when any of these changed.
CODE = ("venv", "fpga-nova", "patch")

#: Seconds between two signs of life of a service.
_REPORT_INTERVAL = 10


def options(cloud: Cloud) -> dict[str, dict[str, Option]]:
    """Return the options that every Nova service has, by section."""
    return {
        "DEFAULT": {
            "state_path": "/var/lib/nova",
            "transport_url": cloud.transport_url(),
            "my_ip": "127.0.0.1",
            "report_interval": _REPORT_INTERVAL,
            "service_down_time": 6 * _REPORT_INTERVAL,
            # Seconds for what is under way when a service is told to stop.
            "graceful_shutdown_timeout": 10,
            "manager_shutdown_timeout": 5,
        },
        "glance": cloud.service_auth("nova"),
        "keystone_authtoken": cloud.keystone_authtoken("nova"),
        "service_user": {**cloud.service_auth("nova"), "send_service_user_token": True},
        "neutron": cloud.service_auth("nova"),
        "placement": cloud.service_auth("nova"),
        "oslo_concurrency": {"lock_path": "/var/lib/nova/lock"},
        "vnc": {"enabled": False},
        "fpga": {"image_ip_cores": True},
    }


class ControllerService(Daemon):
    """A Nova service of the controller: it may use the databases."""

    etc = ("nova",)
    directories = (("/var/lib/nova", "nova", 0o755),)
    user = "nova"
    code = CODE

    def files(self) -> Mapping[str, File]:
        """Return nova.conf, the same for all services of the controller."""
        sections = options(self.cloud)
        sections["database"] = {"connection": self.cloud.database_url("nova", "nova")}
        sections["api_database"] = {"connection": self.cloud.database_url("nova_api", "nova")}
        sections["conductor"] = {"workers": 2}
        sections["scheduler"] = {"workers": 1}
        sections["quota"] = {"instances": 1000, "cores": 1000, "ram": -1}
        sections["filter_scheduler"] = scheduler_filters(self.cloud)
        return {"/etc/nova/nova.conf": File(ini(sections), 0o640, group="nova")}


def scheduler_filters(cloud: Cloud) -> dict[str, Option]:
    """Return the scheduler's options: Nova's own filters and, on a patched Nova, the FPGA filter."""
    enabled = [
        "ComputeFilter",
        "ComputeCapabilitiesFilter",
        "ImagePropertiesFilter",
        "ServerGroupAntiAffinityFilter",
        "ServerGroupAffinityFilter",
    ]
    if not any("fpga_files" in spec.modules for spec in cloud.specs):
        return {"enabled_filters": ",".join(enabled)}
    return {
        "available_filters": ["nova.scheduler.filters.all_filters", "nova.scheduler.filters.fpga_filter.FpgaFilter"],
        "enabled_filters": ",".join([*enabled, "FpgaFilter"]),
    }


class ReportingService(Daemon):
    """A Nova service that reports its state to the database, where the API shows it."""

    #: Its name in the list of services.
    binary: ClassVar[str]

    def command(self) -> Sequence[str]:
        """Return the argument vector."""
        return [self.binary]

    def problem(self) -> str | None:
        """Return why the API does not list this service as up since its start, or None if it does."""
        for service in services(self.cloud):
            if (service["binary"], service["host"]) == (self.binary, self.node.name) and service["updated_at"]:
                seen = datetime.datetime.fromisoformat(f"{service['updated_at']}+00:00").timestamp()
                if service["state"] == "up" and seen >= self.started_at():
                    # Nova itself takes a host out of service while it has lost its hypervisor.
                    reason = service["disabled_reason"] or ""
                    return reason if reason.startswith("AUTO") else None
        return "not (yet) up in Nova's list of services"


class ReportingControllerService(ReportingService, ControllerService):
    """The conductor or the scheduler: a service of the controller that reports its state."""

    start_after = ("nova_api:prepare", "keystone", "placement", "rabbitmq")


def services(cloud: Cloud) -> list[dict[str, str]]:
    """Return Nova's list of services; empty while the API is not up."""
    import keystoneauth1.exceptions

    try:
        response = _connection(cloud).session.get("/os-services", endpoint_filter={"service_type": "compute"})
    except keystoneauth1.exceptions.ClientException:
        return []
    return list(response.json()["services"])


@functools.cache
def _connection(cloud: Cloud) -> openstack.connection.Connection:
    return identity.connect(cloud)
