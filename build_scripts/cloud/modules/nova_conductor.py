# SPDX-License-Identifier: Apache-2.0
"""Nova's conductor."""

from __future__ import annotations

from build_scripts.cloud import nova


class NovaConductor(nova.ReportingControllerService):
    """The conductor."""

    binary = "nova-conductor"


MODULE = NovaConductor
