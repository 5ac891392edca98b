# SPDX-License-Identifier: Apache-2.0
"""The compute host: its options, fpga-cli's own configuration, and whether nova-compute's user gets an answer."""

from __future__ import annotations

import os
import pathlib
import pwd
import shutil
import subprocess
import sys

from fpga_nova import errors, paths
from fpga_nova.clients import fpga_cli_runner
from fpga_nova.doctor import guarded, processes, rootwrap
from fpga_nova.doctor.findings import DoesNotApply, Doubtful, Failed, Finding, NotChecked, worst
from fpga_nova.doctor.inspected_host import HostInspection

#: Seconds for a status through sudo and rootwrap, with the imports of three interpreters.
_PATIENCE = fpga_cli_runner.QUERY_TIMEOUT + 30


def options(host: HostInspection) -> str:
    """The options of nova-compute are there and do not contradict each other."""
    conf = host.conf
    if not conf.fpga_access:
        if conf.fpga_exec or os.access(host.fpga_config, os.F_OK):
            what = "fpga_exec is set" if conf.fpga_exec else f"{host.fpga_config} is there"
            raise Doubtful(f"{what}, but FPGAs are off; if they should not be, [DEFAULT] fpga_access = True")
        raise DoesNotApply("fpga_access is False on this host")
    found: list[Finding] = []
    if not conf.fpga_exec:
        found.append(Failed("fpga_access is True, but fpga_exec is not set; [DEFAULT] fpga_exec = fpga-cli"))
    if conf.fpga_simulation_mode:
        found.append(
            Doubtful("nothing is programmed, servers get no device; for real, [DEFAULT] fpga_simulation_mode = False")
        )
    try:
        endpoints = str(pathlib.Path(host.fpga.fpga.run_path) / paths.ENDPOINTS)
    except (errors.FpgaError, NotChecked):
        pass  # the checks of fpga-cli's configuration say so
    else:
        if os.path.normpath(conf.fpga.endpoint_path) != os.path.normpath(endpoints):
            found.append(
                Failed(
                    f"nova.conf has [fpga] endpoint_path = {conf.fpga.endpoint_path}, but fpga-cli puts the endpoints "
                    f"into {endpoints}; make them the same"
                )
            )
    worst(found)
    return f"fpga_exec is {conf.fpga_exec}"


def executable(host: HostInspection) -> str:
    """The executable is there, and only root can change it."""
    host.require_fpga()
    command = host.conf.fpga_exec
    if not command:
        raise NotChecked("fpga_exec is not set")
    path = pathlib.Path(command)
    if not path.is_absolute():
        if len(path.parts) > 1:
            raise Failed(f"fpga_exec is {command}, a relative path; give a bare name or an absolute path")
        path = _in_exec_dirs(host, command)
    if not os.access(path, os.X_OK) or not path.is_file():
        raise Failed(f"fpga_exec is {command}, but {path} is not an executable file; install fpga-nova there")
    what = [path]
    try:
        what.append(pathlib.Path(processes.interpreter(path)))
    except processes.Unknown:
        pass  # it is no script, or one of env(1)
    else:
        if path.name == fpga_cli_runner.OWN_NAME and what[-1].resolve() == pathlib.Path(sys.executable).resolve():
            what.append(pathlib.Path(paths.__file__).parent)
    try:
        reasons = [why for each in what if (why := guarded.changeable(each))]
    except OSError as error:
        raise NotChecked(f"{error.filename}: {error.strerror}; run the doctor as root") from error
    if reasons:
        raise Failed(f"{reasons[0]}, and {command} runs as root; chown root, chmod go-w")
    return str(path)


def _in_exec_dirs(host: HostInspection, command: str) -> pathlib.Path:
    """Return where rootwrap, or what starts it without rootwrap, finds `command`."""
    try:
        places, what = rootwrap.load(host).exec_dirs, "exec_dirs of rootwrap.conf"
    except (DoesNotApply, Doubtful):
        places, what = os.get_exec_path(), "directories of PATH"
    found = shutil.which(command, path=os.pathsep.join(places))
    if found is None:
        raise Failed(f"{command} is in none of the {what} ({', '.join(places)}); add its directory to them")
    return pathlib.Path(found)


def configuration(host: HostInspection) -> str:
    """fpga-cli's configuration is root's alone and can be used."""
    require_own(host)
    path = host.fpga_config
    try:
        state = path.stat()
    except FileNotFoundError:
        raise Failed(f"{path} is not there, so fpga-cli has no card; write it, mode 0600, owner root") from None
    except OSError as error:
        raise NotChecked(f"{path}: {error.strerror}; run the doctor as root") from error
    if state.st_uid != 0 or state.st_mode & 0o077:
        raise Failed(f"{path} must be root's alone; chown root:root {path}; chmod 0600 {path}")
    from fpga_nova import host_config as cli_options

    cli_options.admission_rules(host.fpga)
    return f"{path}: drivers {', '.join(host.fpga.fpga.devices)}"


def status(host: HostInspection) -> str:
    """nova-compute's user gets an answer of the executable by the way that nova-compute goes."""
    host.require_fpga()
    conf = host.conf
    if not conf.fpga_exec:
        raise NotChecked("fpga_exec is not set")
    uid = host.nova_uid
    if uid is None:
        raise NotChecked("there is no user nova here; name the user of nova-compute with --nova-user")
    if os.geteuid() not in (0, uid):
        raise NotChecked("it takes root, or the user of nova-compute, to try; run the doctor as root")
    from nova import utils

    # A session of its own, so that sudo has no terminal to ask for a password on.
    command = [sys.executable, "-m", "fpga_nova.doctor.ask_status", conf.fpga_exec, utils.get_root_helper()]
    try:
        done = subprocess.run(
            command, cwd="/", stdin=subprocess.DEVNULL, capture_output=True, text=True, timeout=_PATIENCE, check=False,
            start_new_session=True, **processes.as_user(uid),
        )  # fmt: skip
    except PermissionError as error:
        raise Failed(f"{_name(uid)} may not run {sys.executable}; every user must be able to") from error
    except subprocess.TimeoutExpired as error:
        raise Failed(f"{conf.fpga_exec} status gave {_name(uid)} no answer in {_PATIENCE} seconds") from error
    said = errors.one_line((done.stdout or done.stderr).strip())
    if done.returncode != 0:
        raise Failed(f"as {_name(uid)}: {said}")
    if said.endswith("/0"):
        raise Doubtful(f"as {_name(uid)}: {said}; fpga-cli has no card: see the devices in its configuration")
    return f"as {_name(uid)}: {said}"


def require_own(host: HostInspection) -> None:
    """Return if this host's FPGAs are to be used, and by our own fpga-cli.

    :raises DoesNotApply: they are not
    """
    host.require_fpga()
    if host.conf.fpga_exec and pathlib.PurePath(host.conf.fpga_exec).name != fpga_cli_runner.OWN_NAME:
        raise DoesNotApply(f"{host.conf.fpga_exec} stands in for fpga-cli")


def _name(uid: int) -> str:
    try:
        return pwd.getpwuid(uid).pw_name
    except KeyError:
        return f"the user {uid}"
