#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""A stand-in for fpga-cli that programs nothing: two regions, each a file with the image's id in it."""

import os
import pathlib
import sys

STATE = pathlib.Path(os.environ.get("STAND_IN_STATE", "/var/lib/stand-in"))
REGIONS = {name: STATE / name for name in ("region-a", "region-b")}


def fail(code, message):
    """End with one of the contract's exit codes."""
    print(f"Error: {message}", file=sys.stderr)
    sys.exit(code)


def burn(image_id):
    """Take a free region; a real one fetches the image, programs the card and reads it back."""
    for name, path in REGIONS.items():
        try:
            with path.open("x") as file:
                file.write(image_id)
        except FileExistsError:
            continue
        print(name)
        return
    fail(65, f"cannot program `{image_id}' - no free region")


def erase(name):
    """Wipe a region and free it."""
    if name not in REGIONS:
        fail(33, f"cannot erase FPGA device with id `{name}' - unknown region")
    REGIONS[name].unlink(missing_ok=True)


def status():
    """Print how many regions are used."""
    print(f"Used regions: {sum(path.exists() for path in REGIONS.values())}/{len(REGIONS)}")


STATE.mkdir(parents=True, exist_ok=True)
commands = {"burn": (burn, 1), "erase": (erase, 1), "status": (status, 0)}
function, count = commands.get(sys.argv[1] if len(sys.argv) > 1 else "", (None, 0))
if function is None or len(sys.argv) != 2 + count:
    fail(2, "usage: burn IMAGE_ID | erase REGION_ID | status")
function(*sys.argv[2:])
