# SPDX-License-Identifier: Apache-2.0
"""Brings a cloud up, shows its status, stops it: its modules become tasks."""

from __future__ import annotations

import importlib
import pathlib
from collections.abc import Sequence

from build_scripts.cloud import modules, plan, spec
from build_scripts.cloud.module import Cloud, Module
from build_scripts.cloud.node import Node
from build_scripts.lib.state import State

_HERE = pathlib.Path(__file__).parent

#: The description of the cloud that `make cloud` builds.
CLOUD_YAML = _HERE / "cloud.yaml"


class Build:
    """All modules of all nodes, in the order of cloud.yaml."""

    def __init__(self, cloud_yaml: pathlib.Path, state: State) -> None:
        self.state = state
        known = {path.stem for path in (_HERE / "modules").glob("[a-z]*.py")}
        self.cloud = Cloud(state, spec.load(cloud_yaml, known))
        self.nodes: list[Node] = []
        self.modules: dict[str, Module] = {}
        for node_spec in self.cloud.specs:
            kinds = [importlib.import_module(f"{modules.__name__}.{name}").MODULE for name in node_spec.modules]
            node = Node(state, node_spec, {name for kind in kinds for name in kind.etc})
            self.nodes.append(node)
            for kind in kinds:
                module = kind(self.cloud, node)
                self.modules[f"{node.name}/{module.name}"] = module

    def up(self) -> None:
        """Bring up all that is not up, or not up as it should be now."""
        tasks = [plan.Task(f"{node.name}: up", node.up) for node in self.nodes]
        for name, module in self.modules.items():
            host = f"{module.node.name}: up"
            configure, prepare, start = (f"{name}: {phase}" for phase in ("configure", "prepare", "start"))
            tasks.append(plan.Task(configure, module.configure, (host,)))
            tasks.append(plan.Task(prepare, module.prepare, (configure, *self._tasks(module.prepare_after))))
            tasks.append(plan.Task(start, module.start, (prepare, *self._tasks(module.start_after))))
        plan.run(tasks, self.state)

    def down(self) -> None:
        """Stop everything, each module before those that it needs; data stays."""
        users: dict[str, list[str]] = {name: [] for name in self.modules}
        for name, module in self.modules.items():
            for needed in self._tasks((*module.prepare_after, *module.start_after)):
                users[needed.partition(": ")[0]].append(f"{name}: stop")
        tasks = [plan.Task(f"{name}: stop", module.stop, tuple(users[name])) for name, module in self.modules.items()]
        for node in self.nodes:
            own = tuple(f"{name}: stop" for name, module in self.modules.items() if module.node is node)
            tasks.append(plan.Task(f"{node.name}: down", node.down, own))
        plan.run(tasks, self.state)

    def status(self) -> bool:
        """Print a line a service; return whether all are well."""
        well = True
        print(f"{'NODE':12}{'MODULE':18}{'PID':>8}{'PORT':>7}  HEALTH")
        for node in self.nodes:
            held = node.holder()
            well = well and held is not None
            print(
                f"{node.name:12}{'(namespaces)':18}{held.pid if held else '-':>8}{'-':>7}  {'up' if held else 'down'}"
            )
            for module in self.modules.values():
                status = module.status() if module.node is node else None
                if status is None:
                    continue
                well = well and status.problem is None
                health = status.problem or "up"
                print(f"{node.name:12}{module.name:18}{status.pid or '-':>8}{status.port or '-':>7}  {health}")
        return well

    def _tasks(self, after: Sequence[str]) -> tuple[str, ...]:
        """Return the tasks, on any node, that entries of prepare_after or start_after stand for."""
        found = []
        for entry in after:
            wanted, _, phase = entry.partition(":")
            found += [f"{name}: {phase or 'start'}" for name, one in self.modules.items() if one.name == wanted]
        return tuple(found)
