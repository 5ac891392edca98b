# SPDX-License-Identifier: Apache-2.0
"""The compute host: nova-compute's options, fpga-cli and its configuration, and the way from one to the other."""

from __future__ import annotations

import os
import pathlib
import pwd
import shutil
import subprocess
import sys

from fpga_nova import errors, host_config, paths
from fpga_nova.clients import fpga_cli_runner
from fpga_nova.doctor import processes, root_only, rootwrap
from fpga_nova.doctor.findings import FailureFound, Finding, NotChecked, Passed, WarningFound, raise_worst
from fpga_nova.doctor.inspected_host import HostInspection

#: Seconds for a status through sudo and rootwrap, with the imports of three interpreters.
_PATIENCE = fpga_cli_runner.QUERY_TIMEOUT + 30


def check_options(host: HostInspection) -> Passed:
    """The options of nova-compute are there and do not contradict each other."""
    conf = host.conf
    unused = host.without_fpga()
    if unused:
        if conf.fpga_exec or os.access(host.fpga_config, os.F_OK):
            what = "fpga_exec is set" if conf.fpga_exec else f"{host.fpga_config} is there"
            raise WarningFound(f"{what}, but FPGAs are off; if they should not be, [DEFAULT] fpga_access = True")
        return unused
    found: list[Finding] = []
    if not conf.fpga_exec:
        found.append(FailureFound("fpga_access is True, but fpga_exec is not set; [DEFAULT] fpga_exec = fpga-cli"))
    if conf.fpga_simulation_mode:
        found.append(
            WarningFound(
                "nothing is programmed, servers get no device; for real, [DEFAULT] fpga_simulation_mode = False"
            )
        )
    try:
        endpoints = str(pathlib.Path(host.fpga.fpga.run_path) / paths.ENDPOINTS)
    except (errors.FpgaError, NotChecked):
        pass  # the checks of fpga-cli's configuration say so
    else:
        if os.path.normpath(conf.fpga.endpoint_path) != os.path.normpath(endpoints):
            found.append(
                FailureFound(
                    f"nova.conf has [fpga] endpoint_path = {conf.fpga.endpoint_path}, but fpga-cli puts the endpoints "
                    f"into {endpoints}; make them the same"
                )
            )
    raise_worst(found)
    return f"fpga_exec is {conf.fpga_exec}"


def check_executable(host: HostInspection) -> Passed:
    """The executable is there, and only root can change it."""
    unused = host.without_fpga()
    if unused:
        return unused
    command = host.fpga_exec
    path = pathlib.Path(command)
    if not path.is_absolute():
        if len(path.parts) > 1:
            raise FailureFound(f"fpga_exec is {command}, a relative path; give a bare name or an absolute path")
        path = _in_exec_dirs(host, command)
    if not os.access(path, os.X_OK) or not path.is_file():
        raise FailureFound(f"fpga_exec is {command}, but {path} is not an executable file; install fpga-nova there")
    root_only.require(_run_with(path), f"and {command} runs as root")
    return str(path)


def _run_with(path: pathlib.Path) -> list[pathlib.Path]:
    """Return the executable, its interpreter, and our package where it is that interpreter's."""
    found = [path]
    try:
        found.append(pathlib.Path(processes.interpreter(path)))
    except processes.InterpreterUnknown:
        return found  # it is not a script, or one of env(1)
    if path.name == fpga_cli_runner.OWN_NAME and found[-1].resolve() == pathlib.Path(sys.executable).resolve():
        found.append(pathlib.Path(paths.__file__).parent)
    return found


def _in_exec_dirs(host: HostInspection, command: str) -> pathlib.Path:
    """Return where rootwrap, or what starts it without rootwrap, finds `command`."""
    try:
        loaded = None if rootwrap.not_between(host) else rootwrap.load(host)
    except WarningFound:  # the checks of rootwrap say so
        loaded = None
    if loaded is None:
        places, what = os.get_exec_path(), "directories of PATH"
    else:
        places, what = loaded.exec_dirs, "exec_dirs of rootwrap.conf"
    found = shutil.which(command, path=os.pathsep.join(places))
    if found is None:
        raise FailureFound(f"{command} is in none of the {what} ({', '.join(places)}); add its directory to them")
    return pathlib.Path(found)


def check_configuration(host: HostInspection) -> Passed:
    """fpga-cli's configuration is root's alone and can be used."""
    foreign = host.without_own_fpga_cli()
    if foreign:
        return foreign
    path = host.fpga_config
    try:
        state = path.stat()
    except FileNotFoundError:
        raise FailureFound(f"{path} is not there, so fpga-cli has no card; write it, mode 0600, owner root") from None
    except OSError as error:
        raise NotChecked(f"{path}: {error.strerror}; run the doctor as root") from error
    if state.st_uid != 0 or state.st_mode & 0o077:
        raise FailureFound(f"{path} must be root's alone; chown root:root {path}; chmod 0600 {path}")
    host_config.admission_rules(host.fpga)
    return f"{path}: drivers {', '.join(host.fpga.fpga.devices)}"


def check_status(host: HostInspection) -> Passed:
    """nova-compute's user gets an answer of the executable by the way that nova-compute goes."""
    unused = host.without_fpga()
    if unused:
        return unused
    fpga_exec = host.fpga_exec
    uid = host.nova_uid
    if uid is None:
        raise NotChecked("there is no user nova here; name the user of nova-compute with --nova-user")
    if os.geteuid() not in (0, uid):
        raise NotChecked("it takes root, or the user of nova-compute, to try; run the doctor as root")
    from nova import utils

    # A session of its own, so that sudo has no terminal to ask for a password on.
    command = [sys.executable, "-m", "fpga_nova.doctor.ask_status", fpga_exec, utils.get_root_helper()]
    try:
        done = subprocess.run(
            command, cwd="/", stdin=subprocess.DEVNULL, capture_output=True, text=True, timeout=_PATIENCE, check=False,
            start_new_session=True, **processes.as_user(uid),
        )  # fmt: skip
    except PermissionError as error:
        raise FailureFound(f"{_user_name(uid)} may not run {sys.executable}; every user must be able to") from error
    except subprocess.TimeoutExpired as error:
        raise FailureFound(f"{fpga_exec} status gave {_user_name(uid)} no answer in {_PATIENCE} seconds") from error
    said = errors.one_line((done.stdout or done.stderr).strip())
    if done.returncode != 0:
        raise FailureFound(f"as {_user_name(uid)}: {said}")
    if said.endswith("/0"):
        raise WarningFound(f"as {_user_name(uid)}: {said}; fpga-cli has no card: see the devices in its configuration")
    return f"as {_user_name(uid)}: {said}"


def _user_name(uid: int) -> str:
    try:
        return pwd.getpwuid(uid).pw_name
    except KeyError:
        return f"the user {uid}"
