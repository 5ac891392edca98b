# SPDX-License-Identifier: Apache-2.0
"""From fpga-cli's arguments to the function that carries out their command."""

from __future__ import annotations

import importlib
import logging
import sys
from collections.abc import Sequence

from fpga_nova.fpga_cli import parser


def run(arguments: Sequence[str]) -> int:
    """Run the command that `arguments` name; return the exit code.

    The command's module is imported only now, as each has imports of its own.

    :raises fpga_nova.errors.FpgaError: any failure; it has the exit code
    """
    parsed = parser.build().parse_args(arguments)
    logging.basicConfig(
        stream=sys.stderr,
        level=logging.DEBUG if parsed.debug else logging.CRITICAL,
        format="%(levelname)s %(name)s: %(message)s",
    )
    module, _, function = parsed.function.partition(":")
    getattr(importlib.import_module(module), function)(parsed)
    return 0
