# SPDX-License-Identifier: Apache-2.0
"""Arrows between the layers run one way: every import of every module, by the table below.

leaves <- core <- clients <- nova <- the patched Nova; core and devices <- cli and service.
"""

from __future__ import annotations

import ast
import pathlib

import pytest

ROOT = pathlib.Path(__file__).resolve().parents[2]

LEAVES = {"fpga_nova.errors", "fpga_nova.model", "fpga_nova.config", "fpga_nova.paths"}

#: What of core drivers may use: it imports leaves and each other alone, which test_tools_of_core holds it to.
TOOLS_OF_CORE = {"fpga_nova.core.locks", "fpga_nova.core.scratch", "fpga_nova.core.tool"}

#: Layer to what of our own packages it may import besides itself and the leaves.
MAY_IMPORT = {
    "fpga_nova.core": {"fpga_nova.devices.base", "fpga_nova.formats"},
    "fpga_nova.devices": {"fpga_nova.softfpga", "fpga_nova.formats", *TOOLS_OF_CORE},
    "fpga_nova.formats": set(),
    "fpga_nova.softfpga": set(),
    "fpga_nova.clients": {"fpga_nova.core"},
    "fpga_nova.cli": {"fpga_nova.core", "fpga_nova.devices", "fpga_nova.clients", "fpga_nova.softfpga"},
    "fpga_nova.nova": {"fpga_nova.clients"},
    "fpga_nova.service": {"fpga_nova.core", "fpga_nova.devices", "fpga_nova.clients"},
    "fpga_nova.cells": {"fpga_nova.nova"},
    # The command `fpga-nova` is the patcher's, and leads to the doctor, which looks at everything, and to the cells.
    "fpga_nova.patcher.cli": {"fpga_nova.patcher", "fpga_nova.doctor", "fpga_nova.cells"},
    "fpga_nova.patcher": set(),
    "fpga_nova.doctor": {
        *("fpga_nova.core.images", "fpga_nova.cells", "fpga_nova.cli", "fpga_nova.clients", "fpga_nova.nova"),
        "fpga_nova.patcher",
    },
    "fpga_hooks": {"fpga_nova.nova"},
}

#: Layer to what of others it must not import.
MUST_NOT_IMPORT = {
    "fpga_nova.core": {"nova", "oslo_messaging", "glanceclient", "keystoneauth1", "openstack", "sqlalchemy"},
    "fpga_nova.devices": {"nova", "oslo_messaging", "glanceclient", "keystoneauth1", "openstack"},
    "fpga_nova.formats": {"nova", "oslo_messaging", "glanceclient", "keystoneauth1", "openstack"},
    "fpga_nova.softfpga": {"nova", "oslo_messaging", "glanceclient", "keystoneauth1", "openstack"},
    "fpga_nova.clients": {"nova"},
    "fpga_nova.cli": {"nova"},
    "fpga_nova.service": {"nova"},
    "fpga_nova.patcher.cli": {"nova", "oslo_config", "oslo_log"},
    "fpga_nova.patcher": {"nova", "oslo_config", "oslo_log"},
}

#: What no module may import.
NOBODY = {"eventlet", "tests"}

MODULES = sorted(
    path for package in ("fpga_nova", "fpga_hooks") for path in (ROOT / package).rglob("*.py") if path.is_file()
)


def name_of(path: pathlib.Path) -> str:
    name = ".".join(path.relative_to(ROOT).with_suffix("").parts)
    return name.removesuffix(".__init__")


def imports(path: pathlib.Path) -> set[str]:
    """Return the names that a module imports, wherever in it; `from a import b` counts as a.b."""
    package = name_of(path).split(".")
    if path.name != "__init__.py":
        package = package[:-1]
    found = set()
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Import):
            found |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom):
            base = package[: len(package) - node.level + 1] if node.level else []
            module = ".".join([*base, *([node.module] if node.module else [])])
            found |= {f"{module}.{alias.name}" for alias in node.names}
    return found


def within(name: str, packages: set[str]) -> bool:
    return any(name == package or name.startswith(package + ".") for package in packages)


def layer_of(name: str) -> str | None:
    return next((layer for layer in MAY_IMPORT if within(name, {layer})), None)


def violations(name: str, imported: set[str]) -> list[str]:
    """Return the imports of module `name` that the tables refuse."""
    layer = layer_of(name)
    ours = {each for each in imported if within(each, {"fpga_nova", "fpga_hooks"})}
    allowed = {name} if layer is None else {layer, *LEAVES, *MAY_IMPORT[layer]}
    if name in LEAVES:
        allowed = LEAVES
    # `from fpga_nova import errors` reads fpga_nova.errors; a bare `import fpga_nova` gets the empty package alone.
    refused = {each for each in ours if not within(each, allowed) and each != "fpga_nova"}
    forbidden = MUST_NOT_IMPORT.get(layer or "", set()) | NOBODY
    return sorted(refused | {each for each in imported - ours if within(each, forbidden)})


@pytest.mark.parametrize("path", MODULES, ids=name_of)
def test_imports_of(path):
    assert violations(name_of(path), imports(path)) == []


@pytest.mark.parametrize("name", sorted(TOOLS_OF_CORE))
def test_tools_of_core(name):
    ours = {each for each in imports(ROOT / (name.replace(".", "/") + ".py")) if within(each, {"fpga_nova"})}
    assert {each for each in ours if not within(each, LEAVES | TOOLS_OF_CORE)} == set()


def test_every_module_is_in_a_layer():
    outside = [name_of(path) for path in MODULES if layer_of(name_of(path)) is None]
    assert set(outside) <= {"fpga_nova", *LEAVES}


@pytest.mark.parametrize(
    ("name", "imported"),
    [
        ("fpga_nova.core.regions", "nova.objects"),
        ("fpga_nova.core.regions", "fpga_nova.devices.soft"),
        ("fpga_nova.core.images", "fpga_nova.clients.glance"),
        ("fpga_nova.model", "fpga_nova.core.store"),
        ("fpga_nova.service.api", "fpga_nova.nova.seams"),
        ("fpga_nova.nova.seams", "eventlet.green"),
        ("fpga_nova.nova.seams", "fpga_nova.core.regions"),
        ("fpga_nova.patcher.cli", "nova"),
        ("fpga_nova.clients.runner", "fpga_nova.nova.host"),
    ],
)
def test_the_tables_refuse_what_they_should(name, imported):
    assert violations(name, {imported}) == [imported]
