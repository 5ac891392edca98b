# SPDX-License-Identifier: Apache-2.0
"""A patched copy of this environment's Nova, with the bases of its tests, before a module here imports it."""

from __future__ import annotations

import os
import pathlib
import sys

import pytest

from tests.support import patched_nova

_environment = dict(os.environ)
_directory = patched_nova.first_on_path(with_tests=True)
# The fixtures of Nova look for its api-paste.ini beside the package.
(_directory / "etc").symlink_to(pathlib.Path(sys.prefix) / "etc")
_native_threads = {name: os.environ[name] for name in os.environ.keys() - _environment.keys()}


def pytest_collection_finish() -> None:
    """Take the choice of native threads back: the processes that other tests start do not inherit it."""
    for name in _native_threads:
        os.environ.pop(name, None)


@pytest.fixture(autouse=True)
def native_threads(monkeypatch):
    """Nova asks for the choice again whenever it imports another part of itself."""
    for name, value in _native_threads.items():
        monkeypatch.setenv(name, value)
