# SPDX-License-Identifier: Apache-2.0
"""A stand-in for fpga-cli, whose answer a test sets."""

import pathlib

import fixtures

CORE = "dd834aa4-f950-40e6-8c23-9dab7f3f0138"
REGION = "5b7f1a52-6f6e-4d7e-9d0f-0c4d9f5f7a11"

_PROGRAM = """\
#!/bin/sh
test "$1" = status && cat "$(dirname "$0")/status"
"""


class Regions(fixtures.Fixture):
    """An executable that knows the command `status` alone, and prints the numbers that a test has set."""

    def _setUp(self):
        self.directory = pathlib.Path(self.useFixture(fixtures.TempDir()).path)
        self.command = self.directory / "stand-in"
        self.command.write_text(_PROGRAM)
        self.command.chmod(0o755)
        self.set_status(0, 0)

    def set_status(self, used, total):
        """Let `status` print these numbers from now on."""
        (self.directory / "status").write_text(f"Used regions: {used}/{total}\n")
