# SPDX-License-Identifier: Apache-2.0
"""Keeps a Nova of Debian's packages patched when they are upgraded, or warns that it is unpatched.

This module makes and installs a package of a few lines with a dpkg trigger on Nova's directory. A trigger that is
awaited (deb-triggers(5), `interest`) is processed after the files of an upgrade are in place and before dpkg configures
the packages that depend on them, so before these restart their services: the services come up patched. A hook of apt
would run after all of that, and not at all for `dpkg --install`.
"""

from __future__ import annotations

import enum
import os
import pathlib
import shlex
import subprocess
import sys
import syslog
import tempfile

from fpga_nova import errors
from fpga_nova.patcher import locate, series
from fpga_nova.patcher import record as records
from fpga_nova.patcher.locate import Nova
from fpga_nova.patcher.tree import Refused, State, Tree

#: Name of the package.
PACKAGE = "fpga-nova-watch"

_CONTROL = """\
Package: {package}
Version: 1
Architecture: all
Maintainer: fpga-nova patch watch <root@localhost>
Fpga-Nova-Watch: {mode}
Description: {summary}
 Made by `fpga-nova patch watch` on this machine; `fpga-nova patch watch off` removes it.
"""

_SUMMARY = {
    "reapply": "patches Nova again when its packages are upgraded",
    "warn": "says so when an upgrade of Nova's packages took its patch away",
}

# The upgrade must go on in any case: a failing trigger would leave Nova's packages half configured.
_POSTINST = """\
#!/bin/sh
[ "$1" = triggered ] || exit 0
{command} ||
    echo "*** fpga-nova: see above; \\`fpga-nova patch status\\` tells how Nova at {nova} is." >&2
exit 0
"""


class Mode(str, enum.Enum):
    """The reaction to an upgrade that has replaced the patched files."""

    REAPPLY = "reapply"
    WARN = "warn"
    OFF = "off"


def current() -> Mode:
    """Return the mode that is set up on this machine.

    :raises Refused: there is no dpkg here
    """
    query = ["dpkg-query", "--show", "--showformat", "${db:Status-Status} ${Fpga-Nova-Watch}", PACKAGE]
    done = _run(query)
    installed, _, mode = done.stdout.partition(" ")
    return Mode(mode) if done.returncode == 0 and installed == "installed" else Mode.OFF


def remove() -> None:
    """Remove the package, if it is there.

    :raises Refused: dpkg refused
    """
    if current() is not Mode.OFF:
        _require(_run(["dpkg", "--purge", PACKAGE]))


def install(mode: Mode, nova: Nova) -> None:
    """Install the package that watches `nova`; it takes the place of one with another mode.

    :raises Refused: dpkg refused, or `nova` is of no Debian package
    """
    if _run(["dpkg-query", "--search", str(nova.package / "__init__.py")]).returncode != 0:
        raise Refused(
            f"{nova.package} is of no Debian package, so there is nothing to watch; run `fpga-nova patch apply` after "
            "each upgrade of that Nova"
        )
    # Isolated: neither the environment nor the directory that dpkg runs in decides on imports.
    command = [sys.executable, "-I", "-m", "fpga_nova.patcher.cli", "patch", "upgraded", f"--nova={nova.package}"]
    if mode is Mode.REAPPLY:
        command.append("--reapply")
    files = {
        "control": _CONTROL.format(package=PACKAGE, mode=mode.value, summary=_SUMMARY[mode.value]),
        "triggers": f"interest {nova.package}\n",
        "postinst": _POSTINST.format(command=shlex.join(command), nova=nova.package),
    }
    with tempfile.TemporaryDirectory(prefix="fpga-nova-") as scratch:
        control = pathlib.Path(scratch) / PACKAGE / "DEBIAN"
        control.mkdir(parents=True)
        for name, text in files.items():
            (control / name).write_text(text, encoding="utf-8")
            (control / name).chmod(0o755 if name == "postinst" else 0o644)
        for directory in (control.parent, control):
            directory.chmod(0o755)
        package = f"{scratch}/{PACKAGE}.deb"
        _require(_run(["dpkg-deb", "--root-owner-group", "--build", str(control.parent), package]))
        _require(_run(["dpkg", "--install", package]))


def upgraded(path: pathlib.Path | None, reapply: bool) -> int:
    """Check a Nova whose package was just changed; return 0 if all is well, else 1.

    If the upgrade removed the patch, it is applied again with `reapply`, and else a warning is given. A Nova that was
    never patched, or whose patch was reverted, is left alone.

    :param path: of Nova, as :func:`fpga_nova.patcher.locate.find` takes it
    """
    if path is not None and not locate.present(path):
        if (path / records.DIRECTORY).is_dir():
            print(f"fpga-nova: there is no Nova in {path} any more; what its patch left there may be removed")
        return 0
    try:
        nova = locate.find(path)
        if records.load(nova.package) is None:
            return 0
        tree = Tree(nova, series.load())
        status = tree.status()
        if status.state is State.APPLIED:
            return 0
        if not (reapply and status.replaced):
            return _warn(f"Nova {nova.version} at {nova.package}: {status.text}")
        tree.apply()
    except (errors.FpgaError, OSError) as error:
        return _warn(f"Nova could not be patched again and runs WITHOUT the patch: {error}")
    print(
        f"fpga-nova: Nova {nova.version} at {nova.package} was upgraded and is patched again; "
        "restart what runs it, if the upgrade does not"
    )
    return 0


def _warn(text: str) -> int:
    """Give a warning that stands out among dpkg's lines, and the same to syslog; return 1."""
    line = errors.one_line(text)
    rule = "*" * 79
    print(f"{rule}\n*** fpga-nova: WARNING: {line}\n{rule}", file=sys.stderr, flush=True)
    syslog.openlog("fpga-nova")
    syslog.syslog(syslog.LOG_WARNING, line)
    return 1


def _run(command: list[str]) -> subprocess.CompletedProcess[str]:
    try:
        return subprocess.run(
            command, capture_output=True, text=True, check=False, env={**os.environ, "LC_ALL": "C.UTF-8"}
        )
    except FileNotFoundError as error:
        raise Refused(f"there is no {command[0]}: only packages of Debian and its kin are watched") from error


def _require(done: subprocess.CompletedProcess[str]) -> None:
    if done.returncode != 0:
        raise Refused(f"{done.args[0]}: {done.stderr.strip()}")
