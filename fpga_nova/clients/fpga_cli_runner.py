# SPDX-License-Identifier: Apache-2.0
"""Runs fpga-cli, or an executable that stands in for it, as root.

The contract: `burn IMAGE_ID` prints a region's id, `erase REGION_ID` prints nothing, `status`
prints `Used regions: u/t`; errors are one line `Error: ...` and an exit code (:mod:`fpga_nova.errors`). More
than that, `--owner`, `--project`, `--token-stdin` and `list`, is used only where the executable's file name is
`fpga-cli`.
"""

from __future__ import annotations

import dataclasses
import json
import logging
import pathlib
import re
from collections.abc import Callable

from fpga_nova import errors, model
from fpga_nova.clients.root_command import CommandResult, run_as_root
from fpga_nova.system import uuids

LOG = logging.getLogger(__name__)

#: File name of our own tool; anything else in `fpga_exec` is a stand-in and gets nothing beyond the contract.
OWN_NAME = "fpga-cli"

#: Seconds for `status` and `list`, which touch no card and wait for no burn.
QUERY_TIMEOUT = 60

#: Longest region id: the width of instances.fpga_device.
MAX_REGION_ID = 255

_PROJECT = re.compile(r"[0-9a-f]{32}")
_STATUS = re.compile(r"Used regions: ([0-9]{1,6})/([0-9]{1,6})")

# Exit codes of oslo.rootwrap itself (oslo_rootwrap/cmd.py), and the remedy for each.
_ROOTWRAP_HINTS = {
    96: "it is in none of rootwrap's exec_dirs; add its directory to exec_dirs in rootwrap.conf",
    97: "rootwrap.conf cannot be read or is not valid; see [DEFAULT] rootwrap_config",
    98: "rootwrap got no command; see [DEFAULT] rootwrap_config and the sudoers rule",
    99: "no rootwrap filter admits it; put fpga.filters into a directory of rootwrap's filters_path",
}

_ERROR_CLASSES: dict[int, type[errors.FpgaError]] = {
    errors.EraseStoreNotReadable.exit_code: errors.StoreNotReadable,
    **{
        cls.exit_code: cls
        for cls in (
            errors.EraseFailed,
            errors.UnknownRegion,
            errors.NoMatchingHardware,
            errors.NoFreeRegion,
            errors.ImageNotAvailable,
            errors.ArchiveInvalid,
            errors.RefusedByPolicy,
            errors.ProgrammingFailed,
            errors.DeviceNotAccessible,
            errors.StoreNotReadable,
        )
    },
}


@dataclasses.dataclass(frozen=True)
class Usage:
    """How many regions a host has, and how many of them are not free."""

    used: int
    total: int


class Runner:
    """Calls one executable as root, bounded in time, and turns each of its failures into an FpgaError.

    :param command: the option `fpga_exec`: a name that the root helper resolves, or a path
    :param root_helper: what makes it root, e.g. ``sudo nova-rootwrap /etc/nova/rootwrap.conf``; not used where this
        process is root already
    :param burn_timeout: seconds
    :param erase_timeout: seconds
    :param run: runs the command line, with the parameters of :func:`fpga_nova.clients.root_command.run_as_root`
    """

    def __init__(
        self,
        command: str,
        root_helper: str,
        burn_timeout: int,
        erase_timeout: int,
        run: Callable[[list[str], str, int, str | None], CommandResult] = run_as_root,
    ) -> None:
        self.command = command
        self.root_helper = root_helper
        self.burn_timeout = burn_timeout
        self.erase_timeout = erase_timeout
        #: Whether the executable is our own tool and takes `--owner`, `--project` and `list`.
        self.is_fpga_cli = pathlib.PurePath(command).name == OWN_NAME
        self._run_command = run

    def burn(self, image_id: str, owner: str, project: str, token: str | None = None) -> str:
        """Program a free region with the IP core `image_id` for the server `owner`; return the region's id.

        :param project: Keystone's id of that server's project, which fpga-cli's policy may ask for
        :param token: Keystone's token to fetch the IP core with, handed over on standard input; None for fpga-cli's
            own credentials
        :raises fpga_nova.errors.FpgaError: the subclass that the exit code stands for
        """
        if not uuids.is_canonical(image_id):
            raise errors.ImageNotAvailable(f"cannot program `{image_id}' - this is not the id of an image")
        arguments = ["burn", image_id]
        if self.is_fpga_cli:
            arguments[1:1] = ["--owner", _owner(owner), "--project", _project(project)]
            if token is not None:
                arguments.insert(-1, "--token-stdin")
        elif token is not None:
            raise errors.ImageNotAvailable(
                f"{self.command} cannot fetch an IP core with a user's token, as {OWN_NAME} can; ask by flavor"
            )
        lines = self._run(arguments, self.burn_timeout, token).splitlines()
        region_id = lines[0].strip() if len(lines) == 1 else ""
        if not region_id or len(region_id) > MAX_REGION_ID or not region_id.isprintable():
            raise errors.ProgrammingFailed(f"{self.command} burn printed no region id but {' '.join(lines)!r}")
        if self.is_fpga_cli and not uuids.is_canonical(region_id):
            raise errors.ProgrammingFailed(f"{self.command} burn printed {region_id!r}, which is not a region id")
        return region_id

    def erase(self, owner: str, region_id: str | None = None) -> None:
        """Erase what the server `owner` holds: `region_id`, or with None all its regions.

        With a stand-in, which knows no owners, exactly `region_id` is erased, and without one nothing can be.

        :raises fpga_nova.errors.FpgaError: the subclass that the exit code stands for
        """
        if self.is_fpga_cli:
            arguments = ["erase", "--owner", _owner(owner)]
            if region_id is not None:
                if not uuids.is_canonical(region_id):
                    raise errors.UnknownRegion(f"cannot erase `{region_id}' - this is not a region id of {OWN_NAME}")
                arguments.append(region_id)
        elif region_id is None:
            return
        elif not region_id or region_id.startswith("-") or not region_id.isprintable():
            raise errors.UnknownRegion(f"cannot erase `{region_id}' - this is not a region id")
        else:
            arguments = ["erase", region_id]
        self._run(arguments, self.erase_timeout)

    def status(self) -> Usage:
        """Return how many regions there are and are used.

        :raises fpga_nova.errors.FpgaError: the subclass that the exit code stands for
        """
        output = self._run(["status"], QUERY_TIMEOUT).strip()
        match = _STATUS.fullmatch(output)
        if match is None or int(match[1]) > int(match[2]):
            raise errors.DeviceNotAccessible(f"{self.command} status printed {output!r}, not `Used regions: u/t'")
        return Usage(used=int(match[1]), total=int(match[2]))

    def regions(self) -> list[model.Region]:
        """Return the regions of this host; only our own tool can tell.

        :raises fpga_nova.errors.FpgaError: the subclass that the exit code stands for
        """
        output = self._run(["list", "-f", "json"], QUERY_TIMEOUT)
        known = {field.name for field in dataclasses.fields(model.Region)}
        try:
            return [
                model.Region(
                    **{
                        **{key: value for key, value in row.items() if key in known},
                        "state": model.RegionState(row["state"]),
                    }
                )
                for row in json.loads(output)
            ]
        except (ValueError, TypeError, KeyError, AttributeError) as error:
            raise errors.StoreNotReadable(f"{self.command} list printed no list of regions: {error}") from error

    def _run(self, arguments: list[str], timeout: int, token: str | None = None) -> str:
        """Run the executable with `arguments`, and with `token` as its input; return its standard output."""
        done = self._run_command([self.command, *arguments], self.root_helper, timeout, token)
        called = f"{self.command} {arguments[0]}"
        if done.exit_code != 0:
            raise _error(done, called)
        warnings = [line for line in done.stderr.splitlines() if line.startswith("Warning: ")]
        if warnings:
            LOG.warning("%s: %s", called, errors.one_line(" ".join(warnings)))
        return done.stdout


def _owner(owner: str) -> str:
    """Return `owner`, checked: it goes into a command line that runs as root."""
    if not uuids.is_canonical(owner):
        raise errors.ConfigurationInvalid(f"`{owner}' is not the id of a server")
    return owner


def _project(project: str) -> str:
    """Return `project`, checked, in the one form that the rootwrap filter admits: Keystone's, without dashes."""
    digits = project.replace("-", "") if uuids.is_canonical(project) else project
    if not isinstance(digits, str) or not _PROJECT.fullmatch(digits):
        raise errors.ConfigurationInvalid(f"`{project}' is not the id of a project")
    return digits


def _error(done: CommandResult, called: str) -> errors.FpgaError:
    """Return the FpgaError for a call that ended with another exit code than 0.

    :param called: the executable and its subcommand
    """
    code = done.exit_code
    message = _message(done)
    if code in _ROOTWRAP_HINTS:
        return errors.ConfigurationInvalid(
            f"{called} was not run: {_ROOTWRAP_HINTS[code]} ({message or f'exit {code}'})"
        )
    if message.startswith("sudo: "):
        return errors.ConfigurationInvalid(
            f"{called} was not run: sudo refuses; a sudoers rule must let this user run rootwrap without a password "
            f"({message})"
        )
    if code < 0:
        return errors.FpgaError(f"{called} was ended by signal {-code}{': ' + message if message else ''}")
    return _ERROR_CLASSES.get(code, errors.FpgaError)(message or f"{called} failed with exit code {code} and no word")


def _message(done: CommandResult) -> str:
    """Return the tool's message: its last line `Error: ...` without that word, else all its output.

    sudo and loggers write to the same stderr, so the line is looked for; tools of 2016 wrote it to stdout.
    """
    for text in (done.stderr, done.stdout):
        for line in reversed(text.splitlines()):
            if line.startswith("Error: "):
                return errors.one_line(line[len("Error: ") :])
    return errors.one_line(done.stderr.strip() or done.stdout.strip())
