# SPDX-License-Identifier: Apache-2.0
"""A user's token is on standard input and nowhere else."""

from __future__ import annotations

import json
import pathlib
import subprocess

import pytest

from tests.support.image_server import IMAGE

TOKEN = "gAAAAABn-a_users-token"


@pytest.fixture
def private(glance):
    """An image that only the token's owner sees."""
    glance.readers = {TOKEN}
    return glance


def test_token_is_not_in_arguments_environment_log_or_files(host, private):
    """Neither in the process's arguments and environment, nor in its log, nor in a file."""
    host.cli("list")
    host.fault("program", "slow 2")
    process = host.start("--debug", "burn", "--token-stdin", IMAGE, stdin=subprocess.PIPE)
    process.stdin.write(TOKEN + "\n")
    process.stdin.close()
    process.stdin = None
    while not private.downloads():
        assert process.poll() is None, process.communicate()
    proc = pathlib.Path("/proc", str(process.pid))
    assert TOKEN.encode() not in proc.joinpath("cmdline").read_bytes() + proc.joinpath("environ").read_bytes()
    out, err = process.communicate(timeout=60)
    assert process.returncode == 0, err
    assert "DEBUG" in err  # so that there was something to look through
    assert TOKEN not in out + err
    files = [path for path in host.path.rglob("*") if path.is_file()]
    assert files
    assert not [path for path in files if TOKEN.encode() in path.read_bytes()]
    (region,) = [region for region in json.loads(host.cli("list", "-f", "json")) if region["owner"] or region["core"]]
    assert region["image_id"] == IMAGE
