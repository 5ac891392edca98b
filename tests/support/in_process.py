# SPDX-License-Identifier: Apache-2.0
"""fpga-cli called in this process, which takes milliseconds where a process of its own takes half a second."""

from __future__ import annotations

import contextlib
import io
import pathlib

from fpga_nova.fpga_cli.main import main


class FpgaCli:
    """fpga-cli over one configuration file."""

    def __init__(self, config_file: pathlib.Path) -> None:
        self._config_file = config_file

    def __call__(self, *arguments: str | pathlib.Path, code: int = 0) -> str:
        """Run a command and require its exit code; return stdout, or, for a code that is not 0, stderr."""
        out, err = io.StringIO(), io.StringIO()
        with contextlib.redirect_stdout(out), contextlib.redirect_stderr(err):
            found = main(["--config-file", str(self._config_file), *map(str, arguments)])
        assert found == code, f"exit {found}: {out.getvalue()}{err.getvalue()}"
        return err.getvalue() if code else out.getvalue()
