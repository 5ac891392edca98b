# SPDX-License-Identifier: Apache-2.0
"""fpga-cli in a fork of this process: the same code in a process of its own, without the interpreter's start.

So a kill at a random time hits what a burn or an erase does, and not the imports before it.
"""

from __future__ import annotations

import os
import sys
from collections.abc import Callable, Sequence

# Modules that fpga-cli imports on demand are imported here once.
import fpga_nova.clients.glance
import fpga_nova.conf.host_options
import fpga_nova.devices.sim
import fpga_nova.devices.soft
import fpga_nova.host_config
import fpga_nova.ip_cores.archive  # noqa: F401
from fpga_nova.fpga_cli import dispatch, main  # noqa: F401


def start(arguments: Sequence[object], stdout: int, stderr: int, prepare: Callable[[], None] = lambda: None) -> int:
    """Run fpga-cli with `arguments` in a new process, on these descriptors; return its pid.

    :param prepare: called in the new process first
    """
    sys.stdout.flush()
    sys.stderr.flush()
    pid = os.fork()
    if pid:
        return pid
    code = 70  # EX_SOFTWARE: this here went wrong
    try:
        null = os.open(os.devnull, os.O_RDONLY)
        for descriptor, standard in ((null, 0), (stdout, 1), (stderr, 2)):
            os.dup2(descriptor, standard)
        sys.stdout = open(1, "w", closefd=False)  # noqa: SIM115 - a descriptor
        sys.stderr = open(2, "w", closefd=False)  # noqa: SIM115
        prepare()
        try:
            code = main.main([str(argument) for argument in arguments])
        except SystemExit as end:
            code = end.code if isinstance(end.code, int) else 2
        sys.stdout.flush()
        sys.stderr.flush()
    finally:
        os._exit(code)
