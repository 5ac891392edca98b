# SPDX-License-Identifier: Apache-2.0
"""Fault points by name: a process is killed (SIGKILL) when fpga-cli, or the soft FPGA's server, comes to one.

The points surround everything that a burn or an erase does to the store or the card: ``before`` or ``after`` a
transition to a state, a method of the driver, or a step inside. The product knows nothing of them.
"""

from __future__ import annotations

import functools
import os
import pathlib
import signal
import sys
from collections.abc import Callable
from typing import Any

from fpga_nova.devices.sim import SimDevice
from fpga_nova.devices.soft import SoftDevice
from fpga_nova.ip_cores.bitstream_cache import Cache
from fpga_nova.model import RegionState
from fpga_nova.regions.store import Store
from fpga_nova.softfpga import python_process
from fpga_nova.softfpga.decoder import fabric_cache
from fpga_nova.softfpga.runtime.region_process import SoftRegion

DRIVERS = {"sim": SimDevice, "soft": SoftDevice}


def around(*steps: str) -> list[str]:
    """Return the points before and after each step."""
    return [f"{when} {step}" for step in steps for when in ("before", "after")]


#: The steps of a burn of a good core, and of an erase, in order.
BURN = around("programming", "keep", "program", "verify", "programmed")
ERASE = around("erasing", "erase", "verify", "free")

#: Further steps of a burn where the card is a soft one, inside `program`; an erase passes stop and write.
SOFT_BURN = around("stop", "fabric", "write", "start", "publish")
SOFT_ERASE = around("stop", "write")

#: The steps of the soft FPGA's server until it serves.
SERVER = ["before lock", "after lock", "after listen", "before confine", "after confine", "after load"]

_STEPS: dict[str, tuple[type, str]] = {
    "keep": (Cache, "keep"),
    "fabric": (fabric_cache.FabricCache, "fabric"),
    "stop": (SoftRegion, "stop"),
    "write": (SoftRegion, "write_configuration"),
    "start": (SoftRegion, "start"),
    "publish": (SoftRegion, "publish"),
}


def wrap(owner: Any, name: str, when: str, act: Callable[[], None], applies: Callable[..., bool]) -> None:
    """Have `act` called before or after the function `name` of `owner`, where `applies` says so of its arguments."""
    function = getattr(owner, name)

    @functools.wraps(function)
    def wrapped(*args: Any, **kwargs: Any) -> Any:
        if when == "before" and applies(*args):
            act()
        result = function(*args, **kwargs)
        if when == "after" and applies(*args):
            act()
        return result

    setattr(owner, name, wrapped)


def die() -> None:
    """Kill this process."""
    os.kill(os.getpid(), signal.SIGKILL)


def arm(point: str, driver: str, act: Callable[[], None] = die) -> None:
    """Have `act` called in this process when fpga-cli comes to `point`."""
    when, _, what = point.partition(" ")
    if what in list(RegionState):
        wrap(Store, "transition", when, act, lambda self, region, state: state == what)
    else:
        owner, name = _STEPS.get(what, (DRIVERS[driver], what))
        wrap(owner, name, when, act, lambda *args: True)


def arm_server(point: str, victim: str) -> None:
    """Have the server that this process starts kill itself at `point`, or, with `victim` "fpga-cli", this process."""
    usual = python_process.argv
    python_process.argv = lambda module, *arguments: (  # type: ignore[assignment]
        [sys.executable, "-s", "-m", "tests.crash.served", point, victim]
        if module == "server"
        else usual(module, *arguments)
    )


def server_pids(directory: pathlib.Path) -> dict[pathlib.Path, int]:
    """Return the region directory below `directory` and pid of every process that has a soft region's lock open."""
    found = {}
    for process in pathlib.Path("/proc").iterdir():
        if not process.name.isdigit():
            continue
        try:
            links = [str(link.readlink()) for link in (process / "fd").iterdir()]
        except OSError:
            continue
        for link in links:
            path = pathlib.Path(link.removesuffix(" (deleted)"))
            if path.name == "lock" and directory in path.parents:
                found[path.parent] = int(process.name)
    return found
