# SPDX-License-Identifier: Apache-2.0
"""Runs and checks the story of fpga-nova on this machine's cloud, with OpenStack's own clients.

Run by `make demo` when the cloud is up. Ends with a report and `demo: PASS`, or with what failed.
"""

from __future__ import annotations

import concurrent.futures
import contextlib
import ctypes
import ctypes.util
import hashlib
import json
import os
import pathlib
import shutil
import sys
import time
import zlib
from collections.abc import Iterator
from typing import Any

import openstack

from build_scripts.cloud.client import CheckFailed, Client, check
from build_scripts.lib import paths
from build_scripts.lib.state import State

ROOT = paths.CLONE


class Demo(Client):
    """The story: steps that are printed, timed and checked."""

    def __init__(self, state: State) -> None:
        super().__init__(state, "demo-")
        self.times: list[tuple[str, float]] = []

    @contextlib.contextmanager
    def step(self, title: str) -> Iterator[None]:
        """Print what comes, and record how long it took."""
        print(f"\n==> {title}", flush=True)
        start = time.monotonic()
        yield
        self.times.append((title, time.monotonic() - start))

    def run(self) -> None:
        """Run the story.

        :raises CheckFailed: a step did not do what it should
        """
        payload = self.guest_input()
        with self.step("Clean up after an earlier run"):
            self.delete_all()
            self.counted(0)

        with self.step("Pack two IP cores and upload them to Glance, and a third whose bitstream is broken"):
            cores = {name: ROOT / "accelerators" / name for name in ("lzo", "crc32")}
            cores["broken"] = self.broken_core()
            with concurrent.futures.ThreadPoolExecutor() as pool:
                images = dict(zip(cores, pool.map(self.upload, cores.keys(), cores.values())))

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

        with self.step("Boot a server whose core is broken: its fault says what is wrong, and no region is lost"):
            broken = self.until(self.boot("broken", flavors["broken"]), "ERROR")
            self.say(f"fault: {self.fault(broken)}")
            check("the data are corrupt" in self.fault(broken), "the fault does not have fpga-cli's message")
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
                self.prefix + "third", cloud="demo",
            )  # fmt: skip
            self.until(self.user.compute.find_server(self.prefix + "third", ignore_missing=False), "ACTIVE")
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
            check(self.observer.has_endpoint(node, region["id"]), "the region has no socket while it is in use")
            self.delete(lzo)
            after = self.wait(f"region {region['id']} of {node} is free", lambda: self.free_again(region))
            check(after["owner"] is None and after["bitstream_sha256"] is None, "the region remembers its last holder")
            check(not self.observer.has_endpoint(node, region["id"]), "the erased region still has a socket")
            self.counted(2)

        with self.step("Boot a CRC-32 server in its place"):
            successor = self.until(self.boot("successor", flavors["crc32"]), "ACTIVE")
            check(
                (self.region_of(successor) or {}).get("id") == region["id"], "it did not get the region that was free"
            )
            _, answer = self.answer(successor)
            check(int.from_bytes(answer, "big") == zlib.crc32(payload), "zlib says another CRC-32")
            self.say("the same region now computes CRC-32")

        with self.step("Delete all servers: all regions are free, the columns at 0"):
            self.delete_all()
            self.counted(0)

    def broken_core(self) -> pathlib.Path:
        """Make an IP core with a good archive and manifest and corrupt bitstreams."""
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
        """Check that Nova validates hw:fpga_ip_id."""
        response = self.admin.compute.post(
            f"/flavors/{flavor.id}/os-extra_specs",
            json={"extra_specs": {"hw:fpga_ip_id": "nonsense"}},
            microversion="2.86",
        )
        check(response.status_code == 400, f"Nova takes hw:fpga_ip_id=nonsense with {response.status_code}")
        self.say(f"Nova refuses nonsense: {response.json()['badRequest']['message']}")

    def report(self) -> None:
        """Print where the time went since `make` began."""
        begun = float(os.environ.get("DEMO_BEGUN", "inf"))
        print("\nWhere the time went (steps of the cloud run side by side)\n")
        for step in self.state.read("timings.json").get("steps", []):
            if step["started"] >= begun and step["seconds"] >= 1:
                print(f"  {step['seconds']:7.1f} s  cloud: {step['step']}")
        for title, seconds in self.times:
            print(f"  {seconds:7.1f} s  {title}")
        if begun < float("inf"):
            print(f"  {time.time() - begun:7.1f} s  all of it")


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
        demo = Demo(State(paths.state_path()))
        demo.run()
    except (CheckFailed, openstack.exceptions.SDKException) as error:
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
