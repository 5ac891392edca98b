# SPDX-License-Identifier: Apache-2.0
"""Placement, which knows what each compute node has and what of it is taken."""

from __future__ import annotations

from collections.abc import Mapping

from build_scripts.cloud.module import File, WebService, ini


class Placement(WebService):
    """The placement service."""

    etc = ("placement",)
    prepare_after = ("mariadb",)
    start_after = ("keystone",)
    user = "placement"
    port = "placement"
    application = "placement.wsgi.api"

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

    def prepare(self) -> None:
        """Make the tables."""
        with self.once("tables", self.state.digest_of("venv")) as missing:
            if missing:
                self.node.run(["placement-manage", "db", "sync"], self.user)


MODULE = Placement
