# SPDX-License-Identifier: Apache-2.0
"""Puts a patched copy of Nova first on the path, before a test module of this directory imports Nova."""

from __future__ import annotations

import atexit
import os
import pathlib
import shutil
import sys
import tempfile

import pytest

from tests.unit.nova import patched
from tests.unit.nova.card import Card

# Nova decides at its first import; the product must be right under both, and newest Novas run on native threads.
os.environ.setdefault("OS_NOVA_DISABLE_EVENTLET_PATCHING", "true")

assert "nova" not in sys.modules, "a test outside of tests/unit/nova imports Nova: it must be the patched one"
PATCHED = pathlib.Path(tempfile.mkdtemp(prefix="fpga-nova-patched-"))
atexit.register(shutil.rmtree, PATCHED, ignore_errors=True)
sys.path.insert(0, str(patched.make(PATCHED)))

from nova import objects  # noqa: E402 - not before the patched one is on the path

objects.register_all()


@pytest.fixture
def patched_path() -> pathlib.Path:
    """The directory that contains the patched Nova."""
    return PATCHED


@pytest.fixture
def card(tmp_path):
    """A card of two regions."""
    return Card(tmp_path / "card", 2)
