# SPDX-License-Identifier: Apache-2.0
"""fpga-cli called in the process of the test, where a burn and an erase take milliseconds.

The start of two processes takes half a second. A command that is to be killed, to run beside another or to write to a
pipe needs :mod:`tests.support.process_host`.
"""

from __future__ import annotations

import contextlib
import io
import pathlib
import sys
from typing import NamedTuple
from unittest import mock

from fpga_nova.fpga_cli.main import main
from tests.support.process_host import Host


class Result(NamedTuple):
    """How a command ended: its exit code and what it wrote."""

    code: int
    out: str
    err: str


def run(config_file: pathlib.Path, *arguments: str | pathlib.Path, said: str | None = None) -> Result:
    """Run fpga-cli and return how it ended.

    :param said: what it gets on standard input
    """
    stdin = io.TextIOWrapper(io.BytesIO((said or "").encode()))
    with (
        contextlib.redirect_stdout(io.StringIO()) as out,
        contextlib.redirect_stderr(io.StringIO()) as err,
        mock.patch.object(sys, "stdin", stdin),
    ):
        try:
            code = main(["--config-file", str(config_file), *map(str, arguments)])
        except SystemExit as end:
            code = end.code if isinstance(end.code, int) else 1
    return Result(code, out.getvalue(), err.getvalue())


class FpgaCli:
    """fpga-cli over one configuration file."""

    def __init__(self, config_file: pathlib.Path) -> None:
        self._config_file = config_file

    def __call__(self, *arguments: str | pathlib.Path, code: int = 0) -> str:
        """Run a command and require its exit code; return stdout, or, for a code that is not 0, stderr."""
        result = run(self._config_file, *arguments)
        assert result.code == code, f"exit {result.code}: {result.out}{result.err}"
        return result.err if code else result.out


class InProcessHost(Host):
    """A compute host's FPGA side in a directory, over simulated cards."""

    def start(self, *arguments, **options):
        raise NotImplementedError("a process needs tests.support.process_host")

    def run(self, *arguments: str | pathlib.Path, said: str | None = None) -> Result:
        """Run fpga-cli and return how it ended.

        :param said: what it gets on standard input
        """
        return run(self.config_file, *arguments, said=said)

    def cli(self, *arguments: str | pathlib.Path, code: int = 0, said: str | None = None) -> str:
        """Run fpga-cli and require its exit code; return stdout, or, for a code that is not 0, stderr."""
        result = self.run(*arguments, said=said)
        assert result.code == code, f"exit {result.code}: {result.out}{result.err}"
        if code == 0:
            return result.out
        assert result.out == ""
        assert result.err.startswith("Error: ") and result.err.count("\n") == 1, result.err
        return result.err
