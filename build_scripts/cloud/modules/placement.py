# SPDX-License-Identifier: Apache-2.0
"""Placement, which knows what each compute node has and what of it is taken."""

from __future__ import annotations

from collections.abc import Mapping

from build_scripts.cloud.ini import ini
from build_scripts.cloud.module import File
from build_scripts.cloud.web_service import TableService


class Placement(TableService):
    """The placement service."""

    etc = ("placement",)
    user = "placement"
    port = "placement"
    application = "placement.wsgi.api"
    make_tables = ("placement-manage", "db", "sync")

    def files(self) -> Mapping[str, File]:
        """Return placement.conf."""
        text = ini(
            {
                "placement_database": {"connection": self.cloud.database_url("placement", "placement")},
                "api": {"auth_strategy": "keystone"},
                "keystone_authtoken": self.cloud.keystone_authtoken("placement"),
            }
        )
        return {**super().files(), "/etc/placement/placement.conf": File(text, 0o640, group="placement")}


MODULE = Placement
