# SPDX-License-Identifier: Apache-2.0
"""The runner with real processes: the stand-in executable, scripts that misbehave, and root helpers that refuse."""

from __future__ import annotations

import json
import os
import pathlib
import sys
import time

import pytest

from fpga_nova import errors
from fpga_nova.clients import fpga_cli_runner as runner_module
from tests.support import ROOT
from tests.support.card import Card

CORE = "dd834aa4-f950-40e6-8c23-9dab7f3f0138"
SERVER = "3f2c3f6a-33f4-4d59-8f0b-4b2e6a3e9a10"
PROJECT = "6f70656e737461636b20342065766572"
OTHER = "7c0b7a7e-7d0b-4a57-8f1e-0b6f7f1b4b1d"


def runner(command, root_helper="env", burn=10, erase=10):
    """`env` stands for sudo where these tests do not run as root: it runs its arguments."""
    return runner_module.Runner(str(command), root_helper, burn, erase)


def script(directory: pathlib.Path, text: str, name: str = "fpga-cli") -> pathlib.Path:
    path = directory / name
    path.write_text(f"#!/bin/sh\n{text}\n")
    path.chmod(0o755)
    return path


def test_warnings_of_what_is_done_all_the_same_reach_the_log(tmp_path, caplog):
    words = "sudo: unable to resolve host\\nWarning: a \\033[31mfull\\033[0m disk\\nWarning: no\\tcounts\\r\\n"
    command = script(tmp_path, f"printf '{words}' >&2; echo Used regions: 0/1")
    assert runner(command).status().total == 1
    (record,) = caplog.records
    assert record.levelname == "WARNING"
    assert record.getMessage() == f"{command} status: Warning: a [31mfull[0m disk Warning: no counts"


def test_a_flood_of_warnings_is_one_line_in_the_log(tmp_path, caplog):
    runner(script(tmp_path, "yes 'Warning: x' | head -10000 >&2; echo Used regions: 0/1")).status()
    (record,) = caplog.records
    assert len(record.getMessage()) < 2000 and record.getMessage().isprintable()


def test_an_audit_log_that_cannot_be_written_reaches_the_log(tmp_path, core_archive, host, caplog):
    """The real fpga-cli: the region is burned, and nova-compute's log says what is not logged."""
    host.cli("status")
    (host.state_path / "audit.log").unlink()
    (host.state_path / "audit.log").mkdir()
    line = f"exec {sys.executable} -m fpga_nova.fpga_cli --config-file {host.config_file} burn --file {core_archive}"
    region = runner(script(tmp_path, f"export PYTHONPATH={ROOT}; {line}")).burn(CORE, SERVER, PROJECT)
    assert [each["id"] for each in host.regions() if each["state"] == "programmed"] == [region]
    (record,) = [record for record in caplog.records if record.levelname == "WARNING"]
    assert f"burn: Warning: audit log {host.state_path}/audit.log cannot be written" in record.getMessage()


def test_nothing_is_logged_of_what_goes_well(card, caplog):
    runner(card.command).status()
    assert [record for record in caplog.records if record.name == runner_module.__name__] == []


def test_burn_list_erase(card):
    tool = runner(card.command)
    region = tool.burn(CORE, SERVER, PROJECT)
    assert card.calls() == [f"burn --owner {SERVER} --project {PROJECT} {CORE}"]
    (held,) = [each for each in tool.regions() if each.owner]
    assert (held.id, held.owner, held.image_id, held.state) == (region, SERVER, CORE, "programmed")
    assert tool.status() == runner_module.Usage(used=1, total=2)
    tool.erase(OTHER)
    assert card.owners() == {SERVER}
    tool.erase(SERVER, region)
    assert card.used() == []
    assert card.calls("erase") == [f"erase --owner {OTHER}", f"erase --owner {SERVER} {region}"]


def test_stand_in_of_another_name_gets_the_contract_alone(tmp_path):
    card = Card(tmp_path / "card", 1, name="fpga-cli.py")
    tool = runner(card.command)
    region = tool.burn(CORE, SERVER, PROJECT)
    tool.erase(SERVER)  # without a region id nothing can be said to it
    tool.erase(SERVER, region)
    assert card.calls() == [f"burn {CORE}", f"erase {region}"]
    assert card.used() == []


def test_a_token_goes_by_standard_input(card):
    runner(card.command).burn(CORE, SERVER, PROJECT, "a-token")
    assert card.calls() == [f"burn --owner {SERVER} --project {PROJECT} --token-stdin {CORE}"]
    assert card.tokens() == ["a-token"]


def test_a_stand_in_gets_no_token(tmp_path):
    card = Card(tmp_path / "card", 1, name="other")
    with pytest.raises(errors.ImageNotAvailable, match="cannot fetch an IP core with a user's token"):
        runner(card.command).burn(CORE, SERVER, PROJECT, "a-token")
    assert card.calls() == []


@pytest.mark.parametrize(
    ("code", "command", "error"),
    [
        (31, "erase", errors.EraseFailed),
        (32, "erase", errors.StoreNotReadable),
        (33, "erase", errors.UnknownRegion),
        (64, "burn", errors.NoMatchingHardware),
        (65, "burn", errors.NoFreeRegion),
        (66, "burn", errors.ImageNotAvailable),
        (67, "burn", errors.ArchiveInvalid),
        (68, "burn", errors.RefusedByPolicy),
        (69, "burn", errors.ProgrammingFailed),
        (127, "status", errors.DeviceNotAccessible),
        (128, "status", errors.StoreNotReadable),
        (1, "burn", errors.FpgaError),
        (77, "burn", errors.FpgaError),
    ],
)
def test_each_code_is_an_error_with_the_tools_own_words(card, code, command, error):
    card.behave({command: {"code": code, "text": "a line of a logger\nError: these are its words\nsudo: and sudo's"}})
    tool = runner(card.command)
    calls = {
        "burn": lambda: tool.burn(CORE, SERVER, PROJECT),
        "erase": lambda: tool.erase(SERVER),
        "status": tool.status,
    }
    with pytest.raises(errors.FpgaError) as caught:
        calls[command]()
    assert type(caught.value) is error
    assert str(caught.value) == "these are its words"


def test_words_on_stdout_as_in_2016(tmp_path):
    command = script(tmp_path, 'echo "Error: cannot programm \\`x\' - no matching hardware found"; exit 64')
    with pytest.raises(errors.NoMatchingHardware, match=r"^cannot programm `x' - no matching hardware found$"):
        runner(command).burn(CORE, SERVER, PROJECT)


def test_failure_without_a_word(tmp_path):
    with pytest.raises(errors.ProgrammingFailed, match="fpga-cli burn failed with exit code 69 and no word"):
        runner(script(tmp_path, "exit 69")).burn(CORE, SERVER, PROJECT)


def test_ended_by_a_signal(tmp_path):
    with pytest.raises(errors.FpgaError, match="was ended by signal 9"):
        runner(script(tmp_path, "kill -9 $$")).burn(CORE, SERVER, PROJECT)


@pytest.mark.parametrize(
    "output",
    ["", "\\n", "one\\ntwo\\n", "a0399bc1-cb67-4548-b0b8-aa95a91402d3\\nmore\\n", "not a uuid\\n", "\\033[31mred\\n"],
)
def test_output_of_burn_that_is_no_region(tmp_path, output):
    with pytest.raises(errors.ProgrammingFailed, match="printed"):
        runner(script(tmp_path, f"printf '{output}'")).burn(CORE, SERVER, PROJECT)


@pytest.mark.parametrize(("region", "accepted"), [("/dev/fpga0", True), ("x" * 255, True), ("x" * 256, False)])
def test_region_of_a_stand_in(tmp_path, region, accepted):
    tool = runner(script(tmp_path, f"echo {region}", name="other"))
    if accepted:
        assert tool.burn(CORE, SERVER, PROJECT) == region
    else:
        with pytest.raises(errors.ProgrammingFailed):
            tool.burn(CORE, SERVER, PROJECT)


@pytest.mark.parametrize("output", ["", "Used regions: 3/2", "Used regions: -1/2", "Used regions: 1/2 or so", "1/2"])
def test_status_that_is_none(tmp_path, output):
    with pytest.raises(errors.DeviceNotAccessible, match="fpga-cli status printed"):
        runner(script(tmp_path, f"echo '{output}'")).status()


@pytest.mark.parametrize("output", ["", "{}x", "[1]", "[{}]", json.dumps([{"id": "x", "state": "lost"}]), '{"a": 1}'])
def test_list_that_is_none(tmp_path, output):
    with pytest.raises(errors.StoreNotReadable, match="no list of regions"):
        runner(script(tmp_path, f"echo '{output}'")).regions()


@pytest.mark.parametrize("value", ["", "--file", "../x", CORE + "\n", CORE.upper(), f"{CORE} {CORE}", "$(reboot)"])
def test_nothing_but_a_uuid_reaches_the_command_line(card, value):
    tool = runner(card.command)
    for call in (
        lambda: tool.burn(value, SERVER, PROJECT),
        lambda: tool.burn(CORE, value, PROJECT),
        lambda: tool.burn(CORE, SERVER, value),
        lambda: tool.erase(value),
        lambda: tool.erase(SERVER, value),
    ):
        with pytest.raises(errors.FpgaError):
            call()
    assert card.calls() == []


def test_a_project_in_the_form_of_others(card):
    runner(card.command).burn(CORE, SERVER, "6f70656e-7374-6163-6b20-342065766572")
    assert card.calls() == [f"burn --owner {SERVER} --project {PROJECT} {CORE}"]


def test_time_limit_ends_the_process(tmp_path):
    pid = tmp_path / "pid"
    command = script(tmp_path, f"echo $$ > {pid}; exec sleep 30")
    started = time.monotonic()
    with pytest.raises(errors.FpgaError, match="did not end within 1 seconds"):
        runner(command, burn=1).burn(CORE, SERVER, PROJECT)
    assert time.monotonic() - started < 10
    with pytest.raises(ProcessLookupError):
        os.kill(int(pid.read_text()), 0)


@pytest.mark.parametrize(
    ("code", "said", "hint"),
    [
        (96, "no such executable", "exec_dirs"),
        (97, "bad config", "rootwrap.conf"),
        (99, "Unauthorized command: fpga-cli status (no filter matched)", "fpga.filters"),
        (1, "sudo: a password is required", "sudoers"),
        (1, "sudo: nova-rootwrap: command not found", "sudoers"),
    ],
)
def test_refusals_of_the_root_helper_say_what_to_do(tmp_path, code, said, hint):
    # The command itself plays the root helper's part, so that this is the same for root.
    with pytest.raises(errors.ConfigurationInvalid) as caught:
        runner(script(tmp_path, f"echo '{said}' >&2; exit {code}")).status()
    assert hint in str(caught.value)
    assert said in str(caught.value)


def test_command_that_is_not_there(tmp_path):
    with pytest.raises(errors.FpgaError) as caught:
        runner(tmp_path / "fpga-cli", root_helper=str(tmp_path / "sudo")).status()
    assert "fpga-cli" in str(caught.value)
