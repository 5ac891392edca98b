# SPDX-License-Identifier: Apache-2.0
"""Asks the conductor for objects as a nova-compute of this interpreter's Nova does, and prints what came, as JSON.

Nothing is made of the answers: what is printed is what was on the wire.
"""

from __future__ import annotations

import json
import sys
from typing import Any

import oslo_messaging
from nova import config, context, objects, rpc
from nova.conductor import rpcapi
from oslo_versionedobjects import base


def main() -> None:
    """Ask for a server and for a compute node."""
    server, host = sys.argv[1:]
    config.parse_args(["peer"])
    objects.register_all()
    target = oslo_messaging.Target(topic=rpcapi.RPC_TOPIC, version="3.0")
    client = rpc.get_client(target, serializer=oslo_messaging.NoOpSerializer()).prepare(timeout=30)
    questions = {
        "Instance": ("get_by_uuid", [server]),
        "ComputeNode": ("get_first_node_by_host_for_old_compat", [host]),
    }
    print(json.dumps({name: ask(client, name, *question) for name, question in questions.items()}))


def ask(client: Any, name: str, method: str, arguments: list[str]) -> dict[str, Any]:
    """Return the version that this Nova asks for, the one that came, and which of our fields came with it."""
    versions = base.obj_tree_get_versions(name)
    said = {"asked": versions[name]}
    try:
        answer = client.call(
            context.get_admin_context(), "object_class_action_versions",
            objname=name, objmethod=method, object_versions=versions, args=arguments, kwargs={},
        )  # fmt: skip
    except oslo_messaging.RemoteError as error:
        return {**said, "error": error.exc_type}
    fields = [field for field in answer["nova_object.data"] if field.startswith("fpga_")]
    return {**said, "sent": answer["nova_object.version"], "fields": sorted(fields)}


if __name__ == "__main__":
    main()
