# SPDX-License-Identifier: Apache-2.0
"""A small OpenStack of Debian's packages in a root: how it is configured, and its daemons."""

from __future__ import annotations

import concurrent.futures
import functools
import json
import secrets
import urllib.error
import urllib.request
from typing import Any

from build_scripts.cloud.ini import Option, ini
from tests.debian.root import Daemon, Root, wait

#: The user of each database, by the database's name.
_DATABASES = {
    "keystone": "keystone", "glance": "glance", "placement": "placement",
    "neutron": "neutron", "nova_api": "nova", "nova": "nova", "nova_cell0": "nova",
}  # fmt: skip

_PORTS = {"keystone": 5000, "glance": 9292, "placement": 8778, "neutron": 9696, "nova": 8774}

#: What Nova needs.
_FIRST = ("keystone", "glance", "placement", "neutron")

_WSGI = {
    "keystone": "/usr/bin/keystone-wsgi-public",
    "glance": "/usr/bin/glance-wsgi-api",
    "placement": "/usr/bin/placement-api",
    "neutron": "/usr/bin/neutron-api",
    "nova": "/usr/bin/nova-api-wsgi",
}

#: RabbitMQ's own first user, which can connect from loopback only.
_BROKER = "rabbit://guest:guest@127.0.0.1:5672/"

_MYSQL = ("mariadb", "--skip-column-names", "--batch")


class Cloud:
    """Keystone, Glance, Placement and Nova with one compute host, whose hypervisor is Nova's fake one."""

    def __init__(self, root: Root) -> None:
        self.root = root
        self.password = secrets.token_urlsafe(16)
        self.daemons: dict[str, Daemon] = {}

    # The cloud as an operator has it before fpga-nova comes.

    def configure(self) -> None:
        """Write every service's configuration."""
        auth = self._auth
        keys: dict[str, Option] = {"key_repository": "/etc/keystone/fernet-keys"}
        self._conf("keystone", "/etc/keystone/keystone.conf", {
            "database": {"connection": self._url("keystone")},
            "token": {"provider": "fernet"},
            "fernet_tokens": keys,
            "fernet_receipts": keys,
        })  # fmt: skip
        self._conf("glance", "/etc/glance/glance-api.conf", {
            "DEFAULT": {"enabled_backends": "files:file"},
            "database": {"connection": self._url("glance")},
            "glance_store": {"default_backend": "files"},
            "files": {"filesystem_store_datadir": "/var/lib/glance/images"},
            "image_format": {"container_formats": "ami,ari,aki,bare,ovf,ova,docker,compressed,fpga"},
            "keystone_authtoken": auth("glance"),
            "paste_deploy": {"flavor": "keystone"},
        })  # fmt: skip
        self._conf("placement", "/etc/placement/placement.conf", {
            "placement_database": {"connection": self._url("placement")},
            "api": {"auth_strategy": "keystone"},
            "keystone_authtoken": auth("placement"),
        })  # fmt: skip
        # Nova 26 and newer ask the network service even for servers without a network.
        self._conf("neutron", "/etc/neutron/neutron.conf", {
            "DEFAULT": {
                "core_plugin": "ml2",
                "service_plugins": "",
                "auth_strategy": "keystone",
                "transport_url": _BROKER,
                "notify_nova_on_port_status_changes": False,
                "notify_nova_on_port_data_changes": False,
            },
            "database": {"connection": self._url("neutron")},
            "keystone_authtoken": auth("neutron"),
            "oslo_concurrency": {"lock_path": "/var/lib/neutron/lock"},
            # vxlan uses the database at the start, without which a list of ports as the first request is an error.
            "ml2": {"type_drivers": "local,vxlan", "tenant_network_types": "vxlan", "mechanism_drivers": ""},
            "ml2_type_vxlan": {"vni_ranges": "1:1000"},
        })  # fmt: skip
        nova: dict[str, dict[str, Option]] = {
            "DEFAULT": {
                "state_path": "/var/lib/nova",
                "transport_url": _BROKER,
                "my_ip": "127.0.0.1",
                "report_interval": 5,
                "service_down_time": 60,
                "update_resources_interval": 10,
            },
            "glance": auth("nova"),
            "keystone_authtoken": auth("nova"),
            "neutron": auth("nova"),
            "placement": auth("nova"),
            "oslo_concurrency": {"lock_path": "/var/lib/nova/lock"},
            "filter_scheduler": {
                "available_filters": [
                    "nova.scheduler.filters.all_filters",
                    "nova.scheduler.filters.fpga_filter.FpgaFilter",
                ],
                "enabled_filters": "ComputeFilter,ImagePropertiesFilter,FpgaFilter",
            },
        }
        compute: dict[str, Option] = {
            "compute_driver": "fake.MediumFakeDriver",
            "fpga_access": True,
            "fpga_simulation_mode": False,
            "fpga_exec": "fpga-cli",
        }
        # nova-compute has no database.
        self._conf("nova", "/etc/nova/nova-compute.conf", {**nova, "DEFAULT": {**nova["DEFAULT"], **compute}})
        self._conf("nova", "/etc/nova/nova.conf", {
            **nova,
            "database": {"connection": self._url("nova")},
            "api_database": {"connection": self._url("nova_api")},
            "conductor": {"workers": 1},
            "scheduler": {"workers": 1},
        })  # fmt: skip

    def start_infrastructure(self) -> None:
        """Start MariaDB with all databases, RabbitMQ, and what Nova needs of OpenStack."""
        root = self.root
        root.run("install", "-d", "-o", "mysql", "-g", "mysql", "/run/mysqld")
        # The data need not outlive the run.
        self._spawn("mariadb", "mysql", "/usr/sbin/mariadbd", "--innodb-flush-method=nosync", "--sync-frm=0")
        environment = {
            "HOME": "/var/lib/rabbitmq",
            "RABBITMQ_NODENAME": "rabbit@localhost",
            "RABBITMQ_LOGS": "-",
            "RABBITMQ_SERVER_ADDITIONAL_ERL_ARGS": "+S 1:1",
            # The script then becomes the Erlang machine, which ends by itself when asked to.
            "RUNNING_UNDER_SYSTEMD": "true",
        }
        self._spawn("rabbitmq", "rabbitmq", "/usr/lib/rabbitmq/bin/rabbitmq-server", env=environment)
        wait("MariaDB", lambda: root.run("mariadb-admin", "ping", expect=None).returncode == 0, daemons=self._running())
        for database, user in _DATABASES.items():
            self.sql(f"CREATE DATABASE {database} CHARACTER SET utf8mb3")
            self.sql(f"GRANT ALL ON {database}.* TO '{user}'@'127.0.0.1' IDENTIFIED BY '{self.password}'")
        wait("RabbitMQ", self._rabbit_up, daemons=self._running())
        with concurrent.futures.ThreadPoolExecutor() as pool:
            for done in [pool.submit(self._keystone), pool.submit(self._tables)]:
                done.result()
        for name in _FIRST:
            self._spawn_wsgi(name)
        for name in _FIRST:
            wait(name, functools.partial(self._answers, name), daemons=self._running())
        self.user("register", json.dumps(_PORTS))

    def sync_nova(self) -> None:
        """Make Nova's tables and its cell, as its installation guide says."""
        for arguments in (
            ("api_db", "sync"), ("cell_v2", "map_cell0"), ("db", "sync"), ("cell_v2", "create_cell", "--name", "cell1"),
        ):  # fmt: skip
            self.root.run("nova-manage", *arguments, user="nova")

    def start_nova(self) -> None:
        """Start Nova's services, conductor first, and wait until a server can be put on the host."""
        self._spawn("nova-conductor", "nova", "nova-conductor")
        self._spawn("nova-scheduler", "nova", "nova-scheduler")
        self._spawn_wsgi("nova")
        self._spawn("nova-compute", "nova", "nova-compute", "--config-file", "/etc/nova/nova-compute.conf")
        self.wait_nova()
        self.root.run("nova-manage", "cell_v2", "discover_hosts", "--by-service", user="nova")

    def stop_nova(self) -> None:
        """Stop Nova's services."""
        for name in [name for name in self.daemons if name.startswith("nova")]:
            self.daemons.pop(name).stop()

    def wait_nova(self) -> None:
        """Wait until every service has reported since now, and the host its regions."""
        now = self.sql("SELECT UTC_TIMESTAMP()")

        def reported() -> bool:
            services = self.sql(f"SELECT `binary` FROM nova.services WHERE updated_at > '{now}' AND deleted = 0")
            return {"nova-conductor", "nova-scheduler", "nova-compute"} <= set(services.split())

        wait("Nova's services report", reported, daemons=self._running())
        wait("Nova's API", lambda: self._answers("nova"), daemons=self._running())
        wait("the host reports its regions", lambda: self.columns() is not None, daemons=self._running())

    # Observations.

    def sql(self, statement: str) -> str:
        """Run SQL as the database's root; return what it prints, a row a line."""
        return self.root.run(*_MYSQL, "--execute", statement).stdout.strip()

    def columns(self) -> tuple[int, int] | None:
        """Return (fpga_regions_used, fpga_regions) of the compute host; None while it has not reported."""
        text = self.sql("SELECT fpga_regions_used, fpga_regions FROM nova.compute_nodes WHERE deleted = 0")
        values = text.split()
        return (int(values[0]), int(values[1])) if len(values) == 2 and "NULL" not in values else None

    def regions(self) -> list[dict[str, Any]]:
        """Return the regions of the host, by fpga-cli."""
        return list(json.loads(self.root.run("fpga-cli", "list", "-f", "json").stdout))

    def user(self, *arguments: str) -> Any:
        """Run client.py in the root, with Debian's own openstacksdk; return what it prints as JSON."""
        done = self.root.run("python3", "/srv/client.py", *arguments, env={"OS_PASSWORD": self.password})
        return json.loads(done.stdout.splitlines()[-1])

    # How.

    def _conf(self, group: str, path: str, sections: dict[str, dict[str, Option]]) -> None:
        self.root.write(path, ini(sections), 0o640, group)

    def _url(self, database: str) -> str:
        return f"mysql+pymysql://{_DATABASES[database]}:{self.password}@127.0.0.1/{database}?charset=utf8"

    def _auth(self, user: str) -> dict[str, Option]:
        url = f"http://127.0.0.1:{_PORTS['keystone']}/v3"
        return {
            "auth_type": "password", "auth_url": url, "www_authenticate_uri": url, "username": user,
            "password": self.password, "project_name": "service", "user_domain_name": "Default",
            "project_domain_name": "Default", "region_name": "RegionOne",
        }  # fmt: skip

    def _keystone(self) -> None:
        url = f"http://127.0.0.1:{_PORTS['keystone']}/v3"
        env = {"OS_BOOTSTRAP_PASSWORD": self.password, "OS_BOOTSTRAP_REGION_ID": "RegionOne"}
        env.update({f"OS_BOOTSTRAP_{kind}_URL": url for kind in ("PUBLIC", "ADMIN", "INTERNAL")})
        for command in ("fernet_setup", "credential_setup", "db_sync", "bootstrap"):
            self.root.run("keystone-manage", command, user="keystone", env=env)

    def _tables(self) -> None:
        self.root.run("glance-manage", "db_sync", user="glance")
        self.root.run("placement-manage", "db", "sync", user="placement")
        self.root.run(
            "neutron-db-manage", "--config-file", "/etc/neutron/neutron.conf", "upgrade", "heads", user="neutron"
        )

    def _spawn(self, name: str, user: str, *argv: object, env: dict[str, str] | None = None) -> None:
        self.daemons[name] = self.root.spawn(name, *argv, user=user, env=env)

    def _spawn_wsgi(self, name: str) -> None:
        self._spawn(
            f"{name}-api", name, "uwsgi_python3",
            "--http-socket", f"127.0.0.1:{_PORTS[name]}", "--wsgi-file", _WSGI[name], "--master", "--processes", "1",
            "--enable-threads", "--lazy-apps", "--need-app", "--die-on-term", "--buffer-size", "65535",
            "--add-header", "Connection: close", "--disable-logging",
        )  # fmt: skip

    def _running(self) -> list[Daemon]:
        return list(self.daemons.values())

    def _rabbit_up(self) -> bool:
        return "Server startup complete" in self.daemons["rabbitmq"].log.read_text(errors="replace")

    @staticmethod
    def _answers(name: str) -> bool:
        try:
            with urllib.request.urlopen(f"http://127.0.0.1:{_PORTS[name]}/", timeout=30):
                return True
        except urllib.error.HTTPError as error:
            return error.code < 500
        except OSError:
            return False
