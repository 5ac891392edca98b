# SPDX-License-Identifier: Apache-2.0
"""What Nova's tests run on: a virtual environment, a release's sources, and fpga-nova."""

from __future__ import annotations

import dataclasses
import pathlib
import shutil
import subprocess
import sys
import tarfile
from collections.abc import Sequence

import yaml

from build_scripts import bootstrap
from build_scripts.lib import nova_venv, paths
from build_scripts.lib.errors import CloudError
from build_scripts.lib.state import State
from build_scripts.nova_tests.suite import Tree
from fpga_nova.errors import FpgaError
from fpga_nova.patcher import record, series

#: Our part of it: requirements, constraints, the test series, new tests.
DATA = paths.CLONE / "tests" / "nova"


class Environment:
    """The directory of one release of Nova, below the state directory; it is kept.

    :param version: a release as PyPI has it
    :param native_threads: whether its tests run without eventlet's monkey patching
    :param needs: distributions that its tests need beside those that the tests of all releases need
    """

    def __init__(self, state: State, version: str, native_threads: bool, needs: Sequence[str]) -> None:
        self._state = state
        self._version = version
        self._needs = needs
        self._native_threads = native_threads
        self.path = state.path / "nova-tests" / version
        self.path.mkdir(parents=True, exist_ok=True)

    def unpatched(self) -> Tree:
        """Return a tree of Nova as it was released; without fpga-nova on its path.

        :raises CloudError: it could not be made
        """
        self._make_venv()
        return self._unpack("unpatched", ())

    def patched(self) -> Tree:
        """Return a tree of Nova that has the patch and what the test series makes of its tests.

        :raises CloudError: it could not be made, or the patch does not apply
        """
        self._make_venv()
        product = self.path / "fpga-nova"
        shutil.rmtree(product, ignore_errors=True)
        bootstrap.install_into(self._state, product)
        tree = self._unpack("patched", (product,))
        package = tree.root / "nova"
        command = [sys.executable, "-m", "fpga_nova.fpga_nova_cli", "patch", "apply", "--nova", str(package)]
        done = subprocess.run(command, cwd=paths.CLONE, capture_output=True, text=True, check=False)
        if done.returncode != 0:
            raise CloudError(done.stderr.strip().removeprefix("Error: "))
        adapt(package, self._version)
        return tree

    def _make_venv(self) -> None:
        """Install Nova's dependencies and those of its tests, unless they are there."""
        needs = [*self._needs, (DATA / "requirements.txt").read_text()]
        nova_venv.make(self._state, self.path, self._version, needs, "the tests")
        if not (self.path / f"nova-{self._version}.tar.gz").exists():
            # The wheel lacks .stestr.conf, etc/ and doc/, which the tests look for around the package.
            source = ["download", "--no-deps", "--no-binary", "nova", "--dest", str(self.path)]
            # Older Novas are built under their constraints; the cloud's setuptools is too old for 34's pyproject.toml.
            building = nova_venv.own_constraints(self._version).is_file()
            nova_venv.pip(self._state, self.path, *source, f"nova=={self._version}", constrained=building)

    def _unpack(self, name: str, more: tuple[pathlib.Path, ...]) -> Tree:
        root = self.path / name
        shutil.rmtree(root, ignore_errors=True)
        with tarfile.open(self.path / f"nova-{self._version}.tar.gz") as archive:
            archive.extractall(root)  # noqa: S202 - as trusted as Nova itself
        log = self._state.log(f"nova-tests-{self._version}-{name}")
        log.unlink(missing_ok=True)
        root = root / f"nova-{self._version}"
        return Tree(root, self.path / "venv/bin/python", more, self._native_threads, log)


def adapt(package: pathlib.Path, version: str) -> None:
    """Change Nova's tests where they pin what the patch changes, and add ours.

    :param package: Nova's package directory
    :param version: its release
    :raises CloudError: the test series does not apply
    """
    try:
        changed = adaptations().apply_to(version, lambda name: _bytes(package / name))
    except FpgaError as error:
        raise CloudError(f"the test series: {error}") from error
    for name, data in changed.items():
        if data is not None:
            record.place(package / name, data, None)
    shutil.copytree(DATA / "added", package, dirs_exist_ok=True, ignore=shutil.ignore_patterns("__pycache__"))


def adaptations() -> series.Series:
    """Return the series of tests/nova, for the releases that the product's series is for."""
    data = yaml.safe_load((DATA / "series.yaml").read_text(encoding="utf-8"))
    releases = {}
    for number, release in series.load().releases.items():
        instead = data["instead"].get(number, {})
        patches = tuple(DATA / instead.get(name, name) for name in data["patches"])
        releases[number] = dataclasses.replace(release, patches=patches)
    return series.Series(DATA, releases, ())


def _bytes(path: pathlib.Path) -> bytes | None:
    return path.read_bytes() if path.is_file() else None
