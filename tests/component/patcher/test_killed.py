# SPDX-License-Identifier: Apache-2.0
"""A kill at any step leaves a Nova that `status` tells and that `apply` or `revert` completes.

Each run is a process of its own, forked, so that SIGKILL ends it as it ends the command; the steps are those that
change a file system. By default a few steps are tried, spread over the run and chosen by a seed; with FPGA_NOVA_LONG=1
every one.
"""

from __future__ import annotations

import os
import pathlib
import random
import shutil
import signal
import sys

import pytest

from fpga_nova.fpga_nova_cli import main
from fpga_nova.patcher import locate, record, series
from fpga_nova.patcher.tree import State, Tree
from tests.component.patcher.conftest import contents, patch_by_hand, sources
from tests.support.long import LONG

#: Steps tried of each command by default.
FEW = 6
SEED = 11

CHANGES = {"open", "os.rename", "os.remove", "os.mkdir", "os.rmdir", "os.truncate", "shutil.rmtree", "os.chmod"}


def run_until(step: int, action: str, packages: pathlib.Path, counts: pathlib.Path | None = None) -> bool:
    """Return whether the command was killed at `step`; False when it had ended before.

    :param counts: file to write the number of steps to, at the end of the command
    """
    pid = os.fork()
    if pid == 0:
        os._exit(_run(step, action, str(packages), counts))
    _, status = os.waitpid(pid, 0)
    code = os.waitstatus_to_exitcode(status)
    assert code in (0, -signal.SIGKILL), code
    return code != 0


def _run(deadline: int, action: str, path: str, counts: pathlib.Path | None) -> int:
    steps = 0

    def watch(event, arguments):
        nonlocal steps
        if event not in CHANGES or path not in str(arguments[0]):
            return
        if event == "open" and not (isinstance(arguments[1], str) and arguments[1].startswith(("w", "x"))):
            return
        steps += 1
        if steps == deadline:
            os.kill(os.getpid(), signal.SIGKILL)

    try:
        sys.addaudithook(watch)
        code = main.main(["patch", action, "--nova", path])
        if counts is not None:
            counts.write_text(str(steps))
        return code
    except BaseException:
        return 99


def tree_of(packages: pathlib.Path) -> Tree:
    return Tree(locate.find(packages), series.load())


@pytest.fixture(scope="module")
def patched(pristine, tmp_path_factory):
    packages = pathlib.Path(shutil.copytree(pristine, tmp_path_factory.mktemp("patched") / "site-packages"))
    tree_of(packages).apply()
    return packages


@pytest.fixture(scope="module")
def by_hand(pristine, tmp_path_factory):
    """Patched with patch(1), with a patch forgotten."""
    packages = pathlib.Path(shutil.copytree(pristine, tmp_path_factory.mktemp("by-hand") / "site-packages"))
    patch_by_hand(packages, without="instance")
    return packages


def killed_copies(action: str, start: pathlib.Path, directory: pathlib.Path, few: int = FEW):
    """Yield a copy of `start` for each step to try, in which `action` was killed there."""
    counts = directory / "counts"
    assert not run_until(0, action, pathlib.Path(shutil.copytree(start, directory / "counted")), counts)
    total = int(counts.read_text())
    assert total > 30, "fewer steps than files: the kills do not reach what they should"
    steps = list(range(1, total + 1))
    if not LONG:
        chosen = random.Random(SEED)
        steps = [chosen.choice(steps[total * part // few : total * (part + 1) // few]) for part in range(few)]
    for step in steps:
        packages = pathlib.Path(shutil.copytree(start, directory / f"{action}-{step}"))
        assert run_until(step, action, packages)
        yield packages
        shutil.rmtree(packages)


def test_killed_apply_is_completed_or_taken_back(pristine, patched, tmp_path):
    seen = set()
    for packages in killed_copies("apply", pristine, tmp_path):
        tree = tree_of(packages)
        state = tree.status().state
        seen.add(state)
        assert state in (State.NOT_APPLIED, State.PARTLY, State.APPLIED)
        other = pathlib.Path(shutil.copytree(packages, tmp_path / "other"))
        tree.apply()
        assert sources(packages) == sources(patched)
        assert tree.status().state is State.APPLIED
        tree.revert()
        assert contents(packages) == contents(pristine)
        tree_of(other).revert()
        leftovers = other / "nova" / record.DIRECTORY
        if leftovers.exists():  # nothing was begun yet: what was staged means nothing, and the next command drops it
            assert state is State.NOT_APPLIED
            shutil.rmtree(leftovers)
        assert contents(other) == contents(pristine)
        shutil.rmtree(other)
    assert seen >= {State.NOT_APPLIED, State.PARTLY}


def test_killed_revert_is_completed_or_patched_again(pristine, patched, tmp_path):
    seen = set()
    for packages in killed_copies("revert", patched, tmp_path):
        tree = tree_of(packages)
        state = tree.status().state
        seen.add(state)
        assert state in (State.NOT_APPLIED, State.PARTLY, State.APPLIED)
        other = pathlib.Path(shutil.copytree(packages, tmp_path / "other"))
        tree.revert()
        shutil.rmtree(packages / "nova" / record.DIRECTORY, ignore_errors=True)
        assert contents(packages) == contents(pristine)
        tree_of(other).apply()
        assert sources(other) == sources(patched)
        shutil.rmtree(other)
    assert seen >= {State.PARTLY}


@pytest.mark.parametrize("action", ["apply", "revert"])
def test_killed_on_a_nova_patched_by_hand(action, pristine, patched, by_hand, tmp_path):
    for packages in killed_copies(action, by_hand, tmp_path, few=3):
        assert tree_of(packages).status().state in (State.NOT_APPLIED, State.PARTLY, State.APPLIED)
        other = pathlib.Path(shutil.copytree(packages, tmp_path / "other"))
        tree_of(packages).revert()
        assert sources(packages) == sources(pristine)
        tree_of(other).apply()
        assert sources(other) == sources(patched)
        shutil.rmtree(other)
