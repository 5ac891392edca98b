# SPDX-License-Identifier: Apache-2.0
"""Locks between processes: they end with their holder, and with the child that inherited them."""

from __future__ import annotations

import os
import subprocess
import sys

import pytest

from fpga_nova.system import locks
from tests.support.waiting import lock_is_held as held
from tests.support.waiting import wait_until

#: Holds a lock and hands it to a `cat` that ends with its input, then dies of SIGKILL.
_HANDS_OVER = """
import os, pathlib, signal, subprocess, sys
from fpga_nova.system import locks
with locks.hold(pathlib.Path(sys.argv[1])):
    subprocess.Popen(["cat"], pass_fds=locks.descriptors() if sys.argv[2] == "hand over" else ())
    os.kill(os.getpid(), signal.SIGKILL)
"""


@pytest.mark.parametrize("handed", [True, False])
def test_child_keeps_the_lock_that_it_inherited(tmp_path, handed):
    path = tmp_path / "lock"
    reading, writing = os.pipe()
    arguments = [sys.executable, "-c", _HANDS_OVER, str(path), "hand over" if handed else "keep"]
    process = subprocess.Popen(arguments, stdin=reading, stdout=subprocess.PIPE)
    os.close(reading)
    process.wait(20)
    assert held(path) is handed
    os.close(writing)  # which ends the child
    process.stdout.close()
    wait_until(lambda: not held(path))


def test_lock_ends_with_its_block_though_a_child_lives_on(tmp_path):
    path = tmp_path / "lock"
    with locks.hold(path):
        child = subprocess.Popen(["cat"], stdin=subprocess.PIPE, pass_fds=locks.descriptors())
    assert not held(path)
    child.communicate(timeout=20)
