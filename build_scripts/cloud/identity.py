# SPDX-License-Identifier: Apache-2.0
"""Users, projects and the catalogue in Keystone, and the files by which people log in."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

from build_scripts.cloud.module import Cloud
from build_scripts.lib.state import digest, write_file

if TYPE_CHECKING:
    import openstack.connection

#: The services in the catalogue: type, and path of the endpoint.
CATALOGUE = {
    "glance": ("image", ""),
    "placement": ("placement", ""),
    "neutron": ("network", ""),
    "nova": ("compute", "/v2.1"),
}

#: The services' users: (project, roles in it). `fpga` is the user that fpga-cli downloads IP cores as. Glance lets only
#: members download, so it is a member of a project of its own, in which there is nothing: it sees the images that are
#: public or shared with that project, and cannot change those of others.
SERVICE_USERS = {
    "glance": ("service", ["service"]),
    "placement": ("service", ["service"]),
    "neutron": ("service", ["service", "admin"]),
    "nova": ("service", ["service", "admin"]),
    "fpga": ("fpga", ["member"]),
}


def connect(cloud: Cloud, user: str = "admin", project: str = "admin") -> openstack.connection.Connection:
    """Return a connection of openstacksdk."""
    import openstack  # takes a second to import, and most calls of the build do not need it

    return openstack.connect(load_yaml_config=False, load_envvars=False, **_login(cloud, user, project))


def expected(cloud: Cloud) -> str:
    """Return a digest of all that `register` registers."""
    urls = [cloud.url(name, path) for name, (_, path) in CATALOGUE.items()]
    return digest(json.dumps([CATALOGUE, SERVICE_USERS]), *urls)


def register(cloud: Cloud) -> None:
    """Make the services' users and the catalogue, where they are missing."""
    identity = connect(cloud).identity
    roles = {role.name: role for role in identity.roles()}
    if "service" not in roles:
        roles["service"] = identity.create_role(name="service")
    for name, (project_name, wanted) in SERVICE_USERS.items():
        project = ensure(identity, "project", project_name, domain_id="default")
        user = ensure(
            identity,
            "user",
            name,
            domain_id="default",
            password=cloud.state.secret(f"{name}-user"),
        )
        for role in wanted:
            identity.assign_project_role_to_user(project, user, roles[role])
    present = {service.name: service for service in identity.services()}
    endpoints = {(one.service_id, one.interface): one for one in identity.endpoints()}
    for name, (kind, path) in CATALOGUE.items():
        service = present.get(name) or identity.create_service(name=name, type=kind)
        for interface in ("public", "internal", "admin"):
            url = cloud.url(name, path)
            endpoint = endpoints.get((service.id, interface))
            if endpoint is None:
                identity.create_endpoint(service_id=service.id, interface=interface, region_id="RegionOne", url=url)
            elif endpoint.url != url:
                identity.update_endpoint(endpoint, url=url)


def ensure(identity: Any, kind: str, name: str, **attributes: Any) -> Any:
    """Return the project or user of this name, made with these attributes if there is none."""
    found = getattr(identity, f"find_{kind}")(name)
    return found or getattr(identity, f"create_{kind}")(name=name, **attributes)


def write_logins(cloud: Cloud) -> None:
    """Write openrc, demo-openrc and clouds.yaml into the state directory, for its owner's eyes only."""
    clouds = {}
    for label, user, project in (("openrc", "admin", "admin"), ("demo-openrc", "demo", "demo")):
        login = _login(cloud, user, project)
        lines = [f"export OS_{name.upper()}='{value}'" for name, value in login.items()]
        lines.append(f"export PATH='{cloud.venv}/bin':$PATH")
        write_file(cloud.state.path / label, "\n".join(lines) + "\n", 0o600)
        region, version = login.pop("region_name"), login.pop("identity_api_version")
        clouds[user] = {"auth": login, "region_name": region, "identity_api_version": version}
    # JSON is YAML too.
    write_file(cloud.state.path / "clouds.yaml", json.dumps({"clouds": clouds}, indent=2) + "\n", 0o600)


def _login(cloud: Cloud, user: str, project: str) -> dict[str, str]:
    return {
        "auth_url": cloud.url("keystone", "/v3"),
        "username": user,
        "password": cloud.state.secret(f"{user}-user"),
        "project_name": project,
        "user_domain_name": "Default",
        "project_domain_name": "Default",
        "region_name": "RegionOne",
        "identity_api_version": "3",
    }
