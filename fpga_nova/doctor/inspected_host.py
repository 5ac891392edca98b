# SPDX-License-Identifier: Apache-2.0
"""The host that the doctor examines: configuration, roles and services of Nova, and fpga-cli's configuration."""

from __future__ import annotations

import dataclasses
import functools
import pathlib
import pwd
from collections.abc import Sequence
from typing import Any

from fpga_nova import errors, paths
from fpga_nova.clients import fpga_cli_runner
from fpga_nova.doctor import processes, roles
from fpga_nova.doctor.findings import NotApplicable, NotChecked
from fpga_nova.nova_db import configuration


@dataclasses.dataclass
class HostInspection:
    """One host; everything is read when it is first asked for.

    :param config_files: of Nova, as its services are given them; none for Nova's own defaults
    :param config_dirs: the same
    :param fpga_config: fpga-cli's configuration
    :param asked_roles: roles to look at; empty for those that the host is seen to have
    :param asked_user: the user that nova-compute runs as; None for the one that it is seen to run as
    :param nova_conf: Nova's configuration object; None until it is read from those files
    """

    config_files: Sequence[str] = ()
    config_dirs: Sequence[str] = ()
    fpga_config: pathlib.Path = pathlib.Path(paths.CONFIG_FILE)
    asked_roles: Sequence[str] = ()
    asked_user: str | None = None
    nova_conf: Any = dataclasses.field(default=None, repr=False)

    def load_conf(self) -> Any:
        """Return Nova's configuration object with what the files say.

        :raises fpga_nova.errors.ConfigurationInvalid: it cannot be read or used
        """
        if self.nova_conf is None:
            self.nova_conf = configuration.load(self.config_files, self.config_dirs)
        return self.nova_conf

    @property
    def conf(self) -> Any:
        """Nova's configuration object.

        :raises NotChecked: there is none; the check of the configuration says why
        """
        try:
            return self.load_conf()
        except errors.ConfigurationInvalid as error:
            raise NotChecked("Nova's configuration is not known") from error

    def require_conf(self) -> None:
        """Return if Nova's configuration is known.

        :raises NotChecked: it is not
        """
        self.conf  # noqa: B018 - asked for what it raises

    @functools.cached_property
    def services(self) -> tuple[list[processes.Service], bool]:
        """What :func:`processes.services` returns."""
        return processes.services()

    @functools.cached_property
    def roles(self) -> frozenset[str]:
        """This host's roles, by the services that run and by nova.conf."""
        if self.asked_roles:
            return frozenset(self.asked_roles)
        running = {roles.BY_SCRIPT[service.name] for service in self.services[0]}
        try:
            conf = self.load_conf()
        except errors.ConfigurationInvalid:
            return frozenset(running or roles.ROLES)
        if conf.database.connection or conf.api_database.connection:
            # The API is often run by a web server, where it is not seen. A scheduler is seen unless it is down, and
            # it may be on another controller.
            seen = running & {"scheduler", "conductor"}
            running |= {"api", "conductor"} if seen else {"api", "conductor", "scheduler"}
        if conf.compute_driver or conf.fpga_access:
            running.add("compute")
        return frozenset(running)

    @property
    def controls(self) -> bool:
        """Whether this host is one of the controllers."""
        return bool(self.roles - {"compute"})

    def without_fpga(self) -> NotApplicable | None:
        """Return why this host's FPGAs are not to be looked at, or None if they are to be used."""
        return None if self.conf.fpga_access else NotApplicable("fpga_access is False on this host")

    def without_own_fpga_cli(self) -> NotApplicable | None:
        """Return why our own fpga-cli is not to be looked at, or None if Nova runs that here."""
        if self.conf.fpga_exec and not self.runs_own_fpga_cli:
            return self.without_fpga() or NotApplicable(f"{self.conf.fpga_exec} stands in for fpga-cli")
        return self.without_fpga()

    @property
    def fpga_exec(self) -> str:
        """The executable that nova-compute runs.

        :raises NotChecked: none is set; the check of the options says so
        """
        if not self.conf.fpga_exec:
            raise NotChecked("fpga_exec is not set")
        return str(self.conf.fpga_exec)

    @property
    def runs_own_fpga_cli(self) -> bool:
        """Whether `fpga_exec` is our own fpga-cli; any executable that honours its contract can stand in for it.

        :raises NotChecked: by :attr:`fpga_exec`
        """
        return pathlib.PurePath(self.fpga_exec).name == fpga_cli_runner.OWN_NAME

    @functools.cached_property
    def nova_uid(self) -> int | None:
        """The user that nova-compute runs as, or None where that is not known."""
        if self.asked_user is not None:
            return pwd.getpwnam(self.asked_user).pw_uid
        for service in self.services[0]:
            if service.name == "nova-compute":
                return service.uid
        try:
            return pwd.getpwnam("nova").pw_uid
        except KeyError:
            return None

    @functools.cached_property
    def fpga(self) -> Any:
        """fpga-cli's configuration object, with the options of Glance.

        :raises fpga_nova.errors.ConfigurationInvalid: it cannot be used
        :raises NotChecked: it may not be read
        """
        from fpga_nova import host_config

        try:
            self.fpga_config.open("rb").close()
        except PermissionError as error:
            raise NotChecked(f"only root can read {self.fpga_config}; run the doctor as root") from error
        except OSError:
            pass  # its own loading says what is wrong with it
        return host_config.load([str(self.fpga_config)], glance=True)
