# SPDX-License-Identifier: Apache-2.0
"""Burns on different cards at once, against the same burns one after the other.

The cards are simulated ones that take two seconds to load, as real ones take seconds in which the host has nothing to
do. The burns' own cost to the host, an interpreter each, shares its cores.
"""

from __future__ import annotations

import hashlib
import json
import pathlib
import subprocess
import sys
import tempfile
import time
import uuid
import zipfile
from collections.abc import Callable

from benchmarks.pairs import compare

CLI = pathlib.Path(sys.executable).with_name("fpga-cli")
CARDS = 4
SECONDS = 2
ROUNDS = 7


def make_archive(path: pathlib.Path) -> None:
    bitstream = b"bits"
    manifest = {
        "manifest_version": 1,
        "name": "small",
        "version": "1",
        "vendor": "sim",
        "function": {"type": "test", "id": str(uuid.uuid4())},
        "bitstreams": [
            {
                "file": "x.bin",
                "sha256": hashlib.sha256(bitstream).hexdigest(),
                "size": len(bitstream),
                "board": "b",
                "region_type": "stream",
            }
        ],
    }
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr("manifest.json", json.dumps(manifest))
        archive.writestr("x.bin", bitstream)


def main() -> None:
    with tempfile.TemporaryDirectory(prefix="fb") as name:
        path = pathlib.Path(name)
        make_archive(path / "small.zip")
        config = path / "fpga.conf"
        cards = ",".join(f"c{number}:b:1" for number in range(CARDS))
        config.write_text(
            f"[fpga]\nstate_path = {path}/state\nrun_path = {path}/run\ndevices = sim\nsim_cards = {cards}\n"
        )
        cli = [str(CLI), "--config-file", str(config)]
        subprocess.run([*cli, "status"], check=True, stdout=subprocess.DEVNULL)
        for number in range(CARDS):
            (path / f"state/sim/c{number}/fault-program").write_text(f"slow {SECONDS}")

        def burn() -> subprocess.Popen[bytes]:
            command = [*cli, "burn", "--owner", str(uuid.uuid4()), "--file", str(path / "small.zip")]
            return subprocess.Popen(command, stdout=subprocess.DEVNULL)

        def erase() -> None:
            """Give all back; untimed, before the clock of the next starts."""
            listed = subprocess.run([*cli, "list", "-f", "json"], check=True, stdout=subprocess.PIPE).stdout
            held = [region["id"] for region in json.loads(listed) if region["state"] == "programmed"]
            for region in held:
                subprocess.run([*cli, "erase", region], check=True)

        def timed(burns: Callable[[], list[int]]) -> float:
            erase()
            start = time.perf_counter()
            codes = burns()
            seconds = time.perf_counter() - start
            if any(codes):
                sys.exit(f"burns ended with {codes}")
            return seconds

        def at_once() -> list[int]:
            return [process.wait() for process in [burn() for _ in range(CARDS)]]

        def in_turn() -> list[int]:
            return [burn().wait() for _ in range(CARDS)]

        compare(
            f"{CARDS} burns on {CARDS} cards of {SECONDS} s at once",
            lambda: timed(at_once),
            lambda: timed(in_turn),
            ROUNDS,
            "the same one after the other",
        )


if __name__ == "__main__":
    main()
