# SPDX-License-Identifier: Apache-2.0
"""`fpga-nova doctor`: run the checks where there is a Nova, or say that there is none."""

from __future__ import annotations

import argparse
import importlib.util
import sys

#: Exit code where FPGAs do not work, as of `nova-status upgrade check`.
FAILURE = 2


def run(arguments: argparse.Namespace) -> int:
    """Run the checks; return their exit code."""
    if importlib.util.find_spec("nova") is None:
        print(
            f"Error: {sys.executable} has no Nova; install fpga-nova into the Python that runs Nova, and run the "
            "doctor with that",
            file=sys.stderr,
        )
        return FAILURE
    # Imported after the check: the checks import what only Nova's interpreter has.
    from fpga_nova.doctor import checkup

    return checkup.run(arguments)
