# SPDX-License-Identifier: Apache-2.0
"""Runs fpga-cli and kills it (SIGKILL) at a named point: `python -m tests.crash.killed POINT fpga-cli's arguments`.

The points surround everything that a burn or an erase does to the store or the card; the product knows nothing of them.
"""

from __future__ import annotations

import os
import signal
import sys
from collections.abc import Callable
from typing import Any

from fpga_nova.cli import main
from fpga_nova.core.store import Store
from fpga_nova.model import RegionState

#: What a burn of a good core passes, in order.
BURN = [
    "before programming",
    "after programming",
    "before program",
    "after program",
    "before verify",
    "after verify",
    "before programmed",
    "after programmed",
]

#: What an erase passes, in order.
ERASE = [
    "before erasing",
    "after erasing",
    "before erase",
    "after erase",
    "before verify",
    "after verify",
    "before free",
    "after free",
]


def arm(point: str, driver: type) -> None:
    """Make this process die at `point`: before or after a driver's method, or a transition to a state."""
    when, _, what = point.partition(" ")

    def wrap(function: Callable[..., Any], applies: Callable[..., bool]) -> Callable[..., Any]:
        def wrapped(*args: Any, **kwargs: Any) -> Any:
            if when == "before" and applies(*args):
                os.kill(os.getpid(), signal.SIGKILL)
            result = function(*args, **kwargs)
            if when == "after" and applies(*args):
                os.kill(os.getpid(), signal.SIGKILL)
            return result

        return wrapped

    if what in list(RegionState):
        Store.transition = wrap(Store.transition, lambda self, region, state: state == what)
    else:
        setattr(driver, what, wrap(getattr(driver, what), lambda *args: True))


if __name__ == "__main__":
    name = os.environ["CRASH_DRIVER"]
    if name == "soft":
        from fpga_nova.devices.soft import SoftDevice as Driver
    else:
        from fpga_nova.devices.sim import SimDevice as Driver
    arm(sys.argv[1], Driver)
    sys.exit(main.main(sys.argv[2:]))
