# SPDX-License-Identifier: Apache-2.0
"""FPGAs of boards and SoCs under Linux's fpga_manager and fpga_region classes.

The kernel shows (Documentation/ABI/testing/sysfs-class-fpga-manager and sysfs-class-fpga-region)::

    /sys/class/fpga_manager/fpgaN/state      "operating" where the last load succeeded
    /sys/class/fpga_manager/fpgaN/status     words for what went wrong, where the manager has them
    /sys/class/fpga_region/regionN/compat_id the interface id, 32 hex digits, where the region has one

Mainline Linux does not let user space write to a manager (Documentation/driver-api/fpga): images come by device-tree
overlays, and how user space applies those differs from one vendor's kernel to the next. So an executable of the
operator does it, in the way of the board::

    HELPER program REGION FILE    loads FILE into the region with that name; exit 0, or another with the reason
    HELPER identify REGION        prints the UUID of the function that runs in it, read from the design itself

*Proof.* The manager's state must be "operating" and its status empty, and what `identify` prints must be the
manifest's function id. The kernel keeps no identity of what was loaded, so the proof is as good as the helper and the
identification register of the design that it reads.

*Erase.* The blank that the operator configured is loaded by the helper, and proved by its own UUID. A full image
rewrites all configuration memory and block RAM of the fabric, a partial one those of its region. These remain: memory
beside the fabric, on an SoC the processor's, which the cores of the fabric reach unless their bus is fenced.
"""

from __future__ import annotations

import contextlib
import pathlib
import re
from collections.abc import Sequence

from oslo_config import cfg

from fpga_nova import errors, model
from fpga_nova.devices.common import identity, option_entries, sysfs
from fpga_nova.devices.common.probed_card import ProbedCard
from fpga_nova.driver import Device
from fpga_nova.system import uuids
from fpga_nova.system.tool import Tool

_KERNEL_NAME = option_entries.Field(re.compile(r"[a-z][a-z_]{0,15}[0-9]{1,4}", re.ASCII), "a name that the kernel gave")
_FIELDS = {
    "name": option_entries.NAME,
    "region": _KERNEL_NAME,
    "manager": _KERNEL_NAME,
    "vendor": option_entries.VENDOR,
    "board": option_entries.WORD,
    "type": option_entries.WORD,
    "blank": option_entries.PATH,
    "blank_function": option_entries.UUID,
    "node": option_entries.PATH,
}


class FpgaRegionDevice(Device):
    """Regions of `[fpga] fpga_region_card`."""

    options = (
        cfg.MultiStrOpt(
            "fpga_region_card",
            default=[],
            help="A region of the Linux class fpga_region, as words KEY=VALUE; may be given several times. name: a "
            "name of your own; region, manager: the names of the region and of its manager in sysfs; vendor, "
            "board, type: what manifests must say to fit (type is their region_type); blank: the image that "
            "erases it; blank_function: the UUID that the blank identifies itself with; node: the device node "
            "that a guest gets. For example `name=fabric region=region0 manager=fpga0 vendor=xilinx board=zcu102 "
            "type=full blank=/etc/fpga-nova/blank.bin blank_function=00000000-0000-4000-8000-000000000000 "
            "node=/dev/uio0`. Read by fpga-cli.",
        ),
        cfg.StrOpt(
            "fpga_region_helper",
            help="Absolute path of the executable that loads and identifies images: `HELPER program REGION FILE` and "
            "`HELPER identify REGION`, which prints the UUID of what runs. Required where there are cards. "
            "Read by fpga-cli.",
        ),
        option_entries.timeout_option("fpga_region", 120),
        sysfs.root_option("fpga_region"),
    )

    def discover(self) -> Sequence[model.Card]:
        """Return the configured regions that the kernel has, with their manager."""
        cards = []
        for entry in self._entries():
            path = self._region_path(entry)
            if path.is_dir() and self._manager_path(entry).is_dir():
                interface = sysfs.uuid(path / "compat_id")
                cards.append(
                    model.Card(
                        f"fpga_region:{entry['name']}",
                        "fpga_region",
                        entry["vendor"],
                        entry["board"],
                        str(path),
                        (model.Slot(0, entry["type"], interface),),
                    )
                )
        return cards

    def program(self, region: model.Region, bitstream: model.Bitstream) -> None:
        """Let the helper load the image."""
        assert bitstream.path is not None  # noqa: S101 - the contract of Device.program
        entry = self._entry(region)
        identity.expected_by_function_id(bitstream, entry["blank_function"])
        self._load(entry, str(bitstream.path.absolute()), errors.ProgrammingFailed)

    def verify(self, region: model.Region, bitstream: model.Bitstream | None) -> None:
        """Check the manager's state, and compare the UUID by which the design identifies itself."""
        entry = self._entry(region)
        expected = identity.expected_by_function_id(bitstream, entry["blank_function"])
        with self._exclusive(entry):
            self._check_manager(entry, errors.ReadBackMismatch)
            out = self._tool().call(["identify", entry["region"]], errors.ReadBackMismatch).stdout
        held = uuids.canonical(out.strip())
        if held != expected:
            raise errors.ReadBackMismatch(f"the region identifies itself as {held or 'nothing'}, not {expected}")

    def erase(self, region: model.Region) -> None:
        """Let the helper load the blank."""
        entry = self._entry(region)
        self._load(entry, entry["blank"], errors.EraseFailed)

    def endpoint(self, region: model.Region) -> model.Endpoint:
        """Return the configured device node."""
        return model.Endpoint("devnode", self._configured(region)["node"])

    @property
    def _sysfs(self) -> pathlib.Path:
        return pathlib.Path(self.conf.fpga_region_sysfs)

    def _entries(self) -> list[dict[str, str]]:
        found = option_entries.read("fpga_region_card", self.conf.fpga_region_card, _FIELDS)
        if found and not self.conf.fpga_region_helper:
            raise errors.ConfigurationInvalid("[fpga] fpga_region_card needs fpga_region_helper, which is not set")
        return found

    def _configured(self, region: model.Region) -> dict[str, str]:
        return option_entries.entry_of_card(self._entries(), "fpga_region", region.card_id)

    def _entry(self, region: model.Region) -> dict[str, str]:
        entry = self._configured(region)
        if not (self._region_path(entry).is_dir() and self._manager_path(entry).is_dir()):
            raise errors.DeviceNotAccessible(f"card {region.card_id}: {entry['region']} is not there")
        return entry

    def _region_path(self, entry: dict[str, str]) -> pathlib.Path:
        return self._sysfs / "class/fpga_region" / entry["region"]

    def _manager_path(self, entry: dict[str, str]) -> pathlib.Path:
        return self._sysfs / "class/fpga_manager" / entry["manager"]

    def _tool(self) -> Tool:
        return Tool("fpga_region_helper", self.conf.fpga_region_helper, self.conf.fpga_region_timeout, self.state_path)

    @property
    def _patience(self) -> float:
        """Seconds to wait for a manager: the longest call for another of its regions, and lock_timeout."""
        return float(self.conf.fpga_region_timeout + self.conf.lock_timeout)

    def _exclusive(self, entry: dict[str, str]) -> contextlib.AbstractContextManager[None]:
        """Hold the manager: it serves one region at a time and answers EBUSY to a second load."""
        return ProbedCard(self.state_path / "fpga_region" / entry["manager"]).exclusive(self._patience)

    def _load(self, entry: dict[str, str], path: str, failure: type[errors.FpgaError]) -> None:
        with self._exclusive(entry):
            self._tool().call(["program", entry["region"], path], failure)
            self._check_manager(entry, failure)

    def _check_manager(self, entry: dict[str, str], failure: type[errors.FpgaError]) -> None:
        path = self._manager_path(entry)
        state, status = sysfs.attribute(path / "state"), sysfs.attribute(path / "status")
        if state != "operating" or status:
            raise failure(f"{entry['manager']} is in state {state!r}, status {status or ''!r}")
