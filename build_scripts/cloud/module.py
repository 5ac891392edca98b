# SPDX-License-Identifier: Apache-2.0
"""What a module is: the files it writes, what it prepares once, and the daemon that it runs, if any."""

from __future__ import annotations

import abc
import contextlib
import dataclasses
import grp
import http.client
import json
import pathlib
import pwd
import shutil
import signal
import socket
import time
from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import ClassVar, Union

from build_scripts.cloud import process
from build_scripts.cloud.node import Node
from build_scripts.cloud.spec import NodeSpec
from build_scripts.lib.errors import CloudError
from build_scripts.lib.state import State, digest, port_free, write_file

Option = Union[str, int, bool, Sequence[str]]


@dataclasses.dataclass(frozen=True)
class Cloud:
    """The whole cloud, as every module sees it."""

    state: State
    specs: tuple[NodeSpec, ...]

    @property
    def venv(self) -> pathlib.Path:
        """The virtual environment that every service runs from."""
        return self.state.path / "venv"

    def url(self, service: str, path: str = "") -> str:
        """Return the URL of a service that speaks HTTP."""
        return f"http://127.0.0.1:{self.state.port(service)}{path}"

    def database_url(self, database: str, user: str) -> str:
        """Return the SQLAlchemy URL of a database."""
        password, port = self.state.secret(f"{user}-database"), self.state.port("mariadb")
        return f"mysql+pymysql://{user}:{password}@127.0.0.1:{port}/{database}?charset=utf8mb3"

    def transport_url(self) -> str:
        """Return the oslo.messaging URL of the message queue."""
        return f"rabbit://openstack:{self.state.secret('rabbitmq')}@127.0.0.1:{self.state.port('rabbitmq')}/"

    def service_auth(self, user: str, project: str = "service") -> dict[str, Option]:
        """Return keystoneauth's options for a service's own user."""
        return {
            "auth_type": "password",
            "auth_url": self.url("keystone", "/v3"),
            "username": user,
            "password": self.state.secret(f"{user}-user"),
            "project_name": project,
            "user_domain_name": "Default",
            "project_domain_name": "Default",
            "region_name": "RegionOne",
        }

    def keystone_authtoken(self, user: str) -> dict[str, Option]:
        """Return the options of the middleware that checks tokens in front of a service."""
        return {
            **self.service_auth(user),
            "www_authenticate_uri": self.url("keystone", "/v3"),
            "service_token_roles_required": True,
            "service_token_roles": "service",
        }


@dataclasses.dataclass(frozen=True)
class File:
    """A file that a module writes in its node."""

    text: str
    mode: int = 0o644
    user: str = "root"
    group: str = "root"


@dataclasses.dataclass(frozen=True)
class Status:
    """What cloud-status says of a module; `problem` is None where all is well."""

    pid: int | None
    port: int | None
    problem: str | None


class Module:
    """A part of a node. A subclass, one to a file under modules/, says what is particular about it.

    The build calls, in this order: `configure`, `prepare` when the modules in `prepare_after` are done, `start` when
    those in `start_after` are. Each may be called again at any time and then does only what is missing. An entry of
    these tuples is the name of a module, or NAME:prepare for its first phase alone; one that no node has counts as
    done.
    """

    #: Directories under /etc that the node has for itself because of this module.
    etc: ClassVar[tuple[str, ...]] = ()
    #: Other directories of the node: (path, owner, mode).
    directories: ClassVar[tuple[tuple[str, str, int], ...]] = ()
    prepare_after: ClassVar[tuple[str, ...]] = ()
    start_after: ClassVar[tuple[str, ...]] = ()

    def __init__(self, cloud: Cloud, node: Node) -> None:
        self.cloud = cloud
        self.node = node
        self.state = cloud.state
        self.name = type(self).__module__.rpartition(".")[2]

    def files(self) -> Mapping[str, File]:
        """Return the files to write, by their absolute paths in the node."""
        return {}

    def configure(self) -> None:
        """Make the directories and write the files."""
        for path, user, mode in self.directories:
            directory = self.node.path(path)
            directory.mkdir(parents=True, exist_ok=True)
            shutil.chown(directory, user, pwd.getpwnam(user).pw_gid)
            directory.chmod(mode)
        for path, file in self.files().items():
            owner = (pwd.getpwnam(file.user).pw_uid, grp.getgrnam(file.group).gr_gid)
            write_file(self.node.path(path), file.text, file.mode, owner)

    def prepare(self) -> None:
        """Do what has to be done once: databases, keys, packages of others."""

    def start(self) -> None:
        """Start what the module runs and return when it is well."""

    def stop(self) -> None:
        """Stop what the module runs."""

    def status(self) -> Status | None:
        """Return how the module is; None for one that runs nothing."""
        return None

    @contextlib.contextmanager
    def once(self, what: str, *inputs: str) -> Iterator[bool]:
        """Give True if `what` is yet to be done with these inputs, and record it when the block ends well."""
        key, wanted = f"{self.node.name}/{self.name}/{what}", digest(*inputs)
        missing = not self.state.done(key, wanted)
        yield missing
        if missing:
            self.state.mark_done(key, wanted)


class Daemon(Module, abc.ABC):
    """A module with one long-running process."""

    #: Who the process runs as.
    user: ClassVar[str] = "root"
    #: Its name in state.PORTS, if it listens.
    port: ClassVar[str | None] = None
    #: Seconds that it may take until it is well, and until it has ended.
    start_timeout: ClassVar[float] = 180
    stop_timeout: ClassVar[float] = 20
    #: The signal that asks it to end.
    stop_signal: ClassVar[int] = signal.SIGTERM
    #: Marks in the state's done.json whose change calls for a new start: what the process is made of.
    code: ClassVar[tuple[str, ...]] = ("venv",)

    @abc.abstractmethod
    def command(self) -> Sequence[str]:
        """Return the argument vector."""

    def environment(self) -> Mapping[str, str]:
        """Return what the process's environment has beyond a node's."""
        return {}

    def problem(self) -> str | None:
        """Return what is wrong with the running process, or None; by default, that nothing accepts connections."""
        if self.port is None:
            return None
        return connects(self.state.port(self.port))

    def start(self) -> None:
        """Start the process, or start it anew if its program or configuration changed, and wait until it is well.

        :raises CloudError: it ended, or was not well in time
        """
        wanted = self._fingerprint()
        running = self._running()
        if running and self.state.read(self._file()).get("fingerprint") != wanted:
            process.stop([running], self.stop_timeout, self.stop_signal)
            running = None
        if running is None:
            self._require_port()
            running = process.spawn(
                self.node.command(self.command(), self.user),
                self._log(),
                self.node.environment(self.user, self.environment()),
            )
            record = {**dataclasses.asdict(running), "fingerprint": wanted, "time": time.time()}
            self.state.write(self._file(), record)
        self._wait(running)

    def stop(self) -> None:
        """Stop the process and wait until it has ended."""
        running = self._running()
        if running:
            process.stop([running], self.stop_timeout, self.stop_signal)

    def status(self) -> Status:
        """Return the process's number, its port, and what is wrong."""
        running = self._running()
        port = self.state.port(self.port) if self.port else None
        if running is None:
            return Status(None, port, "not running")
        return Status(running.pid, port, self.problem())

    def _require_port(self) -> None:
        """See that nothing else has the port, and give children of a process just ended a moment to let go of it."""
        deadline = time.monotonic() + 5
        while self.port and not port_free(self.state.port(self.port)):
            if time.monotonic() > deadline:
                port = self.state.port(self.port)
                raise CloudError(f"{self.node.name}: port {port}, which is {self.name}'s, is taken by another program")
            time.sleep(0.2)

    def started_at(self) -> float:
        """Return when the process was started last, in seconds since 1970."""
        return float(self.state.read(self._file()).get("time", 0))

    def _wait(self, running: process.Process) -> None:
        deadline = time.monotonic() + self.start_timeout
        while True:
            process.reap()
            if not running.alive():
                raise CloudError(f"{self.node.name}: {self.name} ended; see {self._log()}")
            problem = self.problem()
            if problem is None:
                return
            if time.monotonic() > deadline:
                raise CloudError(f"{self.node.name}: {self.name} is not well, {problem}; see {self._log()}")
            time.sleep(0.3)

    def _fingerprint(self) -> str:
        files = {path: dataclasses.astuple(file) for path, file in self.files().items()}
        code = [self.state.digest_of(mark) for mark in self.code]
        return digest(json.dumps([list(self.command()), self.user, dict(self.environment()), files, code]))

    def _running(self) -> process.Process | None:
        record = self.state.read(self._file())
        if not record:
            return None
        found = process.Process(record["pid"], record["started"], record["boot"])
        return found if found.alive() and self.node.holds(found) else None

    def _file(self) -> str:
        return f"run/{self.node.name}.{self.name}.json"

    def _log(self) -> pathlib.Path:
        return self.state.log(f"{self.node.name}-{self.name}")


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


def connects(port: int) -> str | None:
    """Return why nothing can connect to 127.0.0.1:port, or None if it can."""
    try:
        with socket.create_connection(("127.0.0.1", port), timeout=5):
            return None
    except OSError as error:
        return f"port {port}: {error}"


def ini(sections: Mapping[str, Mapping[str, Option]]) -> str:
    """Return options in oslo.config's and uWSGI's form; an option with several values is repeated."""
    lines = []
    for section, options in sections.items():
        lines.append(f"[{section}]")
        for name, value in options.items():
            for one in _values(value):
                lines.append(f"{name} = {str(one).lower() if isinstance(one, bool) else one}")
        lines.append("")
    return "\n".join(lines)


def _values(value: Option) -> Iterable[str | int | bool]:
    return [value] if isinstance(value, (str, int, bool)) else value
