# SPDX-License-Identifier: Apache-2.0
"""The name by which other packages import the contract of :mod:`fpga_nova.driver`."""

from __future__ import annotations

from fpga_nova.driver import Device

__all__ = ["Device"]
