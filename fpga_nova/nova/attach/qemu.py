# SPDX-License-Identifier: Apache-2.0
"""The endpoint of a region as a virtio-serial port of a QEMU guest.

The guest finds it as `/dev/virtio-ports/org.fpga-nova.region.0` (udev makes that link; without udev the name is in
`/sys/class/virtio-ports/*/name`). QEMU connects to the region's unix socket; if the region's server restarts, QEMU
connects again within a second. The XML is libvirt's "channel" with a unix source in connect mode
(https://libvirt.org/formatdomain.html#channel); libvirt adds the virtio-serial controller by itself, one for all
such channels.
"""

from __future__ import annotations

import pathlib
from typing import Any

from lxml import etree
from nova.virt.libvirt import config as vconfig

#: Name of the virtio-serial port in the guest.
PORT_NAME = "org.fpga-nova.region.0"


class RegionChannel(vconfig.LibvirtConfigGuestChannel):  # type: ignore[misc] # Nova has no types
    """A channel that connects to a socket of the host; Nova's own only listens on one."""

    def __init__(self, path: str) -> None:
        super().__init__()
        self.type = "unix"
        self.target_name = PORT_NAME
        self.source_path = path

    def format_dom(self) -> Any:
        """Return the element `channel`."""
        dev = super().format_dom()
        source = dev.find("source")
        source.set("mode", "connect")
        source.append(etree.Element("reconnect", enabled="yes", timeout="1"))
        return dev


def add_channel(guest: Any, socket: pathlib.Path) -> None:
    """Add a port that connects to `socket` to `guest`, a LibvirtConfigGuest of QEMU or KVM."""
    guest.add_device(RegionChannel(str(socket)))
