# SPDX-License-Identifier: Apache-2.0
"""The patch of Nova: it makes Nova know of FPGAs. All nodes share the one Nova of the virtual environment."""

from __future__ import annotations

from build_scripts.lib.module import Module
from build_scripts.lib.state import digest


class FpgaFiles(Module):
    """Nova, patched by `fpga-nova patch apply`."""

    def prepare(self) -> None:
        """Patch Nova, again whenever Nova or fpga-nova is another."""
        wanted = digest(self.state.digest_of("venv"), self.state.digest_of("fpga-nova"))
        if self.state.done("patch", wanted):
            return
        print(self.node.run(["fpga-nova", "patch", "apply"]).strip())
        self.state.mark_done("patch", wanted)


MODULE = FpgaFiles
