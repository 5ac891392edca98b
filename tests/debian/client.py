# SPDX-License-Identifier: Apache-2.0
"""The actions of an administrator and a user, by Debian's own openstacksdk; runs inside the root and prints JSON."""

from __future__ import annotations

import json
import os
import sys
import time
from typing import Any

import openstack

_TYPES = {"keystone": "identity", "glance": "image", "placement": "placement", "neutron": "network", "nova": "compute"}
#: Seconds that a server may take.
_PATIENCE = 600


def connect() -> Any:
    """Return a connection of the administrator."""
    return openstack.connect(
        load_yaml_config=False, load_envvars=False, auth_url="http://127.0.0.1:5000/v3", region_name="RegionOne",
        username="admin", password=os.environ["OS_PASSWORD"], project_name="admin", user_domain_name="Default",
        project_domain_name="Default",
    )  # fmt: skip


def register(cloud: Any, ports: str) -> Any:
    """Make the services' users and the catalogue."""
    identity = cloud.identity
    roles = {role.name: role for role in identity.roles()}
    projects = {name: identity.create_project(name=name, domain_id="default") for name in ("service", "fpga")}
    for name, project, role in (
        ("glance", "service", "admin"), ("placement", "service", "admin"), ("nova", "service", "admin"),
        ("neutron", "service", "admin"), ("fpga", "fpga", "member"),
    ):  # fmt: skip
        user = identity.create_user(name=name, domain_id="default", password=os.environ["OS_PASSWORD"])
        identity.assign_project_role_to_user(projects[project], user, roles[role])
    for name, port in json.loads(ports).items():
        if name == "keystone":  # `keystone-manage bootstrap` made that one
            continue
        service = identity.create_service(name=name, type=_TYPES[name])
        url = f"http://127.0.0.1:{port}{'/v2.1' if name == 'nova' else ''}"
        for interface in ("public", "internal", "admin"):
            identity.create_endpoint(service_id=service.id, interface=interface, region_id="RegionOne", url=url)


def prepare(cloud: Any, core: str) -> Any:
    """Make a flavor with the IP core `core`, and an image to boot from."""
    flavor = cloud.compute.create_flavor(name="fpga", ram=64, vcpus=1, disk=1)
    cloud.compute.create_flavor_extra_specs(flavor, {"hw:fpga_ip_id": core})
    image = cloud.image.create_image(
        name="guest", data=b"\0" * 512, disk_format="raw", container_format="bare", visibility="public"
    )
    return {"flavor": flavor.id, "image": image.id}


def boot(cloud: Any, flavor: str, image: str, **more: str) -> Any:
    """Boot a server without a network; return how that ended."""
    server = cloud.compute.create_server(name="guest", flavor_id=flavor, image_id=image, networks="none", **more)
    deadline = time.monotonic() + _PATIENCE
    while server.status not in ("ACTIVE", "ERROR") and time.monotonic() < deadline:
        time.sleep(0.5)
        server = cloud.compute.get_server(server.id)
    fault = (server.to_dict().get("fault") or {}).get("message")
    return {"id": server.id, "status": server.status, "fault": fault}


def delete(cloud: Any, server: str) -> Any:
    """Delete a server; return whether it is gone."""
    cloud.compute.delete_server(server)
    deadline = time.monotonic() + _PATIENCE
    while time.monotonic() < deadline:
        if server not in {one.id for one in cloud.compute.servers(details=False)}:
            return True
        time.sleep(0.5)
    return False


if __name__ == "__main__":
    print(json.dumps(globals()[sys.argv[1]](connect(), *sys.argv[2:])))
