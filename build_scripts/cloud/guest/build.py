# SPDX-License-Identifier: Apache-2.0
"""Build the guest's kernel, initramfs and disk from Debian's packages and this directory."""

from __future__ import annotations

import gzip
import itertools
import os
import pathlib
import shutil
import subprocess

from build_scripts.lib import paths
from build_scripts.lib.errors import CloudError

_HERE = pathlib.Path(__file__).parent

#: Modules of the kernel that the guest loads; those of virtio in the order in which they need each other.
MODULES = (
    "virtio_ring",
    "virtio",
    "virtio_pci_legacy_dev",
    "virtio_pci_modern_dev",
    "virtio_pci",
    "virtio_console",
    "button",
    "evdev",
)

#: Bytes of the file that the guest sends through its region.
INPUT_SIZE = 64 * 1024

_BUSYBOX = pathlib.Path("/bin/busybox")


def input_file() -> bytes:
    """Return the 64 KiB that the guest sends, always the same: numbered lines of the licence."""
    lines = (paths.CLONE / "LICENSE").read_text(encoding="utf-8").splitlines()
    numbered = (f"{number:5}  {line}\n".encode() for number, line in enumerate(itertools.cycle(lines), 1))
    text = bytearray()
    while len(text) < INPUT_SIZE:
        text += next(numbered)
    return bytes(text[:INPUT_SIZE])


def kernel_package() -> str:
    """Return the name of Debian's current kernel package for clouds, with its version in the name.

    :raises CloudError: apt knows of none
    """
    command = ["apt-cache", "depends", "--no-recommends", "--no-suggests", "linux-image-cloud-amd64"]
    output = subprocess.run(command, capture_output=True, text=True, check=False).stdout
    for word in output.split():
        if word.startswith("linux-image-") and word[len("linux-image-")].isdigit():
            return word
    raise CloudError("apt knows no linux-image-cloud-amd64; `apt-get update` may help")


def parts(directory: pathlib.Path) -> tuple[pathlib.Path, pathlib.Path, pathlib.Path]:
    """Return the paths of (kernel, initramfs, disk) in the directory that they are built in."""
    return directory / "vmlinuz", directory / "initramfs.gz", directory / "disk.raw"


def build(directory: pathlib.Path, package: str) -> None:
    """Build the guest in `directory`, with the kernel of the Debian package `package`, and the input beside it.

    :raises CloudError: the package cannot be had
    """
    unpacked = directory / package
    if not unpacked.is_dir():
        _unpack(directory, package, unpacked)
    kernel, initramfs, disk = parts(directory)
    shutil.copy(next((unpacked / "boot").glob("vmlinuz-*")), kernel)
    root = directory / "root"
    shutil.rmtree(root, ignore_errors=True)
    for place in ("bin", "dev", "modules", "proc", "sys"):
        (root / place).mkdir(parents=True)
    shutil.copy(_BUSYBOX, root / "bin/busybox")
    shutil.copy(_HERE / "init", root / "init")
    (root / "init").chmod(0o755)
    for copy in (directory, root):
        (copy / "input.bin").write_bytes(input_file())
    for module in MODULES:
        for found in unpacked.glob(f"lib/modules/*/kernel/**/{module}.ko"):
            shutil.copy(found, root / "modules")
    initramfs.write_bytes(gzip.compress(_archive(root), compresslevel=6, mtime=0))
    disk.write_bytes(b"")
    os.truncate(disk, 1 << 20)


def _unpack(directory: pathlib.Path, package: str, target: pathlib.Path) -> None:
    directory.mkdir(parents=True, exist_ok=True)
    # _apt, the user that usually downloads, cannot enter this directory.
    _run(["apt-get", "--quiet", "--option", "APT::Sandbox::User=root", "download", package], directory)
    partial = directory / "partial"
    _run(["dpkg-deb", "--extract", str(next(directory.glob(f"{package}_*.deb"))), str(partial)], directory)
    partial.rename(target)


def _run(command: list[str], directory: pathlib.Path) -> None:
    done = subprocess.run(command, cwd=directory, capture_output=True, text=True, check=False)
    if done.returncode:
        raise CloudError(f"{' '.join(command)}: {done.stderr.strip()}")


def _archive(root: pathlib.Path) -> bytes:
    """Return the tree as a cpio archive in the kernel's form (Documentation/filesystems/initramfs: newc)."""
    archive = bytearray()
    entries = [path.relative_to(root) for path in sorted(root.rglob("*"))]
    for number, entry in enumerate(entries, 1):
        path = root / entry
        archive += _member(str(entry), path.stat().st_mode, path.read_bytes() if path.is_file() else b"", number)
    return bytes(archive + _member("TRAILER!!!", 0, b"", 0))


def _member(name: str, mode: int, data: bytes, inode: int) -> bytes:
    """Return one member: 13 numbers in hex (inode, mode, owner, links, time, size, devices, name), name, data."""
    fields = (inode, mode, 0, 0, 1, 0, len(data), 0, 0, 0, 0, len(name) + 1, 0)
    head = b"070701" + b"".join(b"%08X" % field for field in fields) + name.encode() + b"\0"
    return _padded(head) + _padded(data)


def _padded(data: bytes) -> bytes:
    return data + bytes(-len(data) % 4)
