# SPDX-License-Identifier: Apache-2.0
"""The runner with real processes: the stand-in executable, fpga-cli itself, and scripts that misbehave."""

from __future__ import annotations

import os
import pathlib
import sys
import threading
import time
import uuid

import pytest

from fpga_nova import errors
from fpga_nova.clients import fpga_cli_runner
from fpga_nova.nova.claims.tracker import Tracker
from tests.support import ROOT
from tests.support.card import Card

CORE = "dd834aa4-f950-40e6-8c23-9dab7f3f0138"
SERVER = "3f2c3f6a-33f4-4d59-8f0b-4b2e6a3e9a10"
PROJECT = "6f70656e737461636b20342065766572"


def runner(command, root_helper="env", burn=10, erase=10):
    """`env` stands for sudo where these tests do not run as root: it runs its arguments."""
    return fpga_cli_runner.Runner(str(command), root_helper, burn, erase)


def script(directory: pathlib.Path, text: str, name: str = "fpga-cli") -> pathlib.Path:
    path = directory / name
    path.write_text(f"#!/bin/sh\n{text}\n")
    path.chmod(0o755)
    return path


def test_burn_status_list_and_erase_with_a_token_on_standard_input(card):
    tool = runner(card.command)
    region = tool.burn(CORE, SERVER, PROJECT, "a-token")
    assert card.tokens() == ["a-token"]
    assert [each.id for each in tool.regions() if each.owner == SERVER] == [region]
    assert tool.status() == fpga_cli_runner.Usage(used=1, total=2)
    tool.erase(SERVER, region)
    assert card.used() == []


def test_exit_code_and_message_become_an_error(card):
    card.behave({"burn": {"code": 65, "text": "a line of a logger\nError: no free region"}})
    with pytest.raises(errors.NoFreeRegion, match=r"^no free region$"):
        runner(card.command).burn(CORE, SERVER, PROJECT)


def test_audit_log_that_cannot_be_written_reaches_the_log(tmp_path, core_archive, host, caplog):
    """The real fpga-cli: the region is burned, and nova-compute's log has the warning."""
    host.cli("status")
    (host.state_path / "audit.log").unlink()
    (host.state_path / "audit.log").mkdir()
    line = f"exec {sys.executable} -m fpga_nova.fpga_cli --config-file {host.config_file} burn --file {core_archive}"
    region = runner(script(tmp_path, f"export PYTHONPATH={ROOT}; {line}")).burn(CORE, SERVER, PROJECT)
    assert [each["id"] for each in host.regions() if each["state"] == "programmed"] == [region]
    (record,) = [record for record in caplog.records if record.levelname == "WARNING"]
    assert f"burn: Warning: audit log {host.state_path}/audit.log cannot be written" in record.getMessage()


def test_end_by_a_signal_is_named(tmp_path):
    with pytest.raises(errors.FpgaError, match="was ended by signal 9"):
        runner(script(tmp_path, "kill -9 $$")).burn(CORE, SERVER, PROJECT)


def test_time_limit_ends_the_process(tmp_path):
    pid = tmp_path / "pid"
    command = script(tmp_path, f"echo $$ > {pid}; exec sleep 30")
    started = time.monotonic()
    with pytest.raises(errors.FpgaError, match="did not end within 1 seconds"):
        runner(command, burn=1).burn(CORE, SERVER, PROJECT)
    assert time.monotonic() - started < 10
    with pytest.raises(ProcessLookupError):
        os.kill(int(pid.read_text()), 0)


def test_missing_command_is_an_error_of_the_configuration(tmp_path):
    # As root, env is not used and the command is missing; else the root helper is.
    with pytest.raises(errors.FpgaError, match="fpga-cli"):
        runner(tmp_path / "fpga-cli", root_helper=str(tmp_path / "sudo")).status()


@pytest.mark.parametrize("name", ["fpga-cli", "fpga-cli.py"])
def test_parallel_builds_are_counted_exactly_while_audits_run(tmp_path, name):
    card = Card(tmp_path, 3, name)
    card.behave({"burn": {"sleep": 0.1}})
    tracker = Tracker(runner(card.command), simulated=False)
    tracker.refresh()
    servers = [str(uuid.uuid4()) for _ in range(3)]
    for each in servers:
        tracker.counts.add_claim(each)
    seen = set()
    threads = [threading.Thread(target=tracker.burn, args=(each, CORE, PROJECT)) for each in servers]
    for thread in threads:
        thread.start()
    while any(thread.is_alive() for thread in threads):
        tracker.audit()
        seen.add(tracker.counts.total_and_used())
    assert seen == {(3, 3)}
    assert len(card.used()) == 3
