# SPDX-License-Identifier: Apache-2.0
"""`make upgrades`: the way from Nova 33 to 34 and back to an unpatched one; ends with `upgrades: PASS`."""

from __future__ import annotations

import argparse
import os
import sys
import time

from build_scripts.cloud.client import CheckFailed
from build_scripts.lib import paths
from build_scripts.lib.errors import CloudError
from build_scripts.lib.state import State
from tests.upgrade import databases
from tests.upgrade.novas import Novas
from tests.upgrade.story import Story


def main() -> int:
    """Run the command line; return its exit code."""
    parser = argparse.ArgumentParser(prog="tests.upgrade", description=__doc__)
    parser.add_argument("--database", choices=sorted(databases.KINDS), help="try this one only")
    arguments = parser.parse_args()
    try:
        if os.geteuid() != 0:
            raise CloudError("only root can build a cloud here")
        whole = State(paths.state_path())
        state = State(whole.path / "upgrades")
        with state.lock():
            _share(whole, state)
            novas = Novas(state)
            told = []
            for kind in [arguments.database] if arguments.database else sorted(databases.KINDS):
                print(f"\nNova's databases on {kind}", flush=True)
                clock = time.monotonic()
                checks = Story(state, kind, novas).tell()
                told.append(f"{kind} {checks} checks in {time.monotonic() - clock:.0f} s")
        print(f"\nupgrades: PASS, {', '.join(told)}", flush=True)
    except (CloudError, CheckFailed) as error:
        print(f"\nupgrades: FAIL\n{error}", file=sys.stderr, flush=True)
        return 1
    return 0


def _share(whole: State, state: State) -> None:
    """Let everything but Nova run from the cloud's virtual environment."""
    link = state.path / "venv"
    if not link.is_symlink():
        link.symlink_to(whole.path / "venv")
    for mark in ("venv", "fpga-nova"):
        state.mark_done(mark, whole.digest_of(mark))


if __name__ == "__main__":
    sys.exit(main())
