# SPDX-License-Identifier: Apache-2.0
"""Asks for a status as nova-compute does: ``python -m fpga_nova.doctor.ask_status COMMAND ROOT_HELPER``.

The doctor starts it as a process, which runs as nova-compute's user.
"""

from __future__ import annotations

import sys

from fpga_nova import errors
from fpga_nova.clients import fpga_cli_runner


def main() -> int:
    """Print `Used regions: u/t`, or why there is no answer."""
    command, root_helper = sys.argv[1:]
    try:
        usage = fpga_cli_runner.Runner(
            command, root_helper, fpga_cli_runner.QUERY_TIMEOUT, fpga_cli_runner.QUERY_TIMEOUT
        ).status()
    except errors.FpgaError as error:
        print(error)
        return 1
    print(f"Used regions: {usage.used}/{usage.total}")
    return 0


if __name__ == "__main__":
    sys.exit(main())
