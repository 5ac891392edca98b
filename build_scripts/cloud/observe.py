# SPDX-License-Identifier: Apache-2.0
"""A look into the nodes of a cloud that is up, as its operator has it: regions, sockets, database rows."""

from __future__ import annotations

import json
from typing import Any

from build_scripts.cloud.build import CLOUD_YAML, Build
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
        """Return all regions of all nodes as `fpga-cli list -f json` tells them, each with its `node`."""
        return [
            {**region, "node": node.name}
            for node in self.fpga_nodes()
            for region in json.loads(node.run(["fpga-cli", "list", "-f", "json"]))
        ]

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

    def pid(self, node: str, module: str) -> int | None:
        """Return the process that serves a module of a node, if it runs."""
        for one in self._modules.values():
            if one.node.name == node and one.name == module:
                status = one.status()
                return status.pid if status else None
        return None
