# SPDX-License-Identifier: Apache-2.0
"""Become a command inside a node: ``python3 -m build_scripts.cloud.enter NODE COMMAND [ARGUMENT ...]``."""

from __future__ import annotations

import os
import sys

from build_scripts.cloud.node import Node
from build_scripts.cloud.spec import NodeSpec
from build_scripts.lib import paths
from build_scripts.lib.errors import CloudError
from build_scripts.lib.state import State


def main() -> int:
    """Run the command line; return only on an error, with its exit code."""
    if len(sys.argv) < 3:
        print("usage: node-exec NODE COMMAND [ARGUMENT ...]", file=sys.stderr)
        return 2
    try:
        node = Node(State(paths.state_path()), NodeSpec(sys.argv[1], "compute", ()), ())
        argv = node.command(sys.argv[2:])
    except CloudError as error:
        print(f"Error: {error}", file=sys.stderr)
        return 1
    os.execvpe(argv[0], argv, node.environment())  # noqa: S606


if __name__ == "__main__":
    sys.exit(main())
