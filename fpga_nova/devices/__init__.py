# SPDX-License-Identifier: Apache-2.0
"""Drivers, one file for each kind of card, found by the entry points in ``fpga_nova.devices``."""
