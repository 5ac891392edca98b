# SPDX-License-Identifier: Apache-2.0
"""Finds Nova's services that run on this host, and asks the Python of each what it has, by proc(5)."""

from __future__ import annotations

import dataclasses
import functools
import json
import os
import pathlib
import pwd
import re
import subprocess
from typing import Any

from fpga_nova import errors

# The script of a service within a command line, also within a title of setproctitle.
_SCRIPT = re.compile(
    r"(?:^|[\s\0\[])(/[^\s\0\[\]]*/(nova-(?:api-os-compute|api|compute|conductor|scheduler)))(?=$|[\s\0\]])"
)

# Prints the packages that an interpreter has, as JSON. Runs on any Python 3, with nothing of ours.
_PROBE = """\
import importlib.metadata as m, importlib.util as u, json
def version(name):
    try:
        return m.version(name)
    except m.PackageNotFoundError:
        return None
spec = u.find_spec("nova")
print(json.dumps({"nova": spec and spec.origin, "version": version("nova"), "fpga_nova": version("fpga-nova")}))
"""


@dataclasses.dataclass(frozen=True)
class Service:
    """A service that runs.

    :param started: seconds since the epoch
    """

    name: str
    pid: int
    uid: int
    script: pathlib.Path
    started: float

    def __str__(self) -> str:
        return f"{self.name} ({self.pid})"


@dataclasses.dataclass(frozen=True)
class Python:
    """The packages that an interpreter has.

    :param nova: package directory of its Nova, or None
    :param fpga_nova: version of its fpga-nova, or None
    """

    path: str
    nova: pathlib.Path | None
    fpga_nova: str | None


class InterpreterUnknown(errors.FpgaError):
    """An interpreter does not tell what it has; the text says why."""


def services() -> tuple[list[Service], bool]:
    """Return Nova's services in our mount namespace, and whether all processes could be looked at."""
    ours = pathlib.Path("/proc/self/ns/mnt").readlink()
    boot = _boot_time()
    found, complete = [], True
    for entry in pathlib.Path("/proc").iterdir():
        if not entry.name.isdigit():
            continue
        try:
            match = _SCRIPT.search((entry / "cmdline").read_bytes().decode(errors="replace"))
            # Kernel threads have no command line; others need no look at their namespace.
            if match is None or (entry / "ns/mnt").readlink() != ours:
                continue
            fields = (entry / "stat").read_text().rpartition(")")[2].split()
            started = boot + int(fields[19]) / os.sysconf("SC_CLK_TCK")
            uid = entry.stat().st_uid
        except PermissionError:
            complete = False
        except (OSError, ValueError, IndexError):  # it has ended meanwhile
            continue
        else:
            found.append(Service(match[2], int(entry.name), uid, pathlib.Path(match[1]), started))
    return sorted(found, key=lambda service: (service.name, service.pid)), complete


def interpreter(script: pathlib.Path) -> str:
    """Return the interpreter that a script's first line names.

    :raises InterpreterUnknown: it names none
    """
    try:
        with script.open("rb") as file:
            first = file.readline(512).decode(errors="replace").strip()
    except OSError as error:
        raise InterpreterUnknown(f"{script} cannot be read: {error.strerror}") from error
    words = first[2:].split() if first.startswith("#!") else []
    if not words or not words[0].startswith("/") or pathlib.PurePath(words[0]).name == "env":
        raise InterpreterUnknown(f"{script} does not name its interpreter")
    return words[0]


@functools.cache
def probe(python: str, uid: int) -> Python:
    """Ask an interpreter what it has, as the user `uid`.

    Any user may name a process like a service of Nova, and must not make root run a program by that.

    :raises InterpreterUnknown: it does not answer
    """
    try:
        done = subprocess.run(
            [python, "-c", _PROBE],
            cwd="/", stdin=subprocess.DEVNULL, capture_output=True, text=True, timeout=60, check=False,
            **as_user(uid),
        )  # fmt: skip
        said: dict[str, Any] = json.loads(done.stdout)
        nova = pathlib.Path(said["nova"]).resolve().parent if said["nova"] else None
        return Python(python, nova, said["fpga_nova"])
    except (OSError, subprocess.SubprocessError, ValueError, KeyError, TypeError) as error:
        raise InterpreterUnknown(f"{python} does not say what it has: {error}") from error


def as_user(uid: int) -> dict[str, Any]:
    """Return the arguments that make subprocess.run run as `uid`, with nothing of root's left; none for ourselves."""
    if os.geteuid() == uid:
        return {}
    try:
        user = pwd.getpwuid(uid)
    except KeyError:
        return {"user": uid, "group": uid, "extra_groups": []}
    groups = os.getgrouplist(user.pw_name, user.pw_gid)
    return {"user": uid, "group": user.pw_gid, "extra_groups": groups}


def _boot_time() -> float:
    for line in pathlib.Path("/proc/stat").read_text().splitlines():
        if line.startswith("btime "):
            return float(line.split()[1])
    return 0.0
