# SPDX-License-Identifier: Apache-2.0
"""The Novas that are tried: releases in environments of their own, each with an unpatched and a patched tree."""

from __future__ import annotations

import dataclasses
import pathlib
import shutil
import subprocess

from build_scripts import bootstrap
from build_scripts.lib import nova_venv, releases
from build_scripts.lib.errors import CloudError
from build_scripts.lib.state import State
from build_scripts.patches import cache_path
from fpga_nova.patcher import series

#: What Nova's services need besides Nova: both databases' drivers, and a server for the API.
_NEEDS = ("PyMySQL", "psycopg2-binary", "pyuwsgi")


@dataclasses.dataclass(frozen=True)
class Nova:
    """One tree of a release.

    :param label: what it is there for: unpatched, patched, reverted
    :param tree: the directory with the package nova
    :param venv: where its dependencies are, and its commands
    :param product: the directory that fpga-nova is installed in; None where there is none to be found
    """

    version: str
    label: str
    tree: pathlib.Path
    venv: pathlib.Path
    product: pathlib.Path | None

    @property
    def patched(self) -> bool:
        """Whether it is there to run patched."""
        return self.product is not None

    @property
    def series(self) -> str:
        """The first number of its version."""
        return self.version.partition(".")[0]

    def __str__(self) -> str:
        return f"{self.label} {self.series}"

    def environment(self) -> dict[str, str]:
        """Return what makes a process run this Nova."""
        path = [str(self.tree), *([str(self.product)] if self.product else [])]
        return {"PYTHONPATH": ":".join(path), "PATH": f"{self.venv}/bin:/usr/sbin:/usr/bin:/sbin:/bin"}

    def bin(self, name: str) -> str:
        """Return the path of a command."""
        return str(self.venv / "bin" / name)

    def fpga_nova(self, *arguments: str, expect: int = 0) -> str:
        """Run the command fpga-nova on this tree; return what it prints.

        :raises CloudError: it exits with another code
        """
        command = [self.bin("python"), "-m", "fpga_nova.fpga_nova_cli", *arguments]
        done = subprocess.run(command, env=self.environment(), capture_output=True, text=True, check=False, cwd="/")
        if done.returncode != expect:
            said = (done.stdout + done.stderr).strip()
            raise CloudError(f"fpga-nova {' '.join(arguments)} exited with {done.returncode}, not {expect}: {said}")
        return done.stdout

    def patch(self, action: str, expect: int = 0) -> str:
        """Run `fpga-nova patch ACTION` on this tree."""
        return self.fpga_nova("patch", action, "--nova", str(self.tree / "nova"), expect=expect)


class Novas:
    """The trees of each release; made again each time; the virtual environments are kept.

    :param state: the state directory of the trial
    """

    def __init__(self, state: State) -> None:
        self._state = state
        self._product = state.path / "fpga-nova"
        shutil.rmtree(self._product, ignore_errors=True)
        bootstrap.install_into(state, self._product)
        self.newest = {number: release.tried[0] for number, release in series.load().releases.items()}

    def make(self, number: int) -> tuple[Nova, Nova]:
        """Return the unpatched tree of the newest release of a series, and one that is yet to be patched."""
        version = self.newest[number]
        directory = self._state.path / version
        directory.mkdir(exist_ok=True)
        nova_venv.make(self._state, directory, version, _NEEDS, "the services")
        archive = releases.fetch(version, cache_path())
        trees = {name: directory / name for name in ("unpatched", "patched")}
        for tree in trees.values():
            shutil.rmtree(tree, ignore_errors=True)
        releases.unpack(archive, trees["unpatched"])
        shutil.rmtree(trees["unpatched"] / "nova/tests")
        # Nova's services may not write here, and would compile everything at each start.
        compiling = [str(directory / "venv/bin/python"), "-m", "compileall", "-q", str(trees["unpatched"])]
        bootstrap.run(compiling, self._state.log("compileall"))
        shutil.copytree(trees["unpatched"], trees["patched"])
        unpatched = Nova(version, "unpatched", trees["unpatched"], directory / "venv", None)
        return unpatched, Nova(version, "patched", trees["patched"], directory / "venv", self._product)
