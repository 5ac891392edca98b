# SPDX-License-Identifier: Apache-2.0
"""Nova's compute service: it runs as an unprivileged user, which reaches root only by sudo and rootwrap."""

from __future__ import annotations

import configparser
import io
from collections.abc import Mapping

from build_scripts.cloud import nova
from build_scripts.cloud.ini import ini
from build_scripts.cloud.module import File


class NovaCompute(nova.ReportingService):
    """The compute service of a node. Its configuration has no database in it."""

    etc = ("nova",)
    # QEMU, another user, passes through the first two to a server's disk.
    directories = (("/var/lib/nova", "nova", 0o755), ("/var/lib/nova/instances", "nova", 0o755))
    start_after = ("libvirt", "fpga_exec:configure", "fpga_files:prepare", "nova_conductor", "glance", "neutron")
    user = "nova"
    binary = "nova-compute"
    code = nova.CODE

    def files(self) -> Mapping[str, File]:
        """Return nova.conf, rootwrap's configuration, and the policy of sudo."""
        sections = nova.options(self.cloud)
        sections["DEFAULT"].update(
            {
                "compute_driver": "libvirt.LibvirtDriver",
                "instances_path": "/var/lib/nova/instances",
                "reserved_host_memory_mb": 0,
                "cpu_allocation_ratio": 64,
                "fpga_access": bool(self.node.spec.soft_cards),
            }
        )
        if self.node.spec.soft_cards:
            sections["DEFAULT"].update({"fpga_simulation_mode": False, "fpga_exec": "fpga-cli"})
        sections["libvirt"] = {"virt_type": "qemu", "cpu_mode": "none", "images_type": "raw"}
        filters = self.cloud.venv / "etc/nova/rootwrap.d/compute.filters"
        return {
            "/etc/nova/nova.conf": File(ini(sections), 0o640, group="nova"),
            "/etc/nova/rootwrap.conf": File(self._rootwrap()),
            "/etc/nova/rootwrap.d/compute.filters": File(filters.read_text()),
            "/etc/sudoers.d/nova": File(
                f"nova ALL=(root) NOPASSWD: {self.cloud.venv}/bin/nova-rootwrap /etc/nova/rootwrap.conf *\n", 0o440
            ),
        }

    def configure(self) -> None:
        """Write the files, and have sudo check its policy."""
        super().configure()
        self.node.run(["visudo", "-c"])

    def _rootwrap(self) -> str:
        """Return the rootwrap.conf that comes with Nova, changed to find programs in the virtual environment."""
        parser = configparser.ConfigParser()
        parser.read(self.cloud.venv / "etc/nova/rootwrap.conf")
        parser["DEFAULT"]["filters_path"] = "/etc/nova/rootwrap.d"
        parser["DEFAULT"]["exec_dirs"] = f"{self.cloud.venv}/bin,/usr/sbin,/usr/bin,/sbin,/bin"
        text = io.StringIO()
        parser.write(text)
        return text.getvalue()


MODULE = NovaCompute
