# SPDX-License-Identifier: Apache-2.0
"""Virtual environments with a release of Nova under the constraints of its time."""

from __future__ import annotations

import os
import pathlib
import shutil
import sys
from collections.abc import Sequence

from build_scripts import bootstrap
from build_scripts.lib import paths
from build_scripts.lib.state import State, digest

_CONSTRAINTS_OF_RELEASES = paths.CLONE / "tests" / "nova"
_CONSTRAINTS_OF_CLOUD = paths.CLONE / "build_scripts" / "constraints.txt"


def make(state: State, path: pathlib.Path, version: str, needs: Sequence[str], purpose: str) -> None:
    """Install a release of Nova into `path`/venv, unless it is there.

    :param needs: what else, in the form of requirements.txt
    :param purpose: what it is for, in words
    :raises CloudError: it could not be installed
    """
    own = own_constraints(version)
    # The cloud's constraints are for the Nova that the cloud runs.
    constraints = (own if own.is_file() else _CONSTRAINTS_OF_CLOUD).read_text()
    requirements = "\n".join([f"nova=={version}", *needs])
    inputs = digest(sys.version, requirements, constraints)
    mark = f"{path.relative_to(state.path)}/venv"
    if state.done(mark, inputs):
        return
    shutil.rmtree(path / "venv", ignore_errors=True)
    (path / "requirements.txt").write_text(requirements)
    (path / "constraints.txt").write_text(constraints)
    print(f"installing what {purpose} of Nova {version} need", flush=True)
    with state.timed(f"environment for {purpose} of Nova {version}"):
        bootstrap.run([sys.executable, "-m", "venv", str(path / "venv")], state.log("pip"))
        pip(state, path, "install", "--requirement", str(path / "requirements.txt"))
    state.mark_done(mark, inputs)


def own_constraints(version: str) -> pathlib.Path:
    """Return where the constraints of a release's series are, if it has its own."""
    return _CONSTRAINTS_OF_RELEASES / f"constraints-{version.partition('.')[0]}.txt"


def pip(state: State, path: pathlib.Path, *arguments: str, constrained: bool = True) -> None:
    """Run pip of the virtual environment that :func:`make` makes in `path`.

    :param constrained: whether its constraints hold
    :raises CloudError: it failed
    """
    # Constraints by the environment hold where a package is built, too, unlike those by an option.
    environment = {**os.environ, **({"PIP_CONSTRAINT": str(path / "constraints.txt")} if constrained else {})}
    command = [str(path / "venv/bin/python"), "-m", "pip", "--disable-pip-version-check", "--no-input"]
    bootstrap.run([*command, *arguments], state.log("pip"), environment)
