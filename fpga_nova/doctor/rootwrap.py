# SPDX-License-Identifier: Apache-2.0
"""Whether rootwrap lets nova-compute run fpga-cli as root, and nothing more.

What is admitted is found out by oslo.rootwrap's own matching (oslo_rootwrap.wrapper.match_filter) over the filters
that it loads from the very rootwrap.conf that nova-compute uses.
"""

from __future__ import annotations

import configparser
import dataclasses
import pathlib
import sys
from typing import Any

from oslo_rootwrap import wrapper

from fpga_nova.clients import fpga_cli_runner
from fpga_nova.doctor import guarded
from fpga_nova.doctor.findings import DoesNotApply, Doubtful, Failed, Finding, NotChecked, worst
from fpga_nova.doctor.inspected_host import HostInspection

# Made-up ids of an image or a region, a server, and a project.
_ID = "dd834aa4-f950-40e6-8c23-9dab7f3f0138"
_SERVER = "3f2c3f6a-33f4-4d59-8f0b-4b2e6a3e9a10"
_PROJECT = "6f70656e737461636b20342065766572"

# What fpga_nova.clients.fpga_cli_runner calls: the contract, and what it calls beyond it of our own fpga-cli.
_CONTRACT = (("status",), ("burn", _ID), ("erase", _ID))
_OWN = (
    ("list", "-f", "json"),
    ("burn", "--owner", _SERVER, "--project", _PROJECT, _ID),
    ("erase", "--owner", _SERVER),
    ("erase", "--owner", _SERVER, _ID),
)

# Arguments that no call has, each of which would give away something: another configuration, a local archive, a
# command for operators, an id that is none. Those of a stand-in are its own business beyond the contract.
_NEVER = (
    (),
    ("--help",),
    ("--config-file", "/tmp/x", "status"),  # noqa: S108 - never opened
    ("--config-file=/tmp/x", "status"),
    ("status", "--config-file", "/tmp/x"),  # noqa: S108
    ("burn", "--config-file", "/tmp/x", _ID),  # noqa: S108
    ("burn", "--file", "/tmp/x"),  # noqa: S108
    ("burn", "--file=/tmp/x"),
    ("burn", "--file", _ID),
    ("burn",),
    ("erase",),
    ("erase", "--all"),
)
_NEVER_OWN = (
    ("burn", "../../x"),
    ("burn", f" {_ID}"),
    ("burn", _ID.upper()),
    ("burn", "--owner", "--file", _ID),
    ("burn", "--owner", _SERVER, "--project", "--file", _ID),
    ("burn", "--owner", _SERVER, "--file", _PROJECT, _ID),
    ("erase", "../../x"),
    ("erase", "--owner"),
    ("release", _ID),
    ("recover",),
    ("quarantine", _ID),
    ("list",),
)

#: What no filter for Nova may admit, whatever else the file has.
_SHELL = (("sh", "-c", "id"), ("/bin/sh", "-c", "id"))


@dataclasses.dataclass(frozen=True)
class Rootwrap:
    """What rootwrap.conf says.

    :param files: itself, the directories of filters that are there, and the files in them
    """

    path: pathlib.Path
    directories: list[str]
    exec_dirs: list[str]
    filters: list[Any]
    files: list[pathlib.Path]

    def admits(self, *words: str) -> str | None:
        """Return the name of the filter that admits this command line, or None."""
        try:
            match: Any = wrapper.match_filter(self.filters, list(words), exec_dirs=self.exec_dirs)
        except wrapper.NoFilterMatched:
            return None
        except wrapper.FilterMatchNotExecutable as error:
            match = error.match
        return f"{getattr(match, 'name', None) or match.exec_path} ({type(match).__name__})"


def load(host: HostInspection) -> Rootwrap:
    """Read the rootwrap.conf that nova-compute uses, and its filters.

    :raises DoesNotApply: nova-compute needs no rootwrap here
    :raises Finding: it cannot be used
    """
    host.require_fpga()
    if host.nova_uid == 0:
        raise DoesNotApply("nova-compute runs as root, and rootwrap is not in between")
    if host.conf.workarounds.disable_rootwrap:
        raise Doubtful("[workarounds] disable_rootwrap is on, so sudo alone decides what Nova may do; turn it off")
    path = pathlib.Path(host.conf.rootwrap_config)
    parser = configparser.RawConfigParser()
    try:
        with path.open(encoding="utf-8") as file:
            parser.read_file(file)
        config = wrapper.RootwrapConfig(parser)
        directories = [directory for directory in config.filters_path if pathlib.Path(directory).is_dir()]
        filters = wrapper.load_filters(config.filters_path)
        below = [each for directory in directories for each in sorted(pathlib.Path(directory).iterdir())]
    except PermissionError as error:
        raise NotChecked(f"{error.filename} may not be read; run the doctor as root") from error
    except FileNotFoundError as error:
        raise Failed(f"{path} is not there; see [DEFAULT] rootwrap_config") from error
    except (OSError, configparser.Error, ValueError, TypeError) as error:
        raise Failed(f"{path} or a filter file that it leads to cannot be read: {error}") from error
    return Rootwrap(
        path, config.filters_path, config.exec_dirs, filters, [path, *map(pathlib.Path, directories), *below]
    )


def admission(host: HostInspection) -> str:
    """What nova-compute needs is admitted, and nothing else of the executable."""
    rootwrap = load(host)
    command = host.conf.fpga_exec
    if not command:
        raise NotChecked("fpga_exec is not set")
    own = pathlib.PurePath(command).name == fpga_cli_runner.OWN_NAME
    missing = [words for words in (*_CONTRACT, *(_OWN if own else ())) if rootwrap.admits(command, *words) is None]
    found: list[Finding] = []
    if missing:
        found.append(Failed(f"`{command} {' '.join(missing[0])}' is not admitted; {_remedy(rootwrap, command, own)}"))
    loose = [
        (words, name)
        for words in [*((command, *each) for each in _unwanted(own)), *_SHELL]
        if (name := rootwrap.admits(*words))
    ]
    if loose:
        words, name = loose[0]
        more = f", and {len(loose) - 1} more command lines" if len(loose) > 1 else ""
        found.append(
            Failed(
                f"the filter {name} admits {' '.join(words)!r}{more}, which Nova never uses; take it out of "
                f"{', '.join(rootwrap.directories)}"
            )
        )
    worst(found)
    return f"what Nova calls is admitted, and of {len(_unwanted(own)) + len(_SHELL)} other command lines none"


def files(host: HostInspection) -> str:
    """Only root can change what decides on what runs as root."""
    rootwrap = load(host)
    for path in rootwrap.files:
        try:
            why = guarded.changeable(path)
        except OSError as error:
            raise NotChecked(f"{path}: {error.strerror}; run the doctor as root") from error
        if why:
            raise Failed(f"{why}, and so decide what runs as root; chown root, chmod go-w")
    return f"{len(rootwrap.files)} files and directories can be changed by root only"


def _remedy(rootwrap: Rootwrap, command: str, own: bool) -> str:
    if own and command != fpga_cli_runner.OWN_NAME:
        return f"the filter knows the bare name: fpga_exec = {fpga_cli_runner.OWN_NAME}"
    target = next((each for each in rootwrap.directories if each), "a directory of filters_path")
    if not own:
        return f"write a filter for it into {target}, as the head of fpga.filters says"
    shipped = pathlib.Path(sys.prefix) / "etc/nova/rootwrap.d/fpga.filters"
    source = str(shipped) if shipped.is_file() else "etc/nova/rootwrap.d/fpga.filters of fpga-nova"
    return f"copy {source} into {target}"


def _unwanted(own: bool) -> list[tuple[str, ...]]:
    """Return the arguments that must not be admitted: those above, and each good call bent a little."""
    unwanted = list(_NEVER)
    if own:
        unwanted += _NEVER_OWN
    for words in [*_CONTRACT, *(_OWN if own else ())]:
        unwanted.append((*words, "--debug"))
        # A stand-in's ids are of any form, so that only a line break at the end of an image's id is surely wrong.
        for index in range(len(words)) if own or words[0] != "erase" else [0]:
            unwanted.append((*words[:index], words[index] + "\n", *words[index + 1 :]))
    return unwanted
