# SPDX-License-Identifier: Apache-2.0
"""An engine over simulated cards in the process of a test, and drivers that do wrong at will."""

from __future__ import annotations

import hashlib
import pathlib
import types

from fpga_nova import model
from fpga_nova.devices.sim import SimDevice
from fpga_nova.ip_cores.bitstream_cache import Cache
from fpga_nova.regions.engine import Engine
from fpga_nova.regions.store import Store
from tests.support.archives import FUNCTION_ID

#: The tests' stamp of a configuration.
STAMP = "stamp"


class EngineHost:
    """A host's directories, over which a test opens engines: one for each "process".

    :param cards: the option sim_cards
    :param lock_timeout: seconds that an engine waits
    """

    def __init__(self, path: pathlib.Path, cards: str = "a:board1:2,b:board2:1", lock_timeout: float = 0) -> None:
        self.path = path
        self.cards = cards.split(",")
        self.lock_timeout = lock_timeout
        self.transitions: list[tuple[str, str]] = []
        self._stores: list[Store] = []

    def engine(self, driver: type[SimDevice] = SimDevice, store: type[Store] = Store) -> Engine:
        """Open an engine; it has a store connection of its own and belongs to the thread that opens it."""
        opened = store(self.path / "state", observer=self._observe)
        self._stores.append(opened)
        conf = types.SimpleNamespace(sim_cards=self.cards)
        devices = {"sim": driver(conf, self.path / "state", self.path / "run")}
        cache = Cache(self.path / "state/cache", 1 << 20)
        return Engine(opened, devices, self.path / "state/locks", self.lock_timeout, STAMP, cache)

    def _observe(self, before: model.Region, after: model.Region) -> None:
        self.transitions.append((str(before.state), str(after.state)))

    def close(self) -> None:
        for store in self._stores:
            store.close()

    def fault(self, when: str, what: str | None, card: str = "a") -> None:
        """Set a fault of a simulated card, or with None remove it; see :mod:`fpga_nova.devices.sim`."""
        path = self.path / "state/sim" / card / f"fault-{when}"
        if what is None:
            path.unlink()
        else:
            path.write_text(what)

    def memory(self, region: model.Region) -> pathlib.Path:
        """Return the file in which a simulated card keeps a region's bits."""
        return self.path / "run/sim" / region.card_id.removeprefix("sim:") / str(region.index)

    def bitstream(self, content: bytes = b"bits") -> model.Bitstream:
        """Return a bitstream whose bytes are at hand."""
        sha256 = hashlib.sha256(content).hexdigest()
        path = self.path / sha256
        path.write_bytes(content)
        return model.Bitstream(sha256, len(content), path, FUNCTION_ID)


def manifest(content: bytes = b"bits", *boards: str) -> model.Manifest:
    """Return the manifest of a core with the same bitstream for each board."""
    sha256 = hashlib.sha256(content).hexdigest()
    entries = tuple(
        model.BitstreamEntry("x.bin", sha256, len(content), board, "stream") for board in boards or ("board1",)
    )
    return model.Manifest("core", "1.0", "sim", "test", FUNCTION_ID, entries)
