# SPDX-License-Identifier: Apache-2.0
"""What a driver is: five methods over one kind of card, and what it may tell besides."""

from __future__ import annotations

import abc
import pathlib
from collections.abc import Sequence
from typing import Any, ClassVar

from fpga_nova import formats, model


class Device(abc.ABC):
    """One kind of card. The engine calls it with the region's lock held and its state committed.

    A driver keeps no record of what it has loaded: the store does that, and a driver is asked for the truth by
    :meth:`verify`. Methods may be called from several processes at once for different regions.
    """

    #: The driver's oslo.config options; they are registered in the group ``[fpga]``.
    options: ClassVar[Sequence[Any]] = ()

    #: Set by who calls :meth:`program`, if he wants to know how far it is; see :meth:`report`.
    on_progress: model.Progress | None = None

    def __init__(self, conf: Any, state_path: pathlib.Path, run_path: pathlib.Path) -> None:
        """Take the group ``[fpga]``, the directory for what outlives a reboot, and the one for what does not."""
        self.conf = conf
        # Absolute, as tools and servers have working directories of their own.
        self.state_path = state_path.absolute()
        self.run_path = run_path.absolute()

    @abc.abstractmethod
    def discover(self) -> Sequence[model.Card]:
        """Return the cards of this kind that are there now.

        :raises fpga_nova.errors.ConfigurationInvalid: an option of this driver cannot be used
        """

    @abc.abstractmethod
    def program(self, region: model.Region, bitstream: model.Bitstream) -> None:
        """Load `bitstream` (its path is set) into `region`; return when it runs.

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
        """Return what a programmed `region` offers its guest; asks no card."""

    def report(self, done: int, total: int) -> None:
        """Say, in :meth:`program`, how much of the load is done: bytes, or whatever else the card or its tool counts.

        A driver that cannot tell does not call it.
        """
        if self.on_progress is not None:
            self.on_progress(done, total)

    def incompatibility(self, region: model.Region, header: formats.Header) -> str | None:
        """Return why a bitstream is not for the part that `region` is on, where its own header can tell; else None.

        It is asked before the card is touched, and asks no card. Vendor, function and interface have been looked at.
        """
        return None

    def loss_reason(self, region: model.Region) -> str | None:
        """Return why `region` cannot hold what it was programmed with, where that costs next to nothing to see.

        It is asked at every command but `status`, so it calls no tool. None says nothing; else :meth:`verify` is asked.
        """
        return None
