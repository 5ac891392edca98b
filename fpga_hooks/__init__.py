# SPDX-License-Identifier: Apache-2.0
"""The hooks that program a region when a server is built and erase it when the server is deleted.

Entry points of the namespace `nova.hooks` (:mod:`fpga_nova.nova.hooks` says when each method runs); installed with
fpga-nova on every compute host that has FPGAs.
"""

from __future__ import annotations

from typing import Any

from fpga_nova.nova.lifecycle import build

__all__ = ["FpgaBuildInstanceHook", "FpgaDeleteInstanceHook"]


class FpgaBuildInstanceHook:
    """Programs a region with the IP core that the server's flavor, or where allowed its image, names."""

    def pre(self, manager: Any, context: Any, instance: Any, image: Any) -> None:
        """Burn, inside the claim.

        :raises fpga_nova.nova.hooks.FatalHookException: the burn failed; the build goes to the next host
        """
        build.burn(manager, context, instance)

    def post(self, rv: Any, manager: Any, context: Any, instance: Any, image: Any) -> None:
        """Erase what was burned, if the build failed."""
        build.end_build(manager, instance, rv)


class FpgaDeleteInstanceHook:
    """Erases the region of a deleted server."""

    def pre(self, manager: Any, context: Any, instance: Any) -> None:
        """Erase, when the guest is gone and before the host's resources are released."""
        build.erase(manager, context, instance)
