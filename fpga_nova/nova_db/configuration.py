# SPDX-License-Identifier: Apache-2.0
"""Reads Nova's configuration for a command that is not a service of Nova."""

from __future__ import annotations

import os
from collections.abc import Sequence
from typing import Any

from oslo_config import cfg

from fpga_nova import errors


def load(files: Sequence[str], dirs: Sequence[str]) -> Any:
    """Return Nova's configuration object with what its files say.

    :param files: as Nova's services are given them; none for Nova's own defaults
    :param dirs: the same
    :raises fpga_nova.errors.ConfigurationInvalid: there are none, or they cannot be used
    """
    # Services of Nova decide at their start on green threads; a command wants none, whatever it imports of Nova.
    os.environ["OS_NOVA_DISABLE_EVENTLET_PATCHING"] = "true"
    try:
        import nova.conf
    except ImportError as error:
        raise errors.ConfigurationInvalid(
            f"this interpreter cannot import Nova ({error}); use the Python that runs Nova"
        ) from error
    from fpga_nova.nova import options

    conf = nova.conf.CONF
    options.register(conf)
    arguments = [*(f"--config-file={path}" for path in files), *(f"--config-dir={path}" for path in dirs)]
    try:
        # With this program name the files are those that nova-compute finds by itself: nova.conf, nova-compute.conf.
        conf(arguments, project="nova", prog="nova-compute")
        if not conf.config_file and not conf.config_dir:
            raise errors.ConfigurationInvalid(
                "there is no nova.conf where Nova looks for it, such as /etc/nova; name it with --config-file"
            )
        for option in ("fpga_access", "fpga_simulation_mode", "fpga_exec", "compute_driver", "rootwrap_config"):
            conf[option]  # read once here, so that a bad value is found
        for option in conf.fpga:
            conf.fpga[option]
    except (cfg.Error, ValueError) as error:
        raise errors.ConfigurationInvalid(f"nova.conf cannot be used: {error}") from error
    return conf
