# SPDX-License-Identifier: Apache-2.0
"""cloud.yaml: which nodes there are, what role each has, and which modules make it up."""

from __future__ import annotations

import dataclasses
import pathlib
import re
from collections.abc import Collection, Mapping
from typing import Any

from build_scripts.lib.errors import CloudError

ROLES = ("controller", "compute")

# A host name (RFC 1123); it also names directories and files.
_NAME = re.compile(r"[a-z][a-z0-9-]{0,30}")


@dataclasses.dataclass(frozen=True)
class NodeSpec:
    """One node of the cloud.

    :param modules: names of files under build_scripts/cloud/modules/, without the suffix
    :param soft_cards: soft FPGA cards of the node, each ``NAME:BOARD:REGIONS`` as fpga-nova.conf spells them
    """

    name: str
    role: str
    modules: tuple[str, ...]
    soft_cards: tuple[str, ...] = ()


def load(path: pathlib.Path, known_modules: Collection[str]) -> tuple[NodeSpec, ...]:
    """Read cloud.yaml.

    :raises CloudError: the file is not there, is no YAML, or does not describe a cloud; with the place in it
    """
    import yaml  # not on the system's Python, which needs other parts of this module

    try:
        document = yaml.safe_load(path.read_text(encoding="utf-8"))
    except (OSError, yaml.YAMLError) as error:
        raise CloudError(f"{path}: {' '.join(str(error).split())}") from error
    try:
        return parse(document, known_modules)
    except CloudError as error:
        raise CloudError(f"{path}: {error}") from None


def parse(document: Any, known_modules: Collection[str]) -> tuple[NodeSpec, ...]:
    """Check the parsed YAML and return its nodes, in their order.

    :raises CloudError: naming the node and what is wrong with it
    """
    if not isinstance(document, Mapping) or set(document) != {"nodes"}:
        raise CloudError("expected one key at the top, `nodes`")
    nodes = document["nodes"]
    if not isinstance(nodes, Mapping) or not nodes:
        raise CloudError("nodes: expected a mapping of node names to nodes")
    parsed = tuple(_node(name, node, known_modules) for name, node in nodes.items())
    controllers = [node.name for node in parsed if node.role == "controller"]
    if len(controllers) != 1:
        raise CloudError(f"nodes: expected one node with the role controller, found {len(controllers)}")
    return parsed


def _node(name: Any, node: Any, known_modules: Collection[str]) -> NodeSpec:
    if not isinstance(name, str) or not _NAME.fullmatch(name):
        raise CloudError(f"node {name!r}: a node's name is a host name in lower case")
    if not isinstance(node, Mapping):
        raise CloudError(f"node {name}: expected a mapping with `role` and `modules`")
    unknown = set(node) - {"role", "modules", "soft_cards"}
    if unknown:
        raise CloudError(f"node {name}: unknown key {', '.join(sorted(map(str, unknown)))}")
    role = node.get("role")
    if role not in ROLES:
        raise CloudError(f"node {name}: role is {role!r}, expected one of {', '.join(ROLES)}")
    modules = _strings(name, node, "modules")
    for module in modules:
        if module not in known_modules:
            raise CloudError(f"node {name}: unknown module {module!r}; there are {', '.join(sorted(known_modules))}")
    if not modules:
        raise CloudError(f"node {name}: no modules")
    if len(set(modules)) != len(modules):
        raise CloudError(f"node {name}: a module is named twice")
    return NodeSpec(name=name, role=role, modules=modules, soft_cards=_strings(name, node, "soft_cards"))


def _strings(name: str, node: Mapping[str, Any], key: str) -> tuple[str, ...]:
    value = node.get(key, [])
    if not isinstance(value, list) or not all(isinstance(item, str) for item in value):
        raise CloudError(f"node {name}: {key} is not a list of strings")
    return tuple(value)
