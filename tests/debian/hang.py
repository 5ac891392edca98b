# SPDX-License-Identifier: Apache-2.0
"""A call that hangs, made as nova-compute of an older Nova makes it, under eventlet; runs inside the root."""

from __future__ import annotations

import eventlet

eventlet.monkey_patch()

import sys  # noqa: E402

from fpga_nova import errors  # noqa: E402
from fpga_nova.clients import fpga_cli_runner  # noqa: E402

if __name__ == "__main__":
    try:
        fpga_cli_runner.Runner(sys.argv[1], "", burn_timeout=1, erase_timeout=1).erase("", "region")
    except errors.FpgaError as error:
        print(error)
