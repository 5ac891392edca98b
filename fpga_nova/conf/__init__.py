# SPDX-License-Identifier: Apache-2.0
"""Option definitions of fpga-nova for oslo.config, one module a reader; nothing here reads a value."""

from __future__ import annotations

#: Group of every option but the three that nova.conf has had in [DEFAULT] since 2016.
GROUP = "fpga"
