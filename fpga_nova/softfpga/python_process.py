# SPDX-License-Identifier: Apache-2.0
"""Argument vector and environment of the soft FPGA's Python processes."""

from __future__ import annotations

import os
import pathlib
import sys

import fpga_nova


def argv(module: str, *arguments: str) -> list[str]:
    """Return the argument vector of a module of this package as a process."""
    return [sys.executable, "-s", "-m", f"fpga_nova.softfpga.{module}", *arguments]


def environment() -> dict[str, str]:
    """Return the whole environment of such a process; of the caller's, only the PATH."""
    return {
        "PATH": os.environ.get("PATH", os.defpath),
        "PYTHONPATH": str(pathlib.Path(fpga_nova.__file__).resolve().parents[1]),
        "PYTHONDONTWRITEBYTECODE": "1",
        "LC_ALL": "C.UTF-8",
        "TMPDIR": ".",
    }
