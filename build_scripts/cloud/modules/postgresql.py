# SPDX-License-Identifier: Apache-2.0
"""PostgreSQL, for trying Nova on it; the cloud of `make cloud` does not use it."""

from __future__ import annotations

import pathlib
import re
import shutil
import signal
from collections.abc import Sequence

from build_scripts import bootstrap
from build_scripts.cloud.daemon import Daemon
from build_scripts.lib.errors import CloudError
from build_scripts.lib.state import State

_DATA = "/var/lib/postgresql/data"
_SOCKETS = "/run/postgresql"

#: Where Debian says whether the installation of a server makes and runs a cluster of the machine's own.
_CLUSTERS = pathlib.Path("/etc/postgresql-common/createcluster.conf")


class PostgreSQL(Daemon):
    """The database server. Its superuser connects by the socket, as the system's user of that name."""

    user = "postgres"
    port = "postgresql"
    stop_signal = signal.SIGINT  # SIGTERM lets it wait for clients, until it is killed for being late

    def configure(self) -> None:
        """Install Debian's package, which brings the user, and make the directories."""
        install(self.state)
        for path in (_DATA, _SOCKETS):
            directory = self.node.path(path)
            directory.mkdir(parents=True, exist_ok=True)
            shutil.chown(directory, "postgres", "postgres")
            directory.chmod(0o700)
        super().configure()

    def prepare(self) -> None:
        """Make the data directory."""
        with self.once("datadir") as missing:
            if missing:
                for left in self.node.path(_DATA).iterdir():  # by a run that was cut short
                    shutil.rmtree(left) if left.is_dir() else left.unlink()
                self.node.run(
                    [
                        *(program("initdb"), "--pgdata", _DATA, "--encoding=UTF8", "--locale=C.UTF-8"),
                        *("--auth-local=peer", "--auth-host=scram-sha-256"),
                    ],
                    self.user,
                )

    def command(self) -> Sequence[str]:
        """Return the server's argument vector."""
        options = {
            "listen_addresses": "127.0.0.1",
            "port": self.state.port("postgresql"),
            "unix_socket_directories": _SOCKETS,
            "max_connections": 300,
        }
        return [program("postgres"), "-D", _DATA, *(f"--{name}={value}" for name, value in options.items())]

    def problem(self) -> str | None:
        """Return why it does not take clients, or None: it listens before it has recovered from a crash."""
        try:
            self.client("pg_isready")
        except CloudError as error:
            return str(error)
        return None

    def client(self, name: str, *arguments: str, text: str | None = None) -> str:
        """Run one of PostgreSQL's own programs as the superuser; return its output.

        :param text: its input
        """
        where = [f"--host={_SOCKETS}", f"--port={self.state.port('postgresql')}"]
        return self.node.run([program(name), *where, *arguments], self.user, text=text)


def program(name: str) -> str:
    """Return the path of a program of the newest PostgreSQL that is installed.

    :raises CloudError: there is none
    """
    found = {int(path.parts[-3]): path for path in pathlib.Path("/usr/lib/postgresql").glob(f"[0-9]*/bin/{name}")}
    if not found:
        raise CloudError(f"PostgreSQL's {name} is not installed")
    return str(found[max(found)])


def install(state: State) -> None:
    """Install Debian's server, if none is there, without a cluster of the machine's own."""
    try:
        program("postgres")
    except CloudError:
        bootstrap.install_packages(state, ("postgresql-common",))
        before = _CLUSTERS.read_text()
        without = re.sub(r"(?m)^\s*create_main_cluster.*$", "", before)
        try:
            _CLUSTERS.write_text(f"{without}\ncreate_main_cluster = false\n")
            bootstrap.install_packages(state, ("postgresql",))
        finally:
            _CLUSTERS.write_text(before)


MODULE = PostgreSQL
