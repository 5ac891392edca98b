# SPDX-License-Identifier: Apache-2.0
"""Builds the cloud, shows its status or stops it: ``python -m build_scripts.cloud up``."""

from __future__ import annotations

import argparse
import pathlib
import sys
import time
from collections.abc import Sequence

from build_scripts.cloud.build import CLOUD_YAML, Build
from build_scripts.lib import paths
from build_scripts.lib.errors import CloudError
from build_scripts.lib.state import State


def main(argv: Sequence[str] | None = None) -> int:
    """Run the command line; return its exit code."""
    parser = argparse.ArgumentParser(prog="python -m build_scripts.cloud", description=__doc__)
    parser.add_argument("action", choices=("up", "status", "down"))
    parser.add_argument("--cloud", type=pathlib.Path, default=CLOUD_YAML, help="the description of the cloud")
    arguments = parser.parse_args(argv)
    clock = time.monotonic()
    try:
        state = State(paths.state_path())
        build = Build(arguments.cloud, state)
        if arguments.action == "status":
            return 0 if build.status() else 1
        with state.lock():
            build.up() if arguments.action == "up" else build.down()
    except CloudError as error:
        print(f"Error: {error}", file=sys.stderr)
        return 1
    print(f"cloud {arguments.action} in {time.monotonic() - clock:.1f} s; state in {state.path}")
    return 0


if __name__ == "__main__":
    sys.exit(main())
