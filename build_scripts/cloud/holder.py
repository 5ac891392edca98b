# SPDX-License-Identifier: Apache-2.0
"""The first process of a node: makes its mount and UTS namespaces look like a host, and stays.

Run as a program by unshare(1): ``holder.py NODE_DIRECTORY HOST_NAME READY_FD``. The content of NODE_DIRECTORY takes
its place in the node: each entry of etc/ alone, and run/ and var/{lib,log,cache} whole. Nothing of the machine's own
/etc or /var is touched.
"""

from __future__ import annotations

import os
import pathlib
import socket
import subprocess
import sys

#: Directories of a node that replace the machine's whole.
WHOLE = ("run", "var/lib", "var/log", "var/cache")


def main() -> None:
    """Mount, report that, and sleep until killed."""
    directory, name, ready = pathlib.Path(sys.argv[1]), sys.argv[2], int(sys.argv[3])
    socket.sethostname(name)
    etc = directory / "etc"
    # A read-only overlay only to have the mount points: a node writes nowhere in /etc but in its own entries.
    mount("-t", "overlay", "-o", f"ro,lowerdir={etc}:/etc", "overlay", "/etc")
    for entry in sorted(etc.iterdir()):
        mount("--bind", str(entry), f"/etc/{entry.name}")
    for place in WHOLE:
        mount("--bind", str(directory / place), f"/{place}")
    # The cloud's servers are emulated. A /dev/kvm that works for libvirtd, but not for the user that QEMU runs as,
    # makes libvirtd ask QEMU again for what it can do at every look, which takes seconds each time.
    if pathlib.Path("/dev/kvm").exists():
        mount("--bind", str(directory / "no-kvm"), "/dev/kvm")
    os.write(ready, b"ok")
    os.close(ready)
    os.execv("/bin/sleep", [f"fpga-nova-node-{name}", "infinity"])  # noqa: S606


def mount(*arguments: str) -> None:
    """Call mount(8)."""
    subprocess.run(["mount", *arguments], check=True)


if __name__ == "__main__":
    main()
