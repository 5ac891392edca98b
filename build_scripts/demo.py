# SPDX-License-Identifier: Apache-2.0
"""The story of fpga-nova on the cloud of this machine, told with the clients that users have, and checked.

Run by `make demo` when the cloud is up; needs nothing but its clouds.yaml. Ends with a report and `demo: PASS`, or with
what failed.
"""

from __future__ import annotations

import base64
import contextlib
import ctypes
import ctypes.util
import hashlib
import json
import os
import pathlib
import re
import shutil
import subprocess
import sys
import time
import zlib
from collections.abc import Callable, Iterator
from typing import Any

import openstack

from build_scripts.lib import paths, timings
from build_scripts.lib.inspect import Inspector

ROOT = paths.CLONE
VENV_BIN = pathlib.Path(sys.executable).parent
PREFIX = "demo-"

#: Of three regions two are on compute1 and one on compute3 (cloud.yaml).
REGIONS = 3

#: Seconds that a server may take to boot or go; TCG on a busy machine is slow.
PATIENCE = 240


class Failed(Exception):
    """A part of the story did not come out as it should."""


def check(condition: object, message: str) -> None:
    """Require `condition`."""
    if not condition:
        raise Failed(message)


class Demo:
    """The story: steps that are told, timed, and checked."""

    def __init__(self, state: pathlib.Path) -> None:
        self.work = state / "demo"
        self.work.mkdir(exist_ok=True)
        self.config = state / "clouds.yaml"
        os.environ["OS_CLIENT_CONFIG_FILE"] = str(self.config)
        self.admin = openstack.connect(cloud="admin")
        self.user = openstack.connect(cloud="demo")
        self.inspector = Inspector(state)
        self.image = self.user.image.find_image("guest", ignore_missing=False)
        self.times: list[tuple[str, float]] = []

    # -- telling ------------------------------------------------------------------------------------------------------

    @contextlib.contextmanager
    def step(self, title: str) -> Iterator[None]:
        """Tell what comes, and remember how long it took."""
        print(f"\n==> {title}", flush=True)
        start = time.monotonic()
        yield
        self.times.append((title, time.monotonic() - start))

    @staticmethod
    def say(text: str) -> None:
        """Tell a detail."""
        print(f"    {text}", flush=True)

    def wait(self, what: str, condition: Callable[[], Any], patience: float = PATIENCE) -> Any:
        """Wait until `condition` gives something true; return that."""
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
            check(seconds < patience, f"{what}: not after {patience:.0f} s")
            time.sleep(0.5)

    # -- the clients --------------------------------------------------------------------------------------------------

    def fpga_cli(self, *arguments: object, cloud: str = "admin") -> str:
        """Run fpga-cli as a person would, with credentials from the environment."""
        return self.command("fpga-cli", *arguments, cloud=cloud)

    def command(self, name: str, *arguments: object, cloud: str) -> str:
        """Run a command-line client of the environment; return what it prints."""
        result = subprocess.run(
            [str(VENV_BIN / name), *map(str, arguments)],
            env={**os.environ, "OS_CLOUD": cloud},
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
        )
        check(result.returncode == 0, f"{name} {' '.join(map(str, arguments))}: {result.stderr.strip()[-500:]}")
        return result.stdout.strip()

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
        """Make sure of a flavor that carries an IP core; return it."""
        flavor = self.admin.compute.find_flavor(name)
        if flavor is None:
            flavor = self.admin.compute.create_flavor(name=name, ram=128, vcpus=1, disk=0)
        if image_id is not None:
            self.admin.compute.create_flavor_extra_specs(flavor, {"hw:fpga_ip_id": image_id})
        return flavor

    def boot(self, name: str, flavor: Any) -> Any:
        """Ask for a server; do not wait for it."""
        return self.user.compute.create_server(
            name=PREFIX + name, flavor_id=flavor.id, image_id=self.image.id, networks="none"
        )

    def until(self, server: Any, status: str) -> Any:
        """Wait until the server has `status`; return it. Another final status is a failure."""

        def done() -> Any:
            now = self.user.compute.get_server(server.id)
            if now.status in ("ACTIVE", "ERROR"):
                fault = (now.to_dict().get("fault") or {}).get("message", "")
                check(now.status == status, f"server {now.name} is {now.status}, not {status}: {fault}")
                return now
            return None

        return self.wait(f"{server.name} is {status}", done)

    def delete(self, *servers: Any) -> None:
        """Delete servers and wait until they are gone."""
        for server in servers:
            self.user.compute.delete_server(server, ignore_missing=True)
        ids = {server.id for server in servers}
        self.wait(
            f"{len(ids)} servers deleted",
            lambda: not ids & {server.id for server in self.user.compute.servers(details=False)},
        )

    def answer(self, server: Any) -> tuple[str, bytes]:
        """Wait for what the guest prints of its device's answer; return (digest of what it sent, the answer)."""

        def printed() -> Any:
            console = self.user.compute.get_server_console_output(server.id)["output"].replace("\r", "")
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

    def fault(self, server: Any) -> str:
        """Return why the server is in ERROR, as its user sees it."""
        return self.user.compute.get_server(server.id).to_dict()["fault"]["message"]

    def used(self) -> int:
        """Return how many regions the hosts' own stores say are not free."""
        return sum(region["state"] != "free" for region in self.inspector.regions())

    def columns(self) -> tuple[int, int]:
        """Return the sums of (fpga_regions_used, fpga_regions) in Nova's database."""
        rows = self.inspector.query(
            "nova_cell1",
            "SELECT SUM(COALESCE(fpga_regions_used, 0)), SUM(COALESCE(fpga_regions, 0)) FROM compute_nodes"
            " WHERE deleted = 0",
        )
        return int(rows[0][0]), int(rows[0][1])

    def counted(self, used: int) -> None:
        """Require that hosts and database agree on how many regions are used."""
        check(self.used() == used, f"the hosts have {self.used()} regions in use, not {used}")
        check(self.columns() == (used, REGIONS), f"compute_nodes says {self.columns()}, not {(used, REGIONS)}")
        self.say(f"regions in use: {used} of {REGIONS}, on the hosts and in compute_nodes")

    # -- the story ----------------------------------------------------------------------------------------------------

    def run(self) -> None:
        """Tell the story; raises Failed where it does not come true."""
        payload = self.inspector.guest_input()
        with self.step("Clean up after an earlier run"):
            self.delete(*(server for server in self.user.compute.servers() if server.name.startswith(PREFIX)))
            self.wait("all regions are free", lambda: self.used() == 0)
            self.counted(0)

        with self.step("Pack two IP cores and upload them to Glance, and a third whose bitstream is broken"):
            images = {name: self.upload(name, ROOT / "accelerators" / name) for name in ("lzo", "crc32")}
            images["broken"] = self.upload("broken", self.broken_core())

        with self.step("Make flavors that carry them in hw:fpga_ip_id"):
            flavors = {name: self.flavor(f"fpga-{name}", image) for name, image in images.items()}
            plain = self.flavor("plain", None)
            self.refuse_bad_extra_spec(plain)

        with self.step("Boot an LZO server, a CRC-32 server and a plain one"):
            lzo, crc32 = self.boot("lzo", flavors["lzo"]), self.boot("crc32", flavors["crc32"])
            other = self.boot("plain", plain)
            lzo, crc32, other = (self.until(server, "ACTIVE") for server in (lzo, crc32, other))
            self.counted(2)
            check(self.region_of(other) is None, "the plain server has an FPGA region")

        with self.step("Boot a server whose core is broken: it fails with the tool's own words, and no region is lost"):
            broken = self.until(self.boot("broken", flavors["broken"]), "ERROR")
            self.say(f"fault: {self.fault(broken)}")
            check("iceunpack" in self.fault(broken), "the fault does not have the tool's words")
            self.counted(2)

        with self.step("The guests send a 64 KiB file through their devices; the host checks the answers"):
            sent, answer = self.answer(lzo)
            check(sent == hashlib.sha256(payload).hexdigest(), "the LZO guest sent something else")
            check(lzo_decompress(answer, len(payload)) == payload, "liblzo2 does not get the input back")
            self.say(f"liblzo2 gets the {len(payload)} bytes back from the {len(answer)} of the FPGA")
            _, answer = self.answer(crc32)
            check(int.from_bytes(answer, "big") == zlib.crc32(payload), "zlib says another CRC-32")
            self.say(f"zlib says the same CRC-32: {answer.hex()}")

        with self.step("A third server fills the last region (with the `nova` command, as in 2016)"):
            self.command(
                "nova", "boot", "--flavor", flavors["lzo"].id, "--image", self.image.id, "--nic", "none",
                PREFIX + "third", cloud="demo",
            )  # fmt: skip
            third = self.until(self.user.compute.find_server(PREFIX + "third", ignore_missing=False), "ACTIVE")
            self.counted(3)

        with self.step("A fourth finds no region"):
            fourth = self.until(self.boot("fourth", flavors["lzo"]), "ERROR")
            self.say(f"fault: {self.fault(fourth)}")
            check("free FPGA region" in self.fault(fourth), "the fault does not say that no FPGA region is free")
            self.counted(3)

        with self.step("Delete the LZO server: its region is wiped, its socket gone"):
            region = self.region_of(lzo)
            check(region is not None, "no region is held by the LZO server")
            node = region["node"]
            check(self.inspector.endpoint_exists(node, region["id"]), "the region has no socket while it is in use")
            self.delete(lzo)
            after = self.wait(f"region {region['id']} of {node} is free", lambda: self.free_again(region))
            check(after["owner"] is None and after["bitstream_sha256"] is None, "the region remembers its last holder")
            check(not self.inspector.endpoint_exists(node, region["id"]), "the erased region still has a socket")
            self.counted(2)

        with self.step("Boot a CRC-32 server in its place"):
            successor = self.until(self.boot("successor", flavors["crc32"]), "ACTIVE")
            check((self.region_of(successor) or {}).get("id") == region["id"], "it did not get the region that was free")
            _, answer = self.answer(successor)
            check(int.from_bytes(answer, "big") == zlib.crc32(payload), "zlib says another CRC-32")
            self.say("the same region now computes CRC-32")

        with self.step("Delete all servers: all regions are free, the columns at 0"):
            self.delete(*(server for server in self.user.compute.servers() if server.name.startswith(PREFIX)))
            self.wait("all regions are free", lambda: self.used() == 0)
            self.counted(0)
            check(third, "the third server was never there")

    def broken_core(self) -> pathlib.Path:
        """Make an IP core whose archive and manifest are right and whose bitstreams are not bitstreams any more."""
        broken = self.work / "broken"
        shutil.rmtree(broken, ignore_errors=True)
        shutil.copytree(ROOT / "accelerators" / "lzo", broken)
        core = json.loads((broken / "core.json").read_text())
        core["name"] = "broken"
        (broken / "core.json").write_text(json.dumps(core))
        for entry in core["bitstreams"]:
            bits = bytearray((broken / entry["file"]).read_bytes())
            middle = len(bits) // 2
            bits[middle : middle + 64] = bytes(byte ^ 0xFF for byte in bits[middle : middle + 64])
            (broken / entry["file"]).write_bytes(bits)
        return broken

    def refuse_bad_extra_spec(self, flavor: Any) -> None:
        """See that Nova validates hw:fpga_ip_id."""
        response = self.admin.compute.post(
            f"/flavors/{flavor.id}/os-extra_specs",
            json={"extra_specs": {"hw:fpga_ip_id": "nonsense"}},
            microversion="2.86",
        )
        check(response.status_code == 400, f"Nova takes hw:fpga_ip_id=nonsense with {response.status_code}")
        self.say(f"Nova refuses nonsense: {response.json()['badRequest']['message']}")

    def region_of(self, server: Any) -> dict[str, Any] | None:
        """Return the region that `server` holds, with its node."""
        for region in self.inspector.regions():
            if region["owner"] == server.id:
                return region
        return None

    def free_again(self, region: dict[str, Any]) -> dict[str, Any] | None:
        """Return what the store says of `region`, if it is free."""
        for now in self.inspector.regions():
            if now["id"] == region["id"] and now["state"] == "free":
                return now
        return None

    def report(self) -> None:
        """Print where the time went."""
        print("\nWhere the time went\n")
        for title, seconds in timings.read(self.config.parent):
            print(f"  {seconds:7.1f} s  cloud: {title}")
        for title, seconds in self.times:
            print(f"  {seconds:7.1f} s  {title}")


def lzo_decompress(data: bytes, size: int) -> bytes:
    """Decompress an LZO1X stream with the real liblzo2 (lzo/lzo1x.h: lzo1x_decompress_safe)."""
    library = ctypes.CDLL(ctypes.util.find_library("lzo2") or "liblzo2.so.2")
    target = ctypes.create_string_buffer(size)
    length = ctypes.c_size_t(size)
    code = library.lzo1x_decompress_safe(data, ctypes.c_size_t(len(data)), target, ctypes.byref(length), None)
    check(code == 0, f"liblzo2 refuses the FPGA's answer with {code}")
    return target.raw[: length.value]


def main() -> int:
    """Run the demo; return the exit code."""
    start = time.monotonic()
    demo = None
    try:
        demo = Demo(paths.state_path())
        demo.run()
    except (Failed, openstack.exceptions.SDKException) as error:
        print(f"\ndemo: FAIL: {error}", flush=True)
        return 1
    finally:
        if demo is not None:
            demo.report()
    print(f"\nThe story took {time.monotonic() - start:.0f} s. The cloud stays up: . {paths.state_path()}/openrc")
    print("demo: PASS")
    return 0


if __name__ == "__main__":
    sys.exit(main())
