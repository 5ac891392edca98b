# SPDX-License-Identifier: Apache-2.0
"""A tool that is a function, and drivers with options set as an operator's file would."""

from __future__ import annotations

import pathlib
from collections.abc import Callable

from oslo_config import cfg

from fpga_nova import model
from fpga_nova.conf import GROUP, host_options
from fpga_nova.driver import Device
from fpga_nova.system.tool import ToolResult


class FakeTool:
    """Stands in for `Tool` in a driver's module.

    :param answers: the stdout for an argument vector; what it raises is raised
    """

    def __init__(self, answers: Callable[[list[str]], str]) -> None:
        self._answers = answers
        self.calls: list[list[str]] = []
        self.made: list[tuple] = []

    def __call__(self, *arguments: object) -> FakeTool:
        """Be the class: remember what a tool is made with."""
        self.made.append(arguments)
        return self

    def call(self, arguments, failure, *, accept=(0,), directory=None, stdout=None, timeout=None, on_output=None):
        self.calls.append(list(arguments))
        out = self._answers(list(arguments))
        if stdout is not None:
            stdout.write(out.encode())
            stdout.flush()
        if on_output is not None:
            on_output(out.encode())
        return ToolResult(0, out, "")


def make_device(kind: type[Device], path: pathlib.Path, **options: object) -> Device:
    """Return a driver of `kind` with its state below `path`."""
    conf = cfg.ConfigOpts()
    conf([], default_config_files=[], default_config_dirs=[])
    conf.register_opts(host_options.HOST_OPTS, group=GROUP)
    conf.register_opts(kind.options, group=GROUP)
    for name, value in options.items():
        conf.set_override(name, value, group=GROUP)
    return kind(conf.fpga, path / "state", path / "run")


def region_of(device: Device, index: int = 0) -> model.Region:
    """Return a region of the driver's first card as the engine would hand it over."""
    card = device.discover()[0]
    slot = card.slots[index]
    names = (card.id, card.device, card.vendor, card.board, slot.index, slot.region_type, slot.interface_id)
    return model.Region(f"region-{index}", *names, model.RegionState.PROGRAMMING)
