# SPDX-License-Identifier: Apache-2.0
"""The entry of the dpkg trigger: `python -m fpga_nova.patcher.cli patch upgraded [--reapply] --nova PATH`.

Packages that :mod:`fpga_nova.patcher.watch` has installed on hosts call exactly this, so it stays, and it needs nothing
above the patcher. Operators have the command fpga-nova.
"""

from __future__ import annotations

import argparse
import pathlib
import sys
from collections.abc import Sequence

from fpga_nova.patcher import watch


def main(argv: Sequence[str] | None = None) -> int:
    """Run the command line; return the exit code."""
    parser = argparse.ArgumentParser(
        prog="python -m fpga_nova.patcher.cli", description=__doc__.splitlines()[0] if __doc__ else None
    )
    patch = parser.add_subparsers(required=True, metavar="patch").add_parser("patch")
    upgraded = patch.add_subparsers(required=True, metavar="upgraded").add_parser("upgraded")
    upgraded.add_argument("--nova", type=pathlib.Path, metavar="PATH")
    upgraded.add_argument("--reapply", action="store_true")
    arguments = parser.parse_args(argv)
    return watch.upgraded(arguments.nova, arguments.reapply)


if __name__ == "__main__":
    sys.exit(main())
