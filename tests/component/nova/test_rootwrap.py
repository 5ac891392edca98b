# SPDX-License-Identifier: Apache-2.0
"""The real filter file under the real nova-rootwrap; tests/unit has each command line."""

from __future__ import annotations

import pathlib
import subprocess
import sys

import pytest

FILTERS = pathlib.Path(__file__).resolve().parents[3] / "etc" / "nova" / "rootwrap.d"
U = "dd834aa4-f950-40e6-8c23-9dab7f3f0138"
V = "3f2c3f6a-33f4-4d59-8f0b-4b2e6a3e9a10"
P = "6f70656e737461636b20342065766572"
UNAUTHORIZED = 99


@pytest.fixture(scope="module")
def rootwrap(tmp_path_factory):
    """Return a function that runs a command through rootwrap; the command prints its arguments, one a line."""
    directory = tmp_path_factory.mktemp("rootwrap")
    command = directory / "fpga-cli"
    command.write_text("#!/bin/sh\nfor each; do printf '%s\\n' \"$each\"; done\n")
    command.chmod(0o755)
    conf = directory / "rootwrap.conf"
    conf.write_text(f"[DEFAULT]\nfilters_path={FILTERS}\nexec_dirs={directory}\nuse_syslog=False\n")

    def run(*arguments: str) -> subprocess.CompletedProcess[str]:
        executable = pathlib.Path(sys.prefix) / "bin" / "nova-rootwrap"
        return subprocess.run([executable, conf, *arguments], capture_output=True, text=True, check=False)

    return run


@pytest.mark.parametrize("arguments", [["status"], ["burn", "--owner", V, "--project", P, "--token-stdin", U]])
def test_what_nova_calls_runs_with_the_same_arguments(rootwrap, arguments):
    done = rootwrap("fpga-cli", *arguments)
    assert (done.returncode, done.stdout.splitlines()) == (0, arguments), done.stderr


@pytest.mark.parametrize("command", [["fpga-cli", "burn", U + "\n"], ["fpga-cli", "recover"], ["sh", "status"]])
def test_anything_else_is_refused(rootwrap, command):
    done = rootwrap(*command)
    assert (done.returncode, done.stdout) == (UNAUTHORIZED, ""), done.stderr
