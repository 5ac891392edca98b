# SPDX-License-Identifier: Apache-2.0
"""`python -m fpga_nova.softfpga.server`: the name of a region's server process, see `runtime.region_server`."""

from __future__ import annotations

from fpga_nova.softfpga.runtime.region_server import main

if __name__ == "__main__":
    main()
