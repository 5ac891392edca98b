# SPDX-License-Identifier: Apache-2.0
"""Registers fpga-nova's options of nova.conf with Nova's own configuration object."""

from __future__ import annotations

from typing import Any

import nova.conf

from fpga_nova.conf import GROUP, nova_options


def register(conf: Any) -> None:
    """Register the options with `conf`, an `oslo_config.cfg.ConfigOpts`; a repeated call is harmless."""
    conf.register_opts(nova_options.NOVA_DEFAULT_OPTS)
    conf.register_opts(nova_options.NOVA_OPTS, group=GROUP)


CONF = nova.conf.CONF
register(CONF)
