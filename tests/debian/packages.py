# SPDX-License-Identifier: Apache-2.0
"""Debian's packages of Nova, made again with a higher version: what a security update looks like."""

from __future__ import annotations

import pathlib
import re
from collections.abc import Callable, Mapping

from tests.debian.root import Root

#: The file that is changed; one that the series patches.
CLAIMS = "/usr/lib/python3/dist-packages/nova/compute/claims.py"

_ARCHIVES = "/var/cache/apt/archives"


def update(root: Root, names: list[str], suffix: str, changes: Mapping[str, Callable[[str], str]]) -> list[str]:
    """Make the installed packages `names` again, with `suffix` at the end of their version.

    :param changes: what becomes of files of theirs, by absolute path
    :return: the packages' files, as absolute paths in the root
    """
    made = []
    for name in names:
        version = root.run("dpkg-query", "--show", "--showformat", "${Version}", name).stdout
        (archive,) = root.file(_ARCHIVES).glob(f"{name}_{_original(version).replace(':', '%3a')}_*.deb")
        tree = f"/srv/update{suffix}/{name}"
        root.run("mkdir", "-p", tree)
        root.run("dpkg-deb", "--raw-extract", f"{_ARCHIVES}/{archive.name}", tree)
        control = root.file(f"{tree}/DEBIAN/control")
        text = re.sub(r"^Version: .*$", rf"\g<0>{suffix}", control.read_text(), flags=re.MULTILINE)
        # The packages want each other in the very same version.
        control.write_text(text.replace(f"(= {_original(version)})", f"(= {_original(version)}{suffix})"))
        for path, change in changes.items():
            file = root.file(tree + path)
            if file.is_file():
                file.write_text(change(file.read_text()))
                _sum(root, pathlib.PurePath(tree), path)
        deb = f"/srv/update{suffix}/{name}.deb"
        root.run("dpkg-deb", "--root-owner-group", "-Zgzip", "-z1", "--build", tree, deb)
        made.append(deb)
    return made


def _original(version: str) -> str:
    """Return a version without the suffixes given here."""
    return re.sub(r"(\+fpga\d)$", "", version)


def _sum(root: Root, tree: pathlib.PurePath, path: str) -> None:
    """Correct the package's checksum of a file."""
    relative = path.lstrip("/")
    digest = root.run("md5sum", str(tree / relative)).stdout.split()[0]
    sums = root.file(str(tree / "DEBIAN/md5sums"))
    sums.write_text(re.sub(rf"^[0-9a-f]{{32}}(?=  {re.escape(relative)}$)", digest, sums.read_text(), flags=re.M))
