# SPDX-License-Identifier: Apache-2.0
"""Runs `fpga-nova patch ACTION --nova PATH` and kills it with SIGKILL at its Nth step that changes a file system.

Usage: killed.py N ACTION PATH
"""

import os
import signal
import sys

CHANGES = {"open", "os.rename", "os.remove", "os.mkdir", "os.rmdir", "os.truncate", "shutil.rmtree", "os.chmod"}


def main():
    deadline, action, path = int(sys.argv[1]), sys.argv[2], sys.argv[3]
    from fpga_nova.fpga_nova_cli import main as cli

    steps = 0

    def watch(event, arguments):
        nonlocal steps
        if event not in CHANGES or path not in str(arguments[0]):
            return
        if event == "open" and not (isinstance(arguments[1], str) and arguments[1].startswith(("w", "x"))):
            return
        steps += 1
        if steps == deadline:
            os.kill(os.getpid(), signal.SIGKILL)

    sys.addaudithook(watch)
    return cli.main(["patch", action, "--nova", path])


if __name__ == "__main__":
    sys.exit(main())
