# SPDX-License-Identifier: Apache-2.0
"""libvirtd and QEMU: a hypervisor of the node's own."""

from __future__ import annotations

import socket
import uuid
from collections.abc import Mapping, Sequence

from build_scripts.cloud.daemon import Daemon
from build_scripts.cloud.module import File


class Libvirt(Daemon):
    """The node's libvirtd. Its servers run as their own user; the user `nova` may connect to it."""

    etc = ("libvirt",)
    directories = (("/var/lib/libvirt", "root", 0o755), ("/var/cache/libvirt", "root", 0o711))

    def files(self) -> Mapping[str, File]:
        """Return libvirtd.conf and qemu.conf."""
        daemon = [
            'unix_sock_group = "nova"',
            'unix_sock_rw_perms = "0770"',
            'auth_unix_rw = "none"',
            # All nodes are on one machine, whose own identity would be the same for each.
            f'host_uuid = "{uuid.uuid5(uuid.NAMESPACE_URL, f"{self.state.path}/{self.node.name}")}"',
        ]
        qemu = [
            'user = "libvirt-qemu"',
            'group = "kvm"',
            "dynamic_ownership = 1",
            'security_driver = "none"',
            'stdio_handler = "file"',
            # A node's /dev has a mount of its own (over /dev/kvm), which libvirt's private /dev cannot be made with.
            "namespaces = [ ]",
            # There is no systemd in a node to hand out control groups.
            "cgroup_controllers = [ ]",
        ]
        return {
            "/etc/libvirt/libvirtd.conf": File("\n".join([*daemon, ""])),
            "/etc/libvirt/qemu.conf": File("\n".join([*qemu, ""])),
        }

    def command(self) -> Sequence[str]:
        """Return the argument vector."""
        return ["/usr/sbin/libvirtd"]

    def problem(self) -> str | None:
        """Return why libvirtd's socket takes no connection, or None if it does."""
        # The path through the holder's root is short enough for a socket's address, wherever the state lies.
        holder = self.node.holder()
        with socket.socket(socket.AF_UNIX) as probe:
            try:
                probe.connect(f"/proc/{holder.pid if holder else 0}/root/run/libvirt/libvirt-sock")
            except OSError as error:
                return f"its socket: {error}"
        return None

    def stop(self) -> None:
        """End the servers that run on this hypervisor, then libvirtd."""
        if self._running():
            for server in self.node.run(["virsh", "list", "--uuid"]).split():
                self.node.run(["virsh", "destroy", server])
        super().stop()


MODULE = Libvirt
