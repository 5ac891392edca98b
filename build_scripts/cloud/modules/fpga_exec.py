# SPDX-License-Identifier: Apache-2.0
"""fpga-cli on a node with cards: its configuration, and the rootwrap filter for Nova."""

from __future__ import annotations

from collections.abc import Mapping

from build_scripts.cloud.ini import ini
from build_scripts.cloud.module import File, Module
from build_scripts.lib import paths

#: The filter that belongs to fpga-nova.
_FILTERS = paths.CLONE / "etc/nova/rootwrap.d/fpga.filters"


class FpgaExec(Module):
    """The host tool."""

    etc = ("fpga-nova",)
    directories = (("/etc/nova/rootwrap.d", "root", 0o755),)

    def files(self) -> Mapping[str, File]:
        """Return fpga-nova.conf, which only root can read, and the filter."""
        options = {
            "devices": "soft",
            "soft_cards": ",".join(self.node.spec.soft_cards),
            # QEMU's group: servers connect to the sockets of their regions.
            "endpoint_group": "kvm",
            **self.cloud.service_auth("fpga", project="fpga"),
        }
        return {
            "/etc/fpga-nova/fpga-nova.conf": File(ini({"fpga": options}), 0o600),
            "/etc/nova/rootwrap.d/fpga.filters": File(_FILTERS.read_text()),
        }


MODULE = FpgaExec
