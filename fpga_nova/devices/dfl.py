# SPDX-License-Identifier: Apache-2.0
"""Intel and OFS cards on Linux's Device Feature List framework, loaded by fpgaconf or fpgasupdate of OPAE.

Cards are found in what the kernel shows (Documentation/fpga/dfl.rst "Device enumeration",
Documentation/ABI/testing/sysfs-platform-dfl-port, -dfl-fme, sysfs-class-fpga-region, drivers/fpga/fpga-region.c)::

    /sys/class/fpga_region/regionX/                        the base region: the one that holds a dfl-fme.N
        device -> the PCI device, with vendor, device, numa_node, virtfnN
        dfl-fme.N/dfl-fme-region.M/fpga_region/regionY/compat_id    the interface id, 32 hex digits
        dfl-port.M/id, dfl-port.M/afu_id                   the port's number; the UUID of what runs, 32 hex digits

A card is offered with one region, port 0: fpgaconf programs no other (opae-sdk tools/fpgaconf/fpgaconf.c: "currently,
we don't support multiple slots").

Images are loaded as opae-sdk's own fpgasupdate.py does it: `fpgaconf --segment 0x0000 --bus 0x3b --device 0x00
--function 0x0 FILE`; exit 0 is done, 4 "No suitable slots found." (the interface id differs), 1 to 5 other failures.
Cards that take signed images only need `fpgasupdate FILE 0000:3b:00.0` (opae-sdk
doc/src/fpga_tools/fpgasupdate/fpgasupdate.md).

*Proof.* `afu_id` read from the card must be the manifest's function id. It is an identity that the AFU itself gives,
not a comparison of bytes; those are covered by the CRC that the card checks (fpga_manager's "reconfig CRC error").

*Erase.* The blank that the operator configured for the interface id is loaded, and proved by its afu_id. Partial
reconfiguration writes every configuration bit of the region, with the contents of its block RAM. These remain: memory
on the card beside the FPGA, unless the blank clears it, and the state of the static region. A card without a blank for
its interface is not offered.
"""

from __future__ import annotations

import logging
import pathlib
from collections.abc import Iterator, Sequence

from oslo_config import cfg

from fpga_nova import errors, model
from fpga_nova.devices.common import blanks, identity, option_entries, sysfs
from fpga_nova.driver import Device
from fpga_nova.system.tool import Tool

LOG = logging.getLogger(__name__)

REGION_TYPE = "afu"

_BLANK_FIELDS = {"interface": option_entries.UUID, "function": option_entries.UUID, "file": option_entries.PATH}

#: Boards by PCI vendor and device (linux drivers/fpga/dfl-pci.c); others are named pci-VENDOR-DEVICE.
BOARDS = {
    ("8086", "09c4"): "pac-a10",
    ("8086", "0b30"): "pac-n3000",
    ("8086", "0b2b"): "pac-d5005",
    ("8086", "bcce"): "ofs",
}

_DEAD = "ffffffff-ffff-ffff-ffff-ffffffffffff"


class DflDevice(Device):
    """Cards that the kernel's dfl drivers found."""

    options = (
        cfg.MultiStrOpt(
            "dfl_blank",
            default=[],
            help="The blank of a kind of DFL card, as words KEY=VALUE; may be given several times. interface: the UUID"
            " of the interface (the card's compat_id) that it was built for; function: its own UUID, which the "
            "card says as afu_id once it is loaded; file: the bitstream. A card whose interface has no blank is "
            "not offered. Read by fpga-cli.",
        ),
        cfg.StrOpt(
            "dfl_loader",
            default="fpgaconf",
            choices=[("fpgaconf", "for cards that take images as they are"), ("fpgasupdate", "for signed images")],
            help="The tool that loads images. Read by fpga-cli.",
        ),
        cfg.StrOpt(
            "dfl_tool",
            help="The executable of dfl_loader, if it is not found by its name in the system's directories: an "
            "absolute path. Read by fpga-cli.",
        ),
        option_entries.timeout_option("dfl", 300),
        sysfs.root_option("dfl"),
    )

    def discover(self) -> Sequence[model.Card]:
        """Return the cards that have a management engine, a port 0 and a blank."""
        configured = self._blanks()
        cards = []
        for base in self._bases():
            address = sysfs.pci_address(base / "device")
            interface = self._interface(base)
            if address is None or self._port(base) is None:
                LOG.info("%s has no PCI address or no port 0, so it is not offered", base)
            elif interface not in configured:
                LOG.warning("DFL card %s, interface %s, is not offered: [fpga] dfl_blank has none", address, interface)
            else:
                path = sysfs.pci_device(self._sysfs, address)
                vendor, device = (
                    (sysfs.attribute(path / name) or "").removeprefix("0x") for name in ("vendor", "device")
                )
                board = BOARDS.get((vendor, device), f"pci-{vendor}-{device}")
                slot = model.Slot(0, REGION_TYPE, interface)
                cards.append(sysfs.pci_card(self._sysfs, "dfl", "intel", board, address, slot))
        return cards

    def program(self, region: model.Region, bitstream: model.Bitstream) -> None:
        """Load the image into the card's port 0."""
        assert bitstream.path is not None  # noqa: S101 - the contract of Device.program
        identity.expected_by_function_id(bitstream, self._blank(region)["function"])
        self._base(region)
        self._load(region, str(bitstream.path.absolute()), errors.ProgrammingFailed)

    def verify(self, region: model.Region, bitstream: model.Bitstream | None) -> None:
        """Compare the card's afu_id with the function's UUID, or the blank's."""
        base = self._base(region)
        expected = identity.expected_by_function_id(bitstream, self._blank(region)["function"])
        port = self._port(base)
        held = sysfs.uuid(port / "afu_id") if port else None
        if held == _DEAD:
            raise errors.DeviceNotAccessible(f"card {region.card_id} does not answer: its afu_id is all ones")
        if held != expected:
            raise errors.ReadBackMismatch(f"the card's afu_id is {held or 'not readable'}, not {expected}")

    def erase(self, region: model.Region) -> None:
        """Load the blank of the card's interface."""
        self._base(region)
        self._load(region, self._blank(region)["file"], errors.EraseFailed)

    def endpoint(self, region: model.Region) -> model.Endpoint:
        """Return the first virtual function, which then carries the port; without one, the port's node."""
        address = sysfs.card_address(region)
        function = sysfs.pci_address(sysfs.pci_device(self._sysfs, address) / "virtfn0")
        if function is not None:
            return model.Endpoint("pci", function)
        port = self._port(self._base(region))
        return model.Endpoint("devnode", f"/dev/{port.name if port else 'dfl-port.0'}")

    @property
    def _sysfs(self) -> pathlib.Path:
        return pathlib.Path(self.conf.dfl_sysfs)

    def _bases(self) -> Iterator[pathlib.Path]:
        """Yield the base regions: those with a management engine."""
        for path in sorted((self._sysfs / "class/fpga_region").glob("region*")):
            if any(path.glob("dfl-fme.*")):
                yield path

    def _base(self, region: model.Region) -> pathlib.Path:
        address = sysfs.card_address(region)
        for base in self._bases():
            if sysfs.pci_address(base / "device") == address:
                return base
        raise errors.DeviceNotAccessible(f"card {region.card_id} is not there")

    @staticmethod
    def _interface(base: pathlib.Path) -> str | None:
        found = sorted(base.glob("dfl-fme.*/dfl-fme-region.*/fpga_region/region*/compat_id"))
        return sysfs.uuid(found[0]) if found else None

    @staticmethod
    def _port(base: pathlib.Path) -> pathlib.Path | None:
        for path in sorted(base.glob("dfl-port.*")):
            if sysfs.attribute(path / "id") == "0":
                return path
        return None

    def _blanks(self) -> blanks.Blanks:
        return blanks.read("dfl_blank", self.conf.dfl_blank, _BLANK_FIELDS)

    def _blank(self, region: model.Region) -> dict[str, str]:
        return self._blanks().of(region.interface_id)

    def _load(self, region: model.Region, path: str, failure: type[errors.FpgaError]) -> None:
        address = sysfs.card_address(region)
        loader = self.conf.dfl_loader
        tool = Tool("dfl_tool", self.conf.dfl_tool or loader, self.conf.dfl_timeout, self.state_path)
        if loader == "fpgasupdate":
            tool.call([path, address], failure)
            return
        segment, bus, rest = address.split(":")
        device, function = rest.split(".")
        where = {"--segment": segment, "--bus": bus, "--device": device, "--function": function}
        tool.call([*(word for key, value in where.items() for word in (key, f"0x{value}")), path], failure)
