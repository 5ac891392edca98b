# SPDX-License-Identifier: Apache-2.0
"""Temporary directories go with their user, or with the next one; sweeps and users do not get into each other's way."""

from __future__ import annotations

import pathlib

import pytest

from fpga_nova.system import locks, scratch


def test_what_the_dead_left_is_swept_and_the_living_kept(tmp_path):
    parent = tmp_path / "tmp"
    (parent / "dead").mkdir(parents=True)
    (parent / "dead/file").touch()
    (parent / "stray").touch()
    with scratch.directory(tmp_path) as one, scratch.directory(tmp_path) as other:
        assert sorted(parent.iterdir()) == sorted([one, other])
    assert not list(parent.iterdir())


def test_a_directory_that_goes_while_it_is_swept(tmp_path, monkeypatch):
    """Its user removes it between the sweep's look and its lock: no error, and nothing in its place."""
    parent = tmp_path / "tmp"
    parent.mkdir()
    monkeypatch.setattr(pathlib.Path, "iterdir", lambda self: iter([self / "just gone"]))
    with scratch.directory(tmp_path) as path:
        monkeypatch.undo()
        assert list(parent.iterdir()) == [path]


def test_a_lock_that_is_not_to_be_made(tmp_path):
    with pytest.raises(FileNotFoundError), locks.hold(tmp_path / "none", make=False):
        pass
    assert not (tmp_path / "none").exists()
