# SPDX-License-Identifier: Apache-2.0
"""A user and an operator of the cloud, with OpenStack's clients; for the demo and the tests."""

from __future__ import annotations

import base64
import hashlib
import json
import os
import pathlib
import re
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from typing import Any

import openstack

from build_scripts.cloud.guest.build import input_file
from build_scripts.cloud.observe import Observer
from build_scripts.lib.state import State

VENV_BIN = pathlib.Path(sys.executable).parent

#: Regions of the whole cloud: two on compute1 and one on compute3 (cloud.yaml).
REGIONS = 3

#: Seconds that a server may take to boot or to go; emulation on a busy machine is slow.
PATIENCE = 240


class CheckFailed(Exception):
    """The cloud did not do what was expected of it."""


def check(condition: object, message: str) -> None:
    """Require `condition`."""
    if not condition:
        raise CheckFailed(message)


class Client:
    """Boots, looks at and deletes servers as the user `demo`; uploads and makes flavors as `admin`.

    :param state: the state directory of a cloud that is up
    :param prefix: what the names of the servers begin with
    """

    def __init__(self, state: State, prefix: str) -> None:
        self.state = state
        self.prefix = prefix
        self.work = state.path / "demo"
        self.work.mkdir(exist_ok=True)
        os.environ["OS_CLIENT_CONFIG_FILE"] = str(state.path / "clouds.yaml")
        self.admin = openstack.connect(cloud="admin")
        self.user = openstack.connect(cloud="demo")
        self.observer = Observer(state)
        self.image = self.user.image.find_image("guest", ignore_missing=False)

    @staticmethod
    def say(text: str) -> None:
        """Print a detail."""
        print(f"    {text}", flush=True)

    def wait(self, what: str, condition: Callable[[], Any], pause: float = 0.5) -> Any:
        """Ask for `condition` every `pause` seconds until it is true; return what it gives."""
        start = time.monotonic()
        told = 0.0
        while True:
            result = condition()
            seconds = time.monotonic() - start
            if sys.stdout.isatty():
                print(f"\r    {what}: {seconds:.0f} s ", end="\n" if result else "", flush=True)
            elif result or seconds - told >= 15:
                told = seconds
                self.say(f"{what}: {seconds:.0f} s")
            if result:
                return result
            check(seconds < PATIENCE, f"{what}: not after {PATIENCE} s")
            time.sleep(pause)

    def fpga_cli(self, *arguments: object, cloud: str = "admin") -> str:
        """Run fpga-cli with credentials from the environment."""
        return self.command("fpga-cli", *arguments, cloud=cloud)

    def command(self, name: str, *arguments: object, cloud: str) -> str:
        """Run a command-line client of the environment; return what it prints."""
        return command(self.state, name, *arguments, cloud=cloud)

    def upload(self, name: str, directory: pathlib.Path) -> str:
        """Pack and upload an IP core, unless Glance has these very bytes already; return the image's id."""
        archive = self.work / f"{name}.zip"
        self.fpga_cli("pack", directory, "-o", archive)
        sha512 = hashlib.sha512(archive.read_bytes()).hexdigest()
        for image in self.admin.image.images(name=name, tag="FPGA"):
            if image.hash_value == sha512:
                self.say(f"{name}: image {image.id} has these bytes already")
                return image.id
            self.admin.image.delete_image(image)
        image_id = self.fpga_cli("upload", archive, "--name", name, "--visibility", "public")
        self.say(f"{name}: {archive.stat().st_size} bytes, image {image_id}")
        return image_id

    def flavor(self, name: str, image_id: str | None) -> Any:
        """Return the flavor of this name that carries an IP core, made if there is none."""
        flavor = self.admin.compute.find_flavor(name)
        if flavor is None:
            flavor = self.admin.compute.create_flavor(name=name, ram=128, vcpus=1, disk=1)
        if image_id is not None:
            self.admin.compute.create_flavor_extra_specs(flavor, {"hw:fpga_ip_id": image_id})
        return flavor

    def boot(self, name: str, flavor: Any, image: Any = None) -> Any:
        """Ask for a server, with another image than the guest's if one is given; do not wait for it."""
        return self.user.compute.create_server(
            name=self.prefix + name, flavor_id=flavor.id, image_id=(image or self.image).id, networks="none"
        )

    def ended(self, server: Any, pause: float = 0.5) -> Any:
        """Wait until the server is ACTIVE or in ERROR; return it."""

        def done() -> Any:
            now = self.user.compute.get_server(server.id)
            return now if now.status in ("ACTIVE", "ERROR") else None

        return self.wait(f"{server.name} is built", done, pause)

    def until(self, server: Any, status: str, pause: float = 0.5) -> Any:
        """Wait until the server's build has ended with `status`; return it."""
        now = self.ended(server, pause)
        check(now.status == status, f"server {now.name} is {now.status}, not {status}: {self.fault(now)}")
        return now

    def servers(self) -> list[Any]:
        """Return the servers whose names have our prefix."""
        return [server for server in self.user.compute.servers() if server.name.startswith(self.prefix)]

    def delete_all(self) -> None:
        """Delete all our servers, and wait until all regions are free."""
        self.delete(*self.servers())
        self.wait("all regions are free", lambda: self.used() == 0)

    def delete(self, *servers: Any) -> None:
        """Delete servers and wait until they are gone."""
        for server in servers:
            self.user.compute.delete_server(server, ignore_missing=True)
        ids = {server.id for server in servers}
        if not ids:
            return
        self.wait(
            f"{len(ids)} servers deleted",
            lambda: not ids & {server.id for server in self.user.compute.servers(details=False)},
        )

    def console(self, server: Any) -> str:
        """Return what the guest has printed on its console."""
        return self.user.compute.get_server_console_output(server.id)["output"].replace("\r", "")

    def answer(self, server: Any) -> tuple[str, bytes]:
        """Wait until the guest has printed its device's answer; return (digest of what it sent, answer)."""

        def printed() -> Any:
            console = self.console(server)
            check("fpga-guest: FAIL" not in console, f"guest {server.name}: {console[-400:]}")
            return re.search(
                r"fpga-guest: sent (\d+) bytes sha256 ([0-9a-f]{64})\n"
                r"fpga-guest: answer (\d+) bytes\n-----BEGIN ANSWER-----\n([A-Za-z0-9+/=\n]*)-----END ANSWER-----",
                console,
            )

        match = self.wait(f"{server.name}'s guest has printed its device's answer", printed)
        answer = base64.b64decode(match[4])
        check(len(answer) == int(match[3]), f"the console lost a part of {server.name}'s answer")
        self.say(f"{server.name}: the guest sent {match[1]} bytes and got {len(answer)} back")
        return match[2], answer

    @staticmethod
    def guest_input() -> bytes:
        """Return the file that every guest sends through its device."""
        return input_file()

    def kill_and_revive(self, node: str, module: str) -> None:
        """Kill a service of a node by SIGKILL, and start it again."""
        self.kill(node, module)
        self.revive(node, module)

    def kill(self, node: str, module: str) -> None:
        """Kill a service of a node by SIGKILL, and wait until it is dead."""
        daemon = self.observer.daemon(node, module)
        pid = daemon.status().pid
        if pid is None:
            raise CheckFailed(f"{module} of {node} does not run")
        os.kill(pid, signal.SIGKILL)
        self.wait(f"{module} of {node} is dead", lambda: daemon.status().pid != pid, pause=0.05)

    def revive(self, node: str, module: str) -> None:
        """Start a service of a node that is dead, and wait until it is well."""
        with self.state.lock():
            self.observer.daemon(node, module).start()

    def fault(self, server: Any) -> str:
        """Return why the server is in ERROR, as its user sees it."""
        return (self.user.compute.get_server(server.id).to_dict().get("fault") or {}).get("message", "")

    def used(self) -> int:
        """Return how many regions are not free by the hosts' own stores."""
        return sum(region["state"] != "free" for region in self.observer.regions())

    def columns(self) -> tuple[int, int]:
        """Return the sums of (fpga_regions_used, fpga_regions) in Nova's database."""
        rows = self.observer.query(
            "nova",
            "SELECT SUM(COALESCE(fpga_regions_used, 0)), SUM(COALESCE(fpga_regions, 0)) FROM compute_nodes"
            " WHERE deleted = 0",
        )
        return int(rows[0][0]), int(rows[0][1])

    def counted(self, used: int) -> None:
        """Require that hosts and database agree on how many regions are used."""
        on_hosts, columns = self.used(), self.columns()
        check(on_hosts == used, f"the hosts have {on_hosts} regions in use, not {used}")
        check(columns == (used, REGIONS), f"compute_nodes says {columns}, not {(used, REGIONS)}")
        self.say(f"regions in use: {used} of {REGIONS}, on the hosts and in compute_nodes")

    def region_of(self, server: Any) -> dict[str, Any] | None:
        """Return the region that `server` holds, with its node; None if it holds none."""
        for region in self.observer.regions():
            if region["owner"] == server.id:
                return region
        return None

    def free_again(self, region: dict[str, Any]) -> dict[str, Any] | None:
        """Return the store's row of `region`, if it is free."""
        for now in self.observer.regions():
            if now["id"] == region["id"] and now["state"] == "free":
                return now
        return None


def command(state: State, name: str, *arguments: object, cloud: str) -> str:
    """Run a command-line client, logged in as a user of `state`'s cloud; return its output."""
    # As after `. openrc`: the `nova` command knows no clouds.yaml.
    login = json.loads((state.path / "clouds.yaml").read_text())["clouds"][cloud]
    login = {**login.pop("auth"), **login}
    result = subprocess.run(
        [str(VENV_BIN / name), *map(str, arguments)],
        env={**os.environ, **{f"OS_{key.upper()}": value for key, value in login.items()}},
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
    )
    check(result.returncode == 0, f"{name} {' '.join(map(str, arguments))}: {result.stderr.strip()[-500:]}")
    return result.stdout.strip()
