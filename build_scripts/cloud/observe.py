# SPDX-License-Identifier: Apache-2.0
"""An operator's view of a cloud that is up: regions, sockets, database rows, processes."""

from __future__ import annotations

import concurrent.futures
import contextlib
import json
import sqlite3
from typing import Any

from build_scripts.cloud.build import CLOUD_YAML, Build
from build_scripts.cloud.daemon import Daemon
from build_scripts.cloud.node import Node
from build_scripts.lib.state import State


class Observer:
    """The nodes of the cloud in `state`; changes nothing."""

    def __init__(self, state: State) -> None:
        self.state = state
        build = Build(CLOUD_YAML, state)
        self.nodes = {node.name: node for node in build.nodes}
        self._modules = build.modules

    def fpga_nodes(self) -> list[Node]:
        """Return the nodes that have cards."""
        return [node for node in self.nodes.values() if node.spec.soft_cards]

    def regions(self) -> list[dict[str, Any]]:
        """Return all regions of all nodes as `fpga-cli list -f json` prints them, each with its `node`."""
        nodes = self.fpga_nodes()
        with concurrent.futures.ThreadPoolExecutor() as pool:
            outputs = list(pool.map(lambda node: node.run(["fpga-cli", "list", "-f", "json"]), nodes))
        return [{**region, "node": node.name} for node, output in zip(nodes, outputs) for region in json.loads(output)]

    def state_in_store(self, owner: str) -> tuple[str, str] | None:
        """Return (node, state) of the region of `owner`, read from the stores in milliseconds; None if it has none."""
        for node in self.fpga_nodes():
            path = node.path("/var/lib/fpga-nova/regions.sqlite")
            with contextlib.closing(sqlite3.connect(f"file:{path}?mode=ro", uri=True)) as store:
                row = store.execute("SELECT state FROM regions WHERE owner = ?", (owner,)).fetchone()
            if row is not None:
                return node.name, row[0]
        return None

    def has_endpoint(self, node: str, region_id: str) -> bool:
        """Return whether a region has a socket for its guest."""
        return self.nodes[node].path(f"/run/fpga-nova/endpoints/{region_id}.sock").exists()

    def query(self, database: str, statement: str) -> list[list[str]]:
        """Return the rows of a query, each a list of the columns' texts."""
        node = next(node for node in self.nodes.values() if "mariadb" in node.spec.modules)
        output = node.run(
            [
                "mariadb",
                "--no-defaults",
                "--socket=/run/mysqld/mysqld.sock",
                "--batch",
                "--skip-column-names",
                database,
            ],
            text=statement,
        )
        return [line.split("\t") for line in output.splitlines()]

    def daemon(self, node: str, module: str) -> Daemon:
        """Return a module of a node that runs a process."""
        found = self._modules[f"{node}/{module}"]
        assert isinstance(found, Daemon), f"{module} runs no process"  # noqa: S101
        return found
