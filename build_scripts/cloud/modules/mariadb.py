# SPDX-License-Identifier: Apache-2.0
"""MariaDB, with a database and a user for each service."""

from __future__ import annotations

import shutil
from collections.abc import Mapping, Sequence

from build_scripts.cloud.daemon import Daemon
from build_scripts.cloud.ini import Option, ini
from build_scripts.cloud.module import Cloud, File
from build_scripts.cloud.node import Node

#: The user of each database, by the database's name.
DATABASES = {
    "keystone": "keystone",
    "glance": "glance",
    "placement": "placement",
    "neutron": "neutron",
    "nova_api": "nova",
    "nova": "nova",
    "nova_cell0": "nova",
}


class MariaDB(Daemon):
    """The database server."""

    etc = ("mysql",)
    directories = (("/var/lib/mysql", "mysql", 0o700), ("/run/mysqld", "mysql", 0o755))
    user = "mysql"
    port = "mariadb"

    def files(self) -> Mapping[str, File]:
        """Return the server's configuration."""
        server: dict[str, Option] = {
            "datadir": "/var/lib/mysql",
            "socket": "/run/mysqld/mysqld.sock",
            "pid-file": "/run/mysqld/mysqld.pid",
            "bind-address": "127.0.0.1",
            "port": self.state.port("mariadb"),
            "skip-name-resolve": 1,
            "max-connections": 1000,
            "character-set-server": "utf8mb3",
            "collation-server": "utf8mb3_general_ci",
            # Survives the end of the server at any time, though not the last second before a power cut.
            "innodb-flush-log-at-trx-commit": 2,
        }
        return {"/etc/mysql/my.cnf": File(ini({"mysqld": server}))}

    def prepare(self) -> None:
        """Make the data directory."""
        with self.once("datadir") as missing:
            if missing:
                for left in self.node.path("/var/lib/mysql").iterdir():  # by a run that was cut short
                    shutil.rmtree(left) if left.is_dir() else left.unlink()
                self.node.run(
                    [
                        "mariadb-install-db",
                        "--defaults-file=/etc/mysql/my.cnf",
                        "--user=mysql",
                        "--auth-root-authentication-method=socket",
                        "--skip-test-db",
                    ]
                )

    def command(self) -> Sequence[str]:
        """Return the server's argument vector."""
        return ["/usr/sbin/mariadbd", "--defaults-file=/etc/mysql/my.cnf"]

    def start(self) -> None:
        """Start the server and make the databases and their users."""
        super().start()
        make_databases(self.cloud, self.node)


def make_databases(cloud: Cloud, node: Node) -> None:
    """Make each database and its user, with the password that the state has for it."""
    statements = []
    for database, user in DATABASES.items():
        password = cloud.state.secret(f"{user}-database")
        statements += [
            f"CREATE DATABASE IF NOT EXISTS {database};",
            f"CREATE USER IF NOT EXISTS '{user}'@'127.0.0.1' IDENTIFIED BY '{password}';",
            f"GRANT ALL PRIVILEGES ON {database}.* TO '{user}'@'127.0.0.1';",
        ]
    # Root comes in by the socket, without a password; the statements come by standard input, not as arguments.
    node.run(["mariadb", "--no-defaults", "--socket=/run/mysqld/mysqld.sock"], text="\n".join(statements))


MODULE = MariaDB
