# SPDX-License-Identifier: Apache-2.0
"""Drivers, one file a kind of card, found by the entry points of the namespace ``fpga_nova.devices``."""
