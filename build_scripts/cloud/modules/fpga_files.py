# SPDX-License-Identifier: Apache-2.0
"""The patch of Nova. All nodes share the one Nova of the virtual environment."""

from __future__ import annotations

from build_scripts.cloud.module import Module
from build_scripts.lib import paths
from build_scripts.lib.state import digest


class FpgaFiles(Module):
    """Nova, patched by `fpga-nova patch apply`."""

    def prepare(self) -> None:
        """Patch Nova, again whenever the environment or the patches changed."""
        patches = [path.read_text() for path in sorted((paths.CLONE / "patches").iterdir()) if path.is_file()]
        wanted = digest(self.state.digest_of("venv"), *patches)
        if self.state.done("patch", wanted):
            return
        output = self.node.run(["fpga-nova", "patch", "apply"])
        print(output.strip().splitlines()[-1])
        self.state.mark_done("patch", wanted)


MODULE = FpgaFiles
