# SPDX-License-Identifier: Apache-2.0
"""Keystone, with the catalogue of all services and a user for each."""

from __future__ import annotations

from collections.abc import Mapping

from build_scripts.cloud import identity
from build_scripts.cloud.ini import ini
from build_scripts.cloud.module import File
from build_scripts.cloud.web_service import WebService


class Keystone(WebService):
    """The identity service."""

    etc = ("keystone",)
    directories = (("/var/lib/keystone", "keystone", 0o700),)
    prepare_after = ("mariadb",)
    user = "keystone"
    port = "keystone"
    application = "keystone.wsgi.api"
    workers = 2

    def files(self) -> Mapping[str, File]:
        """Return keystone.conf."""
        text = ini(
            {
                "database": {"connection": self.cloud.database_url("keystone", "keystone")},
                "token": {"provider": "fernet"},
                "fernet_tokens": {"key_repository": "/var/lib/keystone/fernet-keys"},
                "fernet_receipts": {"key_repository": "/var/lib/keystone/fernet-keys"},
                "credential": {"key_repository": "/var/lib/keystone/credential-keys"},
            }
        )
        return {**super().files(), "/etc/keystone/keystone.conf": File(text, 0o640, group="keystone")}

    def prepare(self) -> None:
        """Make the keys, the tables, the first user and the catalogue's first entry."""
        with self.once("prepared", self.state.digest_of("venv")) as missing:
            if not missing:
                return
            for command in (["fernet_setup"], ["credential_setup"], ["db_sync"], ["bootstrap"]):
                self.node.run(["keystone-manage", *command], self.user, env=self._first_user())

    def start(self) -> None:
        """Start the service, then register every service and its user."""
        super().start()
        with self.once("catalogue", identity.expected(self.cloud)) as missing:
            if missing:
                identity.register(self.cloud)

    def _first_user(self) -> Mapping[str, str]:
        url = self.cloud.url("keystone", "/v3")
        return {
            "OS_BOOTSTRAP_PASSWORD": self.state.secret("admin-user"),
            "OS_BOOTSTRAP_ADMIN_URL": url,
            "OS_BOOTSTRAP_PUBLIC_URL": url,
            "OS_BOOTSTRAP_INTERNAL_URL": url,
            "OS_BOOTSTRAP_REGION_ID": "RegionOne",
        }


MODULE = Keystone
