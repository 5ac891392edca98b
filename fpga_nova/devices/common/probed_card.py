# SPDX-License-Identifier: Apache-2.0
"""Cards that only their tool can see: a marker for the card's presence, and one user at a time."""

from __future__ import annotations

import contextlib
import pathlib
from collections.abc import Callable, Iterator, Mapping

from fpga_nova import errors, model
from fpga_nova.devices.common import sysfs
from fpga_nova.system import locks

#: Seconds that a probe of a card may take, so that a tool that hangs does not hold up the whole host.
PROBE_TIMEOUT = 30


class ProbedCard:
    """A card that only its tool can see.

    :param directory: a directory of its own in the state directory, as `status` after a reboot trusts its content
    """

    def __init__(self, directory: pathlib.Path) -> None:
        self.directory = directory
        #: Exists exactly while the last probe found the card; its text is what that probe returned.
        self.marker = directory / "present"

    def probe(self, look: Callable[[], str]) -> str | None:
        """Return what `look` returns, and None if it finds no card.

        While another process works on the card, the last finding is returned.

        :param look: asks the tool; raises DeviceNotAccessible if the card is not there
        :raises fpga_nova.errors.ConfigurationInvalid: from `look`
        """
        try:
            with locks.hold(self.directory / "lock"):
                finding = look()
                self.marker.write_text(finding, encoding="utf-8")
                return finding
        except locks.Busy:
            return self.marker.read_text(encoding="utf-8") if self.marker.exists() else None
        except errors.DeviceNotAccessible:
            self.marker.unlink(missing_ok=True)
            return None

    def card(self, driver: str, entry: Mapping[str, str], slots: tuple[model.Slot, ...]) -> model.Card:
        """Return the card as its configuration describes it.

        :param driver: entry-point name of the driver
        :param entry: with the keys name, vendor and board, and pci where the card has an address
        """
        pci = entry.get("pci")
        return model.Card(
            f"{driver}:{entry['name']}",
            driver,
            entry["vendor"],
            entry["board"],
            str(self.marker),
            slots,
            pci,
            sysfs.numa_node(pathlib.Path("/sys"), pci),
        )

    @contextlib.contextmanager
    def exclusive(self, timeout: float) -> Iterator[None]:
        """Hold the card: no other process talks to it, not even to probe it.

        :param timeout: seconds to wait for it
        :raises fpga_nova.errors.DeviceNotAccessible: another process had it all the time
        """
        with contextlib.ExitStack() as stack:
            try:
                stack.enter_context(locks.hold(self.directory / "lock", timeout))
            except locks.Busy:
                raise errors.DeviceNotAccessible(
                    f"card {self.directory.name} is busy: another process has used it for {timeout:g} s"
                ) from None
            yield
