# SPDX-License-Identifier: Apache-2.0
"""Neutron's server, without agents: Nova asks it for ports even where servers have no network."""

from __future__ import annotations

from collections.abc import Mapping

from build_scripts.cloud.ini import ini
from build_scripts.cloud.module import File
from build_scripts.cloud.web_service import TableService


class Neutron(TableService):
    """The network service."""

    etc = ("neutron",)
    directories = (("/var/lib/neutron", "neutron", 0o700),)
    start_after = ("keystone", "rabbitmq")
    user = "neutron"
    port = "neutron"
    application = "neutron.wsgi.api"
    make_tables = (
        "neutron-db-manage",
        *("--config-file", "/etc/neutron/neutron.conf"),
        *("--config-file", "/etc/neutron/plugins/ml2/ml2_conf.ini"),
        *("upgrade", "heads"),
    )

    def files(self) -> Mapping[str, File]:
        """Return neutron.conf, the plug-in's configuration and the pipeline that comes with Neutron."""
        text = ini(
            {
                "DEFAULT": {
                    "core_plugin": "ml2",
                    "service_plugins": "",
                    "auth_strategy": "keystone",
                    "transport_url": self.cloud.transport_url(),
                    "notify_nova_on_port_status_changes": False,
                    "notify_nova_on_port_data_changes": False,
                },
                "database": {"connection": self.cloud.database_url("neutron", "neutron")},
                "keystone_authtoken": self.cloud.keystone_authtoken("neutron"),
                "oslo_concurrency": {"lock_path": "/var/lib/neutron/lock"},
            }
        )
        plugin = ini(
            {
                # vxlan is there for what it does at the start: it uses the database, and SQLAlchemy then learns the
                # relations between the tables. Without that, a list of ports as the first request is an error.
                "ml2": {"type_drivers": "local,vxlan", "project_network_types": "vxlan", "mechanism_drivers": ""},
                "ml2_type_vxlan": {"vni_ranges": "1:1000"},
            }
        )
        paste = (self.cloud.venv / "etc/neutron/api-paste.ini").read_text()
        return {
            **super().files(),
            "/etc/neutron/neutron.conf": File(text, 0o640, group="neutron"),
            "/etc/neutron/plugins/ml2/ml2_conf.ini": File(plugin),
            "/etc/neutron/api-paste.ini": File(paste),
        }


MODULE = Neutron
