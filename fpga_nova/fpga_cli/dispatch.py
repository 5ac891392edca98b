# SPDX-License-Identifier: Apache-2.0
"""fpga-cli's way from arguments to the function that carries out their command."""

from __future__ import annotations

import importlib
import logging
import sys
from collections.abc import Sequence

from fpga_nova.fpga_cli import parser


def run(arguments: Sequence[str]) -> int:
    """Run the command that `arguments` name; return the exit code.

    :raises fpga_nova.errors.FpgaError: whatever went wrong, with the exit code in it
    """
    parsed = parser.build().parse_args(arguments)
    logging.basicConfig(
        stream=sys.stderr,
        level=logging.DEBUG if parsed.debug else logging.CRITICAL,
        format="%(levelname)s %(name)s: %(message)s",
    )
    module, _, function = parser.FUNCTIONS[parsed.command].partition(":")
    getattr(importlib.import_module(f"fpga_nova.fpga_cli.{module}"), function)(parsed)
    return 0
