# SPDX-License-Identifier: Apache-2.0
"""A module of the cloud: the files that it writes and what it prepares once; and the cloud that it is part of."""

from __future__ import annotations

import contextlib
import dataclasses
import grp
import pathlib
import pwd
import shutil
from collections.abc import Iterator, Mapping
from typing import ClassVar

from build_scripts.cloud.ini import Option
from build_scripts.cloud.node import Node
from build_scripts.cloud.spec import NodeSpec
from build_scripts.lib.state import State, digest, write_file


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
    """A module as cloud-status shows it; `problem` is None where all is well."""

    pid: int | None
    port: int | None
    problem: str | None


class Module:
    """A part of a node. Each subclass has a file under modules/.

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
        """Give True if `what` is not yet done with these inputs; record it when the block ends well."""
        key, wanted = f"{self.node.name}/{self.name}/{what}", digest(*inputs)
        missing = not self.state.done(key, wanted)
        yield missing
        if missing:
            self.state.mark_done(key, wanted)
