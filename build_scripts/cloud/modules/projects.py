# SPDX-License-Identifier: Apache-2.0
"""A project and a user for trying the cloud, and the files to log in with."""

from __future__ import annotations

from build_scripts.cloud import identity
from build_scripts.cloud.module import Module


class Projects(Module):
    """The project `demo`, with a member that has no other rights."""

    start_after = ("keystone",)

    def start(self) -> None:
        """Make project and user, and write openrc, demo-openrc and clouds.yaml."""
        identity.write_logins(self.cloud)
        with self.once("demo") as missing:
            if not missing:
                return
            keystone = identity.connect(self.cloud).identity
            project = identity.ensure(keystone, "project", "demo", domain_id="default")
            password = self.state.secret("demo-user")
            user = identity.ensure(keystone, "user", "demo", domain_id="default", password=password)
            keystone.assign_project_role_to_user(project, user, keystone.find_role("member"))


MODULE = Projects
