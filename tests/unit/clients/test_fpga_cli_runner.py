# SPDX-License-Identifier: Apache-2.0
"""The runner's command lines, and its reading of results, without a process."""

from __future__ import annotations

import json

import pytest

from fpga_nova import errors
from fpga_nova.clients import fpga_cli_runner
from fpga_nova.clients.root_command import CommandResult
from tests.support.card import Card

CORE = "dd834aa4-f950-40e6-8c23-9dab7f3f0138"
SERVER = "3f2c3f6a-33f4-4d59-8f0b-4b2e6a3e9a10"
PROJECT = "6f70656e737461636b20342065766572"
OTHER = "7c0b7a7e-7d0b-4a57-8f1e-0b6f7f1b4b1d"


@pytest.fixture
def card(tmp_path):
    """A card of two regions behind fpga-cli."""
    return Card(tmp_path / "card", 2)


def runner_of(card):
    return fpga_cli_runner.Runner(card.command, "helper", 11, 12, card.run)


def runner_with(stdout="", stderr="", exit_code=0, name="fpga-cli"):
    """A runner whose every command ends so."""
    result = CommandResult(exit_code, stdout, stderr)
    return fpga_cli_runner.Runner(f"/opt/{name}", "helper", 11, 12, lambda *_: result)


def test_warnings_of_a_successful_call_reach_the_log_as_printable_text(caplog):
    stderr = "sudo: unable to resolve host\nWarning: a \033[31mfull\033[0m disk\nWarning: no\tcounts\r\n"
    assert runner_with("Used regions: 0/1\n", stderr).status().total == 1
    (record,) = caplog.records
    assert record.levelname == "WARNING"
    assert record.getMessage() == "/opt/fpga-cli status: Warning: a [31mfull[0m disk Warning: no counts"


def test_many_warnings_are_one_bounded_line_in_the_log(caplog):
    runner_with("Used regions: 0/1\n", "Warning: x\n" * 10000).status()
    (record,) = caplog.records
    assert len(record.getMessage()) < 2000 and record.getMessage().isprintable()


def test_successful_call_without_warnings_logs_nothing(card, caplog):
    runner_of(card).status()
    assert [record for record in caplog.records if record.name == fpga_cli_runner.__name__] == []


def test_fpga_cli_is_called_with_owner_and_project(card):
    runner = runner_of(card)
    region = runner.burn(CORE, SERVER, PROJECT)
    assert card.calls() == [f"burn --owner {SERVER} --project {PROJECT} {CORE}"]
    (held,) = [each for each in runner.regions() if each.owner]
    assert (held.id, held.owner, held.image_id, held.state) == (region, SERVER, CORE, "programmed")
    assert runner.status() == fpga_cli_runner.Usage(used=1, total=2)
    runner.erase(OTHER)
    assert card.owners() == {SERVER}
    runner.erase(SERVER, region)
    assert card.used() == []
    assert card.calls("erase") == [f"erase --owner {OTHER}", f"erase --owner {SERVER} {region}"]


def test_stand_in_gets_the_contract_alone(tmp_path):
    card = Card(tmp_path / "card", 1, name="fpga-cli.py")
    runner = runner_of(card)
    region = runner.burn(CORE, SERVER, PROJECT)
    runner.erase(SERVER)  # a stand-in cannot be asked to erase without a region id
    runner.erase(SERVER, region)
    assert card.calls() == [f"burn {CORE}", f"erase {region}"]
    assert card.used() == []


@pytest.mark.parametrize(
    ("call", "timeout"),
    [
        (lambda runner: runner.burn(CORE, SERVER, PROJECT), 11),
        (lambda runner: runner.erase(SERVER), 12),
        (lambda runner: runner.status(), fpga_cli_runner.QUERY_TIMEOUT),
        (lambda runner: runner.regions(), fpga_cli_runner.QUERY_TIMEOUT),
    ],
)
def test_each_call_goes_through_the_root_helper_with_its_own_time_limit(card, call, timeout):
    seen = []

    def run(command, root_helper, timeout, stdin=None):
        seen.append((root_helper, timeout))
        return card.run(command, root_helper, timeout, stdin)

    call(fpga_cli_runner.Runner(card.command, "helper", 11, 12, run))
    assert seen == [("helper", timeout)]


def test_token_goes_by_standard_input(card):
    runner_of(card).burn(CORE, SERVER, PROJECT, "a-token")
    assert card.calls() == [f"burn --owner {SERVER} --project {PROJECT} --token-stdin {CORE}"]
    assert card.tokens() == ["a-token"]


def test_stand_in_gets_no_token(tmp_path):
    card = Card(tmp_path / "card", 1, name="other")
    with pytest.raises(errors.ImageNotAvailable, match="cannot fetch an IP core with a user's token"):
        runner_of(card).burn(CORE, SERVER, PROJECT, "a-token")
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
def test_each_exit_code_raises_its_error_with_the_tools_own_message(card, code, command, error):
    card.behave({command: {"code": code, "text": "a line of a logger\nError: this is its message\nsudo: and sudo's"}})
    runner = runner_of(card)
    calls = {
        "burn": lambda: runner.burn(CORE, SERVER, PROJECT),
        "erase": lambda: runner.erase(SERVER),
        "status": runner.status,
    }
    with pytest.raises(errors.FpgaError) as caught:
        calls[command]()
    assert type(caught.value) is error
    assert str(caught.value) == "this is its message"


def test_message_on_stdout_is_read_as_in_2016():
    runner = runner_with("Error: cannot programm `x' - no matching hardware found\n", exit_code=64)
    with pytest.raises(errors.NoMatchingHardware, match=r"^cannot programm `x' - no matching hardware found$"):
        runner.burn(CORE, SERVER, PROJECT)


def test_failure_without_a_message_names_the_exit_code():
    with pytest.raises(errors.ProgrammingFailed, match="fpga-cli burn failed with exit code 69 and no word"):
        runner_with(exit_code=69).burn(CORE, SERVER, PROJECT)


@pytest.mark.parametrize(
    ("stderr", "message"), [("", "was ended by signal 9"), ("half a line", "was ended by signal 9: half")]
)
def test_end_by_a_signal_is_named(stderr, message):
    with pytest.raises(errors.FpgaError, match=message):
        runner_with(stderr=stderr, exit_code=-9).burn(CORE, SERVER, PROJECT)


@pytest.mark.parametrize(
    "output",
    ["", "\n", "one\ntwo\n", "a0399bc1-cb67-4548-b0b8-aa95a91402d3\nmore\n", "not a uuid\n", "\033[31mred\n"],
)
def test_burn_that_prints_no_region_id_is_refused(output):
    with pytest.raises(errors.ProgrammingFailed, match="printed"):
        runner_with(output).burn(CORE, SERVER, PROJECT)


@pytest.mark.parametrize("region", ["/dev/fpga0", "x" * 255])
def test_region_id_of_a_stand_in_need_not_be_a_uuid(region):
    assert runner_with(f"{region}\n", name="other").burn(CORE, SERVER, PROJECT) == region


def test_region_id_longer_than_novas_column_is_refused():
    with pytest.raises(errors.ProgrammingFailed):
        runner_with("x" * 256 + "\n", name="other").burn(CORE, SERVER, PROJECT)


@pytest.mark.parametrize("region", ["", "-f", "a\nb"])
def test_erase_by_a_stand_in_refuses_what_is_not_a_region_id(region):
    with pytest.raises(errors.UnknownRegion):
        runner_with(name="other").erase(SERVER, region)


@pytest.mark.parametrize("output", ["", "Used regions: 3/2", "Used regions: -1/2", "Used regions: 1/2 or so", "1/2"])
def test_malformed_status_is_refused(output):
    with pytest.raises(errors.DeviceNotAccessible, match="fpga-cli status printed"):
        runner_with(output).status()


@pytest.mark.parametrize("output", ["", "{}x", "[1]", "[{}]", json.dumps([{"id": "x", "state": "lost"}]), '{"a": 1}'])
def test_malformed_list_is_refused(output):
    with pytest.raises(errors.StoreNotReadable, match="no list of regions"):
        runner_with(output).regions()


def test_fields_that_a_newer_fpga_cli_lists_are_ignored(card):
    card.write([{**card.regions()[0], "colour": "green"}])
    (region,) = runner_of(card).regions()
    assert region.id == card.regions()[0]["id"]


@pytest.mark.parametrize("value", ["", "--file", "../x", CORE + "\n", CORE.upper(), f"{CORE} {CORE}", "$(reboot)"])
def test_nothing_but_a_uuid_reaches_the_command_line(card, value):
    runner = runner_of(card)
    for call in (
        lambda: runner.burn(value, SERVER, PROJECT),
        lambda: runner.burn(CORE, value, PROJECT),
        lambda: runner.burn(CORE, SERVER, value),
        lambda: runner.erase(value),
        lambda: runner.erase(SERVER, value),
    ):
        with pytest.raises(errors.FpgaError):
            call()
    assert card.calls() == []


def test_project_id_with_dashes_loses_them(card):
    runner_of(card).burn(CORE, SERVER, "6f70656e-7374-6163-6b20-342065766572")
    assert card.calls() == [f"burn --owner {SERVER} --project {PROJECT} {CORE}"]


@pytest.mark.parametrize(
    ("code", "stderr", "hint"),
    [
        (96, "no such executable", "exec_dirs"),
        (97, "bad config", "rootwrap.conf"),
        (98, "no command", "sudoers"),
        (99, "Unauthorized command: fpga-cli status (no filter matched)", "fpga.filters"),
        (1, "sudo: a password is required", "sudoers"),
        (1, "sudo: nova-rootwrap: command not found", "sudoers"),
    ],
)
def test_refusal_of_the_root_helper_names_the_remedy(code, stderr, hint):
    with pytest.raises(errors.ConfigurationInvalid) as caught:
        runner_with(stderr=stderr, exit_code=code).status()
    assert hint in str(caught.value)
    assert stderr in str(caught.value)
