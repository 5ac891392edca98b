# SPDX-License-Identifier: Apache-2.0
"""The map of cells: a new compute node is used only once it is on it."""

from __future__ import annotations

import time

from build_scripts.cloud import identity
from build_scripts.cloud.module import Module
from build_scripts.lib.errors import CloudError

#: Seconds from the first sign of life of a compute node until it has told Placement what it has.
_PATIENCE = 120


class NovaCells(Module):
    """Discovers the compute nodes, and waits until servers can be put on them."""

    start_after = ("nova_compute", "placement")

    def start(self) -> None:
        """Put all compute nodes on the map, again whenever there are others.

        :raises CloudError: one of them has not told Placement what it has
        """
        computes = {spec.name for spec in self.cloud.specs if "nova_compute" in spec.modules}
        with self.once("discovered", *sorted(computes)) as missing:
            if not missing:
                return
            self.node.run(["nova-manage", "cell_v2", "discover_hosts", "--by-service"], "nova")
            deadline = time.monotonic() + _PATIENCE
            while late := computes - self._in_placement():
                if time.monotonic() > deadline:
                    raise CloudError(
                        f"Placement knows nothing of {', '.join(sorted(late))}; see their nova_compute logs"
                    )
                time.sleep(0.5)

    def _in_placement(self) -> set[str]:
        session = identity.connect(self.cloud).session
        found = session.get(
            "/resource_providers?resources=VCPU:1",
            endpoint_filter={"service_type": "placement"},
            headers={"OpenStack-API-Version": "placement 1.4"},
        )
        return {provider["name"] for provider in found.json()["resource_providers"]}


MODULE = NovaCells
