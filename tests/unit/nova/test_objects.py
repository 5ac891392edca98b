# SPDX-License-Identifier: Apache-2.0
"""ComputeNode 1.20 and Instance 2.9 among peers without the patch."""

from __future__ import annotations

from nova import context, objects
from nova.objects import base

UUID = "dd834aa4-f950-40e6-8c23-9dab7f3f0138"


def data(thing, version):
    return thing.obj_to_primitive(target_version=version, version_manifest=None)["nova_object.data"]


def test_fields_are_sent_to_patched_peers_alone():
    node = objects.ComputeNode(uuid=UUID, fpga_regions=2, fpga_regions_used=1)
    assert data(node, "1.20")["fpga_regions"] == 2
    assert set(data(node, "1.19")) == {"uuid"}
    server = objects.Instance(uuid=UUID, fpga_device=UUID)
    assert data(server, "2.9")["fpga_device"] == UUID
    assert set(data(server, "2.8")) == {"uuid"}


def test_object_of_an_unpatched_peer_is_read():
    primitive = objects.Instance(uuid=UUID, fpga_device=UUID).obj_to_primitive(target_version="2.8")
    received = base.NovaObject.obj_from_primitive(primitive, context.get_admin_context())
    assert "fpga_device" not in received


def test_instance_in_a_list_loses_its_field_for_an_unpatched_peer():
    servers = objects.InstanceList(objects=[objects.Instance(uuid=UUID, fpga_device=UUID)])
    manifest = {"InstanceList": servers.VERSION, "Instance": "2.8"}
    primitive = servers.obj_to_primitive(target_version=servers.VERSION, version_manifest=manifest)
    (server,) = primitive["nova_object.data"]["objects"]
    assert server["nova_object.version"] == "2.8"
    assert "fpga_device" not in server["nova_object.data"]
