# SPDX-License-Identifier: Apache-2.0
"""The image `guest` in Glance: a kernel, an initramfs and a tiny disk."""

from __future__ import annotations

import hashlib
import pathlib
from typing import Any

from build_scripts.cloud import identity
from build_scripts.cloud.guest import build
from build_scripts.cloud.module import Module

_GUEST = pathlib.Path(build.__file__).parent


class Guest(Module):
    """Builds the guest and puts it into Glance, where every project sees it."""

    start_after = ("glance",)

    def prepare(self) -> None:
        """Download Debian's kernel and build, again whenever this directory or the input changed."""
        with self.once("built", *self._inputs()) as missing:
            if missing:
                build.build(self.state.path / "guest", build.kernel_package())

    def start(self) -> None:
        """Upload the three parts as three images, whose relation the last one tells."""
        with self.once("uploaded", *self._inputs()) as missing:
            if not missing:
                return
            kernel, initramfs, disk = build.parts(self.state.path / "guest")
            image = identity.connect(self.cloud).image
            relation = {
                "kernel_id": _upload(image, "guest-kernel", "aki", kernel).id,
                "ramdisk_id": _upload(image, "guest-initramfs", "ari", initramfs).id,
            }
            # The kernel says little, so that the console's log has room for what the guest says.
            _upload(image, "guest", "raw", disk, os_command_line="console=ttyS0 quiet panic=-1", **relation)

    def _inputs(self) -> list[str]:
        files = [path.read_text() for path in sorted(_GUEST.iterdir()) if path.is_file()]
        return [*files, hashlib.sha256(build.input_file()).hexdigest()]


def _upload(image: Any, name: str, kind: str, path: pathlib.Path, **properties: str) -> Any:
    """Upload a file as the public image `name`, instead of older ones of that name."""
    older = list(image.images(name=name))
    new = image.create_image(
        name,
        filename=str(path),
        disk_format=kind,
        container_format="bare" if kind == "raw" else kind,
        visibility="public",
        min_ram=128,
        allow_duplicates=True,
        wait=True,
        **properties,
    )
    for one in older:
        image.delete_image(one)
    return new


MODULE = Guest
