# SPDX-License-Identifier: Apache-2.0
"""Nova's conductor."""

from __future__ import annotations

from collections.abc import Sequence

from build_scripts.cloud import nova


class NovaConductor(nova.ReportingService, nova.ControllerService):
    """The conductor."""

    start_after = ("nova_api:prepare", "keystone", "placement", "rabbitmq")
    binary = "nova-conductor"

    def command(self) -> Sequence[str]:
        """Return the argument vector."""
        return ["nova-conductor"]


MODULE = NovaConductor
