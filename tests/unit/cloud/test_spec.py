# SPDX-License-Identifier: Apache-2.0
"""cloud.yaml: a good one is read; a bad one is refused, with the place and the reason."""

from __future__ import annotations

import copy

import pytest

from build_scripts.cloud import spec
from build_scripts.cloud.build import CLOUD_YAML, Build
from build_scripts.lib.errors import CloudError
from build_scripts.lib.state import State

KNOWN = {"mariadb", "libvirt"}
GOOD = {
    "nodes": {
        "controller": {"role": "controller", "modules": ["mariadb"]},
        "compute1": {"role": "compute", "modules": ["libvirt"], "soft_cards": ["fpga0:soft-hx1k:2"]},
    }
}


def test_nodes_keep_their_order():
    nodes = spec.parse(GOOD, KNOWN)
    assert nodes == (
        spec.NodeSpec("controller", "controller", ("mariadb",)),
        spec.NodeSpec("compute1", "compute", ("libvirt",), ("fpga0:soft-hx1k:2",)),
    )


@pytest.mark.parametrize(
    ("change", "reason"),
    [
        (lambda d: d.clear(), "one key at the top"),
        (lambda d: d.update(cards=[]), "one key at the top"),
        (lambda d: d.update(nodes=[]), "nodes: expected a mapping"),
        (lambda d: d["nodes"].update({"Compute 2": d["nodes"]["compute1"]}), "'Compute 2'.*host name"),
        (lambda d: d["nodes"].update({"../x": d["nodes"]["compute1"]}), "host name"),
        (lambda d: d["nodes"].update(compute2=None), "node compute2: expected a mapping"),
        (lambda d: d["nodes"]["compute1"].update(role="storage"), "node compute1: role is 'storage'"),
        (lambda d: d["nodes"]["compute1"].update(cards=1), "node compute1: unknown key cards"),
        (lambda d: d["nodes"]["compute1"].update(modules=["docker"]), "node compute1: unknown module 'docker'"),
        (lambda d: d["nodes"]["compute1"].update(modules="libvirt"), "node compute1: modules is not a list"),
        (lambda d: d["nodes"]["compute1"].update(modules=[]), "node compute1: no modules"),
        (lambda d: d["nodes"]["compute1"].update(modules=["libvirt"] * 2), "node compute1: a module is named twice"),
        (lambda d: d["nodes"]["compute1"].update(soft_cards=[1]), "node compute1: soft_cards is not a list"),
        (lambda d: d["nodes"].pop("controller"), "one node with the role controller, found 0"),
        (lambda d: d["nodes"]["compute1"].update(role="controller"), "one node with the role controller, found 2"),
    ],
)
def test_bad_document_is_refused_with_its_reason(change, reason):
    document = copy.deepcopy(GOOD)
    change(document)
    with pytest.raises(CloudError, match=reason):
        spec.parse(document, KNOWN)


@pytest.mark.parametrize("text", ["nodes: [", "", "nodes:\n\t- x"])
def test_broken_file_is_named(tmp_path, text):
    path = tmp_path / "cloud.yaml"
    path.write_text(text)
    with pytest.raises(CloudError, match=str(path)):
        spec.load(path, KNOWN)


def test_missing_file_is_named(tmp_path):
    with pytest.raises(CloudError, match=r"none\.yaml"):
        spec.load(tmp_path / "none.yaml", KNOWN)


def test_own_cloud_has_the_cards_of_the_demo(tmp_path):
    build = Build(CLOUD_YAML, State(tmp_path))
    cards = {node.name: node.spec.soft_cards for node in build.nodes}
    assert cards == {
        "controller": (),
        "compute1": ("fpga0:soft-hx1k:2",),
        "compute2": (),
        "compute3": ("fpga0:soft-hx8k:1",),
    }


def test_modules_wait_only_for_modules_that_exist(tmp_path):
    build = Build(CLOUD_YAML, State(tmp_path))
    names = {module.name for module in build.modules.values()}
    for module in build.modules.values():
        for entry in (*module.prepare_after, *module.start_after):
            name, _, phase = entry.partition(":")
            assert name in names, f"{module.name} waits for {name}"
            assert phase in ("", "configure", "prepare")
