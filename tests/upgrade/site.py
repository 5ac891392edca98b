# SPDX-License-Identifier: Apache-2.0
"""The cloud that Nova is tried on: everything but Nova from the cloud's modules, and Nova's services by hand."""

from __future__ import annotations

import json
import pathlib
import shutil
import subprocess
from collections.abc import Mapping
from typing import Any

from build_scripts.cloud import identity, plan
from build_scripts.cloud.build import Build
from build_scripts.cloud.daemon import Daemon
from build_scripts.lib.errors import CloudError
from build_scripts.lib.state import State
from tests.upgrade import databases, services
from tests.upgrade.novas import Nova

_YAML = pathlib.Path(__file__).with_name("cloud.yaml")

#: The hosts with nova-compute.
COMPUTES = ("compute1", "compute2")


class Site:
    """One controller and two compute hosts.

    :param state: the state directory of the trial, whose `venv` is the cloud's
    :param kind: of the databases that Nova is to have
    """

    def __init__(self, state: State, kind: str) -> None:
        self.state = state
        self.build = Build(_YAML, state)
        self.nodes = {node.name: node for node in self.build.nodes}
        modules = {module.name: module for module in self.build.modules.values()}
        self.database = databases.KINDS[kind](modules)
        self.trial = services.Trial(state, self.build.cloud.specs, self.database)
        self._running: dict[str, Daemon] = {}

    # Services other than Nova.

    def up(self) -> None:
        """Bring up everything but Nova, and make room for a new one."""
        self.down()
        for name in COMPUTES:
            for place in ("/var/lib/nova", "/var/lib/fpga-nova"):
                shutil.rmtree(self.nodes[name].path(place), ignore_errors=True)
        for node in self.build.nodes:
            # A node has what is in its etc/ when it comes up; of the modules that it starts with none is Nova's.
            node.path("/etc/nova").mkdir(parents=True, exist_ok=True)
        self.build.up()
        for database in databases.ALL:
            self.database.recreate(database)
        placement = self.connect().placement
        for provider in placement.resource_providers():
            for consumer in placement.get(f"/resource_providers/{provider.id}/allocations").json()["allocations"]:
                placement.delete(f"/allocations/{consumer}")
            placement.delete_resource_provider(provider)

    def down(self) -> None:
        """Stop everything."""
        if all(node.directory.exists() for node in self.build.nodes):
            self.build.down()

    def connect(self) -> Any:
        """Return a new connection of the administrator."""
        return identity.connect(self.trial)

    # Nova's services.

    def service(self, name: str, of: Nova) -> Daemon:
        """Return a service: `nova-api`, `nova-conductor` or `nova-scheduler`, or that of a compute host by its name."""
        if name in COMPUTES:
            return services.Compute(self.trial, self.nodes[name], of)
        kinds: dict[str, Any] = {kind.label: kind for kind in (services.Api, services.Conductor, services.Scheduler)}
        return kinds[name](self.trial, self.nodes["controller"], of)

    def start(self, controller: Nova | None = None, computes: Mapping[str, Nova] | None = None) -> None:
        """Start services again, each of this Nova, and wait until all that run are well; others go on.

        :raises CloudError: one is not well in time
        """
        wanted = (
            {} if controller is None else dict.fromkeys(("nova-conductor", "nova-scheduler", "nova-api"), controller)
        )
        tasks = []
        for name, of in {**wanted, **(computes or {})}.items():
            self.stop(name)
            service = self._running[name] = self.service(name, of)
            service.configure()
            tasks.append(plan.Task(name, service.start))
        plan.run(tasks, self.state, say=lambda _: None)

    def stop(self, *names: str) -> None:
        """Stop services; all of Nova without a name."""
        for name in names or tuple(self._running):
            if name in self._running:
                self._running.pop(name).stop()

    # Actions of an operator.

    def manage(self, of: Nova, *arguments: str, expect: tuple[int, ...] = (0,), program: str = "nova-manage") -> Any:
        """Run nova-manage, or nova-status, as Nova's user on the controller; return the completed process.

        :raises CloudError: its exit code is none of `expect`
        """
        return self.run("controller", [of.bin(program), *arguments], of, expect)

    def run(self, host: str, argv: list[str], of: Nova, expect: tuple[int, ...] = (0,)) -> Any:
        """Run a command as Nova's user on a host, with a Nova on its path."""
        node = self.nodes[host]
        done = subprocess.run(
            node.command(argv, "nova"), env=node.environment("nova", of.environment()), stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, errors="replace", cwd="/", check=False,
        )  # fmt: skip
        what = " ".join([pathlib.Path(argv[0]).name, *argv[1:]])
        log = self.state.log("commands")
        with log.open("a") as output:
            output.write(f"$ {what}  # {of}\n{done.stdout}[{done.returncode}]\n")
        if done.returncode not in expect:
            raise CloudError(f"`{what}` of {of} exited with {done.returncode}, not {expect}; see {log}")
        return done

    def configure(self, of: Nova) -> None:
        """Write the controller's nova.conf."""
        self.service("nova-conductor", of).configure()

    # Observations.

    def regions(self, host: str) -> list[dict[str, Any]]:
        """Return the regions of a host, by fpga-cli."""
        return list(json.loads(self.nodes[host].run(["fpga-cli", "list", "-f", "json"])))
