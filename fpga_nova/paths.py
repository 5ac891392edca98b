# SPDX-License-Identifier: Apache-2.0
"""Default paths on a compute host; here, as `fpga-cli status` cannot afford to import oslo.config for them."""

from __future__ import annotations

#: Where fpga-cli looks for its configuration when no --config-file is given.
CONFIG_FILE = "/etc/fpga-nova/fpga-nova.conf"

#: Default of `[fpga] state_path`: what outlives a reboot.
STATE_PATH = "/var/lib/fpga-nova"

#: Default of `[fpga] run_path`: what a reboot ends.
RUN_PATH = "/run/fpga-nova"

#: Directory below run_path that holds the sockets of programmed regions, REGION_ID.sock.
ENDPOINTS = "endpoints"
