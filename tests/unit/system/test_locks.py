# SPDX-License-Identifier: Apache-2.0
"""Locks within one process: flock(2) excludes every other descriptor."""

from __future__ import annotations

import contextlib
import os

import pytest

from fpga_nova.system import locks
from tests.support.waiting import lock_is_held as held


def test_held_lock_excludes_others(tmp_path):
    path = tmp_path / "lock"
    with locks.hold(path):
        assert held(path)
        with pytest.raises(locks.Busy), locks.hold(path, 0.06):
            pass
    assert not held(path)


def test_descriptors_are_those_of_the_held_locks(tmp_path):
    assert locks.descriptors() == ()
    with contextlib.ExitStack() as other:
        with locks.hold(tmp_path / "a"):
            other.enter_context(locks.hold(tmp_path / "b"))
            assert len(locks.descriptors()) == 2
        (left,) = locks.descriptors()  # that of b: a ended first, although it began first
        assert os.path.samestat(os.fstat(left), (tmp_path / "b").stat())
    assert locks.descriptors() == ()


def test_lock_of_a_missing_file_is_not_made_where_that_is_not_wanted(tmp_path):
    with pytest.raises(FileNotFoundError), locks.hold(tmp_path / "lock", make=False):
        pass
    assert not (tmp_path / "lock").exists()


def test_lock_file_is_made_with_its_directory(tmp_path):
    with locks.hold(tmp_path / "a/b/lock"):
        assert held(tmp_path / "a/b/lock")
    assert not held(tmp_path / "a/b/lock")
