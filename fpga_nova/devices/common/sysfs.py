# SPDX-License-Identifier: Apache-2.0
"""Readers of sysfs, below a root that an option names."""

from __future__ import annotations

import pathlib
import re

from oslo_config import cfg

from fpga_nova import model
from fpga_nova.system import uuids

#: Most bytes of an attribute; sysfs gives no more than a page.
_PAGE = 4096

#: A PCI address ``dddd:bb:dd.f`` in lower case, as the kernel writes it: for `re.fullmatch`.
PCI_ADDRESS = r"[0-9a-f]{4}:[0-9a-f]{2}:[01][0-9a-f]\.[0-7]"


def root_option(driver: str) -> cfg.StrOpt:
    """Return the option for the directory at which `driver` finds sysfs."""
    return cfg.StrOpt(f"{driver}_sysfs", default="/sys", help="Where sysfs is mounted. Read by fpga-cli.")


def attribute(path: pathlib.Path) -> str | None:
    """Return the text of an attribute without its line end; None if it cannot be read."""
    try:
        with path.open("rb") as file:
            return file.read(_PAGE).decode(errors="replace").strip()
    except OSError:
        return None


def pci_address(path: pathlib.Path) -> str | None:
    """Return the PCI address ``dddd:bb:dd.f`` of the device at `path`, a directory or a link; None if it has none.

    The kernel names a PCI device's directory by its address (Documentation/PCI/sysfs-pci.rst).
    """
    name = path.resolve().name
    return name if re.fullmatch(PCI_ADDRESS, name, re.ASCII) else None


def pci_device(root: pathlib.Path, address: str) -> pathlib.Path:
    """Return the directory of the PCI device with `address`, which need not exist."""
    return root / "bus/pci/devices" / address


def pci_card(root: pathlib.Path, driver: str, vendor: str, board: str, address: str, slot: model.Slot) -> model.Card:
    """Return the card at a PCI address, with one region.

    :param driver: entry-point name of the driver
    """
    path = str(pci_device(root, address))
    return model.Card(f"{driver}:{address}", driver, vendor, board, path, (slot,), address, numa_node(root, address))


def card_address(region: model.Region) -> str:
    """Return the PCI address of a region's card, which :func:`pci_card` put into its id."""
    return region.card_id.partition(":")[2]


def numa_node(root: pathlib.Path, address: str | None) -> int | None:
    """Return the NUMA node of a PCI device; None where it has none (the kernel says -1) or it is unknown."""
    text = attribute(pci_device(root, address) / "numa_node") if address else None
    return int(text) if text is not None and re.fullmatch(r"\d{1,4}", text, re.ASCII) else None


def uuid(path: pathlib.Path) -> str | None:
    """Return the UUID that an attribute holds, in canonical form; None where it cannot be read or is not a UUID."""
    return uuids.canonical(attribute(path) or "")
