# SPDX-License-Identifier: Apache-2.0
"""Nova's scheduler."""

from __future__ import annotations

from collections.abc import Sequence

from build_scripts.cloud import nova


class NovaScheduler(nova.ReportingService, nova.ControllerService):
    """The scheduler."""

    start_after = ("nova_api:prepare", "keystone", "placement", "rabbitmq")
    binary = "nova-scheduler"

    def command(self) -> Sequence[str]:
        """Return the argument vector."""
        return ["nova-scheduler"]


MODULE = NovaScheduler
