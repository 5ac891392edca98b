# SPDX-License-Identifier: Apache-2.0
"""A killed check or recover of lost regions is made again by the next command."""

from __future__ import annotations

import contextlib
import shutil
import signal
import sqlite3
import uuid

import pytest


def reboot(host, card_keeps=False):
    """Do to the host what a restart does, as far as files can tell: no processes are there, nor what they had."""
    with contextlib.closing(sqlite3.connect(host.state_path / "regions.sqlite")) as connection, connection:
        changed = connection.execute("UPDATE meta SET value = ? WHERE key = 'boot_id'", (str(uuid.uuid4()),))
        assert changed.rowcount == 1
    if not card_keeps:
        shutil.rmtree(host.path / "run")


def lost(host):
    return [
        region["id"]
        for region in host.regions()
        if region["state"] == "programmed" and (region["error"] or "").startswith("lost: ")
    ]


@pytest.fixture
def held(host, core_archive):
    owner = str(uuid.uuid4())
    region = host.cli("burn", "--owner", owner, "--file", core_archive).strip()
    core_archive.unlink()
    return region, owner


def test_check_after_a_restart_is_made_again_after_a_kill(host, held):
    region, _ = held
    reboot(host)
    host.fault("verify", "kill")
    host.cli("status", code=-signal.SIGKILL)
    host.fault("verify", None)
    assert lost(host) == [region]


@pytest.mark.parametrize("when", ["erase", "program", "verify"])
def test_recover_that_is_killed_leaves_the_region_lost(host, held, when):
    region, owner = held
    reboot(host)
    host.cli("list")
    host.fault(when, "kill-after" if when != "verify" else "kill")
    host.cli("recover", code=-signal.SIGKILL)
    host.fault(when, None)
    assert lost(host) == [region]
    host.cli("recover")
    assert lost(host) == []
    assert host.regions()[0]["owner"] == owner
