# SPDX-License-Identifier: Apache-2.0
"""Glance, which keeps guest images and IP cores."""

from __future__ import annotations

from collections.abc import Mapping

from build_scripts.cloud.ini import ini
from build_scripts.cloud.module import File
from build_scripts.cloud.web_service import TableService


class Glance(TableService):
    """The image service."""

    etc = ("glance",)
    directories = (("/var/lib/glance", "glance", 0o700),)
    user = "glance"
    port = "glance"
    application = "glance.wsgi.api"
    make_tables = ("glance-manage", "db_sync")

    def files(self) -> Mapping[str, File]:
        """Return glance-api.conf and the pipeline that comes with Glance."""
        text = ini(
            {
                "DEFAULT": {"enabled_backends": "files:file"},
                "database": {"connection": self.cloud.database_url("glance", "glance")},
                "glance_store": {"default_backend": "files"},
                "files": {"filesystem_store_datadir": "/var/lib/glance/images"},
                "os_glance_tasks_store": {"filesystem_store_datadir": "/var/lib/glance/tasks"},
                "os_glance_staging_store": {"filesystem_store_datadir": "/var/lib/glance/staging"},
                "image_format": {
                    # Glance's own, and the two that FPGA clouds use.
                    "container_formats": "ami,ari,aki,bare,ovf,ova,compressed,docker,fpga",
                },
                "keystone_authtoken": self.cloud.keystone_authtoken("glance"),
                "paste_deploy": {"flavor": "keystone"},
            }
        )
        paste = (self.cloud.venv / "etc/glance/glance-api-paste.ini").read_text()
        return {
            **super().files(),
            "/etc/glance/glance-api.conf": File(text, 0o640, group="glance"),
            "/etc/glance/glance-api-paste.ini": File(paste),
        }


MODULE = Glance
