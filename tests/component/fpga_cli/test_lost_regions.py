# SPDX-License-Identifier: Apache-2.0
"""A killed check or recover of lost regions is made again by the next command."""

from __future__ import annotations

import signal

import pytest


def test_check_after_a_restart_is_made_again_after_a_kill(host, held):
    region, _ = held
    host.reboot()
    host.fault("verify", "kill")
    host.cli("status", code=-signal.SIGKILL)
    host.fault("verify", None)
    assert host.lost() == [region]


@pytest.mark.parametrize("when", ["erase", "program", "verify"])
def test_recover_that_is_killed_leaves_the_region_lost(host, held, when):
    region, owner = held
    host.reboot()
    host.cli("list")
    host.fault(when, "kill-after" if when != "verify" else "kill")
    host.cli("recover", code=-signal.SIGKILL)
    host.fault(when, None)
    assert host.lost() == [region]
    host.cli("recover")
    assert host.lost() == []
    assert host.regions()[0]["owner"] == owner
