# SPDX-License-Identifier: Apache-2.0
"""The contract of a driver: five methods over one kind of card, and three that it may add."""

from __future__ import annotations

import abc
import pathlib
from collections.abc import Sequence
from typing import Any, ClassVar

from fpga_nova import formats, model


class Device(abc.ABC):
    """One kind of card. The engine calls it with the region's lock held and its state committed.

    A driver keeps no record of what it has loaded. The store does that, and the engine asks the driver for the truth
    by :meth:`verify`. Methods may be called from several processes at once for different regions.
    """

    #: The driver's oslo.config options; they are registered in the group ``[fpga]``.
    options: ClassVar[Sequence[Any]] = ()

    #: Optional progress callback, set by the caller of :meth:`program`; see :meth:`report`.
    on_progress: model.Progress | None = None

    def __init__(self, conf: Any, state_path: pathlib.Path, run_path: pathlib.Path) -> None:
        """Take the option group ``[fpga]``, the directory that outlives a reboot, and the one that does not."""
        self.conf = conf
        # Absolute paths, as tools and servers have working directories of their own.
        self.state_path = state_path.absolute()
        self.run_path = run_path.absolute()

    @abc.abstractmethod
    def discover(self) -> Sequence[model.Card]:
        """Return the cards of this kind that are there now.

        :raises fpga_nova.errors.ConfigurationInvalid: an option of this driver cannot be used
        """

    @abc.abstractmethod
    def program(self, region: model.Region, bitstream: model.Bitstream) -> None:
        """Load `bitstream`, whose path is set, into `region`; return when it runs.

        :raises fpga_nova.errors.ProgrammingFailed: with the tool's own words; the region may hold anything
        :raises fpga_nova.errors.DeviceNotAccessible: the card is gone
        """

    @abc.abstractmethod
    def verify(self, region: model.Region, bitstream: model.Bitstream | None) -> None:
        """Prove from the card itself that `region` holds `bitstream`, or, with None, that it is blank.

        :raises fpga_nova.errors.ReadBackMismatch: it holds something else, or that cannot be proved
        :raises fpga_nova.errors.DeviceNotAccessible: the card is gone
        """

    @abc.abstractmethod
    def erase(self, region: model.Region) -> None:
        """Load the blank into `region` and take its endpoint away. Idempotent.

        :raises fpga_nova.errors.EraseFailed: with the tool's own words
        :raises fpga_nova.errors.DeviceNotAccessible: the card is gone
        """

    @abc.abstractmethod
    def endpoint(self, region: model.Region) -> model.Endpoint:
        """Return what a programmed `region` offers its guest, without asking the card."""

    def report(self, done: int, total: int) -> None:
        """Report, in :meth:`program`, how much of the load is done: bytes, or another unit that the tool counts.

        A driver that cannot tell does not call it.
        """
        if self.on_progress is not None:
            self.on_progress(done, total)

    def incompatibility(self, region: model.Region, header: formats.Header) -> str | None:
        """Return why a bitstream is not for the part that `region` is on, where its own header can tell; else None.

        It is called before the card is touched, and asks no card. The caller has compared vendor, function and
        interface already.
        """
        return None

    def loss_reason(self, region: model.Region) -> str | None:
        """Return why `region` cannot hold its bitstream any more, where that costs next to nothing to see.

        Every command but `status` calls it, so it runs no tool. None says nothing; a reason leads to :meth:`verify`.
        """
        return None
