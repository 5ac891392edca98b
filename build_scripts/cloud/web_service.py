# SPDX-License-Identifier: Apache-2.0
"""WSGI applications under uWSGI."""

from __future__ import annotations

import http.client
from collections.abc import Mapping, Sequence
from typing import ClassVar

from build_scripts.cloud.daemon import Daemon
from build_scripts.cloud.ini import Option, ini
from build_scripts.cloud.module import File


class WebService(Daemon):
    """A WSGI application under uWSGI, configured from /etc/NAME."""

    application: ClassVar[str]
    #: Worker processes; each imports the application for itself.
    workers: ClassVar[int] = 1

    def command(self) -> Sequence[str]:
        """Return uWSGI's argument vector."""
        return ["uwsgi", "--ini", f"/etc/{self.etc[0]}/uwsgi.ini"]

    def files(self) -> Mapping[str, File]:
        """Return uWSGI's own configuration."""
        options: dict[str, Option] = {
            "http-socket": f"127.0.0.1:{self.state.port(self.port or '')}",
            "module": f"{self.application}:application",
            "virtualenv": str(self.cloud.venv),
            "master": True,
            "processes": self.workers,
            # Database and message queue connections must not be shared by workers.
            "lazy-apps": True,
            "enable-threads": True,
            "die-on-term": True,
            "need-app": True,
            "buffer-size": 65535,
            # A worker closes each connection after its answer; saying so keeps clients from using it again.
            "add-header": "Connection: close",
            "disable-logging": True,
            "log-5xx": True,
        }
        return {f"/etc/{self.etc[0]}/uwsgi.ini": File(ini({"uwsgi": options}))}

    def problem(self) -> str | None:
        """Return what the service answers at its root, if that is an error or nothing."""
        connection = http.client.HTTPConnection("127.0.0.1", self.state.port(self.port or ""), timeout=30)
        try:
            connection.request("GET", "/")
            status = connection.getresponse().status
        except (OSError, http.client.HTTPException) as error:
            return f"no answer ({error})"
        finally:
            connection.close()
        return f"answers with HTTP {status}" if status >= 500 else None


class TableService(WebService):
    """A WSGI application with tables in MariaDB and a user in Keystone."""

    prepare_after = ("mariadb",)
    start_after = ("keystone",)
    #: The command that creates the tables or brings them up to date.
    make_tables: ClassVar[tuple[str, ...]]

    def prepare(self) -> None:
        """Make the tables, again whenever the environment changed."""
        with self.once("tables", self.state.digest_of("venv")) as missing:
            if missing:
                self.node.run(self.make_tables, self.user)
