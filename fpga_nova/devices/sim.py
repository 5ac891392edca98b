# SPDX-License-Identifier: Apache-2.0
"""The simulated card: a region is a file, and the card fails on request.

It is for tests of everything around a card. It computes nothing; for a card that computes see the soft FPGA. A file
`<state_path>/sim/NAME/fault-WHEN` (WHEN: program, verify, erase) asks for a fault. Its text is one of::

    fail WORDS     it fails with the message WORDS
    kill           the process is killed (SIGKILL) before it does anything
    kill-after     the process is killed when all is done
    corrupt        (program) the region gets other bytes than it was given; (erase) it keeps its bytes
    slow SECONDS   it takes that long
    wait PATH      it waits until another process has opened the FIFO at PATH for writing, and closed it

A fault stays until its file is removed. Removing `<state_path>/sim/NAME` pulls the card.
"""

from __future__ import annotations

import hashlib
import os
import pathlib
import signal
import time
from collections.abc import Sequence

from oslo_config import cfg

from fpga_nova import errors, model
from fpga_nova.devices.common import card_list
from fpga_nova.driver import Device

#: Bytes that are copied in one call.
_PIECE = 1 << 20


class SimDevice(Device):
    """Simulated cards, configured by `[fpga] sim_cards`."""

    options = (
        cfg.ListOpt(
            "sim_cards",
            default=[],
            help="Simulated cards of this host, each NAME:BOARD:REGIONS with any board name. For tests: nothing is "
            "computed. Read by fpga-cli.",
        ),
    )

    def discover(self) -> Sequence[model.Card]:
        """Return the configured cards that are plugged in."""
        cards = []
        for name, board, regions in card_list.parse("sim_cards", self.conf.sim_cards):
            path = card_list.plug_directory(self.state_path / "sim", name)
            slots = tuple(model.Slot(index, "stream") for index in range(regions))
            if path.is_dir():
                cards.append(model.Card(f"sim:{name}", "sim", "sim", board, str(path), slots))
        return cards

    def program(self, region: model.Region, bitstream: model.Bitstream) -> None:
        """Copy the bitstream into the region's file."""
        assert bitstream.path is not None  # noqa: S101 - the contract of Device.program
        fault = self._enter(region, "program")
        memory = self._memory(region)
        memory.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        with bitstream.path.open("rb") as source, memory.open("wb") as target:
            done = 0
            while count := os.sendfile(target.fileno(), source.fileno(), None, _PIECE):
                done += count
                self.report(done, bitstream.size)
        if fault == "corrupt":
            memory.write_bytes(memory.read_bytes()[::-1] + b"!")
        self._leave(fault)

    def verify(self, region: model.Region, bitstream: model.Bitstream | None) -> None:
        """Compare the region's file with the bitstream's SHA-256, or check that there is no file."""
        fault = self._enter(region, "verify")
        memory = self._memory(region)
        held = _sha256(memory) if memory.exists() else None
        if held != (bitstream.sha256 if bitstream else None):
            raise errors.ReadBackMismatch(f"region {region.id} holds {held or 'nothing'}, not what it should")
        self._leave(fault)

    def erase(self, region: model.Region) -> None:
        """Remove the region's file."""
        fault = self._enter(region, "erase")
        if fault != "corrupt":
            self._memory(region).unlink(missing_ok=True)
        self._leave(fault)

    def endpoint(self, region: model.Region) -> model.Endpoint:
        """Return the region's file."""
        return model.Endpoint("devnode", str(self._memory(region)))

    def loss_reason(self, region: model.Region) -> str | None:
        """Return a reason if the region's file is gone."""
        return None if self._memory(region).exists() else f"the memory of region {region.id} is empty"

    def _memory(self, region: model.Region) -> pathlib.Path:
        return self.run_path / "sim" / region.card_id.removeprefix("sim:") / str(region.index)

    def _enter(self, region: model.Region, when: str) -> str:
        card = self.state_path / "sim" / region.card_id.removeprefix("sim:")
        if not card.is_dir():
            raise errors.DeviceNotAccessible(f"card {region.card_id} is not there")
        try:
            fault = (card / f"fault-{when}").read_text().strip()
        except FileNotFoundError:
            return ""
        word, _, rest = fault.partition(" ")
        if word == "fail":
            raise errors.EraseFailed(rest) if when == "erase" else errors.ProgrammingFailed(rest)
        if word == "kill":
            os.kill(os.getpid(), signal.SIGKILL)
        if word == "slow":
            time.sleep(float(rest))
        if word == "wait":
            pathlib.Path(rest).read_bytes()
        return word

    @staticmethod
    def _leave(fault: str) -> None:
        if fault == "kill-after":
            os.kill(os.getpid(), signal.SIGKILL)


def _sha256(path: pathlib.Path) -> str:
    digest = hashlib.sha256()
    with path.open("rb") as file:
        while chunk := file.read(1 << 20):
            digest.update(chunk)
    return digest.hexdigest()
