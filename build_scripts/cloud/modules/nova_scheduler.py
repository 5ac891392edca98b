# SPDX-License-Identifier: Apache-2.0
"""Nova's scheduler."""

from __future__ import annotations

from build_scripts.cloud import nova


class NovaScheduler(nova.ReportingControllerService):
    """The scheduler."""

    binary = "nova-scheduler"


MODULE = NovaScheduler
