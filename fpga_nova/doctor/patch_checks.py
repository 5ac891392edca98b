# SPDX-License-Identifier: Apache-2.0
"""The patch: in the Nova of this Python and of each service that runs, by one version of fpga-nova."""

from __future__ import annotations

import importlib.metadata
import pathlib
import sys

from fpga_nova import errors
from fpga_nova.doctor import processes
from fpga_nova.doctor.findings import FailureFound, Finding, NotApplicable, Passed, WarningFound, raise_worst
from fpga_nova.doctor.inspected_host import HostInspection
from fpga_nova.patcher import locate, series
from fpga_nova.patcher.tree import State, Status, Tree

#: Seconds that the start of a process may be off: the kernel gives the time of boot in whole ones (proc(5), btime).
_CLOCK = 2

_FIX = {
    State.NOT_APPLIED: "run `fpga-nova patch apply`",
    State.PARTLY: "run `fpga-nova patch apply`",
    State.CHANGED: "run `fpga-nova patch status`, then `fpga-nova patch apply`",
    State.OTHER_PATCHES: "run `fpga-nova patch apply`, then `nova-manage db sync`",
}


def check_configuration(host: HostInspection) -> str:
    """Nova's configuration can be read, and says what this host is."""
    try:
        host.load_conf()
    except errors.ConfigurationInvalid as error:
        raise FailureFound(str(error)) from error
    if not host.roles:
        raise WarningFound(
            "no service of Nova is seen here, and nova.conf has neither a database nor a compute_driver; name what "
            "this host runs with --role"
        )
    return f"this host is: {', '.join(sorted(host.roles))}"


def check_patch(host: HostInspection) -> str:
    """The Nova of this interpreter is patched."""
    try:
        nova = locate.find(None)
        status = Tree(nova, series.load()).status()
    except errors.FpgaError as error:
        raise FailureFound(f"{error}") from error
    if status.state is not State.APPLIED:
        # Nova makes objects older for older peers, but no conductor can read what it does not know itself.
        urgent = "; patched compute hosts do not work under this controller until then" if host.controls else ""
        raise FailureFound(
            f"Nova {nova.version} at {nova.package} is {_without_advice(status)}; {_FIX[status.state]}{urgent}"
        )
    return f"Nova {nova.version} at {nova.package}: {status.text}"


def check_services(host: HostInspection) -> Passed:
    """Each service of Nova that runs here has the patch, and was started after it."""
    running, complete = host.services
    found: list[Finding] = []
    for service in running:
        try:
            python = processes.probe(processes.interpreter(service.script), service.uid)
            _check_service(service, python)
        except processes.InterpreterUnknown as error:
            found.append(WarningFound(f"{service}: {error}"))
        except Finding as finding:
            found.append(finding)
    if not complete:
        found.append(WarningFound("not all processes could be looked at; run the doctor as root"))
    raise_worst(found)
    if not running:
        return NotApplicable("no service of Nova is seen to run here (an API inside of a web server is not seen)")
    return ", ".join(map(str, running))


def _check_service(service: processes.Service, python: processes.Python) -> None:
    if python.nova is None:
        raise WarningFound(f"{service}: {python.path} has no Nova of its own; look at that service by hand")
    try:
        status = Tree(locate.find(python.nova), series.load()).status()
    except errors.FpgaError as error:
        raise FailureFound(f"{service}: {error}") from error
    if status.state is not State.APPLIED:
        raise FailureFound(
            f"{service} runs {python.nova}, which is {_without_advice(status)}; {_FIX[status.state]} with {python.path}"
        )
    if python.fpga_nova is None:
        raise FailureFound(f"{service} runs a patched Nova, but {python.path} has no fpga-nova; install it there")
    if service.started + _CLOCK < _patched_at(python.nova):
        raise FailureFound(f"{service} was started before Nova was patched; restart it")


def _without_advice(status: Status) -> str:
    """Return what a status says, without what it advises."""
    return status.text.partition(";")[0]


def _patched_at(nova: pathlib.Path) -> float:
    """Return when the patch was applied, in seconds since the epoch: the newest of the files that it changed."""
    return max((nova / name).stat().st_mtime for name in series.load().files())


def check_versions(host: HostInspection) -> str:
    """All Pythons that take part have the same fpga-nova."""
    try:
        ours = importlib.metadata.version("fpga-nova")
    except importlib.metadata.PackageNotFoundError:
        raise WarningFound(f"fpga-nova is not installed into {sys.executable}; it runs from a source tree") from None
    pythons = {(processes.interpreter(service.script), service.uid) for service in host.services[0]}
    found: list[Finding] = []
    for path, uid in sorted(pythons):
        try:
            other = processes.probe(path, uid).fpga_nova
        except processes.InterpreterUnknown as error:
            found.append(WarningFound(str(error)))
            continue
        if other is not None and other != ours:
            found.append(
                FailureFound(f"{path} has fpga-nova {other}, {sys.executable} has {ours}; install one version")
            )
    raise_worst(found)
    return f"fpga-nova {ours}"
