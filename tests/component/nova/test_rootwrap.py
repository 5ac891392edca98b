# SPDX-License-Identifier: Apache-2.0
"""The real filter file under the real nova-rootwrap."""

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
    """Return a function that runs a command through rootwrap; the command says its arguments, one a line."""
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


@pytest.mark.parametrize(
    "arguments",
    [
        ["status"],
        ["list", "-f", "json"],
        ["burn", U],
        ["burn", "--owner", V, "--project", P, U],
        ["burn", "--owner", V, "--project", P, "--token-stdin", U],
        ["erase", U],
        ["erase", "--owner", V],
        ["erase", "--owner", V, U],
    ],
)
def test_what_nova_needs_runs(rootwrap, arguments):
    done = rootwrap("fpga-cli", *arguments)
    assert (done.returncode, done.stdout.splitlines()) == (0, arguments), done.stderr


@pytest.mark.parametrize(
    "arguments",
    [
        [],
        ["status", "-f"],
        ["status\n"],
        ["list"],
        ["list", "-f", "json\n"],
        ["list", "-f", "value"],
        ["recover"],
        ["show", U],
        ["burn"],
        ["burn", U + "\n"],
        ["burn", U, U],
        ["burn", U + "x"],
        ["burn", " " + U],
        ["burn", U.upper()],
        ["burn", U.replace("-", "")],
        ["burn", "{" + U + "}"],
        ["burn", "--file", U],
        ["burn", "--file=/etc/shadow"],
        ["burn", "--owner=" + V, U],
        ["burn", "--owner", V + "\n", U],
        ["burn", "--owner", "--file", U],
        ["burn", "--owner\n", V, U],
        ["burn", "--owner", V, "--config-file", U],
        ["burn", "--project", P, U],
        ["burn", "--project", P, "--owner", V, U],
        ["burn", "--owner", V, "--project=" + P, U],
        ["burn", "--owner", V, "--project\n", P, U],
        ["burn", "--owner", V, "--project", P + "\n", U],
        ["burn", "--owner", V, "--project", P + "0", U],
        ["burn", "--owner", V, "--project", P[1:], U],
        ["burn", "--owner", V, "--project", P.upper(), U],
        ["burn", "--owner", V, "--project", V, U],
        ["burn", "--owner", V, "--project", "admin", U],
        ["burn", "--owner", V, "--project", "--file", U],
        ["burn", "--owner", V, "--project", P],
        ["burn", "--owner", V, "--project", P, U, U],
        ["burn", "--owner", V, "--project", P, "--file", U],
        ["burn", "--owner", V, "--file", P, U],
        ["burn", "--token-stdin", U],
        ["burn", "--owner", V, "--project", P, "--token-stdin"],
        ["burn", "--owner", V, "--project", P, "--token-stdin\n", U],
        ["burn", "--owner", V, "--project", P, "--token-stdin=x", U],
        ["burn", "--owner", V, "--project", P, "--token-stdin", "--file", U],
        ["burn\n", U],
        ["erase"],
        ["erase", "--all"],
        ["erase", "--owner"],
        ["erase", "--owner", V, U, U],
        ["erase", "--owner", V, U + "\n"],
        ["erase", "../../etc"],
        ["--config-file", "/tmp/evil.conf", "status"],
        ["--config-file=/tmp/evil.conf", "status"],
        ["status", "--config-file", "/tmp/evil.conf"],
        ["burn", "--config-file", "/tmp/evil.conf", U],
    ],
)
def test_nothing_else_runs(rootwrap, arguments):
    done = rootwrap("fpga-cli", *arguments)
    assert (done.returncode, done.stdout) == (UNAUTHORIZED, ""), done.stderr


@pytest.mark.parametrize("name", ["sh", "/bin/sh", "fpga-cli\n", "fpga-cli2", "/tmp/fpga-cli", "fpga-nova", "env"])
def test_no_other_command_runs(rootwrap, name):
    assert rootwrap(name, "status").returncode == UNAUTHORIZED
