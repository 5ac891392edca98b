# SPDX-License-Identifier: Apache-2.0
"""The rights of nova-compute's user on a host, by the real sudo and the real rootwrap."""

from __future__ import annotations

import subprocess
import uuid

import pytest

from build_scripts.lib import paths

UUID = str(uuid.uuid4())


@pytest.fixture(scope="module")
def nova(cloud):
    """Run a command as nova-compute's user on compute1."""
    node = cloud.observer.nodes["compute1"]

    def run(*command: str) -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            node.command(command, user="nova"),
            env=node.environment("nova"),
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
        )

    return run


@pytest.fixture(scope="module")
def rootwrap(cloud, nova):
    program = str(cloud.state.path / "venv" / "bin" / "nova-rootwrap")
    return lambda *command: nova("sudo", "-n", program, "/etc/nova/rootwrap.conf", *command)


def test_status_runs_through_rootwrap(rootwrap):
    result = rootwrap("fpga-cli", "status")
    assert (result.returncode, result.stdout) == (0, "Used regions: 0/2\n"), result.stderr


def test_exit_code_comes_through_rootwrap(rootwrap):
    result = rootwrap("fpga-cli", "erase", UUID)
    assert result.returncode == 33
    assert "unknown region" in result.stderr


@pytest.mark.parametrize(
    "arguments",
    [
        ["--config-file", "/tmp/evil.conf", "status"],
        ["burn", "--file", "/tmp/evil.zip"],
        ["burn", UUID, "--config-file", "/tmp/evil.conf"],
        ["erase", "../../etc"],
        ["erase", f"{UUID}\n"],
        ["release", UUID],
        ["status", "--debug"],
    ],
)
def test_rootwrap_refuses_other_arguments(rootwrap, arguments):
    result = rootwrap("fpga-cli", *arguments)
    assert result.returncode == 99, result
    assert "Unauthorized command" in result.stderr + result.stdout


def test_sudo_refuses_other_commands(nova):
    for command in (["fpga-cli", "status"], ["cat", "/etc/shadow"], ["sh", "-c", "id"]):
        assert nova("sudo", "-n", *command).returncode != 0


@pytest.mark.parametrize(
    ("command", "path"),
    [
        ("cat", "/etc/fpga-nova/fpga-nova.conf"),
        ("cat", "/var/lib/fpga-nova/regions.sqlite"),
        ("ls", "/var/lib/fpga-nova/locks"),
    ],
)
def test_nova_cannot_read_what_is_fpga_clis(nova, command, path):
    result = nova(command, path)
    assert result.returncode != 0
    assert "Permission denied" in result.stderr


def test_nova_compute_does_not_run_as_root(cloud):
    node = cloud.observer.nodes["compute1"]
    script = f"{paths.state_path()}/venv/bin/nova-compute"  # those of another clone's cloud are not ours to judge
    found = [line for line in node.run(["ps", "-eo", "user,args"]).splitlines() if script in line]
    assert found and not [line for line in found if line.startswith("root")]
