# SPDX-License-Identifier: Apache-2.0
"""Nova's API, and Nova's databases and cells."""

from __future__ import annotations

import concurrent.futures
from collections.abc import Mapping

from build_scripts.cloud import nova
from build_scripts.cloud.module import File
from build_scripts.cloud.web_service import WebService


class NovaApi(WebService, nova.ControllerService):
    """The compute service's API."""

    prepare_after = ("mariadb", "fpga_files:prepare")
    start_after = ("keystone", "rabbitmq")
    port = "nova"
    application = "nova.wsgi.osapi_compute"
    workers = 2

    def files(self) -> Mapping[str, File]:
        """Return nova.conf, uWSGI's configuration and the pipeline that comes with Nova."""
        paste = (self.cloud.venv / "etc/nova/api-paste.ini").read_text()
        return {
            **nova.ControllerService.files(self),
            **WebService.files(self),
            "/etc/nova/api-paste.ini": File(paste),
        }

    def prepare(self) -> None:
        """Make the tables of the API and of the cells, and again whenever Nova's code changed."""
        with self.once("tables", *(self.state.digest_of(mark) for mark in nova.CODE)) as missing:
            if not missing:
                return
            self._manage("api_db", "sync")
            with concurrent.futures.ThreadPoolExecutor() as pool:
                cell = pool.submit(self._make_cell)
                self._manage("cell_v2", "map_cell0")
                self._manage("db", "sync")
                cell.result()

    def _make_cell(self) -> None:
        if "cell1" not in self._manage("cell_v2", "list_cells"):
            self._manage("cell_v2", "create_cell", "--name", "cell1")

    def _manage(self, *arguments: str) -> str:
        return self.node.run(["nova-manage", *arguments], self.user)


MODULE = NovaApi
