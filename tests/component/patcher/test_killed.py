# SPDX-License-Identifier: Apache-2.0
"""A kill at any step leaves a Nova that `status` tells and that `apply` or `revert` completes."""

from __future__ import annotations

import os
import pathlib
import shutil
import signal
import subprocess
import sys

import pytest

from fpga_nova.patcher import locate, record, series
from fpga_nova.patcher.tree import State, Tree
from tests.component.patcher.conftest import ROOT, contents

KILLED = pathlib.Path(__file__).parent / "killed.py"


def run_until(step: int, action: str, packages: pathlib.Path) -> bool:
    """Return whether the command was killed at `step`; False when it had ended before."""
    environment = {**os.environ, "PYTHONPATH": str(ROOT)}
    done = subprocess.run(
        [sys.executable, str(KILLED), str(step), action, str(packages)],
        env=environment,
        capture_output=True,
        check=False,
    )
    assert done.returncode in (0, -signal.SIGKILL), done.stderr
    return done.returncode != 0


def sources(packages: pathlib.Path) -> dict[str, bytes]:
    return {name: entry[0] for name, entry in contents(packages).items() if name.endswith(".py")}


@pytest.fixture(scope="module")
def patched(pristine, tmp_path_factory):
    packages = pathlib.Path(shutil.copytree(pristine, tmp_path_factory.mktemp("patched") / "site-packages"))
    Tree(locate.find(packages), series.load()).apply()
    return packages


def steps(action: str, start: pathlib.Path, directory: pathlib.Path, stride: int):
    """Yield a copy of `start` for each step, killed there, spread over the run so that the test stays quick."""
    step = 1
    while True:
        packages = pathlib.Path(shutil.copytree(start, directory / f"{action}-{step}"))
        if not run_until(step, action, packages):
            assert step > 30, "fewer steps than files: the kills do not reach what they should"
            return
        yield packages
        shutil.rmtree(packages)
        step += stride


def test_killed_apply(pristine, patched, tmp_path):
    seen = set()
    for packages in steps("apply", pristine, tmp_path, 13):
        tree = Tree(locate.find(packages), series.load())
        state = tree.status().state
        seen.add(state)
        assert state in (State.NOT_APPLIED, State.PARTLY, State.APPLIED)
        other = pathlib.Path(shutil.copytree(packages, tmp_path / "other"))
        tree.apply()
        assert sources(packages) == sources(patched)
        assert tree.status().state is State.APPLIED
        tree.revert()
        assert contents(packages) == contents(pristine)
        Tree(locate.find(other), series.load()).revert()
        leftovers = other / "nova" / record.DIRECTORY
        if leftovers.exists():  # nothing was begun yet: what was staged means nothing, and the next command drops it
            assert state is State.NOT_APPLIED
            shutil.rmtree(leftovers)
        assert contents(other) == contents(pristine)
        shutil.rmtree(other)
    assert seen >= {State.NOT_APPLIED, State.PARTLY}


def test_killed_revert(pristine, patched, tmp_path):
    seen = set()
    for packages in steps("revert", patched, tmp_path, 9):
        tree = Tree(locate.find(packages), series.load())
        state = tree.status().state
        seen.add(state)
        assert state in (State.NOT_APPLIED, State.PARTLY, State.APPLIED)
        other = pathlib.Path(shutil.copytree(packages, tmp_path / "other"))
        tree.revert()
        shutil.rmtree(packages / "nova" / record.DIRECTORY, ignore_errors=True)
        assert contents(packages) == contents(pristine)
        Tree(locate.find(other), series.load()).apply()
        assert sources(other) == sources(patched)
        shutil.rmtree(other)
    assert seen >= {State.PARTLY}
