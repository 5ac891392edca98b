# SPDX-License-Identifier: Apache-2.0
"""AMD/Xilinx Alveo cards under XRT, through its xbutil.

These calls are made, and answered with these fields (XRT src/runtime_src/doc/toc/xbutil.rst; the reports' sources are
named)::

    xbutil examine --format JSON --output FILE
        system.host.devices[]: bdf, vbnv, is_ready          (core/tools/common/XBUtilities.cpp get_available_devices)
    xbutil examine --device BDF --report dynamic-regions --format JSON --output FILE
        devices[0].dynamic_regions[0].xclbin_uuid           (core/common/info_memory.cpp, upper case)
    xbutil program --device BDF --user FILE
    xbutil reset --device BDF --force

All calls end with 0, or with 1 and their reason on stderr (core/tools/xbutil2/xbutil.cpp); property trees write every
value of their JSON as text. The interface id is the last line of `interface_uuids` of the user function in sysfs (XRT's
xocl userpf sysfs): of a shell in two stages, that of the stage which user images are linked against. XILINX_XRT is set
for the tool to the directory above its own, as XRT's setup.sh does.

*Proof.* The UUID of the xclbin that the card's driver reports must be the one in the file's header, the identity of
that very build (`xclbinutil --info` shows it). Bytes are not compared.

*Erase.* The blank that the operator configured for the platform, an xclbin with no kernels in it, is loaded and proved
by its UUID; with `xrt_reset`, the card is reset before. The dynamic region's configuration and block RAM are
overwritten. These remain: DDR and HBM on the card, whose contents neither a load nor a reset is documented to clear,
unless the blank does. A card without a blank for its platform is not offered.
"""

from __future__ import annotations

import logging
import pathlib
from collections.abc import Sequence
from typing import Any

from oslo_config import cfg

from fpga_nova import errors, model
from fpga_nova.devices.common import blanks, identity, option_entries, sysfs
from fpga_nova.devices.common.probed_card import PROBE_TIMEOUT
from fpga_nova.driver import Device
from fpga_nova.system import scratch, tool_reports, uuids
from fpga_nova.system.tool import Tool

LOG = logging.getLogger(__name__)

REGION_TYPE = "dynamic"

_BLANK_FIELDS = {"platform": option_entries.WORD, "xclbin": option_entries.UUID, "file": option_entries.PATH}
_REPORT = "report.json"


class XrtDevice(Device):
    """Cards that xbutil lists."""

    options = (
        cfg.MultiStrOpt(
            "xrt_blank",
            default=[],
            help="The blank of a kind of Alveo card, as words KEY=VALUE; may be given several times. platform: the "
            "platform's name (VBNV), which is the board's name in manifests; xclbin: the UUID of the blank; file:"
            " the blank, an xclbin without kernels for that platform. A card whose platform has no blank is not "
            "offered. Read by fpga-cli.",
        ),
        cfg.BoolOpt(
            "xrt_reset",
            default=False,
            help="Whether a card is reset (`xbutil reset`) before its blank is loaded. Read by fpga-cli.",
        ),
        cfg.StrOpt(
            "xrt_xbutil",
            default="/opt/xilinx/xrt/bin/xbutil",
            help="The executable xbutil of XRT: an absolute path. Read by fpga-cli.",
        ),
        option_entries.timeout_option("xrt", 300),
        sysfs.root_option("xrt"),
    )

    def discover(self) -> Sequence[model.Card]:
        """Return the cards that are ready and have a blank."""
        configured = self._blanks()
        cards = []
        for address, platform in self._listed(PROBE_TIMEOUT):
            path = sysfs.pci_device(self._sysfs, address)
            if platform not in configured:
                LOG.warning("XRT card %s, platform %s, is not offered: [fpga] xrt_blank has none", address, platform)
            elif path.exists():
                interfaces = (sysfs.attribute(path / "interface_uuids") or "").split()
                interface = uuids.canonical(interfaces[-1]) if interfaces else None
                slot = model.Slot(0, REGION_TYPE, interface)
                cards.append(sysfs.pci_card(self._sysfs, "xrt", "xilinx", platform, address, slot))
        return cards

    def program(self, region: model.Region, bitstream: model.Bitstream) -> None:
        """Load the xclbin into the card's dynamic region."""
        assert bitstream.path is not None  # noqa: S101 - the contract of Device.program
        self._present(region)
        identity.write_record(self._record(region), bitstream, self._build(region, bitstream))
        self._load(region, str(bitstream.path.absolute()), errors.ProgrammingFailed)

    def verify(self, region: model.Region, bitstream: model.Bitstream | None) -> None:
        """Compare the UUID of the xclbin on the card with that of the bitstream, or of the blank."""
        self._present(region)
        expected = self._build(region, bitstream)
        report = self._examine(
            ["--device", sysfs.card_address(region), "--report", "dynamic-regions"], errors.ReadBackMismatch
        )
        held = uuids.canonical(_text(report, "devices", 0, "dynamic_regions", 0, "xclbin_uuid") or "")
        if held != expected:
            raise errors.ReadBackMismatch(f"the card holds xclbin {held or 'of an unknown UUID'}, not {expected}")

    def erase(self, region: model.Region) -> None:
        """Load the blank of the card's platform, after a reset where that is wanted."""
        self._present(region)
        blank = self._blank(region)
        if self.conf.xrt_reset:
            self._tool().call(["reset", "--device", sysfs.card_address(region), "--force"], errors.EraseFailed)
        self._load(region, blank["file"], errors.EraseFailed)

    def endpoint(self, region: model.Region) -> model.Endpoint:
        """Return the card's user function."""
        return model.Endpoint("pci", sysfs.card_address(region))

    @property
    def _sysfs(self) -> pathlib.Path:
        return pathlib.Path(self.conf.xrt_sysfs)

    def _present(self, region: model.Region) -> None:
        if not sysfs.pci_device(self._sysfs, sysfs.card_address(region)).exists():
            raise errors.DeviceNotAccessible(f"card {region.card_id} is not there")

    def _blanks(self) -> blanks.Blanks:
        return blanks.read("xrt_blank", self.conf.xrt_blank, _BLANK_FIELDS)

    def _blank(self, region: model.Region) -> dict[str, str]:
        return self._blanks().of(region.board)

    def _build(self, region: model.Region, bitstream: model.Bitstream | None) -> str:
        """Return the UUID of the xclbin that the card must show."""
        blank = self._blank(region)["xclbin"]
        return identity.expected_by_header(self._record(region), bitstream, blank, lambda header: header.build_id)

    def _record(self, region: model.Region) -> pathlib.Path:
        return self.state_path / "xrt" / region.id

    def _tool(self) -> Tool:
        path = self.conf.xrt_xbutil
        environment = {"XILINX_XRT": str(pathlib.PurePath(path).parent.parent)}
        return Tool("xrt_xbutil", path, self.conf.xrt_timeout, self.state_path, environment)

    def _load(self, region: model.Region, path: str, failure: type[errors.FpgaError]) -> None:
        self._tool().call(["program", "--device", sysfs.card_address(region), "--user", path], failure)

    def _listed(self, timeout: float) -> list[tuple[str, str]]:
        """Return (PCI address, platform) of the cards that are ready; none, and log a warning, if xbutil fails."""
        try:
            report = self._examine([], errors.DeviceNotAccessible, timeout)
        except errors.DeviceNotAccessible as error:
            LOG.warning("XRT cards cannot be listed: %s", error)
            return []
        listed = _node(report, "system", "host", "devices")
        found = []
        for device in listed if isinstance(listed, list) else []:
            address, platform = _text(device, "bdf") or "", _text(device, "vbnv") or ""
            well_formed = option_entries.PCI.form.fullmatch(address) and option_entries.WORD.form.fullmatch(platform)
            if well_formed and _text(device, "is_ready") == "true":
                found.append((address, platform))
        return found

    def _examine(self, arguments: Sequence[str], failure: type[errors.FpgaError], timeout: float | None = None) -> Any:
        with scratch.directory(self.state_path) as directory:
            self._tool().call(
                ["examine", *arguments, "--format", "JSON", "--output", _REPORT],
                failure,
                directory=directory,
                timeout=timeout,
            )
            text = tool_reports.read_file(directory / _REPORT, failure, "xbutil")
            return tool_reports.parse_json(text, failure, "xbutil")


def _node(tree: Any, *keys: str | int) -> Any:
    """Return the value at `keys` of a JSON tree; None if the tree has another shape."""
    for key in keys:
        if isinstance(key, int):
            tree = tree[key] if isinstance(tree, list) and len(tree) > key else None
        else:
            tree = tree.get(key) if isinstance(tree, dict) else None
    return tree


def _text(tree: Any, *keys: str | int) -> str | None:
    found = _node(tree, *keys)
    return found if isinstance(found, str) else None
