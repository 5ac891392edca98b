# SPDX-License-Identifier: Apache-2.0
"""`make debian`: the way of an operator on Debian 12, told and checked; ends with `debian: PASS` or what failed."""

from __future__ import annotations

import argparse
import os
import subprocess
import sys
import time

from build_scripts.lib import paths
from build_scripts.lib.errors import CloudError
from build_scripts.lib.state import State
from tests.debian import root

_NAMESPACES = (
    "--mount",
    "--mount-proc",
    "--net",
    "--uts",
    "--ipc",
    "--pid",
    "--fork",
    "--kill-child",
    "--propagation=private",
)


def main() -> int:
    """Run the command line; return its exit code."""
    parser = argparse.ArgumentParser(prog="tests.debian", description=__doc__)
    parser.add_argument("--inside", action="store_true", help=argparse.SUPPRESS)
    arguments = parser.parse_args()
    try:
        if os.geteuid() != 0:
            raise CloudError("only root can make a root of its own")
        state = State(paths.state_path())
        if not arguments.inside:
            with state.lock():
                root.make(state)
                # All that is mounted, started and listening ends with these namespaces.
                command = ["unshare", *_NAMESPACES, "--", sys.executable, "-m", "tests.debian", "--inside"]
                return subprocess.run(command, cwd=paths.CLONE, check=False).returncode
        from tests.debian import story

        clock = time.monotonic()
        checks = story.Story(state).tell()
        print(f"\ndebian: PASS, {checks} checks in {time.monotonic() - clock:.0f} s", flush=True)
    except CloudError as error:
        print(f"\ndebian: FAIL\n{error}", file=sys.stderr, flush=True)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
