# SPDX-License-Identifier: Apache-2.0
"""The roles of a host, by the services of Nova that it runs."""

from __future__ import annotations

#: The roles.
ROLES = ("api", "scheduler", "conductor", "compute")

#: Role of a host by the script that makes it so.
BY_SCRIPT = {
    "nova-api": "api",
    "nova-api-os-compute": "api",
    "nova-compute": "compute",
    "nova-conductor": "conductor",
    "nova-scheduler": "scheduler",
}
