# SPDX-License-Identifier: Apache-2.0
"""rootwrap: whether it lets nova-compute run fpga-cli as root, and nothing more."""

from __future__ import annotations

import pathlib
import sys

from fpga_nova.clients import fpga_cli_runner
from fpga_nova.doctor import root_only, rootwrap
from fpga_nova.doctor.findings import FailureFound, Finding, Passed, raise_worst
from fpga_nova.doctor.inspected_host import HostInspection
from fpga_nova.doctor.rootwrap import Rootwrap

# Made-up ids of an image or a region, a server, and a project.
_ID = "dd834aa4-f950-40e6-8c23-9dab7f3f0138"
_SERVER = "3f2c3f6a-33f4-4d59-8f0b-4b2e6a3e9a10"
_PROJECT = "6f70656e737461636b20342065766572"

# The calls of fpga_nova.clients.fpga_cli_runner: the contract, and those beyond it of our own fpga-cli.
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

#: Command lines that no filter for Nova may admit, whatever else the file has.
_SHELL = (("sh", "-c", "id"), ("/bin/sh", "-c", "id"))


def check_admission(host: HostInspection) -> Passed:
    """Rootwrap admits the calls that nova-compute needs, and nothing else of the executable."""
    unused = rootwrap.not_between(host)
    if unused:
        return unused
    loaded = rootwrap.load(host)
    command = host.fpga_exec
    own = host.runs_own_fpga_cli
    missing = [words for words in (*_CONTRACT, *(_OWN if own else ())) if loaded.admits(command, *words) is None]
    found: list[Finding] = []
    if missing:
        found.append(
            FailureFound(f"`{command} {' '.join(missing[0])}' is not admitted; {_remedy(loaded, command, own)}")
        )
    loose = [
        (words, name)
        for words in [*((command, *each) for each in _unwanted(own)), *_SHELL]
        if (name := loaded.admits(*words))
    ]
    if loose:
        words, name = loose[0]
        more = f", and {len(loose) - 1} more command lines" if len(loose) > 1 else ""
        found.append(
            FailureFound(
                f"the filter {name} admits {' '.join(words)!r}{more}, which Nova never uses; take it out of "
                f"{', '.join(loaded.directories)}"
            )
        )
    raise_worst(found)
    return f"what Nova calls is admitted, and of {len(_unwanted(own)) + len(_SHELL)} other command lines none"


def check_files(host: HostInspection) -> Passed:
    """Only root can change what decides on what runs as root."""
    unused = rootwrap.not_between(host)
    if unused:
        return unused
    files = rootwrap.load(host).files
    root_only.require(files, "and so decide what runs as root")
    return f"{len(files)} files and directories can be changed by root only"


def _remedy(loaded: Rootwrap, command: str, own: bool) -> str:
    if own and command != fpga_cli_runner.OWN_NAME:
        return f"the filter knows the bare name: fpga_exec = {fpga_cli_runner.OWN_NAME}"
    target = next((each for each in loaded.directories if each), "a directory of filters_path")
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
