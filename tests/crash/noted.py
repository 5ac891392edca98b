# SPDX-License-Identifier: Apache-2.0
"""fpga-cli that notes in SYNCS_LOG when it touches a card and what it then has told the store to keep.

`LD_PRELOAD=syncs.so SYNCS_LOG=FILE python -m tests.crash.noted fpga-cli's arguments`
"""

from __future__ import annotations

import os
import pathlib
import sys

from fpga_nova.fpga_cli import main
from fpga_nova.regions.store import Store
from tests.crash import killed


def _note(text: str) -> None:
    with pathlib.Path(os.environ["SYNCS_LOG"]).open("a") as file:
        file.write(text + "\n")


if __name__ == "__main__":
    for method in ("program", "verify", "erase"):
        for when in ("before", "after"):
            text = f"card {when} {method}"
            killed.wrap(killed.DRIVERS["sim"], method, when, lambda text=text: _note(text), lambda *args: True)
    transition = Store.transition

    def noted(self: Store, region: object, state: object, **changes: object) -> object:
        result = transition(self, region, state, **changes)  # type: ignore[arg-type]
        _note(f"state {state}")
        return result

    Store.transition = noted  # type: ignore[assignment, method-assign]
    sys.exit(main.main(sys.argv[1:]))
