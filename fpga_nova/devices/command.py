# SPDX-License-Identifier: Apache-2.0
"""Cards behind any executable that honours the contract of the first fpga-cli, of 2016.

The calls are those in the README of that year's fpga-nova. `burn` gets the path of a checked bitstream::

    TOOL burn FILE    prints an id of at most 256 characters, exit 0; other codes: refused, the reason on stderr
    TOOL erase ID     prints nothing, exit 0; 33: no such region
    TOOL status       prints "Used regions: 1/2", exit 0; other codes: the card is not accessible

The tool chooses its region by itself, so a region of fpga-nova is a place for one of the tool's ids, and the whole
card belongs to fpga-nova. The tool's stdout is the file that keeps the id: the id is there even if fpga-cli is killed
while the tool runs.

*Proof.* The contract has no read-back. In its place, a load is believed when the tool ended with 0, printed an id and
counts at least as many used regions as it gave ids; a blank, when the tool ended with 0 and counts no more used
regions than there are ids. A tool that lies in both is believed. Only the tool knows which bytes it loaded.

*Erase.* `TOOL erase` erases; its vendor has to say which bits remain where.
"""

from __future__ import annotations

import os
import pathlib
import re
from collections.abc import Sequence

from oslo_config import cfg

from fpga_nova import errors, model
from fpga_nova.devices.common import option_entries
from fpga_nova.devices.common.probed_card import PROBE_TIMEOUT, ProbedCard
from fpga_nova.driver import Device
from fpga_nova.system.tool import Tool

_FIELDS = {
    "name": option_entries.NAME,
    "tool": option_entries.PATH,
    "vendor": option_entries.VENDOR,
    "board": option_entries.WORD,
    "type": option_entries.WORD,
    "node": option_entries.PATH,
    "pci": option_entries.PCI.optional(),
}
_STATUS = re.compile(r"Used regions: (\d{1,2})/(\d{1,2})", re.ASCII)
_LONGEST_ID = 256
_UNKNOWN_REGION = 33


class CommandDevice(Device):
    """Cards of `[fpga] command_card`."""

    options = (
        cfg.MultiStrOpt(
            "command_card",
            default=[],
            help="A card behind an executable with the contract `burn FILE` (prints an id), `erase ID`, `status` "
            "(prints `Used regions: 1/2`), as words KEY=VALUE; may be given several times. name: a name of your "
            "own; tool: absolute path of the executable; vendor, board, type: what manifests must say to fit "
            "(type is their region_type); node: the device node that a guest gets, in which {index} stands for "
            "the number of the region; pci: the card's PCI address, if it has one. For example `name=a "
            "tool=/opt/acme/fpga vendor=acme board=acme-x1 type=full node=/dev/acme{index}`. Read by fpga-cli.",
        ),
        option_entries.timeout_option("command", 600),
    )

    def discover(self) -> Sequence[model.Card]:
        """Return the configured cards whose tool answers to `status`."""
        cards = []
        for entry in self._entries():
            probed = self._probed_card(entry)
            finding = probed.probe(lambda entry=entry: str(self._status(entry, PROBE_TIMEOUT)[1]))  # type: ignore[misc]
            if finding is not None:
                slots = tuple(model.Slot(index, entry["type"]) for index in range(int(finding)))
                cards.append(probed.card("command", entry, slots))
        return cards

    def program(self, region: model.Region, bitstream: model.Bitstream) -> None:
        """Let the tool burn the file, and keep the id that it prints."""
        assert bitstream.path is not None  # noqa: S101 - the contract of Device.program
        entry = self._entry(region)
        with self._probed_card(entry).exclusive(self._patience):
            self._status(entry)
            path = self._id_path(entry, region)
            if path.exists():
                raise errors.ProgrammingFailed(f"the tool's region {self._id(entry, region)!r} was never erased")
            with path.open("xb") as file:
                path.chmod(0o600)
                try:
                    self._tool(entry).call(
                        ["burn", str(bitstream.path.absolute())], errors.ProgrammingFailed, stdout=file
                    )
                finally:
                    os.fsync(file.fileno())
            if self._id(entry, region) is None:
                raise errors.ProgrammingFailed(f"{entry['tool']} burn gave no usable id of its region")

    def verify(self, region: model.Region, bitstream: model.Bitstream | None) -> None:
        """Check that the tool's count of used regions agrees with the ids that it gave."""
        entry = self._entry(region)
        with self._probed_card(entry).exclusive(self._patience):
            used, _ = self._status(entry)
            known = sum(1 for path in self._probed_card(entry).directory.glob("id-*") if path.stat().st_size)
            region_id = self._id(entry, region)
        if bitstream is None:
            if region_id is not None or used > known:
                raise errors.ReadBackMismatch(f"the tool counts {used} used regions, and {known} of them are ours")
        elif region_id is None or used < known:
            raise errors.ReadBackMismatch(f"the tool counts {used} used regions, it gave ids of {known}")

    def erase(self, region: model.Region) -> None:
        """Let the tool erase the region by its id; without an id there is nothing to erase."""
        entry = self._entry(region)
        with self._probed_card(entry).exclusive(self._patience):
            self._status(entry)
            region_id = self._id(entry, region)
            if region_id is not None:
                # 33 follows a kill between the tool's erase and the removal of the id; verify has the last word.
                self._tool(entry).call(["erase", region_id], errors.EraseFailed, accept=(0, _UNKNOWN_REGION))
            self._id_path(entry, region).unlink(missing_ok=True)

    def endpoint(self, region: model.Region) -> model.Endpoint:
        """Return the configured device node."""
        return model.Endpoint("devnode", self._entry(region)["node"].replace("{index}", str(region.index)))

    @property
    def _patience(self) -> float:
        """Seconds to wait for a card: the longest call on another of its regions, and lock_timeout."""
        return float(self.conf.command_timeout + self.conf.lock_timeout)

    def _entries(self) -> list[dict[str, str]]:
        return option_entries.read("command_card", self.conf.command_card, _FIELDS)

    def _entry(self, region: model.Region) -> dict[str, str]:
        return option_entries.entry_of_card(self._entries(), "command", region.card_id)

    def _probed_card(self, entry: dict[str, str]) -> ProbedCard:
        return ProbedCard(self.state_path / "command" / entry["name"])

    def _tool(self, entry: dict[str, str]) -> Tool:
        return Tool("command_card", entry["tool"], self.conf.command_timeout, self.state_path)

    def _status(self, entry: dict[str, str], timeout: float | None = None) -> tuple[int, int]:
        out = self._tool(entry).call(["status"], errors.DeviceNotAccessible, timeout=timeout).stdout
        match = _STATUS.fullmatch(out.strip())
        if match is None or not 0 <= int(match[1]) <= int(match[2]) or int(match[2]) == 0:
            raise errors.DeviceNotAccessible(f"{entry['tool']} status said {out[:80]!r}, not 'Used regions: 1/2'")
        return int(match[1]), int(match[2])

    def _id_path(self, entry: dict[str, str], region: model.Region) -> pathlib.Path:
        return self._probed_card(entry).directory / f"id-{region.index}"

    def _id(self, entry: dict[str, str], region: model.Region) -> str | None:
        """Return the id that the tool gave for `region`; None if it cannot be handed back to the tool."""
        try:
            with self._id_path(entry, region).open("rb") as file:
                text = file.read(4 * _LONGEST_ID + 2).decode(errors="replace").strip()
        except FileNotFoundError:
            return None
        return text if 0 < len(text) <= _LONGEST_ID and text.isprintable() and text[0] != "-" else None
