# SPDX-License-Identifier: Apache-2.0
"""The decision whether a guest gets the endpoint of its server's region, and by which kind of device."""

from __future__ import annotations

import logging
import pathlib
from typing import Any

from fpga_nova.nova import instances, options
from fpga_nova.nova.claims import trackers
from fpga_nova.system import uuids

LOG = logging.getLogger(__name__)


def add_device(guest: Any, instance: Any) -> None:
    """Add the endpoint of the server's region to its guest.

    :param guest: nova.virt.libvirt.config.LibvirtConfigGuest
    :param instance: nova.objects.Instance
    :raises fpga_nova.errors.FpgaError: fpga-cli does not answer; the guest is not started
    """
    conf = options.CONF
    if not conf.fpga_access or conf.fpga_simulation_mode:
        return
    region_id = instances.region_id(instance)
    if region_id is None:
        return
    if not _has_region(instance.uuid, region_id):
        LOG.error("Region %s is not held by server %s: not attached", region_id, instance.uuid)
        return
    if guest.virt_type not in ("qemu", "kvm") or not uuids.is_canonical(region_id):
        # The ids of stand-ins name no endpoint that is known here, and a container has no virtio-serial port.
        LOG.warning("Region %s has no endpoint for a guest of type %s: not attached", region_id, guest.virt_type)
        return
    from fpga_nova.nova.attach import qemu  # needs libvirt's driver, and only where that is in use

    qemu.add_channel(guest, pathlib.Path(conf.fpga.endpoint_path) / f"{region_id}.sock")


def _has_region(server: str, region_id: str) -> bool:
    """Return whether fpga-cli says, now, that `server` has the region; a stand-in cannot tell and is believed.

    A server that came back to this host without any hook may bear the id of a region that is another tenant's by now.
    """
    runner = trackers.configured_runner()
    if runner is None:
        return False
    if not runner.is_fpga_cli:
        return True
    return any(region.id == region_id and region.owner == server for region in runner.regions())
