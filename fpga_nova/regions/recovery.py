# SPDX-License-Identifier: Apache-2.0
"""The repair of regions: work that dead processes left behind, and regions that lost their bitstream.

A region is *lost* when it is recorded as programmed and its card does not hold that (any more): after a restart of the
host, or when a soft FPGA's server was killed. It stays its owner's, with the reason as its error, until it is loaded
again or erased. It stays recorded as lost while it is being loaded again, so a process that dies then leaves it lost.
"""

from __future__ import annotations

import contextlib
from collections.abc import Collection, Iterator

from fpga_nova import errors, model
from fpga_nova.model import RegionState
from fpga_nova.regions import quick_status
from fpga_nova.regions.store import Store
from fpga_nova.regions.transitions import LEFT_BEHIND, Transitions
from fpga_nova.system import locks


class Recovery:
    """Discovery of cards, and the repair of what is not as the store says.

    A region whose lock another process holds is left to that process.

    :param configuration: stamp of the configuration that the drivers were made from
        (`quick_status.configuration_stamp`)
    """

    def __init__(self, store: Store, transitions: Transitions, configuration: str) -> None:
        self._store = store
        self._transitions = transitions
        self._configuration = configuration

    def discover(self) -> list[model.Region]:
        """Ask the drivers for their cards, record them, mark lost regions, and wipe what was left behind.

        :returns: the regions that were left behind, as they are now
        :raises fpga_nova.errors.ConfigurationInvalid: a driver's options cannot be used
        """
        cards = [card for device in self._transitions.devices.values() for card in device.discover()]
        # Before the cards are recorded: recording them forgets that a card was away.
        self._find_lost({card.id for card in cards})
        self._store.set_cards(cards, self._configuration)
        return self.finish_left_behind()

    def finish_left_behind(self) -> list[model.Region]:
        """Wipe every region in a transitional state whose process is dead; return them as they are now.

        A region whose card is not there is left as it is.
        """
        present = self._store.present_cards()
        finished = []
        for region in self._store.regions():
            if region.state not in LEFT_BEHIND or region.card_id not in present:
                continue
            with contextlib.suppress(locks.Busy), self._transitions.locked(region.id) as locked:
                if locked.state not in LEFT_BEHIND:
                    continue
                with contextlib.suppress(errors.EraseFailed):
                    self._transitions.wipe(locked)
                finished.append(self._store.region(region.id))
        return finished

    def check_programmed(self) -> Iterator[model.Region]:
        """Check every programmed region; give those that are lost, and those that were and are not any more."""
        for region in self._store.regions():
            with contextlib.suppress(locks.Busy):
                with self._transitions.locked(region.id) as locked:
                    checked = self._check(locked)
                # Outside the lock: what the caller does with a lost region may take long, and an erase need not wait.
                if checked.lost or locked.lost:
                    yield checked

    def load_again(self, lost: model.Region, bitstream: model.Bitstream) -> model.Region | None:
        """Load a lost region's bitstream again, if the region is still as it was.

        :returns: the region as it is now, still lost after a failure; None if another process works on it
        """
        with contextlib.suppress(locks.Busy), self._transitions.locked(lost.id) as locked:
            if locked != lost:
                return locked
            try:
                self._transitions.device(lost).erase(lost)
                self._transitions.program(lost, bitstream)
            except (errors.FpgaError, OSError) as error:
                return self._transitions.mark_lost(lost, error)
            return self._store.transition(lost, RegionState.PROGRAMMED, error=None)
        return None

    def keep_lost(self, lost: model.Region, error: errors.FpgaError) -> model.Region | None:
        """Record why a lost region cannot be loaded again; return it as `load_again` does."""
        with contextlib.suppress(locks.Busy), self._transitions.locked(lost.id) as locked:
            return self._transitions.mark_lost(lost, error) if locked == lost else locked
        return None

    def _find_lost(self, present: Collection[str]) -> None:
        """Mark lost regions, as far as they can be seen without asking the cards.

        The cards are asked once after each restart of the host, and when a card comes back.

        :param present: ids of the cards that are there
        """
        boot_id = quick_status.boot_id()
        restarted = self._store.boot_id() != boot_id
        back = {card.id for card, found in self._store.cards() if not found and card.id in present}
        complete = True
        for region in self._store.regions():
            if region.state is not RegionState.PROGRAMMED or region.lost:
                continue
            ask = restarted or region.card_id in back
            if ask or (region.card_id in present and self._transitions.device(region).loss_reason(region)):
                try:
                    with self._transitions.locked(region.id) as locked:
                        self._check(locked, doubted=ask)
                except locks.Busy:  # by a process that does the same, and may die
                    complete = False
        if restarted and complete:
            self._store.set_boot_id(boot_id)

    def _check(self, region: model.Region, doubted: bool = False) -> model.Region:
        """Check a region if it is recorded as programmed; return it as it is now.

        :param doubted: whether it counts as lost where the card cannot be asked
        """
        if region.state is not RegionState.PROGRAMMED:
            return region
        try:
            return self._transitions.check(region)
        except errors.ReadBackMismatch:
            return self._store.region(region.id)
        except (errors.FpgaError, OSError) as error:
            if doubted or region.lost or isinstance(error, errors.ProgrammingFailed):
                return self._transitions.mark_lost(region, error)
            return region  # a card that is busy or away proves nothing
