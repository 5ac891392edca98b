# SPDX-License-Identifier: Apache-2.0
"""fpga-nova's entry: from arguments to the function that carries out their command."""

from __future__ import annotations

import importlib
import sys
from collections.abc import Sequence

from fpga_nova import errors
from fpga_nova.fpga_nova_cli import parser
from fpga_nova.system import output


def main(argv: Sequence[str] | None = None) -> int:
    """Run fpga-nova with `argv` (without the program's name); return its exit code.

    :raises SystemExit: by argparse after --help and for wrong usage, and for an output that its reader has closed
    """
    with output.may_close():
        arguments = parser.parse(sys.argv[1:] if argv is None else argv)
        # A module is imported only when its command is run: to patch a Nova takes nothing of what the doctor needs.
        module, _, function = arguments.function.partition(":")
        try:
            return int(getattr(importlib.import_module(module), function)(arguments))
        except errors.FpgaError as error:
            print(f"Error: {error}", file=sys.stderr)
            return error.exit_code
        except BrokenPipeError:
            raise
        except OSError as error:
            print(f"Error: {errors.one_line(str(error))}", file=sys.stderr)
            return 1
