# SPDX-License-Identifier: Apache-2.0
"""Executables that stand in for vendors' tools, and the sysfs that they work on.

Each behaves as its tool's documentation and source say; the drivers' docstrings name those. They are programs of their
own, run as the real ones are. A test controls one by files beside it: `fault` (`fail WORDS`; `hang`; `wait`
until the FIFO `go-on` has been written; `lie`: end with 0 and load nothing), and `calls` keeps its argument vectors.
"""

from __future__ import annotations

import json
import os
import pathlib
import shutil
import struct
import uuid

from tests.support.waiting import wait_until

_PRELUDE = """#!/usr/bin/python3 -I
import json, os, pathlib, sys, time, uuid

HERE = pathlib.Path(sys.argv[0]).resolve().parent
with (HERE / "calls").open("a") as calls:
    calls.write(json.dumps({"argv": sys.argv, "env": dict(os.environ), "cwd": os.getcwd()}) + "\\n")
FAULT, _, WORDS = (HERE / "fault").read_text().partition(" ") if (HERE / "fault").exists() else ("", "", "")


def end(code, words=""):
    sys.stderr.write(words + "\\n" if words else "")
    sys.exit(code)


def at_a_load():
    if FAULT == "hang":
        time.sleep(600)
    if FAULT == "wait":
        (HERE / "starting").write_text(str(os.getpid()))
        (HERE / "starting").rename(HERE / "started")
        (HERE / "go-on").read_text()
    if FAULT == "fail":
        end(1, WORDS)
    if FAULT == "lie":
        end(0)
"""

_COMMAND = """
if (HERE / "pulled").exists():
    end(127, "Error: FPGA device is not accesible")
state = HERE / "regions.json"
regions = json.loads(state.read_text()) if state.exists() else [None, None]
verb = sys.argv[1]
if verb == "status":
    used = sum(region is not None for region in regions)
    print(f"Used regions: {used}/{len(regions)}")
elif verb == "burn":
    if FAULT != "lie":
        at_a_load()
    content = open(sys.argv[2], "rb").read()
    if not content.startswith(b"ACME"):
        end(64, f"Error: cannot programm `{sys.argv[2]}' - no matching hardware found")
    if FAULT != "lie":
        index = regions.index(None)
        regions[index] = str(uuid.uuid4())
        state.write_text(json.dumps(regions))
        print(regions[index])
elif verb == "erase":
    if FAULT == "fail":
        at_a_load()
    if sys.argv[2] not in regions:
        end(33, f"Error: cannot erase FPGA device with id `{sys.argv[2]}' - unknown region")
    if FAULT != "lie":
        regions[regions.index(sys.argv[2])] = None
        state.write_text(json.dumps(regions))
"""

# fpgaconf's main(): 1 usage, 2 no GBS, 3 cannot enumerate, 4 no slot with the GBS's interface id, 5 cannot write
_FPGACONF = """
import struct

SYSFS = pathlib.Path((HERE / "sysfs").read_text())
words = sys.argv[1:]
if os.path.basename(sys.argv[0]) == "fpgasupdate":
    path, address = words
else:
    where = dict(zip(words[:-1:2], words[1:-1:2]))
    numbers = [int(where[name], 16) for name in ("--segment", "--bus", "--device", "--function")]
    path, address = words[-1], "%04x:%02x:%02x.%x" % tuple(numbers)
content = open(path, "rb").read()
if content[:16] != b"XeonFPGA\\xb7GBSv001":
    end(2, "Error loading bitstream: invalid GBS")
size = struct.unpack_from("<I", content, 16)[0]
image = json.loads(content[20 : 20 + size])["afu-image"]
for base in (SYSFS / "class/fpga_region").iterdir():
    if (base / "device").resolve().name == address:
        at_a_load()
        compat = next(base.glob("dfl-fme.*/dfl-fme-region.*/fpga_region/region*/compat_id")).read_text().strip()
        if compat != image["interface-uuid"].replace("-", ""):
            end(4, "No suitable slots found.")
        afu = image["accelerator-clusters"][0]["accelerator-type-uuid"].replace("-", "")
        (base / "dfl-port.0/afu_id").write_text(afu + "\\n")
        end(0)
end(4, "No suitable slots found.")
"""

_XBUTIL = """
SYSFS = pathlib.Path((HERE / "sysfs").read_text())
words = sys.argv[1:]
option = {word: words[at + 1] for at, word in enumerate(words[:-1]) if word.startswith("--")}


def card():
    path = SYSFS / "bus/pci/devices" / option["--device"]
    if not path.exists():
        end(1, f"ERROR: Specified device BDF '{option['--device']}' not found")
    return path


if words[0] == "examine":
    if os.path.exists(option["--output"]):
        end(1, f"ERROR: Output file already exists: '{option['--output']}'")
    schema = {"schema_version": {"schema": "JSON", "creation_date": "Sat Nov 21 02:26:10 2026 GMT"}}
    if (HERE / "report").exists():
        report = (HERE / "report").read_text()
    elif "--device" in option:
        held = (card() / "xclbin_uuid").read_text().strip().upper()
        region = {"xclbin_uuid": held, "compute_units": ""}
        device = {"interface_type": "pcie", "device_id": option["--device"], "dynamic_regions": [region]}
        report = json.dumps({**schema, "devices": [device]})
    else:
        devices = [
            {"bdf": path.name, "vbnv": (path / "vbnv").read_text(), "id": "0x5f", "is_ready": "true"}
            for path in sorted((SYSFS / "bus/pci/devices").iterdir())
            if (path / "vbnv").exists()
        ]
        report = json.dumps({**schema, "system": {"host": {"os": {}, "xrt": {}, "devices": devices or ""}}})
    pathlib.Path(option["--output"]).write_text(report)
elif words[0] == "program":
    path = card()
    at_a_load()
    content = open(option["--user"], "rb").read()
    if content[:8] != b"xclbin2\\0":
        end(1, f"ERROR: bad binary version '{content[:7].decode(errors='replace')}'")
    if content[352:416].rstrip(b"\\0").decode() != (path / "vbnv").read_text():
        end(1, "ERROR: xclbin does not match the shell on the card.")
    (path / "xclbin_uuid").write_text(str(uuid.UUID(bytes=content[416:432])))
elif words[0] == "reset":
    card()
    if "--force" not in words:
        end(1, "Are you sure you wish to proceed? [Y/n]: ")
"""

_HELPER = """
SYSFS = pathlib.Path((HERE / "sysfs").read_text())
verb, region = sys.argv[1:3]
held = SYSFS / "class/fpga_region" / region / "design"
manager = SYSFS / "class/fpga_manager/fpga0"
if verb == "identify":
    print(held.read_text())
else:
    at_a_load()
    content = open(sys.argv[3], "rb").read()
    if content[:5] != b"IMAGE":
        (manager / "state").write_text("write complete error\\n")
        (manager / "status").write_text("reconfig CRC error\\n")
        end(1, "fpga_manager fpga0: Error after writing image data to FPGA")
    (manager / "state").write_text("operating\\n")
    (manager / "status").write_text("")
    held.write_text(content[5:41].decode())
"""

PROGRAMS = {
    "acme": _COMMAND,
    "fpgaconf": _FPGACONF,
    "fpgasupdate": _FPGACONF,
    "xbutil": _XBUTIL,
    "helper": _HELPER,
}


def install(directory: pathlib.Path, name: str) -> pathlib.Path:
    """Put the stand-in `name` into `directory`; return its path."""
    directory.mkdir(parents=True, exist_ok=True)
    path = directory / name
    path.write_text(_PRELUDE + PROGRAMS[name])
    path.chmod(0o755)
    (directory / "sysfs").write_text(str(directory / "sys"))
    return path


class Held:
    """A stand-in that waits in the middle of a load."""

    def __init__(self, tool: pathlib.Path) -> None:
        self._directory = tool.parent
        os.mkfifo(self._directory / "go-on")
        (self._directory / "fault").write_text("wait")
        self._pid = 0

    def wait_for_load(self) -> None:
        """Return when the tool has begun a load; later loads do not wait."""
        started = self._directory / "started"
        wait_until(started.exists)
        self._pid = int(started.read_text())
        (self._directory / "fault").unlink()

    def go_on(self) -> None:
        """Let the tool finish its load; return when its process has ended."""
        (self._directory / "go-on").write_text("")
        wait_until(lambda: not alive(self._pid))


def alive(pid: int) -> bool:
    """Whether a process runs; one that has ended and was not waited for does not."""
    try:
        return pathlib.Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    except FileNotFoundError:
        return False


def calls(tool: pathlib.Path) -> list[dict]:
    """Return what the stand-in `tool` was called with, in order."""
    return [json.loads(line) for line in (tool.parent / "calls").read_text().splitlines()]


def write(directory: pathlib.Path, **attributes: str) -> pathlib.Path:
    """Write attributes as the kernel shows them, with a line's end; return `directory`."""
    directory.mkdir(parents=True, exist_ok=True)
    for name, text in attributes.items():
        (directory / name).write_text(text + "\n")
    return directory


def link(path: pathlib.Path, target: pathlib.Path) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.symlink_to(target)


class PciCard:
    """A PCI card in a sysfs below `root`, that can be pulled and plugged in again."""

    def __init__(self, root: pathlib.Path, address: str, **attributes: str) -> None:
        self.root, self.address = root, address
        self.path = write(root / "devices/pci0000:3a" / address, **attributes)
        link(root / "bus/pci/devices" / address, self.path)

    def pull(self) -> None:
        (self.root / "bus/pci/devices" / self.address).unlink()
        shutil.move(self.path, self.root / "pulled")

    def plug(self) -> None:
        shutil.move(self.root / "pulled", self.path)
        link(self.root / "bus/pci/devices" / self.address, self.path)


def dfl_card(root: pathlib.Path, address: str, interface: str, afu: str) -> PciCard:
    """Return a card as dfl-pci, dfl-fme and dfl-afu show it."""
    card = PciCard(root, address, vendor="0x8086", device="0x09c4", numa_node="1")
    base = card.path / "fpga_region/region0"
    write(base / "dfl-port.0", id="0", afu_id=afu.replace("-", ""))
    write(base / "dfl-fme.0", ports_num="1", bitstream_id="0x123000200000185")
    write(base / "dfl-fme.0/dfl-fme-region.0/fpga_region/region1", compat_id=interface.replace("-", ""))
    link(base / "device", card.path)
    link(root / "class/fpga_region/region0", base)
    link(root / "class/fpga_region/region1", base / "dfl-fme.0/dfl-fme-region.0/fpga_region/region1")
    return card


def gbs(interface: str, afu: str) -> bytes:
    """Return a green bitstream (opae-sdk python/opae.admin/opae/admin/tools/fpgasupdate.py decode_gbs_header)."""
    cluster = {"name": "core", "total-contexts": 1, "accelerator-type-uuid": afu}
    image = {"magic-no": 0x1D1F8680, "interface-uuid": interface, "accelerator-clusters": [cluster]}
    metadata = {"version": 1, "afu-image": image}
    text = json.dumps(metadata).encode()
    guid = b"XeonFPGA\xb7GBSv001"
    return guid + struct.pack("<I", len(text)) + text + bytes(range(256))


def xclbin(platform: str, identity: str) -> bytes:
    """Return an xclbin with one empty section (XRT src/runtime_src/core/include/xrt/detail/xclbin.h, struct axlf)."""
    content = bytearray(b"xclbin2\0" + bytes(448 + 40))
    content[352 : 352 + len(platform)] = platform.encode()
    content[416:432] = uuid.UUID(identity).bytes
    struct.pack_into("<Q", content, 304, len(content))
    struct.pack_into("<I", content, 448, 1)
    return bytes(content)
