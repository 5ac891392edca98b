# SPDX-License-Identifier: Apache-2.0
"""A large IP core from the image service into the host: fetched, verified, unpacked, programmed, read back.

Against what the standard tools take for the same bytes: `curl | tee | sha512sum`, then `unzip -p`. The card is a
simulated one whose memory is a file, so nothing but moving and checking bytes is measured; its read-back, which the
tools have no counterpart of, is counted. Aims: no less than 0.85 of the tools' speed (a ratio of at most 1.18), and
less than 64 MiB of memory.

Then the same core from the host's cache, against it fetched: no byte of image data may move, and none be copied; what
is left is to compare it with its hash, to write it into the card, and to read it back.
"""

from __future__ import annotations

import hashlib
import http.server
import json
import multiprocessing
import os
import pathlib
import random
import re
import resource
import subprocess
import sys
import tempfile
import uuid
import zipfile
from typing import Any

from benchmarks.pairs import compare

CLI = pathlib.Path(sys.executable).with_name("fpga-cli")
IMAGE = str(uuid.uuid4())

#: Bytes of the bitstream, of which about half is what deflate can do nothing with.
SIZE = 512 << 20
ROUNDS = 5


class Glance(http.server.BaseHTTPRequestHandler):
    """As much of the Image API v2 as a download needs; gives the data by sendfile(2)."""

    protocol_version = "HTTP/1.1"
    archive: pathlib.Path
    image: dict[str, object]
    #: bytes of image data that went out
    served: Any

    def do_GET(self) -> None:
        self.send_response(200)
        if self.path.endswith("/file"):
            self.send_header("Content-Type", "application/octet-stream")
            self.send_header("Content-Length", str(self.archive.stat().st_size))
            self.end_headers()
            self.wfile.flush()
            with self.archive.open("rb") as file:
                while count := os.sendfile(self.connection.fileno(), file.fileno(), None, 1 << 20):
                    with self.served.get_lock():
                        self.served.value += count
            return
        body = {"name": "image", "properties": {}} if "/schemas/" in self.path else self.image
        data = json.dumps(body).encode()
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(data)))
        self.end_headers()
        self.wfile.write(data)

    def log_message(self, *args: object) -> None:
        pass


def make_archive(path: pathlib.Path) -> None:
    """Write an archive whose one bitstream has SIZE bytes, half of them random."""
    digest = hashlib.sha256()
    source = random.Random(1)
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED, compresslevel=1) as archive:
        with archive.open("x.bin", "w", force_zip64=False) as file:
            for _ in range(SIZE >> 20):
                chunk = source.randbytes(1 << 19) + bytes(1 << 19)
                digest.update(chunk)
                file.write(chunk)
        manifest = {
            "manifest_version": 1,
            "name": "large",
            "version": "1",
            "vendor": "sim",
            "function": {"type": "test", "id": IMAGE},
            "bitstreams": [
                {"file": "x.bin", "sha256": digest.hexdigest(), "size": SIZE, "board": "b", "region_type": "stream"}
            ],
        }
        archive.writestr("manifest.json", json.dumps(manifest))


def serve(archive: pathlib.Path, image: dict[str, object], served: Any, port: multiprocessing.Queue[int]) -> None:
    Glance.archive, Glance.image, Glance.served = archive, image, served
    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Glance)
    port.put(server.server_port)
    server.serve_forever()


def main() -> None:
    with tempfile.TemporaryDirectory(prefix="fb", dir="/var/tmp") as name:
        path = pathlib.Path(name)
        archive = path / "large.zip"
        make_archive(archive)
        with archive.open("rb") as file:
            sha512 = hashlib.file_digest(file, "sha512").hexdigest()
        image = {
            "id": IMAGE,
            "name": "large",
            "status": "active",
            "container_format": "fpga",
            "disk_format": "raw",
            "size": archive.stat().st_size,
            "os_hash_algo": "sha512",
            "os_hash_value": sha512,
        }
        ports: multiprocessing.Queue[int] = multiprocessing.Queue()
        served = multiprocessing.Value("q", 0)
        server = multiprocessing.Process(target=serve, args=(archive, image, served, ports), daemon=True)
        server.start()
        url = f"http://127.0.0.1:{ports.get()}"
        config = path / "fpga.conf"
        config.write_text(
            f"[fpga]\nstate_path = {path}/state\nrun_path = {path}/run\ndevices = sim\nsim_cards = a:b:1\n"
            f"auth_type = none\nendpoint_override = {url}\n"
        )
        cli = [str(CLI), "--config-file", str(config)]
        #: Bytes: what each burn wrote, and what of the image's data moved for those from the cache.
        written: list[int] = []
        moved: list[int] = []

        def burn() -> float:
            """Burn what may be cached; what a status and the erase take is not counted."""
            subprocess.run([*cli, "status"], check=True, stdout=subprocess.DEVNULL)
            start = os.times().elapsed
            with subprocess.Popen([*cli, "burn", IMAGE], stdout=subprocess.PIPE, text=True) as process:
                os.waitid(os.P_PID, process.pid, os.WEXITED | os.WNOWAIT)
                seconds = os.times().elapsed - start
                # Its account is open until it is waited for: bytes that it wrote to files and sockets, proc(5).
                account = pathlib.Path(f"/proc/{process.pid}/io").read_text()
                region = process.communicate()[0].strip()
            written.append(int(re.search(r"wchar: (\d+)", account)[1]))
            subprocess.run([*cli, "erase", region], check=True)
            return seconds

        def fetched() -> float:
            for cached in (path / "state" / "cache").rglob("*"):
                if cached.is_file():
                    cached.unlink()
            return burn()

        def cached() -> float:
            before = served.value
            seconds = burn()
            moved.append(served.value - before)
            return seconds

        def tools() -> None:
            """Each byte is moved and checked as often as it must be: fetched, hashed, unpacked, written."""
            copy = path / "copy.zip"
            with (
                copy.open("wb") as file,
                subprocess.Popen(["curl", "-s", f"{url}/v2/images/{IMAGE}/file"], stdout=-1) as curl,
            ):
                tee = subprocess.Popen(["tee", str(copy)], stdin=curl.stdout, stdout=subprocess.PIPE)
                subprocess.run(["sha512sum"], stdin=tee.stdout, stdout=subprocess.DEVNULL, check=True)
                tee.wait()
                file.flush()
            with (path / "unpacked").open("wb") as file:
                subprocess.run(["unzip", "-p", str(copy), "x.bin"], stdout=file, check=True)

        compare("burn of a 512 MiB core from HTTP", fetched, tools, ROUNDS, "curl | tee | sha512sum, unzip -p")
        peak = resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss
        print(f"peak memory of any process of it: {peak / 1024:.0f} MiB")
        written.clear()
        compare("burn of a cached 512 MiB core", cached, fetched, ROUNDS, "the same, fetched")
        print(
            f"image data served for {len(moved)} burns of a cached core: {sum(moved)} bytes; written by one: "
            f"{min(written) / SIZE:.3f} times its size, the card's own copy among it; by one that is fetched: "
            f"{max(written) / SIZE:.3f} times"
        )
        server.terminate()
        server.join()


if __name__ == "__main__":
    main()
