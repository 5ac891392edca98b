# SPDX-License-Identifier: Apache-2.0
"""The soft FPGA's server, killed or killing its starter at a point: `python -m tests.crash.served POINT VICTIM`."""

from __future__ import annotations

import os
import signal
import sys
import time

from fpga_nova.softfpga import confinement
from fpga_nova.softfpga.runtime import region_server
from fpga_nova.softfpga.runtime.loaded_fabric import FabricImage
from tests.crash import killed

#: Seconds that the server takes its time after it has killed fpga-cli: others look at the region meanwhile.
PAUSE = 1.5


def main() -> None:
    """Run as a process."""
    point, victim = sys.argv[1:]
    when, _, what = point.partition(" ")
    cli = os.getppid()

    def act() -> None:
        if victim == "server":
            killed.die()
        os.kill(cli, signal.SIGKILL)
        time.sleep(PAUSE)

    owner, name = {
        "lock": (region_server, "lock"),
        "listen": (region_server, "_listen"),
        "confine": (confinement, "confine"),
        "load": (FabricImage, "load"),
    }[what]
    killed.wrap(owner, name, when, act, lambda *args: True)
    region_server.main()


if __name__ == "__main__":
    main()
